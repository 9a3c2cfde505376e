"""Callbacks: what happens after a step or an epoch. They are handed the trainer, never import it."""

import csv
import math
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from graphkit import checks
from graphkit.checkpoints import saving

__all__ = ["Callback", "Checkpointing", "EarlyStopping", "ReduceOnPlateau"]


class Callback:
    """What a trainer calls while it fits; override what is of interest.

    Attributes:
      every_steps: a run of many steps ends at each multiple of so many, counted from the first step of all,
        so that `on_run_end` finds the variables as they are there; None leaves it to the trainer.

    Example:
      >>> class Shout(gk.Callback):
      ...     def on_epoch_end(self, trainer, figures):
      ...         print(f"epoch {figures['epoch']}!")
    """

    every_steps = None

    def on_fit_start(self, trainer):
        """Called before the first step, when all input has been checked."""

    def on_step(self, trainer, figures):
        """Called after each step with its {"loss": …, metric: …}; steps are then run one by one."""

    def on_run_end(self, trainer):
        """Called after each run of one or many steps, several times a second unless a step takes longer."""

    def on_epoch_end(self, trainer, figures):
        """Called after each epoch and its validation with the new row of the history."""

    def on_fit_end(self, trainer):
        """Called when `fit` ends, also by an error."""

    def state(self):
        """Returns what a checkpoint keeps of the callback, as JSON."""
        return None

    def restore_state(self, state):
        """Takes back what `state` returned, when a run is resumed."""


class EarlyStopping(Callback):
    """Ends the training when a figure has stopped getting better, and brings the best weights back.

    Args:
      monitor: name of a figure in the history, such as "valid_loss" or "valid_accuracy".
      patience: epochs without improvement after which training ends.
      min_delta: what counts as improvement at least.
      mode: "min" or "max"; None takes "min" for losses and "max" for all else.
      restore_best: whether the weights of the best epoch are restored at the end.

    Raises:
      ValueError: a patience below one, a negative min_delta, an unknown mode, or, in `fit`, a figure that
        the history does not have.

    Source: L. Prechelt, "Early stopping - but when?", 1998.

    Example:
      >>> stopping = gk.EarlyStopping("valid_accuracy", patience=3)
    """

    def __init__(self, monitor="valid_loss", patience=3, min_delta=0.0, mode=None, restore_best=True):
        self.watch = Watch("EarlyStopping", monitor, min_delta, mode)
        self.patience = checks.integer("EarlyStopping", "patience", patience)
        self.restore_best = restore_best
        self.best_name = None  # of the checkpoint with the best weights
        self.temporary = None  # folder for it where the trainer has none

    def on_fit_start(self, trainer):
        self.watch.check(trainer)

    def on_epoch_end(self, trainer, figures):
        if self.watch.improved(figures):
            if self.restore_best:
                self.keep_best(trainer)
        elif figures["epoch"] - self.watch.best_epoch >= self.patience:
            trainer.stop(f"{self.watch} was not improved for {self.patience} epochs")

    def keep_best(self, trainer):
        older, newer = self.best_name, f"best-{trainer.step}"
        trainer.save(self.path(trainer, newer))
        self.best_name = newer
        if older not in (None, self.best_name):
            saving.remove(self.path(trainer, older))

    def path(self, trainer, name):
        if trainer.logdir is None and self.temporary is None:
            self.temporary = tempfile.TemporaryDirectory()
        return str(Path(trainer.logdir or self.temporary.name) / name)

    def on_fit_end(self, trainer):
        if self.best_name is not None and not trainer.interrupted:
            trainer.restore(self.path(trainer, self.best_name), weights_only=True)
        if self.temporary is not None:
            self.temporary.cleanup()
            self.temporary = self.best_name = None

    def state(self):
        return [self.watch.best, self.watch.best_epoch, self.best_name]

    def restore_state(self, state):
        self.watch.best, self.watch.best_epoch, self.best_name = state


class ReduceOnPlateau(Callback):
    """Multiplies the learning rate when a figure has stopped getting better.

    Args:
      monitor: name of a figure in the history, such as "valid_loss" or "valid_accuracy".
      factor: what the rate is multiplied by, in (0, 1).
      patience: epochs without improvement after which that happens.
      min_delta: what counts as improvement at least.
      mode: "min" or "max"; None takes "min" for losses and "max" for all else.
      min_factor: the rate is never multiplied by less than this in all.

    Raises:
      ValueError: an argument is out of its range, or, in `fit`, a figure that the history does not have, or
        an optimizer object, which brings its own rate.

    Example:
      >>> plateau = gk.ReduceOnPlateau("valid_loss", factor=0.5, patience=2)
    """

    def __init__(
        self, monitor="valid_loss", factor=0.1, patience=3, min_delta=0.0, mode=None, min_factor=1e-4
    ):
        function = "ReduceOnPlateau"
        self.watch = Watch(function, monitor, min_delta, mode)
        self.factor = checks.number(function, "factor", factor, above=0, below=1)
        self.patience = checks.integer(function, "patience", patience)
        self.min_factor = checks.number(function, "min_factor", min_factor, above=0, at_most=1)
        self.last_change = 0

    def on_fit_start(self, trainer):
        self.watch.check(trainer)
        rule = "the optimizer brings its own learning rate, which cannot be reduced"
        checks.require(trainer.schedule is not None, "ReduceOnPlateau", rule)

    def on_epoch_end(self, trainer, figures):
        if self.watch.improved(figures):
            return
        if figures["epoch"] - max(self.watch.best_epoch, self.last_change) >= self.patience:
            trainer.rate_factor = max(self.min_factor, trainer.rate_factor * self.factor)
            self.last_change = figures["epoch"]

    def state(self):
        return [self.watch.best, self.watch.best_epoch, self.last_change]

    def restore_state(self, state):
        self.watch.best, self.watch.best_epoch, self.last_change = state


class Watch:
    """The best value of a figure so far, and the epoch that it is of."""

    def __init__(self, function, monitor, min_delta, mode):
        if not isinstance(monitor, str):
            rule = "monitor must be the name of a figure"
            raise TypeError(checks.message(function, rule, monitor=monitor))
        if mode is None:
            mode = "min" if "loss" in monitor else "max"
        self.function = function
        self.monitor = monitor
        self.min_delta = checks.number(function, "min_delta", min_delta, at_least=0)
        self.sign = 1 if checks.choice(function, "mode", mode, ("min", "max")) == "min" else -1
        self.best = math.inf
        self.best_epoch = 0

    def check(self, trainer):
        rule = "monitor must be a figure of the history"
        sound = self.monitor in trainer.figure_names
        received = {"monitor": self.monitor, "figures": trainer.figure_names}
        checks.require(sound, self.function, rule, **received)

    def improved(self, figures):
        """Takes in a row of the history; tells whether the figure has become better."""
        value = figures[self.monitor]
        rule = "monitor must be a figure that is one number"
        checks.require(np.ndim(value) == 0, self.function, rule, monitor=self.monitor)
        value = self.sign * value
        better = value < self.best - self.min_delta
        if better:
            self.best, self.best_epoch = value, figures["epoch"]
        return better

    def __str__(self):
        return f"{self.monitor} {self.sign * self.best:.4f} of epoch {self.best_epoch}"


class HistoryFile(Callback):
    """Writes the history to `history.csv` in the trainer's logdir, a row an epoch."""

    def on_epoch_end(self, trainer, figures):
        path = trainer.logdir / "history.csv"
        with open(f"{path}.new", "w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(trainer.history)
            writer.writerows(zip(*trainer.history.values(), strict=True))
        os.replace(f"{path}.new", path)


class Checkpointing(Callback):
    """Saves checkpoints in the trainer's logdir: after each epoch, and inside of long ones.

    A trainer with a logdir has one with these defaults, unless it is given another.

    Args:
      every_steps: steps between checkpoints inside an epoch, counted from the first step of all; None for
        none of them.
      every_seconds: seconds between checkpoints inside an epoch; None for none of them.
      keep: how many of the newest checkpoints stay; two of them outlive a newest one that is damaged.

    Raises:
      TypeError: a number of another kind.
      ValueError: a number that is not positive, or, in `fit`, a trainer without a logdir.

    Example:
      >>> often = gk.Checkpointing(every_steps=1000, keep=3)
    """

    def __init__(self, every_steps=None, every_seconds=60, keep=2):
        function = "Checkpointing"
        if every_steps is not None:
            every_steps = checks.integer(function, "every_steps", every_steps)
        if every_seconds is not None:
            every_seconds = checks.number(function, "every_seconds", every_seconds, above=0)
        self.every_steps, self.every_seconds = every_steps, every_seconds
        self.keep = checks.integer(function, "keep", keep)

    def on_fit_start(self, trainer):
        rule = "checkpoints need a trainer with a logdir"
        checks.require(trainer.logdir is not None, "Checkpointing", rule, logdir=None)
        self.saved = time.monotonic()

    def on_run_end(self, trainer):
        due = self.every_steps is not None and trainer.step % self.every_steps == 0
        if self.every_seconds is not None:
            due |= time.monotonic() - self.saved >= self.every_seconds
        if due and trainer.batch < trainer.batches_per_epoch:
            self.save(trainer)

    def on_epoch_end(self, trainer, figures):
        self.save(trainer)

    def save(self, trainer):
        trainer.save(keep=self.keep)
        self.saved = time.monotonic()


class Progress(Callback):
    """Shows a progress bar on a terminal or in a notebook, and prints a line for each epoch.

    Args:
      epochs: the number of the last epoch, for the bar's title.
    """

    REFRESH = 0.1  # seconds

    def __init__(self, epochs):
        self.epochs = epochs
        self.bar = None
        self.shown = 0.0
        self.hidden = not (sys.stderr.isatty() or "ipykernel" in sys.modules)

    def on_run_end(self, trainer):
        if self.hidden:
            return
        if self.bar is None:
            self.bar = tqdm(
                total=trainer.examples_per_epoch,
                desc=f"epoch {trainer.epoch + 1}/{self.epochs}",
                unit=" examples",
                unit_scale=True,
                leave=False,
                mininterval=self.REFRESH,
            )
        now = time.perf_counter()
        if now - self.shown > self.REFRESH:
            self.shown = now
            self.bar.set_postfix(readable(trainer.means.result()), refresh=False)
            self.bar.update(trainer.means.examples - self.bar.n)

    def on_epoch_end(self, trainer, figures):
        self.close()
        shown = {name: figures[name] for name in trainer.figure_names}
        text = "  ".join(f"{name} {value}" for name, value in readable(shown).items())
        speed = f"{figures['examples_per_second']:,.0f} examples/s"
        width = len(str(self.epochs))
        print(f"epoch {figures['epoch']:{width}}/{self.epochs}  {text}  {speed}", flush=True)

    def on_fit_end(self, trainer):
        self.close()

    def close(self):
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def readable(figures):
    """Returns the figures that are numbers, rounded; matrices are left to the history."""
    return {name: f"{value:.4f}" for name, value in figures.items() if isinstance(value, float)}


def check_callbacks(callbacks):
    for callback in callbacks:
        if not isinstance(callback, Callback):
            raise TypeError(checks.message("fit", "callbacks must be gk.Callback objects", got=callback))
        if callback.every_steps is not None:
            checks.integer("fit", f"every_steps of {type(callback).__name__}", callback.every_steps)
    return list(callbacks)


def with_writers(callbacks):
    """Returns the callbacks and those that write a logdir, as far as they are not among them."""
    written = [HistoryFile()]
    if not any(isinstance(callback, Checkpointing) for callback in callbacks):
        written.append(Checkpointing())
    return [*callbacks, *written]


def overrides_on_step(callback):
    return type(callback).on_step is not Callback.on_step
