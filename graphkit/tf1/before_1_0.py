"""Names and argument orders from before TensorFlow 1.0, which many tutorials still have."""

import functools
import numbers
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from graphkit.tf1 import overlay, replacements

V1 = tf.compat.v1

# Only the name has changed; some of them TensorFlow has kept.
RENAMED: dict[str, Callable[..., Any]] = {
    old.removeprefix("tf."): overlay.attribute(V1, new.removeprefix("tf."))
    for old, new in replacements.RENAMED.items()
    if old.count(".") == 1 and not hasattr(V1, old.removeprefix("tf."))
}


def is_axis(value: Any) -> bool:
    """Whether a value is a number, or an integer scalar in the graph, as an axis is."""
    if tf.is_tensor(value):
        return value.dtype.is_integer and value.shape.rank == 0
    return isinstance(value, numbers.Integral)


def concat(values: Any, axis: Any = None, name: str = "concat", concat_dim: Any = None) -> tf.Tensor:
    """Joins tensors along an axis: `concat(values, axis)`, or as before 1.0 `concat(axis, values)`."""
    axis = concat_dim if axis is None else axis
    if is_axis(values) and isinstance(axis, (list, tuple)):
        values, axis = axis, values
    return V1.concat(values, axis, name)


def split(
    value: Any,
    num_or_size_splits: Any = None,
    axis: Any = 0,
    num: int | None = None,
    name: str = "split",
    split_dim: Any = None,
    num_split: Any = None,
) -> list[tf.Tensor]:
    """Splits a tensor: `split(value, number, axis)`, or as before 1.0 `split(axis, number, value)`."""
    if split_dim is not None or num_split is not None:
        axis, num_or_size_splits = (0 if split_dim is None else split_dim), num_split
    elif is_axis(value) and not is_axis(axis):
        value, axis = axis, value
    return V1.split(value, num_or_size_splits, axis, num, name)


def logits_first(loss: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """Returns a loss whose arguments without names are (logits, labels), as before 1.0.

    TensorFlow 1 refused arguments without names here; today's takes them as (labels, logits), silently.
    """

    @functools.wraps(loss)
    def ordered(*args: Any, **kwargs: Any) -> tf.Tensor:
        names = ("logits", "labels", "name")
        return loss(**dict(zip(names, args, strict=False)), **kwargs)

    return ordered


softmax_cross_entropy_with_logits = logits_first(V1.nn.softmax_cross_entropy_with_logits)
sigmoid_cross_entropy_with_logits = logits_first(V1.nn.sigmoid_cross_entropy_with_logits)
sparse_softmax_cross_entropy_with_logits = logits_first(V1.nn.sparse_softmax_cross_entropy_with_logits)
