"""Other distributions, shuffles and candidate samplers: drawn from keys, and rightly distributed."""

import math

import numpy as np
import pytest
import tensorflow as tf
from references import fits_from_the_start
from running.test_keyed import drawn, keyed_copy
from running.test_keyed_functions import ALWAYS, EXECUTIONS, trainer_of

v1 = tf.compat.v1
raw = tf.raw_ops
COUNT = 20_000
LOGITS = np.log([[0.5, 0.2, 0.3], [0.1, 0.8, 0.1]]).astype(np.float32)
UNLIKELY = [[0.0, -np.inf, np.nan, 0.0]]


def candidates(op, unique=True, count=4, limit=9):
    return op(true_classes=[[0], [5]], num_true=1, num_sampled=count, unique=unique, range_max=limit)


def bounded(shape, means):
    return raw.ParameterizedTruncatedNormal(
        shape=shape, means=means, stdevs=[1.0], minvals=[-1.0], maxvals=[2.0]
    )


DRAWS = {
    "gamma": lambda: tf.random.gamma((COUNT,), [0.5, 3.0], beta=2.0),
    "poisson": lambda: tf.random.poisson((COUNT,), [0.7, 20.0]),
    "poisson of doubles": lambda: tf.random.poisson((COUNT,), [2.0], tf.float64),
    "bounded": lambda: bounded([2, COUNT], [0.0, 1.0]),
    "categorical": lambda: tf.random.categorical(LOGITS, COUNT),
    "multinomial": lambda: v1.multinomial(UNLIKELY, COUNT, output_dtype=tf.int32),
    "shuffle": lambda: tf.random.shuffle(tf.stack([tf.range(COUNT), 2 * tf.range(COUNT)], 1)),
    "texts": lambda: tf.random.shuffle(["a", "b", "c"]),
    "uniform": lambda: candidates(raw.UniformCandidateSampler),
    "log uniform": lambda: candidates(raw.LogUniformCandidateSampler),
    "repeated": lambda: candidates(raw.LogUniformCandidateSampler, unique=False, count=COUNT),
}


@pytest.fixture(scope="module")
def all_draws():
    return keyed_copy(lambda: tf.nest.flatten([draw() for draw in DRAWS.values()]))


@pytest.fixture(scope="module")
def numbers(all_draws):
    with tf.Graph().as_default():
        like = [draw() for draw in DRAWS.values()]
    values = drawn(all_draws)
    shapes = [(tensor.dtype, tensor.shape) for tensor in tf.nest.flatten(like)]
    for (dtype, shape), value in zip(shapes, values, strict=True):
        assert value.dtype == dtype.as_numpy_dtype and shape.is_compatible_with(value.shape)
    return dict(zip(DRAWS, tf.nest.pack_sequence_as(like, values), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["function", "fed"])
def test_the_same_key_gives_the_same_numbers(how, all_draws, numbers):
    for one, other in zip(tf.nest.flatten([*numbers.values()]), drawn(all_draws, how=how), strict=True):
        np.testing.assert_array_equal(one, other)


def check_mean(values, mean, variance):
    assert abs(np.mean(values) - mean) < 5 * math.sqrt(variance / len(values))


def test_moments(numbers):
    """Mean within five standard errors, and the variance within 10 %."""
    half = lambda x: 0.5 * (1 + math.erf(x / math.sqrt(2)))  # noqa: E731
    density = lambda x: math.exp(-x * x / 2) / math.sqrt(2 * math.pi)  # noqa: E731

    def normal_between(low, high):  # Johnson, Kotz, Balakrishnan: Continuous Univariate Distributions 1, 10.1
        mass = half(high) - half(low)
        mean = (density(low) - density(high)) / mass
        return mean, 1 + (low * density(low) - high * density(high)) / mass - mean**2

    (first, first_variance), (second, second_variance) = normal_between(-1, 2), normal_between(-2, 1)
    expected = [
        (numbers["gamma"][:, 0], 0.25, 0.125),
        (numbers["gamma"][:, 1], 1.5, 0.75),
        (numbers["poisson"][:, 0], 0.7, 0.7),
        (numbers["poisson"][:, 1], 20, 20),
        (numbers["poisson of doubles"][:, 0], 2, 2),
        (numbers["bounded"][0], first, first_variance),
        (numbers["bounded"][1], 1 + second, second_variance),
    ]
    for values, mean, variance in expected:
        check_mean(values, mean, variance)
        assert abs(np.var(values) / variance - 1) < 0.1
    assert numbers["bounded"].min() >= -1 and numbers["bounded"].max() <= 2
    assert abs(np.corrcoef(numbers["poisson"].T)[0, 1]) < 5 / COUNT**0.5


def check_frequencies(classes, shares):
    counts = np.bincount(classes, minlength=len(shares)) / len(classes)
    np.testing.assert_array_less(
        np.abs(counts - shares), 5 * np.sqrt(np.multiply(shares, 1 - np.array(shares)) / len(classes)) + 1e-9
    )


def test_categories(numbers):
    for classes, logits in zip(numbers["categorical"], LOGITS, strict=True):
        check_frequencies(classes, np.exp(logits))
    check_frequencies(numbers["multinomial"][0], [0.5, 0, 0, 0.5])


@pytest.mark.v2_behavior("no key can enter a loop of TensorFlow 1")
def test_a_shuffle_keeps_rows_and_puts_each_anywhere(numbers):
    rows = numbers["shuffle"]
    np.testing.assert_array_equal(np.sort(rows[:, 0]), np.arange(COUNT))
    np.testing.assert_array_equal(rows[:, 1], 2 * rows[:, 0])
    assert sorted(numbers["texts"]) == [b"a", b"b", b"c"]
    copied = keyed_copy(lambda: [tf.map_fn(lambda _: tf.random.shuffle(tf.range(4)), tf.range(1200))])
    (orders,) = drawn(copied)
    counts = np.array([np.bincount(places, minlength=4) for places in orders.T])
    assert np.abs(counts - 300).max() < 5 * math.sqrt(1200 * 3 / 16)
    names = np.bincount(orders @ [64, 16, 4, 1])
    assert np.count_nonzero(names) == 24 and np.abs(names[names > 0] - 50).max() < 5 * math.sqrt(50)


def log_uniform(limit):
    classes = np.arange(limit)
    return np.log((classes + 2) / (classes + 1)) / np.log(limit + 1)


def test_candidates(numbers):
    for name, shares in (("uniform", np.full(9, 1 / 9)), ("log uniform", log_uniform(9))):
        classes, of_true, of_drawn = numbers[name]
        assert len(set(classes)) == 4 and set(classes) <= set(range(9))
        # P(a class is drawn in so many tries), or the mean count where no class was drawn twice.
        possible = [shares * 4, *(1 - (1 - shares) ** tries for tries in range(5, 60))]
        assert any(
            np.allclose(of_true[:, 0], p[[0, 5]], rtol=1e-5) and np.allclose(of_drawn, p[classes], rtol=1e-5)
            for p in possible
        )
    classes, of_true, of_drawn = numbers["repeated"]
    check_frequencies(classes, log_uniform(9))
    np.testing.assert_allclose(of_true[:, 0], COUNT * log_uniform(9)[[0, 5]], rtol=1e-5)
    np.testing.assert_allclose(of_drawn, COUNT * log_uniform(9)[classes], rtol=1e-5)


def every_draw(x, w):
    """Returns numbers of each kind for the rows of x, some drawn from what is trained."""
    logits = tf.stack([w, 2 * w])
    scale = tf.reduce_sum(x**2, 1) + 0.5
    picked = tf.cast(tf.random.categorical(logits, 3), tf.float32)
    numbers = tf.random.gamma((), scale) + tf.random.poisson((), scale)
    shuffled = tf.random.shuffle(x) + tf.random.shuffle(w)
    classes, of_true, of_drawn = candidates(raw.LogUniformCandidateSampler)
    sampled = tf.reduce_sum(tf.cast(classes, tf.float32) * of_drawn) + tf.reduce_sum(of_true)
    between = bounded([2, 3], [0.0, 1.0])
    rest = tf.reduce_sum(picked + between, 0) + 0.01 * sampled
    return x * w + 0.1 * tf.stop_gradient(numbers[:, None] + rest) + 0.1 * tf.stop_gradient(shuffled)


def in_functions(x, w):
    """Returns the same from a branch in a loop, and from a function that is called twice."""

    def body(i, a):
        return i + 1, tf.cond(tf.reduce_sum(w) < ALWAYS, lambda: every_draw(a, w), lambda: a)

    function = tf.function(every_draw, autograph=False)
    looped = tf.while_loop(lambda i, _: i < 3, body, (0, 0.1 * x))[1]
    return looped + function(x, w.read_value()) + function(0.2 * x, w.read_value())


def nce(x, w):
    """Returns the losses of a word model that samples its classes."""
    table = tf.tile(w[None], [50, 1]) + tf.reshape(tf.range(150.0) / 150, (50, 3))
    labels = tf.cast(tf.abs(x[:, :1] * 10), tf.int64)
    losses = tf.nn.nce_loss(table, tf.zeros(50), labels, x, num_sampled=5, num_classes=50)
    more = tf.nn.sampled_softmax_loss(table, tf.zeros(50), labels, x, num_sampled=7, num_classes=50)
    return (losses + more)[:, None] * 0.01


@pytest.mark.slow
@pytest.mark.v2_behavior("no key can enter a loop of TensorFlow 1")
@pytest.mark.parametrize("make", [every_draw, in_functions, nce])
def test_executions_runs_and_resumed_runs_have_the_same_bits(make, tmp_path, caplog):
    with trainer_of(make) as (trainer, data):
        fit = fits_from_the_start(trainer, tmp_path)
        runs = [fit(data, epochs=3, batch_size=8, execution=e)[0][0] for e in EXECUTIONS]
        first, second = trainer.evaluate(data)["loss"], trainer.evaluate(data)["loss"]
    assert first == second
    for weights in runs[1:]:
        np.testing.assert_array_equal(weights, runs[0])

    def resumed(epochs, seed, folder, **options):
        with trainer_of(make, seed, logdir=tmp_path / folder) as (trainer, data):
            trainer.fit(data, epochs=epochs, batch_size=8, progress=False, execution="chunks", **options)
            return trainer.weights()["w"]

    resumed(1, 3, "parts")
    np.testing.assert_array_equal(resumed(3, 3, "parts", resume=True), runs[0])
    assert not np.allclose(resumed(3, 4, "other"), runs[0])
    assert "state of a kernel" not in caplog.text
