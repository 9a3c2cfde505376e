"""Activations: functions of each element, and softmax."""

import tensorflow as tf

from graphkit import checks
from graphkit.nn import scopes

__all__ = ["elu", "leaky_relu", "relu", "sigmoid", "softmax", "tanh"]


def relu(inputs, name=None):
    """Returns max(inputs, 0), element by element.

    Args:
      inputs: floating-point tensor of any shape.
      name: of the op.

    Returns:
      A tensor of the shape of `inputs`.

    Raises:
      TypeError: `inputs` is no floating-point tensor.

    Example:
      >>> with tf.compat.v1.Session() as session:
      ...     session.run(gk.relu([-1.0, 2.0]))
      array([0., 2.], dtype=float32)
    """
    with scopes.op_scope("relu", name) as scope:
        return tf.nn.relu(scopes.float_tensor("relu", "inputs", inputs), name=scope)


def elu(inputs, name=None):
    """Returns inputs where positive, else exp(inputs) - 1, element by element.

    Args:
      inputs: floating-point tensor of any shape.
      name: of the op.

    Returns:
      A tensor of the shape of `inputs`.

    Raises:
      TypeError: `inputs` is no floating-point tensor.

    Source: D.-A. Clevert et al., "Fast and accurate deep network learning by exponential linear units",
    ICLR 2016.

    Example:
      >>> with tf.compat.v1.Session() as session:
      ...     print(session.run(gk.elu([-1.0, 2.0])))
      [-0.63212055  2.        ]
    """
    with scopes.op_scope("elu", name) as scope:
        return tf.nn.elu(scopes.float_tensor("elu", "inputs", inputs), name=scope)


def leaky_relu(inputs, alpha=0.2, name=None):
    """Returns inputs where positive, else alpha * inputs, element by element.

    Args:
      inputs: floating-point tensor of any shape.
      alpha: slope below zero, at least 0.
      name: of the op.

    Returns:
      A tensor of the shape of `inputs`.

    Raises:
      TypeError: `inputs` is no floating-point tensor.
      ValueError: a negative alpha.

    Source: A. Maas et al., "Rectifier nonlinearities improve neural network acoustic models", ICML 2013.

    Example:
      >>> with tf.compat.v1.Session() as session:
      ...     print(session.run(gk.leaky_relu([-1.0, 2.0])))
      [-0.2  2. ]
    """
    alpha = checks.number("leaky_relu", "alpha", alpha, at_least=0)
    with scopes.op_scope("leaky_relu", name) as scope:
        return tf.nn.leaky_relu(scopes.float_tensor("leaky_relu", "inputs", inputs), alpha, name=scope)


def tanh(inputs, name=None):
    """Returns the hyperbolic tangent, between -1 and 1, element by element.

    Args:
      inputs: floating-point tensor of any shape.
      name: of the op.

    Returns:
      A tensor of the shape of `inputs`.

    Raises:
      TypeError: `inputs` is no floating-point tensor.

    Example:
      >>> with tf.compat.v1.Session() as session:
      ...     session.run(gk.tanh([0.0, 20.0])).round(4).tolist()
      [0.0, 1.0]
    """
    with scopes.op_scope("tanh", name) as scope:
        return tf.tanh(scopes.float_tensor("tanh", "inputs", inputs), name=scope)


def sigmoid(inputs, name=None):
    """Returns 1 / (1 + exp(-inputs)), between 0 and 1, element by element.

    Args:
      inputs: floating-point tensor of any shape.
      name: of the op.

    Returns:
      A tensor of the shape of `inputs`.

    Raises:
      TypeError: `inputs` is no floating-point tensor.

    Example:
      >>> with tf.compat.v1.Session() as session:
      ...     session.run(gk.sigmoid([0.0, 20.0])).round(4).tolist()
      [0.5, 1.0]
    """
    with scopes.op_scope("sigmoid", name) as scope:
        return tf.sigmoid(scopes.float_tensor("sigmoid", "inputs", inputs), name=scope)


def softmax(logits, axis=-1, temperature=1.0, name=None):
    """Turns logits into probabilities: exp(logits / temperature), divided by their sum along an axis.

    The probabilities of the same logits are one op, however often they are asked for. Losses make it
    beside themselves, so that `trainer.predict(gk.softmax(logits), ...)` works when the graph can grow
    no more.

    Args:
      logits: floating-point tensor of at least one axis.
      axis: along which the probabilities add up to 1: -1 where a row is an example, 0 where a column is.
      temperature: positive; logits divided by 10 tend to uniform probabilities, logits times 10
        (temperature 0.1) to 0 and 1.
      name: of the op.

    Returns:
      A tensor of the shape of `logits`.

    Raises:
      TypeError: `logits` is no floating-point tensor.
      ValueError: there is no such axis, or a temperature that is not positive.

    Example:
      >>> with tf.compat.v1.Session() as session:
      ...     session.run(gk.softmax([0.0, 0.0])).tolist()
      [0.5, 0.5]
    """
    function = "softmax"
    if not tf.is_tensor(logits):
        scopes.check_growing(function)
    logits = scopes.float_tensor(function, "logits", logits, minimum_rank=1)
    rank = logits.shape.rank
    rule = f"axis must be an axis of logits, which have {rank}"
    axis = checks.integer(function, "axis", axis, minimum=-rank)
    checks.require(axis < rank, function, rule, axis=axis)
    temperature = checks.number(function, "temperature", temperature, above=0)
    if name is None and axis in (-1, rank - 1) and temperature == 1:
        for op in logits.consumers():
            if op.type == "Softmax":
                return op.outputs[0]
    with scopes.op_scope(function, name) as scope:
        scaled = logits
        if temperature != 1:  # from the largest down, so that no quotient overflows upwards
            largest = tf.stop_gradient(tf.reduce_max(logits, axis, keepdims=True))
            scaled = (logits - largest) / temperature
        return tf.nn.softmax(scaled, axis=axis, name=scope)
