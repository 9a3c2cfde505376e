"""A learning-rate finder: rates that grow from step to step, and the loss that each leads to."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.diagnosis.recorder import Recorder
from graphkit.running import files
from graphkit.running.callback import Callback
from graphkit.train.trainer import Trainer

SMOOTHING = 0.9  # fraction of the running mean that is kept at each step
BLOWN_UP = 4.0  # times the best loss, at which the test ends


class RateTest(NamedTuple):
    """What `find_learning_rate` measured.

    Attributes:
      rates: the rates tried, float64 (steps,), growing geometrically.
      losses: the running mean of the loss after each, float64 (steps,).
      suggestion: a tenth of the rate at the lowest of these losses.

    Example:
      >>> from graphkit.studies import RateTest
      >>> RateTest(np.array([0.1, 1.0]), np.array([2.0, 1.0]), 0.1).suggestion
      0.1
    """

    rates: np.ndarray
    losses: np.ndarray
    suggestion: float


class Losses(Callback):
    """Keeps the running mean of the loss, until it has blown up or enough steps are made."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.means: list[float] = []
        self.mean = 0.0

    def on_step(self, trainer: Any, metrics: dict[str, Any]) -> None:
        self.mean = SMOOTHING * self.mean + (1 - SMOOTHING) * metrics["loss"]
        # Divided by the weight of all losses so far, since the running mean starts at 0, as in Adam.
        self.means.append(self.mean / (1 - SMOOTHING ** (len(self.means) + 1)))
        if len(self.means) == self.steps or self.blown_up():
            trainer.stop("all rates were tried, or the loss has blown up", now=True)

    def blown_up(self) -> bool:
        best = min(self.means)
        return self.means[-1] > best + (BLOWN_UP - 1) * abs(best)


def find_learning_rate(
    trainer: Trainer,
    data: Mapping[tf.Tensor, Any],
    feed: Mapping[tf.Tensor, Any] | None = None,
    *,
    lowest: float = 1e-6,
    highest: float = 1.0,
    steps: int = 100,
    batch_size: int | None = None,
) -> RateTest:
    """Trains for some steps at growing rates, and restores the trainer.

    Args:
      trainer: a `Trainer` with an optimizer by name or function.
      data: {placeholder: array of all examples}, see `Trainer.fit`.
      feed: {placeholder: value} of what stays the same in every step.
      lowest: rate of the first step; positive.
      highest: rate of the last step, if the loss has not blown up before.
      steps: how many rates to try, at least 2.
      batch_size: examples in a mini-batch, by default 128; a stream has its own.

    Returns:
      A `RateTest` (`graphkit.studies.RateTest`).

    Raises:
      TypeError: trainer is not a `Trainer`, or an argument is not a number; see `Trainer.fit` for the data.
      ValueError: the rates do not grow, the optimizer brings its own rate, or TensorFlow cannot read files in
        TMPDIR; see `Trainer.fit`.

    Source: L. Smith, "Cyclical learning rates for training neural networks", WACV 2017, section 3.3.

    Example:
      >>> inputs, labels = gk.feature_input(2), gk.label_input()
      >>> loss = gk.softmax_cross_entropy(gk.dense(inputs, 2), labels)
      >>> with gk.Trainer(loss, optimizer="sgd") as trainer:
      ...     test = gk.find_learning_rate(trainer, {inputs: np.eye(2), labels: np.arange(2)}, steps=20)
      >>> len(test.rates), test.rates[0]
      (20, np.float64(1e-06))
    """
    check = checks.Checker("find_learning_rate")
    check.require_type(isinstance(trainer, Trainer), "trainer must be a gk.Trainer", trainer=trainer)
    rule = "losses that have a learning rate each cannot be tried at one; give all the same"
    check.require(not trainer.learning_rate.names, rule, losses=trainer.learning_rate.names)
    lowest = check.number("lowest", lowest, above=0)
    highest = check.number("highest", highest, above=lowest)
    steps = check.integer("steps", steps, minimum=2)
    rule = "the optimizer brings its own learning rate, which cannot be varied"
    check.require(trainer.learning_rate.schedule is not None, rule)
    rates = np.geomspace(lowest, highest, steps)
    losses = Losses(steps)
    with at_rates(trainer, lambda step: float(rates[min(len(losses.means), steps - 1)])):
        observers = [Recorder(search=False), losses]
        try:
            trainer.fit(data, feed, steps, batch_size=batch_size, callbacks=observers, progress=False)
        except checks.GraphkitError:  # the loss is not finite at this rate, which ends the test
            check.require(losses.means, "the loss must be finite at the lowest rate")
    means = np.array(losses.means)
    tried = rates[: len(means)]
    return RateTest(tried, means, float(tried[means.argmin()]) / 10)


@contextlib.contextmanager
def at_rates(trainer: Trainer, schedule: Callable[[int], float]) -> Iterator[None]:
    """Lets a block train at other rates without writing to the logdir, then restores the trainer."""
    kept = trainer.learning_rate.schedule, trainer.folder, trainer.callbacks
    history = trainer.history
    with files.temporary_folder(checks.Checker("find_learning_rate")) as folder:
        path = trainer.save(os.path.join(folder, "before"))
        trainer.learning_rate.schedule, trainer.folder, trainer.rate_factor = schedule, None, 1.0
        trainer.state.history = {}
        try:
            yield
        finally:
            trainer.callbacks = []
            trainer.restore(path)
            trainer.state.history = history  # the same object, which the caller may hold
            trainer.learning_rate.schedule, trainer.folder, trainer.callbacks = kept
