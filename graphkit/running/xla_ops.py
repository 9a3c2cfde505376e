"""Which ops compute under XLA what TensorFlow's own kernels compute, and refuse what they refuse.

`scripts/dev/compare_xla.py` compares them at NaN, infinities, indices out of range, divisors of zero and the
like, and the slow tests hold these tables to what it finds (TF 2.21, on a processor).
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from graphkit.running import keyed_functions, ranges
from graphkit.running.ranges import Value

HALVES = (tf.float16, tf.bfloat16)
# They compute the same, up to rounding and the sign of zero.
SAME = frozenset(
    """
    Abs Acos Acosh Add AddN AddV2 All Any Asin Asinh Atan Atan2 Atanh BatchMatMul BatchMatMulV2
    BesselI0e BesselI1e BiasAdd BiasAddGrad Bitcast BitwiseAnd BitwiseOr BitwiseXor BroadcastArgs
    BroadcastGradientArgs BroadcastTo Ceil ConcatOffset ConcatV2 Cos Cosh Cross Cumprod Cumsum Digamma
    DivNoNan Einsum Elu EnsureShape Equal Erfc Erfinv Exp ExpandDims Expm1 Fill Floor Greater
    GreaterEqual Identity IdentityN Inv Invert IsFinite IsInf IsNan L2Loss LeakyRelu LeakyReluGrad Less
    LessEqual Lgamma LinSpace Log Log1p LogSoftmax LogicalAnd LogicalNot LogicalOr MatMul MatrixBandPart
    MatrixDiagPartV3 MatrixDiagV3 MatrixSetDiagV3 MirrorPad MirrorPadGrad Mul MulNoNan Neg NotEqual
    OneHot OnesLike Pack Pad PadV2 PopulationCount PreventGradient Prod Range Rank RealDiv Reciprocal
    Relu Relu6 Reshape ReverseV2 Rint Round Rsqrt Select SelectV2 Selu Shape ShapeN Sigmoid SigmoidGrad
    Sign Sin Sinh Size Snapshot SoftmaxCrossEntropyWithLogits Softplus SoftplusGrad Softsign
    SoftsignGrad Split SplitV Sqrt Square SquaredDifference Squeeze StopGradient Sub Sum Tan Tanh
    TanhGrad Tile Transpose Unique Unpack Xdivy Xlog1py Xlogy ZerosLike

    AssignAddVariableOp AssignSubVariableOp AssignVariableOp ReadVariableOp ResourceApplyAdaMax
    ResourceApplyAdadelta ResourceApplyAdagrad ResourceApplyAdagradV2 ResourceApplyAdam
    ResourceApplyAddSign ResourceApplyGradientDescent ResourceApplyKerasMomentum ResourceApplyMomentum
    ResourceApplyPowerSign ResourceApplyProximalAdagrad ResourceApplyProximalGradientDescent
    ResourceApplyRMSProp VarHandleOp VarIsInitializedOp VariableShape
    """.split()
)
# They compute nothing themselves; random numbers are drawn from keys by ops that are compared.
CONTROL = frozenset(
    """
    Case Const If NoOp PartitionedCall Placeholder PlaceholderV2 PlaceholderWithDefault RandomUniform
    StatefulPartitionedCall StatelessCase StatelessIf StatelessWhile While
    """.split()
)
# XLA makes the whole row NaN where one number of it is not finite; TensorFlow's kernel only part of the row,
# but all of its gradient: the weights are not finite after that step in either.
# XLA's gradients overflow at smaller numbers, or stay NaN where the kernels' pass a NaN over.
LOUDER = frozenset(("Softmax", "EluGrad", "RsqrtGrad", "ReciprocalGrad", "InvGrad"))
# Their derivatives have poles. Without them a gradient that is not finite has overflowed, and ends the
# training whether a unit that is off drops it or not.
POLES = frozenset("SqrtGrad RsqrtGrad Reciprocal ReciprocalGrad Inv InvGrad Pow Xdivy Atan2".split())


class Node(NamedTuple):
    """An op of a graph, or of a function that it calls."""

    name: str
    output: Value

    @property
    def kind(self) -> str:
        return self.output.kind

    @property
    def operands(self) -> list[Value]:
        return list(self.output.operands)

    def dtype(self, name: str = "T") -> tf.DType:
        """Returns the dtype that is an attribute of the op."""
        return tf.as_dtype(self.output.attr[name].type)


class Difference(NamedTuple):
    """How an op differs under XLA.

    Attributes:
      says: what differs.
      excluded: function (node) -> whether that cannot happen to this op; None for ops where it always can.
    """

    says: str
    excluded: Callable[[Node], bool] | None = None


def cast_fits(node: Node) -> bool:
    source, target = node.dtype("SrcT"), node.dtype("DstT")
    if not source.is_floating or not target.is_integer:
        return True
    low, high = ranges.bounds(node.operands[0])
    return math.isfinite(high - low) and target.min <= math.trunc(low) <= math.trunc(high) < target.max


def divides_by_positive(node: Node) -> bool:
    if node.dtype().is_floating:
        return node.kind not in ("FloorDiv", "FloorMod", "Mod") or node.dtype() not in HALVES
    return ranges.bounds(node.operands[1])[0] > 0


def power_is_whole(node: Node) -> bool:
    return not node.dtype().is_integer or ranges.bounds(node.operands[1])[0] >= 0


def shift_fits(node: Node) -> bool:
    low, high = ranges.bounds(node.operands[1])
    return low >= 0 and high < 8 * node.dtype().size


def is_whole(node: Node) -> bool:
    return not node.dtype().is_floating


def second_is_number(node: Node) -> bool:
    """Whether the second number is not NaN: XLA keeps the first where one of the two is."""
    return is_whole(node) or is_number(node.operands[1])


def is_number(value: Value) -> bool:
    """Whether no number of the tensor is NaN."""
    return not value.dtype.is_floating or ranges.bounds(value) != ranges.UNBOUNDED


def begins_inside(node: Node) -> bool:
    """Whether XLA knows, and checks, where a slice begins."""
    return ranges.from_sizes(node.operands[1])


def dimension(value: Value, axis: int) -> int | None:
    """Returns the size of an axis of a tensor, or of a handle's variable, if it is known."""
    if value.kind == "VarHandleOp":
        shape = tf.TensorShape(value.attr["shape"].shape)
        return shape.as_list()[axis] if shape.rank is not None else None
    return value.size(axis)


def lies_inside(index: Value, params: Value, axis: int) -> bool:
    """Whether all indices are places on an axis of a tensor, or of a variable."""
    low, high = ranges.bounds(index)
    size = dimension(params, axis)
    inside = low >= 0 and size is not None and high < size
    return inside or ranges.counts_below(index, (ranges.same(params).key, axis))


def columns(indices: Value) -> list[Value] | None:
    """Returns for each axis that rows of indices lead into the tensor of its indices, if they are known."""
    indices, last = ranges.same(indices), indices.shape.rank
    if indices.kind == "Pack" and last is not None and indices.attr["axis"].i in (-1, last - 1):
        return list(indices.operands)
    width = indices.size(-1) if last else None
    return [indices] * width if width else None


def rows_lie_inside(indices: Value, params: Value) -> bool:
    parts = columns(indices)
    return parts is not None and all(lies_inside(part, params, axis) for axis, part in enumerate(parts))


def gathers_inside(node: Node) -> bool:
    params, indices, *rest = node.operands
    if node.kind == "ResourceGather":
        return lies_inside(indices, params, node.output.attr["batch_dims"].i)
    axis = rest[0].constant() if rest else 0
    rank = params.shape.rank
    if axis is None or (axis < 0 and rank is None):
        return False
    return lies_inside(indices, params, int(axis) % rank if rank else int(axis))


def scatters_inside(node: Node) -> bool:
    params, indices = node.operands[:2]
    if node.kind == "ScatterNd":
        return scatters_into_shape(*(node.operands[place] for place in (0, 2)))
    if node.kind.startswith("ResourceScatter") and "Nd" not in node.kind:
        return lies_inside(indices, params, 0)
    return rows_lie_inside(indices, params)


def scatters_into_shape(indices: Value, shape: Value) -> bool:
    """Whether rows of indices lead into a tensor of this shape."""
    shape, parts, known = ranges.same(shape), columns(indices), shape.constant()
    if parts is None:
        return False
    if shape.kind == "Shape":
        return all(lies_inside(part, shape.operands[0], axis) for axis, part in enumerate(parts))
    if known is None:
        return False
    limits = [ranges.bounds(part) for part in parts]
    return all(low >= 0 and high < size for (low, high), size in zip(limits, known, strict=False))


def labels_lie_inside(node: Node) -> bool:
    logits, labels = node.operands
    return logits.shape.rank is not None and lies_inside(labels, logits, logits.shape.rank - 1)


def segments_lie_inside(node: Node) -> bool:
    """Whether all places are below the number of segments; both leave out what is negative."""
    _, places, count = node.operands
    below = ranges.bounds(places)[1] < ranges.bounds(count)[0]
    return below or ranges.counts_below(places, ranges.size_read(count))


INDEX = "an index out of range is refused by TensorFlow's kernel, and not by XLA"
DIVISOR = "a divisor of zero is refused by TensorFlow's kernel, and not by XLA"
NAN = "XLA takes NaN otherwise"
OTHERS = "XLA has other values"
TABLE: list[tuple[str, str, Callable[[Node], bool] | None]] = [
    # types of ops, what differs, when it cannot
    ("Cast", "XLA casts NaN and numbers out of range to other integers", cast_fits),
    ("Div FloorDiv FloorMod Mod TruncateDiv TruncateMod", DIVISOR, divides_by_positive),
    ("Pow", "a negative power of integers is refused by TensorFlow's kernel, and not by XLA", power_is_whole),
    ("LeftShift RightShift", "XLA shifts by too many bits to other numbers", shift_fits),
    ("Maximum Minimum", NAN, second_is_number),
    ("Max Min ArgMax ArgMin", NAN, is_whole),
    ("ReluGrad Relu6Grad", "XLA drops gradients that are not finite", None),
    ("SqrtGrad RsqrtGrad ReciprocalGrad InvGrad", "XLA makes gradients of zero NaN", None),
    ("ClipByValue", NAN, lambda node: all(map(is_number, node.operands[1:]))),
    ("SeluGrad", "XLA has another gradient at 0", None),
    ("Mean", "XLA has another mean of large integers", lambda node: not is_whole(node)),
    ("Erf", "XLA has other values for large numbers of float64", lambda node: node.dtype() != tf.float64),
    ("TopKV2 InTopKV2 UpperBound LowerBound Bucketize", "XLA takes ties and NaN in another order", None),
    (
        "Ndtri CumulativeLogsumexp ResourceApplyCenteredRMSProp ResourceApplyFtrl ResourceApplyFtrlV2",
        OTHERS,
        None,
    ),
    ("Qr Svd SelfAdjointEigV2", "XLA finds other factors", None),
    (
        "Cholesky MatrixInverse MatrixSolve MatrixTriangularSolve",
        "XLA takes singular matrices otherwise",
        None,
    ),
    ("Assert CheckNumerics CheckNumericsV2", "XLA leaves it out", None),
    ("Gather GatherV2 ResourceGather", INDEX, gathers_inside),
    ("GatherNd ResourceGatherNd", INDEX, lambda node: rows_lie_inside(node.operands[1], node.operands[0])),
    ("ScatterNd TensorScatterUpdate TensorScatterAdd TensorScatterSub", INDEX, scatters_inside),
    ("ResourceScatterUpdate ResourceScatterAdd ResourceScatterSub", INDEX, scatters_inside),
    ("ResourceScatterMul ResourceScatterDiv", INDEX, scatters_inside),
    ("ResourceScatterNdUpdate ResourceScatterNdAdd ResourceScatterNdSub", INDEX, scatters_inside),
    ("TensorScatterMin TensorScatterMax ResourceScatterMin ResourceScatterMax", NAN, None),
    ("SparseSoftmaxCrossEntropyWithLogits", INDEX, labels_lie_inside),
    ("UnsortedSegmentSum UnsortedSegmentProd", INDEX, segments_lie_inside),
    ("UnsortedSegmentMax UnsortedSegmentMin", NAN, lambda node: is_whole(node) and segments_lie_inside(node)),
    ("Slice StridedSlice StridedSliceGrad", INDEX, begins_inside),
    ("InvertPermutation DenseBincount Bincount DynamicPartition DynamicStitch", INDEX, None),
    ("ParallelDynamicStitch SparseToDense TensorListGetItem TensorListSetItem ReverseSequence", INDEX, None),
]
DIFFERS = {kind: Difference(says, excluded) for kinds, says, excluded in TABLE for kind in kinds.split()}
# In the copy of a step for XLA these are made to take NaN as TensorFlow's kernels do, see `rewrite`.
REWRITTEN = frozenset(
    """
    Maximum Minimum Max Min ArgMax ArgMin ReluGrad Relu6Grad SqrtGrad RsqrtGrad ReciprocalGrad InvGrad
    """.split()
)


def difference(ops: Iterable[tf.Operation], library: Mapping[str, Any]) -> str | None:
    """Returns how the ops, and those inside functions that they call, may differ under XLA, or None.

    Args:
      ops: ops of one graph.
      library: {name: FunctionDef} of the functions of the graph.
    """
    for node in nodes_of(sorted(ops, key=lambda op: op.name), library):
        kind = node.kind
        rewritten = kind in REWRITTEN and isinstance(node.output, ranges.OfGraph)
        accepted = kind in SAME or kind in CONTROL or (kind in LOUDER and kind not in DIFFERS)
        if accepted or rewritten or kind in library:
            continue
        found = DIFFERS.get(kind)
        if found is None:
            return f"XLA has not been compared with TensorFlow at {kind} ({node.name})"
        if found.excluded is None or not found.excluded(node):
            return f"{found.says}: {kind} ({node.name})"
    return None


def nodes_of(ops: Iterable[tf.Operation], library: Mapping[str, Any]) -> Iterator[Node]:
    """Yields the ops, and then those of the functions that they call."""
    waiting: list[tuple[str, ranges.Body, tuple]] = []
    ops = list(ops)
    running = frozenset(ops)

    def called(name: str, output: Value, callers: tuple) -> list[tuple[str, ranges.Body, tuple]]:
        bodies = ranges.calls(output, library, keyed_functions.CALLS)
        return [(name, body, (*callers, body.function)) for body in bodies if body.function not in callers]

    for op in ops:
        output: Value = ranges.OfGraph(op, ops=running)
        yield Node(op.name, output)
        waiting += called(op.name, output, ())
    while waiting:
        caller, body, callers = waiting.pop()
        for inner in body.nodes.values():
            output = ranges.Inside(body, inner)
            yield Node(f"{inner.name} (in {caller})", output)
            waiting += called(caller, output, callers)


def rewrite(definition: Any) -> None:
    """Makes the nodes of a GraphDef that is for XLA take NaN, and zeros, as TensorFlow's kernels do.

    XLA's maximum and minimum drop NaN, and its largest number is NaN; its gradient of relu drops gradients
    that are not finite where a unit is off, as that of sqrt at 0; its gradient of sqrt makes 0 * inf of
    a gradient
    that is zero. A node keeps its name.
    """
    for node in list(definition.node):
        dtype = tf.as_dtype(node.attr["T"].type) if node.op in REWRITTEN else tf.int32
        if not dtype.is_floating:
            continue
        if node.op in ("Maximum", "Minimum"):
            in_pairs(definition, node, dtype)
        elif node.op.startswith("Relu"):
            if any(other.op in POLES for other in definition.node):
                in_relu(definition, node, dtype)
        elif node.op.endswith("Grad"):
            in_root(definition, node, dtype)
        else:
            in_rows(definition, node, dtype)


def add_node(definition: Any, name: str, op: str, inputs: Iterable[str], **types: tf.DType) -> str:
    node = definition.node.add(name=name, op=op, input=inputs)
    for attribute, dtype in types.items():
        node.attr[attribute].type = dtype.as_datatype_enum
    return name


def in_pairs(definition: Any, node: Any, dtype: tf.DType) -> None:
    """Gives a maximum of two numbers NaN as both, where the second is NaN."""
    first, second = node.input[:2]
    missing = add_node(definition, f"{node.name}/is_nan", "IsNan", [second], T=dtype)
    node.input[0] = add_node(definition, f"{node.name}/first", "SelectV2", [missing, second, first], T=dtype)


def in_relu(definition: Any, node: Any, dtype: tf.DType) -> None:
    """Lets gradients that are not finite through a unit that is off, as 0 * inf does."""
    gradient, features = node.input[:2]
    ones = add_node(definition, f"{node.name}/ones", "OnesLike", [features], T=dtype)
    finite = add_node(definition, f"{node.name}/is_finite", "IsFinite", [gradient], T=dtype)
    inputs = [finite, features, ones]
    node.input[1] = add_node(definition, f"{node.name}/features", "SelectV2", inputs, T=dtype)


def in_root(definition: Any, node: Any, dtype: tf.DType) -> None:
    """Makes a gradient of zero stay zero, whatever the root is."""
    root, gradient = node.input[:2]
    ones = add_node(definition, f"{node.name}/ones", "OnesLike", [root], T=dtype)
    zeros = add_node(definition, f"{node.name}/zeros", "ZerosLike", [gradient], T=dtype)
    none = add_node(definition, f"{node.name}/is_zero", "Equal", [gradient, zeros], T=dtype)
    node.input[0] = add_node(definition, f"{node.name}/root", "SelectV2", [none, ones, root], T=dtype)


def in_rows(definition: Any, node: Any, dtype: tf.DType) -> None:
    """Makes a maximum over NaN be NaN, and the place of a maximum never that of a NaN."""
    values = node.input[0]
    missing = add_node(definition, f"{node.name}/is_nan", "IsNan", [values], T=dtype)
    if node.op in ("ArgMax", "ArgMin"):
        worst = add_node(definition, f"{node.name}/worst", "Const", [], dtype=dtype)
        content = -math.inf if node.op == "ArgMax" else math.inf
        definition.node[-1].attr["value"].tensor.CopyFrom(tf.make_tensor_proto(content, dtype))
        node.input[0] = add_node(
            definition, f"{node.name}/numbers", "SelectV2", [missing, worst, values], T=dtype
        )
        return
    found, total, most = (definition.node.add() for _ in range(3))
    for copy, op in ((found, "Any"), (total, "Sum"), (most, node.op)):
        copy.CopyFrom(node)
        copy.op, copy.name = op, f"{node.name}/{op}"
    found.input[0] = missing
    found.attr.pop("T")
    node.op = "SelectV2"
    node.input[:] = [found.name, total.name, most.name]  # a sum with NaN is NaN
    node.ClearField("attr")
    node.attr["T"].type = dtype.as_datatype_enum
