"""The forward pass of a graph: which ops count, and which of them compute with examples."""

import heapq
import re

import tensorflow as tf

from graphkit import checks
from graphkit.graph import walk

QUEUES, RANDOM = ("IteratorGetNext", "QueueDequeue"), ("Random", "StatelessRandom")
# Hand on the values they are given.
ALIASES = (
    "Identity IdentityN EnsureShape StopGradient PreventGradient PlaceholderWithDefault Reshape Squeeze "
    "ExpandDims Cast Enter Exit Switch Merge NextIteration RefEnter RefExit RefSwitch RefMerge "
    "RefNextIteration LoopCond ReadVariableOp BatchToSpaceND SpaceToBatchND"
).split()
COPIES = "graphkit/fused/"  # where a trainer puts its loops over copies of a step
WRITES = re.compile(r"(Assign|Save|Restore|(Resource)?(Sparse)?Apply|(Resource)?Scatter(?!Nd$))")


def find_ops(function, target):
    """Returns the graph and the ops that count, each after what it computes from."""
    if target is None or isinstance(target, tf.Graph):
        graph = tf.compat.v1.get_default_graph() if target is None else target
        return graph, forward_ops(graph)
    targets = list(target) if isinstance(target, (tuple, list)) else [target]
    for item in targets:
        if not (walk.is_graph_tensor(item) or isinstance(item, tf.Operation)):
            rule = "target must be a tensor of a graph, several, or a tf.Graph"
            raise TypeError(checks.message(function, rule, target=item))
    checks.require(targets, function, "target must hold at least one tensor", target=target)
    found = {item.graph for item in targets}
    names = [item.name for item in targets]
    checks.require(len(found) == 1, function, "all targets must be of one graph", target=names)
    graph = targets[0].graph
    chosen = walk.ancestors(targets)
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
            walk.GRADIENTS.search(op.name)
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
    needed = walk.ancestors([*sources, *dependent]) if sources else ops
    return [op for op in ops if op in needed]


def depend_on_examples(ops):
    """Returns the sources of examples, or constants if there are none, and what computes with them."""
    sources = [op for op in ops if brings_examples(op)]
    if not sources:
        sources = [op for op in ops if op.type in ("Const", "Fill") and is_float_array(op.outputs[0])]
    dependent, before = set(sources), 0
    while len(dependent) > before:  # a loop hands values to ops before them too
        before = len(dependent)
        dependent = walk.descendants(dependent, ops)
    return sources, dependent - set(sources)


def brings_examples(op):
    """Tells whether an op brings arrays from outside: an input, or random numbers."""
    return brings_inputs(op) or op.type.startswith(RANDOM)


def brings_inputs(op):
    """Tells whether an op is a placeholder of an array, or reads an iterator or a queue."""
    if op.type in walk.PLACEHOLDERS:
        return op.outputs[0].shape.rank != 0
    return op.type.startswith(QUEUES)


def is_float_array(tensor):
    return tensor.dtype.is_floating and tensor.shape.rank != 0
