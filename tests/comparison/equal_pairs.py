"""Pairs of graphs that compute the same: (old, new)."""

import functools

import numpy as np
import tensorflow as tf
from comparison import networks
from comparison.networks import CLASSES, build, cnn, embedded, lstm, mlp, trained, v1
from comparison.planted import KERNELS, l2, one_hot_loss, pair

import graphkit as gk

train = v1.train


def plus_bias(x, bias):
    return x + bias


def mlp_by_plus():
    """The mlp with + for BiasAdd, other names, and ops made in another order."""
    given = networks.labels()
    x = v1.placeholder(tf.float32, (None, 8), "features")
    out_kernel = networks.weight("net/logits/weights", 10, CLASSES)
    out_bias = v1.get_variable("net/logits/biases", CLASSES)
    kernel, bias = networks.weight("net/hidden/weights", 8, 10), v1.get_variable("net/hidden/biases", 10)
    hidden = tf.maximum(0.0, bias + tf.matmul(x, kernel))
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=given, logits=hidden @ out_kernel + out_bias
    )
    return tf.reduce_sum(losses) / tf.cast(tf.shape(losses)[0], tf.float32)


def mlp_by_gk():
    hidden = gk.dense(gk.feature_input(8), 10, tf.nn.relu, name="hidden")
    return gk.softmax_cross_entropy(gk.dense(hidden, CLASSES, name="logits"), gk.label_input())


def mlp_by_hand():
    """The cross entropy by its definition, on one-hot labels, and variables that are numbered."""
    x = networks.features()
    w = [v1.Variable(tf.zeros(s)) for s in ((8, 10), (10,), (10, CLASSES), (CLASSES,))]
    logits = tf.nn.relu(x @ w[0] + w[1]) @ w[2] + w[3]
    targets = tf.one_hot(networks.labels(), CLASSES)
    return tf.reduce_mean(-tf.reduce_sum(targets * tf.nn.log_softmax(logits), axis=1))


def mlp_reference():
    """The mlp with reference variables, as TensorFlow 1 made them."""
    x = networks.features()
    hidden_kernel = v1.get_variable("hidden/kernel", (8, 10), use_resource=False)
    hidden_bias = v1.get_variable("hidden/bias", 10, use_resource=False)
    logits_kernel = v1.get_variable("logits/kernel", (10, CLASSES), use_resource=False)
    logits_bias = v1.get_variable("logits/bias", CLASSES, use_resource=False)
    hidden = tf.nn.relu(v1.nn.xw_plus_b(x, hidden_kernel, hidden_bias))
    return networks.cross_entropy(v1.nn.xw_plus_b(hidden, logits_kernel, logits_bias))


def cnn_by_gk(norm=False, channels_first=False):
    x = networks.images() / 255.0
    layout = "channels_first" if channels_first else "channels_last"
    if channels_first:
        x = tf.transpose(x, [0, 3, 1, 2])
    x = gk.conv2d(x, 6, 3, strides=2, padding="same", name="conv", data_format=layout)
    x = gk.batch_norm(x, axis=1 if channels_first else -1, name="norm") if norm else x
    x = gk.max_pool(gk.relu(x), 2, 2, padding="same", data_format=layout)
    if channels_first:
        x = tf.transpose(x, [0, 2, 3, 1])
    return gk.dense(gk.flatten(x), CLASSES, name="logits")


def cnn_explicit():
    return cnn(padding="VALID", explicit=(0, 1))


def dropout_by_hand(x):
    """Dropout as TensorFlow 1.0 wrote it."""
    keep = 0.6
    return tf.divide(x, keep) * tf.floor(keep + tf.random.uniform(tf.shape(x)))


def leaky(x):
    return tf.maximum(x, 0.2 * x)


def transposed_product():
    kernel = networks.weight("kernel", 6, 8)
    return tf.matmul(networks.features(), kernel, transpose_b=True)


def plain_product():
    return tf.tensordot(networks.features(), networks.weight("kernel", 8, 6), [[1], [0]])


def half_squares(variables):
    return sum(0.005 * tf.reduce_sum(variables[n] ** 2) for n in KERNELS)


def lstm_by_names():
    return lstm()


def lstm_by_slices():
    """The LSTM with slices for the split, and the forget bias in a constant vector."""
    sequences = v1.placeholder(tf.float32, (None, networks.STEPS, 6), "sequences")
    units = 7
    kernel = networks.weight("cell/kernel", 13, 28)
    bias = v1.get_variable("cell/bias", 28)
    added = tf.constant(np.repeat([0.0, 0.0, 1.0, 0.0], units).astype(np.float32))
    h = tf.zeros([tf.shape(sequences)[0], units])
    c = tf.zeros([tf.shape(sequences)[0], units])
    for x in tf.unstack(sequences, axis=1):
        z = tf.matmul(x, kernel[:6]) + tf.matmul(h, kernel[6:]) + bias + added
        i, j, f, o = (z[:, n * units : (n + 1) * units] for n in range(4))
        c = tf.sigmoid(i) * tf.tanh(j) + tf.sigmoid(f) * c
        h = tf.sigmoid(o) * tf.tanh(c)
    return networks.dense(h, "logits", CLASSES)


def embedded_by_product():
    tokens = v1.placeholder(tf.int64, (None, networks.STEPS), "tokens")
    x = tf.einsum(
        "btk,kd->btd", tf.one_hot(tokens, networks.TOKENS), networks.weight("table", networks.TOKENS, 8)
    )
    x = tf.reduce_sum(x, 1) / networks.STEPS
    first = networks.weight("first", 8, 8)
    return tf.tanh(tf.tanh(x @ first) @ first)


def momentum_by_hand():
    loss = mlp()
    updates = []
    for variable in v1.trainable_variables():
        velocity = v1.get_variable(
            variable.op.name + "/velocity",
            variable.shape,
            initializer=v1.zeros_initializer(),
            trainable=False,
        )
        moved = velocity.assign(0.9 * velocity + tf.gradients(loss, variable)[0])
        updates.append(variable.assign_sub(0.1 * moved))
    return loss, tf.group(*updates)


def lstm_by_gk():
    sequences = v1.placeholder(tf.float32, (None, networks.STEPS, 6), "sequences")
    return networks.dense(gk.rnn(sequences, 7, name="cell")[0][:, -1], "logits", CLASSES)


def separable_by_gk():
    return gk.separable_conv2d(networks.images(), 5, 3, padding="same", depth_multiplier=2, name="block")


def separable_by_hand():
    x, shape = networks.images(), (1, 1, 6, 5)
    depthwise = networks.weight("block/depthwise_kernel", 3, 3, 3, 2)
    parts = tf.nn.depthwise_conv2d(x, depthwise, [1, 1, 1, 1], "SAME")
    mixed = tf.einsum("bhwi,io->bhwo", parts, networks.weight("block/pointwise_kernel", *shape)[0, 0])
    return mixed + v1.get_variable("block/bias", 5)


def adam_by_hand():
    loss, updates = mlp(), []
    for v in v1.trainable_variables():
        gradient = tf.gradients(loss, v)[0]
        slots = [
            v1.get_variable(f"{v.op.name}/{n}", v.shape, initializer=v1.zeros_initializer(), trainable=False)
            for n in "mv"
        ]
        power = v1.get_variable(f"{v.op.name}/powers", 2, initializer=v1.ones_initializer(), trainable=False)
        powers = power.assign(power * tf.constant([0.9, 0.999]))
        first = slots[0].assign(0.9 * slots[0] + 0.1 * gradient)
        second = slots[1].assign(0.999 * slots[1] + 0.001 * gradient**2)
        rate = 0.1 * tf.sqrt(1 - powers[1]) / (1 - powers[0])
        updates.append(v.assign_sub(rate * first / (tf.sqrt(second) + 1e-8)))
    return loss, tf.group(*updates)


def trainer(**settings):
    return gk.Trainer(mlp_by_gk(), **settings)


def one(builder, **settings):
    return functools.partial(build, builder, **settings)


def dropout(x):
    return tf.nn.dropout(x, rate=0.4)


def momentum(rate):
    return train.MomentumOptimizer(rate, 0.9)


EQUAL = {
    "the same": pair(cnn),
    "BiasAdd and +, other names and order": (one(mlp), one(mlp_by_plus)),
    "graphkit's layers": (one(mlp), one(mlp_by_gk)),
    "a cross entropy by hand, variables without names": (one(mlp), one(mlp_by_hand)),
    "reference variables": (one(mlp_reference), one(mlp)),
    "graphkit's convolution": (one(cnn), one(cnn_by_gk)),
    "graphkit's batch norm": (one(cnn, norm=True), one(cnn_by_gk, norm=True)),
    "channels first": (one(cnn_by_gk), one(cnn_by_gk, channels_first=True)),
    "padding that is that of SAME": (one(cnn), one(cnn_explicit)),
    "a batch norm of plain ops": pair(cnn, {"norm": True}, {"norm": True, "fused": False}),
    "two dropouts": pair(mlp, {"drop": dropout}, {"drop": dropout_by_hand}),
    "graphkit's dropout": pair(mlp, {"drop": dropout}, {"drop": lambda x: gk.dropout(x, 0.6)}),
    "leaky relu": pair(mlp, {"activation": lambda x: tf.nn.leaky_relu(x, 0.2)}, {"activation": leaky}),
    "a transposed kernel": (one(plain_product), one(transposed_product)),
    "L2 by squares": pair(mlp, {"penalty": l2(KERNELS)}, {"penalty": half_squares}),
    "LSTMs": (one(lstm_by_names), one(lstm_by_slices)),
    "an LSTM in a loop": (one(lstm_by_slices), one(lstm_by_gk)),
    "a separable convolution": (one(separable_by_gk), one(separable_by_hand)),
    "Adam by hand": (one(trained, optimizer=train.AdamOptimizer), one(adam_by_hand)),
    "an embedding by a product": (one(embedded), one(embedded_by_product)),
    "sparse and one-hot labels": pair(mlp, {}, {"loss": one_hot_loss}),
    "momentum by hand": (one(trained, optimizer=momentum), one(momentum_by_hand)),
    "a trainer": (one(trained, optimizer=momentum), one(trainer, optimizer="momentum", learning_rate=0.1)),
    "a trainer that clips": (
        one(trained, clip=networks.clipped_by_global_norm(0.1), optimizer=train.AdamOptimizer),
        one(trainer, clip_norm=0.1, optimizer="adam", learning_rate=0.1),
    ),
    "moving averages": pair(trained, {"convolutional": True}, {"convolutional": True, "fused": False}),
}
