"""Checks of tensors."""

from typing import Any

import numpy as np
import tensorflow as tf

__all__ = """
assert_same_float_dtype assert_scalar convert_to_tensor_or_sparse_tensor is_non_decreasing
is_numeric_tensor is_strictly_increasing is_tensor remove_squeezable_dimensions
with_same_shape with_shape
""".split()

v1 = tf.compat.v1

assert_scalar = v1.assert_scalar
convert_to_tensor_or_sparse_tensor = v1.convert_to_tensor_or_sparse_tensor
is_tensor = v1.is_tensor
is_numeric_tensor = v1.debugging.is_numeric_tensor
is_non_decreasing = v1.is_non_decreasing
is_strictly_increasing = v1.is_strictly_increasing
assert_same_float_dtype = v1.debugging.assert_same_float_dtype


def remove_squeezable_dimensions(
    predictions: Any, labels: Any, name: str | None = None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Squeezes the last axis of what has one axis more than the other."""
    with v1.name_scope(name, "remove_squeezable_dimensions"):
        predictions, labels = tf.convert_to_tensor(predictions), tf.convert_to_tensor(labels)
        more = (predictions.shape.rank or 0) - (labels.shape.rank or 0)
        if more == 1:
            predictions = tf.squeeze(predictions, [-1])
        elif more == -1:
            labels = tf.squeeze(labels, [-1])
        return predictions, labels


def with_shape(expected_shape: Any, tensor: tf.Tensor) -> tf.Tensor:
    """Returns the tensor, with a check that it has the shape, and the shape set where it is known."""
    if isinstance(tensor, tf.SparseTensor):
        raise ValueError("SparseTensor not supported.")
    if is_tensor(expected_shape):
        expected = tf.get_static_value(expected_shape)
        if expected is None:
            same = v1.assert_equal(tf.shape(tensor), expected_shape, message=f"Wrong shape for {tensor.name}")
            with tf.control_dependencies([same]):
                return tf.identity(tensor)
    else:
        expected = expected_shape
    sizes = [None if size in (-1, None) else int(size) for size in np.asarray(expected, object).reshape(-1)]
    if not tensor.shape.is_compatible_with(sizes):
        if not sizes and tensor.shape.is_compatible_with([1]):
            return tf.reshape(tensor, [])
        raise ValueError(f"Invalid shape for tensor {tensor.name}, expected {sizes}, got {tensor.shape}.")
    return tensor if tensor.shape.is_fully_defined() else tf.ensure_shape(tensor, sizes)


def with_same_shape(expected_tensor: tf.Tensor, tensor: tf.Tensor) -> tf.Tensor:
    """Returns the tensor, with a check that it has the shape of another."""
    shape = expected_tensor.shape
    return with_shape(shape.as_list() if shape.is_fully_defined() else tf.shape(expected_tensor), tensor)
