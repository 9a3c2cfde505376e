"""conv2d_transpose against plain NumPy, and against the convolution that it transposes."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from references import assert_agree, assert_gradients, both, constant, normal, run, spread, to_format

import graphkit as gk

v1 = tf.compat.v1

each_padding = pytest.mark.parametrize("padding", ["valid", "same"])
each_format = pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])


@pytest.mark.grid
@each_padding
@each_format
def test_conv2d_transpose_agrees_with_numpy(padding, data_format):
    cases, images, bias = {}, normal(2, 4, 3, 5), normal(6, seed=2)
    for size, strides in itertools.product([1, 2, 3, (3, 2), (1, 5)], [1, 2, (2, 3), 4]):
        kernel = normal(*both(size), 6, 5, seed=1)
        outputs = gk.conv2d_transpose(
            to_format(images, data_format),
            6,
            size,
            strides,
            padding,
            data_format,
            kernel_initializer=constant(kernel),
            bias_initializer=constant(bias),
        )
        expected = to_format(spread(images, kernel, strides, padding) + bias, data_format)
        assert outputs.shape.as_list() == list(expected.shape)
        cases[size, strides] = outputs, expected
    assert_agree(cases)


def pair_of_convolutions(size, strides, padding):
    """Returns a convolution and its transposed, of one kernel, and what each reads."""
    small = tf.constant(normal(2, 4, 3, 5, dtype=np.float64))
    kernel = constant(normal(*both(size), 6, 5, dtype=np.float64, seed=1))
    # A kernel (height, width, 6, 5) takes 6 channels to 5 in conv2d, and 5 to 6 in its transposed.
    options = {"strides": strides, "padding": padding, "use_bias": False, "kernel_initializer": kernel}
    large = gk.conv2d_transpose(small, 6, size, **options)
    images = tf.constant(normal(*large.shape.as_list(), dtype=np.float64, seed=2))
    forward = gk.conv2d(images, 5, size, **options)
    assert forward.shape.as_list() == small.shape.as_list()
    return small, large, images, forward


@each_padding
def test_conv2d_transpose_is_the_adjoint_of_conv2d(padding):
    """<conv(x), y> = <x, conv_transpose(y)>, with one kernel for both."""
    products = {}
    for size, strides in itertools.product([1, 2, 3, (3, 2)], [1, 2, (2, 3)]):
        small, large, images, forward = pair_of_convolutions(size, strides, padding)
        products[size, strides] = tf.reduce_sum(forward * small), tf.reduce_sum(images * large)
    for case, (first, second) in run(products).items():
        np.testing.assert_allclose(first, second, rtol=1e-10, err_msg=str(case))


@each_padding
def test_conv2d_transpose_is_the_gradient_of_conv2d(padding):
    pairs = {}
    for size, strides in ((3, 2), (2, 3), (5, 1)):
        small, large, images, forward = pair_of_convolutions(size, strides, padding)
        pairs[size, strides] = large, tf.gradients(forward, images, grad_ys=small)[0]
    for case, (first, second) in run(pairs).items():
        np.testing.assert_allclose(first, second, rtol=1e-10, atol=1e-12, err_msg=str(case))


@each_padding
@each_format
def test_conv2d_transpose_knows_the_shape_as_far_as_that_of_its_inputs(padding, data_format):
    known = (None, None, 3, 5) if data_format == "channels_last" else (None, 5, None, 3)
    fed = v1.placeholder(tf.float32, known)
    kernel = normal(3, 2, 6, 5, seed=1)
    outputs = gk.conv2d_transpose(
        fed, 6, (3, 2), 2, padding, data_format, kernel_initializer=constant(kernel)
    )
    assert outputs.shape.as_list() == (
        [None, None, 6, 6] if data_format == "channels_last" else [None, 6, None, 6]
    )
    for batch, height in ((1, 1), (3, 4)):
        images = normal(batch, height, 3, 5)
        expected = to_format(spread(images, kernel, 2, padding), data_format)
        assert_agree({batch: (outputs, expected)}, feed={fed: to_format(images, data_format)})


def test_conv2d_transpose_takes_an_empty_batch():
    fed = gk.image_input(3, 3, 2)
    assert run(gk.conv2d_transpose(fed, 4, 3, 2), {fed: np.zeros((0, 3, 3, 2))}).shape == (0, 7, 7, 4)


SOME = [(1, 1, 1), (4, 3, 2), (2, 1, 3), (3, 4, 1)]
FULL = list(itertools.product(range(1, 5), range(1, 5), range(1, 4)))


@each_padding
@pytest.mark.parametrize(
    "grid", [pytest.param(SOME, id="some"), pytest.param(FULL, marks=pytest.mark.slow, id="all")]
)
def test_the_transposed_shape_is_what_sizes_predicts(padding, grid):
    for size, kernel, stride in grid:
        predicted = gk.sizes.conv2d_transpose_shape((size, 2, 3), 4, kernel, stride, padding)
        outputs = gk.conv2d_transpose(tf.zeros((1, size, 2, 3)), 4, kernel, stride, padding)
        assert tuple(outputs.shape[1:]) == predicted, (size, kernel, stride)


@each_padding
@pytest.mark.parametrize("size, strides", [(3, 1), (3, 2), ((1, 2), (2, 1)), (1, 2)])
def test_gradient_of_conv2d_transpose(padding, size, strides):
    fed = v1.placeholder(tf.float64, (2, 3, 2, 2))
    outputs = gk.conv2d_transpose(fed, 2, size, strides, padding, activation=tf.tanh)
    assert_gradients(outputs, {fed: normal(2, 3, 2, 2, dtype=np.float64)})
