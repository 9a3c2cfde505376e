"""`tf.contrib.losses`: losses that take the predictions first, and are added to LOSSES."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from graphkit.tf1 import overlay
from graphkit.tf1.contrib.framework.arg_scopes import add_arg_scope

v1 = tf.compat.v1
LOSSES = v1.GraphKeys.LOSSES

__all__ = """
absolute_difference add_loss compute_weighted_loss cosine_distance get_losses get_regularization_losses
get_total_loss hinge_loss log_loss mean_pairwise_squared_error mean_squared_error sigmoid_cross_entropy
softmax_cross_entropy sparse_softmax_cross_entropy
""".split()


@add_arg_scope
def add_loss(loss: Any, loss_collection: str | None = LOSSES) -> None:
    if loss_collection:
        v1.add_to_collection(loss_collection, loss)


def get_losses(scope: str | None = None, loss_collection: str = LOSSES) -> list[Any]:
    return v1.get_collection(loss_collection, scope)


get_regularization_losses = v1.losses.get_regularization_losses


def get_total_loss(add_regularization_losses: bool = True, name: str = "total_loss") -> tf.Tensor:
    return tf.add_n(
        get_losses() + (get_regularization_losses() if add_regularization_losses else []), name=name
    )


def compute_weighted_loss(losses: Any, weights: Any = 1.0, scope: str | None = None) -> tf.Tensor:
    """Returns the weighted sum, divided by how many elements have a weight other than 0."""
    with v1.name_scope(scope, "weighted_loss"):
        losses = tf.convert_to_tensor(losses)
        dtype, losses, weights = losses.dtype, tf.cast(losses, tf.float32), tf.cast(weights, tf.float32)
        if losses.shape.rank is None or weights.shape.rank is None:
            raise ValueError("losses and weights must have a known rank")
        weights = aligned(squeezed(weights), losses.shape.rank)
        present = tf.broadcast_to(tf.cast(tf.not_equal(weights, 0), tf.float32), tf.shape(losses))
        mean = tf.math.divide_no_nan(tf.reduce_sum(losses * weights), tf.reduce_sum(present), name="value")
        mean = tf.cast(mean, dtype)
        add_loss(mean)
        return mean


def squeezed(weights: tf.Tensor) -> tf.Tensor:
    """Returns weights without a last axis of size 1, which stands for all elements of an example."""
    more = weights.shape.rank > 1 and weights.shape.as_list()[-1] in (None, 1)
    return tf.squeeze(weights, [-1]) if more else weights


def aligned(weights: tf.Tensor, rank: int) -> tf.Tensor:
    """Returns weights whose axes are the first ones of `rank` axes."""
    return tf.reshape(weights, tf.concat([tf.shape(weights), [1] * (rank - weights.shape.rank)], 0))


def both(predictions: Any, labels: Any) -> tuple[tf.Tensor, tf.Tensor]:
    predictions, labels = tf.convert_to_tensor(predictions), tf.convert_to_tensor(labels)
    predictions.shape.assert_is_compatible_with(labels.shape)
    return tf.cast(predictions, tf.float32), tf.cast(labels, tf.float32)


def elementwise(name: str, loss: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> Callable[..., tf.Tensor]:
    """Returns the mean of a loss of each element (prediction, label)."""

    def mean(predictions: Any, labels: Any = None, weights: Any = 1.0, scope: str | None = None) -> tf.Tensor:
        with v1.name_scope(scope, name) as scope:
            return compute_weighted_loss(loss(*both(predictions, labels)), weights, scope)

    mean.__name__ = mean.__qualname__ = name
    return mean


absolute_difference = elementwise(
    "absolute_difference", lambda predictions, labels: tf.abs(predictions - labels)
)
mean_squared_error = elementwise("mean_squared_error", tf.math.squared_difference)


def log_loss(
    predictions: Any, labels: Any = None, weights: Any = 1.0, epsilon: float = 1e-7, scope: str | None = None
) -> tf.Tensor:
    with v1.name_scope(scope, "log_loss") as scope:
        predictions, labels = both(predictions, labels)
        right, wrong = tf.math.log(predictions + epsilon), tf.math.log(1 - predictions + epsilon)
        return compute_weighted_loss(-labels * right - (1 - labels) * wrong, weights, scope)


def hinge_loss(logits: Any, labels: Any = None, scope: str | None = None) -> tf.Tensor:
    """Returns the loss of each element, which is not added to LOSSES."""
    with v1.name_scope(scope, "hinge_loss"):
        logits, labels = both(logits, labels)
        return tf.nn.relu(1 - (2 * labels - 1) * logits)


def cosine_distance(
    predictions: Any,
    labels: Any = None,
    axis: int | None = None,
    weights: Any = 1.0,
    scope: str | None = None,
    dim: int | None = None,
) -> tf.Tensor:
    """Returns the mean of 1 - predictions · labels, both of which are taken to be unit vectors."""
    axis = dim if axis is None else axis
    if axis is None:
        raise ValueError("You must specify 'axis'.")
    with v1.name_scope(scope, "cosine_distance_loss") as scope:
        predictions, labels = both(predictions, labels)
        return compute_weighted_loss(1 - tf.reduce_sum(predictions * labels, [axis]), weights, scope)


def mean_pairwise_squared_error(
    predictions: Any, labels: Any = None, weights: Any = 1.0, scope: str | None = None
) -> tf.Tensor:
    """Returns the sum over the batch of the mean squared difference between pairs of an example's errors."""
    with v1.name_scope(scope, "mean_pairwise_squared_error"):
        predictions, labels = both(predictions, labels)
        errors = predictions - labels
        weights = squeezed(tf.cast(weights, tf.float32))
        axes = list(range(1, errors.shape.rank))
        present = tf.cast(tf.not_equal(aligned(weights, errors.shape.rank), 0), tf.float32)
        count = tf.reduce_sum(tf.broadcast_to(present, tf.shape(errors)), axes)
        squares = tf.math.divide_no_nan(tf.reduce_sum(tf.square(errors), axes), count)
        means = tf.math.divide_no_nan(tf.reduce_sum(errors, axes), count)
        each = 2 * (squares - tf.square(means))
        loss = tf.reduce_sum(
            each * (tf.reshape(weights, [-1]) if weights.shape.rank else weights), name="value"
        )
        add_loss(loss)
        return loss


def sigmoid_cross_entropy(
    logits: Any,
    multi_class_labels: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0,
    scope: str | None = None,
) -> tf.Tensor:
    with v1.name_scope(scope, "sigmoid_cross_entropy_loss") as scope:
        logits, labels = both(logits, multi_class_labels)
        labels = labels * (1 - label_smoothing) + 0.5 * label_smoothing if label_smoothing > 0 else labels
        losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits, name="xentropy")
        return compute_weighted_loss(losses, weights, scope)


def softmax_cross_entropy(
    logits: Any, onehot_labels: Any, weights: Any = 1.0, label_smoothing: float = 0, scope: str | None = None
) -> tf.Tensor:
    with v1.name_scope(scope, "softmax_cross_entropy_loss") as scope:
        logits, labels = both(logits, onehot_labels)
        if label_smoothing > 0:
            classes = tf.cast(tf.shape(labels)[1], tf.float32)
            labels = labels * (1 - label_smoothing) + label_smoothing / classes
        # The labels are constants here, as in TensorFlow 1.15.
        losses = tf.nn.softmax_cross_entropy_with_logits(tf.stop_gradient(labels), logits, name="xentropy")
        return compute_weighted_loss(losses, weights, scope)


def sparse_softmax_cross_entropy(
    logits: Any, labels: Any, weights: Any = 1.0, scope: str | None = None
) -> tf.Tensor:
    with v1.name_scope(scope, "sparse_softmax_cross_entropy_loss") as scope:
        labels = tf.reshape(labels, [tf.shape(labels)[0]])  # such as (batch, 1)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits, name="xentropy")
        return compute_weighted_loss(losses, weights, scope)


__getattr__, __dir__ = overlay.over(__name__, modules="loss_ops")
