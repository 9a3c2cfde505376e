"""Streams: data sets that yield their mini-batches one after the other, checked as they arrive.

A stream gives what arrays give: `Examples`, whose sources take rows, and a plan, which says what each mini-batch
has. A mini-batch is then selected not by the indices of its examples but by a `Batch`, which holds them. So
all that runs steps serves both.
"""

import collections
import concurrent.futures
import inspect
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.data import batches, columns
from graphkit.graph import copies, walk
from graphkit.nn import tensors
from graphkit.running import feeds, values

END = object()
MARKS = 1 << 16  # mini-batches of which is kept what they were, so that they can be read again
RULE = (
    "elements of a stream must be {placeholder or its name: mini-batch}; a stream of tuples is given as "
    "{(images, labels): stream}"
)


class CannotRepeatError(checks.GraphkitError):
    """Mini-batches of a stream cannot be read again as they were."""


class Batch:
    """A mini-batch of a stream: the selection by which a source of the stream takes its rows.

    Args:
      arrays: {name of a placeholder: rows}.
      first: number of the examples of the epoch before it.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], first: int) -> None:
        self.arrays, self.first = arrays, first
        self.form = tuple(array.shape for array in arrays.values())  # what is run together has one form

    def __len__(self) -> int:
        return self.form[0][0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Returns the places of its examples in the epoch."""
        return np.arange(self.first, self.first + len(self), dtype=dtype)

    def mark(self) -> int:
        """Returns a number that differs for most other mini-batches, made of some of the rows."""
        found = 0
        for array in self.arrays.values():
            rows = np.ascontiguousarray(array[[0, -1]])
            content = repr(rows.tolist()).encode() if rows.dtype.hasobject else rows.view(np.uint8).data
            found = zlib.crc32(content, zlib.crc32(repr(array.shape).encode(), found))
        return found


class StreamColumn(columns.Column):
    """What a placeholder takes of a stream; indices select rows of the first mini-batch.

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
    """The examples of a stream, whose first mini-batch is checked.

    Args:
      checked: the first mini-batch as `Examples`.
      elements: what reads the stream.
      layout: {key: placeholder} of what an element holds.
    """

    def __init__(self, checked: feeds.Examples, elements: "Elements", layout: Mapping[Any, tf.Tensor]) -> None:
        arrays = {source.placeholder.name: np.asarray(source.array) for source in checked.sources}
        self.first = Batch(arrays, 0)
        sources = [
            source._replace(array=StreamColumn(source.placeholder.name, self.first), accept=None)
            for source in checked.sources
        ]
        super().__init__(sources, checked.constants, checked.given)
        self.elements, self.layout = elements, layout

    @property
    def facts(self) -> str:
        """What is known of the stream; its first mini-batch counts in any case."""
        return repr((self.elements.stream.length, self.elements.stream.facts))

    def plan(self, batch_size: int | None, shuffle: bool = False, *rest: Any) -> "StreamPlan":
        return StreamPlan(self, rest[-1] if rest else 0)


class StreamPlan:
    """The mini-batches of a stream, in every epoch: what `batches.Plan` is for arrays.

    Args:
      examples: of the stream.
      seed: of augmentations.

    Attributes:
      record: what a checkpoint holds of it.
      examples_per_epoch: of the last epoch that was read to its end; None before.
    """

    shuffle = drop_remainder = False
    short_size = 0

    def __init__(self, examples: StreamExamples, seed: int) -> None:
        self.of, self.seed, self.first = examples, seed, examples.first
        self.examples = self.batch_size = self.full_size = len(self.first)
        self.record = batches.Plan(self.examples, self.batch_size, shuffle=False, seed=seed)
        self.examples_per_epoch: int | None = None
        self.lengths: dict[int, int] = {}
        self.marks: collections.OrderedDict[tuple, tuple] = collections.OrderedDict()
        self.limits = {
            source.placeholder.name: values.Limits(source.placeholder, source.array.dtype)
            for source in examples.sources
        }

    def length(self, epoch: int = 0) -> int | None:
        """Returns the number of mini-batches in an epoch; None if it was not read to its end yet."""
        return self.lengths.get(epoch, self.of.elements.stream.length)

    def is_full(self, batch: Batch) -> bool:
        return batch.form == self.first.form

    def slices(self) -> Iterator[Batch]:
        """Yields the mini-batches for an evaluation: those of epoch 0, each time."""
        return (batch for _, batch in self.read(0, 0))

    def after(self, epoch: int, batch: int) -> Iterator[Batch]:
        """Yields the mini-batches of an epoch without the first ones, which are read and dropped.

        Those that were read before must be the same again.
        """
        number, examples = batch, 0
        for number, one in self.read(epoch, batch):
            found = one.first, len(one), one.mark()
            if self.marks.setdefault((epoch, number), found) != found:
                raise CannotRepeatError(f"the stream yields another batch {number} of epoch {epoch + 1} now")
            if len(self.marks) > MARKS:
                self.marks.popitem(last=False)
            yield one
            number, examples = number + 1, one.first + len(one)
        if self.lengths.setdefault(epoch, number) != number:
            rule = f"the stream had {self.lengths[epoch]} mini-batches in epoch {epoch + 1}, and has {number} now"
            raise CannotRepeatError(rule)
        self.examples_per_epoch = examples or self.examples_per_epoch

    def indices(self, epoch: int, batch: int) -> np.ndarray:
        """Returns the places of a mini-batch's examples in the epoch."""
        first, count, _ = self.marks.get((epoch, batch), (0, 0, 0))
        return np.arange(first, first + count)

    def read(self, epoch: int, skipped: int) -> Iterator[tuple[int, Batch]]:
        """Yields (number, mini-batch) of an epoch without the first ones, each checked."""
        number, examples = 0, 0
        for number, element in enumerate(self.of.elements.of_epoch(epoch), 1):
            check = self.of.elements.check_of(epoch, number - 1)
            named = self.of.elements.named(check, element)
            count = len(next(iter(named.values()), ()))
            if number > skipped:
                yield number - 1, self.batch_of(check, named, examples)
            examples += count
        check = self.of.elements.check
        rule = f"the stream must yield its mini-batches anew in epoch {epoch + 1}: a function must return a fresh"
        check.require(number, f"{rule} iterator each time", batches=number)
        rule = f"epoch {epoch + 1} of the stream must have the {skipped} mini-batches that were trained on before"
        check.require(number >= skipped, rule, batches=number)

    def batch_of(self, check: checks.Checker, named: Mapping[Any, Any], first: int) -> Batch:
        """Returns the mini-batch of an element, checked."""
        layout = self.of.layout
        rule = "each mini-batch must hold what the first one held"
        check.require(named.keys() == layout.keys(), rule, keys=texts(named), first=texts(layout))
        arrays = {}
        for key, placeholder in layout.items():
            name, array = placeholder.name, feeds.check_array(check, placeholder, named[key])
            dtype = self.first.arrays[name].dtype
            rule = f"{name} must have the dtype of the first mini-batch, {dtype}"
            same = array.dtype == dtype or {array.dtype.kind, dtype.kind} <= set("USO")
            check.require_type(same, rule, dtype=str(array.dtype))
            arrays[name] = np.asarray(array)
        check_lengths(check, {layout[key].name: layout[key] for key in layout}, arrays)
        for name, array in arrays.items():
            self.limits[name].check(check, array, range(len(array)))
        return Batch(arrays, first)


def texts(keys: Iterable[Any]) -> list[str]:
    return sorted(str(getattr(key, "name", key)) for key in keys)


def check_lengths(
    check: checks.Checker, placeholders: Mapping[str, tf.Tensor], arrays: Mapping[str, np.ndarray]
) -> None:
    """Raises unless all arrays have as many examples as each other, and as a placeholder of a fixed size."""
    lengths = {name: len(array) for name, array in arrays.items()}
    same = len(set(lengths.values())) == 1 and min(lengths.values()) > 0
    check.require(same, "all arrays must have the same number of examples, and at least one", examples=lengths)
    for name, placeholder in placeholders.items():
        size = placeholder.shape.as_list()[0] if placeholder.shape.rank else None
        check.require(size in (None, lengths[name]), f"{name} takes {size} examples at a time", examples=lengths)


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
      data: as `feeds.check_examples` takes it, or a stream: a `tf.data.Dataset`, a function that returns an
        iterator, or an iterable, of {placeholder or its name: mini-batch}; or {(placeholder or its name,
        ...): stream of tuples}.
    """
    keys: Any = None
    stream = data
    if isinstance(data, Mapping):
        found = [key for key, value in data.items() if isinstance(key, tuple) or is_stream(value)]
        if found:
            rule = "a stream must be the one entry of data, as in {(images, labels): stream}"
            check.require(len(data) == 1, rule, keys=texts(data))
            keys, stream = next(iter(data.items()))
    if not is_stream(stream):
        check.require_type(not isinstance(keys, tuple), f"{texts(keys or ())} must have a stream", data=type(stream))
        return feeds.check_examples(check, graph, data, feed, fetches, own, augment)
    elements = Elements(check, Stream(check, stream), keys)
    named = elements.first()
    layout = {key: feeds.check_key(check, graph, key) for key in named}
    first = elements.check_of(0, 0)
    for key, placeholder in layout.items():
        shape = np.shape(named[key])
        is_one = placeholder.shape.rank == len(shape) + 1 and placeholder.shape[1:].is_compatible_with(shape)
        rule = f"{placeholder.name} takes mini-batches, {tensors.shape_text(placeholder)}, and the stream yields "
        first.require(not is_one, f"{rule}single examples: batch them, as by dataset.batch(128)", shape=shape)
    checked = feeds.check_examples(first, graph, named, feed, fetches, own, augment)
    arrays = {source.placeholder.name: source.array for source in checked.sources}
    check_lengths(first, {p.name: p for p in layout.values()}, arrays)
    return StreamExamples(checked, elements, layout)


def require_usable(
    check: checks.Checker, examples: feeds.Examples, epochs: int, alone: bool, **wishes: Any
) -> None:
    """Raises for what a fit cannot do with a stream.

    Args:
      examples: those of arrays are always usable.
      epochs: how often the stream is read.
      alone: whether a single process trains.
      wishes: arguments that a stream does not take, which are falsy unless they are given.
    """
    if not isinstance(examples, StreamExamples):
        return
    rule = "a stream is read by a single process, which several workers cannot share: give them arrays"
    check.require(alone, rule)
    for name, value in wishes.items():
        check.require(not value, f"{name} is not for a stream, which has mini-batches of its own", **{name: value})
    rule = "an iterator can be read once: give the function that makes it, not what it returns, to read it in each "
    stream = examples.elements.stream
    check.require(not stream.once or epochs <= 1, f"{rule}epoch", epochs=epochs, data=type(stream.source))


def is_stream(value: Any) -> bool:
    """Whether a value is read one mini-batch after the other."""
    if hasattr(type(value), "__getitem__") or isinstance(value, (Mapping, set, frozenset, type)):
        return False
    return callable(value) or hasattr(type(value), "__iter__") or hasattr(type(value), "__next__")


class Elements:
    """The elements of a stream by the names of what they hold.

    Args:
      check: of the function that was called.
      stream: what yields them.
      keys: of what a tuple holds, one key for elements that are a single array, or None for dicts.
    """

    def __init__(self, check: checks.Checker, stream: "Stream", keys: Any) -> None:
        self.check, self.stream, self.keys = check, stream, keys

    def check_of(self, epoch: int, number: int) -> checks.Checker:
        """Returns what checks a mini-batch, and names it in messages."""
        where = f" of epoch {epoch + 1}" if self.check.function == "fit" else ""
        return checks.Checker(f"{self.check.function}, batch {number}{where}")

    def first(self) -> Mapping[Any, Any]:
        """Returns the first element of epoch 0, which stays the first one to be read."""
        elements = self.of_epoch(0)
        element = next(elements, END)
        self.check.require(element is not END, "the stream must have a mini-batch", batches=0)
        self.stream.give_back(elements, element)
        return self.named(self.check_of(0, 0), element)

    def of_epoch(self, epoch: int) -> Iterator[Any]:
        return self.stream.elements(epoch)

    def named(self, check: checks.Checker, element: Any) -> Mapping[Any, Any]:
        """Returns {key: mini-batch} of an element."""
        if self.keys is None:
            check.require_type(isinstance(element, Mapping), RULE, element=type(element))
            return element
        if not isinstance(self.keys, tuple):
            return {self.keys: element}
        rule = f"elements of the stream must be tuples of {len(self.keys)}, {texts(self.keys)}"
        is_tuple = isinstance(element, (tuple, list)) and not isinstance(element, Mapping)
        check.require_type(is_tuple, rule, element=type(element))
        check.require(len(element) == len(self.keys), rule, length=len(element))
        return dict(zip(self.keys, element, strict=True))


class Stream:
    """Reads a stream anew in each epoch.

    All of it runs in one thread, which knows no graph: so a dataset that was made outside of graphs can be read
    while the caller is inside one, and a generator may hold what belongs to a thread.

    Args:
      check: of the function that was called.
      source: a `tf.data.Dataset`; a function () or (epoch) that returns one, or an iterable; an iterable.

    Attributes:
      once: whether it can be read once, as a generator.
      length: number of its mini-batches, or None.
      facts: what else is known of it, as JSON.
    """

    def __init__(self, check: checks.Checker, source: Any) -> None:
        self.check, self.source = check, source
        self.thread = concurrent.futures.ThreadPoolExecutor(1, "graphkit-stream")
        self.once = not callable(source) and hasattr(type(source), "__next__")
        self.facts = getattr(source, "facts", None)
        self.opened = 0
        self.begun: tuple[Generator, Any] | None = None
        self.length: int | None = None
        if isinstance(source, tf.data.Dataset):
            reader = self.call(DatasetReader, check, source)
            self.open, self.length = reader.open, reader.length
        elif callable(source):
            self.open = self.opener(source)
        else:
            self.open = lambda epoch: iter(source)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Returns what a function returns, called in the stream's thread."""
        return self.thread.submit(function, *arguments).result()

    def opener(self, function: Callable[..., Any]) -> Callable[[int], Iterator[Any]]:
        """Returns the function epoch -> iterator that calls a function of the caller."""
        takes = inspect.signature(function).parameters.values()
        needed = [p.name for p in takes if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        rule = "the function of a stream takes nothing, or the number of the epoch as `epoch`"
        self.check.require(needed in ([], ["epoch"]), rule, needs=needed)
        by_epoch = any(p.name == "epoch" for p in takes)

        def open_epoch(epoch: int) -> Iterator[Any]:
            found = function(epoch=epoch) if by_epoch else function()
            if isinstance(found, tf.data.Dataset):
                return DatasetReader(self.check, found).open(0)
            rule = "the function of a stream must return an iterable of mini-batches, as a generator function does"
            is_iterable = hasattr(type(found), "__iter__") and not isinstance(found, (Mapping, np.ndarray))
            self.check.require_type(is_iterable, rule, returned=type(found))
            return iter(found)

        return open_epoch

    def give_back(self, elements: Generator, element: Any) -> None:
        """Keeps what was read of epoch 0 until that is read again."""
        self.begun = elements, element

    def elements(self, epoch: int) -> Generator[Any, None, None]:
        """Yields the elements of an epoch."""
        begun, self.begun = self.begun, None
        if begun is not None and epoch == 0:
            yield begun[1]
            yield from begun[0]
            return
        if begun is not None:
            begun[0].close()
        if self.once and self.opened:
            raise CannotRepeatError("an iterator can be read only once")
        self.opened += 1
        number, iterator = 0, self.call(self.open, epoch)
        try:
            while (element := self.next(iterator, epoch, number)) is not END:
                yield element
                number += 1
        finally:
            if hasattr(iterator, "close"):
                self.call(iterator.close)

    def next(self, iterator: Iterator[Any], epoch: int, number: int) -> Any:
        try:
            return self.call(next, iterator, END)
        except tf.errors.OpError as error:
            rule = f"batch {number} of epoch {epoch + 1} cannot be read ({error.message.splitlines()[0]})"
            raise checks.GraphkitError(self.check.message(rule)) from error


class DatasetReader:
    """Reads a `tf.data.Dataset`, of no graph or of one.

    A dataset that shuffles by a seed has another order each time that it is read, which follows from how often
    it was read before. So the iterators of earlier epochs are made and dropped where a run is resumed.

    Args:
      check: of the function that was called.
      dataset: the dataset.

    Attributes:
      length: the number of its elements; None if it is not known.
    """

    def __init__(self, check: checks.Checker, dataset: tf.data.Dataset) -> None:
        spec = dataset.element_spec
        wrong = [part for part in tf.nest.flatten(spec) if not isinstance(part, tf.TensorSpec)]
        rule = "elements of a dataset must be dense tensors (see tf.RaggedTensor.to_tensor, tf.sparse.to_dense)"
        check.require_type(not wrong, rule, element=wrong[:1])
        self.dataset, self.opened = dataset, 0
        variant = tf.data.experimental.to_variant(dataset)
        self.graph: tf.Graph | None = None
        if walk.is_graph_tensor(variant):
            self.copy(check, variant, spec)
            with self.session() as session:
                length = int(session.run(self.count))
        else:
            length = int(dataset.cardinality())
        rule = "the dataset must end, where an epoch ends: take some of it, as by dataset.take(1000)"
        check.require(length != tf.data.INFINITE_CARDINALITY, rule, cardinality="infinite")
        self.length = None if length == tf.data.UNKNOWN_CARDINALITY else length

    def open(self, epoch: int) -> Iterator[Any]:
        """Returns the iterator of an epoch."""
        if self.graph is not None:
            return self.run()
        while True:
            iterator = self.dataset.as_numpy_iterator()
            self.opened += 1
            if self.opened > epoch:
                return iterator

    def copy(self, check: checks.Checker, variant: tf.Tensor, spec: Any) -> None:
        """Copies the dataset of a graph into a graph of its own: that one may be finalized, and has a session."""
        ops = walk.as_made(walk.ancestors([variant]))
        outer = [op.name for op in ops if op.type in (*walk.PLACEHOLDERS, *walk.HOLDS_STATE)]
        rule = "the dataset must not depend on placeholders or variables of its graph"
        check.require(not outer, rule, depends_on=outer[:3])
        definition = copies.definition_of(ops, keep_devices=False)
        self.graph = tf.Graph()
        with self.graph.as_default():
            (copied,) = copies.paste(definition, {}, [variant.name])
            dataset = tf.data.experimental.from_variant(copied, spec)
            self.count = tf.data.experimental.cardinality(dataset)
            self.iterator = tf.compat.v1.data.make_initializable_iterator(dataset)
            self.element = self.iterator.get_next()

    def session(self) -> Any:
        config = tf.compat.v1.ConfigProto(device_count={"GPU": 0})
        return tf.compat.v1.Session(graph=self.graph, config=config)

    def run(self) -> Iterator[Any]:
        """Yields the elements, each of a run of the session."""
        with self.session() as session:
            session.run(self.iterator.initializer)
            while True:
                try:
                    element = session.run(self.element)
                except tf.errors.OutOfRangeError:
                    return
                yield element
