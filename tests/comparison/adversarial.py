"""Inception blocks, GANs, policies, graphkit's batch norm: planted differences as in `planted`."""

import tensorflow as tf
from comparison import networks
from comparison.networks import CLASSES, dense, features, images, labels, v1
from comparison.planted import pair

import graphkit as gk


def inception(swap=False, pool="max", second=3, bias=True, crop=False, flip=False):
    x = images() / 255.0
    if crop:
        x = x[:, 1:-1, 1:-1]
    if flip:
        x = tf.image.flip_left_right(x)
    a = gk.conv2d(x, 3, 1, padding="same", name="one", activation=tf.nn.relu)
    b = gk.conv2d(x, 3, 3, padding="same", name="three", activation=tf.nn.relu, use_bias=bias)
    c = (tf.nn.max_pool2d if pool == "max" else tf.nn.avg_pool2d)(x, 3, 1, "SAME")
    y = tf.concat([a, b, c], 3)
    return gk.dense(tf.reduce_mean(y, [1, 2]), CLASSES, name="out")


def gan(smooth=1.0, leak=0.2, last=tf.nn.tanh, flipped=False):
    h = tf.nn.leaky_relu(dense(features(), "g1", 12), leak)
    fake = last(dense(h, "g2", 8))
    with v1.variable_scope("d"):
        real_score = dense(tf.tanh(dense(features_again(), "d1", 5)), "d2", 1)
    with v1.variable_scope("d", reuse=True):
        fake_score = dense_reused(fake)
    ones, zeros = tf.ones_like(real_score) * smooth, tf.zeros_like(fake_score)
    pairs = ((ones, real_score), (zeros, fake_score))
    losses = [tf.nn.sigmoid_cross_entropy_with_logits(labels=z, logits=x) for z, x in pairs]
    return tf.reduce_mean(losses[0]) + tf.reduce_mean(losses[1])


def features_again():
    return v1.get_default_graph().get_tensor_by_name("features:0")


def dense_reused(x):
    with v1.variable_scope("d1"):
        x = tf.tanh(x @ v1.get_variable("kernel") + v1.get_variable("bias"))
    with v1.variable_scope("d2"):
        return x @ v1.get_variable("kernel") + v1.get_variable("bias")


def policy(entropy=0.01, baseline=True, gamma=0.9):
    p = tf.nn.softmax(dense(features(), "p", CLASSES))
    v = dense(features_again(), "v", 1)[:, 0]
    r = v1.placeholder(tf.float32, (None, CLASSES), "targets")[:, 0] * gamma
    adv = tf.stop_gradient(r - v) if baseline else r
    lp = tf.math.log(tf.reduce_sum(p * tf.one_hot(labels(), CLASSES), 1))
    h = -tf.reduce_sum(p * tf.math.log(p), 1)
    return -tf.reduce_mean(lp * adv) - entropy * tf.reduce_mean(h) + 0.5 * tf.reduce_mean(tf.square(r - v))


def policy_no_stop(stop=True):
    v = dense(features(), "v", 1)[:, 0]
    w = dense(features_again(), "w", 1)[:, 0]
    t = tf.stop_gradient(w) if stop else w
    return tf.reduce_mean(tf.square(t - v))


def gru_layer(cell="gru", act=tf.tanh, back=False):
    x = v1.placeholder(tf.float32, (None, networks.STEPS, 6), "sequences")
    if back:
        x = tf.reverse(x, [1])
    return gk.dense(
        gk.rnn(x, 7, cell=cell)[0][:, -1]
        if isinstance(gk.rnn(x, 7, cell=cell, name="r0"), tuple)
        else gk.rnn(x, 7, cell=cell, name="r"),
        CLASSES,
        name="o",
    )


def step(optimizer=lambda: v1.train.RMSPropOptimizer(0.01), loss_scale=1.0, only_last=False, noise=None):
    loss = gk.softmax_cross_entropy(dense(dense(features(), "a", 6, tf.tanh), "o", CLASSES), labels())
    return loss, optimizer().minimize(loss * loss_scale)


def bn(momentum=0.99, eps=1e-3, scale=True, conv_bias=True):
    x = gk.conv2d(images() / 255.0, 4, 3, use_bias=conv_bias, name="c")
    x = gk.batch_norm(x, momentum=momentum, epsilon=eps, scale=scale, name="n")
    return gk.softmax_cross_entropy(gk.dense(gk.flatten(tf.nn.relu(x)), CLASSES, name="o"), labels())


def bn_trainer(**kw):
    return gk.Trainer(bn(**kw), optimizer="sgd", learning_rate=0.1)


DIFFERENCES = {
    "kind of a branch's pool": (*pair(inception, {}, {"pool": "avg"}), ["MaxPool", "AvgPool"]),
    "cropped": (*pair(inception, {}, {"crop": True}), ["StridedSlice", "old lacks"]),
    "flipped": (*pair(inception, {}, {"flip": True}), ["ReverseV2", "axis 2"]),
    "no bias in a branch": (*pair(inception, {}, {"bias": False}), ["bias is missing in new", "three/bias"]),
    "smoothed real labels": (*pair(gan, {}, {"smooth": 0.9}), ["constant", "0.9"]),
    "leak": (*pair(gan, {}, {"leak": 0.1}), ["slope", "0.2", "0.1"]),
    "last activation": (*pair(gan, {}, {"last": tf.nn.sigmoid}), ["tanh", "sigmoid"]),
    "entropy": (*pair(policy, {}, {"entropy": 0.1}), ["0.01", "0.1", "Mul"]),
    "no baseline": (
        *pair(policy, {}, {"baseline": False}),
        ["Mul takes StopGradient", "both graphs have both"],
    ),
    "discount": (*pair(policy, {}, {"gamma": 0.99}), ["0.9", "0.99"]),
    "target not stopped": (*pair(policy_no_stop, {}, {"stop": False}), ["stop_gradient in old alone"]),
    "loss scaled for the update": (*pair(step, {}, {"loss_scale": 8.0}), ["8 times"]),
    "centered": (
        *pair(step, {}, {"optimizer": lambda: v1.train.RMSPropOptimizer(0.01, centered=True)}),
        ["RMSProp", "Centered"],
    ),
    "momentum of gk.batch_norm": (
        *pair(bn_trainer, {}, {"momentum": 0.9}),
        ["momentum of the moving averages"],
    ),
    "epsilon of gk.batch_norm": (*pair(bn_trainer, {}, {"eps": 1e-4}), ["epsilon", "0.001", "0.0001"]),
    "no gamma in gk.batch_norm": (*pair(bn_trainer, {}, {"scale": False}), ["n/gamma"]),
}
