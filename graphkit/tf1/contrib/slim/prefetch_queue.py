"""`slim.prefetch_queue`: batches that threads make ahead of time."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

v1 = tf.compat.v1

__all__ = ["prefetch_queue"]


class Queue:
    """A queue of batches; `dequeue` returns one in the form in which they were given."""

    def __init__(self, queue: Any, tensors: Any) -> None:
        self._queue, self._tensors = queue, tensors

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)

    def dequeue(self, name: str | None = None) -> Any:
        values = self._queue.dequeue(name=name)
        values = values if isinstance(values, list) else [values]
        if isinstance(self._tensors, Mapping):
            return dict(zip(sorted(self._tensors), values, strict=True))
        return values if len(values) > 1 else values[0]


def prefetch_queue(
    tensors: Any,
    capacity: int = 8,
    num_threads: int = 1,
    dynamic_pad: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Queue:
    """Returns a queue of the tensors, a list or {name: tensor}, which queue runners fill."""
    by_name = isinstance(tensors, Mapping)
    values = [tensors[key] for key in sorted(tensors)] if by_name else tf.nest.flatten(tensors)
    values = [tf.convert_to_tensor(value) for value in values]
    with v1.name_scope(name, "prefetch_queue", values):
        kind = tf.queue.PaddingFIFOQueue if dynamic_pad else tf.queue.FIFOQueue
        shapes: Any = [value.shape for value in values]
        if not dynamic_pad and not all(shape.is_fully_defined() for shape in shapes):
            shapes = None
        queue = kind(capacity, [value.dtype for value in values], shapes, shared_name=shared_name)
        v1.train.add_queue_runner(v1.train.QueueRunner(queue, [queue.enqueue(values)] * num_threads))
        v1.summary.scalar(f"fraction_of_{capacity}_full", tf.cast(queue.size(), tf.float32) / capacity)
        return Queue(queue, tensors)
