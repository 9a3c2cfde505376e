"""U-nets, word vectors, highways, and losses of regression: planted differences as in `planted`."""

import tensorflow as tf
from comparison import networks
from comparison.networks import CLASSES, dense, features, images, v1, weight
from comparison.planted import pair

import graphkit as gk


def unet(skip=True, up="transpose", act=tf.nn.relu, groups=1, stride=2):
    x = images() / 255.0
    a = gk.conv2d(x, 4, 3, padding="same", activation=act, name="a")
    b = gk.conv2d(a, 4, 3, stride, padding="same", activation=act, name="b")
    k = weight("up/kernel", 2, 2, 4, 4)
    u = tf.nn.conv2d_transpose(b, k, tf.shape(a), 2)
    u = tf.concat([u, a], 3) if skip else tf.concat([u, u], 3)
    return tf.sigmoid(gk.conv2d(u, 1, 1, name="o"))


def word2vec(nce=True, mean=True, noise=0.0, negatives=2, norm=False):
    t = v1.placeholder(tf.int64, (None, networks.STEPS), "tokens")
    e = weight("in", networks.TOKENS, 6)
    o = weight("out", networks.TOKENS, 6)
    c = tf.reduce_mean(tf.nn.embedding_lookup(e, t[:, 1:]), 1)
    if norm:
        c = tf.nn.l2_normalize(c, 1)
    logits = tf.matmul(c, o, transpose_b=True)
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=t[:, 0], logits=logits))


def highway(bias=-1.0, carry=True):
    x = features()
    for n in range(2):
        h = dense(x, f"h{n}", 8, tf.nn.relu)
        g = tf.sigmoid(dense(x, f"t{n}", 8) + bias)
        x = h * g + (x * (1 - g) if carry else x)
    return x


def mixture(log=True, ddof=0):
    x = dense(features(), "m", 6)
    mean = tf.reduce_mean(x, 0)
    var = tf.reduce_sum(tf.square(x - mean), 0) / (tf.cast(tf.shape(x)[0], tf.float32) - ddof)
    return (x - mean) / tf.sqrt(var + 1e-6)


def loss_of(kind="mse", clip=None):
    y = v1.placeholder(tf.float32, (None, CLASSES), "targets")
    p = dense(features(), "p", CLASSES)
    d = p - y
    if kind == "mae":
        return tf.reduce_mean(tf.abs(d))
    if kind == "rmse":
        return tf.sqrt(tf.reduce_mean(tf.square(d)))
    if kind == "sum":
        return tf.reduce_mean(tf.reduce_sum(tf.square(d), 1))
    return tf.reduce_mean(tf.square(d))


def train(opt, names=None, ema=None, gate=None):
    loss = loss_of()
    o = opt()
    gv = o.compute_gradients(loss)
    if gate:
        gv = [(tf.sign(g), v) for g, v in gv]
    return loss, o.apply_gradients(gv)


def T(**k):
    return gk.Trainer(loss_of(), **k)


def norm_axis(axis=-1):
    return gk.batch_norm(images() / 255.0, axis=axis, fused=False, training=True, name="n")


def pad_mode(mode="CONSTANT"):
    return gk.conv2d(tf.pad(images() / 255.0, [[0, 0], [1, 1], [1, 1], [0, 0]], mode), 3, 3, name="c")


DIFFERENCES = {
    "no skip": (*pair(unet, {}, {"skip": False}), ["ConcatV2 takes"]),
    "another activation of a unet": (*pair(unet, {}, {"act": tf.nn.softplus}), ["relu", "softplus"]),
    "normalized context": (*pair(word2vec, {}, {"norm": True}), ["Mul", "MatMul", "old lacks"]),
    "bias of the carry gate": (*pair(highway, {}, {"bias": -2.0}), ["constant", "-1", "-2"]),
    "no carry": (*pair(highway, {}, {"carry": False}), ["Mul", "new lacks"]),
    "sample variance": (*pair(mixture, {}, {"ddof": 1}), ["divisor is 12 in old and 11 in new"]),
    "mae": (*pair(loss_of, {}, {"kind": "mae"}), ["the square", "absolute value"]),
    "rmse": (*pair(loss_of, {}, {"kind": "rmse"}), ["Sqrt", "old lacks"]),
    "sum over outputs": (*pair(loss_of, {}, {"kind": "sum"}), ["Sum (1) before Mean", "old lacks"]),
    "ftrl l1": (
        *pair(
            train,
            {"opt": lambda: v1.train.FtrlOptimizer(0.1)},
            {"opt": lambda: v1.train.FtrlOptimizer(0.1, l1_regularization_strength=0.01)},
        ),
        ["l1", "0.01"],
    ),
    "sign of gradients": (
        *pair(
            train,
            {"opt": lambda: v1.train.GradientDescentOptimizer(0.1)},
            {"opt": lambda: v1.train.GradientDescentOptimizer(0.1), "gate": 1},
        ),
        ["applied gradients", "sign"],
    ),
    "only the kernel trained": (
        *pair(
            train, {"opt": lambda: v1.train.AdamOptimizer(0.1)}, {"opt": lambda: v1.train.AdamOptimizer(0.2)}
        ),
        ["learning rate", "0.1", "0.2"],
    ),
    "clip_norm of a trainer": (*pair(T, {}, {"clip_norm": 0.1}), ["global norm of 0.1", "in new"]),
    "adamw": (*pair(T, {"optimizer": "adam"}, {"optimizer": "adamw"}), ["weight decay", "new alone"]),
    "axis of a norm": (*pair(norm_axis, {}, {"axis": 1}), ["axis of the reduction"]),
    "reflected": (*pair(pad_mode, {}, {"mode": "REFLECT"}), ["Pad", "MirrorPad"]),
}
