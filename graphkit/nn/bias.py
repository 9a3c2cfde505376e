"""The trained bias of each channel, as a step of its own and as the last part of a layer."""

import tensorflow as tf

from graphkit import checks
from graphkit.nn import data_formats, initializers, scopes, tensors
from graphkit.nn.variables import Constraint, Initializer, Regularizer, VariableSpec, get_variable

__all__ = ["bias_add"]


def bias_add(
    inputs: tensors.TensorLike,
    bias_initializer: Initializer | None = initializers.zeros(),  # noqa: B008
    *,
    bias_regularizer: Regularizer | None = None,
    bias_constraint: Constraint | None = None,
    data_format: str = "channels_last",
    trainable: bool = True,
    name: str | None = None,
    reuse: scopes.Reuse = None,
) -> tf.Tensor:
    """Adds a trained bias to each channel, as a step of its own.

    Args:
      inputs: floating-point (batch, ..., channels), or (batch, channels, ...) with data_format
        "channels_first".
      bias_initializer: of the bias.
      bias_regularizer: a function bias -> scalar loss, added to REGULARIZATION_LOSSES.
      bias_constraint: a function that the optimizer applies to the bias after each update.
      data_format: "channels_last" or "channels_first".
      trainable: whether the bias is added to TRAINABLE_VARIABLES.
      name: variable scope of the bias; with the name of a layer it becomes that layer's bias.
      reuse: whether to reuse the variable of an earlier call of that name.

    Returns:
      A tensor of the shape of `inputs`.

    Variables:
      `<name>/bias` (channels,).

    Raises:
      TypeError: `inputs` is not a floating-point tensor.
      ValueError: fewer than two axes, an unknown data format, or the variable exists and reuse is not set.

    Formula: out[..., c] = inputs[..., c] + bias[c]

    Example:
      >>> net = gk.conv2d(gk.image_input(28, 28, 1), 32, 5, use_bias=False, name="conv1")
      >>> net = gk.relu(gk.bias_add(net, name="conv1"))
      >>> [variable.name for variable in tf.compat.v1.trainable_variables()]
      ['conv1/kernel:0', 'conv1/bias:0']
    """
    check = checks.Checker("bias_add")
    inputs = tensors.float_tensor(check, "inputs", inputs, minimum_rank=2)
    data_format = data_formats.check_data_format(check, data_format)
    spec = VariableSpec("bias", bias_initializer, bias_regularizer, bias_constraint)
    with scopes.layer_scope(check, name, reuse=reuse):
        return add_bias_variable(check, inputs, spec, data_format, trainable)


def add_bias_variable(
    check: checks.Checker, inputs: tf.Tensor, spec: VariableSpec, data_format: str, trainable: bool
) -> tf.Tensor:
    """Makes a bias in the current scope and adds it to each channel."""
    channels = tensors.static_size(check, "inputs", inputs, data_formats.channel_axis(data_format))
    bias = get_variable(check, spec, (channels,), inputs.dtype.base_dtype, trainable)
    return add_bias(inputs, bias, data_format)


def add_bias(inputs: tf.Tensor, bias: tf.Variable, data_format: str) -> tf.Tensor:
    """Adds a bias to each channel."""
    # With two axes the channels are last in both formats, and bias_add takes "NC..." from three axes on.
    last = data_format == "channels_last" or inputs.shape.rank == 2
    return tf.nn.bias_add(inputs, bias, "N...C" if last else "NC...")
