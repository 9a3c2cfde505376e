"""Scaled pixels, gray images, one-hot rows: values by hand, and refusals that name the argument."""

import hypothesis.extra.numpy as arrays_of
import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings

import graphkit as gk
from graphkit.data import preprocess

EXAMPLES = settings(deadline=None, derandomize=True, database=None, max_examples=100)
NUMBER_DTYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]
INTEGER_DTYPES = ["u1", "i1", "u2", ">u2", "i4", "u8", "i8"]


# scale_pixels


def test_scale_pixels_by_hand():
    scaled = gk.scale_pixels(np.array([[0, 64, 127], [128, 192, 255]], np.uint8))
    assert scaled.dtype == np.float32
    assert scaled.tolist() == [[-1, -0.5, -0.0078125], [0, 0.5, 0.9921875]]


def test_scale_pixels_of_every_pixel_value_is_exact():
    scaled = gk.scale_pixels(np.arange(256, dtype=np.uint8))
    assert scaled.tolist() == [(value - 128) / 128 for value in range(256)]


def test_scale_pixels_with_offset_and_scale_by_hand():
    assert gk.scale_pixels(np.array([0, 10, 30], np.uint8), offset=10, scale=4).tolist() == [-2.5, 0, 5]


@EXAMPLES
@given(offset=st.floats(-300, 300), scale=st.floats(0.01, 1000))
def test_scale_pixels_is_its_formula(offset, scale):
    scaled = gk.scale_pixels(np.arange(256, dtype=np.uint8), offset, scale)
    expected = (np.arange(256) - offset) / scale
    np.testing.assert_allclose(scaled, expected, rtol=1e-5, atol=1e-4 / scale)


@EXAMPLES
@given(images=arrays_of.arrays(np.uint8, arrays_of.array_shapes(min_dims=0, max_dims=5, min_side=0)))
def test_scale_pixels_keeps_the_shape(images):
    scaled = gk.scale_pixels(images)
    assert (scaled.shape, scaled.dtype) == (images.shape, np.float32)


@pytest.mark.parametrize("dtype", NUMBER_DTYPES)
def test_scale_pixels_of_every_number_dtype_is_float32(dtype):
    scaled = gk.scale_pixels(np.array([0, 100], dtype), offset=50, scale=50)
    assert scaled.dtype == np.float32 and scaled.tolist() == [-1, 1]


@pytest.mark.parametrize("dtype", ["u1", "f4", "f8"])
def test_scale_pixels_leaves_its_argument_as_it_is(dtype):
    images = np.array([0, 100], dtype)
    gk.scale_pixels(images)
    assert images.tolist() == [0, 100]


def test_scale_pixels_takes_arrays_that_are_not_contiguous():
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)[:, ::2, ::-1]
    np.testing.assert_array_equal(gk.scale_pixels(images, 0, 1), images)


@pytest.mark.parametrize("images", [None, 3, "image", {"a": 1}], ids=repr)
def test_scale_pixels_refuses_what_is_not_an_array(images):
    with pytest.raises(TypeError, match=r"^scale_pixels: images "):
        gk.scale_pixels(images)


@pytest.mark.parametrize("values", [["a"], [b"a"], [None], [1j]], ids=repr)
def test_scale_pixels_refuses_arrays_that_do_not_hold_numbers(values):
    with pytest.raises(TypeError, match=r"^scale_pixels: images "):
        gk.scale_pixels(np.array(values))


def test_scale_pixels_refuses_a_placeholder():
    images = tf.compat.v1.placeholder(tf.uint8, (None, 28, 28, 1))
    with pytest.raises(TypeError, match=r"^scale_pixels: images "):
        gk.scale_pixels(images)


@pytest.mark.parametrize("scale", [0, 0.0, -1, float("nan"), float("inf")])
def test_scale_pixels_refuses_a_scale_that_is_not_positive(scale):
    with pytest.raises(ValueError, match=r"^scale_pixels: scale .*received scale="):
        gk.scale_pixels(np.zeros(3), scale=scale)


@pytest.mark.parametrize("offset", [float("nan"), float("inf"), float("-inf")])
def test_scale_pixels_refuses_an_offset_that_is_not_finite(offset):
    with pytest.raises(ValueError, match=r"^scale_pixels: offset .*received offset="):
        gk.scale_pixels(np.zeros(3), offset=offset)


@pytest.mark.parametrize("value", ["1", None, True, [1.0]])
@pytest.mark.parametrize("name", ["offset", "scale"])
def test_scale_pixels_refuses_an_offset_or_scale_that_is_not_a_number(name, value):
    with pytest.raises(TypeError, match=f"^scale_pixels: {name} "):
        gk.scale_pixels(np.zeros(3), **{name: value})


# one_hot


def test_one_hot_by_hand():
    rows = gk.one_hot(np.array([2, 0, 2, 1]), 4)
    assert rows.dtype == np.float32
    assert rows.tolist() == [[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0]]


@EXAMPLES
@given(labels=st.lists(st.integers(0, 19), max_size=50), spare=st.integers(0, 5))
def test_one_hot_rows_have_a_single_one_at_the_label(labels, spare):
    rows = gk.one_hot(np.array(labels, np.int32), 20 + spare)
    assert rows.shape == (len(labels), 20 + spare)
    assert np.count_nonzero(rows) == len(labels)
    assert [row[label] for row, label in zip(rows, labels, strict=True)] == [1] * len(labels)


@pytest.mark.parametrize("dtype", INTEGER_DTYPES)
def test_one_hot_takes_every_integer_dtype(dtype):
    assert gk.one_hot(np.array([1, 0], dtype), 2).tolist() == [[0, 1], [1, 0]]


def test_one_hot_of_no_labels_has_no_rows():
    rows = gk.one_hot(np.array([], np.int64), 3)
    assert rows.shape == (0, 3) and rows.dtype == np.float32


def test_one_hot_of_a_single_class():
    assert gk.one_hot(np.zeros(3, int), 1).tolist() == [[1], [1], [1]]


@pytest.mark.parametrize("labels", [[3], [0, 4], [-1], [2, -3], [2**40], [2**32], [-(2**63)]])
def test_one_hot_refuses_labels_out_of_range(labels):
    with pytest.raises(ValueError, match=r"^one_hot: labels must lie in 0\.\.2; received"):
        gk.one_hot(np.array(labels), 3)


@pytest.mark.parametrize("dtype", ["u1", "u8"])
def test_one_hot_refuses_the_largest_unsigned_label(dtype):
    with pytest.raises(ValueError, match=r"^one_hot: labels "):
        gk.one_hot(np.array([np.iinfo(dtype).max], dtype), 3)


@pytest.mark.parametrize("shape", [(), (2, 1), (1, 2, 2), (0, 3)])
def test_one_hot_refuses_labels_without_exactly_one_axis(shape):
    with pytest.raises(ValueError, match=r"^one_hot: labels "):
        gk.one_hot(np.zeros(shape, int), 3)


@pytest.mark.parametrize("values", [[1.0], [True], ["1"], [None], [1j], [0.5]], ids=repr)
def test_one_hot_refuses_labels_that_are_not_integers(values):
    with pytest.raises(TypeError, match=r"^one_hot: labels "):
        gk.one_hot(np.array(values), 3)


@pytest.mark.parametrize("labels", [None, 1, "12", [0.5], ["a"], {1}], ids=repr)
def test_one_hot_refuses_what_is_not_an_array_of_integers(labels):
    with pytest.raises(TypeError, match=r"^one_hot: labels "):
        gk.one_hot(labels, 3)


def test_one_hot_refuses_a_placeholder():
    labels = tf.compat.v1.placeholder(tf.int32, (None,))
    with pytest.raises(TypeError, match=r"^one_hot: labels "):
        gk.one_hot(labels, 3)


@pytest.mark.parametrize("num_classes", [0, -1])
def test_one_hot_refuses_fewer_than_one_class(num_classes):
    with pytest.raises(ValueError, match=f"^one_hot: num_classes .*received num_classes={num_classes}"):
        gk.one_hot(np.array([0]), num_classes)


@pytest.mark.parametrize("num_classes", [3.0, "3", None, True])
def test_one_hot_refuses_a_number_of_classes_that_is_not_an_integer(num_classes):
    with pytest.raises(TypeError, match=r"^one_hot: num_classes "):
        gk.one_hot(np.array([0]), num_classes)


# grayscale


def test_grayscale_of_floats_by_hand():
    gray = gk.grayscale(np.array([[[0.0, 0.5, 1.0], [3.0, 4.0, -1.0]]]))
    assert (gray.shape, gray.dtype) == ((1, 2, 1), np.float32)
    assert gray.tolist() == [[[0.5], [2.0]]]


def test_grayscale_of_every_sum_of_pixels_is_rounded_to_the_nearest():
    sums = np.arange(3 * 255 + 1)
    red = np.minimum(sums, 255)
    green = np.minimum(sums - red, 255)
    images = np.stack([red, green, sums - red - green], axis=-1).astype(np.uint8)
    gray = gk.grayscale(images)
    assert (gray.shape, gray.dtype) == ((766, 1), np.uint8)
    assert gray[:, 0].tolist() == [round(total / 3) for total in range(766)]


@pytest.mark.parametrize("dtype", ["u2", "i4", "i8", "f2", "f4", ">f4", "f8"])
def test_grayscale_of_other_numbers_is_their_float32_mean(dtype):
    images = np.random.default_rng(0).integers(0, 2000, (5, 4, 6, 3)).astype(dtype)
    gray = gk.grayscale(images)
    assert (gray.shape, gray.dtype) == ((5, 4, 6, 1), np.float32)
    np.testing.assert_allclose(gray, images.astype(np.float64).mean(-1, keepdims=True), rtol=1e-6)


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (np.zeros((2, 3, 4)), ValueError, r"three channels .* last axis; received shape=\(2, 3, 4\)"),
        (np.array(1.0), ValueError, r"received shape=\(\)"),
        (np.zeros((2, 3), bool), TypeError, "images must hold numbers"),
        ("images", TypeError, "images must be an array"),
    ],
)
def test_grayscale_refusals(images, error, message):
    with pytest.raises(error, match=f"^grayscale: .*{message}"):
        gk.grayscale(images)


# principal_components


@pytest.mark.parametrize("shape", [(40, 5), (6, 300), (3, 3)])
def test_principal_components_are_those_of_the_full_decomposition(shape):
    points = np.random.default_rng(0).normal(size=shape) * np.linspace(1, 4, shape[1])
    centered = points - points.mean(axis=0)
    directions, lengths = preprocess.principal_components(centered)
    _, expected_lengths, expected = np.linalg.svd(centered, full_matrices=False)
    assert directions.shape == (shape[1], 2)
    np.testing.assert_allclose(lengths, expected_lengths[:2], rtol=1e-10)
    np.testing.assert_allclose(np.abs(np.sum(directions.T * expected[:2], axis=1)), 1, rtol=1e-10)
