"""Checkpoints written where the trainer is, of a session that is on another machine.

A Saver's ops would write them on the disk of that machine.
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from graphkit.running import session as sessions


class FetchedSaver:
    """Writes what a session returns for some variables, in files as a Saver writes them.

    Args:
      variables: {name in the checkpoint: variable}, or arrays of their dtypes.
    """

    def __init__(self, variables: Mapping[str, Any]) -> None:
        v1 = tf.compat.v1
        self.variables = dict(sorted(variables.items()))
        self.graph = tf.Graph()
        with self.graph.as_default():
            self.path = v1.placeholder(tf.string, ())
            self.inputs = [v1.placeholder(tf.as_dtype(v.dtype).base_dtype) for v in self.variables.values()]
            names = list(self.variables)
            self.write = tf.raw_ops.SaveV2(
                prefix=self.path, tensor_names=names, shape_and_slices=[""] * len(names), tensors=self.inputs
            )

    def fetch(self, session: Any) -> list[Any]:
        """Returns the values of the variables."""
        return session.run(list(self.variables.values()))

    def save(self, values: list[Any], path: str) -> str:
        """Writes the values; returns the path."""
        fed = dict(zip(self.inputs, values, strict=True))
        with tf.compat.v1.Session(graph=self.graph, config=sessions.make_config("cpu")) as session:
            session.run(self.write, {self.path: path, **fed})
        return path
