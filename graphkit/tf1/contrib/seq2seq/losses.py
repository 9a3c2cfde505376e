"""The cross entropy of sequences."""

from collections.abc import Callable

import tensorflow as tf


def sequence_loss(
    logits: tf.Tensor,
    targets: tf.Tensor,
    weights: tf.Tensor,
    average_across_timesteps: bool = True,
    average_across_batch: bool = True,
    sum_over_timesteps: bool = False,
    sum_over_batch: bool = False,
    softmax_loss_function: Callable[..., tf.Tensor] | None = None,
    name: str | None = None,
) -> tf.Tensor:
    """Returns the weighted cross entropy of logits (batch, time, symbols).

    `average_…` divide by the sum of the weights, `sum_…` by the number of weights that are not zero.
    """
    names = (("Logits", logits, 3), ("Targets", targets, 2), ("Weights", weights, 2))
    for argument, tensor, rank in names:
        if len(tensor.shape) != rank:
            axes = "[batch_size x sequence_length" + (" x logits]" if rank == 3 else "]")
            raise ValueError(f"{argument} must be a {axes} tensor")
    if average_across_timesteps and sum_over_timesteps:
        raise ValueError(
            "average_across_timesteps and sum_over_timesteps cannot be set to True at same time."
        )
    if average_across_batch and sum_over_batch:
        raise ValueError("average_across_batch and sum_over_batch cannot be set to True at same time.")
    with tf.compat.v1.name_scope(name, "sequence_loss"):
        flat = tf.reshape(logits, [-1, tf.shape(logits)[2]])
        function = softmax_loss_function or tf.nn.sparse_softmax_cross_entropy_with_logits
        losses = function(labels=tf.reshape(targets, [-1]), logits=flat) * tf.reshape(weights, [-1])
        average = average_across_timesteps or average_across_batch
        if not (average or sum_over_timesteps or sum_over_batch):
            return tf.reshape(losses, tf.shape(logits)[:2])
        if (average_across_timesteps and average_across_batch) or (sum_over_timesteps and sum_over_batch):
            axis = None
        else:
            # Where one axis is averaged and the other summed, TensorFlow 1.15 reduced the averaged one alone.
            over_batch = average_across_batch if average else sum_over_batch
            axis = 0 if over_batch else 1
            losses = tf.reshape(losses, tf.shape(logits)[:2])
        counted = weights if average else tf.cast(tf.not_equal(weights, 0), losses.dtype)
        return tf.math.divide_no_nan(tf.reduce_sum(losses, axis), tf.reduce_sum(counted, axis))
