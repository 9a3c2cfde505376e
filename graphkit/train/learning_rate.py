"""The learning rate: a schedule, and the placeholder that the rate of each step is fed to."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.train import keras_objects, schedules

DEFAULT = 1e-3

Given: TypeAlias = float | Callable[[int], float]


class LearningRate:
    """The learning rates of all steps; each step is fed its own.

    Args:
      learning_rate: a positive number, or a function of the global step (counted from 0); None is 1e-3;
        {name: one of these} of several losses.
      own: whether the optimizer brings its own learning rate, so that nothing is fed.

    Attributes:
      schedule: function step -> rate, or list of the rates of several losses; None where the optimizer
        brings its own.
      names: of the losses that have a rate each; empty where there is one.
      input: float32 placeholder (), or (losses,), by default the rate of step 0; None before `make_input`,
        and where the optimizer brings its own rate.
    """

    def __init__(self, learning_rate: Given | Mapping[str, Given] | None, own: bool) -> None:
        check = checks.Checker("Trainer")
        self.schedule: Callable[[int], Any] | None = None
        self.names: tuple[str, ...] = ()
        self.input: tf.Tensor | None = None
        if own:
            rule = "an optimizer object brings its own learning rate"
            check.require(learning_rate is None, rule, learning_rate=learning_rate)
        elif isinstance(learning_rate, Mapping):
            self.names = tuple(learning_rate)
            each = [
                schedule_of(check, given, f"learning_rate of {name}") for name, given in learning_rate.items()
            ]
            self.schedule = lambda step: [schedule(step) for schedule in each]
        else:
            self.schedule = schedule_of(check, DEFAULT if learning_rate is None else learning_rate)

    def make_input(self) -> tf.Tensor | None:
        """Adds the placeholder to the current graph and returns it; None if the optimizer brings its rate."""
        if self.schedule is not None:
            with tf.compat.v1.name_scope("graphkit/"):
                rate = np.array(self.schedule(0), np.float32)
                self.input = tf.compat.v1.placeholder_with_default(rate, rate.shape, name="learning_rate")
        return self.input

    def input_of(self, name: str | None) -> tf.Tensor | None:
        """Returns the rate of a loss, as a scalar tensor of the graph."""
        if name in self.names and self.input is not None:
            return self.input[self.names.index(name)]
        return self.input

    def rates(self, steps: range, factor: float) -> list[Any]:
        """Returns the rate of each of the steps times the factor; an empty list without a schedule."""
        if self.schedule is None:
            return []
        if self.names:
            return [[factor * rate for rate in self.schedule(step)] for step in steps]
        return [factor * self.schedule(step) for step in steps]

    def columns(self, rate: Any) -> dict[str, float]:
        """Returns {column of a history: rate} of what `rates` returned for a step."""
        if self.names:
            return {f"learning_rate_{name}": float(one) for name, one in zip(self.names, rate, strict=True)}
        return {"learning_rate": float(rate)}


def schedule_of(check: checks.Checker, given: Any, name: str = "learning_rate") -> Callable[[int], float]:
    """Returns a function step -> rate, which checks each rate."""
    rule = f"{name} must be a number, or a function of the step that returns one"
    if checks.keras_kinds(given):
        rule = f"{name} is a schedule of Keras; give {keras_objects.instead_of_schedule(given)}"
        raise TypeError(check.message(rule, **{name: given}))
    is_tensor = tf.is_tensor(given) or isinstance(given, tf.Variable)
    instead = "gk.exponential_decay(0.1, 1000, 0.9), or an optimizer that was made with the tensor"
    check.require_type(not is_tensor, f"{rule}, such as {instead}", **{name: given})
    if not callable(given):
        rate = check.number(name, given, above=0, at_most=schedules.LARGEST)
        return lambda step: rate

    def checked(step: int) -> float:
        return check.number(f"{name}({step})", given(step), at_least=0, at_most=schedules.LARGEST)

    return checked
