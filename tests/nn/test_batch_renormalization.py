"""Batch normalization in its general form, from the definitions; `tests/tf1/layers` has the layers of it."""

import numpy as np
import pytest
import tensorflow as tf
from references import normal

from graphkit.nn import batch_renormalization as general

EPSILON = 0.01


def variable(name, value):
    return tf.compat.v1.get_variable(name, initializer=tf.constant(value, tf.float32), use_resource=True)


def averages_of(mean, variance, renorm=False):
    values = {"mean": mean, "variance": variance}
    if renorm:
        stddev = np.sqrt(variance)
        values |= {"stddev": stddev, "renorm_mean": mean, "renorm_stddev": stddev}
    return general.Averages(**{name: variable(name, value) for name, value in values.items()})


def run(outputs, updates, averages, feed=None):
    """Returns the outputs, and the averages after the updates."""
    with tf.compat.v1.Session() as session:
        session.run(tf.compat.v1.global_variables_initializer())
        result, _ = session.run([outputs, updates], feed)
        return result, session.run([average for average in averages if average is not None])


def close(value, expected):
    np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("training", [True, False])
def test_several_axes(training):
    values = normal(4, 5, 6, 3)
    averages = averages_of(np.zeros([1, 5, 1, 3]), np.ones([1, 5, 1, 3]))
    gamma = variable("gamma", normal(1, 5, 1, 3, seed=1))
    outputs, updates = general.normalize_general(
        tf.constant(values), [1, 3], gamma, None, averages, EPSILON, 0.9, training
    )
    result, moved = run(outputs, updates, averages)
    mean, variance = values.mean((0, 2), keepdims=True), values.var((0, 2), keepdims=True)
    if training:
        close(moved[0], 0.1 * mean)
        close(moved[1], 0.9 + 0.1 * variance)
    else:
        mean, variance = 0, 1
        assert updates == []
    close(result, (values - mean) / np.sqrt(variance + EPSILON) * normal(1, 5, 1, 3, seed=1))


@pytest.mark.parametrize("training", [True, False])
def test_renorm_with_a_flag(training):
    values, flag = normal(8, 3), tf.compat.v1.placeholder(tf.bool, [])
    start = normal(3, seed=1), np.abs(normal(3, seed=2)) + 0.5
    averages = averages_of(*start, renorm=True)
    outputs, updates = general.normalize_general(
        tf.constant(values),
        [1],
        None,
        None,
        averages,
        EPSILON,
        0.9,
        flag,
        renorm=general.Renorm({"dmax": 0.1}, 0.8),
    )
    result, moved = run(outputs, updates, averages, {flag: training})
    mean, stddev, was = values.mean(0), np.sqrt(values.var(0) + EPSILON), np.sqrt(start[1])
    if not training:
        close(result, (values - start[0]) / np.sqrt(start[1] + EPSILON))
        for value, expected in zip(moved, [*start, was, start[0], was], strict=True):
            close(value, expected)
        return
    d = np.clip((mean - start[0]) / was, -0.1, 0.1)
    close(result, (values - mean) / was + d)  # r is stddev / was
    new = 0.9 * was + 0.1 * stddev
    expected = [0.9 * start[0] + 0.1 * mean, new**2 - EPSILON, new]
    expected += [0.8 * start[0] + 0.2 * mean, 0.8 * was + 0.2 * stddev]
    for value, right in zip(moved, expected, strict=True):
        close(value, right)


def test_virtual_batches_and_an_adjustment():
    values = normal(8, 3)
    averages = averages_of(np.zeros([1, 1, 3]), np.ones([1, 1, 3]))
    outputs, updates = general.normalize_general(
        tf.constant(values),
        [2],
        None,
        None,
        averages,
        EPSILON,
        0.9,
        True,
        virtual_batch_size=4,
    )
    result, _ = run(outputs, updates, averages)
    for part in (result[::2], result[1::2]):
        close(part.mean(0), 0)
    assert outputs.shape.as_list() == [8, 3]
    averages = general.Averages(variable("other_mean", np.zeros(3)), variable("other_variance", np.ones(3)))
    adjusted, updates = general.normalize_general(
        tf.constant(values),
        [1],
        None,
        None,
        averages,
        EPSILON,
        0.9,
        True,
        adjustment=lambda shape: (2.0, 1.0),
    )
    result, _ = run(adjusted, updates, averages)
    close(result, (values - values.mean(0)) / np.sqrt(values.var(0) + EPSILON) * 2 + 1)
