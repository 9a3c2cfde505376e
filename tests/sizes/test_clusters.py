"""The time of a step of several workers, by arithmetic."""

import itertools

import pytest

import graphkit as gk


def seconds(compute=0.5, size=1e6, workers=4, bandwidth=1e6, latency=0.01):
    return gk.sizes.cluster_step_seconds(compute, size, workers=workers, bandwidth=bandwidth, latency=latency)


def test_four_workers():
    # 6 messages of a quarter of 1 MB at 1 MB/s, and 6 latencies.
    assert seconds() == pytest.approx(0.5 + 1.5 + 0.06)


def test_one_worker_sends_nothing():
    assert seconds(workers=1) == 0.5


def test_each_message_is_counted():
    """Plays the ring: in each of its rounds every worker sends one part while it receives another."""
    for workers, size in itertools.product((2, 3, 8), (0.0, 5e6)):
        rounds = 2 * (workers - 1)
        expected = 0.5 + sum(size / workers / 1e6 + 0.01 for _ in range(rounds))
        assert seconds(size=size, workers=workers) == pytest.approx(expected)


def test_many_workers_send_twice_the_gradients_at_most():
    times = [seconds(compute=0, latency=0, workers=workers) for workers in (2, 8, 64, 1 << 20)]
    assert times == sorted(times)
    assert times[-1] == pytest.approx(2.0, rel=1e-5) and times[-1] < 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"compute": -1}, "compute_seconds must be a finite number at least 0"),
        ({"size": -1}, "gradient_bytes must be a finite number at least 0"),
        ({"workers": 0}, "workers must be an integer of at least 1"),
        ({"bandwidth": 0}, "bandwidth must be a finite number above 0"),
        ({"latency": float("nan")}, "latency must be a finite number at least 0"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(ValueError, match=f"cluster_step_seconds: {message}"):
        seconds(**arguments)
