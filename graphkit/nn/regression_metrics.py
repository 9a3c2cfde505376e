"""Metrics of regression: how far predictions are from their targets."""

import math

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.nn import losses, scopes, tensors
from graphkit.nn.metrics import Metric

__all__ = ["mean_absolute_error", "r2_score", "root_mean_squared_error"]

# Moments of float32 numbers are sums of float64: what is below this fraction of them is rounding.
ROUNDING = 1e-14


def mean_absolute_error(predictions: tensors.TensorLike, targets: tensors.TensorLike) -> tf.Tensor:
    """Returns the mean of the absolute differences (MAE), a loss as well as a metric.

    Args:
      predictions: floating-point tensor of any shape, such as (batch, outputs).
      targets: of the same shape.

    Returns:
      A scalar of the dtype of `predictions`.

    Raises:
      TypeError: `predictions` is not a floating-point tensor.
      ValueError: the shape of the targets does not fit the predictions.

    Formula: mean of |predictions - targets|

    Example:
      >>> error = gk.mean_absolute_error(tf.constant([1.0, 2.0]), tf.constant([0.0, 4.0]))
      >>> with tf.compat.v1.Session() as session:
      ...     session.run(error)
      np.float32(1.5)
    """
    check = checks.Checker("mean_absolute_error")
    predictions, targets = losses.same_shapes(check, predictions=predictions, targets=targets)
    with scopes.op_scope(check, None):
        return tf.reduce_mean(tf.abs(predictions - targets))


def root_mean_squared_error(predictions: tensors.TensorLike, targets: tensors.TensorLike) -> Metric:
    """Measures the root of the mean squared difference (RMSE), in the unit of the targets.

    Args:
      predictions: floating-point tensor of any shape, such as (batch, outputs).
      targets: of the same shape.

    Returns:
      A `Metric` whose value is a float.

    Raises:
      TypeError: `predictions` is not a floating-point tensor.
      ValueError: the shape of the targets does not fit the predictions.

    Formula: sqrt(mean of (predictions - targets)**2), where the mean is over all examples of a data set; the
    mean of the roots of its batches would be smaller.

    Example:
      >>> metric = gk.root_mean_squared_error(tf.constant([1.0, 2.0]), tf.constant([0.0, 4.0]))
      >>> with tf.compat.v1.Session() as session:
      ...     round(metric.finish(session.run(metric.tensor), 2), 4)
      1.5811
    """
    check = checks.Checker("root_mean_squared_error")
    predictions, targets = losses.same_shapes(check, predictions=predictions, targets=targets)
    with scopes.op_scope(check, None):
        squares = tf.reduce_mean(tf.square(predictions - targets))
    return Metric(squares, lambda mean, examples: math.sqrt(mean))


def r2_score(predictions: tensors.TensorLike, targets: tensors.TensorLike) -> Metric:
    """Measures which fraction of the targets' variance the predictions explain (R2).

    It is 1 where all predictions are right, 0 for predicting the mean of the targets, and below 0 for what is
    worse than that. Of targets that are all equal, it is 1 if all predictions are right, and 0 else.

    Args:
      predictions: floating-point (batch,) or (batch, outputs).
      targets: of the same shape.

    Returns:
      A `Metric` whose value is a float: the mean over the outputs.

    Raises:
      TypeError: `predictions` is not a floating-point tensor.
      ValueError: the shape of the targets does not fit the predictions, or is not one of those above.

    Formula: 1 - mean of (targets - predictions)**2 / (mean of targets**2 - (mean of targets)**2), where the
    means are over all examples of a data set, in float64.

    Example:
      >>> metric = gk.r2_score(tf.constant([1.0, 2.0, 4.0]), tf.constant([1.0, 2.0, 3.0]))
      >>> with tf.compat.v1.Session() as session:
      ...     round(metric.finish(session.run(metric.tensor), 3), 4)
      0.5
    """
    check = checks.Checker("r2_score")
    losses.check_order(check, predictions=predictions, targets=targets)
    predictions, targets = losses.same_shapes(check, predictions=predictions, targets=targets)
    rule = "predictions must have the shape (batch,) or (batch, outputs)"
    check.require(predictions.shape.rank in (1, 2), rule, predictions=tensors.shape_text(predictions))
    with scopes.op_scope(check, None):
        found, wanted = tf.cast(predictions, tf.float64), tf.cast(targets, tf.float64)
        terms = tf.stack([tf.square(wanted - found), wanted, tf.square(wanted)])
        moments = tf.reduce_mean(terms, axis=1)
    return Metric(moments, explained)


def explained(moments: np.ndarray, examples: int) -> float:
    """Returns R2 from the means of the squared errors, the targets and their squares."""
    errors, means, squares = (np.atleast_1d(moment) for moment in np.asarray(moments, np.float64))
    variances = squares - means**2
    constant = variances <= ROUNDING * squares
    scores = 1 - errors / np.where(constant, 1.0, variances)
    return float(np.where(constant, errors == 0, scores).mean())
