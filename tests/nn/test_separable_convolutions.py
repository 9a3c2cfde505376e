"""separable_conv2d against plain NumPy, and against the convolution with the product of its kernels."""

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf
from references import assert_agree, assert_gradients, both, constant, normal, run, separated

import graphkit as gk

v1 = tf.compat.v1

each_padding = pytest.mark.parametrize("padding", ["valid", "same"])


@pytest.mark.grid
@each_padding
def test_separable_conv2d_agrees_with_numpy(padding):
    cases, images, bias = {}, normal(2, 9, 8, 3), normal(4, seed=2)
    windows = [(1, 1), (2, 1), (3, 1), (1, 2), (1, (1, 3))]
    for size, (strides, rate), multiplier in itertools.product([1, 2, 3, (3, 2)], windows, [1, 2]):
        depthwise = normal(*both(size), 3, multiplier, seed=1)
        pointwise = normal(1, 1, 3 * multiplier, 4, seed=3)
        outputs = gk.separable_conv2d(
            images,
            4,
            size,
            strides,
            padding,
            dilation_rate=rate,
            depth_multiplier=multiplier,
            depthwise_initializer=constant(depthwise),
            pointwise_initializer=constant(pointwise),
            bias_initializer=constant(bias),
        )
        window = {"strides": strides, "padding": padding, "dilation": rate}
        expected = separated(images, depthwise, pointwise, **window) + bias
        assert outputs.shape.as_list() == list(expected.shape)
        cases[size, strides, rate, multiplier] = outputs, expected
    assert_agree(cases, 2e-5, 2e-5)


@each_padding
@pytest.mark.parametrize("strides, rate", [(1, 1), (2, 1), (1, 2)])
def test_separable_conv2d_has_the_same_sizes_with_the_channels_first(padding, strides, rate):
    # Not every CPU kernel computes this format, so that its shape is all that can be relied on.
    arguments = (4, 3, strides, padding)
    last = gk.separable_conv2d(tf.zeros((2, 9, 8, 3)), *arguments, dilation_rate=rate)
    first = gk.separable_conv2d(tf.zeros((2, 3, 9, 8)), *arguments, "channels_first", dilation_rate=rate)
    batch, height, width, channels = last.shape.as_list()
    assert first.shape.as_list() == [batch, channels, height, width]
    assert height == gk.sizes.output_size(9, 3, strides, padding, rate)


def test_separable_conv2d_takes_images_of_unknown_size():
    fed = gk.image_input(None, None, 3)
    depthwise, pointwise = normal(3, 3, 3, 1, seed=1), normal(1, 1, 3, 4, seed=3)
    starts = {"depthwise_initializer": constant(depthwise), "pointwise_initializer": constant(pointwise)}
    outputs = gk.separable_conv2d(fed, 4, 3, 2, "same", **starts)
    assert outputs.shape.as_list() == [None, None, None, 4]
    images = normal(2, 6, 5, 3)
    expected = separated(images, depthwise, pointwise, strides=2, padding="same")
    assert_agree({"fed": (outputs, expected)}, feed={fed: images})


def test_separable_conv2d_is_a_conv2d_with_the_product_of_its_kernels():
    images, depthwise, pointwise = normal(2, 6, 5, 3), normal(3, 3, 3, 2, seed=1), normal(1, 1, 6, 4, seed=3)
    product = np.einsum("ijcm,cmf->ijcf", depthwise, pointwise.reshape(3, 2, 4))
    separable = gk.separable_conv2d(
        images,
        4,
        3,
        depth_multiplier=2,
        depthwise_initializer=constant(depthwise),
        pointwise_initializer=constant(pointwise),
    )
    full = gk.conv2d(images, 4, 3, kernel_initializer=constant(product))
    np.testing.assert_allclose(*run([separable, full]), rtol=1e-4, atol=1e-4)


def test_separable_conv2d_has_the_parameters_that_sizes_counts():
    gk.separable_conv2d(tf.zeros((1, 8, 8, 16)), 32, 3, depth_multiplier=2)
    made = sum(math.prod(variable.shape) for variable in v1.trainable_variables())
    by_hand = 3 * 3 * 16 * 2 + 16 * 2 * 32 + 32
    assert made == by_hand == gk.sizes.separable_conv2d_parameters(16, 32, 3, depth_multiplier=2)


@each_padding
@pytest.mark.parametrize("strides, rate", [(1, 1), (2, 1), (1, 2)])
def test_gradient_of_separable_conv2d(padding, strides, rate):
    fed = v1.placeholder(tf.float64, (2, 4, 4, 2))
    options = {"padding": padding, "dilation_rate": rate, "depth_multiplier": 2, "activation": tf.tanh}
    outputs = gk.separable_conv2d(fed, 2, 2, strides, **options)
    assert_gradients(outputs, {fed: normal(2, 4, 4, 2, dtype=np.float64)})
