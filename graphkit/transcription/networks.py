"""Rules of the ops that layers are made of, and of their gradients."""

from collections.abc import Callable
from typing import Any

from graphkit.transcription.arrays import shape_text
from graphkit.transcription.elementwise import helped
from graphkit.transcription.transcriber import ATOM, COMPARE, PLUS, TIMES, Call, Code, Result, Rule


def matmul(call: Call) -> Result:
    names = ("adj_x", "adj_y") if call.op.type.startswith("Batch") else ("transpose_a", "transpose_b")
    sides = []
    for place, name in enumerate(names):
        rank = call.op.inputs[place].shape.rank
        text = call.arg(place, TIMES if place == 0 else ATOM)
        if call.attr(name):
            text = call.arg(place) + (".T" if rank == 2 else ".swapaxes(-1, -2)")
        sides.append(text)
    return Code(f"{sides[0]} @ {sides[1]}", TIMES)


def bias_add(call: Call) -> Result:
    if call.attr("data_format") == b"NCHW":
        raise call.refusal("has channels first, which is not known here")
    return Code(f"{call.arg(0, PLUS)} + {call.arg(1, PLUS)}", PLUS)


def bias_add_grad(call: Call) -> Result:
    if call.attr("data_format") == b"NCHW":
        raise call.refusal("has channels first, which is not known here")
    rank = call.op.inputs[0].shape.rank
    if rank is None:
        return Code(f"{call.arg(0)}.reshape(-1, {call.arg(0)}.shape[-1]).sum(axis=0)")
    axes = "0" if rank == 2 else str(tuple(range(rank - 1)))
    return Code(f"{call.arg(0)}.sum(axis={axes})")


def options(call: Call, *, dilations: bool = False) -> str:
    """Returns how windows move, as the functions at the top take it."""
    if call.attr("data_format") != b"NHWC":
        raise call.refusal("has channels first, which is not known here")
    padding = call.attr("padding").decode()
    if padding not in ("SAME", "VALID"):
        raise call.refusal("pads by given numbers, which is not known here")
    strides = tuple(call.attr("strides")[1:3])
    text = f', {strides}, "{padding}"'
    spread = tuple(call.attr("dilations")[1:3]) if dilations else (1, 1)
    return text + (f", {spread}" if spread != (1, 1) else "")


def convolution(function: str, *, sizes: int | None = None) -> Rule:
    """Returns the rule of a convolution or a gradient of it.

    Args:
      function: the function at the top that computes it; it takes the shape of its result last.
      sizes: the input of the op that is this shape, or None.
    """

    def rule(call: Call) -> Result:
        parts = [call.arg(place, COMPARE) for place in range(len(call)) if place != sizes]
        if sizes == 0:  # the gradient for the input: TensorFlow's order is sizes, kernel, gradient
            parts = parts[::-1]
        shape = [] if sizes is None else [shape_text(call, sizes)]
        return Code(f"{call.helper(function)}({', '.join(parts + shape)}{options(call, dilations=True)})")

    return rule


def pool(function: str, *, shape: bool = False) -> Rule:
    def rule(call: Call) -> Result:
        size = tuple(call.attr("ksize")[1:3])
        if call.attr("ksize")[0] != 1 or call.attr("ksize")[3] != 1:
            raise call.refusal("takes windows over examples or channels")
        parts = [shape_text(call, 0), *call.args()[1:]] if shape else call.args()
        return Code(f"{call.helper(function)}({', '.join(parts)}, {size}{options(call)})")

    return rule


def batch_norm(call: Call) -> Result:
    if call.attr("data_format") != b"NHWC":
        raise call.refusal("has channels first, which is not known here")
    epsilon = f"{call.attr('epsilon'):.7g}"
    if not call.attr("is_training"):
        x, gamma = call.arg(0, PLUS), call.arg(1, TIMES)
        mean, variance = call.arg(3, TIMES), call.arg(4, PLUS)
        text = f"({x} - {mean}) / np.sqrt({variance} + {epsilon}) * {gamma} + {call.arg(2, PLUS)}"
        name = call.at.define(call.output, text)
        return [name, call.value(3), call.value(4), call.value(3), call.value(4), Code("None")][
            : len(call.op.outputs)
        ]
    text = f"{call.helper('batch_norm')}({', '.join(call.args()[:3])}, {epsilon})"
    return several(call, text, 5)


def several(call: Call, text: str, count: int) -> Result:
    """Gives the first outputs the arrays that an expression returns, and the others none."""
    at, tensors = call.at, call.op.outputs[:count]
    names = [at.new_name(tensor) for tensor in tensors]
    at.add(text, names)
    return [*names, *[Code("None")] * (len(call.op.outputs) - count)]


def batch_norm_grad(call: Call) -> Result:
    if call.attr("data_format") != b"NHWC" or not call.attr("is_training"):
        raise call.refusal("has channels first, or averages that do not depend on the batch")
    epsilon = f"{call.attr('epsilon'):.7g}"
    text = f"{call.helper('batch_norm_grad')}({', '.join(call.args()[:5])}, {epsilon})"
    return several(call, text, 3)


def l2_loss(call: Call) -> Result:
    return Code(f"({call.arg(0)} ** 2).sum() / 2", TIMES)


def filter_gradient(function: str) -> Rule:
    """Returns the rule of the gradient for a kernel: TensorFlow's order is input, sizes, gradient."""

    def rule(call: Call) -> Result:
        x, _, d_out = call.args()
        arguments = f"{x}, {d_out}, {shape_text(call, 1)}{options(call, dilations=True)}"
        return Code(f"{call.helper(function)}({arguments})")

    return rule


RULES: dict[str, Callable[[Call], Any]] = {
    **{"MatMul": matmul, "BatchMatMul": matmul, "BatchMatMulV2": matmul, "BatchMatMulV3": matmul},
    "BiasAdd": bias_add,
    "BiasAddGrad": bias_add_grad,
    "Conv2D": convolution("conv2d"),
    "Conv2DBackpropInput": convolution("conv2d_grad_input", sizes=0),
    "Conv2DBackpropFilter": filter_gradient("conv2d_grad_kernel"),
    "DepthwiseConv2dNative": convolution("depthwise_conv2d"),
    "DepthwiseConv2dNativeBackpropInput": convolution("depthwise_conv2d_grad_input", sizes=0),
    "DepthwiseConv2dNativeBackpropFilter": filter_gradient("depthwise_conv2d_grad_kernel"),
    "MaxPool": pool("max_pool"),
    "MaxPoolGrad": pool("max_pool_grad"),
    "AvgPool": pool("avg_pool"),
    "AvgPoolGrad": pool("avg_pool_grad", shape=True),
    "FusedBatchNormV3": batch_norm,
    "FusedBatchNormGradV3": batch_norm_grad,
    "SparseSoftmaxCrossEntropyWithLogits": helped("sparse_softmax_cross_entropy"),
    "SoftmaxCrossEntropyWithLogits": helped("softmax_cross_entropy"),
    "Softmax": helped("softmax"),
    "LogSoftmax": helped("log_softmax"),
    "InTopKV2": helped("in_top_k"),
    "L2Loss": l2_loss,
}
