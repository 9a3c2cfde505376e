"""bias_add: the trained bias of each channel."""

import numpy as np
import tensorflow as tf
from references import aligned, assert_agree, constant, convolved, names, normal

import graphkit as gk

v1 = tf.compat.v1


def test_bias_add_agrees_with_numpy():
    cases = {}
    for shape in ((3, 4), (2, 3, 4), (2, 5, 3, 4), (2, 2, 5, 3, 4)):
        for data_format, axis in (("channels_last", -1), ("channels_first", 1)):
            array = normal(*shape)
            bias = normal(shape[axis], seed=1)
            outputs = gk.bias_add(array, constant(bias), data_format=data_format)
            assert outputs.shape.as_list() == list(shape)
            cases[shape, data_format] = outputs, array + aligned(bias, axis, len(shape))
    assert_agree(cases, rtol=1e-6, atol=0)


def test_bias_add_with_the_name_of_a_layer_is_the_layers_own_bias():
    images, kernel, bias = normal(2, 5, 5, 2), normal(3, 3, 2, 4, seed=1), normal(4, seed=2)
    net = gk.conv2d(images, 4, 3, use_bias=False, kernel_initializer=constant(kernel), name="conv1")
    net = gk.bias_add(net, constant(bias), name="conv1")
    assert names(v1.global_variables()) == ["conv1/kernel:0", "conv1/bias:0"]
    assert_agree({"bias": (net, convolved(images, kernel, bias))})


def test_a_layers_bias_is_what_bias_add_adds():
    features = tf.constant(normal(3, 4))
    options = {"kernel_initializer": constant(normal(4, 5, seed=1))}
    at_once = gk.dense(features, 5, bias_initializer=constant(normal(5, seed=2)), **options)
    steps = gk.bias_add(gk.dense(features, 5, use_bias=False, **options), constant(normal(5, seed=2)))
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        np.testing.assert_array_equal(*session.run([at_once, steps]))
