"""Convolutions: trained filters that move over images or sequences, as tf.layers had them."""

import tensorflow as tf

from graphkit import checks
from graphkit.nn import initializers, scopes
from graphkit.nn.parts import (
    DATA_FORMATS,
    activate,
    add_bias_variable,
    channel_axis,
    check_activation,
    check_window_fits,
    per_axis,
)

__all__ = ["conv1d", "conv1x1", "conv2d", "conv2d_transpose", "separable_conv2d"]


def conv2d(
    inputs,
    filters,
    kernel_size,
    strides=(1, 1),
    padding="valid",
    data_format="channels_last",
    dilation_rate=(1, 1),
    activation=None,
    use_bias=True,
    kernel_initializer=None,
    bias_initializer=initializers.zeros(),  # noqa: B008
    kernel_regularizer=None,
    bias_regularizer=None,
    activity_regularizer=None,
    kernel_constraint=None,
    bias_constraint=None,
    trainable=True,
    name=None,
    reuse=None,
):
    """Convolves images with trained filters, as `tf.layers.conv2d` did.

    Args:
      inputs: floating-point (batch, height, width, channels), or (batch, channels, height, width) with
        data_format "channels_first".
      filters: how many filters, which is the number of output channels.
      kernel_size: an integer or (height, width), in pixels.
      strides: an integer or (down, right), in pixels.
      padding: "valid" keeps the kernel inside the image, "same" pads with zeros so that the output has
        ceil(size / stride) pixels.
      data_format: "channels_last" or "channels_first"; a processor runs the latter with oneDNN alone, which
        the environment variable TF_ENABLE_ONEDNN_OPTS=1 switches on.
      dilation_rate: an integer or (down, right): distance of neighbouring taps, in pixels; where it is
        not 1, strides must be 1.
      activation: a function of a tensor, such as `gk.relu`; None for none.
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
      (batch, new height, new width, filters), or channels first; the sizes are `gk.output_size`'s.

    Variables:
      `<name>/kernel` (kernel height, kernel width, channels, filters) and `<name>/bias` (filters,).

    Raises:
      TypeError: `inputs` is no floating-point tensor.
      ValueError: an argument is out of its range, or the variables exist and reuse is not set.

    Formula: out[b, y, x, f] = bias[f] + sum over i, j, c of
      kernel[i, j, c, f] * in[b, y * stride + i * dilation, x * stride + j * dilation, c]

    Example:
      >>> images = gk.image_input(28, 28, 1)
      >>> gk.conv2d(images, 32, 5, padding="same", activation=gk.relu, name="conv1").shape.as_list()
      [None, 28, 28, 32]
    """
    function = "conv2d"
    inputs = scopes.float_tensor(function, "inputs", inputs, rank=4)
    filters = checks.integer(function, "filters", filters)
    kernel_size = checks.integers(function, "kernel_size", kernel_size, 2)
    strides = checks.integers(function, "strides", strides, 2)
    padding = checks.choice(function, "padding", padding, ("same", "valid"))
    data_format = checks.choice(function, "data_format", data_format, DATA_FORMATS)
    dilation_rate = check_dilation(function, dilation_rate, strides)
    check_window_fits(function, inputs, extents(kernel_size, dilation_rate), padding, data_format)
    check_activation(function, activation)
    channels = scopes.static_size(function, "inputs", inputs, channel_axis(data_format))
    with scopes.layer_scope(function, name, reuse=reuse):
        kernel = scopes.get_variable(
            "kernel",
            (*kernel_size, channels, filters),
            inputs.dtype.base_dtype,
            kernel_initializer,
            kernel_regularizer,
            kernel_constraint,
            trainable,
        )
        outputs = tf.nn.convolution(  # not nn.conv2d, whose dilated gradient not every CPU kernel has
            inputs,
            kernel,
            strides,
            padding.upper(),
            "NHWC" if data_format == "channels_last" else "NCHW",
            dilation_rate,
        )
        if use_bias:
            outputs = add_bias_variable(
                function, outputs, bias_initializer, bias_regularizer, bias_constraint, data_format, trainable
            )
        return activate(outputs, activation, activity_regularizer)


def conv1x1(inputs, filters, activation=None, use_bias=True, name=None, reuse=None):
    """Mixes the channels of each pixel: a convolution whose kernel is one pixel wide.

    A small network over the channels that is run at each pixel alike; it makes an image deeper or
    shallower for few parameters.

    Args:
      inputs: floating-point (batch, height, width, channels).
      filters: how many output channels.
      activation: a function of a tensor, such as `gk.relu`; None for none.
      use_bias: whether each filter has a bias.
      name: variable scope of the layer; unnamed ones are numbered conv1x1, conv1x1_1, …
      reuse: whether to reuse the variables of an earlier layer of that name.

    Returns:
      (batch, height, width, filters).

    Variables:
      `<name>/kernel` (1, 1, channels, filters) and `<name>/bias` (filters,).

    Raises:
      TypeError: `inputs` is no floating-point tensor.
      ValueError: an argument is out of its range, or the variables exist and reuse is not set.

    Source: M. Lin et al., "Network in network", ICLR 2014.

    Example:
      >>> gk.conv1x1(gk.image_input(14, 14, 64), 16, activation=gk.relu).shape.as_list()
      [None, 14, 14, 16]
    """
    inputs = scopes.float_tensor("conv1x1", "inputs", inputs, rank=4)
    filters = checks.integer("conv1x1", "filters", filters)
    check_activation("conv1x1", activation)
    with scopes.layer_scope("conv1x1", name, reuse=reuse) as scope:
        return conv2d(inputs, filters, 1, activation=activation, use_bias=use_bias, name=scope, reuse=reuse)


def conv1d(
    inputs,
    filters,
    kernel_size,
    strides=1,
    padding="valid",
    data_format="channels_last",
    dilation_rate=1,
    activation=None,
    use_bias=True,
    kernel_initializer=None,
    bias_initializer=initializers.zeros(),  # noqa: B008
    kernel_regularizer=None,
    bias_regularizer=None,
    activity_regularizer=None,
    kernel_constraint=None,
    bias_constraint=None,
    trainable=True,
    name=None,
    reuse=None,
):
    """Convolves sequences with trained filters, as `tf.layers.conv1d` did.

    Args:
      inputs: floating-point (batch, length, channels), or (batch, channels, length) with data_format
        "channels_first".
      filters: how many filters, which is the number of output channels.
      kernel_size: length of the kernel, in steps of the sequence.
      strides: an integer, in steps of the sequence.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first"; a processor runs the latter with oneDNN alone, which
        the environment variable TF_ENABLE_ONEDNN_OPTS=1 switches on.
      dilation_rate: distance of neighbouring taps; where it is not 1, strides must be 1.
      activation: a function of a tensor, such as `gk.relu`; None for none.
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
      (batch, new length, filters), or channels first; the length is `gk.output_size`'s.

    Variables:
      `<name>/kernel` (kernel length, channels, filters) and `<name>/bias` (filters,).

    Raises:
      TypeError: `inputs` is no floating-point tensor.
      ValueError: an argument is out of its range, or the variables exist and reuse is not set.

    Example:
      >>> sequences = tf.compat.v1.placeholder(tf.float32, (None, 100, 8))
      >>> gk.conv1d(sequences, 16, 5, strides=2).shape.as_list()
      [None, 48, 16]
    """
    function = "conv1d"
    inputs = scopes.float_tensor(function, "inputs", inputs, rank=3)
    filters = checks.integer(function, "filters", filters)
    kernel_size = checks.integers(function, "kernel_size", kernel_size, 1)
    strides = checks.integers(function, "strides", strides, 1)
    padding = checks.choice(function, "padding", padding, ("same", "valid"))
    data_format = checks.choice(function, "data_format", data_format, DATA_FORMATS)
    dilation_rate = check_dilation(function, dilation_rate, strides)
    check_window_fits(function, inputs, extents(kernel_size, dilation_rate), padding, data_format)
    check_activation(function, activation)
    channels = scopes.static_size(function, "inputs", inputs, channel_axis(data_format))
    with scopes.layer_scope(function, name, reuse=reuse):
        kernel = scopes.get_variable(
            "kernel",
            (*kernel_size, channels, filters),
            inputs.dtype.base_dtype,
            kernel_initializer,
            kernel_regularizer,
            kernel_constraint,
            trainable,
        )
        outputs = tf.nn.convolution(  # as in conv2d
            inputs,
            kernel,
            strides,
            padding.upper(),
            "NWC" if data_format == "channels_last" else "NCW",
            dilation_rate,
        )
        if use_bias:
            outputs = add_bias_variable(
                function, outputs, bias_initializer, bias_regularizer, bias_constraint, data_format, trainable
            )
        return activate(outputs, activation, activity_regularizer)


def conv2d_transpose(
    inputs,
    filters,
    kernel_size,
    strides=(1, 1),
    padding="valid",
    data_format="channels_last",
    activation=None,
    use_bias=True,
    kernel_initializer=None,
    bias_initializer=initializers.zeros(),  # noqa: B008
    kernel_regularizer=None,
    bias_regularizer=None,
    activity_regularizer=None,
    kernel_constraint=None,
    bias_constraint=None,
    trainable=True,
    name=None,
    reuse=None,
):
    """Runs a convolution backwards, from its output to its input, as `tf.layers.conv2d_transpose` did.

    It is the gradient of `conv2d` with respect to its inputs, and makes images larger.

    Args:
      inputs: floating-point (batch, height, width, channels), or channels first.
      filters: how many output channels.
      kernel_size: an integer or (height, width), in pixels.
      strides: an integer or (down, right), in pixels of the output for one of the input.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first"; a processor runs the latter with oneDNN alone, which
        the environment variable TF_ENABLE_ONEDNN_OPTS=1 switches on.
      activation: a function of a tensor, such as `gk.relu`; None for none.
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
      TypeError: `inputs` is no floating-point tensor.
      ValueError: an argument is out of its range, or the variables exist and reuse is not set.

    Source: M. Zeiler et al., "Deconvolutional networks", CVPR 2010.

    Example:
      >>> gk.conv2d_transpose(gk.image_input(7, 7, 64), 32, 3, strides=2, padding="same").shape.as_list()
      [None, 14, 14, 32]
    """
    function = "conv2d_transpose"
    inputs = scopes.float_tensor(function, "inputs", inputs, rank=4)
    filters = checks.integer(function, "filters", filters)
    kernel_size = checks.integers(function, "kernel_size", kernel_size, 2)
    strides = checks.integers(function, "strides", strides, 2)
    padding = checks.choice(function, "padding", padding, ("same", "valid"))
    data_format = checks.choice(function, "data_format", data_format, DATA_FORMATS)
    check_activation(function, activation)
    channels = scopes.static_size(function, "inputs", inputs, channel_axis(data_format))
    with scopes.layer_scope(function, name, reuse=reuse):
        kernel = scopes.get_variable(
            "kernel",
            (*kernel_size, filters, channels),
            inputs.dtype.base_dtype,
            kernel_initializer,
            kernel_regularizer,
            kernel_constraint,
            trainable,
        )
        static, dynamic = transposed_shapes(inputs, filters, kernel_size, strides, padding, data_format)
        outputs = tf.nn.conv2d_transpose(
            inputs,
            kernel,
            dynamic,
            per_axis(strides, data_format),
            padding.upper(),
            "NHWC" if data_format == "channels_last" else "NCHW",
        )
        outputs = tf.ensure_shape(outputs, static)
        if use_bias:
            outputs = add_bias_variable(
                function, outputs, bias_initializer, bias_regularizer, bias_constraint, data_format, trainable
            )
        return activate(outputs, activation, activity_regularizer)


def transposed_shapes(inputs, filters, kernel_size, strides, padding, data_format):
    """Returns the output's shape twice: as far as it is known, and as a tensor."""
    first = 1 if data_format == "channels_last" else 2
    static, dynamic = inputs.shape.as_list(), tf.unstack(tf.shape(inputs))
    for axis, kernel, stride in zip((first, first + 1), kernel_size, strides, strict=True):
        more = max(kernel - stride, 0) if padding == "valid" else 0
        static[axis] = None if static[axis] is None else static[axis] * stride + more
        dynamic[axis] = dynamic[axis] * stride + more
    static[channel_axis(data_format)] = dynamic[channel_axis(data_format)] = filters
    return static, tf.stack(dynamic)


def separable_conv2d(
    inputs,
    filters,
    kernel_size,
    strides=(1, 1),
    padding="valid",
    data_format="channels_last",
    dilation_rate=(1, 1),
    depth_multiplier=1,
    activation=None,
    use_bias=True,
    depthwise_initializer=None,
    pointwise_initializer=None,
    bias_initializer=initializers.zeros(),  # noqa: B008
    depthwise_regularizer=None,
    pointwise_regularizer=None,
    bias_regularizer=None,
    activity_regularizer=None,
    depthwise_constraint=None,
    pointwise_constraint=None,
    bias_constraint=None,
    trainable=True,
    name=None,
    reuse=None,
):
    """Convolves each channel by itself, then mixes the channels, as `tf.layers.separable_conv2d` did.

    Args:
      inputs: floating-point (batch, height, width, channels), or channels first.
      filters: how many output channels.
      kernel_size: an integer or (height, width), in pixels.
      strides: an integer or (down, right), in pixels; both alike.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first"; a processor runs the latter with oneDNN alone, which
        the environment variable TF_ENABLE_ONEDNN_OPTS=1 switches on.
      dilation_rate: an integer or (down, right); where it is not 1, strides must be 1.
      depth_multiplier: how many filters each channel has.
      activation: a function of a tensor, such as `gk.relu`; None for none.
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
      (batch, new height, new width, filters), or channels first; the sizes are `gk.output_size`'s.

    Variables:
      `<name>/depthwise_kernel` (kernel height, kernel width, channels, depth_multiplier),
      `<name>/pointwise_kernel` (1, 1, channels * depth_multiplier, filters), `<name>/bias` (filters,).

    Raises:
      TypeError: `inputs` is no floating-point tensor.
      ValueError: an argument is out of its range, or the variables exist and reuse is not set.

    Source: F. Chollet, "Xception: deep learning with depthwise separable convolutions", CVPR 2017.

    Example:
      >>> gk.separable_conv2d(gk.image_input(14, 14, 8), 16, 3, padding="same").shape.as_list()
      [None, 14, 14, 16]
    """
    function = "separable_conv2d"
    inputs = scopes.float_tensor(function, "inputs", inputs, rank=4)
    filters = checks.integer(function, "filters", filters)
    kernel_size = checks.integers(function, "kernel_size", kernel_size, 2)
    strides = checks.integers(function, "strides", strides, 2)
    checks.require(strides[0] == strides[1], function, "strides must be alike", strides=strides)
    padding = checks.choice(function, "padding", padding, ("same", "valid"))
    data_format = checks.choice(function, "data_format", data_format, DATA_FORMATS)
    depth_multiplier = checks.integer(function, "depth_multiplier", depth_multiplier)
    dilation_rate = check_dilation(function, dilation_rate, strides)
    check_window_fits(function, inputs, extents(kernel_size, dilation_rate), padding, data_format)
    check_activation(function, activation)
    channels = scopes.static_size(function, "inputs", inputs, channel_axis(data_format))
    with scopes.layer_scope(function, name, reuse=reuse):
        dtype = inputs.dtype.base_dtype
        depthwise_kernel = scopes.get_variable(
            "depthwise_kernel",
            (*kernel_size, channels, depth_multiplier),
            dtype,
            depthwise_initializer,
            depthwise_regularizer,
            depthwise_constraint,
            trainable,
        )
        pointwise_kernel = scopes.get_variable(
            "pointwise_kernel",
            (1, 1, channels * depth_multiplier, filters),
            dtype,
            pointwise_initializer,
            pointwise_regularizer,
            pointwise_constraint,
            trainable,
        )
        outputs = tf.nn.separable_conv2d(
            inputs,
            depthwise_kernel,
            pointwise_kernel,
            per_axis(strides, data_format),
            padding.upper(),
            "NHWC" if data_format == "channels_last" else "NCHW",
            dilation_rate,
        )
        if use_bias:
            outputs = add_bias_variable(
                function, outputs, bias_initializer, bias_regularizer, bias_constraint, data_format, trainable
            )
        return activate(outputs, activation, activity_regularizer)


def check_dilation(function, dilation_rate, strides):
    """Returns the dilation rate as (down, right), refusing it beside strides."""
    dilation_rate = checks.integers(function, "dilation_rate", dilation_rate, len(strides))
    rule = "strides above 1 and a dilation_rate above 1 do not go together"
    single = max(strides) == 1 or max(dilation_rate) == 1
    checks.require(single, function, rule, strides=strides, dilation_rate=dilation_rate)
    return dilation_rate


def extents(kernel_size, dilation_rate):
    """Returns how many pixels a dilated kernel spans in each direction."""
    return [rate * (size - 1) + 1 for size, rate in zip(kernel_size, dilation_rate, strict=True)]
