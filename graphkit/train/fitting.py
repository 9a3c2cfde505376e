"""The epochs of a fit: runs of steps, validation, callbacks, and where a fit starts, stops and resumes."""

import contextlib
import logging
import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.checkpoints import saving
from graphkit.data import batches
from graphkit.running.callback import observes_steps
from graphkit.running.execution import Wanted
from graphkit.running.metrics import Means, add_row
from graphkit.running.steps import Evaluation, Run
from graphkit.train import identity, signals

logger = logging.getLogger("graphkit")
ANYWAY = "anyway"


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


def make_plan(check: checks.Checker, examples: int, batch_size: int, *rest: Any) -> batches.Plan:
    """Returns the plan of a fit, see `batches.Plan`, which must have a mini-batch."""
    plan = batches.Plan(examples, batch_size, *rest)
    rule = "batch_size must leave at least one whole mini-batch where the remainder is dropped"
    check.require(len(plan), rule, batch_size=batch_size, examples=examples)
    return plan


def validation(trainer: Any, valid: Any) -> Evaluation | None:
    """Checks the validation data, names the metrics of the history; returns what evaluates, or None."""
    trainer.metric_names = list(trainer.metrics)
    if valid is None:
        return None
    trainer.metric_names += [f"valid_{name}" for name in trainer.metrics]
    return trainer.evaluation(checks.Checker("fit (valid)"), valid, workers=trainer.workers)


def wanted(trainer: Any, execution: str, count: int | None, last_epoch: int, earlier: Earlier) -> Wanted:
    """Returns what a fit asks for, by its arguments, its callbacks and the run that it resumes."""
    return Wanted(
        execution,
        count,
        total_steps=last_epoch * len(trainer.plan),
        observed=any(map(observes_steps, trainer.callbacks)),
        stops=[c.every_steps for c in trainer.callbacks if c.every_steps is not None],
        was_compiled=earlier.compiled,
    )


def begin(trainer: Any, earlier: Earlier, resume: bool | str, total_steps: int) -> bool:
    """Restores the checkpoint to resume from, if any; returns whether the fit replaces an earlier run."""
    plan, found, folder = trainer.plan, earlier.found, trainer.folder
    trainer.interrupted = False
    now = identity.of_run(trainer, total_steps)
    if resume and found:
        resume_from(trainer, earlier, now, anyway=resume == ANYWAY)
    state = trainer.state
    if resume and state.step == 0:
        folder.replace_earlier(stays=found)
    if not resume:
        state.stop_reason = None
    if state.batch and (
        state.plan != plan or state.identity is None or state.identity["data"] != now["data"]
    ):
        state.start_epoch()  # the last fit ended inside an epoch on other data
    position = {"step": state.step, "epoch": state.epoch, "batch": state.batch, "steps": total_steps}
    stops = {"every_steps of callbacks": sorted({*trainer.runner.stops})}
    trainer.workers.agree("fit", {**now, **stops, "position": position})
    state.plan, state.identity = plan, now
    replaces = bool(found) and not resume and state.step == 0
    if replaces:
        folder.replace_earlier(stays=[])
        text = "%s holds an earlier run; its checkpoints will be replaced (resume=True continues it)"
        logger.warning(text, folder.logdir)
    if folder is not None and trainer.unsaved:
        text = "checkpoints do not hold the state of %s; where it changes in training, a run that is resumed "
        logger.warning(f"{text}does not have the same bits", ", ".join(trainer.unsaved))
    return replaces


def resume_from(trainer: Any, earlier: Earlier, now: dict, anyway: bool) -> None:
    """Restores the newest valid checkpoint of the same run."""
    for path, state in earlier.states:
        require_same_run(trainer, path, state["identity"], now, anyway)
        try:
            trainer.restore(path)
        except (checks.GraphkitError, FileNotFoundError) as error:
            logger.warning("%s; trying the previous checkpoint", error)
            continue
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
    ways = (
        'resume="anyway" continues all the same; to begin anew from its weights: restore(path, '
        "weights_only=True), then fit without resume"
    )
    checks.Checker("fit").require(not different, f"{rule}; {ways}")


def fit(trainer: Any, last_epoch: int, validate: Evaluation | None, replaces: bool) -> None:
    """Trains until the last epoch, with the callbacks' start and end around it.

    Args:
      trainer: with all that `begin` has set.
      last_epoch: its number, counted from 1.
      validate: computes the metrics of the validation data, or None.
      replaces: whether the folder holds an earlier run, which this one replaces.
    """
    try:
        try:
            for callback in trainer.callbacks:
                callback.on_fit_start(trainer)
            if replaces:
                # The earlier run is replaced at once, now that nothing more can refuse the fit: if the
                # process is killed after this, `resume` must not continue that one.
                trainer.save()
            train(trainer, last_epoch, validate)
        finally:
            for callback in trainer.callbacks:
                callback.on_fit_end(trainer)
    except Exception as error:
        trainer.workers.on_error(error)
        raise


def train(trainer: Any, last_epoch: int, validate: Evaluation | None) -> None:
    """Trains and validates until the last epoch, or until a callback or a signal ends it."""
    with signals.Interrupts(trainer.workers.decides) as interrupts:
        try:
            while trainer.epoch < last_epoch and trainer.state.stop_reason is None:
                started = time.perf_counter()
                for callback in trainer.callbacks:
                    callback.on_epoch_start(trainer)
                if train_epoch(trainer, interrupts):
                    if trainer.epoch + 1 == last_epoch:
                        trainer.workers.end_steps(interrupts.check)
                    end_epoch(trainer, validate, started, interrupts)
                if trainer.workers.any_wishes(trainer.state.stop_reason is not None):
                    trainer.stop(trainer.state.stop_reason or "another worker stopped the training")
                interrupts.check()
            trainer.workers.end_steps(interrupts.check)
        except signals.Interrupted:
            trainer.workers.take_leave()
            trainer.interrupted = True
            leave(trainer)
            raise interrupts.exception() from None


def train_epoch(trainer: Any, interrupts: signals.Interrupts) -> bool:
    """Runs the steps of the current epoch; returns whether it was completed."""
    state = trainer.state

    def rates(steps: range) -> list[Any]:
        return trainer.learning_rate.rates(steps, state.rate_factor)

    # Closed at once if the loop ends early, so that no thread continues to prepare mini-batches.
    with contextlib.closing(trainer.runner.runs(state, rates)) as runs:
        for run in complete(trainer, runs):
            record(trainer, run)
            interrupts.check()
            stops = trainer.workers.decides("stop now", trainer.stops_now)
            if stops and state.batch < len(trainer.plan):
                if trainer.logdir is not None:
                    trainer.save()
                return False
    return True


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
        logger.warning("an op failed; trainer and variables are at step %d", state.step)
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
    for callback in trainer.callbacks:
        if observes_steps(callback):
            callback.on_step(trainer, metrics_of(trainer, run.last()))
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


def end_epoch(
    trainer: Any, validate: Evaluation | None, started: float, interrupts: signals.Interrupts
) -> None:
    """Validates, adds a row to the history and calls the callbacks."""
    state, seconds = trainer.state, time.perf_counter() - started
    row = {"epoch": state.epoch + 1, "step": state.step, **state.means.result()}
    if validate is not None:
        for callback in trainer.callbacks:
            callback.on_validation_start(trainer)
        validated = {f"valid_{name}": value for name, value in validate(interrupts.check).items()}
        for callback in trainer.callbacks:
            callback.on_validation_end(trainer, validated)
        row |= validated
    if state.rate is not None:
        row |= trainer.learning_rate.columns(state.rate)
    row["seconds"] = seconds
    row["examples_per_second"] = state.means.examples / seconds
    state.epoch += 1
    state.start_epoch()
    add_row(state.history, row)
    for callback in trainer.callbacks:
        callback.on_epoch_end(trainer, row)


def leave(trainer: Any) -> None:
    """Saves an interrupted training if it has a logdir, and logs how to continue."""
    where = f"interrupted at step {trainer.step}, in epoch {trainer.epoch + 1}"
    if trainer.logdir is None:
        logger.warning("%s; another fit continues from here, while this trainer is open", where)
    else:
        path = trainer.save()
        logger.warning("%s; saved as %s; fit(resume=True) (a script's --resume) continues", where, path)
