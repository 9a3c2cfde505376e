"""Rule of `check_graph` on losses and metrics that grow with the batch: sums over its examples."""

from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

import tensorflow as tf

from graphkit.graph import walk
from graphkit.inspection.graph_view import READS, GraphView, Problems

SUMS = ("Sum", "L2Loss")
LARGEST_OF = (
    "Add AddV2 AddN Sub Maximum Minimum Select SelectV2 Pack ConcatV2 Merge Switch Neg Abs Prod Slice "
    "StridedSlice GatherV2"
).split()
PRODUCTS = ("Mul", "MulNoNan")
QUOTIENTS = "Div RealDiv DivNoNan FloorDiv TruncateDiv Xdivy".split()
POWERS = {"Square": 2, "Sqrt": 0.5, "Rsqrt": -0.5, "Reciprocal": -1, "Inv": -1, "SquaredDifference": 2}
MEANS = ("Mean", "Max", "Min")
LOOKUPS = "ResourceGather GatherV2 Gather".split()
NORMS = (*walk.SAME_VALUES, *"Square Abs Pow Mul Add AddV2 AddN Sum".split())
CONTRACTS = "Einsum Cumsum Cumprod CumulativeLogsumexp BatchMatMul BatchMatMulV2 BatchMatMulV3".split()


class Growth(NamedTuple):
    """How the elements of a tensor grow with the number of examples in the batch.

    Attributes:
      power: they are proportional to (number of examples) ** power; None where that is not known.
      sums: the sums over examples that make them grow.
      part: how they grow with those axes of unknown size that are reduced while others are left, as in a sum
        over time: nobody knows which of them is the axis of the examples. None where there are none.
    """

    power: float | None
    sums: tuple[tf.Operation, ...] = ()
    part: float | None = None


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
        known[op] = growth_of(op, known, view.trained)
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


def growth_of(
    op: tf.Operation, known: Mapping[tf.Operation, Growth], trained: Container[tf.Operation]
) -> Growth:
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
        unknown = before[1].power == 0 and is_setting(op.inputs[1], trained)
        return UNKNOWN if unknown else product(before[0], before[1], -1)
    if kind in POWERS:
        one, exponent = largest(before), POWERS[kind]
        part = None if one.part is None else one.part * exponent
        return UNKNOWN if one.power is None else Growth(one.power * exponent, one.sums, part)
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
    power, sums, part = before.power, before.sums, before.part
    if op.type == "L2Loss":
        reduced, power, part = unknown, 2 * power, None if part is None else 2 * part
    else:
        axes = tf.get_static_value(op.inputs[1])
        if axes is None:
            return UNKNOWN
        reduced = unknown & {int(axis) % max(1, shape.rank) for axis in axes.reshape(-1)}
    if not reduced or is_norm_of_rows(op):
        return Growth(power, sums, part)
    added = 0 if op.type in MEANS else 1
    if reduced != unknown:
        return Growth(power, sums, added if part is None else min(added, part))
    sums = (*sums, op) if added else sums
    if part is None:
        return Growth(power + added, sums)
    # The axis of the examples is one that was reduced before, or one of these.
    either = power + added, power + part + (added if len(unknown) > 1 else 0)
    return Growth(min(either), sums) if min(either) > 0 or either[0] == either[1] else UNKNOWN


def is_norm_of_rows(op: tf.Operation) -> bool:
    """Whether an op sums the squares or magnitudes of looked-up rows alone, as a penalty on them does."""
    waiting = [op.inputs[0]] if op.type in SUMS else []
    found = {op.type}
    while waiting:
        before = waiting.pop().op
        if before.type in LOOKUPS and walk.origin(before.inputs[0], READS).op.type in walk.VARIABLES:
            found.add("rows")
            continue
        taken = [walk.origin(tensor) for tensor in before.inputs]
        taken = [tensor for tensor in taken if tensor.op.type != "Const"]
        if before.type not in NORMS or (before.type == "Mul" and taken[0] is not taken[-1]):
            return False
        found.add("Square" if before.type == "Mul" and len(taken) == 2 else before.type)
        waiting += taken
    return "rows" in found and bool(found & {"L2Loss", "Square", "Abs", "Pow"})


def is_setting(tensor: tf.Tensor, trained: Container[tf.Operation]) -> bool:
    """Whether a number follows from a variable that no optimizer trains: it may be the number of examples."""
    ops = walk.ancestors([tensor]) if tensor.shape.rank == 0 else ()
    return any(op.type in walk.VARIABLES and op not in trained for op in ops)


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
    sums = tuple(dict.fromkeys(op for t in terms if t.power == power for op in t.sums))
    parts = [term.part for term in terms if term.part is not None]
    return Growth(power, sums, max(parts, default=None))


def product(first: Growth, second: Growth, sign: int) -> Growth:
    if first.power is None or second.power is None:
        return UNKNOWN
    sums = (*first.sums, *second.sums) if sign > 0 else first.sums
    part = None
    if first.part is not None or second.part is not None:
        part = (first.part or 0) + sign * (second.part or 0)
    return Growth(first.power + sign * second.power, tuple(dict.fromkeys(sums)), part)


def is_zero(tensor: tf.Tensor) -> bool:
    value = tf.get_static_value(tensor) if walk.origin(tensor).op.type == "Const" else None
    return value is not None and not value.any()


def has_rows(tensor: tf.Tensor) -> bool:
    """Whether a tensor has an axis of unknown size, as that of the examples."""
    return tensor.shape.rank is None or None in tensor.shape.as_list()
