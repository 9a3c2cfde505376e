import numpy as np
import tensorflow as tf

from graphkit.nn import counter_random
from graphkit.transcription import masks

CASES = [((3, 5), 0, 0), ((1,), 7, 12), ((4, 2, 7), 2**31 - 1, 2**40)]


def test_masks_and_uniform_numbers_have_the_bits_of_the_graph():
    tensors = []
    for shape, seed, step in CASES:
        given = tf.constant(seed, tf.int64), tf.constant(step, tf.int64)
        size, key = tf.constant(shape), counter_random.mask_key(*given, "op")
        kept = counter_random.keep_mask(size, tf.constant(0.4), *given, "op")
        tensors.append((counter_random.uniform(size, key, tf.float32), kept))
    with tf.compat.v1.Session() as session:
        expected = session.run(tensors)
    for (shape, seed, step), (uniform, kept) in zip(CASES, expected, strict=True):
        np.testing.assert_array_equal(masks.uniform(shape, masks.mask_key(seed, step, "op")), uniform)
        np.testing.assert_array_equal(masks.keep_mask(shape, 0.4, seed, step, "op"), kept)


def test_normal_numbers_and_integers_are_those_of_philox():
    key, shape = 0xFEDCBA9876543210, (5, 7)
    given = {"key": tf.constant([key], tf.uint64), "counter": tf.zeros(2, tf.uint64), "alg": 1}
    normal = tf.raw_ops.StatelessRandomNormalV2(shape=shape, dtype=tf.float32, **given)
    integers = tf.raw_ops.StatelessRandomUniformIntV2(shape=shape, minval=-3, maxval=9, **given)
    with tf.compat.v1.Session() as session:
        expected = session.run([normal, integers])
    np.testing.assert_allclose(masks.random_normal(shape, np.uint64(key)), expected[0], atol=1e-6)
    np.testing.assert_array_equal(masks.random_integers(shape, np.uint64(key), -3, 9), expected[1])
