"""Learning-rate schedules: plain functions step -> rate, evaluated in Python for each step.

A `Trainer` takes one as its learning_rate, and feeds the rate of each step. So does any function of the step.
"""

import bisect
import math
from collections.abc import Callable, Sequence

import numpy as np

from graphkit import checks

__all__ = ["cosine_decay", "exponential_decay", "inverse_time_decay", "piecewise_constant"]

LARGEST = float(np.finfo(np.float32).max)  # rates are fed as float32

Schedule = Callable[[int], float]


def exponential_decay(
    learning_rate: float, decay_steps: int, decay_rate: float, *, staircase: bool = False
) -> Schedule:
    """Returns a schedule that multiplies the rate by `decay_rate` every `decay_steps` steps.

    Args:
      learning_rate: rate at step 0; positive.
      decay_steps: number of steps in which the rate is multiplied by decay_rate once; at least 1.
      decay_rate: the factor, in (0, 1].
      staircase: True changes the rate only every decay_steps steps, False in each step.

    Returns:
      A function step -> rate.

    Raises:
      TypeError: an argument is not a number, or decay_steps is not an integer.
      ValueError: a number is out of its range.

    Formula: learning_rate * decay_rate ** (step / decay_steps), where a staircase rounds the exponent down.

    Source: `tf.compat.v1.train.exponential_decay`, which gives the same rates.

    Example:
      >>> rate = gk.exponential_decay(0.5, 1000, 0.9, staircase=True)
      >>> rate(0), rate(999), rate(1000)
      (0.5, 0.5, 0.45)
    """
    check = checks.Checker("exponential_decay")
    learning_rate = check.number("learning_rate", learning_rate, above=0, at_most=LARGEST)
    decay_steps = check.integer("decay_steps", decay_steps)
    decay_rate = check.number("decay_rate", decay_rate, above=0, at_most=1)

    def rate(step: int) -> float:
        periods = step // decay_steps if staircase else step / decay_steps
        return learning_rate * decay_rate**periods

    return rate


def inverse_time_decay(
    learning_rate: float, decay_steps: int, decay_rate: float, *, staircase: bool = False
) -> Schedule:
    """Returns a schedule that divides the rate by a number that grows linearly with the step.

    Args:
      learning_rate: rate at step 0; positive.
      decay_steps: number of steps in which decay_rate is added to the divisor once; at least 1.
      decay_rate: what is added to the divisor; positive.
      staircase: True changes the rate only every decay_steps steps, False in each step.

    Returns:
      A function step -> rate.

    Raises:
      TypeError: an argument is not a number, or decay_steps is not an integer.
      ValueError: a number is out of its range.

    Formula: learning_rate / (1 + decay_rate * step / decay_steps), where a staircase rounds
    step / decay_steps down.

    Source: `tf.compat.v1.train.inverse_time_decay`, which gives the same rates.

    Example:
      >>> rate = gk.inverse_time_decay(0.1, 100, 1.0)
      >>> rate(0), rate(100), rate(300)
      (0.1, 0.05, 0.025)
    """
    check = checks.Checker("inverse_time_decay")
    learning_rate = check.number("learning_rate", learning_rate, above=0, at_most=LARGEST)
    decay_steps = check.integer("decay_steps", decay_steps)
    decay_rate = check.number("decay_rate", decay_rate, above=0)

    def rate(step: int) -> float:
        periods = step // decay_steps if staircase else step / decay_steps
        return learning_rate / (1 + decay_rate * periods)

    return rate


def piecewise_constant(boundaries: Sequence[int], rates: Sequence[float]) -> Schedule:
    """Returns a schedule that changes from one rate to the next after given steps.

    Args:
      boundaries: the last step of each rate but the last, increasing; at least 0.
      rates: one more than boundaries, each at least 0.

    Returns:
      A function step -> rate.

    Raises:
      TypeError: boundaries or rates are not a sequence, or hold something that is not a number; a boundary
        is not an integer.
      ValueError: boundaries do not increase, a number is negative, or there is not one rate more than
        boundaries.

    Formula: rates[i], where i is the number of boundaries below step.

    Source: `tf.compat.v1.train.piecewise_constant`, which gives the same rates.

    Example:
      >>> rate = gk.piecewise_constant([100, 200], [0.1, 0.01, 0.001])
      >>> rate(100), rate(101), rate(500)
      (0.1, 0.01, 0.001)
    """
    check = checks.Checker("piecewise_constant")
    for name, value in (("boundaries", boundaries), ("rates", rates)):
        is_sequence = isinstance(value, (tuple, list, np.ndarray))
        check.require_type(is_sequence, f"{name} must be a sequence of numbers", **{name: value})
    rule = "there must be one rate more than boundaries"
    received = {"boundaries": len(boundaries), "rates": len(rates)}
    check.require(len(rates) == len(boundaries) + 1, rule, **received)
    boundaries = [check.integer("boundaries", step, minimum=0) for step in boundaries]
    rates = [check.number("rates", rate, at_least=0, at_most=LARGEST) for rate in rates]
    increasing = boundaries == sorted(set(boundaries))
    check.require(increasing, "boundaries must increase", boundaries=boundaries)
    return lambda step: rates[bisect.bisect_left(boundaries, step)]


def cosine_decay(
    learning_rate: float, decay_steps: int, *, warmup_steps: int = 0, final_rate: float = 0.0
) -> Schedule:
    """Returns a schedule that rises linearly in a warm-up, then falls along half a cosine.

    Args:
      learning_rate: the highest rate, at the end of the warm-up; positive.
      decay_steps: number of steps including the warm-up; from then on the rate is final_rate.
      warmup_steps: number of steps in which the rate rises, from learning_rate / (warmup_steps + 1).
      final_rate: rate at the end, from 0 to learning_rate.

    Returns:
      A function step -> rate.

    Raises:
      TypeError: an argument is not a number, or a number of steps is not an integer.
      ValueError: a number is out of its range, or warmup_steps is not smaller than decay_steps.

    Formula: in the warm-up, learning_rate * (step + 1) / (warmup_steps + 1); then
    final_rate + (learning_rate - final_rate) * (1 + cos(pi * t)) / 2, where
    t = min(1, (step - warmup_steps) / (decay_steps - warmup_steps)).

    Source: I. Loshchilov, F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017,
    equation 5; P. Goyal et al., "Accurate, large minibatch SGD", 2017, section 2.2.

    Example:
      >>> rate = gk.cosine_decay(1.0, 110, warmup_steps=10)
      >>> round(rate(4), 4), rate(10), round(rate(60), 4), rate(110)
      (0.4545, 1.0, 0.5, 0.0)
    """
    check = checks.Checker("cosine_decay")
    learning_rate = check.number("learning_rate", learning_rate, above=0, at_most=LARGEST)
    decay_steps = check.integer("decay_steps", decay_steps)
    warmup_steps = check.integer("warmup_steps", warmup_steps, minimum=0)
    final_rate = check.number("final_rate", final_rate, at_least=0, at_most=learning_rate)
    rule = "warmup_steps must be fewer than decay_steps"
    received = {"warmup_steps": warmup_steps, "decay_steps": decay_steps}
    check.require(warmup_steps < decay_steps, rule, **received)

    def rate(step: int) -> float:
        if step < warmup_steps:
            return learning_rate * (step + 1) / (warmup_steps + 1)
        part = min(1.0, (step - warmup_steps) / (decay_steps - warmup_steps))
        return final_rate + (learning_rate - final_rate) * (1 + math.cos(math.pi * part)) / 2

    return rate
