"""The learning rate: a schedule, and the placeholder that the rate of each step is fed to."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.train import schedules

DEFAULT = 1e-3


class LearningRate:
    """The learning rates of all steps; each step is fed its own.

    Args:
      learning_rate: a positive number, or a function of the global step (counted from 0); None is 1e-3.
      own: whether the optimizer brings its own learning rate, so that nothing is fed.

    Attributes:
      schedule: function step -> rate, or None where the optimizer brings its own.
      input: float32 scalar placeholder, by default the rate of step 0; None before `make_input`, and where
        the optimizer brings its own rate.
    """

    def __init__(self, learning_rate: float | Callable[[int], float] | None, own: bool) -> None:
        check = checks.Checker("Trainer")
        self.schedule: Callable[[int], float] | None = None
        self.input: tf.Tensor | None = None
        if own:
            rule = "an optimizer object brings its own learning rate"
            check.require(learning_rate is None, rule, learning_rate=learning_rate)
        elif callable(learning_rate):
            self.schedule = checked(check, learning_rate)
        else:
            rate = DEFAULT if learning_rate is None else learning_rate
            rate = check.number("learning_rate", rate, above=0, at_most=schedules.LARGEST)
            self.schedule = lambda step: rate

    def make_input(self) -> tf.Tensor | None:
        """Adds the placeholder to the current graph and returns it; None if the optimizer brings its rate."""
        if self.schedule is not None:
            with tf.compat.v1.name_scope("graphkit/"):
                rate = np.float32(self.schedule(0))
                self.input = tf.compat.v1.placeholder_with_default(rate, (), name="learning_rate")
        return self.input

    def rates(self, steps: range, factor: float) -> list[float]:
        """Returns the rate of each of the steps times the factor; an empty list without a schedule."""
        return [] if self.schedule is None else [factor * self.schedule(step) for step in steps]


def checked(check: checks.Checker, schedule: Callable[[int], Any]) -> Callable[[int], float]:
    """Returns the schedule with a check of each rate that it returns."""

    def rate(step: int) -> float:
        name = f"learning_rate({step})"
        return check.number(name, schedule(step), at_least=0, at_most=schedules.LARGEST)

    return rate
