"""Reading a finished graph: what a tensor depends on, and where its placeholders lead."""

import hashlib
import operator
import re

import tensorflow as tf

from graphkit import checks

PLACEHOLDERS = ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault")
VARIABLES = ("VarHandleOp", "VariableV2", "Variable")
SAME_VALUES = (
    "Identity Cast Reshape ExpandDims Squeeze StopGradient Transpose EnsureShape CheckNumerics Snapshot"
).split()
ARITHMETIC = {
    "Add": operator.add,
    "AddV2": operator.add,
    "Sub": operator.sub,
    "Mul": operator.mul,
    "RealDiv": operator.truediv,
}
SIZES = ("Shape", "ShapeN", "Size", "Rank")
DATA = re.compile(r"IteratorGetNext|Queue(Dequeue|TakeGrad)|Reader(Read|V2)")  # what brings examples unfed
GRADIENTS = re.compile(r"(^|/)(gradients(_\d+)?/|grad_ys_\d+$)")  # the names that tf.gradients gives


def check_loss(function, loss):
    """Returns the graph of the loss, if it is one that can be minimized."""
    rule = "loss must be a floating-point scalar tensor of a graph"
    if not is_graph_tensor(loss):
        raise TypeError(checks.message(function, rule, loss=loss))
    sound = loss.dtype.is_floating and loss.shape.rank == 0
    shape = "unknown" if loss.shape.rank is None else tuple(loss.shape.as_list())
    checks.require(sound, function, rule, loss=loss.name, shape=shape, dtype=loss.dtype.name)
    return loss.graph


def sources(op):
    """Returns the ops that this one takes values of, or waits for."""
    return (*(tensor.op for tensor in op.inputs), *op.control_inputs)


def ancestors(tensors, sources_of=sources):
    """Returns all ops that must run to compute the tensors (or ops), in no particular order."""
    waiting = [tensor if isinstance(tensor, tf.Operation) else tensor.op for tensor in tensors]
    seen = set(waiting)
    while waiting:
        for source in sources_of(waiting.pop()):
            if source not in seen:
                seen.add(source)
                waiting.append(source)
    return seen


def consumers(ops):
    """Returns {op: the ops among these that take a value of it or wait for it}, where there are any."""
    found = {}
    for op in ops:
        for source in dict.fromkeys(sources(op)):
            found.setdefault(source, []).append(op)
    return found


def descendants(starts, ops):
    """Returns those of the ops, in an order in which they can run, that start there or take values of it."""
    reached = set(starts)
    for op in ops:
        if any(tensor.op in reached for tensor in op.inputs):
            reached.add(op)
    return reached


def origin(tensor, through=SAME_VALUES):
    """Returns the tensor whose values this one holds: what went into the ops that hand them on."""
    while tensor.op.type in through:
        tensor = tensor.op.inputs[0]
    return tensor


def default_value(tensor):
    """Returns the value of a tensor when nothing is fed, by simple arithmetic, or None."""
    known = tf.get_static_value(tensor)
    op = tensor.op
    if known is None and op.type in (*SAME_VALUES, "PlaceholderWithDefault"):
        return default_value(op.inputs[0])
    if known is None and op.type in ARITHMETIC:
        values = [default_value(source) for source in op.inputs]
        return None if any(value is None for value in values) else ARITHMETIC[op.type](*values)
    return known


def inputs_of_examples(ops):
    """Returns {op: which inputs of examples it depends on}, for ops in an order in which they can run.

    Each tensor that brings examples (an array that is fed, or read by a pipeline) has a bit of its own;
    an op that depends on none is left out. Sizes of arrays do not count.
    """
    bits, reached = {}, {}
    for op in ops:
        kind = op.type
        if kind in SIZES:
            continue
        brings = DATA.match(kind) or (kind in PLACEHOLDERS and op.outputs[0].shape.rank != 0)
        if brings:
            for tensor in op.outputs:
                bits[tensor] = 1 << len(bits)
            reached[op] = sum(bits[tensor] for tensor in op.outputs)
            continue
        mask = 0
        for tensor in op.inputs:
            source = reached.get(tensor.op)
            if source:
                mask |= bits.get(tensor, source)
        if mask:
            reached[op] = mask
    return reached


def same_computation(first, second):
    """Tells whether two ops compute the same from the same: alike in type, attributes and inputs.

    TensorFlow evaluates a variable's regularizer anew wherever its loss is used, so that what a loss
    holds of it is a copy, not the tensor in the collection.
    """
    if first is second:
        return True
    alike = first.type == second.type and len(first.inputs) == len(second.inputs)
    return (
        alike
        and (first.type == "ReadVariableOp" or not first.op_def.is_stateful)
        and attributes(first) == attributes(second)
        and all(
            a.value_index == b.value_index and same_computation(a.op, b.op)
            for a, b in zip(first.inputs, second.inputs, strict=True)
        )
    )


def fingerprint(ops):
    """Returns a text that tells the computation of these ops from another one.

    Names of functions are left out, since they are counted over all that a process has built.
    """
    digest = hashlib.sha256()
    for op in sorted(ops, key=lambda op: op.name):
        inputs = [tensor.name for tensor in op.inputs] + sorted(f"^{c.name}" for c in op.control_inputs)
        digest.update(repr((op.name, op.type, inputs)).encode())
        for name, value in sorted(attributes(op).items()):
            if value.WhichOneof("value") != "func" and not value.list.func:
                digest.update(name.encode() + value.SerializeToString(deterministic=True))
    return digest.hexdigest()


def attributes(op):
    return {name: value for name, value in op.node_def.attr.items() if not name.startswith("_")}


def handle_op(variable):
    """Returns the op that a resource variable, or a ref variable, is."""
    return variable.handle.op if hasattr(variable, "handle") else variable.op


def is_graph_tensor(value):
    return tf.is_tensor(value) and hasattr(value, "op") and not isinstance(value, tf.SparseTensor)


def is_placeholder(tensor):
    return tensor.op.type in PLACEHOLDERS


def is_fed(op):
    """Tells whether the op is a placeholder without a default."""
    return op.type in PLACEHOLDERS[:2]


def needed_placeholders(tensors):
    """Returns the placeholders without a default that the tensors depend on, by name."""
    needed = [op.outputs[0] for op in ancestors(tensors) if is_fed(op)]
    return sorted(needed, key=lambda tensor: tensor.name)


def called_functions(node):
    """Returns the names of the functions that are attributes of a node, such as the body of a loop."""
    values = node.attr.values()
    return [function.name for value in values for function in (value.func, *value.list.func) if function.name]


def needed_functions(nodes, library):
    """Returns the `FunctionDefLibrary` of what the nodes call, and what that calls."""
    known = {function.signature.name: function for function in library.function}
    waiting, found = list(nodes), {}
    while waiting:
        node = waiting.pop()
        for name in (node.op, *called_functions(node)):
            if name in known and name not in found:
                found[name] = known[name]
                waiting += known[name].node_def
    needed = tf.compat.v1.GraphDef().library
    needed.function.extend(found[name] for name in sorted(found))
    return needed


def index_limit(placeholder):
    """Returns (limit, op type): integers fed here must lie in 0..limit - 1, or (None, None).

    Found by following the placeholder to what takes integers as indices: the labels of a softmax cross
    entropy, a gather from a table, a one-hot encoding.
    """
    waiting, limits = [placeholder], []
    while waiting:
        tensor = waiting.pop()
        for op in tensor.consumers():
            if op.type in SAME_VALUES and op.inputs[0] is tensor:
                waiting.append(op.outputs[0])
            elif (limit := limit_of(op, tensor)) is not None:
                limits.append((limit, op.type))
    return min(limits, default=(None, None))


def limit_of(op, indices):
    """Returns how many different indices the op can take from this input, or None."""
    if op.type == "SparseSoftmaxCrossEntropyWithLogits" and op.inputs[1] is indices:
        return op.inputs[0].shape[-1]
    if op.type == "OneHot" and op.inputs[0] is indices:
        depth = tf.get_static_value(op.inputs[1])
        return None if depth is None else int(depth)
    if op.type == "ResourceGather" and op.inputs[1] is indices:
        shape = tf.TensorShape(op.inputs[0].op.get_attr("shape")) if has_shape(op) else None
        return shape[0] if shape is not None and shape.rank else None
    if op.type in ("Gather", "GatherV2") and op.inputs[1] is indices:
        axis = 0 if op.type == "Gather" else tf.get_static_value(op.inputs[2])
        known = axis is not None and op.inputs[0].shape.rank is not None
        return op.inputs[0].shape[int(axis)] if known else None
    return None


def has_shape(op):
    return op.inputs[0].op.type == "VarHandleOp"
