"""Losses: scalars that a trainer minimizes. Each is a mean over the examples of the batch."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.graph import walk
from graphkit.nn import activations, scopes, tensors

__all__ = [
    "l2_loss",
    "l2_penalty",
    "mean_squared_error",
    "sigmoid_cross_entropy",
    "softmax_cross_entropy",
]

NOT_KERNELS = ("bias", "biases", "beta", "gamma", "moving_mean", "moving_variance")


def softmax_cross_entropy(
    logits: tensors.TensorLike,
    labels: tensors.TensorLike,
    weights: tensors.TensorLike | None = None,
    *,
    class_weights: tensors.TensorLike | None = None,
) -> tf.Tensor:
    """Returns the mean cross entropy between the labels and the softmax of the logits.

    Args:
      logits: floating-point (batch, ..., num_classes), before softmax.
      labels: integers (batch, ...) from 0 to num_classes - 1, or one-hot (or any distribution over the
        classes) of the shape of `logits`.
      weights: None, or a number or tensor that broadcasts to (batch, ...): how much each example counts.
        The weighted losses are divided by the number of examples, not by the sum of the weights, so
        that the mean over a data set does not depend on the batch size.
      class_weights: None, or num_classes numbers: how much an example counts by its label, see
        `gk.class_weights`; multiplied with `weights` where both are given.

    Returns:
      A scalar of the dtype of `logits`. The op of `gk.softmax(logits)` is made next to it.

    Raises:
      TypeError: `logits` is not a floating-point tensor.
      ValueError: the shape of labels, weights or class_weights does not fit the logits.

    Formula: 1/N * sum over i of weights[i] * -log(softmax(logits[i])[labels[i]])

    Example:
      >>> loss = gk.softmax_cross_entropy(tf.zeros((2, 4)), tf.constant([0, 3]))
      >>> with tf.compat.v1.Session() as session:
      ...     print(f"{session.run(loss):.4f}")  # log 4
      1.3863
    """
    check = checks.Checker("softmax_cross_entropy")
    check_order(check, logits=logits, labels=labels)
    logits = tensors.float_tensor(check, "logits", logits, minimum_rank=2)
    labels = check_labels(check, logits, labels)
    with scopes.op_scope(check, None):
        activations.softmax(logits)  # for predict, also in a loop; see gk.softmax
        if labels.shape.rank == logits.shape.rank:
            losses = tf.nn.softmax_cross_entropy_with_logits(labels, logits)
        else:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        if class_weights is not None:
            losses *= weights_by_label(check, class_weights, labels, logits)
        return weighted_mean(check, losses, weights)


def weights_by_label(
    check: checks.Checker, class_weights: tensors.TensorLike, labels: tf.Tensor, logits: tf.Tensor
) -> tf.Tensor:
    """Returns the class weight of each example."""
    class_weights = numbers(check, "class_weights", class_weights, logits.dtype)
    shape = logits.shape[-1:]
    received = {"class_weights": tensors.shape_text(class_weights), "num_classes": shape.as_list()[0]}
    fits = class_weights.shape.rank == 1 and class_weights.shape.is_compatible_with(shape)
    check.require(fits, "class_weights must have one number for each class", **received)
    if labels.shape.rank == logits.shape.rank:
        return tf.reduce_sum(labels * class_weights, axis=-1)
    return tf.gather(class_weights, labels)


def sigmoid_cross_entropy(
    logits: tensors.TensorLike, labels: tensors.TensorLike, weights: tensors.TensorLike | None = None
) -> tf.Tensor:
    """Returns the mean cross entropy between the labels and the sigmoid of the logits.

    For labels that do not exclude each other, and for two classes with one logit.

    Args:
      logits: floating-point tensor of any shape, such as (batch, num_classes), before the sigmoid.
      labels: of the shape of `logits`: 0 or 1, or a probability.
      weights: None, or a number or tensor that broadcasts to the logits: how much each counts.

    Returns:
      A scalar of the dtype of `logits`.

    Raises:
      TypeError: `logits` is not a floating-point tensor.
      ValueError: the shape of labels or weights does not fit the logits.

    Formula: mean of weights * (max(x, 0) - x * z + log(1 + exp(-abs(x)))), for logits x and labels z

    Example:
      >>> loss = gk.sigmoid_cross_entropy(tf.zeros((2, 3)), tf.ones((2, 3)))
      >>> with tf.compat.v1.Session() as session:
      ...     print(f"{session.run(loss):.4f}")  # log 2
      0.6931
    """
    check = checks.Checker("sigmoid_cross_entropy")
    check_order(check, logits=logits, labels=labels)
    logits, labels = same_shapes(check, logits=logits, labels=labels)
    with scopes.op_scope(check, None):
        losses = tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)
        return weighted_mean(check, losses, weights)


def mean_squared_error(
    predictions: tensors.TensorLike, targets: tensors.TensorLike, weights: tensors.TensorLike | None = None
) -> tf.Tensor:
    """Returns the mean of the squared differences.

    Args:
      predictions: floating-point tensor of any shape, such as (batch, outputs).
      targets: of the same shape; (N,) against (N, 1) is refused, since it would compare all with all.
      weights: None, or a number or tensor that broadcasts to the predictions: how much each counts.

    Returns:
      A scalar of the dtype of `predictions`.

    Raises:
      TypeError: `predictions` is not a floating-point tensor.
      ValueError: the shape of targets or weights does not fit the predictions.

    Formula: mean of weights * (predictions - targets)**2

    Example:
      >>> loss = gk.mean_squared_error(tf.constant([1.0, 2.0]), tf.constant([0.0, 4.0]))
      >>> with tf.compat.v1.Session() as session:
      ...     session.run(loss)
      np.float32(2.5)
    """
    check = checks.Checker("mean_squared_error")
    predictions, targets = same_shapes(check, predictions=predictions, targets=targets)
    with scopes.op_scope(check, None):
        return weighted_mean(check, tf.square(predictions - targets), weights)


def same_shapes(check: checks.Checker, **both: tensors.TensorLike) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns two tensors of one shape, the second cast to the dtype of the first."""
    check_dtypes(check, **both)
    (first_name, first), (second_name, second) = both.items()
    first = tensors.float_tensor(check, first_name, first)
    second = tf.cast(tensors.to_tensor(check, second_name, second), first.dtype)
    shapes = {first_name: tensors.shape_text(first), second_name: tensors.shape_text(second)}
    known = first.shape.rank is not None and first.shape.rank == second.shape.rank
    fits = known and first.shape.is_compatible_with(second.shape)
    check.require(fits, f"{first_name} and {second_name} must have one shape", **shapes)
    return first, second


def l2_loss(tensor: tensors.TensorLike) -> tf.Tensor:
    """Returns half the sum of squares, sum(tensor**2) / 2; its gradient is the tensor itself.

    Args:
      tensor: floating-point tensor or variable of any shape.

    Returns:
      A scalar of the dtype of `tensor`.

    Raises:
      TypeError: `tensor` is not a floating-point tensor.

    Example:
      >>> with tf.compat.v1.Session() as session:
      ...     session.run(gk.l2_loss([3.0, 4.0]))
      np.float32(12.5)
    """
    check = checks.Checker("l2_loss")
    with scopes.op_scope(check, None) as scope:
        return tf.nn.l2_loss(tensors.float_tensor(check, "tensor", tensor), name=scope)


def l2_penalty(beta: float, variables: Iterable[tensors.TensorLike] | None = None) -> tf.Tensor:
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
      TypeError: `variables` is a single variable, not a list.
      ValueError: beta is negative, or there are no kernels to penalize.

    Formula: beta * sum over kernels w of sum(w**2) / 2

    Example:
      >>> logits = gk.dense(gk.feature_input(784), 10)
      >>> loss = gk.softmax_cross_entropy(logits, gk.label_input()) + gk.l2_penalty(1e-4)
    """
    check = checks.Checker("l2_penalty")
    beta = check.number("beta", beta, at_least=0)
    if variables is None:
        variables = [v for v in tf.compat.v1.trainable_variables() if is_kernel(v)]
        rule = "the graph must hold a kernel; call it after the layers, or name variables"
    else:
        check.require_type(not hasattr(variables, "shape"), "variables must be a list", variables=variables)
        variables = [tensors.to_tensor(check, "variables", variable) for variable in variables]
        rule = "variables must name one or more"
    check.require(variables, rule, kernels=len(variables))
    with scopes.op_scope(check, None) as scope:
        norms = [l2_loss(tf.cast(variable, tf.float32)) for variable in variables]
        return tf.multiply(beta, tf.add_n(norms), name=scope)


def is_kernel(variable: tf.Variable) -> bool:
    """True for a weight that L2 and weight decay apply to."""
    name = variable.op.name.rsplit("/", 1)[-1]
    return variable.shape.rank >= 2 and name not in NOT_KERNELS


def check_order(check: checks.Checker, **both: tensors.TensorLike) -> None:
    """Raises if two arguments are likely to be swapped: what is fed before what the network computes."""
    check_dtypes(check, **both)
    first, second = both.values()
    rule, received = swapped(check, both)
    is_swapped = is_graph_float(second) and is_fed(first) and depends_on_variable(second)
    check.require(not is_swapped, rule, **received)


def check_dtypes(check: checks.Checker, **both: tensors.TensorLike) -> None:
    """Raises if integers come first, where the numbers of a network must, and floats second."""
    first, second = (getattr(value, "dtype", None) for value in both.values())
    is_known = isinstance(first, (tf.DType, np.dtype)) and isinstance(second, (tf.DType, np.dtype))
    is_swapped = is_known and tf.as_dtype(first).is_integer and tf.as_dtype(second).is_floating
    rule, received = swapped(check, both)
    check.require_type(not is_swapped, rule, **received)


def swapped(check: checks.Checker, both: dict[str, tensors.TensorLike]) -> tuple[str, dict[str, Any]]:
    """Returns a rule on the order of two arguments, and what was received."""
    first, second = both
    rule = f"{first} must be a floating-point tensor of the network; are {first} and {second} swapped? "
    rule += f"{check.function}({first}, {second})"
    return rule, {name: getattr(value, "name", type(value).__name__) for name, value in both.items()}


def is_graph_float(value: Any) -> bool:
    return walk.is_graph_tensor(value) and value.dtype.is_floating


def is_fed(value: Any) -> bool:
    """Whether a tensor is a placeholder, or one-hot labels."""
    return walk.is_graph_tensor(value) and walk.origin(value).op.type in ("OneHot", *walk.PLACEHOLDERS)


def depends_on_variable(value: tf.Tensor) -> bool:
    return any(op.type in walk.VARIABLES for op in walk.ancestors([value]))


def check_labels(check: checks.Checker, logits: tf.Tensor, labels: tensors.TensorLike) -> tf.Tensor:
    """Returns labels as a tensor whose shape fits the logits: integers, or one row for each row."""
    labels = tensors.to_tensor(check, "labels", labels)
    sparse = labels.dtype.is_integer and labels.shape.is_compatible_with(logits.shape[:-1])
    dense = labels.shape.rank == logits.shape.rank
    dense = dense and labels.shape.is_compatible_with(logits.shape)
    rule = "labels must be integers (batch,) or rows (batch, num_classes) that fit the logits"
    received = {"labels": tensors.shape_text(labels), "dtype": labels.dtype.name}
    numeric = labels.dtype.is_integer or labels.dtype.is_floating or labels.dtype == tf.bool
    fits = numeric and labels.shape.rank is not None and (sparse or dense)
    check.require(fits, rule, **received, logits=tensors.shape_text(logits))
    if dense and not sparse:
        return tf.cast(labels, logits.dtype)
    return labels if labels.dtype in (tf.int32, tf.int64) else tf.cast(labels, tf.int64)


def weighted_mean(check: checks.Checker, losses: tf.Tensor, weights: tensors.TensorLike | None) -> tf.Tensor:
    """Returns the sum of weights * losses, divided by the number of losses."""
    if weights is None:
        return tf.reduce_mean(losses)
    weights = numbers(check, "weights", weights, losses.dtype)
    try:
        shape = tf.broadcast_static_shape(weights.shape, losses.shape)
        same = shape.rank == losses.shape.rank and losses.shape.is_compatible_with(shape)
    except ValueError:
        same = False
    received = {"weights": tensors.shape_text(weights), "losses": tensors.shape_text(losses)}
    check.require(same, "weights must broadcast to one for each example", **received)
    return tf.reduce_mean(weights * losses)


def numbers(check: checks.Checker, name: str, value: tensors.TensorLike, dtype: tf.DType) -> tf.Tensor:
    """Returns `value` as a tensor of the dtype; texts are refused."""
    tensor = tensors.to_tensor(check, name, value)
    numeric = tensor.dtype.is_floating or tensor.dtype.is_integer or tensor.dtype == tf.bool
    check.require_type(numeric, f"{name} must be numbers", dtype=tensor.dtype.name)
    return tf.cast(tensor, dtype)
