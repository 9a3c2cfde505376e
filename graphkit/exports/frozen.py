"""Exports as one graph that holds its weights as constants: a frozen graph, of which others are made."""

import logging
import re
from typing import Any, NamedTuple

import tensorflow as tf

from graphkit import checks
from graphkit.exports import branches, loops
from graphkit.exports.card import NAME
from graphkit.exports.rebuilding import Rebuilt
from graphkit.graph import walk
from graphkit.running import session as sessions

LARGEST = 2**31 - 1  # bytes of a protocol message
OP_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*")


class Frozen(NamedTuple):
    """A graph with constants for its variables.

    Attributes:
      definition: its `GraphDef`.
      inputs: {name: placeholder}, of the graph that was frozen; the definition has its names.
      outputs: {name: tensor} likewise, each of an op of its own.
    """

    definition: Any
    inputs: dict[str, tf.Tensor]
    outputs: dict[str, tf.Tensor]


def freeze(check: checks.Checker, model: Rebuilt) -> Frozen:
    """Returns the model, whose graph is the default graph, with constants for its variables.

    Raises:
      ValueError: it has tables, or is too large.
    """
    tables = [op.name for op in model.initializers]
    rule = "only a SavedModel can hold tables, since they are filled when it is loaded"
    check.require(not tables, f"{rule}: export to a folder", tables=tables)
    size = sum(variable.shape.num_elements() * variable.dtype.size for variable in model.variables.values())
    rule = "only a SavedModel can hold 2 GB of weights or more: export to a folder"
    check.require(size < LARGEST, rule, bytes=size)
    # Of an op of its own each: two names may stand for one tensor, and an input can be an output.
    outputs = {name: tf.identity(tensor, "graphkit/output") for name, tensor in model.outputs.items()}
    instead = branches.decided(model.session)
    definition = model.session.graph.as_graph_def()
    branches.replace(definition, instead)
    with sessions.tensorflow_logs(is_no_advice):
        definition = tf.compat.v1.graph_util.convert_variables_to_constants(
            model.session, definition, [tensor.op.name for tensor in outputs.values()]
        )
    loops.drop_unused(definition)
    prune(definition, [tensor.name for tensor in outputs.values()])
    check.require(definition.ByteSize() < LARGEST, rule, bytes=definition.ByteSize())
    left = {node.name for node in definition.node}
    inputs = {name: tensor for name, tensor in model.inputs.items() if tensor.op.name in left}
    return Frozen(definition, inputs, outputs)


def is_no_advice(record: logging.LogRecord) -> bool:
    """False of the news that TensorFlow keeps this function for TensorFlow 1 alone."""
    return "is deprecated" not in record.getMessage()


def prune(definition: Any, outputs: list[str]) -> None:
    """Drops the nodes and the functions that the outputs do not need."""
    reached = loops.walk_back({node.name: node for node in definition.node}, outputs)
    nodes = [node for node in definition.node if node.name in reached]
    del definition.node[:]
    definition.node.extend(nodes)
    definition.library.CopyFrom(walk.needed_functions(nodes, definition.library))


def serialize(check: checks.Checker, model: Rebuilt, card: str) -> bytes:
    """Returns the content of a `.pb` file, in which inputs and outputs are ops of their names.

    Raises:
      ValueError: a name cannot be that of an op, or an input and an output have the same.
    """
    for name in model.outputs:
        rule = "an output of a frozen graph must have a name that an op can have, other than those of inputs"
        free = OP_NAME.fullmatch(name) and name not in model.inputs and name != NAME
        check.require(free, rule, name=name, inputs=sorted(model.inputs))
    frozen = freeze(check, model)
    definition = frozen.definition
    make_room(definition, {*frozen.outputs, NAME})
    names = {tensor.op.name: name for name, tensor in frozen.outputs.items()}
    for node in definition.node:
        node.name = names.get(node.name, node.name)
    note = definition.node.add(name=NAME, op="Const")
    note.attr["dtype"].type = tf.string.as_datatype_enum
    note.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(card))
    return definition.SerializeToString(deterministic=True)


def make_room(definition: Any, names: set[str]) -> None:
    """Renames the nodes that have one of these names."""
    taken = {node.name for node in definition.node} | names
    renamed = {}
    for name in sorted(names & {node.name for node in definition.node}):
        renamed[name] = next(new for n in range(1, len(taken) + 2) if (new := f"{name}_{n}") not in taken)
        taken.add(renamed[name])
    for node in definition.node:
        node.name = renamed.get(node.name, node.name)
        node.input[:] = [with_new_name(text, renamed) for text in node.input]


def with_new_name(text: str, renamed: dict[str, str]) -> str:
    """Returns an input of a node, such as "^loss" or "split:1", with the new name of the node it is of."""
    control, name, output = re.fullmatch(r"(\^?)([^:]*)(:\d+)?", text).groups()  # type: ignore[union-attr]
    return f"{control}{renamed.get(name, name)}{output or ''}"
