"""Summaries of tensors, variables and activations."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import tensorflow as tf

v1 = tf.compat.v1
Keys = v1.GraphKeys

__all__ = """
summarize_activation summarize_activations summarize_collection summarize_tensor summarize_tensors
""".split()


def summarize_tensor(tensor: Any, tag: str | None = None) -> Any:
    """Adds a scalar or a histogram; None for strings and booleans."""
    if tensor.dtype.base_dtype in (tf.string, tf.bool):
        return None
    kind = v1.summary.scalar if tensor.shape.rank == 0 else v1.summary.histogram
    return kind(tag or f"{tensor.op.name}_summary", tensor)


def summarize_activation(op: tf.Tensor) -> tf.Tensor:
    """Adds a histogram, and which fractions of a relu are at its ends."""
    name = op.op.name
    if op.op.type in ("Relu", "Softplus", "Relu6"):
        v1.summary.scalar(f"{name}/zeros", tf.reduce_mean(tf.cast(op.op.inputs[0] < 0, tf.float32)))
    if op.op.type == "Relu6":
        v1.summary.scalar(f"{name}/sixes", tf.reduce_mean(tf.cast(op.op.inputs[0] > 6, tf.float32)))
    return v1.summary.histogram(f"{name}/activation", op)


def summarize_tensors(
    tensors: Iterable[Any], summarizer: Callable[[Any], Any] = summarize_tensor
) -> list[Any]:
    return [summarizer(tensor) for tensor in tensors]


def summarize_collection(
    collection: str, name_filter: str | None = None, summarizer: Callable[[Any], Any] = summarize_tensor
) -> list[Any]:
    tensors = v1.get_collection(collection)
    return summarize_tensors(
        [one for one in tensors if name_filter is None or re.match(name_filter, one.op.name)], summarizer
    )


def summarize_activations(
    name_filter: str | None = None, summarizer: Callable[[Any], Any] = summarize_activation
) -> list[Any]:
    return summarize_collection(Keys.ACTIVATIONS, name_filter, summarizer)
