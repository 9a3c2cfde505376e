"""How steps are executed: one by one, or many in one `session.run`, with the same results."""

import concurrent.futures
import math
import os
import time

import numpy as np
import tensorflow as tf

from graphkit.data import batches

AUGMENTATION = 1  # tells the seeds of augmentation, (seed, step, 1), from those of shuffling, (seed, epoch)
EXECUTIONS = ("auto", "feed", "chunks", "resident", "compiled")
RUN_SECONDS = 0.2  # how long a run of several steps shall take, so that progress moves
MOST_STEPS = 256  # in one run
RELEASED_BATCHES = 16  # mini-batches after which a mapped file's pages are given back
RESIDENT_SHARE = 0.25  # of the machine's memory that data may take to be given to each run as a whole
WORTH_COMPILING = 300  # steps of a fit


class FeedSteps:
    """Runs one `session.run` per mini-batch, through a callable made once.

    Args:
      session: the session.
      fetches: tensors (or ops) to run for each mini-batch.
      sources: what is sliced, see `feeds.check_data`.
      constants: {placeholder: value} of what is fed unchanged.
      rate_input: placeholder of the learning rate, if there is one.
      prefetches: whether the next mini-batch is prepared while the session is busy, which pays for large
        ones.
    """

    def __init__(self, session, fetches, sources, constants, rate_input=None, prefetches=False):
        self.sources = sources
        self.prefetches = prefetches
        self.constants = list(constants.values())
        fed = [source.placeholder for source in sources] + list(constants)
        self.has_rate = rate_input is not None
        self.call = session.make_callable(fetches, fed + [rate_input] * self.has_rate)

    def next_count(self, left):
        """Returns how many of the mini-batches that are left the next run takes."""
        return 1

    def prepare(self, selections, rates, seeds):
        """Returns what `run` needs for the mini-batches that index arrays or slices select."""
        rows = [source.rows(selections[0], seeds[0]) for source in self.sources]
        for source in self.sources:
            source.release()
        return (*rows, *self.constants, *rates[: self.has_rate])

    def run(self, prepared):
        """Returns the fetched values, each with a first axis for the mini-batches."""
        return [np.asarray(value)[np.newaxis] for value in self.call(*prepared) if value is not None]


class FusedSteps:
    """Runs many mini-batches in one `session.run`, by a loop in the graph.

    Args:
      session: the session.
      loop: a `fused.Loop`.
      sources: what is sliced, see `feeds.check_data`.
      constants: {placeholder: value} of what is fed unchanged.
      resident: whether the whole arrays are given to each run, or the rows that it needs.
      steps_per_run: how many mini-batches a run takes, or None for as many as RUN_SECONDS allow.
      fixed: whether all runs are given arrays of one shape, as XLA compiles for.
      most: mini-batches that a run takes at most.
    """

    def __init__(
        self, session, loop, sources, constants, resident, steps_per_run, fixed=False, most=math.inf
    ):
        self.sources = sources
        self.prefetches = not resident
        self.steps_per_run = steps_per_run
        self.fixed = fixed
        self.arrays = [resident_array(loop, source) for source in sources] if resident else None
        takes = [loop.input_for(source) for source in sources]
        self.dtypes = [placeholder.dtype.as_numpy_dtype for placeholder in takes]
        constants = {**constants, **loop.flags(sources)}
        self.constants = list(constants.values())
        fed = [loop.order, loop.count, loop.rates, *takes, *constants]
        self.call = session.make_callable(loop.values, fed)
        self.measured = 8
        self.largest = min(steps_per_run or MOST_STEPS, most)

    def compile(self, batch_size):
        """Compiles the loop by running none of its steps; returns why that failed, or None."""
        order = np.zeros((self.largest, batch_size), np.int32)
        rates = np.zeros(self.largest, np.float32)
        if self.arrays is None:
            length = self.largest * batch_size
            shapes = [(length, *source.array.shape[1:]) for source in self.sources]
            arrays = [batches.aligned_empty(s, d) for s, d in zip(shapes, self.dtypes, strict=True)]
        else:
            arrays = self.arrays
        try:
            self.call(order, np.int32(0), rates, *arrays, *self.constants)
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
            return f"XLA cannot compile it: {error.message.splitlines()[0][:200]}"
        return None

    def next_count(self, left):
        """Returns how many of the mini-batches that are left the next run takes."""
        return min(left, self.steps_per_run or self.measured, self.largest)

    def prepare(self, selections, rates, seeds):
        """Returns what `run` needs for the mini-batches that index arrays select."""
        count, size = len(selections), len(selections[0])
        steps = self.largest if self.fixed else count
        order = np.zeros((steps, size), np.int32)
        padded = np.zeros(steps, np.float32)
        padded[: len(rates)] = rates
        if self.arrays is not None:
            order[:count] = selections
            return (count, order, np.int32(count), padded, *self.arrays, *self.constants)
        order[:count] = np.arange(count * size, dtype=np.int32).reshape(count, size)
        chunks = [
            chunk_of(source, dtype, selections, seeds, steps * size)
            for source, dtype in zip(self.sources, self.dtypes, strict=True)
        ]
        return (count, order, np.int32(count), padded, *chunks, *self.constants)

    def run(self, prepared):
        """Returns the fetched values, each with a first axis for the mini-batches."""
        count, *fed = prepared
        started = time.perf_counter()
        values = self.call(*fed)
        seconds = (time.perf_counter() - started) / count
        wanted = int(RUN_SECONDS / max(seconds, 1e-6))
        self.measured = max(1, min(wanted, 4 * self.measured, MOST_STEPS))
        return [value[:count] for value in values]


def run_all(runner, count, prepare, limit=lambda first: math.inf):
    """Yields (fetched values, extra) of each run of the runner, until all mini-batches were run.

    Args:
      runner: `FeedSteps` or `FusedSteps`.
      count: how many mini-batches there are.
      prepare: function (first, stop) -> (what the runner needs for these mini-batches, extra); a thread
        calls it while the session is busy, where the runner prefetches.
      limit: function first -> how many mini-batches a run that begins with it may take.
    """

    def after(first):
        return first + runner.next_count(min(count - first, limit(first)))

    if not count:
        return
    with concurrent.futures.ThreadPoolExecutor(1, "graphkit-prefetch") as thread:
        done = after(0)
        prepared, extra = prepare(0, done)
        while True:
            waiting = None
            if runner.prefetches and done < count:
                first, done = done, after(done)
                waiting = thread.submit(prepare, first, done)
            values = runner.run(prepared)
            yield values, extra
            if waiting is not None:
                prepared, extra = waiting.result()
            elif done < count:
                first, done = done, after(done)
                prepared, extra = prepare(first, done)
            else:
                return


def run_slices(runner, bounds):
    """Yields (fetched values, (start, stop)) of mini-batches of examples as they stand."""

    def prepare(first, stop):
        start, end = bounds[first][0], bounds[stop - 1][1]
        return runner.prepare([slice(start, end)], (), [None]), (start, end)

    return run_all(runner, len(bounds), prepare)


def figures_over(runner, bounds, metrics, after_batch=lambda: None):
    """Returns {name: figure} over all examples of the mini-batches, as they stand."""
    means = metrics.Means(metrics)
    for values, (start, stop) in run_slices(runner, bounds):
        means.add(values, stop - start)
        after_batch()
    return means.result()


def resident_array(loop, source):
    """Returns the whole array as the loop takes it: aligned, so that TensorFlow need not copy it."""
    dtype = loop.input_for(source).dtype.as_numpy_dtype
    return batches.aligned(source.array, dtype)


def chunk_of(source, dtype, selections, seeds, length):
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


def choose(loops, sources, execution, total_steps, observed):
    """Returns (execution, reason): how the steps are best run, and why not otherwise.

    It follows from the graph and the data alone, so that it is the same in each run.

    Args:
      loops: `fused.Loops` of the graph.
      sources: what is sliced.
      execution: what the caller wants, one of EXECUTIONS.
      total_steps: how many steps the fit is going to make.
      observed: whether a callback wants to look at the graph after each step.
    """
    reason = loops.reason or mismatch(loops.plain, sources)
    if observed and not reason:
        reason = "a callback looks at each step"
    if execution == "feed" or reason:
        return "feed", reason
    fits = "resident" if can_be_resident(loops.plain, sources) else "chunks"
    if execution == "compiled":
        return ("compiled", None) if loops.compiled else (fits, loops.compiled_reason)
    if execution == "resident" and any(source.augment is not None for source in sources):
        return "chunks", "augmented rows are made for each mini-batch"
    if execution in ("chunks", "resident"):
        return execution, None
    if loops.compiled is None:
        return fits, loops.compiled_reason
    if total_steps < WORTH_COMPILING:
        return fits, f"{total_steps} steps are not worth compiling"
    return "compiled", None


def mismatch(loop, sources):
    """Returns why these sources cannot be given to the loop, or None."""
    names = {source.placeholder.name for source in sources}
    if names != loop.data.keys():
        return f"the examples are of {sorted(names)}, and the graph's are of {sorted(loop.data)}"
    text = [source.placeholder.name for source in sources if source.placeholder.dtype == tf.string]
    return f"text, of {text}, is fed step by step" if text else None


def can_be_resident(loop, sources):
    """Tells whether the arrays may be given as a whole to each run, without a large copy."""
    total = 0
    for source in sources:
        takes = loop.input_for(source).dtype.as_numpy_dtype
        small = source.array.ndim == 1
        if source.mapped or source.augment is not None:
            return False
        if not small and not batches.is_aligned(source.array, takes):
            return False
        total += source.array.nbytes
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return total <= RESIDENT_SHARE * memory
