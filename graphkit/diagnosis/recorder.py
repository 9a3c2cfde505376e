"""Why a training became not finite: noticed at little cost, then found by running its steps again.

While a trainer fits, a `Recorder` keeps a snapshot of the variables in memory, renewed every ten seconds or
more. A step follows from its number alone, so the steps since the snapshot can be run again: first in runs
as before, until a group of steps ends with something that is not finite, then one by one, each examined in a
`replica.Replica`.
"""

import dataclasses
import itertools
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.diagnosis.report import PostMortem
from graphkit.diagnosis.scene import Scene
from graphkit.running import session as sessions
from graphkit.running.callback import Callback
from graphkit.running.steps import Run
from graphkit.running.training_step import is_float

INTERVAL = 10.0  # seconds between snapshots
COST_RATIO = 50  # the time between two snapshots is at least this multiple of the time that one takes
STRETCH = 16  # steps that are run again before the variables are checked
KEPT = 5  # gradient norms of earlier steps in a report


class NotFiniteError(checks.GraphkitError):
    """Training ended because the loss, a gradient or a variable is not finite.

    Attributes:
      report: the `PostMortem`: which step, which op, made at which line, and what the cause may be.

    Example:
      >>> x = gk.feature_input(1)
      >>> loss = tf.reduce_mean(tf.math.log(gk.dense(x, 1, use_bias=False, kernel_initializer=gk.zeros())))
      >>> with gk.Trainer(loss) as trainer:
      ...     try:
      ...         trainer.fit({x: np.ones((3, 1))}, progress=False)
      ...     except gk.NotFiniteError as error:
      ...         print(error.report.op, error.report.step)
      Log 0
    """

    def __init__(self, text: str, report: PostMortem) -> None:
        super().__init__(text, report)
        self.report = report

    def __str__(self) -> str:
        return self.args[0]


class Position(NamedTuple):
    """Where a training stands: steps made, epochs finished, mini-batches made of the current epoch."""

    step: int
    epoch: int
    batch: int


class PlannedStep(NamedTuple):
    """A step as it was made: its position, and the indices of its examples."""

    position: Position
    indices: np.ndarray


class Recorder(Callback):
    """Ends a fit with a `NotFiniteError` that says which step and op were not finite first, and why.

    Each fit has one, unless its callbacks include one. It checks the loss of each step, and all variables
    before each checkpoint and at the end of each epoch. The steps have the same bits as without it.

    Args:
      search: whether to keep a copy of the variables in memory, from which the steps can be run again to
        find the cause. False only reports the step, and checks only the loss.

    Raises:
      NotFiniteError: in `fit` and `save`, when the loss, a gradient or a variable is not finite.

    Example:
      >>> from graphkit.diagnosis import Recorder
      >>> sparing = Recorder(search=False)
    """

    def __init__(self, *, search: bool = True) -> None:
        self.search = search
        self.trainer: Any = None  # of the current fit
        self.finite_at_start: np.ndarray | None = None  # which variables were
        self.start = Position(0, 0, 0)  # of the snapshot
        self.values: list = []  # of all variables then
        self.rates: list[Any] = []  # learning rates of the steps since then
        self.due = math.inf  # time of the next snapshot
        self.noted: Run | None = None  # the last run whose rates are in there
        self.checked: int | None = None  # step after which all variables were finite

    def on_fit_start(self, trainer: Any) -> None:
        self.trainer, self.finite_at_start, self.checked = trainer, None, None
        self.rates, self.noted = [], trainer.last_run
        self.names = np.array([v.name for v in trainer.training_step.variables if is_float(v)])
        if self.search:
            self.take()

    def on_run_end(self, trainer: Any) -> None:
        self.note()
        if not self.search:
            return
        if self.trainer.workers.decides("snapshot", time.monotonic() >= self.due):
            self.take()
        if trainer.batch == len(trainer.plan):
            self.check()

    def on_save_start(self, trainer: Any) -> None:
        self.check()

    def on_not_finite(self, trainer: Any, run: Run) -> None:
        self.note()
        rate = run.rates[0] if run.rates else None
        raise self.examine("loss", position_of(trainer), float(run.values[0][0]), rate)

    def on_op_error(self, trainer: Any) -> None:
        """Gives the variables the values of the steps that were recorded, by making these again."""
        if not self.search:
            return
        found = self.read()
        try:
            self.restore()
            self.advance(self.start.step, trainer.step)
        except tf.errors.OpError:  # such as a Python function that does not work any more
            sessions.assign(trainer.session, list(zip(trainer.training_step.variables, found, strict=True)))

    def on_fit_end(self, trainer: Any) -> None:
        self.trainer, self.values, self.rates = None, [], []

    def note(self) -> None:
        """Adds the learning rates of the last run, once."""
        run = self.trainer.last_run
        if run is not self.noted:
            self.rates += run.rates
            self.noted = run

    def take(self) -> None:
        """Takes a snapshot of the variables; those that were finite at the start must still be."""
        started = time.monotonic()
        variables = self.trainer.training_step.variables
        values = self.read()
        pairs = list(zip(variables, values, strict=True))
        self.require_finite(np.array([np.isfinite(value).all() for v, value in pairs if is_float(v)]))
        self.start, self.values = position_of(self.trainer), values
        self.rates = []
        self.due = time.monotonic() + max(INTERVAL, COST_RATIO * (time.monotonic() - started))

    def read(self) -> list:
        """Returns the values of all variables."""
        variables = self.trainer.training_step.variables
        values = zip(variables, self.trainer.session.run(variables), strict=True)
        # The value of a reference variable may be the memory that the next step writes to.
        return [value if hasattr(v, "handle") else np.array(value) for v, value in values]

    def check(self) -> None:
        """Ends the fit if a variable is not finite that was finite at the start."""
        if self.search and self.trainer is not None and self.checked != self.trainer.step:
            self.note()
            self.require_finite(self.trainer.session.run(self.trainer.training_step.finite))

    def require_finite(self, flags: np.ndarray) -> None:
        if self.finite_at_start is None:
            self.finite_at_start = flags
        if (self.finite_at_start & ~flags).any():
            step, epoch, batch = position_of(self.trainer)
            epoch, batch = (epoch, batch) if batch else (epoch - 1, len(self.trainer.plan))
            last = Position(step - 1, epoch, batch - 1)
            raise self.examine("variable", last, math.nan, self.rates[-1] if self.rates else None)
        self.checked = self.trainer.step

    def examine(self, what: str, position: Position, loss: float, rate: Any) -> NotFiniteError:
        """Returns the error for what was noticed.

        If the step was found, the variables are left as they were before it, and so is the position.
        """
        report = self.report_at(what, position, loss=loss, learning_rate=rate)
        if self.search:
            report = self.searched(position.step, report)
        self.trainer.state.step, self.trainer.state.batch = report.step, report.batch
        received = {"loss": report.loss, "learning_rate": report.learning_rate}
        text = checks.Checker("fit").message(report.headline, **received)
        return NotFiniteError("\n  ".join([text, *report.lines()]), report)

    def report_at(self, what: str, position: Position, **fields: Any) -> PostMortem:
        plan = self.trainer.plan
        indices = tuple(map(int, plan.epoch(position.epoch)[position.batch]))
        return PostMortem(what, position.step, position.epoch + 1, position.batch, indices=indices, **fields)

    def searched(self, last: int, report: PostMortem) -> PostMortem:
        """Returns the report of the first step that is not finite, or the one given with a reason why not."""
        try:
            self.restore()
            stretch = self.bad_stretch(last)
            if stretch is None:
                return dataclasses.replace(report, reason=self.why_nothing())
            self.restore()
            first = max(self.start.step, stretch.start - KEPT)
            self.advance(self.start.step, first)
            with Scene(self.trainer) as scene:
                return self.walk(scene, first, min(stretch.stop, last)) or report
        except tf.errors.OpError as error:
            reason = f"the steps could not be run again ({error.message.splitlines()[0][:200]})"
            return dataclasses.replace(report, reason=reason)

    def restore(self) -> None:
        """Gives the variables copies of the snapshot, since a variable may keep the array that it is fed."""
        values = map(np.array, self.values)
        pairs = list(zip(self.trainer.training_step.variables, values, strict=True))
        sessions.assign(self.trainer.session, pairs)

    def bad_stretch(self, last: int) -> range | None:
        """Runs the steps up to the last again; returns the first few whose result is not finite, or None."""
        for first in range(self.start.step, last + 1, STRETCH):
            stop = min(first + STRETCH, last + 1)
            losses = self.advance(first, stop)
            if not np.isfinite(losses).all() or self.broken().size:
                return range(first, stop)
        return None

    def broken(self) -> np.ndarray:
        """Returns the names of the variables that were finite at the start and are not any more."""
        flags = self.trainer.session.run(self.trainer.training_step.finite)
        return self.names[self.finite_at_start & ~flags]

    def walk(self, scene: Scene, first: int, last: int) -> PostMortem | None:
        """Makes steps one by one; returns the report of the first that is not finite, or None."""
        norms: list[tuple] = []
        update = None  # the step whose update made variables not finite
        for planned in self.planned(first, last + 1):
            position, indices = planned
            rate = self.rate(position.step)
            found = scene.look(indices, position.step, rate)
            bad_gradient = found["gradients"] and not self.trainer.training_step.skips_overflow
            what = "loss" if not math.isfinite(found["loss"]) else "gradient" if bad_gradient else None
            if what is None:
                loss = self.run([planned])[0]
                if not math.isfinite(loss):
                    what, found["loss"], found["reason"] = "loss", loss, scene.why_finite()
            found |= {"norms": tuple(norms[-KEPT:]), "learning_rate": rate}
            if what is not None:
                found |= scene.first_op(what, found, indices)
                made_before = -1 if found.get("variables") and update is None else update
                return scene.write(self.report_at(what, position, **{**found, "update": made_before}))
            broken = self.broken()
            if broken.size and update is None:
                update = position.step
            norms.append((position.step, found["norm"]))
        if update is None:
            return None
        found |= {"variables": tuple(broken.tolist()), "update": update}
        return scene.write(self.report_at("variable", position, **found))

    def advance(self, first: int, stop: int) -> np.ndarray:
        """Makes the steps first to stop - 1 in runs, as they were made; returns their losses."""
        losses: list[float] = []
        planned = self.planned(first, stop)
        for _, group in itertools.groupby(planned, lambda p: (p.position.epoch, len(p.indices))):
            losses.extend(self.run(list(group)))
        return np.array(losses)

    def run(self, group: Sequence[PlannedStep]) -> list[float]:
        """Makes steps of one epoch and size that follow each other; returns their losses."""
        selections = [planned.indices for planned in group]
        runs = self.trainer.runner.runs_of(selections, group[0].position.step, self.rates_of)
        return [loss for run in runs for loss in run.values[0]]

    def rates_of(self, steps: range) -> list[Any]:
        first = self.start.step
        return self.rates[steps.start - first : steps.stop - first]

    def rate(self, step: int) -> Any:
        """Returns the learning rate that the step was given, or None."""
        return next(iter(self.rates_of(range(step, step + 1))), None)

    def planned(self, first: int, stop: int) -> Iterator[PlannedStep]:
        """Yields the steps first to stop - 1, as they follow from the snapshot's position."""
        plan = self.trainer.plan
        step, epoch, batch = self.start
        while step < stop:
            after = step + len(plan) - batch  # the first step of the next epoch
            if after > first:
                for number, indices in enumerate(plan.epoch(epoch)[batch:], batch):
                    position = Position(step + number - batch, epoch, number)
                    if first <= position.step < stop:
                        yield PlannedStep(position, indices)
            step, epoch, batch = after, epoch + 1, 0

    def why_nothing(self) -> str:
        """Returns a sentence on why the steps were finite when they were run again."""
        reason = f"all was finite when the steps from {self.start.step} on were run again"
        volatile = Scene.volatile_ops(self.trainer)
        if volatile:
            return f"{reason}, since the values of {volatile[0].name} cannot be reproduced"
        return f"{reason}; a callback may have changed variables, or data may have changed"


def position_of(trainer: Any) -> Position:
    return Position(trainer.step, trainer.epoch, trainer.batch)
