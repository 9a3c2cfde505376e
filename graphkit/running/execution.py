"""Which execution a fit gets, and why: the one place that decides how its steps are run."""

import contextlib
import logging
import math
import os
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.data import batches
from graphkit.data.columns import Column
from graphkit.running import feeds, towers, wire
from graphkit.running.feeds import Examples
from graphkit.running.loops import Doubts, Loop, Loops
from graphkit.running.steps import AUGMENTATION, FeedSteps, LoopSteps, Run, Steps, run_all
from graphkit.running.training_step import TrainingStep
from graphkit.running.workers import Workers

logger = logging.getLogger("graphkit")
EXECUTIONS = ("auto", "feed", "chunks", "resident", "compiled")
RESIDENT_FRACTION = 0.25  # of the machine's memory: up to this size, each run is given the complete data
WORTH_COMPILING = 300  # steps of a training from which on compiling takes less time than it saves

Rates = Callable[[range], list[Any]]


class Wanted(NamedTuple):
    """What a call of `fit` asks for.

    Attributes:
      execution: one of EXECUTIONS.
      steps_per_run: mini-batches in a run, or None for as many as take a fifth of a second.
      total_steps: of the training including resumed epochs; None where a stream does not say its length.
      observed: whether a callback looks at each step.
      stops: a run ends at each step that is a multiple of one of these.
      last_step: the number of the last step, or None.
      was_compiled: whether the run that is resumed was compiled by XLA, which "auto" then keeps to, since XLA
        rounds differently; None where none is resumed.
    """

    execution: str
    steps_per_run: int | None
    total_steps: float | None
    observed: bool
    stops: Sequence[int] = ()
    last_step: int | None = None
    was_compiled: bool | None = None


class Position(Protocol):
    """Where a training stands: steps made, epochs finished, mini-batches made of the current epoch."""

    step: int
    epoch: int
    batch: int


class Runner:
    """Runs the steps of a fit.

    Args:
      execution: "feed", "chunks", "resident" or "compiled".
      reason: why it is not another one, or None.
      plan: which examples each mini-batch has; a `Plan`, or the `StreamPlan` of a stream.
      steps: what runs mini-batches.
      short_steps: what runs mini-batches of another size, as the last one of an epoch; None for `steps`.
      stops: a run ends at each step that is a multiple of one of these.
      last_step: the number of the last step, after which no run begins; None for no limit.

    Attributes:
      keyed: whether random numbers are drawn from keys, as in the loops.
      compiled: whether XLA compiles the steps, and rounds differently.
    """

    def __init__(
        self,
        execution: str,
        reason: str | None,
        plan: batches.Plan,
        steps: Steps,
        short_steps: Steps | None = None,
        stops: Sequence[int] = (),
        last_step: int | None = None,
    ) -> None:
        self.execution, self.reason = execution, reason
        self.plan = plan
        self.steps, self.short_steps = steps, short_steps or steps
        self.stops, self.last_step = stops, last_step
        self.keyed = steps.copied
        self.compiled = execution == "compiled"

    def runs(self, position: Position, rates_of: Rates) -> Generator[Run, None, None]:
        """Yields the runs of the current epoch, from the position to its end.

        Args:
          position: where the training stands; it is only read at the start.
          rates_of: function steps -> their learning rates, called when a run starts.
        """
        most = math.inf if self.last_step is None else max(0, self.last_step - position.step)
        left = self.plan.after(position.epoch, position.batch)
        yield from self.runs_of(left, position.step, rates_of, most)

    def runs_of(
        self, selections: Iterable[Any], start: int, rates_of: Rates, most: float = math.inf
    ) -> Generator[Run, None, None]:
        """Yields the runs of at most `most` mini-batches, of which the first is the step `start`."""
        runs = run_all(
            self.steps,
            selections,
            seed_of=lambda place: (self.plan.seed, start + place, AUGMENTATION),
            rates_of=lambda places: rates_of(range(start + places.start, start + places.stop)),
            limit=lambda place: min((n - (start + place) % n for n in self.stops), default=math.inf),
            steps_for=lambda one: self.steps if self.plan.is_full(one) else self.short_steps,
            most=most,
        )
        with contextlib.closing(runs):  # ends its thread if the caller stops early
            for run, _ in runs:
                yield run


def runner_for(
    session: Any,
    step: TrainingStep,
    loops: Loops,
    examples: Examples,
    plan: batches.Plan,
    wanted: Wanted,
    workers: Workers,
) -> Runner:
    """Returns what runs the steps of a fit, and logs which execution was chosen and why.

    The choice follows from the graph, the data and the arguments of `fit`, not from timings, so that it is
    the same each time a program runs.
    """
    wanted = wanted._replace(steps_per_run=workers.steps_per_run or wanted.steps_per_run)
    towers.check_examples(step.split, examples)
    wire.check_batch(checks.Checker("fit"), step.remote, examples, plan.full_size)
    if step.place is None:  # else the placeholders hold this process's part of a mini-batch
        rule = "batch_size must be {}, and the number of examples a multiple of it, or drop_remainder=True"
        received = {"batch_size": plan.batch_size, "examples": plan.examples}
        feeds.check_sizes(checks.Checker("fit"), examples.sources, plan, rule, **received)
    execution, reason = workers.execution(*choose(loops, examples, wanted))
    # `choose` returns an execution whose loop exists; the others may be None.
    plain, compiled = cast(Loop, loops.plain), cast(Loop, loops.compiled_for(examples.sources))
    most = min(wanted.stops, default=math.inf)

    def loop_steps(
        loop: Loop, examples: Examples, count: int | None, resident: bool, fixed: bool = False
    ) -> LoopSteps:
        limit = most
        if step.remote and not resident:  # chunks of fewer bytes than a message may have
            limit = min(most, wire.most_steps(examples, plan.full_size))
        return LoopSteps(session, loop, examples, resident, count, fixed, limit)

    def plain_steps(examples: Examples) -> Steps:
        if execution == "feed":
            return feed_steps(session, step, loops, examples, loop_steps)
        return loop_steps(plain, examples, wanted.steps_per_run, execution == "resident")

    if execution == "resident" or (execution == "compiled" and can_be_resident(plain, examples)):
        plain.store(session, examples.sources)
    if execution == "compiled":
        resident = can_be_resident(plain, examples)
        steps, short_steps = workers.steps(
            lambda examples: loop_steps(compiled, examples, wanted.steps_per_run, resident, fixed=True),
            # XLA would compile once more for the shape of a shorter last mini-batch.
            lambda examples: loop_steps(plain, examples, 1, resident),
            examples,
            plan,
        )
        failure = steps.compile(plan.full_size)
        if failure is not None:
            execution, reason = "resident" if resident else "chunks", failure
    if execution != "compiled":
        steps, short_steps = workers.steps(plain_steps, plain_steps, examples, plan)
    logger.info('execution "%s"%s', execution, f" ({reason})" if reason else "")
    warn_of_differences(loops.doubts, execution, steps.copied)
    return Runner(execution, reason, plan, steps, short_steps, wanted.stops, wanted.last_step)


def warn_of_differences(doubts: Doubts, execution: str, copied: bool) -> None:
    """Logs why two runs of one seed may differ, or a resumed run from one that was not interrupted.

    Args:
      doubts: of the graph.
      execution: how steps are run.
      copied: whether a copy of the step is run, not the ops of the graph.
    """
    if doubts.drawing and not copied:
        text = "%s draws from the state of a kernel: a resumed run would not have the same bits"
        logger.warning(text, doubts.drawing)
    unordered = doubts.left if copied else doubts.unordered
    if unordered:
        text = "%s read and write a variable in any order: two runs of one seed may differ; "
        logger.warning(f"{text}let one wait for the other (tf.control_dependencies)", unordered)
    if doubts.scatter and execution != "compiled":
        text = "%s writes rows of a variable in any order: two runs of one seed may differ where an index "
        fix = "repeats; sum such rows first (tf.unique, tf.math.unsorted_segment_sum)"
        logger.warning(text + fix, doubts.scatter)


def feed_steps(
    session: Any,
    step: TrainingStep,
    loops: Loops,
    examples: Examples,
    loop_steps: Callable[[Loop, Examples, int, bool], LoopSteps],
) -> Steps:
    """Returns what runs mini-batches one by one."""
    copied = loops.rewritten or step.split
    if loops.plain is not None and copied and not mismatch(loops.plain, examples):
        # The loop's random numbers and products are not those of the graph's own ops, and of several devices
        # it rounds the averages that UPDATE_OPS take in another order: a loop of one step gives the bits that
        # all other executions give.
        return loop_steps(loops.plain, examples, 1, False)
    training = {step.training_input: np.bool_(True), **examples.constants}
    fed = Examples(examples.sources, training)
    reads = any(source.is_lazy for source in examples.sources)
    return FeedSteps(session, [*step.values, step.update], fed, step.rate_input, reads, step)


def choose(loops: Loops, examples: Examples, wanted: Wanted) -> tuple[str, str | None]:
    """Returns (execution, reason): how the steps are run, and why a faster execution is not possible."""
    if loops.plain is None:
        return "feed", loops.reason
    reason = mismatch(loops.plain, examples)
    if wanted.observed and not reason:
        reason = "a callback looks at each step"
    if wanted.execution == "feed" or reason:
        return "feed", reason
    fits = "resident" if can_be_resident(loops.plain, examples) else "chunks"
    not_compiled = loops.compiled_reason or unchecked_indices(examples)
    if wanted.execution == "compiled":
        return (fits, not_compiled) if not_compiled else ("compiled", None)
    augmented = any(source.augment is not None for source in examples.sources)
    if wanted.execution == "resident" and augmented:
        return "chunks", "augmented rows are made for each mini-batch"
    if wanted.execution == "resident" and any(isinstance(s.array, Column) for s in examples.sources):
        return "chunks", "columns and streams are read for each mini-batch"
    if wanted.execution in ("chunks", "resident"):
        return wanted.execution, None
    if not_compiled:
        return fits, not_compiled
    if wanted.was_compiled is False:
        return fits, "the run was not compiled before"
    if wanted.total_steps is None and not wanted.was_compiled:
        return fits, "the number of steps is not known"
    if (wanted.total_steps or 0) < WORTH_COMPILING and not wanted.was_compiled:
        few = "1 step is" if wanted.total_steps == 1 else f"{wanted.total_steps} steps are"
        return fits, f"{few} not worth compiling"
    return "compiled", None


def unchecked_indices(examples: Examples) -> str | None:
    """Returns which indices may leave their range after they were checked, or None; XLA refuses none."""
    for source in examples.sources:
        if source.augment is not None and source.limits.indices is not None:
            return f"augmented indices ({source.placeholder.name}) are not checked before the first step"
    return None


def mismatch(loop: Loop, examples: Examples) -> str | None:
    """Returns why the loop cannot take these examples, or None."""
    placeholders = [source.placeholder for source in examples.sources]
    names = {placeholder.name for placeholder in placeholders}
    if names != loop.data.keys():
        return f"the examples are of {sorted(names)}, and the graph's are of {sorted(loop.data)}"
    texts = [placeholder.name for placeholder in placeholders if placeholder.dtype == tf.string]
    return f"text, of {texts}, is fed step by step" if texts else None


def can_be_resident(loop: Loop, examples: Examples) -> bool:
    """Whether each run can be given the complete arrays without a large copy."""
    total = 0
    for source in examples.sources:
        if source.is_lazy or source.augment is not None:
            return False
        takes = loop.input_for(source).dtype.as_numpy_dtype
        # An array that is not aligned or has another dtype is copied, see `steps.resident_array`. Arrays with
        # one axis, such as labels, are small enough for that.
        if not loop.stored and source.array.ndim > 1 and not batches.is_aligned(source.complete, takes):
            return False
        total += source.array.nbytes
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return total <= RESIDENT_FRACTION * memory
