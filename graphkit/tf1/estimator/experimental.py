"""`tf.estimator.experimental`: hooks that end a training early."""

import operator
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from graphkit.nn import scopes
from graphkit.tf1 import overlay
from graphkit.tf1.estimator import events

__all__ = [
    "make_early_stopping_hook",
    "stop_if_higher_hook",
    "stop_if_lower_hook",
    "stop_if_no_decrease_hook",
    "stop_if_no_increase_hook",
]

v1 = tf.compat.v1


class StopIf(tf.compat.v1.train.SessionRunHook):
    """Asks a function from time to time whether to end the training."""

    def __init__(self, should_stop: Callable[[], bool], timer: Any) -> None:
        self.should_stop, self.timer = should_stop, timer

    def begin(self) -> None:
        self.step = scopes.global_step()

    def before_run(self, run_context: Any) -> Any:
        return v1.train.SessionRunArgs(self.step)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        step = int(run_values.results)
        if self.timer.should_trigger_for_step(step):
            self.timer.update_last_triggered_step(step)
            if self.should_stop():
                v1.logging.info("Requesting early stopping at global step %d", step)
                run_context.request_stop()


def make_early_stopping_hook(
    estimator: Any,
    should_stop_fn: Callable[[], bool],
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> StopIf:
    """Returns a hook that ends the training when the function returns True."""
    if not callable(should_stop_fn):
        raise TypeError("`should_stop_fn` must be callable.")
    if run_every_secs is not None and run_every_steps is not None:
        raise ValueError("Only one of `run_every_secs` and `run_every_steps` must be set.")
    return StopIf(should_stop_fn, v1.train.SecondOrStepTimer(run_every_secs, run_every_steps))


def hook_of(kind: str, limit: str, stops: Callable[..., bool]) -> Callable[..., StopIf]:
    """Returns a function that makes a hook, which asks `stops` about [(step, value)] of evaluations."""

    def make(estimator: Any, metric_name: str, *args: Any, **kwargs: Any) -> StopIf:
        names = (limit, "eval_dir", "min_steps", "run_every_secs", "run_every_steps")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        bound = given.pop(limit)
        folder, first = given.pop("eval_dir", None), given.pop("min_steps", 0)

        def should_stop() -> bool:
            found = events.metrics_in(folder or estimator.eval_dir()).items()
            return stops([(step, metrics[metric_name]) for step, metrics in found if step >= first], bound)

        return make_early_stopping_hook(estimator, should_stop, **given)

    make.__name__, make.__doc__ = kind, f"Returns a hook that stops by a metric of evaluations and `{limit}`."
    return make


def crossed(better: Callable[[float, float], bool]) -> Callable[..., bool]:
    return lambda values, threshold: any(better(value, threshold) for _, value in values)


def stuck(better: Callable[[float, float], bool]) -> Callable[..., bool]:
    def stops(values: list[tuple[int, float]], most_steps: int) -> bool:
        best: tuple[int, float] | None = None
        for step, value in values:
            if best is None or better(value, best[1]):
                best = step, value
            if step - best[0] >= most_steps:
                return True
        return False

    return stops


stop_if_higher_hook = hook_of("stop_if_higher_hook", "threshold", crossed(operator.gt))
stop_if_lower_hook = hook_of("stop_if_lower_hook", "threshold", crossed(operator.lt))
stop_if_no_increase_hook = hook_of(
    "stop_if_no_increase_hook", "max_steps_without_increase", stuck(operator.gt)
)
stop_if_no_decrease_hook = hook_of(
    "stop_if_no_decrease_hook", "max_steps_without_decrease", stuck(operator.lt)
)

__getattr__, __dir__ = overlay.over(__name__)
