"""`slim.dataset_data_provider.DatasetDataProvider`: an example's items as tensors, read by `tf.data`."""

from typing import Any

import tensorflow as tf

from graphkit import checks
from graphkit.tf1.contrib.slim.data import data_provider, parallel_reader

__all__ = ["DatasetDataProvider"]


class DatasetDataProvider(data_provider.DataProvider):
    """The tensors of one example of a data set of TFRecord files; each run reads the next one.

    Files and examples are shuffled; TensorFlow 1 read by queues with several threads, in an order that nobody
    knew.

    Args:
      dataset: a `slim.dataset.Dataset`.
      num_readers: how many files are read at the same time.
      shuffle: whether files and examples are.
      num_epochs: how often each file is read; None for ever.
      common_queue_capacity: of how many examples the next one is drawn.
      record_key: the name of the item that says where an example is from.
      seed: of the order.
    """

    def __init__(
        self,
        dataset: Any,
        num_readers: int = 1,
        reader_kwargs: Any = None,
        shuffle: bool = True,
        num_epochs: int | None = None,
        common_queue_capacity: int = 256,
        common_queue_min: int = 128,
        record_key: str = "record_key",
        seed: int | None = None,
        scope: str | None = None,
    ) -> None:
        check = checks.Checker("DatasetDataProvider")
        items = dataset.decoder.list_items()
        check.require(
            record_key not in items, "record_key must not be the name of an item", record_key=record_key
        )
        files = parallel_reader.get_data_files(dataset.data_sources)
        sources = tf.compat.v1.data.Dataset.from_tensor_slices(files)
        if shuffle:
            sources = sources.shuffle(len(files), seed)
        examples = sources.interleave(records_of, cycle_length=num_readers).repeat(num_epochs)
        if shuffle:
            examples = examples.shuffle(max(common_queue_capacity, common_queue_min), seed)
        iterator = tf.compat.v1.data.make_one_shot_iterator(examples)
        key, serialized = iterator.get_next()
        decoded = dict(zip(items, dataset.decoder.decode(serialized, items), strict=True))
        super().__init__({**decoded, record_key: key}, dataset.num_samples)


def records_of(path: tf.Tensor) -> Any:
    """Returns the data set of a file's (file:number, serialized example)."""
    records = tf.compat.v1.data.TFRecordDataset(path).enumerate()
    return records.map(lambda number, record: (tf.strings.join([path, ":", tf.as_string(number)]), record))
