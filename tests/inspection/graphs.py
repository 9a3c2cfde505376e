"""Graphs that several tests of this room read, and what TensorFlow itself says about them."""

import numpy as np
import tensorflow as tf

import graphkit as gk

V1 = tf.compat.v1


def row(found, layer):
    """Returns the row of a summary that is of this layer."""
    (only,) = [line for line in found.rows if line.layer == layer]
    return only


def trained_parameters():
    return sum(int(np.prod(variable.shape)) for variable in V1.trainable_variables())


def profiled(target):
    """Returns what TensorFlow's profiler counts for the target alone."""
    definition = target.graph.as_graph_def()
    for node in definition.node:
        node.attr.pop("_class", None)  # places an op with another one, which then would count
    definition = V1.graph_util.extract_sub_graph(definition, [target.op.name])
    options = {**V1.profiler.ProfileOptionBuilder.float_operation(), "output": "none"}
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(definition, name="")
        return V1.profiler.profile(graph, options=options).total_float_ops


def raw_tf1(batch_size=None, use_resource=False):
    """The style of the tutorials of 2016: variables without scopes, lists of strides, `x @ W + b`."""

    def variable(*shape):
        return V1.Variable(V1.truncated_normal(shape, stddev=0.1), use_resource=use_resource)

    x = V1.placeholder(tf.float32, [batch_size, 784])
    net = tf.nn.conv2d(tf.reshape(x, [-1, 28, 28, 1]), variable(5, 5, 1, 8), [1, 1, 1, 1], padding="SAME")
    net = tf.nn.relu(net + variable(8))
    net = tf.nn.max_pool(net, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME")
    net = tf.matmul(tf.reshape(net, [-1, 14 * 14 * 8]), variable(14 * 14 * 8, 16)) + variable(16)
    return tf.nn.tanh(net)


def raw_rows():
    return [
        ("Variable", ("Conv2D", "AddV2", "Relu"), 5 * 5 * 8 + 8, 28 * 28 * 8 * (2 * 25 + 1)),
        ("max_pool", ("MaxPool",), 0, 14 * 14 * 8 * 4),
        ("Variable_2", ("MatMul", "AddV2", "Tanh"), 1568 * 16 + 16, gk.sizes.dense_flops(1568, 16)),
    ]


def looped(steps, **limits):
    """A simple recurrent cell in a while loop, of the given number of steps."""
    x = gk.feature_input(6)
    kernel = V1.get_variable("cell/kernel", (6 + 5, 5), use_resource=True)
    bias = V1.get_variable("cell/bias", (5,), use_resource=True)

    def body(t, h):
        return t + 1, tf.tanh(tf.nn.bias_add(tf.matmul(tf.concat([x, h], 1), kernel), bias))

    start = (0, tf.zeros((tf.shape(x)[0], 5)))
    shapes = (tf.TensorShape(()), tf.TensorShape((None, 5)))
    return V1.while_loop(lambda t, h: t < steps, body, start, shapes, **limits)[1]
