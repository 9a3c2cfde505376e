"""The benchmark's comparison of numbers of workers: its arithmetic, and real workers on a small problem."""

import json
import os

import numpy as np
import pytest
from contenders import machine, worker

import graphkit as gk
from graphkit.benchmark import processes, scaling
from graphkit.commands import console


def epoch(seconds, cpu, sent, packets):
    return {"seconds": seconds, "cpu": cpu, "bytes": sent, "packets": packets}


class Reports:
    """Takes the place of `processes.run_together`: epochs of 4 steps whose times are easy to follow."""

    def __init__(self):
        self.jobs = []

    def __call__(self, job, environments, timeout):
        count, options = len(environments), job["options"]
        self.jobs.append((count, job["function"], options.get("sums")))
        if job["function"] == "time_sums":
            assert options["numbers"] == [1, 500]
            return [{"seconds": [0.002, 0.004 + 0.001 * index]} for index in range(count)]
        if count == 1:
            epochs = [
                epoch(0.2, 0.3, 1000, 10)
            ]  # what passes while a process trains alone: 5,000 bytes a second
        elif options["sums"]:
            epochs = [epoch(0.4, 0.2, 10_000, 100)]
        else:
            epochs = [epoch(0.3, 0.2, 0, 0)]
        slower = [{**one, "seconds": one["seconds"] - 0.1} for one in epochs]
        found = [
            {"epochs": epochs if index == 0 else slower, "loss": 0.5, "weights": 500}
            for index in range(count)
        ]
        return found


def test_rows_by_hand(monkeypatch, capsys):
    reports = Reports()
    monkeypatch.setattr(processes, "run_together", reports)
    rows = scaling.measure([2], "folder", rounds=2, timeout=60, batch_size=8, examples=30)
    each = [(1, "train", True), (2, "train", True), (2, "train", False), (2, "time_sums", None)]
    assert reports.jobs == 2 * each
    assert list(rows) == [1, 2]
    assert rows[1]["us"] == pytest.approx(50_000) and rows[1]["ratio"] == 1
    assert rows[1]["examples_per_second"] == pytest.approx(150)
    two = rows[2]
    assert two["us"] == pytest.approx(100_000) and two["ratio"] == pytest.approx(2)
    assert two["cpu_us"] == pytest.approx(100_000)  # of both workers
    assert two["bytes"] == pytest.approx((10_000 - 0.4 * 5000) / 4)
    assert two["packets"] == pytest.approx((100 - 0.4 * 50) / 4)
    assert two["collective"] == pytest.approx(0.25)
    # Two messages of a half of 2,000 bytes, and the sum of the slower worker.
    assert two["latency"] == pytest.approx(0.001)
    assert two["bandwidth"] == pytest.approx(2000 / 0.003)
    assert two["predicted_us"] == pytest.approx(1e6 * (0.075 + 0.003 + 0.002))
    scaling.show("mlp", rows)
    assert "a sum of one number takes 2,000 us, so a message 1,000 us" in capsys.readouterr().out


def test_the_reason_is_that_of_the_worker_that_failed_first(tmp_path, monkeypatch):
    code = "import os, sys\nif os.environ['WHO'] == '0': sys.exit(75)\nraise ImportError('broken')\n"
    (tmp_path / "torch.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    job = {"module": "pytorch", "function": "train", "options": {}}
    with pytest.raises(processes.FailedError, match="^ImportError: broken$"):
        processes.run_together(job, [{"WHO": "0"}, {"WHO": "1"}], timeout=60)


def test_a_worker_that_fails_ends_the_benchmark(monkeypatch):
    def fail(*arguments, **options):
        raise processes.FailedError("ended by SIGKILL")

    monkeypatch.setattr(processes, "run_together", fail)
    with pytest.raises(gk.GraphkitError, match="^2 workers: ended by SIGKILL$"):
        scaling.run(2, "train", {}, 60)


def test_workers_have_addresses_of_their_own():
    assert scaling.environments(1) == [{"TF_CONFIG": ""}]
    configs = [json.loads(variables["TF_CONFIG"]) for variables in scaling.environments(3)]
    assert [config["task"]["index"] for config in configs] == [0, 1, 2]
    (addresses,) = {tuple(config["cluster"]["worker"]) for config in configs}
    assert len(set(addresses)) == 3


def test_the_loopback_device_counts():
    sent, packets = worker.loopback()
    assert sent >= packets >= 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workers", "0"], "--workers must be an integer of at least 1"),
        (["--workers", "2", "--plot", "times.png"], "--plot draws contenders, not --workers"),
    ],
)
def test_refusals(arguments, message, capsys):
    assert console.run("benchmark", arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_workers_train_what_one_process_trains(tmp_path):
    machine.prepare("softmax_regression", "mnist_5k", 150, 32, 2, str(tmp_path))
    rows = scaling.measure([2], str(tmp_path), rounds=1, timeout=200, batch_size=32, examples=150)
    np.testing.assert_allclose(rows[2]["loss"], rows[1]["loss"], rtol=1e-5)
    assert rows[2]["predicted_us"] > 0 and rows[2]["bandwidth"] > 0
    # Each of the two sends half of the 31,400 bytes of gradients, twice; other programs may send more.
    assert rows[2]["bytes"] > 50_000
