"""The layers of a graph: which ops, and which variables, belong together in a row."""

import re
from typing import NamedTuple

import tensorflow as tf

from graphkit.graph import walk
from graphkit.inspection.forward import ALIASES

ACTIVATIONS = ("Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Sigmoid", "Tanh", "Softplus", "Softsign")
POOLS = ("MaxPool", "AvgPool", "MaxPoolV2", "MaxPool3D", "AvgPool3D", "MaxPoolWithArgmax")
# Not worth a row of their own.
TRIVIAL = {*ALIASES, "Const", "Fill", "ZerosLike", "OnesLike", "Shape", "NoOp"} - {"Reshape", "Squeeze"}


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
    trainable = {walk.handle_op(variable) for variable in graph.get_collection(keys.TRAINABLE_VARIABLES)}
    unlisted = not trainable and not graph.get_collection(keys.GLOBAL_VARIABLES)
    variables = {op: variable_type(op) for op in ops if op.type in walk.VARIABLES}
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


def is_worth_naming(op):
    return op.type not in TRIVIAL and any(tensor.dtype.is_floating for tensor in op.outputs)


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


def types_of(ops):
    """Returns the types of the ops that make a row's arrays of floats, or else of all its ops."""
    named = [op for op in ops if is_worth_naming(op)] or [op for op in ops if op.type not in TRIVIAL]
    return tuple(dict.fromkeys(op.type for op in named))


def output_shape(ops):
    """Returns the shape of a row's output: the last array that is used outside of it, or not at all."""
    inside, ends = set(ops), []
    for op in ops:
        for tensor in op.outputs:
            users = tensor.consumers()
            if not users or any(user not in inside for user in users):
                ends.append(tensor)
    ends = [tensor for tensor in ends if tensor.dtype.is_floating] or ends
    return shape_of(ends[-1]) if ends else None


def shape_of(tensor):
    return None if tensor.shape.rank is None else tuple(tensor.shape.as_list())
