"""Convolutions of `tf.layers`, argument by argument from TensorFlow 1.15's documentation."""

import itertools

import numpy as np
import pytest
from references import assert_agree, assert_gradients, names, normal, refused, run, to_format
from tf1.layers.definitions import convolved, separated, spread

import graphkit.tf1 as tf

L2 = tf.nn.l2_loss
SIZES = {1: (7,), 2: (7, 6), 3: (5, 6, 4)}
KERNELS = {1: (3,), 2: (3, 2), 3: (2, 3, 1)}


def spaced(array, seed=0):
    return tf.constant_initializer(normal(*array, seed=seed))


def with_kernel(layer, inputs, kernels):
    """Calls a layer whose kernels have these values, and whose bias is 1, 2, …"""
    names_of = ["depthwise", "pointwise"] if len(kernels) == 2 else ["kernel"]
    made = layer(
        bias_initializer=lambda shape, dtype, partition_info=None: tf.cast(tf.range(1, shape[0] + 1), dtype),
        **{
            f"{name}_initializer": tf.constant_initializer(kernel)
            for name, kernel in zip(names_of, kernels, strict=True)
        },
    )
    outputs = made(tf.constant(inputs))
    assert made.compute_output_shape(inputs.shape) == outputs.shape
    unknown = made.compute_output_shape([None, *([None] * (inputs.ndim - 2)), inputs.shape[-1]])
    assert (
        unknown.as_list() == [None] * (inputs.ndim - 1) + [made.filters]
        or made.data_format != "channels_last"
    )
    return outputs


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_values_and_shapes(rank):
    cases, layers = {}, {1: tf.layers.Conv1D, 2: tf.layers.Conv2D, 3: tf.layers.Conv3D}
    inputs, kernel = normal(2, *SIZES[rank], 4), normal(*KERNELS[rank], 4, 5, seed=1)
    for padding, (strides, dilation) in itertools.product(["same", "valid"], [(1, 1), (2, 1), (1, 2)]):
        expected = convolved(inputs, kernel, padding=padding, strides=strides, dilation=dilation)

        def layer(padding=padding, strides=strides, dilation=dilation, **arguments):
            size = KERNELS[rank]
            return layers[rank](5, size, strides, padding, dilation_rate=dilation, **arguments)

        label = padding, strides, dilation
        cases[label] = (with_kernel(layer, inputs, [kernel]), expected + np.arange(1, 6))
    assert_agree(cases)


@pytest.mark.parametrize("rank", [2, 3])
def test_values_and_shapes_of_transposed_ones(rank):
    cases, layers = {}, {2: tf.layers.Conv2DTranspose, 3: tf.layers.Conv3DTranspose}
    inputs, kernel = normal(2, *SIZES[rank], 4), normal(*KERNELS[rank], 5, 4, seed=1)
    for padding, strides in itertools.product(["same", "valid"], [1, 2, 3]):
        layer = lambda padding=padding, strides=strides, **arguments: layers[rank](  # noqa: E731
            5, KERNELS[rank], strides, padding, **arguments
        )
        expected = spread(inputs, kernel, strides, padding) + np.arange(1, 6)
        cases[padding, strides] = (with_kernel(layer, inputs, [kernel]), expected)
    assert_agree(cases, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rank", [1, 2])
def test_values_and_shapes_of_separable_ones(rank):
    cases, layers = {}, {1: tf.layers.SeparableConv1D, 2: tf.layers.SeparableConv2D}
    inputs, deep = normal(2, *SIZES[rank], 4), normal(*KERNELS[rank], 4, 2, seed=1)
    mixing = normal(*(1,) * rank, 8, 5, seed=2)
    for padding, (strides, dilation) in itertools.product(["same", "valid"], [(1, 1), (2, 1), (1, 2)]):
        expected = separated(inputs, deep, mixing, padding=padding, strides=strides, dilation=dilation)

        def layer(padding=padding, strides=strides, dilation=dilation, **arguments):
            arguments |= {"dilation_rate": dilation, "depth_multiplier": 2}
            return layers[rank](5, KERNELS[rank], strides, padding, **arguments)

        label = padding, strides, dilation
        cases[label] = (with_kernel(layer, inputs, [deep, mixing]), expected + np.arange(1, 6))
    assert_agree(cases, rtol=1e-4, atol=1e-4)


def test_channels_first():
    cases = {}
    for rank, function in ((1, tf.layers.conv1d), (2, tf.layers.conv2d)):
        inputs, kernel = normal(2, *SIZES[rank], 4), normal(*KERNELS[rank], 4, 8, seed=1)
        first = tf.constant(to_format(inputs, "channels_first"))
        initializer = tf.constant_initializer(kernel)
        outputs = function(
            first, 8, KERNELS[rank], 1, "same", "channels_first", kernel_initializer=initializer
        )
        cases[rank] = (outputs, to_format(convolved(inputs, kernel, padding="same"), "channels_first"))
    assert_agree(cases, rtol=1e-4, atol=1e-4)
    for layer in (tf.layers.Conv3D, tf.layers.Conv3DTranspose):
        made = layer(3, 2, data_format="channels_first", padding="same")
        assert made.compute_output_shape((2, 4, 5, 6, 7)).as_list() == [2, 3, 5, 6, 7]


def test_gradients():
    sequences = tf.placeholder(tf.float64, (2, 7, 3))
    volumes = tf.placeholder(tf.float64, (2, 4, 3, 4, 2))
    tf.get_variable_scope().set_initializer(tf.truncated_normal_initializer(seed=1))
    outputs = [
        tf.layers.separable_conv1d(sequences, 4, 3, 2, "same", depth_multiplier=2),
        tf.layers.separable_conv1d(sequences, 4, 3, dilation_rate=2),
        tf.layers.conv3d(volumes, 3, 2, (1, 2, 1), "same"),
        tf.layers.conv3d_transpose(volumes, 3, (1, 2, 3), 2),
    ]
    point = {sequences: normal(2, 7, 3, dtype=np.float64), volumes: normal(2, 4, 3, 4, 2, dtype=np.float64)}
    assert_gradients(tf.concat([tf.reshape(part, [-1]) for part in outputs], 0), point)


FUNCTIONS = {
    "conv1d": (1, {"kernel": (3, 4, 5)}),
    "conv2d": (2, {"kernel": (3, 3, 4, 5)}),
    "conv3d": (3, {"kernel": (3, 3, 3, 4, 5)}),
    "conv2d_transpose": (2, {"kernel": (3, 3, 5, 4)}),
    "conv3d_transpose": (3, {"kernel": (3, 3, 3, 5, 4)}),
    "separable_conv1d": (1, {"depthwise_kernel": (3, 4, 1), "pointwise_kernel": (1, 4, 5)}),
    "separable_conv2d": (2, {"depthwise_kernel": (3, 3, 4, 1), "pointwise_kernel": (1, 1, 4, 5)}),
}


def some(rank):
    return tf.placeholder(tf.float32, [None, *[8] * rank, 4])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_variables_and_op_names(name):
    rank, kernels = FUNCTIONS[name]
    function, inputs = getattr(tf.layers, name), some(rank)
    outputs = [
        function(inputs, 5, 3, activation=tf.nn.relu),
        function(inputs, 5, 3, activation=tf.nn.relu),
        function(inputs, 5, 3, activation="relu", name="q"),
        function(inputs, 5, 3, activation="relu", name="q", reuse=True),
    ]
    assert names(outputs) == [f"{name}/Relu:0", f"{name}_1/Relu:0", "q/Relu:0", "q_1/Relu:0"]
    made = {variable.op.name: tuple(variable.shape.as_list()) for variable in tf.trainable_variables()}
    expected = {
        f"{scope}/{part}": shape for scope in (name, f"{name}_1", "q") for part, shape in kernels.items()
    }
    assert made == {**expected, **{f"{scope}/bias": (5,) for scope in (name, f"{name}_1", "q")}}
    with pytest.raises(ValueError, match="already exists"):
        function(inputs, 5, 3, name="q")
    with pytest.raises(ValueError, match="specified shape"):
        function(inputs, 6, 3, name="q", reuse=True)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_arguments_for_variables(name):
    rank, kernels = FUNCTIONS[name]
    kinds = [kernel.removesuffix("_kernel") for kernel in kernels]
    arguments = {f"{kind}_initializer": "ones" for kind in kinds} | {
        "bias_initializer": tf.ones_initializer()
    }
    arguments |= {f"{kind}_regularizer": L2 for kind in [*kinds, "bias"]}
    arguments |= {f"{kind}_constraint": tf.abs for kind in [*kinds, "bias"]}
    getattr(tf.layers, name)(some(rank), 5, 3, name="q", activity_regularizer=L2, **arguments)
    variables = tf.trainable_variables()
    assert all(np.all(value == 1) for value in run(variables))
    assert all(variable.constraint is tf.abs for variable in variables)
    losses = [f"q/{kernel}/Regularizer/L2Loss:0" for kernel in [*kernels, "bias"]]
    assert names(tf.losses.get_regularization_losses()) == [*losses, "q/ActivityRegularizer/truediv:0"]
    getattr(tf.layers, name)(some(rank), 5, 3, use_bias=False, trainable=False)
    assert tf.trainable_variables() == variables and len(tf.global_variables()) == len([*variables, *kernels])


TAIL = [None, True, None, tf.zeros_initializer(), None, None, None, None, None, True, "q", None]
SEPARABLE = [None, True, None, None, tf.zeros_initializer(), *[None] * 7, True, "q", None]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("conv1d", [5, 3, 1, "valid", "channels_last", 1, *TAIL]),
        ("conv2d", [5, 3, (1, 1), "valid", "channels_last", (1, 1), *TAIL]),
        ("conv3d", [5, 3, (1, 1, 1), "valid", "channels_last", (1, 1, 1), *TAIL]),
        ("conv2d_transpose", [5, 3, (1, 1), "valid", "channels_last", *TAIL]),
        ("conv3d_transpose", [5, 3, (1, 1, 1), "valid", "channels_last", *TAIL]),
        ("separable_conv1d", [5, 3, 1, "valid", "channels_last", 1, 1, *SEPARABLE]),
        ("separable_conv2d", [5, 3, (1, 1), "valid", "channels_last", (1, 1), 1, *SEPARABLE]),
    ],
)
def test_all_arguments_by_place(name, arguments):
    rank, kernels = FUNCTIONS[name]
    outputs = getattr(tf.layers, name)(some(rank), *arguments)
    assert names(tf.global_variables()) == [f"q/{kernel}:0" for kernel in [*kernels, "bias"]]
    again = getattr(tf.layers, name)(some(rank), *arguments[:-1], True)
    assert outputs.shape.as_list() == again.shape.as_list() and len(tf.global_variables()) == len(kernels) + 1


def test_a_layer_that_is_built_before_it_is_called():
    layer = tf.layers.Conv2D(8, (3, 3), padding="SAME", name="q", activation=tf.nn.relu)
    layer.build((None, 28, 28, 1))
    assert layer.kernel.shape.as_list() == [3, 3, 1, 8] and layer.bias.shape.as_list() == [8]
    assert (layer.filters, layer.kernel_size, layer.strides, layer.padding) == (8, (3, 3), (1, 1), "same")
    images = tf.placeholder(tf.float32, [None, 28, 28, 1])
    assert names([layer(images), layer.apply(images)]) == ["q/Relu:0", "q/Relu_1:0"]
    assert layer.variables == [layer.kernel, layer.bias] == tf.trainable_variables()
    with pytest.raises(ValueError, match="expected axis -1 of input shape to have value 1"):
        layer(tf.placeholder(tf.float32, [None, 28, 28, 3]))


def test_sizes_may_be_dimensions():
    images = some(2)
    outputs = tf.layers.conv2d(images, images.shape[3], (images.shape[1], 1))
    assert outputs.shape.as_list() == [None, 1, 8, 4]


def test_a_partitioned_kernel():
    with tf.variable_scope("s", partitioner=tf.fixed_size_partitioner(2, axis=3)):
        outputs = tf.layers.conv2d(tf.ones([1, 4, 4, 2]), 6, 2, kernel_initializer="ones", use_bias=False)
    assert names(tf.global_variables()) == ["s/conv2d/kernel/part_0:0", "s/conv2d/kernel/part_1:0"]
    assert run(outputs).tolist() == np.full([1, 3, 3, 6], 8).tolist()


def test_a_subclass():
    class Causal(tf.layers.Conv1D):
        """A convolution that sees no later step, as programs write it."""

        def call(self, inputs):
            missing = (self.kernel_size[0] - 1) * self.dilation_rate[0]
            return super().call(tf.pad(inputs, [[0, 0], [missing, 0], [0, 0]]))

    sequences = normal(2, 6, 3)
    layer = Causal(filters=4, kernel_size=3, dilation_rate=2, name="causal", dtype=tf.float32)
    outputs = layer(tf.constant(sequences))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        values, kernel = session.run([outputs, layer.kernel])
    padded = np.pad(sequences, [(0, 0), (4, 0), (0, 0)])
    np.testing.assert_allclose(values, convolved(padded, kernel, dilation=2), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"kernel_size": (1, 2, 3)}, ValueError, "Conv2D: kernel_size must be an integer or 2 integers"),
        ({"kernel_size": "3"}, ValueError, "Conv2D: kernel_size must be an integer"),
        ({"kernel_size": None}, ValueError, "Conv2D: kernel_size must be an integer"),
        ({"strides": 0}, ValueError, "Conv2D: strides must be an integer of at least 1"),
        ({"strides": 2, "dilation_rate": 2}, ValueError, "Conv2D: strides above 1 and a dilation_rate"),
        ({"padding": "full"}, ValueError, "Conv2D: padding must be one of"),
        ({"data_format": "NHWC"}, ValueError, "Conv2D: data_format must be one of"),
        ({"filters": 0}, ValueError, "Conv2D: filters must be an integer of at least 1"),
        ({"activation": "no such name"}, ValueError, "Conv2D: activation must be one of"),
        ({"activation": 4}, TypeError, "Conv2D: activation must be a function"),
        ({"kernel_initializer": "no such name"}, ValueError, "add_weight: the initializer of kernel"),
        ({"inputs": (None, 8, 4)}, ValueError, "Input 0 of layer conv2d_1 is incompatible with the layer"),
        ({"inputs": (None, 8, 8, None)}, ValueError, "Conv2D: the axis of the channels must have a known"),
        ({"unknown": 1}, TypeError, "('Keyword argument not understood:', 'unknown')"),
    ],
)
def test_refusals(arguments, error, message):
    arguments = {"inputs": (None, 8, 8, 4), "filters": 5, "kernel_size": 3, **arguments}
    arguments["inputs"] = tf.placeholder(tf.float32, arguments["inputs"])
    with refused(error, message):
        tf.layers.conv2d(**arguments)
