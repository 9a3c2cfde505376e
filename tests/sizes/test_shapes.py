"""Output shapes and receptive fields: numbers by hand, TensorFlow's own ops, and the layers of graphkit."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from references import run

import graphkit as gk

PADDINGS = ("same", "valid")
IMAGE = (8, 8, 3)


@pytest.mark.parametrize(
    ("size", "kernel_size", "strides", "padding", "dilation_rate", "expected"),
    [
        (32, 8, 2, "same", 1, 16),  # the course's example
        (32, 8, 2, "valid", 1, 13),
        (32, 8, 2, 1, 1, 14),
        (227, 11, 4, 0, 1, 55),  # AlexNet's first layer in CS231n
        (224, 7, 2, 3, 1, None),  # ResNet's first layer steps over the last pixel
        (7, 3, 1, 1, 1, 7),
        (7, 3, 1, 2, 2, 7),
        (28, 5, 1, "same", 1, 28),
        (28, 5, 1, "valid", 1, 24),
        (7, 3, 1, "valid", 3, 1),  # a dilated kernel spans 7 pixels
        (5, 5, 3, "valid", 1, 1),
        (1, 9, 4, "same", 1, 1),
        (1, 3, 1, 1, 1, 1),
    ],
)
def test_output_size(size, kernel_size, strides, padding, dilation_rate, expected):
    if expected is None:
        with pytest.raises(ValueError, match="must be a whole number; received W=224, F=7, P=3, S=2"):
            gk.sizes.output_size(size, kernel_size, strides, padding, dilation_rate)
    else:
        assert gk.sizes.output_size(size, kernel_size, strides, padding, dilation_rate) == expected


sizes_1d = {
    "size": st.integers(1, 12),
    "kernel_size": st.integers(1, 5),
    "strides": st.integers(1, 4),
    "dilation_rate": st.integers(1, 3),
}


@settings(deadline=None, max_examples=60)
@given(**sizes_1d, padding=st.integers(0, 4))
def test_output_size_is_how_often_a_padded_kernel_fits(size, kernel_size, strides, dilation_rate, padding):
    taps = np.arange(kernel_size) * dilation_rate
    padded = size + 2 * padding
    places = [start for start in range(0, padded, strides) if start + taps[-1] < padded]
    exact = places and places[-1] + taps[-1] == padded - 1
    if exact:
        assert gk.sizes.output_size(size, kernel_size, strides, padding, dilation_rate) == len(places)
    else:
        with pytest.raises(ValueError, match="must be a whole number|must fit into the padded input"):
            gk.sizes.output_size(size, kernel_size, strides, padding, dilation_rate)


TRANSPOSED = [
    (size, kernel, stride, p)
    for size in (1, 4, 7)
    for kernel in (1, 2, 5)
    for stride in (1, 3)
    for p in PADDINGS
]


def test_transposed_shape_is_undone_by_the_convolution():
    grown, predicted = [], []
    for size, kernel, stride, padding in TRANSPOSED:
        height, width, _ = gk.sizes.conv2d_transpose_shape((size, 1, 3), 2, kernel, stride, padding)
        assert gk.sizes.output_size(height, kernel, stride, padding) == size
        assert gk.sizes.output_size(width, kernel, stride, padding) == 1
        image, filters = tf.zeros((1, size, 1, 3)), tf.zeros((kernel, kernel, 2, 3))
        predicted.append((1, height, width, 2))
        grown.append(tf.nn.conv2d_transpose(image, filters, predicted[-1], stride, padding.upper()))
    assert [array.shape for array in run(grown)] == predicted


def test_the_course_example():
    """Input 32x32x3, 20 filters 8x8x3, stride 2, padding 1: 14x14x20."""
    image = (32, 32, 3)
    assert gk.sizes.conv2d_shape(image, 20, 8, 2, padding=1) == (14, 14, 20)
    assert gk.sizes.conv2d_shape(image, 20, 8, 2, padding="same") == (16, 16, 20)
    assert gk.sizes.conv2d_shape(image, 20, 8, 2, padding="valid") == (13, 13, 20)
    assert gk.sizes.pool2d_shape((4, 4, 5), 2, 2) == (2, 2, 5)


def test_layers_have_the_predicted_shapes():
    image, inputs = (13, 16, 3), gk.image_input(13, 16, 3)
    for kernel_size, strides, padding, rate in itertools.product((1, (3, 5)), (1, (2, 3)), PADDINGS, (1, 2)):
        if strides == 1 or rate == 1:  # TensorFlow strides or dilates, not both
            arguments = (7, kernel_size, strides, padding)
            net = gk.conv2d(inputs, *arguments, dilation_rate=rate)
            assert tuple(net.shape[1:]) == gk.sizes.conv2d_shape(image, *arguments, rate)
    for pool_size, strides, padding in itertools.product((2, (3, 1)), (1, 2, (2, 3)), PADDINGS):
        net = gk.max_pool(inputs, pool_size, strides, padding)
        assert tuple(net.shape[1:]) == gk.sizes.pool2d_shape(image, pool_size, strides, padding)
    for kernel_size, strides, padding in itertools.product((2, (3, 1)), (1, (2, 3)), PADDINGS):
        net = gk.conv2d_transpose(inputs, 6, kernel_size, strides, padding)
        predicted = gk.sizes.conv2d_transpose_shape(image, 6, kernel_size, strides, padding)
        assert tuple(net.shape[1:]) == predicted


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([], 1),
        ([(3, 1)], 3),
        ([(3, 1), (3, 1), (3, 1)], 7),  # three 3x3 see as much as one 7x7 (VGG)
        ([(5, 1), (2, 2), (5, 1), (2, 2)], 16),  # the convnet of the tutorial
        ([(3, 1, 1), (3, 1, 2), (3, 1, 4)], 15),  # exponential dilation
        ([(11, 4), (3, 2), (5, 1), (3, 2), (3, 1), (3, 1), (3, 1), (3, 2)], 195),  # AlexNet, in the paper
        (((2, 2),) * 5, 32),
    ],
)
def test_receptive_field(layers, expected):
    assert gk.sizes.receptive_field(layers) == expected


layer_tuples = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 2))


@settings(deadline=None, max_examples=60)
@given(layers=st.lists(layer_tuples, min_size=1, max_size=4))
def test_receptive_field_is_what_one_output_is_made_of(layers):
    needed = {0}
    for kernel_size, strides, dilation_rate in reversed(layers):
        needed = {place * strides + tap * dilation_rate for place in needed for tap in range(kernel_size)}
    assert gk.sizes.receptive_field(layers) == max(needed) - min(needed) + 1


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: gk.sizes.output_size(0, 1), ValueError, "output_size: size must be .*received size=0"),
        (lambda: gk.sizes.output_size(4, 5), ValueError, "valid kernel must fit.*size=4, kernel_extent=5"),
        (lambda: gk.sizes.output_size(4, 9, 1, 2), ValueError, "fit into the padded input.*W=4, F=9, P=2"),
        (lambda: gk.sizes.output_size(4, 3, 2, 0), ValueError, "whole number; received W=4, F=3, P=0, S=2"),
        (lambda: gk.sizes.output_size(4.0, 1), TypeError, "size must be an integer"),
        (lambda: gk.sizes.output_size(True, 1), TypeError, "size must be an integer"),
        (lambda: gk.sizes.output_size(4, 2, padding="full"), ValueError, "padding must be one of"),
        (
            lambda: gk.sizes.output_size(4, 2, padding=True),
            TypeError,
            "'same', 'valid' or an integer of at least 0",
        ),
        (
            lambda: gk.sizes.output_size(4, 2, padding=1.5),
            TypeError,
            "or an integer of at least 0.*padding=1.5",
        ),
        (lambda: gk.sizes.output_size(4, 2, padding=None), TypeError, "padding must be 'same'"),
        (
            lambda: gk.sizes.output_size(4, 2, padding=-1),
            ValueError,
            "padding must be an integer of at least 0",
        ),
        (lambda: gk.sizes.output_size(4, 2, 0), ValueError, "strides must be an integer of at least 1"),
        (lambda: gk.sizes.output_size(4, 2, 1, "same", 0), ValueError, "dilation_rate"),
        (lambda: gk.sizes.conv2d_shape((8, 8), 1, 2), ValueError, r"must be \(height, width, channels\)"),
        (lambda: gk.sizes.conv2d_shape(8, 1, 2), TypeError, "conv2d_shape: input_shape must be"),
        (lambda: gk.sizes.conv2d_shape((None, 8, 3), 1, 2), TypeError, "input_shape must be an integer"),
        (lambda: gk.sizes.conv2d_shape(IMAGE, 0, 2), ValueError, "filters"),
        (
            lambda: gk.sizes.conv2d_shape(IMAGE, 1, (1, 2, 3)),
            ValueError,
            "kernel_size must be an integer or 2",
        ),
        (lambda: gk.sizes.conv2d_shape(IMAGE, 1, 9), ValueError, "^conv2d_shape: a valid kernel must fit"),
        (lambda: gk.sizes.pool2d_shape(IMAGE, 0, 2), ValueError, "pool2d_shape: pool_size"),
        (lambda: gk.sizes.pool2d_shape(IMAGE, 2, (1, 0)), ValueError, "pool2d_shape: strides"),
        (
            lambda: gk.sizes.conv2d_transpose_shape(IMAGE, 1, 2, padding=1),
            TypeError,
            "padding must be one of",
        ),
        (lambda: gk.sizes.conv2d_transpose_shape(IMAGE, 0, 2), ValueError, "filters"),
        (lambda: gk.sizes.receptive_field(3), TypeError, "layers must be a sequence"),
        (lambda: gk.sizes.receptive_field([3]), TypeError, "layers must be a sequence.*received layer=3"),
        (lambda: gk.sizes.receptive_field([(3,)]), ValueError, r"received layer=\(3,\)"),
        (lambda: gk.sizes.receptive_field([(0, 1)]), ValueError, "kernel_size"),
        (lambda: gk.sizes.receptive_field([(3, 0)]), ValueError, "strides"),
        (lambda: gk.sizes.receptive_field([(3, 1, 0)]), ValueError, "dilation_rate"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call()
