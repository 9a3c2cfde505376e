"""The parts of a beam search, against their definitions in Python."""

import numpy as np
import pytest
import tensorflow as tf
from references import normal, run

from graphkit.nn import beams


def followed(ids, parents, lengths, end):
    """The sequences of beams, each followed from its last step to its first."""
    time, batch, width = ids.shape
    result = np.full_like(ids, end)
    for b in range(batch):
        for k in range(width):
            place = k
            for t in reversed(range(min(time, lengths[b]))):
                result[t, b, k] = ids[t, b, place]
                place = parents[t, b, place]
            ended = False
            for t in range(time):
                result[t, b, k] = end if ended else result[t, b, k]
                ended = ended or result[t, b, k] == end
    return result


def test_gather_tree():
    rng = np.random.default_rng(0)
    ids, parents = rng.integers(0, 6, (5, 3, 4)), rng.integers(0, 4, (5, 3, 4))
    lengths = np.array([5, 3, 0])
    tree = beams.gather_tree(
        tf.constant(ids, tf.int32), tf.constant(parents, tf.int32), tf.constant(lengths, tf.int32), 5
    )
    np.testing.assert_array_equal(run(tree), followed(ids, parents, lengths, 5))
    assert tree.shape.as_list() == [5, 3, 4]


def test_gather_tree_of_unknown_sizes_and_wrong_parents():
    ids, parents = (tf.compat.v1.placeholder(tf.int32, [None, None, None]) for _ in range(2))
    tree = beams.gather_tree(ids, parents, [2], 9)
    value = [[[1, 2]], [[3, 4]]]
    np.testing.assert_array_equal(
        run(tree, {ids: value, parents: [[[0, 0]], [[1, 0]]]}), [[[2, 1]], [[3, 4]]]
    )
    with pytest.raises(tf.errors.InvalidArgumentError):
        run(tree, {ids: value, parents: [[[0, 0]], [[2, 0]]]})


@pytest.mark.parametrize("flat", [False, True])
def test_arrays_along_paths(flat):
    rng = np.random.default_rng(1)
    parents, values = rng.integers(0, 3, (4, 2, 3)), normal(4, 2, 3, 5)
    lengths = np.array([[4, 2, 3], [1, 3, 2]])
    given = values.reshape(4, 6, 5) if flat else values
    result = run(beams.along_paths(*map(tf.constant, (given, parents, lengths))))
    expected = values.copy()
    for b in range(2):
        for k in range(3):
            place = k
            for t in reversed(range(lengths[b].max())):
                place = parents[t, b, place]
                if t < lengths[b, k]:
                    expected[t, b, k] = values[t, b, place]
    np.testing.assert_array_equal(result, expected.reshape(given.shape))


def test_penalties():
    lengths = tf.constant([0, 1, 13])
    penalty, none = run([beams.length_penalty(lengths, w, tf.float32) for w in (0.6, 0.0)])
    np.testing.assert_allclose(penalty, (np.array([5, 6, 18]) / 6) ** 0.6, rtol=1e-6)
    assert none == 1
    attention = np.array([[0.5, 2.0, 0.25, 0.0]], np.float32)
    np.testing.assert_allclose(
        run(beams.coverage_penalty(tf.constant(attention))), np.log([0.125]), rtol=1e-6
    )


def test_finished_beams_continue_with_the_end_token():
    log_probs = normal(1, 2, 3)
    kept = run(beams.keep_finished(tf.constant(log_probs), tf.constant([[False, True]]), 1))
    np.testing.assert_array_equal(kept[0, 0], log_probs[0, 0])
    np.testing.assert_array_equal(kept[0, 1], [np.finfo("f").min, 0, np.finfo("f").min])


def test_extend_ranks_all_extensions():
    logits = np.log(np.array([[[0.5, 0.3, 0.2], [0.1, 0.8, 0.1]]], np.float32))
    before = np.log(np.array([[0.6, 0.4]], np.float32))
    bonus = np.array([[0.0, 1.0]], np.float32)

    def extended(**options):
        tensors = map(tf.constant, (logits, before, np.array([[1, 1]]), np.array([[False, False]])))
        return run(beams.extend(*tensors, tf.constant(2), **options))

    plain = extended()
    np.testing.assert_allclose(np.exp(plain.log_probs), [[0.4 * 0.8, 0.6 * 0.5]], rtol=1e-5)
    np.testing.assert_array_equal([plain.tokens, plain.parents], [[[1, 0]], [[1, 0]]])
    np.testing.assert_array_equal(plain.lengths, [[2, 2]])
    np.testing.assert_array_equal(plain.finished, [[False, False]])
    favored = extended(bonus=tf.constant(bonus), length_weight=1.0)
    # The second beam's extensions by tokens 1 and 0: e ** 1 times as probable.
    np.testing.assert_allclose(favored.scores[0, 0], np.log(0.32) * 6 / 7 + 1, rtol=1e-5)


def test_tile_batch():
    values = {"a": normal(2, 3), "b": (np.array([1, 2]),)}
    tiled = beams.tile_batch(tf.nest.map_structure(tf.constant, values), 3)
    assert tiled["a"].shape.as_list() == [6, 3]
    result = run(tiled)
    np.testing.assert_array_equal(result["a"], np.repeat(values["a"], 3, axis=0))
    np.testing.assert_array_equal(result["b"][0], [1, 1, 1, 2, 2, 2])
    for shape in ([], None):
        with pytest.raises(ValueError, match="statically known rank"):
            beams.tile_batch(tf.compat.v1.placeholder(tf.float32, shape), 2)
