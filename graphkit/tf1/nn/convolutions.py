"""Transposed convolutions whose static shape is the one that was asked for, as in TensorFlow 1."""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

v1 = tf.compat.v1


def with_asked_shape(function: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """Returns the function, whose result has all sizes of `output_shape` that are known.

    TensorFlow 2 takes the batch's size of the inputs, which is unknown for a placeholder. Programs such as
    DCGAN ask for a fixed one, and use it: `tf.reshape(biased, deconv.get_shape())`.
    """

    @functools.wraps(function)
    def convolution(*args: Any, **kwargs: Any) -> tf.Tensor:
        result = function(*args, **kwargs)
        if result.op.type == "Conv2DBackpropInput":
            sizes = tf.get_static_value(result.op.inputs[0], partial=True)
            if sizes is not None:
                result.set_shape([None if size is None or size < 0 else int(size) for size in sizes])
        return result

    return convolution


conv2d_transpose = with_asked_shape(v1.nn.conv2d_transpose)
conv2d_backprop_input = with_asked_shape(v1.nn.conv2d_backprop_input)
