"""Layers: the arguments, defaults, variables, scopes and collections of TensorFlow 1.15's tf.layers."""

import math

import tensorflow as tf

from graphkit import checks
from graphkit.nn import initializers, masks, scopes
from graphkit.nn import inputs as graph_inputs

__all__ = [
    "avg_pool",
    "batch_norm",
    "bias_add",
    "conv2d",
    "dense",
    "dropout",
    "flatten",
    "max_pool",
    "relu",
    "softmax",
]

DATA_FORMATS = ("channels_last", "channels_first")


def conv2d(
    inputs,
    filters,
    kernel_size,
    strides=(1, 1),
    padding="valid",
    data_format="channels_last",
    dilation_rate=(1, 1),
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
    """Convolves images with trained filters, as `tf.layers.conv2d` did.

    Args:
      inputs: floating-point (batch, height, width, channels), or (batch, channels, height, width) with
        data_format "channels_first".
      filters: how many filters, which is the number of output channels.
      kernel_size: an integer or (height, width), in pixels.
      strides: an integer or (down, right), in pixels.
      padding: "valid" keeps the kernel inside the image, "same" pads with zeros so that the output has
        ceil(size / stride) pixels.
      data_format: "channels_last" or "channels_first".
      dilation_rate: an integer or (down, right): distance of neighbouring taps, in pixels; where it is
        not 1, strides must be 1.
      activation: a function of a tensor, such as `gk.relu`; None for none.
      use_bias: whether each filter has a bias.
      kernel_initializer: None takes the variable scope's, or else Glorot's uniform.
      bias_initializer: of the bias.
      kernel_regularizer: a function kernel -> scalar loss, added to REGULARIZATION_LOSSES.
      bias_regularizer: likewise for the bias.
      activity_regularizer: likewise for the output.
      kernel_constraint: a function that the optimizer applies to the kernel after each update.
      bias_constraint: likewise for the bias.
      trainable: whether the variables are added to TRAINABLE_VARIABLES.
      name: variable scope of the layer; unnamed ones are numbered conv2d, conv2d_1, …
      reuse: whether to reuse the variables of an earlier layer of that name.

    Returns:
      (batch, new height, new width, filters), or channels first; the sizes are `gk.output_size`'s.

    Variables:
      `<name>/kernel` (kernel height, kernel width, channels, filters) and `<name>/bias` (filters,).

    Raises:
      TypeError: `inputs` is no floating-point tensor.
      ValueError: an argument is out of its range, or the variables exist and reuse is not set.

    Formula: out[b, y, x, f] = bias[f] + sum over i, j, c of
      kernel[i, j, c, f] * in[b, y * stride + i * dilation, x * stride + j * dilation, c]

    Example:
      >>> images = gk.image_input(28, 28, 1)
      >>> gk.conv2d(images, 32, 5, padding="same", activation=gk.relu, name="conv1").shape.as_list()
      [None, 28, 28, 32]
    """
    function = "conv2d"
    inputs = scopes.float_tensor(function, "inputs", inputs, rank=4)
    filters = checks.integer(function, "filters", filters)
    kernel_size = checks.integers(function, "kernel_size", kernel_size, 2)
    strides = checks.integers(function, "strides", strides, 2)
    dilation_rate = checks.integers(function, "dilation_rate", dilation_rate, 2)
    padding = checks.choice(function, "padding", padding, ("same", "valid"))
    data_format = checks.choice(function, "data_format", data_format, DATA_FORMATS)
    rule = "strides above 1 and a dilation_rate above 1 do not go together"
    single = max(strides) == 1 or max(dilation_rate) == 1
    checks.require(single, function, rule, strides=strides, dilation_rate=dilation_rate)
    extents = [rate * (size - 1) + 1 for size, rate in zip(kernel_size, dilation_rate, strict=True)]
    check_window_fits(function, inputs, extents, padding, data_format)

    with scopes.layer_scope(function, name, reuse=reuse):
        channels = scopes.static_size(function, "inputs", inputs, channel_axis(data_format))
        kernel = scopes.get_variable(
            "kernel",
            (*kernel_size, channels, filters),
            inputs.dtype.base_dtype,
            kernel_initializer,
            kernel_regularizer,
            kernel_constraint,
            trainable,
        )
        outputs = tf.nn.conv2d(
            inputs,
            kernel,
            per_axis(strides, data_format),
            padding.upper(),
            "NHWC" if data_format == "channels_last" else "NCHW",
            per_axis(dilation_rate, data_format),
        )
        if use_bias:
            outputs = add_bias_variable(
                outputs, bias_initializer, bias_regularizer, bias_constraint, data_format, trainable
            )
        return activate(function, outputs, activation, activity_regularizer)


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
    with scopes.layer_scope(function, name, reuse=reuse):
        features = scopes.static_size(function, "inputs", inputs, -1)
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
                outputs, bias_initializer, bias_regularizer, bias_constraint, trainable=trainable
            )
        return activate(function, outputs, activation, activity_regularizer)


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
            inputs, bias_initializer, bias_regularizer, bias_constraint, data_format, trainable
        )


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


def softmax(logits, axis=-1, name=None):
    """Turns logits into probabilities: exp(logits) / sum(exp(logits)) along an axis.

    The probabilities of the same logits are one op, however often they are asked for. Losses make it
    beside themselves, so that `trainer.predict(gk.softmax(logits), ...)` works when the graph can grow
    no more.

    Args:
      logits: floating-point tensor of at least one axis.
      axis: along which the probabilities add up to 1.
      name: of the op.

    Returns:
      A tensor of the shape of `logits`.

    Raises:
      TypeError: `logits` is no floating-point tensor.
      ValueError: there is no such axis.

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
    if name is None and axis in (-1, rank - 1):
        for op in logits.consumers():
            if op.type == "Softmax":
                return op.outputs[0]
    with scopes.op_scope(function, name) as scope:
        return tf.nn.softmax(logits, axis=axis, name=scope)


def max_pool(inputs, pool_size, strides, padding="valid", data_format="channels_last", name=None):
    """Keeps the largest value of each window, as `tf.layers.max_pooling2d` did.

    Args:
      inputs: floating-point (batch, height, width, channels), or channels first.
      pool_size: an integer or (height, width) of the window, in pixels.
      strides: an integer or (down, right), in pixels.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first".
      name: of the op.

    Returns:
      (batch, new height, new width, channels), or channels first; the sizes are `gk.output_size`'s.

    Raises:
      TypeError: `inputs` is no floating-point tensor.
      ValueError: an argument is out of its range.

    Example:
      >>> gk.max_pool(gk.image_input(28, 28, 1), 2, 2).shape.as_list()
      [None, 14, 14, 1]
    """
    return pool2d("max_pool", tf.nn.max_pool2d, inputs, pool_size, strides, padding, data_format, name)


def avg_pool(inputs, pool_size, strides, padding="valid", data_format="channels_last", name=None):
    """Takes the mean of each window, as `tf.layers.average_pooling2d` did; padding does not count.

    Args:
      inputs: floating-point (batch, height, width, channels), or channels first.
      pool_size: an integer or (height, width) of the window, in pixels.
      strides: an integer or (down, right), in pixels.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first".
      name: of the op.

    Returns:
      (batch, new height, new width, channels), or channels first; the sizes are `gk.output_size`'s.

    Raises:
      TypeError: `inputs` is no floating-point tensor.
      ValueError: an argument is out of its range.

    Example:
      >>> gk.avg_pool(gk.image_input(28, 28, 1), 2, 2).shape.as_list()
      [None, 14, 14, 1]
    """
    return pool2d("avg_pool", tf.nn.avg_pool2d, inputs, pool_size, strides, padding, data_format, name)


def pool2d(function, pool, inputs, pool_size, strides, padding, data_format, name):
    inputs = scopes.float_tensor(function, "inputs", inputs, rank=4)
    pool_size = checks.integers(function, "pool_size", pool_size, 2)
    strides = checks.integers(function, "strides", strides, 2)
    padding = checks.choice(function, "padding", padding, ("same", "valid"))
    data_format = checks.choice(function, "data_format", data_format, DATA_FORMATS)
    check_window_fits(function, inputs, pool_size, padding, data_format)
    with scopes.op_scope(function, name) as scope:
        return pool(
            inputs,
            per_axis(pool_size, data_format),
            per_axis(strides, data_format),
            padding.upper(),
            "NHWC" if data_format == "channels_last" else "NCHW",
            name=scope,
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
        if None not in sizes:
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
      noise_shape: shape of the mask, to be broadcast: 1 where units share their fate, None for the
        inputs' own size. None as a whole gives each unit its own.
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
    if not tf.is_tensor(keep_prob):
        keep_prob = checks.number(function, "keep_prob", keep_prob, above=0, at_most=1)
        if keep_prob == 1:
            return inputs
    if noise_shape is not None:
        rank = inputs.shape.rank
        checks.require(rank == len(noise_shape), function, "noise_shape must name each axis", rank=rank)
    with scopes.op_scope(function, name) as scope:
        keep_prob = tf.cast(keep_prob, tf.float32)
        checks.require(
            keep_prob.shape.rank == 0, function, "keep_prob must be a scalar", shape=keep_prob.shape
        )
        tf.compat.v1.add_to_collection(graph_inputs.KEEP_PROBS, keep_prob)
        shape = tf.shape(inputs)
        if noise_shape is not None:
            shape = [shape[axis] if size is None else size for axis, size in enumerate(noise_shape)]
        step = tf.compat.v1.train.get_or_create_global_step()
        mask = masks.keep_mask(shape, keep_prob, graph_inputs.seed_input(), step, scope)
        factor = tf.cast(1 / keep_prob, inputs.dtype)
        outputs = tf.where(mask, inputs * factor, tf.zeros((), inputs.dtype))
        return tf.ensure_shape(outputs, inputs.shape)


def batch_norm(
    inputs,
    axis=-1,
    momentum=0.99,
    epsilon=1e-3,
    center=True,
    scale=True,
    beta_initializer=initializers.zeros(),  # noqa: B008
    gamma_initializer=tf.compat.v1.ones_initializer(),  # noqa: B008
    moving_mean_initializer=initializers.zeros(),  # noqa: B008
    moving_variance_initializer=tf.compat.v1.ones_initializer(),  # noqa: B008
    beta_regularizer=None,
    gamma_regularizer=None,
    beta_constraint=None,
    gamma_constraint=None,
    training=None,
    trainable=True,
    name=None,
    reuse=None,
):
    """Normalizes each channel over the batch, as `tf.layers.batch_normalization` did.

    In training it takes the batch's mean and variance and moves the moving averages towards them (by
    ops in UPDATE_OPS, which a trainer runs in each step); else it takes the moving averages.

    Args:
      inputs: floating-point (batch, ..., channels).
      axis: the axis of the channels.
      momentum: share of the moving averages that a step keeps, in [0, 1].
      epsilon: added to the variance; positive.
      center: whether a trained beta is added.
      scale: whether a trained gamma multiplies.
      beta_initializer: of beta.
      gamma_initializer: of gamma.
      moving_mean_initializer: of the moving mean.
      moving_variance_initializer: of the moving variance.
      beta_regularizer: a function beta -> scalar loss, added to REGULARIZATION_LOSSES.
      gamma_regularizer: likewise for gamma.
      beta_constraint: a function that the optimizer applies to beta after each update.
      gamma_constraint: likewise for gamma.
      training: a boolean or a boolean scalar tensor; None is True in a trainer's training steps and
        False elsewhere.
      trainable: whether beta and gamma are added to TRAINABLE_VARIABLES.
      name: variable scope of the layer; unnamed ones are numbered batch_normalization, …_1, …
      reuse: whether to reuse the variables of an earlier layer of that name.

    Returns:
      A tensor of the shape of `inputs`.

    Variables:
      `<name>/gamma`, `<name>/beta`, `<name>/moving_mean`, `<name>/moving_variance`, each (channels,);
      the moving ones are not trained.

    Raises:
      TypeError: `inputs` is no floating-point tensor.
      ValueError: an argument is out of its range, or the variables exist and reuse is not set.

    Formula: gamma * (inputs - mean) / sqrt(variance + epsilon) + beta. With four axes the moving
    variance is made of the unbiased one (N / (N - 1)), as by TensorFlow's fused kernel.

    Source: S. Ioffe, C. Szegedy, "Batch normalization", ICML 2015, algorithm 1.

    Example:
      >>> net = gk.batch_norm(gk.conv2d(gk.image_input(28, 28, 1), 8, 3, use_bias=False))
      >>> len(tf.compat.v1.get_collection(tf.compat.v1.GraphKeys.UPDATE_OPS))
      2
    """
    function = "batch_norm"
    inputs = scopes.float_tensor(function, "inputs", inputs, minimum_rank=2)
    rank = inputs.shape.rank
    axis = checks.integer(function, "axis", axis, minimum=-rank)
    checks.require(axis < rank, function, "axis must be an axis of inputs", axis=axis, rank=rank)
    momentum = checks.number(function, "momentum", momentum, at_least=0, at_most=1)
    epsilon = checks.number(function, "epsilon", epsilon, above=0)
    axis %= rank
    training = graph_inputs.training_input() if training is None else training
    with scopes.layer_scope(function, name, "batch_normalization", reuse):
        channels = scopes.static_size(function, "inputs", inputs, axis)
        dtype = tf.float32 if inputs.dtype.size < 4 else inputs.dtype.base_dtype

        def variable(name, initializer, regularizer=None, constraint=None, trainable=False):
            return scopes.get_variable(
                name, (channels,), dtype, initializer, regularizer, constraint, trainable
            )

        gamma = beta = None
        if scale:
            gamma = variable("gamma", gamma_initializer, gamma_regularizer, gamma_constraint, trainable)
        if center:
            beta = variable("beta", beta_initializer, beta_regularizer, beta_constraint, trainable)
        moving = (
            variable("moving_mean", moving_mean_initializer),
            variable("moving_variance", moving_variance_initializer),
        )
        fused = rank == 4 and axis in (1, 3)
        normalize = normalize_fused if fused else normalize_plain
        outputs, batch_moments = normalize(inputs, axis, gamma, beta, moving, epsilon, training)
        add_moving_updates(moving, batch_moments, momentum, training)
        return outputs


def normalize_fused(inputs, axis, gamma, beta, moving, epsilon, training):
    """Returns (outputs, (mean, variance) of the batch) by TensorFlow's fused kernel."""
    gamma = tf.ones_like(moving[0]) if gamma is None else gamma
    beta = tf.zeros_like(moving[0]) if beta is None else beta

    def fused(is_training):
        averages = {} if is_training else {"mean": moving[0], "variance": moving[1]}
        return tf.compat.v1.nn.fused_batch_norm(
            inputs,
            gamma,
            beta,
            epsilon=epsilon,
            data_format="NHWC" if axis == 3 else "NCHW",
            is_training=is_training,
            **averages,
        )

    outputs, mean, variance = choose(training, lambda: fused(True), lambda: fused(False))
    return tf.ensure_shape(outputs, inputs.shape), (mean, variance)


def normalize_plain(inputs, axis, gamma, beta, moving, epsilon, training):
    """Returns (outputs, (mean, variance) of the batch) for any rank, from the definition."""
    others = [other for other in range(inputs.shape.rank) if other != axis]
    shape = [1] * inputs.shape.rank
    shape[axis] = inputs.shape[axis]
    values = tf.cast(inputs, moving[0].dtype)
    moments = choose(
        training,
        lambda: tuple(tf.nn.moments(values, others)),
        lambda: (tf.convert_to_tensor(moving[0]), tf.convert_to_tensor(moving[1])),
    )

    def aligned(vector):
        return None if vector is None else tf.reshape(vector, shape)

    outputs = tf.nn.batch_normalization(
        values, aligned(moments[0]), aligned(moments[1]), aligned(beta), aligned(gamma), epsilon
    )
    return tf.cast(outputs, inputs.dtype), moments


def add_moving_updates(moving, batch_moments, momentum, training):
    """Adds to UPDATE_OPS what moves the averages in training and leaves them alone elsewhere."""
    if training is False:
        return
    decay = choose(training, lambda: tf.constant(1 - momentum), lambda: tf.constant(0.0))
    for average, batch_value in zip(moving, batch_moments, strict=True):
        change = (average - batch_value) * tf.cast(decay, average.dtype)
        update = average.assign_sub(change, read_value=False)
        tf.compat.v1.add_to_collection(tf.compat.v1.GraphKeys.UPDATE_OPS, update)


def choose(condition, if_true, if_false):
    """Calls one branch for a Python boolean, or emits both behind a boolean tensor."""
    if tf.is_tensor(condition):
        return tf.cond(condition, if_true, if_false)
    return if_true() if condition else if_false()


def add_bias_variable(
    inputs, initializer, regularizer, constraint, data_format="channels_last", trainable=True
):
    """Makes the variable `bias` in the current scope and adds it to each channel."""
    channels = scopes.static_size("bias_add", "inputs", inputs, channel_axis(data_format))
    bias = scopes.get_variable(
        "bias", (channels,), inputs.dtype.base_dtype, initializer, regularizer, constraint, trainable
    )
    return tf.nn.bias_add(inputs, bias, "N...C" if data_format == "channels_last" else "NC...")


def activate(function, outputs, activation, activity_regularizer):
    """Applies the activation and files the activity's loss."""
    if activation is not None:
        rule = "activation must be a function of a tensor, such as gk.relu"
        if not callable(activation):
            raise TypeError(checks.message(function, rule, activation=activation))
        outputs = activation(outputs)
    if activity_regularizer is not None:
        tf.compat.v1.add_to_collection(
            tf.compat.v1.GraphKeys.REGULARIZATION_LOSSES, activity_regularizer(outputs)
        )
    return outputs


def check_window_fits(function, inputs, extents, padding, data_format):
    """Refuses a valid window that is larger than the image."""
    first = 1 if data_format == "channels_last" else 2
    for size, extent in zip(inputs.shape[first : first + 2], extents, strict=True):
        fits = padding == "same" or size is None or extent <= size
        rule = "a valid window must fit into the image"
        checks.require(fits, function, rule, shape=scopes.shape_text(inputs), window=tuple(extents))


def channel_axis(data_format):
    return -1 if data_format == "channels_last" else 1


def per_axis(sizes, data_format):
    """Returns (down, right) as one number for each of the four axes."""
    return (1, *sizes, 1) if data_format == "channels_last" else (1, 1, *sizes)
