"""What the rules of `check_graph` look at: a graph and its loss, each thing read once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

import tensorflow as tf

from graphkit.graph import lines, walk

# What a rule yields: the op that has the problem, and the message.
Problems: TypeAlias = Iterator[tuple[tf.Operation, str]]

READS = ("ReadVariableOp", *walk.SAME_VALUES)
SHOWN = 3  # names in a message


class GraphView:
    """A graph, its loss, and what both hold, as the rules need it.

    Args:
      graph: the graph.
      loss: its loss.
      train_op: ops and tensors of the user's training step; None for a `gk.Trainer`.
      trained: {op: variable} of the variables to train.
      metrics: {what messages call it: tensor} of the metrics of a `gk.Trainer`.
    """

    def __init__(
        self,
        graph: tf.Graph,
        loss: tf.Tensor,
        train_op: Sequence[tf.Operation | tf.Tensor] | None,
        trained: Mapping[tf.Operation, tf.Variable],
        metrics: Mapping[str, tf.Tensor] | None = None,
    ) -> None:
        keys = tf.compat.v1.GraphKeys
        self.graph = graph
        self.loss = loss
        self.own_training = train_op is not None
        self.trained = trained
        self.metrics = metrics or {}
        self.ops: list[tf.Operation] = graph.get_operations()
        self.loss_ops = walk.ancestors([loss])
        self.run_ops = self.loss_ops | walk.ancestors(train_op or [])
        self.terms = self.collected(keys.REGULARIZATION_LOSSES)
        self.updates = self.collected(keys.UPDATE_OPS)
        self.penalty_ops = self.loss_ops | walk.ancestors(self.terms)
        self.consumers = walk.consumers(self.ops)
        self.examples = walk.inputs_of_examples(self.ops)
        self.learned = walk.descendants(trained, self.ops)
        self.types: dict[str, list[tf.Operation]] = {}
        for op in self.ops:
            if op in self.penalty_ops:
                self.types.setdefault(op.type, []).append(op)
        self.lines: dict[tf.Operation, str] = {}

    def collected(self, key: str) -> list[tf.Operation]:
        """Returns the ops of this graph in a collection, and those of its tensors and variables."""
        ops = (getattr(item, "op", item) for item in self.graph.get_collection(key))
        return [op for op in ops if isinstance(op, tf.Operation) and op.graph is self.graph]

    def penalties(self, *types: str) -> list[tf.Operation]:
        """Returns the ops of these types that the loss or a regularization loss depends on."""
        return [op for kind in types for op in self.types.get(kind, ())]

    def of_type(self, *types: str) -> list[tf.Operation]:
        """Returns the ops of these types that the loss depends on."""
        return [op for op in self.penalties(*types) if op in self.loss_ops]

    def line(self, op: tf.Operation) -> str:
        """Returns the line of the user's program that made the op."""
        if op not in self.lines:  # 25 us each, and the rules ask for the same op again and again
            self.lines[op] = lines.user_line(op.traceback) or lines.UNKNOWN
        return self.lines[op]

    def named(self, op: tf.Operation) -> str:
        return f"{op.type} {op.name} ({self.line(op)})"

    def by_line(self, ops: Iterable[tf.Operation]) -> list[list[tf.Operation]]:
        """Returns the ops in lists, one for each line that made them."""
        groups: dict[str, list[tf.Operation]] = {}
        for op in ops:
            groups.setdefault(self.line(op), []).append(op)
        return list(groups.values())

    def uses(self, variable: tf.Operation) -> list[tf.Operation]:
        """Returns the ops, of those that the loss depends on, that compute with a variable's values."""
        waiting = [variable]
        seen: list[tf.Operation] = []
        while waiting:
            for user in self.consumers.get(waiting.pop(), ()):
                if user in self.loss_ops:
                    (waiting if user.type in READS else seen).append(user)
        return seen


def listed(ops: Sequence[tf.Operation]) -> str:
    """Returns the names of the first few ops, and how many more there are."""
    names = ", ".join(op.name for op in ops[:SHOWN])
    return names + (f" and {len(ops) - SHOWN} more" if len(ops) > SHOWN else "")
