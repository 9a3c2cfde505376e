"""Initializers: bounds and moments of samples against their formulas."""

import math
import re

import numpy as np
import pytest
import tensorflow as tf
from references import run

import graphkit as gk

v1 = tf.compat.v1

# Standard deviation of the standard normal distribution cut off at ±2: 1 - 4 φ(2) / (2 Φ(2) - 1), its root.
CUT = math.sqrt(1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2)))

RANDOM = {
    "truncated_normal": lambda **seed: gk.truncated_normal(0.1, **seed),
    "glorot_uniform": gk.glorot_uniform,
    "he_normal": gk.he_normal,
}
each_random = pytest.mark.parametrize("name", RANDOM)

SHAPES = [(300, 500), (5, 5, 80, 90), (3, 7, 100, 60)]
each_shape = pytest.mark.parametrize("shape", SHAPES)


def sample(initializer, shape, dtype=tf.float32):
    return run(initializer(shape, dtype)).astype(np.float64)


def fans(shape):
    """Returns how many inputs a unit of the kernel has, and how many units an input reaches."""
    taps = math.prod(shape[:-2])
    return taps * shape[-2], taps * shape[-1]


def assert_moments(values, mean, deviation):
    """Holds mean and variance to 5 standard errors; no distribution here has more than normal tails."""
    count = values.size
    assert abs(values.mean() - mean) < 5 * deviation / math.sqrt(count)
    assert abs(values.var() / deviation**2 - 1) < 5 * math.sqrt(2 / count)


def test_the_cut_normal_has_88_percent_of_the_deviation():
    assert math.isclose(CUT, 0.8796, abs_tol=5e-5)


@pytest.mark.parametrize("sigma", [1e-3, 0.1, 3])
def test_truncated_normal_stays_within_two_sigma(sigma):
    values = sample(gk.truncated_normal(sigma, seed=1), (400, 400))
    assert 1.99 * sigma < np.abs(values).max() <= 2 * sigma * (1 + 1e-6)


@pytest.mark.parametrize("sigma", [1e-3, 0.1, 3])
def test_truncated_normal_has_the_moments_of_the_cut_normal(sigma):
    assert_moments(sample(gk.truncated_normal(sigma, seed=1), (400, 400)), 0, CUT * sigma)


def test_truncated_normal_has_a_tenth_by_default():
    values = sample(gk.truncated_normal(seed=3), (400, 400))
    assert_moments(values, 0, CUT * 0.1)


def test_truncated_normal_is_normal_inside_one_sigma():
    values = sample(gk.truncated_normal(1.0, seed=1), (400, 400))
    expected = math.erf(math.sqrt(0.5)) / math.erf(math.sqrt(2))
    fraction = (np.abs(values) < 1).mean()
    assert abs(fraction - expected) < 5 * math.sqrt(expected * (1 - expected) / values.size)


@each_shape
def test_glorot_uniform_stays_within_its_limit(shape):
    limit = math.sqrt(6 / sum(fans(shape)))
    largest = np.abs(sample(gk.glorot_uniform(seed=2), shape)).max()
    assert 0.999 * limit < largest <= limit * (1 + 1e-6)


@each_shape
def test_glorot_uniform_has_the_moments_of_the_uniform(shape):
    limit = math.sqrt(6 / sum(fans(shape)))
    assert_moments(sample(gk.glorot_uniform(seed=2), shape), 0, limit / math.sqrt(3))


def test_glorot_uniform_is_flat():
    values = sample(gk.glorot_uniform(seed=2), (400, 400))
    counts, _ = np.histogram(values, bins=64)
    expected = values.size / 64
    assert ((counts - expected) ** 2 / expected).sum() < 63 + 5 * math.sqrt(2 * 63)


@each_shape
def test_he_normal_has_variance_two_over_fan_in(shape):
    assert_moments(sample(gk.he_normal(seed=4), shape), 0, math.sqrt(2 / fans(shape)[0]))


@each_shape
def test_he_normal_is_cut_at_two_sigma_of_the_uncut_normal(shape):
    limit = 2 * math.sqrt(2 / fans(shape)[0]) / CUT
    largest = np.abs(sample(gk.he_normal(seed=4), shape)).max()
    assert 0.99 * limit < largest <= limit * (1 + 1e-4)


@pytest.mark.parametrize("shape", [(3,), (4, 5), (3, 3, 2, 4)])
@pytest.mark.parametrize("dtype", [tf.float16, tf.float32, tf.float64])
def test_zeros_are_zeros(shape, dtype):
    values = run(gk.zeros()(shape, dtype))
    assert values.shape == shape and values.dtype == dtype.as_numpy_dtype and not values.any()


@each_random
@pytest.mark.parametrize("dtype", [tf.float16, tf.float32, tf.float64])
def test_values_have_the_dtype_asked_for(name, dtype):
    assert run(RANDOM[name](seed=1)((4, 5), dtype)).dtype == dtype.as_numpy_dtype


@each_random
def test_the_same_seed_draws_the_same_values(name):
    first = sample(RANDOM[name](seed=5), (20, 30))
    with tf.Graph().as_default():
        tf.zeros(())  # another graph, in which other ops come first
        second = sample(RANDOM[name](seed=5), (20, 30))
    np.testing.assert_array_equal(first, second)


@each_random
def test_another_seed_draws_other_values(name):
    assert (sample(RANDOM[name](seed=5), (20, 30)) != sample(RANDOM[name](seed=6), (20, 30))).mean() > 0.99


@each_random
def test_without_a_seed_two_layers_differ(name):
    features = tf.zeros((1, 20))
    for _ in range(2):
        gk.dense(features, 30, use_bias=False, kernel_initializer=RANDOM[name]())
    first, second = run(v1.trainable_variables())
    assert (first != second).mean() > 0.99


@each_random
def test_without_a_seed_the_graphs_seed_rules(name):
    drawn = []
    for seed in (1, 1, 2):
        with tf.Graph().as_default():
            v1.set_random_seed(seed)
            drawn.append(sample(RANDOM[name](), (20, 30)))
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).any()


@pytest.mark.parametrize(
    "build, shape",
    [
        (lambda: gk.dense(tf.zeros((1, 300)), 500), (300, 500)),
        (lambda: gk.conv2d(tf.zeros((1, 9, 9, 80)), 90, 5), (5, 5, 80, 90)),
        (lambda: gk.conv2d(tf.zeros((1, 80, 9, 9)), 90, 5, data_format="channels_first"), (5, 5, 80, 90)),
    ],
    ids=["dense", "conv2d", "conv2d-channels_first"],
)
def test_layers_start_from_glorot_uniform_and_zero_biases(build, shape):
    v1.set_random_seed(1)
    build()
    kernel, bias = run(v1.trainable_variables())
    limit = math.sqrt(6 / sum(fans(shape)))
    assert kernel.shape == shape and not bias.any()
    assert 0.999 * limit < np.abs(kernel).max() <= limit * (1 + 1e-6)
    assert_moments(kernel.astype(np.float64), 0, limit / math.sqrt(3))


@each_random
def test_values_have_no_correlation_between_rows(name):
    values = sample(RANDOM[name](seed=9), (300, 500))
    values = (values - values.mean()) / values.std()
    assert abs((values[1:] * values[:-1]).mean()) < 5 / math.sqrt(values.size)
    assert abs((values[:, 1:] * values[:, :-1]).mean()) < 5 / math.sqrt(values.size)


@pytest.mark.parametrize("sigma", [0, -0.1, float("nan"), float("inf")])
def test_sigma_must_be_positive_and_finite(sigma):
    text = f"truncated_normal: sigma must be a finite number above 0; received sigma={sigma!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        gk.truncated_normal(sigma)


@pytest.mark.parametrize("sigma", ["0.1", None, True, [0.1], 1j])
def test_sigma_must_be_a_number(sigma):
    text = f"truncated_normal: sigma must be a finite number above 0; received sigma={sigma!r}"
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        gk.truncated_normal(sigma)


@pytest.mark.parametrize("name", ["truncated_normal", "glorot_uniform", "he_normal"])
@pytest.mark.parametrize(("seed", "error"), [("1", TypeError), (0.5, TypeError), (-1, ValueError)])
def test_a_seed_must_be_a_non_negative_integer(name, seed, error):
    with pytest.raises(error, match=f"^{name}: seed must be an integer"):
        getattr(gk, name)(seed=seed)


@pytest.mark.parametrize("name", ["truncated_normal", "glorot_uniform", "he_normal"])
def test_a_seed_may_be_of_any_integer_type(name):
    gk.dense(tf.zeros((2, 3)), 4, kernel_initializer=getattr(gk, name)(seed=np.uint8(200)))
