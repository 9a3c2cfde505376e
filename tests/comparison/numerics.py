"""Data types, noise, capsules, graphs, sequences and penalties: planted differences as in `planted`."""

import numpy as np
import tensorflow as tf
from comparison import networks
from comparison.networks import CLASSES, dense, features, images, labels, v1, weight
from comparison.planted import pair

import graphkit as gk


def double(dtype=tf.float32, trainable=True, cast=tf.float32):
    x = tf.cast(features(), dtype)
    return tf.cast(tf.tanh(x @ v1.get_variable("k", (8, 5), dtype, trainable=trainable)), tf.float32)


def capsule(squash=True, n=3, routing=True):
    u = tf.reshape(dense(features(), "u", 12), [-1, 3, 4])
    if not squash:
        return tf.reduce_sum(u, 1)
    s = tf.reduce_sum(tf.square(u), 2, keepdims=True)
    f = s / (1 + s) / tf.sqrt(s + 1e-7) if squash is True else s / (0.5 + s) / tf.sqrt(s + 1e-7)
    return tf.reduce_sum(u * f, 1)


def srcnn(order="relu_pool", gain=1.0, noise=0.0, shuffle=False):
    x = images() / 255.0
    if noise:
        x = x + tf.random.normal(tf.shape(x), stddev=noise)
    x = gk.conv2d(x, 8, 3, padding="same", name="c")
    x = tf.nn.relu(x) if order == "relu_pool" else tf.nn.leaky_relu(x, 0.3)
    x = tf.nn.depth_to_space(x, 2) if not shuffle else tf.reshape(x, [-1, 20, 20, 2])
    return gk.conv2d(x, 1, 3, padding="same", name="d")


def gcn(normal=True, loops=True):
    a = np.triu(np.ones((12, 12)), 9) + np.triu(np.ones((12, 12)), 9).T
    a = a + np.eye(12) if loops else a
    a = a / np.maximum(a.sum(1, keepdims=True), 1) if normal else a
    return tf.nn.relu(tf.constant(a, tf.float32) @ features() @ weight("w", 8, 6))


def ctc_like(axis=2, keep=True, order=(0, 2, 1)):
    x = v1.placeholder(tf.float32, (None, networks.STEPS, 6), "sequences")
    y = (
        gk.conv1d(x, 6, 3, padding="same", name="c")
        if keep
        else gk.conv1d(x, 6, 3, padding="same", dilation_rate=2, name="c")
    )
    return tf.nn.log_softmax(y, axis)


def seq(causal=False):
    x = v1.placeholder(tf.float32, (None, networks.STEPS, 6), "sequences")
    if causal:
        return gk.conv1d(tf.pad(x, [[0, 0], [2, 0], [0, 0]]), 4, 3, name="c")
    return gk.conv1d(x, 4, 3, padding="same", name="c")


def rnn(**k):
    x = v1.placeholder(tf.float32, (None, networks.STEPS, 6), "sequences")
    return tf.reduce_mean(tf.square(gk.rnn(x, 5, name="r", **k)[0]))


def mult(opt=None, l2=0.0, biases=False):
    loss = gk.softmax_cross_entropy(dense(features(), "o", CLASSES), labels())
    if l2:
        loss = loss + (gk.l2_penalty(l2) if not biases else gk.l2_penalty(l2, v1.trainable_variables()))
    return gk.Trainer(loss, optimizer=opt or "adam")


def raw(eps=1e-8, b1=0.9, decay=None, ema=False):
    loss = gk.softmax_cross_entropy(dense(features(), "o", CLASSES), labels())
    s = v1.train.get_or_create_global_step()
    lr = 0.01 if not decay else v1.train.inverse_time_decay(0.01, s, 100, decay)
    return loss, v1.train.AdamOptimizer(lr, b1, epsilon=eps).minimize(loss, s)


def hinge(margin=1.0, squared=False, perclass=True):
    z = dense(features(), "o", CLASSES)
    t = 2.0 * tf.one_hot(labels(), CLASSES) - 1.0
    h = tf.maximum(0.0, margin - t * z)
    return tf.reduce_mean(tf.square(h) if squared else h)


DIFFERENCES = {
    "float64": (*pair(double, {}, {"dtype": tf.float64}), ["data type", "float64"]),
    "bfloat16": (*pair(double, {}, {"dtype": tf.bfloat16}), ["bfloat16"]),
    "constant of a squash": (*pair(capsule, {}, {"squash": "half"}), ["constant", "1", "0.5"]),
    "no squash": (*pair(capsule, {}, {"squash": False}), ["Mul", "new lacks"]),
    "noise": (*pair(srcnn, {}, {"noise": 0.1}), ["noise is missing in old"]),
    "more noise": (*pair(srcnn, {"noise": 0.1}, {"noise": 0.2}), ["standard deviation", "0.1", "0.2"]),
    "activation": (*pair(srcnn, {}, {"order": "leaky"}), ["relu", "leaky relu with slope 0.3"]),
    "reshape for depth_to_space": (*pair(srcnn, {}, {"shuffle": True}), ["DepthToSpace", "Reshape"]),
    "not normalized adjacency": (*pair(gcn, {}, {"normal": False}), ["MatMul", "constant"]),
    "axis of a log softmax": (*pair(ctc_like, {}, {"axis": 1}), ["axis 2", "axis 1"]),
    "causal": (*pair(seq, {}, {"causal": True}), ["padding", "SAME", "explicit"]),
    "kind of cell": (
        *pair(rnn, {"cell": "lstm"}, {"cell": "lstm", "forget_bias": 0.0}),
        ["AddV2", "0 everywhere in new"],
    ),
    "penalty of a trainer": (*pair(mult, {"l2": 1e-2}, {}), ["regularization term", "missing in new"]),
    "penalty of biases": (
        *pair(mult, {"l2": 1e-2}, {"l2": 1e-2, "biases": True}),
        ["o/bias", "missing in old"],
    ),
    "beta1": (*pair(raw, {}, {"b1": 0.5}), ["beta1", "0.9", "0.5"]),
    "decay": (*pair(raw, {}, {"decay": 0.5}), ["schedule"]),
    "squared hinge": (*pair(hinge, {}, {"squared": True}), ["square", "old lacks"]),
    "margin": (*pair(hinge, {}, {"margin": 0.5}), ["1", "0.5", "Sub"]),
}
