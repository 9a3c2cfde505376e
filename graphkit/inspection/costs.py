"""What each op costs one example: floating-point operations, and bytes kept for the gradients."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from graphkit.graph import copies, walk
from graphkit.inspection import flops, forward_pass
from graphkit.inspection.flops import Count, flops_of, product, sizes_of, total

LOOPS = ("While", "StatelessWhile")
BRANCHES = ("If", "StatelessIf", "Case", "StatelessCase")

# What the gradient of an op needs of the forward pass. Ops in none of the lists need inputs and outputs.
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


class Cost(NamedTuple):
    """What an op costs for one more example, and what it does once in each run; None if not known."""

    flops: Count
    fixed_flops: Count
    kept_bytes: Count


def costs_of_ops(
    ops: Sequence[tf.Operation],
    sources: Sequence[tf.Operation],
    dependent: Collection[tf.Operation],
) -> tuple[dict[tf.Operation, Cost], list[str]]:
    """Returns {op: Cost}, and notes on what could not be counted.

    A batch of open size is counted twice, with one example and with two: the difference is the cost of an
    example, the rest is paid once in each run. So no axis has to be recognized as the batch, not even where
    a layer reshapes (batch, time) to (batch * time), or inside functions.

    Args:
      ops: the ops to count, each after its inputs.
      sources: those that bring the examples.
      dependent: those that compute with examples; the others cost the same for any batch.
    """
    chosen, brought = set(ops), set(sources)
    kept = [
        kept_inputs(op, chosen) if op in brought else kept_outputs(op, chosen) if op in dependent else []
        for op in ops
    ]
    batch_size, notes = fixed_batch_size(sources)
    library: Mapping[str, Any] = {}
    one_example = two_examples = ops
    try:
        library, one_example, two_examples = copies_for_batches(ops, sources)
    except ValueError as error:
        notes.append(
            "The graph cannot be copied for a batch of 1 or 2, so arrays whose first size is open count as "
            f"one example and the insides of functions as nothing ({str(error).splitlines()[0]})."
        )
    active = [first for op, first in zip(ops, one_example, strict=True) if op in dependent]
    notes += loop_notes(active, library)
    costs = {}
    for op, first, second, outputs in zip(ops, one_example, two_examples, kept, strict=True):
        # What a function does is part of the forward pass only where examples go into it.
        functions = library if op in dependent else {}
        op_flops, kept_bytes = cost_in_batch(first, outputs, 1, functions)
        if batch_size is None:
            more_flops, more_bytes = cost_in_batch(second, outputs, 2, functions)
            costs[op] = Cost(*growth(op_flops, more_flops), growth(kept_bytes, more_bytes)[0])
        else:
            divisor = batch_size if op in dependent else None
            costs[op] = Cost(*divided(op_flops, divisor), divided(kept_bytes, divisor)[0])
    return costs, notes


def growth(first: Count, second: Count) -> tuple[Count, Count]:
    """Returns what one more example adds to the count for one, and what is left without any."""
    return (None, None) if first is None or second is None else (second - first, 2 * first - second)


def divided(count: Count, batch_size: Count) -> tuple[Count, Count]:
    """Returns a batch's count divided by its examples, and the remainder."""
    if count is None:
        return None, None
    return (0, count) if batch_size is None else divmod(count, batch_size)


def fixed_batch_size(sources: Sequence[tf.Operation]) -> tuple[Count, list[str]]:
    """Returns the number of examples in the graph's batch, None where it is open, and notes."""
    fed = [op for op in sources if not op.type.startswith(forward_pass.RANDOM)] or sources
    shapes = [tensor.shape for op in fed for tensor in op.outputs if tensor.shape.rank != 0]
    found = {None if shape.rank is None else shape.as_list()[0] for shape in shapes}
    if None in found:
        return None, []
    if len(found) == 1 and any(forward_pass.brings_examples(op) for op in fed):
        return found.pop(), []
    notes = ["The inputs do not determine the batch size: the numbers are for one run of the graph."]
    return 1, notes if fed else []


def loop_notes(ops: Iterable[tf.Operation], library: Mapping[str, Any]) -> list[str]:
    """Returns how often the insides of loops are counted, and which ops are not counted at all."""
    ops = list(ops)
    once = [op.get_attr("frame_name").decode() for op in ops if op.type in ("Enter", "RefEnter")]
    notes = []
    for op in ops:
        if op.type in LOOPS and library:
            count = rounds(op, library)
            if count is None:
                once.append(op.name)
            else:
                notes.append(f"The loop {op.name} is counted for {count:,} rounds, its maximum.")
    if once:
        notes.append(f"One round of each of these loops is counted: {join(sorted(set(once)))}.")
    uncounted = [f"{op.name} ({op.type})" for op in ops if flops.UNCOUNTED.match(op.type)]
    if uncounted:
        notes.append(f"The operations of these are not counted: {join(uncounted)}.")
    return notes


def join(names: Sequence[str]) -> str:
    """Returns the first names of a list as text."""
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


# Counting an op, with the functions that it calls.


def cost_in_batch(
    op: tf.Operation, outputs: Iterable[int], examples: int, library: Mapping[str, Any]
) -> tuple[Count, Count]:
    """Returns the FLOPs of an op and the bytes of its kept outputs, with those inside of its functions."""
    own = flops_of(op, examples), bytes_of(op, outputs, examples)
    inside = [
        cost_of_body(op, library[name], examples, library)
        for name in walk.called_functions(op.node_def)
        if name in library
    ]
    if not inside:
        return own
    if op.type in LOOPS:
        times = rounds(op, library)
        inside = [scaled(cost, 1 if times is None else times) for cost in inside]
    elif op.type in BRANCHES:  # one of them runs; the costliest is an upper bound
        inside = [max(inside, key=lambda cost: cost[0] or 0)]
    return total(count for count, _ in (own, *inside)), total(kept for _, kept in (own, *inside))


def scaled(cost: tuple[Count, Count], times: int) -> tuple[Count, Count]:
    return product([cost[0], times]), product([cost[1], times])


def cost_of_body(
    op: tf.Operation, function: Any, examples: int, library: Mapping[str, Any]
) -> tuple[Count, Count]:
    """Returns the FLOPs and the kept bytes of a function that an op calls."""
    ops, _ = copies.paste_body(op, function)
    chosen = set(ops)
    costs = [
        cost_in_batch(inner, kept_outputs(inner, chosen, ends=False), examples, library) for inner in ops
    ]
    return total(count for count, _ in costs), total(kept for _, kept in costs)


def bytes_of(op: tf.Operation, outputs: Iterable[int], examples: int) -> Count:
    """Returns the bytes of some outputs of an op."""
    tensors = [op.outputs[index] for index in outputs]
    return total(product([tensor.dtype.size, *sizes_of(tensor, examples)]) for tensor in tensors)


def rounds(op: tf.Operation, library: Mapping[str, Any]) -> Count:
    """Returns how many rounds a `tf.while_loop` makes at most, None if it sets no maximum.

    TensorFlow gives each such loop a counter as its first variable, and `maximum_iterations` as its second,
    -1 for none.
    """
    arguments = library[op.get_attr("body").name].signature.input_arg
    if len(arguments) < 2 or "loop_counter" not in arguments[0].name:
        return None
    value = tf.get_static_value(op.inputs[1])
    if value is None:
        # A maximum computed from the size of an array is not a constant, but the shape function of Fill
        # works it out all the same. The op is added to our copy of the graph, never to the user's.
        with op.graph.as_default():
            value = tf.fill([op.inputs[1]], 0).shape.as_list()[0]
    return None if value is None or value < 0 else int(value)


# Copies of ops: shapes for a batch of one and of two, and the bodies of functions, where shapes are not
# stored at all. TensorFlow infers both when a definition is imported.


def copies_for_batches(
    ops: Iterable[tf.Operation], sources: Iterable[tf.Operation]
) -> tuple[dict[str, Any], list[tf.Operation], list[tf.Operation]]:
    """Returns the functions that the ops call, by name, and copies of the ops with one and two examples."""
    ops = list(ops)
    definition = copies.definition_of(ops, rewrite=add_shapes)
    library = {function.signature.name: function for function in definition.library.function}
    inputs = {op.name for op in sources}
    one, two = (copy_for_batch(definition, ops, inputs, batch_size) for batch_size in (1, 2))
    return library, one, two


def add_shapes(op: tf.Operation, node: Any) -> None:
    """Writes the shapes of an op's outputs to its copy: import would lose those that set_shape gave."""
    node.attr["_output_shapes"].list.shape.extend(tensor.shape.as_proto() for tensor in op.outputs)


def copy_for_batch(
    definition: Any, ops: Iterable[tf.Operation], inputs: Collection[str], batch_size: int
) -> list[tf.Operation]:
    """Returns copies of the ops, in a new graph whose inputs hold that many examples."""
    changed = tf.compat.v1.GraphDef()
    changed.CopyFrom(definition)
    for node in changed.node:
        shapes = list(node.attr["output_shapes"].list.shape) if "output_shapes" in node.attr else []
        if node.op in walk.PLACEHOLDERS and node.name in inputs:
            shapes.append(node.attr["shape"].shape)
        for shape in shapes:
            if shape.dim and shape.dim[0].size == -1:
                shape.dim[0].size = batch_size
                node.attr.pop("_output_shapes", None)  # import refuses it where it differs
    with tf.Graph().as_default():
        return copies.paste(changed, {}, [op.name for op in ops])


# What the gradients keep of the forward pass.


def kept_outputs(op: tf.Operation, chosen: Collection[tf.Operation], *, ends: bool = True) -> list[int]:
    """Returns which outputs of an op gradients need: its own gradient, or that of an op that uses them.

    Args:
      op: the op.
      chosen: the ops of the forward pass; what else uses the output does not count.
      ends: keep the first output of an op whose outputs no chosen op uses: it is a result. False inside
        functions, whose results are the outputs of the op that calls them.
    """
    if op.type in forward_pass.ALIASES:
        return []
    users = (user for output in op.outputs for user in output.consumers())
    is_end = ends and not any(user in chosen for user in users)
    return [
        index
        for index, tensor in enumerate(op.outputs)
        if tensor.dtype.is_floating
        and (needs_output(op, index) or (is_end and index == 0) or any_user_needs(tensor, chosen))
    ]


def kept_inputs(op: tf.Operation, chosen: Collection[tf.Operation]) -> list[int]:
    """Returns which arrays that an op brings gradients need: those of the ops that compute with them."""
    tensors = enumerate(op.outputs)
    return [i for i, tensor in tensors if tensor.dtype.is_floating and any_user_needs(tensor, chosen)]


def needs_output(op: tf.Operation, index: int) -> bool:
    if op.type.endswith("SoftmaxCrossEntropyWithLogits"):
        return index == 1  # the gradient itself is computed in the forward pass
    return op.type in NEEDS_OUTPUTS or op.type not in (*NEEDS_INPUTS, *NEEDS_NOTHING)


def any_user_needs(tensor: tf.Tensor, chosen: Collection[tf.Operation]) -> bool:
    """True if an op that uses the values, directly or through aliases, needs them for its gradient."""
    waiting, seen = [tensor], set()
    while waiting:
        alias = waiting.pop()
        for user in alias.consumers():
            if user.type not in forward_pass.ALIASES:
                if user in chosen and needs_input(user, alias):
                    return True
            elif user in chosen and user not in seen:
                seen.add(user)
                waiting += user.outputs
    return False


def needs_input(op: tf.Operation, tensor: tf.Tensor) -> bool:
    if op.type in ("Mul", "RealDiv"):  # a factor's gradient is the other one times what came back
        return any(other.shape.rank != 0 for other in op.inputs if other is not tensor)
    return op.type in NEEDS_INPUTS or op.type not in (*NEEDS_OUTPUTS, *NEEDS_NOTHING)
