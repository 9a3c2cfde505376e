"""Runs of mini-batches: one by one by `session.run`, or many by a loop in the graph, to the same results."""

import concurrent.futures
import math
import re
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from graphkit.data import batches
from graphkit.graph import walk
from graphkit.nn.metrics import Metric
from graphkit.running import metrics as running_metrics
from graphkit.running.feeds import Examples, Source
from graphkit.running.loops import Loop
from graphkit.running.training_step import TrainingStep
from graphkit.running.workers import ALONE, Workers

AUGMENTATION = (
    1  # keeps the seeds of augmentation, (seed, step, 1), apart from those of shuffling, (seed, epoch)
)
RUN_SECONDS = 0.2  # how long a run of several steps should take, so that progress is shown often
MOST_STEPS = 256  # in one run
RELEASED_BATCHES = 16  # mini-batches after which a mapped file's pages are given back

Selections = Sequence[Any]  # for each mini-batch an index array, or a slice
# Called with a function to call after each mini-batch; returns {name: metric over all examples}.
Evaluation = Callable[[Callable[[], None]], dict[str, Any]]


class Run(NamedTuple):
    """One or more mini-batches that were run together.

    Attributes:
      values: for each value of a step, an array (mini-batches, ...); the loss is the first.
      rates: learning rates of the steps, each a number, or a list of those of several losses; empty where the
        optimizer brings its own, or nothing is trained.
      batch_size: examples in each of the mini-batches.
    """

    values: list[np.ndarray]
    rates: list[Any]
    batch_size: int

    def head(self, count: int) -> "Run":
        """Returns the first mini-batches of the run."""
        return Run([value[:count] for value in self.values], self.rates[:count], self.batch_size)

    def last(self) -> "Run":
        """Returns the last mini-batch of the run."""
        return Run([value[-1:] for value in self.values], self.rates[-1:], self.batch_size)


class Steps(Protocol):
    """What runs mini-batches of one size: `FeedSteps` or `LoopSteps`.

    Attributes:
      prefetches: whether the next run is prepared while the session is busy.
      copied: whether a copy of the step is run, and not the ops of the graph.
      measured: how many mini-batches a run may have to take RUN_SECONDS, as the last one was measured.
    """

    prefetches: bool
    copied: bool
    measured: int

    def next_count(self, left: int) -> int:
        """Returns how many of the mini-batches that are left the next run takes."""

    def prepare(self, selections: Selections, seeds: Sequence[tuple | None]) -> Any:
        """Returns what `run` needs for the mini-batches that are selected."""

    def run(self, prepared: Any, rates: Sequence[Any]) -> list[np.ndarray]:
        """Returns the fetched values, each with a first axis for the mini-batches."""


class FeedSteps:
    """Runs one `session.run` per mini-batch, through a callable made once.

    Args:
      session: the session.
      fetches: tensors (or ops) to run for each mini-batch.
      examples: what is sliced and fed.
      rate_input: placeholder of the learning rate, if there is one.
      prefetches: whether the next mini-batch is prepared while the session is busy, which saves time if
        mini-batches are large.
      step: the `TrainingStep` whose global step is fed to the masks that the fetches need; None for masks
        that are drawn anew in each run.
    """

    def __init__(
        self,
        session: Any,
        fetches: Sequence[Any],
        examples: Examples,
        rate_input: tf.Tensor | None = None,
        prefetches: bool = False,
        step: TrainingStep | None = None,
    ) -> None:
        self.sources = examples.sources
        self.prefetches = prefetches
        self.copied = False
        self.measured = 1
        constants = examples.constants_for(fetches)
        self.constants = list(constants.values())
        self.has_rate = rate_input is not None
        fed = [source.placeholder for source in self.sources] + list(constants)
        fed += [rate_input] * self.has_rate
        self.read_step: Callable[[], Any] | None = None
        if (
            step is not None
            and not any(p is step.step_input for p in fed)
            and step.step_input.op in walk.ancestors(fetches)
        ):
            # Read in each run: `restore` and callbacks may change it between two runs.
            self.read_step = session.make_callable(step.global_step)
            fed.append(step.step_input)
        self.call = session.make_callable(list(fetches), fed)

    def next_count(self, left: int) -> int:
        return 1

    def prepare(self, selections: Selections, seeds: Sequence[tuple | None]) -> list:
        rows = [source.rows(selections[0], seeds[0]) for source in self.sources]
        for source in self.sources:
            source.release()
        return [*rows, *self.constants]

    def run(self, prepared: list, rates: Sequence[Any] = ()) -> list[np.ndarray]:
        number = [] if self.read_step is None else [np.int64(self.read_step())]
        fetched = self.call(*prepared, *rates[: self.has_rate], *number)
        return [np.asarray(value)[np.newaxis] for value in fetched if value is not None]


class LoopSteps:
    """Runs many mini-batches in one `session.run`, by a loop in the graph.

    Args:
      session: the session.
      loop: the loop.
      examples: what is sliced and fed.
      resident: whether each run is given the complete arrays, or only the rows that it needs.
      steps_per_run: mini-batches in a run, or None for as many as RUN_SECONDS allow.
      fixed: whether all runs are given arrays of one shape, since XLA compiles once for each shape.
      most: largest number of mini-batches in a run.
    """

    def __init__(
        self,
        session: Any,
        loop: Loop,
        examples: Examples,
        resident: bool,
        steps_per_run: int | None,
        fixed: bool = False,
        most: float = math.inf,
    ) -> None:
        self.sources = examples.sources
        self.prefetches = not resident
        self.copied = True
        self.steps_per_run = steps_per_run
        self.fixed = fixed
        takes = [loop.input_for(source) for source in self.sources]
        self.arrays = None
        if resident and loop.stored:  # on the machine of the session, see `Loop.store`
            self.arrays, takes = [], []
        elif resident:
            self.arrays = [resident_array(loop, source) for source in self.sources]
        self.dtypes = [placeholder.dtype.as_numpy_dtype for placeholder in takes]
        constants = {**examples.constants_for(loop.values), **loop.flags(self.sources)}
        self.constants = list(constants.values())
        fed = [loop.order, loop.count, loop.rates, *takes, *constants]
        self.call = session.make_callable(loop.values, fed)
        self.rate_shape = loop.rates.shape.as_list()[1:]
        self.measured = 8
        self.largest = int(min(steps_per_run or MOST_STEPS, most))

    def compile(self, batch_size: int) -> str | None:
        """Compiles the loop by running none of its steps; returns why that failed, or None."""
        order = np.zeros((self.largest, batch_size), np.int32)
        rates = np.zeros((self.largest, *self.rate_shape), np.float32)
        if self.arrays is None:
            length = self.largest * batch_size
            shapes = [(length, *source.array.shape[1:]) for source in self.sources]
            arrays = [batches.aligned_empty(s, d) for s, d in zip(shapes, self.dtypes, strict=True)]
        else:
            arrays = self.arrays
        try:
            self.call(order, np.int32(0), rates, *arrays, *self.constants)
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
            return f"XLA cannot compile it: {xla_message(error.message)}"
        return None

    def next_count(self, left: int) -> int:
        return min(left, self.steps_per_run or self.measured, self.largest)

    def prepare(self, selections: Selections, seeds: Sequence[tuple | None]) -> tuple:
        count, size = len(selections), len(selections[0])
        steps = self.largest if self.fixed else count
        order = np.zeros((steps, size), np.int32)
        if self.arrays is not None:
            order[:count] = selections
            return count, order, self.arrays
        order[:count] = np.arange(count * size, dtype=np.int32).reshape(count, size)
        chunks = [
            chunk_of(source, dtype, selections, seeds, steps * size)
            for source, dtype in zip(self.sources, self.dtypes, strict=True)
        ]
        return count, order, chunks

    def run(self, prepared: tuple, rates: Sequence[Any] = ()) -> list[np.ndarray]:
        count, order, arrays = prepared
        padded = np.zeros((len(order), *self.rate_shape), np.float32)
        padded[: len(rates)] = rates
        started = time.perf_counter()
        values = self.call(order, np.int32(count), padded, *arrays, *self.constants)
        seconds = (time.perf_counter() - started) / count
        # The next runs have as many steps as RUN_SECONDS allow at this speed, at most four times as many.
        wanted = int(RUN_SECONDS / max(seconds, 1e-6))
        self.measured = max(1, min(wanted, 4 * self.measured, MOST_STEPS))
        return [value[:count] for value in values]


def xla_message(text: str) -> str:
    """Returns the line of XLA's message that names the op, with the op's name as in the graph of the step.

    TensorFlow puts a line that says nothing before it, and names of functions and scopes that it has made.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = next((line for line in lines if line != "Graph execution error:"), "no reason is given")
    told = re.sub(r"\)\{\{node \S+\}\}$", ")", told)
    told = re.sub(r"\{\{node (\S+?)\}\}", r"\1", told)
    told = re.sub(r" when trying to compile graph \S+ on XLA_CPU_JIT", "", told)
    told = re.sub(r"_tfg_inlined_(step/)?(\w+?)_\d+\b", r" (in \2)", told)
    return re.sub(r"(?<![\w/])step/", "", told)[:300]


def resident_array(loop: Loop, source: Source) -> np.ndarray:
    """Returns the complete array as the loop takes it: aligned, so that TensorFlow need not copy it."""
    dtype = loop.input_for(source).dtype.as_numpy_dtype
    return batches.aligned(source.complete, dtype)


def chunk_of(
    source: Source, dtype: Any, selections: Selections, seeds: Sequence[tuple | None], length: int
) -> np.ndarray:
    """Returns the rows of several mini-batches one after the other, in an aligned array of the length."""
    chunk, at = batches.aligned_empty((length, *source.array.shape[1:]), dtype), 0
    for number, (selection, seed) in enumerate(zip(selections, seeds, strict=True), 1):
        rows = source.raw_rows(selection, seed)
        chunk[at : at + len(rows)] = rows
        at += len(rows)
        if number % RELEASED_BATCHES == 0:
            source.release()
    source.release()
    chunk[at:] = 0
    return chunk


def run_all(
    steps: Steps,
    selections: Selections,
    seed_of: Callable[[int], tuple | None] = lambda place: None,
    rates_of: Callable[[range], list[Any]] = lambda places: [],
    limit: Callable[[int], float] = lambda place: math.inf,
) -> Generator[tuple[Run, Selections], None, None]:
    """Yields (run, its selections), until all mini-batches were run.

    A thread prepares the next run while the session is busy, if `steps` says that this saves time. Learning
    rates are computed when a run starts, so that a callback after a run can still change those of the next
    one, which may be prepared already.

    Args:
      steps: what runs the mini-batches.
      selections: for each mini-batch an index array or a slice, all of one length except for the last slice.
      seed_of: function place -> seed of the augmentation of the mini-batch at that place in selections.
      rates_of: function places -> learning rates.
      limit: function place -> largest number of mini-batches in a run that begins there.
    """
    total = len(selections)

    def after(first: int) -> int:
        return first + steps.next_count(int(min(total - first, limit(first))))

    def prepare(first: int, stop: int) -> Any:
        return steps.prepare(selections[first:stop], [seed_of(place) for place in range(first, stop)])

    if not total:
        return
    with concurrent.futures.ThreadPoolExecutor(1, "graphkit-prefetch") as thread:
        first, stop = 0, after(0)
        prepared = prepare(first, stop)
        while True:
            following = None
            if steps.prefetches and stop < total:
                upcoming = after(stop)
                following = thread.submit(prepare, stop, upcoming)
            rates = rates_of(range(first, stop))
            values = steps.run(prepared, rates)
            taken = selections[first:stop]
            yield Run(values, rates, length_of(taken[0])), taken
            if stop == total:
                return
            if following is None:
                upcoming = after(stop)
                prepared = prepare(stop, upcoming)
            else:
                prepared = following.result()
            first, stop = stop, upcoming


def length_of(selection: Any) -> int:
    return selection.stop - selection.start if isinstance(selection, slice) else len(selection)


def evaluate(
    steps: Steps,
    plan: batches.Plan,
    metrics: Mapping[str, Metric],
    after_batch: Callable[[], None] = lambda: None,
    workers: Workers = ALONE,
) -> dict[str, Any]:
    """Returns {name: metric over all examples of the plan}, and calls a function after each mini-batch."""
    means = running_metrics.Means(metrics)
    for run, _ in run_all(steps, workers.slices(plan)):
        means.add(run.values, run.batch_size)
        after_batch()
    return workers.total(means).result()
