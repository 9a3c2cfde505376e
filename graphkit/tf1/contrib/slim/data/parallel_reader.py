"""Several readers of files at once."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from graphkit import checks

v1 = tf.compat.v1

__all__ = ["get_data_files", "parallel_read"]


def get_data_files(data_sources: str | Sequence[str]) -> list[str]:
    """Returns the files that paths or patterns name."""
    patterns = data_sources if isinstance(data_sources, (list, tuple)) else [data_sources]
    files = sorted({file for pattern in patterns for file in tf.io.gfile.glob(pattern)})
    check = checks.Checker("get_data_files")
    check.require(files, "there must be files that data_sources names", data_sources=data_sources)
    return files


def parallel_read(
    data_sources: str | Sequence[str],
    reader_class: Callable[..., Any],
    num_epochs: int | None = None,
    num_readers: int = 4,
    reader_kwargs: Mapping[str, Any] | None = None,
    shuffle: bool = True,
    dtypes: Sequence[Any] | None = None,
    capacity: int = 256,
    min_after_dequeue: int = 128,
    seed: int | None = None,
    scope: str | None = None,
) -> Any:
    """Returns (key, value) of the next record that readers such as `tf.TFRecordReader` found."""
    with v1.name_scope(scope, "parallel_read"):
        files = v1.train.string_input_producer(
            get_data_files(data_sources), num_epochs, shuffle, seed, name="filenames"
        )
        types = dtypes or [tf.string, tf.string]
        if shuffle:
            queue = tf.queue.RandomShuffleQueue(capacity, min_after_dequeue, types, seed=seed)
        else:
            queue = tf.queue.FIFOQueue(capacity, types)
        readers = [reader_class(**(reader_kwargs or {})) for _ in range(num_readers)]
        enqueues = [queue.enqueue(reader.read(files)) for reader in readers]
        v1.train.add_queue_runner(v1.train.QueueRunner(queue, enqueues))
        v1.summary.scalar(f"fraction_of_{capacity}_full", tf.cast(queue.size(), tf.float32) / capacity)
        return queue.dequeue(name="read")
