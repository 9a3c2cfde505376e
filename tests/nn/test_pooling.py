"""Global pools against NumPy; the windowed pools are tested in test_layers.py."""

import re

import numpy as np
import pytest
import tensorflow as tf
from references import normal, run

import graphkit as gk

v1 = tf.compat.v1

REDUCTIONS = {"global_avg_pool": np.mean, "global_max_pool": np.max}

each_pool = pytest.mark.parametrize("name", REDUCTIONS)
each_format = pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])


def image_axes(data_format):
    return (1, 2) if data_format == "channels_last" else (2, 3)


@each_pool
@each_format
@pytest.mark.parametrize("shape", [(2, 5, 4, 3), (1, 1, 1, 1), (3, 1, 7, 2), (0, 2, 2, 2)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_global_pools_agree_with_numpy(name, data_format, shape, dtype):
    images = normal(*shape, dtype=dtype) - 5  # negative, so that a maximum with zero would show
    outputs = getattr(gk, name)(images, data_format)
    expected = REDUCTIONS[name](images.astype(np.float64), image_axes(data_format))
    assert outputs.shape.as_list() == list(expected.shape)
    values = run(outputs)
    assert values.dtype == dtype
    accuracy = 8 * np.finfo(dtype).eps
    np.testing.assert_allclose(values, expected, rtol=accuracy, atol=accuracy)


@each_pool
@each_format
def test_global_pools_take_images_of_unknown_size(name, data_format):
    known = (None, None, None, 3) if data_format == "channels_last" else (None, 3, None, None)
    fed = v1.placeholder(tf.float32, known)
    outputs = getattr(gk, name)(fed, data_format)
    assert outputs.shape.as_list() == [None, 3]
    for size in (2, 5):
        images = normal(*(channels or size for channels in known))
        expected = REDUCTIONS[name](images, image_axes(data_format))
        np.testing.assert_allclose(run(outputs, {fed: images}), expected, rtol=1e-5, atol=1e-6)


def test_a_global_pool_is_the_pool_over_one_window_of_the_whole_image():
    images = tf.constant(normal(2, 5, 4, 3))
    pools = [(gk.global_avg_pool, gk.avg_pool), (gk.global_max_pool, gk.max_pool)]
    for whole, windowed in pools:
        first, second = run([whole(images), windowed(images, (5, 4), 1)])
        np.testing.assert_allclose(first, second[:, 0, 0], rtol=1e-5, atol=1e-6)


def test_the_mean_passes_the_gradient_to_all_pixels_alike():
    images = tf.constant(normal(2, 5, 4, 3))
    np.testing.assert_allclose(run(tf.gradients(gk.global_avg_pool(images), images)[0]), 1 / 20, rtol=1e-6)


def test_the_maximum_passes_the_gradient_to_the_largest_pixel():
    images = normal(2, 5, 4, 3)
    fed = tf.constant(images)
    gradient = run(tf.gradients(gk.global_max_pool(fed), fed)[0])
    np.testing.assert_array_equal(gradient, images == images.max((1, 2), keepdims=True))


@each_pool
def test_the_op_has_the_name_that_was_given(name):
    pool = getattr(gk, name)
    assert pool(tf.zeros((1, 2, 2, 1))).name == f"{name}:0"
    assert pool(tf.zeros((1, 2, 2, 1)), name="mine").name == "mine:0"
    assert not v1.global_variables()


REFUSALS = {
    "three axes": (
        (np.zeros((2, 2, 2), np.float32),),
        ValueError,
        "inputs must have 4 axes; received shape=",
    ),
    "integers": ((np.zeros((1, 2, 2, 1), int),), TypeError, "inputs must be a floating-point tensor"),
    "no tensor": ((None,), TypeError, "inputs must be a tensor of the default graph"),
    "data format": (
        (np.zeros((1, 2, 2, 1), np.float32), "NHWC"),
        ValueError,
        "data_format must be one of 'channels_last', 'channels_first'; received data_format='NHWC'",
    ),
}


@each_pool
@pytest.mark.parametrize("case", REFUSALS)
def test_global_pools_refuse(name, case):
    arguments, error, text = REFUSALS[case]
    with pytest.raises(error, match=f"^{name}: {re.escape(text)}"):
        getattr(gk, name)(*arguments)


@each_pool
def test_a_finalized_graph_takes_no_pool(fresh_graph, name):
    images = tf.zeros((1, 2, 2, 1))
    fresh_graph.finalize()
    with pytest.raises(RuntimeError, match=rf"^{name}: .*finalized.*{re.escape(__file__)}:\d+$"):
        getattr(gk, name)(images)
