"""The epochs of a fit: runs of steps, validation, callbacks, and where a fit starts, stops and resumes."""

import contextlib
import logging
import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.checkpoints import saving
from graphkit.data import batches
from graphkit.running.callback import observes_steps
from graphkit.running.metrics import Means, add_row
from graphkit.running.steps import Evaluation, Run
from graphkit.train import signals

logger = logging.getLogger("graphkit")


def begin(trainer: Any, plan: batches.Plan, data: str, epochs: int, resume: bool) -> int:
    """Restores the checkpoint to resume from, if any, and sets the plan; returns the last epoch's number."""
    check, state, folder = checks.Checker("fit"), trainer.state, trainer.folder
    trainer.interrupted = False
    check.require(folder is not None or not resume, "resume needs a logdir to resume from", logdir=None)
    found = folder.claim("fit") if folder is not None else []
    if resume:
        if found:
            resume_from(trainer, found, data)
            state = trainer.state
        if state.step == 0:
            folder.replace_earlier(stays=found)
        rule = "a run inside an epoch resumes with the same examples and batch size"
        check.require(state.batch == 0 or state.plan == plan, rule, was=state.plan, now=plan)
    else:
        state.stop_reason = None
        if state.batch and (state.plan, state.data) != (plan, data):
            state.start_epoch()  # the last fit ended inside an epoch on other data
    state.plan, state.data = plan, data
    if found and not resume and state.step == 0:
        folder.replace_earlier(stays=[])
        text = "%s holds an earlier run; its checkpoints will be replaced (resume=True continues it)"
        logger.warning(text, folder.logdir)
        # Replaces the earlier run at once: if the process is killed now, `resume` must not continue that one.
        trainer.save()
    return epochs if resume else state.epoch + epochs


def resume_from(trainer: Any, paths: list[str], data: str) -> None:
    """Restores the newest valid checkpoint of the same graph and data."""
    for path in paths:
        try:
            check_same_run(path, saving.read_state(path), trainer.fingerprint, data)
            trainer.restore(path)
            logger.info("resumed from %s at step %d", path, trainer.step)
            return
        except (checks.GraphkitError, FileNotFoundError) as error:
            logger.warning("%s; trying the previous checkpoint", error)
    rule = f"no valid checkpoint in {trainer.logdir}"
    raise checks.GraphkitError(checks.Checker("fit").message(rule, checkpoints=paths))


def check_same_run(path: str, state: dict | None, graph: str, data: str) -> None:
    """Raises if resuming from a checkpoint would not give the same bits."""
    hint = "to continue from its weights: restore(path, weights_only=True), then fit without resume"
    for what, now in (("graph", graph), ("data", data)):
        rule = f"{path} is of a run with another {what}, and would not resume to the same bits; {hint}"
        checks.Checker("fit").require(state is not None and state[what] == now, rule)


def fit(trainer: Any, last_epoch: int, validate: Evaluation | None) -> None:
    """Trains until the last epoch, with the callbacks' start and end around it."""
    try:
        for callback in trainer.callbacks:
            callback.on_fit_start(trainer)
        train(trainer, last_epoch, validate)
    finally:
        for callback in trainer.callbacks:
            callback.on_fit_end(trainer)


def train(trainer: Any, last_epoch: int, validate: Evaluation | None) -> None:
    """Trains and validates until the last epoch, or until a callback or a signal ends it."""
    with signals.Interrupts() as interrupts:
        try:
            while trainer.epoch < last_epoch and trainer.state.stop_reason is None:
                started = time.perf_counter()
                for callback in trainer.callbacks:
                    callback.on_epoch_start(trainer)
                if train_epoch(trainer, interrupts):
                    end_epoch(trainer, validate, started, interrupts)
                interrupts.check()
        except signals.Interrupted:
            trainer.interrupted = True
            leave(trainer)
            raise interrupts.exception() from None


def train_epoch(trainer: Any, interrupts: signals.Interrupts) -> bool:
    """Runs the steps of the current epoch; returns whether it was completed."""
    state = trainer.state

    def rates(steps: range) -> list[float]:
        return trainer.learning_rate.rates(steps, state.rate_factor)

    # Closed at once if the loop ends early, so that no thread continues to prepare mini-batches.
    with contextlib.closing(trainer.runner.runs(state, rates)) as runs:
        for run in complete(trainer, runs):
            record(trainer, run)
            interrupts.check()
            if trainer.stops_now and state.batch < len(trainer.plan):
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
    except tf.errors.OpError:
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
        row["learning_rate"] = float(state.rate)
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
