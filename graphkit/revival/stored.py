"""Which nodes are the weights of a model, and where their values are."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from graphkit import checks
from graphkit.checkpoints import contents
from graphkit.graph import walk
from graphkit.revival import artefacts, ends, values, weights
from graphkit.revival import nodes as graphs
from graphkit.revival.artefacts import Artefact, Declared
from graphkit.revival.nodes import Nodes
from graphkit.revival.values import Stored


class Weights(NamedTuple):
    """The weights of a model.

    Attributes:
      stored: {name of a node: where its value is}.
      roles: {name of a constant that becomes a variable: what it is for}.
      stayed: {name of a constant that stays one: why}.
      folded: nodes where a batch norm was folded into the layer before.
      folder: of the values of constants; None where they are in a checkpoint.
    """

    stored: dict[str, Stored]
    roles: Mapping[str, str]
    stayed: Mapping[str, str]
    folded: Sequence[str]
    folder: values.Folder | None


def find(check: checks.Checker, artefact: Artefact, nodes: Nodes, constants: Collection[str]) -> Weights:
    """Returns the weights of a model: its variables, or where it has none, constants that layers take.

    Raises:
      ValueError: constants name what is not there, a constant is damaged, a variable has no value.
      GraphkitError: the checkpoint is damaged.
      OSError: the values cannot be written.
    """
    variables = [node for node in nodes.by_name.values() if node.op in walk.VARIABLES]
    for name in constants:
        ends.nearest(check, name, nodes.by_name, "constants must name what is in the graph")
    if variables:  # then constants were meant to be constants
        return Weights(stored_variables(check, artefact, variables), {}, {}, [], None)
    found = weights.find(nodes, constants)
    folder = values.Folder()
    frozen = [nodes.by_name[name] for name in nodes.by_name if name in found.weights]
    prefix = values.write(check, frozen, folder)
    roles = {name: weight.role for name, weight in found.weights.items()}
    stored = {
        node.name: stored_constant(node, prefix, not found.weights[node.name].average) for node in frozen
    }
    return Weights(stored, roles, found.stayed, found.folded, folder)


def stored_constant(node: Any, prefix: str, trainable: bool) -> Stored:
    dtype = tf.as_dtype(node.attr["dtype"].type)
    return Stored(node.name, dtype, graphs.shape_of(node), trainable, prefix, node.name)


def stored_variables(
    check: checks.Checker, artefact: Artefact, variables: Sequence[Any]
) -> dict[str, Stored]:
    """Returns {name: where its value is} of variables of a file with a checkpoint.

    Raises:
      ValueError: the checkpoint does not hold one of them.
    """
    held = artefacts.entries(check, artefact)
    order = {name: place for place, name in enumerate(artefact.declared)}
    found = {}
    for node in sorted(variables, key=lambda node: order.get(node.name, len(order))):
        declared = artefact.declared.get(node.name, Declared(True, node.name))
        key = declared.key
        if key not in held and any(name.endswith(contents.OBJECT) for name in held):
            rule = "a SavedModel of TensorFlow 2 names its variables by objects; export it with "
            rule += "tf.compat.v1.saved_model, or freeze it"
            raise ValueError(check.message(rule, path=artefact.path, variable=node.name))
        ends.nearest(check, key, held, f"the checkpoint must hold the variable {node.name}")
        try:
            dtype = tf.as_dtype(node.attr["dtype"].type)
            shape = tf.TensorShape(node.attr["shape"].shape)
        except (TypeError, ValueError) as error:
            raise ValueError(check.message(f"the variable {node.name} is damaged ({error})")) from error
        if not declared.part:
            rule = f"the checkpoint's value of {node.name} must have its shape and dtype"
            fits = held[key].dtype == dtype.name and held[key].fits(shape_tuple(shape))
            check.require(fits, rule, graph=f"{dtype.name} {shape}", checkpoint=str(held[key]))
            shape = tf.TensorShape(held[key].shape)
        trained = declared.trainable and dtype.is_floating
        found[node.name] = Stored(
            node.name, dtype, tuple(shape.as_list()), trained, str(artefact.checkpoint), key, declared.part
        )
    return found


def shape_tuple(shape: tf.TensorShape) -> tuple[int | None, ...] | None:
    return None if shape.rank is None else tuple(shape.as_list())
