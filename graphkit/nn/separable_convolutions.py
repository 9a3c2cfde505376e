"""Separable convolutions: each channel convolved by itself, then the channels mixed."""

import tensorflow as tf

from graphkit.nn import activations, convolutions, data_formats, initializers, scopes, tensors, windows
from graphkit.nn.variables import Constraint, Initializer, Regularizer, VariableSpec

__all__ = ["separable_conv2d"]


def separable_conv2d(
    inputs: tensors.TensorLike,
    filters: int,
    kernel_size: windows.Sizes,
    strides: windows.Sizes = (1, 1),
    padding: str = "valid",
    data_format: str = "channels_last",
    dilation_rate: windows.Sizes = (1, 1),
    depth_multiplier: int = 1,
    activation: activations.Activation | None = None,
    use_bias: bool = True,
    depthwise_initializer: Initializer | None = None,
    pointwise_initializer: Initializer | None = None,
    bias_initializer: Initializer | None = initializers.zeros(),  # noqa: B008
    depthwise_regularizer: Regularizer | None = None,
    pointwise_regularizer: Regularizer | None = None,
    bias_regularizer: Regularizer | None = None,
    activity_regularizer: Regularizer | None = None,
    depthwise_constraint: Constraint | None = None,
    pointwise_constraint: Constraint | None = None,
    bias_constraint: Constraint | None = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: scopes.Reuse = None,
) -> tf.Tensor:
    """Convolves each channel by itself, then mixes the channels, as `tf.layers.separable_conv2d` did.

    Args:
      inputs: floating-point (batch, height, width, channels), or channels first.
      filters: how many output channels.
      kernel_size: an integer or (height, width), in pixels.
      strides: an integer or (down, right), in pixels; both alike.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first". On a CPU the latter needs oneDNN, which is on
        if graphkit is imported before TensorFlow or the environment variable TF_ENABLE_ONEDNN_OPTS is 1.
      dilation_rate: an integer or (down, right); where it is not 1, strides must be 1.
      depth_multiplier: how many filters each channel has.
      activation: a function of a tensor, such as `gk.relu`, or a name such as "relu"; None for none.
      use_bias: whether each filter has a bias.
      depthwise_initializer: None takes the variable scope's, or else Glorot's uniform.
      pointwise_initializer: likewise.
      bias_initializer: of the bias.
      depthwise_regularizer: a function kernel -> scalar loss, added to REGULARIZATION_LOSSES.
      pointwise_regularizer: likewise.
      bias_regularizer: likewise for the bias.
      activity_regularizer: likewise for the output.
      depthwise_constraint: a function that the optimizer applies to the kernel after each update.
      pointwise_constraint: likewise.
      bias_constraint: likewise for the bias.
      trainable: whether the variables are added to TRAINABLE_VARIABLES.
      name: variable scope of the layer; unnamed ones are numbered separable_conv2d, …_1, …
      reuse: whether to reuse the variables of an earlier layer of that name.

    Returns:
      (batch, new height, new width, filters), or channels first; the sizes are `gk.sizes.output_size`'s.

    Variables:
      `<name>/depthwise_kernel` (kernel height, kernel width, channels, depth_multiplier),
      `<name>/pointwise_kernel` (1, 1, channels * depth_multiplier, filters), `<name>/bias` (filters,).

    Raises:
      TypeError: `inputs` is not a floating-point tensor.
      ValueError: an argument is out of its range, or the variables exist and reuse is not set.

    Source: F. Chollet, "Xception: deep learning with depthwise separable convolutions", CVPR 2017.

    Example:
      >>> gk.separable_conv2d(gk.image_input(14, 14, 8), 16, 3, padding="same").shape.as_list()
      [None, 14, 14, 16]
    """
    layer = convolutions.check_convolution(
        "separable_conv2d", 2, inputs, filters, kernel_size, strides, padding, data_format, dilation_rate
    )
    check, window = layer.check, layer.window
    # The kernel of tf.nn.separable_conv2d takes one stride for both directions.
    check.require(window.strides[0] == window.strides[1], "strides must be alike", strides=window.strides)
    windows.check_fits(check, layer.inputs, window)
    depth_multiplier = check.integer("depth_multiplier", depth_multiplier, whole_floats=True)
    depthwise = VariableSpec(
        "depthwise_kernel", depthwise_initializer, depthwise_regularizer, depthwise_constraint
    )
    pointwise = VariableSpec(
        "pointwise_kernel", pointwise_initializer, pointwise_regularizer, pointwise_constraint
    )
    bias = VariableSpec("bias", bias_initializer, bias_regularizer, bias_constraint)
    return convolutions.build(
        layer,
        convolve_separably,
        [
            (depthwise, (*window.size, layer.channels, depth_multiplier)),
            (pointwise, (1, 1, layer.channels * depth_multiplier, layer.filters)),
        ],
        bias if use_bias else None,
        activation,
        activity_regularizer,
        trainable,
        name,
        reuse,
    )


def convolve_separably(
    inputs: tf.Tensor, window: windows.Window, depthwise: tf.Variable, pointwise: tf.Variable
) -> tf.Tensor:
    """Convolves each channel of images or sequences by itself, then mixes the channels."""
    if len(window.size) == 1:  # as images of height 1
        axis = data_formats.spatial_axes(window.data_format, 1)[0]
        kernels = tf.expand_dims(depthwise, 0), tf.expand_dims(pointwise, 0)
        flat = window._replace(
            size=(1, *window.size), strides=window.strides * 2, dilation_rate=(1, *window.dilation_rate)
        )
        return tf.squeeze(convolve_separably(tf.expand_dims(inputs, axis), flat, *kernels), [axis])
    strides = data_formats.per_axis(window.strides, window.data_format)
    return tf.nn.separable_conv2d(
        inputs,
        depthwise,
        pointwise,
        strides,
        window.padding.upper(),
        window.op_format,
        window.dilation_rate,
    )
