"""Layers against NumPy references written from the definition, and against the conventions of tf.layers."""

import inspect
import itertools
import math
import os
import re

import numpy as np
import pytest
import tensorflow as tf
from references import normal, run

import graphkit as gk
from graphkit.nn import inputs

v1 = tf.compat.v1
Keys = v1.GraphKeys

EAGER = tf.ones((2, 4, 4, 3))  # made outside of any graph

each_padding = pytest.mark.parametrize("padding", ["valid", "same"])
each_format = pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])


def constant(array):
    return v1.constant_initializer(array)


def random_start(seed=1):
    return v1.random_normal_initializer(mean=0.5, seed=seed)


def both(value):
    return value if isinstance(value, tuple) else (value, value)


def to_format(images, data_format):
    """Moves the channels of an array (or tensor) of images where the format wants them."""
    return images if data_format == "channels_last" else tf.transpose(images, [0, 3, 1, 2])


def to_last(images, data_format):
    return images if data_format == "channels_last" else np.moveaxis(images, 1, 3)


def names(variables):
    return [variable.name for variable in variables]


# References


def patches(images, window, strides=1, padding="valid", dilation=1, fill=0.0):
    """Returns (batch, new height, new width, window height, window width, channels).

    For "same" half of what is missing is put before the image, the rest behind it.
    """
    extents = [rate * (taps - 1) + 1 for taps, rate in zip(both(window), both(dilation), strict=True)]
    steps = both(strides)
    if padding == "same":
        sizes = zip(images.shape[1:3], extents, steps, strict=True)
        missing = [max((-(-size // step) - 1) * step + extent - size, 0) for size, extent, step in sizes]
        around = [(0, 0), *((count // 2, count - count // 2) for count in missing), (0, 0)]
        images = np.pad(images, around, constant_values=fill)
    starts = [
        range(0, size - extent + 1, step)
        for size, extent, step in zip(images.shape[1:3], extents, steps, strict=True)
    ]
    down, right = both(dilation)
    return np.stack(
        [
            np.stack([images[:, y : y + extents[0] : down, x : x + extents[1] : right] for x in starts[1]], 1)
            for y in starts[0]
        ],
        axis=1,
    )


def convolved(images, kernel, bias=0.0, **arguments):
    return np.einsum("byxijc,ijcf->byxf", patches(images, kernel.shape[:2], **arguments), kernel) + bias


def normalized(array, axis, mean, variance, epsilon, gamma=1.0, beta=0.0):
    """gamma * (x - mean) / sqrt(variance + epsilon) + beta with one number for each channel."""
    shape = [1] * array.ndim
    shape[axis] = -1
    mean, variance, gamma, beta = (np.reshape(v, shape) for v in (mean, variance, gamma, beta))
    return gamma * (array - mean) / np.sqrt(variance + epsilon) + beta


def moments(array, axis):
    others = tuple(other for other in range(array.ndim) if other != axis % array.ndim)
    return array.mean(others, dtype=np.float64), array.var(others, dtype=np.float64)


# conv2d


@each_padding
@each_format
@pytest.mark.parametrize("kernel_size", [1, 2, 3, (3, 2), (1, 5)])
@pytest.mark.parametrize("strides", [1, 2, (2, 3), 4])
def test_conv2d_agrees_with_numpy(padding, data_format, kernel_size, strides):
    images, kernel, bias = normal(2, 7, 6, 3), normal(*both(kernel_size), 3, 4, seed=1), normal(4, seed=2)
    outputs = gk.conv2d(
        to_format(images, data_format),
        4,
        kernel_size,
        strides,
        padding,
        data_format,
        kernel_initializer=constant(kernel),
        bias_initializer=constant(bias),
    )
    expected = convolved(images, kernel, bias, strides=strides, padding=padding)
    np.testing.assert_allclose(to_last(run(outputs), data_format), expected, rtol=1e-5, atol=1e-5)


@each_padding
@each_format
@pytest.mark.parametrize("kernel_size", [2, 3, (3, 2)])
@pytest.mark.parametrize("dilation_rate", [2, 3, (1, 2), (3, 1)])
def test_dilated_conv2d_agrees_with_numpy(padding, data_format, kernel_size, dilation_rate):
    images, kernel = normal(2, 9, 8, 3), normal(*both(kernel_size), 3, 4, seed=1)
    outputs = gk.conv2d(
        to_format(images, data_format),
        4,
        kernel_size,
        padding=padding,
        data_format=data_format,
        dilation_rate=dilation_rate,
        kernel_initializer=constant(kernel),
    )
    expected = convolved(images, kernel, padding=padding, dilation=dilation_rate)
    np.testing.assert_allclose(to_last(run(outputs), data_format), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_conv2d_computes_in_the_dtype_of_its_inputs(dtype):
    images, kernel = normal(2, 5, 5, 2, dtype=dtype), normal(3, 3, 2, 4, dtype=dtype, seed=1)
    outputs = run(gk.conv2d(images, 4, 3, kernel_initializer=constant(kernel)))
    assert outputs.dtype == dtype
    accuracy = 50 * np.finfo(dtype).eps
    np.testing.assert_allclose(outputs, convolved(images, kernel), rtol=accuracy, atol=accuracy)


def test_conv2d_takes_images_of_unknown_size():
    images, kernel = normal(2, 9, 7, 3), normal(3, 3, 3, 4, seed=1)
    fed = gk.image_input(None, None, 3)
    outputs = gk.conv2d(fed, 4, 3, 2, "same", kernel_initializer=constant(kernel))
    assert outputs.shape.as_list() == [None, None, None, 4]
    expected = convolved(images, kernel, strides=2, padding="same")
    np.testing.assert_allclose(run(outputs, {fed: images}), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.xfail(reason="TensorFlow 2.21's oneDNN kernel returns the input's shape", strict=False)
def test_conv2d_takes_an_empty_batch():
    assert run(gk.conv2d(tf.zeros((0, 6, 6, 2)), 3, 2)).shape == (0, 5, 5, 3)


@pytest.mark.parametrize("padding", ["SAME", "Same", "same"])
def test_padding_is_not_case_sensitive(padding):
    images = tf.zeros((1, 5, 5, 1))
    for outputs in (gk.conv2d(images, 1, 3, 2, padding), gk.max_pool(images, 3, 2, padding)):
        assert outputs.shape.as_list() == [1, 3, 3, 1]


@pytest.mark.parametrize("sizes", [[3, 2], (3, 2), (np.int64(3), np.uint8(2))])
def test_kernel_sizes_may_be_any_integers(sizes):
    gk.conv2d(tf.zeros((1, 5, 5, 1)), np.int32(4), sizes, name="a")
    assert v1.trainable_variables()[0].shape.as_list() == [3, 2, 1, 4]


def test_conv2d_without_bias_is_the_convolution_alone():
    images, kernel = normal(2, 5, 5, 2), normal(3, 3, 2, 4, seed=1)
    outputs = gk.conv2d(images, 4, 3, use_bias=False, kernel_initializer=constant(kernel))
    np.testing.assert_allclose(run(outputs), convolved(images, kernel), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("activation", [gk.relu, tf.nn.tanh, lambda x: 2 * x])
def test_activation_is_applied_after_the_bias(activation):
    images = normal(2, 5, 5, 2)
    with v1.variable_scope("net", initializer=constant(0.5)):
        plain = gk.conv2d(images, 2, 3, bias_initializer=constant(-1.0), name="a")
    with v1.variable_scope("net", reuse=True):
        active = gk.conv2d(images, 2, 3, activation=activation, name="a")
    np.testing.assert_array_equal(*run([active, activation(plain)]))


# Sizes

GEOMETRIES = list(itertools.product(range(1, 10), range(1, 5), range(1, 4)))  # size, window, stride


def predicted(size, *arguments):
    """Returns what gk.output_size says, None where it refuses."""
    try:
        return gk.output_size(size, *arguments)
    except ValueError:
        return None


def made(build, size, *arguments):
    """Returns the height of what a layer makes of images (1, size, 11, 1), None where it refuses."""
    try:
        return build(tf.zeros((1, size, 11, 1)), *arguments).shape[1]
    except ValueError:
        return None


@each_padding
@pytest.mark.parametrize("pool", [gk.max_pool, gk.avg_pool])
def test_output_size_predicts_the_shape_of_pools(pool, padding):
    for size, window, stride in GEOMETRIES:
        expected = predicted(size, window, stride, padding)
        assert made(pool, size, window, stride, padding) == expected, (size, window, stride)


@each_padding
def test_output_size_predicts_the_shape_of_convolutions(padding):
    for size, window, stride in GEOMETRIES:
        expected = predicted(size, window, stride, padding)
        height = made(lambda x, *a: gk.conv2d(x, 1, *a), size, (window, 1), stride, padding)
        assert height == expected, (size, window, stride)


@each_padding
def test_output_size_predicts_the_shape_of_dilated_convolutions(padding):
    for size, window, rate in GEOMETRIES:
        expected = predicted(size, window, 1, padding, rate)
        height = made(lambda x, *a: gk.conv2d(x, 1, *a), size, (window, 1), 1, padding, "channels_last", rate)
        assert height == expected, (size, window, rate)


@each_padding
def test_output_size_predicts_what_is_computed_from_unknown_sizes(padding):
    images = gk.image_input(None, None, 1)
    for window, stride in [(1, 1), (2, 2), (3, 2), (4, 3), (2, 3)]:
        nets = [gk.conv2d(images, 1, window, stride, padding), gk.max_pool(images, window, stride, padding)]
        for size in (4, 5, 9):
            expected = (1, *[gk.output_size(size, window, stride, padding)] * 2, 1)
            for outputs in run(nets, {images: np.zeros((1, size, size, 1))}):
                assert outputs.shape == expected


@each_padding
@pytest.mark.parametrize("build", [lambda *a: gk.conv2d(a[0], 5, *a[1:]), gk.max_pool, gk.avg_pool])
def test_channels_first_has_the_same_sizes_with_the_channels_first(build, padding):
    last = build(tf.zeros((2, 9, 7, 5)), (3, 2), (2, 3), padding)
    first = build(tf.zeros((2, 5, 9, 7)), (3, 2), (2, 3), padding, "channels_first")
    batch, height, width, channels = last.shape.as_list()
    assert first.shape.as_list() == [batch, channels, height, width]


# Pools


@each_padding
@pytest.mark.parametrize("pool_size", [1, 2, 3, (3, 2), (1, 4)])
@pytest.mark.parametrize("strides", [1, 2, (2, 3), 4])
def test_max_pool_agrees_with_numpy(padding, pool_size, strides):
    images = normal(2, 7, 6, 3) - 5  # negative, so that padding by zeros would show
    expected = patches(images, pool_size, strides, padding, fill=-np.inf).max((3, 4))
    np.testing.assert_array_equal(run(gk.max_pool(images, pool_size, strides, padding)), expected)


@each_padding
@pytest.mark.parametrize("pool_size", [1, 2, 3, (3, 2), (1, 4)])
@pytest.mark.parametrize("strides", [1, 2, (2, 3), 4])
def test_avg_pool_agrees_with_numpy(padding, pool_size, strides):
    images = normal(2, 7, 6, 3)
    expected = np.nanmean(patches(images, pool_size, strides, padding, fill=np.nan), axis=(3, 4))
    outputs = run(gk.avg_pool(images, pool_size, strides, padding))
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)


def test_avg_pool_does_not_count_padding():
    outputs = run(gk.avg_pool(tf.ones((1, 5, 5, 1)), 3, 2, "same"))
    np.testing.assert_allclose(outputs, np.ones((1, 3, 3, 1)), rtol=1e-6)


@pytest.mark.parametrize("pool", [gk.max_pool, gk.avg_pool])
@pytest.mark.parametrize("dtype", [tf.float16, tf.float32, tf.float64])
def test_pools_keep_the_dtype(pool, dtype):
    outputs = pool(tf.ones((1, 4, 4, 1), dtype), 2, 2)
    assert outputs.dtype == dtype and (run(outputs) == 1).all()


@pytest.mark.parametrize("pool", [gk.max_pool, gk.avg_pool])
def test_pools_make_no_variables(pool):
    pool(tf.ones((1, 4, 4, 1)), 2, 2)
    assert not v1.global_variables()


# dense, bias_add, flatten, relu, softmax


@pytest.mark.parametrize("shape", [(5, 4), (2, 3, 4), (2, 3, 2, 4), (0, 4), (1, 1)])
def test_dense_agrees_with_numpy(shape):
    features, kernel, bias = normal(*shape), normal(shape[-1], 6, seed=1), normal(6, seed=2)
    outputs = gk.dense(features, 6, kernel_initializer=constant(kernel), bias_initializer=constant(bias))
    assert outputs.shape.as_list() == [*shape[:-1], 6]
    np.testing.assert_allclose(run(outputs), features @ kernel + bias, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("known", [(None, 4), (None, None, 4), (None, 3, 4), (2, None, 4)])
def test_dense_takes_axes_of_unknown_size(known):
    array, kernel = normal(*(size or 5 for size in known)), normal(4, 6, seed=1)
    fed = v1.placeholder(tf.float32, known)
    outputs = gk.dense(fed, 6, kernel_initializer=constant(kernel))
    assert outputs.shape.as_list() == [*known[:-1], 6]
    np.testing.assert_allclose(run(outputs, {fed: array}), array @ kernel, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float32, tf.float64])
def test_dense_computes_in_the_dtype_of_its_inputs(dtype):
    outputs = gk.dense(tf.ones((2, 3), dtype), 4, kernel_initializer=constant(2.0))
    assert outputs.dtype == dtype and (run(outputs) == 6).all()
    assert {variable.dtype for variable in v1.trainable_variables()} == {dtype}


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4), (2, 5, 3, 4), (2, 2, 5, 3, 4)])
@each_format
def test_bias_add_agrees_with_numpy(shape, data_format):
    array = normal(*shape)
    axis = -1 if data_format == "channels_last" else 1
    bias = normal(shape[axis], seed=1)
    outputs = gk.bias_add(array, constant(bias), data_format=data_format)
    aligned = np.reshape(bias, [-1 if i == axis % len(shape) else 1 for i in range(len(shape))])
    assert outputs.shape.as_list() == list(shape)
    np.testing.assert_allclose(run(outputs), array + aligned, rtol=1e-6)


def test_bias_add_with_the_name_of_a_layer_is_the_layers_own_bias():
    images, kernel, bias = normal(2, 5, 5, 2), normal(3, 3, 2, 4, seed=1), normal(4, seed=2)
    net = gk.conv2d(images, 4, 3, use_bias=False, kernel_initializer=constant(kernel), name="conv1")
    net = gk.bias_add(net, constant(bias), name="conv1")
    assert names(v1.global_variables()) == ["conv1/kernel:0", "conv1/bias:0"]
    np.testing.assert_allclose(run(net), convolved(images, kernel, bias), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(3,), (3, 4), (3, 4, 5), (2, 3, 4, 5), (0, 3, 4), (2, 1, 3, 2, 2)])
@each_format
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_flatten_agrees_with_numpy(shape, data_format, dtype):
    array = normal(*shape).astype(dtype)
    outputs = gk.flatten(array, data_format=data_format)
    moved = np.moveaxis(array, 1, -1) if data_format == "channels_first" and array.ndim > 2 else array
    expected = moved.reshape(shape[0], math.prod(shape[1:]))
    assert outputs.shape.as_list() == list(expected.shape)
    np.testing.assert_array_equal(run(outputs), expected)


@pytest.mark.parametrize("known", [(None, None, 3), (None, 4, 3), (2, None, 3), (None, None)])
@each_format
def test_flatten_takes_axes_of_unknown_size(known, data_format):
    array = normal(*(2 if axis == 0 else size or 4 for axis, size in enumerate(known)))
    fed = v1.placeholder(tf.float32, known)
    outputs = gk.flatten(fed, data_format=data_format)
    assert outputs.shape[0] == known[0]
    whole = gk.flatten(tf.constant(array), data_format=data_format)
    np.testing.assert_array_equal(*run([outputs, whole], {fed: array}))


def test_flatten_of_unknown_size_takes_an_empty_batch():
    fed = v1.placeholder(tf.float32, (None, None, 3))
    assert run(gk.flatten(fed), {fed: np.zeros((0, 4, 3))}).shape == (0, 12)


def test_flatten_of_examples_without_elements_keeps_the_batch():
    assert run(gk.flatten(tf.zeros((5, 0, 3)))).shape == (5, 0)


def test_both_formats_flatten_to_the_same_order():
    images = normal(2, 3, 4, 5)
    first = gk.flatten(to_format(images, "channels_first"), data_format="channels_first")
    np.testing.assert_array_equal(*run([gk.flatten(images), first]))


@pytest.mark.parametrize("shape", [(), (5,), (2, 3, 4)])
def test_relu_agrees_with_numpy(shape):
    array = normal(*shape)
    np.testing.assert_array_equal(run(gk.relu(array)), np.maximum(array, 0))


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4), (2, 2, 3, 4)])
def test_softmax_agrees_with_numpy_along_each_axis(shape):
    logits = normal(*shape)
    for axis in range(-len(shape), len(shape)):
        exponentials = np.exp(logits)
        expected = exponentials / exponentials.sum(axis, keepdims=True)
        np.testing.assert_allclose(run(gk.softmax(logits, axis)), expected, rtol=1e-5)


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


@pytest.mark.parametrize(
    "build, name",
    [
        (lambda x, name: gk.relu(x, name=name), "relu"),
        (lambda x, name: gk.softmax(x, name=name), "softmax"),
        (lambda x, name: gk.max_pool(x, 2, 2, name=name), "max_pool"),
        (lambda x, name: gk.avg_pool(x, 2, 2, name=name), "avg_pool"),
    ],
)
def test_the_op_has_the_name_that_was_given(build, name):
    assert build(tf.zeros((1, 4, 4, 1)), "mine").name == "mine:0"
    assert build(tf.zeros((1, 4, 4, 1)), None).name == f"{name}:0"


# Gradients


def central_differences(function, point, step=1e-5):
    """Returns the gradient of a scalar function of an array, element by element."""
    gradient = np.zeros_like(point)
    for index in np.ndindex(*point.shape):
        moved = [point.copy(), point.copy()]
        moved[0][index] += step
        moved[1][index] -= step
        gradient[index] = (function(moved[0]) - function(moved[1])) / (2 * step)
    return gradient


def assert_gradients(fed, point, outputs, feed=None):
    """Compares tf.gradients with central differences, for the inputs and each trainable variable."""
    variables = v1.trainable_variables()
    weights = tf.constant(normal(*outputs.shape.as_list(), dtype=np.float64, seed=9))
    loss = tf.reduce_sum(outputs * weights)
    gradients = tf.gradients(loss, [fed, *variables])
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())

        def by_input(value):
            return session.run(loss, {fed: value, **(feed or {})})

        def by_variable(variable):
            def moved(value):
                session.run(variable.initializer, {variable.initializer.inputs[1]: value})
                return by_input(point)

            start = session.run(variable)
            gradient = central_differences(moved, start)
            moved(start)
            return gradient

        numeric = [central_differences(by_input, point), *map(by_variable, variables)]
        analytic = session.run(gradients, {fed: point, **(feed or {})})
    for one, other in zip(analytic, numeric, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def double(*shape):
    """Returns a float64 placeholder of known shape and a point to feed."""
    return v1.placeholder(tf.float64, shape), normal(*shape, dtype=np.float64)


@each_padding
@pytest.mark.parametrize("kernel_size, strides", [(2, 1), (3, 2), ((1, 3), (2, 1)), (1, 3)])
def test_gradient_of_conv2d(padding, kernel_size, strides):
    fed, point = double(2, 5, 4, 2)
    outputs = gk.conv2d(fed, 2, kernel_size, strides, padding, kernel_initializer=random_start())
    assert_gradients(fed, point, outputs)


@each_padding
@pytest.mark.parametrize("dilation_rate", [2, (1, 2)])
def test_gradient_of_dilated_conv2d(padding, dilation_rate):
    fed, point = double(2, 5, 4, 2)
    outputs = gk.conv2d(
        fed, 2, 2, padding=padding, dilation_rate=dilation_rate, kernel_initializer=random_start()
    )
    assert_gradients(fed, point, outputs)


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4)])
def test_gradient_of_dense(shape):
    fed, point = double(*shape)
    outputs = gk.dense(fed, 5, activation=tf.nn.tanh, kernel_initializer=random_start())
    assert_gradients(fed, point, outputs)


@pytest.mark.parametrize("shape, axis", [((6, 3), -1), ((3, 4, 2), -1), ((4, 3, 2), 1), ((3, 2, 2, 2), -1)])
@pytest.mark.parametrize("training", [False, True])
def test_gradient_of_batch_norm(shape, axis, training):
    fed, point = double(*shape)
    outputs = gk.batch_norm(
        fed,
        axis,
        beta_initializer=random_start(1),
        gamma_initializer=random_start(2),
        moving_mean_initializer=random_start(3),
        moving_variance_initializer=constant(2.0),
        training=training,
    )
    assert_gradients(fed, point, outputs)


@pytest.mark.parametrize("training", [False, True])
def test_gradient_of_batch_norm_behind_the_placeholder(training):
    fed, point = double(6, 3)
    outputs = gk.batch_norm(fed, gamma_initializer=random_start())
    assert_gradients(fed, point, outputs, {inputs.training_input(): training})


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


@pytest.mark.parametrize("noise_shape", [None, (None, 1)])
def test_gradient_of_dropout_with_its_mask_held(noise_shape):
    fed, point = double(6, 5)
    assert_gradients(fed, point, gk.dropout(fed, 0.6, noise_shape))


def test_gradient_of_dropout_is_the_scaled_mask():
    ones = tf.ones((50, 20))
    net = gk.dropout(ones, 0.25)
    np.testing.assert_array_equal(*run([net, tf.gradients(net, ones)[0]]))


def test_dropped_units_pass_no_gradient_even_where_they_are_not_finite():
    net = gk.dropout(fed := tf.fill((1000,), np.float32(np.inf)), 0.5)
    outputs, gradient = run([net, *tf.gradients(net, fed)])
    assert set(outputs) == {0, np.inf} and set(gradient) == {0, 2}


@pytest.mark.parametrize("pool", [gk.max_pool, gk.avg_pool])
@each_padding
def test_gradient_of_pools(pool, padding):
    fed, point = double(2, 5, 4, 2)
    assert_gradients(fed, point, pool(fed, (2, 3), 2, padding))


# dropout


def test_dropout_changes_nothing_unless_keep_prob_is_fed():
    features, keep_prob = normal(30, 20), gk.keep_prob_input()
    np.testing.assert_array_equal(run(gk.dropout(features, keep_prob)), features)


@pytest.mark.parametrize("keep_prob", [1, 1.0, np.float32(1), np.int64(1)])
def test_dropout_changes_nothing_with_keep_prob_one(keep_prob):
    features = normal(30, 20)
    np.testing.assert_array_equal(run(gk.dropout(features, keep_prob)), features)


def test_dropout_changes_nothing_with_a_tensor_of_one():
    features = normal(30, 20)
    np.testing.assert_array_equal(run(gk.dropout(features, tf.constant(1.0))), features)


@pytest.mark.parametrize("keep_prob", [0.1, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("fed", [False, True])
def test_dropout_scales_what_it_keeps_by_one_over_keep_prob(keep_prob, fed):
    features = normal(200, 100)
    placeholder = gk.keep_prob_input()
    net = gk.dropout(features, placeholder if fed else keep_prob)
    outputs = run(net, {placeholder: keep_prob} if fed else None)
    kept = outputs != 0
    np.testing.assert_allclose(outputs[kept], features[kept] / keep_prob, rtol=1e-6)
    assert abs(kept.mean() - keep_prob) < 5 * math.sqrt(keep_prob * (1 - keep_prob) / kept.size) + 2**-17


def test_keep_prob_may_be_a_placeholder_of_unknown_shape():
    keep_prob = v1.placeholder(tf.float32)  # as in the notes and tutorials of TensorFlow 1
    outputs = run(gk.dropout(tf.ones((100,)), keep_prob), {keep_prob: 0.5})
    assert set(outputs) == {0, 2}


def test_keep_prob_may_be_fed_anew_in_each_step():
    keep_prob = gk.keep_prob_input()
    net = gk.dropout(tf.ones((10_000,)), keep_prob)
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        shares = [(session.run(net, {keep_prob: value}) > 0).mean() for value in (0.2, 0.8, 1.0)]
    np.testing.assert_allclose(shares, [0.2, 0.8, 1.0], atol=0.02)


@pytest.mark.parametrize("shape", [(), (1,), (3,), (0,), (0, 5), (7, 0), (5, 7, 3), (1, 1, 1, 1, 9)])
def test_dropout_takes_any_shape(shape):
    fed = v1.placeholder(tf.float32)
    net = gk.dropout(fed, 0.5)
    outputs = run(net, {fed: np.ones(shape)})
    assert outputs.shape == shape and np.isin(outputs, [0, 2]).all()


@pytest.mark.parametrize("known", [None, (None, 5), (None, None), (4, 5)])
def test_dropout_keeps_the_static_shape(known):
    net = gk.dropout(v1.placeholder(tf.float32, known), 0.5)
    assert net.shape.rank is None if known is None else net.shape.as_list() == list(known)


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float32, tf.float64])
def test_dropout_keeps_the_dtype(dtype):
    net = gk.dropout(tf.ones((100,), dtype), 0.5)
    assert net.dtype == dtype and set(run(tf.cast(net, tf.float32))) == {0, 2}


@pytest.mark.parametrize(
    "shape, noise_shape, shared",
    [
        ((64, 32), (None, 1), (1,)),
        ((64, 32), (1, None), (0,)),
        ((64, 32), [64, 1], (1,)),
        ((16, 5, 6, 8), (None, 1, 1, None), (1, 2)),
        ((64, 32), (1, 1), (0, 1)),
    ],
)
def test_units_share_their_fate_along_axes_of_one(shape, noise_shape, shared):
    outputs = run(gk.dropout(tf.ones(shape), 0.5, noise_shape))
    assert outputs.shape == shape and np.isin(outputs, [0, 2]).all()
    np.testing.assert_array_equal(outputs.min(shared), outputs.max(shared))


def test_axes_of_their_own_size_do_not_share_their_fate():
    outputs = run(gk.dropout(tf.ones((64, 32, 3)), 0.5, (None, None, 1)))
    assert (outputs.min(0) < outputs.max(0)).all() and (outputs.min(1) < outputs.max(1)).all()


def test_noise_shape_takes_batches_of_any_size():
    fed = gk.feature_input(32)
    net = gk.dropout(fed, 0.5, noise_shape=(None, 1))
    for batch in (0, 1, 7):
        assert run(net, {fed: np.ones((batch, 32))}).shape == (batch, 32)


def test_dropout_names_the_global_step_alike_in_any_scope():
    with v1.variable_scope("net"):
        gk.dropout(tf.ones((2, 3)), 0.5)
    assert names(v1.global_variables()) == ["global_step:0"]


def test_dropout_can_be_used_first_where_variables_are_reused():
    with v1.variable_scope("net"):
        gk.dense(gk.dropout(tf.ones((2, 3)), 1.0), 4, name="a")
    with v1.variable_scope("net", reuse=True):
        gk.dense(gk.dropout(tf.ones((2, 3)), 0.5), 4, name="a")
    assert len(v1.trainable_variables()) == 2


def test_dropout_can_be_used_where_variables_are_regularized():
    with v1.variable_scope("net", regularizer=gk.l2_loss):
        gk.dropout(tf.ones((2, 3)), 0.5)
    assert not v1.get_collection(Keys.REGULARIZATION_LOSSES)


def test_dropout_uses_the_global_step_that_is_there():
    step = v1.train.get_or_create_global_step()
    gk.dropout(tf.ones((2, 3)), 0.5)
    assert v1.global_variables() == [step]


def test_dropout_makes_nothing_to_train():
    gk.dropout(tf.ones((2, 3)), 0.5)
    assert not v1.trainable_variables()


# batch_norm

RANKS = [
    ((50, 3), -1),
    ((10, 5, 3), -1),
    ((10, 3, 5), 1),
    ((6, 4, 5, 3), -1),
    ((6, 3, 4, 5), 1),
    ((6, 4, 3, 5), 2),
]
each_rank = pytest.mark.parametrize("shape, axis", RANKS)


@each_rank
def test_batch_norm_in_training_takes_the_batchs_moments(shape, axis):
    array, gamma, beta = 3 * normal(*shape) + 2, normal(3, seed=1), normal(3, seed=2)
    outputs = gk.batch_norm(
        array, axis, gamma_initializer=constant(gamma), beta_initializer=constant(beta), training=True
    )
    expected = normalized(array, axis, *moments(array, axis), 1e-3, gamma, beta)
    np.testing.assert_allclose(run(outputs), expected, rtol=1e-4, atol=1e-4)


@each_rank
@pytest.mark.parametrize("training", [False, None])
def test_batch_norm_elsewhere_takes_the_moving_averages(shape, axis, training):
    array, mean, variance = normal(*shape), normal(3, seed=1), np.array([0.5, 1.0, 4.0], "f")
    outputs = gk.batch_norm(
        array,
        axis,
        epsilon=0.1,
        moving_mean_initializer=constant(mean),
        moving_variance_initializer=constant(variance),
        training=training,
    )
    expected = normalized(array, axis, mean, variance, 0.1)
    np.testing.assert_allclose(run(outputs), expected, rtol=1e-4, atol=1e-5)


def updated(feed=None):
    """Runs UPDATE_OPS once; returns the moving mean and the moving variance."""
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        session.run(v1.get_collection(Keys.UPDATE_OPS), feed)
        return session.run([v for v in v1.global_variables() if "moving" in v.name])


@each_rank
@pytest.mark.parametrize("momentum", [0.0, 0.9, 0.99, 1.0])
def test_update_ops_move_the_averages(shape, axis, momentum):
    array, start = 3 * normal(*shape) + 2, normal(3, seed=1)
    gk.batch_norm(
        array,
        axis,
        momentum,
        moving_mean_initializer=constant(start),
        moving_variance_initializer=constant(start + 5),
        training=True,
    )
    mean, variance = moments(array, axis)
    if len(shape) == 4 and axis != 2:  # as TensorFlow's fused kernel does
        count = array.size / 3
        variance = variance * count / (count - 1)
    moved_mean, moved_variance = updated()
    np.testing.assert_allclose(moved_mean, momentum * start + (1 - momentum) * mean, rtol=1e-4, atol=1e-5)
    expected = momentum * (start + 5) + (1 - momentum) * variance
    np.testing.assert_allclose(moved_variance, expected, rtol=1e-4)


@each_rank
def test_update_ops_behind_the_placeholder_change_nothing_unless_it_is_fed(shape, axis):
    array, start = normal(*shape), normal(3, seed=1)
    gk.batch_norm(
        array, axis, moving_mean_initializer=constant(start), moving_variance_initializer=constant(start + 5)
    )
    np.testing.assert_array_equal(updated(), [start, start + 5])
    (placeholder,) = v1.get_collection(inputs.TRAINING)
    moved, _ = updated({placeholder: True})
    np.testing.assert_allclose(moved, 0.99 * start + 0.01 * moments(array, axis)[0], rtol=1e-4, atol=1e-5)


@each_rank
def test_the_training_placeholder_switches_to_the_batchs_moments(shape, axis):
    array = 3 * normal(*shape) + 2
    outputs = gk.batch_norm(array, axis)
    (placeholder,) = v1.get_collection(inputs.TRAINING)
    expected = normalized(array, axis, *moments(array, axis), 1e-3)
    np.testing.assert_allclose(run(outputs, {placeholder: True}), expected, rtol=1e-4, atol=1e-4)


@each_rank
@pytest.mark.parametrize("training", [False, True])
def test_training_as_a_tensor_is_as_the_boolean(shape, axis, training):
    array = normal(*shape)
    outputs = [gk.batch_norm(array, axis, training=value) for value in (training, tf.constant(training))]
    assert outputs[0].shape == outputs[1].shape == shape
    np.testing.assert_allclose(*run(outputs), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("training", [False, True])
def test_training_may_be_a_variable(training):
    flag = v1.get_variable("flag", initializer=training, trainable=False)
    array = 3 * normal(20, 3)
    outputs = gk.batch_norm(array, training=flag)
    expected = gk.batch_norm(array, training=training)
    np.testing.assert_allclose(*run([outputs, expected]), rtol=1e-6, atol=1e-6)


def test_training_may_be_a_placeholder_of_unknown_shape():
    training, array = v1.placeholder(tf.bool), 3 * normal(20, 3)
    outputs = gk.batch_norm(array, training=training)
    expected = normalized(array, -1, *moments(array, -1), 1e-3)
    np.testing.assert_allclose(run(outputs, {training: True}), expected, rtol=1e-4, atol=1e-4)


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


@each_rank
@pytest.mark.parametrize("center, scale", [(False, True), (True, False), (False, False)])
@pytest.mark.parametrize("training", [False, True])
def test_center_and_scale_may_be_left_out(shape, axis, center, scale, training):
    array = normal(*shape)
    outputs = gk.batch_norm(
        array,
        axis,
        center=center,
        scale=scale,
        gamma_initializer=constant(2.0),
        beta_initializer=constant(7.0),
        training=training,
    )
    made_names = [name.rsplit("/")[-1] for name in names(v1.trainable_variables())]
    assert made_names == ["gamma:0"] * scale + ["beta:0"] * center
    mean, variance = moments(array, axis) if training else (np.zeros(3), np.ones(3))
    expected = normalized(array, axis, mean, variance, 1e-3, 2.0 if scale else 1.0, 7.0 if center else 0.0)
    np.testing.assert_allclose(run(outputs), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(500, 2), (20, 5, 5, 2)])
@pytest.mark.parametrize("epsilon", [1e-8, 1e-3, 1.0])
@pytest.mark.parametrize("training", [False, True])
def test_epsilon_is_added_to_the_variance_as_it_is(shape, epsilon, training):
    array = 1e-3 * normal(*shape)
    outputs = gk.batch_norm(
        array, epsilon=epsilon, moving_variance_initializer=constant(1e-6), training=training
    )
    mean, variance = moments(array, -1) if training else (np.zeros(2), np.full(2, 1e-6))
    expected = normalized(array, -1, mean, variance, epsilon)
    np.testing.assert_allclose(run(outputs), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("rank", [2, 3, 4])
@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float32, tf.float64])
def test_batch_norm_takes_any_floating_point_type(rank, dtype):
    array = normal(*[4] * rank)
    outputs = [gk.batch_norm(tf.cast(array, dtype), training=training) for training in (True, False, None)]
    assert {output.dtype for output in outputs} == {dtype}
    trained, *others = run([tf.cast(output, tf.float32) for output in outputs])
    close = {"rtol": 0.05, "atol": 0.05} if dtype.size == 2 else {"rtol": 1e-4, "atol": 1e-4}
    np.testing.assert_allclose(trained, normalized(array, -1, *moments(array, -1), 1e-3), **close)
    for other in others:
        np.testing.assert_allclose(other, normalized(array, -1, 0.0, 1.0, 1e-3), **close)


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float32])
def test_batch_norm_has_float32_variables_for_half_precision(dtype):
    gk.batch_norm(tf.zeros((4, 3), dtype))
    assert {variable.dtype for variable in v1.global_variables()} == {tf.float32}


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
    np.testing.assert_allclose(moved, moments(array, -1), rtol=1e-4)


# The conventions of tf.layers (TensorFlow 1.15, tensorflow/python/layers)

SIGNATURES = {
    "conv2d": "inputs, filters, kernel_size, strides=(1, 1), padding='valid', data_format='channels_last', "
    "dilation_rate=(1, 1), activation=None, use_bias=True, kernel_initializer=None, bias_initializer=zeros, "
    "kernel_regularizer=None, bias_regularizer=None, activity_regularizer=None, kernel_constraint=None, "
    "bias_constraint=None, trainable=True, name=None, reuse=None",
    "dense": "inputs, units, activation=None, use_bias=True, kernel_initializer=None, "
    "bias_initializer=zeros, kernel_regularizer=None, bias_regularizer=None, activity_regularizer=None, "
    "kernel_constraint=None, bias_constraint=None, trainable=True, name=None, reuse=None",
    "max_pool": "inputs, pool_size, strides, padding='valid', data_format='channels_last', name=None",
    "avg_pool": "inputs, pool_size, strides, padding='valid', data_format='channels_last', name=None",
    "flatten": "inputs, name=None, data_format='channels_last'",
    # training=False in tf.layers; and renorm, renorm_clipping, renorm_momentum, fused, virtual_batch_size,
    # adjustment behind reuse, which are not there.
    "batch_norm": "inputs, axis=-1, momentum=0.99, epsilon=0.001, center=True, scale=True, "
    "beta_initializer=zeros, gamma_initializer=ones, moving_mean_initializer=zeros, "
    "moving_variance_initializer=ones, beta_regularizer=None, gamma_regularizer=None, beta_constraint=None, "
    "gamma_constraint=None, training=None, trainable=True, name=None, reuse=None",
}


def written(parameter):
    """Returns a parameter as in the table: initializers by what they make."""
    assert parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    default = parameter.default
    if default is parameter.empty:
        return parameter.name
    for kind, word in ((v1.zeros_initializer, "zeros"), (v1.ones_initializer, "ones")):
        if isinstance(default, kind):
            return f"{parameter.name}={word}"
    return f"{parameter.name}={default!r}"


@pytest.mark.parametrize("function", SIGNATURES)
def test_arguments_order_and_defaults_are_those_of_tf_layers(function):
    parameters = inspect.signature(getattr(gk, function)).parameters.values()
    assert ", ".join(map(written, parameters)) == SIGNATURES[function]


LAYERS = {
    "conv2d": lambda **arguments: gk.conv2d(tf.ones((2, 4, 4, 3)), 5, 2, **arguments),
    "dense": lambda **arguments: gk.dense(tf.ones((2, 3)), 5, **arguments),
    "bias_add": lambda **arguments: gk.bias_add(tf.ones((2, 5)), **arguments),
    "batch_norm": lambda **arguments: gk.batch_norm(tf.ones((2, 5)), **arguments),
}
VARIABLES = {
    "conv2d": {"kernel": [2, 2, 3, 5], "bias": [5]},
    "dense": {"kernel": [3, 5], "bias": [5]},
    "bias_add": {"bias": [5]},
    "batch_norm": {"gamma": [5], "beta": [5], "moving_mean": [5], "moving_variance": [5]},
}
SCOPES = {"conv2d": "conv2d", "dense": "dense", "bias_add": "bias_add", "batch_norm": "batch_normalization"}
each_layer = pytest.mark.parametrize("layer", LAYERS)


def expected_names(layer, *scopes):
    return [f"{scope}/{variable}:0" for scope in scopes for variable in VARIABLES[layer]]


@each_layer
def test_variables_of_a_named_layer(layer):
    LAYERS[layer](name="first")
    assert names(v1.global_variables()) == expected_names(layer, "first")
    shapes = [variable.shape.as_list() for variable in v1.global_variables()]
    assert shapes == list(VARIABLES[layer].values())


@each_layer
def test_unnamed_layers_are_numbered(layer):
    for _ in range(3):
        LAYERS[layer]()
    scope = SCOPES[layer]
    assert names(v1.global_variables()) == expected_names(layer, scope, f"{scope}_1", f"{scope}_2")


@each_layer
def test_unnamed_layers_are_numbered_anew_in_each_scope(layer):
    for outer in ("one", "two"):
        with v1.variable_scope(outer):
            LAYERS[layer]()
    scope = SCOPES[layer]
    assert names(v1.global_variables()) == expected_names(layer, f"one/{scope}", f"two/{scope}")


@each_layer
def test_an_unnamed_layer_avoids_a_name_that_was_given(layer):
    LAYERS[layer](name=SCOPES[layer])
    LAYERS[layer]()
    assert names(v1.global_variables()) == expected_names(layer, SCOPES[layer], f"{SCOPES[layer]}_1")


@each_layer
def test_named_layers_lie_in_the_variable_scope(layer):
    with v1.variable_scope("net"), v1.variable_scope("block"):
        LAYERS[layer](name="first")
    assert names(v1.global_variables()) == expected_names(layer, "net/block/first")


@each_layer
def test_name_scopes_do_not_show_in_variables(layer):
    with tf.name_scope("tower"):
        LAYERS[layer](name="first")
    assert names(v1.global_variables()) == expected_names(layer, "first")


@each_layer
def test_all_variables_are_resource_variables(layer):
    with v1.variable_scope("net", use_resource=False):
        LAYERS[layer]()
    assert {variable.op.type for variable in v1.global_variables()} == {"VarHandleOp"}


@each_layer
@pytest.mark.parametrize("reuse", [True, v1.AUTO_REUSE])
def test_reuse_by_name(layer, reuse):
    LAYERS[layer](name="shared")
    LAYERS[layer](name="shared", reuse=reuse)
    assert names(v1.global_variables()) == expected_names(layer, "shared")


@each_layer
@pytest.mark.parametrize("reuse", [True, v1.AUTO_REUSE])
def test_reuse_without_a_name_means_the_first_of_the_kind(layer, reuse):
    for _ in range(2):
        LAYERS[layer]()
    LAYERS[layer](reuse=reuse)
    scope = SCOPES[layer]
    assert names(v1.global_variables()) == expected_names(layer, scope, f"{scope}_1")


@each_layer
def test_auto_reuse_makes_what_is_not_there(layer):
    LAYERS[layer](name="shared", reuse=v1.AUTO_REUSE)
    assert names(v1.global_variables()) == expected_names(layer, "shared")


@each_layer
@pytest.mark.parametrize("name", ["first", None])
@pytest.mark.parametrize("reuse", [True, v1.AUTO_REUSE])
def test_reuse_by_the_variable_scope(layer, name, reuse):
    for outer_reuse in (None, reuse):
        with v1.variable_scope("net", reuse=outer_reuse):
            LAYERS[layer](name=name)
            LAYERS[layer](name=name and "second")
    scope = SCOPES[layer]
    scopes = ["net/first", "net/second"] if name else [f"net/{scope}", f"net/{scope}_1"]
    assert names(v1.global_variables()) == expected_names(layer, *scopes)


@each_layer
def test_reuse_variables_of_a_scope(layer):
    with v1.variable_scope("net") as scope:
        LAYERS[layer](name="first")
        scope.reuse_variables()
        LAYERS[layer](name="first")
    assert names(v1.global_variables()) == expected_names(layer, "net/first")


@each_layer
def test_a_reused_layer_computes_the_same(layer):
    outputs = [LAYERS[layer](name="shared", reuse=reuse) for reuse in (None, True)]
    np.testing.assert_array_equal(*run(outputs))


@each_layer
def test_a_name_that_is_taken_is_refused(layer):
    LAYERS[layer](name="first")
    with pytest.raises(ValueError, match=r"Variable first/\w+ already exists.*reuse=True"):
        LAYERS[layer](name="first")


@each_layer
def test_reuse_of_what_is_not_there_is_refused(layer):
    with pytest.raises(ValueError, match=r"Variable first/\w+ does not exist"):
        LAYERS[layer](name="first", reuse=True)


OTHER_SIZES = {
    "conv2d": lambda: gk.conv2d(tf.ones((2, 4, 4, 3)), 6, 2, name="first", reuse=True),
    "dense": lambda: gk.dense(tf.ones((2, 4)), 5, name="first", reuse=True),
    "bias_add": lambda: gk.bias_add(tf.ones((2, 6)), name="first", reuse=True),
    "batch_norm": lambda: gk.batch_norm(tf.ones((2, 6)), name="first", reuse=True),
}


@each_layer
def test_reuse_with_other_sizes_is_refused(layer):
    LAYERS[layer](name="first")
    with pytest.raises(ValueError, match=r"Trying to share variable first/\w+, but specified shape"):
        OTHER_SIZES[layer]()


@each_layer
def test_what_is_trained_is_in_trainable_variables(layer):
    LAYERS[layer](name="first")
    expected = [name for name in expected_names(layer, "first") if "moving" not in name]
    assert names(v1.trainable_variables()) == expected


@each_layer
def test_trainable_false_keeps_out_of_trainable_variables(layer):
    LAYERS[layer](name="first", trainable=False)
    assert not v1.trainable_variables()
    assert names(v1.global_variables()) == expected_names(layer, "first")


@each_layer
def test_the_scopes_initializer_makes_kernels_alone(layer):
    with v1.variable_scope("net", initializer=constant(3.0)):
        LAYERS[layer](name="first")
    starts = {"kernel": 3, "bias": 0, "gamma": 1, "beta": 0, "moving_mean": 0, "moving_variance": 1}
    for variable, value in zip(v1.global_variables(), run(v1.global_variables()), strict=True):
        assert (value == starts[variable.op.name.split("/")[-1]]).all()


@pytest.mark.parametrize("layer", ["conv2d", "dense"])
def test_a_kernel_initializer_beats_the_scopes(layer):
    with v1.variable_scope("net", initializer=constant(3.0)):
        LAYERS[layer](kernel_initializer=constant(4.0))
    assert (run(v1.trainable_variables()[0]) == 4).all()


INITIALIZERS = [
    ("conv2d", "kernel"),
    ("conv2d", "bias"),
    ("dense", "kernel"),
    ("dense", "bias"),
    ("bias_add", "bias"),
    ("batch_norm", "gamma"),
    ("batch_norm", "beta"),
    ("batch_norm", "moving_mean"),
    ("batch_norm", "moving_variance"),
]
TRAINED = [row for row in INITIALIZERS if "moving" not in row[1]]


def variable_named(name):
    (found,) = (variable for variable in v1.global_variables() if variable.op.name.endswith(f"/{name}"))
    return found


@pytest.mark.parametrize("layer, variable", INITIALIZERS)
def test_initializers_are_those_of_their_variables(layer, variable):
    LAYERS[layer](**{f"{variable}_initializer": constant(5.0)})
    assert (run(variable_named(variable)) == 5).all()
    values = run([v for v in v1.global_variables() if v is not variable_named(variable)])
    assert not any((value == 5).any() for value in values)


@pytest.mark.parametrize("layer, variable", TRAINED)
def test_constraints_are_set_on_their_variables(layer, variable):
    LAYERS[layer](**{f"{variable}_constraint": tf.nn.relu})
    constraints = {v.op.name.split("/")[-1]: v.constraint for v in v1.trainable_variables()}
    assert constraints == {name: tf.nn.relu if name == variable else None for name in constraints}


def test_an_optimizer_applies_the_constraint():
    net = gk.dense(tf.ones((2, 3)), 4, kernel_constraint=lambda kernel: tf.maximum(kernel, 0.0))
    train = v1.train.GradientDescentOptimizer(100.0).minimize(tf.reduce_sum(net))
    kernel, bias = v1.trainable_variables()
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        session.run(train)
        assert (session.run(kernel) == 0).all() and (session.run(bias) < 0).all()


def regularization_losses():
    return run([tf.convert_to_tensor(loss) for loss in v1.get_collection(Keys.REGULARIZATION_LOSSES)])


@pytest.mark.parametrize("layer, variable", TRAINED)
def test_regularizers_file_one_loss(layer, variable):
    LAYERS[layer](**{f"{variable}_initializer": constant(2.0), f"{variable}_regularizer": gk.l2_loss})
    assert regularization_losses() == [2 * math.prod(VARIABLES[layer][variable])]


@pytest.mark.parametrize("layer, variable", TRAINED)
@pytest.mark.parametrize("reuse", [True, v1.AUTO_REUSE])
def test_regularizers_are_not_doubled_by_reuse(layer, variable, reuse):
    for layer_reuse in (None, reuse, reuse):
        LAYERS[layer](name="first", reuse=layer_reuse, **{f"{variable}_regularizer": gk.l2_loss})
    assert len(v1.get_collection(Keys.REGULARIZATION_LOSSES)) == 1


@pytest.mark.parametrize("layer", ["conv2d", "dense"])
def test_the_scopes_regularizer_is_taken(layer):
    with v1.variable_scope("net", initializer=constant(2.0), regularizer=gk.l2_loss):
        LAYERS[layer](name="first")
    assert regularization_losses()[0] == 2 * math.prod(VARIABLES[layer]["kernel"])


def test_activity_regularizer_takes_the_activated_output():
    arguments = {"activation": tf.nn.tanh, "activity_regularizer": gk.l2_loss}
    nets = [gk.dense(normal(1, 3), 5, **arguments), gk.conv2d(normal(1, 4, 4, 2), 3, 2, **arguments)]
    expected, losses = v1.get_collection(Keys.REGULARIZATION_LOSSES), [gk.l2_loss(net) for net in nets]
    np.testing.assert_allclose(*run([expected, losses]), rtol=1e-6)


@pytest.mark.parametrize("layer", ["conv2d", "dense"])
def test_activity_regularizer_files_one_loss_for_each_use(layer):
    for reuse in (None, True):
        LAYERS[layer](name="first", reuse=reuse, activity_regularizer=gk.l2_loss)
    assert len(v1.get_collection(Keys.REGULARIZATION_LOSSES)) == 2


def test_the_activity_loss_is_a_mean_over_the_batch():
    # tf.layers divides it by the batch size (1.15, Layer._handle_activity_regularization).
    for batch in (1, 4):
        gk.dense(tf.ones((batch, 3)), 5, kernel_initializer=constant(1.0), activity_regularizer=gk.l2_loss)
    losses = regularization_losses()
    assert losses == [5 * 3**2 / 2] * 2


def test_layers_without_regularizers_file_no_losses():
    for layer in LAYERS.values():
        layer()
    assert not v1.get_collection(Keys.REGULARIZATION_LOSSES)


def test_a_checkpoint_of_plain_variables_restores_into_layers(tmp_path):
    kept = {"conv1/kernel": normal(2, 2, 3, 5), "conv1/bias": normal(5), "bn/gamma": normal(5)}
    with tf.Graph().as_default():
        for name, value in kept.items():
            v1.get_variable(name, initializer=value)
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            path = v1.train.Saver().save(session, str(tmp_path / "model"))
    gk.batch_norm(LAYERS["conv2d"](name="conv1"), center=False, name="bn")
    variables = v1.trainable_variables()
    with v1.Session() as session:
        v1.train.Saver(variables).restore(session, path)
        for variable in variables:
            np.testing.assert_array_equal(session.run(variable), kept[variable.op.name])


# Refusals


def images(*shape, dtype=tf.float32):
    return v1.placeholder(dtype, shape or (None, 8, 8, 3))


def rows(*shape):
    return v1.placeholder(tf.float32, shape or (None, 3))


def refused(error, text):
    """Expects the error with a message that begins with the text."""
    return pytest.raises(error, match=f"^{re.escape(text)}")


SIZES = {
    "conv2d filters": lambda value: gk.conv2d(images(), value, 3),
    "conv2d kernel_size": lambda value: gk.conv2d(images(), 8, value),
    "conv2d strides": lambda value: gk.conv2d(images(), 8, 3, value),
    "conv2d dilation_rate": lambda value: gk.conv2d(images(), 8, 3, dilation_rate=value),
    "dense units": lambda value: gk.dense(rows(), value),
    "max_pool pool_size": lambda value: gk.max_pool(images(), value, 2),
    "max_pool strides": lambda value: gk.max_pool(images(), 2, value),
    "avg_pool pool_size": lambda value: gk.avg_pool(images(), value, 2),
    "avg_pool strides": lambda value: gk.avg_pool(images(), 2, value),
}
PAIRS = [size for size in SIZES if size not in ("conv2d filters", "dense units")]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("value", [0, -3, 8.0, np.float32(2), "3", True, None, {3}, np.ones(2)])
def test_sizes_that_are_no_positive_integers_are_refused(size, value):
    function, argument = size.split()
    text = f"{function}: {argument} must be an integer of at least 1; received {argument}={value!r}"
    with refused(ValueError if type(value) is int else TypeError, text):
        SIZES[size](value)


@pytest.mark.parametrize("size", PAIRS)
@pytest.mark.parametrize("pair, wrong", [((0, 1), 0), ([1, -2], -2), ((1, 2.0), 2.0), ((None, 1), None)])
def test_pairs_are_refused_by_their_wrong_half(size, pair, wrong):
    function, argument = size.split()
    text = f"{function}: {argument} must be an integer of at least 1; received {argument}={wrong!r}"
    with refused(ValueError if type(wrong) is int else TypeError, text):
        SIZES[size](pair)


@pytest.mark.parametrize("size", PAIRS)
@pytest.mark.parametrize("value", [(), (2,), [2, 2, 2], (1, 2, 2, 1)])
def test_other_than_two_integers_are_refused(size, value):
    function, argument = size.split()
    text = f"{function}: {argument} must be an integer or 2 integers; received {argument}={value!r}"
    with refused(ValueError, text):
        SIZES[size](value)


INPUTS = {
    "conv2d": (lambda value: gk.conv2d(value, 8, 3), "inputs", "4"),
    "max_pool": (lambda value: gk.max_pool(value, 2, 2), "inputs", "4"),
    "avg_pool": (lambda value: gk.avg_pool(value, 2, 2), "inputs", "4"),
    "dense": (lambda value: gk.dense(value, 8), "inputs", "at least 2"),
    "bias_add": (lambda value: gk.bias_add(value), "inputs", "at least 2"),
    "batch_norm": (lambda value: gk.batch_norm(value), "inputs", "at least 2"),
    "softmax": (lambda value: gk.softmax(value), "logits", "at least 1"),
    "flatten": (lambda value: gk.flatten(value), "inputs", "at least 1"),
    "relu": (lambda value: gk.relu(value), "inputs", None),
    "dropout": (lambda value: gk.dropout(value, 0.5), "inputs", None),
}
each_function = pytest.mark.parametrize("function", INPUTS)


WRONG_RANKS = [
    *itertools.product(
        ["conv2d", "max_pool", "avg_pool"], [None, (), (3,), (None, 8, 8), (None, 8, 8, 8, 3)]
    ),
    *itertools.product(["dense", "bias_add", "batch_norm"], [None, (), (3,)]),
    *itertools.product(["softmax", "flatten"], [None, ()]),
]


@pytest.mark.parametrize("function, shape", WRONG_RANKS)
def test_inputs_of_a_wrong_rank_are_refused(function, shape):
    build, argument, axes = INPUTS[function]
    received = "'unknown'" if shape is None else shape
    with refused(ValueError, f"{function}: {argument} must have {axes} axes; received shape={received}"):
        build(v1.placeholder(tf.float32, shape))


@pytest.mark.parametrize("function", sorted(INPUTS.keys() - {"flatten"}))
@pytest.mark.parametrize("dtype", [tf.int32, tf.uint8, tf.bool, tf.string, tf.complex64])
def test_inputs_that_are_not_floating_point_are_refused(function, dtype):
    build, argument, _ = INPUTS[function]
    text = f"{function}: {argument} must be a floating-point tensor; received dtype='{dtype.name}'"
    with refused(TypeError, text):
        build(images(dtype=dtype))


@each_function
@pytest.mark.parametrize("value", [None, object(), [[1.0], [1.0, 2.0]]], ids=["None", "object", "ragged"])
def test_inputs_that_are_no_tensor_are_refused(function, value):
    build, argument, _ = INPUTS[function]
    with refused(TypeError, f"{function}: {argument} must be a tensor of the default graph"):
        build(value)


UNKNOWN = {
    "conv2d": (lambda: gk.conv2d(images(None, 8, 8, None), 8, 3), -1, (None, 8, 8, None)),
    "conv2d channels_first": (
        lambda: gk.conv2d(images(None, None, 8, 8), 8, 3, data_format="channels_first"),
        1,
        (None, None, 8, 8),
    ),
    "dense": (lambda: gk.dense(rows(None, None), 8), -1, (None, None)),
    "bias_add": (lambda: gk.bias_add(rows(None, None)), -1, (None, None)),
    "batch_norm": (lambda: gk.batch_norm(rows(3, None)), 1, (3, None)),
    "batch_norm axis": (lambda: gk.batch_norm(rows(None, 3), axis=0), 0, (None, 3)),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_channels_of_unknown_number_are_refused(case):
    build, axis, shape = UNKNOWN[case]
    function = case.split()[0]
    with refused(
        ValueError, f"{function}: axis {axis} of inputs must have a known size; received shape={shape}"
    ):
        build()


PADDINGS = {
    "conv2d": lambda value: gk.conv2d(images(), 8, 3, padding=value),
    "max_pool": lambda value: gk.max_pool(images(), 2, 2, value),
    "avg_pool": lambda value: gk.avg_pool(images(), 2, 2, value),
}
FORMATS = {
    "conv2d": lambda value: gk.conv2d(images(), 8, 3, data_format=value),
    "max_pool": lambda value: gk.max_pool(images(), 2, 2, data_format=value),
    "avg_pool": lambda value: gk.avg_pool(images(), 2, 2, data_format=value),
    "bias_add": lambda value: gk.bias_add(images(), data_format=value),
    "flatten": lambda value: gk.flatten(images(), data_format=value),
}


@pytest.mark.parametrize("function", PADDINGS)
@pytest.mark.parametrize("value", ["full", "", 1, None, ("same", "same")])
def test_unknown_paddings_are_refused(function, value):
    text = f"{function}: padding must be one of 'same', 'valid'; received padding={value!r}"
    with refused(ValueError if isinstance(value, str) else TypeError, text):
        PADDINGS[function](value)


@pytest.mark.parametrize("function", FORMATS)
@pytest.mark.parametrize("value", ["NHWC", "first", 1, None])
def test_unknown_data_formats_are_refused(function, value):
    rule = "data_format must be one of 'channels_last', 'channels_first'"
    with refused(
        ValueError if isinstance(value, str) else TypeError, f"{function}: {rule}; received data_format="
    ):
        FORMATS[function](value)


WINDOWS = {
    "conv2d": (lambda: gk.conv2d(images(), 8, 9), (9, 9)),
    "conv2d width": (lambda: gk.conv2d(images(), 8, (1, 9)), (1, 9)),
    "conv2d dilated": (lambda: gk.conv2d(images(), 8, (5, 1), dilation_rate=2), (9, 1)),
    "max_pool": (lambda: gk.max_pool(images(), (9, 8), 1), (9, 8)),
    "avg_pool": (lambda: gk.avg_pool(images(), (8, 9), 1), (8, 9)),
}


@pytest.mark.parametrize("case", WINDOWS)
def test_a_window_larger_than_the_image_is_refused(case):
    build, window = WINDOWS[case]
    received = f"shape=(None, 8, 8, 3), window={window}"
    with refused(
        ValueError, f"{case.split()[0]}: a valid window must fit into the inputs; received {received}"
    ):
        build()


def test_a_window_larger_than_the_image_is_refused_with_channels_first():
    received = "shape=(None, 9, 3, 9), window=(4, 4)"
    with refused(ValueError, f"max_pool: a valid window must fit into the inputs; received {received}"):
        gk.max_pool(images(None, 9, 3, 9), 4, 1, data_format="channels_first")


@pytest.mark.parametrize("strides, rate", [((2, 2), (2, 2)), ((1, 2), (2, 1)), ((3, 1), (1, 2))])
def test_strides_with_dilation_are_refused(strides, rate):
    rule = "strides above 1 and a dilation_rate above 1 do not go together"
    with refused(ValueError, f"conv2d: {rule}; received strides={strides}, dilation_rate={rate}"):
        gk.conv2d(images(), 8, 3, strides, dilation_rate=rate)


@pytest.mark.parametrize(
    "axis, error, text",
    [
        (2, ValueError, "axis must be an axis of logits, which have 2; received axis=2"),
        (-3, ValueError, "axis must be an integer of at least -2; received axis=-3"),
        (1.0, TypeError, "axis must be an integer of at least -2; received axis=1.0"),
        (None, TypeError, "axis must be an integer of at least -2; received axis=None"),
    ],
)
def test_softmax_refuses_what_is_no_axis(axis, error, text):
    with refused(error, f"softmax: {text}"):
        gk.softmax(rows(), axis)


@pytest.mark.parametrize(
    "axis, error, text",
    [
        (2, ValueError, "axis must be an axis of inputs, which have 2; received axis=2"),
        (-3, ValueError, "axis must be an integer of at least -2; received axis=-3"),
        (1.0, TypeError, "axis must be an integer of at least -2; received axis=1.0"),
        ([1], TypeError, "axis must be an integer of at least -2; received axis=[1]"),
    ],
)
def test_batch_norm_refuses_what_is_no_axis(axis, error, text):
    with refused(error, f"batch_norm: {text}"):
        gk.batch_norm(rows(), axis)


@pytest.mark.parametrize("value", [1.1, -0.1, math.nan, math.inf, "0.9", None, True])
def test_batch_norm_refuses_a_momentum(value):
    text = f"momentum must be a finite number at least 0 and at most 1; received momentum={value!r}"
    with refused(ValueError if isinstance(value, float) else TypeError, f"batch_norm: {text}"):
        gk.batch_norm(rows(), momentum=value)


@pytest.mark.parametrize("value", [0.0, -1e-3, math.nan, math.inf, "0.001", None])
def test_batch_norm_refuses_an_epsilon(value):
    text = f"epsilon must be a finite number above 0; received epsilon={value!r}"
    with refused(ValueError if isinstance(value, float) else TypeError, f"batch_norm: {text}"):
        gk.batch_norm(rows(), epsilon=value)


@pytest.mark.parametrize(
    "value", [0.0, -0.5, 1.0001, math.nan, math.inf, "0.5", None, True, [0.5], np.ones(1)]
)
def test_dropout_refuses_a_keep_prob(value):
    text = f"keep_prob must be a finite number above 0 and at most 1; received keep_prob={value!r}"
    with refused(ValueError if isinstance(value, float) else TypeError, f"dropout: {text}"):
        gk.dropout(rows(), value)


@pytest.mark.parametrize("value", [0, 2, -1])
def test_dropout_refuses_integers_outside_the_range(value):
    text = f"keep_prob must be a finite number above 0 and at most 1; received keep_prob={value}"
    with refused(ValueError, f"dropout: {text}"):
        gk.dropout(rows(), value)


@pytest.mark.parametrize("shape", [(1,), (2, 1), (None,)])
def test_dropout_refuses_a_keep_prob_with_axes(shape):
    with refused(ValueError, "dropout: keep_prob must be a scalar; received shape="):
        gk.dropout(rows(), rows(*shape))


@pytest.mark.parametrize("noise_shape", [(), (None,), (None, 1, 1)])
def test_dropout_refuses_a_noise_shape_of_another_rank(noise_shape):
    with refused(ValueError, "dropout: noise_shape must have"):
        gk.dropout(rows(), 0.5, noise_shape)


def test_dropout_refuses_a_noise_shape_for_unknown_rank():
    with refused(ValueError, "dropout: noise_shape must have"):
        gk.dropout(v1.placeholder(tf.float32), 0.5, (None, 1))


@pytest.mark.parametrize("value", ["relu", 1, tf.bool])
def test_an_activation_that_is_no_function_is_refused(value):
    for function, build in (
        ("dense", gk.dense),
        ("conv2d", lambda x, *a: gk.conv2d(images(), 8, 3, activation=a[1])),
    ):
        text = f"activation must be a function of a tensor, such as gk.relu; received activation={value!r}"
        with refused(TypeError, f"{function}: {text}"):
            build(rows(), 8, value)


@pytest.mark.parametrize("value", [0.0, -0.5, 1.5, math.nan])
def test_a_constant_keep_prob_outside_its_range_is_refused(value):
    with pytest.raises(ValueError, match=r"^dropout: keep_prob must be .* above 0 and at most 1"):
        gk.dropout(tf.ones((2, 3)), tf.constant(value))


@pytest.mark.parametrize(
    "noise_shape", [(1, 4), (3, 1), (None, 6), (None, 0), (None, -1), (None, 1.0), (None, "1"), 3, "12"]
)
def test_a_noise_shape_that_does_not_fit_is_refused(noise_shape):
    with pytest.raises(
        (TypeError, ValueError), match=r"^dropout: noise_shape must .*; received noise_shape="
    ):
        gk.dropout(tf.ones((2, 3)), 0.5, noise_shape)


@pytest.mark.parametrize("training", ["no", 1.0, tf.bool, [True]])
def test_training_that_is_no_boolean_is_refused(training):
    with pytest.raises(TypeError, match=r"^batch_norm: training must .*; received training="):
        gk.batch_norm(tf.ones((2, 3)), training=training)


@pytest.mark.parametrize("training", [[True, False], 1, 1.0, "no"])
def test_training_that_is_no_boolean_scalar_tensor_is_refused(training):
    training = tf.constant(training)
    with pytest.raises((TypeError, ValueError), match=r"^batch_norm: training must .*; received"):
        gk.batch_norm(tf.ones((2, 3)), training=training)


@pytest.mark.parametrize("function", ["conv2d", "dense", "bias_add", "batch_norm", "dropout"])
def test_tensors_of_another_graph_are_refused(function):
    with tf.Graph().as_default():
        other = tf.ones((2, 4, 4, 3))
    with refused((TypeError, ValueError), f"{function}: inputs must be a tensor of the default graph"):
        INPUTS[function][0](other)
    assert not v1.trainable_variables()


@each_function
def test_tensors_of_the_graph_around_a_branch_are_taken(function):
    outer = tf.ones((2, 4, 4, 3))
    if function in ("conv2d", "dense", "bias_add", "batch_norm"):
        INPUTS[function][0](outer)  # variables are made outside of branches
    with v1.variable_scope(v1.get_variable_scope(), reuse=v1.AUTO_REUSE):
        build = INPUTS[function][0]
        branch = tf.cond(v1.placeholder_with_default(True, ()), lambda: tf.size(build(outer)), lambda: 0)
    assert run(branch) > 0


@each_function
def test_eager_tensors_are_refused(function):
    build, argument, _ = INPUTS[function]
    with refused(TypeError, f"{function}: {argument} must be a tensor of the default graph"):
        build(EAGER)


REFUSED = {
    "activation": lambda good: gk.dense(tf.ones((2, 3)), 4, activation=None if good else "relu"),
    "features": lambda good: gk.dense(tf.ones((2, 3)) if good else rows(None, None), 4),
    "units": lambda good: gk.dense(tf.ones((2, 3)), 4 if good else 0),
}


@pytest.mark.parametrize("argument", REFUSED)
def test_a_refused_layer_leaves_no_variables_and_takes_no_number(argument):
    with pytest.raises((TypeError, ValueError), match="^dense: "):
        REFUSED[argument](False)
    assert not v1.global_variables()
    REFUSED[argument](True)
    assert names(v1.global_variables()) == ["dense/kernel:0", "dense/bias:0"]


# Finalized graphs


@each_function
@pytest.mark.parametrize("kind", ["tensor", "array"])
def test_a_finalized_graph_takes_no_layer_and_names_the_callers_line(fresh_graph, function, kind):
    build, *_ = INPUTS[function]
    value = np.ones((2, 4, 4, 3), np.float32)
    value = tf.constant(value) if kind == "tensor" else value
    fresh_graph.finalize()
    line = f"{__file__}:{build.__code__.co_firstlineno}"
    with pytest.raises(RuntimeError, match=rf"^{function}: .*finalized.*called at {re.escape(line)}$"):
        build(value)


def test_a_finalized_graph_takes_no_softmax_of_a_variable(fresh_graph):
    logits = v1.get_variable("logits", (3,))
    fresh_graph.finalize()
    with pytest.raises(RuntimeError, match=r"^softmax: .*finalized"):
        gk.softmax(logits)


def test_the_line_named_is_the_callers_where_its_path_begins_like_the_packages(fresh_graph):
    path = f"{os.path.dirname(gk.__file__)}_lessons/first.py"
    features = tf.ones((2, 3))
    fresh_graph.finalize()
    with pytest.raises(RuntimeError, match=f"called at {re.escape(path)}:1$"):
        exec(compile("gk.relu(features)", path, "exec"), {"gk": gk, "features": features})


@pytest.mark.parametrize("initializer", [[0.5], "zeros", 0.5, np.zeros((3, 2))])
def test_initializer_that_is_no_function_is_refused(initializer):
    with pytest.raises(TypeError, match="the initializer of kernel must be a function of a shape"):
        gk.dense(gk.feature_input(3), 2, kernel_initializer=initializer)


def test_activity_regularizer_that_returns_nothing_is_refused():
    with pytest.raises(ValueError, match="None"):
        gk.dense(gk.feature_input(3), 2, activity_regularizer=lambda outputs: None)


def test_list_that_holds_itself_is_refused():
    held = []
    held.append(held)
    with pytest.raises(TypeError, match="dense: inputs must be a tensor"):
        gk.dense(held, 2)


@pytest.mark.parametrize("units", [2**63, 10**400])
def test_units_that_no_axis_can_have_are_refused(units):
    with pytest.raises(ValueError, match="dense: units is too large"):
        gk.dense(gk.feature_input(3), units)
