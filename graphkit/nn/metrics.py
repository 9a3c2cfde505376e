"""Metrics: how good the predictions are, over one batch or, in a trainer, over a whole data set."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.nn import losses, scopes

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
    """A figure that is no mean over examples, but follows from means: precision, a confusion matrix.

    A trainer averages the tensor over a data set, weighted by batch size, and finishes the average.

    Attributes:
      tensor: of any shape, a mean over the examples of a batch.
      finish: function (average as float64 array, number of examples) -> the figure.

    Example:
      >>> squares = gk.Metric(tf.reduce_mean(gk.feature_input(1) ** 2), lambda mean, count: mean**0.5)
      >>> float(squares.finish(np.array(9.0), 10))  # the root of the mean square
      3.0
    """

    tensor: tf.Tensor
    finish: Callable


def accuracy(logits, labels):
    """Returns the share of examples whose largest logit is that of their label.

    Args:
      logits: floating-point (batch, ..., num_classes), logits or probabilities.
      labels: integers (batch, ...), or one-hot of the shape of `logits`.

    Returns:
      A float32 scalar from 0 to 1. Of equal logits the first counts.

    Raises:
      TypeError: logits that are not floating-point.
      ValueError: labels whose shape does not fit the logits.

    Example:
      >>> share = gk.accuracy(tf.constant([[0.1, 0.9], [0.8, 0.2]]), tf.constant([1, 1]))
      >>> with tf.compat.v1.Session() as session:
      ...     session.run(share)
      np.float32(0.5)
    """
    function = "accuracy"
    logits, labels = check_pair(function, logits, labels)
    with scopes.op_scope(function, None):
        predicted = tf.argmax(logits, axis=-1, output_type=labels.dtype)
        return tf.reduce_mean(tf.cast(tf.equal(predicted, labels), tf.float32))


def top_k_accuracy(logits, labels, k=5):
    """Returns the share of examples whose label is among the k largest logits.

    Args:
      logits: floating-point (batch, ..., num_classes), logits or probabilities.
      labels: integers (batch, ...), or one-hot of the shape of `logits`.
      k: how many logits count, from 1 to num_classes.

    Returns:
      A float32 scalar from 0 to 1. A label counts if fewer than k logits are larger than its own.

    Raises:
      TypeError: logits that are not floating-point.
      ValueError: labels whose shape does not fit the logits, or k out of range.

    Example:
      >>> share = gk.top_k_accuracy(tf.constant([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]]), tf.constant([1, 0]), k=2)
      >>> with tf.compat.v1.Session() as session:
      ...     session.run(share)
      np.float32(0.5)
    """
    function = "top_k_accuracy"
    logits, labels = check_pair(function, logits, labels)
    k = checks.integer(function, "k", k)
    classes = scopes.static_size(function, "logits", logits, -1)
    checks.require(k <= classes, function, f"k must be at most the {classes} classes", k=k)
    with scopes.op_scope(function, None):
        own = tf.gather(logits, labels[..., tf.newaxis], axis=-1, batch_dims=labels.shape.rank)
        larger = tf.reduce_sum(tf.cast(tf.logical_not(logits <= own), tf.int32), axis=-1)
        return tf.reduce_mean(tf.cast(larger < k, tf.float32))


def confusion_matrix(logits, labels):
    """Counts how often each class was taken for each other: rows are labels, columns predictions.

    Args:
      logits: floating-point (batch, num_classes), logits or probabilities.
      labels: integers (batch,), or one-hot of the shape of `logits`.

    Returns:
      A `Metric` whose figure is int64 (num_classes, num_classes).

    Raises:
      TypeError: logits that are not floating-point.
      ValueError: labels whose shape does not fit the logits.

    Example:
      >>> matrix = gk.confusion_matrix(tf.constant([[0.1, 0.9], [0.8, 0.2]]), tf.constant([1, 1]))
      >>> with tf.compat.v1.Session() as session:
      ...     matrix.finish(session.run(matrix.tensor), 2)
      array([[0, 0],
             [1, 1]])
    """
    scopes.float_tensor("confusion_matrix", "logits", logits, rank=2)
    return Metric(confusion_shares("confusion_matrix", logits, labels), matrix_of_counts)


def precision(logits, labels, positive=None):
    """Measures which share of the examples that were taken for a class are of it.

    Args:
      logits: floating-point (batch, ..., num_classes), logits or probabilities.
      labels: integers (batch, ...), or one-hot of the shape of `logits`.
      positive: the class; None takes the mean over all classes.

    Returns:
      A `Metric` whose figure is a float from 0 to 1; 0 for a class that nothing was taken for.

    Raises:
      TypeError: logits that are not floating-point.
      ValueError: labels that do not fit, or an unknown class.

    Formula: true positives / (true positives + false positives)

    Example:
      >>> figure = gk.precision(tf.constant([[0.1, 0.9], [0.2, 0.8]]), tf.constant([1, 0]), positive=1)
      >>> with tf.compat.v1.Session() as session:
      ...     figure.finish(session.run(figure.tensor), 2)
      0.5
    """
    return class_metric("precision", logits, labels, positive, precisions)


def recall(logits, labels, positive=None):
    """Measures which share of the examples of a class were taken for it.

    Args:
      logits: floating-point (batch, ..., num_classes), logits or probabilities.
      labels: integers (batch, ...), or one-hot of the shape of `logits`.
      positive: the class; None takes the mean over all classes.

    Returns:
      A `Metric` whose figure is a float from 0 to 1; 0 for a class without examples.

    Raises:
      TypeError: logits that are not floating-point.
      ValueError: labels that do not fit, or an unknown class.

    Formula: true positives / (true positives + false negatives)

    Example:
      >>> figure = gk.recall(tf.constant([[0.1, 0.9], [0.2, 0.8]]), tf.constant([1, 0]), positive=1)
      >>> with tf.compat.v1.Session() as session:
      ...     figure.finish(session.run(figure.tensor), 2)
      1.0
    """
    return class_metric("recall", logits, labels, positive, recalls)


def f1_score(logits, labels, positive=None):
    """Measures precision and recall of a class in one figure, their harmonic mean.

    Args:
      logits: floating-point (batch, ..., num_classes), logits or probabilities.
      labels: integers (batch, ...), or one-hot of the shape of `logits`.
      positive: the class; None takes the mean over all classes.

    Returns:
      A `Metric` whose figure is a float from 0 to 1; 0 for a class that is neither there nor predicted.

    Raises:
      TypeError: logits that are not floating-point.
      ValueError: labels that do not fit, or an unknown class.

    Formula: 2 * precision * recall / (precision + recall)

    Source: C. J. van Rijsbergen, "Information retrieval", 1979, chapter 7.

    Example:
      >>> figure = gk.f1_score(tf.constant([[0.1, 0.9], [0.2, 0.8]]), tf.constant([1, 0]), positive=1)
      >>> with tf.compat.v1.Session() as session:
      ...     round(figure.finish(session.run(figure.tensor), 2), 4)
      0.6667
    """
    return class_metric("f1_score", logits, labels, positive, f1_scores)


def class_metric(function, logits, labels, positive, figures):
    """Returns the Metric of one class, or of the mean over all, from a function of the confusion matrix."""
    shares = confusion_shares(function, logits, labels)
    if positive is not None:
        positive = checks.integer(function, "positive", positive, minimum=0)
        classes = shares.shape[0]
        rule = f"positive must be one of the {classes} classes"
        checks.require(positive < classes, function, rule, positive=positive)

    def finish(mean, examples):
        each = figures(mean)
        return float(each.mean() if positive is None else each[positive])

    return Metric(shares, finish)


def confusion_shares(function, logits, labels):
    """Returns the confusion matrix of a batch, divided by its number of examples."""
    logits, labels = check_pair(function, logits, labels)
    classes = scopes.static_size(function, "logits", logits, -1)
    with scopes.op_scope(function, None):
        predicted = tf.one_hot(tf.reshape(tf.argmax(logits, axis=-1), [-1]), classes)
        actual = tf.one_hot(tf.reshape(labels, [-1]), classes)
        return tf.matmul(actual, predicted, transpose_a=True) / tf.cast(tf.shape(actual)[0], tf.float32)


def matrix_of_counts(mean, examples):
    return np.rint(np.asarray(mean, np.float64) * examples).astype(np.int64)


def precisions(matrix):
    return ratio(np.diag(matrix), matrix.sum(axis=0))


def recalls(matrix):
    return ratio(np.diag(matrix), matrix.sum(axis=1))


def f1_scores(matrix):
    return ratio(2 * np.diag(matrix), matrix.sum(axis=0) + matrix.sum(axis=1))


def ratio(parts, wholes):
    """Returns parts / wholes, 0 where both are 0."""
    return np.divide(parts, wholes, out=np.zeros(len(parts)), where=wholes > 0)


def check_pair(function, logits, labels):
    """Returns logits and integer labels that fit each other."""
    logits = scopes.float_tensor(function, "logits", logits, minimum_rank=2)
    labels = losses.check_labels(function, logits, labels)
    if labels.shape.rank == logits.shape.rank:
        labels = tf.argmax(labels, axis=-1, output_type=tf.int32)
    return logits, labels
