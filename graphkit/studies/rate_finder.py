"""A learning-rate finder: rates that grow from step to step, and the loss that each leads to."""

from typing import NamedTuple

import numpy as np

from graphkit import checks
from graphkit.train import callbacks
from graphkit.train.trainer import Trainer

__all__ = ["RateTest", "find_learning_rate"]

SMOOTHING = 0.9  # share of the running mean that the loss of a step leaves
BLOWN_UP = 4.0  # times the best loss, at which the test ends


class RateTest(NamedTuple):
    """What `find_learning_rate` measured.

    Attributes:
      rates: the rates tried, float64 (steps,), growing geometrically.
      losses: the running mean of the loss after each, float64 (steps,).
      suggestion: a tenth of the rate at the lowest of these losses.

    Example:
      >>> gk.RateTest(np.array([0.1, 1.0]), np.array([2.0, 1.0]), 0.1).suggestion
      0.1
    """

    rates: np.ndarray
    losses: np.ndarray
    suggestion: float


class Enough(Exception):
    """Ends the test inside an epoch."""


class Losses(callbacks.Callback):
    """Keeps the running mean of the loss, until it has blown up or enough steps are made."""

    def __init__(self, steps):
        self.steps = steps
        self.means = []
        self.mean = 0.0

    def on_step(self, trainer, figures):
        self.mean = SMOOTHING * self.mean + (1 - SMOOTHING) * figures["loss"]
        self.means.append(self.mean / (1 - SMOOTHING ** (len(self.means) + 1)))
        if len(self.means) == self.steps or self.blown_up():
            raise Enough

    def blown_up(self):
        best = min(self.means)
        return self.means[-1] > best + (BLOWN_UP - 1) * abs(best)


def find_learning_rate(trainer, data, feed=None, lowest=1e-6, highest=1.0, steps=100, batch_size=128):
    """Trains for some steps at growing rates, and brings the trainer back to where it was.

    Args:
      trainer: a `Trainer` with an optimizer by name or function.
      data: {placeholder: array of all examples}, see `Trainer.fit`.
      feed: {placeholder: value} of what stays the same in every step.
      lowest: rate of the first step; positive.
      highest: rate of the last step, if the loss has not blown up before.
      steps: how many rates to try, at least 2.
      batch_size: examples in a mini-batch.

    Returns:
      A `RateTest`.

    Raises:
      ValueError: rates that do not grow, an optimizer that brings its own rate; see `Trainer.fit`.

    Source: L. Smith, "Cyclical learning rates for training neural networks", WACV 2017, section 3.3.

    Example:
      >>> inputs, labels = gk.feature_input(2), gk.label_input()
      >>> loss = gk.softmax_cross_entropy(gk.dense(inputs, 2), labels)
      >>> with gk.Trainer(loss, optimizer="sgd") as trainer:
      ...     test = gk.find_learning_rate(trainer, {inputs: np.eye(2), labels: np.arange(2)}, steps=20)
      >>> len(test.rates), test.rates[0]
      (20, np.float64(1e-06))
    """
    function = "find_learning_rate"
    if not isinstance(trainer, Trainer):
        raise TypeError(checks.message(function, "trainer must be a gk.Trainer", trainer=trainer))
    lowest = checks.number(function, "lowest", lowest, above=0)
    highest = checks.number(function, "highest", highest, above=lowest)
    steps = checks.integer(function, "steps", steps, minimum=2)
    rule = "the optimizer brings its own learning rate, which cannot be varied"
    checks.require(trainer.schedule is not None, function, rule)
    rates = np.geomspace(lowest, highest, steps)
    losses = Losses(steps)
    with trainer.experiment(lambda step: float(rates[min(len(losses.means), steps - 1)])):
        try:
            trainer.fit(data, feed, steps, batch_size, callbacks=[losses], progress=False)
        except Enough:
            pass
        except checks.GraphkitError:  # the loss is not finite: this rate is one too many
            checks.require(losses.means, function, "the loss must be finite at the lowest rate")
    means = np.array(losses.means)
    tried = rates[: len(means)]
    return RateTest(tried, means, float(tried[means.argmin()]) / 10)
