"""Output shapes and parameter counts: plain arithmetic, no TensorFlow."""

from graphkit import checks

__all__ = ["batch_norm_parameters", "conv2d_parameters", "dense_parameters", "output_size"]


def output_size(size, kernel_size, strides=1, padding="valid", dilation_rate=1):
    """Returns the width (or height) that a convolution or pooling makes of `size`.

    TensorFlow's own rule, with the dilated kernel F = dilation_rate * (kernel_size - 1) + 1:
    `same` gives ceil(W / S), `valid` gives ceil((W - F + 1) / S).

    Args:
      size: width W of the input, in pixels.
      kernel_size: width of the kernel or the pooling window, in pixels.
      strides: step S, in pixels.
      padding: "same" or "valid".
      dilation_rate: distance between neighbouring taps of the kernel, in pixels.

    Returns:
      The width of the output, an int.

    Raises:
      ValueError: a size below one, or a `valid` kernel larger than the input.

    Source: TensorFlow, `tf.nn.convolution`, "padding".

    Example:
      >>> gk.output_size(32, 8, 2, "same"), gk.output_size(32, 8, 2, "valid")
      (16, 13)
    """
    function = "output_size"
    size = checks.integer(function, "size", size)
    kernel_size = checks.integer(function, "kernel_size", kernel_size)
    strides = checks.integer(function, "strides", strides)
    dilation_rate = checks.integer(function, "dilation_rate", dilation_rate)
    if checks.choice(function, "padding", padding, ("same", "valid")) == "same":
        return -(-size // strides)
    extent = dilation_rate * (kernel_size - 1) + 1
    rule = "a valid kernel must fit into the input"
    checks.require(extent <= size, function, rule, size=size, kernel_extent=extent)
    return -(-(size - extent + 1) // strides)


def conv2d_parameters(in_channels, filters, kernel_size, use_bias=True):
    """Returns the number of trained numbers of a 2-D convolution: (kh * kw * in + bias) * filters.

    Args:
      in_channels: channels of the input.
      filters: channels of the output.
      kernel_size: an integer or (height, width), in pixels.
      use_bias: whether each filter has a bias.

    Returns:
      An int.

    Raises:
      ValueError: a size below one.

    Example:
      >>> gk.conv2d_parameters(3, 20, 8)
      3860
    """
    function = "conv2d_parameters"
    in_channels = checks.integer(function, "in_channels", in_channels)
    filters = checks.integer(function, "filters", filters)
    height, width = checks.integers(function, "kernel_size", kernel_size, 2)
    return (height * width * in_channels + bool(use_bias)) * filters


def dense_parameters(in_features, units, use_bias=True):
    """Returns the number of trained numbers of a dense layer: (in_features + bias) * units.

    Args:
      in_features: features of the input.
      units: features of the output.
      use_bias: whether each unit has a bias.

    Returns:
      An int.

    Raises:
      ValueError: a size below one.

    Example:
      >>> gk.dense_parameters(784, 10)
      7850
    """
    function = "dense_parameters"
    in_features = checks.integer(function, "in_features", in_features)
    units = checks.integer(function, "units", units)
    return (in_features + bool(use_bias)) * units


def batch_norm_parameters(channels, center=True, scale=True):
    """Returns the number of trained numbers of a batch normalization: beta and gamma per channel.

    The moving mean and variance (2 * channels) are variables too, but no optimizer trains them.

    Args:
      channels: channels of the input.
      center: whether there is a beta.
      scale: whether there is a gamma.

    Returns:
      An int.

    Raises:
      ValueError: fewer than one channel.

    Example:
      >>> gk.batch_norm_parameters(64)
      128
    """
    channels = checks.integer("batch_norm_parameters", "channels", channels)
    return channels * (bool(center) + bool(scale))
