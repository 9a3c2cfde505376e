"""The one copier of sub-graphs: some ops of a finished graph as a GraphDef, and its import elsewhere."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from graphkit.graph import walk

Rewrite = Callable[[tf.Operation, Any], None]


def definition_of(
    ops: Iterable[tf.Operation],
    *,
    without: Collection[tf.Operation] = (),
    rewrite: Rewrite | None = None,
    keep_devices: bool = True,
) -> Any:
    """Returns the GraphDef of some ops of a graph, with the functions that they call.

    Names, attributes and data inputs stay. An input from an op that is not copied must be given when the
    definition is imported, see `paste`; that is how a copy comes to use the variables, and the placeholders,
    of the graph that it is put into.

    Args:
      ops: the ops, all of one graph.
      without: those of the ops that are left out, since the copy takes tensors in their place.
      rewrite: function (op, node) that changes the node, which is the op's copy, in place.
      keep_devices: False puts the copy on no device, also inside functions, as for another machine.
    """
    left_out = set(without)
    copied = [op for op in ops if op not in left_out]
    whole = copied[0].graph.as_graph_def() if copied else tf.compat.v1.GraphDef()
    definition = tf.compat.v1.GraphDef(versions=whole.versions)
    for op in copied:
        node = definition.node.add()
        node.CopyFrom(op.node_def)
        if rewrite is not None:
            rewrite(op, node)
    keep_known_controls(definition)
    definition.library.CopyFrom(walk.needed_functions(definition.node, whole.library))
    for node in definition.node:
        # `_class` places an op with another one by name ("loc:@dense/kernel"). Import refuses the name of an
        # op that is not there, and variables are not: a copy reads them through captured handles.
        node.attr.pop("_class", None)
    if not keep_devices:
        bodies = [node for function in definition.library.function for node in function.node_def]
        for node in (*definition.node, *bodies):
            node.device = ""
            node.attr.pop("_class", None)  # inside a function it names ops of the function, on their devices
    return definition


def keep_known_controls(definition: Any) -> None:
    """Drops control inputs from ops that are not in the definition.

    What was left out has run before the copy, or is a placeholder or a variable, for which nobody waits;
    `import_graph_def` can map a control input to nothing but a control input.
    """
    known = {node.name for node in definition.node}
    for node in definition.node:
        node.input[:] = [name for name in node.input if name[0] != "^" or name[1:] in known]


def paste(
    definition: Any, given: Mapping[str, tf.Tensor], wanted: Sequence[str], name: str | None = ""
) -> list:
    """Imports a definition into the current graph; returns the wanted tensors and ops.

    Args:
      definition: the GraphDef.
      given: {name of a tensor in the definition: tensor of the current graph that takes its place}; names
        that no node takes are ignored, where `import_graph_def` refuses them.
      wanted: names of tensors ("loss:0") and ops ("update") of the definition.
      name: scope of the copies.
    """
    taken = {input_name(text) for node in definition.node for text in node.input}
    used = {tensor: value for tensor, value in given.items() if tensor in taken}
    return tf.import_graph_def(definition, input_map=used, return_elements=list(wanted), name=name)


def input_name(text: str) -> str:
    """Returns an input of a node as the name of a tensor: "dense/kernel" is output 0 of that op."""
    return text if ":" in text or text.startswith("^") else f"{text}:0"


def paste_body(op: tf.Operation, function: Any) -> tuple[list[tf.Operation], list[tf.Tensor]]:
    """Copies the ops of a function into the graph of the op that calls it, with the inputs of that op.

    Args:
      op: a call of the function, such as a while loop of which it is the body.
      function: its FunctionDef.

    Returns:
      The copied ops, and the tensors that the function returns.
    """
    arguments = function.signature.input_arg
    given = list(op.inputs)[len(op.inputs) - len(arguments) :]  # the first input of If and Case chooses
    values = {argument.name: tensor for argument, tensor in zip(arguments, given, strict=True)}
    waiting, made = list(function.node_def), []
    with op.graph.as_default():
        while waiting:  # nodes of a function are in no particular order; those whose inputs exist come first
            ready = [node for node in waiting if all(name in values for name in data_inputs(node))]
            waiting = [node for node in waiting if node not in ready]
            for node in ready:
                inner = paste_node(node, values)
                made.append(inner)
                values.update(zip(output_names(node, inner.op_def), inner.outputs, strict=True))
    return made, [values[function.ret[result.name]] for result in function.signature.output_arg]


def data_inputs(node: Any) -> list[str]:
    return [name for name in node.input if not name.startswith("^")]


def paste_node(node: Any, values: Mapping[str, tf.Tensor]) -> tf.Operation:
    """Copies one op of a function into the current graph, with inputs by their names in the function."""
    names = data_inputs(node)
    alone = tf.compat.v1.GraphDef()
    alone.node.add().CopyFrom(node)
    alone.node[0].attr.pop("_class", None)
    alone.node[0].input[:] = [f"input{place}:0" for place in range(len(names))]
    given = {f"input{place}:0": values[name] for place, name in enumerate(names)}
    return paste(alone, given, [node.name], "inside")[0]


def output_names(node: Any, definition: Any) -> Iterator[str]:
    """Yields the names of an op's outputs inside functions: node:argument:place."""
    for argument in definition.output_arg:
        if argument.number_attr:
            count = node.attr[argument.number_attr].i
        elif argument.type_list_attr:
            count = len(node.attr[argument.type_list_attr].list.type)
        else:
            count = 1
        yield from (f"{node.name}:{argument.name}:{place}" for place in range(count))
