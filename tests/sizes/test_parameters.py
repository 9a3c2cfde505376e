"""Parameters: numbers by hand, and the variables that graphkit's layers make."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk

V1 = tf.compat.v1
IMAGE = (8, 8, 3)


def trained_numbers():
    return sum(int(np.prod(variable.shape)) for variable in V1.trainable_variables())


def trained_by(build, *arguments, **options):
    """Returns the number of trained parameters that a layer adds to the graph, and its output."""
    before = trained_numbers()
    net = build(*arguments, **options)
    return trained_numbers() - before, net


def test_convolutions_have_the_predicted_parameters():
    shape = (13, 16, 3)
    inputs = gk.image_input(*shape)
    for kernel_size, strides, use_bias in itertools.product((1, (3, 5)), (1, (2, 3)), (True, False)):
        made, net = trained_by(gk.conv2d, inputs, 7, kernel_size, strides, use_bias=use_bias)
        assert made == gk.sizes.conv2d_parameters(3, 7, kernel_size, use_bias=use_bias)
        unshared = gk.sizes.unshared_conv2d_parameters(shape, 7, kernel_size, strides, use_bias=use_bias)
        assert unshared == made * int(np.prod(net.shape[1:3]))
        options = {"depth_multiplier": 2, "use_bias": use_bias}
        made, _ = trained_by(gk.separable_conv2d, inputs, 6, kernel_size, **options)
        assert made == gk.sizes.separable_conv2d_parameters(3, 6, kernel_size, **options)


def test_dense_layers_and_batch_norms_have_the_predicted_parameters():
    inputs = gk.feature_input(17)
    for use_bias in (True, False):
        made, _ = trained_by(gk.dense, inputs, 5, use_bias=use_bias)
        assert made == gk.sizes.dense_parameters(17, 5, use_bias=use_bias)
    for center, scale in itertools.product((True, False), repeat=2):
        made, _ = trained_by(gk.batch_norm, inputs, center=center, scale=scale)
        assert made == gk.sizes.batch_norm_parameters(17, center=center, scale=scale)


def test_embeddings_and_cells_have_the_predicted_parameters():
    made, tokens = trained_by(gk.embedding, gk.token_input(4), 19, 6)
    assert made == gk.sizes.embedding_parameters(19, 6) == 19 * 6
    for cell in ("simple", "gru", "lstm"):
        made, _ = trained_by(gk.rnn, tokens, 5, cell, name=cell)
        assert made == gk.sizes.rnn_parameters(6, 5, cell)


def test_the_course_example():
    """Input 32x32x3, 20 filters 8x8x3, stride 2, padding 1: 756560 weights, 3860 if shared."""
    unshared = gk.sizes.unshared_conv2d_parameters((32, 32, 3), 20, 8, 2, padding=1)
    assert unshared == (14 * 14 * 20) * (8 * 8 * 3 + 1) == 756560
    assert gk.sizes.conv2d_parameters(3, 20, 8) == (8 * 8 * 3 + 1) * 20 == 3860


def test_parameters_by_hand():
    assert gk.sizes.conv2d_parameters(3, 20, (8, 4), use_bias=False) == 8 * 4 * 3 * 20
    assert gk.sizes.dense_parameters(784, 10) == 7850
    assert gk.sizes.dense_parameters(784, 10, use_bias=False) == 7840
    assert gk.sizes.batch_norm_parameters(64, center=False) == 64
    assert gk.sizes.separable_conv2d_parameters(32, 64, 3) == 9 * 32 + 32 * 64 + 64
    assert gk.sizes.embedding_parameters(10000, 128) == 1280000
    assert gk.sizes.rnn_parameters(28, 128, "simple") == 128 * (28 + 128) + 128
    assert gk.sizes.rnn_parameters(28, 128, "gru") == 3 * (128 * (28 + 128) + 128)
    assert gk.sizes.rnn_parameters(28, 128) == 4 * (128 * (28 + 128) + 128)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: gk.sizes.conv2d_parameters(3, 20, (8, 8, 3)), ValueError, "an integer or 2 integers"),
        (lambda: gk.sizes.conv2d_parameters(0, 20, 8), ValueError, "in_channels"),
        (
            lambda: gk.sizes.unshared_conv2d_parameters(IMAGE, 0, 2),
            ValueError,
            "unshared_conv2d_parameters: filters",
        ),
        (
            lambda: gk.sizes.separable_conv2d_parameters(3, 4, 3, depth_multiplier=0),
            ValueError,
            "depth_multiplier",
        ),
        (lambda: gk.sizes.dense_parameters(784, -1), ValueError, "units"),
        (lambda: gk.sizes.batch_norm_parameters(0), ValueError, "channels"),
        (lambda: gk.sizes.embedding_parameters(0, 3), ValueError, "vocabulary_size"),
        (
            lambda: gk.sizes.rnn_parameters(3, 4, "elman"),
            ValueError,
            "cell must be one of 'simple', 'gru', 'lstm'",
        ),
        (lambda: gk.sizes.rnn_parameters(0, 4), ValueError, "in_features"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call()
