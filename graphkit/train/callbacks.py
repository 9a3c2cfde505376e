"""The built-in callbacks: early stopping, plateaus, checkpoints, the history file, progress."""

import csv
import logging
import math
import os
import sys
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from graphkit import checks
from graphkit.checkpoints import saving
from graphkit.diagnosis import recorder
from graphkit.running import files
from graphkit.running.callback import Callback
from graphkit.train.metrics_file import MetricsFile

logger = logging.getLogger("graphkit")


class Remembering(Callback):
    """A callback whose memory is of one fit, so that it can be used for several.

    A fit that is resumed, or that follows an interrupted one of the same trainer, goes on with its memory.
    """

    restored = False  # by the resume of the fit that is about to start
    interrupted: Any = None  # a weak reference to the trainer whose fit was interrupted

    def on_fit_start(self, trainer: Any) -> None:
        if not self.restored and (self.interrupted is None or self.interrupted() is not trainer):
            self.forget(trainer.epoch)

    def on_fit_end(self, trainer: Any) -> None:
        self.restored = False
        self.interrupted = weakref.ref(trainer) if trainer.interrupted else None

    def restore_state(self, state: Any) -> None:
        self.restored = True

    def forget(self, epoch: int) -> None:
        """Begins anew, after so many epochs."""


class EarlyStopping(Remembering):
    """Stops training when a metric no longer improves, and restores the best weights.

    Each fit begins without a best value, unless it resumes one or goes on with an interrupted one.

    Args:
      monitor: name of a metric in the history, such as "valid_loss" or "valid_accuracy".
      patience: epochs without improvement after which training stops.
      min_delta: smallest change that counts as an improvement.
      mode: "min" or "max"; None is "min" for losses and "max" for other metrics.
      restore_best: whether the weights of the best epoch are restored at the end.

    Raises:
      TypeError: monitor is not a string, patience not an integer, or min_delta not a number.
      ValueError: patience is below 1, min_delta is negative, mode is unknown, or, in `fit`, the history
        does not have the metric.

    Source: L. Prechelt, "Early stopping - but when?", 1998.

    Example:
      >>> stopping = gk.EarlyStopping("valid_accuracy", patience=3)
    """

    def __init__(
        self,
        monitor: str = "valid_loss",
        patience: int = 3,
        *,
        min_delta: float = 0.0,
        mode: str | None = None,
        restore_best: bool = True,
    ) -> None:
        check = checks.Checker("EarlyStopping")
        self.watch = Watch(check, monitor, min_delta, mode)
        self.patience = check.integer("patience", patience)
        self.restore_best = restore_best
        self.best_name: str | None = None  # of the checkpoint with the best weights
        self.temporary: Any = None  # folder for it if the trainer has no logdir
        self.started = False

    def on_fit_start(self, trainer: Any) -> None:
        super().on_fit_start(trainer)
        self.watch.start(trainer)
        alone = trainer.workers.size == 1
        rule = "to restore the best weights, several workers need a trainer with a logdir"
        self.watch.checker.require(alone or trainer.logdir or not self.restore_best, rule, logdir=None)
        if trainer.logdir is None and self.restore_best and self.temporary is None:
            self.temporary = files.temporary_folder(self.watch.checker)
        self.started = True
        if self.best_name is None:
            return
        if os.path.exists(f"{self.path(trainer, self.best_name)}.index"):
            self.remove_older(trainer)
        else:
            logger.warning("the checkpoint %s of the best weights so far is missing", self.best_name)
            self.best_name = None

    def on_epoch_end(self, trainer: Any, metrics: dict[str, Any]) -> None:
        if self.watch.improved(metrics):
            if self.restore_best:
                self.keep_best(trainer)
        elif metrics["epoch"] - self.watch.best_epoch >= self.patience:
            trainer.stop(f"{self.watch} was not improved for {self.patience} epochs")

    def keep_best(self, trainer: Any) -> None:
        name = f"best-{trainer.step}"
        trainer.save(self.path(trainer, name))
        self.best_name = name
        if trainer.logdir is None:
            self.remove_older(trainer)

    def on_save_end(self, trainer: Any, path: str) -> None:
        # Only now: until there is a checkpoint that names the new best weights, a process that is killed goes
        # on from one that names the older ones. At step 0 there may still be those of an earlier run.
        if trainer.logdir is not None and trainer.step > 0 and path == saving.latest(trainer.logdir):
            self.remove_older(trainer)

    def remove_older(self, trainer: Any) -> None:
        """Removes the best checkpoints that no callback names: several may watch different metrics."""
        if not trainer.workers.is_chief:
            return
        named = {c.best_name for c in trainer.callbacks if isinstance(c, EarlyStopping)}
        for path in saving.paths_in(self.folder(trainer), "best"):
            if os.path.basename(path) not in named:
                saving.remove(path)

    def path(self, trainer: Any, name: str) -> str:
        return str(self.folder(trainer) / name)

    def folder(self, trainer: Any) -> Path:
        return Path(trainer.logdir or self.temporary.name)

    def on_fit_end(self, trainer: Any) -> None:
        super().on_fit_end(trainer)
        started, self.started = self.started, False
        # An interrupted training continues from its last weights, not from the best ones. A fit that another
        # callback refused has no best weights yet.
        if trainer.interrupted or not started:
            return
        if self.best_name is not None:
            trainer.restore(self.path(trainer, self.best_name), weights_only=True)
        self.clean_up()

    def forget(self, epoch: int) -> None:
        self.watch.forget(epoch)
        self.best_name = None
        self.clean_up()

    def clean_up(self) -> None:
        """Removes the best weights of a trainer without a logdir."""
        if self.temporary is not None:
            self.temporary.cleanup()
            self.temporary = self.best_name = None

    def state_name(self) -> str:
        return f"{EarlyStopping.__name__} of {self.watch.monitor}"

    def state(self) -> Any:
        return [self.watch.best, self.watch.best_epoch, self.best_name]

    def restore_state(self, state: Any) -> None:
        super().restore_state(state)
        self.watch.best, self.watch.best_epoch, self.best_name = state


def best_of(state: Any) -> str | None:
    """Returns the name of the best checkpoint that early stopping noted in a checkpoint's state, or None."""
    kept = (fields for kind, fields in state["callbacks"] if kind.startswith(f"{EarlyStopping.__name__} of "))
    return next((name for _, _, name in kept if name is not None), None)


class ReduceOnPlateau(Remembering):
    """Multiplies the learning rate when a metric no longer improves.

    Each fit begins without a best value, unless it resumes one or goes on with an interrupted one; the rate
    stays multiplied as often as it was.

    Args:
      monitor: name of a metric in the history, such as "valid_loss" or "valid_accuracy".
      factor: number by which the rate is multiplied each time, in (0, 1).
      patience: epochs without improvement after which the rate is multiplied.
      min_delta: smallest change that counts as an improvement.
      mode: "min" or "max"; None is "min" for losses and "max" for other metrics.
      min_factor: lower bound of the product of all factors, in (0, 1].

    Raises:
      TypeError: monitor is not a string, patience not an integer, or another argument not a number.
      ValueError: an argument is out of range, or, in `fit`, the history does not have the metric, or the
        optimizer is an object, which brings its own rate.

    Formula: the rate of a step is learning_rate(step) * max(min_factor, factor**reductions).

    Example:
      >>> plateau = gk.ReduceOnPlateau("valid_loss", factor=0.5, patience=2)
    """

    def __init__(
        self,
        monitor: str = "valid_loss",
        factor: float = 0.1,
        patience: int = 3,
        *,
        min_delta: float = 0.0,
        mode: str | None = None,
        min_factor: float = 1e-4,
    ) -> None:
        check = checks.Checker("ReduceOnPlateau")
        self.watch = Watch(check, monitor, min_delta, mode)
        self.factor = check.number("factor", factor, above=0, below=1)
        self.patience = check.integer("patience", patience)
        self.min_factor = check.number("min_factor", min_factor, above=0, at_most=1)
        self.last_change = 0

    def on_fit_start(self, trainer: Any) -> None:
        super().on_fit_start(trainer)
        self.watch.start(trainer)
        adjustable = trainer.learning_rate.schedule is not None
        rule = "the optimizer brings its own learning rate, which cannot be reduced"
        self.watch.checker.require(adjustable, rule)

    def on_epoch_end(self, trainer: Any, metrics: dict[str, Any]) -> None:
        if self.watch.improved(metrics):
            return
        if metrics["epoch"] - max(self.watch.best_epoch, self.last_change) >= self.patience:
            trainer.rate_factor = max(self.min_factor, trainer.rate_factor * self.factor)
            self.last_change = metrics["epoch"]

    def forget(self, epoch: int) -> None:
        self.watch.forget(epoch)
        self.last_change = epoch

    def changes_training(self) -> Any:
        return [*self.watch.settings(), self.factor, self.patience, self.min_factor]

    def state_name(self) -> str:
        return f"{type(self).__name__} of {self.watch.monitor}"

    def state(self) -> Any:
        return [self.watch.best, self.watch.best_epoch, self.last_change]

    def restore_state(self, state: Any) -> None:
        super().restore_state(state)
        self.watch.best, self.watch.best_epoch, self.last_change = state


class Watch:
    """The best value of a metric so far, and its epoch."""

    def __init__(self, check: checks.Checker, monitor: str, min_delta: float, mode: str | None) -> None:
        rule = "monitor must be the name of a metric"
        check.require_type(isinstance(monitor, str), rule, monitor=monitor)
        if mode is None:
            mode = "min" if "loss" in monitor else "max"
        self.checker = check
        self.monitor = monitor
        self.min_delta = check.number("min_delta", min_delta, at_least=0)
        self.sign = 1 if check.choice("mode", mode, ("min", "max")) == "min" else -1
        self.forget(0)

    def forget(self, epoch: int) -> None:
        """Begins without a best value, after so many epochs."""
        self.best = math.inf
        self.best_epoch = epoch

    def settings(self) -> list:
        return [self.monitor, self.min_delta, self.sign]

    def start(self, trainer: Any) -> None:
        """Checks the metric's name."""
        known = self.monitor in trainer.metric_names
        received = {"monitor": self.monitor, "metrics": trainer.metric_names}
        self.checker.require(known, "monitor must be a metric of the history", **received)

    def improved(self, metrics: dict[str, Any]) -> bool:
        """Records a row of the history; returns whether the metric has improved."""
        value = metrics[self.monitor]
        rule = "monitor must be a metric that is one number"
        self.checker.require(np.ndim(value) == 0, rule, monitor=self.monitor)
        value = self.sign * value
        better = value < self.best - self.min_delta
        if better:
            self.best, self.best_epoch = value, metrics["epoch"]
        return better

    def __str__(self) -> str:
        return f"{self.monitor} {self.sign * self.best:.4f} of epoch {self.best_epoch}"


class HistoryFile(Callback):
    """Writes the history to `history.csv` in the trainer's logdir, with one row per epoch."""

    def on_epoch_end(self, trainer: Any, metrics: dict[str, Any]) -> None:
        if not trainer.workers.is_chief:
            return
        with files.replacing(trainer.logdir / "history.csv", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(trainer.history)
            writer.writerows(zip(*trainer.history.values(), strict=True))


class Checkpointing(Callback):
    """Saves checkpoints in the trainer's logdir: after each epoch, and inside long ones.

    A trainer with a logdir has one with these defaults, unless it is given another.

    Args:
      every_steps: steps between checkpoints inside an epoch, counted from the start of the training; None
        for no such checkpoints.
      every_seconds: seconds between checkpoints inside an epoch; None for no such checkpoints.
      keep: how many of the newest checkpoints stay; with 2 or more, `resume` can use an earlier one if the
        newest is damaged.

    Raises:
      TypeError: every_steps or keep is not an integer, or every_seconds is not a number.
      ValueError: a number is not positive, or, in `fit`, the trainer has no logdir.

    Example:
      >>> often = gk.Checkpointing(every_steps=1000, keep=3)
    """

    def __init__(
        self, every_steps: int | None = None, every_seconds: float | None = 60, *, keep: int = 2
    ) -> None:
        check = checks.Checker("Checkpointing")
        if every_steps is not None:
            every_steps = check.integer("every_steps", every_steps)
        if every_seconds is not None:
            every_seconds = check.number("every_seconds", every_seconds, above=0)
        self.every_steps, self.every_seconds = every_steps, every_seconds
        self.keep = check.integer("keep", keep)

    def on_fit_start(self, trainer: Any) -> None:
        rule = "checkpoints need a trainer with a logdir"
        checks.Checker("Checkpointing").require(trainer.logdir is not None, rule, logdir=None)
        self.saved = time.monotonic()

    def on_run_end(self, trainer: Any) -> None:
        due = self.every_steps is not None and trainer.step % self.every_steps == 0
        if self.every_seconds is not None:
            late = time.monotonic() - self.saved >= self.every_seconds
            due |= trainer.workers.decides("checkpoint", late)
        if due and trainer.batch < len(trainer.plan):  # at the end of an epoch `on_epoch_end` saves
            self.save(trainer)

    def on_epoch_end(self, trainer: Any, metrics: dict[str, Any]) -> None:
        self.save(trainer)

    def save(self, trainer: Any) -> None:
        trainer.save(keep=self.keep)
        self.saved = time.monotonic()


class Progress(Callback):
    """Shows a progress bar on a terminal or in a notebook, and prints a line for each epoch.

    Args:
      epochs: the number of the last epoch, for the bar's title.
    """

    REFRESH = 0.1  # seconds

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.bar: Any = None
        self.shown = 0.0
        self.hidden = not (sys.stderr.isatty() or "ipykernel" in sys.modules)  # as in a log file

    def on_run_end(self, trainer: Any) -> None:
        if self.hidden:
            return
        if self.bar is None:
            self.bar = tqdm(
                total=trainer.plan.examples_per_epoch,
                desc=f"epoch {trainer.epoch + 1}/{self.epochs}",
                unit=" examples",
                unit_scale=True,
                leave=False,
                mininterval=self.REFRESH,
            )
        now = time.perf_counter()
        if now - self.shown > self.REFRESH:
            self.shown = now
            self.bar.set_postfix(readable(trainer.state.means.result()), refresh=False)
            self.bar.update(trainer.state.means.examples - self.bar.n)

    def on_epoch_end(self, trainer: Any, metrics: dict[str, Any]) -> None:
        self.close()
        shown = {name: metrics[name] for name in trainer.metric_names}
        text = "  ".join(f"{name} {value}" for name, value in readable(shown).items())
        speed = f"{metrics['examples_per_second']:,.0f} examples/s"
        width = len(str(self.epochs))
        print(f"epoch {metrics['epoch']:{width}}/{self.epochs}  {text}  {speed}", flush=True)

    def on_fit_end(self, trainer: Any) -> None:
        self.close()
        if trainer.state.stop_reason is not None:
            print(f"stopped: {trainer.state.stop_reason}", flush=True)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def readable(metrics: dict[str, Any]) -> dict[str, str]:
    """Returns {name: text} of the metrics that are single numbers; matrices are only in the history."""
    return {name: f"{value:.4f}" for name, value in metrics.items() if isinstance(value, float)}


def with_built_in(callbacks: Sequence[Callback], trainer: Any) -> list[Callback]:
    """Returns the callbacks followed by those that every fit has.

    The built-in ones come last, so that checkpoints and history hold what the caller's callbacks changed.

    Args:
      callbacks: those of the caller; a `Recorder`, `MetricsFile` or `Checkpointing` among them replaces the
        built-in one.
      trainer: with a logdir, its history and checkpoints are written; where its steps cannot be made again to
        the same bits, no search finds the one that is not finite.
    """

    def missing(kind: type) -> bool:
        return not any(isinstance(callback, kind) for callback in callbacks)

    writes, search = trainer.logdir is not None, trainer.workers.repeats
    added: list[Callback] = [recorder.Recorder(search=search)] if missing(recorder.Recorder) else []
    if writes:
        added += [HistoryFile(), *([MetricsFile()] if missing(MetricsFile) else [])]
    if writes and missing(Checkpointing):
        added.append(Checkpointing())
    return [*callbacks, *added]
