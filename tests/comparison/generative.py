"""Autoencoders, triplets, embeddings, loops and optimizers: planted differences as in `planted`."""

import tensorflow as tf
from comparison import networks
from comparison.networks import CLASSES, dense, features, images, labels, v1, weight
from comparison.planted import pair

import graphkit as gk


def autoencoder(pad="SAME", temperature=1.0, kl=1.0, half=0.5, method="bilinear"):
    x = images() / 255.0
    h = gk.conv2d(x, 4, 3, strides=2, padding="same", activation=tf.nn.relu6, name="enc")
    w = weight("dec/kernel", 4, 4, 3, 4)
    y = tf.nn.conv2d_transpose(h, w, [tf.shape(x)[0], 10, 10, 3], 2, pad)
    mean = gk.dense(gk.flatten(h), 3, name="mean")
    logvar = gk.dense(gk.flatten(h), 3, name="logvar")
    term = -half * tf.reduce_mean(tf.reduce_sum(1 + logvar - tf.square(mean) - tf.exp(logvar), 1))
    return tf.reduce_mean(tf.square(y - x)) + kl * term


def upsampled(method="bilinear", relu=tf.nn.relu, padding="SAME", standard=False):
    x = images()
    x = tf.image.per_image_standardization(x) if standard else x / 255.0
    x = gk.conv2d(x, 4, 3, padding="same", name="c", activation=relu)
    x = tf.nn.avg_pool2d(x, 3, 2, padding)
    f = (
        tf.compat.v1.image.resize_bilinear
        if method == "bilinear"
        else tf.compat.v1.image.resize_nearest_neighbor
    )
    x = f(x, [8, 8])
    return tf.reduce_mean(gk.conv2d(x, 2, 3, padding="valid", name="d"))


def triplet(margin=0.2, normalize=True, axis=1):
    e = gk.dense(features(), 6, name="e")
    if normalize:
        e = tf.math.l2_normalize(e, axis)
    a, p, n = tf.split(e, 3)
    near, far = (tf.reduce_sum(tf.square(a - other), 1) for other in (p, n))
    return tf.reduce_mean(tf.nn.relu(near - far + margin))


def focal(gamma=2.0, temperature=1.0):
    logits = dense(features(), "out", CLASSES) / temperature
    p = tf.nn.softmax(logits)
    t = tf.one_hot(labels(), CLASSES)
    pt = tf.reduce_sum(p * t, 1)
    return tf.reduce_mean(-((1 - pt) ** gamma) * tf.math.log(pt))


def recurrent(cell="lstm", steps=4, factor=1.0):
    x = v1.placeholder(tf.float32, (None, networks.STEPS, 6), "sequences")
    k, r = weight("k", 6, 7), weight("r", 7, 7)

    def body(t, h):
        return t + 1, tf.tanh(x[:, t] @ k + factor * (h @ r))

    _, h = tf.while_loop(lambda t, h: t < steps, body, (0, tf.zeros([tf.shape(x)[0], 7])))
    return dense(h, "o", 3)


def positional(position=True, pad=False, mask=True):
    t = v1.placeholder(tf.int64, (None, networks.STEPS), "tokens")
    x = tf.nn.embedding_lookup(weight("table", networks.TOKENS, 8), t)
    if position:
        x = x + weight("positions", networks.STEPS, 8)
    m = tf.cast(t > 3, tf.float32)
    y = tf.reduce_sum(x * m[:, :, None], 1)
    return y / (tf.reduce_sum(m, 1, keepdims=True) + 1e-3) if mask else y / networks.STEPS


def stepped(opt):
    loss = gk.softmax_cross_entropy(dense(features(), "out", CLASSES), labels())
    return loss, opt().minimize(loss)


def weighted(reduction=v1.losses.Reduction.SUM_BY_NONZERO_WEIGHTS):
    w = tf.cast(labels() > 1, tf.float32)
    g = v1.get_default_graph().get_tensor_by_name("labels:0")
    return v1.losses.sparse_softmax_cross_entropy(
        g, dense(features(), "out", CLASSES), w, reduction=reduction
    )


def merged(how="add", drop_first=True):
    a = dense(features(), "a", 6, tf.nn.relu)
    b = dense(features2(), "b", 6, tf.nn.relu)
    x = a + b if how == "add" else a * b
    return dense(x, "o", 4)


def features2():
    return v1.get_default_graph().get_tensor_by_name("features:0")


def placed(before=True):
    x = features()
    if before:
        x = tf.nn.dropout(x, rate=0.5)
    x = dense(x, "a", 8, tf.nn.relu)
    if not before:
        x = tf.nn.dropout(x, rate=0.5)
    return dense(x, "o", 4)


def separable(bias=True, mult=1, rate=1):
    x = images() / 255.0
    y = tf.nn.depthwise_conv2d(x, weight("dw", 3, 3, 3, 2), [1, 1, 1, 1], "SAME", dilations=[rate, rate])
    return tf.nn.conv2d(y, weight("pw", 1, 1, 6, 4), 1, "SAME")


DIFFERENCES = {
    "kl weight": (*pair(autoencoder, {}, {"kl": 0.5}), ["1", "0.5"]),
    "kl half": (*pair(autoencoder, {}, {"half": 1.0}), ["-0.5", "-1"]),
    "resize kind": (*pair(upsampled, {}, {"method": "nn"}), ["ResizeBilinear", "ResizeNearest"]),
    "relu6": (*pair(upsampled, {"relu": tf.nn.elu}, {"relu": tf.nn.softplus}), ["elu", "softplus"]),
    "pool padding": (*pair(upsampled, {}, {"padding": "VALID"}), ["padding", "SAME", "VALID"]),
    "standardized": (*pair(upsampled, {}, {"standard": True}), ["Sub", "old lacks"]),
    "margin": (*pair(triplet, {}, {"margin": 0.5}), ["0.2", "0.5"]),
    "no normalize": (*pair(triplet, {}, {"normalize": False}), ["Mul", "new lacks"]),
    "norm axis": (*pair(triplet, {}, {"axis": 0}), ["axis"]),
    "gamma": (*pair(focal, {}, {"gamma": 1.0}), ["2", "1", "Pow"]),
    "temperature": (*pair(focal, {}, {"temperature": 2.0}), ["RealDiv", "2"]),
    "while constant": (*pair(recurrent, {}, {"factor": 0.5}), ["functions", "1", "0.5"]),
    "while steps": (*pair(recurrent, {}, {"steps": 3}), ["4", "3"]),
    "no positions": (*pair(positional, {}, {"position": False}), ["positions", "new lacks"]),
    "mean over mask": (*pair(positional, {}, {"mask": False}), ["RealDiv takes AddV2", "4 in new"]),
    "rmsprop decay": (
        *pair(
            stepped,
            {"opt": lambda: v1.train.RMSPropOptimizer(0.01, 0.9)},
            {"opt": lambda: v1.train.RMSPropOptimizer(0.01, 0.99)},
        ),
        ["rho", ".9", ".99"],
    ),
    "adagrad start": (
        *pair(
            stepped,
            {"opt": lambda: v1.train.AdagradOptimizer(0.01, 0.1)},
            {"opt": lambda: v1.train.AdagradOptimizer(0.01, 1.0)},
        ),
        ["Adagrad", "accum", "0.1"],
    ),
    "reduction": (*pair(weighted, {}, {"reduction": v1.losses.Reduction.SUM_OVER_BATCH_SIZE}), ["12"]),
    "merge": (*pair(merged, {}, {"how": "mul"}), ["AddV2", "Mul"]),
    "dropout placed": (*pair(placed, {}, {"before": False}), ["dropout", "new"]),
    "depthwise rate": (*pair(separable, {}, {"rate": 2}), ["dilation"]),
}
