"""When a trainer saves checkpoints."""

import time
from typing import Any

from graphkit import checks
from graphkit.running.callback import Callback


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
