"""The number of trained parameters of a layer."""

from collections.abc import Sequence

from graphkit import checks
from graphkit.sizes import shapes

__all__ = [
    "batch_norm_parameters",
    "conv2d_parameters",
    "dense_parameters",
    "embedding_parameters",
    "rnn_parameters",
    "separable_conv2d_parameters",
    "unshared_conv2d_parameters",
]

CELL_GATES = {"simple": 1, "gru": 3, "lstm": 4}


def conv2d_parameters(
    in_channels: int, filters: int, kernel_size: int | Sequence[int], *, use_bias: bool = True
) -> int:
    """Returns the number of trained parameters of a 2-D convolution: (kh * kw * in + bias) * filters.

    All places of the image share the kernel, and each filter's bias.

    Args:
      in_channels: channels of the input.
      filters: channels of the output.
      kernel_size: an integer or (height, width), in pixels.
      use_bias: whether each filter has a bias.

    Returns:
      An int.

    Raises:
      TypeError: a size is not an integer.
      ValueError: a size is below one.

    Example:
      >>> gk.sizes.conv2d_parameters(3, 20, 8)
      3860
    """
    check = checks.Checker("conv2d_parameters")
    in_channels = check.integer("in_channels", in_channels)
    filters = check.integer("filters", filters)
    height, width = check.integers("kernel_size", kernel_size, 2)
    return (height * width * in_channels + bool(use_bias)) * filters


def unshared_conv2d_parameters(
    input_shape: Sequence[int],
    filters: int,
    kernel_size: int | Sequence[int],
    strides: int | Sequence[int] = 1,
    padding: str | int = "valid",
    dilation_rate: int | Sequence[int] = 1,
    *,
    use_bias: bool = True,
) -> int:
    """Returns what a 2-D convolution would hold if each place of the image had its own kernel and bias.

    (new height * new width * filters) * (kh * kw * in + bias). Compare with
    `gk.sizes.conv2d_parameters`, where all places share one kernel.

    Args:
      input_shape: (height, width, channels) of the input, in pixels.
      filters: number of filters.
      kernel_size: an integer or (height, width), in pixels.
      strides: an integer or (down, right), in pixels.
      padding: "same", "valid", or pixels of zeros on each side.
      dilation_rate: an integer or (down, right), in pixels.
      use_bias: whether there are biases.

    Returns:
      An int.

    Raises:
      TypeError: a size is not an integer.
      ValueError: a size is below one, or `gk.sizes.output_size` refuses the sizes.

    Example:
      >>> gk.sizes.unshared_conv2d_parameters((32, 32, 3), 20, 8, 2, padding=1)
      756560
    """
    check = checks.Checker("unshared_conv2d_parameters")
    filters = check.integer("filters", filters)
    height, width = shapes.window_output(check, input_shape, kernel_size, strides, padding, dilation_rate)
    return height * width * conv2d_parameters(input_shape[2], filters, kernel_size, use_bias=use_bias)


def separable_conv2d_parameters(
    in_channels: int,
    filters: int,
    kernel_size: int | Sequence[int],
    *,
    depth_multiplier: int = 1,
    use_bias: bool = True,
) -> int:
    """Returns the number of trained parameters of a depthwise convolution followed by a 1x1 convolution.

    kh * kw * in * depth_multiplier + in * depth_multiplier * filters + bias * filters.

    Args:
      in_channels: channels of the input.
      filters: channels of the output.
      kernel_size: an integer or (height, width), in pixels.
      depth_multiplier: channels that the depthwise convolution makes of each input channel.
      use_bias: whether each filter has a bias.

    Returns:
      An int.

    Raises:
      TypeError: a size is not an integer.
      ValueError: a size is below one.

    Example:
      >>> gk.sizes.separable_conv2d_parameters(32, 64, 3), gk.sizes.conv2d_parameters(32, 64, 3)
      (2400, 18496)
    """
    check = checks.Checker("separable_conv2d_parameters")
    in_channels = check.integer("in_channels", in_channels)
    filters = check.integer("filters", filters)
    height, width = check.integers("kernel_size", kernel_size, 2)
    between = in_channels * check.integer("depth_multiplier", depth_multiplier)
    return height * width * between + between * filters + bool(use_bias) * filters


def dense_parameters(in_features: int, units: int, *, use_bias: bool = True) -> int:
    """Returns the number of trained parameters of a dense layer: (in_features + bias) * units.

    Args:
      in_features: features of the input.
      units: features of the output.
      use_bias: whether each unit has a bias.

    Returns:
      An int.

    Raises:
      TypeError: a size is not an integer.
      ValueError: a size is below one.

    Example:
      >>> gk.sizes.dense_parameters(784, 10)
      7850
    """
    check = checks.Checker("dense_parameters")
    in_features = check.integer("in_features", in_features)
    units = check.integer("units", units)
    return (in_features + bool(use_bias)) * units


def batch_norm_parameters(channels: int, *, center: bool = True, scale: bool = True) -> int:
    """Returns the number of trained parameters of a batch normalization: beta and gamma per channel.

    The moving mean and variance (2 * channels) are variables too, but no optimizer trains them.

    Args:
      channels: channels of the input.
      center: whether there is a beta.
      scale: whether there is a gamma.

    Returns:
      An int.

    Raises:
      TypeError: channels is not an integer.
      ValueError: channels is below one.

    Example:
      >>> gk.sizes.batch_norm_parameters(64)
      128
    """
    channels = checks.Checker("batch_norm_parameters").integer("channels", channels)
    return channels * (bool(center) + bool(scale))


def embedding_parameters(vocabulary_size: int, units: int) -> int:
    """Returns the number of trained parameters of an embedding table: vocabulary_size * units.

    Args:
      vocabulary_size: number of tokens that have a vector.
      units: length of a vector.

    Returns:
      An int.

    Raises:
      TypeError: a size is not an integer.
      ValueError: a size is below one.

    Example:
      >>> gk.sizes.embedding_parameters(10000, 128)
      1280000
    """
    check = checks.Checker("embedding_parameters")
    vocabulary_size = check.integer("vocabulary_size", vocabulary_size)
    return vocabulary_size * check.integer("units", units)


def rnn_parameters(in_features: int, units: int, cell: str = "lstm") -> int:
    """Returns the number of trained parameters of a recurrent cell: gates * (units * (in + units) + units).

    TensorFlow 1's cells have one bias per gate; a simple cell has one gate, gru has 3, lstm has 4.

    Args:
      in_features: features of the input of one step.
      units: length of the state.
      cell: "simple", "gru" or "lstm".

    Returns:
      An int.

    Raises:
      TypeError: a size is not an integer, or cell is not a string.
      ValueError: a size is below one, or the cell is unknown.

    Source: TensorFlow 1.15, `tf.nn.rnn_cell`: BasicRNNCell, GRUCell, BasicLSTMCell.

    Example:
      >>> [gk.sizes.rnn_parameters(28, 128, cell) for cell in ("simple", "gru", "lstm")]
      [20096, 60288, 80384]
    """
    check = checks.Checker("rnn_parameters")
    in_features = check.integer("in_features", in_features)
    units = check.integer("units", units)
    gates = CELL_GATES[check.choice("cell", cell, CELL_GATES)]
    return gates * (units * (in_features + units) + units)
