"""A board on the first parameter server, where each worker writes what all others may read at any time."""

import json
from collections.abc import Mapping
from typing import Any

import tensorflow as tf


class Board:
    """A text of each worker, as variables of the current device.

    Args:
      size: number of workers.
      number: of the trainer in its process: each has its own board.
    """

    def __init__(self, size: int, number: int) -> None:
        self.text = tf.compat.v1.placeholder(tf.string, (), "text")
        # In no collection: they belong to no model, and no checkpoint holds them.
        texts = [
            tf.compat.v1.Variable(
                "", trainable=False, collections=[], name=f"board_{number}_of_worker_{i}", use_resource=True
            )
            for i in range(size)
        ]
        self.reads = [text.read_value() for text in texts]
        self.written = [tf.raw_ops.VarIsInitializedOp(resource=text.handle) for text in texts]
        self.writes = [text.assign(self.text, read_value=False) for text in texts]

    def write(self, session: Any, worker: int, content: Mapping[str, Any]) -> None:
        """Replaces what a worker has written."""
        session.run(self.writes[worker], {self.text: json.dumps(content)})

    def read(self, session: Any, worker: int) -> dict[str, Any] | None:
        """Returns what a worker has written, or None if it has written nothing."""
        if not session.run(self.written[worker]):
            return None
        return json.loads(session.run(self.reads[worker]))
