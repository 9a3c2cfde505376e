import numpy as np
import tensorflow as tf

from graphkit.nn import counter_random
from graphkit.transcription import masks


def test_masks_and_uniform_numbers_have_the_bits_of_the_graph():
    for shape in ((3, 5), (1,), (4, 2, 7)):
        for seed, step in ((0, 0), (7, 12), (2**31 - 1, 2**40)):
            key = counter_random.mask_key(tf.constant(seed, tf.int64), tf.constant(step, tf.int64), "op")
            uniform = counter_random.uniform(tf.constant(shape), key, tf.float32)
            kept = counter_random.keep_mask(
                tf.constant(shape), tf.constant(0.4), tf.constant(seed), tf.constant(step, tf.int64), "op"
            )
            with tf.compat.v1.Session() as session:
                expected = session.run([uniform, kept])
            own = masks.uniform(shape, masks.mask_key(seed, step, "op"))
            np.testing.assert_array_equal(own, expected[0])
            np.testing.assert_array_equal(masks.keep_mask(shape, 0.4, seed, step, "op"), expected[1])


def test_normal_numbers_and_integers_are_those_of_philox():
    key, shape = 0xFEDCBA9876543210, (5, 7)
    given = {"key": tf.constant([key], tf.uint64), "counter": tf.zeros(2, tf.uint64), "alg": 1}
    normal = tf.raw_ops.StatelessRandomNormalV2(shape=shape, dtype=tf.float32, **given)
    integers = tf.raw_ops.StatelessRandomUniformIntV2(shape=shape, minval=-3, maxval=9, **given)
    with tf.compat.v1.Session() as session:
        expected = session.run([normal, integers])
    np.testing.assert_allclose(masks.random_normal(shape, np.uint64(key)), expected[0], atol=1e-6)
    np.testing.assert_array_equal(masks.random_integers(shape, np.uint64(key), -3, 9), expected[1])
