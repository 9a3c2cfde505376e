"""Between which bounds the values of a finished graph lie, whatever is fed: of indices, divisors, counts.

Values inside functions are followed to the arguments of the call. What cannot be followed is unbounded.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit.graph import references, walk
from graphkit.nn import inputs

Bounds = tuple[float, float]
UNBOUNDED: Bounds = (-math.inf, math.inf)
DEPTH = 40  # ops that are followed; those of a long chain say nothing about its end
# Their values are among those of their first input.
PARTS = {
    *("Identity", "Reshape", "ExpandDims", "Squeeze", "StopGradient", "Transpose", "EnsureShape", "Snapshot"),
    *("Slice", "StridedSlice", "Tile", "Unpack", "ReverseV2", "BroadcastTo", "PreventGradient"),
}


class Value:
    """A tensor of a graph, or of a function that the graph calls.

    Attributes:
      key: equal for the same tensor.
      kind: type of the op that computes it.
      attr: attributes of this op.
      place: which output of the op it is.
      dtype: `tf.DType`.
      shape: `tf.TensorShape`, unknown inside functions.
      graph: the graph.
    """

    key: tuple
    kind: str
    attr: Mapping[str, Any]
    place: int
    dtype: tf.DType
    shape: tf.TensorShape
    graph: tf.Graph

    @property
    def operands(self) -> "Sequence[Value]":
        raise NotImplementedError

    def constant(self) -> np.ndarray | None:
        raise NotImplementedError

    def size(self, axis: int) -> int | None:
        """Returns the size of an axis, if it is known."""
        # `shape[axis]` is a Dimension in TensorFlow 1.
        return None if self.shape.rank is None else self.shape.as_list()[axis]


class OfGraph(Value):
    """An output of an op of the graph itself; the op may have none.

    Args:
      op: the op.
      place: which output it is.
      ops: all ops that run: what is fed is checked for these alone.
    """

    def __init__(self, op: tf.Operation, place: int = 0, ops: Collection[tf.Operation] = ()) -> None:
        self.op, self.place, self.graph, self.ops = op, place, op.graph, ops
        self.key, self.kind, self.attr = (op.name, place), references.type_in_copy(op), op.node_def.attr
        self.tensor = op.outputs[place] if op.outputs else None
        self.dtype = tf.variant if self.tensor is None else self.tensor.dtype
        self.shape = tf.TensorShape(None) if self.tensor is None else self.tensor.shape

    @property
    def operands(self) -> Sequence[Value]:
        return [OfGraph(tensor.op, tensor.value_index, self.ops) for tensor in self.op.inputs]

    def constant(self) -> np.ndarray | None:
        return None if self.tensor is None else tf.get_static_value(self.tensor)


class Body:
    """A function as it is called from one place.

    Args:
      function: its FunctionDef.
      arguments: {name of an argument: what the call gives}; those that a loop changes are left out.
      name: of the call.
      graph: the graph.
    """

    def __init__(self, function: Any, arguments: Mapping[str, Value], name: str, graph: tf.Graph) -> None:
        self.function = function.signature.name
        self.nodes = {node.name: node for node in function.node_def}
        self.arguments, self.name, self.graph = arguments, name, graph

    def value(self, text: str) -> Value:
        """Returns the tensor that is called "node:output:place", or by the name of an argument."""
        name, *rest = text.split(":")
        if name in self.nodes:
            return Inside(self, self.nodes[name], rest)
        return self.arguments.get(name) or Unknown(self, name)

    def operands(self, node: Any) -> list[Value]:
        return [self.value(text) for text in node.input if text[0] != "^"]


class Inside(Value):
    """A tensor of a function."""

    def __init__(self, body: Body, node: Any, output: Sequence[str] = ()) -> None:
        self.body, self.node, self.graph = body, node, body.graph
        self.key, self.kind, self.attr = (body.name, node.name, *output), node.op, node.attr
        self.place = 1 if output[:1] == ["idx"] else 0  # the only output of another place that is looked at
        names = ("DstT", "out_type", "output_type", "dtype", "T", "Tidx")
        kinds = [node.attr[name].type for name in names if name in node.attr and node.attr[name].type]
        self.dtype = tf.as_dtype(kinds[0]) if kinds else tf.variant
        self.shape = tf.TensorShape(None)

    @property
    def operands(self) -> Sequence[Value]:
        return self.body.operands(self.node)

    def constant(self) -> np.ndarray | None:
        return tf.make_ndarray(self.attr["value"].tensor) if self.kind == "Const" else None


class Unknown(Value):
    """An argument of a function that is another in each call."""

    def __init__(self, body: Body, name: str) -> None:
        self.key, self.kind, self.attr, self.place = (body.name, name), "", {}, 0
        self.dtype, self.shape, self.graph = tf.variant, tf.TensorShape(None), body.graph

    @property
    def operands(self) -> Sequence[Value]:
        return []

    def constant(self) -> np.ndarray | None:
        return None


def bounds(value: Value, depth: int = DEPTH) -> Bounds:
    """Returns (low, high) such that no number of the tensor lies outside, nor is NaN; else UNBOUNDED."""
    known = value.constant()
    if known is not None:
        known = np.asarray(known)
        numbers = known.size and known.dtype.kind in "buif" and not np.isnan(known).any()
        return (float(known.min()), float(known.max())) if numbers else UNBOUNDED
    low, high = rule(value, depth) if depth else UNBOUNDED
    limits = range_of(value.dtype)
    if limits is None:
        return low, high
    inside = limits[0] <= low and high <= limits[1]  # what does not fit wraps around
    return (low, high) if inside else limits


def range_of(dtype: tf.DType) -> Bounds | None:
    """Returns the smallest and largest number of a dtype of integers, or None."""
    if dtype.is_bool:
        return 0, 1
    return (dtype.min, dtype.max) if dtype.is_integer else None


def rule(value: Value, depth: int) -> Bounds:
    """Returns bounds that follow from the op of a tensor, as if its numbers had no largest one."""
    kind, operands = value.kind, value.operands

    def of(place: int) -> Bounds:
        return bounds(operands[place], depth - 1)

    if kind in walk.PLACEHOLDERS:
        return of_placeholder(value)
    if kind == "StridedSlice" and operands[0].kind == "Shape" and (read := size_read(value)) is not None:
        size = operands[0].operands[0].size(read[1])
        return (0, tf.int32.max) if size is None else (size, size)
    if kind == "StridedSlice" and (element := element_read(value)) is not None:
        return element, element
    if kind in PARTS or (kind in ("GatherV2", "Gather") and operands):
        return of(0)
    if kind == "Cast":
        low, high = of(0)
        whole = not value.dtype.is_floating
        return (math.trunc(low), math.trunc(high)) if whole and math.isfinite(high - low) else (low, high)
    if kind in walk.SIZES:
        return 0, (tf.int32 if value.dtype == tf.variant else value.dtype).max
    if kind in ("Pack", "ConcatV2", "SelectV2"):
        parts = operands[1:] if kind == "SelectV2" else operands[:-1] if kind == "ConcatV2" else operands
        found = [bounds(part, depth - 1) for part in parts]
        return min(low for low, _ in found), max(high for _, high in found)
    if kind == "Fill":
        return of(1)
    if kind == "Round":
        low, high = of(0)
        return (round(low), round(high)) if math.isfinite(high - low) else UNBOUNDED
    if kind in ("ArgMax", "ArgMin"):
        axis = operands[1].constant()
        size = None if axis is None else operands[0].size(int(axis))
        return 0, math.inf if size is None else size - 1
    if kind == "Unique" and value.place == 0:
        return of(0)
    if kind == "Unique":
        return 0, math.inf
    if kind == "Range":
        (start, _), (_, limit), (delta, _) = of(0), of(1), of(2)
        return (start, limit - 1) if delta > 0 else UNBOUNDED
    if kind == "Prod" and value.dtype.is_integer and of(0)[0] >= 0:
        return 0, math.inf
    return of_arithmetic(kind, operands, depth)


def of_placeholder(value: Value) -> Bounds:
    """Returns the bounds that a trainer checks before the first step, see `feeds`."""
    tensor = value.graph.get_tensor_by_name(f"{value.key[0]}:0")
    if any(tensor is p for p in value.graph.get_collection(inputs.KEEP_PROBS)):
        low, high = bounds(value.operands[0]) if value.operands else (0, 1)  # of the default
        return min(low, 0), max(high, 1)
    # Only arrays of examples are checked, and whatever has a first axis of any size is one.
    if value.kind in walk.PLACEHOLDERS[:2] and tensor.dtype.is_integer and tensor.shape.rank:
        ops = value.ops if isinstance(value, OfGraph) else ()
        limits = walk.index_limits(tensor, ops) if tensor.shape.as_list()[0] is None else None
        if limits is not None:
            return limits.lowest, limits.highest
    return UNBOUNDED


def of_arithmetic(kind: str, operands: Sequence[Value], depth: int) -> Bounds:
    if kind == "Neg":
        low, high = bounds(operands[0], depth - 1)
        return -high, -low
    if kind not in ("Add", "AddV2", "Sub", "Mul", "Maximum", "Minimum", "FloorDiv", "FloorMod"):
        return UNBOUNDED
    (a, b), (c, d) = (bounds(operand, depth - 1) for operand in operands)
    if kind in ("Maximum", "Minimum"):
        pick = max if kind == "Maximum" else min
        floats = operands[0].dtype.is_floating and UNBOUNDED in ((a, b), (c, d))
        return UNBOUNDED if floats else (pick(a, c), pick(b, d))  # a number that is NaN stays NaN
    if kind == "FloorMod":
        return (0, d - 1) if c > 0 and operands[0].dtype.is_integer else UNBOUNDED
    if not all(map(math.isfinite, (a, b, c, d))):
        return UNBOUNDED
    if kind in ("Add", "AddV2"):
        return a + c, b + d
    if kind == "Sub":
        return a - d, b - c
    if kind == "FloorDiv":
        ends = [x // y for x in (a, b) for y in (c, d)] if c > 0 else UNBOUNDED
        return min(ends), max(ends)
    ends = [x * y for x in (a, b) for y in (c, d)]
    return min(ends), max(ends)


def from_sizes(value: Value, depth: int = DEPTH) -> bool:
    """Whether a tensor follows from constants and the sizes of others, so that XLA knows and checks it."""
    if value.kind in walk.SIZES or value.constant() is not None:
        return True
    operands = value.operands
    return bool(depth and operands) and all(from_sizes(operand, depth - 1) for operand in operands)


def same(value: Value) -> Value:
    """Returns the tensor that an Identity, or a chain of them, has been given."""
    while value.kind in ("Identity", "StopGradient", "EnsureShape"):
        value = value.operands[0]
    return value


def size_read(value: Value) -> tuple | None:
    """Returns (key of a tensor, axis) if the scalar is the size of this axis, read from a Shape, or None."""
    value = same(value)
    if value.kind == "Size" and value.operands[0].shape.rank == 1:
        return same(value.operands[0]).key, 0
    if value.kind != "StridedSlice" or value.operands[0].kind != "Shape":
        return None
    start = value.operands[1].constant()
    single = value.attr["shrink_axis_mask"].i == 1
    return (same(value.operands[0].operands[0]).key, int(start[0])) if single and start is not None else None


def element_read(value: Value) -> float | None:
    """Returns the number that the scalar is, if it is read from a vector of constants, or None."""
    vector, start = (value.operands[place].constant() for place in (0, 1))
    single = value.attr["shrink_axis_mask"].i == 1
    if vector is None or start is None or np.ndim(vector) != 1 or not single:
        return None
    place = int(start[0])
    return float(vector[place]) if -len(vector) <= place < len(vector) else None


def counts_below(index: Value, size: tuple | None) -> bool:
    """Whether an index counts the elements of an axis: a range up to its size, or places from a Unique."""
    index = same(index)
    if size is None:
        return False
    if index.kind == "Range":
        start, limit, delta = index.operands
        return bounds(start)[0] >= 0 and bounds(delta)[0] >= 1 and size_read(limit) == size
    if index.kind != "Unique" or index.place != 1:
        return False
    # There are as many places as different numbers, and no more of these than numbers in all.
    counted = {same(index.operands[0]).key, (index.key[0], 0)}
    return size[0] in counted and size[1] == 0


def calls(value: Value, library: Mapping[str, Any], table: Mapping[str, tuple]) -> Iterator[Body]:
    """Yields the functions that an op calls, with the arguments that it gives them.

    Args:
      value: an output of the op.
      library: {name: FunctionDef}.
      table: {type of op: (its attributes that name functions, ...)}.
    """
    operands = list(value.operands)
    named = [(value.kind, value.kind)] if value.kind in library else []
    for attribute, content in sorted(value.attr.items()):
        for function in (content.func, *content.list.func):
            if function.name in library:
                named.append((attribute, function.name))
    for attribute, name in named:
        function = library[name]
        names = [argument.name for argument in function.signature.input_arg]
        given: dict[str, Value] = {}
        if attribute == name or value.kind in table:
            given = dict(zip(names, operands[len(operands) - len(names) :], strict=True))
        if attribute in ("cond", "body"):
            given = {names[place]: given[names[place]] for place in unchanged(value, library)}
        yield Body(function, given, f"{value.key[0]}/{name}", value.graph)


def unchanged(loop: Value, library: Mapping[str, Any]) -> list[int]:
    """Returns the places of the variables of a loop that its body returns as they are."""
    body = library[loop.attr["body"].func.name]
    nodes = {node.name: node for node in body.node_def}
    names = [argument.name for argument in body.signature.input_arg]
    kept = []
    for place, output in enumerate(body.signature.output_arg):
        text = body.ret[output.name]
        while text.split(":")[0] in nodes and nodes[text.split(":")[0]].op == "Identity":
            text = nodes[text.split(":")[0]].input[0]
        if text == names[place]:
            kept.append(place)
    return kept
