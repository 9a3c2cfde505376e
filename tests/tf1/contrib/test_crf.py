"""`tf.contrib.crf` against sums and maxima over all sequences of tags."""

import itertools

import numpy as np
import pytest

import graphkit.tf1 as tf

crf = tf.contrib.crf
LENGTHS = np.array([4, 2, 1, 0])
TAGS = 3


@pytest.fixture
def case():
    rng = np.random.RandomState(0)
    inputs = rng.randn(len(LENGTHS), 4, TAGS).astype(np.float32)
    tags = rng.randint(0, TAGS, (len(LENGTHS), 4))
    return inputs, tags, rng.randn(TAGS, TAGS).astype(np.float32)


def score(inputs, tags, transitions):
    unary = sum(inputs[t, tag] for t, tag in enumerate(tags))
    return unary + sum(transitions[a, b] for a, b in itertools.pairwise(tags))


def all_scores(inputs, length, transitions):
    every = itertools.product(range(TAGS), repeat=length)
    return {tags: score(inputs, tags, transitions) for tags in every}


def test_log_likelihood(case):
    inputs, tags, transitions = case
    likelihood, _ = crf.crf_log_likelihood(
        tf.constant(inputs), tf.constant(tags), tf.constant(LENGTHS), tf.constant(transitions)
    )
    expected = [
        score(x, y[:n], transitions) - np.log(sum(np.exp(s) for s in all_scores(x, n, transitions).values()))
        for x, y, n in zip(inputs, tags, LENGTHS, strict=True)
    ]
    with tf.Session() as session:
        np.testing.assert_allclose(session.run(likelihood), expected, rtol=1e-5, atol=1e-6)


def test_decode(case):
    inputs, _, transitions = case
    decoded = crf.crf_decode(tf.constant(inputs), tf.constant(transitions), tf.constant(LENGTHS))
    with tf.Session() as session:
        tags, scores = session.run(decoded)
    for x, n, found, value in zip(inputs, LENGTHS, tags, scores, strict=True):
        if n == 0:
            continue
        every = all_scores(x, n, transitions)
        best = max(every, key=every.get)
        assert tuple(found) == best + (0,) * (4 - n)
        assert value == pytest.approx(every[best], rel=1e-5)
        alone, alone_value = crf.viterbi_decode(x[:n], transitions)
        assert tuple(alone) == best
        assert alone_value == pytest.approx(every[best], rel=1e-5)


def test_the_transitions_are_a_variable_and_learn(case):
    inputs, tags, _ = case
    likelihood, transitions = crf.crf_log_likelihood(
        tf.constant(inputs[:3]), tf.constant(tags[:3]), tf.constant(LENGTHS[:3])
    )
    assert [v.name for v in tf.trainable_variables()] == ["transitions:0"]
    gradient = tf.gradients(tf.reduce_sum(likelihood), transitions)[0]
    step = tf.placeholder(tf.float32, (TAGS, TAGS))
    moved, _ = crf.crf_log_likelihood(
        tf.constant(inputs[:3]), tf.constant(tags[:3]), tf.constant(LENGTHS[:3]), transitions + step
    )
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        exact = session.run(gradient)
        for place in np.ndindex(TAGS, TAGS):
            h = np.zeros((TAGS, TAGS), np.float32)
            h[place] = 1e-2
            ends = [session.run(tf.reduce_sum(moved), {step: sign * h}) for sign in (1, -1)]
            assert exact[place] == pytest.approx((ends[0] - ends[1]) / 2e-2, abs=2e-3)
