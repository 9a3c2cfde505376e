"""Towers that share weights, styles, values of actions, directions: planted differences as in `planted`."""

import tensorflow as tf
from comparison import networks
from comparison.networks import CLASSES, dense, features, images, labels, v1
from comparison.planted import pair

import graphkit as gk


def siamese(dist="abs", shared=True):
    x = features()
    with v1.variable_scope("t", reuse=v1.AUTO_REUSE):
        a = tf.tanh(dense_s(x))
    with v1.variable_scope("t" if shared else "s", reuse=v1.AUTO_REUSE):
        b = tf.tanh(dense_s(x[:, ::-1]))
    d = tf.abs(a - b) if dist == "abs" else tf.square(a - b)
    return tf.reduce_sum(d, 1)


def dense_s(x):
    return x @ v1.get_variable("kernel", (8, 5))


def style(gram=True, norm=1.0):
    f = gk.conv2d(images() / 255.0, 4, 3, name="c")
    f = tf.reshape(f, [-1, 64, 4])
    g = tf.matmul(f, f, transpose_a=True) / (64.0 * 4 if norm else 1.0)
    return tf.reduce_mean(tf.square(g))


def mobile(act=tf.nn.relu6, mult=1, stride=1):
    x = gk.separable_conv2d(images() / 255.0, 6, 3, strides=stride, padding="same", name="s", activation=act)
    return gk.global_avg_pool(x)


def dqn(gamma=0.99, double=False, huber=False):
    q = dense(dense(features(), "a", 6, tf.nn.relu), "q", CLASSES)
    t = v1.placeholder(tf.float32, (None, CLASSES), "targets")
    best = tf.reduce_max(t, 1) if not double else tf.reduce_mean(t, 1)
    chosen = tf.reduce_sum(q * tf.one_hot(labels(), CLASSES), 1)
    e = tf.stop_gradient(1.0 + gamma * best) - chosen
    return tf.reduce_mean(tf.square(e)) if not huber else tf.reduce_mean(tf.abs(e))


def train(steps=100, rate=0.5, opt="sgd", nest=False, clip=False):
    loss = dqn()
    s = v1.train.get_or_create_global_step()
    o = v1.train.MomentumOptimizer(v1.train.piecewise_constant(s, [steps], [0.1, 0.01]), 0.9)
    gv = o.compute_gradients(loss)
    if clip:
        gv = [(tf.clip_by_norm(g, 0.2), v) for g, v in gv]
    return loss, o.apply_gradients(gv, s)


def bi(back=True, merge="concat"):
    x = v1.placeholder(tf.float32, (None, networks.STEPS, 6), "sequences")
    y = gk.rnn(x, 5, cell="gru", name="r", bidirectional=True)[0]
    a, b = y[:, :, :5], y[:, :, 5:]
    return dense(tf.reduce_mean(a + b if merge == "sum" else a * b, 1), "o", 3)


DIFFERENCES = {
    "distance": (*pair(siamese, {}, {"dist": "square"}), ["absolute value", "square"]),
    "not siamese": (*pair(siamese, {}, {"shared": False}), ["shared"]),
    "gram not normalized": (*pair(style, {}, {"norm": 0}), ["256"]),
    "relu for relu6": (*pair(mobile, {"act": tf.nn.swish}, {"act": tf.nn.relu}), ["swish", "relu"]),
    "stride of a separable convolution": (*pair(mobile, {}, {"stride": 2}), ["strides"]),
    "mean for max": (*pair(dqn, {}, {"double": True}), ["maximum over axis 1", "mean over axis 1"]),
    "abs for square": (*pair(dqn, {}, {"huber": True}), ["square", "absolute value"]),
    "boundary": (*pair(train, {}, {"steps": 1000}), ["schedule", "0.1", "0.01"]),
    "clipped one by one": (*pair(train, {}, {"clip": True}), ["one by one"]),
    "merge of directions": (*pair(bi, {"merge": "sum"}, {"merge": "product"}), ["AddV2", "Mul"]),
}
