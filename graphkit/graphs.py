"""Reading a finished graph: what a tensor depends on, and where its placeholders lead."""

import tensorflow as tf

PLACEHOLDERS = ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault")
SAME_VALUES = ("Identity", "Cast", "Reshape", "ExpandDims", "Squeeze", "StopGradient")


def ancestors(tensors):
    """Returns all ops that must run to compute the tensors (or ops), in no particular order."""
    waiting = [tensor if isinstance(tensor, tf.Operation) else tensor.op for tensor in tensors]
    seen = set(waiting)
    while waiting:
        op = waiting.pop()
        for source in (*(tensor.op for tensor in op.inputs), *op.control_inputs):
            if source not in seen:
                seen.add(source)
                waiting.append(source)
    return seen


def same_computation(first, second):
    """Tells whether two ops compute the same from the same: alike in type, attributes and inputs.

    TensorFlow evaluates a variable's regularizer anew wherever its loss is used, so that what a loss
    holds of it is a copy, not the tensor in the collection.
    """
    if first is second:
        return True
    pure = first.type == "ReadVariableOp" or not first.op_def.is_stateful
    alike = pure and first.type == second.type and len(first.inputs) == len(second.inputs)
    return (
        alike
        and attributes(first) == attributes(second)
        and all(
            a.value_index == b.value_index and same_computation(a.op, b.op)
            for a, b in zip(first.inputs, second.inputs, strict=True)
        )
    )


def attributes(op):
    return {name: value for name, value in op.node_def.attr.items() if not name.startswith("_")}


def handle_op(variable):
    """Returns the op that a resource variable, or a ref variable, is."""
    return variable.handle.op if hasattr(variable, "handle") else variable.op


def is_graph_tensor(value):
    return tf.is_tensor(value) and hasattr(value, "op") and not isinstance(value, tf.SparseTensor)


def is_placeholder(tensor):
    return tensor.op.type in PLACEHOLDERS


def needed_placeholders(tensors):
    """Returns the placeholders without a default that the tensors depend on, by name."""
    needed = [op.outputs[0] for op in ancestors(tensors) if op.type in PLACEHOLDERS[:2]]
    return sorted(needed, key=lambda tensor: tensor.name)


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
