"""Checks of tensor arguments: graph, dtype, rank and known sizes."""

from typing import Any, TypeAlias

import tensorflow as tf

from graphkit import checks
from graphkit.nn import scopes

# A tensor or variable of the default graph, an array, a number, or a nested list of numbers. Type checkers
# see Any: TensorFlow has no stubs, and a builder gives the tensor that it makes of it the same name.
TensorLike: TypeAlias = Any


def float_tensor(
    check: checks.Checker, name: str, value: TensorLike, rank: int | None = None, minimum_rank: int = 0
) -> tf.Tensor:
    """Returns `value` as a floating-point tensor of `rank` axes, or of at least `minimum_rank`."""
    tensor = to_tensor(check, name, value)
    rule = f"{name} must be a floating-point tensor"
    check.require_type(tensor.dtype.is_floating, rule, dtype=tensor.dtype.name)
    check_rank(check, name, tensor, rank, minimum_rank)
    return tensor


def to_tensor(check: checks.Checker, name: str, value: TensorLike) -> tf.Tensor:
    """Returns `value` as a tensor of the default graph."""
    if not isinstance(value, tf.Tensor):  # converting it adds an op
        scopes.check_growing(check)
    graph = tf.compat.v1.get_default_graph()
    rule = f"{name} must be a tensor of the default graph"
    if tf.is_tensor(value):
        # In a branch or a loop body the default graph is that function's, which captures tensors of the graph
        # around it.
        usable = hasattr(value, "graph") and (value.graph is graph or graph.building_function)
        earlier = getattr(value, "graph", None) is not None and not usable
        rule += "; it is of another one: after gk.reset(), run the cells from the network on" * earlier
        check.require_type(usable, rule, **{name: value})
    check.unmasked(name, value)
    if checks.keras_kinds(value) and not hasattr(value, "numpy") and not hasattr(value, "handle"):
        instead = (
            "objects of Keras are not taken; make an input by gk.feature_input or tf.compat.v1.placeholder"
        )
        raise TypeError(check.message(f"{rule}: {instead}", **{name: value}))
    try:
        return tf.convert_to_tensor(value)
    except (TypeError, ValueError, RecursionError) as error:  # RecursionError: a list that holds itself
        raise TypeError(check.message(f"{rule} ({error})", **{name: value})) from None


def check_rank(
    check: checks.Checker, name: str, tensor: tf.Tensor, rank: int | None = None, minimum_rank: int = 0
) -> None:
    """Refuses a tensor whose number of axes is not `rank`, or below `minimum_rank`."""
    known = tensor.shape.rank
    if rank is not None:
        fits = known == rank
        rule = f"{name} must have {rank} axes"
    else:
        fits = minimum_rank == 0 or (known is not None and known >= minimum_rank)
        rule = f"{name} must have at least {minimum_rank} axes"
    check.require(fits, rule, shape=shape_text(tensor))


def static_size(check: checks.Checker, name: str, tensor: tf.Tensor, axis: int) -> int:
    """Returns the size of an axis that a layer must know to make its variables."""
    size = tensor.shape.as_list()[axis]  # `shape[axis]` is a Dimension in TensorFlow 1
    check.require(size is not None, f"axis {axis} of {name} must have a known size", shape=shape_text(tensor))
    return size


def check_axis(check: checks.Checker, name: str, axis: int, tensor_name: str, rank: int) -> int:
    """Returns the axis of a tensor of `rank` axes, counted from the front."""
    axis = check.integer(name, axis, minimum=-rank)
    check.require(axis < rank, f"{name} must be an axis of {tensor_name}, which have {rank}", axis=axis)
    return axis % rank


def shape_text(tensor: tf.Tensor) -> str | tuple[int | None, ...]:
    """Returns a shape as messages show it."""
    return "unknown" if tensor.shape.rank is None else tuple(tensor.shape.as_list())
