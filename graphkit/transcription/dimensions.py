"""Sizes of arrays as symbols: shape arithmetic that is decided when the file is written."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit.transcription.values import Dimension, Size, Sizes, Value, combine, product

Shape = list[Dimension] | None

FORMS = {
    **{"Add": "+", "AddV2": "+", "Sub": "-", "Mul": "*", "FloorDiv": "//", "FloorMod": "%"},
    **{"Maximum": "max", "Minimum": "min"},
}
# The first axis of the result is that of this input.
BATCH = {
    **dict.fromkeys(("Conv2D", "MaxPool", "AvgPool", "DepthwiseConv2dNative", "MaxPoolGrad"), 0),
    **dict.fromkeys(("SparseSoftmaxCrossEntropyWithLogits", "SoftmaxCrossEntropyWithLogits", "InTopKV2"), 0),
    **dict.fromkeys(("FusedBatchNormV3", "FusedBatchNormGradV3", "TopKV2"), 0),
    **dict.fromkeys(("Conv2DBackpropInput", "DepthwiseConv2dNativeBackpropInput"), 2),
    "AvgPoolGrad": 1,
    "InTopKV2": 1,
}
REDUCTIONS = ("Sum", "Mean", "Max", "Min", "Prod", "All", "Any")


def vector(sizes: Sequence[Dimension]) -> Sizes:
    return Sizes(tuple(sizes), False)


def number(size: Dimension) -> Sizes:
    return Sizes((size,), True)


def sizes_of(call: Any) -> list[Value] | None:
    """Returns the outputs of an op that computes sizes of arrays from others, or None if it does not."""
    kind = call.op.type
    if kind in ("Shape", "ShapeN"):
        shapes = [call.shape(place) for place in range(len(call))]
        return None if None in shapes else [vector(shape) for shape in shapes]
    if kind in ("Size", "Rank"):
        shape = call.shape(0)
        return None if shape is None else [number(product(shape) if kind == "Size" else len(shape))]
    rule = RULES.get(kind)
    if rule is None or any(tensor.dtype not in (tf.int32, tf.int64) for tensor in call.op.outputs):
        return None
    given = [call.sizes(place) for place in range(len(call))]
    if not given or None in given:
        return None
    return rule(call, given)


def arithmetic(call: Any, given: list[Sizes]) -> list[Value] | None:
    first, second = given
    count = max(len(first.sizes), len(second.sizes))
    sides = [s.sizes * count if len(s.sizes) == 1 else s.sizes for s in given]
    if len(sides[0]) != len(sides[1]):
        return None
    found = [combine(FORMS[call.op.type], a, b) for a, b in zip(*sides, strict=True)]
    return [Sizes(tuple(found), first.scalar and second.scalar)]


def strided_slice(call: Any, given: list[Sizes]) -> list[Value] | None:
    if given[0].scalar or any(call.attr(f"{name}_mask") for name in ("ellipsis", "new_axis")):
        return None
    bounds = [call.constant(place) for place in (1, 2, 3)]
    if any(bound is None or bound.size != 1 for bound in bounds):
        return None
    start, end, step = (int(bound.ravel()[0]) for bound in bounds)
    if call.attr("shrink_axis_mask"):
        return [number(given[0].sizes[start])]
    begin = None if call.attr("begin_mask") else start
    return [vector(given[0].sizes[begin : None if call.attr("end_mask") else end : step])]


def reshape(call: Any, given: list[Sizes]) -> list[Value] | None:
    rank = call.op.outputs[0].shape.rank
    return None if rank is None or rank > 1 else [Sizes(given[0].sizes, rank == 0)]


def gather(call: Any, given: list[Sizes]) -> list[Value] | None:
    places = call.constant(1)
    if places is None or given[0].scalar or (call.op.type == "GatherV2" and given[2].sizes != (0,)):
        return None
    return [Sizes(tuple(given[0].sizes[int(place)] for place in places.ravel()), places.ndim == 0)]


def concat(call: Any, given: list[Sizes]) -> list[Value] | None:
    return [vector([size for part in given[:-1] for size in part.sizes])]


def concat_offset(call: Any, given: list[Sizes]) -> list[Value] | None:
    axis = given[0].sizes[0]
    if not isinstance(axis, int):
        return None
    offsets: list[Value] = []
    before: Dimension = 0
    for shape in given[1:]:
        axis %= len(shape.sizes)
        offsets.append(vector([before if place == axis else 0 for place in range(len(shape.sizes))]))
        before = combine("+", before, shape.sizes[axis])
    return offsets


def piece(call: Any, given: list[Sizes]) -> list[Value] | None:
    start, count = (given[place].sizes[0] for place in (1, 2))
    if given[0].scalar or not (isinstance(start, int) and isinstance(count, int)):
        return None
    return [vector(given[0].sizes[start:] if count < 0 else given[0].sizes[start : start + count])]


def reduced_axes(call: Any, given: list[Sizes]) -> list[Value] | None:
    """The axes along which two shapes are repeated, if each pair of sizes is equal, or one of them is 1."""
    rank = max(len(shape.sizes) for shape in given)
    first, second = ((1,) * (rank - len(shape.sizes)) + shape.sizes for shape in given)
    axes: tuple[list[Dimension], list[Dimension]] = ([], [])
    for axis, (a, b) in enumerate(zip(first, second, strict=True)):
        if a == b:
            continue
        if a == 1:
            axes[0].append(axis)
        elif b == 1:
            axes[1].append(axis)
        else:
            return None
    return [vector(axes[0]), vector(axes[1])]


def multiplied(call: Any, given: list[Sizes]) -> list[Value] | None:
    return None if call.attr("keep_dims") else [number(product(given[0].sizes))]


def stitched(call: Any, given: list[Sizes]) -> list[Value] | None:
    half = len(given) // 2
    places = [place for part in given[:half] for place in part.sizes]
    sizes = [size for part in given[half:] for size in part.sizes]
    if not all(isinstance(place, int) for place in places):
        return None
    found = dict(zip(places, sizes, strict=True))
    return [vector([found[place] for place in sorted(found)])]


def permutation(call: Any, given: list[Sizes]) -> list[Value] | None:
    known = all(isinstance(size, int) for size in given[0].sizes)
    return [vector([int(place) for place in np.argsort(given[0].sizes)])] if known else None


def counted(call: Any, given: list[Sizes]) -> list[Value] | None:
    bounds = [size.sizes[0] for size in given if isinstance(size.sizes[0], int)]
    if len(bounds) < 3 or len(range(*bounds)) > 16:
        return None
    return [vector(list(range(*bounds)))]


RULES: dict[str, Callable[[Any, list[Sizes]], list[Value] | None]] = {
    **dict.fromkeys(FORMS, arithmetic),
    "StridedSlice": strided_slice,
    **dict.fromkeys(("Reshape", "ExpandDims", "Squeeze"), reshape),
    "Cast": lambda call, given: [given[0]],
    "Pack": lambda call, given: (
        [vector([s.sizes[0] for s in given])] if all(s.scalar for s in given) else None
    ),
    "Unpack": lambda call, given: None if given[0].scalar else [number(size) for size in given[0].sizes],
    **dict.fromkeys(("Gather", "GatherV2"), gather),
    "ConcatV2": concat,
    "ConcatOffset": concat_offset,
    "Slice": piece,
    "BroadcastGradientArgs": reduced_axes,
    "Prod": multiplied,
    "DynamicStitch": stitched,
    "InvertPermutation": permutation,
    "Range": counted,
}


def shape_of(call: Any, index: int) -> Shape:
    """Returns the sizes of the axes of an output, with the symbols of the inputs where they are the same."""
    tensor = call.op.outputs[index]
    if tensor.shape.rank is None:
        return shape_given(call)
    own = (id(tensor.graph), tensor.name)
    known = tensor.shape.as_list()
    if None not in known:
        return known
    guess = likely(call, index, len(known))
    found: list[Dimension] = []
    for axis, size in enumerate(known):
        other = guess[axis] if guess is not None and len(guess) == len(known) else None
        found.append(size if size is not None else Size("axis", (own, axis)) if other is None else other)
    return found


def shape_given(call: Any) -> Shape:
    """Returns the shape that an input gives, where TensorFlow does not know the number of axes."""
    if call.op.type in ("Reshape", "BroadcastTo", "Fill"):
        sizes = call.sizes(0 if call.op.type == "Fill" else 1)
        if sizes is not None and -1 not in sizes.sizes:
            return list(sizes.sizes)
    return None


def likely(call: Any, index: int, rank: int) -> list[Dimension | None] | None:
    """Returns the sizes that follow from the inputs, None where they do not."""
    kind = call.op.type
    if kind in BATCH:
        shape = call.shape(BATCH[kind])
        return None if not shape else [shape[0], *[None] * (rank - 1)]
    rule = AXES.get(kind)
    if rule is not None:
        return rule(call)
    return broadcast([call.shape(place) for place in range(len(call))], rank) if kind in ELEMENTWISE else None


def broadcast(shapes: Sequence[Shape], rank: int) -> list[Dimension | None] | None:
    if any(shape is None for shape in shapes):
        return None
    found: list[Dimension | None] = []
    for axis in range(-rank, 0):
        sizes = {shape[axis] for shape in shapes if shape is not None and len(shape) >= -axis} - {1}
        found.append(sizes.pop() if len(sizes) == 1 else None)
    return found


def reshaped(call: Any) -> list[Dimension | None] | None:
    sizes, before = call.sizes(1), call.shape(0)
    if sizes is None:
        return None
    found: list[Dimension | None] = list(sizes.sizes)
    if -1 in found:
        rest = product([size for size in sizes.sizes if size != -1])
        missing = None if before is None else combine("//", product(before), rest)
        found[found.index(-1)] = missing
    return found


def reduced(call: Any) -> list[Dimension | None] | None:
    axes, before = call.constant(1), call.shape(0)
    if axes is None or before is None:
        return None
    gone = {int(axis) % max(len(before), 1) for axis in axes.ravel()}
    if call.attr("keep_dims"):
        return [1 if axis in gone else size for axis, size in enumerate(before)]
    return [size for axis, size in enumerate(before) if axis not in gone]


def multiplied_matrices(call: Any) -> list[Dimension | None] | None:
    first, second = call.shape(0), call.shape(1)
    if not first or not second:
        return None
    a, b = ("transpose_a", "transpose_b") if call.op.type == "MatMul" else ("adj_x", "adj_y")
    rows = first[-1] if call.attr(a) else first[-2]
    return [*first[:-2], rows, second[-2] if call.attr(b) else second[-1]]


def gathered(call: Any) -> list[Dimension | None] | None:
    places, table = call.shape(1), call.op.outputs[0].shape.rank
    axis = call.constant(2) if call.op.type == "GatherV2" else np.array(0)
    if places is None or axis is None or int(axis) != 0 or table is None:
        return None
    return [*places, *[None] * (table - len(places))]


def expanded(call: Any) -> list[Dimension | None] | None:
    axis, before = call.constant(1), call.shape(0)
    if axis is None or before is None:
        return None
    place = int(axis.ravel()[0])
    place += len(before) + 1 if place < 0 else 0
    return [*before[:place], 1, *before[place:]]


def squeezed(call: Any) -> list[Dimension | None] | None:
    before, axes = call.shape(0), call.attr("squeeze_dims")
    if before is None or not axes:
        return None
    gone = {axis % len(before) for axis in axes}
    return [size for axis, size in enumerate(before) if axis not in gone]


def transposed(call: Any) -> list[Dimension | None] | None:
    order, before = call.constant(1), call.shape(0)
    return None if order is None or before is None else [before[int(place)] for place in order]


def joined(call: Any) -> list[Dimension | None] | None:
    axis, shapes = call.constant(len(call) - 1), [call.shape(place) for place in range(len(call) - 1)]
    if axis is None or None in shapes:
        return None
    place = int(axis) % len(shapes[0])
    total: Dimension = 0
    for shape in shapes:
        total = combine("+", total, shape[place])
    rest = broadcast(shapes, len(shapes[0])) or []
    return [total if axis == place else size for axis, size in enumerate(rest)]


def stacked(call: Any) -> list[Dimension | None] | None:
    shapes, rank = [call.shape(place) for place in range(len(call))], call.output.shape.rank
    inner = broadcast(shapes, rank - 1)
    if inner is None:
        return None
    place = call.attr("axis") % rank
    return [*inner[:place], len(shapes), *inner[place:]]


def unstacked(call: Any) -> list[Dimension | None] | None:
    before = call.shape(0)
    if before is None:
        return None
    place = call.attr("axis") % len(before)
    return [*before[:place], *before[place + 1 :]]


def divided(call: Any) -> list[Dimension | None] | None:
    axis, before = call.constant(0), call.shape(1)
    if axis is None or before is None:
        return None
    return [None if place == int(axis) % len(before) else size for place, size in enumerate(before)]


def sliced(call: Any) -> list[Dimension | None] | None:
    sizes = call.sizes(2)
    return None if sizes is None else [None if size == -1 else size for size in sizes.sizes]


def first_input(call: Any) -> list[Dimension | None] | None:
    return call.shape(0)


def arg_reduced(call: Any) -> list[Dimension | None] | None:
    axis, before = call.constant(1), call.shape(0)
    if axis is None or before is None:
        return None
    return [size for place, size in enumerate(before) if place != int(axis) % len(before)]


def tiled(call: Any) -> list[Dimension | None] | None:
    sizes, before = call.sizes(1), call.shape(0)
    if sizes is None or before is None:
        return None
    return [combine("*", size, times) for size, times in zip(before, sizes.sizes, strict=True)]


def of_sizes(place: int) -> Callable[[Any], list[Dimension | None] | None]:
    def shape(call: Any) -> list[Dimension | None] | None:
        sizes = call.sizes(place)
        return None if sizes is None else list(sizes.sizes)

    return shape


AXES: dict[str, Callable[[Any], list[Dimension | None] | None]] = {
    "Reshape": reshaped,
    **dict.fromkeys(REDUCTIONS, reduced),
    **dict.fromkeys(("MatMul", "BatchMatMulV2"), multiplied_matrices),
    **dict.fromkeys(("ResourceGather", "GatherV2", "Gather"), gathered),
    "ExpandDims": expanded,
    "Squeeze": squeezed,
    "Tile": tiled,
    "Transpose": transposed,
    "ConcatV2": joined,
    "Pack": stacked,
    "Unpack": unstacked,
    "Split": divided,
    "Slice": sliced,
    "ArgMax": arg_reduced,
    **dict.fromkeys(("Fill",), of_sizes(0)),
    **dict.fromkeys(("BroadcastTo",), of_sizes(1)),
    **dict.fromkeys(("BiasAdd", "Softmax", "LogSoftmax", "Cumsum", "ReverseV2"), first_input),
    "OneHot": lambda call: [*(call.shape(0) or []), None] if call.shape(0) is not None else None,
}
# Ops whose result has the shape of the inputs together; the rules of `elementwise` add theirs.
ELEMENTWISE: set[str] = set()
