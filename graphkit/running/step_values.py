"""The values of steps, as callbacks read them."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from graphkit.nn.metrics import Metric
from graphkit.running.metrics import plain_mean
from graphkit.running.steps import Run


class StepValues(NamedTuple):
    """What each step of a run returned.

    Attributes:
      steps: int64 (n,): the numbers of the steps, counted from 1 as `trainer.step` counts the steps made.
      metrics: {name: array (n, ...)}: the loss and the metrics of each step's mini-batch, before its update.
      rates: float64 (n,), or (n, losses) of several losses: learning rates of the steps; None where the
        optimizer brings its own.
    """

    steps: np.ndarray
    metrics: dict[str, np.ndarray]
    rates: np.ndarray | None


def of_run(run: Run, metrics: Mapping[str, Metric], last_step: int) -> StepValues:
    """Returns the values of the steps of a run.

    Args:
      run: one or more steps.
      metrics: {name: `Metric`} of a trainer.
      last_step: the number of the last step, counted from 1.
    """
    count = len(run.values[0])
    pairs = zip(metrics.items(), run.values, strict=True)
    values = {name: finished(metric, value, run.batch_size) for (name, metric), value in pairs}
    rates = np.array(run.rates, np.float64) if run.rates else None
    return StepValues(np.arange(last_step - count + 1, last_step + 1), values, rates)


def finished(metric: Metric, values: np.ndarray, batch_size: int) -> np.ndarray:
    """Returns the metric of each step as an array."""
    values = values.astype(np.float64)
    if metric.finish is plain_mean:
        return values
    return np.array([metric.finish(value, batch_size) for value in values])
