"""Pooling: the largest value or the mean of each window."""

import tensorflow as tf

from graphkit import checks
from graphkit.nn import scopes
from graphkit.nn.parts import DATA_FORMATS, check_window_fits, per_axis

__all__ = ["avg_pool", "global_avg_pool", "global_max_pool", "max_pool"]


def max_pool(inputs, pool_size, strides, padding="valid", data_format="channels_last", name=None):
    """Keeps the largest value of each window, as `tf.layers.max_pooling2d` did.

    Args:
      inputs: floating-point (batch, height, width, channels), or channels first.
      pool_size: an integer or (height, width) of the window, in pixels.
      strides: an integer or (down, right), in pixels.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first".
      name: of the op.

    Returns:
      (batch, new height, new width, channels), or channels first; the sizes are `gk.output_size`'s.

    Raises:
      TypeError: `inputs` is no floating-point tensor.
      ValueError: an argument is out of its range.

    Example:
      >>> gk.max_pool(gk.image_input(28, 28, 1), 2, 2).shape.as_list()
      [None, 14, 14, 1]
    """
    return pool2d("max_pool", tf.nn.max_pool2d, inputs, pool_size, strides, padding, data_format, name)


def avg_pool(inputs, pool_size, strides, padding="valid", data_format="channels_last", name=None):
    """Takes the mean of each window, as `tf.layers.average_pooling2d` did; padding does not count.

    Args:
      inputs: floating-point (batch, height, width, channels), or channels first.
      pool_size: an integer or (height, width) of the window, in pixels.
      strides: an integer or (down, right), in pixels.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first".
      name: of the op.

    Returns:
      (batch, new height, new width, channels), or channels first; the sizes are `gk.output_size`'s.

    Raises:
      TypeError: `inputs` is no floating-point tensor.
      ValueError: an argument is out of its range.

    Example:
      >>> gk.avg_pool(gk.image_input(28, 28, 1), 2, 2).shape.as_list()
      [None, 14, 14, 1]
    """
    return pool2d("avg_pool", tf.nn.avg_pool2d, inputs, pool_size, strides, padding, data_format, name)


def pool2d(function, pool, inputs, pool_size, strides, padding, data_format, name):
    inputs = scopes.float_tensor(function, "inputs", inputs, rank=4)
    pool_size = checks.integers(function, "pool_size", pool_size, 2)
    strides = checks.integers(function, "strides", strides, 2)
    padding = checks.choice(function, "padding", padding, ("same", "valid"))
    data_format = checks.choice(function, "data_format", data_format, DATA_FORMATS)
    check_window_fits(function, inputs, pool_size, padding, data_format)
    with scopes.op_scope(function, name) as scope:
        return pool(
            inputs,
            per_axis(pool_size, data_format),
            per_axis(strides, data_format),
            padding.upper(),
            "NHWC" if data_format == "channels_last" else "NCHW",
            name=scope,
        )


def global_avg_pool(inputs, data_format="channels_last", name=None):
    """Takes the mean of each channel over the whole image.

    Args:
      inputs: floating-point (batch, height, width, channels), or channels first.
      data_format: "channels_last" or "channels_first".
      name: of the op.

    Returns:
      (batch, channels).

    Raises:
      TypeError: `inputs` is no floating-point tensor.
      ValueError: another number of axes, or an unknown data format.

    Source: M. Lin et al., "Network in network", ICLR 2014, section 3.2.

    Example:
      >>> gk.global_avg_pool(gk.image_input(8, 8, 3)).shape.as_list()
      [None, 3]
    """
    return reduce_image("global_avg_pool", tf.reduce_mean, inputs, data_format, name)


def global_max_pool(inputs, data_format="channels_last", name=None):
    """Keeps the largest value of each channel over the whole image.

    Args:
      inputs: floating-point (batch, height, width, channels), or channels first.
      data_format: "channels_last" or "channels_first".
      name: of the op.

    Returns:
      (batch, channels).

    Raises:
      TypeError: `inputs` is no floating-point tensor.
      ValueError: another number of axes, or an unknown data format.

    Example:
      >>> gk.global_max_pool(gk.image_input(8, 8, 3)).shape.as_list()
      [None, 3]
    """
    return reduce_image("global_max_pool", tf.reduce_max, inputs, data_format, name)


def reduce_image(function, reduce, inputs, data_format, name):
    inputs = scopes.float_tensor(function, "inputs", inputs, rank=4)
    data_format = checks.choice(function, "data_format", data_format, DATA_FORMATS)
    with scopes.op_scope(function, name) as scope:
        return reduce(inputs, [1, 2] if data_format == "channels_last" else [2, 3], name=scope)
