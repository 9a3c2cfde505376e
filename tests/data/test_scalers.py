"""Scalers against NumPy's formulas on complete arrays, and numbers computed by hand."""

import functools
import tracemalloc

import hypothesis.extra.numpy as arrays_of
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from sklearn import preprocessing

import graphkit as gk
from graphkit.data import scalers

EXAMPLES = settings(deadline=None, derandomize=True, database=None, max_examples=60)
NUMBERS = arrays_of.arrays(
    np.float64,
    arrays_of.array_shapes(min_dims=2, max_dims=4, max_side=5),
    elements=st.floats(-1000, 1000, width=32),
)
SCALERS = [gk.Standardizer, gk.MinMaxScaler]


def axes(examples, per):
    return 0 if per == "feature" else tuple(range(examples.ndim - 1))


@pytest.fixture(params=[scalers.CHUNK, 7], ids=["whole", "in chunks"])
def chunk(request, monkeypatch):
    monkeypatch.setattr(scalers, "CHUNK", request.param)


# Standardizer


def test_standardizer_by_hand():
    standardizer = gk.Standardizer(np.array([[2, 10], [4, 10], [4, 10], [6, 10]], np.uint8))
    assert standardizer.mean.tolist() == [4, 10]
    np.testing.assert_allclose(standardizer.std, [2**0.5, 0])
    scaled = standardizer(np.array([[6, 13]], np.uint8))
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, [[2**0.5, 3]], rtol=1e-7)


@pytest.mark.parametrize("per", ["feature", "channel"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "f2", "f4", ">f4", "f8"])
def test_standardizer_is_numpys_mean_and_std(chunk, per, dtype):
    examples = np.random.default_rng(0).integers(0, 250, (13, 4, 3, 2)).astype(dtype)
    standardizer = gk.Standardizer(examples, per)
    whole = examples.astype(np.float64)
    mean, std = whole.mean(axes(whole, per)), whole.std(axes(whole, per))
    assert standardizer.mean.shape == standardizer.std.shape == mean.shape
    assert standardizer.mean.dtype == standardizer.std.dtype == np.float64
    np.testing.assert_allclose(standardizer.mean, mean, rtol=1e-13)
    np.testing.assert_allclose(standardizer.std, std, rtol=1e-13)
    np.testing.assert_allclose(standardizer(examples), (whole - mean) / std, rtol=1e-6, atol=1e-6)


@EXAMPLES
@given(examples=NUMBERS, per=st.sampled_from(["feature", "channel"]))
def test_standardized_training_examples_have_mean_zero_and_variance_one(examples, per):
    standardizer = gk.Standardizer(examples, per)
    np.testing.assert_allclose(standardizer.std, examples.std(axes(examples, per)), rtol=1e-9, atol=1e-9)
    scaled = standardizer(examples).astype(np.float64)
    changing = standardizer.std > 1e-3
    np.testing.assert_allclose(scaled.mean(axes(examples, per))[changing], 0, atol=1e-4)
    np.testing.assert_allclose(scaled.std(axes(examples, per))[changing], 1, rtol=1e-4)


@pytest.mark.parametrize("per", ["feature", "channel"])
@pytest.mark.parametrize("value", [0.1, 1e9 / 3, -7e-9])
def test_a_constant_feature_is_left_centred(chunk, per, value):
    standardizer = gk.Standardizer(np.full((1001, 1), value), per)
    assert standardizer.mean == value
    assert standardizer.std == 0
    assert not standardizer(np.full((3, 1), value)).any()
    np.testing.assert_allclose(standardizer(np.full((1, 1), value + 2)), 2, rtol=1e-6)


def test_a_small_spread_about_a_large_mean_is_kept():
    seconds = 1.7e9 + np.arange(1000) / 8  # exact in float64; float32 tells apart only every 128th second
    standardizer = gk.Standardizer(seconds)
    np.testing.assert_allclose(standardizer.std, np.sqrt((1000**2 - 1) / 12) / 8, rtol=1e-12)
    steps = np.diff(standardizer(seconds))
    np.testing.assert_allclose(steps, 0.125 / standardizer.std, rtol=1e-3)


def test_other_examples_are_scaled_by_the_training_examples():
    images = np.random.default_rng(0).integers(0, 256, (6, 4, 5, 3)).astype(np.uint8)
    standardizer = gk.Standardizer(images, per="channel")
    others = np.zeros((2, 9, 7, 3), np.uint8)  # another size of image, the same channels
    expected = np.broadcast_to(-standardizer.mean / standardizer.std, others.shape)
    np.testing.assert_allclose(standardizer(others), expected, rtol=1e-6)
    assert standardizer(others[:0]).shape == (0, 9, 7, 3)
    assert gk.Standardizer(np.arange(5))(np.arange(2)).shape == (2,)


@pytest.mark.parametrize("scaler", SCALERS)
def test_memory_mapped_examples_are_read_some_at_a_time(scaler, tmp_path):
    shape = (8192, 32, 32, 1)
    images = np.memmap(tmp_path / "images", np.uint8, "w+", shape=shape)
    images[::2] = 3
    tracemalloc.start()
    fitted = scaler(images)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * 2**20 < 4 * images.size  # a float32 copy has 32 MiB
    values = fitted(images[:2])
    assert np.unique(values).tolist() == ([-1, 1] if scaler is gk.Standardizer else [0, 1])
    assert type(values) is np.ndarray


# MinMaxScaler


def test_min_max_scaler_by_hand():
    scaler = gk.MinMaxScaler(np.array([[1, 7], [3, 7], [5, 7]]), low=-1, high=3)
    assert (scaler.minimum.tolist(), scaler.maximum.tolist()) == ([1, 7], [5, 7])
    scaled = scaler(np.array([[1, 7], [2, 7], [5, 7], [7, 8]]))
    assert scaled.dtype == np.float32
    assert scaled.tolist() == [[-1, -1], [0, -1], [3, -1], [5, 3]]  # not clipped; a range of 0 counts as 1


@pytest.mark.parametrize("per", ["feature", "channel"])
@pytest.mark.parametrize("dtype", ["u1", "i8", "f2", "f8"])
def test_min_max_scaler_is_its_formula(chunk, per, dtype):
    examples = np.random.default_rng(1).integers(0, 250, (13, 4, 3, 2)).astype(dtype)
    whole = examples.astype(np.float64)
    low, high = whole.min(axes(whole, per)), whole.max(axes(whole, per))
    scaled = gk.MinMaxScaler(examples, 0.5, 2, per=per)(examples)
    np.testing.assert_allclose(scaled, 0.5 + 1.5 * (whole - low) / (high - low), rtol=1e-6)


@EXAMPLES
@given(
    examples=NUMBERS,
    per=st.sampled_from(["feature", "channel"]),
    low=st.floats(-10, 9.5),
    width=st.floats(0.25, 10),
)
def test_training_examples_fill_the_range_exactly(examples, per, low, width):
    scaler = gk.MinMaxScaler(examples, low, low + width, per=per)
    scaled = scaler(examples)
    changing = scaler.maximum > scaler.minimum
    assert (scaled.min(axes(examples, per)) == np.float32(low)).all()
    assert (scaled.max(axes(examples, per))[changing] == np.float32(low + width)).all()


# what both refuse


@pytest.mark.parametrize("scaler", SCALERS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused_with_its_position(chunk, scaler, value):
    examples = np.random.default_rng(0).random((9, 2, 3)).astype(np.float32)
    fitted = scaler(examples)
    examples[4, 1, 2] = examples[8, 0, 0] = value
    rule = rf"^{scaler.__name__}: examples must be finite; received value={value}, position=\(4, 1, 2\)$"
    with pytest.raises(ValueError, match=rule):
        scaler(examples)
    with pytest.raises(ValueError, match=rule):
        fitted(examples)


@pytest.mark.parametrize("scaler", SCALERS)
@pytest.mark.parametrize(
    ("examples", "per", "error", "message"),
    [
        (1.0, "feature", TypeError, "examples must be an array"),
        (np.array([["a"]]), "feature", TypeError, "examples must hold numbers; received dtype='<U1'"),
        (np.array([True]), "feature", TypeError, "examples must hold numbers; received dtype='bool'"),
        (np.zeros((0, 3)), "feature", ValueError, r"at least one example.*received shape=\(0, 3\)"),
        (np.zeros((3, 0)), "feature", ValueError, "one number in it"),
        (np.array(1.0), "feature", ValueError, r"received shape=\(\)"),
        (np.zeros(3), "channel", ValueError, r"axis of channels after the first; received shape=\(3,\)"),
        (np.zeros((3, 2)), "image", ValueError, "per must be one of 'feature', 'channel'"),
        (np.zeros((3, 2)), 1, TypeError, "per must be one of"),
        (np.array([[-1e308], [1e308]]), "feature", ValueError, "fits? float64"),
    ],
)
def test_refused_training_examples(scaler, examples, per, error, message):
    with pytest.raises(error, match=f"^{scaler.__name__}: .*{message}"):
        scaler(examples, per=per)


@pytest.mark.parametrize("scaler", SCALERS)
@pytest.mark.parametrize(
    ("per", "examples", "error", "message"),
    [
        ("feature", np.zeros((2, 3)), ValueError, r"features of shape \(4, 2\).*received shape=\(2, 3\)"),
        ("feature", np.zeros((4, 2)), ValueError, r"received shape=\(4, 2\)"),
        ("feature", np.array(0.0), ValueError, r"received shape=\(\)"),
        ("channel", np.zeros((5, 4, 1)), ValueError, r"channels of shape \(2,\).*shape=\(5, 4, 1\)"),
        ("channel", np.zeros(2), ValueError, r"received shape=\(2,\)"),
        ("channel", 0.0, TypeError, "examples must be an array"),
        ("channel", np.zeros((1, 2), bool), TypeError, "must hold numbers"),
    ],
)
def test_refused_other_examples(scaler, per, examples, error, message):
    fitted = scaler(np.zeros((3, 4, 2)), per=per)
    with pytest.raises(error, match=f"^{scaler.__name__}: .*{message}"):
        fitted(examples)


@pytest.mark.parametrize(
    ("low", "high", "error", "message"),
    [
        (1, 1, ValueError, "low must be below high; received low=1, high=1"),
        (0, np.inf, ValueError, "high must be a finite number"),
        ("0", 1, TypeError, "low must be a finite number"),
    ],
)
def test_refused_ranges(low, high, error, message):
    with pytest.raises(error, match=f"MinMaxScaler: {message}"):
        gk.MinMaxScaler(np.zeros((3, 2)), low, high)


# fit, transform and inverse_transform


@pytest.mark.parametrize(
    ("ours", "other"),
    [
        (gk.Standardizer, preprocessing.StandardScaler()),
        (functools.partial(gk.MinMaxScaler, low=-1.0, high=3.0), preprocessing.MinMaxScaler((-1, 3))),
    ],
)
def test_scalers_speak_as_scikit_learn_does(ours, other):
    examples = np.random.default_rng(2).normal(7, 3, (40, 5)) * [1, 10, 0.1, 1e6, 0]  # the last is constant
    later = examples[:7] * 1.5
    scaler = ours()
    assert scaler.fit(examples) is scaler
    other.fit(examples)
    assert np.allclose(scaler.transform(later), other.transform(later), atol=1e-6)
    assert np.array_equal(scaler.transform(later), scaler(later))
    assert np.array_equal(scaler.transform(later), ours(examples)(later))
    back = scaler.inverse_transform(other.transform(later))
    assert back.dtype == np.float64 and np.allclose(back, later, rtol=1e-12)
    assert np.allclose(
        scaler.inverse_transform(scaler(later)), other.inverse_transform(other.transform(later))
    )
    assert np.array_equal(scaler.fit(later)(later), ours(later)(later))


@pytest.mark.parametrize("scaler", [gk.Standardizer(), gk.MinMaxScaler()])
def test_use_before_fit_is_refused(scaler):
    for use in (scaler, scaler.transform, scaler.inverse_transform):
        with pytest.raises(ValueError, match="fit must be called first"):
            use(np.eye(3))


def test_channels_are_given_back():
    images = np.random.default_rng(2).integers(0, 256, (6, 4, 4, 3), np.uint8)
    for scaler in (gk.Standardizer(per="channel"), gk.MinMaxScaler(per="channel")):
        assert np.allclose(scaler.fit(images).inverse_transform(scaler(images)), images, atol=1e-4)
