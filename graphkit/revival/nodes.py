"""Nodes of a graph that has only been read: who takes what, before anything is imported."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import tensorflow as tf

from graphkit.graph import copies, walk

STATIC_ARGUMENT, ARGUMENT = "static argument", "argument"  # kinds of the nodes that stand for arguments
# Numbers as they are in a file, where damage makes some that are not of any dtype.
FLOATS = [dtype.as_datatype_enum for dtype in (tf.float16, tf.float32, tf.float64, tf.bfloat16)]


def owner(text: str) -> str:
    """Returns the name of the node that an input of a node ("conv1/kernel:0", "^init") leads to."""
    return text.lstrip("^").split(":")[0]


def data_inputs(node: Any) -> list[str]:
    """Returns the names of the nodes whose values a node takes."""
    return [owner(text) for text in copies.data_inputs(node)]


class Nodes:
    """The nodes of a graph, or of a function's body, by name.

    Args:
      nodes: `NodeDef`s.
      library: {name: FunctionDef} of the functions they may call.

    Attributes:
      by_name: {name: node}.
      consumers: {name: [(node that takes a value of it, place among its inputs)]}.
    """

    def __init__(self, nodes: Iterable[Any], library: Mapping[str, Any]) -> None:
        self.by_name = {node.name: node for node in nodes}
        self.library = library
        self.consumers: dict[str, list[tuple[Any, int]]] = {}
        for node in self.by_name.values():
            for place, name in enumerate(data_inputs(node)):
                self.consumers.setdefault(name, []).append((node, place))

    def kind(self, name: str) -> str:
        return self.by_name[name].op

    def ancestors(self, names: Iterable[str], stop: Collection[str] = ()) -> set[str]:
        """Returns the names, and those of all nodes that they need; what `stop` names needs nothing."""
        waiting = [name for name in names if name in self.by_name]
        seen = set(waiting)
        while waiting:
            name = waiting.pop()
            for source in () if name in stop else map(owner, self.by_name[name].input):
                if source not in seen and source in self.by_name:
                    seen.add(source)
                    waiting.append(source)
        return seen

    def ordered(self) -> list[Any]:
        """Returns the nodes in an order in which they can run, but for what loops hand back."""
        placed: dict[str, Any] = {}
        for start in self.by_name:
            waiting, entered = [start], set()
            while waiting:
                node = self.by_name[waiting[-1]]
                missing = [
                    name
                    for name in map(owner, node.input)
                    if name in self.by_name and name not in placed and self.kind(name) not in walk.HANDS_BACK
                ]
                if missing and node.name not in entered:
                    entered.add(node.name)  # a circle in a damaged file must not be walked for ever
                    waiting.extend(missing)
                else:
                    placed.setdefault(waiting.pop(), node)
        return list(placed.values())


def with_arguments(function: Any, static: Collection[int], library: Mapping[str, Any]) -> Nodes:
    """Returns the nodes of a function's body, with a node for each argument.

    Args:
      function: a FunctionDef.
      static: places of the arguments that depend on no input of the model.
      library: {name: FunctionDef}.
    """
    arguments = tf.compat.v1.GraphDef()
    for place, argument in enumerate(function.signature.input_arg):
        kind = STATIC_ARGUMENT if place in static else ARGUMENT
        arguments.node.add(name=argument.name, op=kind)
    return Nodes([*arguments.node, *function.node_def], library)


def shape_of(constant: Any) -> tuple[int, ...]:
    """Returns the shape of a node that is a constant."""
    return tuple(dim.size for dim in constant.attr["value"].tensor.tensor_shape.dim)


def is_float(node: Any) -> bool:
    """Whether the node is a constant of floats."""
    return node.op == "Const" and node.attr["dtype"].type in FLOATS


def is_float_array(node: Any) -> bool:
    """Whether the node is a constant of floats with one axis or more."""
    return is_float(node) and bool(node.attr["value"].tensor.tensor_shape.dim)


def is_scalar(node: Any) -> bool:
    return node.op == "Const" and not node.attr["value"].tensor.tensor_shape.dim
