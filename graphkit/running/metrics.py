"""Figures: the loss and the metrics over examples, and the rows of a history."""

import math

import numpy as np

from graphkit import checks
from graphkit.graph import walk
from graphkit.nn import metrics as nn_metrics

RESERVED = ("loss", "epoch", "step", "learning_rate", "seconds", "examples_per_second")


class Means:
    """Figures over examples, from values that are means over mini-batches.

    Sums are weighted by batch size and kept in float64, so that batch size never changes a result.

    Args:
      metrics: {name: `Metric`}.
      totals: sums to go on from, one for each metric.
      examples: how many examples are in them.
    """

    def __init__(self, metrics, totals=None, examples=0):
        self.metrics = metrics
        self.totals = [0.0] * len(metrics) if totals is None else [np.array(t) for t in totals]
        self.examples = examples

    def add(self, values, examples):
        """Adds the values, each with a first axis for the mini-batches, of so many examples each.

        They are added one after the other, so that it does not matter how many come at a time.
        """
        for place, value in enumerate(values):
            total = np.broadcast_to(self.totals[place], (1, *value.shape[1:]))
            terms = np.concatenate([total, value.astype(np.float64) * examples])
            self.totals[place] = np.add.accumulate(terms)[-1]
        self.examples += examples * len(values[0])

    def result(self):
        """Returns {name: figure}."""
        count = max(1, self.examples)
        return {
            name: metric.finish(total / count, self.examples)
            for (name, metric), total in zip(self.metrics.items(), self.totals, strict=True)
        }

    def state(self):
        """Returns the sums as JSON."""
        return [np.asarray(total).tolist() for total in self.totals]


def check_metrics(graph, metrics):
    """Returns {name: Metric}, if they are tensors of the graph under names of their own."""
    rule = "metrics must be {name: scalar tensor or Metric of the loss's graph}, none of them named loss"
    if not isinstance(metrics, dict):
        raise TypeError(checks.message("Trainer", rule, metrics=metrics))
    checked = {}
    for name, value in metrics.items():
        metric = value if isinstance(value, nn_metrics.Metric) else nn_metrics.Metric(value, plain_mean)
        tensor = metric.tensor
        sound = (
            callable(metric.finish)
            and isinstance(name, str)
            and name not in RESERVED
            and not name.startswith("valid_")
        )
        sound = sound and walk.is_graph_tensor(tensor) and tensor.graph is graph
        sound = sound and (metric is value or tensor.shape.rank == 0)
        checks.require(sound, "Trainer", rule, name=name, metric=value)
        checked[name] = metric
    return checked


def loss_metric(loss):
    """Returns the loss as the metric that it is: a mean over the examples."""
    return nn_metrics.Metric(loss, plain_mean)


def plain_mean(mean, examples):
    return float(mean)


def add_row(history, row):
    """Adds a row of figures to a history; a figure that was not there in all rows is NaN where it was not."""
    rows = len(next(iter(history.values()), []))
    for name in [*history, *row]:
        column = history.setdefault(name, [math.nan] * rows)
        if len(column) == rows:
            value = row.get(name, math.nan)
            column.append(value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value)
