"""Rules of ops that put arrays into another form, take parts of them, or sum over axes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit.transcription.elementwise import helped, written
from graphkit.transcription.transcriber import ATOM, COMPARE, Call, Code, Result, Rule
from graphkit.transcription.values import Constant, Handle, Same, Sizes, scalar, tuple_text


def shape_text(call: Call, place: int) -> str:
    """Returns an input that is a shape, as NumPy takes it."""
    sizes = call.sizes(place)
    if sizes is None:
        return call.arg(place, COMPARE)
    code = call.at.sizes_code(sizes)
    call.at.uses |= code.uses
    return code.text


def reshape(call: Call) -> Result:
    sizes, before = call.sizes(1), call.shape(0)
    if sizes is not None and before is not None:
        if list(sizes.sizes) == before:
            return Same(0)
        filled_in = [b if a == -1 else a for a, b in zip(sizes.sizes, before, strict=False)]
        if len(sizes.sizes) == len(before) and filled_in == before:
            return Same(0)
        unknown = [size for size in before if not isinstance(size, int)]
        parts = list(sizes.sizes)
        if -1 not in parts and sum(not isinstance(size, int) for size in parts) == 1 and len(unknown) == 1:
            parts = [size if isinstance(size, int) else -1 for size in parts]  # the batch's size follows
            if parts[1:] and 0 not in parts:
                return Code(f"{call.arg(0)}.reshape({', '.join(map(str, parts))})")
    if sizes is not None and len(sizes.sizes) == 1:
        code = call.at.sizes_code(sizes._replace(scalar=True))
        call.at.uses |= code.uses
        return Code(f"{array(call, 0)}.reshape({code.text})")
    if sizes is not None and before is not None and 0 not in sizes.sizes:
        text = [call.at.size_code(size) for size in sizes.sizes]
        call.at.uses |= frozenset().union(*(code.uses for code in text))
        return Code(f"{array(call, 0)}.reshape({', '.join(code.text for code in text) or '()'})")
    if sizes is not None and not sizes.sizes and call.op.inputs[0].shape.num_elements() == 1:
        return Code(f"{call.arg(0)}.reshape(())")
    return Code(f"{array(call, 0)}.reshape({shape_text(call, 1)})")


def array(call: Call, place: int) -> str:
    """Returns an input as something that has the methods of arrays."""
    value = call.value(place)
    text = call.arg(place)
    plain = isinstance(value, (Constant, Sizes)) or (isinstance(value, Code) and not call.shape(place))
    return f"np.asarray({text})" if plain else text


def reduction(method: str) -> Rule:
    def rule(call: Call) -> Result:
        axes, keeps = call.constant(1), call.attr("keep_dims")
        shape = call.shape(0)
        if axes is not None and axes.size == 0:
            return Same(0)
        if axes is None:
            text = f"axis=tuple(np.ravel({call.arg(1, COMPARE)}))"
        else:
            places = [int(axis) for axis in axes.ravel()]
            everything = shape is not None and len({p % max(len(shape), 1) for p in places}) == len(shape)
            text = "" if everything else f"axis={places[0] if len(places) == 1 else tuple(places)}"
        options = [text] if text else []
        if keeps:
            options.append("keepdims=True")
        if method in ("sum", "prod") and call.output.dtype.is_integer:
            options.append(f"dtype={call.dtype()}")  # NumPy would take wider integers
        return Code(f"{array(call, 0)}.{method}({', '.join(options)})")

    return rule


def sum_over(call: Call) -> Result:
    """Sums; `Reshape(Sum(x, axes that were repeated), shape)` is what `sum_to` computes."""
    axes = call.op.inputs[1].op
    if axes.type == "BroadcastGradientArgs" and call.constant(1) is None:
        shape = axes.inputs[call.op.inputs[1].value_index]
        value = call.at.value(shape)
        text = call.at.sizes_code(value).text if isinstance(value, Sizes) else call.at.text(shape, COMPARE)
        if isinstance(value, Sizes):
            call.at.uses |= call.at.sizes_code(value).uses
        return Code(f"{call.helper('sum_to')}({call.arg(0, COMPARE)}, {text})")
    return reduction("sum")(call)


def transpose(call: Call) -> Result:
    order = call.constant(1)
    if order is not None and order.tolist() == [1, 0]:
        return Code(f"{call.arg(0)}.T")
    places = call.arg(1, COMPARE) if order is None else tuple_text([str(int(place)) for place in order])
    return Code(f"{call.arg(0)}.transpose({places.strip('()') if order is not None else places})")


def expand(call: Call) -> Result:
    axis, rank = call.constant(1), call.op.inputs[0].shape.rank
    if axis is None or rank is None:
        return Code(f"np.expand_dims({call.arg(0, COMPARE)}, {call.arg(1, COMPARE)})")
    place = int(axis.ravel()[0])
    place += rank + 1 if place < 0 else 0
    if rank == 0:
        return Code(f"np.reshape({call.arg(0, COMPARE)}, 1)")
    parts = [":"] * place + ["None"] + [":"] * (rank - place)
    while parts[-1] == ":":
        parts.pop()
    return Code(f"{call.arg(0)}[{', '.join(parts)}]")


def squeeze(call: Call) -> Result:
    axes = tuple(call.attr("squeeze_dims"))
    return Code(f"np.squeeze({call.arg(0, COMPARE)}{f', {axes}' if axes else ''})")


def strided_slice(call: Call) -> Result:
    masks = {
        name: call.attr(f"{name}_mask") for name in ("begin", "end", "shrink_axis", "new_axis", "ellipsis")
    }
    count = call.op.inputs[1].shape.num_elements()
    bounds = [call.sizes(place) for place in (1, 2, 3)]
    if count is None or bounds[2] is None:
        raise call.refusal("takes parts of an array that are known only when it runs")
    parts = []
    for axis in range(count):
        bit = 1 << axis
        if masks["ellipsis"] & bit:
            parts.append("...")
        elif masks["new_axis"] & bit:
            parts.append("None")
        else:
            begin, end = (part_text(call, place, bounds[place - 1], axis) for place in (1, 2))
            step = bounds[2].sizes[axis]
            if masks["shrink_axis"] & bit:
                parts.append(begin)
                continue
            begin = "" if masks["begin"] & bit or (begin == "0" and step == 1) else begin
            end = "" if masks["end"] & bit else end
            parts.append(f"{begin}:{end}" + ("" if step == 1 else f":{step}"))
    return Code(f"{array(call, 0)}[{', '.join(parts)}]")


def part_text(call: Call, place: int, sizes: Sizes | None, axis: int) -> str:
    if sizes is None:
        pack = call.op.inputs[place].op
        if pack.type == "Pack":
            return call.at.text(pack.inputs[axis], COMPARE)
        return f"{call.arg(place)}[{axis}]"
    code = call.at.size_code(sizes.sizes[axis])
    call.at.uses |= code.uses
    return code.text


def strided_slice_grad(call: Call) -> Result:
    """The gradient of a slice: zeros of the shape of what was sliced, with the gradient in its place."""
    masks = {
        name: call.attr(f"{name}_mask") for name in ("begin", "end", "shrink_axis", "new_axis", "ellipsis")
    }
    bounds = [call.constant(place) for place in (1, 2, 3)]
    if masks["ellipsis"] or masks["new_axis"] or any(bound is None for bound in bounds):
        raise call.refusal("is the gradient of a slice that is known only when it runs")
    parts = []
    for axis, (begin, end, step) in enumerate(
        zip(*(bound.tolist() for bound in bounds if bound is not None), strict=True)
    ):
        bit = 1 << axis
        if masks["shrink_axis"] & bit:
            parts.append(str(begin))
            continue
        first, last = "" if masks["begin"] & bit else str(begin), "" if masks["end"] & bit else str(end)
        parts.append(f"{first}:{last}" + ("" if step == 1 else f":{step}"))
    where = f"np.s_[{', '.join(parts)}]"
    return Code(f"{call.helper('put')}({shape_text(call, 0)}, {where}, {call.arg(4, COMPARE)})")


def piece(call: Call) -> Result:
    starts, counts = call.sizes(1), call.sizes(2)
    rank = call.op.inputs[0].shape.rank
    if rank is None:
        return Code(
            f"{call.helper('part')}({call.arg(0, COMPARE)}, {shape_text(call, 1)}, {shape_text(call, 2)})"
        )
    before, parts = call.shape(0), []
    for axis in range(rank):
        start = part_text(call, 1, starts, axis)
        count = part_text(call, 2, counts, axis)
        size = counts.sizes[axis] if counts is not None else None
        if start == "0" and (size == -1 or (before is not None and size == before[axis])):
            parts.append(":")
        elif size == -1:
            parts.append(f"{start}:")
        else:
            end = count if start == "0" else f"{start} + {count}"
            if start.isdigit() and count.isdigit():
                end = str(int(start) + int(count))
            parts.append(f"{'' if start == '0' else start}:{end}")
    while len(parts) > 1 and parts[-1] == ":":
        parts.pop()
    return Same(0) if parts == [":"] else Code(f"{array(call, 0)}[{', '.join(parts)}]")


def concat(call: Call) -> Result:
    *parts, axis = call.args()
    axis_text = "" if axis == "0" else f", axis={axis}"
    return Code(f"np.concatenate([{', '.join(parts)}]{axis_text})")


def pack(call: Call) -> Result:
    axis = call.attr("axis")
    if all(tensor.shape.rank == 0 for tensor in call.op.inputs):
        return Code(f"np.array([{', '.join(call.args())}], {call.dtype()})")
    return Code(f"np.stack([{', '.join(call.args())}]{f', axis={axis}' if axis else ''})")


def unpack(call: Call) -> Result:
    axis = call.attr("axis")
    source = call.arg(0)
    if len(call.op.outputs) == 1:
        return Code(f"np.take({source}, 0, axis={axis})")
    return Code(source if axis == 0 else f"np.moveaxis({source}, {axis}, 0)")


def split(call: Call) -> Result:
    count = len(call.op.outputs)
    if count == 1:
        return Same(1)
    return Code(f"np.split({call.arg(1, COMPARE)}, {count}, axis={call.arg(0, COMPARE)})")


def split_sizes(call: Call) -> Result:
    sizes = call.constant(1)
    if sizes is None or (sizes < 0).any():
        raise call.refusal("splits an array into sizes that are known only when it runs")
    places = np.cumsum(sizes)[:-1].tolist()
    if not places:
        return Same(0)
    return Code(f"np.split({call.arg(0, COMPARE)}, {places}, axis={call.arg(2, COMPARE)})")


def gather(call: Call) -> Result:
    axis = call.constant(2) if call.op.type == "GatherV2" else np.array(0)
    if axis is not None and int(axis) == 0:
        return Code(f"{variable_or_array(call)}[{call.arg(1, COMPARE)}]")
    return Code(f"np.take({variable_or_array(call)}, {call.arg(1, COMPARE)}, axis={call.arg(2, COMPARE)})")


def variable_or_array(call: Call) -> str:
    """Returns the first input, which ops for variables take as a handle."""
    value = call.value(0)
    if isinstance(value, Handle):
        name = call.at.read_variable(value.key)
        code = call.at.code(name)
        call.at.uses |= code.uses
        return code.text
    return array(call, 0)


def gather_rows(call: Call) -> Result:
    return Code(f"{variable_or_array(call)}[tuple(np.moveaxis({call.arg(1, COMPARE)}, -1, 0))]")


def one_hot(call: Call) -> Result:
    if call.attr("axis") != -1:
        raise call.refusal("puts its axis elsewhere than last")
    on, off = call.constant(2), call.constant(3)
    if on is None or off is None:
        raise call.refusal("has values that are known only when it runs")
    usual = (float(on), float(off)) == (1.0, 0.0)
    more = "" if usual else f", {on.item()}, {off.item()}"
    dtype = "" if call.output.dtype == tf.float32 else f", dtype={call.dtype()}"
    return Code(f"{call.helper('one_hot')}({call.arg(0, COMPARE)}, {call.arg(1, COMPARE)}{more}{dtype})")


def fill(call: Call) -> Result:
    value = call.constant(1)
    if value is not None:
        return filled(call, 0, value)
    return Code(f"np.full({shape_text(call, 0)}, {call.arg(1, COMPARE)}, {call.dtype()})")


def uniform_value(call: Call) -> np.ndarray | None:
    """Returns the number that all elements of the first input are, if it is a constant."""
    known = call.constant(0)
    return (
        known.ravel()[0] if known is not None and known.size and (known == known.ravel()[0]).all() else None
    )


def filled(call: Call, place: int, value: np.ndarray) -> Code:
    """Returns an array of one number, whose shape is an input."""
    sizes = call.sizes(place)
    alone = sizes is not None and len(sizes.sizes) == 1 and sizes
    code = call.at.size_code(alone.sizes[0]) if alone else None
    if code is not None:
        call.at.uses |= code.uses
    shape = shape_text(call, place) if code is None else code.text
    if value in (0, 1):
        return Code(f"np.{'ones' if value else 'zeros'}({shape}, {call.dtype()})")
    return Code(f"np.full({shape}, {scalar(value)}, {call.dtype()})")


def broadcast(call: Call) -> Result:
    sizes = call.sizes(1)
    if sizes is not None and list(sizes.sizes) == call.shape(0):
        return Same(0)
    if (value := uniform_value(call)) is not None:
        return filled(call, 1, value)
    return Code(f"np.broadcast_to({call.arg(0, COMPARE)}, {shape_text(call, 1)})")


def tile(call: Call) -> Result:
    sizes = call.sizes(1)
    if sizes is not None and set(sizes.sizes) == {1}:
        return Same(0)
    if (value := uniform_value(call)) is not None and set(call.shape(0) or [1]) == {1}:
        return filled(call, 1, value)
    return Code(f"np.tile({call.arg(0, COMPARE)}, {shape_text(call, 1)})")


def pad(call: Call) -> Result:
    more = f", constant_values={call.arg(2, COMPARE)}" if call.op.type == "PadV2" else ""
    sizes = call.constant(1)
    text = call.arg(1, COMPARE) if sizes is None else str(tuple(map(tuple, sizes.tolist())))
    return Code(f"np.pad({call.arg(0, COMPARE)}, {text}{more})")


def mirror_pad(call: Call) -> Result:
    mode = {b"REFLECT": "reflect", b"SYMMETRIC": "symmetric"}[call.attr("mode")]
    return Code(f'np.pad({call.arg(0, COMPARE)}, {call.arg(1, COMPARE)}, "{mode}")')


def arg_reduction(function: str) -> Rule:
    def rule(call: Call) -> Result:
        found = f"{array(call, 0)}.{function}(axis={call.arg(1, COMPARE)})"
        return Code(found if call.output.dtype == tf.int64 else f"{found}.astype({call.dtype()})")

    return rule


def counting(call: Call) -> Result:
    return Code(f"np.arange({', '.join(call.args())}, dtype={call.dtype()})")


def cumulative(call: Call) -> Result:
    if call.attr("exclusive") or call.attr("reverse"):
        raise call.refusal("sums without the last number, or backwards")
    return Code(f"np.cumsum({call.arg(0, COMPARE)}, axis={call.arg(1, COMPARE)})")


def shape_of(call: Call) -> Result:
    return Code(f"np.array({call.arg(0)}.shape, {call.dtype()})")


def shapes_of(call: Call) -> Result:
    for place, tensor in enumerate(call.op.outputs):
        call.at.define(tensor, f"np.array({call.arg(place)}.shape, {call.dtype()})")
    return [call.at.value(tensor) for tensor in call.op.outputs]


def known_axes(call: Call) -> Result:
    axes = ", ".join(shape_text(call, place) for place in (0, 1))
    return Code(f"{call.helper('broadcast_axes')}({axes})")


def stitch(call: Call) -> Result:
    half = len(call) // 2
    places, parts = (", ".join(call.args()[part]) for part in (slice(half), slice(half, None)))
    return Code(f"{call.helper('stitch')}([{places}], [{parts}])")


def unique(call: Call) -> Result:
    return Code(f"{call.helper('unique')}({call.arg(0, COMPARE)})")


def scatter(call: Call) -> Result:
    return Code(
        f"{call.helper('scatter')}({call.arg(0, COMPARE)}, {call.arg(1, COMPARE)}, {shape_text(call, 2)})"
    )


def of_size(function: str) -> Rule:
    return lambda call: Code(
        f"np.{function}({call.arg(0, COMPARE)})" if function == "size" else f"np.ndim({call.arg(0, COMPARE)})"
    )


RULES: dict[str, Callable[[Call], Any]] = {
    "Reshape": reshape,
    "Sum": sum_over,
    **{kind: reduction(method) for kind, method in {"Mean": "mean", "Max": "max", "Min": "min"}.items()},
    **{kind: reduction(method) for kind, method in {"Prod": "prod", "All": "all", "Any": "any"}.items()},
    "Transpose": transpose,
    "ExpandDims": expand,
    "Squeeze": squeeze,
    "StridedSlice": strided_slice,
    "StridedSliceGrad": strided_slice_grad,
    "Slice": piece,
    "ConcatV2": concat,
    "Pack": pack,
    "Unpack": unpack,
    "Split": split,
    "SplitV": split_sizes,
    **{"GatherV2": gather, "Gather": gather, "ResourceGather": gather},
    **{"GatherNd": gather_rows, "ResourceGatherNd": gather_rows},
    "OneHot": one_hot,
    "Fill": fill,
    "BroadcastTo": broadcast,
    "Tile": tile,
    **{"Pad": pad, "PadV2": pad, "MirrorPad": mirror_pad},
    **{"ArgMax": arg_reduction("argmax"), "ArgMin": arg_reduction("argmin")},
    "Range": counting,
    "LinSpace": written("np.linspace({0}, {1}, {2}, dtype=np.float32)", ATOM, COMPARE, COMPARE, COMPARE),
    "Cumsum": cumulative,
    "ReverseV2": written("np.flip({0}, {1})", ATOM, COMPARE, COMPARE),
    **{"Shape": shape_of, "ShapeN": shapes_of},
    "ConcatOffset": helped("concat_offsets"),
    **{"Size": of_size("size"), "Rank": of_size("ndim")},
    "BroadcastGradientArgs": known_axes,
    "DynamicStitch": stitch,
    **{"Unique": unique, "UniqueV2": unique},
    "UnsortedSegmentSum": helped("segment_sum"),
    "ScatterNd": scatter,
    "InvertPermutation": written("np.argsort({0})", ATOM, COMPARE),
}
