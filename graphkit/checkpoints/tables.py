"""Mutable lookup tables, which a checkpoint of variables alone would leave out."""

from collections.abc import Iterable, Sequence

import tensorflow as tf

from graphkit.graph import walk

NAME = "graphkit/tables"


class Tables:
    """The mutable lookup tables among some ops, as a variable that holds all their keys and values.

    The variable is a vector of strings: for each table its name, its keys and its values, serialized. A
    Saver cannot hold tensors, and it must be one file that holds tables and variables of the same step.

    Args:
      ops: ops of the current graph.

    Attributes:
      names: of the tables.
      variable: holds what `update` has read of the tables; None where there are no tables.
    """

    def __init__(self, ops: Iterable[tf.Operation]) -> None:
        tables = [op for op in walk.as_made(ops) if op.type in walk.MUTABLE_TABLES]
        self.names = [op.name for op in tables]
        self.variable: tf.Variable | None = None
        if not tables:
            return
        with tf.compat.v1.name_scope("graphkit/lookup_tables/"):
            parts = [part for op in tables for part in serialized(op)]
            # In no collection, see `Checkpoints`.
            self.variable = tf.compat.v1.Variable(
                [""] * len(parts), trainable=False, collections=[], name=NAME, use_resource=True
            )
            self.update = self.variable.assign(tf.stack(parts), read_value=False)
            self.input = tf.compat.v1.placeholder(tf.string, (len(tables), 2), name="parts")
            filled = [fill(op, self.input[number]) for number, op in enumerate(tables)]
            self.replace = tf.group(*filled)

    def save_into(self, session: tf.compat.v1.Session) -> None:
        """Reads the tables into the variable."""
        if self.variable is not None:
            session.run(self.update)

    def restore(self, session: tf.compat.v1.Session, saved: Sequence[bytes]) -> None:
        """Gives the tables the keys and values that the variable had; other tables stay as they are."""
        held = {saved[at].decode(): list(saved[at + 1 : at + 3]) for at in range(0, len(saved), 3)}
        if self.variable is not None and all(name in held for name in self.names):
            session.run(self.replace, {self.input: [held[name] for name in self.names]})


def serialized(table: tf.Operation) -> list[tf.Tensor]:
    """Returns the name of a table, its keys and its values, each as a string tensor."""
    keys, values = tf.raw_ops.LookupTableExportV2(
        table_handle=table.outputs[0],
        Tkeys=table.get_attr("key_dtype"),
        Tvalues=table.get_attr("value_dtype"),
    )
    return [tf.constant(table.name), tf.io.serialize_tensor(keys), tf.io.serialize_tensor(values)]


def fill(table: tf.Operation, parts: tf.Tensor) -> tf.Operation:
    """Returns the op that replaces what a table holds by serialized keys and values."""
    dtypes = table.get_attr("key_dtype"), table.get_attr("value_dtype")
    keys, values = (tf.io.parse_tensor(parts[at], dtype) for at, dtype in enumerate(dtypes))
    return tf.raw_ops.LookupTableImportV2(table_handle=table.outputs[0], keys=keys, values=values)
