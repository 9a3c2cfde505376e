"""Named outputs, collections and sizes, as `tf.contrib.layers.utils`."""

import collections
from typing import Any

import tensorflow as tf

from graphkit.tf1.contrib.framework.functions import smart_cond as smart_cond

NamedOutputs = collections.namedtuple("NamedOutputs", ["name", "outputs"])


def collect_named_outputs(collections: Any, alias: str, outputs: tf.Tensor) -> tf.Tensor:
    """Adds the outputs to collections, if there are any, under one more alias."""
    if collections:
        append_tensor_alias(outputs, alias)
        tf.compat.v1.add_to_collections(collections, outputs)
    return outputs


def append_tensor_alias(tensor: tf.Tensor, alias: str) -> tf.Tensor:
    tensor.aliases = [*getattr(tensor, "aliases", []), alias.removesuffix("/")]
    return tensor


def get_tensor_aliases(tensor: tf.Tensor) -> list[str]:
    """Returns the aliases, or else the tensor's name without a ":0"."""
    return getattr(tensor, "aliases", None) or [tensor.name.removesuffix(":0")]


def convert_collection_to_dict(
    collection: str, clear_collection: bool = False
) -> "collections.OrderedDict[str, tf.Tensor]":
    """Returns {alias: tensor} of a collection, in its order."""
    graph = tf.compat.v1.get_default_graph()
    tensors = graph.get_collection(collection)
    if clear_collection:
        graph.clear_collection(collection)
    return collections.OrderedDict((alias, one) for one in tensors for alias in get_tensor_aliases(one))


def get_variable_collections(variables_collections: Any, name: str) -> Any:
    """Returns the collections of a variable: those of its name, where they are given by names."""
    return (
        variables_collections.get(name) if isinstance(variables_collections, dict) else variables_collections
    )


def constant_value(value: Any, dtype: Any = None) -> Any:
    """Returns the value of a number or of a constant tensor; None where only a run knows it."""
    if value is None:
        raise ValueError("value_or_tensor_or_var cannot be None")
    if not tf.is_tensor(value):
        return value
    if dtype and value.dtype != dtype:
        raise ValueError(f"It has the wrong type {value.dtype} instead of {dtype}")
    return None if isinstance(value, tf.Variable) else tf.get_static_value(value)


def two_element_tuple(int_or_tuple: Any) -> tuple[int, int]:
    if isinstance(int_or_tuple, int):
        return int_or_tuple, int_or_tuple
    if not isinstance(int_or_tuple, (list, tuple, tf.TensorShape)) or len(int_or_tuple) != 2:
        raise ValueError(f"Must be an int, or have 2 elements: {int_or_tuple}")
    return int(int_or_tuple[0]), int(int_or_tuple[1])


def last_dimension(shape: Any, min_rank: int = 1) -> int:
    return size_of(shape, -1, min_rank)


def size_of(shape: Any, axis: int, min_rank: int) -> int:
    rank = shape.rank or 0
    if rank < min_rank or not -rank <= axis < rank or shape.as_list()[axis] is None:
        raise ValueError(
            f"dimension {axis} of shape must be known, and its rank at least {min_rank}: {shape}"
        )
    return shape.as_list()[axis]
