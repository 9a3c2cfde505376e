"""The forward pass of a graph: which ops belong to it, and which of them compute with examples."""

import heapq
import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import tensorflow as tf

from graphkit import checks
from graphkit.graph import walk

Target: TypeAlias = tf.Tensor | tf.Operation | Sequence[tf.Tensor | tf.Operation] | tf.Graph | None

QUEUES, RANDOM = ("IteratorGetNext", "QueueDequeue"), ("Random", "StatelessRandom")
# Ops whose outputs hold the values of their inputs.
ALIASES = (
    "Identity IdentityN EnsureShape StopGradient PreventGradient PlaceholderWithDefault Reshape Squeeze "
    "ExpandDims Cast Enter Exit Switch Merge NextIteration RefEnter RefExit RefSwitch RefMerge "
    "RefNextIteration LoopCond ReadVariableOp BatchToSpaceND SpaceToBatchND"
).split()
COPIES = (
    "graphkit/loops/",
    "graphkit/inference/",
    "graphkit/evaluated/",
    "graphkit/workers/",
)  # scopes of a trainer's copies of the graph
WRITES = re.compile(r"(Assign|Save|Restore|(Resource)?(Sparse)?Apply|(Resource)?Scatter(?!Nd$))")


def find_ops(check: checks.Checker, target: Target) -> tuple[tf.Graph, list[tf.Operation]]:
    """Returns the graph and the ops that count, each after the ops whose values it takes."""
    if target is None or isinstance(target, tf.Graph):
        graph = tf.compat.v1.get_default_graph() if target is None else target
        return graph, forward_ops(graph)
    targets: list[tf.Tensor] = list(target) if isinstance(target, (tuple, list)) else [target]
    for item in targets:
        check.require_type(
            walk.is_graph_tensor(item) or isinstance(item, tf.Operation),
            "target must be a tensor of a graph, a list of tensors, or a tf.Graph",
            target=item,
        )
    check.require(targets, "target must hold at least one tensor", target=target)
    graph = targets[0].graph
    check.require(
        all(item.graph is graph for item in targets),
        "all targets must be of one graph",
        target=[item.name for item in targets],
    )
    chosen = walk.ancestors(targets)
    return graph, [op for op in in_order(graph) if op in chosen]


def in_order(graph: tf.Graph) -> list[tf.Operation]:
    """Returns the ops of a graph, each after its inputs, and otherwise in the order they were made.

    Inside loops of control flow v1 that is not the order of `get_operations`: there the op that starts a
    round is made before the op that ends one. What one round passes to the next (NextIteration) closes a
    circle, so it does not count as an input here.
    """
    ops = graph.get_operations()
    place = {op: number for number, op in enumerate(ops)}
    sources = {op: {t.op for t in op.inputs if not t.op.type.endswith("NextIteration")} for op in ops}
    missing = {op: len(found) for op, found in sources.items()}
    users: dict[tf.Operation, list[tf.Operation]] = {op: [] for op in ops}
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


def forward_ops(graph: tf.Graph) -> list[tf.Operation]:
    """Returns the ops of a graph without gradients and without what only updates and checkpoints need.

    If the graph has examples, an op also has to lead to one that computes with them; the parts of initial
    values, for instance, do not.
    """
    ops = in_order(graph)
    backward: set[tf.Operation] = set()
    needless: set[tf.Operation] = set()
    for op in ops:
        if (
            walk.GRADIENTS.search(op.name)
            or op.name.startswith(COPIES)
            or any(tensor.op in backward for tensor in op.inputs)
        ):
            backward.add(op)
    # Backwards from what writes: an op is needless if all that takes its values is.
    for op in reversed(ops):
        consumers = {consumer for tensor in op.outputs for consumer in tensor.consumers()}
        if consumers <= needless and (consumers or WRITES.match(op.type)):
            needless.add(op)
    ops = [op for op in ops if op not in backward and op not in needless]
    sources, dependent = depend_on_examples(ops)
    needed = walk.ancestors([*sources, *dependent]) if sources else ops
    return [op for op in ops if op in needed]


def depend_on_examples(ops: Iterable[tf.Operation]) -> tuple[list[tf.Operation], set[tf.Operation]]:
    """Returns the ops that bring examples, and those that compute with them.

    In a graph without examples, its constant arrays of floats are taken for them.
    """
    ops = list(ops)
    sources = [op for op in ops if brings_examples(op)]
    if not sources:
        sources = [op for op in ops if op.type in ("Const", "Fill") and is_float_array(op.outputs[0])]
    dependent, before = set(sources), 0
    while len(dependent) > before:  # a loop passes values to earlier ops too, so one pass is not enough
        before = len(dependent)
        dependent = walk.descendants(dependent, ops)
    return sources, dependent - set(sources)


def brings_examples(op: tf.Operation) -> bool:
    """True if an op brings arrays from outside the graph: an input, or random numbers."""
    return brings_inputs(op) or op.type.startswith(RANDOM)


def brings_inputs(op: tf.Operation) -> bool:
    """True for a placeholder of an array, and for ops that read an iterator or a queue."""
    if op.type in walk.PLACEHOLDERS:
        return op.outputs[0].shape.rank != 0
    return op.type.startswith(QUEUES)


def is_float_array(tensor: tf.Tensor) -> bool:
    return tensor.dtype.is_floating and tensor.shape.rank != 0
