"""Small networks with many settings, of plain TensorFlow 1 ops: what ports get wrong is one setting."""

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
BATCH, SIZE, CHANNELS, CLASSES, STEPS, TOKENS = 12, 10, 3, 5, 4, 20
RANDOM = np.random.default_rng(7)
INPUTS = {
    "images": RANDOM.uniform(0, 255, (BATCH, SIZE, SIZE, CHANNELS)).astype(np.float32),
    "features": RANDOM.normal(size=(BATCH, 8)).astype(np.float32),
    "targets": RANDOM.normal(size=(BATCH, CLASSES)).astype(np.float32),
    "labels": RANDOM.integers(0, CLASSES, BATCH),
    "tokens": RANDOM.integers(0, TOKENS, (BATCH, STEPS)),
    "sequences": RANDOM.normal(size=(BATCH, STEPS, 6)).astype(np.float32),
}


def build(builder, **settings):
    """Returns what a builder makes in a graph of its own."""
    with tf.Graph().as_default():
        return builder(**settings)


def images():
    return v1.placeholder(tf.float32, (None, SIZE, SIZE, CHANNELS), "images")


def features():
    return v1.placeholder(tf.float32, (None, 8), "features")


def labels():
    return v1.placeholder(tf.int64, (None,), "labels")


def weight(name, *shape, **settings):
    return v1.get_variable(
        name,
        shape,
        settings.pop("dtype", tf.float32),
        v1.glorot_uniform_initializer(),
        use_resource=True,
        **settings,
    )


def dense(x, name, units, activation=None, bias=True, **settings):
    with v1.variable_scope(name):
        out = tf.matmul(x, weight("kernel", x.shape[-1], units, **settings))
        if bias:
            out = tf.nn.bias_add(out, v1.get_variable("bias", units, initializer=v1.zeros_initializer()))
    return out if activation is None else activation(out)


def conv(x, name, filters, size=3, strides=1, padding="SAME", dilations=1, bias=True):
    with v1.variable_scope(name):
        kernel = weight("kernel", size, size, x.shape[-1], filters)
        out = tf.nn.conv2d(x, kernel, strides, padding, dilations=dilations)
        if bias:
            out = tf.nn.bias_add(out, v1.get_variable("bias", filters, initializer=v1.zeros_initializer()))
    return out


def batch_norm(x, epsilon=1e-3, momentum=0.99, training=True, fused=True, unbiased=True, updates=True):
    """Normalizes channels, and adds the updates of its moving averages to UPDATE_OPS."""
    channels = x.shape[-1]
    ones, zeros = v1.ones_initializer(), v1.zeros_initializer()
    gamma = v1.get_variable("gamma", channels, initializer=ones)
    beta = v1.get_variable("beta", channels, initializer=zeros)
    mean = v1.get_variable("moving_mean", channels, initializer=zeros, trainable=False)
    variance = v1.get_variable("moving_variance", channels, initializer=ones, trainable=False)
    if fused:
        given = {} if training else {"mean": mean, "variance": variance}
        out, batch_mean, batch_variance = v1.nn.fused_batch_norm(
            x, gamma, beta, epsilon=epsilon, is_training=training, **given
        )
    else:
        batch_mean, batch_variance = tf.nn.moments(x, [0, 1, 2]) if training else (mean, variance)
        out = tf.nn.batch_normalization(x, batch_mean, batch_variance, beta, gamma, epsilon)
        if unbiased:
            count = tf.cast(tf.size(x) / tf.shape(x)[-1], tf.float32)
            batch_variance = batch_variance * count / (count - 1)
    if training and updates:
        for average, value in ((mean, batch_mean), (variance, batch_variance)):
            change = (average - value) * (1 - momentum)
            v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, average.assign_sub(change))
    return out


def cross_entropy(logits, reduce=tf.reduce_mean):
    return reduce(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels(), logits=logits))


def cnn(
    scale=255.0,
    shift=0.0,
    bgr=False,
    strides=2,
    padding="SAME",
    explicit=None,
    dilations=1,
    bias=True,
    norm=False,
    norm_first=True,
    activation=tf.nn.relu,
    pool=tf.nn.max_pool2d,
    window=2,
    pool_strides=2,
    flatten_first=False,
    **norm_settings,
):
    """A convolution, its activation, a pooling, a dense layer; returns logits."""
    x = images() / scale
    if shift:
        x = x - shift
    if bgr:
        x = x[..., ::-1]
    if explicit:
        x = tf.pad(x, [[0, 0], explicit, explicit, [0, 0]])
    x = conv(x, "conv", 6, strides=strides, padding=padding, dilations=dilations, bias=bias)
    if norm and norm_first:
        x = batch_norm(x, **norm_settings)
    if activation is not None:
        x = activation(x)
    if norm and not norm_first:
        x = batch_norm(x, **norm_settings)
    x = pool(x, window, pool_strides, "SAME")
    if flatten_first:
        x = tf.transpose(x, [0, 3, 1, 2])
    return dense(tf.reshape(x, [-1, int(np.prod(x.shape[1:]))]), "logits", CLASSES)


def mlp(
    activation=tf.nn.relu,
    drop=None,
    reduce=tf.reduce_mean,
    penalty=None,
    scale=1.0,
    stop=False,
    after=None,
    hidden_bias=True,
    loss=cross_entropy,
    trainable=True,
):
    """A hidden layer; returns the loss."""
    x = dense(features(), "hidden", 10, bias=hidden_bias, trainable=trainable)
    x = activation(x) if activation else x
    if drop:
        x = drop(x)
    if stop:
        x = tf.stop_gradient(x)
    logits = dense(x, "logits", CLASSES)
    if after:
        logits = after(logits)
    value = loss(logits, reduce) * scale if scale != 1 else loss(logits, reduce)
    if penalty:
        variables = {v.op.name: v for v in v1.global_variables()}
        value = value + penalty(variables)
    return value


def trained(
    optimizer=None, clip=None, accumulate=None, updates=True, rate=None, trained_names=None, **settings
):
    """Returns (loss, training op) of an mlp, or of a cnn with batch norm."""
    if settings.pop("convolutional", False):
        loss = cross_entropy(cnn(norm=True, **settings))
    else:
        loss = mlp(**settings)
    step = v1.train.get_or_create_global_step()
    optimizer = optimizer or (lambda rate: v1.train.GradientDescentOptimizer(rate))
    optimizer = optimizer(0.1 if rate is None else rate(step))
    variables = [v for v in v1.trainable_variables() if trained_names is None or v.op.name in trained_names]
    pairs = optimizer.compute_gradients(loss, variables)
    if clip:
        pairs = clip(pairs)
    if accumulate:
        return loss, accumulated(optimizer, pairs, step, accumulate)
    with tf.control_dependencies(v1.get_collection(v1.GraphKeys.UPDATE_OPS) if updates else []):
        return loss, optimizer.apply_gradients(pairs, global_step=step)


def accumulated(optimizer, pairs, step, count):
    sums = [v1.Variable(tf.zeros(v.shape), trainable=False, use_resource=True) for _, v in pairs]
    added = [total.assign_add(g) for total, (g, _) in zip(sums, pairs, strict=True)]

    def update():
        applied = optimizer.apply_gradients([(s / count, v) for s, (_, v) in zip(sums, pairs, strict=True)])
        with tf.control_dependencies([applied]):
            return tf.group(*[s.assign(tf.zeros_like(s)) for s in sums])

    with tf.control_dependencies(added):
        due = tf.equal((step + 1) % count, 0)
        done = tf.cond(due, lambda: with_true(update), lambda: tf.constant(False))
    with tf.control_dependencies([done]):
        return step.assign_add(1).op


def with_true(update):
    with tf.control_dependencies([update()]):
        return tf.constant(True)


def clipped_by_global_norm(limit):
    def clip(pairs):
        gradients, variables = zip(*pairs, strict=True)
        return list(zip(tf.clip_by_global_norm(gradients, limit)[0], variables, strict=True))

    return clip


def lstm(order="ijfo", forget_bias=1.0, gate=tf.sigmoid, mean_of="last"):
    """An LSTM, unrolled; returns logits."""
    sequences = v1.placeholder(tf.float32, (None, STEPS, 6), "sequences")
    units = 7
    kernel, bias = (
        weight("kernel", 6 + units, 4 * units),
        v1.get_variable("bias", 4 * units, initializer=v1.zeros_initializer()),
    )
    h = c = tf.zeros([tf.shape(sequences)[0], units])
    for step in range(STEPS):
        parts = tf.split(tf.concat([sequences[:, step], h], 1) @ kernel + bias, 4, axis=1)
        gates = dict(zip(order, parts, strict=True))
        c = c * gate(gates["f"] + forget_bias) + gate(gates["i"]) * tf.tanh(gates["j"])
        h = tf.tanh(c) * gate(gates["o"])
    return dense(h, "logits", CLASSES)


def gru(reset_after=False):
    """A GRU, unrolled; returns its last state."""
    sequences = v1.placeholder(tf.float32, (None, STEPS, 6), "sequences")
    units = 7
    gates, inner, outer = (
        weight("gates", 6 + units, 2 * units),
        weight("inner", 6, units),
        weight("outer", units, units),
    )
    h = tf.zeros([tf.shape(sequences)[0], units])
    for step in range(STEPS):
        x = sequences[:, step]
        reset, update = tf.split(tf.sigmoid(tf.concat([x, h], 1) @ gates), 2, axis=1)
        before = reset * (h @ outer) if reset_after else (reset * h) @ outer
        h = update * h + (1 - update) * tf.tanh(x @ inner + before)
    return h


def embedded(scale=None, tied=True, axis=1, mean=tf.reduce_mean):
    """Means of embedded tokens, two layers of one weight or of two; returns logits."""
    tokens = v1.placeholder(tf.int64, (None, STEPS), "tokens")
    x = tf.nn.embedding_lookup(weight("table", TOKENS, 8), tokens)
    if scale:
        x = x * scale
    x = mean(x, axis)
    first = weight("first", x.shape[-1], x.shape[-1])
    x = tf.tanh(x @ first)
    return tf.tanh(x @ (first if tied else weight("second", x.shape[-1], x.shape[-1])))
