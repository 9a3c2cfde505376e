"""Metrics: how good the predictions are, over one batch or, in a trainer, over a data set."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.nn import losses, scopes, tensors

__all__ = [
    "Metric",
    "accuracy",
    "confusion_matrix",
    "f1_score",
    "precision",
    "recall",
    "top_k_accuracy",
]


class Metric(NamedTuple):
    """A metric that is not a mean over examples but follows from means: precision, a confusion matrix.

    A trainer averages the tensor over a data set, weighted by batch size, and passes the average to `finish`.

    Attributes:
      tensor: of any shape, a mean over the examples of a batch.
      finish: function (average as float64 array, number of examples) -> the metric's value.

    Example:
      >>> squares = gk.Metric(tf.reduce_mean(gk.feature_input(1) ** 2), lambda mean, count: mean**0.5)
      >>> float(squares.finish(np.array(9.0), 10))  # the root of the mean square
      3.0
    """

    tensor: tf.Tensor
    finish: Callable[[np.ndarray, int], Any]


def accuracy(logits: tensors.TensorLike, labels: tensors.TensorLike) -> tf.Tensor:
    """Returns the fraction of examples whose largest logit is that of their label.

    Args:
      logits: floating-point (batch, ..., num_classes), logits or probabilities.
      labels: integers (batch, ...), or one-hot of the shape of `logits`.

    Returns:
      A float32 scalar from 0 to 1. Of equal logits the first is the prediction.

    Raises:
      TypeError: `logits` is not a floating-point tensor.
      ValueError: the shape of the labels does not fit the logits.

    Example:
      >>> right = gk.accuracy(tf.constant([[0.1, 0.9], [0.8, 0.2]]), tf.constant([1, 1]))
      >>> with tf.compat.v1.Session() as session:
      ...     session.run(right)
      np.float32(0.5)
    """
    check = checks.Checker("accuracy")
    logits, labels = check_pair(check, logits, labels)
    with scopes.op_scope(check, None):
        predicted = tf.argmax(logits, axis=-1, output_type=labels.dtype)
        return tf.reduce_mean(tf.cast(tf.equal(predicted, labels), tf.float32))


def top_k_accuracy(logits: tensors.TensorLike, labels: tensors.TensorLike, k: int = 5) -> tf.Tensor:
    """Returns the fraction of examples whose label is among the k largest logits.

    Args:
      logits: floating-point (batch, ..., num_classes), logits or probabilities.
      labels: integers (batch, ...), or one-hot of the shape of `logits`.
      k: how many logits count, from 1 to num_classes.

    Returns:
      A float32 scalar from 0 to 1. A label counts if fewer than k logits are larger than its own.

    Raises:
      TypeError: `logits` is not a floating-point tensor.
      ValueError: the shape of the labels does not fit the logits, or k is out of range.

    Example:
      >>> right = gk.top_k_accuracy(tf.constant([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]]), tf.constant([1, 0]), k=2)
      >>> with tf.compat.v1.Session() as session:
      ...     session.run(right)
      np.float32(0.5)
    """
    check = checks.Checker("top_k_accuracy")
    logits, labels = check_pair(check, logits, labels)
    k = check.integer("k", k)
    classes = tensors.static_size(check, "logits", logits, -1)
    check.require(k <= classes, f"k must be at most the {classes} classes", k=k)
    with scopes.op_scope(check, None):
        own = tf.gather(logits, labels[..., tf.newaxis], axis=-1, batch_dims=labels.shape.rank)
        # Not logits > own: a NaN must count as larger, so that broken logits are never right.
        larger = tf.reduce_sum(tf.cast(tf.logical_not(logits <= own), tf.int32), axis=-1)
        return tf.reduce_mean(tf.cast(larger < k, tf.float32))


def confusion_matrix(logits: tensors.TensorLike, labels: tensors.TensorLike) -> Metric:
    """Counts the examples of each label (rows) by their predicted class (columns).

    Args:
      logits: floating-point (batch, num_classes), logits or probabilities.
      labels: integers (batch,), or one-hot of the shape of `logits`.

    Returns:
      A `Metric` whose value is int64 (num_classes, num_classes).

    Raises:
      TypeError: `logits` is not a floating-point tensor.
      ValueError: the shape of the labels does not fit the logits.

    Example:
      >>> matrix = gk.confusion_matrix(tf.constant([[0.1, 0.9], [0.8, 0.2]]), tf.constant([1, 1]))
      >>> with tf.compat.v1.Session() as session:
      ...     matrix.finish(session.run(matrix.tensor), 2)
      array([[0, 0],
             [1, 1]])
    """
    check = checks.Checker("confusion_matrix")
    losses.check_order(check, logits=logits, labels=labels)
    tensors.float_tensor(check, "logits", logits, rank=2)
    return Metric(confusion_fractions(check, logits, labels), matrix_of_counts)


def precision(logits: tensors.TensorLike, labels: tensors.TensorLike, positive: int | None = None) -> Metric:
    """Of the examples predicted to be of a class, the fraction that are.

    Args:
      logits: floating-point (batch, ..., num_classes), logits or probabilities.
      labels: integers (batch, ...), or one-hot of the shape of `logits`.
      positive: the class; None takes the mean over all classes.

    Returns:
      A `Metric` whose value is a float from 0 to 1; 0 for a class that is never predicted.

    Raises:
      TypeError: `logits` is not a floating-point tensor.
      ValueError: the shape of the labels does not fit the logits, or the class is unknown.

    Formula: true positives / (true positives + false positives)

    Example:
      >>> metric = gk.precision(tf.constant([[0.1, 0.9], [0.2, 0.8]]), tf.constant([1, 0]), positive=1)
      >>> with tf.compat.v1.Session() as session:
      ...     metric.finish(session.run(metric.tensor), 2)
      0.5
    """
    return class_metric(checks.Checker("precision"), logits, labels, positive, precisions)


def recall(logits: tensors.TensorLike, labels: tensors.TensorLike, positive: int | None = None) -> Metric:
    """Of the examples of a class, the fraction predicted to be of it.

    Args:
      logits: floating-point (batch, ..., num_classes), logits or probabilities.
      labels: integers (batch, ...), or one-hot of the shape of `logits`.
      positive: the class; None takes the mean over all classes.

    Returns:
      A `Metric` whose value is a float from 0 to 1; 0 for a class without examples.

    Raises:
      TypeError: `logits` is not a floating-point tensor.
      ValueError: the shape of the labels does not fit the logits, or the class is unknown.

    Formula: true positives / (true positives + false negatives)

    Example:
      >>> metric = gk.recall(tf.constant([[0.1, 0.9], [0.2, 0.8]]), tf.constant([1, 0]), positive=1)
      >>> with tf.compat.v1.Session() as session:
      ...     metric.finish(session.run(metric.tensor), 2)
      1.0
    """
    return class_metric(checks.Checker("recall"), logits, labels, positive, recalls)


def f1_score(logits: tensors.TensorLike, labels: tensors.TensorLike, positive: int | None = None) -> Metric:
    """The harmonic mean of the precision and the recall of a class.

    Args:
      logits: floating-point (batch, ..., num_classes), logits or probabilities.
      labels: integers (batch, ...), or one-hot of the shape of `logits`.
      positive: the class; None takes the mean over all classes.

    Returns:
      A `Metric` whose value is a float from 0 to 1; 0 for a class without examples that is never predicted.

    Raises:
      TypeError: `logits` is not a floating-point tensor.
      ValueError: the shape of the labels does not fit the logits, or the class is unknown.

    Formula: 2 * precision * recall / (precision + recall)

    Source: C. J. van Rijsbergen, "Information retrieval", 1979, chapter 7.

    Example:
      >>> metric = gk.f1_score(tf.constant([[0.1, 0.9], [0.2, 0.8]]), tf.constant([1, 0]), positive=1)
      >>> with tf.compat.v1.Session() as session:
      ...     round(metric.finish(session.run(metric.tensor), 2), 4)
      0.6667
    """
    return class_metric(checks.Checker("f1_score"), logits, labels, positive, f1_scores)


def class_metric(
    check: checks.Checker,
    logits: tensors.TensorLike,
    labels: tensors.TensorLike,
    positive: int | None,
    by_class: Callable[[np.ndarray], np.ndarray],
) -> Metric:
    """Returns the metric of one class, or the mean over all; `by_class` takes a confusion matrix."""
    fractions = confusion_fractions(check, logits, labels)
    if positive is not None:
        positive = check.integer("positive", positive, minimum=0)
        classes = fractions.shape.as_list()[0]
        check.require(positive < classes, f"positive must be one of the {classes} classes", positive=positive)

    def finish(mean: np.ndarray, examples: int) -> float:
        metrics = by_class(mean)
        return float(metrics.mean() if positive is None else metrics[positive])

    return Metric(fractions, finish)


def confusion_fractions(
    check: checks.Checker, logits: tensors.TensorLike, labels: tensors.TensorLike
) -> tf.Tensor:
    """Returns the confusion matrix of a batch, divided by its number of examples: a mean over them."""
    logits, labels = check_pair(check, logits, labels)
    classes = tensors.static_size(check, "logits", logits, -1)
    with scopes.op_scope(check, None):
        predicted = tf.one_hot(tf.reshape(tf.argmax(logits, axis=-1), [-1]), classes)
        actual = tf.one_hot(tf.reshape(labels, [-1]), classes)
        return tf.matmul(actual, predicted, transpose_a=True) / tf.cast(tf.shape(actual)[0], tf.float32)


def matrix_of_counts(mean: np.ndarray, examples: int) -> np.ndarray:
    return np.rint(np.asarray(mean, np.float64) * examples).astype(np.int64)


def precisions(matrix: np.ndarray) -> np.ndarray:
    return ratio(np.diag(matrix), matrix.sum(axis=0))


def recalls(matrix: np.ndarray) -> np.ndarray:
    return ratio(np.diag(matrix), matrix.sum(axis=1))


def f1_scores(matrix: np.ndarray) -> np.ndarray:
    # 2 * precision * recall / (precision + recall), with the common factors cancelled.
    return ratio(2 * np.diag(matrix), matrix.sum(axis=0) + matrix.sum(axis=1))


def ratio(numerators: np.ndarray, denominators: np.ndarray) -> np.ndarray:
    """Returns numerators / denominators, 0 where both are 0."""
    return np.divide(numerators, denominators, out=np.zeros(len(numerators)), where=denominators > 0)


def check_pair(
    check: checks.Checker, logits: tensors.TensorLike, labels: tensors.TensorLike
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns logits and integer labels that fit each other."""
    losses.check_order(check, logits=logits, labels=labels)
    logits = tensors.float_tensor(check, "logits", logits, minimum_rank=2)
    labels = losses.check_labels(check, logits, labels)
    if labels.shape.rank == logits.shape.rank:
        labels = tf.argmax(labels, axis=-1, output_type=tf.int32)
    return logits, labels
