"""What the gradients need: which outputs of the forward pass are kept for them."""

from graphkit.inspection.forward import ALIASES

# What the gradient of an op needs of the forward pass; ops that are not named need inputs and outputs.
NEEDS_NOTHING = (
    "Add AddV2 AddN Sub Neg BiasAdd Mean Sum Pad PadV2 MirrorPad ConcatV2 Concat Pack Unpack Split SplitV "
    "Slice StridedSlice Transpose Tile Gather GatherV2 ResourceGather AvgPool AvgPool3D ResizeBilinear "
    "ResizeNearestNeighbor Select SelectV2 SpaceToDepth DepthToSpace ArgMax ArgMin Equal NotEqual Less "
    "LessEqual Greater GreaterEqual InTopK InTopKV2 ScalarSummary HistogramSummary Shape ShapeN Size Rank "
    "ZerosLike OnesLike Reverse ReverseV2 ReverseSequence TensorListFromTensor TensorListGetItem "
    "TensorListSetItem TensorListStack TensorArrayV3 TensorArrayReadV3 TensorArrayWriteV3 "
    "TensorArrayGatherV3 TensorArrayScatterV3 SoftmaxCrossEntropyWithLogits "
    "SparseSoftmaxCrossEntropyWithLogits"
).split()
NEEDS_OUTPUTS = (
    "Relu Relu6 Elu Selu Sigmoid Tanh Softmax LogSoftmax Exp Sqrt Rsqrt Reciprocal "
    "SoftmaxCrossEntropyWithLogits SparseSoftmaxCrossEntropyWithLogits"
).split()
NEEDS_INPUTS = (
    "Conv2D Conv3D DepthwiseConv2dNative Conv2DBackpropInput MatMul BatchMatMul BatchMatMulV2 BatchMatMulV3 "
    "Einsum Mul Square SquaredDifference Maximum Minimum Log Log1p Abs LeakyRelu Softplus Softsign L2Loss "
    "RealDiv FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 Max Min Prod If StatelessIf"
).split()


def kept_outputs(op, chosen, ends=True):
    """Returns which outputs of an op gradients need: its own gradient, or that of an op that uses them.

    The end of what was chosen is kept too, whatever else the graph holds, except in functions, where the
    caller's outputs stand for it.
    """
    if op.type in ALIASES:
        return []
    users = (user for output in op.outputs for user in output.consumers())
    is_end = ends and not any(user in chosen for user in users)
    return [
        index
        for index, tensor in enumerate(op.outputs)
        if tensor.dtype.is_floating
        and (needs_output(op, index) or (is_end and index == 0) or any_user_needs(tensor, chosen))
    ]


def needs_output(op, index):
    if op.type.endswith("SoftmaxCrossEntropyWithLogits"):
        return index == 1  # the gradient itself is made in the forward pass
    return op.type in NEEDS_OUTPUTS or op.type not in (*NEEDS_INPUTS, *NEEDS_NOTHING)


def any_user_needs(tensor, chosen):
    """Tells whether an op that uses the values, also handed on, needs them for its gradient."""
    waiting, seen = [tensor], set()
    while waiting:
        handed_on = waiting.pop()
        for user in handed_on.consumers():
            if user.type not in ALIASES:
                if user in chosen and needs_input(user, handed_on):
                    return True
            elif user in chosen and user not in seen:
                seen.add(user)
                waiting += user.outputs
    return False


def needs_input(op, tensor):
    if op.type in ("Mul", "RealDiv"):
        return any(other.shape.rank != 0 for other in op.inputs if other is not tensor)
    return op.type in NEEDS_INPUTS or op.type not in (*NEEDS_OUTPUTS, *NEEDS_NOTHING)
