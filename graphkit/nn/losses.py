"""Losses: scalars that a trainer minimizes. Each is a mean over the examples of the batch."""

import tensorflow as tf

from graphkit import checks
from graphkit.nn import layers, scopes

__all__ = ["l2_loss", "l2_penalty", "softmax_cross_entropy"]

NOT_KERNELS = ("bias", "biases", "beta", "gamma", "moving_mean", "moving_variance")


def softmax_cross_entropy(logits, labels, weights=None):
    """Returns the mean cross entropy between the labels and the softmax of the logits.

    Args:
      logits: floating-point (batch, ..., num_classes), before softmax.
      labels: integers (batch, ...) from 0 to num_classes - 1, or one-hot (or any distribution over the
        classes) of the shape of `logits`.
      weights: None, or a number or tensor that broadcasts to (batch, ...): how much each example counts.
        The weighted losses are divided by the number of examples, not by the sum of the weights, so
        that the mean over a data set does not depend on the batch size.

    Returns:
      A scalar of the dtype of `logits`. The op of `gk.softmax(logits)` is made beside it.

    Raises:
      TypeError: logits that are not floating-point.
      ValueError: labels whose shape does not fit the logits.

    Formula: 1/N * sum over i of weights[i] * -log(softmax(logits[i])[labels[i]])

    Example:
      >>> loss = gk.softmax_cross_entropy(tf.zeros((2, 4)), tf.constant([0, 3]))
      >>> with tf.compat.v1.Session() as session:
      ...     print(f"{session.run(loss):.4f}")  # log 4
      1.3863
    """
    function = "softmax_cross_entropy"
    logits = scopes.float_tensor(function, "logits", logits, minimum_rank=2)
    labels = check_labels(function, logits, labels)
    with scopes.op_scope(function, None):
        layers.softmax(logits)
        if labels.shape.rank == logits.shape.rank:
            labels = tf.cast(labels, logits.dtype)
            losses = tf.nn.softmax_cross_entropy_with_logits(labels, logits)
        else:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        return weighted_mean(function, losses, weights)


def l2_loss(tensor):
    """Returns half the sum of squares, sum(tensor**2) / 2; its gradient is the tensor itself.

    Args:
      tensor: floating-point tensor or variable of any shape.

    Returns:
      A scalar of the dtype of `tensor`.

    Raises:
      TypeError: `tensor` is not floating-point.

    Example:
      >>> with tf.compat.v1.Session() as session:
      ...     session.run(gk.l2_loss([3.0, 4.0]))
      np.float32(12.5)
    """
    with scopes.op_scope("l2_loss", None) as scope:
        return tf.nn.l2_loss(scopes.float_tensor("l2_loss", "tensor", tensor), name=scope)


def l2_penalty(beta, variables=None):
    """Returns beta times the sum of `l2_loss` over the kernels, to be added to a loss.

    Kernels are the trainable variables of two or more axes that are not named bias, beta or gamma:
    neither biases nor batch-norm variables are penalized.

    Args:
      beta: weight of the penalty, at least 0.
      variables: what to penalize; None takes the kernels that the graph holds when this is called, so
        call it after the layers.

    Returns:
      A float32 scalar.

    Raises:
      ValueError: a negative beta, or no kernels to penalize.

    Formula: beta * sum over kernels w of sum(w**2) / 2

    Example:
      >>> logits = gk.dense(gk.feature_input(784), 10)
      >>> loss = gk.softmax_cross_entropy(logits, gk.label_input()) + gk.l2_penalty(1e-4)
    """
    function = "l2_penalty"
    beta = checks.number(function, "beta", beta, at_least=0)
    if variables is None:
        variables = [v for v in tf.compat.v1.trainable_variables() if is_kernel(v)]
        rule = "the graph must hold a kernel; call it after the layers, or name variables"
    else:
        variables = list(variables)
        rule = "variables must name one or more"
    checks.require(variables, function, rule, kernels=len(variables))
    with scopes.op_scope(function, None) as scope:
        norms = [tf.cast(l2_loss(variable), tf.float32) for variable in variables]
        return tf.multiply(beta, tf.add_n(norms), name=scope)


def is_kernel(variable):
    name = variable.op.name.rsplit("/", 1)[-1]
    return variable.shape.rank >= 2 and name not in NOT_KERNELS


def check_labels(function, logits, labels):
    """Returns labels as a tensor whose shape fits the logits: integers, or one row for each row."""
    labels = scopes.to_tensor(function, "labels", labels)
    sparse = labels.dtype.is_integer and labels.shape.is_compatible_with(logits.shape[:-1])
    dense = labels.shape.rank == logits.shape.rank
    dense = dense and labels.shape.is_compatible_with(logits.shape)
    rule = "labels must be integers (batch,) or rows (batch, num_classes) that fit the logits"
    received = {"labels": scopes.shape_text(labels), "dtype": labels.dtype.name}
    fits = labels.shape.rank is not None and (sparse or dense)
    checks.require(fits, function, rule, **received, logits=scopes.shape_text(logits))
    return labels


def weighted_mean(function, losses, weights):
    """Returns the sum of weights * losses, divided by the number of losses."""
    if weights is None:
        return tf.reduce_mean(losses)
    weights = tf.cast(scopes.to_tensor(function, "weights", weights), losses.dtype)
    try:
        same = tf.broadcast_static_shape(weights.shape, losses.shape).rank == losses.shape.rank
    except ValueError:
        same = False
    received = {"weights": scopes.shape_text(weights), "losses": scopes.shape_text(losses)}
    checks.require(same, function, "weights must broadcast to one for each example", **received)
    return tf.reduce_mean(weights * losses)
