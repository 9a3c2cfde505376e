"""relu and softmax against NumPy, softmax's axis and temperature, and what layers take for an activation."""

import math
import re

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from nn.layer_table import LAYERS
from references import assert_agree, constant, normal, run, softmax

import graphkit as gk

v1 = tf.compat.v1


def test_relu_agrees_with_numpy():
    cases = {}
    for shape in ((), (0,), (5,), (2, 3), (2, 3, 4, 5)):
        for dtype in (np.float16, np.float32, np.float64):
            array = normal(*shape, dtype=dtype)
            cases[shape, dtype] = gk.relu(array), np.maximum(array, 0)
            assert cases[shape, dtype][0].dtype == dtype
    assert_agree(cases, rtol=0, atol=0)


def test_relu_keeps_unknown_shapes_and_passes_the_gradient_where_positive():
    assert gk.relu(v1.placeholder(tf.float32, (None, 3))).shape.as_list() == [None, 3]
    assert gk.relu(v1.placeholder(tf.float32)).shape.rank is None
    inputs = tf.constant(normal(40))
    point, slopes = run([inputs, tf.gradients(gk.relu(inputs), inputs)[0]])
    np.testing.assert_array_equal(slopes, point > 0)


# Layers with an activation


ACTIVATIONS = [gk.relu, tf.nn.relu, tf.nn.elu, tf.nn.leaky_relu, tf.tanh, tf.sigmoid, lambda x: 2 * x]
ACTIVATED = sorted(name for name in LAYERS if "conv" in name or name == "dense")


def test_layers_take_any_function_of_a_tensor_and_apply_it_after_the_bias():
    pairs = {}
    for layer in ACTIVATED:
        # conv1x1 has no argument for its bias, but takes the bias of a layer of its name.
        options = {} if layer == "conv1x1" else {"bias_initializer": constant(-1.0)}
        with v1.variable_scope("net", initializer=constant(0.2)):
            plain = LAYERS[layer](name=layer, **options)
        for activation in ACTIVATIONS:
            with v1.variable_scope("net", reuse=True):
                active = LAYERS[layer](name=layer, activation=activation)
            pairs[layer, activation] = active, activation(plain)
    for case, (first, second) in run(pairs).items():
        # TensorFlow may fuse product, bias and activation into one kernel, which rounds differently.
        np.testing.assert_allclose(first, second, rtol=1e-6, err_msg=str(case))


def test_activity_regularizers_take_the_activated_output_as_a_mean_over_the_batch():
    layers = [layer for layer in ACTIVATED if layer != "conv1x1"]
    outputs = [LAYERS[layer](activation=tf.tanh, activity_regularizer=gk.l2_loss) for layer in layers]
    filed = v1.get_collection(v1.GraphKeys.REGULARIZATION_LOSSES)
    expected = [gk.l2_loss(output) / 2 for output in outputs]  # the batches in the table are of 2
    np.testing.assert_allclose(*run([filed, expected]), rtol=1e-6)


def test_the_activity_loss_does_not_grow_with_the_batch():
    # tf.layers divides it by the batch size (1.15, Layer._handle_activity_regularization).
    for batch in (1, 4):
        gk.dense(tf.ones((batch, 3)), 5, kernel_initializer=constant(1.0), activity_regularizer=gk.l2_loss)
    assert run(v1.get_collection(v1.GraphKeys.REGULARIZATION_LOSSES)) == [5 * 3**2 / 2] * 2


def test_activity_regularizer_files_one_loss_for_each_use():
    for reuse in (None, True):
        LAYERS["conv2d"](name="first", reuse=reuse, activity_regularizer=gk.l2_loss)
    assert len(v1.get_collection(v1.GraphKeys.REGULARIZATION_LOSSES)) == 2


def test_activity_regularizer_that_returns_nothing_is_refused():
    with pytest.raises(ValueError, match="None"):
        gk.dense(gk.feature_input(3), 2, activity_regularizer=lambda outputs: None)


BLOCKS = {
    "inception_module": lambda **options: gk.inception_module(
        tf.ones((1, 4, 4, 3)), 1, 1, 1, 1, 1, 1, **options
    ),
    "residual_block": lambda **options: gk.residual_block(tf.ones((1, 4, 4, 3)), 3, **options),
}


@pytest.mark.parametrize("layer", [*ACTIVATED, *BLOCKS])
def test_an_activation_that_is_not_a_function_is_refused(layer):
    for value in (1, tf.bool, ["relu"]):
        text = f"activation must be a function of a tensor, such as gk.relu; received activation={value!r}"
        with pytest.raises(TypeError, match=f"^{layer}: {re.escape(text)}"):
            {**LAYERS, **BLOCKS}[layer](activation=value)
    assert not v1.global_variables()


# softmax


def test_softmax_agrees_with_numpy_along_each_axis():
    cases = {}
    for shape in ((4,), (3, 4), (2, 3, 4), (2, 2, 3, 4)):
        for axis in range(-len(shape), len(shape)):
            logits = normal(*shape)
            cases[shape, axis] = gk.softmax(logits, axis), softmax(logits, axis)
    assert_agree(cases, atol=0)


@pytest.mark.parametrize("size", [1e3, 1e30])
def test_softmax_of_huge_logits_is_finite(size):
    np.testing.assert_array_equal(run(gk.softmax([[size, -size], [-size, -size]])), [[1, 0], [0.5, 0.5]])


@pytest.mark.parametrize("logits", [[1.0, 2.0, 3.0], [[1.0, 2.0], [3.0, 4.0]]])
def test_softmax_is_one_op_for_the_same_logits(fresh_graph, logits):
    logits = tf.constant(logits)
    first = gk.softmax(logits)
    assert gk.softmax(logits) is gk.softmax(logits, axis=logits.shape.rank - 1) is gk.softmax(logits, -1)
    assert gk.softmax(logits) is first
    assert [op.type for op in fresh_graph.get_operations()].count("Softmax") == 1


def test_softmax_along_another_axis_is_another_op():
    logits = tf.constant(normal(3, 3))
    last, first = run([gk.softmax(logits), gk.softmax(logits, axis=0)])
    np.testing.assert_allclose(last.sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(first.sum(0), 1, rtol=1e-6)


def test_softmax_of_other_logits_is_another_op():
    first, second = tf.constant(normal(3, 3)), tf.constant(normal(3, 3))
    assert gk.softmax(first) is not gk.softmax(second)


def test_softmax_that_is_there_is_found_in_a_finalized_graph(fresh_graph):
    logits = gk.dense(gk.feature_input(3), 4)
    probabilities = gk.softmax(logits)
    fresh_graph.finalize()
    assert gk.softmax(logits) is probabilities


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


def test_temperature_divides_the_logits():
    cases, logits = {}, normal(4, 5, dtype=np.float64)
    for temperature in (0.1, 0.5, 1, 2.0, 10):
        for axis in (0, 1, -1):
            outputs = gk.softmax(logits, axis, temperature=temperature)
            cases[temperature, axis] = outputs, softmax(logits / temperature, axis)
    assert_agree(cases, rtol=1e-9, atol=0)


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
