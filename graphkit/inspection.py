"""The table of a built graph: layers, output shapes, parameters, floating-point operations and bytes."""

import dataclasses
import heapq
import math
import re
import textwrap
from typing import NamedTuple

import tensorflow as tf

from graphkit import checks, graphs, sizes

__all__ = ["Summary", "summary"]

LOOPS = ("While", "StatelessWhile")
# Whole algorithms in one op, for which there is no rule.
UNCOUNTED = re.compile(
    r"Cudnn|BlockLSTM|LSTMBlock|GRUBlock|Sparse(Tensor(Dense)?)?MatMul|I?R?FFT|Xla|_Fused|Quantized(Conv|Mat)"
    r"|Conv3DBackprop|DepthwiseConv2dNativeBackprop|(Batch)?(Matrix(Inverse|.*Solve)|Cholesky|Svd|SelfAdjoint)"
)
ACTIVATIONS = ("Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Sigmoid", "Tanh", "Softplus", "Softsign")
POOLS = ("MaxPool", "AvgPool", "MaxPoolV2", "MaxPool3D", "AvgPool3D", "MaxPoolWithArgmax")
QUEUES, RANDOM = ("IteratorGetNext", "QueueDequeue"), ("Random", "StatelessRandom")
# Hand on the values they are given.
ALIASES = (
    "Identity IdentityN EnsureShape StopGradient PreventGradient PlaceholderWithDefault Reshape Squeeze "
    "ExpandDims Cast Enter Exit Switch Merge NextIteration RefEnter RefExit RefSwitch RefMerge "
    "RefNextIteration LoopCond ReadVariableOp BatchToSpaceND SpaceToBatchND"
).split()
# Not worth a row of their own.
TRIVIAL = {*ALIASES, "Const", "Fill", "ZerosLike", "OnesLike", "Shape", "NoOp"} - {"Reshape", "Squeeze"}
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
COPIES = "graphkit/fused/"  # where a trainer puts its loops over copies of a step
WRITES = re.compile(r"(Assign|Save|Restore|(Resource)?(Sparse)?Apply|(Resource)?Scatter(?!Nd$))")
MAXIMUM_WIDTH = 100


class Row(NamedTuple):
    """One layer of a summary, with figures for one example; None is what the graph leaves open."""

    layer: str
    ops: tuple
    output_shape: tuple | None
    parameters: int
    flops: int | None
    weight_bytes: int
    activation_bytes: int | None


@dataclasses.dataclass(frozen=True)
class Summary:
    """What `gk.summary` found in a graph; printed, it is the table.

    Attributes:
      rows: one for each layer, in the order of the graph, with the fields layer (the scope), ops (types of
        op that do its arithmetic), output_shape, parameters (trained), flops, weight_bytes (of all its
        variables) and activation_bytes (of one example); None is what the graph leaves open.
      fixed_flops: floating-point operations that each run makes once, whatever the batch, such as those of
        an L2 penalty.
      trained_bytes: bytes of the trained variables.
      notes: sentences that say what is not in the figures.

    Example:
      >>> found = gk.summary(gk.dense(gk.feature_input(784), 10, name="logits"), print_table=False)
      >>> found.rows[0].layer, found.rows[0].output_shape, found.parameters, found.flops
      ('logits', (None, 10), 7850, 15690)
      >>> found.memory(batch_size=100, slots=0)
      66800
    """

    rows: tuple
    fixed_flops: int
    trained_bytes: int
    notes: tuple

    @property
    def parameters(self):
        """How many numbers are trained."""
        return sum(row.parameters for row in self.rows)

    @property
    def flops(self):
        """Floating-point operations of the forward pass of one example."""
        return sum(row.flops or 0 for row in self.rows)

    @property
    def training_flops(self):
        """Floating-point operations of a training step for one example, by `gk.training_flops`."""
        return sizes.training_flops(self.flops)

    @property
    def weight_bytes(self):
        """Bytes of all variables, trained or not."""
        return sum(row.weight_bytes for row in self.rows)

    @property
    def activation_bytes(self):
        """Bytes that the forward pass of one example keeps for the gradients."""
        return sum(row.activation_bytes or 0 for row in self.rows)

    def forward_flops(self, batch_size):
        """Returns the floating-point operations of the forward pass of a whole batch."""
        batch_size = checks.integer("Summary.forward_flops", "batch_size", batch_size)
        return self.fixed_flops + batch_size * self.flops

    def memory(self, batch_size, slots=2):
        """Returns the bytes that a training step holds, see `gk.training_bytes`.

        Args:
          batch_size: examples in a batch.
          slots: numbers that the optimizer keeps for each weight, see `gk.optimizer_slots`.
        """
        untrained = self.weight_bytes - self.trained_bytes
        return untrained + sizes.training_bytes(
            self.trained_bytes, self.activation_bytes, batch_size, slots, dtype="uint8"
        )

    def largest_batch(self, memory, slots=2):
        """Returns the largest batch size whose training step fits into so many bytes.

        Args:
          memory: how much there is, in bytes.
          slots: numbers that the optimizer keeps for each weight, see `gk.optimizer_slots`.

        Raises:
          ValueError: not even one example fits, or the graph keeps nothing for an example.
        """
        function = "Summary.largest_batch"
        memory = checks.integer(function, "memory", memory, minimum=0)
        rule = "the graph must keep activations of known size"
        checks.require(self.activation_bytes, function, rule, activation_bytes=self.activation_bytes)
        needed = self.memory(1, slots)
        rule = "not even one example fits into the memory, in bytes"
        checks.require(needed <= memory, function, rule, memory=memory, needed=needed)
        untrained = self.weight_bytes - self.trained_bytes
        return sizes.largest_batch(
            memory - untrained, self.trained_bytes, self.activation_bytes, slots, dtype="uint8"
        )

    def __str__(self):
        return table(self)


def summary(target=None, print_table=True):
    """Prints and returns the table of a graph: layers, shapes, parameters, operations, bytes.

    It reads any TensorFlow 1 graph, whoever built it. Given tensors, only what they depend on counts.
    Given a whole graph, gradients (the ops in scopes that `tf.gradients` makes, and what depends on them)
    and what only updates, initial values, checkpoints or weights alone need are left out.

    A row is a layer: the ops that use the variables of one scope, with the bias and the activation that
    follow; or a pooling; or a name scope, or else a single op, without variables. A variable that is used
    twice is counted once, the operations of each use are counted. Operations are counted by the rules of
    TensorFlow's profiler (a multiply and an add are two; relu and fused batch normalization are none), and
    those of einsum likewise. Activations are the floating-point arrays that the gradients need from the
    forward pass, without the graph's inputs.

    Figures are for one example: what one more example in the batch adds. The batch is the first axis of
    placeholders (and of what iterators bring); where it has a fixed size, figures are divided by it. What
    a `while_loop` does in a round is counted as often as its `maximum_iterations` says, and once where it
    says nothing; of the branches of a `cond`, the costlier counts. The notes under the table name what is
    counted for one round, what has no rule (such as CuDNN's networks) and whose sizes are open.

    Args:
      target: a tensor or several, or a `tf.Graph`; None for the default graph.
      print_table: whether the table is printed.

    Returns:
      A `gk.Summary`: rows and totals.

    Raises:
      TypeError: a target of another kind.
      ValueError: no tensor, or tensors of different graphs.

    Example:
      >>> found = gk.summary(gk.mlp(gk.image_input(28, 28, 1), hidden_units=(256,)))
      layer    ops                    output shape  parameters    FLOPs  bytes kept
      -----------------------------------------------------------------------------
      flatten  Reshape                (None, 784)            0        0           0
      hidden1  MatMul, BiasAdd, Relu  (None, 256)      200,960  401,664       1,024
      logits   MatMul, BiasAdd        (None, 10)         2,570    5,130          40
      -----------------------------------------------------------------------------
      total                                            203,530  406,794       1,064
      FLOPs, and the bytes that the gradients need kept, are for one example. The
      variables take 814,120 bytes.
    """
    graph, ops = find_ops(target)
    weights, weight_notes = find_weights(graph, ops)
    sources, dependent = depend_on_examples(ops)
    consumed = trace_weights(ops, weights, dependent)
    measures, batch_notes = measure(graph, ops, sources, dependent)
    rows, trained = make_rows(group_ops(ops, weights, dependent, consumed), weights, consumed, measures)
    fixed = total(measures[op].fixed_flops or 0 for op in ops)
    notes = [*weight_notes, *batch_notes, *unknown_notes(rows)]
    found = Summary(rows, fixed, trained, tuple(notes))
    if print_table:
        print(found)
    return found


def find_ops(target):
    """Returns the graph and the ops that count, each after what it computes from."""
    function = "summary"
    if target is None or isinstance(target, tf.Graph):
        graph = tf.compat.v1.get_default_graph() if target is None else target
        return graph, forward_ops(graph)
    targets = list(target) if isinstance(target, (tuple, list)) else [target]
    for item in targets:
        if not (graphs.is_graph_tensor(item) or isinstance(item, tf.Operation)):
            rule = "target must be a tensor of a graph, several, or a tf.Graph"
            raise TypeError(checks.message(function, rule, target=item))
    checks.require(targets, function, "target must hold at least one tensor", target=target)
    found = {item.graph for item in targets}
    names = [item.name for item in targets]
    checks.require(len(found) == 1, function, "all targets must be of one graph", target=names)
    graph = targets[0].graph
    chosen = graphs.ancestors(targets)
    return graph, [op for op in in_order(graph) if op in chosen]


def in_order(graph):
    """Returns the ops of a graph, each after what it computes from; else in the order they were made.

    They were not made in that order inside of loops. What one round hands to the next is left out of it.
    """
    ops = graph.get_operations()
    place = {op: number for number, op in enumerate(ops)}
    sources = {op: {t.op for t in op.inputs if not t.op.type.endswith("NextIteration")} for op in ops}
    missing = {op: len(found) for op, found in sources.items()}
    users = {op: [] for op in ops}
    for op, found in sources.items():
        for source in found:
            users[source].append(op)
    ready = [place[op] for op in ops if not missing[op]]
    order = []
    while ready:
        order.append(ops[heapq.heappop(ready)])
        for user in users[order[-1]]:
            missing[user] -= 1
            if not missing[user]:
                heapq.heappush(ready, place[user])
    return order


def forward_ops(graph):
    """Returns the ops of a graph without gradients and what only updates and checkpoints need.

    Where there are examples, what nothing that depends on them needs is left out too, such as the parts of
    initial values.
    """
    ops, backward, needless = in_order(graph), set(), set()
    for op in ops:
        if (
            graphs.GRADIENTS.search(op.name)
            or op.name.startswith(COPIES)
            or any(tensor.op in backward for tensor in op.inputs)
        ):
            backward.add(op)
    for op in reversed(ops):
        consumers = {consumer for tensor in op.outputs for consumer in tensor.consumers()}
        if consumers <= needless and (consumers or WRITES.match(op.type)):
            needless.add(op)
    ops = [op for op in ops if op not in backward and op not in needless]
    sources, dependent = depend_on_examples(ops)
    needed = graphs.ancestors([*sources, *dependent]) if sources else ops
    return [op for op in ops if op in needed]


class Weight(NamedTuple):
    """A variable of the graph; `layer` is the row it makes, None if it joins one."""

    name: str
    count: int
    bytes: int
    trained: bool
    layer: str | None


def find_weights(graph, ops):
    """Returns {op of a variable: Weight} and notes; step counters and such are no weights."""
    keys = tf.compat.v1.GraphKeys
    trainable = {graphs.handle_op(variable) for variable in graph.get_collection(keys.TRAINABLE_VARIABLES)}
    unlisted = not trainable and not graph.get_collection(keys.GLOBAL_VARIABLES)
    variables = {op: variable_type(op) for op in ops if op.type in graphs.VARIABLES}
    variables = {op: kind for op, kind in variables.items() if op in trainable or kind[0].is_floating}
    kernels = [scope_of(op) for op, (_, shape) in variables.items() if shape.rank is None or shape.rank > 1]
    weights, notes = {}, []
    for op, (dtype, shape) in variables.items():
        scope, count = scope_of(op), shape.num_elements()
        layer = op.name if shape.rank is None or shape.rank > 1 else None
        if scope and kernels.count(scope) <= 1:
            layer = scope
        if count is None:
            notes.append(f"The size of the variable {op.name} is not known and not counted.")
        count = count or 0
        weights[op] = Weight(op.name, count, count * dtype.size, unlisted or op in trainable, layer)
    if unlisted and weights:
        notes.append("The graph does not say which variables are trained; all are counted as trained.")
    return weights, notes


def variable_type(op):
    """Returns the dtype and the shape of a variable."""
    if op.type == "VarHandleOp":
        return op.get_attr("dtype"), tf.TensorShape(op.get_attr("shape"))
    return op.outputs[0].dtype.base_dtype, op.outputs[0].shape


def scope_of(op):
    return op.name.rpartition("/")[0]


def depend_on_examples(ops):
    """Returns the sources of examples, or constants if there are none, and what computes with them."""
    sources = [op for op in ops if brings_examples(op)]
    if not sources:
        sources = [op for op in ops if op.type in ("Const", "Fill") and is_float_array(op.outputs[0])]
    dependent = set(sources)
    for op in ops:
        if any(tensor.op in dependent for tensor in op.inputs):
            dependent.add(op)
    return sources, dependent - set(sources)


def brings_examples(op):
    """Tells whether an op brings arrays from outside: a placeholder, an iterator, a queue, random numbers."""
    if op.type in graphs.PLACEHOLDERS:
        return op.outputs[0].shape.rank != 0
    return op.type.startswith((*QUEUES, *RANDOM))


def is_float_array(tensor):
    return tensor.dtype.is_floating and tensor.shape.rank != 0


def trace_weights(ops, weights, dependent):
    """Returns {op: variables it consumes}, for the ops that compute with them.

    What is computed of variables alone (the parts of a partitioned one joined, a table transposed) stands
    for them, unless it is a scalar, such as a penalty.
    """
    made_of, consumed = {op: (op,) for op in weights}, {}
    for op in ops:
        sources = [made_of[tensor.op] for tensor in op.inputs if tensor.op in made_of]
        parts = tuple(dict.fromkeys(part for source in sources for part in source))
        if op in weights or not parts:
            continue
        if op in dependent or is_worth_naming(op):
            consumed[op] = parts
        if op not in dependent and (op.type in ALIASES or not is_scalar(op)):
            made_of[op] = parts
    return consumed


def is_scalar(op):
    return all(tensor.shape.rank == 0 for tensor in op.outputs)


def group_ops(ops, weights, dependent, consumed):
    """Returns {op: name of its row} for all ops that depend on the examples."""
    names = layers_with_weights(ops, weights, dependent, consumed)
    homes = layer_scopes(names)
    shared = {scope for op in names for scope in outer_scopes(scope_of(op))}
    rows = {}
    for op in ops:
        if op in names:
            rows[op] = names[op]
        elif op in dependent:
            scopes = outer_scopes(op.name)
            home = next((homes[scope] for scope in reversed(scopes) if scope in homes), None)
            rows[op] = home or next((scope for scope in scopes if scope not in shared), op.name)
    return join_small_rows(rows, shared)


def join_small_rows(rows, shared):
    """Puts what lies between the layers of a scope, single ops and what makes no floats, in one row."""
    notable = {name for op, name in rows.items() if is_worth_naming(op) and name != op.name}
    notable |= {name for op, name in rows.items() if op.type in POOLS}

    def joined(name):
        scope = name.rpartition("/")[0]
        return scope if name not in notable and scope in shared else name

    return {op: joined(name) for op, name in rows.items()}


def layers_with_weights(ops, weights, dependent, consumed):
    """Returns {op: name of its row} of poolings, and of ops that use variables with what follows them."""
    names, holds = {}, {}  # holds: the layer whose values an op hands on
    for op in ops:
        if op not in dependent:
            continue
        before = next((holds[tensor.op] for tensor in op.inputs if tensor.op in holds), None)
        layers = [weights[variable].layer for variable in consumed.get(op, ())]
        if layers:
            own = common_scope([layer for layer in layers if layer])
            names[op] = holds[op] = own or before or weights[consumed[op][0]].name
        elif op.type in ACTIVATIONS and before:
            names[op] = holds[op] = before
        elif op.type in POOLS:
            names[op] = op.name
        elif op.type in ALIASES and before:
            holds[op] = before
    return names


def common_scope(layers):
    """Returns the scope that holds all the layers, the first of them if there is none."""
    if len(set(layers)) <= 1:
        return next(iter(layers), None)
    common = [parts[0] for parts in zip(*map(outer_scopes, layers), strict=False) if len(set(parts)) == 1]
    return common[-1] if common else layers[0]


def layer_scopes(names):
    """Returns {name scope: layer} of scopes that hold one layer only, also where it is used again."""
    homes = {}
    for op, name in names.items():
        if op.type not in POOLS:
            homes[name] = name
            scope = scope_of(op)
            if unnumbered(scope) == unnumbered(name) or unnumbered(scope).endswith("Tensordot"):
                homes[scope] = name
    for op, name in names.items():
        for scope in outer_scopes(scope_of(op)):
            if homes.get(scope, name) != name:
                del homes[scope]
    return homes


def unnumbered(scope):
    return re.sub(r"_\d+$", "", scope)


def outer_scopes(name):
    """Returns ["a", "a/b", "a/b/c"] for "a/b/c"."""
    parts = name.split("/") if name else []
    return ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]


def make_rows(rows, weights, consumed, measures):
    """Returns the rows that hold variables, operations or arrays, and the bytes of what they train."""
    members, owners = {}, {}
    for op, name in rows.items():
        members.setdefault(name, []).append(op)
        for variable in consumed.get(op, ()):
            owners.setdefault(variable, name)
    for variable in dict.fromkeys(variable for parts in consumed.values() for variable in parts):
        owners.setdefault(variable, weights[variable].layer or weights[variable].name)
    made = []
    for name in dict.fromkeys((*members, *owners.values())):
        ops = members.get(name, [])
        held = [weights[variable] for variable, owner in owners.items() if owner == name]
        row = Row(
            layer=name,
            ops=types_of(ops),
            output_shape=output_shape(ops),
            parameters=sum(weight.count for weight in held if weight.trained),
            flops=total(measures[op].flops for op in ops),
            weight_bytes=sum(weight.bytes for weight in held),
            activation_bytes=total(measures[op].kept_bytes for op in ops),
        )
        if held or row.flops != 0 or (row.ops and row.output_shape != ()):
            made.append(row)
    trained = sum(weights[variable].bytes for variable in owners if weights[variable].trained)
    return tuple(made), trained


def types_of(ops):
    """Returns the types of the ops that make a row's arrays of floats, or else of all its ops."""
    named = [op for op in ops if is_worth_naming(op)] or [op for op in ops if op.type not in TRIVIAL]
    return tuple(dict.fromkeys(op.type for op in named))


def is_worth_naming(op):
    return op.type not in TRIVIAL and any(tensor.dtype.is_floating for tensor in op.outputs)


def output_shape(ops):
    """Returns the shape of a row's output: the last array that is used outside of it, or not at all."""
    inside, ends = set(ops), []
    for op in ops:
        for tensor in op.outputs:
            users = tensor.consumers()
            if not users or any(user not in inside for user in users):
                ends.append(tensor)
    ends = [tensor for tensor in ends if tensor.dtype.is_floating] or ends
    if not ends or ends[-1].shape.rank is None:
        return None
    return tuple(ends[-1].shape.as_list())


def total(figures):
    """Returns the sum, or None where a figure is not known."""
    figures = list(figures)
    return None if None in figures else sum(figures)


class Measure(NamedTuple):
    """Figures of an op: for one more example, and what it does once in each run; None is not known."""

    flops: int | None
    fixed_flops: int | None
    kept_bytes: int | None


def measure(graph, ops, sources, dependent):
    """Returns {op: Measure} and notes.

    Where the batch is open, the graph is looked at with one example and with two: what the second one
    adds is an example's own, the rest is done once.
    """
    chosen = set(ops)
    kept = [kept_outputs(op, chosen) if op in dependent else [] for op in ops]
    batch_size, notes = fixed_batch_size(sources)
    library, copies = {}, [ops, ops]
    try:
        library, *copies = copies_for_batches(graph, ops, sources)
    except ValueError as error:
        notes.append(
            "The graph cannot be copied for a batch of 1 or 2, so that arrays whose first size is open count "
            f"as one example and the insides of functions as nothing ({str(error).splitlines()[0]})."
        )
    active = [first for op, first in zip(ops, copies[0], strict=True) if op in dependent]
    notes += loop_notes(active, library)
    measures = {}
    for op, first, second, outputs in zip(ops, *copies, kept, strict=True):
        flops, kept_bytes = figures(first, outputs, 1, library if op in dependent else {})
        if batch_size is None:
            more_flops, more_bytes = figures(second, outputs, 2, library if op in dependent else {})
            measures[op] = Measure(*grow(flops, more_flops), grow(kept_bytes, more_bytes)[0])
        else:
            share = batch_size if op in dependent else None
            measures[op] = Measure(*divide(flops, share), divide(kept_bytes, share)[0])
    return measures, notes


def grow(first, second):
    """Returns what one more example adds, and what is left without any."""
    return (None, None) if first is None or second is None else (second - first, 2 * first - second)


def divide(figure, batch_size):
    """Returns a batch's figure as that of one example, and what is left over."""
    if figure is None:
        return None, None
    return (0, figure) if batch_size is None else divmod(figure, batch_size)


def fixed_batch_size(sources):
    """Returns the number of examples in the graph's batch, None where it is open, and notes."""
    fed = [op for op in sources if not op.type.startswith(RANDOM)] or sources
    shapes = [tensor.shape for op in fed for tensor in op.outputs if tensor.shape.rank != 0]
    found = {None if shape.rank is None else shape[0] for shape in shapes}
    if None in found:
        return None, []
    if len(found) == 1 and any(brings_examples(op) for op in fed):
        return found.pop(), []
    notes = ["The inputs do not tell the size of the batch: figures are for the graph's whole run."]
    return 1, notes if fed else []


def copies_for_batches(graph, ops, sources):
    """Returns the graph's functions by name, and copies of the ops with one and with two examples."""
    names = {op.name for op in ops}
    definition = graph.as_graph_def(add_shapes=True)
    nodes = [node for node in definition.node if node.name in names]
    del definition.node[:]
    for node in nodes:
        node.attr.pop("_class", None)
        controls = [name for name in node.input if name.startswith("^")]
        for name in controls:
            node.input.remove(name)
    definition.node.extend(nodes)
    library = {function.signature.name: function for function in definition.library.function}
    inputs = {op.name for op in sources}
    return library, *(copy_for_batch(definition, ops, inputs, batch_size) for batch_size in (1, 2))


def copy_for_batch(definition, ops, inputs, batch_size):
    """Returns copies of the ops, in a graph of their own whose inputs hold so many examples."""
    changed = tf.compat.v1.GraphDef()
    changed.CopyFrom(definition)
    for node in changed.node:
        shapes = list(node.attr["output_shapes"].list.shape) if "output_shapes" in node.attr else []
        if node.op in graphs.PLACEHOLDERS and node.name in inputs:
            shapes.append(node.attr["shape"].shape)
        for shape in shapes:
            if shape.dim and shape.dim[0].size == -1:
                shape.dim[0].size = batch_size
                node.attr.pop("_output_shapes", None)
    with tf.Graph().as_default() as copy:
        tf.import_graph_def(changed, name="")
    return [copy.get_operation_by_name(op.name) for op in ops]


def kept_outputs(op, chosen, ends=True):
    """Returns which outputs of an op gradients need: its own gradient, or that of an op that uses them.

    The end of the graph is kept too, except in functions, where the caller's outputs stand for it.
    """
    if op.type in ALIASES:
        return []
    is_end = ends and not any(output.consumers() for output in op.outputs)
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


def figures(op, outputs, examples, library):
    """Returns the FLOPs of an op and the bytes of its kept outputs, with those inside of its functions."""
    flops, kept_bytes = flops_of(op, examples), bytes_of(op, outputs, examples)
    inside = [
        inner_figures(op, library[name], examples, library)
        for name in called_functions(op)
        if name in library
    ]
    if not inside:
        return flops, kept_bytes
    if op.type in LOOPS:
        times = rounds(op, library)
        inside = [scaled(figure, 1 if times is None else times) for figure in inside]
    elif op.type in ("If", "StatelessIf", "Case", "StatelessCase"):
        inside = [max(inside, key=lambda figure: figure[0] or 0)]
    return total([flops, *(flops for flops, _ in inside)]), total([kept_bytes, *(kept for _, kept in inside)])


def scaled(figure, times):
    return tuple(product([part, times]) for part in figure)


def inner_figures(op, function, examples, library):
    """Returns the FLOPs and the kept bytes of a function that an op calls."""
    ops = copy_of_body(op, function)
    chosen = set(ops)
    pairs = [figures(inner, kept_outputs(inner, chosen, ends=False), examples, library) for inner in ops]
    return total(flops for flops, _ in pairs), total(kept for _, kept in pairs)


def copy_of_body(op, function):
    """Returns copies of a function's ops, beside the op that calls it and fed with what it is fed with."""
    given = list(op.inputs)[len(op.inputs) - len(function.signature.input_arg) :]
    values = {arg.name: tensor for arg, tensor in zip(function.signature.input_arg, given, strict=True)}
    waiting, made = list(function.node_def), []
    with op.graph.as_default():
        while waiting:
            ready = [node for node in waiting if all(name in values for name in data_inputs(node))]
            waiting = [node for node in waiting if node not in ready]
            for node in ready:
                inner = copy_of_node(node, values)
                made.append(inner)
                values.update(zip(output_names(node, inner.op_def), inner.outputs, strict=True))
    return made


def data_inputs(node):
    return [name for name in node.input if not name.startswith("^")]


def copy_of_node(node, values):
    """Returns a copy of one op of a function in the current graph."""
    names = data_inputs(node)
    alone = tf.compat.v1.GraphDef()
    alone.node.add().CopyFrom(node)
    alone.node[0].attr.pop("_class", None)
    alone.node[0].input[:] = [f"input{place}:0" for place in range(len(names))]
    given = {f"input{place}:0": values[name] for place, name in enumerate(names)}
    return tf.import_graph_def(alone, given, return_elements=[node.name], name="inside")[0]


def output_names(node, definition):
    """Returns how functions name the outputs of an op: node:argument:place."""
    for argument in definition.output_arg:
        if argument.number_attr:
            count = node.attr[argument.number_attr].i
        elif argument.type_list_attr:
            count = len(node.attr[argument.type_list_attr].list.type)
        else:
            count = 1
        yield from (f"{node.name}:{argument.name}:{place}" for place in range(count))


def rounds(op, library):
    """Returns how many rounds a `tf.while_loop` makes at most, None if it does not say.

    Its first variable is a counter of its own, its second the limit, -1 for none.
    """
    arguments = library[op.get_attr("body").name].signature.input_arg
    if len(arguments) < 2 or "loop_counter" not in arguments[0].name:
        return None
    value = tf.get_static_value(op.inputs[1])
    if value is None:  # TensorFlow knows the sizes of arrays also where they are computed from others'
        with op.graph.as_default():
            value = tf.fill([op.inputs[1]], 0).shape[0]
    return None if value is None or value < 0 else int(value)


def bytes_of(op, outputs, examples):
    """Returns the bytes of some outputs of an op."""
    tensors = [op.outputs[index] for index in outputs]
    return total(product([tensor.dtype.size, *sizes_of(tensor, examples)]) for tensor in tensors)


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


def unknown_notes(rows):
    """Returns what cannot be counted since a size is open."""
    notes = []
    for field, figure in (("flops", "FLOPs"), ("activation_bytes", "bytes kept")):
        names = [row.layer for row in rows if getattr(row, field) is None]
        if names:
            notes.append(
                f"Sizes are open, so the {figure} are not known and not in the total: {join(names)}."
            )
    return notes


def loop_notes(ops, library):
    """Returns how often the insides of loops are counted, and which ops are not counted at all."""
    once = [op.get_attr("frame_name").decode() for op in ops if op.type in ("Enter", "RefEnter")]
    notes = []
    for op in ops:
        if op.type in LOOPS and library:
            count = rounds(op, library)
            if count is None:
                once.append(op.name)
            else:
                notes.append(f"The loop {op.name} is counted for {count:,} rounds, the most that it makes.")
    if once:
        notes.append(f"One round of each of these loops is counted: {join(sorted(set(once)))}.")
    uncounted = [f"{op.name} ({op.type})" for op in ops if UNCOUNTED.match(op.type)]
    return [*notes, *([f"The operations of these are not counted: {join(uncounted)}."] if uncounted else [])]


def called_functions(op):
    """Returns the names of the functions that an op calls, such as the body of a loop."""
    values = op.node_def.attr.values()
    return [function.name for value in values for function in (value.func, *value.list.func) if function.name]


def join(names):
    """Returns the first names of a list as text."""
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def table(found):
    """Returns a summary as text: a line for each layer, the totals, what they mean and leave out."""
    head = ("layer", "ops", "output shape", "parameters", "FLOPs", "bytes kept")
    lines = [
        (
            row.layer,
            ", ".join(row.ops),
            "?" if row.output_shape is None else str(row.output_shape),
            *map(number_text, (row.parameters, row.flops, row.activation_bytes)),
        )
        for row in found.rows
    ]
    last = ("total", "", "", *map(number_text, (found.parameters, found.flops, found.activation_bytes)))
    widths = [max(map(len, column)) for column in zip(head, *lines, last, strict=True)]
    room = MAXIMUM_WIDTH - sum(widths[2:]) - 2 * 5
    widths[0] = min(widths[0], max(room - min(widths[1], 16), 12))
    widths[1] = min(widths[1], max(room - widths[0], 12))
    width = sum(widths) + 2 * 5
    body = [line_text(head, widths), "-" * width, *(line_text(line, widths) for line in lines), "-" * width]
    return "\n".join([*body, line_text(last, widths), *footer(found, width)])


def number_text(figure):
    return "?" if figure is None else f"{figure:,}"


def line_text(line, widths):
    """Returns a line of cells, words to the left and numbers to the right; long words are cut."""
    layer, ops, shape = line[:3]
    words = [f"{cut_left(layer, widths[0]):<{widths[0]}}", f"{cut(ops, widths[1]):<{widths[1]}}"]
    words.append(f"{shape:<{widths[2]}}")
    numbers = [f"{text:>{width}}" for text, width in zip(line[3:], widths[3:], strict=True)]
    return "  ".join([*words, *numbers])


def cut(text, width):
    return text if len(text) <= width else text[: width - 1] + "…"


def cut_left(text, width):
    return text if len(text) <= width else "…" + text[len(text) - width + 1 :]


def footer(found, width):
    """Returns the lines under a table."""
    text = (
        "FLOPs, and the bytes that the gradients need kept, are for one example. "
        f"The variables take {found.weight_bytes:,} bytes."
    )
    lines = [text, *found.notes]
    if found.fixed_flops * 100 >= found.flops > 0:
        lines.append(f"Each run makes {found.fixed_flops:,} FLOPs besides, whatever the batch.")
    return [part for line in lines for part in textwrap.wrap(line, width)]
