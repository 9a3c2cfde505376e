"""What callbacks of a training share: a memory of one fit, and the best value of a metric."""

import math
import re
import weakref
from typing import Any

import numpy as np

from graphkit import checks
from graphkit.running.callback import Callback


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
        """Begins anew, after this epoch."""


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
        """Begins without a best value, after this epoch."""
        self.best = math.inf
        self.best_epoch = epoch

    def settings(self) -> list:
        return [self.monitor, self.min_delta, self.sign]

    def start(self, trainer: Any) -> None:
        """Checks the metric's name."""
        names = trainer.metric_names
        received = {"monitor": self.monitor, "metrics": names}
        name = re.sub("^val_", "valid_", self.monitor)  # as Keras calls it
        near = f" (near it: {name})" if name in names else checks.near(name, names)
        if name.startswith("valid_") and not any(other.startswith("valid_") for other in names):
            near = ", which fit has with valid={placeholder: examples}"
        self.checker.require(
            self.monitor in names, f"monitor must be a metric of the history{near}", **received
        )

    def value(self, metrics: dict[str, Any]) -> float:
        """Returns the metric of a row of the history."""
        value = metrics[self.monitor]
        rule = "monitor must be a metric that is one number"
        self.checker.require(np.ndim(value) == 0, rule, monitor=self.monitor)
        return value

    def improved(self, metrics: dict[str, Any]) -> bool:
        """Records a row of the history; returns whether the metric has improved."""
        value = self.sign * self.value(metrics)
        better = value < self.best - self.min_delta
        if better:
            self.best, self.best_epoch = value, metrics["epoch"]
        return better

    def __str__(self) -> str:
        return f"{self.monitor} {self.sign * self.best:.4f} of epoch {self.best_epoch}"
