"""`tf.contrib.metrics`: `tf.metrics` with the predictions first."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from graphkit.tf1 import overlay

v1 = tf.compat.v1
Pair = tuple[Any, Any]  # the metric's value, and the op that adds a mini-batch to it


def streaming(name: str, first: str) -> Callable[..., Pair]:
    """Returns `tf.metrics.<name>` with some of its arguments in another order."""
    function = getattr(v1.metrics, name)
    parameters = dict(inspect.signature(function).parameters)
    names = [*first.split(), *(one for one in parameters if one not in first.split())]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature(
        [inspect.Parameter(one, kind, default=parameters[one].default) for one in names]
    )

    def metric(*args: Any, **kwargs: Any) -> Pair:
        return function(**signature.bind(*args, **kwargs).arguments)

    metric.__name__ = metric.__qualname__ = f"streaming_{name}"
    metric.__doc__ = f"Is tf.metrics.{name}, with the arguments ({', '.join(names)})."
    metric.__signature__ = signature  # type: ignore[attr-defined]
    return metric


# {name after "streaming_": the arguments that come first}
FIRST = {
    name: "predictions labels"
    for name in (
        "accuracy false_negatives false_positives mean_absolute_error mean_squared_error precision recall "
        "root_mean_squared_error true_negatives true_positives"
    ).split()
}
FIRST |= {
    f"{name}_at_thresholds": "predictions labels thresholds"
    for name in "false_negatives false_positives precision recall true_negatives true_positives".split()
}
SUMS = "metrics_collections updates_collections"
FIRST |= {
    "auc": f"predictions labels weights num_thresholds {SUMS} curve name",
    "mean": "values",
    "mean_cosine_distance": "predictions labels dim",
    "mean_iou": "predictions labels num_classes",
    "mean_relative_error": "predictions labels normalizer",
    "mean_tensor": "values",
    "percentage_less": "values threshold",
    "sensitivity_at_specificity": "predictions labels specificity weights num_thresholds",
    "sparse_average_precision_at_k": "predictions labels k",
    "sparse_precision_at_k": "predictions labels k class_id",
    "sparse_recall_at_k": "predictions labels k class_id",
    "specificity_at_sensitivity": "predictions labels sensitivity weights num_thresholds",
}
NAMES = {"percentage_less": "percentage_below"}  # in tf.metrics, where it is another one
for name, first in FIRST.items():
    globals()[f"streaming_{name}"] = streaming(NAMES.get(name, name.removeprefix("sparse_")), first)

confusion_matrix = v1.confusion_matrix


def accuracy(
    predictions: tf.Tensor, labels: tf.Tensor, weights: Any = None, name: str | None = None
) -> tf.Tensor:
    """Returns the fraction of one mini-batch that is right."""
    if not (labels.dtype.is_integer or labels.dtype in (tf.bool, tf.string)):
        raise ValueError(f"Labels should have bool, integer, or string dtype, not {labels.dtype}")
    if labels.dtype != predictions.dtype:
        dtypes = f"predictions ({predictions.dtype}) and labels ({labels.dtype})"
        raise ValueError(f"Dtypes of predictions and labels should match. Given: {dtypes}")
    with v1.name_scope(name, "accuracy"):
        right = tf.cast(tf.equal(predictions, labels), tf.float32)
        if weights is None:
            return tf.reduce_mean(right)
        return tf.reduce_sum(right * weights) / tf.reduce_sum(weights * tf.ones_like(right))


def streaming_recall_at_k(
    predictions: Any,
    labels: Any,
    k: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """Returns how often the label is one of the k highest predictions."""
    found = tf.cast(tf.math.in_top_k(targets=labels, predictions=predictions, k=k), tf.float32)
    return v1.metrics.mean(found, weights, metrics_collections, updates_collections, name or f"recall_at_{k}")


def aggregate_metric_map(names_to_tuples: Mapping[str, Pair]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns {name: value} and {name: update}."""
    values, updates = ({name: pair[part] for name, pair in names_to_tuples.items()} for part in (0, 1))
    return values, updates


__all__ = ["accuracy", "aggregate_metric_map", "confusion_matrix", "streaming_recall_at_k"]
__all__ += [f"streaming_{name}" for name in FIRST]

__getattr__, __dir__ = overlay.over(__name__, modules="confusion_matrix_ops metric_ops set_ops")
