"""`tf.contrib.data`: `tf.data` as it was before TensorFlow 1.4, and transformations that are in it today."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from graphkit.tf1 import overlay

V1: Any = tf.compat.v1.data
Dataset, Iterator = V1.Dataset, V1.Iterator
TFRecordDataset, TextLineDataset = V1.TFRecordDataset, V1.TextLineDataset
FixedLengthRecordDataset = V1.FixedLengthRecordDataset
AUTOTUNE = tf.data.AUTOTUNE
group_by_window = tf.data.experimental.group_by_window
bucket_by_sequence_length = tf.data.experimental.bucket_by_sequence_length
make_csv_dataset = V1.experimental.make_csv_dataset
ignore_errors = tf.data.experimental.ignore_errors
unique = tf.data.experimental.unique
choose_from_datasets = V1.experimental.choose_from_datasets
sample_from_datasets = V1.experimental.sample_from_datasets
scan = tf.data.experimental.scan
enumerate_dataset = tf.data.experimental.enumerate_dataset
prefetch_to_device = tf.data.experimental.prefetch_to_device
make_batched_features_dataset = V1.experimental.make_batched_features_dataset
parallel_interleave = tf.data.experimental.parallel_interleave
Transformation = Callable[[Any], Any]


def map_and_batch(
    map_func: Callable[..., Any],
    batch_size: int,
    num_parallel_batches: int | None = None,
    drop_remainder: bool = False,
    num_parallel_calls: int | None = None,
) -> Transformation:
    """Maps elements, several at a time, and collects them in batches."""
    calls = num_parallel_calls or (num_parallel_batches or 1) * batch_size
    return lambda dataset: dataset.map(map_func, calls).batch(batch_size, drop_remainder)


def shuffle_and_repeat(buffer_size: int, count: int | None = None, seed: int | None = None) -> Transformation:
    """Shuffles, and repeats the elements in a new order each time."""
    return lambda dataset: dataset.shuffle(buffer_size, seed).repeat(count)


def batch_and_drop_remainder(batch_size: int) -> Transformation:
    """Collects batches, all of one size."""
    return lambda dataset: dataset.batch(batch_size, drop_remainder=True)


def unbatch() -> Transformation:
    """Takes batches apart."""
    return lambda dataset: dataset.unbatch()


__getattr__, __dir__ = overlay.over(__name__)
