"""Planted differences: (what, old, new, words that the finding must hold)."""

import functools

import tensorflow as tf
from comparison import networks
from comparison.networks import CLASSES, build, cnn, embedded, gru, lstm, mlp, trained, v1

train = v1.train


def pair(builder, old=None, new=None):
    return functools.partial(build, builder, **(old or {})), functools.partial(build, builder, **(new or {}))


def resized(align=False, half=False):
    return tf.raw_ops.ResizeBilinear(
        images=networks.images(), size=[5, 5], align_corners=align, half_pixel_centers=half
    )


def squared(reduce_axis=None, half=False, swapped=False):
    targets = v1.placeholder(tf.float32, (None, CLASSES), "targets")
    prediction = tf.nn.softmax(networks.dense(networks.features(), "out", CLASSES))
    aim = tf.nn.softmax(targets)
    first, second = (prediction, aim) if swapped else (aim, prediction)
    losses = -tf.reduce_sum(first * tf.math.log(second), axis=1)
    return tf.reduce_mean(losses) / (2 if half else 1)


def one_hot_loss(logits, reduce, smoothing=0.0, weights=None, reverse=False):
    targets = tf.one_hot(networks.labels(), CLASSES)
    if smoothing:
        targets = targets * (1 - smoothing) + smoothing / CLASSES
    arguments = {"labels": logits, "logits": targets} if reverse else {"labels": targets, "logits": logits}
    losses = v1.nn.softmax_cross_entropy_with_logits_v2(**arguments)
    if weights is not None:
        losses = losses * tf.gather(
            tf.constant(weights, tf.float32), v1.get_default_graph().get_tensor_by_name("labels:0")
        )
    return reduce(losses)


def sparse_weighted(logits, reduce, weights=None):
    given = networks.labels()
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=given, logits=logits)
    if weights is not None:
        losses = losses * tf.gather(tf.constant(weights, tf.float32), given)
    return reduce(losses)


def probabilities(axis=-1):
    x = networks.dense(networks.features(), "a", 12)
    return tf.nn.softmax(tf.reshape(x, [-1, 3, 4]), axis=axis)


def l2(names, factor=1e-2, half=True):
    def penalty(variables):
        terms = [
            tf.nn.l2_loss(variables[n]) if half else tf.reduce_sum(tf.square(variables[n])) for n in names
        ]
        return factor * (tf.add_n(terms) if len(terms) > 1 else terms[0])

    return penalty


def product(transposed=False):
    kernel = networks.weight("kernel", 8, 8)
    return tf.matmul(networks.features(), kernel, transpose_b=transposed)


def precision(dtype=tf.float32):
    x = tf.cast(networks.features(), dtype)
    return tf.cast(tf.tanh(x @ tf.cast(networks.weight("kernel", 8, 6), dtype)), tf.float32)


def sgd(rate):
    return train.GradientDescentOptimizer(rate)


KERNELS = ["hidden/kernel", "logits/kernel"]
BIASES = ["hidden/bias", "logits/bias"]
WEIGHTS = [1.0, 2.0, 0.5, 1.0, 3.0]

DIFFERENCES = {
    # The forward pass.
    "epsilon of a batch norm": (
        *pair(cnn, {"norm": True, "epsilon": 1e-1}, {"norm": True, "epsilon": 1e-3}),
        ["epsilon", "0.1", "0.001"],
    ),
    "epsilon, other ops": (
        *pair(cnn, {"norm": True, "epsilon": 1e-3}, {"norm": True, "epsilon": 1e-5, "fused": False}),
        ["epsilon", "0.001", "1e-05"],
    ),
    "SAME against explicit padding": (
        *pair(cnn, {}, {"padding": "VALID", "explicit": (1, 1)}),
        ["padding", "SAME", "explicit"],
    ),
    "stride": (*pair(cnn, {"pool_strides": 2}, {"pool_strides": 3}), ["strides"]),
    "dilation": (*pair(cnn, {"strides": 1}, {"strides": 1, "dilations": 2}), ["dilation"]),
    "keep_prob against rate": (
        *pair(
            mlp,
            {"drop": lambda x: tf.nn.dropout(x, rate=0.2)},
            {"drop": lambda x: tf.nn.dropout(x, rate=0.8)},
        ),
        ["keep_prob against rate"],
    ),
    "shape of the noise": (
        *pair(
            mlp,
            {"drop": lambda x: tf.nn.dropout(x, rate=0.5)},
            {"drop": lambda x: tf.nn.dropout(x, rate=0.5, noise_shape=[1, 10])},
        ),
        ["noise_shape"],
    ),
    "no dropout": (
        *pair(mlp, {"drop": lambda x: tf.nn.dropout(x, rate=0.5)}, {}),
        ["dropout is missing in new"],
    ),
    "mean against sum": (
        *pair(mlp, {}, {"reduce": tf.reduce_sum}),
        ["mean against sum", "number of examples"],
    ),
    "no regularizer": (
        *pair(mlp, {"penalty": l2(KERNELS)}, {}),
        ["regularization term", "missing in new", "hidden/kernel"],
    ),
    "another weight of the regularizer": (
        *pair(mlp, {"penalty": l2(KERNELS)}, {"penalty": l2(KERNELS, 1e-3)}),
        ["weight of the regularization", "0.01", "0.001"],
    ),
    "L2 without the half": (
        *pair(mlp, {"penalty": l2(KERNELS[:1])}, {"penalty": l2(KERNELS[:1], half=False)}),
        ["1/2"],
    ),
    "L2 of biases, too": (
        *pair(mlp, {"penalty": l2(KERNELS)}, {"penalty": l2(KERNELS + BIASES)}),
        ["missing in old", "bias"],
    ),
    "order of flattening": (*pair(cnn, {}, {"flatten_first": True}), ["Transpose"]),
    "no bias": (*pair(cnn, {}, {"bias": False}), ["bias", "missing in new", "conv/bias"]),
    "no activation": (*pair(mlp, {}, {"activation": None}), ["activation (relu)", "missing in new"]),
    "slope of leaky relu": (
        *pair(
            mlp,
            {"activation": lambda x: tf.nn.leaky_relu(x, 0.2)},
            {"activation": lambda x: tf.nn.leaky_relu(x, 0.01)},
        ),
        ["slope", "0.2", "0.01"],
    ),
    "another activation": (*pair(cnn, {}, {"activation": tf.nn.elu}), ["relu", "elu"]),
    "kind of pooling": (*pair(cnn, {}, {"pool": tf.nn.avg_pool2d}), ["MaxPool", "AvgPool"]),
    "window of pooling": (*pair(cnn, {}, {"window": 3}), ["ksize"]),
    "softmax twice": (*pair(mlp, {}, {"after": tf.nn.softmax}), ["softmax is applied twice in new"]),
    "axis of softmax": (
        *pair(probabilities, {"axis": -1}, {"axis": 1}),
        ["softmax over axis 2", "softmax over axis 1"],
    ),
    "scale of the inputs": (*pair(cnn, {}, {"scale": 127.5}), ["255", "127.5"]),
    "mean subtracted": (*pair(cnn, {}, {"shift": 0.5}), ["Sub", "0.5", "old lacks"]),
    "BGR": (*pair(cnn, {}, {"bgr": True}), ["reverse"]),
    "training flag": (*pair(cnn, {"norm": True}, {"norm": True, "training": False}), ["training flag"]),
    "order of gates": (*pair(lstm, {}, {"order": "ifjo"}), ["order", "gates"]),
    "forget bias": (*pair(lstm, {}, {"forget_bias": 0.0}), ["constant is 1 in old and 0 in new"]),
    "reset after": (*pair(gru, {}, {"reset_after": True}), ["MatMul"]),
    "scaled embedding": (*pair(embedded, {}, {"scale": 8**0.5}), ["Mul (2.82843)", "old lacks"]),
    "shared weights": (*pair(embedded, {}, {"tied": False}), ["shared"]),
    "transposed weight": (*pair(product, {}, {"transposed": True}), ["transpose_b"]),
    "data type": (*pair(precision, {}, {"dtype": tf.float16}), ["float16"]),
    "align_corners": (*pair(resized, {"align": True}, {}), ["align_corners"]),
    "half pixels": (*pair(resized, {}, {"half": True}), ["half_pixel_centers"]),
    "labels and logits swapped": (
        *pair(squared, {}, {"swapped": True}),
        ["Mul takes", "both graphs have both"],
    ),
    "label smoothing": (
        *pair(mlp, {"loss": one_hot_loss}, {"loss": functools.partial(one_hot_loss, smoothing=0.1)}),
        ["label smoothing"],
    ),
    "class weights": (
        *pair(mlp, {"loss": sparse_weighted}, {"loss": functools.partial(sparse_weighted, weights=WEIGHTS)}),
        ["weights of the classes"],
    ),
    "another axis of a mean": (
        *pair(embedded, {}, {"mean": lambda x, axis: tf.reduce_max(x, axis)}),
        ["mean", "maximum"],
    ),
    "norm after the activation": (
        *pair(cnn, {"norm": True}, {"norm": True, "norm_first": False}),
        ["order of Relu"],
    ),
    # Gradients.
    "stop_gradient": (*pair(mlp, {}, {"stop": True}), ["stop_gradient in new alone"]),
    # The update.
    "frozen": (
        *pair(trained, {}, {"trained_names": ["logits/kernel", "logits/bias", "hidden/bias"]}),
        ["hidden/kernel", "frozen in new"],
    ),
    "UPDATE_OPS": (
        *pair(trained, {"convolutional": True}, {"convolutional": True, "updates": False}),
        ["UPDATE_OPS", "new"],
    ),
    "momentum of moving averages": (
        *pair(trained, {"convolutional": True}, {"convolutional": True, "momentum": 0.9}),
        ["momentum of the moving averages"],
    ),
    "unbiased variance": (
        *pair(trained, {"convolutional": True}, {"convolutional": True, "fused": False, "unbiased": False}),
        ["unbiased"],
    ),
    "learning rate": (*pair(trained, {}, {"rate": lambda step: 0.01}), ["learning rate", "0.1", "0.01"]),
    "momentum": (
        *pair(
            trained,
            {"optimizer": lambda r: train.MomentumOptimizer(r, 0.9)},
            {"optimizer": lambda r: train.MomentumOptimizer(r, 0.5)},
        ),
        ["momentum", "0.9", "0.5"],
    ),
    "nesterov": (
        *pair(
            trained,
            {"optimizer": lambda r: train.MomentumOptimizer(r, 0.9)},
            {"optimizer": lambda r: train.MomentumOptimizer(r, 0.9, use_nesterov=True)},
        ),
        ["nesterov"],
    ),
    "epsilon of Adam": (
        *pair(
            trained,
            {"optimizer": train.AdamOptimizer},
            {"optimizer": lambda r: train.AdamOptimizer(r, epsilon=1e-3)},
        ),
        ["epsilon", "Adam"],
    ),
    "beta2 of Adam": (
        *pair(
            trained,
            {"optimizer": train.AdamOptimizer},
            {"optimizer": lambda r: train.AdamOptimizer(r, beta2=0.99)},
        ),
        ["beta2", "0.999", "0.99"],
    ),
    "another optimizer": (
        *pair(trained, {"optimizer": train.AdamOptimizer}, {"optimizer": train.RMSPropOptimizer}),
        ["Adam", "RMSProp"],
    ),
    "schedule": (
        *pair(
            trained,
            {"rate": lambda s: train.exponential_decay(0.1, s, 100, 0.9)},
            {"rate": lambda s: train.exponential_decay(0.1, s, 100, 0.9, staircase=True)},
        ),
        ["schedule", "step"],
    ),
    "clipped by global norm": (
        *pair(trained, {}, {"clip": networks.clipped_by_global_norm(0.1)}),
        ["global norm of 0.1", "new"],
    ),
    "clipped by value": (
        *pair(trained, {}, {"clip": lambda pairs: [(tf.clip_by_value(g, -0.01, 0.01), v) for g, v in pairs]}),
        ["clipped by value to 0.01"],
    ),
    "clipped one by one": (
        *pair(trained, {}, {"clip": lambda pairs: [(tf.clip_by_norm(g, 0.05), v) for g, v in pairs]}),
        ["one by one", "0.05"],
    ),
    "accumulated": (*pair(trained, {}, {"accumulate": 4}), ["accumulated over 4 steps in new"]),
    "scaled gradients": (
        *pair(trained, {}, {"clip": lambda pairs: [(g / 4, v) for g, v in pairs]}),
        ["0.25 times"],
    ),
}
