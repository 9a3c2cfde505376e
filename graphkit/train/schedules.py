"""Learning-rate schedules: plain functions step -> rate, evaluated in Python for each step."""

import bisect
import math

import numpy as np

from graphkit import checks

__all__ = ["cosine_decay", "exponential_decay", "inverse_time_decay", "piecewise_constant"]

LARGEST = float(np.finfo(np.float32).max)  # as rates are fed


def exponential_decay(learning_rate, decay_steps, decay_rate, staircase=False):
    """Returns a schedule that multiplies the rate by `decay_rate` every `decay_steps` steps.

    Args:
      learning_rate: rate at step 0; positive.
      decay_steps: steps after which the rate is multiplied by decay_rate once.
      decay_rate: factor, in (0, 1].
      staircase: True keeps the rate constant in between, False decays smoothly.

    Returns:
      A function step -> rate.

    Raises:
      ValueError: an argument is out of its range.

    Formula: learning_rate * decay_rate ** (step / decay_steps), the exponent floored for a staircase;
    as `tf.compat.v1.train.exponential_decay`.

    Example:
      >>> rate = gk.exponential_decay(0.5, 1000, 0.9, staircase=True)
      >>> rate(0), rate(999), rate(1000)
      (0.5, 0.5, 0.45)
    """
    function = "exponential_decay"
    learning_rate = checks.number(function, "learning_rate", learning_rate, above=0, at_most=LARGEST)
    decay_steps = checks.integer(function, "decay_steps", decay_steps)
    decay_rate = checks.number(function, "decay_rate", decay_rate, above=0, at_most=1)

    def rate(step):
        periods = step // decay_steps if staircase else step / decay_steps
        return learning_rate * decay_rate**periods

    return rate


def inverse_time_decay(learning_rate, decay_steps, decay_rate, staircase=False):
    """Returns a schedule that falls like one over the number of steps.

    Args:
      learning_rate: rate at step 0; positive.
      decay_steps: steps that count as one period.
      decay_rate: how much a period adds to the divisor; positive.
      staircase: True keeps the rate constant in between, False decays smoothly.

    Returns:
      A function step -> rate.

    Raises:
      ValueError: an argument is out of its range.

    Formula: learning_rate / (1 + decay_rate * step / decay_steps), the quotient floored for a
    staircase; as `tf.compat.v1.train.inverse_time_decay`.

    Example:
      >>> rate = gk.inverse_time_decay(0.1, 100, 1.0)
      >>> rate(0), rate(100), rate(300)
      (0.1, 0.05, 0.025)
    """
    function = "inverse_time_decay"
    learning_rate = checks.number(function, "learning_rate", learning_rate, above=0, at_most=LARGEST)
    decay_steps = checks.integer(function, "decay_steps", decay_steps)
    decay_rate = checks.number(function, "decay_rate", decay_rate, above=0)

    def rate(step):
        periods = step // decay_steps if staircase else step / decay_steps
        return learning_rate / (1 + decay_rate * periods)

    return rate


def piecewise_constant(boundaries, rates):
    """Returns a schedule that steps from one rate to the next at given steps.

    Args:
      boundaries: increasing steps; up to and including the first one, the first rate holds.
      rates: one more than boundaries, each at least 0.

    Returns:
      A function step -> rate, as `tf.compat.v1.train.piecewise_constant`.

    Raises:
      ValueError: boundaries that do not increase, or another number of rates.

    Example:
      >>> rate = gk.piecewise_constant([100, 200], [0.1, 0.01, 0.001])
      >>> rate(100), rate(101), rate(500)
      (0.1, 0.01, 0.001)
    """
    function = "piecewise_constant"
    for name, value in (("boundaries", boundaries), ("rates", rates)):
        if not isinstance(value, (tuple, list, np.ndarray)):
            raise TypeError(
                checks.message(function, f"{name} must be a sequence of numbers", **{name: value})
            )
    rule = "there must be one rate more than boundaries"
    received = {"boundaries": len(boundaries), "rates": len(rates)}
    checks.require(len(rates) == len(boundaries) + 1, function, rule, **received)
    boundaries = [checks.integer(function, "boundaries", step, minimum=0) for step in boundaries]
    rates = [checks.number(function, "rates", rate, at_least=0, at_most=LARGEST) for rate in rates]
    increasing = boundaries == sorted(set(boundaries))
    checks.require(increasing, function, "boundaries must increase", boundaries=boundaries)
    return lambda step: rates[bisect.bisect_left(boundaries, step)]


def cosine_decay(learning_rate, decay_steps, warmup_steps=0, final_rate=0.0):
    """Returns a schedule that rises linearly for some steps, then falls along half a cosine.

    Args:
      learning_rate: the highest rate; positive.
      decay_steps: steps in all, the warm-up among them; after them the rate stays at final_rate.
      warmup_steps: steps in which the rate rises from learning_rate / (warmup_steps + 1).
      final_rate: rate at the end, at least 0.

    Returns:
      A function step -> rate.

    Raises:
      ValueError: an argument is out of its range, or a warm-up as long as the whole.

    Formula: final_rate + (learning_rate - final_rate) * (1 + cos(pi * t)) / 2, where t goes from 0 at the
    end of the warm-up to 1 at decay_steps; before, learning_rate * (step + 1) / (warmup_steps + 1).

    Source: I. Loshchilov, F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017,
    equation 5; P. Goyal et al., "Accurate, large minibatch SGD", 2017, section 2.2.

    Example:
      >>> rate = gk.cosine_decay(1.0, 110, warmup_steps=10)
      >>> round(rate(4), 4), rate(10), round(rate(60), 4), rate(110)
      (0.4545, 1.0, 0.5, 0.0)
    """
    function = "cosine_decay"
    learning_rate = checks.number(function, "learning_rate", learning_rate, above=0, at_most=LARGEST)
    decay_steps = checks.integer(function, "decay_steps", decay_steps)
    warmup_steps = checks.integer(function, "warmup_steps", warmup_steps, minimum=0)
    final_rate = checks.number(function, "final_rate", final_rate, at_least=0, at_most=learning_rate)
    rule = "warmup_steps must be fewer than decay_steps"
    received = {"warmup_steps": warmup_steps, "decay_steps": decay_steps}
    checks.require(warmup_steps < decay_steps, function, rule, **received)

    def rate(step):
        if step < warmup_steps:
            return learning_rate * (step + 1) / (warmup_steps + 1)
        part = min(1.0, (step - warmup_steps) / (decay_steps - warmup_steps))
        return final_rate + (learning_rate - final_rate) * (1 + math.cos(math.pi * part)) / 2

    return rate
