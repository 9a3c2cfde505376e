"""The epochs of a fit: runs of steps, validation, callbacks, and where a fit starts, stops and resumes."""

import contextlib
import logging
import math
import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.checkpoints import saving
from graphkit.data import batches
from graphkit.running import step_values, streams
from graphkit.running.callback import observes_steps, reads_steps
from graphkit.running.execution import Wanted
from graphkit.running.metrics import Means, add_row
from graphkit.running.steps import Run
from graphkit.train import identity, signals, unfed
from graphkit.train.checkpointing import Checkpointing
from graphkit.train.limits import Limits
from graphkit.train.validating import Validation

logger = logging.getLogger("graphkit")
ANYWAY = "anyway"
WAYS = (  # out of a run that cannot be resumed
    'resume="anyway" continues all the same; to begin anew from its weights: restore(path, '
    "weights_only=True), then fit without resume"
)
BATCH_SIZE = 128  # of arrays, where none is given


class Start(NamedTuple):
    """When a fit began the current epoch, or the rest of it, and how many examples it had then."""

    time: float
    examples: int

    @classmethod
    def now(cls, trainer: Any) -> "Start":
        return cls(time.perf_counter(), trainer.state.means.examples)


class Earlier(NamedTuple):
    """What the folder of a trainer holds when a fit is about to start.

    Attributes:
      found: paths of the checkpoints, the newest first.
      states: (path, state) of those that can be resumed from; empty where nothing is resumed.
    """

    found: list[str]
    states: list[tuple[str, dict]]

    @property
    def compiled(self) -> bool | None:
        """Whether the run to resume was compiled by XLA; None if there is none."""
        fields = self.states[0][1]["identity"] if self.states else None
        return None if fields is None else fields["execution"] == identity.COMPILED


def require_idle(trainer: Any, check: checks.Checker) -> None:
    """Raises if the trainer is fitting, as where a callback calls `fit`, or holds its moving averages."""
    check.require(not trainer.has_averages, "fit inside of trainer.averages() is not possible")
    rule = (
        "this trainer is fitting already, as where a callback or an augmentation calls fit: end that fit by "
    )
    rule += "trainer.stop(reason), and call the next one after it; or train in another trainer"
    check.require(not trainer.fits, rule, epoch=trainer.epoch, step=trainer.step)


def find_earlier(trainer: Any, resume: bool | str) -> Earlier:
    """Locks the trainer's folder, if it has one, and reads where the runs in it stand."""
    check, folder = checks.Checker("fit"), trainer.folder
    rule = 'resume must be True, False or "anyway"'
    check.require(isinstance(resume, (bool, np.bool_)) or resume == ANYWAY, rule, resume=resume)
    check.require(folder is not None or not resume, "resume needs a logdir to resume from", logdir=None)
    found = folder.claim("fit") if folder is not None else []
    states = []
    for path in found if resume else []:
        try:
            state = saving.read_state(path)
        except (checks.GraphkitError, FileNotFoundError) as error:
            logger.warning("%s; trying the previous checkpoint", error)
            continue
        check.require(
            state is not None, f"{path} was not written by a trainer, so that no run can go on from it"
        )
        states.append((path, state))
    return Earlier(found, states)


def make_plan(
    trainer: Any, check: checks.Checker, batch_size: int | None, options: tuple[bool, bool], again: bool
) -> batches.Plan:
    """Returns the plan of a fit, which must have a mini-batch; of a stream a `StreamPlan`.

    Args:
      trainer: with the examples.
      check: of `fit`.
      batch_size: as given.
      options: (shuffle, drop_remainder).
      again: whether the data is read more than once.
    """
    examples, alone = trainer.examples, trainer.training_step.place is None
    given = {"batch_size": batch_size, "drop_remainder": options[1]}
    streams.require_usable(check, examples, again, alone, **given)
    size = examples.fixed_size(BATCH_SIZE) if batch_size is None else check.integer("batch_size", batch_size)
    plan = examples.plan(size, *options, trainer.seed)
    rule = "batch_size must leave at least one whole mini-batch where the remainder is dropped"
    check.require(plan.length() != 0, rule, batch_size=size, examples=len(examples))
    return plan


def wanted(
    trainer: Any, execution: str, count: int | None, limits: Limits, validation: Validation, earlier: Earlier
) -> Wanted:
    """Returns what a fit asks for, by its arguments, its callbacks and the run that it resumes."""
    stops = [c.every_steps for c in trainer.callbacks if c.every_steps is not None]
    length = trainer.plan.length()
    return Wanted(
        execution,
        count,
        total_steps=None if length is None and limits.last_step is None else limits.steps(length),
        observed=any(map(observes_steps, trainer.callbacks)),
        stops=[*stops, *([] if validation.every is None else [validation.every])],
        last_step=limits.last_step,
        was_compiled=earlier.compiled,
    )


def begin(trainer: Any, earlier: Earlier, resume: bool | str, limits: Limits) -> bool:
    """Restores the checkpoint to resume from, if any; returns whether the fit begins a run in the folder."""
    plan, found, folder = trainer.plan.record, earlier.found, trainer.folder
    trainer.interrupted, trainer.ended = False, None
    per_epoch = trainer.plan.length()
    total = limits.steps(per_epoch)
    if not math.isfinite(total):  # only time ends it: of one epoch; or a stream does not say its length
        total = identity.RATES if per_epoch is None else per_epoch
    total_steps = int(total)
    now = identity.of_run(trainer, total_steps)
    if resume and found:
        resume_from(trainer, earlier, now, anyway=resume == ANYWAY)
    state = trainer.state
    if not resume:
        state.stop_reason = None
    if state.batch and (
        state.plan != plan or state.identity is None or state.identity["data"] != now["data"]
    ):
        state.start_epoch()  # the last fit ended inside an epoch on other data
    state.drop_unfinished()
    position = {"step": state.step, "epoch": state.epoch, "batch": state.batch, "steps": total_steps}
    stops = {"every_steps of callbacks": sorted({*trainer.runner.stops}), "limits": [*limits.given.items()]}
    trainer.workers.agree("fit", {**now, **stops, "position": position})
    unfed.warn(trainer)
    state.plan, state.identity = plan, now
    begins = folder is not None and not folder.is_own and limits.allow(state)
    if folder is not None and trainer.unsaved:
        text = "checkpoints do not hold the state of %s; where it changes in training, a run that is resumed "
        logger.warning(f"{text}does not have the same bits", ", ".join(trainer.unsaved))
    return begins


def resume_from(trainer: Any, earlier: Earlier, now: dict, anyway: bool) -> None:
    """Restores the newest valid checkpoint of the same run."""
    for path, state in earlier.states:
        require_same_run(trainer, path, state["identity"], now, anyway)
        try:
            trainer.restore(path)
        except (checks.GraphkitError, FileNotFoundError) as error:
            logger.warning("%s; trying the previous checkpoint", error)
            continue
        trainer.folder.keep_best(state["best"])  # not those of steps after it, which are made again
        logger.info("resumed from %s at step %d", path, trainer.step)
        before, size = (state["identity"] or {}).get(identity.WORKERS, 1), trainer.workers.size
        if before != size:
            text = "the run had %d workers, and has %d now: the same steps, rounded in another order"
            logger.info(text, before, size)
        return
    rule = f"no valid checkpoint in {trainer.logdir}"
    raise checks.GraphkitError(checks.Checker("fit").message(rule, checkpoints=earlier.found))


def require_same_run(trainer: Any, path: str, was: dict | None, now: dict, anyway: bool) -> None:
    """Raises if resuming from a checkpoint would not give the same bits, unless that is wanted anyway."""
    # The rates of the steps that the earlier run was to make: a longer run may be resumed from it.
    rates = identity.of_schedule(trainer.learning_rate, identity.steps_of(was))
    different = identity.differences(was, {**now, "learning_rate": rates})
    rule = f"{path} is of a run with another {', '.join(different)}, and would not resume to the same bits"
    if different and anyway:
        logger.warning("%s; it is resumed all the same", rule)
        return
    checks.Checker("fit").require(not different, f"{rule}; {WAYS}")


def fit(trainer: Any, limits: Limits, validation: Validation, begins: bool) -> None:
    """Trains until a limit is reached, with the callbacks' start and end around it.

    Args:
      trainer: with all that `begin` has set.
      limits: where it ends.
      validation: validates.
      begins: whether it begins a run in the trainer's folder, whose first checkpoint replaces a run there.
    """
    trainer.fits = True
    try:
        try:
            for callback in trainer.callbacks:
                callback.on_fit_start(trainer)
            if begins:
                trainer.folder.replace()  # what is written from here on is of this run
            train(trainer, limits, validation)
        finally:
            for callback in trainer.callbacks:
                callback.on_fit_end(trainer)
    except Exception as error:
        trainer.workers.on_error(error)
        raise
    finally:
        trainer.fits = False
        if begins:
            trainer.folder.settle()


def train(trainer: Any, limits: Limits, validation: Validation) -> None:
    """Trains and validates until a limit is reached, or until a callback or a signal ends it."""
    with signals.Interrupts(trainer.workers.decides) as interrupts:
        try:
            started, late = Start.now(trainer), False
            while limits.allow(trainer.state) and trainer.state.stop_reason is None and not late:
                started = Start.now(trainer)
                for callback in trainer.callbacks:
                    callback.on_epoch_start(trainer)
                if train_epoch(trainer, limits, validation, interrupts):
                    if limits.is_last_epoch(trainer.state):
                        trainer.workers.end_steps(interrupts.check)
                    end_epoch(trainer, validation, started, interrupts)
                if trainer.workers.any_wishes(trainer.state.stop_reason is not None):
                    trainer.stop(trainer.state.stop_reason or "another worker stopped the training")
                interrupts.check()
                late = limits.deadline is not None and trainer.workers.any_wishes(limits.is_late())
            trainer.workers.end_steps(interrupts.check)
            reached = limits.reached(trainer.state, late)
            if reached is not None and trainer.state.stop_reason is None:
                end_early(trainer, reached, validation, started, interrupts)
        except signals.Interrupted:
            trainer.workers.take_leave()
            trainer.interrupted = True
            leave(trainer)
            raise interrupts.exception() from None


def train_epoch(trainer: Any, limits: Limits, validation: Validation, interrupts: signals.Interrupts) -> bool:
    """Runs the steps of the current epoch; returns whether it was completed."""
    state = trainer.state

    def rates(steps: range) -> list[Any]:
        return trainer.learning_rate.rates(steps, state.rate_factor)

    def validate_if_due() -> None:
        inside = state.batch and not trainer.plan.ends(state.epoch, state.batch)
        if inside and validation.is_due(state):
            validation.run(trainer, interrupts.check)

    validate_if_due()  # where the fit before was interrupted in a validation
    # Closed at once if the loop ends early, so that no thread continues to prepare mini-batches.
    with contextlib.closing(trainer.runner.runs(state, rates)) as runs:
        for run in complete(trainer, runs):
            record(trainer, run)
            interrupts.check()
            validate_if_due()
            stops = trainer.workers.decides("stop now", trainer.stops_now or limits.is_late())
            if stops and not trainer.plan.ends(state.epoch, state.batch):
                save(trainer)
                return False
    return trainer.plan.ends(state.epoch, state.batch) or limits.allow(state)


def complete(trainer: Any, runs: Iterable[Run]) -> Iterator[Run]:
    """Yields the runs. Where an op fails in one, the variables and the trainer's step agree afterwards.

    A run of many steps ends at the step that fails, and that step may have updated some of the variables.
    """
    counter, state = trainer.training_step.global_step, trainer.state
    uncounted = trainer.session.run(counter) - state.step  # made before this trainer
    try:
        yield from runs
    except tf.errors.OpError as error:
        trainer.workers.on_op_error(error)
        for callback in trainer.callbacks:
            callback.on_op_error(trainer)
        made = int(trainer.session.run(counter) - uncounted - state.step)
        state.step, state.batch = state.step + made, state.batch + made
        text = "an op failed; trainer and variables are at step %d"
        if trainer.plan.short_size and trainer.plan.ends(state.epoch, state.batch + 1):
            text += (
                "; the mini-batch is the last one, which is shorter: fit(drop_remainder=True) leaves it out"
            )
        logger.warning(text, state.step)
        raise


def record(trainer: Any, run: Run) -> None:
    """Adds the values of a run to the metrics of the epoch, and calls the callbacks."""
    state = trainer.state
    # Only steps before the first loss that is not finite count: position and metrics are those before it.
    finite = np.isfinite(run.values[0])
    valid = len(finite) if finite.all() else int(np.argmin(finite))
    state.means.add(run.head(valid).values, run.batch_size)
    state.step += valid
    state.batch += valid
    trainer.last_run = run
    if valid < len(finite):
        refuse_loss(trainer, run, valid)
    state.rate = run.rates[-1] if run.rates else None
    read = any(map(reads_steps, trainer.callbacks))
    values = step_values.of_run(run, trainer.metrics, state.step) if read else None
    for callback in trainer.callbacks:
        if observes_steps(callback):
            callback.on_step(trainer, metrics_of(trainer, run.last()))
        if reads_steps(callback):
            callback.on_steps(trainer, values)
        callback.on_run_end(trainer)


def refuse_loss(trainer: Any, run: Run, valid: int) -> None:
    """Ends the fit at a loss that is not finite; a callback may raise an error that says more."""
    rest = Run([value[valid:] for value in run.values], run.rates[valid:], run.batch_size)
    for callback in trainer.callbacks:
        callback.on_not_finite(trainer, rest)
    loss, step = float(rest.values[0][0]), trainer.state.step
    text = checks.Checker("fit").message(f"the loss is not finite at step {step}", loss=loss)
    raise checks.GraphkitError(text)


def metrics_of(trainer: Any, run: Run) -> dict[str, Any]:
    """Returns {name: metric} of the mini-batches of a run."""
    means = Means(trainer.metrics)
    means.add(run.values, run.batch_size)
    return means.result()


def end_epoch(trainer: Any, validation: Validation, started: Start, interrupts: signals.Interrupts) -> None:
    """Validates, adds a row to the history and calls the callbacks."""
    row, state = next_row(trainer, validation, started, interrupts), trainer.state
    state.epoch += 1
    state.start_epoch()
    add_row(state.history, row)
    for callback in trainer.callbacks:
        callback.on_epoch_end(trainer, row)


def next_row(
    trainer: Any, validation: Validation, started: Start, interrupts: signals.Interrupts
) -> dict[str, Any]:
    """Validates; returns the row of the history for the current epoch, or for the part that was made."""
    state, seconds = trainer.state, time.perf_counter() - started.time
    row = {"epoch": state.epoch + 1, "step": state.step, **state.means.result()}
    row |= validation.run(trainer, interrupts.check)
    if state.rate is not None:
        row |= trainer.learning_rate.columns(state.rate)
    row["seconds"] = seconds
    row["examples_per_second"] = (state.means.examples - started.examples) / seconds
    return row


def end_early(
    trainer: Any, reached: str, validation: Validation, started: Start, interrupts: signals.Interrupts
) -> None:
    """Ends a fit at a limit of steps or time; says how to continue.

    Inside an epoch, what was reached is saved and validated, and is a row of the history until the epoch goes
    on: the checkpoint does not hold the row.
    """
    state = trainer.state
    if state.batch:
        save(trainer)  # before the validation, since time may be short
        row = next_row(trainer, validation, started, interrupts)
        if validation.evaluate is not None:
            save(trainer)  # names the best weights of this validation
        add_row(state.history, row)
    inside = f", in epoch {state.epoch + 1}" if state.batch else f", after epoch {state.epoch}"
    goes_on = "another fit continues from here, while this trainer is open"
    if trainer.logdir is not None:
        more = reached.split("=")[0]
        goes_on = f"fit(resume=True) with {'a larger' if more == 'max_steps' else 'more'} {more} continues"
    trainer.ended = f"{reached} at step {state.step}{inside}; {goes_on}"
    logger.info("ended by %s", trainer.ended)


def save(trainer: Any) -> str | None:
    """Saves a training that ends inside an epoch, if it has a logdir, as its `Checkpointing` does."""
    if trainer.logdir is None:
        return None
    found = (callback for callback in trainer.callbacks if isinstance(callback, Checkpointing))
    return trainer.save(keep=next(found).keep)


def leave(trainer: Any) -> None:
    """Saves an interrupted training if it has a logdir, and logs how to continue."""
    where = f"interrupted at step {trainer.step}, in epoch {trainer.epoch + 1}"
    path = save(trainer) if trainer.step else None  # before the first step there is nothing to keep
    if path is not None:
        logger.warning("%s; saved as %s; fit(resume=True) continues", where, path)
    elif trainer.logdir is not None and not trainer.folder.has_earlier:
        logger.warning("%s; fit(resume=True) begins again", where)
    else:
        logger.warning("%s; another fit continues from here, while this trainer is open", where)
