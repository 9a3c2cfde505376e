"""Learning-rate schedules: plain functions step -> rate, evaluated in Python for each step.

A `Trainer` takes one as its learning_rate, and feeds the rate of each step. So does any function of the step.
"""

import bisect
import math
from collections.abc import Callable, Sequence

import numpy as np

from graphkit import checks

__all__ = [
    "cosine_decay",
    "cosine_decay_restarts",
    "exponential_decay",
    "inverse_time_decay",
    "linear_warmup",
    "one_cycle",
    "piecewise_constant",
    "polynomial_decay",
]

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


def cosine_decay_restarts(
    learning_rate: float,
    first_decay_steps: int,
    *,
    t_mul: float = 2.0,
    m_mul: float = 1.0,
    final_rate: float = 0.0,
) -> Schedule:
    """Returns a schedule that falls along half a cosine again and again, each time over more steps.

    Args:
      learning_rate: rate at step 0; positive.
      first_decay_steps: number of steps until the first restart; at least 1.
      t_mul: how many times as many steps each period has as the one before; from 1 to 1,000.
      m_mul: by what the rate at a restart is multiplied each time, in (0, 1].
      final_rate: rate at the end of each period, from 0 to learning_rate.

    Returns:
      A function step -> rate.

    Raises:
      TypeError: an argument is not a number, or first_decay_steps is not an integer.
      ValueError: a number is out of its range.

    Formula: final_rate + (learning_rate - final_rate) * m_mul**i * (1 + cos(pi * t)) / 2, where i is the
    number of restarts so far, and t in [0, 1) the fraction of the period that is over. The period i begins at
    step first_decay_steps * (t_mul**i - 1) / (t_mul - 1).

    Source: I. Loshchilov, F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017,
    equation 5; `tf.compat.v1.train.cosine_decay_restarts`, which gives the same rates (its alpha is
    final_rate / learning_rate).

    Example:
      >>> rate = gk.cosine_decay_restarts(1.0, 10, m_mul=0.5)
      >>> rate(0), round(rate(5), 4), rate(10), round(rate(20), 4), rate(30)
      (1.0, 0.5, 0.5, 0.25, 0.25)
    """
    check = checks.Checker("cosine_decay_restarts")
    learning_rate = check.number("learning_rate", learning_rate, above=0, at_most=LARGEST)
    first_decay_steps = check.integer("first_decay_steps", first_decay_steps)
    t_mul = check.number("t_mul", t_mul, at_least=1, at_most=1000)
    m_mul = check.number("m_mul", m_mul, above=0, at_most=1)
    final_rate = check.number("final_rate", final_rate, at_least=0, at_most=learning_rate)

    def rate(step: int) -> float:
        restarts, part = period_of(step / first_decay_steps, t_mul)
        height = (learning_rate - final_rate) * m_mul**restarts
        return final_rate + height * (1 + math.cos(math.pi * part)) / 2

    return rate


def period_of(periods: float, growth: float) -> tuple[int, float]:
    """Returns (number of restarts, fraction of the current period that is over).

    Args:
      periods: steps made, divided by those of the first period.
      growth: how many times as long each period is as the one before.
    """
    if growth == 1:
        return int(periods), periods % 1
    number = math.floor(math.log(1 + periods * (growth - 1), growth))
    for restarts in (number + 1, number, number - 1):  # the logarithm may be rounded to either side
        start = (growth**restarts - 1) / (growth - 1)
        if restarts >= 0 and start <= periods:
            break
    return restarts, (periods - start) / growth**restarts


def polynomial_decay(
    learning_rate: float,
    decay_steps: int,
    *,
    final_rate: float = 0.0001,
    power: float = 1.0,
    cycle: bool = False,
) -> Schedule:
    """Returns a schedule that falls as a power of the steps that are left: with power 1, along a line.

    Args:
      learning_rate: rate at step 0; positive.
      decay_steps: number of steps after which the rate is final_rate; at least 1.
      final_rate: rate at the end, from 0 to learning_rate.
      power: the exponent; positive.
      cycle: True begins again after decay_steps steps, from a lower rate each time; False keeps final_rate.

    Returns:
      A function step -> rate.

    Raises:
      TypeError: an argument is not a number, or decay_steps is not an integer.
      ValueError: a number is out of its range.

    Formula: final_rate + (learning_rate - final_rate) * (1 - step / n)**power, where n is decay_steps and
    step is at most n; with cycle, n is the smallest multiple of decay_steps that is not below step.

    Source: `tf.compat.v1.train.polynomial_decay`, which gives the same rates.

    Example:
      >>> rate = gk.polynomial_decay(1.0, 100, final_rate=0.0, power=2.0)
      >>> rate(0), rate(50), rate(100), rate(500)
      (1.0, 0.25, 0.0, 0.0)
    """
    check = checks.Checker("polynomial_decay")
    learning_rate = check.number("learning_rate", learning_rate, above=0, at_most=LARGEST)
    decay_steps = check.integer("decay_steps", decay_steps)
    final_rate = check.number("final_rate", final_rate, at_least=0, at_most=learning_rate)
    power = check.number("power", power, above=0)

    def rate(step: int) -> float:
        steps = decay_steps * max(1, math.ceil(step / decay_steps)) if cycle else decay_steps
        left = 1 - min(step, steps) / steps
        return final_rate + (learning_rate - final_rate) * left**power

    return rate


def linear_warmup(schedule: float | Schedule, warmup_steps: int) -> Schedule:
    """Returns a schedule that rises linearly to the first rate of another one, which then begins.

    Args:
      schedule: a function step -> rate, or one rate for all steps.
      warmup_steps: number of steps in which the rate rises; at least 0.

    Returns:
      A function step -> rate.

    Raises:
      TypeError: schedule is neither a function nor a number, or warmup_steps is not an integer.
      ValueError: a number is out of its range.

    Formula: schedule(0) * (step + 1) / (warmup_steps + 1) for step < warmup_steps; then
    schedule(step - warmup_steps).

    Source: P. Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", 2017, section 2.2.

    Example:
      >>> rate = gk.linear_warmup(gk.polynomial_decay(1.0, 10, final_rate=0.0), 3)
      >>> [round(rate(step), 2) for step in (0, 1, 2, 3, 4, 13)]
      [0.25, 0.5, 0.75, 1.0, 0.9, 0.0]
    """
    check = checks.Checker("linear_warmup")
    warmup_steps = check.integer("warmup_steps", warmup_steps, minimum=0)
    constant = 0.0
    if not callable(schedule):
        constant = check.number("schedule", schedule, above=0, at_most=LARGEST)

    def after(step: int) -> float:
        return schedule(step) if callable(schedule) else constant

    def rate(step: int) -> float:
        if step < warmup_steps:
            return after(0) * (step + 1) / (warmup_steps + 1)
        return after(step - warmup_steps)

    return rate


def one_cycle(
    learning_rate: float,
    total_steps: int,
    *,
    warmup_fraction: float = 0.3,
    initial_rate: float | None = None,
    final_rate: float | None = None,
) -> Schedule:
    """Returns a schedule that rises along half a cosine to its highest rate, then falls along another.

    Args:
      learning_rate: the highest rate; positive.
      total_steps: number of steps of the cycle; from the last of them on the rate is final_rate. At least 2.
      warmup_fraction: fraction of the steps in which the rate rises, in (0, 1): more than one step.
      initial_rate: rate at step 0, from 0 to learning_rate; None is learning_rate / 25.
      final_rate: rate at the end, from 0 to learning_rate; None is initial_rate / 10,000.

    Returns:
      A function step -> rate.

    Raises:
      TypeError: an argument is not a number, or total_steps is not an integer.
      ValueError: a number is out of its range, or the warm-up has no more than one step.

    Formula: with the top at step w = warmup_fraction * total_steps - 1 and the end at n = total_steps - 1,
    between(initial_rate, learning_rate, step / w) up to w, and then
    between(learning_rate, final_rate, (step - w) / (n - w)), where
    between(a, b, t) = b + (a - b) * (1 + cos(pi * t)) / 2.

    Source: L. N. Smith, N. Topin, "Super-convergence: very fast training of neural networks using large
    learning rates", 2018; along cosines, and with these defaults, as PyTorch's `OneCycleLR`.

    Example:
      >>> rate = gk.one_cycle(1.0, 100)
      >>> rate(0), rate(29), round(rate(64), 4), round(rate(99), 8)
      (0.04, 1.0, 0.5, 4e-06)
    """
    check = checks.Checker("one_cycle")
    learning_rate = check.number("learning_rate", learning_rate, above=0, at_most=LARGEST)
    total_steps = check.integer("total_steps", total_steps, minimum=2)
    warmup_fraction = check.number("warmup_fraction", warmup_fraction, above=0, below=1)
    start = learning_rate / 25 if initial_rate is None else initial_rate
    start = check.number("initial_rate", start, at_least=0, at_most=learning_rate)
    end = start / 10_000 if final_rate is None else final_rate
    end = check.number("final_rate", end, at_least=0, at_most=learning_rate)
    top, last = warmup_fraction * total_steps - 1, total_steps - 1
    received = {"warmup_fraction": warmup_fraction, "total_steps": total_steps}
    check.require(top > 0, "the warm-up must have more than one step", **received)

    def between(first: float, second: float, part: float) -> float:
        left = (1 + math.cos(math.pi * part)) / 2
        return first * left + second * (1 - left)

    def rate(step: int) -> float:
        if step <= top:
            return between(start, learning_rate, step / top)
        return between(learning_rate, end, min(1.0, (step - top) / (last - top)))

    return rate
