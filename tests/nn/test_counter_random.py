"""Dropout's masks: their share, their independence, and that (seed, op, step) alone decides them.

All draws are fixed by their keys, so that a bound of 5 or 6 standard deviations either holds or not.
"""

import hashlib
import math

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit.nn import counter_random, inputs

v1 = tf.compat.v1

COUNT = 1 << 16
KEEP_PROBS = [0.01, 0.25, 0.5, 0.9]


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


def standardized(mask):
    return (mask - mask.mean()) / mask.std()


def largest_correlation(drawn):
    """Returns the largest correlation between two of the masks, in standard deviations of chance."""
    rows = np.stack([standardized(mask.ravel()) for mask in drawn])
    table = rows @ rows.T / math.sqrt(rows.shape[1])
    return np.abs(table[~np.eye(len(rows), dtype=bool)]).max()


def shifted_correlations(one, other):
    """Correlations of one mask with the other moved by 0, 1, 2, … units around, in standard deviations."""
    spectrum = np.fft.rfft(standardized(one)) * np.conj(np.fft.rfft(standardized(other)))
    return np.abs(np.fft.irfft(spectrum, len(one))) / math.sqrt(len(one))


def walsh(values):
    """Returns the Walsh-Hadamard transform, by which XOR-ed indices convolve."""
    values, size = values.copy(), 1
    while size < len(values):
        halves = values.reshape(-1, 2, size)
        values = np.stack([halves[:, 0] + halves[:, 1], halves[:, 0] - halves[:, 1]], axis=1).ravel()
        size *= 2
    return values


def xored_correlations(one, other):
    """Correlations of unit i of one mask with unit i ^ d of the other for all d, in standard deviations."""
    products = walsh(standardized(one)) * walsh(standardized(other))
    return np.abs(walsh(products)) / len(one) / math.sqrt(len(one))


def assert_uniform(values, bins):
    """Chi-square test within 5 standard deviations: neither uneven nor more even than chance."""
    expected = len(values) / bins
    statistic = ((np.bincount(values, minlength=bins) - expected) ** 2 / expected).sum()
    assert abs(statistic - (bins - 1)) < 5 * math.sqrt(2 * (bins - 1))


# Share


@pytest.mark.parametrize("keep_prob", [2**-16, 0.001, 0.1, 0.25, 0.5, 0.75, 0.9, 0.999, 1 - 2**-16])
def test_kept_share_is_keep_prob(draw, keep_prob):
    expected = round(keep_prob * 65536) / 65536
    share = draw(1 << 21, keep_prob).mean()
    assert abs(share - expected) < 5 * math.sqrt(expected * (1 - expected) / (1 << 21))


def test_all_is_kept_with_keep_prob_one(draw):
    assert draw(1 << 21, 1.0).all()


@pytest.mark.parametrize("lower, higher", [(2**-16, 0.1), (0.1, 0.1 + 2**-16), (0.5, 0.9), (0.9, 1.0)])
def test_more_is_kept_with_a_higher_keep_prob(draw, lower, higher):
    assert (draw(keep_prob=lower) <= draw(keep_prob=higher)).all()


@pytest.mark.parametrize("keep_prob", KEEP_PROBS)
def test_each_unit_is_kept_as_often_as_any_other(draw, keep_prob):
    steps = 2000
    counts = sum(draw(256, keep_prob, step=step).astype(int) for step in range(steps))
    keep_prob = round(keep_prob * 65536) / 65536
    scores = (counts - steps * keep_prob) / math.sqrt(steps * keep_prob * (1 - keep_prob))
    assert np.abs(scores).max() < 6  # few are kept with 0.01, so that the binomial is skewed
    assert abs((scores**2).sum() - 256) < 5 * math.sqrt(2 * 256)


@pytest.mark.parametrize("keep_prob", KEEP_PROBS)
def test_the_kept_share_varies_between_steps_as_chance_does(draw, keep_prob):
    steps, units = 1000, 4096
    counts = np.array([draw(units, keep_prob, step=step).sum() for step in range(steps)])
    keep_prob = round(keep_prob * 65536) / 65536
    scores = (counts - units * keep_prob) / math.sqrt(units * keep_prob * (1 - keep_prob))
    assert np.abs(scores).max() < 6
    assert abs((scores**2).sum() - steps) < 5 * math.sqrt(2 * steps)


# Independence of masks


@pytest.mark.parametrize("keep_prob", [0.1, 0.5])
def test_steps_are_independent(draw, keep_prob):
    steps = [*range(48), *(2**power for power in range(6, 31))]
    assert largest_correlation([draw(keep_prob=keep_prob, step=step) for step in steps]) < 5


@pytest.mark.parametrize("keep_prob", [0.1, 0.5])
def test_seeds_are_independent(draw, keep_prob):
    seeds = [*range(-8, 40), *(2**power for power in range(6, 31))]
    assert largest_correlation([draw(keep_prob=keep_prob, seed=seed) for seed in seeds]) < 5


@pytest.mark.parametrize("keep_prob", [0.1, 0.5])
def test_ops_are_independent(draw, keep_prob):
    ops = ["dropout/", *(f"dropout_{number}/" for number in range(1, 24)), "net/dropout/", "a/", "b/"]
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
each_pair = pytest.mark.parametrize("pair", PAIRS)


def test_mixing_is_that_of_splitmix64():
    # The first outputs of SplitMix64 from the state 1234567, as its authors' reference code gives them.
    states = np.uint64(1234567) + np.arange(1, 4, dtype=np.uint64) * GOLDEN
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert mix(states).tolist() == published
    with tf.compat.v1.Session() as session:
        assert session.run(counter_random.mix(tf.constant(states))).tolist() == published


@each_pair
@pytest.mark.parametrize("keep_prob", [0.1, 0.5])
def test_no_mask_is_a_shifted_copy_of_another(draw, pair, keep_prob):
    one, other = (draw(keep_prob=keep_prob, **arguments) for arguments in PAIRS[pair])
    assert shifted_correlations(one, other).max() < 6


@each_pair
@pytest.mark.parametrize("lane, other_lane", [(0, 0), (1, 1), (0, 1)])
def test_no_mask_is_a_copy_of_another_with_xored_units(draw, pair, lane, other_lane):
    one, other = (draw(2 * COUNT, **arguments) for arguments in PAIRS[pair])
    assert xored_correlations(one[lane::2], other[other_lane::2]).max() < 6


# Independence of units


@pytest.mark.parametrize("keep_prob", KEEP_PROBS)
@pytest.mark.parametrize("seed", [0, 1, 7])
def test_neighbouring_units_are_independent(draw, keep_prob, seed):
    mask = standardized(draw(1 << 20, keep_prob, seed=seed))
    for lag in [1, 2, 3, 5, *(2**power for power in range(2, 20)), 28 * 28, 1023]:
        pairs = mask[lag:] * mask[:-lag]
        assert abs(pairs.sum()) < 5 * math.sqrt(len(pairs)), lag


@pytest.mark.parametrize("step", range(4))
@pytest.mark.parametrize("keep_prob", [0.1, 0.5])
def test_units_are_independent_at_all_lags(draw, step, keep_prob):
    mask = draw(keep_prob=keep_prob, step=step)
    assert shifted_correlations(mask, mask)[1:].max() < 6


@pytest.mark.parametrize("step", range(4))
def test_units_are_independent_at_all_xored_indices(draw, step):
    mask = draw(2 * COUNT, step=step)
    # Units i and i ^ d meet twice in the sum over i, which makes chance vary by another root of two.
    assert xored_correlations(mask[::2], mask[::2])[1:].max() < 6 * math.sqrt(2)
    assert xored_correlations(mask[::2], mask[1::2]).max() < 6


@pytest.mark.parametrize("offset", range(4))
def test_all_patterns_of_sixteen_units_are_equally_frequent(draw, offset):
    mask = draw((1 << 22) + offset)[offset:]
    patterns = np.packbits(mask).view(np.uint16)
    assert_uniform(patterns, 1 << 16)


@pytest.mark.parametrize("width", [2, 10, 28, 64, 128, 256, 512, 784, 1024])
def test_patterns_of_a_unit_in_eight_neighbouring_examples_are_equally_frequent(draw, width):
    mask = draw((1 << 22) // (8 * width) * 8 * width).reshape(-1, 8, width)
    assert_uniform(np.packbits(mask, axis=1).ravel(), 256)


@pytest.mark.parametrize("seed, step", [(0, 0), (0, 1), (1, 0), (7, 12345), (2**31 - 1, 10**6)])
def test_the_sixteen_bits_of_units_are_uniform(seed, step):
    drawn = lanes(1 << 22, seed, step)
    assert_uniform(drawn, 1 << 16)
    assert_uniform(drawn[::2], 1 << 16)
    assert_uniform(drawn[1::2], 1 << 16)


@pytest.mark.parametrize("shift", [0, 4, 8])
@pytest.mark.parametrize("start", [0, 1])
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


@pytest.mark.parametrize("shape", [(), (1,), (7, 11), (64, 3, 5), (0, 5)])
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


# The masks of gk.dropout


def dropped(units=4096, keep_prob=0.5, name=None):
    """Returns gk.dropout of ones: the mask, scaled."""
    return gk.dropout(tf.ones((units,)), keep_prob, name=name)


def run(fetches, feed=None, step=0):
    """Runs in a session of its own, at a global step."""
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        session.run(v1.train.get_global_step().assign(step))
        return session.run(fetches, feed)


def seed_input():
    (placeholder,) = v1.get_collection(inputs.SEED)
    return placeholder


def test_dropout_is_the_mask_of_its_seed_step_and_scope(draw):
    net = dropped(name="drop")
    mask = run(net, {seed_input(): 11}, step=13) > 0
    np.testing.assert_array_equal(mask, draw(4096, seed=11, step=13, op="drop/"))


def test_dropout_of_a_step_is_the_same_however_often_it_is_run():
    net = dropped()
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        np.testing.assert_array_equal(session.run(net), session.run(net))


def test_dropout_is_the_same_in_another_session():
    net = dropped()
    np.testing.assert_array_equal(run(net, step=5), run(net, step=5))


def test_dropout_is_the_same_in_another_graph():
    first = run(dropped(), step=5)
    with tf.Graph().as_default():
        gk.relu(gk.dense(tf.ones((2, 3)), 4))
        np.testing.assert_array_equal(run(dropped(), step=5), first)


def test_dropout_changes_with_the_global_step():
    net = dropped(COUNT)
    assert largest_correlation([run(net, step=step) for step in range(6)]) < 5


def test_dropout_changes_with_the_seed():
    net = dropped(COUNT)
    assert largest_correlation([run(net, {seed_input(): seed}) for seed in range(6)]) < 5


def test_dropout_changes_with_the_graphs_seed():
    drawn = []
    for seed in range(4):
        with tf.Graph().as_default():
            v1.set_random_seed(seed)
            drawn.append(run(dropped(COUNT)))
    assert largest_correlation(drawn) < 5


def test_each_dropout_has_a_mask_of_its_own():
    nets = [dropped(COUNT) for _ in range(6)]
    with v1.variable_scope("net"):
        nets += [dropped(COUNT) for _ in range(2)]
    assert largest_correlation(run(nets)) < 5


def test_all_dropouts_share_one_seed_and_one_step(fresh_graph):
    dropped()
    with v1.variable_scope("net"):
        dropped()
    assert len(v1.get_collection(inputs.SEED)) == 1
    assert v1.global_variables() == [v1.train.get_global_step()]


def test_training_draws_a_new_mask_in_each_step():
    net = dropped()
    loss = tf.reduce_sum(gk.dense(net[None], 1))
    train = v1.train.GradientDescentOptimizer(0.0).minimize(loss, v1.train.get_global_step())
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        drawn = [session.run([net, train])[0] for _ in range(4)]
    assert largest_correlation(drawn) < 5


@pytest.mark.parametrize("keep_prob", [0.1, 0.5, 0.8])
def test_dropout_keeps_the_expectation_of_each_unit(keep_prob):
    net = dropped(256, keep_prob)
    steps = 1000
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        step = v1.train.get_global_step()
        advance = step.assign_add(1, read_value=False)
        total = np.zeros(256)
        for _ in range(steps):
            total += session.run(net)
            session.run(advance)
    deviation = math.sqrt((1 - keep_prob) / keep_prob / steps)
    assert np.abs(total / steps - 1).max() < 5 * deviation
