"""Pools of windows and of complete images against NumPy."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from references import assert_agree, assert_gradients, normal, patches, run, to_format

import graphkit as gk

v1 = tf.compat.v1

each_padding = pytest.mark.parametrize("padding", ["valid", "same"])
WINDOWS = list(itertools.product([1, 2, 3, (3, 2), (1, 4)], [1, 2, (2, 3), 4]))  # size, strides


@each_padding
def test_max_pool_agrees_with_numpy(padding):
    cases, images = {}, normal(2, 7, 6, 3) - 5  # negative, so that padding by zeros would show
    for size, strides in WINDOWS:
        expected = patches(images, size, strides, padding, fill=-np.inf).max((3, 4))
        cases[size, strides] = gk.max_pool(images, size, strides, padding), expected
    assert_agree(cases, rtol=0, atol=0)


@each_padding
def test_avg_pool_agrees_with_numpy(padding):
    cases, images = {}, normal(2, 7, 6, 3)
    for size, strides in WINDOWS:
        expected = np.nanmean(patches(images, size, strides, padding, fill=np.nan), axis=(3, 4))
        cases[size, strides] = gk.avg_pool(images, size, strides, padding), expected
    assert_agree(cases, atol=1e-6)


def test_avg_pool_does_not_count_padding():
    outputs = run(gk.avg_pool(tf.ones((1, 5, 5, 1)), 3, 2, "same"))
    np.testing.assert_allclose(outputs, np.ones((1, 3, 3, 1)), rtol=1e-6)


@pytest.mark.parametrize("pool", [gk.max_pool, gk.avg_pool])
def test_pools_make_no_variables(pool):
    pool(tf.ones((1, 4, 4, 1)), 2, 2)
    assert not v1.global_variables()


@pytest.mark.parametrize("pool", [gk.max_pool, gk.avg_pool])
@each_padding
def test_gradient_of_pools(pool, padding):
    fed = v1.placeholder(tf.float64, (2, 5, 4, 2))
    assert_gradients(pool(fed, (2, 3), 2, padding), {fed: normal(2, 5, 4, 2, dtype=np.float64)})


# Pools of complete images


REDUCTIONS = {gk.global_avg_pool: np.mean, gk.global_max_pool: np.max}
each_pool = pytest.mark.parametrize("pool", REDUCTIONS)
FORMATS = ("channels_last", "channels_first")


@each_pool
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_global_pools_agree_with_numpy(pool, dtype):
    cases = {}
    for shape in ((2, 5, 4, 3), (1, 1, 1, 1), (3, 1, 7, 2), (0, 2, 2, 2)):
        for data_format in FORMATS:
            images = normal(*shape, dtype=dtype) - 5  # negative, so that a maximum with zero would show
            outputs = pool(to_format(images, data_format), data_format)
            expected = REDUCTIONS[pool](images.astype(np.float64), (1, 2))
            assert outputs.dtype == dtype and outputs.shape.as_list() == list(expected.shape)
            cases[shape, data_format] = outputs, expected
    accuracy = 8 * np.finfo(dtype).eps
    assert_agree(cases, accuracy, accuracy)


@each_pool
@pytest.mark.parametrize("data_format", FORMATS)
def test_global_pools_take_images_of_unknown_size(pool, data_format):
    known = (None, None, None, 3) if data_format == "channels_last" else (None, 3, None, None)
    fed = v1.placeholder(tf.float32, known)
    outputs = pool(fed, data_format)
    assert outputs.shape.as_list() == [None, 3]
    for size in (2, 5):
        images = normal(size, size, size, 3)
        expected = REDUCTIONS[pool](images, (1, 2))
        assert_agree({size: (outputs, expected)}, atol=1e-6, feed={fed: to_format(images, data_format)})


def test_a_global_pool_is_the_pool_over_one_window_of_the_whole_image():
    images = tf.constant(normal(2, 5, 4, 3))
    pools = [(gk.global_avg_pool, gk.avg_pool), (gk.global_max_pool, gk.max_pool)]
    for complete, windowed in pools:
        first, second = run([complete(images), windowed(images, (5, 4), 1)])
        np.testing.assert_allclose(first, second[:, 0, 0], rtol=1e-5, atol=1e-6)


def test_the_mean_passes_the_gradient_to_all_pixels_alike():
    images = tf.constant(normal(2, 5, 4, 3))
    np.testing.assert_allclose(run(tf.gradients(gk.global_avg_pool(images), images)[0]), 1 / 20, rtol=1e-6)


def test_the_maximum_passes_the_gradient_to_the_largest_pixel():
    images = normal(2, 5, 4, 3)
    fed = tf.constant(images)
    gradient = run(tf.gradients(gk.global_max_pool(fed), fed)[0])
    np.testing.assert_array_equal(gradient, images == images.max((1, 2), keepdims=True))
