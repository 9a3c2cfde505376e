"""`tf.estimator.train_and_evaluate`: evaluates and exports after each checkpoint of a training."""

import os
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from graphkit.tf1.estimator.exporters import Exporter
from graphkit.tf1.estimator.specs import check_hooks

v1 = tf.compat.v1


def check_input_fn(input_fn: Any) -> None:
    if not callable(input_fn):
        raise TypeError(f"`input_fn` must be callable, given: {input_fn}")


class TrainSpec(namedtuple("TrainSpec", "input_fn max_steps hooks")):
    """What to train on, and how long."""

    __slots__ = ()

    def __new__(cls, input_fn: Callable, max_steps: int | None = None, hooks: Any = None) -> "TrainSpec":
        check_input_fn(input_fn)
        if max_steps is not None and max_steps <= 0:
            raise ValueError(f"Must specify max_steps > 0, given: {max_steps}")
        return super().__new__(cls, input_fn, max_steps, check_hooks(hooks))


class EvalSpec(namedtuple("EvalSpec", "input_fn steps name hooks exporters start_delay_secs throttle_secs")):
    """What to evaluate on, how often, and what to export; `start_delay_secs` is for several processes."""

    __slots__ = ()

    def __new__(
        cls,
        input_fn: Callable,
        steps: int | None = 100,
        name: str | None = None,
        hooks: Any = None,
        exporters: Any = None,
        start_delay_secs: float = 120,
        throttle_secs: float = 600,
    ) -> "EvalSpec":
        check_input_fn(input_fn)
        if steps is not None and steps <= 0:
            raise ValueError(f"Must specify steps > 0, given: {steps}")
        if name is not None and not isinstance(name, str):
            raise TypeError(f"`name` must be string, given: {name}")
        for what, seconds in (("start_delay_secs", start_delay_secs), ("throttle_secs", throttle_secs)):
            if seconds < 0:
                raise ValueError(f"Must specify {what} >= 0, given: {seconds}")
        given = (check_hooks(hooks), check_exporters(exporters), start_delay_secs, throttle_secs)
        return super().__new__(cls, input_fn, steps, name, *given)


def check_exporters(exporters: Any) -> tuple:
    found = (exporters,) if isinstance(exporters, Exporter) else tuple(exporters or ())
    if not all(isinstance(exporter, Exporter) for exporter in found):
        raise TypeError(
            f"`exporters` must be an Exporter, an iterable of Exporter, or `None`, found {exporters}."
        )
    names = [exporter.name for exporter in found]
    if not all(isinstance(name, str) and name for name in names) or len({*names}) < len(names):
        raise ValueError(
            f"`exporters` must have unique names, which are not empty. All exporter names: {names}"
        )
    return found


class Evaluation(tf.compat.v1.train.CheckpointSaverListener):
    """Evaluates and exports when a checkpoint has been written: not the first one, and not too often."""

    def __init__(self, estimator: Any, spec: EvalSpec, max_steps: int | None) -> None:
        self.estimator, self.spec, self.max_steps = estimator, spec, max_steps
        self.metrics: dict[str, Any] | None = None
        self.exports: list[Any] | None = None

    def begin(self) -> None:
        self.timer, self.is_first = v1.train.SecondOrStepTimer(every_secs=self.spec.throttle_secs), True

    def after_save(self, session: Any, global_step_value: int) -> None:
        if self.is_first:
            self.is_first = False
        elif self.timer.should_trigger_for_step(global_step_value):
            self.evaluate(global_step_value)

    def end(self, session: Any, global_step_value: int) -> None:
        if global_step_value != self.timer.last_triggered_step():
            self.evaluate(global_step_value)

    def evaluate(self, step: int) -> None:
        self.timer.update_last_triggered_step(step)
        path, spec = self.estimator.latest_checkpoint(), self.spec
        self.metrics = metrics = self.estimator.evaluate(
            spec.input_fn, spec.steps, spec.hooks, path, spec.name
        )
        is_last = bool(self.max_steps) and metrics[v1.GraphKeys.GLOBAL_STEP] >= self.max_steps
        folder = os.path.join(self.estimator.model_dir, "export")
        self.exports = [
            exporter.export(self.estimator, os.path.join(folder, exporter.name), path, metrics, is_last)
            for exporter in spec.exporters
        ]


def train_and_evaluate(estimator: Any, train_spec: TrainSpec, eval_spec: EvalSpec) -> tuple[Any, Any]:
    """Trains, and evaluates after checkpoints, in this process; returns the last (metrics, exports)."""
    if not isinstance(train_spec, TrainSpec):
        raise TypeError(f"`train_spec` must have type `tf.estimator.TrainSpec`. Got: {type(train_spec)}")
    if not isinstance(eval_spec, EvalSpec):
        raise TypeError(f"`eval_spec` must have type `tf.estimator.EvalSpec`. Got: {type(eval_spec)}")
    listener = Evaluation(estimator, eval_spec, train_spec.max_steps)
    given = {"hooks": train_spec.hooks, "max_steps": train_spec.max_steps}
    estimator.train(train_spec.input_fn, saving_listeners=[listener], **given)
    return listener.metrics, listener.exports
