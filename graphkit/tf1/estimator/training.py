"""`tf.estimator.train_and_evaluate`: evaluates and exports after each checkpoint of a training."""

import os
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from graphkit import checks
from graphkit.tf1.estimator.exporters import Exporter
from graphkit.tf1.estimator.specs import check_hooks

v1 = tf.compat.v1


class TrainSpec(namedtuple("TrainSpec", "input_fn max_steps hooks")):
    """What to train on, and how long."""

    __slots__ = ()

    def __new__(cls, input_fn: Callable, max_steps: int | None = None, hooks: Any = None) -> "TrainSpec":
        check = checks.Checker("TrainSpec")
        check.require_type(callable(input_fn), "`input_fn` must be callable", input_fn=input_fn)
        check.require(max_steps is None or max_steps > 0, "Must specify max_steps > 0", max_steps=max_steps)
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
        check = checks.Checker("EvalSpec")
        check.require_type(callable(input_fn), "`input_fn` must be callable", input_fn=input_fn)
        check.require(steps is None or steps > 0, "Must specify steps > 0", steps=steps)
        check.require_type(name is None or isinstance(name, str), "`name` must be string", name=name)
        check.require(start_delay_secs >= 0, "Must specify start_delay_secs >= 0", given=start_delay_secs)
        check.require(throttle_secs >= 0, "Must specify throttle_secs >= 0", given=throttle_secs)
        found = (exporters,) if isinstance(exporters, Exporter) else tuple(exporters or ())
        are_exporters = all(isinstance(exporter, Exporter) for exporter in found)
        check.require_type(are_exporters, "`exporters` must be an Exporter or several", exporters=found)
        names = [exporter.name for exporter in found]
        are_names = all(isinstance(name, str) and name for name in names) and len({*names}) == len(names)
        check.require(are_names, "`exporters` must have unique names, which are not empty", names=names)
        return super().__new__(
            cls, input_fn, steps, name, check_hooks(hooks), found, start_delay_secs, throttle_secs
        )


class Evaluation(tf.compat.v1.train.CheckpointSaverListener):
    """Evaluates and exports when a checkpoint has been written: not the first one, and not too often."""

    def __init__(self, estimator: Any, spec: EvalSpec, max_steps: int | None) -> None:
        self.estimator, self.spec, self.max_steps = estimator, spec, max_steps
        self.metrics: dict[str, Any] | None = None
        self.exports: list[Any] | None = None

    def begin(self) -> None:
        self.timer, self.is_first = v1.train.SecondOrStepTimer(every_secs=self.spec.throttle_secs), True

    def after_save(self, session: Any, global_step_value: int) -> None:
        if not self.is_first and self.timer.should_trigger_for_step(global_step_value):
            self.evaluate(global_step_value)
        self.is_first = False

    def end(self, session: Any, global_step_value: int) -> None:
        if global_step_value != self.timer.last_triggered_step():
            self.evaluate(global_step_value)

    def evaluate(self, step: int) -> None:
        self.timer.update_last_triggered_step(step)
        path, spec = self.estimator.latest_checkpoint(), self.spec
        metrics = self.estimator.evaluate(spec.input_fn, spec.steps, spec.hooks, path, spec.name)
        is_last = bool(self.max_steps) and metrics[v1.GraphKeys.GLOBAL_STEP] >= self.max_steps
        self.metrics, self.exports = metrics, []
        for exporter in spec.exporters:
            folder = os.path.join(self.estimator.model_dir, "export", exporter.name)
            self.exports.append(exporter.export(self.estimator, folder, path, metrics, is_last))


def train_and_evaluate(estimator: Any, train_spec: TrainSpec, eval_spec: EvalSpec) -> tuple[Any, Any]:
    """Trains, and evaluates after checkpoints, in this process; returns the last (metrics, exports)."""
    check = checks.Checker("train_and_evaluate")
    is_spec = isinstance(train_spec, TrainSpec)
    check.require_type(is_spec, "`train_spec` must have type `tf.estimator.TrainSpec`", given=train_spec)
    is_spec = isinstance(eval_spec, EvalSpec)
    check.require_type(is_spec, "`eval_spec` must have type `tf.estimator.EvalSpec`", given=eval_spec)
    listener = Evaluation(estimator, eval_spec, train_spec.max_steps)
    given = {"hooks": train_spec.hooks, "max_steps": train_spec.max_steps}
    estimator.train(train_spec.input_fn, saving_listeners=[listener], **given)
    return listener.metrics, listener.exports
