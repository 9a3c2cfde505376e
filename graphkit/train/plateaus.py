"""A learning rate that falls where a metric no longer improves."""

from typing import Any

from graphkit import checks
from graphkit.train.callbacks import Remembering, Watch


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
