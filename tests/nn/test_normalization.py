"""layer_norm against NumPy and the conventions of tf.contrib.layers; batch_norm is in test_layers.py."""

import inspect
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


def normalized(array, first_axis, epsilon, beta=0.0, gamma=1.0):
    """gamma * (x - mean) / sqrt(variance + epsilon) + beta, from the definition, in float64."""
    array = array.astype(np.float64)
    axes = tuple(range(first_axis % array.ndim, array.ndim))
    mean, variance = array.mean(axes, keepdims=True), array.var(axes, keepdims=True)
    return gamma * (array - mean) / np.sqrt(variance + epsilon) + beta


def run_with(outputs, feed=None, **values):
    """Returns the outputs with the variables of these names set to these arrays."""
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        for variable in v1.global_variables():
            name = variable.op.name.rsplit("/", 1)[-1]
            if name in values:
                session.run(variable.initializer, {variable.initializer.inputs[1]: values[name]})
        return session.run(outputs, feed)


@pytest.mark.parametrize("shape", [(3, 5), (3, 4, 5), (2, 3, 4, 5)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_layer_norm_agrees_with_numpy(shape, dtype):
    inputs = 2 + 3 * normal(*shape, dtype=dtype)
    beta, gamma = normal(shape[-1], dtype=dtype, seed=1), normal(shape[-1], dtype=dtype, seed=2)
    outputs = gk.layer_norm(inputs)
    assert outputs.shape.as_list() == list(shape)
    values = run_with(outputs, beta=beta, gamma=gamma)
    assert values.dtype == dtype
    accuracy = 100 * np.finfo(dtype).eps
    expected = normalized(inputs, 1, 1e-12, beta, gamma)
    np.testing.assert_allclose(values, expected, rtol=accuracy, atol=accuracy)


@pytest.mark.parametrize("shape", [(3, 5), (3, 4, 5), (2, 3, 4, 5)])
def test_begin_norm_axis_is_the_first_axis_of_the_moments(shape):
    inputs = 2 + 3 * normal(*shape)
    for axis in range(-len(shape), len(shape)):
        outputs = run(gk.layer_norm(inputs, begin_norm_axis=axis, epsilon=1e-3))
        np.testing.assert_allclose(outputs, normalized(inputs, axis, 1e-3), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("axis, shape", [(-1, [5]), (3, [5]), (2, [4, 5]), (1, [3, 4, 5]), (-3, [3, 4, 5])])
def test_begin_params_axis_is_the_first_axis_of_beta_and_gamma(axis, shape):
    inputs, beta, gamma = normal(2, 3, 4, 5), normal(*shape, seed=1), normal(*shape, seed=2)
    outputs = gk.layer_norm(inputs, begin_params_axis=axis)
    assert [variable.shape.as_list() for variable in v1.global_variables()] == [shape, shape]
    expected = normalized(inputs, 1, 1e-12, beta, gamma)
    np.testing.assert_allclose(run_with(outputs, beta=beta, gamma=gamma), expected, rtol=1e-4, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(
    arrays.arrays(np.float64, (3, 6), elements=st.floats(-100, 100)),
    st.floats(-10, 10),
    st.floats(0.5, 20),
)
def test_what_it_returns_does_not_depend_on_shift_and_scale_of_an_example(inputs, shift, scale):
    inputs = inputs + 10 * np.arange(6)  # no example is constant
    inputs[np.std(inputs, axis=1) < 1] = np.arange(6)
    with tf.Graph().as_default():
        first, second = run([gk.layer_norm(inputs), gk.layer_norm(scale * inputs + shift)])
    np.testing.assert_allclose(first, second, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(first.mean(1), 0, atol=1e-8)
    np.testing.assert_allclose(first.std(1), 1, rtol=1e-8)


def test_value_by_hand():
    # Mean 4, distances -3, -1, 4, variance (9 + 1 + 16) / 3, plus 1/3 is 9: divided by 3.
    outputs = run(gk.layer_norm([[1.0, 3.0, 8.0]], epsilon=1 / 3))
    np.testing.assert_allclose(outputs, [[-1, -1 / 3, 4 / 3]], rtol=1e-6)


def test_an_example_has_no_influence_on_another():
    fed = gk.feature_input(5)
    outputs = gk.layer_norm(fed)
    inputs = normal(4, 5)
    together = run(outputs, {fed: inputs})
    alone = [run(outputs, {fed: inputs[i : i + 1]})[0] for i in range(4)]
    np.testing.assert_allclose(together, alone, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float32, tf.float64])
def test_a_constant_example_becomes_zero(dtype):
    outputs = run(gk.layer_norm(tf.constant([[3.0, 3.0, 3.0, 3.0], [-1.0, 1.0, -1.0, 1.0]], dtype)))
    np.testing.assert_allclose(outputs.astype(np.float64), [[0, 0, 0, 0], [-1, 1, -1, 1]], rtol=1e-3)


def test_squares_beyond_half_precision_do_not_overflow():
    outputs = run(gk.layer_norm(tf.constant([[300.0, -300.0, 300.0, -300.0]], tf.float16)))
    np.testing.assert_allclose(outputs, [[1, -1, 1, -1]], rtol=1e-3)


@pytest.mark.parametrize("center, scale", [(True, True), (True, False), (False, True), (False, False)])
def test_names_and_start_values_are_contribs(center, scale):
    inputs = normal(3, 5)
    outputs = gk.layer_norm(inputs, center, scale)
    expected = [f"LayerNorm/{name}:0" for name, made in (("beta", center), ("gamma", scale)) if made]
    assert [variable.name for variable in v1.trainable_variables()] == expected
    values, variables = run([outputs, v1.global_variables()])
    np.testing.assert_allclose(values, normalized(inputs, 1, 1e-12), rtol=1e-4, atol=1e-5)
    assert [value.tolist() for value in variables] == [[0] * 5] * center + [[1] * 5] * scale


def test_arguments_begin_as_contribs_do():
    # tf.contrib.layers.layer_norm of 1.15, less activation_fn, variables_collections, outputs_collections.
    parameters = inspect.signature(gk.layer_norm).parameters
    defaults = {name: parameter.default for name, parameter in parameters.items() if name != "inputs"}
    assert list(parameters)[:3] == ["inputs", "center", "scale"]
    assert defaults == {
        "center": True,
        "scale": True,
        "begin_norm_axis": 1,
        "begin_params_axis": -1,
        "epsilon": 1e-12,
        "trainable": True,
        "name": None,
        "reuse": None,
    }


def test_unnamed_layers_are_numbered():
    for _ in range(3):
        gk.layer_norm(tf.ones((2, 3)), scale=False)
    names = [variable.name for variable in v1.global_variables()]
    assert names == ["LayerNorm/beta:0", "LayerNorm_1/beta:0", "LayerNorm_2/beta:0"]


@pytest.mark.parametrize("reuse", [True, v1.AUTO_REUSE])
def test_reuse_shares_the_variables(reuse):
    for again in (None, reuse):
        gk.layer_norm(tf.ones((2, 3)), name="norm", reuse=again)
    assert [variable.name for variable in v1.global_variables()] == ["norm/beta:0", "norm/gamma:0"]


def test_a_name_that_is_taken_is_refused():
    gk.layer_norm(tf.ones((2, 3)), name="norm")
    with pytest.raises(ValueError, match="^Variable norm/beta already exists"):
        gk.layer_norm(tf.ones((2, 3)), name="norm")


def test_trainable_false_keeps_out_of_trainable_variables():
    gk.layer_norm(tf.ones((2, 3)), trainable=False)
    assert len(v1.global_variables()) == 2 and not v1.trainable_variables()


def test_the_scopes_initializer_leaves_beta_and_gamma_alone():
    with v1.variable_scope("net", initializer=v1.constant_initializer(7.0)):
        gk.layer_norm(tf.ones((2, 3)))
    assert [value.tolist() for value in run(v1.global_variables())] == [[0] * 3, [1] * 3]


def test_it_trains_and_evaluates_alike():
    gk.layer_norm(tf.ones((2, 3)))
    assert not v1.get_collection(v1.GraphKeys.UPDATE_OPS)


def test_sizes_may_be_unknown_where_no_variable_needs_them():
    fed = v1.placeholder(tf.float32, (None, None, 5))
    outputs = gk.layer_norm(fed)
    assert outputs.shape.as_list() == [None, None, 5]
    inputs = normal(2, 4, 5)
    np.testing.assert_allclose(
        run(outputs, {fed: inputs}), normalized(inputs, 1, 1e-12), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("shape, begin", [((3, 4), 1), ((2, 3, 4), 1), ((2, 3, 4), 2)])
def test_gradient_agrees_with_central_differences(shape, begin):
    point, factors = normal(*shape, dtype=np.float64), normal(*shape, dtype=np.float64, seed=3)
    fed = v1.placeholder(tf.float64, shape)
    loss = tf.reduce_sum(gk.layer_norm(fed, begin_norm_axis=begin) * factors)
    gradients = run(tf.gradients(loss, [fed, *v1.trainable_variables()]), {fed: point})
    moved = np.zeros(shape)
    for index in np.ndindex(shape):
        step = np.zeros(shape)
        step[index] = 1e-5
        ends = [(normalized(point + sign * step, begin, 1e-12) * factors).sum() for sign in (1, -1)]
        moved[index] = (ends[0] - ends[1]) / 2e-5
    leading = tuple(range(len(shape) - 1))
    np.testing.assert_allclose(gradients[0], moved, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(gradients[1], factors.sum(leading), rtol=1e-10)
    by_gamma = (factors * normalized(point, begin, 1e-12)).sum(leading)
    np.testing.assert_allclose(gradients[2], by_gamma, rtol=1e-8, atol=1e-12)


PLAIN = np.zeros((2, 3), np.float32)
REFUSALS = {
    "one axis": ((PLAIN[0],), {}, ValueError, "inputs must have at least 2 axes; received shape=(3,)"),
    "integers": ((PLAIN.astype(int),), {}, TypeError, "inputs must be a floating-point tensor"),
    "norm axis": (
        (PLAIN,),
        {"begin_norm_axis": 2},
        ValueError,
        "begin_norm_axis must be an axis of inputs, which have 2; received axis=2",
    ),
    "negative norm axis": (
        (PLAIN,),
        {"begin_norm_axis": -3},
        ValueError,
        "begin_norm_axis must be an integer of at least -2; received begin_norm_axis=-3",
    ),
    "params axis": (
        (PLAIN,),
        {"begin_params_axis": 2},
        ValueError,
        "begin_params_axis must be an axis of inputs, which have 2; received axis=2",
    ),
    "no integer": ((PLAIN,), {"begin_norm_axis": 1.0}, TypeError, "begin_norm_axis must be an integer"),
    "epsilon": ((PLAIN,), {"epsilon": 0}, ValueError, "epsilon must be a finite number above 0"),
    "infinite": ((PLAIN,), {"epsilon": math.inf}, ValueError, "epsilon must be a finite number above 0"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_layer_norm_refuses(case):
    arguments, options, error, text = REFUSALS[case]
    with pytest.raises(error, match=f"^layer_norm: {re.escape(text)}"):
        gk.layer_norm(*arguments, **options)
    assert not v1.global_variables()


def test_sizes_that_variables_need_must_be_known():
    with pytest.raises(ValueError, match=r"^layer_norm: axis \d of inputs must have a known size"):
        gk.layer_norm(v1.placeholder(tf.float32, (None, None)))


def test_a_finalized_graph_takes_no_layer(fresh_graph):
    inputs = tf.zeros((2, 3))
    fresh_graph.finalize()
    with pytest.raises(RuntimeError, match=rf"^layer_norm: .*finalized.*{re.escape(__file__)}:\d+$"):
        gk.layer_norm(inputs)
