"""`tf.contrib.metrics`: `tf.metrics` with the predictions first, and helpers for many at once."""

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


PREDICTIONS = "predictions labels"
# {name without "streaming_": (name in tf.metrics, the arguments that come first)}
STREAMING = {
    "accuracy": ("accuracy", PREDICTIONS),
    "auc": (
        "auc",
        f"{PREDICTIONS} weights num_thresholds metrics_collections updates_collections curve name",
    ),
    "false_negatives": ("false_negatives", PREDICTIONS),
    "false_negatives_at_thresholds": ("false_negatives_at_thresholds", f"{PREDICTIONS} thresholds"),
    "false_positives": ("false_positives", PREDICTIONS),
    "false_positives_at_thresholds": ("false_positives_at_thresholds", f"{PREDICTIONS} thresholds"),
    "mean": ("mean", "values"),
    "mean_absolute_error": ("mean_absolute_error", PREDICTIONS),
    "mean_cosine_distance": ("mean_cosine_distance", f"{PREDICTIONS} dim"),
    "mean_iou": ("mean_iou", f"{PREDICTIONS} num_classes"),
    "mean_relative_error": ("mean_relative_error", f"{PREDICTIONS} normalizer"),
    "mean_squared_error": ("mean_squared_error", PREDICTIONS),
    "mean_tensor": ("mean_tensor", "values"),
    "percentage_less": ("percentage_below", "values threshold"),
    "precision": ("precision", PREDICTIONS),
    "precision_at_thresholds": ("precision_at_thresholds", f"{PREDICTIONS} thresholds"),
    "recall": ("recall", PREDICTIONS),
    "recall_at_thresholds": ("recall_at_thresholds", f"{PREDICTIONS} thresholds"),
    "root_mean_squared_error": ("root_mean_squared_error", PREDICTIONS),
    "sensitivity_at_specificity": (
        "sensitivity_at_specificity",
        f"{PREDICTIONS} specificity weights num_thresholds",
    ),
    "sparse_average_precision_at_k": ("average_precision_at_k", f"{PREDICTIONS} k"),
    "sparse_precision_at_k": ("precision_at_k", f"{PREDICTIONS} k class_id"),
    "sparse_recall_at_k": ("recall_at_k", f"{PREDICTIONS} k class_id"),
    "specificity_at_sensitivity": (
        "specificity_at_sensitivity",
        f"{PREDICTIONS} sensitivity weights num_thresholds",
    ),
    "true_negatives": ("true_negatives", PREDICTIONS),
    "true_negatives_at_thresholds": ("true_negatives_at_thresholds", f"{PREDICTIONS} thresholds"),
    "true_positives": ("true_positives", PREDICTIONS),
    "true_positives_at_thresholds": ("true_positives_at_thresholds", f"{PREDICTIONS} thresholds"),
}
for name, arguments in STREAMING.items():
    globals()[f"streaming_{name}"] = streaming(*arguments)

confusion_matrix = v1.confusion_matrix
set_difference, set_intersection, set_size, set_union = (
    getattr(tf.sets, name) for name in ("difference", "intersection", "size", "union")
)


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


def collected(value: Any, update: Any, metrics_collections: Any, updates_collections: Any) -> Pair:
    v1.add_to_collections(metrics_collections or (), value)
    v1.add_to_collections(updates_collections or (), update)
    return value, update


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


def streaming_concat(
    values: Any,
    axis: int = 0,
    max_size: int | None = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """Returns the values of all mini-batches so far, at most max_size along the axis."""
    sizes = values.shape.as_list()
    axis %= len(sizes)
    sizes[axis] = None
    if sizes.count(None) > 1:
        raise ValueError("all dimensions of `values` other than that of the axis must be known")
    with v1.variable_scope(name, "streaming_concat"):
        empty = tf.zeros([size or 0 for size in sizes], values.dtype)
        kept = v1.Variable(
            empty,
            trainable=False,
            collections=[v1.GraphKeys.LOCAL_VARIABLES, v1.GraphKeys.METRIC_VARIABLES],
            validate_shape=False,
            shape=tf.TensorShape(sizes),
            name="array",
            use_resource=True,
        )
        begin, end = [0] * len(sizes), [max_size if i == axis and max_size else -1 for i in range(len(sizes))]

        def cut(tensor: tf.Tensor) -> tf.Tensor:
            if max_size is None:
                return tensor
            end[axis] = tf.minimum(tf.shape(tensor)[axis], max_size)
            return tf.slice(tensor, begin, tf.stack(end))

        update = kept.assign(cut(tf.concat([kept, values], axis)))
        value = tf.identity(kept, name="concat")
        return collected(value, update, metrics_collections, updates_collections)


def count(
    values: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """Returns how many values there were, or the sum of their weights."""
    with v1.variable_scope(name, "count"):
        ones = tf.ones_like(values, tf.float32)
        total = v1.Variable(
            0.0,
            trainable=False,
            collections=[v1.GraphKeys.LOCAL_VARIABLES, v1.GraphKeys.METRIC_VARIABLES],
            name="count",
            use_resource=True,
        )
        update = total.assign_add(tf.reduce_sum(ones if weights is None else ones * weights))
        value = tf.identity(total)
        return collected(value, update, metrics_collections, updates_collections)


def aggregate_metrics(*value_update_tuples: Pair) -> tuple[list[Any], list[Any]]:
    """Returns all values, and all updates."""
    if not value_update_tuples:
        raise ValueError("Expected at least one value_tensor/update_op pair")
    values, updates = zip(*value_update_tuples, strict=True)
    return list(values), list(updates)


def aggregate_metric_map(names_to_tuples: Mapping[str, Pair]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns {name: value} and {name: update}."""
    return {name: one[0] for name, one in names_to_tuples.items()}, {
        name: one[1] for name, one in names_to_tuples.items()
    }


__all__ = """
accuracy aggregate_metric_map aggregate_metrics confusion_matrix count set_difference set_intersection
set_size set_union streaming_concat streaming_recall_at_k
""".split()
__all__ += [f"streaming_{name}" for name in STREAMING]

__getattr__, __dir__ = overlay.over(__name__)
