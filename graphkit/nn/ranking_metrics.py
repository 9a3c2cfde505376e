"""Metrics of rankings: whether examples of a class have higher scores than others."""

import math

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.nn import losses, scopes, tensors
from graphkit.nn.metrics import Metric, check_pair

__all__ = ["auc"]


def auc(
    logits: tensors.TensorLike,
    labels: tensors.TensorLike,
    positive: int | None = None,
    *,
    thresholds: int = 1000,
) -> Metric:
    """The area under the ROC curve: how often an example of a class has a higher score than another one.

    It is 0.5 for guessing and 1 for a perfect ranking, whatever the classes' frequencies. Scores are counted
    between thresholds, so that those of a data set need not be kept.

    Args:
      logits: floating-point (batch, num_classes) logits (not probabilities, for more than two classes); or
        (batch,) or (batch, 1): any scores that are higher for the class 1.
      labels: integers (batch,), or one-hot of the shape of `logits`; for scores 0 and 1.
      positive: the class; None takes the mean over all classes, which for two is that of either.
      thresholds: number of intervals that scores are counted in, at least 2.

    Returns:
      A `Metric` whose value is a float from 0 to 1. Classes that have no examples, or all, are left out of
      the mean; nan if that leaves none.

    Raises:
      TypeError: `logits` is not a floating-point tensor.
      ValueError: the shape of the labels does not fit the logits, the class is unknown, or there are too few
        thresholds.

    Formula: the fraction of the pairs (example of the class, other example) in which the first has the higher
    score. A pair with both scores between the same thresholds counts one half. So the error is at most half
    the fraction of such pairs, and 0 where no interval has examples of both kinds. Thresholds are evenly
    spaced in s / (1 + |s|), where s is the score; that of a class is logit - log(sum of exp(other logits)).

    Source: T. Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27, 2006, section 7.

    Example:
      >>> metric = gk.auc(tf.constant([0.1, 0.4, 0.35, 0.8]), tf.constant([0, 0, 1, 1]))
      >>> with tf.compat.v1.Session() as session:
      ...     metric.finish(session.run(metric.tensor), 4)
      0.75
    """
    check = checks.Checker("auc")
    thresholds = check.integer("thresholds", thresholds, minimum=2)
    losses.check_order(check, logits=logits, labels=labels)
    logits = tensors.float_tensor(check, "logits", logits, minimum_rank=1)
    if logits.shape.rank == 1 or logits.shape.as_list()[1:] == [1]:
        scores, are_positive = binary(check, logits, labels)
        check.require(positive in (None, 1), "of scores, positive is 1", positive=positive)
    else:
        scores, are_positive = by_class(check, logits, labels, positive)
    with scopes.op_scope(check, None):
        counts = tf.stack([count(scores, are_positive, thresholds, kind) for kind in (False, True)], axis=1)
        fractions = tf.cast(counts, tf.float32) / tf.cast(tf.shape(scores)[0], tf.float32)
    return Metric(fractions, area)


def binary(
    check: checks.Checker, scores: tf.Tensor, labels: tensors.TensorLike
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns (scores, whether each is of the class), both (batch, 1)."""
    labels = tensors.to_tensor(check, "labels", labels)
    scores = tf.reshape(scores, [-1]) if labels.shape.rank == 1 else scores
    _, labels = losses.same_shapes(check, logits=scores, labels=labels)
    return tf.reshape(scores, [-1, 1]), tf.reshape(labels > 0.5, [-1, 1])


def by_class(
    check: checks.Checker, logits: tf.Tensor, labels: tensors.TensorLike, positive: int | None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns (scores, whether each is of the class), both (batch, classes that are measured)."""
    logits, labels = check_pair(check, logits, labels)
    rule = "logits must have the shape (batch, num_classes), (batch, 1) or (batch,)"
    check.require(logits.shape.rank == 2, rule, logits=tensors.shape_text(logits))
    classes = tensors.static_size(check, "logits", logits, -1)
    measured = range(classes)
    if positive is not None:
        positive = check.integer("positive", positive, minimum=0)
        check.require(positive < classes, f"positive must be one of the {classes} classes", positive=positive)
        measured = range(positive, positive + 1)
    others = [tf.concat([logits[:, :one], logits[:, one + 1 :]], axis=1) for one in measured]
    scores = [
        logits[:, one] - tf.reduce_logsumexp(rest, axis=1) for one, rest in zip(measured, others, strict=True)
    ]
    are_positive = [tf.equal(tf.cast(labels, tf.int32), one) for one in measured]
    return tf.stack(scores, axis=1), tf.stack(are_positive, axis=1)


def count(scores: tf.Tensor, are_positive: tf.Tensor, intervals: int, kind: bool) -> tf.Tensor:
    """Returns int32 (classes, intervals): the numbers of scores of a class, or of the rest."""
    squashed = scores / (1 + tf.abs(scores))
    # An infinite score becomes NaN here, and NaN must rank worst: broken logits are never right.
    squashed = tf.where(tf.math.is_inf(scores), tf.sign(scores), squashed)
    worst = tf.where(are_positive, -tf.ones_like(scores), tf.ones_like(scores))
    squashed = tf.where(tf.math.is_nan(scores), worst, squashed)
    places = tf.cast(tf.floor((squashed + 1) / 2 * intervals), tf.int32)
    places = tf.clip_by_value(places, 0, intervals - 1)
    classes = scores.shape.as_list()[1]
    places += intervals * tf.range(classes)
    ones = tf.cast(tf.equal(are_positive, kind), tf.int32)
    flat = [tf.reshape(tensor, [-1]) for tensor in (ones, places)]
    counts = tf.math.unsorted_segment_sum(*flat, classes * intervals)
    return tf.reshape(counts, [classes, intervals])


def area(fractions: np.ndarray, examples: int) -> float:
    """Returns the mean area over the classes, from the fractions of the examples in each interval."""
    counts = np.rint(np.asarray(fractions, np.float64) * examples)
    others, own = counts[:, 0], counts[:, 1]
    below = np.cumsum(others, axis=1) - others
    right = (own * (below + others / 2)).sum(axis=1)
    pairs = own.sum(axis=1) * others.sum(axis=1)
    ranked = pairs > 0
    return float((right[ranked] / pairs[ranked]).mean()) if ranked.any() else math.nan
