"""The best checkpoints of a run."""

import logging
import math
import os
import re
from typing import Any

from graphkit import checks
from graphkit.train import averages
from graphkit.train.callbacks import Remembering, Watch

logger = logging.getLogger("graphkit")


class BestCheckpoint(Remembering):
    """Keeps the checkpoints at which a metric was best, next to the newest ones that `fit` resumes from.

    They are `best-<monitor>-<step>` in the trainer's logdir. Training goes on as without it. `load_run`, and
    whatever looks for the weights of a run, takes the best one; with several such callbacks, that of the
    first one. A metric of validations is looked at in each of them, also in those every `valid_every` steps.
    Of `valid_averaged_...`, the checkpoints hold the moving averages in place of the weights.

    Args:
      monitor: name of a metric in the history, such as "valid_loss" or "valid_accuracy".
      keep: how many checkpoints stay.
      mode: "min" or "max"; None is "min" for losses and "max" for other metrics.

    Attributes:
      kept: [(value of the metric, path)], the best first.

    Raises:
      TypeError: monitor is not a string, or keep is not an integer.
      ValueError: keep is below 1, mode is unknown, or, in `fit`, the history does not have the metric, or the
        trainer has no logdir.

    Example:
      >>> best = gk.BestCheckpoint("valid_accuracy", keep=3)
    """

    def __init__(self, monitor: str = "valid_loss", *, keep: int = 1, mode: str | None = None) -> None:
        check = checks.Checker("BestCheckpoint")
        self.watch = Watch(check, monitor, 0.0, mode)
        self.keep = check.integer("keep", keep)
        self.kept: list[tuple[float, str]] = []

    @property
    def monitor(self) -> str:
        return self.watch.monitor

    def on_fit_start(self, trainer: Any) -> None:
        super().on_fit_start(trainer)
        self.watch.start(trainer)
        rule = "the best checkpoints need a trainer with a logdir"
        self.watch.checker.require(trainer.logdir is not None, rule, logdir=None)
        # What a checkpoint kept is names, since its folder may have been moved.
        self.kept = [(value, str(trainer.logdir / os.path.basename(path))) for value, path in self.kept]
        for _, path in [pair for pair in self.kept if not os.path.exists(f"{pair[1]}.index")]:
            logger.warning("the checkpoint %s of the best weights so far is missing", path)
            self.kept = [pair for pair in self.kept if pair[1] != path]

    def on_validation_end(self, trainer: Any, metrics: dict[str, Any]) -> None:
        # At the end of an epoch `on_epoch_end` looks, when the epoch has been counted.
        if self.monitor in metrics and not trainer.plan.ends(trainer.epoch, trainer.batch):
            self.look(trainer, metrics)

    def on_epoch_end(self, trainer: Any, metrics: dict[str, Any]) -> None:
        self.look(trainer, metrics)

    def look(self, trainer: Any, metrics: dict[str, Any]) -> None:
        """Saves the weights if they are among the best."""
        value, sign = self.watch.value(metrics), self.watch.sign
        rank = sum(sign * other <= sign * value for other, _ in self.kept)  # of equal ones the first is best
        if math.isnan(value) or rank >= self.keep:
            return
        path = str(trainer.logdir / f"best-{re.sub(r'[^A-Za-z0-9_.]+', '_', self.monitor)}-{trainer.step}")
        earlier = self.kept
        others = [pair for pair in earlier if pair[1] != path]
        self.kept = [*others[:rank], (value, path), *others[rank:]][: self.keep]
        try:
            with averages.weights_of(trainer, self.monitor):
                trainer.save(path)
        except BaseException:
            self.kept = earlier
            raise

    def forget(self, epoch: int) -> None:
        self.kept = []

    def best_names(self) -> list[str]:
        return [os.path.basename(path) for _, path in self.kept]

    def state_name(self) -> str:
        return f"{type(self).__name__} of {self.monitor}"

    def state(self) -> Any:
        return [[value, os.path.basename(path)] for value, path in self.kept]

    def restore_state(self, state: Any) -> None:
        super().restore_state(state)
        self.kept = [(value, name) for value, name in state][: self.keep]
