"""Floating-point operations: numbers by hand, and what TensorFlow's profiler counts."""

import itertools

import pytest
import tensorflow as tf

import graphkit as gk

V1 = tf.compat.v1
PADDINGS = ("same", "valid")
IMAGE = (8, 8, 3)


def profiled(target):
    """Returns what TensorFlow's profiler counts for the target alone."""
    names = [tensor.op.name for tensor in tf.nest.flatten(target)]
    definition = V1.graph_util.extract_sub_graph(V1.get_default_graph().as_graph_def(), names)
    options = {**V1.profiler.ProfileOptionBuilder.float_operation(), "output": "none"}
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(definition, name="")
        return V1.profiler.profile(graph, options=options).total_float_ops


def test_conv2d_flops_are_the_profilers():
    images = V1.placeholder(tf.float32, (1, 13, 16, 3))
    cases = itertools.product((1, (3, 5)), (1, (2, 3)), PADDINGS, (True, False))
    for kernel_size, strides, padding, use_bias in cases:
        net = gk.conv2d(images, 7, kernel_size, strides, padding, use_bias=use_bias)
        predicted = gk.sizes.conv2d_flops((13, 16, 3), 7, kernel_size, strides, padding, use_bias=use_bias)
        assert predicted == profiled(net)


def test_other_flops_are_the_profilers():
    images = V1.placeholder(tf.float32, (1, 13, 16, 3))
    assert gk.sizes.pool2d_flops((13, 16, 3), (3, 2), 2, "same") == profiled(
        gk.max_pool(images, (3, 2), 2, "same")
    )
    assert gk.sizes.pool2d_flops((13, 16, 3), 3, (1, 2)) == profiled(gk.avg_pool(images, 3, (1, 2)))
    dilated = tf.nn.conv2d(images, tf.zeros((3, 3, 3, 7)), 1, "VALID", dilations=2)
    assert gk.sizes.conv2d_flops((13, 16, 3), 7, 3, dilation_rate=2, use_bias=False) == profiled(dilated)
    for use_bias in (True, False):
        net = gk.dense(V1.placeholder(tf.float32, (1, 17)), 5, use_bias=use_bias)
        assert gk.sizes.dense_flops(17, 5, use_bias=use_bias) == profiled(net)


def simple_step(x, h, _):
    return tf.tanh(product(x, h, 1)), None


def gru_step(x, h, _):
    r, u = tf.split(tf.sigmoid(product(x, h, 2)), 2, axis=1)
    return u * h + (1 - u) * tf.tanh(product(x, r * h, 1)), None


def lstm_step(x, h, c):
    i, j, f, o = tf.split(product(x, h, 4), 4, axis=1)
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(j)
    return tf.sigmoid(o) * tf.tanh(c), c


def product(x, h, gates):
    units = h.shape[1] * gates
    return tf.nn.bias_add(tf.concat([x, h], 1) @ tf.zeros((x.shape[1] + h.shape[1], units)), tf.zeros(units))


@pytest.mark.parametrize(("cell", "step"), [("simple", simple_step), ("gru", gru_step), ("lstm", lstm_step)])
def test_recurrent_flops_are_the_profilers(cell, step):
    x, h, c = (V1.placeholder(tf.float32, (1, size)) for size in (6, 5, 5))
    for _ in range(3):
        h, c = step(x, h, c)
    assert gk.sizes.rnn_flops(6, 5, steps=3, cell=cell) == profiled(h)


def test_flops_by_hand():
    assert gk.sizes.dense_flops(784, 10) == 784 * 10 * 2 + 10
    assert gk.sizes.conv2d_flops((28, 28, 1), 32, 5, padding="same") == 28 * 28 * 32 * (5 * 5 * 2 + 1)
    assert gk.sizes.conv2d_flops((32, 32, 3), 20, 8, 2, 1, use_bias=False) == 14 * 14 * 20 * 8 * 8 * 3 * 2
    assert gk.sizes.pool2d_flops((28, 28, 32), 2, 2) == 14 * 14 * 32 * 4
    assert gk.sizes.rnn_flops(1, 1, steps=10, cell="simple") == 10 * (2 * 2 + 1)
    assert gk.sizes.training_flops(1000) == 3000
    assert gk.sizes.training_flops(1000, gradients=3) == 4000
    assert gk.sizes.training_flops(1001, gradients=0.5) == 1001 + 500
    assert gk.sizes.training_flops(0) == 0
    assert gk.sizes.training_flops(10**400, gradients=0.5) == 10**400 * 3 // 2


def test_gradients_of_a_dense_layer_cost_two_forward_passes():
    net = gk.dense(
        tf.nn.relu(gk.dense(V1.placeholder(tf.float32, (1, 64)), 64, use_bias=False)), 64, use_bias=False
    )
    forward = profiled(net)
    inner = V1.trainable_variables()[1]
    hidden = net.op.inputs[0]
    backward = profiled(tf.gradients(net, [inner.handle, hidden])) - forward
    assert abs(backward - 2 * gk.sizes.dense_flops(64, 64, use_bias=False)) < 0.1 * forward


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: gk.sizes.conv2d_flops(IMAGE, 0, 2), ValueError, "conv2d_flops: filters"),
        (lambda: gk.sizes.pool2d_flops(IMAGE, 9, 2), ValueError, "^pool2d_flops: a valid kernel must fit"),
        (lambda: gk.sizes.dense_flops(0, 1), ValueError, "in_features"),
        (lambda: gk.sizes.rnn_flops(1, 1, 0), ValueError, "steps"),
        (lambda: gk.sizes.rnn_flops(1, 1, 1, cell=3), TypeError, "cell must be one of"),
        (lambda: gk.sizes.training_flops(-1), ValueError, "forward"),
        (lambda: gk.sizes.training_flops(1.5), TypeError, "forward"),
        (lambda: gk.sizes.training_flops(1, -1), ValueError, "gradients must be a finite number at least 0"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call()
