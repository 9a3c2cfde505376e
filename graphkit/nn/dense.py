"""Layers that are matrix products: dense, linear and embedding; and flatten, which stands before them."""

import math

import tensorflow as tf

from graphkit import checks
from graphkit.nn import activations, data_formats, initializers, scopes, tensors
from graphkit.nn.bias import add_bias_variable
from graphkit.nn.variables import Constraint, Initializer, Regularizer, VariableSpec, get_variable

__all__ = ["dense", "embedding", "flatten", "linear"]


def dense(
    inputs: tensors.TensorLike,
    units: int,
    activation: activations.Activation | None = None,
    use_bias: bool = True,
    kernel_initializer: Initializer | None = None,
    bias_initializer: Initializer | None = initializers.zeros(),  # noqa: B008
    kernel_regularizer: Regularizer | None = None,
    bias_regularizer: Regularizer | None = None,
    activity_regularizer: Regularizer | None = None,
    kernel_constraint: Constraint | None = None,
    bias_constraint: Constraint | None = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: scopes.Reuse = None,
) -> tf.Tensor:
    """Connects each input with each output unit, as `tf.layers.dense` did: inputs @ kernel + bias.

    Args:
      inputs: floating-point (batch, ..., features).
      units: how many output units.
      activation: a function of a tensor, such as `gk.relu`, or a name such as "relu"; None for none.
      use_bias: whether each unit has a bias.
      kernel_initializer: None takes the variable scope's, or else Glorot's uniform.
      bias_initializer: of the bias.
      kernel_regularizer: a function kernel -> scalar loss, added to REGULARIZATION_LOSSES.
      bias_regularizer: likewise for the bias.
      activity_regularizer: likewise for the output.
      kernel_constraint: a function that the optimizer applies to the kernel after each update.
      bias_constraint: likewise for the bias.
      trainable: whether the variables are added to TRAINABLE_VARIABLES.
      name: variable scope of the layer; unnamed ones are numbered dense, dense_1, …
      reuse: whether to reuse the variables of an earlier layer of that name.

    Returns:
      (batch, ..., units).

    Variables:
      `<name>/kernel` (features, units) and `<name>/bias` (units,).

    Raises:
      TypeError: `inputs` is not a floating-point tensor.
      ValueError: an argument is out of its range, or the variables exist and reuse is not set.

    Example:
      >>> gk.dense(gk.feature_input(784), 10, name="logits").shape.as_list()
      [None, 10]
    """
    check = checks.Checker("dense")
    inputs = tensors.float_tensor(check, "inputs", inputs, minimum_rank=2)
    units = check.integer("units", units, whole_floats=True)
    activation = activations.check_activation(check, activation)
    features, dtype = tensors.static_size(check, "inputs", inputs, -1), inputs.dtype.base_dtype
    kernel_spec = VariableSpec("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
    bias_spec = VariableSpec("bias", bias_initializer, bias_regularizer, bias_constraint)
    with scopes.layer_scope(check, name, reuse=reuse):
        kernel = get_variable(check, kernel_spec, (features, units), dtype, trainable)
        outputs = product(inputs, kernel)
        if use_bias:
            outputs = add_bias_variable(check, outputs, bias_spec, "channels_last", trainable)
        return activations.activate(check, outputs, activation, activity_regularizer)


def product(inputs: tf.Tensor | tf.SparseTensor, kernel: tf.Variable) -> tf.Tensor:
    """Returns inputs @ kernel, over the last axis of the inputs."""
    if isinstance(inputs, tf.SparseTensor):
        return tf.sparse.sparse_dense_matmul(inputs, kernel)
    if inputs.shape.rank == 2:
        return tf.matmul(inputs, kernel)
    outputs = tf.tensordot(inputs, kernel, [[-1], [0]])
    outputs.set_shape(inputs.shape[:-1].concatenate(kernel.shape[-1:]))
    return outputs


def linear(
    inputs: tensors.TensorLike,
    units: int,
    sigma: float = 0.01,
    *,
    name: str | None = None,
    reuse: scopes.Reuse = None,
) -> tf.Tensor:
    """Maps inputs linearly: inputs @ kernel + bias, the kernel drawn small.

    A `dense` layer without activation whose weights start small, as truncated normals. The first
    predictions are then near uniform, and training can move in any direction from there.

    Args:
      inputs: floating-point (batch, ..., features).
      units: how many outputs.
      sigma: standard deviation of the initial weights; positive.
      name: variable scope of the layer; unnamed ones are numbered linear, linear_1, …
      reuse: whether to reuse the variables of an earlier layer of that name.

    Returns:
      (batch, ..., units).

    Variables:
      `<name>/kernel` (features, units) and `<name>/bias` (units,), zeros at first.

    Raises:
      TypeError: `inputs` is not a floating-point tensor.
      ValueError: an argument is out of its range, or the variables exist and reuse is not set.

    Example:
      >>> gk.linear(gk.feature_input(784), 10, sigma=0.01, name="logits").shape.as_list()
      [None, 10]
    """
    check = checks.Checker("linear")
    sigma = check.number("sigma", sigma, above=0)
    units = check.integer("units", units)
    inputs = tensors.float_tensor(check, "inputs", inputs, minimum_rank=2)
    with scopes.layer_scope(check, name, reuse=reuse) as scope:
        initializer = initializers.truncated_normal(sigma)
        return dense(inputs, units, kernel_initializer=initializer, name=scope, reuse=reuse)


def embedding(
    tokens: tensors.TensorLike,
    vocabulary_size: int,
    units: int,
    *,
    embeddings_initializer: Initializer | None = None,
    embeddings_regularizer: Regularizer | None = None,
    embeddings_constraint: Constraint | None = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: scopes.Reuse = None,
) -> tf.Tensor:
    """Looks up a trained vector for each token.

    Args:
      tokens: integers of any shape, such as (batch, length), each from 0 to vocabulary_size - 1.
      vocabulary_size: how many different tokens there are.
      units: numbers in a vector.
      embeddings_initializer: None takes the variable scope's, or else Glorot's uniform.
      embeddings_regularizer: a function embeddings -> scalar loss, added to REGULARIZATION_LOSSES.
      embeddings_constraint: a function that the optimizer applies to the embeddings after each update.
      trainable: whether the variable is added to TRAINABLE_VARIABLES.
      name: variable scope of the layer; unnamed ones are numbered embedding, embedding_1, …
      reuse: whether to reuse the variable of an earlier layer of that name.

    Returns:
      float32 (..., units), of the shape of `tokens` and one axis more.

    Variables:
      `<name>/embeddings` (vocabulary_size, units).

    Raises:
      TypeError: tokens are not integers.
      ValueError: a size below one, or the variable exists and reuse is not set.

    Example:
      >>> gk.embedding(gk.token_input(16), 100, 32).shape.as_list()
      [None, 16, 32]
    """
    check = checks.Checker("embedding")
    tokens = tensors.to_tensor(check, "tokens", tokens)
    check.require_type(tokens.dtype.is_integer, "tokens must be integers", dtype=tokens.dtype.name)
    vocabulary_size = check.integer("vocabulary_size", vocabulary_size)
    units = check.integer("units", units)
    spec = VariableSpec("embeddings", embeddings_initializer, embeddings_regularizer, embeddings_constraint)
    with scopes.layer_scope(check, name, reuse=reuse):
        embeddings = get_variable(check, spec, (vocabulary_size, units), tf.float32, trainable)
        # The lookup's kernels on CPU and GPU index by int32 or int64.
        tokens = tokens if tokens.dtype in (tf.int32, tf.int64) else tf.cast(tokens, tf.int64)
        return tf.nn.embedding_lookup(embeddings, tokens)


def flatten(
    inputs: tensors.TensorLike, name: str | None = None, data_format: str = "channels_last"
) -> tf.Tensor:
    """Lays the axes of each example out in a row, as `tf.layers.flatten` did.

    Args:
      inputs: (batch, ...), of any dtype.
      name: of the op.
      data_format: with "channels_first", channels are moved last beforehand, so that both formats give
        the same order.

    Returns:
      (batch, product of the other axes).

    Raises:
      ValueError: `inputs` have no axis, or the data format is unknown.

    Example:
      >>> gk.flatten(gk.image_input(28, 28, 1)).shape.as_list()
      [None, 784]
    """
    check = checks.Checker("flatten")
    inputs = tensors.to_tensor(check, "inputs", inputs)
    tensors.check_rank(check, "inputs", inputs, minimum_rank=1)
    data_format = data_formats.check_data_format(check, data_format)
    with scopes.op_scope(check, name):
        return in_rows(inputs, data_format)


def in_rows(inputs: tf.Tensor, data_format: str) -> tf.Tensor:
    """Returns each example as a row, with the channels last."""
    rank = inputs.shape.rank
    if data_format == "channels_first" and rank > 2:
        inputs = tf.transpose(inputs, [0, *range(2, rank), 1])
    sizes = inputs.shape.as_list()[1:]
    # With a size of 0, reshape could not tell the batch from -1.
    if None not in sizes and 0 not in sizes:
        return tf.reshape(inputs, [-1, math.prod(sizes)])
    return tf.reshape(inputs, [tf.shape(inputs)[0], tf.reduce_prod(tf.shape(inputs)[1:])])
