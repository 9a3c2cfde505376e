"""Padding, gates, sequences, regularizers and trainers: planted differences as in `planted`."""

import tensorflow as tf
from comparison import networks
from comparison.networks import CLASSES, dense, features, images, labels, v1, weight
from comparison.planted import pair

import graphkit as gk


def padded_pool(explicit=False):
    x = dense_image()
    if explicit:
        return tf.nn.max_pool2d(tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), 3, 2, "VALID")
    return tf.nn.max_pool2d(x, 3, 2, "SAME")


def dense_image(size=3, strides=1):
    return gk.conv2d(images() / 255.0, 4, size, strides, padding="same", name="c") - 1.0


def reshaped(transpose=True):
    x = images() / 255.0
    x = tf.transpose(x, [0, 3, 1, 2]) if transpose else tf.reshape(x, [-1, 3, 10, 10])
    return gk.conv2d(x, 4, 3, padding="same", data_format="channels_first", name="c")


def norm(inside=True, flag=None):
    x = dense(features(), "a", 6)
    m, v = tf.nn.moments(x, [1], keepdims=True)
    return (x - m) / (tf.sqrt(v + 1e-2) if inside else tf.sqrt(v) + 1e-2)


def bn(flag=None):
    return tf.reduce_mean(tf.square(gk.batch_norm(dense(features(), "a", 6), training=flag, name="bn")))


def minimal(flip=False, clip=False, peep=True):
    x = v1.placeholder(tf.float32, (None, networks.STEPS, 6), "sequences")
    k, c, r, p = weight("k", 6, 7), weight("c", 6, 7), weight("r", 7, 7), weight("p", 7, 7)
    h = tf.zeros([tf.shape(x)[0], 7])
    for t in range(4):
        z = tf.sigmoid(x[:, t] @ k + (h @ p if peep else 0.0))
        n = tf.tanh(x[:, t] @ c + h @ r)
        n = tf.clip_by_value(n, -0.3, 0.3) if clip else n
        h = (1 - z) * h + z * n if flip else z * h + (1 - z) * n
    return h


def sequence_loss(over=tf.reduce_mean):
    t = v1.placeholder(tf.int64, (None, networks.STEPS), "tokens")
    x = tf.nn.embedding_lookup(weight("table", networks.TOKENS, 8), t)
    logits = tf.tensordot(x, weight("o", 8, networks.TOKENS), 1)
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=t, logits=logits)
    return tf.reduce_mean(over(loss, 1))


def regular(times=1, pos=1.0, l1=False):
    logits = dense(features(), "o", CLASSES)
    w = v1.trainable_variables()[0]
    term = tf.reduce_sum(tf.abs(w)) if l1 else tf.nn.l2_loss(w)
    return tf.reduce_mean(
        tf.nn.weighted_cross_entropy_with_logits(tf.one_hot(labels(), CLASSES), logits, pos)
    ) + 0.01 * sum(term for _ in range(times))


def step(opt=lambda: v1.train.MomentumOptimizer(0.1, 0.9), clip=None, damp=None, rate=None):
    loss = gk.softmax_cross_entropy(dense(features(), "out", CLASSES), labels())
    s = v1.train.get_or_create_global_step()
    o = v1.train.MomentumOptimizer(rate(s), 0.9) if rate else opt()
    gv = o.compute_gradients(loss)
    if damp:
        gv = [(g * damp, v) for g, v in gv]
    if clip:
        gv = networks.clipped_by_global_norm(clip)(gv)
    return loss, o.apply_gradients(gv, s)


def trainer(**kw):
    return gk.Trainer(gk.softmax_cross_entropy(dense(features(), "out", CLASSES), labels()), **kw)


DIFFERENCES = {
    "pool with zeros": (*pair(padded_pool, {}, {"explicit": True}), ["padding", "SAME", "explicit"]),
    "reshape for transpose": (*pair(reshaped, {}, {"transpose": False}), ["Transpose", "Reshape"]),
    "epsilon outside the root": (*pair(norm, {}, {"inside": False}), ["order of Sqrt and AddV2"]),
    "training of gk.batch_norm": (*pair(bn, {}, {"flag": False}), ["training flag of a batch norm"]),
    "update gate flipped": (*pair(minimal, {}, {"flip": True}), ["Mul takes"]),
    "clipped cell": (*pair(minimal, {}, {"clip": True}), ["0.3", "old lacks"]),
    "no recurrent gate": (*pair(minimal, {}, {"peep": False}), ["MatMul", "new lacks"]),
    "sum over time": (
        *pair(sequence_loss, {}, {"over": tf.reduce_sum}),
        ["mean over axis 1", "sum over axis 1", "4 times"],
    ),
    "regularized twice": (*pair(regular, {}, {"times": 2}), ["L2Loss", "old lacks"]),
    "l1 for l2": (*pair(regular, {}, {"l1": True}), ["L2Loss", "Abs"]),
    "weight of positives": (
        *pair(regular, {}, {"pos": 3.0}),
        ["weights of the classes or examples", "new alone"],
    ),
    "another global norm": (
        *pair(step, {"clip": 0.2}, {"clip": 0.1}),
        ["global norm of 0.2", "global norm of 0.1"],
    ),
    "damped": (*pair(step, {}, {"damp": 0.1}), ["0.1 times"]),
    "polynomial decay": (
        *pair(
            step,
            {"rate": lambda s: v1.train.polynomial_decay(0.1, s, 1000, 0.01)},
            {"rate": lambda s: v1.train.polynomial_decay(0.1, s, 1000, 0.001)},
        ),
        ["schedule"],
    ),
    "accumulated by a trainer": (*pair(trainer, {}, {"accumulate": 2}), ["accumulated over 2 steps in new"]),
    "optimizer of a trainer": (
        *pair(trainer, {"optimizer": "adam"}, {"optimizer": "nesterov"}),
        ["Adam in old", "Momentum"],
    ),
    "size of a kernel": (*pair(dense_image, {}, {"size": 5}), ["(3, 3, 3, 4)", "(5, 5, 3, 4)"]),
}
