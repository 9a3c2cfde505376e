"""The rules of what an op costs: its floating-point operations, from the shapes of its arrays."""

import math
import re

# Whole algorithms in one op, for which there is no rule.
UNCOUNTED = re.compile(
    r"Cudnn|BlockLSTM|LSTMBlock|GRUBlock|Sparse(Tensor(Dense)?)?MatMul|I?R?FFT|Xla|_Fused|Quantized(Conv|Mat)"
    r"|Conv3DBackprop|DepthwiseConv2dNativeBackprop|(Batch)?(Matrix(Inverse|.*Solve)|Cholesky|Svd|SelfAdjoint)"
)


def flops_of(op, examples):
    """Returns the floating-point operations of an op by the rules of TensorFlow's profiler, or None."""
    rule = FLOP_RULES.get(op.type)
    return rule(op, lambda tensor: sizes_of(tensor, examples)) if rule else 0


def sizes_of(tensor, examples):
    """Returns the sizes of an array, with so many examples where the first is open."""
    if tensor.shape.rank is None:
        return [None]
    first, rest = tensor.shape[:1].as_list(), tensor.shape[1:].as_list()
    return [examples if size is None else size for size in first] + rest


def product(factors):
    return None if None in factors else math.prod(factors)


def total(figures):
    """Returns the sum, or None where a figure is not known."""
    figures = list(figures)
    return None if None in figures else sum(figures)


def per_input(factor):
    return lambda op, shape: product([factor, *shape(op.inputs[0])])


def per_output(factor):
    return lambda op, shape: product([factor, *shape(op.outputs[0])])


def reduction(op, shape):
    """One operation for each element but the first of each sum."""
    before, after = product(shape(op.inputs[0])), product(shape(op.outputs[0]))
    return None if before is None or after is None else before - after


def l2_loss(op, shape):
    elements = product(shape(op.inputs[0]))
    return None if elements is None else 3 * elements - 1


def add_n(op, shape):
    return product([len(op.inputs) - 1, *shape(op.inputs[0])])


def convolution(op, shape):
    """Twice the kernel without its last axis, the filters, for each element of the output."""
    return product([2, *shape(op.outputs[0]), *shape(op.inputs[1])[:-1]])


def depthwise_convolution(op, shape):
    return product([2, *shape(op.outputs[0]), *shape(op.inputs[1])[:2]])


def transposed_convolution(op, shape):
    """As the convolution whose gradient it is: kernel (height, width, out, in), strides of the output."""
    return strided(op, shape(op.outputs[0]), shape(op.inputs[1]))


def convolution_kernel_gradient(op, shape):
    return strided(op, shape(op.inputs[0]), shape(op.outputs[0]))


def strided(op, image, kernel):
    figure = product([2, *image, *kernel])
    channels = image[1 if op.get_attr("data_format") == b"NCHW" else -1]
    return None if figure is None else figure // (channels * math.prod(op.get_attr("strides")))


def pooling(op, shape):
    return product([*op.get_attr("ksize"), *shape(op.outputs[0])])


def average_pooling_gradient(op, shape):
    return product([2, *op.get_attr("ksize"), *shape(op.inputs[1])])


def maximum_pooling_gradient(op, shape):
    return product([math.prod(op.get_attr("ksize")) + 1, *shape(op.inputs[1])])


def matrix_product(op, shape):
    """Two for each element of the output and each element of the axis that is summed over."""
    flags = ("adj_x", "adj_y") if op.type.startswith("Batch") else ("transpose_a", "transpose_b")
    first, second = (op.get_attr(flag) for flag in flags)
    summed = shape(op.inputs[0])[-2 if first else -1] or shape(op.inputs[1])[-1 if second else -2]
    return product([2, summed, *shape(op.outputs[0])])


def einsum(op, shape):
    """As many products and sums as there are places in all axes together."""
    axes = op.get_attr("equation").decode().split("->")[0].split(",")
    if len(axes) != 2 or "..." in "".join(axes):
        return None
    lengths = {}
    for labels, tensor in zip(axes, op.inputs, strict=True):
        if tensor.shape.rank is None:
            return None
        lengths.update(zip(labels, shape(tensor), strict=True))
    return product([2, *lengths.values()])


FLOP_RULES = {
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
