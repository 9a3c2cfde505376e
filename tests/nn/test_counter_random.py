"""Masks by counting: what is kept, independence, and that (seed, op, step) alone decides them.

All draws are fixed by their keys, so that a bound of 5 or 6 standard deviations either holds or not.
"""

import hashlib
import math

import numpy as np
import pytest
import tensorflow as tf
from nn.mask_statistics import (
    assert_uniform,
    largest_correlation,
    shifted_correlations,
    standardized,
    xored_correlations,
)

from graphkit.nn import counter_random

v1 = tf.compat.v1

COUNT = 1 << 16


def also_slow(name, fast, *slow):
    """Parametrizes with some values by default, and with others in the slow tier."""
    return pytest.mark.parametrize(
        name, [*fast, *(pytest.param(value, marks=pytest.mark.slow) for value in slow)]
    )


each_keep_prob = also_slow("keep_prob", [0.25], 0.01, 0.5, 0.9)
half_or_tenth = also_slow("keep_prob", [0.5], 0.1)


@pytest.fixture(scope="module")
def draw():
    """A function that returns a mask, from one session and one set of ops for each op name."""
    graph, made = tf.Graph(), {}
    with graph.as_default():
        fed = [v1.placeholder(dtype) for dtype in (tf.int32, tf.float32, tf.int64, tf.int64)]
        fed[0].set_shape([None])
        for placeholder in fed[1:]:
            placeholder.set_shape([])
    session = v1.Session(graph=graph)

    def draw(shape=COUNT, keep_prob=0.5, seed=1, step=0, op="dropout/"):
        if op not in made:
            with graph.as_default():
                made[op] = counter_random.keep_mask(*fed, op)
        return session.run(
            made[op], dict(zip(fed, (np.atleast_1d(shape), keep_prob, seed, step), strict=True))
        )

    yield draw
    session.close()


GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mix(words):
    """The output function of SplitMix64 on NumPy arrays, which wrap around without a warning."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def word(value):
    return np.array([value % 2**64], np.uint64)


def key(seed, step, op):
    name = np.frombuffer(hashlib.sha256(op.encode()).digest()[:8], "<u8")
    return mix(mix(word(seed) * GOLDEN + name) + word(step) * GOLDEN)


def lanes(count, seed=1, step=0, op="dropout/"):
    """Returns the 16 random bits of each unit: four neighbours share one hash, the low bits first."""
    words = np.arange((count + 3) // 4, dtype=np.uint64)
    return mix(words * GOLDEN + key(seed, step, op)).astype("<u8").view("<u2")[:count]


# How much is kept


@pytest.mark.parametrize("keep_prob", [2**-16, 0.001, 0.1, 0.25, 0.5, 0.75, 0.9, 0.999, 1 - 2**-16])
def test_kept_fraction_is_keep_prob(draw, keep_prob):
    expected = round(keep_prob * 65536) / 65536
    fraction = draw(1 << 21, keep_prob).mean()
    assert abs(fraction - expected) < 5 * math.sqrt(expected * (1 - expected) / (1 << 21))


def test_all_is_kept_with_keep_prob_one(draw):
    assert draw(1 << 21, 1.0).all()


@pytest.mark.parametrize("lower, higher", [(2**-16, 0.1), (0.1, 0.1 + 2**-16), (0.5, 0.9), (0.9, 1.0)])
def test_more_is_kept_with_a_higher_keep_prob(draw, lower, higher):
    assert (draw(keep_prob=lower) <= draw(keep_prob=higher)).all()


@each_keep_prob
def test_each_unit_is_kept_as_often_as_any_other(draw, keep_prob):
    steps = 2000
    counts = sum(draw(256, keep_prob, step=step).astype(int) for step in range(steps))
    keep_prob = round(keep_prob * 65536) / 65536
    scores = (counts - steps * keep_prob) / math.sqrt(steps * keep_prob * (1 - keep_prob))
    assert np.abs(scores).max() < 6  # few are kept with 0.01, so that the binomial is skewed
    assert abs((scores**2).sum() - 256) < 5 * math.sqrt(2 * 256)


@each_keep_prob
def test_the_kept_fraction_varies_between_steps_as_chance_does(draw, keep_prob):
    steps, units = 1000, 4096
    counts = np.array([draw(units, keep_prob, step=step).sum() for step in range(steps)])
    keep_prob = round(keep_prob * 65536) / 65536
    scores = (counts - units * keep_prob) / math.sqrt(units * keep_prob * (1 - keep_prob))
    assert np.abs(scores).max() < 6
    assert abs((scores**2).sum() - steps) < 5 * math.sqrt(2 * steps)


# Independence of masks


@half_or_tenth
def test_steps_are_independent(draw, keep_prob):
    steps = [*range(24), *(2**power for power in range(5, 31, 3))]
    assert largest_correlation([draw(keep_prob=keep_prob, step=step) for step in steps]) < 5


@half_or_tenth
def test_seeds_are_independent(draw, keep_prob):
    seeds = [*range(-8, 16), *(2**power for power in range(5, 31, 3))]
    assert largest_correlation([draw(keep_prob=keep_prob, seed=seed) for seed in seeds]) < 5


@half_or_tenth
def test_ops_are_independent(draw, keep_prob):
    ops = ["dropout/", *(f"dropout_{number}/" for number in range(1, 8)), "net/dropout/", "a/", "b/"]
    assert largest_correlation([draw(keep_prob=keep_prob, op=op) for op in ops]) < 5


def test_seed_and_step_do_not_change_places(draw):
    pairs = [(seed, step) for seed in range(8) for step in range(8)]
    assert largest_correlation([draw(seed=seed, step=step) for seed, step in pairs]) < 5


PAIRS = {
    "steps": ({"step": 0}, {"step": 1}),
    "far steps": ({"step": 10_000}, {"step": 10_000 + 2**16}),
    "seeds": ({"seed": 0}, {"seed": 1}),
    "ops": ({"op": "dropout/"}, {"op": "dropout_1/"}),
}


each_pair = also_slow("pair", ["steps", "ops"], "far steps", "seeds")


def test_mixing_is_that_of_splitmix64():
    # The first outputs of SplitMix64 from the state 1234567, as its authors' reference code gives them.
    states = np.uint64(1234567) + np.arange(1, 4, dtype=np.uint64) * GOLDEN
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert mix(states).tolist() == published
    with tf.compat.v1.Session() as session:
        assert session.run(counter_random.mix(tf.constant(states))).tolist() == published


@each_pair
@half_or_tenth
def test_no_mask_is_a_shifted_copy_of_another(draw, pair, keep_prob):
    one, other = (draw(keep_prob=keep_prob, **arguments) for arguments in PAIRS[pair])
    assert shifted_correlations(one, other).max() < 6


@each_pair
@also_slow("lanes", [(0, 1)], (0, 0), (1, 1))
def test_no_mask_is_a_copy_of_another_with_xored_units(draw, pair, lanes):
    one, other = (draw(2 * COUNT, **arguments) for arguments in PAIRS[pair])
    assert xored_correlations(one[lanes[0] :: 2], other[lanes[1] :: 2]).max() < 6


# Independence of units


@each_keep_prob
@also_slow("seed", [0], 1, 7)
def test_neighbouring_units_are_independent(draw, keep_prob, seed):
    mask = standardized(draw(1 << 20, keep_prob, seed=seed))
    for lag in [1, 2, 3, 5, *(2**power for power in range(2, 20)), 28 * 28, 1023]:
        pairs = mask[lag:] * mask[:-lag]
        assert abs(pairs.sum()) < 5 * math.sqrt(len(pairs)), lag


@also_slow("step", [0], 1, 2, 3)
@half_or_tenth
def test_units_are_independent_at_all_lags(draw, step, keep_prob):
    mask = draw(keep_prob=keep_prob, step=step)
    assert shifted_correlations(mask, mask)[1:].max() < 6


@also_slow("step", [0], 1, 2, 3)
def test_units_are_independent_at_all_xored_indices(draw, step):
    mask = draw(2 * COUNT, step=step)
    # Units i and i ^ d meet twice in the sum over i, which makes chance vary by another root of two.
    assert xored_correlations(mask[::2], mask[::2])[1:].max() < 6 * math.sqrt(2)
    assert xored_correlations(mask[::2], mask[1::2]).max() < 6


@also_slow("offset", [0], 1, 2, 3)
def test_all_patterns_of_sixteen_units_are_equally_frequent(draw, offset):
    mask = draw((1 << 22) + offset)[offset:]
    patterns = np.packbits(mask).view(np.uint16)
    assert_uniform(patterns, 1 << 16)


@also_slow("width", [10, 256], 2, 28, 64, 128, 512, 784, 1024)
def test_patterns_of_a_unit_in_eight_neighbouring_examples_are_equally_frequent(draw, width):
    mask = draw((1 << 22) // (8 * width) * 8 * width).reshape(-1, 8, width)
    assert_uniform(np.packbits(mask, axis=1).ravel(), 256)


@also_slow("seed_and_step", [(0, 0)], (0, 1), (1, 0), (7, 12345), (2**31 - 1, 10**6))
def test_the_sixteen_bits_of_units_are_uniform(seed_and_step):
    drawn = lanes(1 << 22, *seed_and_step)
    assert_uniform(drawn, 1 << 16)
    assert_uniform(drawn[::2], 1 << 16)
    assert_uniform(drawn[1::2], 1 << 16)


@also_slow("shift", [0], 4, 8)
@also_slow("start", [0], 1)
def test_the_bits_of_neighbouring_units_are_jointly_uniform(shift, start):
    drawn = ((lanes((1 << 22) + 1)[start:] >> shift) & 255).astype(int)
    assert_uniform(drawn[:-1:2] * 256 + drawn[1::2], 1 << 16)


# What decides a mask


@pytest.mark.parametrize("seed, step, op", [(0, 0, "dropout/"), (-3, 2**31, "net/dropout_1/"), (7, 99, "")])
@pytest.mark.parametrize("keep_prob", [2**-16, 0.3, 0.5, 1.0])
def test_mask_agrees_with_numpy(draw, seed, step, op, keep_prob):
    expected = lanes(1001, seed, step, op) < round(keep_prob * 65536)
    np.testing.assert_array_equal(draw(1001, keep_prob, seed, step, op), expected)


def test_a_mask_never_changes_between_releases(draw):
    # Runs that were stopped are resumed to the same bits, so these bits must stay what they are.
    mask = draw(64, 0.5, seed=7, step=3, op="dropout/")
    assert np.packbits(mask).tobytes().hex() == "af9d6fefaad002ca"


def test_every_bit_of_the_seed_matters(draw):
    plain = draw(256, seed=0)
    alike = [bit for bit in range(63) if (draw(256, seed=1 << bit) == plain).all()]
    assert alike == []


def test_every_bit_of_the_step_matters(draw):
    plain = draw(256, step=0)
    alike = [bit for bit in range(63) if (draw(256, step=1 << bit) == plain).all()]
    assert alike == []


def test_a_flipped_key_bit_changes_half_of_the_units(draw):
    plain = draw()
    for bit in range(32):
        for changed in ({"seed": 1 ^ (1 << bit)}, {"step": 1 << bit}):
            differing = (draw(**changed) != plain).mean()
            assert abs(differing - 0.5) < 5 * 0.5 / math.sqrt(COUNT)


@pytest.mark.parametrize("shape", [(), (1,), (0,), (0, 5), (7, 0), (3,), (5, 7), (2, 3, 5), (4, 1, 1, 9)])
def test_masks_of_any_shape_are_the_same_sequence(draw, shape):
    count = math.prod(shape)
    mask = draw(np.array(shape, int))
    assert mask.shape == shape and mask.dtype == bool
    np.testing.assert_array_equal(mask.ravel(), draw(1001)[:count])


@also_slow("shape", [(7, 11)], (), (1,), (64, 3, 5), (0, 5))
def test_xla_makes_the_same_mask(shape):
    def mask(*scalars):
        return counter_random.keep_mask(tf.constant(shape, tf.int32), *scalars, "dropout/")

    fed = [v1.placeholder(dtype, ()) for dtype in (tf.float32, tf.int64, tf.int64)]
    both = [mask(*fed), tf.function(mask, jit_compile=True)(*fed)]
    keys = [(0, 0), (-5, 9), (2**31 - 1, 2**31 + 1), (2**40 + 3, 2**33 + 1)]
    with v1.Session() as session:
        for values in [(keep_prob, *pair) for keep_prob in (2**-16, 0.3, 1.0) for pair in keys]:
            plain, compiled = session.run(both, dict(zip(fed, values, strict=True)))
            np.testing.assert_array_equal(compiled, plain)


@pytest.mark.parametrize(
    "dtype, digits", [(tf.float32, 24), (tf.float64, 24), (tf.float16, 11), (tf.bfloat16, 8)]
)
def test_uniform_numbers_are_the_leading_bits_in_the_steps_of_their_dtype(dtype, digits):
    made = counter_random.uniform(tf.constant([1001]), tf.constant(5, tf.uint64), dtype)
    with v1.Session() as session:
        numbers = session.run(made).astype(np.float64)
    words = mix(np.arange(501, dtype=np.uint64) * GOLDEN + np.uint64(5)).astype("<u8").view("<u4")[:1001]
    np.testing.assert_array_equal(numbers, (words >> (32 - digits)) / 2**digits)
