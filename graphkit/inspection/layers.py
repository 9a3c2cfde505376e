"""The layers of a graph: which ops and variables make a row of a summary, and which rows feed which."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import tensorflow as tf

from graphkit.graph import walk
from graphkit.inspection import forward_pass
from graphkit.inspection.forward_pass import ALIASES

Shape: TypeAlias = tuple[int | None, ...] | None  # None if the rank is not known
Edge: TypeAlias = tuple[str, str]

ACTIVATIONS = ("Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Sigmoid", "Tanh", "Softplus", "Softsign")
POOLS = ("MaxPool", "AvgPool", "MaxPoolV2", "MaxPool3D", "AvgPool3D", "MaxPoolWithArgmax")
# Ops that do not name a row.
TRIVIAL = {*ALIASES, "Const", "Fill", "ZerosLike", "OnesLike", "Shape", "NoOp"} - {"Reshape", "Squeeze"}
SIZES_ONLY = (*walk.SIZES, "ZerosLike", "OnesLike")  # their outputs hold nothing of their inputs' values


class Weight(NamedTuple):
    """A variable of the graph; `layer` is the row that it makes, None if it joins one."""

    name: str
    parameters: int
    bytes: int
    trained: bool
    layer: str | None


def find_weights(
    graph: tf.Graph, ops: Iterable[tf.Operation]
) -> tuple[dict[tf.Operation, Weight], list[str]]:
    """Returns {op of a variable: Weight} and notes; untrained integers such as a step count are left out."""
    keys = tf.compat.v1.GraphKeys
    trainable = {walk.handle_op(variable) for variable in graph.get_collection(keys.TRAINABLE_VARIABLES)}
    # A graph that was imported from a GraphDef has variables, but no collections.
    unlisted = not trainable and not graph.get_collection(keys.GLOBAL_VARIABLES)
    variables = {op: variable_type(op) for op in ops if op.type in walk.VARIABLES}
    variables = {op: kind for op, kind in variables.items() if op in trainable or kind[0].is_floating}
    kernels = [scope_of(op) for op, (_, shape) in variables.items() if shape.rank is None or shape.rank > 1]
    weights, notes = {}, []
    for op, (dtype, shape) in variables.items():
        scope, count = scope_of(op), shape.num_elements()
        layer = op.name if shape.rank is None or shape.rank > 1 else None
        # A scope with one kernel is a layer. With several (w1, b1, w2, b2), each kernel makes a layer.
        if scope and kernels.count(scope) <= 1:
            layer = scope
        if count is None:
            notes.append(f"The size of the variable {op.name} is not known and not counted.")
        count = count or 0
        weights[op] = Weight(op.name, count, count * dtype.size, unlisted or op in trainable, layer)
    if unlisted and weights:
        notes.append("The graph does not say which variables are trained; all are counted as trained.")
    return weights, notes


def variable_type(op: tf.Operation) -> tuple[tf.DType, tf.TensorShape]:
    """Returns the dtype and the shape of a variable."""
    if op.type == "VarHandleOp":
        return op.get_attr("dtype"), tf.TensorShape(op.get_attr("shape"))
    return op.outputs[0].dtype.base_dtype, op.outputs[0].shape


def scope_of(op: tf.Operation) -> str:
    return op.name.rpartition("/")[0]


def trace_weights(
    ops: Iterable[tf.Operation], weights: Mapping[tf.Operation, Weight], dependent: Collection[tf.Operation]
) -> dict[tf.Operation, tuple[tf.Operation, ...]]:
    """Returns {op: variables it consumes}, for the ops that compute with them.

    What is computed from variables alone (the parts of a partitioned one joined, a table transposed) stands
    for them, unless it is a scalar, such as a penalty.
    """
    made_of: dict[tf.Operation, tuple[tf.Operation, ...]] = {op: (op,) for op in weights}
    consumed = {}
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


def is_scalar(op: tf.Operation) -> bool:
    return all(tensor.shape.rank == 0 for tensor in op.outputs)


def is_worth_naming(op: tf.Operation) -> bool:
    return op.type not in TRIVIAL and any(tensor.dtype.is_floating for tensor in op.outputs)


# Which ops make a row.


def group_ops(
    ops: Iterable[tf.Operation],
    weights: Mapping[tf.Operation, Weight],
    dependent: Collection[tf.Operation],
    consumed: Mapping[tf.Operation, tuple[tf.Operation, ...]],
) -> dict[tf.Operation, str]:
    """Returns {op: name of its row} for all ops that depend on the examples.

    Ops with variables come first. Each other op joins the innermost scope around it that belongs to one of
    those, or else makes a row of its outermost scope without any, or of itself.
    """
    ops = list(ops)
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


def join_small_rows(rows: Mapping[tf.Operation, str], shared: Collection[str]) -> dict[tf.Operation, str]:
    """Joins single ops, and rows that compute no floats, between the layers of a scope into one row.

    It is named after the scope. Without this, `tf.exp(a * 2.0) + b` between two layers of a block would take
    three lines of the table.
    """
    notable = {name for op, name in rows.items() if is_worth_naming(op) and name != op.name}
    notable |= {name for op, name in rows.items() if op.type in POOLS}

    def joined(name: str) -> str:
        scope = name.rpartition("/")[0]
        return scope if name not in notable and scope in shared else name

    return {op: joined(name) for op, name in rows.items()}


def layers_with_weights(
    ops: Iterable[tf.Operation],
    weights: Mapping[tf.Operation, Weight],
    dependent: Collection[tf.Operation],
    consumed: Mapping[tf.Operation, tuple[tf.Operation, ...]],
) -> dict[tf.Operation, str]:
    """Returns {op: name of its row} of poolings, ops that use variables, and activations after them."""
    names: dict[tf.Operation, str] = {}
    holds: dict[tf.Operation, str] = {}  # {op: the layer whose values it has, changed by no other layer}
    for op in ops:
        if op not in dependent:
            continue
        before = next((holds[tensor.op] for tensor in op.inputs if tensor.op in holds), None)
        layers = [weights[variable].layer for variable in consumed.get(op, ())]
        if layers:
            # A bias without a layer (rank 1, one of several in its scope) joins the kernel before it.
            own = common_scope([layer for layer in layers if layer])
            names[op] = holds[op] = own or before or weights[consumed[op][0]].name
        elif op.type in ACTIVATIONS and before:
            names[op] = holds[op] = before
        elif op.type in POOLS:
            names[op] = op.name
        elif op.type in ALIASES and before:
            holds[op] = before
    return names


def common_scope(layers: Sequence[str]) -> str | None:
    """Returns the innermost scope around all the layers, or the first layer if there is none."""
    if len(set(layers)) <= 1:
        return next(iter(layers), None)
    common = [parts[0] for parts in zip(*map(outer_scopes, layers), strict=False) if len(set(parts)) == 1]
    return common[-1] if common else layers[0]


def layer_scopes(names: Mapping[tf.Operation, str]) -> dict[str, str]:
    """Returns {name scope: layer} of the scopes that hold one layer only, also where it is used again."""
    homes = {}
    for op, name in names.items():
        if op.type not in POOLS:
            homes[name] = name
            scope = scope_of(op)
            # TensorFlow numbers a name scope that is opened again, and tf.tensordot opens one inside.
            if unnumbered(scope) == unnumbered(name) or unnumbered(scope).endswith("Tensordot"):
                homes[scope] = name
    for op, name in names.items():
        for scope in outer_scopes(scope_of(op)):
            if homes.get(scope, name) != name:
                del homes[scope]
    return homes


def unnumbered(scope: str) -> str:
    return re.sub(r"_\d+$", "", scope)


def outer_scopes(name: str) -> list[str]:
    """Returns ["a", "a/b", "a/b/c"] for "a/b/c"."""
    parts = name.split("/") if name else []
    return ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]


# What a row says of its ops.


def types_of(ops: Sequence[tf.Operation]) -> tuple[str, ...]:
    """Returns the types of a row's ops that compute arrays of floats, or of all its ops if none does."""
    named = [op for op in ops if is_worth_naming(op)] or [op for op in ops if op.type not in TRIVIAL]
    return tuple(dict.fromkeys(op.type for op in named))


def output_shape(ops: Sequence[tf.Operation]) -> Shape:
    """Returns the shape of a row's output: its last tensor that is used outside of the row, or not at all."""
    inside, ends = set(ops), []
    for op in ops:
        for tensor in op.outputs:
            users = tensor.consumers()
            if not users or any(user not in inside for user in users):
                ends.append(tensor)
    ends = [tensor for tensor in ends if tensor.dtype.is_floating] or ends
    return shape_of(ends[-1]) if ends else None


def shape_of(tensor: tf.Tensor) -> Shape:
    return None if tensor.shape.rank is None else tuple(tensor.shape.as_list())


# Which rows feed which.


def find_edges(
    ops: Iterable[tf.Operation], grouped: Mapping[tf.Operation, str], names: Sequence[str]
) -> tuple[tuple[Edge, ...], tuple[tuple[str, Shape], ...]]:
    """Returns the edges (from, to) between inputs and rows, and (name, shape) of the inputs that have one.

    Args:
      ops: the ops of the forward pass.
      grouped: {op: name of its row}.
      names: the names of the rows, in order.
    """
    ops = list(ops)
    inputs = name_inputs(ops, names)
    feeds = find_feeds(ops, grouped, names, inputs)
    places = {name: place for place, name in enumerate((*inputs, *names))}
    edges = [
        (name, layer) for layer in names for name in sorted(feeds[layer] - {layer}, key=places.__getitem__)
    ]
    used = {name for name, _ in edges}
    shapes = tuple((name, shape_of(tensor)) for name, tensor in inputs.items() if name in used)
    return tuple(edges), shapes


def name_inputs(ops: Iterable[tf.Operation], taken: Collection[str]) -> dict[str, tf.Tensor]:
    """Returns {name: tensor} of the arrays that are fed or read.

    The name is the op's, or the tensor's if the op brings several or a layer has the op's name.
    """
    inputs = {}
    for op in filter(forward_pass.brings_inputs, ops):
        for tensor in op.outputs:
            if tensor.shape.rank != 0:
                alone = len(op.outputs) == 1 and op.name not in taken
                inputs[op.name if alone else tensor.name] = tensor
    return inputs


def find_feeds(
    ops: Iterable[tf.Operation],
    grouped: Mapping[tf.Operation, str],
    names: Iterable[str],
    inputs: Mapping[str, tf.Tensor],
) -> dict[str, set[str]]:
    """Returns {row: names of the inputs and rows that feed it}.

    Ops without a row, and ops that change no values, pass on what feeds them.
    """
    ops = list(ops)
    feeds: dict[str, set[str]] = {name: set() for name in names}
    # {tensor: whose values it holds}, until nothing is new, since loops pass values to earlier ops too
    passed, before = {tensor.name: {name} for name, tensor in inputs.items()}, None
    while passed != before:
        before = dict(passed)
        for op in ops:
            if op.type in SIZES_ONLY or forward_pass.brings_inputs(op):
                continue
            given: list[set[str]] = [passed.get(tensor.name, set()) for tensor in op.inputs]
            if op.type != "IdentityN":  # each of its outputs holds the values of one input
                given = [set().union(*given)] * len(op.outputs)
            row = grouped.get(op)
            if row in feeds and op.type not in TRIVIAL:
                feeds[row].update(*given)
                given = [{row} if some or is_worth_naming(op) else some for some in given]
            passed.update(zip((tensor.name for tensor in op.outputs), given, strict=True))
    return feeds
