"""Transposed convolutions: convolutions run from their output to their input."""

import tensorflow as tf

from graphkit.nn import activations, convolutions, data_formats, initializers, scopes, tensors, windows
from graphkit.nn.variables import Constraint, Initializer, Regularizer, VariableSpec

__all__ = ["conv2d_transpose"]

OPS = {2: tf.nn.conv2d_transpose, 3: tf.nn.conv3d_transpose}  # by the number of spatial axes


def conv2d_transpose(
    inputs: tensors.TensorLike,
    filters: int,
    kernel_size: windows.Sizes,
    strides: windows.Sizes = (1, 1),
    padding: str = "valid",
    data_format: str = "channels_last",
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
    """Runs a convolution backwards, from its output to its input, as `tf.layers.conv2d_transpose` did.

    It is the gradient of `conv2d` with respect to its inputs, and makes images larger.

    Args:
      inputs: floating-point (batch, height, width, channels), or channels first.
      filters: how many output channels.
      kernel_size: an integer or (height, width), in pixels.
      strides: an integer or (down, right), in pixels of the output for one of the input.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first". On a CPU the latter needs oneDNN, which is on
        if graphkit is imported before TensorFlow or the environment variable TF_ENABLE_ONEDNN_OPTS is 1.
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
      name: variable scope of the layer; unnamed ones are numbered conv2d_transpose, …_1, …
      reuse: whether to reuse the variables of an earlier layer of that name.

    Returns:
      (batch, new height, new width, filters), or channels first. A size becomes size * stride with
      "same", and size * stride + max(kernel - stride, 0) with "valid".

    Variables:
      `<name>/kernel` (kernel height, kernel width, filters, channels) and `<name>/bias` (filters,).

    Raises:
      TypeError: `inputs` is not a floating-point tensor.
      ValueError: an argument is out of its range, or the variables exist and reuse is not set.

    Source: M. Zeiler et al., "Deconvolutional networks", CVPR 2010.

    Example:
      >>> gk.conv2d_transpose(gk.image_input(7, 7, 64), 32, 3, strides=2, padding="same").shape.as_list()
      [None, 14, 14, 32]
    """
    layer = convolutions.check_convolution(
        "conv2d_transpose", 2, inputs, filters, kernel_size, strides, padding, data_format
    )
    kernel = VariableSpec("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
    bias = VariableSpec("bias", bias_initializer, bias_regularizer, bias_constraint)
    return convolutions.build(
        layer,
        convolve_transposed,
        [(kernel, (*layer.window.size, layer.filters, layer.channels))],
        bias if use_bias else None,
        activation,
        activity_regularizer,
        trainable,
        name,
        reuse,
    )


def convolve_transposed(inputs: tf.Tensor, window: windows.Window, kernel: tf.Variable) -> tf.Tensor:
    """Runs a convolution of images or volumes backwards."""
    filters = kernel.shape.as_list()[-2]
    static = window.transposed_shape(inputs.shape.as_list(), filters)
    dynamic = tf.stack(window.transposed_shape(tf.unstack(tf.shape(inputs)), filters))
    strides = data_formats.per_axis(window.strides, window.data_format)
    outputs = OPS[len(window.size)](
        inputs, kernel, dynamic, strides, window.padding.upper(), window.op_format
    )
    return tf.ensure_shape(outputs, static)  # from the dynamic shape, TensorFlow infers no sizes
