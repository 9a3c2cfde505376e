"""Functions, loops and branches, whose values cannot be fetched: their ops and constants are compared."""

import collections
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from graphkit.comparison import wording
from graphkit.comparison.alignment import Alignment
from graphkit.comparison.sides import Side
from graphkit.graph import walk


def function_texts(both: Alignment, old: tf.Operation, new: tf.Operation) -> list[str]:
    """Returns what differs in the functions that two ops call, or in the loops and branches behind them."""
    bodies = [hidden_nodes(side, op) for side, op in ((both.old, old), (both.new, new))]
    texts = []
    for what, items in (("", numbers_of_nodes), ("constants ", constants_of), ("ops ", types_of)):
        lists = [items(nodes) for nodes in bodies]
        mine, theirs = without(lists[0], lists[1]), without(lists[1], lists[0])
        if mine or theirs:
            alone = [", ".join(dict.fromkeys(found)) or "none" for found in (mine, theirs)]
            texts.append(
                f"{what}of its functions, loops or branches: {alone[0]} in old alone, {alone[1]} in new alone"
            )
    return texts


def hidden_nodes(side: Side, op: tf.Operation) -> list[Any]:
    """Returns the nodes whose values cannot be fetched: of called functions, and of loops of TensorFlow 1."""
    called = list(walk.nodes_of(op, walk.library_of([op])))[1:]
    ops = walk.as_made(walk.ancestors([op]))
    inside = walk.inside_control_flow(ops)
    constants = {t.op for one in inside for t in one.inputs if t.op.type == "Const"}
    return called + [one.node_def for one in ops if one in inside or one in constants]


def numbers_of_nodes(nodes: Sequence[Any]) -> list[str]:
    """Returns "type: attribute number" of the nodes of functions."""
    return [
        f"{node.op}: {name} {value.f:.6g}"
        for node in nodes
        for name, value in node.attr.items()
        if value.WhichOneof("value") == "f" and name not in wording.UNIMPORTANT
    ]


def constants_of(nodes: Sequence[Any]) -> list[str]:
    return [wording.constant(tf.make_ndarray(n.attr["value"].tensor)) for n in nodes if n.op == "Const"]


def types_of(nodes: Sequence[Any]) -> list[str]:
    return [node.op for node in nodes]


def without(items: list[str], others: list[str]) -> list[str]:
    return list((collections.Counter(items) - collections.Counter(others)).elements())
