"""Reads streams anew in each epoch: `tf.data.Dataset`s, generators, other iterables."""

import concurrent.futures
import contextlib
import inspect
import queue
import threading
import weakref
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.graph import copies, walk

END = object()
NO_STREAMS = (Mapping, set, frozenset, type)


class CannotRepeatError(checks.GraphkitError):
    """Mini-batches of a stream cannot be read again as they were."""


def is_stream(value: Any) -> bool:
    """Whether a value is read one mini-batch after the other."""
    has_places = hasattr(type(value), "__len__") or hasattr(value, "shape")
    if (has_places and hasattr(type(value), "__getitem__")) or isinstance(value, NO_STREAMS):
        return False
    return callable(value) or hasattr(type(value), "__iter__")


class Stream:
    """Reads a stream anew in each epoch.

    It is read in one thread, which is in no graph. So a dataset that was made outside of graphs can be read
    while the caller is inside one, and a generator may hold what belongs to a thread.

    Args:
      check: of the function that was called.
      source: a `tf.data.Dataset`; a function () or (epoch) that returns one, or an iterable; an iterable.

    Attributes:
      once: whether it can be read only once, as a generator.
      length: number of its mini-batches, or None where it does not say it.
      facts: what else it says of itself, or None.
    """

    def __init__(self, check: checks.Checker, source: Any) -> None:
        self.check, self.source = check, source
        self.thread = ReadingThread()
        self.once = not callable(source) and hasattr(type(source), "__next__")
        self.facts = getattr(source, "facts", None)
        self.length: int | None = None
        self.opened = False
        self.begun: tuple[Generator, Any] | None = None
        self.open: Callable[[int], Iterator[Any]]
        if isinstance(source, tf.data.Dataset):
            reader = self.thread.call(DatasetReader, check, source)
            self.open, self.length = reader.open, reader.length
        elif callable(source):
            self.open = opener(check, source)
        else:
            self.open = lambda epoch: iter(source)

    def begin(self) -> Any:
        """Returns the first element of epoch 0, which stays the first one where epoch 0 is read next."""
        elements = self.elements(0)
        element = next(elements, END)
        self.begun = elements, element
        return element

    def elements(self, epoch: int) -> Generator[Any, None, None]:
        """Yields the elements of an epoch."""
        begun, self.begun = self.begun, None
        if begun is not None and (epoch == 0 or self.once):
            yield begun[1]
            yield from begun[0]
            return
        if begun is not None:
            begun[0].close()
        if self.once and self.opened:
            rule = (
                "an iterator can be read only once; give the function that makes it to go on in a new epoch"
            )
            raise CannotRepeatError(self.check.message(rule))
        self.opened = True
        iterator = self.thread.call(self.open, epoch)
        try:
            while (element := self.thread.call(next, iterator, END)) is not END:
                yield element
        finally:
            if hasattr(iterator, "close"):
                self.thread.start(iterator.close)


class ReadingThread:
    """Calls functions one after the other in a thread of its own, which ends with this object."""

    def __init__(self) -> None:
        # Python may collect a generator, whose end calls `start`, at any moment: also while the same thread
        # holds a lock. So nothing may lock or wait there; a SimpleQueue can be used in a destructor.
        self.jobs: queue.SimpleQueue = queue.SimpleQueue()
        threading.Thread(target=work, args=(self.jobs,), name="graphkit-stream", daemon=True).start()
        weakref.finalize(self, self.jobs.put, None)

    def start(self, function: Callable[..., Any], *arguments: Any) -> concurrent.futures.Future:
        """Lets a function be called after those before it; returns the future of what it returns."""
        future: concurrent.futures.Future = concurrent.futures.Future()
        self.jobs.put((future, function, arguments))
        return future

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Returns what a function returns, called in the thread."""
        return self.start(function, *arguments).result()


def work(jobs: queue.SimpleQueue) -> None:
    """Does jobs until there is None."""
    while (job := jobs.get()) is not None:
        future, function, arguments = job
        try:
            future.set_result(function(*arguments))
        except BaseException as error:
            future.set_exception(error)
        del job, future, function, arguments  # so that nothing lives until the next job


def opener(check: checks.Checker, function: Callable[..., Any]) -> Callable[[int], Iterator[Any]]:
    """Returns a function epoch -> iterator, which calls the one of the caller."""
    parameters = inspect.signature(function).parameters.values()
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in variable]
    rule = "the function of a stream takes nothing, or `epoch`, the number of the epoch counted from 0"
    check.require(needed in ([], ["epoch"]), rule, needs=needed)
    by_epoch = any(parameter.name == "epoch" for parameter in parameters)

    def open_epoch(epoch: int) -> Iterator[Any]:
        found = function(epoch=epoch) if by_epoch else function()
        if isinstance(found, tf.data.Dataset):
            return DatasetReader(check, found).open(0)
        rule = (
            "the function of a stream must return an iterable of mini-batches, as a generator function does"
        )
        is_iterable = hasattr(type(found), "__iter__") and not isinstance(found, (Mapping, np.ndarray))
        check.require_type(is_iterable, rule, returned=type(found))
        return iter(found)

    return open_epoch


class DatasetReader:
    """Reads a `tf.data.Dataset`, of no graph or of one.

    A dataset that shuffles by a seed has another order each time that it is read, which follows from how
    often it was read before. So a run that is resumed makes the iterators of earlier epochs, and drops them.

    Args:
      check: of the function that was called.
      dataset: the dataset.

    Attributes:
      length: the number of its elements; None if it is not known.
    """

    def __init__(self, check: checks.Checker, dataset: tf.data.Dataset) -> None:
        specs = tf.nest.flatten(dataset.element_spec)
        wrong = [spec for spec in specs if not isinstance(spec, tf.TensorSpec)]
        rule = (
            "elements of a dataset must be dense tensors, see tf.sparse.to_dense and RaggedTensor.to_tensor"
        )
        check.require_type(not wrong, rule, element=wrong[:1])
        self.dataset, self.opened = dataset, 0
        variant = tf.data.experimental.to_variant(dataset)
        self.graph: tf.Graph | None = None
        if walk.is_graph_tensor(variant):
            self.copy(check, variant)
            with self.session() as session:
                length = int(session.run(self.count))
        else:
            length = int(dataset.cardinality())
        rule = "the dataset must end, so that an epoch does: take some of it, as by dataset.take(1000)"
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

    def copy(self, check: checks.Checker, variant: tf.Tensor) -> None:
        """Copies the dataset into a graph of its own, since its graph may be finalized."""
        ops = walk.as_made(walk.ancestors([variant]))
        outer = [op.name for op in ops if op.type in (*walk.PLACEHOLDERS, *walk.HOLDS_STATE)]
        rule = "the dataset must not depend on placeholders or variables of its graph"
        check.require(not outer, rule, depends_on=outer[:3])
        definition = copies.definition_of(ops, keep_devices=False)
        self.graph = tf.Graph()
        with self.graph.as_default():
            (copied,) = copies.paste(definition, {}, [variant.name])
            dataset = tf.data.experimental.from_variant(copied, self.dataset.element_spec)
            self.count = tf.data.experimental.cardinality(dataset)
            self.iterator = tf.compat.v1.data.make_initializable_iterator(dataset)
            self.element = self.iterator.get_next()

    def session(self) -> Any:
        config = tf.compat.v1.ConfigProto(device_count={"GPU": 0})
        return tf.compat.v1.Session(graph=self.graph, config=config)

    def run(self) -> Iterator[Any]:
        """Yields the elements, each of a run of a session."""
        # Not `with session`, which would make its graph the default one between two elements.
        with contextlib.closing(self.session()) as session:
            session.run(self.iterator.initializer)
            while True:
                try:
                    element = session.run(self.element)
                except tf.errors.OutOfRangeError:
                    return
                yield element
