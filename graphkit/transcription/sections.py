"""Which layer each op belongs to, and what is said of a layer above its lines."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from graphkit.graph import walk
from graphkit.inspection import forward_pass, layers
from graphkit.transcription import naming
from graphkit.transcription.reading import Reading

POOLS = {"MaxPool": "max pool", "AvgPool": "average pool"}


def sections_of(reading: Reading, forward: Sequence[tf.Operation], wrt: dict[str, str]) -> dict[str, str]:
    """Returns {name of an op: its layer}.

    Args:
      reading: the step.
      forward: the ops of the forward pass.
      wrt: {name of a gradient: name of the tensor of the forward pass that it is for}.
    """
    rows = {op.name: plain_row(row) for op, row in rows_of(reading.graph, forward).items()}
    found = {op.name: rows.get(op.name) or outer_scope(op.name) for op in forward}
    for op in forward:
        if op.type == "ReadVariableOp":  # where its value is used first
            users = (found.get(user.name) for user in op.outputs[0].consumers() if user.name in rows)
            found[op.name] = next(users, None) or found[op.name]
    for name, tensor in reading.values.items():
        found.setdefault(tensor.split(":")[0], name)
        if "/" not in tensor:
            found[tensor.split(":")[0]] = name
    variables = {op.name: scope for op in forward for scope in [found[op.name]] if op.type == "VarHandleOp"}
    for op in reading.graph.get_operations():
        match = naming.GRADIENT.match(op.name)
        if op.name in found:
            continue
        if op.outputs and op.outputs[0].name in wrt and (not match or op.type == "AddN"):
            target = wrt[op.outputs[0].name].split(":")[0]
            found[op.name] = found.get(target) or outer_scope(target)
        elif match:
            found[op.name] = found.get(match[1]) or outer_scope(match[1])
        elif op.inputs and op.inputs[0].op.type == "VarHandleOp":
            name = op.inputs[0].op.name
            found[op.name] = variables.get(name) or name.rpartition("/")[0]
    return found


def in_sections(ops: Sequence[tf.Operation], sections: Mapping[str, str]) -> list[tf.Operation]:
    """Returns ops in an order in which they can run and change between layers as seldom as possible."""
    own = set(ops)
    waits = {op: sources_among(op, own) for op in ops}
    users: dict[tf.Operation, list[tf.Operation]] = {}
    for op, sources in waits.items():
        for source in sources:
            users.setdefault(source, []).append(op)
    ready = {op: place for place, op in enumerate(ops) if not waits[op]}
    places = {op: place for place, op in enumerate(ops)}
    found: list[tf.Operation] = []
    while ready:
        section = sections.get(found[-1].name) if found else None
        same = [op for op in ready if sections.get(op.name) == section]
        op = min(same or ready, key=ready.__getitem__)
        del ready[op]
        found.append(op)
        for user in users.get(op, []):
            waits[user].discard(op)
            if not waits[user]:
                ready[user] = places[user]
    return found


def sources_among(op: tf.Operation, own: set[tf.Operation]) -> set[tf.Operation]:
    """Returns those of the ops that an op waits for, directly or through others that are not written."""
    found, seen, waiting = set(), {op}, [op]
    while waiting:
        for source in walk.sources(waiting.pop()):
            if source in own:
                found.add(source)
            elif source not in seen:
                seen.add(source)
                waiting.append(source)
    return found - {op}


def results(ops: Sequence[tf.Operation], sections: Mapping[str, str]) -> dict[str, tf.Tensor]:
    """Returns {layer: the array that it hands on}, for layers that hand on one."""
    handed: dict[str, dict[str, tf.Tensor]] = {}
    for op in ops:
        for tensor in op.inputs:
            source = walk.origin(tensor, naming.ALIASES)
            before = sections.get(source.op.name)
            handed_on = source.dtype.is_floating and source.shape.rank != 0
            made = source.op.type not in ("ReadVariableOp", "Const", "Placeholder")
            if before and handed_on and made and sections.get(op.name) != before:
                handed.setdefault(before, {})[source.name] = source
    return {section: next(iter(found.values())) for section, found in handed.items() if len(found) == 1}


def rows_of(graph: tf.Graph, ops: Sequence[tf.Operation]) -> dict[tf.Operation, str]:
    weights, _ = layers.find_weights(graph, ops)
    _, dependent = forward_pass.depend_on_examples(ops)
    return layers.group_ops(ops, weights, dependent, layers.trace_weights(ops, weights, dependent))


def plain_row(name: str) -> str:
    """Returns a row's name without what an op is called: "max_pool/MaxPool" is max_pool."""
    scope, _, own = name.rpartition("/")
    return scope if scope and own[:1].isupper() else name


def outer_scope(name: str) -> str:
    return name.split("/")[0] if "/" in name else ""


def describe(ops: Sequence[tf.Operation]) -> str:
    """Returns what a layer is, such as "dense 784 -> 256, relu"; empty where nothing needs to be said."""
    parts: list[str] = []
    for op in ops:
        text = described(op)
        if text and text not in parts:
            parts.append(text)
    return ", ".join(parts)


def described(op: tf.Operation) -> str:
    kind = op.type
    if kind in ("MatMul", "BatchMatMulV2") and is_variable(op.inputs[1]):
        rows, columns = op.inputs[1].shape.as_list()
        return f"dense {rows} -> {columns}"
    if kind in ("Conv2D", "DepthwiseConv2dNative") and is_variable(op.inputs[1]):
        height, width, before, after = op.inputs[1].shape.as_list()
        name = "convolution" if kind == "Conv2D" else "depthwise convolution"
        return f"{name} {height}x{width}, {before} -> {after}"
    if kind in POOLS:
        height, width = op.get_attr("ksize")[1:3]
        return f"{POOLS[kind]} {height}x{width}"
    if kind == "ResourceGather":
        handle = op.inputs[0].op
        rows, *size = (
            tf.TensorShape(handle.get_attr("shape")).as_list() if handle.type == "VarHandleOp" else [0]
        )
        return f"table of {rows} rows of {'x'.join(map(str, size))}"
    if kind in layers.ACTIVATIONS:
        return kind.lower()
    return ""


def is_variable(tensor: tf.Tensor) -> bool:
    read = walk.origin(tensor, ("Identity", "Cast"))
    return read.op.type == "ReadVariableOp" and read.shape.is_fully_defined() and read.shape.rank in (2, 4)
