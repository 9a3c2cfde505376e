"""Metrics: scalars that tell how good a batch's predictions are, as means over its examples."""

import tensorflow as tf

from graphkit.nn import losses, scopes

__all__ = ["accuracy"]


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
    logits = scopes.float_tensor(function, "logits", logits, minimum_rank=2)
    labels = losses.check_labels(function, logits, labels)
    with scopes.op_scope(function, None):
        if labels.shape.rank == logits.shape.rank:
            labels = tf.argmax(labels, axis=-1)
        predicted = tf.argmax(logits, axis=-1, output_type=labels.dtype)
        return tf.reduce_mean(tf.cast(tf.equal(predicted, labels), tf.float32))
