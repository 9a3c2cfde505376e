"""Checks of tensor arguments: rank, dtype, graph and known sizes, for every builder."""

import numpy as np
import pytest
import tensorflow as tf
from nn.layer_table import BUILDERS, each_builder, good_input
from references import refused, run

import graphkit as gk

v1 = tf.compat.v1
EAGER = tf.ones((2, 4, 4, 3))  # made outside of any graph

WRONG_SHAPES = {
    None: [],
    "3": [None, (3,), (2, 4, 4, 3)],
    "4": [None, (), (3,), (None, 8, 8), (None, 8, 8, 8, 3)],
    "at least 2": [None, (), (3,)],
    "at least 1": [None, ()],
}


def test_masked_arrays_are_refused():
    masked = np.ma.array(np.ones((2, 3), np.float32), mask=np.ones((2, 3), bool))
    with refused(TypeError, "dense: inputs must not be a masked array"):
        gk.dense(masked, 2)


@each_builder
def test_inputs_of_a_wrong_rank_are_refused(function):
    build, argument, axes = BUILDERS[function]
    for shape in WRONG_SHAPES[axes]:
        received = "'unknown'" if shape is None else shape
        with refused(ValueError, f"{function}: {argument} must have {axes} axes; received shape={received}"):
            build(v1.placeholder(tf.float32, shape))
    assert not v1.global_variables()


@pytest.mark.parametrize("function", sorted(BUILDERS.keys() - {"flatten"}))
def test_inputs_that_are_not_floating_point_are_refused(function):
    build, argument, _ = BUILDERS[function]
    for dtype in (tf.int32, tf.uint8, tf.bool, tf.string, tf.complex64):
        text = f"{function}: {argument} must be a floating-point tensor; received dtype='{dtype.name}'"
        with refused(TypeError, text):
            build(v1.placeholder(dtype, good_input(function).shape))


def holding_itself():
    held = []
    held.append(held)
    return held


@each_builder
def test_inputs_that_are_not_a_tensor_of_the_graph_are_refused(function):
    build, argument, _ = BUILDERS[function]
    with tf.Graph().as_default():
        other = tf.constant(good_input(function))
    for value in (None, object(), [[1.0], [1.0, 2.0]], holding_itself(), other, EAGER):
        with refused(TypeError, f"{function}: {argument} must be a tensor of the default graph"):
            build(value)
    assert not v1.global_variables()


IN_BRANCHES = {  # where moving averages cannot be updated
    "batch_norm": lambda x: gk.batch_norm(x, training=False),
    "residual_block": lambda x: gk.residual_block(x, 8, training=False),
}


def test_tensors_of_the_graph_around_a_branch_are_taken():
    branches = {}
    for function, (build, *_) in BUILDERS.items():
        build = IN_BRANCHES.get(function, build)
        outer = tf.constant(good_input(function))
        with v1.variable_scope(function, reuse=v1.AUTO_REUSE):
            build(outer)  # variables are made outside of branches
        with v1.variable_scope(function, reuse=v1.AUTO_REUSE):
            branches[function] = tf.cond(
                v1.placeholder_with_default(True, ()),
                lambda build=build, outer=outer: tf.size(build(outer)),
                lambda: 0,
            )
    for function, size in run(branches).items():
        assert size > 0, function


def images(*shape):
    return v1.placeholder(tf.float32, shape)


UNKNOWN = {
    "conv2d": (lambda: gk.conv2d(images(None, 8, 8, None), 8, 3), -1, (None, 8, 8, None)),
    "conv2d channels_first": (
        lambda: gk.conv2d(images(None, None, 8, 8), 8, 3, data_format="channels_first"),
        1,
        (None, None, 8, 8),
    ),
    "conv2d_transpose": (
        lambda: gk.conv2d_transpose(images(None, 8, 8, None), 8, 3),
        -1,
        (None, 8, 8, None),
    ),
    "dense": (lambda: gk.dense(images(None, None), 8), -1, (None, None)),
    "bias_add": (lambda: gk.bias_add(images(None, None)), -1, (None, None)),
    "batch_norm": (lambda: gk.batch_norm(images(3, None)), 1, (3, None)),
    "batch_norm axis": (lambda: gk.batch_norm(images(None, 3), axis=0), 0, (None, 3)),
    "layer_norm": (lambda: gk.layer_norm(images(None, None)), 1, (None, None)),
    "rnn": (lambda: gk.rnn(images(None, 3, None), 2), -1, (None, 3, None)),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_sizes_that_variables_need_must_be_known(case):
    build, axis, shape = UNKNOWN[case]
    text = f"{case.split()[0]}: axis {axis} of inputs must have a known size; received shape={shape}"
    with refused(ValueError, text):
        build()


AXES = {
    "softmax": (lambda axis: gk.softmax(images(None, 3), axis), "axis", "logits"),
    "batch_norm": (lambda axis: gk.batch_norm(images(None, 3), axis), "axis", "inputs"),
    "layer_norm": (
        lambda axis: gk.layer_norm(images(None, 3), begin_norm_axis=axis),
        "begin_norm_axis",
        "inputs",
    ),
    "layer_norm params": (
        lambda axis: gk.layer_norm(images(None, 3), begin_params_axis=axis),
        "begin_params_axis",
        "inputs",
    ),
}


@pytest.mark.parametrize("case", AXES)
def test_axes_that_a_tensor_does_not_have_are_refused(case):
    build, name, tensor = AXES[case]
    function = case.split()[0]
    with refused(
        ValueError, f"{function}: {name} must be an axis of {tensor}, which have 2; received axis=2"
    ):
        build(2)
    wrong = [(-3, ValueError), (1.0, TypeError), (None, TypeError)]
    if case != "batch_norm":  # which takes the list of one axis that tf.layers takes
        wrong.append(([1], TypeError))
    for value, error in wrong:
        text = f"{function}: {name} must be an integer of at least -2; received {name}={value}"
        with refused(error, text):
            build(value)


@pytest.mark.grid
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_builders_compute_in_the_dtype_of_their_inputs(dtype):
    outputs = {
        function: build(good_input(function).astype(dtype))
        for function, (build, *_) in BUILDERS.items()
        if function != "rnn" or dtype != np.float16
    }
    for function, value in run(outputs).items():
        assert value.dtype == outputs[function].dtype == dtype, function
    # Norms of float16 keep their variables in float32.
    for variable in v1.trainable_variables():
        wide = dtype == np.float16 and variable.op.name.rsplit("/", 1)[-1] in ("beta", "gamma")
        assert variable.dtype == (np.float32 if wide else dtype), variable.name
