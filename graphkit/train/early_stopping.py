"""Early stopping."""

import logging
import os
from pathlib import Path
from typing import Any

from graphkit import checks
from graphkit.checkpoints import saving
from graphkit.running import files
from graphkit.train import averages
from graphkit.train.callbacks import Remembering, Watch

logger = logging.getLogger("graphkit")


class EarlyStopping(Remembering):
    """Stops training when a metric no longer improves, and restores the best weights.

    Each fit begins without a best value, unless it resumes one or goes on with an interrupted one.

    Args:
      monitor: name of a metric in the history, such as "valid_loss" or "valid_accuracy"; of
        "valid_averaged_loss", the best weights are the moving averages.
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

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "temporary": None}  # a copy must not remove the weights of the original

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
        if not os.path.exists(f"{self.path(trainer, self.best_name)}.index"):
            logger.warning("the checkpoint %s of the best weights so far is missing", self.best_name)
            self.best_name = None

    def on_epoch_end(self, trainer: Any, metrics: dict[str, Any]) -> None:
        if self.watch.improved(metrics):
            if self.restore_best:
                self.keep_best(trainer)
        elif metrics["epoch"] - self.watch.best_epoch >= self.patience:
            trainer.stop(f"{self.watch} was not improved for {self.patience} epochs")

    def keep_best(self, trainer: Any) -> None:
        earlier, self.best_name = self.best_name, f"best-{trainer.step}"
        try:
            with averages.weights_of(trainer, self.watch.monitor):
                trainer.save(self.path(trainer, self.best_name))
        except BaseException:  # as on a full disk: the earlier ones are still the best that there are
            self.best_name = earlier
            raise
        # Those in a logdir stay until a checkpoint names the new ones, see `RunFolder.keep`.
        if trainer.logdir is None and earlier is not None:
            saving.remove(self.path(trainer, earlier))

    def best_names(self) -> list[str]:
        return [] if self.best_name is None else [self.best_name]

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
