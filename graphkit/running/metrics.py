"""Means of the loss and the metrics over examples, and the rows of a history."""

import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.graph import walk
from graphkit.nn import metrics as nn_metrics
from graphkit.nn import tensors

EXAMPLE = '{"accuracy": gk.accuracy(logits, labels)}'
STREAMING = (
    "is of tf.compat.v1.metrics, which adds up all batches that were ever run; "
    f"give that of one batch: {EXAMPLE}"
)
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
      metrics: {name: scalar tensor or `Metric`}, or None.
      losses: the names of several losses, which are metrics too.
    """
    check = checks.Checker("Trainer")
    rule = f"metrics must be {{name: scalar tensor or Metric}}, such as {EXAMPLE}"
    check.require_type(metrics is None or isinstance(metrics, Mapping), rule, metrics=metrics)
    checked: dict[str, nn_metrics.Metric] = {}
    for name, value in (metrics or {}).items():
        check.require_type(isinstance(name, str), rule, name=name)
        taken = "the history has a column {!r} of its own: give the metric another name"
        check.require(not is_reserved(name), taken.format(name), name=name)
        check.require(name not in losses, "metrics must have other names than the losses", name=name)
        checked[name] = check_metric(check, graph, name, value)
    return checked


def check_metric(check: checks.Checker, graph: tf.Graph, name: str, value: Any) -> nn_metrics.Metric:
    """Returns a metric, whose tensor must be a number that each run computes."""
    is_metric = isinstance(value, nn_metrics.Metric)
    metric = value if is_metric else nn_metrics.Metric(value, plain_mean)
    tensor = metric.tensor
    is_computed = walk.is_graph_tensor(tensor) and not isinstance(tensor, tf.Variable)
    rule = f"the metric {name!r} must be a scalar tensor or a Metric of the loss's graph"
    check.require_type(is_computed, f"{rule}; {why_not(tensor, name)}", **{name: tensor})
    check.require_type(
        callable(metric.finish), f"finish of {name!r} must be a function", finish=metric.finish
    )
    check.require(tensor.graph is graph, f"{rule}, but is of another graph", **{name: tensor.name})
    mean = f"; tf.reduce_mean({name if name.isidentifier() else '...'}) is one number"
    is_scalar = is_metric or tensor.shape.rank == 0
    check.require(is_scalar, rule + mean, **{name: tensor.name}, shape=tensors.shape_text(tensor))
    numeric = tensor.dtype.is_floating or tensor.dtype.is_integer or tensor.dtype.is_bool
    check.require_type(numeric, f"the metric {name!r} must be a number", dtype=tensor.dtype.name)
    rule = f"the metric {name!r} is what is fed, and nothing computes it: give tf.identity({{}})"
    check.require(not walk.is_placeholder(tensor), rule.format(tensor.op.name), **{name: tensor.name})
    check_not_streaming(check, graph, name, tensor)
    return metric


def check_not_streaming(check: checks.Checker, graph: tf.Graph, name: str, tensor: tf.Tensor) -> None:
    """Refuses what `tf.compat.v1.metrics` returns: it is not the metric of a batch, but adds up all of them.

    Training, validation and evaluation would go into one sum, which nothing sets back.
    """
    kept = graph.get_collection(tf.compat.v1.GraphKeys.METRIC_VARIABLES)
    handles = {walk.handle_op(variable) for variable in kept}
    if not handles or not walk.ancestors([tensor]) & handles:
        return

    # What a program computes from examples may use such a mean as well, as a baseline.
    def other_sources(op: tf.Operation) -> list[tf.Operation]:
        inputs = [source.op for source in op.inputs]
        return [] if handles.intersection(inputs) else inputs

    computed = any(map(walk.is_fed, walk.ancestors([tensor], other_sources)))
    check.require(computed, f"the metric {name!r} {STREAMING}", **{name: tensor.name})


def why_not(value: Any, name: str) -> str:
    """Returns what is wrong with a value that is not a tensor, and what to write instead."""
    if isinstance(value, str):
        return f"names are not known, a metric is made of the tensors of your graph: {EXAMPLE}"
    if isinstance(value, tf.Variable):
        return f"give the value that a variable has in each step: tf.identity({name})"
    if isinstance(value, (tuple, list)) and any(map(walk.is_graph_tensor, value)):
        return f"it {STREAMING}"
    if isinstance(value, tf.Operation):
        return "an op has no value; give its output"
    if isinstance(value, (bool, numbers.Number, np.ndarray, np.generic)) or tf.is_tensor(value):
        return "give the tensor, not a value that was computed of it"
    if checks.keras_kinds(value):
        return f"metrics of Keras are not taken: {EXAMPLE}"
    if callable(value):
        return f"call the function with tensors of your graph: {EXAMPLE}"
    return f"such as {EXAMPLE}"


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
