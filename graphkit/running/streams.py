"""Streams: data sets that yield their mini-batches one after the other, checked as they arrive.

A stream gives what arrays give: `Examples`, whose sources take rows, and a plan, which says what each
mini-batch has. A mini-batch is then selected not by the indices of its examples but by a `Batch`, which holds
their rows. So all that runs steps serves both.
"""

import contextlib
import functools
import itertools
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.data import batches, columns
from graphkit.nn import tensors
from graphkit.running import data_keys, feeds, received
from graphkit.running.stream_readers import END, CannotRepeatError, Stream, is_stream

MARKS = 1 << 16  # mini-batches of which it is kept what they were, so that they are known when read again


def check_examples(
    check: checks.Checker,
    graph: tf.Graph,
    data: Any,
    feed: Any,
    fetches: Sequence[tf.Tensor | tf.Operation],
    own: Mapping[tf.Tensor, Any],
    augment: Any = None,
) -> feeds.Examples:
    """Returns the examples of arrays, see `feeds.check_examples`, or those of a stream.

    Of a stream the first mini-batch is read and checked; the others are checked as they are read.

    Args:
      check, graph, feed, fetches, own, augment: see `feeds.check_examples`.
      data: as it takes it; or a stream of {placeholder or its name: mini-batch}: a `tf.data.Dataset`, a
        function that returns an iterator, or an iterable; or {(placeholder or its name, ...): stream of
        tuples}.
    """
    keys, source = None, data
    if isinstance(data, Mapping):
        data = data_keys.columns_of(check, graph, data, fetches)
        found = [key for key, value in data.items() if isinstance(key, tuple) or is_stream(value)]
        if not found:
            return feeds.check_examples(check, graph, data, feed, fetches, own, augment)
        check_one_entry(check, graph, data)
        keys, source = next(iter(data.items()))
        check_stream(check, graph, keys, source)
    if not is_stream(source):
        return feeds.check_examples(check, graph, data, feed, fetches, own, augment)
    elements = Elements(check, Stream(check, source), keys, graph)
    named, first = elements.begin(), elements.check_of(0, 0)
    layout = {key: data_keys.check_key(check, graph, key) for key in named}
    for key, placeholder in layout.items():
        check_batched(first, placeholder, np.shape(named[key]))
    checked = feeds.check_examples(first, graph, named, feed, fetches, own, augment, "each mini-batch")
    return StreamExamples(checked, elements, layout)


def check_one_entry(check: checks.Checker, graph: tf.Graph, data: Mapping[Any, Any]) -> None:
    """Raises for data of several entries, of which one is a stream."""
    if len(data) == 1:
        return
    single = [key for key in data if not isinstance(key, tuple)]
    layout = [data_keys.check_key(check, graph, key) for key in single] or data_keys.inputs_of(graph)
    zipped = "lambda: zip(" + ", ".join(f"{data_keys.code_of(tensor)}()" for tensor in layout) + ")"
    rule = f"a stream must be the one entry of data, and yield tuples, as {data_keys.stream_code(layout)}"
    if all(isinstance(value, tf.data.Dataset) for value in data.values()):
        zipped = f"tf.data.Dataset.zip(({', '.join(map(data_keys.code_of, layout))}))"
        rule += f": here {data_keys.stream_code(layout, zipped)}"
    elif all(callable(value) for value in data.values()):
        rule += f": here {data_keys.stream_code(layout, zipped)}"
    raise ValueError(check.message(rule, keys=texts(data)))


def check_stream(check: checks.Checker, graph: tf.Graph, keys: Any, source: Any) -> None:
    """Raises for several keys in one tuple that are not given a stream."""
    if is_stream(source):
        return
    rule = "several keys in one tuple take a stream of tuples: a tf.data.Dataset, a function or an iterable"
    layout = [data_keys.check_key(check, graph, key) for key in keys]
    if isinstance(source, (tuple, list)) and source and not isinstance(source[0], (tuple, list, Mapping)):
        code = data_keys.as_code({tensor: data_keys.code_of(tensor) for tensor in layout})
        rule += f"; arrays of all examples have a key each, as {code}"
    else:
        rule += f"; of a list of mini-batches, {data_keys.stream_code(layout, 'lambda: iter(batches)')}"
    raise TypeError(check.message(rule, data=source))


def require_usable(
    check: checks.Checker, examples: feeds.Examples, again: bool, alone: bool, **given: Any
) -> None:
    """Raises for what cannot be done with a stream; examples of arrays are always usable.

    Args:
      check: of the function that was called.
      examples: of the function.
      again: whether they are read more than once.
      alone: whether a single process reads them.
      given: arguments that a stream does not take; none of them was given if all are false.
    """
    if not isinstance(examples, StreamExamples):
        return
    rule = "a stream is read by a single process, and cannot be divided among several workers: give arrays"
    check.require(alone, rule)
    for name, value in given.items():
        rule = f"{name} is not for a stream, which has mini-batches of its own"
        check.require(not value, rule, **{name: value})
    rule = (
        "an iterator can be read only once, and not in each epoch: give the function that makes it, such as "
    )
    rule += "the generator function itself, or an iterable that starts anew"
    stream = examples.elements.stream
    check.require(not (stream.once and again), rule, data=type(stream.source))


class Batch:
    """A mini-batch of a stream: the selection by which a source of the stream takes its rows.

    Args:
      arrays: {name of a placeholder: rows}.
      first: number of the examples before it in the epoch.

    Attributes:
      form: the shapes; mini-batches of one form are run together.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], first: int) -> None:
        self.arrays, self.first = arrays, first
        self.form = tuple(array.shape for array in arrays.values())

    def __len__(self) -> int:
        return self.form[0][0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Returns the places of its examples in the epoch."""
        return np.arange(self.first, self.first + len(self), dtype=dtype)

    def mark(self) -> tuple[int, int, int]:
        """Returns where it is, and a number made of some of its rows, which others hardly have."""
        found = 0
        for array in self.arrays.values():
            rows = np.ascontiguousarray(array[[0, -1]])
            content = repr(rows.tolist()).encode() if rows.dtype.hasobject else rows.tobytes()
            found = zlib.crc32(content, zlib.crc32(repr(array.shape).encode(), found))
        return self.first, len(self), found


class StreamColumn(columns.Column):
    """What a placeholder takes of a stream: of a `Batch` its rows; indices select rows of the first one.

    Args:
      name: of the placeholder.
      first: the first mini-batch.
    """

    def __init__(self, name: str, first: Batch) -> None:
        array = first.arrays[name]
        super().__init__(array.__getitem__, array.shape, array.dtype)
        self.name = name

    def __getitem__(self, selection: Any) -> np.ndarray:
        return selection.arrays[self.name] if isinstance(selection, Batch) else super().__getitem__(selection)


class StreamExamples(feeds.Examples):
    """The examples of a stream.

    Args:
      checked: those of its first mini-batch.
      elements: what reads the stream.
      layout: {key of its elements: placeholder}.
    """

    def __init__(
        self, checked: feeds.Examples, elements: "Elements", layout: Mapping[Any, tf.Tensor]
    ) -> None:
        arrays = {source.placeholder.name: source.array[:] for source in checked.sources}
        self.elements, self.layout, self.first = elements, layout, Batch(arrays, 0)
        sources = [
            source._replace(array=StreamColumn(source.placeholder.name, self.first), accept=None)
            for source in checked.sources
        ]
        super().__init__(sources, checked.constants, checked.given)

    @functools.cached_property
    def fingerprint(self) -> str:
        """A text that differs for other data: made of the first mini-batch and what else is known."""
        return f"{super().fingerprint} {self.elements.stream.length} {self.elements.stream.facts}"

    def plan(self, batch_size: int, *options: Any, most: int | None = None) -> Any:
        """Returns the `StreamPlan` of its mini-batches, or of the first one if few examples are wanted.

        Args:
          batch_size: not used.
          options: (shuffle, drop_remainder, seed), of which the seed is that of augmentations.
          most: None, or how many examples are wanted.
        """
        return StreamPlan(self, options[-1] if options else 0, most)


class StreamPlan:
    """The mini-batches of a stream, in every epoch: what `batches.Plan` is for arrays.

    Args:
      stream: its examples.
      seed: of augmentations.
      most: of how many examples an evaluation is, about; None for all.

    Attributes:
      record: what a checkpoint holds of it.
      examples, batch_size, full_size: examples of the first mini-batch, which are those of most others.
      examples_per_epoch: of the last epoch that was read to its end; None before.
    """

    shuffle = drop_remainder = False
    short_size = 0

    def __init__(self, stream: StreamExamples, seed: int, most: int | None = None) -> None:
        self.elements, self.layout, self.first, self.seed = stream.elements, stream.layout, stream.first, seed
        self.examples = self.batch_size = self.full_size = len(self.first)
        self.record = batches.Plan(self.examples, self.batch_size, shuffle=False, seed=seed)
        self.examples_per_epoch: int | None = None
        self.most = most
        self.lengths: dict[int, int] = {}
        self.marks: dict[tuple[int, int], tuple[int, int, int]] = {}
        self.limits = {source.placeholder.name: source.limits for source in stream.sources}

    def length(self, epoch: int = 0) -> int | None:
        """Returns the number of mini-batches in an epoch; None if it is not known yet."""
        return self.lengths.get(epoch, self.elements.stream.length)

    def ends(self, epoch: int, batch: int) -> bool:
        """Whether an epoch has this number of mini-batches, as far as it was read."""
        return self.lengths.get(epoch) == batch

    def is_full(self, batch: Batch) -> bool:
        """Whether a mini-batch has the shapes of the first one."""
        return batch.form == self.first.form

    def slices(self) -> Iterator[Batch]:
        """Yields the mini-batches of an evaluation: those of epoch 0, each time."""
        for _, batch in self.read(0, 0):
            yield batch
            if self.most is not None and batch.first + len(batch) >= self.most:
                return

    def after(self, epoch: int, batch: int) -> Iterator[Batch]:
        """Yields the mini-batches of an epoch without the first ones, which are read and dropped.

        Those that were read before must be the same again.
        """
        end, examples = batch, 0
        for number, found in self.read(epoch, batch):
            mark = found.mark()
            if self.marks.setdefault((epoch, number), mark) != mark:
                rule = f"the stream has another batch {number} in epoch {epoch + 1} now"
                raise CannotRepeatError(rule)
            if len(self.marks) > MARKS:
                del self.marks[next(iter(self.marks))]
            yield found
            end, examples = number + 1, found.first + len(found)
        if self.lengths.setdefault(epoch, end) != end:
            rule = (
                f"the stream had {self.lengths[epoch]} mini-batches in epoch {epoch + 1}, and has {end} now"
            )
            raise CannotRepeatError(rule)
        self.examples_per_epoch = examples or self.examples_per_epoch

    def indices(self, epoch: int, batch: int) -> np.ndarray:
        """Returns the places of a mini-batch's examples in the epoch, if it was read."""
        first, count, _ = self.marks.get((epoch, batch), (0, 0, 0))
        return np.arange(first, first + count)

    def read(self, epoch: int, skipped: int) -> Iterator[tuple[int, Batch]]:
        """Yields (number, mini-batch) of an epoch without the first ones, each checked."""
        count = examples = 0
        for number, named in enumerate(self.elements.of_epoch(epoch)):
            if number >= skipped:
                yield number, self.checked(self.elements.check_of(epoch, number), named, examples)
            examples, count = examples + len(next(iter(named.values()))), number + 1
        check = self.elements.check
        rule = f"the stream must have mini-batches in epoch {epoch + 1}, too: a function must return a new "
        check.require(count, f"{rule}iterator each time", batches=count)
        rule = f"the stream must have the {skipped} mini-batches that were trained on in epoch {epoch + 1}"
        check.require(count >= skipped, rule, batches=count)

    def checked(self, check: checks.Checker, named: Mapping[Any, Any], first: int) -> Batch:
        """Returns the mini-batch of an element, checked."""
        rule = "each mini-batch must hold what the first one held"
        check.require(named.keys() == self.layout.keys(), rule, keys=texts(named), first=texts(self.layout))
        given = {placeholder: named[key] for key, placeholder in self.layout.items()}
        arrays: dict[str, np.ndarray] = {}
        for placeholder, rows in received.check_arrays(check, given).items():
            name, dtype, array = placeholder.name, self.first.arrays[placeholder.name].dtype, rows[:]
            alike = array.dtype == dtype or {array.dtype.kind, dtype.kind} <= set("USO")
            rule = f"{name} must have the dtype of the first mini-batch, {dtype}"
            check.require_type(alike, rule, dtype=str(array.dtype))
            check_size(check, placeholder, len(array))
            arrays[name] = array
        for name, array in arrays.items():
            self.limits[name].check(check, array, range(len(array)))
        return Batch(arrays, first)


class Elements:
    """The elements of a stream, by the keys of what they hold.

    Args:
      check: of the function that was called.
      stream: what yields them.
      keys: of what a tuple holds; one key for elements that are single arrays; None for dicts.
      graph: of the placeholders.
    """

    def __init__(self, check: checks.Checker, stream: Stream, keys: Any, graph: tf.Graph) -> None:
        self.check, self.stream, self.keys, self.graph = check, stream, keys, graph

    def check_of(self, epoch: int, number: int) -> checks.Checker:
        """Returns what checks a mini-batch, whose messages name it."""
        where = f" of epoch {epoch + 1}" if self.check.function == "fit" else ""
        return checks.Checker(f"{self.check.function}, batch {number}{where}")

    def begin(self) -> Mapping[Any, Any]:
        """Returns the first mini-batch."""
        with self.reading(0, 0):
            element = self.stream.begin()
        self.check.require(element is not END, "the stream must have a mini-batch", batches=0)
        return self.named(self.check_of(0, 0), element)

    def of_epoch(self, epoch: int) -> Iterator[Mapping[Any, Any]]:
        """Yields {key: rows} of the mini-batches of an epoch."""
        elements = self.stream.elements(epoch)
        with contextlib.closing(elements):
            for number in itertools.count():
                with self.reading(epoch, number):
                    element = next(elements, END)
                if element is END:
                    return
                yield self.named(self.check_of(epoch, number), element)

    @contextlib.contextmanager
    def reading(self, epoch: int, number: int) -> Iterator[None]:
        """Raises an error of TensorFlow in reading as one that names the mini-batch.

        `fit` takes an error of TensorFlow for one of a step.
        """
        try:
            yield
        except tf.errors.OpError as error:
            rule = f"the mini-batch cannot be read: {error.message.splitlines()[0]}"
            raise checks.GraphkitError(self.check_of(epoch, number).message(rule)) from error

    def named(self, check: checks.Checker, element: Any) -> Mapping[Any, Any]:
        """Returns {key: rows} of an element."""
        if self.keys is None:
            if isinstance(element, Mapping) and element:
                return element
            rule = (
                "a mini-batch of a stream must be {placeholder or its name: rows}; give a stream of tuples "
            )
            rule += f"with their keys, as {data_keys.stream_code(data_keys.inputs_of(self.graph))}"
            raise TypeError(check.message(rule, element=type(element)))
        if not isinstance(self.keys, tuple):
            return {self.keys: element}
        rule = (
            f"a mini-batch of the stream must be a tuple of {len(self.keys)}: {', '.join(texts(self.keys))}"
        )
        check.require_type(isinstance(element, (tuple, list)), rule, element=type(element))
        check.require(len(element) == len(self.keys), rule, length=len(element))
        return dict(zip(self.keys, element, strict=True))


def check_batched(check: checks.Checker, placeholder: tf.Tensor, shape: tuple[int, ...]) -> None:
    """Raises for a single example in place of a mini-batch, and for one that a fixed size does not fit."""
    is_one = placeholder.shape.rank == len(shape) + 1 and placeholder.shape[1:].is_compatible_with(shape)
    rule = (
        f"{placeholder.name} takes {tensors.shape_text(placeholder)}, and the stream yields single examples"
    )
    rule += ": batch them, as by dataset.batch(128), or make arrays of all of them, as "
    rule += "by np.stack"
    check.require(not is_one, rule, shape=shape)
    if shape:
        check_size(check, placeholder, shape[0])


def check_size(check: checks.Checker, placeholder: tf.Tensor, size: int) -> None:
    """Raises for a mini-batch of another size than a placeholder that has a fixed one."""
    fixed = placeholder.shape.as_list()[0] if placeholder.shape.rank else None
    check.require(
        fixed in (None, size), f"{placeholder.name} takes {fixed} examples at a time", examples=size
    )


def texts(keys: Iterable[Any]) -> list[str]:
    """Returns keys as they are shown: placeholders by their names."""
    return [str(getattr(key, "name", key)) for key in keys]
