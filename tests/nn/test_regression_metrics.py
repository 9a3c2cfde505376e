"""MAE, RMSE and R2 by their definitions, over the batches of a data set, and against scikit-learn."""

import importlib
import math

import numpy as np
import pytest
import tensorflow as tf
from references import assert_agree, normal, run

import graphkit as gk
from graphkit.running.metrics import Means

NAMES = ("mean_absolute_error", "root_mean_squared_error", "r2_score")


def tensors(predictions, targets):
    both = tf.constant(predictions), tf.constant(targets)
    return {name: getattr(gk, name)(*both) for name in NAMES}


def by_definition(predictions, targets):
    found, wanted = np.asarray(predictions, np.float64), np.asarray(targets, np.float64)
    errors = found - wanted
    scores = 1 - (errors**2).sum(axis=0) / ((wanted - wanted.mean(axis=0)) ** 2).sum(axis=0)
    return np.abs(errors).mean(), math.sqrt((errors**2).mean()), scores.mean()


def cases():
    """Returns {name: (predictions, targets)}: one and several outputs, far from 0, exact, by guessing."""
    targets = normal(60, seed=1)
    prices = (200_000 + 1000 * targets).astype(np.float32)
    return {
        "one": ((targets + 0.3 * normal(60, seed=2)), targets),
        "column": (normal(60, 1, seed=3), normal(60, 1, seed=4)),
        "several": (normal(60, 3, seed=5), normal(60, 3, seed=6) * np.float32([1, 10, 100])),
        "far from 0": (prices + 500 * normal(60, seed=7), prices),
        "exact": (targets, targets),
        "mean": (np.full(60, targets.mean(), np.float32), targets),
    }


def over_batches(metrics, predictions, targets):
    """Returns the values over a data set whose last mini-batch is smaller, as a trainer computes them."""
    first, second = (tf.compat.v1.placeholder(tf.float32, (None, *predictions.shape[1:])) for _ in range(2))
    made = {name: getattr(gk, name)(first, second) for name in metrics}
    made = {
        n: m if isinstance(m, gk.Metric) else gk.Metric(m, lambda v, _: float(v)) for n, m in made.items()
    }
    means = Means(made)
    with tf.compat.v1.Session() as session:
        for rows in (slice(0, 25), slice(25, 50), slice(50, 60)):
            feed = {first: predictions[rows], second: targets[rows]}
            values = session.run([metric.tensor for metric in means.metrics.values()], feed)
            means.add([np.asarray(value)[np.newaxis] for value in values], rows.stop - rows.start)
    return means.result()


@pytest.mark.parametrize("case", cases())
def test_over_a_data_set_they_are_their_definitions(case):
    predictions, targets = cases()[case]
    found = over_batches(NAMES, predictions, targets)
    for name, expected in zip(NAMES, by_definition(predictions, targets), strict=True):
        assert found[name] == pytest.approx(expected, rel=1e-5, abs=1e-6), name


def test_r2_of_equal_targets():
    equal = np.full(4, 0.1, np.float32)
    right, wrong = (gk.r2_score(tf.constant(p), tf.constant(equal)) for p in (equal, equal + 1))
    values = run([right.tensor, wrong.tensor])
    assert [right.finish(values[0], 4), wrong.finish(values[1], 4)] == [1.0, 0.0]


def test_the_absolute_error_has_a_gradient():
    predictions = tf.constant([1.0, 2.0, -4.0])
    loss = gk.mean_absolute_error(predictions, tf.constant([0, 4, -4]))
    assert_agree({"gradient": (tf.gradients(loss, predictions)[0], [1 / 3, -1 / 3, 0])})


@pytest.mark.parametrize("name", NAMES)
def test_what_does_not_fit_is_refused(name):
    with pytest.raises(ValueError, match=f"^{name}: .*must have one shape"):
        getattr(gk, name)(tf.zeros((3, 1)), tf.zeros((3,)))
    with pytest.raises(TypeError, match=f"^{name}: predictions"):
        getattr(gk, name)(tf.zeros((3,), tf.int32), tf.zeros((3,)))


def test_r2_takes_one_or_two_axes():
    with pytest.raises(ValueError, match=r"^r2_score: predictions must have the shape"):
        gk.r2_score(tf.zeros((2, 2, 2)), tf.zeros((2, 2, 2)))


@pytest.mark.slow
@pytest.mark.parametrize("case", cases())
def test_they_are_those_of_scikit_learn(case):
    sklearn = importlib.import_module("sklearn.metrics")
    predictions, targets = (array.astype(np.float64) for array in cases()[case])
    found = over_batches(NAMES, *cases()[case])
    # Of several outputs, scikit-learn takes the mean of their roots; here the root is of the mean over all.
    expected = {
        "mean_absolute_error": sklearn.mean_absolute_error(targets, predictions),
        "root_mean_squared_error": sklearn.root_mean_squared_error(targets.ravel(), predictions.ravel()),
        "r2_score": sklearn.r2_score(targets, predictions),
    }
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-6)
