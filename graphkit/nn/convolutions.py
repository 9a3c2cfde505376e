"""Convolutions: trained filters that move over images or sequences, and what every kind of them shares."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from graphkit import checks
from graphkit.nn import activations, data_formats, initializers, scopes, tensors, windows
from graphkit.nn.bias import add_bias_variable
from graphkit.nn.variables import Constraint, Initializer, Regularizer, VariableSpec, get_variable

__all__ = ["conv1d", "conv1x1", "conv2d"]


def conv2d(
    inputs: tensors.TensorLike,
    filters: int,
    kernel_size: windows.Sizes,
    strides: windows.Sizes = (1, 1),
    padding: str = "valid",
    data_format: str = "channels_last",
    dilation_rate: windows.Sizes = (1, 1),
    activation: activations.Activation | None = None,
    use_bias: bool = True,
    kernel_initializer: Initializer | None = None,
    bias_initializer: Initializer | None = initializers.zeros(),  # noqa: B008
    kernel_regularizer: Regularizer | None = None,
    bias_regularizer: Regularizer | None = None,
    activity_regularizer: Regularizer | None = None,
    kernel_constraint: Constraint | None = None,
    bias_constraint: Constraint | None = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: scopes.Reuse = None,
) -> tf.Tensor:
    """Convolves images with trained filters, as `tf.layers.conv2d` did.

    Args:
      inputs: floating-point (batch, height, width, channels), or (batch, channels, height, width) with
        data_format "channels_first".
      filters: how many filters, which is the number of output channels.
      kernel_size: an integer or (height, width), in pixels.
      strides: an integer or (down, right), in pixels.
      padding: "valid" keeps the kernel inside the image, "same" pads with zeros so that the output has
        ceil(size / stride) pixels.
      data_format: "channels_last" or "channels_first". On a CPU the latter needs oneDNN, which is on
        if graphkit is imported before TensorFlow or the environment variable TF_ENABLE_ONEDNN_OPTS is 1.
      dilation_rate: an integer or (down, right): distance between neighbouring taps, in pixels; where it is
        not 1, strides must be 1.
      activation: a function of a tensor, such as `gk.relu`, or a name such as "relu"; None for none.
      use_bias: whether each filter has a bias.
      kernel_initializer: None takes the variable scope's, or else Glorot's uniform.
      bias_initializer: of the bias.
      kernel_regularizer: a function kernel -> scalar loss, added to REGULARIZATION_LOSSES.
      bias_regularizer: likewise for the bias.
      activity_regularizer: likewise for the output.
      kernel_constraint: a function that the optimizer applies to the kernel after each update.
      bias_constraint: likewise for the bias.
      trainable: whether the variables are added to TRAINABLE_VARIABLES.
      name: variable scope of the layer; unnamed ones are numbered conv2d, conv2d_1, …
      reuse: whether to reuse the variables of an earlier layer of that name.

    Returns:
      (batch, new height, new width, filters), or channels first; the sizes are `gk.sizes.output_size`'s.

    Variables:
      `<name>/kernel` (kernel height, kernel width, channels, filters) and `<name>/bias` (filters,).

    Raises:
      TypeError: `inputs` is not a floating-point tensor.
      ValueError: an argument is out of its range, or the variables exist and reuse is not set.

    Formula: out[b, y, x, f] = bias[f] + sum over i, j, c of
      kernel[i, j, c, f] * in[b, y * stride + i * dilation, x * stride + j * dilation, c]

    Example:
      >>> images = gk.image_input(28, 28, 1)
      >>> gk.conv2d(images, 32, 5, padding="same", activation=gk.relu, name="conv1").shape.as_list()
      [None, 28, 28, 32]
    """
    layer = check_convolution(
        "conv2d", 2, inputs, filters, kernel_size, strides, padding, data_format, dilation_rate
    )
    windows.check_fits(layer.check, layer.inputs, layer.window)
    kernel = VariableSpec("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
    bias = VariableSpec("bias", bias_initializer, bias_regularizer, bias_constraint)
    return build(
        layer,
        convolve,
        [(kernel, (*layer.window.size, layer.channels, layer.filters))],
        bias if use_bias else None,
        activation,
        activity_regularizer,
        trainable,
        name,
        reuse,
    )


def conv1x1(
    inputs: tensors.TensorLike,
    filters: int,
    activation: activations.Activation | None = None,
    *,
    use_bias: bool = True,
    name: str | None = None,
    reuse: scopes.Reuse = None,
) -> tf.Tensor:
    """Mixes the channels of each pixel: a convolution whose kernel is one pixel wide.

    A small network over the channels that is run at each pixel alike; it makes an image deeper or
    shallower for few parameters.

    Args:
      inputs: floating-point (batch, height, width, channels).
      filters: how many output channels.
      activation: a function of a tensor, such as `gk.relu`, or a name such as "relu"; None for none.
      use_bias: whether each filter has a bias.
      name: variable scope of the layer; unnamed ones are numbered conv1x1, conv1x1_1, …
      reuse: whether to reuse the variables of an earlier layer of that name.

    Returns:
      (batch, height, width, filters).

    Variables:
      `<name>/kernel` (1, 1, channels, filters) and `<name>/bias` (filters,).

    Raises:
      TypeError: `inputs` is not a floating-point tensor.
      ValueError: an argument is out of its range, or the variables exist and reuse is not set.

    Source: M. Lin et al., "Network in network", ICLR 2014.

    Example:
      >>> gk.conv1x1(gk.image_input(14, 14, 64), 16, activation=gk.relu).shape.as_list()
      [None, 14, 14, 16]
    """
    check = checks.Checker("conv1x1")
    inputs = tensors.float_tensor(check, "inputs", inputs, rank=4)
    filters = check.integer("filters", filters)
    activation = activations.check_activation(check, activation)
    with scopes.layer_scope(check, name, reuse=reuse) as scope:
        return conv2d(inputs, filters, 1, activation=activation, use_bias=use_bias, name=scope, reuse=reuse)


def conv1d(
    inputs: tensors.TensorLike,
    filters: int,
    kernel_size: windows.Sizes,
    strides: windows.Sizes = 1,
    padding: str = "valid",
    data_format: str = "channels_last",
    dilation_rate: windows.Sizes = 1,
    activation: activations.Activation | None = None,
    use_bias: bool = True,
    kernel_initializer: Initializer | None = None,
    bias_initializer: Initializer | None = initializers.zeros(),  # noqa: B008
    kernel_regularizer: Regularizer | None = None,
    bias_regularizer: Regularizer | None = None,
    activity_regularizer: Regularizer | None = None,
    kernel_constraint: Constraint | None = None,
    bias_constraint: Constraint | None = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: scopes.Reuse = None,
) -> tf.Tensor:
    """Convolves sequences with trained filters, as `tf.layers.conv1d` did.

    Args:
      inputs: floating-point (batch, length, channels), or (batch, channels, length) with data_format
        "channels_first".
      filters: how many filters, which is the number of output channels.
      kernel_size: length of the kernel, in steps of the sequence.
      strides: an integer, in steps of the sequence.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first". On a CPU the latter needs oneDNN, which is on
        if graphkit is imported before TensorFlow or the environment variable TF_ENABLE_ONEDNN_OPTS is 1.
      dilation_rate: distance between neighbouring taps; where it is not 1, strides must be 1.
      activation: a function of a tensor, such as `gk.relu`, or a name such as "relu"; None for none.
      use_bias: whether each filter has a bias.
      kernel_initializer: None takes the variable scope's, or else Glorot's uniform.
      bias_initializer: of the bias.
      kernel_regularizer: a function kernel -> scalar loss, added to REGULARIZATION_LOSSES.
      bias_regularizer: likewise for the bias.
      activity_regularizer: likewise for the output.
      kernel_constraint: a function that the optimizer applies to the kernel after each update.
      bias_constraint: likewise for the bias.
      trainable: whether the variables are added to TRAINABLE_VARIABLES.
      name: variable scope of the layer; unnamed ones are numbered conv1d, conv1d_1, …
      reuse: whether to reuse the variables of an earlier layer of that name.

    Returns:
      (batch, new length, filters), or channels first; the length is `gk.sizes.output_size`'s.

    Variables:
      `<name>/kernel` (kernel length, channels, filters) and `<name>/bias` (filters,).

    Raises:
      TypeError: `inputs` is not a floating-point tensor.
      ValueError: an argument is out of its range, or the variables exist and reuse is not set.

    Example:
      >>> sequences = tf.compat.v1.placeholder(tf.float32, (None, 100, 8))
      >>> gk.conv1d(sequences, 16, 5, strides=2).shape.as_list()
      [None, 48, 16]
    """
    layer = check_convolution(
        "conv1d", 1, inputs, filters, kernel_size, strides, padding, data_format, dilation_rate
    )
    windows.check_fits(layer.check, layer.inputs, layer.window)
    kernel = VariableSpec("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
    bias = VariableSpec("bias", bias_initializer, bias_regularizer, bias_constraint)
    return build(
        layer,
        convolve,
        [(kernel, (*layer.window.size, layer.channels, layer.filters))],
        bias if use_bias else None,
        activation,
        activity_regularizer,
        trainable,
        name,
        reuse,
    )


class Convolution(NamedTuple):
    """The checked arguments that all convolutions share."""

    check: checks.Checker
    inputs: tf.Tensor
    channels: int  # of the inputs
    filters: int
    window: windows.Window


def check_convolution(
    function: str,
    axes: int,
    inputs: tensors.TensorLike,
    filters: int,
    kernel_size: windows.Sizes,
    strides: windows.Sizes,
    padding: str,
    data_format: str,
    dilation_rate: windows.Sizes = 1,
) -> Convolution:
    """Checks the arguments that all convolutions share; `axes` is 2 for images and 1 for sequences."""
    check = checks.Checker(function)
    inputs = tensors.float_tensor(check, "inputs", inputs, rank=axes + 2)
    filters = check.integer("filters", filters, whole_floats=True)
    window = windows.check_window(
        check, axes, "kernel_size", kernel_size, strides, padding, data_format, dilation_rate
    )
    axis = data_formats.channel_axis(window.data_format)
    return Convolution(check, inputs, tensors.static_size(check, "inputs", inputs, axis), filters, window)


def build(
    layer: Convolution,
    convolve: Callable[..., tf.Tensor],
    kernels: Sequence[tuple[VariableSpec, Sequence[int]]],
    bias: VariableSpec | None,
    activation: activations.Activation | None,
    activity_regularizer: Regularizer | None,
    trainable: bool,
    name: str | None,
    reuse: scopes.Reuse,
) -> tf.Tensor:
    """Makes a convolution: its scope, kernels, what it computes from them, bias and activation.

    Args:
      layer: the checked arguments.
      convolve: function (inputs, window, *kernels) -> outputs without bias.
      kernels: for each kernel its spec and its shape.
      bias: spec of the bias; None for no bias.
      activation: of the layer, like the arguments after it.
    """
    activation = activations.check_activation(layer.check, activation)
    dtype = layer.inputs.dtype.base_dtype
    with scopes.layer_scope(layer.check, name, reuse=reuse):
        made = [get_variable(layer.check, spec, shape, dtype, trainable) for spec, shape in kernels]
        outputs = convolve(layer.inputs, layer.window, *made)
        if bias is not None:
            outputs = add_bias_variable(layer.check, outputs, bias, layer.window.data_format, trainable)
        return activations.activate(layer.check, outputs, activation, activity_regularizer)


def convolve(
    inputs: tf.Tensor, window: windows.Window, kernel: tf.Variable, name: str | None = None
) -> tf.Tensor:
    """Convolves sequences, images or volumes."""
    # nn.convolution writes a dilated convolution as a plain one over a rearranged batch. nn.conv2d hands the
    # dilation to its kernel, and not every CPU kernel has the gradient of that.
    return tf.nn.convolution(
        inputs,
        kernel,
        window.strides,
        window.padding.upper(),
        window.op_format,
        window.dilation_rate,
        name=name,
    )
