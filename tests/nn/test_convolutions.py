"""conv1d, conv1x1, conv2d_transpose and separable_conv2d against plain NumPy; conv2d is in test_layers.py."""

import inspect
import itertools
import math
import re

import numpy as np
import pytest
import tensorflow as tf
from references import normal, run

import graphkit as gk

v1 = tf.compat.v1
Keys = v1.GraphKeys

each_padding = pytest.mark.parametrize("padding", ["valid", "same"])
each_format = pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])


def constant(array):
    return v1.constant_initializer(array)


def random_start(seed=1):
    return v1.random_normal_initializer(mean=0.5, seed=seed)


def both(value):
    return value if isinstance(value, tuple) else (value, value)


def to_format(array, data_format):
    """Moves the channels of an array of images or sequences where the format wants them."""
    return array if data_format == "channels_last" else np.moveaxis(array, -1, 1)


def to_last(array, data_format):
    return array if data_format == "channels_last" else np.moveaxis(array, 1, -1)


def names(variables):
    return [variable.name for variable in variables]


# References: loops over the taps of the kernel, in float64


def taps(size, kernel, stride, padding, rate):
    """Yields (tap, output positions, input positions that it reads) along one axis, from the definition."""
    extent = rate * (kernel - 1) + 1
    if padding == "same":
        count = -(-size // stride)
        before = max((count - 1) * stride + extent - size, 0) // 2
    else:
        count, before = (size - extent) // stride + 1, 0
    for tap in range(kernel):
        places = [(out, out * stride - before + tap * rate) for out in range(count)]
        inside = [(out, place) for out, place in places if 0 <= place < size]
        yield tap, [out for out, _ in inside], [place for _, place in inside]


def out_size(size, kernel, stride, padding, rate):
    return -(-size // stride) if padding == "same" else (size - rate * (kernel - 1) - 1) // stride + 1


def convolved(images, kernel, strides=1, padding="valid", dilation=1):
    """Convolves (batch, height, width, channels) with (kernel height, width, channels, filters)."""
    steps, rates = both(strides), both(dilation)
    geometry = [(images.shape[1 + i], kernel.shape[i], steps[i], padding, rates[i]) for i in (0, 1)]
    outputs = np.zeros((len(images), *(out_size(*g) for g in geometry), kernel.shape[3]))
    for (i, ys, y_from), (j, xs, x_from) in itertools.product(*(list(taps(*g)) for g in geometry)):
        seen = images[:, y_from][:, :, x_from].astype(np.float64)
        outputs[np.ix_(range(len(images)), ys, xs)] += seen @ kernel[i, j]
    return outputs


def spread(images, kernel, strides, padding):
    """Transposes the convolution: each pixel adds its kernel (height, width, filters, channels) around it."""
    steps = both(strides)
    sizes = [transposed_size(images.shape[1 + i], kernel.shape[i], steps[i], padding) for i in (0, 1)]
    geometry = [(sizes[i], kernel.shape[i], steps[i], padding, 1) for i in (0, 1)]
    outputs = np.zeros((len(images), *sizes, kernel.shape[2]))
    for (i, ys, y_to), (j, xs, x_to) in itertools.product(*(list(taps(*g)) for g in geometry)):
        seen = images[:, ys][:, :, xs].astype(np.float64)
        outputs[np.ix_(range(len(images)), y_to, x_to)] += seen @ kernel[i, j].T
    return outputs


def transposed_size(size, kernel, stride, padding):
    return size * stride + (max(kernel - stride, 0) if padding == "valid" else 0)


def separated(images, depthwise, pointwise, **arguments):
    """Convolves each channel with its own filters; the output is channel by channel, then mixed."""
    parts = [
        convolved(images[..., c : c + 1], depthwise[:, :, c : c + 1], **arguments)
        for c in range(images.shape[3])
    ]
    return np.concatenate(parts, axis=-1) @ pointwise[0, 0]


def assert_close(outputs, expected, accuracy=1e-5):
    assert outputs.shape == expected.shape
    np.testing.assert_allclose(outputs, expected, rtol=accuracy, atol=accuracy)


# conv1d


@each_padding
@each_format
@pytest.mark.parametrize("kernel_size", [1, 2, 3, 6])
@pytest.mark.parametrize("strides, dilation_rate", [(1, 1), (2, 1), (4, 1), (1, 2), (1, 3)])
def test_conv1d_agrees_with_numpy(padding, data_format, kernel_size, strides, dilation_rate):
    length = 17
    sequences, kernel, bias = normal(2, length, 3), normal(kernel_size, 3, 4, seed=1), normal(4, seed=2)
    outputs = gk.conv1d(
        to_format(sequences, data_format),
        4,
        kernel_size,
        strides,
        padding,
        data_format,
        dilation_rate,
        kernel_initializer=constant(kernel),
        bias_initializer=constant(bias),
    )
    flat = {"strides": (1, strides), "padding": padding, "dilation": (1, dilation_rate)}
    expected = convolved(sequences[:, np.newaxis], kernel[np.newaxis], **flat)[:, 0] + bias
    assert expected.shape[1] == gk.output_size(length, kernel_size, strides, padding, dilation_rate)
    assert outputs.shape.as_list() == list(to_format(expected, data_format).shape)
    assert_close(to_last(run(outputs), data_format), expected)


@each_padding
def test_conv1d_takes_sequences_of_unknown_length(padding):
    fed = v1.placeholder(tf.float32, (None, None, 3))
    kernel = normal(3, 3, 4, seed=1)
    outputs = gk.conv1d(fed, 4, 3, 2, padding, kernel_initializer=constant(kernel))
    assert outputs.shape.as_list() == [None, None, 4]
    for length in (3, 8, 9):
        sequences = normal(2, length, 3)
        flat = {"strides": (1, 2), "padding": padding}
        expected = convolved(sequences[:, np.newaxis], kernel[np.newaxis], **flat)[:, 0]
        assert_close(run(outputs, {fed: sequences}), expected)


def test_conv1d_is_conv2d_on_images_of_one_row():
    sequences, kernel = normal(2, 9, 3), normal(3, 3, 4, seed=1)
    row = gk.conv2d(sequences[:, np.newaxis], 4, (1, 3), kernel_initializer=constant(kernel))
    sequence = gk.conv1d(sequences, 4, (3,), kernel_initializer=constant(kernel))
    first, second = run([sequence, row])
    np.testing.assert_allclose(first, second[:, 0], rtol=1e-5, atol=1e-6)


def test_a_convolution_by_hand():
    sequence = np.array([1.0, 2.0, 4.0, 8.0], np.float32).reshape(1, 4, 1)
    kernel = constant([1.0, 10.0])  # not turned around: 1 * this + 10 * the next
    outputs = gk.conv1d(sequence, 1, 2, padding="same", kernel_initializer=kernel)
    np.testing.assert_array_equal(run(outputs).ravel(), [21, 42, 84, 8])


# conv1x1


@pytest.mark.parametrize("use_bias", [False, True])
@pytest.mark.parametrize("activation", [None, gk.relu])
def test_conv1x1_is_a_dense_layer_at_each_pixel(use_bias, activation):
    images, kernel = normal(2, 5, 4, 3), normal(3, 6, seed=1)
    with v1.variable_scope("net", initializer=constant(kernel)):
        outputs = gk.conv1x1(images, 6, activation, use_bias)
    assert len(v1.global_variables()) == 1 + use_bias
    expected = np.maximum(images @ kernel, 0) if activation else images @ kernel
    assert_close(run(outputs), expected)


def test_conv1x1_is_conv2d_with_a_kernel_of_one_pixel():
    images = tf.constant(normal(2, 5, 4, 3))
    mixed = gk.conv1x1(images, 6, name="mix")
    again = gk.conv2d(images, 6, 1, name="mix", reuse=True)
    np.testing.assert_array_equal(*run([mixed, again]))


def test_conv1x1_takes_images_of_unknown_size():
    assert gk.conv1x1(gk.image_input(None, None, 3), 6).shape.as_list() == [None, None, None, 6]


# conv2d_transpose


@each_padding
@each_format
@pytest.mark.parametrize("kernel_size", [1, 2, 3, (3, 2), (1, 5)])
@pytest.mark.parametrize("strides", [1, 2, (2, 3), 4])
def test_conv2d_transpose_agrees_with_numpy(padding, data_format, kernel_size, strides):
    images, kernel, bias = normal(2, 4, 3, 5), normal(*both(kernel_size), 6, 5, seed=1), normal(6, seed=2)
    outputs = gk.conv2d_transpose(
        to_format(images, data_format),
        6,
        kernel_size,
        strides,
        padding,
        data_format,
        kernel_initializer=constant(kernel),
        bias_initializer=constant(bias),
    )
    expected = spread(images, kernel, strides, padding) + bias
    assert outputs.shape.as_list() == list(to_format(expected, data_format).shape)
    assert_close(to_last(run(outputs), data_format), expected)


@each_padding
@pytest.mark.parametrize("kernel_size", [1, 2, 3, (3, 2)])
@pytest.mark.parametrize("strides", [1, 2, (2, 3)])
def test_conv2d_transpose_is_the_adjoint_of_conv2d(padding, kernel_size, strides):
    """<conv(x), y> = <x, conv_transpose(y)>, with one kernel for both."""
    small = normal(2, 4, 3, 5, dtype=np.float64)
    kernel = constant(normal(*both(kernel_size), 6, 5, dtype=np.float64, seed=1))
    # A kernel (height, width, 6, 5) takes 6 channels to 5 in conv2d, and 5 to 6 in its transposed.
    options = {"strides": strides, "padding": padding, "use_bias": False, "kernel_initializer": kernel}
    large = gk.conv2d_transpose(small, 6, kernel_size, **options)
    images = normal(*large.shape.as_list(), dtype=np.float64, seed=2)
    forward = gk.conv2d(images, 5, kernel_size, **options)
    assert forward.shape.as_list() == list(small.shape)
    forward, large = run([forward, large])
    np.testing.assert_allclose((forward * small).sum(), (images * large).sum(), rtol=1e-10)


@each_padding
@pytest.mark.parametrize("kernel_size, strides", [(3, 2), (2, 3), (5, 1)])
def test_conv2d_transpose_is_the_gradient_of_conv2d(padding, kernel_size, strides):
    small, kernel = tf.constant(normal(2, 4, 3, 5)), constant(normal(kernel_size, kernel_size, 6, 5, seed=1))
    options = {"strides": strides, "padding": padding, "use_bias": False, "kernel_initializer": kernel}
    large = gk.conv2d_transpose(small, 6, kernel_size, **options)
    images = tf.constant(normal(*large.shape.as_list(), seed=2))
    gradient = tf.gradients(gk.conv2d(images, 5, kernel_size, **options), images, grad_ys=small)[0]
    np.testing.assert_allclose(*run([large, gradient]), rtol=1e-5, atol=1e-5)


@each_padding
@each_format
def test_conv2d_transpose_knows_the_shape_as_far_as_that_of_its_inputs(padding, data_format):
    known = (None, None, 3, 5) if data_format == "channels_last" else (None, 5, None, 3)
    fed = v1.placeholder(tf.float32, known)
    kernel = normal(3, 2, 6, 5, seed=1)
    outputs = gk.conv2d_transpose(
        fed, 6, (3, 2), 2, padding, data_format, kernel_initializer=constant(kernel)
    )
    width = transposed_size(3, 2, 2, padding)
    static = [None, None, width, 6] if data_format == "channels_last" else [None, 6, None, width]
    assert outputs.shape.as_list() == static
    for batch, height in ((1, 1), (3, 4)):
        images = normal(batch, height, 3, 5)
        values = run(outputs, {fed: to_format(images, data_format)})
        assert_close(to_last(values, data_format), spread(images, kernel, 2, padding))


def test_conv2d_transpose_takes_an_empty_batch():
    outputs = gk.conv2d_transpose(gk.image_input(3, 3, 2), 4, 3, 2)
    assert run(outputs, {outputs.graph.get_tensor_by_name("images:0"): np.zeros((0, 3, 3, 2))}).shape[0] == 0


@each_padding
def test_the_transposed_shape_is_what_sizes_predicts(padding):
    for size, kernel, stride in itertools.product(range(1, 5), range(1, 5), range(1, 4)):
        predicted = gk.conv2d_transpose_shape((size, 2, 3), 4, kernel, stride, padding)
        outputs = gk.conv2d_transpose(tf.zeros((1, size, 2, 3)), 4, kernel, stride, padding)
        assert tuple(outputs.shape[1:]) == predicted, (size, kernel, stride)


# separable_conv2d


@each_padding
@pytest.mark.parametrize("kernel_size", [1, 2, 3, (3, 2)])
@pytest.mark.parametrize("strides, dilation_rate", [(1, 1), (2, 1), (3, 1), (1, 2), (1, (1, 3))])
@pytest.mark.parametrize("depth_multiplier", [1, 2])
def test_separable_conv2d_agrees_with_numpy(padding, kernel_size, strides, dilation_rate, depth_multiplier):
    images, bias = normal(2, 9, 8, 3), normal(4, seed=2)
    depthwise = normal(*both(kernel_size), 3, depth_multiplier, seed=1)
    pointwise = normal(1, 1, 3 * depth_multiplier, 4, seed=3)
    outputs = gk.separable_conv2d(
        images,
        4,
        kernel_size,
        strides,
        padding,
        dilation_rate=dilation_rate,
        depth_multiplier=depth_multiplier,
        depthwise_initializer=constant(depthwise),
        pointwise_initializer=constant(pointwise),
        bias_initializer=constant(bias),
    )
    flat = {"strides": strides, "padding": padding, "dilation": dilation_rate}
    expected = separated(images, depthwise, pointwise, **flat) + bias
    assert outputs.shape.as_list() == list(expected.shape)
    assert_close(run(outputs), expected, 2e-5)


@each_padding
@pytest.mark.parametrize("strides, dilation_rate", [(1, 1), (2, 1), (1, 2)])
def test_separable_conv2d_has_the_same_sizes_with_the_channels_first(padding, strides, dilation_rate):
    # Not every CPU kernel computes this format, so that its shape is all that can be relied on.
    arguments = (4, 3, strides, padding)
    last = gk.separable_conv2d(tf.zeros((2, 9, 8, 3)), *arguments, dilation_rate=dilation_rate)
    first = gk.separable_conv2d(
        tf.zeros((2, 3, 9, 8)), *arguments, "channels_first", dilation_rate=dilation_rate
    )
    batch, height, width, channels = last.shape.as_list()
    assert first.shape.as_list() == [batch, channels, height, width]
    assert height == gk.output_size(9, 3, strides, padding, dilation_rate)


def test_separable_conv2d_takes_images_of_unknown_size():
    fed = gk.image_input(None, None, 3)
    depthwise, pointwise = normal(3, 3, 3, 1, seed=1), normal(1, 1, 3, 4, seed=3)
    starts = {
        "depthwise_initializer": constant(depthwise),
        "pointwise_initializer": constant(pointwise),
    }
    outputs = gk.separable_conv2d(fed, 4, 3, 2, "same", **starts)
    assert outputs.shape.as_list() == [None, None, None, 4]
    images = normal(2, 6, 5, 3)
    expected = separated(images, depthwise, pointwise, strides=2, padding="same")
    assert_close(run(outputs, {fed: images}), expected)


def test_separable_conv2d_is_a_conv2d_with_the_product_of_its_kernels():
    images, depthwise, pointwise = normal(2, 6, 5, 3), normal(3, 3, 3, 2, seed=1), normal(1, 1, 6, 4, seed=3)
    product = np.einsum("ijcm,cmf->ijcf", depthwise, pointwise.reshape(3, 2, 4))
    separable = gk.separable_conv2d(
        images,
        4,
        3,
        depth_multiplier=2,
        depthwise_initializer=constant(depthwise),
        pointwise_initializer=constant(pointwise),
    )
    full = gk.conv2d(images, 4, 3, kernel_initializer=constant(product))
    np.testing.assert_allclose(*run([separable, full]), rtol=1e-4, atol=1e-4)


def test_separable_conv2d_has_the_parameters_that_sizes_counts():
    gk.separable_conv2d(tf.zeros((1, 8, 8, 16)), 32, 3, depth_multiplier=2)
    made = sum(math.prod(variable.shape) for variable in v1.trainable_variables())
    by_hand = 3 * 3 * 16 * 2 + 16 * 2 * 32 + 32
    assert made == by_hand == gk.separable_conv2d_parameters(16, 32, 3, depth_multiplier=2)


# Gradients against central differences, in float64


def central_differences(function, point, step=1e-5):
    """Returns the gradient of a scalar function of an array, element by element."""
    gradient = np.zeros_like(point)
    for index in np.ndindex(*point.shape):
        moved = [point.copy(), point.copy()]
        moved[0][index] += step
        moved[1][index] -= step
        gradient[index] = (function(moved[0]) - function(moved[1])) / (2 * step)
    return gradient


def assert_gradients(build, shape):
    """Compares tf.gradients with central differences, for the inputs and each variable of a layer."""
    fed, point = v1.placeholder(tf.float64, shape), normal(*shape, dtype=np.float64)
    with v1.variable_scope("net", initializer=random_start()):
        outputs = build(fed)
    loss = tf.reduce_sum(outputs * normal(*outputs.shape.as_list(), dtype=np.float64, seed=9))
    variables = v1.trainable_variables()
    analytic = tf.gradients(loss, [fed, *variables])
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        values = dict(zip([fed, *variables], [point, *session.run(variables)], strict=True))

        def loss_with(key, value):
            if key is not fed:
                session.run(key.initializer, {key.initializer.inputs[1]: value})
            return session.run(loss, {fed: value if key is fed else point})

        numeric = []
        for key, start in values.items():
            numeric.append(central_differences(lambda value, key=key: loss_with(key, value), start))
            loss_with(key, start)
        analytic = session.run(analytic, {fed: point})
    for one, other in zip(analytic, numeric, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


@each_padding
@pytest.mark.parametrize("kernel_size, strides, dilation_rate", [(3, 1, 1), (3, 2, 1), (2, 1, 2)])
def test_gradient_of_conv1d(padding, kernel_size, strides, dilation_rate):
    options = {"strides": strides, "padding": padding, "dilation_rate": dilation_rate}
    assert_gradients(lambda x: gk.conv1d(x, 2, kernel_size, **options), (2, 6, 2))


def test_gradient_of_conv1x1():
    assert_gradients(lambda x: gk.conv1x1(x, 3, activation=tf.tanh), (2, 2, 3, 2))


@each_padding
@pytest.mark.parametrize("kernel_size, strides", [(3, 1), (3, 2), ((1, 2), (2, 1)), (1, 2)])
def test_gradient_of_conv2d_transpose(padding, kernel_size, strides):
    assert_gradients(lambda x: gk.conv2d_transpose(x, 2, kernel_size, strides, padding), (2, 3, 2, 2))


@each_padding
@pytest.mark.parametrize("strides, dilation_rate", [(1, 1), (2, 1), (1, 2)])
def test_gradient_of_separable_conv2d(padding, strides, dilation_rate):
    options = {"strides": strides, "padding": padding, "dilation_rate": dilation_rate}
    assert_gradients(lambda x: gk.separable_conv2d(x, 2, 2, depth_multiplier=2, **options), (2, 4, 4, 2))


# The conventions of tf.layers (TensorFlow 1.15, tensorflow/python/layers/convolutional.py)

BEFORE = "inputs, filters, kernel_size, "
AFTER = "activity_regularizer=None, "
END = "trainable=True, name=None, reuse=None"
KERNEL = (
    "activation=None, use_bias=True, kernel_initializer=None, bias_initializer=zeros, "
    f"kernel_regularizer=None, bias_regularizer=None, {AFTER}kernel_constraint=None, "
    f"bias_constraint=None, {END}"
)
SIGNATURES = {
    "conv1d": f"{BEFORE}strides=1, padding='valid', data_format='channels_last', dilation_rate=1, {KERNEL}",
    "conv2d_transpose": f"{BEFORE}strides=(1, 1), padding='valid', data_format='channels_last', {KERNEL}",
    "separable_conv2d": f"{BEFORE}strides=(1, 1), padding='valid', data_format='channels_last', "
    "dilation_rate=(1, 1), depth_multiplier=1, activation=None, use_bias=True, depthwise_initializer=None, "
    "pointwise_initializer=None, bias_initializer=zeros, depthwise_regularizer=None, "
    f"pointwise_regularizer=None, bias_regularizer=None, {AFTER}depthwise_constraint=None, "
    f"pointwise_constraint=None, bias_constraint=None, {END}",
}


def written(parameter):
    """Returns a parameter as in the table: the initializer by what it makes."""
    assert parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    if parameter.default is parameter.empty:
        return parameter.name
    zeros = isinstance(parameter.default, v1.zeros_initializer)
    return f"{parameter.name}={'zeros' if zeros else repr(parameter.default)}"


@pytest.mark.parametrize("function", SIGNATURES)
def test_arguments_order_and_defaults_are_those_of_tf_layers(function):
    parameters = inspect.signature(getattr(gk, function)).parameters.values()
    assert ", ".join(map(written, parameters)) == SIGNATURES[function]


LAYERS = {
    "conv1d": lambda **arguments: gk.conv1d(tf.ones((2, 6, 3)), 5, 2, **arguments),
    "conv1x1": lambda **arguments: gk.conv1x1(tf.ones((2, 4, 4, 3)), 5, **arguments),
    "conv2d_transpose": lambda **arguments: gk.conv2d_transpose(
        tf.ones((2, 4, 4, 3)), 5, (2, 4), **arguments
    ),
    "separable_conv2d": lambda **arguments: gk.separable_conv2d(
        tf.ones((2, 4, 4, 3)), 5, (2, 4), depth_multiplier=2, **arguments
    ),
}
VARIABLES = {
    "conv1d": {"kernel": [2, 3, 5], "bias": [5]},
    "conv1x1": {"kernel": [1, 1, 3, 5], "bias": [5]},
    "conv2d_transpose": {"kernel": [2, 4, 5, 3], "bias": [5]},
    "separable_conv2d": {"depthwise_kernel": [2, 4, 3, 2], "pointwise_kernel": [1, 1, 6, 5], "bias": [5]},
}
# (layer, variable) of what takes a regularizer and a constraint of its own; conv1x1 takes neither.
OWN = [(layer, name) for layer, made in VARIABLES.items() if layer != "conv1x1" for name in made]

each_layer = pytest.mark.parametrize("layer", LAYERS)
each_variable = pytest.mark.parametrize("layer, variable", OWN)


def prefix(variable):
    """Returns what the arguments of a variable begin with: depthwise for depthwise_kernel."""
    return variable.removesuffix("_kernel")


@each_layer
def test_variables_of_a_named_layer(layer):
    LAYERS[layer](name="mine")
    made = {variable.op.name: variable.shape.as_list() for variable in v1.trainable_variables()}
    assert made == {f"mine/{name}": shape for name, shape in VARIABLES[layer].items()}
    assert v1.global_variables() == v1.trainable_variables()
    assert {variable.dtype for variable in v1.global_variables()} == {tf.float32}


@each_layer
def test_unnamed_layers_are_numbered(layer):
    for _ in range(3):
        LAYERS[layer](use_bias=False)
    kernels = [name for name in VARIABLES[layer] if name != "bias"]
    scopes = [layer, f"{layer}_1", f"{layer}_2"]
    assert names(v1.global_variables()) == [f"{scope}/{k}:0" for scope in scopes for k in kernels]


@each_layer
@pytest.mark.parametrize("reuse", [True, v1.AUTO_REUSE])
def test_reuse_by_name_computes_the_same(layer, reuse):
    first = LAYERS[layer](name="mine")
    second = LAYERS[layer](name="mine", reuse=reuse)
    assert len(v1.global_variables()) == len(VARIABLES[layer])
    np.testing.assert_array_equal(*run([first, second]))


@each_layer
def test_reuse_without_a_name_means_the_first_of_the_kind(layer):
    LAYERS[layer]()
    LAYERS[layer](reuse=True)
    assert {name.split("/")[0] for name in names(v1.global_variables())} == {layer}


@each_layer
@pytest.mark.parametrize("name", [None, "mine"])
@pytest.mark.parametrize("reuse", [True, v1.AUTO_REUSE])
def test_reuse_by_the_variable_scope(layer, name, reuse):
    with v1.variable_scope("net"):
        LAYERS[layer](name=name)
    with v1.variable_scope("net", reuse=reuse):
        LAYERS[layer](name=name)
    assert names(v1.global_variables()) == [f"net/{name or layer}/{v}:0" for v in VARIABLES[layer]]


@each_layer
def test_a_name_that_is_taken_is_refused(layer):
    LAYERS[layer](name="mine")
    with pytest.raises(ValueError, match=r"^Variable mine/\w+ already exists"):
        LAYERS[layer](name="mine")


@each_layer
def test_reuse_of_what_is_not_there_is_refused(layer):
    with pytest.raises(ValueError, match=r"^Variable mine/\w+ does not exist"):
        LAYERS[layer](name="mine", reuse=True)


@pytest.mark.parametrize("layer", SIGNATURES)
def test_trainable_false_keeps_out_of_trainable_variables(layer):
    LAYERS[layer](trainable=False)
    assert not v1.trainable_variables() and len(v1.global_variables()) == len(VARIABLES[layer])


@each_variable
def test_initializers_are_those_of_their_variables(layer, variable):
    LAYERS[layer](name="mine", **{f"{prefix(variable)}_initializer": constant(7.0)})
    values = run({v.op.name: v for v in v1.global_variables()})
    assert [name for name, value in values.items() if (value == 7).all()] == [f"mine/{variable}"]


@each_variable
def test_regularizers_file_one_loss(layer, variable):
    starts = {f"{prefix(variable)}_initializer": constant(2.0)}
    for reuse in (None, True):
        LAYERS[layer](name="a", reuse=reuse, **{f"{prefix(variable)}_regularizer": gk.l2_loss}, **starts)
    losses = v1.get_collection(Keys.REGULARIZATION_LOSSES)
    # Twos cost 2**2 / 2 = 2 each.
    assert run(losses) == [2 * math.prod(VARIABLES[layer][variable])]


@each_variable
def test_constraints_are_set_on_their_variables(layer, variable):
    LAYERS[layer](name="mine", **{f"{prefix(variable)}_constraint": tf.abs})
    constrained = [v.op.name for v in v1.global_variables() if v.constraint is not None]
    assert constrained == [f"mine/{variable}"]


@pytest.mark.parametrize("layer", SIGNATURES)
def test_activity_regularizer_takes_a_mean_over_the_batch(layer):
    outputs = LAYERS[layer](activation=gk.relu, activity_regularizer=gk.l2_loss)
    filed, values = run([v1.get_collection(Keys.REGULARIZATION_LOSSES), outputs])
    np.testing.assert_allclose(filed, [(values.astype(np.float64) ** 2).sum() / 2 / 2], rtol=1e-5)
    assert (values >= 0).all()


@each_layer
def test_the_scopes_initializer_makes_kernels_alone(layer):
    with v1.variable_scope("net", initializer=constant(3.0)):
        LAYERS[layer](name="a")
    for name, value in run({v.op.name: v for v in v1.global_variables()}).items():
        assert (value == (0 if name.endswith("bias") else 3)).all(), name


@pytest.mark.parametrize("layer", SIGNATURES)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_layers_compute_in_the_dtype_of_their_inputs(layer, dtype):
    shape = (2, 4, 3) if layer == "conv1d" else (2, 4, 4, 3)
    outputs = getattr(gk, layer)(np.ones(shape, dtype), 5, 2)
    assert outputs.dtype == dtype and {v.dtype.as_numpy_dtype for v in v1.global_variables()} == {dtype}
    assert run(outputs).dtype == dtype


# What is refused

IMAGES, SEQUENCES = np.zeros((2, 4, 4, 3), np.float32), np.zeros((2, 4, 3), np.float32)
REFUSALS = {
    ("conv1d", "rank"): ((IMAGES, 2, 3), {}, ValueError, "inputs must have 3 axes; received shape="),
    ("conv1d", "filters"): ((SEQUENCES, 0, 3), {}, ValueError, "filters must be an integer of at least 1"),
    ("conv1d", "kernel"): ((SEQUENCES, 2, 0), {}, ValueError, "kernel_size must be an integer of at least 1"),
    ("conv1d", "pair"): ((SEQUENCES, 2, (3, 3)), {}, ValueError, "kernel_size must be an integer or 1"),
    ("conv1d", "half"): ((SEQUENCES, 2, 1.5), {}, TypeError, "kernel_size must be an integer of at least 1"),
    ("conv1d", "strides"): ((SEQUENCES, 2, 3, 0), {}, ValueError, "strides must be an integer of at least 1"),
    ("conv1d", "padding"): ((SEQUENCES, 2, 3, 1, "causal"), {}, ValueError, "padding must be one of"),
    ("conv1d", "too large"): ((SEQUENCES, 2, 5), {}, ValueError, "a valid window must fit into the inputs"),
    ("conv1d", "dilated"): (
        (SEQUENCES, 2, 3),
        {"dilation_rate": 2},
        ValueError,
        "a valid window must fit into the inputs; received shape=(2, 4, 3), window=(5,)",
    ),
    ("conv1d", "both"): (
        (SEQUENCES, 2, 2, 2),
        {"dilation_rate": 2},
        ValueError,
        "strides above 1 and a dilation_rate above 1 do not go together; received strides=(2,)",
    ),
    ("conv1x1", "rank"): ((SEQUENCES, 2), {}, ValueError, "inputs must have 4 axes; received shape="),
    ("conv1x1", "filters"): ((IMAGES, 0), {}, ValueError, "filters must be an integer of at least 1"),
    ("conv1x1", "dtype"): ((IMAGES.astype(int), 2), {}, TypeError, "inputs must be a floating-point tensor"),
    ("conv1x1", "activation"): ((IMAGES, 2, "relu"), {}, TypeError, "activation must be a function"),
    ("conv2d_transpose", "rank"): ((SEQUENCES, 2, 3), {}, ValueError, "inputs must have 4 axes"),
    ("conv2d_transpose", "filters"): ((IMAGES, True, 3), {}, TypeError, "filters must be an integer"),
    ("conv2d_transpose", "strides"): ((IMAGES, 2, 3, (0, 1)), {}, ValueError, "strides must be an integer"),
    ("conv2d_transpose", "padding"): ((IMAGES, 2, 3, 1, 1), {}, TypeError, "padding must be one of"),
    ("conv2d_transpose", "format"): (
        (IMAGES, 2, 3, 1, "same", "NHWC"),
        {},
        ValueError,
        "data_format must be one of",
    ),
    ("conv2d_transpose", "channels"): (
        (v1.placeholder, 2, 3),
        {},
        ValueError,
        "axis -1 of inputs must have a known size",
    ),
    ("conv2d_transpose", "activation"): (
        (IMAGES, 2, 3),
        {"activation": "relu"},
        TypeError,
        "activation must be a function of a tensor",
    ),
    ("separable_conv2d", "rank"): ((SEQUENCES, 2, 3), {}, ValueError, "inputs must have 4 axes"),
    ("separable_conv2d", "strides"): ((IMAGES, 2, 3, (1, 2)), {}, ValueError, "strides must be alike"),
    ("separable_conv2d", "depth"): (
        (IMAGES, 2, 3),
        {"depth_multiplier": 0},
        ValueError,
        "depth_multiplier must be an integer of at least 1",
    ),
    ("separable_conv2d", "too large"): ((IMAGES, 2, 5), {}, ValueError, "a valid window must fit into"),
    ("separable_conv2d", "both"): (
        (IMAGES, 2, 2, 2),
        {"dilation_rate": (1, 2)},
        ValueError,
        "strides above 1 and a dilation_rate above 1 do not go together",
    ),
}


@pytest.mark.parametrize("case", REFUSALS, ids=" ".join)
def test_layers_refuse(case):
    (inputs, *arguments), options, error, text = REFUSALS[case]
    if inputs is v1.placeholder:
        inputs = v1.placeholder(tf.float32, (None, 4, 4, None))
    with pytest.raises(error, match=f"^{case[0]}: {re.escape(text)}"):
        getattr(gk, case[0])(inputs, *arguments, **options)
    assert not v1.global_variables()


@each_layer
def test_a_finalized_graph_takes_no_layer(fresh_graph, layer):
    inputs = tf.zeros((2, 4, 3) if layer == "conv1d" else (2, 4, 4, 3))
    fresh_graph.finalize()
    with pytest.raises(RuntimeError, match=rf"^{layer}: .*finalized.*{re.escape(__file__)}:\d+$"):
        getattr(gk, layer)(inputs, 5, *([] if layer == "conv1x1" else [2]))
