"""Where a fit ends: after some epochs, some steps, or some seconds."""

import math
import time
from typing import Any, NamedTuple

from graphkit import checks


class Limits(NamedTuple):
    """Where a fit ends; None is no limit.

    Attributes:
      last_epoch: the number of the last epoch.
      last_step: the number of the last step.
      deadline: the time of `time.monotonic()` after which no run of steps begins.
      given: {argument of `fit`: value} of the limits on steps and time.
    """

    last_epoch: int | None
    last_step: int | None
    deadline: float | None
    given: dict[str, Any]

    def allow(self, state: Any) -> bool:
        """Whether a training may make further steps, as far as epochs and steps are counted."""
        epochs_left = self.last_epoch is None or state.epoch < self.last_epoch
        return epochs_left and (self.last_step is None or state.step < self.last_step)

    def is_late(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline

    def is_last_epoch(self, state: Any) -> bool:
        """Whether no step follows the current epoch."""
        by_steps = self.last_step is not None and state.step >= self.last_step
        return by_steps or (self.last_epoch is not None and state.epoch + 1 >= self.last_epoch)

    def steps(self, per_epoch: int) -> float:
        """Returns how many steps the training may have in all: infinitely many where only time ends it."""
        by_epochs = math.inf if self.last_epoch is None else self.last_epoch * per_epoch
        return min(by_epochs, math.inf if self.last_step is None else self.last_step)

    def reached(self, state: Any, late: bool) -> str | None:
        """Returns the argument that ended a training before its last epoch, as text, or None.

        Args:
          state: of the training.
          late: whether its time was over.
        """
        if self.last_epoch is not None and state.epoch >= self.last_epoch:
            return None
        by_steps = self.last_step is not None and state.step >= self.last_step
        name = "max_steps" if by_steps else "max_seconds"
        return f"{name}={self.given[name]}" if by_steps or late else None


def check_limits(check: checks.Checker, epochs: Any, max_steps: Any, max_seconds: Any) -> tuple:
    """Returns the arguments of `fit` that limit it, checked."""
    if epochs is not None:
        epochs = check.integer("epochs", epochs, minimum=0)
    elif max_steps is None and max_seconds is None:
        epochs = 1
    if max_steps is not None:
        max_steps = check.integer("max_steps", max_steps, minimum=0)
    if max_seconds is not None:
        max_seconds = check.number("max_seconds", max_seconds, above=0)
    return epochs, max_steps, max_seconds


def limits_of(trainer: Any, given: tuple, resume: bool | str) -> Limits:
    """Returns where a fit ends that is about to start: with `resume`, counts are of the whole training."""
    epochs, max_steps, max_seconds = given
    made = (0, 0) if resume else (trainer.epoch, trainer.step)
    named = {"max_steps": max_steps, "max_seconds": max_seconds}
    return Limits(
        None if epochs is None else made[0] + epochs,
        None if max_steps is None else made[1] + max_steps,
        None if max_seconds is None else time.monotonic() + max_seconds,
        {name: value for name, value in named.items() if value is not None},
    )
