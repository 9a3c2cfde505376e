"""What help and editors show of the functions and classes: the arguments of TensorFlow 1.15, in its order."""

import inspect

import pytest

import graphkit.tf1 as tf

KERNEL = (
    "activation use_bias kernel_initializer bias_initializer kernel_regularizer bias_regularizer "
    "activity_regularizer kernel_constraint bias_constraint trainable name"
)
WINDOW = "filters kernel_size strides padding data_format"
ARGUMENTS = {
    "dense": f"units {KERNEL} reuse",
    "conv1d": f"{WINDOW} dilation_rate {KERNEL} reuse",
    "conv2d": f"{WINDOW} dilation_rate {KERNEL} reuse",
    "conv3d": f"{WINDOW} dilation_rate {KERNEL} reuse",
    "conv2d_transpose": f"{WINDOW} {KERNEL} reuse",
    "conv3d_transpose": f"{WINDOW} {KERNEL} reuse",
    "separable_conv2d": f"{WINDOW} dilation_rate depth_multiplier activation use_bias depthwise_initializer "
    "pointwise_initializer bias_initializer depthwise_regularizer pointwise_regularizer bias_regularizer "
    "activity_regularizer depthwise_constraint pointwise_constraint bias_constraint trainable name reuse",
    "max_pooling2d": "pool_size strides padding data_format name",
    "average_pooling1d": "pool_size strides padding data_format name",
    "batch_normalization": "axis momentum epsilon center scale beta_initializer gamma_initializer "
    "moving_mean_initializer moving_variance_initializer beta_regularizer gamma_regularizer beta_constraint "
    "gamma_constraint training trainable name reuse renorm renorm_clipping renorm_momentum fused "
    "virtual_batch_size adjustment",
    "dropout": "rate noise_shape seed training name",
    "flatten": "name data_format",
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_of_functions(name):
    function = getattr(tf.layers, name)
    signature = inspect.signature(function)
    assert [*signature.parameters] == ["inputs", *ARGUMENTS[name].split()]
    assert function.__doc__


def test_defaults():
    parameters = inspect.signature(tf.layers.batch_normalization).parameters
    defaults = [parameters[name].default for name in ("momentum", "training", "trainable", "reuse", "fused")]
    assert defaults == [0.99, False, True, None, None]
    assert inspect.signature(tf.layers.conv2d).parameters["strides"].default == 1


def test_arguments_of_classes_and_of_those_derived_from_them():
    class Own(tf.layers.Dense):
        def __init__(self, sizes):
            super().__init__(sizes)

    assert [*inspect.signature(Own).parameters] == ["sizes"]
    wanted = f"{WINDOW} {KERNEL} _reuse kwargs".split()
    assert [*inspect.signature(tf.layers.Conv2DTranspose).parameters] == wanted


@pytest.mark.parametrize("name", ["dense", "conv1d", "conv2d_transpose", "separable_conv2d"])
def test_arguments_by_position_are_those_that_are_shown(name):
    function = getattr(tf.layers, name)
    inputs = tf.ones([2, 8, 8, 3][: 3 if name == "conv1d" else 4])
    given = {"units": 4, "filters": 4, "kernel_size": 3}
    by_position = []
    for parameter in [*inspect.signature(function).parameters.values()][1:-2]:  # without name and reuse
        by_position.append(given.get(parameter.name, parameter.default))
    by_position[[*inspect.signature(function).parameters].index("use_bias") - 1] = False
    function(inputs, *by_position, "own")
    made = [variable.op.name for variable in tf.trainable_variables()]
    assert made and all(one.startswith("own/") and one.endswith("kernel") for one in made)
