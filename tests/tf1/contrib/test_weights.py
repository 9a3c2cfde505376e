"""Regularizers, initializers and summaries of `tf.contrib.layers`."""

import numpy as np
import pytest
from references import normal, run

import graphkit.tf1 as tf

layers = tf.contrib.layers
WEIGHTS = normal(3, 4)


def test_regularizers():
    weights = tf.constant(WEIGHTS)
    absolute, squares = np.abs(WEIGHTS).sum(), np.square(WEIGHTS).sum() / 2
    both = layers.l1_l2_regularizer(0.1, 0.2)
    cases = {
        "l1": (layers.l1_regularizer(0.1)(weights), 0.1 * absolute),
        "l2": (layers.l2_regularizer(0.2)(weights), 0.2 * squares),
        "both": (both(weights), 0.1 * absolute + 0.2 * squares),
        "first": (layers.l1_l2_regularizer(0.1, 0.0)(weights), 0.1 * absolute),
        "second": (layers.l1_l2_regularizer(0.0, 0.2)(weights), 0.2 * squares),
        "sum": (layers.sum_regularizer([None, both, both])(weights), 0.2 * absolute + 0.4 * squares),
        "tensor": (layers.l2_regularizer(tf.constant(0.2))(weights), 0.2 * squares),
    }
    for name, value in run({name: tensor for name, (tensor, _) in cases.items()}).items():
        np.testing.assert_allclose(value, cases[name][1], rtol=1e-5, err_msg=name)
    assert layers.l2_regularizer(0.2, "mine")(weights).name == "mine:0"
    assert cases["l2"][0].name == "l2_regularizer:0"


def test_regularizers_of_nothing():
    weights = tf.constant(WEIGHTS)
    assert layers.l1_regularizer(0.0)(weights) is layers.l2_regularizer(0.0)(weights) is None
    assert layers.sum_regularizer([None]) is layers.sum_regularizer([]) is None
    assert layers.sum_regularizer([layers.l1_regularizer(0.0)])(weights) is None


@pytest.mark.parametrize("regularizer", [layers.l1_regularizer, layers.l2_regularizer])
def test_scales_that_are_refused(regularizer):
    with pytest.raises(ValueError, match="scale cannot be an integer: 1"):
        regularizer(1)
    with pytest.raises(ValueError, match="Setting a scale less than 0"):
        regularizer(-0.1)
    with pytest.raises(ValueError, match="scale_l1 cannot be an integer"):
        layers.l1_l2_regularizer(1)
    with pytest.raises(ValueError, match="scale_l2 cannot be an integer"):
        layers.l1_l2_regularizer(0.5, 0)


def test_apply_regularization():
    with pytest.raises(ValueError, match="No weights to regularize"):
        layers.apply_regularization(layers.l2_regularizer(0.1))
    weights = [tf.constant(WEIGHTS), tf.constant(2 * WEIGHTS)]
    penalty = layers.apply_regularization(layers.l2_regularizer(0.2), weights)
    assert tf.losses.get_regularization_losses() == [penalty]
    np.testing.assert_allclose(run(penalty), 0.1 * 5 * np.square(WEIGHTS).sum(), rtol=1e-5)
    assert run(layers.apply_regularization(layers.l1_regularizer(0.0), weights)) == 0
    with pytest.raises(ValueError, match="regularizer must return a scalar"):
        layers.apply_regularization(lambda weights: weights, weights)


def test_initializers():
    shapes = {"dense": ([300, 200], 300, 200), "conv": ([3, 3, 50, 80], 450, 720)}
    made, limits, deviations = {}, {}, {}
    for name, (shape, fan_in, fan_out) in shapes.items():
        for mode, n in (("FAN_IN", fan_in), ("FAN_OUT", fan_out), ("FAN_AVG", (fan_in + fan_out) / 2)):
            for uniform in (True, False):
                key = name, mode, uniform
                made[key] = layers.variance_scaling_initializer(2.0, mode, uniform, seed=1)(shape)
                limits[key] = np.sqrt(6 / n) if uniform else 2 * np.sqrt(2.6 / n)
                deviations[key] = np.sqrt(2 / n)
    made["xavier"] = layers.xavier_initializer(seed=1)([300, 200])
    limits["xavier"], deviations["xavier"] = np.sqrt(6 / 500), np.sqrt(2 / 500)
    for key, value in run(made).items():
        assert limits[key] * 0.99 < np.abs(value).max() <= limits[key], key
        np.testing.assert_allclose(value.std(), deviations[key], rtol=0.02, err_msg=str(key))
    assert layers.xavier_initializer_conv2d is layers.xavier_initializer
    assert tf.get_variable("a", [3], initializer=layers.xavier_initializer()).shape == [3]
    with pytest.raises(TypeError, match="Unknown mode FAN"):
        layers.variance_scaling_initializer(mode="FAN")
    with pytest.raises(TypeError, match="non-floating point type"):
        layers.xavier_initializer(dtype=tf.int32)
    with pytest.raises(TypeError, match="non-floating point type"):
        layers.xavier_initializer()([2, 3], tf.int32)


def test_summaries():
    outputs = layers.legacy_fully_connected(tf.constant(WEIGHTS), 2, tf.nn.relu6)
    layers.summarize_activations()
    layers.summarize_tensor(tf.reduce_sum(outputs), "total")
    assert layers.summarize_tensor(tf.constant("text")) is None
    layers.summarize_collection(tf.GraphKeys.WEIGHTS)
    layers.summarize_collection(tf.GraphKeys.BIASES, "nothing")
    tags = tf.Summary.FromString(run(tf.summary.merge_all())).value
    assert {value.tag for value in tags} == {
        "fully_connected/Relu6/zeros",
        "fully_connected/Relu6/sixes",
        "fully_connected/Relu6/activation",
        "total",
        "fully_connected/weights_summary",
    }
