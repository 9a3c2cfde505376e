"""TFRecord files as a stream of mini-batches."""

import contextlib
import gzip
import math
import os
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import message

from graphkit import checks
from graphkit.data import batches

__all__ = ["tfrecord_batches"]

HEADER = 12  # bytes before a record: its length, and a checksum of that
LARGEST = 1 << 31  # bytes of a record
KINDS = {tf.string: "bytes_list", tf.float32: "float_list", tf.int64: "int64_list"}
RULE = "features must be {name: tf.io.FixedLenFeature or tf.io.FixedLenSequenceFeature}"

Decode = Callable[[dict[str, tf.Tensor]], Mapping[str, tf.Tensor]]


class TFRecordBatches:
    """What `tfrecord_batches` returns: a function epoch -> iterator of {name: rows}.

    Attributes:
      paths: the files, sorted.
      facts: what decides the mini-batches, for the identity of a run.
    """

    def __init__(
        self, check: checks.Checker, paths: Sequence[str], features: Mapping[str, Any], **options: Any
    ) -> None:
        self.check, self.paths, self.options = check, list(paths), options
        sizes = [[os.path.basename(path), tf.io.gfile.stat(path).length] for path in paths]
        plain = {name: value for name, value in options.items() if name != "decode"}
        self.facts = [sizes, {name: repr(feature) for name, feature in sorted(features.items())}, plain]
        self.graph = tf.Graph()
        with self.graph.as_default():
            self.add_dataset(features, **options)

    def add_dataset(
        self,
        features: Mapping[str, Any],
        batch_size: int,
        shuffle: bool,
        seed: int,
        buffer_size: int,
        drop_remainder: bool,
        decode: Decode | None,
    ) -> None:
        """Adds to the graph what reads and parses the files that are fed."""
        self.files = tf.compat.v1.placeholder(tf.string, (None,), "files")
        self.seed = tf.compat.v1.placeholder(tf.int64, (), "seed")
        records = tf.data.TFRecordDataset(self.files, "GZIP" if is_compressed(self.paths[0]) else "")
        self.count = records.reduce(np.int64(0), lambda count, _: count + 1)
        if shuffle:
            records = records.shuffle(buffer_size, seed=self.seed, reshuffle_each_iteration=False)
        if decode is None:
            parsed = records.batch(batch_size, drop_remainder=drop_remainder).map(
                lambda several: tf.io.parse_example(several, features)
            )
        else:
            parsed = records.map(
                lambda one: decode(tf.io.parse_single_example(one, features)),
                num_parallel_calls=tf.data.AUTOTUNE,
                deterministic=True,
            ).batch(batch_size, drop_remainder=drop_remainder)
        spec = parsed.element_spec
        rule = "decode must be a function {name: tensor} -> {name: tensor}"
        self.check.require_type(isinstance(spec, Mapping), rule, returned=spec)
        self.iterator = tf.compat.v1.data.make_initializable_iterator(parsed.prefetch(2))
        self.element = self.iterator.get_next()

    def __call__(self, epoch: int = 0) -> Iterator[dict[str, np.ndarray]]:
        """Yields the mini-batches of an epoch, which follow from its number and the seed."""
        paths, options = self.paths, self.options
        if options["shuffle"]:
            paths = [paths[place] for place in batches.epoch_order(len(paths), options["seed"], epoch)]
        seed = np.random.default_rng([options["seed"], epoch, len(paths)]).integers(1, 2**62)
        config = tf.compat.v1.ConfigProto(device_count={"GPU": 0})
        with contextlib.closing(tf.compat.v1.Session(graph=self.graph, config=config)) as session:
            session.run(self.iterator.initializer, {self.files: paths, self.seed: seed})
            while True:
                try:
                    element = session.run(self.element)
                except tf.errors.OutOfRangeError:
                    return
                except tf.errors.DataLossError as error:
                    self.refuse_damaged(session, error)
                yield element

    def refuse_damaged(self, session: Any, error: tf.errors.OpError) -> None:
        """Raises an error that names the file in which TensorFlow found damage; its error does not."""
        for path in self.paths:
            try:
                session.run(self.count, {self.files: [path]})
            except tf.errors.DataLossError as found:
                # Its message ends in what was found; above are the lines of the program that read it.
                lines = [line for line in found.message.splitlines() if line and "[[{{node" not in line]
                rule = f"{path} is damaged or cut off: {lines[-1]}"
                raise checks.GraphkitError(self.check.message(rule)) from error
        raise error


def tfrecord_batches(
    pattern: str | os.PathLike | Sequence[str | os.PathLike],
    features: Mapping[str, Any],
    *,
    batch_size: int = 128,
    shuffle: bool = True,
    seed: int = 0,
    buffer_size: int = 10_000,
    drop_remainder: bool = False,
    decode: Decode | None = None,
) -> TFRecordBatches:
    """Returns the mini-batches of TFRecord files as a stream for `fit`, `evaluate` and `predict`.

    The order follows from (seed, epoch) alone: that of the files, and that of the examples, each of which is
    drawn from the next `buffer_size` ones. So a resumed run goes on with the same mini-batches. Here it is
    checked that the first record of each file has what the features ask for.

    Args:
      pattern: a path, which may have * and ?, or several; files that end in ".gz" are uncompressed.
      features: {name: `tf.io.FixedLenFeature` or `tf.io.FixedLenSequenceFeature`} of the `tf.train.Example`s.
        Names are those of placeholders, unless `decode` gives others.
      batch_size: examples in a mini-batch; the last one may be shorter.
      shuffle: False reads the files in the order of their names, and each from its start to its end.
      seed: sets the order, together with the epoch.
      buffer_size: examples from which the next one is drawn.
      drop_remainder: True leaves out a last mini-batch of fewer than batch_size examples.
      decode: function {name: tensor} -> {name: tensor} of one example, made of TensorFlow's ops, such as
        `tf.io.decode_png`; None takes the features as they are.

    Returns:
      A function (epoch=0) -> iterator of {name: array (batch_size, ...)}.

    Raises:
      FileNotFoundError: no file matches a pattern.
      TypeError: features are not a dict of such features, or decode does not return a dict.
      ValueError: a file without a record; a record that is not a `tf.train.Example`, or lacks a feature.
      GraphkitError: when it is read: a file is damaged.

    Example:
      >>> import tempfile
      >>> path = tempfile.mkdtemp() + "/train-0.tfrecord"
      >>> with tf.io.TFRecordWriter(path) as writer:
      ...     for label in range(5):
      ...         value = tf.train.Feature(int64_list=tf.train.Int64List(value=[label]))
      ...         example = tf.train.Example(features=tf.train.Features(feature={"labels": value}))
      ...         writer.write(example.SerializeToString())
      >>> features = {"labels": tf.io.FixedLenFeature((), tf.int64)}
      >>> stream = gk.tfrecord_batches(path, features, batch_size=2, shuffle=False)
      >>> [batch["labels"].tolist() for batch in stream()]
      [[0, 1], [2, 3], [4]]
    """
    check = checks.Checker("tfrecord_batches")
    check.require_type(isinstance(features, Mapping) and len(features) > 0, RULE, features=features)
    kinds = (tf.io.FixedLenFeature, tf.io.FixedLenSequenceFeature)
    for name, feature in features.items():
        check.require_type(isinstance(name, str) and isinstance(feature, kinds), RULE, **{str(name): feature})
    check.require_type(decode is None or callable(decode), "decode must be a function", decode=decode)
    options = {
        "batch_size": check.integer("batch_size", batch_size),
        "shuffle": bool(shuffle),
        "seed": check.integer("seed", seed, minimum=0),
        "buffer_size": check.integer("buffer_size", buffer_size),
        "drop_remainder": bool(drop_remainder),
        "decode": decode,
    }
    paths = find_files(check, pattern)
    for path in paths:
        check_first(check, path, features)
    return TFRecordBatches(check, paths, features, **options)


def find_files(check: checks.Checker, pattern: Any) -> list[str]:
    """Returns the sorted paths of the files that match the patterns, each of which must have one."""
    paths: set[str] = set()
    for one in [pattern] if isinstance(pattern, (str, os.PathLike)) else pattern:
        found = tf.io.gfile.glob(os.fspath(one))
        if not found:
            raise FileNotFoundError(check.message("there is no such file", pattern=one))
        paths |= set(found)
    rule = "pattern must match a file"
    check.require(paths, rule, pattern=pattern)
    compressed = {is_compressed(path) for path in paths}
    check.require(len(compressed) == 1, "all files, or none, must be compressed", paths=sorted(paths)[:5])
    return sorted(paths)


def is_compressed(path: str) -> bool:
    return path.endswith(".gz")


def check_first(check: checks.Checker, path: str, features: Mapping[str, Any]) -> None:
    """Raises unless the first record of a file is an example with the features."""
    with contextlib.ExitStack() as stack, check.system_errors(f"{path} cannot be read"):
        stream = stack.enter_context(tf.io.gfile.GFile(path, "rb"))
        opened: Any = stack.enter_context(gzip.GzipFile(fileobj=stream)) if is_compressed(path) else stream
        header = opened.read(HEADER)
        check.require(header, f"{path} has no record", bytes=0)
        length = struct.unpack("<Q", header[:8])[0] if len(header) == HEADER else 0
        # Of what is not a record, these bytes say any length; memory for it must not be asked for.
        longest = LARGEST if is_compressed(path) else tf.io.gfile.stat(path).length
        is_complete = 0 < length <= longest
        record = opened.read(length) if is_complete else b""
    rule = f"{path} is not a TFRecord file of tf.train.Example, or its first record is cut off"
    check.require(len(record) == length > 0, rule, bytes=len(record))
    try:
        held = tf.train.Example.FromString(record).features.feature
    except message.DecodeError:
        raise ValueError(check.message(rule, bytes=length)) from None
    for name, feature in features.items():
        optional = getattr(feature, "default_value", None) is not None
        if name not in held and (optional or getattr(feature, "allow_missing", False)):
            continue
        near = checks.near(name, list(held)) or f" (it has: {', '.join(sorted(held))})"
        check.require(name in held, f"{path} lacks a feature{near}", feature=name)
        kind, takes = held[name].WhichOneof("kind"), KINDS.get(tf.as_dtype(feature.dtype))
        check.require(kind == takes, f"{path} holds {name} as {kind}", dtype=feature.dtype)
        values = len(getattr(held[name], str(takes)).value)
        size = math.prod(tf.TensorShape(feature.shape).as_list())
        several = isinstance(feature, tf.io.FixedLenSequenceFeature)
        fits = values % max(1, size) == 0 if several else values == size
        check.require(fits, f"{path} holds {values} values of {name}", shape=feature.shape)
