"""Layers of every kind of input: dense, bias, dropout, flatten, as tf.layers had them."""

import json
import math

import tensorflow as tf

from graphkit import checks
from graphkit.nn import counter_random, initializers, scopes
from graphkit.nn import inputs as graph_inputs
from graphkit.nn.parts import DATA_FORMATS, activate, add_bias_variable, check_activation

__all__ = ["bias_add", "dense", "dropout", "embedding", "flatten", "linear"]


def dense(
    inputs,
    units,
    activation=None,
    use_bias=True,
    kernel_initializer=None,
    bias_initializer=initializers.zeros(),  # noqa: B008
    kernel_regularizer=None,
    bias_regularizer=None,
    activity_regularizer=None,
    kernel_constraint=None,
    bias_constraint=None,
    trainable=True,
    name=None,
    reuse=None,
):
    """Connects each input with each output unit, as `tf.layers.dense` did: inputs @ kernel + bias.

    Args:
      inputs: floating-point (batch, ..., features).
      units: how many output units.
      activation: a function of a tensor, such as `gk.relu`; None for none.
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
      TypeError: `inputs` is no floating-point tensor.
      ValueError: an argument is out of its range, or the variables exist and reuse is not set.

    Example:
      >>> gk.dense(gk.feature_input(784), 10, name="logits").shape.as_list()
      [None, 10]
    """
    function = "dense"
    inputs = scopes.float_tensor(function, "inputs", inputs, minimum_rank=2)
    units = checks.integer(function, "units", units)
    check_activation(function, activation)
    features = scopes.static_size(function, "inputs", inputs, -1)
    with scopes.layer_scope(function, name, reuse=reuse):
        kernel = scopes.get_variable(
            "kernel",
            (features, units),
            inputs.dtype.base_dtype,
            kernel_initializer,
            kernel_regularizer,
            kernel_constraint,
            trainable,
        )
        if inputs.shape.rank == 2:
            outputs = tf.matmul(inputs, kernel)
        else:
            outputs = tf.tensordot(inputs, kernel, [[-1], [0]])
            outputs.set_shape(inputs.shape[:-1].concatenate(units))
        if use_bias:
            outputs = add_bias_variable(
                function, outputs, bias_initializer, bias_regularizer, bias_constraint, trainable=trainable
            )
        return activate(outputs, activation, activity_regularizer)


def bias_add(
    inputs,
    bias_initializer=initializers.zeros(),  # noqa: B008
    bias_regularizer=None,
    bias_constraint=None,
    data_format="channels_last",
    trainable=True,
    name=None,
    reuse=None,
):
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
      TypeError: `inputs` is no floating-point tensor.
      ValueError: fewer than two axes, or the variable exists and reuse is not set.

    Example:
      >>> net = gk.conv2d(gk.image_input(28, 28, 1), 32, 5, use_bias=False, name="conv1")
      >>> net = gk.relu(gk.bias_add(net, name="conv1"))
      >>> [variable.name for variable in tf.compat.v1.trainable_variables()]
      ['conv1/kernel:0', 'conv1/bias:0']
    """
    function = "bias_add"
    inputs = scopes.float_tensor(function, "inputs", inputs, minimum_rank=2)
    data_format = checks.choice(function, "data_format", data_format, DATA_FORMATS)
    with scopes.layer_scope(function, name, reuse=reuse):
        return add_bias_variable(
            function, inputs, bias_initializer, bias_regularizer, bias_constraint, data_format, trainable
        )


def flatten(inputs, name=None, data_format="channels_last"):
    """Lays the axes of each example out in a row, as `tf.layers.flatten` did.

    Args:
      inputs: (batch, ...), of any dtype.
      name: of the op.
      data_format: with "channels_first", channels are moved last beforehand, so that both formats give
        the same order.

    Returns:
      (batch, product of the other axes).

    Raises:
      ValueError: no axis, or an unknown data format.

    Example:
      >>> gk.flatten(gk.image_input(28, 28, 1)).shape.as_list()
      [None, 784]
    """
    function = "flatten"
    inputs = scopes.to_tensor(function, "inputs", inputs)
    scopes.check_rank(function, "inputs", inputs, minimum_rank=1)
    data_format = checks.choice(function, "data_format", data_format, DATA_FORMATS)
    rank = inputs.shape.rank
    with scopes.op_scope(function, name):
        if data_format == "channels_first" and rank > 2:
            inputs = tf.transpose(inputs, [0, *range(2, rank), 1])
        sizes = inputs.shape.as_list()[1:]
        if None not in sizes and 0 not in sizes:
            return tf.reshape(inputs, [-1, math.prod(sizes)])
        return tf.reshape(inputs, [tf.shape(inputs)[0], tf.reduce_prod(tf.shape(inputs)[1:])])


def dropout(inputs, keep_prob, noise_shape=None, name=None):
    """Keeps each unit with probability `keep_prob` and scales it by 1 / keep_prob, else sets it to 0.

    The expectation of each unit stays what it was. With keep_prob 1.0, the default of
    `gk.keep_prob_input()`, nothing is changed. The mask is a hash of (graph seed, this op, global step,
    unit), see `graphkit.nn.masks`: the same step has the same mask wherever and however it is run.

    Args:
      inputs: floating-point tensor of any shape.
      keep_prob: probability to keep a unit, in (0, 1]: a number or a scalar tensor; exact to 2**-16.
      noise_shape: None, or for each axis 1 where its units are kept or dropped together, and None or
        the axis's size where each unit is by itself.
      name: of the scope.

    Returns:
      A tensor of the shape of `inputs`.

    Raises:
      TypeError: `inputs` is no floating-point tensor.
      ValueError: keep_prob outside (0, 1], or a noise shape that does not fit.

    Source: N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting",
    JMLR 15 (2014).

    Example:
      >>> gk.dropout(gk.feature_input(100), gk.keep_prob_input()).shape.as_list()
      [None, 100]
    """
    function = "dropout"
    inputs = scopes.float_tensor(function, "inputs", inputs)
    keep_prob = check_keep_prob(function, keep_prob)
    sizes = check_noise_shape(function, noise_shape, inputs)
    if isinstance(keep_prob, float) and keep_prob == 1:
        return inputs
    with scopes.op_scope(function, name) as scope:
        keep_prob = tf.cast(keep_prob, tf.float32)
        tf.compat.v1.add_to_collection(graph_inputs.KEEP_PROBS, keep_prob)
        shape = tf.shape(inputs)
        if sizes is not None:
            shape = tf.stack([shape[axis] if size is None else 1 for axis, size in enumerate(sizes)])
        seed, step = graph_inputs.seed_input(), scopes.global_step()
        mask = counter_random.keep_mask(shape, keep_prob, seed, step, scope)
        factor = tf.cast(1 / keep_prob, inputs.dtype)
        outputs = tf.where(mask, inputs * factor, tf.zeros((), inputs.dtype))
        outputs = tf.ensure_shape(outputs, inputs.shape)
        names = json.dumps([inputs.name, keep_prob.name, outputs.name])
        tf.compat.v1.add_to_collection(graph_inputs.DROPOUTS, names)
        return outputs


def check_keep_prob(function, keep_prob):
    """Returns keep_prob as a float, or as a scalar tensor whose value is not known yet."""
    if not tf.is_tensor(keep_prob):
        return checks.number(function, "keep_prob", keep_prob, above=0, at_most=1)
    keep_prob = scopes.float_tensor(function, "keep_prob", keep_prob)
    scalar = keep_prob.shape.rank in (0, None)
    checks.require(scalar, function, "keep_prob must be a scalar", shape=scopes.shape_text(keep_prob))
    known = tf.get_static_value(keep_prob)
    if known is not None:
        checks.number(function, "keep_prob", float(known), above=0, at_most=1)
    return keep_prob


def check_noise_shape(function, noise_shape, inputs):
    """Returns for each axis 1 or None, or None for no noise shape."""
    if noise_shape is None:
        return None
    sizes = inputs.shape
    rule = f"noise_shape must have 1, None or the size for each axis of {sizes}"
    if not isinstance(noise_shape, (tuple, list)):
        raise TypeError(checks.message(function, rule, noise_shape=noise_shape))
    fits = sizes.rank == len(noise_shape) and all(
        size is None or (type(size) is int and size in (1, own))
        for size, own in zip(noise_shape, sizes, strict=True)
    )
    checks.require(fits, function, rule, noise_shape=noise_shape)
    return [1 if size == 1 else None for size in noise_shape]


def linear(inputs, units, sigma=0.01, name=None, reuse=None):
    """Maps inputs linearly: inputs @ kernel + bias, the kernel drawn small.

    A `dense` layer without activation whose weights start as the notes start them: truncated normals of
    a small sigma, so that the first predictions are near uniform and the training can begin anywhere.

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
      TypeError: `inputs` is no floating-point tensor.
      ValueError: an argument is out of its range, or the variables exist and reuse is not set.

    Example:
      >>> gk.linear(gk.feature_input(784), 10, sigma=0.01, name="logits").shape.as_list()
      [None, 10]
    """
    sigma = checks.number("linear", "sigma", sigma, above=0)
    units = checks.integer("linear", "units", units)
    inputs = scopes.float_tensor("linear", "inputs", inputs, minimum_rank=2)
    with scopes.layer_scope("linear", name, reuse=reuse) as scope:
        initializer = initializers.truncated_normal(sigma)
        return dense(inputs, units, kernel_initializer=initializer, name=scope, reuse=reuse)


def embedding(
    tokens,
    vocabulary_size,
    units,
    embeddings_initializer=None,
    embeddings_regularizer=None,
    embeddings_constraint=None,
    trainable=True,
    name=None,
    reuse=None,
):
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
      TypeError: tokens that are no integers.
      ValueError: a size below one, or the variable exists and reuse is not set.

    Example:
      >>> gk.embedding(gk.token_input(16), 100, 32).shape.as_list()
      [None, 16, 32]
    """
    function = "embedding"
    tokens = scopes.to_tensor(function, "tokens", tokens)
    if not tokens.dtype.is_integer:
        raise TypeError(checks.message(function, "tokens must be integers", dtype=tokens.dtype.name))
    vocabulary_size = checks.integer(function, "vocabulary_size", vocabulary_size)
    units = checks.integer(function, "units", units)
    with scopes.layer_scope(function, name, reuse=reuse):
        embeddings = scopes.get_variable(
            "embeddings",
            (vocabulary_size, units),
            tf.float32,
            embeddings_initializer,
            embeddings_regularizer,
            embeddings_constraint,
            trainable,
        )
        tokens = tokens if tokens.dtype in (tf.int32, tf.int64) else tf.cast(tokens, tf.int64)
        return tf.nn.embedding_lookup(embeddings, tokens)
