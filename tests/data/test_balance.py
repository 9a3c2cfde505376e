"""Class weights and resampling: their definition, numbers by hand, and what each promises."""

import hypothesis.extra.numpy as arrays_of
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import graphkit as gk

EXAMPLES = settings(deadline=None, derandomize=True, database=None, max_examples=100)
LABELS = arrays_of.arrays(np.int32, st.integers(1, 40), elements=st.integers(0, 4))
REFUSED_LABELS = [
    (3, TypeError, "labels must be an array"),
    (np.zeros((2, 1), int), ValueError, r"labels must have 1 axes; received shape=\(2, 1\)"),
    (np.zeros(2), TypeError, "labels must be integers; received dtype='float64'"),
    (np.zeros(2, bool), TypeError, "labels must be integers"),
    (np.zeros(0, int), ValueError, "at least one label"),
    (np.array([0, -1]), ValueError, "labels must not be negative; received minimum=-1"),
]


# class_weights


def test_class_weights_by_hand():
    weights = gk.class_weights(np.array([0, 1, 1, 2, 2, 2, 2, 2]), 3)
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights, [8 / 3, 8 / 6, 8 / 15], rtol=1e-7)


def test_class_weights_of_equal_classes_are_one():
    assert gk.class_weights(np.repeat(np.arange(10, dtype=np.uint8), 30)).tolist() == [1] * 10


@EXAMPLES
@given(labels=LABELS)
def test_each_class_weighs_the_same_and_the_mean_is_one(labels):
    labels = np.unique(labels, return_inverse=True)[1]
    weights = gk.class_weights(labels)
    weight_of_class = np.bincount(labels, weights[labels])
    np.testing.assert_allclose(weight_of_class, len(labels) / len(weights), rtol=1e-6)
    np.testing.assert_allclose(weights[labels].mean(dtype=np.float64), 1, rtol=1e-6)


@pytest.mark.parametrize(("labels", "error", "message"), REFUSED_LABELS)
def test_class_weights_refuses_labels(labels, error, message):
    with pytest.raises(error, match=f"^class_weights: .*{message}"):
        gk.class_weights(labels)


@pytest.mark.parametrize(
    ("labels", "num_classes", "message"),
    [
        ([0, 2, 2], None, r"each of 3 classes must have an example; received missing=\[1\]"),
        ([0, 1], 4, r"missing=\[2, 3\]"),
        ([0, 2**40], None, r"missing=\[1, 2, 3, 4, 5, 6, 7, 8, 9, 10\]"),
        ([0, 3], 3, r"labels must lie in 0..2; received minimum=0, maximum=3"),
        ([0, 0], 0, "num_classes must be an integer of at least 1"),
    ],
)
def test_class_weights_refuses_classes(labels, num_classes, message):
    with pytest.raises(ValueError, match=f"^class_weights: .*{message}"):
        gk.class_weights(np.array(labels), num_classes)


# resample


@EXAMPLES
@given(labels=LABELS, seed=st.integers(0, 2**64), count=st.none() | st.integers(1, 60))
def test_resample_draws_each_class_equally_and_each_example_evenly(labels, seed, count):
    indices = gk.resample(labels, seed, count=count)
    sizes = np.bincount(labels)
    each = max(sizes) if count is None else count
    assert indices.dtype == np.int64
    assert np.bincount(labels[indices]).tolist() == [each * (size > 0) for size in sizes]
    times = np.bincount(indices, minlength=len(labels))
    for label in np.unique(labels):
        assert set(times[labels == label]) <= {each // sizes[label], -(-each // sizes[label])}


def test_resample_is_set_by_its_seed():
    labels = np.repeat([0, 1, 2], [5, 50, 20])
    first = gk.resample(labels, 7)
    assert (first == gk.resample(labels, 7)).all()
    orders = [first, *(gk.resample(labels, seed) for seed in (0, 8, (7, 1), (7, 2)))]
    assert len({tuple(order) for order in orders}) == 5
    small = [frozenset(gk.resample(labels, seed, count=2)) for seed in range(20)]
    assert len(set(small)) > 10  # what is drawn differs too, not only the order


def test_resample_shuffles_the_classes_among_each_other():
    drawn = np.repeat([0, 1], 500)[gk.resample(np.repeat([0, 1], 500))]
    assert 400 < np.count_nonzero(np.diff(drawn)) < 600  # about every second neighbour differs


def test_resample_keeps_labels_of_any_integer_dtype_and_value():
    labels = np.array([200, 7, 200, 200], np.uint8)
    assert sorted(labels[gk.resample(labels)].tolist()) == [7, 7, 7, 200, 200, 200]


@pytest.mark.parametrize(("labels", "error", "message"), REFUSED_LABELS)
def test_resample_refuses_labels(labels, error, message):
    with pytest.raises(error, match=f"^resample: .*{message}"):
        gk.resample(labels)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"seed": -1}, ValueError, "seed must be an integer of at least 0; received seed=-1"),
        ({"seed": 0.5}, TypeError, "seed must be an integer"),
        ({"seed": (1, -1)}, ValueError, "seed must be an integer of at least 0"),
        ({"seed": ()}, ValueError, "seed must be a non-negative integer or a sequence of them"),
        ({"count": 0}, ValueError, "count must be an integer of at least 1"),
        ({"count": 1.5}, TypeError, "count must be an integer"),
    ],
)
def test_resample_refusals(arguments, error, message):
    with pytest.raises(error, match=f"^resample: {message}"):
        gk.resample(np.array([0, 1]), **arguments)
