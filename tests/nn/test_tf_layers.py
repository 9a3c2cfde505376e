"""What TensorFlow 1.15's tf.layers took for each argument, and what it does here: taken, or refused and why.

The signatures themselves, with order and defaults, are compared in test_variables.py.
"""

import math

import numpy as np
import pytest
import tensorflow as tf
from references import names, normal, refused, run

import graphkit as gk

v1 = tf.compat.v1
Dimension = v1.Dimension

# function: (shape of its inputs, its arguments where a row of a table names no other)
BASE = {
    "dense": ((2, 3), {"units": 5}),
    "conv1d": ((2, 8, 3), {"filters": 4, "kernel_size": 2}),
    "conv2d": ((2, 8, 9, 3), {"filters": 4, "kernel_size": 2}),
    "conv2d_transpose": ((2, 4, 5, 3), {"filters": 4, "kernel_size": 2}),
    "separable_conv2d": ((2, 8, 9, 3), {"filters": 4, "kernel_size": 2}),
    "max_pool": ((2, 8, 9, 3), {"pool_size": 2, "strides": 2}),
    "avg_pool": ((2, 8, 9, 3), {"pool_size": 2, "strides": 2}),
    "batch_norm": ((2, 4, 5, 3), {"training": True}),
    "flatten": ((2, 4, 5, 3), {}),
}


def outputs_of(function, **arguments):
    """Returns what the function makes of its inputs, with the same initial values in each call."""
    shape, defaults = BASE[function]
    start = v1.truncated_normal_initializer(seed=1)
    with tf.Graph().as_default(), v1.variable_scope("net", initializer=start):
        return run(getattr(gk, function)(tf.constant(normal(*shape)), **{**defaults, **arguments}))


PAIR = (3, 2)
LIKE_PAIR = [[3, 2], np.array([3, 2]), tf.TensorShape([3, 2]), (Dimension(3), Dimension(2)), (6 / 2, 2)]
LIKE_THREE = [np.int32(3), Dimension(3), 6 / 2, np.float32(3)]

# (function, argument): (the values that are taken, what they stand for)
TAKEN = {
    ("dense", "units"): ([10 / 2, np.int64(5), Dimension(5), np.float64(5)], 5),
    ("conv1d", "filters"): ([8 / 2, Dimension(4)], 4),
    ("conv1d", "kernel_size"): ([[3], (3,), np.array([3]), tf.TensorShape([3]), *LIKE_THREE], 3),
    ("conv1d", "strides"): ([[3], tf.TensorShape([3]), *LIKE_THREE], 3),
    ("conv1d", "dilation_rate"): ([[3], *LIKE_THREE], 3),
    ("conv2d", "filters"): ([8 / 2, np.int32(4), Dimension(4)], 4),
    ("conv2d", "kernel_size"): (LIKE_PAIR, PAIR),
    ("conv2d", "strides"): (LIKE_PAIR, PAIR),
    ("conv2d", "dilation_rate"): (LIKE_PAIR, PAIR),
    ("conv2d", "padding"): (["SAME", "Same"], "same"),
    ("conv2d", "data_format"): (["CHANNELS_LAST"], "channels_last"),
    ("conv2d_transpose", "filters"): ([8 / 2, Dimension(4)], 4),
    ("conv2d_transpose", "kernel_size"): (LIKE_PAIR, PAIR),
    ("conv2d_transpose", "strides"): (LIKE_PAIR, PAIR),
    ("separable_conv2d", "filters"): ([8 / 2, Dimension(4)], 4),
    ("separable_conv2d", "kernel_size"): (LIKE_PAIR, PAIR),
    ("separable_conv2d", "depth_multiplier"): ([4 / 2, Dimension(2)], 2),
    ("max_pool", "pool_size"): (LIKE_PAIR, PAIR),
    ("max_pool", "strides"): (LIKE_PAIR, PAIR),
    ("avg_pool", "pool_size"): (LIKE_PAIR, PAIR),
    ("avg_pool", "strides"): (LIKE_PAIR, PAIR),
    ("batch_norm", "axis"): ([[3], (3,), [-1], 3], -1),
    ("batch_norm", "training"): ([1, np.bool_(True)], True),
    ("batch_norm", "renorm"): ([False], False),
    ("batch_norm", "renorm_momentum"): ([0.5], 0.99),
    ("batch_norm", "renorm_clipping"): ([None], None),
    ("batch_norm", "virtual_batch_size"): ([None], None),
    ("batch_norm", "adjustment"): ([None], None),
    ("batch_norm", "fused"): ([True, None], True),
}


@pytest.mark.grid
@pytest.mark.parametrize("row", TAKEN, ids=" ".join)
def test_what_tf_layers_took_is_taken(row):
    function, argument = row
    values, meant = TAKEN[row]
    expected = outputs_of(function, **{argument: meant})
    for value in values:
        np.testing.assert_array_equal(
            outputs_of(function, **{argument: value}), expected, err_msg=repr(value)
        )


# (function, argument): (values that are refused, the error, what its message begins with). tf.layers took
# some of them: what it made of them is written behind.
REFUSED = {
    ("dense", "units"): ([2.5, math.inf, "5"], TypeError, "dense: units must be an integer"),  # int(2.5) is 2
    ("conv2d", "filters"): ([2.5], TypeError, "conv2d: filters must be an integer"),
    ("conv2d", "kernel_size"): (
        [2.5, (2.5, 2), tf.TensorShape(None), tf.TensorShape([None, 2])],  # int(2.5) is 2
        TypeError,
        "conv2d: kernel_size must be an integer",
    ),
    ("conv2d", "activation"): (
        ["gelu"],
        ValueError,
        "conv2d: activation must be a name",
    ),
    ("dense", "kernel_initializer"): (
        ["xavier"],
        ValueError,
        "dense: the initializer of kernel must be one of 'glorot_normal'",
    ),
    ("dense", "kernel_regularizer"): (
        ["l2", 0.1],  # of Keras, with the strength 0.01
        TypeError,
        "dense: the regularizer of kernel must be a function",
    ),
    ("dense", "kernel_constraint"): (
        ["non_neg"],  # of Keras
        TypeError,
        "dense: the constraint of kernel must be a function",
    ),
    ("batch_norm", "axis"): ([[1, 3], []], ValueError, "batch_norm: axis must be one axis"),  # over both
    ("batch_norm", "renorm"): ([True], ValueError, "batch_norm: renorm is not offered"),
    ("batch_norm", "renorm_clipping"): ([{"rmax": 3.0}], ValueError, "batch_norm: renorm_clipping is not"),
    ("batch_norm", "virtual_batch_size"): ([2], ValueError, "batch_norm: virtual_batch_size is not offered"),
    ("batch_norm", "adjustment"): (
        [lambda shape: (1, 0)],
        ValueError,
        "batch_norm: adjustment is not offered",
    ),
    ("batch_norm", "training"): ([2, -1, 1.0], TypeError, "batch_norm: training must be"),  # bool(2) is True
    ("batch_norm", "fused"): ([1, "yes"], TypeError, "batch_norm: fused must be True, False or None"),
}


@pytest.mark.parametrize("row", REFUSED, ids=" ".join)
def test_what_is_refused_is_refused_before_a_variable_is_made(row):
    function, argument = row
    values, error, text = REFUSED[row]
    shape, defaults = BASE[function]
    for value in values:
        with refused(error, text):
            getattr(gk, function)(tf.ones(shape), **{**defaults, argument: value})
    assert not v1.global_variables()


# By the formulas of TensorFlow 1.15's documentation
ACTIVATIONS = {
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "exponential": np.exp,
    "hard_sigmoid": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "selu": lambda x: 1.05070098 * np.where(x > 0, x, 1.67326324 * np.expm1(x)),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "tanh": np.tanh,
    "RELU": lambda x: np.maximum(x, 0),
}


@pytest.mark.parametrize("function", ["dense", "conv2d"])
def test_activations_may_be_named(function):
    before = outputs_of(function).astype(np.float64)
    for name, formula in ACTIVATIONS.items():
        got = outputs_of(function, activation=name)
        np.testing.assert_allclose(got, formula(before), rtol=1e-5, atol=1e-6, err_msg=name)


# name: (mean, standard deviation, largest magnitude) of a kernel (300, 100)
DISTRIBUTIONS = {
    "glorot_normal": (math.sqrt(2 / 400), 2 * math.sqrt(2 / 400) / 0.8796),
    "glorot_uniform": (math.sqrt(2 / 400), math.sqrt(6 / 400)),
    "he_normal": (math.sqrt(2 / 300), 2 * math.sqrt(2 / 300) / 0.8796),
    "he_uniform": (math.sqrt(2 / 300), math.sqrt(6 / 300)),
    "lecun_normal": (math.sqrt(1 / 300), 2 * math.sqrt(1 / 300) / 0.8796),
    "lecun_uniform": (math.sqrt(1 / 300), math.sqrt(3 / 300)),
    "random_normal": (0.05, np.inf),
    "random_uniform": (0.05 / math.sqrt(3), 0.05),
    "truncated_normal": (0.05 * 0.8796, 0.1),
}


def test_initializers_may_be_named():
    kernels = {}
    for name in ("ones", "zeros", "identity", "orthogonal", *DISTRIBUTIONS):
        gk.dense(tf.ones((1, 300)), 100, kernel_initializer=name, bias_initializer="ones", name=name)
        kernels[name] = v1.get_default_graph().get_tensor_by_name(f"{name}/kernel/Read/ReadVariableOp:0")
    values = run(kernels)
    np.testing.assert_array_equal(values["ones"], np.ones((300, 100)))
    np.testing.assert_array_equal(values["zeros"], np.zeros((300, 100)))
    np.testing.assert_array_equal(values["identity"], np.eye(300, 100))
    np.testing.assert_allclose(values["orthogonal"].T @ values["orthogonal"], np.eye(100), atol=1e-5)
    for name, (deviation, largest) in DISTRIBUTIONS.items():
        assert abs(values[name].mean()) < 5 * deviation / math.sqrt(30_000), name
        assert abs(values[name].std() / deviation - 1) < 0.03, name
        assert np.abs(values[name]).max() <= largest * 1.0001, name


# batch_norm


def test_without_the_fused_kernel_batch_norm_has_the_same_outputs():
    np.testing.assert_allclose(
        outputs_of("batch_norm", fused=False), outputs_of("batch_norm", fused=True), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("fused, factor", [(False, 1.0), (True, 20 / 19)])
def test_the_moving_variance_is_unbiased_with_the_fused_kernel_alone(fused, factor):
    images = normal(1, 4, 5, 3)
    gk.batch_norm(tf.constant(images), training=1, momentum=0.0, fused=fused)
    variance = v1.global_variables()[-1]
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        session.run(v1.get_collection(v1.GraphKeys.UPDATE_OPS))
        got = session.run(variance)
    np.testing.assert_allclose(got, images.var(axis=(0, 1, 2)) * factor, rtol=1e-4)


def test_the_fused_kernel_takes_four_axes_with_channels_first_or_last():
    for inputs, axis in (
        (tf.ones((2, 3)), -1),
        (tf.ones((2, 3, 4, 5)), 2),
        (tf.ones((2, 3, 4, 5), tf.float64), -1),
    ):
        with refused(ValueError, "batch_norm: the fused kernel takes four axes"):
            gk.batch_norm(inputs, axis, fused=True)


@pytest.mark.parametrize("fused", [False, True])
def test_an_epsilon_of_zero_divides_by_the_deviation_itself(fused):
    images = normal(2, 4, 5, 3)
    deviation = images.std(axis=(0, 1, 2), dtype=np.float64)
    expected = (images - images.mean(axis=(0, 1, 2), dtype=np.float64)) / deviation
    got = outputs_of("batch_norm", epsilon=0.0, fused=fused)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rank", [2, 4])
def test_a_frozen_batch_norm_moves_no_averages(rank):
    inputs = tf.constant(normal(*(2, 4, 5, 3)[-rank:]))
    frozen = gk.batch_norm(inputs, training=True, trainable=False)
    assert not v1.get_collection(v1.GraphKeys.UPDATE_OPS)
    learning = gk.batch_norm(inputs, training=True)
    np.testing.assert_array_equal(*run([frozen, learning]))  # both by the batch


# A partitioner in the variable scope


def test_layers_in_a_scope_with_a_partitioner_have_the_same_outputs():
    inputs = normal(2, 6, 6, 4)

    def net():
        layer = gk.batch_norm(gk.conv2d(tf.constant(inputs), 8, 3, name="conv"), training=True, name="norm")
        return gk.dense(gk.flatten(layer), 6, name="dense")

    one = v1.ones_initializer()
    with v1.variable_scope("whole", initializer=one):
        whole = net()
    with v1.variable_scope("parts", initializer=one, partitioner=v1.fixed_size_partitioner(2)):
        parts = net()
        assert v1.get_variable_scope().partitioner is not None
    np.testing.assert_allclose(*run([whole, parts]), rtol=1e-4, atol=1e-4)
    made = [name for name in names(v1.global_variables()) if name.startswith("parts/norm")]
    assert [name.removeprefix("parts/norm/") for name in made] == [
        "gamma/part_0:0", "gamma/part_1:0", "beta/part_0:0", "beta/part_1:0",
        "moving_mean:0", "moving_variance:0",
    ]  # fmt: skip
    assert len(v1.get_collection(v1.GraphKeys.UPDATE_OPS)) == 4
