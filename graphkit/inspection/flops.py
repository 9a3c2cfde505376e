"""Floating-point operations of one op, counted from the shapes of its inputs and outputs."""

import math
import re
from collections.abc import Callable, Iterable
from typing import TypeAlias

import tensorflow as tf

Count: TypeAlias = int | None  # None: a size that the count needs is open
Sizes: TypeAlias = list[Count]
ShapeOf: TypeAlias = Callable[[tf.Tensor], Sizes]
Rule: TypeAlias = Callable[[tf.Operation, ShapeOf], Count]

# Complete algorithms in one op, which have no rule.
UNCOUNTED = re.compile(
    r"Cudnn|BlockLSTM|LSTMBlock|GRUBlock|Sparse(Tensor(Dense)?)?MatMul|I?R?FFT|Xla|_Fused|Quantized(Conv|Mat)"
    r"|Conv3DBackprop|DepthwiseConv2dNativeBackprop|(Batch)?(Matrix(Inverse|.*Solve)|Cholesky|Svd|SelfAdjoint)"
)


def flops_of(op: tf.Operation, examples: int) -> Count:
    """Returns the floating-point operations of an op, as TensorFlow's profiler counts them.

    Ops without a rule count as 0. None where the count depends on a size that is open.
    """
    rule = FLOP_RULES.get(op.type)
    return rule(op, lambda tensor: sizes_of(tensor, examples)) if rule else 0


def sizes_of(tensor: tf.Tensor, examples: int) -> Sizes:
    """Returns the sizes of a tensor's axes, with `examples` for the first one if it is open."""
    if tensor.shape.rank is None:
        return [None]
    first, rest = tensor.shape[:1].as_list(), tensor.shape[1:].as_list()
    return [examples if size is None else size for size in first] + rest


def product(factors: Iterable[Count]) -> Count:
    """Returns the product, or None if a factor is not known."""
    factors = list(factors)
    known = [factor for factor in factors if factor is not None]
    return math.prod(known) if len(known) == len(factors) else None


def total(counts: Iterable[Count]) -> Count:
    """Returns the sum, or None if a count is not known."""
    counts = list(counts)
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def per_input(factor: int) -> Rule:
    return lambda op, shape: product([factor, *shape(op.inputs[0])])


def per_output(factor: int) -> Rule:
    return lambda op, shape: product([factor, *shape(op.outputs[0])])


def reduction(op: tf.Operation, shape: ShapeOf) -> Count:
    """One operation for each element but the first of each sum."""
    before, after = product(shape(op.inputs[0])), product(shape(op.outputs[0]))
    return None if before is None or after is None else before - after


def l2_loss(op: tf.Operation, shape: ShapeOf) -> Count:
    elements = product(shape(op.inputs[0]))
    return None if elements is None else 3 * elements - 1


def add_n(op: tf.Operation, shape: ShapeOf) -> Count:
    return product([len(op.inputs) - 1, *shape(op.inputs[0])])


def convolution(op: tf.Operation, shape: ShapeOf) -> Count:
    """Twice the kernel without its last axis, the filters, for each element of the output."""
    return product([2, *shape(op.outputs[0]), *shape(op.inputs[1])[:-1]])


def depthwise_convolution(op: tf.Operation, shape: ShapeOf) -> Count:
    return product([2, *shape(op.outputs[0]), *shape(op.inputs[1])[:2]])


def transposed_convolution(op: tf.Operation, shape: ShapeOf) -> Count:
    """As the convolution whose gradient it is: kernel (height, width, out, in), strides of the output."""
    return strided(op, shape(op.outputs[0]), shape(op.inputs[1]))


def convolution_kernel_gradient(op: tf.Operation, shape: ShapeOf) -> Count:
    return strided(op, shape(op.inputs[0]), shape(op.outputs[0]))


def strided(op: tf.Operation, image: Sizes, kernel: Sizes) -> Count:
    """Twice the kernel for each place where it is laid on the image.

    The image's channels are an axis of the kernel too, so one of the two is divided out again.
    """
    count = product([2, *image, *kernel])
    if count is None:  # an image of unknown rank has no axis of channels to look at
        return None
    channels = image[1 if op.get_attr("data_format") == b"NCHW" else -1] or 1
    return count // (channels * math.prod(op.get_attr("strides")))


def pooling(op: tf.Operation, shape: ShapeOf) -> Count:
    return product([*op.get_attr("ksize"), *shape(op.outputs[0])])


def average_pooling_gradient(op: tf.Operation, shape: ShapeOf) -> Count:
    return product([2, *op.get_attr("ksize"), *shape(op.inputs[1])])


def maximum_pooling_gradient(op: tf.Operation, shape: ShapeOf) -> Count:
    return product([math.prod(op.get_attr("ksize")) + 1, *shape(op.inputs[1])])


def matrix_product(op: tf.Operation, shape: ShapeOf) -> Count:
    """Two for each element of the output and each element of the axis that is summed over."""
    flags = ("adj_x", "adj_y") if op.type.startswith("Batch") else ("transpose_a", "transpose_b")
    first, second = (op.get_attr(flag) for flag in flags)
    # Both matrices have the axis, and often only one of them has a known size there.
    summed = size_at(shape(op.inputs[0]), -2 if first else -1)
    if summed is None:
        summed = size_at(shape(op.inputs[1]), -1 if second else -2)
    return product([2, summed, *shape(op.outputs[0])])


def size_at(sizes: Sizes, axis: int) -> Count:
    """Returns the size of one of the last two axes; a tensor of unknown rank has neither."""
    return sizes[axis] if len(sizes) >= 2 else None


def einsum(op: tf.Operation, shape: ShapeOf) -> Count:
    """A product and a sum for each combination of places along all axes."""
    axes = op.get_attr("equation").decode().split("->")[0].split(",")
    if len(axes) != 2 or "..." in "".join(axes):
        return None
    lengths: dict[str, Count] = {}
    for labels, tensor in zip(axes, op.inputs, strict=True):
        if tensor.shape.rank is None:
            return None
        lengths.update(zip(labels, shape(tensor), strict=True))
    return product([2, *lengths.values()])


# The profiler's rules, and one of the same kind for Einsum, which it does not count.
FLOP_RULES: dict[str, Rule] = {
    **dict.fromkeys(("Reciprocal", "Square", "Log", "Neg"), per_input(1)),
    "Rsqrt": per_input(2),
    "Softmax": per_input(5),
    "L2Loss": l2_loss,
    **dict.fromkeys("Add AddV2 Sub Mul RealDiv Maximum Minimum Pow BiasAdd".split(), per_output(1)),
    **dict.fromkeys("Greater GreaterEqual Less LessEqual Equal NotEqual".split(), per_output(1)),
    "SquaredDifference": per_output(2),
    "RsqrtGrad": per_output(4),
    "AddN": add_n,
    "Mean": per_input(1),
    **dict.fromkeys(("Sum", "ArgMax", "ArgMin", "BiasAddGrad"), reduction),
    **dict.fromkeys(("Conv2D", "Conv3D"), convolution),
    **dict.fromkeys(("DepthwiseConv2dNative", "Dilation2D"), depthwise_convolution),
    "Conv2DBackpropInput": transposed_convolution,
    "Conv2DBackpropFilter": convolution_kernel_gradient,
    **dict.fromkeys(("MaxPool", "AvgPool"), pooling),
    "AvgPoolGrad": average_pooling_gradient,
    "MaxPoolGrad": maximum_pooling_gradient,
    **dict.fromkeys(("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"), matrix_product),
    "Einsum": einsum,
}
