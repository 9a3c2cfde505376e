"""`tf.contrib.lookup`: tables from keys to values, on those of `tf.lookup`."""

from typing import Any

import tensorflow as tf

from graphkit.tf1 import overlay

KeyValueTensorInitializer = tf.lookup.KeyValueTensorInitializer
TextFileInitializer = tf.lookup.TextFileInitializer
TextFileIndex = tf.lookup.TextFileIndex
MutableHashTable = tf.lookup.experimental.MutableHashTable
MutableDenseHashTable = tf.lookup.experimental.DenseHashTable


class HashTable(tf.compat.v1.lookup.StaticHashTable):
    """A table that is filled by its initializer, in `tf.tables_initializer()`."""

    def __init__(
        self, initializer: Any, default_value: Any, shared_name: Any = None, name: Any = None
    ) -> None:
        super().__init__(initializer, default_value)

    @property
    def init(self) -> tf.Operation:
        return self.initializer


def index_table_from_tensor(
    mapping: Any,
    num_oov_buckets: int = 0,
    default_value: int = -1,
    hasher_spec: Any = None,
    dtype: tf.DType = tf.string,
    name: str | None = None,
) -> Any:
    """Returns a table from each element of `mapping` to its place in it."""
    keys = tf.convert_to_tensor(mapping, dtype)
    keys = tf.cast(keys, tf.int64) if keys.dtype.is_integer else keys
    places = tf.range(tf.size(keys, out_type=tf.int64), dtype=tf.int64)
    return with_buckets(KeyValueTensorInitializer(keys, places), num_oov_buckets, default_value)


def index_table_from_file(
    vocabulary_file: Any = None,
    num_oov_buckets: int = 0,
    vocab_size: int | None = None,
    default_value: int = -1,
    hasher_spec: Any = None,
    key_dtype: tf.DType = tf.string,
    name: str | None = None,
    key_column_index: int = TextFileIndex.WHOLE_LINE,
    value_column_index: int = TextFileIndex.LINE_NUMBER,
    delimiter: str = "\t",
) -> Any:
    """Returns a table from each line of a file to its number."""
    start = TextFileInitializer(
        vocabulary_file,
        tf.int64 if key_dtype.is_integer else key_dtype,
        key_column_index,
        tf.int64,
        value_column_index,
        vocab_size,
        delimiter,
    )
    return with_buckets(start, num_oov_buckets, default_value)


def with_buckets(initializer: Any, num_oov_buckets: int, default_value: int) -> Any:
    """Returns a table; keys that it does not have get a bucket after its values, or the default value."""
    if num_oov_buckets > 0:
        return tf.compat.v1.lookup.StaticVocabularyTable(initializer, num_oov_buckets)
    return HashTable(initializer, default_value)


def index_to_string_table_from_tensor(
    mapping: Any, default_value: str = "UNK", name: str | None = None
) -> Any:
    """Returns a table from places in `mapping` to its strings."""
    values = tf.convert_to_tensor(mapping, tf.string)
    places = tf.range(tf.size(values, out_type=tf.int64), dtype=tf.int64)
    return HashTable(KeyValueTensorInitializer(places, values), default_value)


def index_to_string_table_from_file(
    vocabulary_file: Any, vocab_size: int | None = None, default_value: str = "UNK", name: str | None = None
) -> Any:
    """Returns a table from line numbers to the lines of a file."""
    start = TextFileInitializer(
        vocabulary_file, tf.int64, TextFileIndex.LINE_NUMBER, tf.string, TextFileIndex.WHOLE_LINE, vocab_size
    )
    return HashTable(start, default_value)


__getattr__, __dir__ = overlay.over(__name__, modules="lookup_ops")
