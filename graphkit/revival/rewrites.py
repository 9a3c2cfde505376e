"""What is changed in a graph before it is imported: inputs put in, dropout out, the batch opened."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import tensorflow as tf

from graphkit import checks
from graphkit.graph import copies, walk
from graphkit.revival import nodes as graphs
from graphkit.revival import op_kinds
from graphkit.revival.nodes import Nodes

CUSTOM_GRADIENT = "_gradient_op_type"  # names a Python function of the process that wrote the file
DRAWS = ("RandomUniform", "StatelessRandomUniform", "StatelessRandomUniformV2")
MASKING = "Add AddV2 Sub Mul RealDiv Floor GreaterEqual Less Cast Identity".split()
JOINS = ("Mul", "SelectV2", "Select")


def make_placeholder(node: Any, dtype: int, shape: Any = None) -> None:
    """Makes a node a placeholder of its name."""
    name = node.name
    node.Clear()
    node.name, node.op = name, "Placeholder"
    node.attr["dtype"].type = dtype
    if shape is None:
        node.attr["shape"].shape.unknown_rank = True
    else:
        node.attr["shape"].shape.CopyFrom(shape)


def output_types(node: Any, definition: Any) -> list[int]:
    """Returns the dtypes of a node's outputs, as its OpDef says."""
    found: list[int] = []
    for argument in definition.output_arg:
        if argument.type_list_attr:
            found += node.attr[argument.type_list_attr].list.type
            continue
        dtype = argument.type or node.attr[argument.type_attr].type
        found += [dtype] * (node.attr[argument.number_attr].i if argument.number_attr else 1)
    return found


def output_shape(node: Any, place: int) -> Any:
    """Returns the shape that a node's attributes say of an output, or None."""
    for key in ("_output_shapes", "output_shapes", "shapes"):
        shapes = node.attr[key].list.shape if key in node.attr else ()
        if place < len(shapes):
            return shapes[place]
    return node.attr["shape"].shape if "shape" in node.attr else None


def put_inputs(check: checks.Checker, nodes: Nodes, texts: Iterable[str]) -> dict[str, str]:
    """Puts placeholders in the place of tensors; returns {name of a tensor: name of its placeholder}.

    Args:
      check: of the function that users called.
      nodes: the nodes, changed in place.
      texts: names of tensors, such as "IteratorGetNext:0".
    """
    made: dict[str, str] = {}
    chosen: dict[str, set[int]] = {}
    for text in texts:
        name, _, number = text.partition(":")
        chosen.setdefault(name, set()).add(int(number or 0))
    for name, places in chosen.items():
        node = nodes.by_name[name]
        if node.op in walk.PLACEHOLDERS:
            made[f"{name}:0"] = name
            continue
        definition = op_kinds.definitions([node.op]).get(node.op)
        rule = f"inputs must not name an output of {node.op}, an op that TensorFlow does not have"
        check.require(definition is not None, rule, name=name)
        dtypes = output_types(node, definition)
        for place in sorted(places):
            rule = f"{name} has {len(dtypes)} outputs"
            check.require(place < len(dtypes), rule, inputs=f"{name}:{place}")
            shape = output_shape(node, place)
            if len(dtypes) == 1:
                make_placeholder(node, dtypes[0], shape)
                made[f"{name}:0"] = name
                continue
            new = tf.compat.v1.NodeDef(name=unused(nodes, f"{name}_{place}"))
            make_placeholder(new, dtypes[place], shape)
            nodes.by_name[new.name] = new
            made[f"{name}:{place}"] = new.name
            for other in nodes.by_name.values():
                for at, source in enumerate(other.input):
                    if source in ((f"{name}:0", name) if place == 0 else (f"{name}:{place}",)):
                        other.input[at] = new.name
    return made


def unused(nodes: Nodes, name: str) -> str:
    while name in nodes.by_name:
        name += "_"
    return name


def repair_reads(library: Mapping[str, Any]) -> None:
    """Gives the outputs of former reads inside functions their names.

    TensorFlow freezes a read there into an `Identity`, but leaves the name of the read's output, "value".
    """
    for function in library.values():
        known = {
            f"{node.name}:value:0": f"{node.name}:output:0"
            for node in function.node_def
            if node.op == "Identity"
        }
        for node in function.node_def:
            if not known.keys().isdisjoint(node.input):
                node.input[:] = [known.get(text, text) for text in node.input]
        for name, text in list(function.ret.items()):
            function.ret[name] = known.get(text, text)


def drop_custom_gradients(nodes: Iterable[Any], library: Mapping[str, Any]) -> list[str]:
    """Drops gradients that were functions of the program that wrote the file; returns where they were.

    TensorFlow would look them up in this process, which has none of them, or another one of the same name.
    """
    found = []
    for node, place in op_kinds.nodes_with_places(nodes, library):
        if CUSTOM_GRADIENT in node.attr:
            node.attr.pop(CUSTOM_GRADIENT)
            found.append(place)
    return found


def remove_dropout(nodes: Nodes) -> list[str]:
    """Removes dropout whose keep_prob is a constant; returns the ops that now hand on their input.

    In a frozen graph nothing can turn it off. Where a placeholder leads to keep_prob, it stays.
    """
    removed = []
    for draw in [node for node in nodes.by_name.values() if node.op in DRAWS]:
        join, kept = follow_mask(nodes, draw.name)
        if join is None or kept is None or is_in_branch(nodes, kept):
            continue
        source = nodes.by_name[graphs.owner(kept)]
        sides = list(source.input)
        scalars = [side for side in sides if graphs.is_scalar(nodes.by_name[graphs.owner(side)])]
        if source.op in ("Mul", "RealDiv") and len(sides) == 2 and len(scalars) == 1:
            kept = next(
                side for side in sides if side not in scalars
            )  # before it was scaled by 1 / keep_prob
        dtype = join.attr["T"].type
        join.op = "Identity"
        join.ClearField("attr")
        join.attr["T"].type = dtype
        join.input[:] = [kept]
        removed.append(join.name)
    return removed


def is_in_branch(nodes: Nodes, text: str) -> bool:
    """Whether a value is of a branch, or of a loop, of TensorFlow 1, which a flag may turn on or off."""
    waiting, seen = [graphs.owner(text)], set()
    while waiting:
        node = nodes.by_name[waiting.pop()]
        if node.op in ("Switch", "RefSwitch"):
            return True
        inner = () if node.op in ("Merge", "Exit") else graphs.data_inputs(node)
        for name in inner:
            if name not in seen:
                seen.add(name)
                waiting.append(name)
    return False


def follow_mask(nodes: Nodes, draw: str) -> tuple[Any, str | None]:
    """Returns (the op where the mask meets what is dropped, that input of it), or (None, None)."""
    name = draw
    while True:
        takers = nodes.consumers.get(name, [])
        if len(takers) != 1:
            return None, None
        taker = takers[0][0]
        others = [text for text in copies.data_inputs(taker) if graphs.owner(text) != name]
        constant = all(graphs.is_scalar(nodes.by_name[graphs.owner(text)]) for text in others)
        if taker.op in MASKING and constant:
            name = taker.name
            continue
        if taker.op not in JOINS or not others:
            return None, None
        return taker, others[0]


def read_before_control_flow(nodes: Nodes) -> None:
    """Lets branches and loops of TensorFlow 1 take the value of a variable, where they take its handle.

    A file does not say which ops make a branch, without which no gradient passes a handle.
    """
    for switch in list(nodes.by_name.values()):
        takes = switch.op in ("Switch", "Enter") and len(switch.input) > 0
        source = nodes.by_name[graphs.owner(switch.input[0])] if takes else None
        takers = [taker for taker, _ in nodes.consumers.get(switch.name, [])]
        if source is None or source.op != "VarHandleOp" or any(n.op != "ReadVariableOp" for n in takers):
            continue
        read = tf.compat.v1.NodeDef(name=unused(nodes, f"{switch.name}/read"), op="ReadVariableOp")
        read.input.append(source.name)
        read.attr["dtype"].type = source.attr["dtype"].type
        nodes.by_name[read.name] = read
        switch.input[0] = read.name
        switch.attr["T"].type = source.attr["dtype"].type
        for taker in takers:
            taker.op = "Identity"
            taker.ClearField("attr")
            taker.attr["T"].type = source.attr["dtype"].type


def add_exits(nodes: Nodes) -> list[str]:
    """Lets all variables of loops of TensorFlow 1 leave the loop; returns the ops that were added.

    Gradients enter a variable of a loop where it leaves, also one that nobody takes afterwards, such as the
    cell of an LSTM of which only the output is used. Without an exit they would be left out, without a word.
    """
    added = []
    for switch in list(nodes.by_name.values()):
        data = graphs.data_inputs(switch)
        if switch.op != "Switch" or len(data) < 2 or nodes.kind(data[1]) != "LoopCond":
            continue
        takers = [taker for taker, _ in nodes.consumers.get(switch.name, [])]
        if all(taker.op != "Exit" for taker in takers):
            leaves = tf.compat.v1.NodeDef(name=unused(nodes, f"{switch.name}/exit"), op="Exit")
            leaves.input.append(switch.name)
            leaves.attr["T"].CopyFrom(switch.attr["T"])
            nodes.by_name[leaves.name] = leaves
            added.append(leaves.name)
    return added


def open_batch(check: checks.Checker, nodes: Nodes, inputs: Collection[str]) -> list[str]:
    """Makes the first axis of the inputs one of any size; returns the reshapes that were changed with it.

    A reshape to a constant shape that begins with the number of examples the file was frozen for takes any
    number afterwards.
    """
    sizes = set()
    for name in inputs:
        dims = nodes.by_name[name].attr["shape"].shape.dim
        if len(dims) > 0 and dims[0].size > 0:
            sizes.add(dims[0].size)
            dims[0].size = -1
    check.require(len(sizes) <= 1, "open_batch needs inputs of one batch size", sizes=sorted(sizes))
    changed = []
    for node in list(nodes.by_name.values()):
        if node.op == "Reshape" and sizes and is_fixed(nodes, node, *sizes):
            shape = nodes.by_name[graphs.owner(node.input[1])]
            values = tf.make_ndarray(shape.attr["value"].tensor).copy()
            values[0] = -1
            opened = tf.compat.v1.NodeDef(name=unused(nodes, f"{node.name}/open_shape"), op="Const")
            opened.attr["dtype"].CopyFrom(shape.attr["dtype"])
            opened.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(values))
            nodes.by_name[opened.name] = opened
            node.input[1] = opened.name
            changed.append(node.name)
    return changed


def is_fixed(nodes: Nodes, node: Any, size: int) -> bool:
    """Whether a reshape is to a constant shape of this many examples."""
    shape = nodes.by_name[graphs.owner(node.input[1])]
    if shape.op != "Const" or not graphs.shape_of(shape):
        return False
    values = tf.make_ndarray(shape.attr["value"].tensor)
    static = nodes.by_name[graphs.owner(node.input[0])].op == "Const"
    return not static and values.size > 1 and values[0] == size and (values > 0).all()
