"""Rule of `check_graph` on losses and metrics that grow with the batch: sums over its examples."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import tensorflow as tf

from graphkit.graph import walk
from graphkit.inspection.graph_view import GraphView, Problems

SUMS = ("Sum", "L2Loss")
LARGEST_OF = (
    "Add AddV2 AddN Sub Maximum Minimum Select SelectV2 Pack ConcatV2 Merge Switch Neg Abs Prod Slice "
    "StridedSlice GatherV2"
).split()
PRODUCTS = ("Mul", "MulNoNan")
QUOTIENTS = "Div RealDiv DivNoNan FloorDiv TruncateDiv Xdivy".split()
POWERS = {"Square": 2, "Sqrt": 0.5, "Rsqrt": -0.5, "Reciprocal": -1, "Inv": -1, "SquaredDifference": 2}
MEANS = ("Mean", "Max", "Min")
CONTRACTS = "Einsum Cumsum Cumprod CumulativeLogsumexp BatchMatMul BatchMatMulV2 BatchMatMulV3".split()


class Growth(NamedTuple):
    """How the elements of a tensor grow with the number of examples in the batch.

    Attributes:
      power: they are proportional to (number of examples) ** power; None where that is not known.
      sums: the sums over examples that make them grow.
    """

    power: float | None
    sums: tuple[tf.Operation, ...] = ()


NONE, UNKNOWN = Growth(0), Growth(None)


def sum_over_batch(view: GraphView) -> Problems:
    """Finds losses and metrics of a trainer that are sums over the examples instead of means."""
    if view.own_training:
        return  # nobody averages the loss of a step that is made by hand
    for name, tensor in {"the loss": view.loss, **view.metrics}.items():
        for op in sums_of(view, tensor):
            yield (
                op,
                f"{name} adds up the examples of a batch here: it grows with the batch, and evaluate, which "
                f"takes means over batches, returns too large a number; {remedy(op)}",
            )


def sums_of(view: GraphView, tensor: tf.Tensor) -> Sequence[tf.Operation]:
    """Returns the sums over examples by which a tensor grows with the batch."""
    ops = walk.ancestors([tensor])
    if not any(op.type in SUMS and op in view.examples and has_rows(op.inputs[0]) for op in ops):
        return ()
    known: dict[tf.Operation, Growth] = {}
    for op in walk.running_order(walk.as_made(ops)):
        known[op] = growth_of(op, known)
    found = known[tensor.op]
    return [op for op in found.sums if op in view.examples] if (found.power or 0) > 0 else ()


def remedy(op: tf.Operation) -> str:
    """Returns how to write a sum as a mean over the examples."""
    sizes = op.inputs[0].shape.as_list()
    if op.type == "L2Loss":
        return "divide it by the number of examples, or use gk.mean_squared_error"
    if len(sizes) == 1:
        return "use tf.reduce_mean(...) for tf.reduce_sum(...)"
    if sizes[0] is not None:
        return "divide it by the number of examples"
    axes = [*range(1, len(sizes))]
    return f"use tf.reduce_mean(tf.reduce_sum(..., axis={axes if len(axes) > 1 else 1}))"


def growth_of(op: tf.Operation, known: Mapping[tf.Operation, Growth]) -> Growth:
    """Returns how what an op computes grows, given that of the ops before it."""
    kind = op.type
    before = [known.get(tensor.op, UNKNOWN) for tensor in op.inputs]
    if kind in walk.SAME_VALUES:
        return before[0]
    if kind in walk.SIZES:
        return growth_of_size(op)
    if kind in SUMS or kind in MEANS:
        return growth_of_reduction(op, before[0])
    if kind == "StridedSlice" and op.inputs[0].op.type == "Shape":
        return growth_of_axis(op)
    if kind in LARGEST_OF:
        return largest(before[1:] if kind.startswith("Select") else before)
    if kind in PRODUCTS:
        return NONE if any(map(is_zero, op.inputs)) else product(before[0], before[1], 1)
    if kind in QUOTIENTS:
        return product(before[0], before[1], -1)
    if kind in POWERS:
        one = largest(before)
        return UNKNOWN if one.power is None else Growth(one.power * POWERS[kind], one.sums)
    if op.type in walk.PLACEHOLDERS and op.outputs[0].shape.rank == 0:
        return UNKNOWN  # it may be the number of examples
    return growth_of_other(op, before)


def growth_of_other(op: tf.Operation, before: Sequence[Growth]) -> Growth:
    """Returns the growth of what has no arithmetic that is followed: a layer, an activation, a variable."""
    contracted = []
    if op.type == "MatMul":
        sizes = op.inputs[0].shape.as_list() if op.inputs[0].shape.rank == 2 else [None, None]
        contracted = [sizes[0 if op.get_attr("transpose_a") else 1]]
    elif op.type in ("Softmax", "LogSoftmax"):
        contracted = op.inputs[0].shape.as_list()[-1:] if op.inputs[0].shape.rank else [None]
    if None in contracted or op.type in CONTRACTS:
        return UNKNOWN
    if any(map(has_rows, op.outputs)):
        return NONE  # a number for each example
    same = all(growth.power == 0 for growth in before) and not any(map(has_rows, op.inputs))
    return NONE if same else UNKNOWN


def growth_of_reduction(op: tf.Operation, before: Growth) -> Growth:
    shape = op.inputs[0].shape
    if before.power is None or shape.rank is None:
        return UNKNOWN
    unknown = {axis for axis, size in enumerate(shape.as_list()) if size is None}
    power = before.power
    if op.type == "L2Loss":
        reduced, power = unknown, 2 * power
    else:
        axes = tf.get_static_value(op.inputs[1])
        if axes is None:
            return UNKNOWN
        reduced = unknown & {int(axis) % max(1, shape.rank) for axis in axes.reshape(-1)}
    if not reduced:
        return Growth(power, before.sums)
    # Of several axes of unknown size one is the examples', and nobody knows which.
    if reduced != unknown:
        return UNKNOWN
    return Growth(power, before.sums) if op.type in MEANS else Growth(power + 1, (*before.sums, op))


def growth_of_size(op: tf.Operation) -> Growth:
    shapes = [tensor.shape for tensor in op.inputs]
    if any(shape.rank is None for shape in shapes):
        return UNKNOWN
    grows = op.type != "Rank" and any(None in shape.as_list() for shape in shapes)
    return Growth(1) if grows else NONE


def growth_of_axis(op: tf.Operation) -> Growth:
    """Returns the growth of what is taken of a shape, as `tf.shape(x)[0]`."""
    shape = op.inputs[0].op.inputs[0].shape
    start = tf.get_static_value(op.inputs[1])
    if shape.rank is None or start is None or op.get_attr("shrink_axis_mask") != 1:
        return UNKNOWN
    sizes = shape.as_list()
    if sizes[int(start[0])] is not None:
        return NONE
    return Growth(1) if sizes.count(None) == 1 else UNKNOWN


def largest(terms: Sequence[Growth]) -> Growth:
    """Returns the growth of a sum of terms, which is that of the one that grows most."""
    powers = [term.power for term in terms if term.power is not None]
    if not powers or (len(powers) < len(terms) and max(powers) <= 0):
        return UNKNOWN
    power = max(powers)
    return Growth(power, tuple(dict.fromkeys(op for t in terms if t.power == power for op in t.sums)))


def product(first: Growth, second: Growth, sign: int) -> Growth:
    if first.power is None or second.power is None:
        return UNKNOWN
    sums = (*first.sums, *second.sums) if sign > 0 else first.sums
    return Growth(first.power + sign * second.power, tuple(dict.fromkeys(sums)))


def is_zero(tensor: tf.Tensor) -> bool:
    value = tf.get_static_value(tensor) if walk.origin(tensor).op.type == "Const" else None
    return value is not None and not value.any()


def has_rows(tensor: tf.Tensor) -> bool:
    """Whether a tensor has an axis of unknown size, as that of the examples."""
    return tensor.shape.rank is None or None in tensor.shape.as_list()
