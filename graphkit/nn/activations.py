"""Activations: relu and softmax, and what layers do with an `activation` argument."""

from collections.abc import Callable
from typing import TypeAlias

import tensorflow as tf

from graphkit import checks
from graphkit.nn import scopes, tensors
from graphkit.nn.variables import Regularizer

__all__ = ["relu", "softmax"]

Activation: TypeAlias = Callable[[tf.Tensor], tf.Tensor] | str
# The names that tf.layers took in TensorFlow 1.15.
NAMED: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "elu": tf.nn.elu,
    "exponential": tf.exp,
    "hard_sigmoid": lambda outputs: tf.clip_by_value(0.2 * outputs + 0.5, 0, 1),
    "linear": tf.identity,
    "relu": tf.nn.relu,
    "selu": tf.nn.selu,
    "sigmoid": tf.sigmoid,
    "softmax": tf.nn.softmax,
    "softplus": tf.nn.softplus,
    "softsign": tf.nn.softsign,
    "tanh": tf.tanh,
}


def relu(inputs: tensors.TensorLike, name: str | None = None) -> tf.Tensor:
    """Returns max(inputs, 0), element by element.

    Args:
      inputs: floating-point tensor of any shape.
      name: of the op.

    Returns:
      A tensor of the shape of `inputs`.

    Raises:
      TypeError: `inputs` is not a floating-point tensor.

    Example:
      >>> with tf.compat.v1.Session() as session:
      ...     session.run(gk.relu([-1.0, 2.0]))
      array([0., 2.], dtype=float32)
    """
    check = checks.Checker("relu")
    with scopes.op_scope(check, name) as scope:
        return tf.nn.relu(tensors.float_tensor(check, "inputs", inputs), name=scope)


def softmax(
    logits: tensors.TensorLike, axis: int = -1, *, temperature: float = 1.0, name: str | None = None
) -> tf.Tensor:
    """Turns logits into probabilities: exp(logits / temperature), divided by their sum along an axis.

    The probabilities of the same logits are one op, however often they are asked for. A loss makes that op,
    too, so that `trainer.predict(gk.softmax(logits), ...)` in a loop adds no ops to the graph.

    Args:
      logits: floating-point tensor of at least one axis.
      axis: along which the probabilities add up to 1: -1 where a row is an example, 0 where a column is.
      temperature: positive; logits divided by 10 tend to uniform probabilities, logits times 10
        (temperature 0.1) to 0 and 1.
      name: of the op.

    Returns:
      A tensor of the shape of `logits`.

    Raises:
      TypeError: `logits` is not a floating-point tensor.
      ValueError: `logits` do not have that axis, or the temperature is not positive.

    Formula: out[i] = exp(logits[i] / temperature) / sum over j of exp(logits[j] / temperature)

    Example:
      >>> with tf.compat.v1.Session() as session:
      ...     session.run(gk.softmax([0.0, 0.0])).tolist()
      [0.5, 0.5]
    """
    check = checks.Checker("softmax")
    if not tf.is_tensor(logits):
        scopes.check_growing(check)
    logits = tensors.float_tensor(check, "logits", logits, minimum_rank=1)
    tensors.check_axis(check, "axis", axis, "logits", logits.shape.rank)
    temperature = check.number("temperature", temperature, above=0)
    if name is None and axis in (-1, logits.shape.rank - 1) and temperature == 1:
        for op in logits.consumers():
            if op.type == "Softmax":
                return op.outputs[0]
    with scopes.op_scope(check, name) as scope:
        scaled = logits
        if temperature != 1:  # the largest becomes 0 first, so that the division cannot overflow to infinity
            largest = tf.stop_gradient(tf.reduce_max(logits, axis, keepdims=True))
            scaled = (logits - largest) / temperature
        return tf.nn.softmax(scaled, axis=axis, name=scope)


def check_activation(
    check: checks.Checker, activation: Activation | None
) -> Callable[[tf.Tensor], tf.Tensor] | None:
    """Returns the activation of a layer as a function, or None."""
    if isinstance(activation, str):
        rule = f"activation must be a name that tf.layers knew, or a function: tf.nn.{activation.lower()}"
        is_function = activation.lower() not in NAMED and hasattr(tf.nn, activation.lower())
        check.require(not is_function, rule, activation=activation)
        return NAMED[check.choice("activation", activation, NAMED)]
    right = activation is None or callable(activation)
    check.require_type(
        right, "activation must be a function of a tensor, such as gk.relu", activation=activation
    )
    return activation


def activate(
    check: checks.Checker,
    outputs: tf.Tensor,
    activation: Callable[[tf.Tensor], tf.Tensor] | None,
    activity_regularizer: Regularizer | None,
) -> tf.Tensor:
    """Applies a layer's activation, and adds the loss of its activity to REGULARIZATION_LOSSES."""
    if activation is not None:
        outputs = activation(outputs)
    if activity_regularizer is not None:
        # Divided by the batch size, as in TensorFlow 1.15 (Layer._handle_activity_regularization).
        loss = tf.convert_to_tensor(activity_regularizer(outputs))
        loss /= tf.cast(tf.shape(outputs)[0], loss.dtype)
        rule = (
            "activity_regularizer must be None inside tf.cond, a loop or a function: its loss cannot be "
            "added to the total from there; return the activity from it, and add its loss outside"
        )
        scopes.check_outside_functions(check, loss.op, rule)
        tf.compat.v1.add_to_collection(tf.compat.v1.GraphKeys.REGULARIZATION_LOSSES, loss)
    return outputs
