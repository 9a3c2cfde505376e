# ruff: noqa: B023, E501, E731
"""Cases for `compare_xla.py`: calls of single ops at values where kernels may differ."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

raw = tf.raw_ops
NAN, INF = float("nan"), float("inf")
FLOATS = ("float32", "float64", "bfloat16", "float16")
INTEGERS = ("int32", "int64", "uint8", "int8", "int16", "uint16", "uint32", "uint64")
COMMON = ("float32", "float64", "bfloat16", "int32", "int64", "uint8")
REPEATS = 5  # of the edge values, so that kernels reach them in their vectors and in what is left over


class Case(NamedTuple):
    """A call of one op.

    Attributes:
      op: its type.
      name: what is tried.
      call: function (*arrays) -> tensors.
      arrays: what it is given.
      exact: whether the results must be equal, not only up to rounding.
    """

    op: str
    name: str
    call: Callable[..., Any]
    arrays: tuple
    exact: bool = False


def edges(dtype: str) -> np.ndarray:
    """Returns the values of a dtype where kernels may differ."""
    kind = tf.as_dtype(dtype)
    numpy = kind.as_numpy_dtype
    if kind.is_bool:
        return np.array([False, True])
    if kind.is_integer:
        ends = [kind.min, kind.min + 1, kind.max - 1, kind.max]
        return np.array([*ends, 0, 1, 2, 3, 7, 31, 32, 33, *((-1, -2, -7) if kind.min < 0 else ())], numpy)
    large = float(kind.max)
    tiny = float(np.finfo(np.float32).tiny if dtype != "float16" else 6.1e-5)
    with np.errstate(over="ignore"):
        numbers = [
            0.0,
            0.5,
            1.0,
            1.5,
            2.0,
            2.5,
            3.0,
            7.3,
            20.0,
            90.0,
            300.5,
            2.0**31,
            2.0**63,
            3e9,
            large,
            tiny,
        ]
        signed = [sign * number for number in numbers for sign in (1, -1)]
        return np.array([*signed, NAN, INF, -INF], np.float64).astype(numpy)


def repeated(values: np.ndarray) -> np.ndarray:
    return np.tile(values, REPEATS)


def pairs(dtype: str, other: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Returns two vectors that hold all pairs of edge values."""
    first, second = edges(dtype), edges(other or dtype)
    return np.repeat(first, len(second)), np.tile(second, len(first))


def of(op: str, **attributes: Any) -> Callable[..., Any]:
    """Returns the function (*inputs) that calls a raw op, with its inputs in their order."""
    function = getattr(raw, op)
    names = [n for n in function.__signature__.parameters if n not in attributes and n != "name"]
    return lambda *inputs: function(**dict(zip(names, inputs, strict=False)), **attributes)


UNARY = """Abs Acos Acosh Asin Asinh Atan Atanh BesselI0e BesselI1e Ceil Cos Cosh Digamma Elu Erf Erfc Erfinv Exp
Expm1 Floor Inv IsFinite IsInf IsNan LeakyRelu Lgamma Log Log1p Ndtri Neg Reciprocal Relu Relu6 Rint Round Rsqrt
Selu Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Square Tan Tanh OnesLike ZerosLike Identity StopGradient
PreventGradient Snapshot DeepCopy L2Loss""".split()
EXACT = """Abs Ceil Floor IsFinite IsInf IsNan Neg Relu Relu6 Rint Round Sign OnesLike ZerosLike Identity StopGradient
PreventGradient Snapshot DeepCopy Invert PopulationCount Maximum Minimum ReluGrad Relu6Grad""".split()
UNARY_INTEGER = (
    "Abs Invert LeakyRelu Neg OnesLike PopulationCount Relu Relu6 Sign Square ZerosLike Identity".split()
)
BINARY = """Add AddV2 Sub Mul MulNoNan Div DivNoNan RealDiv FloorDiv FloorMod Mod Maximum Minimum Pow
SquaredDifference Atan2 Xdivy Xlogy Xlog1py NextAfter Equal NotEqual ApproximateEqual Less LessEqual Greater
GreaterEqual ReluGrad Relu6Grad EluGrad SeluGrad LeakyReluGrad SigmoidGrad TanhGrad
SqrtGrad RsqrtGrad ReciprocalGrad InvGrad SoftplusGrad SoftsignGrad Complex""".split()
BINARY_INTEGER = """Add AddV2 Sub Mul Div FloorDiv FloorMod Mod TruncateDiv TruncateMod Maximum Minimum Pow
SquaredDifference Equal NotEqual Less LessEqual Greater GreaterEqual BitwiseAnd BitwiseOr BitwiseXor LeftShift
RightShift ReluGrad""".split()
OUTPUTS = {"SqrtGrad": "Sqrt", "RsqrtGrad": "Rsqrt", "ReciprocalGrad": "Reciprocal", "SigmoidGrad": "Sigmoid"}
OUTPUTS |= {"TanhGrad": "Tanh", "EluGrad": "Elu", "SeluGrad": "Selu"}
REDUCTIONS = "Sum Mean Prod Max Min EuclideanNorm".split()


def elementwise() -> Iterator[Case]:
    """Ops of one or two numbers, at all edge values."""
    for op, dtype in itertools.product(UNARY, FLOATS):
        if op == "L2Loss":
            for value in edges(dtype):
                yield Case(op, f"{dtype} {value}", of(op), (np.array([value, 1], value.dtype),))
        else:
            yield Case(op, dtype, of(op), (repeated(edges(dtype)),), op in EXACT)
    for op, dtype in itertools.product(UNARY_INTEGER, INTEGERS):
        yield Case(op, dtype, of(op), (repeated(edges(dtype)),), True)
    yield Case("LogicalNot", "bool", of("LogicalNot"), (edges("bool"),), True)
    for op, dtype in itertools.product(BINARY, FLOATS):
        if op in OUTPUTS:  # the gradient is given what the function gives
            values = np.asarray(of(OUTPUTS[op])(edges(dtype)))
            outputs, gradients = np.repeat(values, len(edges(dtype))), np.tile(edges(dtype), len(values))
            gradients = np.where(
                np.abs(gradients.astype(np.float64)) > 100, np.ones_like(gradients), gradients
            )
            arrays = (gradients, outputs) if op in ("EluGrad", "SeluGrad") else (outputs, gradients)
            yield Case(op, dtype, of(op), arrays)
            continue
        yield Case(op, dtype, of(op), pairs(dtype), op in EXACT)
    for op, dtype in itertools.product(BINARY_INTEGER, INTEGERS):
        first, second = pairs(dtype)
        if "Div" in op or "Mod" in op:
            yield Case(op, f"{dtype} by zero", of(op), (first, np.zeros_like(first)), True)
            lowest = (first == tf.as_dtype(dtype).min) & (second == np.array(-1).astype(first.dtype))
            kept = (second != 0) & ~(lowest & (tf.as_dtype(dtype).min < 0))
            first, second = first[kept], second[kept]
        if op.endswith("Shift"):
            outside = (second < 0) | (second >= 8 * second.itemsize)
            yield Case(op, f"{dtype} by too much", of(op), (first[outside], second[outside]), True)
            first, second = first[~outside], second[~outside]
        if op == "Pow":
            yield Case(op, f"{dtype} to negative", of(op), (first[second < 0], second[second < 0]), True)
            first, second = first[second >= 0], second[second >= 0]
        yield Case(op, dtype, of(op), (first, second), True)
    for op in ("LogicalAnd", "LogicalOr", "Equal", "NotEqual"):
        yield Case(op, "bool", of(op), pairs("bool"), True)
    for op, dtype in itertools.product(("Select", "SelectV2"), COMMON):
        first, second = pairs(dtype)
        yield Case(op, dtype, of(op), (np.arange(len(first)) % 2 == 0, first, second), True)
    for dtype in COMMON:
        first, second = pairs(dtype)
        yield Case("AddN", dtype, lambda a, b: raw.AddN(inputs=[a, b, a]), (first, second))
        low, high = (v.astype(v.dtype) for v in pairs(dtype))
        kept = ~(low > high)
        for value in edges(dtype):
            arrays = np.full_like(low[kept], value), low[kept], high[kept]
            yield Case("ClipByValue", f"{dtype} {value}", of("ClipByValue"), arrays, True)
    for low, high in [(0, NAN), (NAN, 0), (1, 0)]:
        bounds = np.float32(low), np.float32(high)
        yield Case(
            "ClipByValue", f"bounds {low} {high}", of("ClipByValue"), (edges("float32"), *bounds), True
        )


def casts() -> Iterator[Case]:
    for source, target in itertools.product((*FLOATS, *INTEGERS, "bool"), repeat=2):
        values, kind = edges(source), tf.as_dtype(target)
        call = of("Cast", DstT=kind)
        if source in FLOATS and target in INTEGERS:
            wide = values.astype(np.float64)
            inside = (np.trunc(wide) >= kind.min) & (np.trunc(wide) <= kind.max)
            inside &= wide != np.float64(kind.max) * (kind.size > 4)
            yield Case(
                "Cast", f"{source} to {target}, out of range", call, (repeated(values[~inside]),), True
            )
            values = values[inside]
        yield Case("Cast", f"{source} to {target}", call, (repeated(values),), True)
        if kind.size == tf.as_dtype(source).size and "bool" not in (source, target):
            yield Case("Bitcast", f"{source} to {target}", of("Bitcast", type=kind), (edges(source),), True)


def reductions() -> Iterator[Case]:
    for op, dtype in itertools.product(REDUCTIONS, COMMON):
        numpy = tf.as_dtype(dtype).as_numpy_dtype
        if (op == "EuclideanNorm" and dtype == "uint8") or (op == "Mean" and dtype in INTEGERS):
            continue
        exact = op in ("Max", "Min") or dtype in INTEGERS
        rows = np.stack([*pairs(dtype), np.ones_like(pairs(dtype)[0])])
        if op in ("Sum", "Mean", "Prod", "EuclideanNorm") and dtype in FLOATS:
            rows = np.where(np.abs(rows.astype(np.float64)) > 1e35, rows * 0 + 1, rows).astype(numpy)
            extremes = np.array([[NAN, 1], [INF, 1], [INF, -INF], [NAN, INF], [-INF, 0]], numpy)
            yield Case(op, f"{dtype} not finite", of(op), (extremes, 1))
        yield Case(op, f"{dtype} of none", of(op), (np.zeros((0, 3), numpy), 0), exact)
        yield Case(op, f"{dtype} of columns", of(op), (rows, 0), exact)
        yield Case(op, f"{dtype} of rows", of(op), (rows.T.copy(), 1), exact)
    for dtype in ("int32", "uint8"):
        numpy = tf.as_dtype(dtype).as_numpy_dtype
        rows = np.array([[1, 2], [2, 5], [4, 4]], numpy)
        yield Case("Mean", dtype, of("Mean"), (rows, 0), True)
        yield Case(
            "Mean",
            f"{dtype} beyond the range",
            of("Mean"),
            (np.full(5, tf.as_dtype(dtype).max, numpy), 0),
            True,
        )
        yield Case("Mean", f"{dtype} of negatives", of("Mean"), (-rows.astype(np.int32), 0), True)
    for op in ("All", "Any"):
        yield Case(op, "none", of(op), (np.zeros((0, 3), bool), 0), True)
        yield Case(op, "bool", of(op), (np.array([[True, False], [True, True]]), 1), True)
    for op, dtype in itertools.product(("ArgMax", "ArgMin"), COMMON):
        numpy = tf.as_dtype(dtype).as_numpy_dtype
        yield Case(op, f"{dtype} of none", of(op), (np.zeros((0, 3), numpy), 0), True)
        yield Case(op, f"{dtype} ties", of(op), (np.array([[1, 2, 2, 1, 2, 1]] * 3, numpy), 1), True)
        yield Case(
            op, f"{dtype} edges", of(op), (np.sort(edges(dtype)[: 12 if dtype in FLOATS else None]), 0), True
        )
        if dtype in FLOATS:
            missing = list(itertools.permutations([NAN, 1, INF])) + list(itertools.permutations([NAN, 1, 2]))
            yield Case(op, f"{dtype} NaN", of(op), (np.array(missing, numpy), 1), True)
            yield Case(op, f"{dtype} all NaN", of(op), (np.full((2, 3), NAN, numpy), 1), True)
            equal = [[0.0, -0.0], [-0.0, 0.0], [-INF, -INF], [INF, INF], [-INF, 0]]
            yield Case(op, f"{dtype} equal", of(op), (np.array(equal, numpy), 1), True)
    for op, dtype in itertools.product(("Cumsum", "Cumprod", "CumulativeLogsumexp"), COMMON):
        if op == "CumulativeLogsumexp" and dtype in INTEGERS:
            continue
        numpy, values = tf.as_dtype(dtype).as_numpy_dtype, edges(dtype)
        if dtype in FLOATS:
            values = values[~(np.abs(values.astype(np.float64)) > 1e30) | np.isinf(values.astype(np.float64))]
        yield Case(op, f"{dtype} none", of(op), (np.zeros((0,), numpy), 0))
        for flags in ({}, {"exclusive": True}, {"reverse": True}):
            ones = np.ones_like(values)
            yield Case(op, f"{dtype} {flags}", of(op, **flags), (np.stack([ones, values, ones, ones], 1), 1))


def products() -> Iterator[Case]:
    square = np.arange(9, dtype=np.float32).reshape(3, 3)
    for dtype in ("float32", "float64", "bfloat16", "int32"):
        numpy = tf.as_dtype(dtype).as_numpy_dtype
        values = edges(dtype)
        first = np.stack([values, np.ones_like(values)], 1)
        second = np.array([[1, 0, 2], [0, 1, 3]], numpy)
        empty = np.zeros((3, 0), numpy), np.zeros((0, 4), numpy)
        batch = tuple(a[np.newaxis] for a in (first, second))
        yield Case("MatMul", dtype, of("MatMul"), (first, second))
        yield Case("MatMul", f"{dtype} over none", of("MatMul"), empty)
        for op in ("BatchMatMul", "BatchMatMulV2"):
            yield Case(op, dtype, of(op), batch)
            yield Case(op, f"{dtype} over none", of(op), tuple(a[np.newaxis] for a in empty))
        yield Case("BatchMatMulV3", dtype, of("BatchMatMulV3", Tout=tf.as_dtype(dtype)), batch)
        for text in ("ij,jk->ik", "ij,jk->", "ij,jk->ki", "ij,jk->j"):
            call = lambda a, b, text=text: raw.Einsum(inputs=[a, b], equation=text)
            yield Case("Einsum", f"{dtype} {text}", call, (first, second))
        if dtype == "int32":
            continue
        yield Case("Einsum", f"{dtype} trace", lambda a: raw.Einsum(inputs=[a], equation="ii->i"), (square,))
        for op in ("Softmax", "LogSoftmax"):
            yield Case(op, dtype, of(op), (np.stack(pairs(dtype), 1),))
            yield Case(op, f"{dtype} of none", of(op), (np.zeros((2, 0), numpy),))
        logits = np.stack(pairs(dtype), 1)
        logits = logits[~(np.abs(logits.astype(np.float64)) > 1e30).any(1)]
        missing = np.array([[NAN, 1], [INF, 1], [-INF, 1], [INF, -INF], [-INF, -INF], [INF, INF]], numpy)
        for name, rows in {"": logits, "not finite": missing}.items():
            targets = np.broadcast_to(np.array([0.25, 0.75], numpy), rows.shape).copy()
            call = of("SoftmaxCrossEntropyWithLogits")
            yield Case("SoftmaxCrossEntropyWithLogits", f"{dtype} {name}", call, (rows, targets))
            yield Case("SoftmaxCrossEntropyWithLogits", f"{dtype} labels {name}", call, (targets, rows))
            labels = np.ones(len(rows), np.int32)
            call = of("SparseSoftmaxCrossEntropyWithLogits")
            yield Case("SparseSoftmaxCrossEntropyWithLogits", f"{dtype} {name}", call, (rows, labels))
        yield Case("BiasAddGrad", dtype, of("BiasAddGrad"), (first,))
    for dtype in COMMON:
        first = edges(dtype)[:, np.newaxis]
        yield Case("BiasAdd", dtype, of("BiasAdd"), (first, np.array([1], first.dtype)))
    positive = np.array([[4, 1], [1, 3]], np.float32)
    singular = np.array([[1, 2], [2, 4]], np.float32)
    negative, missing = -positive, np.array([[NAN, 1], [1, 3]], np.float32)
    general = np.array([[1, 2], [3, 5]], np.float32)
    matrices = {"": positive, "singular": singular, "negative": negative, "NaN": missing, "general": general}
    for name, matrix in matrices.items():
        for op in ("Cholesky", "MatrixInverse", "MatrixDeterminant", "LogMatrixDeterminant", "Qr", "Svd"):
            yield Case(op, name, of(op), (matrix,))
        yield Case("SelfAdjointEigV2", name, of("SelfAdjointEigV2"), (matrix,))
        vector = np.ones((2, 1), np.float32)
        for op in ("MatrixSolve", "MatrixTriangularSolve"):
            yield Case(op, name, of(op), (matrix, vector))
    zeros = np.array([[0, 0], [1, 0]], np.float32)
    yield Case(
        "MatrixTriangularSolve", "zeros", of("MatrixTriangularSolve"), (zeros, np.ones((2, 1), np.float32))
    )
    yield Case(
        "Cross", "float32", of("Cross"), (np.array([[NAN, INF, 1]], np.float32), np.ones((1, 3), np.float32))
    )


INDICES = {"": [0, 2], "below": [-1, 0], "above": [0, 3], "none": []}


def indexing() -> Iterator[Case]:
    """Ops that take indices: of rows that are there, and of others."""
    table = np.arange(1, 7, dtype=np.float32).reshape(3, 2)
    for name, values in INDICES.items():
        indices = np.array(values, np.int32)
        count = len(indices)
        rows, pairs_of = table[:count] * 10, indices[:, np.newaxis]
        yield Case("Gather", name, of("Gather"), (table, indices))
        yield Case("GatherV2", name, of("GatherV2"), (table, indices, 0))
        yield Case("GatherNd", name, of("GatherNd"), (table, pairs_of))
        yield Case(
            "OneHot", name, lambda i: raw.OneHot(indices=i, depth=3, on_value=1.0, off_value=0.0), (indices,)
        )
        yield Case(
            "ScatterNd",
            name,
            lambda i, u: raw.ScatterNd(indices=i, updates=u, shape=[3, 2]),
            (pairs_of, rows),
        )
        for op in ("Update", "Add", "Sub", "Min", "Max"):
            yield Case(f"TensorScatter{op}", name, of(f"TensorScatter{op}"), (table, pairs_of, rows))
        labels = np.zeros((count, 3), np.float32), indices
        yield Case(
            "SparseSoftmaxCrossEntropyWithLogits",
            f"labels {name}",
            of("SparseSoftmaxCrossEntropyWithLogits"),
            labels,
        )
        for kind in ("Sum", "Prod", "Max", "Min"):
            call = lambda u, i, op=f"UnsortedSegment{kind}": getattr(raw, op)(
                data=u, segment_ids=i, num_segments=3
            )
            yield Case(f"UnsortedSegment{kind}", name, call, (rows, indices))
        for op in ("Gather", "GatherNd"):
            call = with_variable(
                lambda handle, i, op=op: getattr(raw, f"Resource{op}")(
                    resource=handle, indices=i, dtype=tf.float32
                ),
                table,
            )
            yield Case(f"Resource{op}", name, call, (indices if op == "Gather" else pairs_of,))
        for op in ("Add", "Sub", "Mul", "Div", "Min", "Max", "Update"):
            call = with_variable(
                lambda h, i, u, op=op: getattr(raw, f"ResourceScatter{op}")(resource=h, indices=i, updates=u),
                table,
            )
            yield Case(f"ResourceScatter{op}", name, call, (indices, rows))
        for op in ("Add", "Sub", "Min", "Max", "Update"):
            call = with_variable(
                lambda h, i, u, op=op: getattr(raw, f"ResourceScatterNd{op}")(ref=h, indices=i, updates=u),
                table,
            )
            yield Case(f"ResourceScatterNd{op}", name, call, (pairs_of, rows))
        yield Case(
            "InTopKV2",
            name,
            lambda p, t: raw.InTopKV2(predictions=p, targets=t, k=1),
            (np.zeros((count, 3), np.float32), indices),
        )
        yield Case(
            "InvertPermutation",
            name,
            of("InvertPermutation"),
            (indices if name else np.array([1, 0], np.int32),),
        )
        yield Case(
            "DenseBincount",
            name,
            lambda i: raw.DenseBincount(input=i, size=3, weights=np.zeros(0, np.float32)),
            (indices,),
        )
        yield Case(
            "Bincount",
            name,
            lambda i: raw.Bincount(arr=i, size=3, weights=np.zeros(0, np.float32)),
            (indices,),
        )
        yield Case(
            "DynamicPartition",
            name,
            lambda u, i: raw.DynamicPartition(data=u, partitions=i, num_partitions=3),
            (rows, indices),
        )
        yield Case(
            "DynamicStitch", name, lambda i, u: raw.DynamicStitch(indices=[i], data=[u]), (indices, rows)
        )
        yield Case(
            "ParallelDynamicStitch",
            name,
            lambda i, u: raw.ParallelDynamicStitch(indices=[i], data=[u]),
            (indices, rows),
        )
        yield Case(
            "SparseToDense",
            name,
            lambda i: raw.SparseToDense(
                sparse_indices=i, output_shape=[3], sparse_values=1.0, default_value=0.0
            ),
            (indices,),
        )
        if count:
            yield Case(
                "Slice",
                name,
                lambda t, i: raw.Slice(input=t, begin=tf.stack([opaque(i, t), 0]), size=[1, 2]),
                (table, np.int32(values[-1] if values[0] >= 0 else -1)),
            )
            yield Case(
                "StridedSlice",
                name,
                lambda t, i: t[opaque(i, t)],
                (table, np.int32({"": 2, "below": -4, "above": 3}[name])),
            )
            yield Case(
                "StridedSlice",
                f"range {name}",
                lambda t, i: t[opaque(i, t) : opaque(i, t) + 2],
                (table, np.int32({"": 1, "below": -5, "above": 2}[name])),
            )
            at = np.int32(values[-1] if values[0] >= 0 else -1)

            def item(t, i):
                handle = raw.TensorListFromTensor(tensor=t, element_shape=[2])
                return raw.TensorListGetItem(
                    input_handle=handle, index=i, element_shape=[2], element_dtype=tf.float32
                )

            def set_item(t, i):
                handle = raw.TensorListFromTensor(tensor=t, element_shape=[2])
                handle = raw.TensorListSetItem(input_handle=handle, index=i, item=t[0] + 5)
                return raw.TensorListStack(
                    input_handle=handle, element_shape=[2], element_dtype=tf.float32, num_elements=3
                )

            yield Case("TensorListGetItem", name, item, (table, at))
            yield Case("TensorListSetItem", name, set_item, (table, at))
            yield Case("Roll", name, of("Roll"), (table, at, 0), True)
            yield Case(
                "ReverseSequence",
                name,
                lambda t, n: raw.ReverseSequence(input=t, seq_lengths=tf.stack([n, 1, 1]), seq_dim=1),
                (table, np.int32({"": 2, "below": -1, "above": 3}[name])),
            )
    for name, values in {
        "": [0, 0, 1],
        "negative": [-1, 0, 1],
        "not sorted": [1, 0, 1],
        "gap": [0, 2, 2],
        "none": [],
    }.items():
        indices = np.array(values, np.int32)
        for kind in ("Sum", "Mean", "Prod", "Max", "Min"):
            yield Case(f"Segment{kind}", name, of(f"Segment{kind}"), (table[: len(indices)], indices))
            if kind != "Mean":
                call = lambda u, i, op=f"Segment{kind}V2": getattr(raw, op)(
                    data=u, segment_ids=i, num_segments=3
                )
                yield Case(f"Segment{kind}V2", name, call, (table[: len(indices)], indices))
    repeated_rows = np.array([[0], [0], [1]], np.int32)
    for op in ("Update", "Add", "Sub", "Min", "Max"):
        yield Case(
            f"TensorScatter{op}", "twice", of(f"TensorScatter{op}"), (table, repeated_rows, table * 10)
        )
        missing = np.where(table == 2, NAN, table).astype(np.float32)
        yield Case(f"TensorScatter{op}", "NaN", of(f"TensorScatter{op}"), (table, repeated_rows, missing))
    for kind in ("Sum", "Prod", "Max", "Min"):
        missing = np.array([NAN, 1, 2, NAN, INF, -INF], np.float32)
        call = lambda u, i, op=f"UnsortedSegment{kind}": getattr(raw, op)(
            data=u, segment_ids=i, num_segments=4
        )
        yield Case(f"UnsortedSegment{kind}", "NaN", call, (missing, np.array([0, 0, 1, 1, 2, 2], np.int32)))
    for dtype in ("float32", "int32"):
        values = edges(dtype)
        for sorted_ in (True, False):
            yield Case(
                "TopKV2",
                f"{dtype} ties",
                lambda v, s=sorted_: raw.TopKV2(input=v, k=3, sorted=s),
                (np.array([1, 2, 2, 1, 2], values.dtype),),
                True,
            )
        finite = values[np.isfinite(values)]
        yield Case("TopKV2", f"{dtype} edges", lambda v: raw.TopKV2(input=v, k=v.shape[0]), (finite,), True)
        if dtype == "float32":
            for row in itertools.permutations([NAN, 1, INF, 0]):
                yield Case(
                    "TopKV2",
                    f"NaN {row}",
                    lambda v: raw.TopKV2(input=v, k=2),
                    (np.array(row, np.float32),),
                    True,
                )
                yield Case(
                    "InTopKV2",
                    f"NaN {row}",
                    lambda p: raw.InTopKV2(predictions=p, targets=[1], k=2),
                    (np.array([row], np.float32),),
                    True,
                )
            yield Case(
                "TopKV2",
                "zeros",
                lambda v: raw.TopKV2(input=v, k=2),
                (np.array([-0.0, 0.0, -0.0], np.float32),),
                True,
            )
        yield Case("Unique", dtype, of("Unique"), (np.repeat(finite, 2)[::-1].copy(),), True)
        yield Case("Unique", f"{dtype} none", of("Unique"), (values[:0],), True)
        yield Case(
            "UniqueV2",
            dtype,
            of("UniqueV2"),
            (np.repeat(finite, 2)[::-1].copy(), np.array([0], np.int32)),
            True,
        )
        yield Case("Where", dtype, of("Where"), (values,), True)
        for op in ("LowerBound", "UpperBound"):
            row = np.sort(finite)[np.newaxis]
            yield Case(op, dtype, of(op), (row, values[np.newaxis]), True)
        yield Case("Bucketize", dtype, of("Bucketize", boundaries=[0.0, 0.5, 2.0]), (values,), True)
    if True:
        missing = np.array([NAN, 1, NAN, 0.0, -0.0], np.float32)
        yield Case("Unique", "NaN", of("Unique"), (missing,), True)
        yield Case(
            "LowerBound", "NaN", of("LowerBound"), (np.array([[0, 1]], np.float32), missing[np.newaxis]), True
        )
        yield Case(
            "OneHot",
            "wide",
            lambda i: raw.OneHot(indices=i, depth=3, on_value=1, off_value=0),
            (np.array([-1, 5, 2**40], np.int64),),
            True,
        )


def with_variable(call: Callable[..., Any], value: np.ndarray) -> Callable[..., Any]:
    """Returns a function that calls `call(handle of a new variable, ...)`; it returns the variable's value, too."""
    variable = tf.Variable(value)

    def run(*inputs: Any) -> Any:
        out = call(variable.handle, *inputs)
        after = raw.ReadVariableOp(resource=variable.handle, dtype=variable.dtype)
        return [after] if out is None or isinstance(out, tf.Operation) else [out, after]

    run.reset = lambda: variable.assign(value)
    return run


def opaque(index: tf.Tensor, tensor: tf.Tensor) -> tf.Tensor:
    """Returns the index as XLA does not know it when it compiles."""
    return index + tf.cast(tf.reduce_sum(tensor) * 0, index.dtype)


def shapes() -> Iterator[Case]:
    """Ops that move numbers about."""
    t = np.array([[NAN, -0.0, INF], [1, 2, 3]], np.float32)
    empty = np.zeros((0, 3), np.float32)
    for name, x in {"": t, "empty": empty}.items():
        rows = len(x)
        calls: dict[str, Callable[..., Any]] = {
            "Reshape": lambda x: tf.reshape(x, [-1]),
            "Transpose": tf.transpose,
            "ConcatV2": lambda x: tf.concat([x, x], 0),
            "Pack": lambda x: tf.stack([x, x], 1),
            "Unpack": lambda x: tf.unstack(x, axis=1),
            "Split": lambda x: tf.split(x, 3, 1),
            "SplitV": lambda x: tf.split(x, [1, 2], 1),
            "Pad": lambda x: tf.pad(x, [[1, 0], [0, 2]]),
            "PadV2": lambda x: tf.pad(x, [[1, 0], [0, 2]], constant_values=7.0),
            "Tile": lambda x: tf.tile(x, [2, 1]),
            "ExpandDims": lambda x: tf.expand_dims(x, -1),
            "Squeeze": lambda x: tf.squeeze(x[:, :1], 1),
            "ReverseV2": lambda x: tf.reverse(x, [0]),
            "BroadcastTo": lambda x: tf.broadcast_to(x, [2, x.shape[0], 3]),
            "Shape": tf.shape,
            "ShapeN": lambda x: tf.shape_n([x, x]),
            "Size": tf.size,
            "Rank": tf.rank,
            "Range": lambda x: tf.range(tf.shape(x)[1]),
            "Fill": lambda x: tf.fill(tf.shape(x), 2.0),
            "LinSpace": lambda x: raw.LinSpace(start=0.0, stop=1.0, num=5) + 0 * x[:0, :1],
            "MatrixDiagV3": lambda x: raw.MatrixDiagV3(
                diagonal=x, k=0, num_rows=-1, num_cols=-1, padding_value=0.0
            ),
            "MatrixDiagPartV3": lambda x: raw.MatrixDiagPartV3(input=x[None], k=0, padding_value=0.0),
            "MatrixSetDiagV3": lambda x: raw.MatrixSetDiagV3(input=x[None], diagonal=x[None, :, 0], k=0),
            "MatrixBandPart": lambda x: tf.linalg.band_part(x, 0, 0),
            "EnsureShape": lambda x: tf.ensure_shape(x, [None, 3]),
            "ConcatOffset": lambda x: raw.ConcatOffset(concat_dim=0, shape=[tf.shape(x), tf.shape(x)]),
            "BroadcastArgs": lambda x: raw.BroadcastArgs(s0=tf.shape(x), s1=[3]),
            "BroadcastGradientArgs": lambda x: raw.BroadcastGradientArgs(s0=tf.shape(x), s1=[3]),
            "IdentityN": lambda x: tf.identity_n([x, x]),
            "StridedSlice": lambda x: x[::-1, 5:-7:-2],
            "StridedSliceGrad": lambda x: raw.StridedSliceGrad(
                shape=[4, 3], begin=[1], end=[1 + rows], strides=[1], dy=x
            ),
            "Slice": lambda x: tf.slice(x, [0, 1], [-1, 2]),
        }
        if rows:
            calls["MirrorPad"] = lambda x: tf.pad(x, [[1, 0], [0, 2]], "REFLECT")
            calls["MirrorPadGrad"] = lambda x: raw.MirrorPadGrad(
                input=x, paddings=[[0, 0], [1, 0]], mode="REFLECT"
            )
        for op, call in calls.items():
            yield Case(op, name, call, (x,), True)
    yield Case("EnsureShape", "another shape", lambda x: tf.ensure_shape(x, [5, 3]), (t,), True)
    yield Case("Reshape", "does not fit", lambda x: tf.reshape(x, [7]), (t,), True)


def checks() -> Iterator[Case]:
    """Ops that refuse numbers."""
    for name, value in {"": 1.0, "wrong": NAN}.items():
        numbers = np.array([value], np.float32)
        yield Case("CheckNumerics", name, lambda x: tf.debugging.check_numerics(x, "x"), (numbers,))
        yield Case("CheckNumericsV2", name, lambda x: raw.CheckNumericsV2(tensor=x, message="x"), (numbers,))

        def asserted(x: tf.Tensor) -> tf.Tensor:
            with tf.control_dependencies([raw.Assert(condition=tf.reduce_all(x > 0), data=[x])]):
                return tf.identity(x)

        yield Case("Assert", name, asserted, (numbers,))


def updates() -> Iterator[Case]:
    """Ops that read and write variables; (op, attributes, number of slots, hyperparameters)."""
    rates = {
        "GradientDescent": (0, ()), "Momentum": (1, None), "KerasMomentum": (1, None),
        "Adagrad": (1, None), "AdagradV2": (1, None), "Adadelta": (2, None), "RMSProp": (2, None),
        "CenteredRMSProp": (3, None), "Adam": (2, None), "AdamWithAmsgrad": (3, None), "AdaMax": (2, None),
        "Ftrl": (2, None), "FtrlV2": (2, None), "AddSign": (1, None), "PowerSign": (1, None),
        "ProximalAdagrad": (1, None), "ProximalGradientDescent": (0, None),
    }  # fmt: skip
    value = np.array([1, -1, 2, 3, 4, 5], np.float32)
    gradient = np.array([0.5, 0, NAN, INF, -1, 1e30], np.float32)
    for name, (slots, _) in rates.items():
        op = f"ResourceApply{name}"
        yield Case(op, "float32", update(getattr(raw, op), slots, value), (gradient,))
    for op in ("Assign", "AssignAdd", "AssignSub"):
        call = with_variable(lambda h, x, op=op: getattr(raw, f"{op}VariableOp")(resource=h, value=x), value)
        yield Case(f"{op}VariableOp", "float32", call, (gradient,))
    for op, call in {
        "ReadVariableOp": lambda h: raw.ReadVariableOp(resource=h, dtype=tf.float32),
        "VariableShape": lambda h: raw.VariableShape(input=h),
        "VarIsInitializedOp": lambda h: raw.VarIsInitializedOp(resource=h),
    }.items():
        yield Case(op, "", with_variable(call, value), ())


def update(op: Callable[..., Any], slots: int, value: np.ndarray) -> Callable[..., Any]:
    """Returns a function (gradient) -> the variable and its slots after an optimizer's op."""
    variables = [tf.Variable(value)] + [tf.Variable(np.full_like(value, 0.1)) for _ in range(slots)]
    numbers = {"lr": 0.1, "alpha": 0.1, "beta1": 0.9, "beta2": 0.99, "beta1_power": 0.9, "beta2_power": 0.99}
    numbers |= {"rho": 0.9, "momentum": 0.9, "epsilon": 1e-6, "l1": 0.01, "l2": 0.01, "lr_power": -0.5}
    numbers |= {"delta": 0.1, "logbase": 1.0, "sign_decay": 0.5, "beta": 0.9, "l2_shrinkage": 0.1}

    def run(gradient: tf.Tensor) -> Any:
        handles, given = iter([v.handle for v in variables]), {}
        for name in op.__signature__.parameters:
            if name in ("var", "accum", "m", "v", "vhat", "ms", "mom", "mg", "accum_update", "linear"):
                given[name] = next(handles)
            elif (
                name in ("grad", "delta")
                and "grad" not in given
                and (name == "grad" or "grad" not in op.__signature__.parameters)
            ):
                given["grad" if name == "grad" else "delta"] = gradient
            elif name in numbers:
                given[name] = numbers[name]
        op(**given)
        return [raw.ReadVariableOp(resource=v.handle, dtype=tf.float32) for v in variables]

    run.reset = lambda: [
        v.assign(value if n == 0 else np.full_like(value, 0.1)) for n, v in enumerate(variables)
    ]
    return run


GROUPS = {
    "shapes": shapes,
    "checks": checks,
    "updates": updates,
    "elementwise": elementwise,
    "casts": casts,
    "reductions": reductions,
    "products": products,
    "indexing": indexing,
}
