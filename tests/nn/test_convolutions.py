"""conv1d, conv2d and conv1x1 against plain NumPy."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from references import assert_agree, assert_gradients, both, constant, convolved, normal, run, to_format

import graphkit as gk

v1 = tf.compat.v1

PADDINGS = ("valid", "same")
FORMATS = ("channels_last", "channels_first")
each_padding = pytest.mark.parametrize("padding", PADDINGS)
each_format = pytest.mark.parametrize("data_format", FORMATS)


def random_start(seed=1):
    return v1.random_normal_initializer(mean=0.5, seed=seed)


# conv2d


@pytest.mark.grid
@each_padding
@each_format
def test_conv2d_agrees_with_numpy(padding, data_format):
    cases, images, bias = {}, normal(2, 7, 6, 3), normal(4, seed=2)
    for size, strides in itertools.product([1, 2, 3, (3, 2), (1, 5)], [1, 2, (2, 3), 4]):
        kernel = normal(*both(size), 3, 4, seed=1)
        outputs = gk.conv2d(
            to_format(images, data_format),
            4,
            size,
            strides,
            padding,
            data_format,
            kernel_initializer=constant(kernel),
            bias_initializer=constant(bias),
        )
        expected = convolved(images, kernel, bias, strides=strides, padding=padding)
        cases[size, strides] = outputs, to_format(expected, data_format)
    assert_agree(cases)


@pytest.mark.grid
@each_padding
@each_format
def test_dilated_conv2d_agrees_with_numpy(padding, data_format):
    cases, images = {}, normal(2, 9, 8, 3)
    for size, rate in itertools.product([2, 3, (3, 2)], [2, 3, (1, 2), (3, 1)]):
        kernel = normal(*both(size), 3, 4, seed=1)
        outputs = gk.conv2d(
            to_format(images, data_format),
            4,
            size,
            padding=padding,
            data_format=data_format,
            dilation_rate=rate,
            kernel_initializer=constant(kernel),
        )
        expected = convolved(images, kernel, padding=padding, dilation=rate)
        cases[size, rate] = outputs, to_format(expected, data_format)
    assert_agree(cases)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_conv2d_is_as_accurate_as_the_dtype_of_its_inputs(dtype):
    images, kernel = normal(2, 5, 5, 2, dtype=dtype), normal(3, 3, 2, 4, dtype=dtype, seed=1)
    outputs = gk.conv2d(images, 4, 3, kernel_initializer=constant(kernel))
    accuracy = 50 * np.finfo(dtype).eps
    assert_agree({dtype: (outputs, convolved(images, kernel))}, accuracy, accuracy)


def test_conv2d_takes_images_of_unknown_size():
    images, kernel = normal(2, 9, 7, 3), normal(3, 3, 3, 4, seed=1)
    fed = gk.image_input(None, None, 3)
    outputs = gk.conv2d(fed, 4, 3, 2, "same", kernel_initializer=constant(kernel))
    assert outputs.shape.as_list() == [None, None, None, 4]
    expected = convolved(images, kernel, strides=2, padding="same")
    assert_agree({"fed": (outputs, expected)}, feed={fed: images})


@pytest.mark.xfail(reason="TensorFlow 2.21's oneDNN kernel returns the input's shape", strict=False)
def test_conv2d_takes_an_empty_batch():
    assert run(gk.conv2d(tf.zeros((0, 6, 6, 2)), 3, 2)).shape == (0, 5, 5, 3)


def test_conv2d_without_bias_is_the_convolution_alone():
    images, kernel = normal(2, 5, 5, 2), normal(3, 3, 2, 4, seed=1)
    outputs = gk.conv2d(images, 4, 3, use_bias=False, kernel_initializer=constant(kernel))
    assert len(v1.global_variables()) == 1
    assert_agree({"no bias": (outputs, convolved(images, kernel))})


# conv1d


@pytest.mark.grid
@each_padding
@each_format
def test_conv1d_agrees_with_numpy(padding, data_format):
    cases, sequences, bias = {}, normal(2, 17, 3), normal(4, seed=2)
    windows = [(1, 1), (2, 1), (4, 1), (1, 2), (1, 3)]
    for size, (strides, rate) in itertools.product([1, 2, 3, 6], windows):
        kernel = normal(size, 3, 4, seed=1)
        outputs = gk.conv1d(
            to_format(sequences, data_format),
            4,
            size,
            strides,
            padding,
            data_format,
            rate,
            kernel_initializer=constant(kernel),
            bias_initializer=constant(bias),
        )
        window = {"strides": (1, strides), "padding": padding, "dilation": (1, rate)}
        expected = convolved(sequences[:, np.newaxis], kernel[np.newaxis], bias, **window)[:, 0]
        assert expected.shape[1] == gk.sizes.output_size(17, size, strides, padding, rate)
        assert outputs.shape.as_list() == list(to_format(expected, data_format).shape)
        cases[size, strides, rate] = outputs, to_format(expected, data_format)
    assert_agree(cases)


@each_padding
def test_conv1d_takes_sequences_of_unknown_length(padding):
    fed = v1.placeholder(tf.float32, (None, None, 3))
    kernel = normal(3, 3, 4, seed=1)
    outputs = gk.conv1d(fed, 4, 3, 2, padding, kernel_initializer=constant(kernel))
    assert outputs.shape.as_list() == [None, None, 4]
    for length in (3, 8, 9):
        sequences = normal(2, length, 3)
        window = {"strides": (1, 2), "padding": padding}
        expected = convolved(sequences[:, np.newaxis], kernel[np.newaxis], **window)[:, 0]
        assert_agree({length: (outputs, expected)}, feed={fed: sequences})


def test_conv1d_is_conv2d_on_images_of_one_row():
    sequences, kernel = normal(2, 9, 3), normal(3, 3, 4, seed=1)
    row = gk.conv2d(sequences[:, np.newaxis], 4, (1, 3), kernel_initializer=constant(kernel))
    sequence = gk.conv1d(sequences, 4, (3,), kernel_initializer=constant(kernel))
    first, second = run([sequence, row])
    np.testing.assert_allclose(first, second[:, 0], rtol=1e-5, atol=1e-6)


def test_a_convolution_by_hand():
    sequence = np.array([1.0, 2.0, 4.0, 8.0], np.float32).reshape(1, 4, 1)
    kernel = constant([1.0, 10.0])  # not turned around: 1 * this + 10 * the next
    outputs = gk.conv1d(sequence, 1, 2, padding="same", kernel_initializer=kernel)
    np.testing.assert_array_equal(run(outputs).ravel(), [21, 42, 84, 8])


# conv1x1


def test_conv1x1_is_a_dense_layer_at_each_pixel():
    cases, images, kernel = {}, normal(2, 5, 4, 3), normal(3, 6, seed=1)
    for use_bias, activation in itertools.product([False, True], [None, gk.relu]):
        before = len(v1.global_variables())
        with v1.variable_scope(None, "net", initializer=constant(kernel)):
            outputs = gk.conv1x1(images, 6, activation, use_bias=use_bias)
        assert len(v1.global_variables()) == before + 1 + use_bias
        expected = np.maximum(images @ kernel, 0) if activation else images @ kernel
        cases[use_bias, activation] = outputs, expected
    assert_agree(cases)


def test_conv1x1_is_conv2d_with_a_kernel_of_one_pixel():
    images = tf.constant(normal(2, 5, 4, 3))
    mixed = gk.conv1x1(images, 6, name="mix")
    again = gk.conv2d(images, 6, 1, name="mix", reuse=True)
    np.testing.assert_array_equal(*run([mixed, again]))


def test_conv1x1_takes_images_of_unknown_size():
    assert gk.conv1x1(gk.image_input(None, None, 3), 6).shape.as_list() == [None, None, None, 6]


# Gradients

GRADIENTS = {
    "conv1d": ((2, 6, 2), lambda x, **o: gk.conv1d(x, 2, 3, **o)),
    "conv1d strides": ((2, 6, 2), lambda x, **o: gk.conv1d(x, 2, 3, 2, **o)),
    "conv1d dilated": ((2, 6, 2), lambda x, **o: gk.conv1d(x, 2, 2, dilation_rate=2, **o)),
    "conv2d": ((2, 5, 4, 2), lambda x, **o: gk.conv2d(x, 2, 2, **o)),
    "conv2d strides": ((2, 5, 4, 2), lambda x, **o: gk.conv2d(x, 2, 3, 2, **o)),
    "conv2d pairs": ((2, 5, 4, 2), lambda x, **o: gk.conv2d(x, 2, (1, 3), (2, 1), **o)),
    "conv2d gaps": ((2, 5, 4, 2), lambda x, **o: gk.conv2d(x, 2, 1, 3, **o)),
    "conv2d dilated": ((2, 5, 4, 2), lambda x, **o: gk.conv2d(x, 2, 2, dilation_rate=2, **o)),
    "conv2d dilated pair": ((2, 5, 4, 2), lambda x, **o: gk.conv2d(x, 2, 2, dilation_rate=(1, 2), **o)),
}


@pytest.mark.grid
@each_padding
@pytest.mark.parametrize("case", GRADIENTS)
def test_gradients(case, padding):
    shape, build = GRADIENTS[case]
    fed = v1.placeholder(tf.float64, shape)
    outputs = build(fed, padding=padding, kernel_initializer=random_start(), activation=tf.tanh)
    assert_gradients(outputs, {fed: normal(*shape, dtype=np.float64)})


def test_gradient_of_conv1x1():
    fed = v1.placeholder(tf.float64, (2, 2, 3, 2))
    assert_gradients(gk.conv1x1(fed, 3, tf.tanh), {fed: normal(2, 2, 3, 2, dtype=np.float64)})
