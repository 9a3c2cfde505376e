"""Each function at the top of a file, next to the op that it stands for."""

import numpy as np
import pytest
import tensorflow as tf

from graphkit.transcription import helpers

RANDOM = np.random.RandomState(0)
X = np.round(RANDOM.randn(2, 7, 6, 3)).astype(np.float32)  # with numbers that are equal
KERNEL = RANDOM.randn(3, 2, 3, 4).astype(np.float32)


def near(found, tensor):
    np.testing.assert_allclose(found, tf.compat.v1.Session().run(tensor), atol=2e-5)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(("strides", "dilations"), [((1, 1), (1, 1)), ((2, 3), (1, 1)), ((1, 1), (2, 2))])
def test_convolutions(padding, strides, dilations):
    options = {"strides": [1, *strides, 1], "padding": padding, "dilations": [1, *dilations, 1]}
    own = strides, padding, dilations
    out = helpers.conv2d(X, KERNEL, *own)
    near(out, tf.raw_ops.Conv2D(input=X, filter=KERNEL, **options))
    d_out = RANDOM.randn(*out.shape).astype(np.float32)
    expected = tf.raw_ops.Conv2DBackpropInput(
        input_sizes=X.shape, filter=KERNEL, out_backprop=d_out, **options
    )
    near(helpers.conv2d_grad_input(d_out, KERNEL, X.shape, *own), expected)
    expected = tf.raw_ops.Conv2DBackpropFilter(
        input=X, filter_sizes=KERNEL.shape, out_backprop=d_out, **options
    )
    near(helpers.conv2d_grad_kernel(X, d_out, KERNEL.shape, *own), expected)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_pooling(padding):
    size, strides = (3, 2), (2, 2)
    options = {"ksize": [1, *size, 1], "strides": [1, *strides, 1], "padding": padding}
    out = helpers.max_pool(X, size, strides, padding)
    near(out, tf.raw_ops.MaxPool(input=X, **options))
    d_out = RANDOM.randn(*out.shape).astype(np.float32)
    expected = tf.raw_ops.MaxPoolGrad(orig_input=X, orig_output=out, grad=d_out, **options)
    near(helpers.max_pool_grad(X, out, d_out, size, strides, padding), expected)
    near(helpers.avg_pool(X, size, strides, padding), tf.raw_ops.AvgPool(value=X, **options))
    expected = tf.raw_ops.AvgPoolGrad(orig_input_shape=X.shape, grad=d_out, **options)
    near(helpers.avg_pool_grad(X.shape, d_out, size, strides, padding), expected)


def test_cross_entropies():
    logits, labels = X[0, 0] * 50, np.array([0, 2, 1, 1, 0, 2])
    for found, tensor in zip(
        helpers.sparse_softmax_cross_entropy(logits, labels),
        tf.raw_ops.SparseSoftmaxCrossEntropyWithLogits(features=logits, labels=labels),
        strict=True,
    ):
        near(found, tensor)
    near(helpers.softmax(logits), tf.nn.softmax(logits))
    near(helpers.sigmoid(logits), tf.sigmoid(logits))
    near(helpers.softplus(logits), tf.math.softplus(logits))


def test_sums_of_what_was_repeated():
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    np.testing.assert_array_equal(helpers.sum_to(x, (3, 1)), x.sum(axis=(0, 2))[:, None])
    np.testing.assert_array_equal(helpers.sum_to(x, ()), x.sum())
    for first, second in (((2, 3), (3,)), ((2, 1), (2, 3)), ((), (4,)), ((2, 3), (2, 3))):
        expected = tf.compat.v1.Session().run(tf.raw_ops.BroadcastGradientArgs(s0=first, s1=second))
        for found, axes in zip(helpers.broadcast_axes(first, second), expected, strict=True):
            assert found.tolist() == axes.tolist()


def test_parts_and_places():
    values, places = helpers.unique(np.array([7, 3, 7, 9, 3]))
    assert values.tolist() == [7, 3, 9] and places.tolist() == [0, 1, 0, 2, 1]
    table = helpers.segment_sum(np.ones((5, 2), np.float32), places, 3)
    assert table.tolist() == [[2, 2], [2, 2], [1, 1]]
    assert helpers.one_hot([1, 0], 3).tolist() == [[0, 1, 0], [1, 0, 0]]
    assert helpers.stitch([[2, 0], [1]], [[5, 6], [7]]).tolist() == [6, 7, 5]
    assert [o.tolist() for o in helpers.concat_offsets(1, (2, 3), (2, 4))] == [[0, 0], [0, 3]]
    assert helpers.part(np.arange(6).reshape(2, 3), (0, 1), (-1, 2)).tolist() == [[1, 2], [4, 5]]
