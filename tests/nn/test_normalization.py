"""batch_norm and layer_norm against NumPy, and layer_norm's arguments as in tf.contrib.layers."""

import inspect
import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from references import (
    aligned,
    assert_agree,
    assert_gradients,
    constant,
    names,
    normal,
    refused,
    run,
    set_variable,
)

import graphkit as gk
from graphkit.nn import inputs

v1 = tf.compat.v1
Keys = v1.GraphKeys


def test_layers_that_share_variables_move_the_averages_one_after_the_other():
    first, second = gk.feature_input(400, "first"), gk.feature_input(400, "second")
    options = dict(training=True, momentum=0.9, name="shared")
    layers = [gk.batch_norm(first, **options), gk.batch_norm(second, reuse=True, **options)]
    mean, steps = np.zeros(400), 20
    moved = next(v for v in v1.global_variables() if v.op.name == "shared/moving_mean")
    with v1.Session(config=v1.ConfigProto(inter_op_parallelism_threads=4)) as session:
        session.run(v1.global_variables_initializer())
        for step in range(steps):
            fed = {first: normal(32, 400, seed=step), second: 3 + normal(32, 400, seed=step + steps)}
            session.run([*layers, *v1.get_collection(Keys.UPDATE_OPS)], fed)
            for rows in fed.values():
                mean = 0.9 * mean + 0.1 * rows.mean(axis=0)
        np.testing.assert_allclose(session.run(moved), mean, rtol=1e-4, atol=1e-5)


def normalized(array, axes, epsilon, gamma=1.0, beta=0.0):
    """gamma * (x - mean) / sqrt(variance + epsilon) + beta, mean and variance over the axes, in float64."""
    array = array.astype(np.float64)
    mean, variance = array.mean(axes, keepdims=True), array.var(axes, keepdims=True)
    return gamma * (array - mean) / np.sqrt(variance + epsilon) + beta


def batch_axes(rank, axis):
    return tuple(other for other in range(rank) if other != axis % rank)


def by_batch(array, axis, epsilon=1e-3, gamma=1.0, beta=0.0):
    """batch_norm in training."""
    gamma, beta = (aligned(value, axis, array.ndim) for value in (gamma, beta))
    return normalized(array, batch_axes(array.ndim, axis), epsilon, gamma, beta)


def by_averages(array, axis, mean, variance, epsilon=1e-3, gamma=1.0, beta=0.0):
    """batch_norm in evaluation."""
    vectors = (mean, variance, gamma, beta)
    mean, variance, gamma, beta = (aligned(value, axis, array.ndim) for value in vectors)
    return gamma * (array - mean) / np.sqrt(variance + epsilon) + beta


# batch_norm


# TensorFlow's fused kernel takes the two ranks of 4 with the axis 1 or -1.
RANKS = [
    ((50, 3), -1),
    ((10, 5, 3), -1),
    ((10, 3, 5), 1),
    ((6, 4, 5, 3), -1),
    ((6, 3, 4, 5), 1),
    ((6, 4, 3, 5), 2),
]
GAMMA, BETA = normal(3, seed=1), normal(3, seed=2)
MEAN, VARIANCE = normal(3, seed=3), np.array([0.5, 1.0, 4.0], np.float32)
STARTS = {
    "gamma_initializer": constant(GAMMA),
    "beta_initializer": constant(BETA),
    "moving_mean_initializer": constant(MEAN),
    "moving_variance_initializer": constant(VARIANCE),
}


def test_batch_norm_agrees_with_numpy():
    cases, fed = {}, {}
    for shape, axis in RANKS:
        array = 3 * normal(*shape) + 2
        trained = by_batch(array, axis, 0.1, GAMMA, BETA)
        elsewhere = by_averages(array, axis, MEAN, VARIANCE, 0.1, GAMMA, BETA)
        for training, expected in ((True, trained), (False, elsewhere), (None, elsewhere)):
            outputs = gk.batch_norm(array, axis, epsilon=0.1, training=training, **STARTS)
            assert outputs.shape == shape
            cases[shape, axis, training] = outputs, expected
            fed[shape, axis, training] = outputs, elsewhere if training is False else trained
    assert_agree(cases, rtol=1e-4, atol=1e-4)
    (placeholder,) = v1.get_collection(inputs.TRAINING)  # which all layers share
    assert_agree(fed, rtol=1e-4, atol=1e-4, feed={placeholder: True})


def test_center_and_scale_may_be_left_out():
    cases = {}
    for shape, axis in RANKS:
        array = normal(*shape)
        for center, scale in ((False, True), (True, False), (False, False)):
            for training in (False, True):
                before = len(v1.trainable_variables())
                outputs = gk.batch_norm(array, axis, center=center, scale=scale, training=training, **STARTS)
                made = [name.rsplit("/")[-1] for name in names(v1.trainable_variables())[before:]]
                assert made == ["gamma:0"] * scale + ["beta:0"] * center
                trained = {"gamma": GAMMA if scale else 1.0, "beta": BETA if center else 0.0}
                averages = by_averages(array, axis, MEAN, VARIANCE, **trained)
                expected = by_batch(array, axis, **trained) if training else averages
                cases[shape, axis, center, scale, training] = outputs, expected
    assert_agree(cases, rtol=1e-4, atol=1e-4)


def updated(feed=None):
    """Runs UPDATE_OPS once; returns the moving averages by name."""
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        session.run(v1.get_collection(Keys.UPDATE_OPS), feed)
        return session.run({v.op.name: v for v in v1.global_variables() if "moving" in v.name})


def assert_moved(averages, momentum_of):
    for place, (shape, axis) in enumerate(RANKS):
        array, momentum = 3 * normal(*shape) + 2, momentum_of(place)
        axes = batch_axes(len(shape), axis)
        mean, variance = array.mean(axes, dtype=np.float64), array.var(axes, dtype=np.float64)
        if len(shape) == 4 and axis != 2:  # TensorFlow's fused kernel updates by the unbiased variance
            count = array.size / 3
            variance = variance * count / (count - 1)
        expected = {"mean": (MEAN, mean), "variance": (VARIANCE, variance)}
        for name, (start, batch_value) in expected.items():
            moved = momentum * start + (1 - momentum) * batch_value
            found = averages[f"norm{place}/moving_{name}"]
            np.testing.assert_allclose(found, moved, rtol=1e-4, atol=1e-5, err_msg=f"{shape} {name}")


@pytest.mark.parametrize("momentum", [0.0, 0.9, 0.99, 1.0])
def test_update_ops_move_the_averages(momentum):
    for place, (shape, axis) in enumerate(RANKS):
        array = 3 * normal(*shape) + 2
        gk.batch_norm(array, axis, momentum, training=True, name=f"norm{place}", **STARTS)
    assert_moved(updated(), lambda place: momentum)


def test_update_ops_behind_the_placeholder_change_nothing_unless_it_is_fed():
    for place, (shape, axis) in enumerate(RANKS):
        gk.batch_norm(3 * normal(*shape) + 2, axis, name=f"norm{place}", **STARTS)
    for name, value in updated().items():
        np.testing.assert_array_equal(value, MEAN if name.endswith("mean") else VARIANCE)
    assert_moved(updated({inputs.training_input(): True}), lambda place: 0.99)


def test_training_as_a_tensor_is_as_the_boolean():
    pairs = {}
    for training in (False, True):
        flag = v1.get_variable(f"flag{training}", initializer=training, trainable=False)
        unknown = v1.placeholder_with_default(tf.constant(training), None)
        for shape, axis in (RANKS[0], RANKS[4]):  # without and with the fused kernel
            array = 3 * normal(*shape)
            plain = gk.batch_norm(array, axis, training=training)
            for kind, value in (("tensor", tf.constant(training)), ("variable", flag), ("unknown", unknown)):
                pairs[training, shape, axis, kind] = plain, gk.batch_norm(array, axis, training=value)
                assert pairs[training, shape, axis, kind][1].shape == shape
    for case, (first, second) in run(pairs).items():
        np.testing.assert_allclose(first, second, rtol=1e-6, atol=1e-6, err_msg=str(case))


@pytest.mark.parametrize("training, count", [(True, 2), (False, 0), (None, 2)])
def test_update_ops_of_a_layer(training, count):
    gk.batch_norm(tf.zeros((4, 3)), training=training)
    assert len(v1.get_collection(Keys.UPDATE_OPS)) == count


def test_training_as_a_tensor_has_update_ops():
    gk.batch_norm(tf.zeros((4, 3)), training=v1.placeholder(tf.bool, ()))
    assert len(v1.get_collection(Keys.UPDATE_OPS)) == 2


def test_batch_norms_share_the_training_placeholder():
    gk.batch_norm(gk.batch_norm(tf.zeros((4, 3))))
    assert len(v1.get_collection(inputs.TRAINING)) == 1


def test_epsilon_is_added_to_the_variance_as_it_is():
    cases = {}
    for shape in ((500, 2), (20, 5, 5, 2)):
        array = 1e-3 * normal(*shape)
        for epsilon in (1e-8, 1e-3, 1.0):
            for training in (False, True):
                outputs = gk.batch_norm(
                    array, epsilon=epsilon, moving_variance_initializer=constant(1e-6), training=training
                )
                averages = by_averages(array, -1, np.zeros(2), np.full(2, 1e-6), epsilon)
                expected = by_batch(array, -1, epsilon) if training else averages
                cases[shape, epsilon, training] = outputs, expected
    assert_agree(cases, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float32, tf.float64])
def test_batch_norm_takes_any_floating_point_type(dtype):
    cases = {}
    for rank in (2, 3, 4):
        array = normal(*[4] * rank)
        for training in (True, False, None):
            outputs = gk.batch_norm(tf.cast(array, dtype), training=training)
            assert outputs.dtype == dtype
            expected = by_batch(array, -1) if training else by_averages(array, -1, np.zeros(4), np.ones(4))
            cases[rank, training] = tf.cast(outputs, tf.float32), expected
    accuracy = 0.05 if dtype.size == 2 else 1e-4
    assert_agree(cases, accuracy, accuracy)
    kept = tf.float32 if dtype.size == 2 else dtype
    assert {variable.dtype for variable in v1.global_variables()} == {kept}


@pytest.mark.parametrize("known", [(None, 3), (None, None, 3), (None, None, None, 3), (None, 4, 4, 3)])
def test_batch_norm_keeps_the_static_shape(known):
    fed = v1.placeholder(tf.float32, known)
    shape = tuple(size or 2 for size in known)
    outputs = [gk.batch_norm(fed, training=training) for training in (True, False, None)]
    assert [output.shape.as_list() for output in outputs] == [list(known)] * 3
    assert [output.shape for output in run(outputs, {fed: np.ones(shape)})] == [shape] * 3


def test_moving_averages_converge_to_the_moments_of_the_data():
    array = 3 * normal(200, 2) + 5
    gk.batch_norm(array, momentum=0.5, training=True)
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        for _ in range(40):
            session.run(v1.get_collection(Keys.UPDATE_OPS))
        moved = session.run([v for v in v1.global_variables() if "moving" in v.name])
    np.testing.assert_allclose(moved, [array.mean(0), array.var(0)], rtol=1e-4)


@pytest.mark.parametrize("shape, axis", [((6, 3), -1), ((3, 4, 2), -1), ((4, 3, 2), 1), ((3, 2, 2, 2), -1)])
@pytest.mark.parametrize("training", [False, True])
def test_gradient_of_batch_norm(shape, axis, training):
    fed, channels = v1.placeholder(tf.float64, shape), shape[axis]
    starts = {
        name: constant(normal(channels, seed=seed))
        for seed, name in enumerate(("beta_initializer", "gamma_initializer", "moving_mean_initializer"))
    }
    outputs = gk.batch_norm(fed, axis, moving_variance_initializer=constant(2.0), training=training, **starts)
    assert_gradients(outputs, {fed: normal(*shape, dtype=np.float64)})


@pytest.mark.parametrize("training", [False, True])
def test_gradient_of_batch_norm_behind_the_placeholder(training):
    fed = v1.placeholder(tf.float64, (6, 3))
    outputs = gk.batch_norm(fed, gamma_initializer=constant(GAMMA))
    assert_gradients(outputs, {fed: normal(6, 3, dtype=np.float64)}, {inputs.training_input(): training})


@pytest.mark.parametrize("axis", [1, 3])
def test_gradient_of_the_fused_batch_norm_is_that_of_the_plain_one(axis):
    images = tf.constant(normal(4, 3, 5, 2) + 1)
    channels = images.shape[axis]
    order = [0, 1, 2, 3] if axis == 3 else [0, 2, 3, 1]
    rows = tf.reshape(tf.transpose(images, order), [-1, channels])
    gamma = constant(normal(channels, seed=2))
    nets = [
        gk.batch_norm(value, value_axis, gamma_initializer=gamma, training=True)
        for value, value_axis in ((images, axis), (rows, -1))
    ]
    gradients = [tf.gradients(tf.reduce_sum(tf.sin(net)), images)[0] for net in nets]
    np.testing.assert_allclose(*run(gradients), rtol=1e-3, atol=1e-5)


def rows():
    return v1.placeholder(tf.float32, (None, 3))


def test_batch_norm_refuses_a_momentum_and_an_epsilon():
    values = {"momentum": (1.1, -0.1, math.nan, math.inf), "epsilon": (-1e-3, math.nan, math.inf)}
    bounds = {"momentum": "at least 0 and at most 1", "epsilon": "at least 0"}
    for name, bound in bounds.items():
        for value in (*values[name], "0.9", None, True):
            text = f"batch_norm: {name} must be a finite number {bound}; received {name}={value!r}"
            with refused(ValueError if isinstance(value, float) else TypeError, text):
                gk.batch_norm(rows(), **{name: value})


def test_training_that_is_not_a_boolean_is_refused():
    for training in ("no", 1.0, tf.bool, [True]):
        with pytest.raises(TypeError, match=r"^batch_norm: training must .*; received training="):
            gk.batch_norm(tf.ones((2, 3)), training=training)
    for training in ([True, False], 1, 1.0, "no"):
        with pytest.raises((TypeError, ValueError), match=r"^batch_norm: training must .*; received"):
            gk.batch_norm(tf.ones((2, 3)), training=tf.constant(training))


# layer_norm


def run_with(outputs, **values):
    """Returns the outputs with the variables of these names set to these arrays."""
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        for variable in v1.global_variables():
            set_variable(session, variable, values[variable.op.name.rsplit("/", 1)[-1]])
        return session.run(outputs)


def by_example(array, first_axis, epsilon, gamma=1.0, beta=0.0):
    """layer_norm: moments over the first axis and those after it."""
    axes = tuple(range(first_axis % array.ndim, array.ndim))
    return normalized(array, axes, epsilon, gamma, beta)


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
    expected = by_example(inputs, 1, 1e-12, gamma, beta)
    np.testing.assert_allclose(values, expected, rtol=accuracy, atol=accuracy)


def test_begin_norm_axis_is_the_first_axis_of_the_moments():
    cases = {}
    for shape in ((3, 5), (3, 4, 5), (2, 3, 4, 5)):
        inputs = 2 + 3 * normal(*shape)
        for axis in range(-len(shape), len(shape)):
            outputs = gk.layer_norm(inputs, begin_norm_axis=axis, epsilon=1e-3)
            cases[shape, axis] = outputs, by_example(inputs, axis, 1e-3)
    assert_agree(cases, rtol=1e-4)


@pytest.mark.parametrize("axis, shape", [(-1, [5]), (3, [5]), (2, [4, 5]), (1, [3, 4, 5]), (-3, [3, 4, 5])])
def test_begin_params_axis_is_the_first_axis_of_beta_and_gamma(axis, shape):
    inputs, beta, gamma = normal(2, 3, 4, 5), normal(*shape, seed=1), normal(*shape, seed=2)
    outputs = gk.layer_norm(inputs, begin_params_axis=axis)
    assert [variable.shape.as_list() for variable in v1.global_variables()] == [shape, shape]
    expected = by_example(inputs, 1, 1e-12, gamma, beta)
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


def test_layer_norm_by_hand():
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


def test_a_constant_example_becomes_zero_and_large_squares_do_not_overflow():
    for dtype in (tf.float16, tf.bfloat16, tf.float32, tf.float64):
        examples = [[3.0, 3.0, 3.0, 3.0], [-1.0, 1.0, -1.0, 1.0], [300.0, -300.0, 300.0, -300.0]]
        outputs = run(gk.layer_norm(tf.constant(examples, dtype)))
        expected = [[0, 0, 0, 0], [-1, 1, -1, 1], [1, -1, 1, -1]]
        np.testing.assert_allclose(outputs.astype(np.float64), expected, rtol=1e-3)


@pytest.mark.parametrize("center, scale", [(True, True), (True, False), (False, True), (False, False)])
def test_names_and_start_values_are_contribs(center, scale):
    inputs = normal(3, 5)
    outputs = gk.layer_norm(inputs, center, scale)
    expected = [f"LayerNorm/{name}:0" for name, made in (("beta", center), ("gamma", scale)) if made]
    assert [variable.name for variable in v1.trainable_variables()] == expected
    values, variables = run([outputs, v1.global_variables()])
    np.testing.assert_allclose(values, by_example(inputs, 1, 1e-12), rtol=1e-4, atol=1e-5)
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


def test_layer_norm_trains_and_evaluates_alike_and_the_scopes_initializer_leaves_it_alone():
    with v1.variable_scope("net", initializer=constant(7.0)):
        gk.layer_norm(tf.ones((2, 3)))
    assert not v1.get_collection(v1.GraphKeys.UPDATE_OPS)
    assert [value.tolist() for value in run(v1.global_variables())] == [[0] * 3, [1] * 3]


def test_sizes_may_be_unknown_where_no_variable_needs_them():
    fed = v1.placeholder(tf.float32, (None, None, 5))
    outputs = gk.layer_norm(fed)
    assert outputs.shape.as_list() == [None, None, 5]
    inputs = normal(2, 4, 5)
    np.testing.assert_allclose(
        run(outputs, {fed: inputs}), by_example(inputs, 1, 1e-12), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("shape, begin", [((3, 4), 1), ((2, 3, 4), 1), ((2, 3, 4), 2)])
def test_gradient_of_layer_norm(shape, begin):
    fed = v1.placeholder(tf.float64, shape)
    outputs = gk.layer_norm(fed, begin_norm_axis=begin)
    assert_gradients(outputs, {fed: normal(*shape, dtype=np.float64)})


@pytest.mark.parametrize("epsilon", [0, math.inf])
def test_layer_norm_refuses_an_epsilon(epsilon):
    with refused(
        ValueError, f"layer_norm: epsilon must be a finite number above 0; received epsilon={epsilon}"
    ):
        gk.layer_norm(rows(), epsilon=epsilon)
