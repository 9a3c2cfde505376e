"""Means of the loss and the metrics over examples, and the rows of a history."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.graph import walk
from graphkit.nn import metrics as nn_metrics

RESERVED = ("loss", "epoch", "step", "learning_rate", "seconds", "examples_per_second")


def is_reserved(name: str) -> bool:
    """Whether a history has a column of this name anyway."""
    return name in RESERVED or name.startswith(("valid_", "learning_rate_"))


class Means:
    """Means over examples, from values that are means over mini-batches.

    Sums are weighted by batch size and kept in float64, so that batch size never changes a result.

    Args:
      metrics: {name: `Metric`}.
      totals: sums to continue from, one for each metric.
      examples: number of examples in them.
    """

    def __init__(
        self,
        metrics: Mapping[str, nn_metrics.Metric],
        totals: Sequence[Any] | None = None,
        examples: int = 0,
    ) -> None:
        self.metrics = metrics
        self.totals = [np.array(0.0)] * len(metrics) if totals is None else [np.array(t) for t in totals]
        self.examples = examples

    def add(self, values: Iterable[np.ndarray], batch_size: int) -> None:
        """Adds the values of one or more mini-batches.

        They are added one after the other, so that rounding does not depend on how many come at a time.

        Args:
          values: for each metric, an array (mini-batches, ...).
          batch_size: examples in each of the mini-batches.
        """
        count = 0
        for place, value in enumerate(values):
            total = np.broadcast_to(self.totals[place], (1, *value.shape[1:]))
            terms = np.concatenate([total, value.astype(np.float64) * batch_size])
            self.totals[place] = np.add.accumulate(terms)[-1]
            count = len(value)
        self.examples += batch_size * count

    def result(self) -> dict[str, Any]:
        """Returns {name: value over all examples that were added}."""
        count = max(1, self.examples)
        return {
            name: metric.finish(total / count, self.examples)
            for (name, metric), total in zip(self.metrics.items(), self.totals, strict=True)
        }

    def state(self) -> list:
        """Returns the sums as JSON."""
        return [np.asarray(total).tolist() for total in self.totals]


def check_metrics(
    graph: tf.Graph, metrics: Any, losses: Sequence[str | None] = ()
) -> dict[str, nn_metrics.Metric]:
    """Returns {name: `Metric`}; each must be a tensor of the graph, and its name not one of the history's.

    Args:
      graph: of the loss.
      metrics: {name: scalar tensor or `Metric`}.
      losses: the names of several losses, which are metrics too.
    """
    check = checks.Checker("Trainer")
    rule = "metrics must be {name: scalar tensor or Metric of the loss's graph}, none of them named loss"
    check.require_type(isinstance(metrics, dict), rule, metrics=metrics)
    checked = {}
    for name, value in metrics.items():
        is_metric = isinstance(value, nn_metrics.Metric)
        metric = value if is_metric else nn_metrics.Metric(value, plain_mean)
        tensor = metric.tensor
        name_is_free = isinstance(name, str) and not is_reserved(name) and name not in losses
        in_graph = walk.is_graph_tensor(tensor) and tensor.graph is graph
        fits = in_graph and callable(metric.finish) and (is_metric or tensor.shape.rank == 0)
        check.require(name_is_free and fits, rule, name=name, metric=value)
        checked[name] = metric
    return checked


def loss_metric(loss: tf.Tensor) -> nn_metrics.Metric:
    """Returns the loss as a metric: a mean over the examples."""
    return nn_metrics.Metric(loss, plain_mean)


def plain_mean(mean: Any, examples: int) -> float:
    return float(mean)


def add_row(history: dict[str, list], row: Mapping[str, Any]) -> None:
    """Adds a row of metrics to a history; NaN stands for metrics that a row does not have."""
    rows = len(next(iter(history.values()), []))
    for name in [*history, *row]:
        column = history.setdefault(name, [math.nan] * rows)
        if len(column) == rows:
            value = row.get(name, math.nan)
            column.append(value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value)
