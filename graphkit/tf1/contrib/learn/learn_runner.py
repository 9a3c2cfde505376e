"""`tf.contrib.learn.learn_runner`: runs an experiment, which is an estimator with its data."""

from collections.abc import Callable
from typing import Any

from graphkit.tf1 import overlay

__all__ = ["run"]


class Experiment:
    """`tf.contrib.learn.Experiment` in one process, with estimators of `tf.estimator`."""

    def __init__(
        self,
        estimator: Any,
        train_input_fn: Callable,
        eval_input_fn: Callable,
        eval_metrics: Any = None,
        train_steps: int | None = None,
        eval_steps: int | None = 100,
        train_monitors: Any = None,
        eval_hooks: Any = None,
        **others: Any,
    ) -> None:
        self.estimator, self.train_given = estimator, (train_input_fn, train_monitors, None, train_steps)
        self.eval_given = (eval_input_fn, eval_steps, eval_hooks)

    def train(self) -> Any:
        return self.estimator.train(*self.train_given)

    def evaluate(self) -> dict[str, Any]:
        return self.estimator.evaluate(*self.eval_given)

    def train_and_evaluate(self) -> dict[str, Any]:
        self.train()
        return self.evaluate()


def run(
    experiment_fn: Callable,
    output_dir: str | None = None,
    schedule: str | None = None,
    run_config: Any = None,
    hparams: Any = None,
) -> Any:
    """Makes the experiment, and calls its method that `schedule` names, else `train_and_evaluate`."""
    given = (output_dir,) if run_config is None else (run_config, hparams)
    return getattr(experiment_fn(*given), schedule or "train_and_evaluate")()


__getattr__, __dir__ = overlay.over(__name__)
