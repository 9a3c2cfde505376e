"""Pooling: the largest value or the mean of each window."""

from collections.abc import Callable

import tensorflow as tf

from graphkit import checks
from graphkit.nn import data_formats, scopes, tensors, windows

__all__ = ["avg_pool", "global_avg_pool", "global_max_pool", "max_pool"]


def max_pool(
    inputs: tensors.TensorLike,
    pool_size: windows.Sizes,
    strides: windows.Sizes,
    padding: str = "valid",
    data_format: str = "channels_last",
    name: str | None = None,
) -> tf.Tensor:
    """Keeps the largest value of each window, as `tf.layers.max_pooling2d` did.

    Args:
      inputs: floating-point (batch, height, width, channels), or channels first.
      pool_size: an integer or (height, width) of the window, in pixels.
      strides: an integer or (down, right), in pixels.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first".
      name: of the op.

    Returns:
      (batch, new height, new width, channels), or channels first; the sizes are `gk.sizes.output_size`'s.

    Raises:
      TypeError: `inputs` is not a floating-point tensor.
      ValueError: an argument is out of its range.

    Example:
      >>> gk.max_pool(gk.image_input(28, 28, 1), 2, 2).shape.as_list()
      [None, 14, 14, 1]
    """
    return pool2d("max_pool", tf.nn.max_pool2d, inputs, pool_size, strides, padding, data_format, name)


def avg_pool(
    inputs: tensors.TensorLike,
    pool_size: windows.Sizes,
    strides: windows.Sizes,
    padding: str = "valid",
    data_format: str = "channels_last",
    name: str | None = None,
) -> tf.Tensor:
    """Takes the mean of each window, as `tf.layers.average_pooling2d` did; padding is left out of the mean.

    Args:
      inputs: floating-point (batch, height, width, channels), or channels first.
      pool_size: an integer or (height, width) of the window, in pixels.
      strides: an integer or (down, right), in pixels.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first".
      name: of the op.

    Returns:
      (batch, new height, new width, channels), or channels first; the sizes are `gk.sizes.output_size`'s.

    Raises:
      TypeError: `inputs` is not a floating-point tensor.
      ValueError: an argument is out of its range.

    Example:
      >>> gk.avg_pool(gk.image_input(28, 28, 1), 2, 2).shape.as_list()
      [None, 14, 14, 1]
    """
    return pool2d("avg_pool", tf.nn.avg_pool2d, inputs, pool_size, strides, padding, data_format, name)


def pool2d(
    function: str,
    pool: Callable[..., tf.Tensor],
    inputs: tensors.TensorLike,
    pool_size: windows.Sizes,
    strides: windows.Sizes,
    padding: str,
    data_format: str,
    name: str | None,
) -> tf.Tensor:
    check = checks.Checker(function)
    inputs = tensors.float_tensor(check, "inputs", inputs, rank=4)
    window = windows.check_window(check, 2, "pool_size", pool_size, strides, padding, data_format)
    windows.check_fits(check, inputs, window)
    with scopes.op_scope(check, name) as scope:
        return pool(
            inputs,
            data_formats.per_axis(window.size, window.data_format),
            data_formats.per_axis(window.strides, window.data_format),
            window.padding.upper(),
            window.op_format,
            name=scope,
        )


def global_avg_pool(
    inputs: tensors.TensorLike, data_format: str = "channels_last", name: str | None = None
) -> tf.Tensor:
    """Takes the mean of each channel over the image.

    Args:
      inputs: floating-point (batch, height, width, channels), or channels first.
      data_format: "channels_last" or "channels_first".
      name: of the op.

    Returns:
      (batch, channels).

    Raises:
      TypeError: `inputs` is not a floating-point tensor.
      ValueError: `inputs` do not have four axes, or the data format is unknown.

    Source: M. Lin et al., "Network in network", ICLR 2014, section 3.2.

    Example:
      >>> gk.global_avg_pool(gk.image_input(8, 8, 3)).shape.as_list()
      [None, 3]
    """
    return reduce_image("global_avg_pool", tf.reduce_mean, inputs, data_format, name)


def global_max_pool(
    inputs: tensors.TensorLike, data_format: str = "channels_last", name: str | None = None
) -> tf.Tensor:
    """Keeps the largest value of each channel over the image.

    Args:
      inputs: floating-point (batch, height, width, channels), or channels first.
      data_format: "channels_last" or "channels_first".
      name: of the op.

    Returns:
      (batch, channels).

    Raises:
      TypeError: `inputs` is not a floating-point tensor.
      ValueError: `inputs` do not have four axes, or the data format is unknown.

    Example:
      >>> gk.global_max_pool(gk.image_input(8, 8, 3)).shape.as_list()
      [None, 3]
    """
    return reduce_image("global_max_pool", tf.reduce_max, inputs, data_format, name)


def reduce_image(
    function: str,
    reduce: Callable[..., tf.Tensor],
    inputs: tensors.TensorLike,
    data_format: str,
    name: str | None,
) -> tf.Tensor:
    check = checks.Checker(function)
    inputs = tensors.float_tensor(check, "inputs", inputs, rank=4)
    data_format = data_formats.check_data_format(check, data_format)
    with scopes.op_scope(check, name) as scope:
        return reduce(inputs, data_formats.spatial_axes(data_format, 2), name=scope)
