"""Activations against NumPy, from their definitions in float64; the temperature and the axis of softmax."""

import math
import re

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from references import normal, run

import graphkit as gk

v1 = tf.compat.v1

ALPHA = np.float32(0.2)  # TensorFlow's op keeps its slope as float32, for inputs of float64 too

REFERENCES = {
    "relu": lambda x: np.maximum(x, 0),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "leaky_relu": lambda x: np.where(x > 0, x, ALPHA * x),
    "tanh": lambda x: (1 - np.exp(-2 * np.abs(x))) / (1 + np.exp(-2 * np.abs(x))) * np.sign(x),
    "sigmoid": lambda x: np.where(x > 0, 1, np.exp(-np.abs(x))) / (1 + np.exp(-np.abs(x))),
}
SLOPES = {
    "relu": lambda x: np.where(x > 0, 1.0, 0.0),
    "elu": lambda x: np.where(x > 0, 1.0, np.exp(x)),
    "leaky_relu": lambda x: np.where(x > 0, 1.0, ALPHA),
    "tanh": lambda x: 1 - np.tanh(x) ** 2,
    "sigmoid": lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2,
}

each_activation = pytest.mark.parametrize("name", REFERENCES)


def softmax(logits, axis=-1):
    exponentials = np.exp(logits - logits.max(axis, keepdims=True))
    return exponentials / exponentials.sum(axis, keepdims=True)


# Functions of each element


@each_activation
@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3), (2, 3, 4, 5)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_activations_agree_with_numpy(name, shape, dtype):
    inputs = 3 * normal(*shape, dtype=dtype)
    outputs = run(getattr(gk, name)(inputs))
    assert outputs.dtype == dtype and outputs.shape == shape
    accuracy = 4 * np.finfo(dtype).eps
    expected = REFERENCES[name](inputs.astype(np.float64))
    np.testing.assert_allclose(outputs, expected, rtol=accuracy, atol=accuracy)


@pytest.mark.parametrize(
    "name, low, high", [("elu", -1, 1e30), ("tanh", -1, 1), ("sigmoid", 0, 1), ("leaky_relu", -2e29, 1e30)]
)
def test_activations_of_huge_inputs_are_their_limits(name, low, high):
    np.testing.assert_allclose(run(getattr(gk, name)([-1e30, 1e30])), [low, high], rtol=1e-6)


@pytest.mark.parametrize("name, value", [("elu", 0), ("leaky_relu", 0), ("tanh", 0), ("sigmoid", 0.5)])
def test_activations_at_zero(name, value):
    assert run(getattr(gk, name)(0.0)) == value


@each_activation
def test_gradients_agree_with_the_derivative(name):
    inputs = tf.constant(3 * normal(40, dtype=np.float64))
    point, slopes = run([inputs, tf.gradients(getattr(gk, name)(inputs), inputs)[0]])
    np.testing.assert_allclose(slopes, SLOPES[name](point), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("alpha", [0, 0.01, 0.3, 1, 2.5])
def test_alpha_is_the_slope_below_zero(alpha):
    inputs = normal(30)
    expected = np.where(inputs > 0, inputs, np.float32(alpha) * inputs)
    np.testing.assert_allclose(run(gk.leaky_relu(inputs, alpha)), expected, rtol=1e-6)


def test_leaky_relu_without_a_slope_is_relu():
    inputs = tf.constant(normal(30))
    np.testing.assert_array_equal(*run([gk.leaky_relu(inputs, 0), gk.relu(inputs)]))


@each_activation
def test_unknown_shapes_stay_unknown(name):
    activation = getattr(gk, name)
    assert activation(v1.placeholder(tf.float32, (None, 3))).shape.as_list() == [None, 3]
    assert activation(v1.placeholder(tf.float32)).shape.rank is None


@each_activation
def test_the_op_has_the_name_that_was_given(name):
    activation = getattr(gk, name)
    assert activation(tf.zeros(3)).name == f"{name}:0"
    assert activation(tf.zeros(3)).name == f"{name}_1:0"
    assert activation(tf.zeros(3), name="mine").name == "mine:0"
    assert not v1.global_variables()


@each_activation
@pytest.mark.parametrize("value", [[1, 2], [True], ["a"]])
def test_activations_refuse_what_is_not_floating_point(name, value):
    with pytest.raises(TypeError, match=f"^{name}: inputs must be a floating-point tensor; received dtype="):
        getattr(gk, name)(value)


@each_activation
def test_activations_refuse_what_is_no_tensor(name):
    with pytest.raises(TypeError, match=f"^{name}: inputs must be a tensor of the default graph"):
        getattr(gk, name)(None)


@pytest.mark.parametrize(
    "alpha, error", [(-0.1, ValueError), (math.nan, ValueError), (True, TypeError), ("a", TypeError)]
)
def test_leaky_relu_refuses_an_alpha(alpha, error):
    text = f"leaky_relu: alpha must be a finite number at least 0; received alpha={alpha!r}"
    with pytest.raises(error, match=f"^{re.escape(text)}$"):
        gk.leaky_relu([1.0], alpha)


@pytest.mark.parametrize("name", [*REFERENCES, "softmax"])
def test_a_finalized_graph_takes_no_activation(fresh_graph, name):
    inputs = tf.zeros(3)
    fresh_graph.finalize()
    with pytest.raises(RuntimeError, match=rf"^{name}: .*finalized.*{re.escape(__file__)}:\d+$"):
        getattr(gk, name)(inputs)


# softmax

# Scores of a column each; one axis of classes, as the notes write them.
COLUMNS = np.array([[3.0, 1.0, 0.2], [1.0, 1.0, 0.2], [0.2, 1.0, 0.2]])


def test_columns_add_up_to_one_along_axis_0():
    probabilities = run(gk.softmax(COLUMNS, axis=0))
    np.testing.assert_allclose(probabilities.sum(axis=0), 1, rtol=1e-12)
    # exp(3), exp(1), exp(0.2) are 20.0855, 2.7183, 1.2214, and 24.0252 in all.
    np.testing.assert_allclose(probabilities[:, 0], [0.8360, 0.1131, 0.0508], atol=5e-5)
    np.testing.assert_allclose(probabilities[:, 1:], 1 / 3, rtol=1e-12)


def test_axis_0_is_the_last_axis_of_the_transposed():
    transposed = run(gk.softmax(COLUMNS.T))
    np.testing.assert_allclose(run(gk.softmax(COLUMNS, axis=0)), transposed.T, rtol=1e-12)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1, 2.0, 10])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_temperature_divides_the_logits(temperature, axis):
    logits = normal(4, 5, dtype=np.float64)
    outputs = run(gk.softmax(logits, axis, temperature))
    np.testing.assert_allclose(outputs, softmax(logits / temperature, axis), rtol=1e-9)


def test_temperature_01_is_the_logits_times_10():
    logits = tf.constant(COLUMNS)
    times_10, colder = run([gk.softmax(logits * 10), gk.softmax(logits, temperature=0.1)])
    np.testing.assert_allclose(colder, times_10, rtol=1e-9)


def test_logits_times_10_go_to_0_and_1():
    np.testing.assert_allclose(run(gk.softmax([3.0, 1.0, 0.2], temperature=0.1)), [1, 0, 0], atol=1e-8)


def test_logits_divided_by_10_go_to_uniform():
    logits = np.array([3.0, 1.0, 0.2])
    spread = [np.ptp(run(gk.softmax(logits, temperature=temperature))) for temperature in (1, 10, 100, 1e6)]
    assert spread == sorted(spread, reverse=True) and 0.05 < spread[1] < 0.1 and spread[3] < 1e-5


@settings(max_examples=30, deadline=None)
@given(
    arrays.arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 5)), elements=st.floats(-50, 50)),
    st.floats(0.05, 20),
)
def test_softmax_is_a_distribution_that_keeps_the_order(logits, temperature):
    with tf.Graph().as_default():
        outputs = run(gk.softmax(logits, temperature=temperature))
    np.testing.assert_allclose(outputs.sum(-1), 1, rtol=1e-9)
    assert (outputs >= 0).all()
    rows = np.arange(len(logits))
    np.testing.assert_allclose(outputs[rows, logits.argmax(-1)], outputs.max(-1))


@pytest.mark.parametrize(
    "logits, dtype, temperature", [([700.0, 0.0], np.float16, 0.01), ([1e30, 0.0], np.float32, 1e-20)]
)
def test_a_cold_softmax_is_finite_where_the_quotient_overflows(logits, dtype, temperature):
    outputs = run(gk.softmax(tf.constant(logits, dtype), temperature=temperature))
    np.testing.assert_array_equal(outputs, [1, 0])


def test_probabilities_of_another_temperature_are_another_op():
    logits = tf.constant([3.0, 1.0])
    first = gk.softmax(logits)
    assert gk.softmax(logits, temperature=1) is first
    assert gk.softmax(logits, temperature=2.0) is not first
    assert gk.softmax(logits, axis=0, temperature=1.0) is first  # the only axis is the last one


def test_a_named_temperature_softmax_has_its_name():
    assert gk.softmax(tf.zeros(3), temperature=2.0, name="mine").name == "mine:0"


@pytest.mark.parametrize(
    "temperature, error",
    [(0, ValueError), (-1.0, ValueError), (math.inf, ValueError), (None, TypeError), (True, TypeError)],
)
def test_softmax_refuses_a_temperature(temperature, error):
    text = f"softmax: temperature must be a finite number above 0; received temperature={temperature!r}"
    with pytest.raises(error, match=f"^{re.escape(text)}$"):
        gk.softmax([1.0, 2.0], temperature=temperature)
