"""Scores and weights of attention, against their formulas in NumPy."""

import numpy as np
import pytest
import tensorflow as tf
from references import normal, run

from graphkit.nn import attention

QUERY, KEYS = normal(2, 3), normal(2, 4, 3, seed=1)


def test_multiplicative_scores():
    plain, scaled = run(
        [attention.multiplicative_scores(query(), tf.constant(KEYS), scale) for scale in (None, 0.5)]
    )
    expected = np.einsum("bd,btd->bt", QUERY, KEYS)
    np.testing.assert_allclose(plain, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(scaled, expected / 2, rtol=1e-5, atol=1e-6)


def query():  # made in the graph of the test
    return tf.constant(QUERY)


def test_query_and_keys_of_different_units_are_refused():
    with pytest.raises(ValueError, match="^LuongAttention: .*num_units .*query=2, keys=3"):
        attention.multiplicative_scores(tf.zeros([2, 2]), tf.constant(KEYS))


@pytest.mark.parametrize("normalized", [False, True])
def test_additive_scores(normalized):
    v, g, b = normal(3, seed=2), np.float32(0.7), normal(3, seed=3)
    more = (tf.constant(g), tf.constant(b)) if normalized else ()
    scores = attention.additive_scores(query(), tf.constant(KEYS), tf.constant(v), *more)
    if normalized:
        expected = np.tanh(KEYS + QUERY[:, None] + b) @ (g * v / np.linalg.norm(v))
    else:
        expected = np.tanh(KEYS + QUERY[:, None]) @ v
    np.testing.assert_allclose(run(scores), expected, rtol=1e-5, atol=1e-6)


def test_masks():
    scores, lengths = tf.constant(KEYS[:, :, 0]), tf.constant([2, 4])
    masked, memory = (
        attention.mask_scores(scores, lengths, -np.inf),
        attention.mask_memory(tf.constant(KEYS), lengths),
    )
    masked, memory, weights = run([masked, memory, tf.nn.softmax(masked)])
    valid = np.array([[1, 1, 0, 0], [1, 1, 1, 1]], bool)
    np.testing.assert_array_equal(masked, np.where(valid, KEYS[:, :, 0], -np.inf))
    np.testing.assert_array_equal(memory, np.where(valid[..., None], KEYS, 0))
    assert not weights[~valid].any()
    assert attention.mask_scores(scores, None, -np.inf) is scores
    with pytest.raises(tf.errors.InvalidArgumentError, match="greater than zero"):
        run(attention.mask_scores(scores, tf.constant([2, 0]), -np.inf))


def test_hardmax_takes_the_first_largest():
    rows = np.array([[1.0, 3.0, 3.0], [2.0, 1.0, 0.0]], np.float32)
    np.testing.assert_array_equal(run(attention.hardmax(rows)), [[0, 1, 0], [1, 0, 0]])
