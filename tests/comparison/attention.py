"""Attention, residual blocks, losses and updates: planted differences as in `planted`."""

import functools

import numpy as np
import tensorflow as tf
from comparison import networks
from comparison.networks import CLASSES, build, features, images, labels, v1, weight

import graphkit as gk


def pair(builder, old=None, new=None):
    return functools.partial(build, builder, **(old or {})), functools.partial(build, builder, **(new or {}))


def attention(scaled=True, masked=True, last=True, swapped=False):
    x = v1.placeholder(tf.float32, (None, networks.STEPS, 6), "sequences")
    q, k, v = (tf.tensordot(x, weight(name, 6, 6), 1) for name in ("query", "key", "value"))
    scores = tf.matmul(q, k, transpose_b=True)
    if scaled:
        scores = scores / np.sqrt(6.0).astype(np.float32)
    if masked:
        scores = scores + tf.constant(-1e9 * np.triu(np.ones((networks.STEPS,) * 2), 1), tf.float32)
    out = tf.matmul(tf.nn.softmax(scores), v)
    parts = [out, x] if not swapped else [x, out]
    out = tf.concat(parts, axis=2)
    return tf.matmul(out[:, -1] if last else out[:, 0], weight("out", 12, CLASSES))


def residual(shortcut=True, gamma=True, epsilon=1e-3, average=True, lrn=None):
    x = gk.conv2d(images() / 255.0, 6, 3, padding="same", name="first")
    y = gk.layer_norm(x, epsilon=epsilon, scale=gamma, name="norm")
    y = gk.conv2d(tf.nn.relu(y), 6, 3, padding="same", name="second")
    y = x + y if shortcut else y
    if lrn:
        y = tf.nn.local_response_normalization(y, **lrn)
    pool = tf.reduce_mean if average else tf.reduce_max
    return gk.dense(pool(y, [1, 2]), CLASSES, name="logits")


def regression(delta=1.0, offset=0, twice=False):
    x = gk.dense(features(), CLASSES, name="out")
    targets = v1.placeholder(tf.float32, (None, CLASSES), "targets")
    return v1.losses.huber_loss(targets, x, delta=delta)


def binary(twice=False, shift=0):
    logits = gk.dense(features(), CLASSES, name="out")
    aims = tf.one_hot((labels() + shift) % CLASSES, CLASSES)
    return tf.reduce_mean(
        tf.nn.sigmoid_cross_entropy_with_logits(aims, tf.sigmoid(logits) if twice else logits)
    )


@tf.custom_gradient
def reversed_gradient(x):
    return tf.identity(x), lambda dy: -dy


def adversarial(reverse=False):
    hidden = gk.dense(features(), 7, tf.nn.tanh, name="hidden")
    hidden = reversed_gradient(hidden) if reverse else tf.identity(hidden)
    return gk.softmax_cross_entropy(gk.dense(hidden, CLASSES, name="out"), labels())


def decayed(optimizer):
    loss = gk.softmax_cross_entropy(gk.dense(features(), CLASSES, name="out"), labels())
    return loss, optimizer().minimize(loss)


def warmed(schedule=None):
    loss = gk.softmax_cross_entropy(gk.dense(features(), CLASSES, name="out"), labels())
    return gk.Trainer(loss, optimizer="momentum", learning_rate=schedule or 0.1)


DIFFERENCES = {
    "no scale in the attention": (
        *pair(attention, {}, {"scaled": False}),
        ["RealDiv (2.44949)", "new lacks"],
    ),
    "no mask": (*pair(attention, {"last": False}, {"last": False, "masked": False}), ["Add", "new lacks"]),
    "another time step": (*pair(attention, {}, {"last": False}), ["StridedSlice", "-1", "0"]),
    "branches swapped": (*pair(attention, {}, {"swapped": True}), ["ConcatV2", "order"]),
    "no shortcut": (*pair(residual, {}, {"shortcut": False}), ["Add", "new lacks"]),
    "epsilon of a layer norm": (*pair(residual, {}, {"epsilon": 1e-5}), ["epsilon", "0.001", "1e-05"]),
    "no gamma": (*pair(residual, {}, {"gamma": False}), ["gamma", "new lacks"]),
    "global pooling": (*pair(residual, {}, {"average": False}), ["mean", "maximum"]),
    "normalization of responses": (
        *pair(residual, {"lrn": {"alpha": 1.0}}, {"lrn": {"alpha": 0.5}}),
        ["LRN", "alpha"],
    ),
    "delta of Huber": (*pair(regression, {}, {"delta": 0.5}), ["constant", "1", "0.5"]),
    "sigmoid twice": (*pair(binary, {}, {"twice": True}), ["sigmoid", "old lacks"]),
    "labels from one": (*pair(binary, {}, {"shift": 1}), ["constant is 0 in old and 1 in new"]),
    "reversed gradient": (*pair(adversarial, {}, {"reverse": True}), ["custom gradient in new"]),
    "decoupled decay": (
        *pair(
            decayed,
            {"optimizer": lambda: v1.train.AdamOptimizer(1e-2)},
            {"optimizer": lambda: gk.AdamW(1e-2, 0.1)},
        ),
        ["weight decay", "new alone"],
    ),
    "warmup": (*pair(warmed, {}, {"schedule": gk.cosine_decay(0.1, 1000)}), ["schedule"]),
}
