"""Pooling: the largest value or the mean of each window."""

from collections.abc import Callable

import tensorflow as tf

from graphkit import checks
from graphkit.nn import data_formats, scopes, tensors, windows

__all__ = ["avg_pool", "global_avg_pool", "global_max_pool", "max_pool"]

# {(what is made of a window, number of spatial axes): TensorFlow's op}
POOLS: dict[tuple[str, int], Callable[..., tf.Tensor]] = {
    ("max", 2): tf.nn.max_pool2d,
    ("max", 3): tf.nn.max_pool3d,
    ("mean", 2): tf.nn.avg_pool2d,
    ("mean", 3): tf.nn.avg_pool3d,
}


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
    return pool2d("max_pool", "max", inputs, pool_size, strides, padding, data_format, name)


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
    return pool2d("avg_pool", "mean", inputs, pool_size, strides, padding, data_format, name)


def pool2d(
    function: str,
    kind: str,
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
        return pool(kind, inputs, window, scope)


def pool(kind: str, inputs: tf.Tensor, window: windows.Window, name: str | None = None) -> tf.Tensor:
    """Returns the largest value ("max") or the "mean" of each window of sequences, images or volumes."""
    axes = len(window.size)
    if axes != 2 and window.data_format == "channels_first":
        # Volumes have kernels for channels_last alone on a CPU; sequences are pooled as images.
        first, last = [0, *range(2, axes + 2), 1], [0, axes + 1, *range(1, axes + 1)]
        outputs = pool(kind, tf.transpose(inputs, first), window._replace(data_format="channels_last"), name)
        return tf.transpose(outputs, last)
    if axes == 1:
        as_images = window._replace(size=(*window.size, 1), strides=(*window.strides, 1))
        return tf.squeeze(pool(kind, tf.expand_dims(inputs, 2), as_images, name), [2])
    return POOLS[kind, axes](
        inputs,
        data_formats.per_axis(window.size, window.data_format),
        data_formats.per_axis(window.strides, window.data_format),
        window.padding.upper(),
        window.op_format,
        name=name,
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
