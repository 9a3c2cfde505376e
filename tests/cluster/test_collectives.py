"""What travels in one piece, and what its sum is; the workers of a real cluster are in test_together."""

import numpy as np
import pytest
import tensorflow as tf

from graphkit.cluster import collectives

MEBI = 1 << 20  # bytes


def test_large_tensors_travel_alone_and_all_others_of_a_dtype_as_one_vector():
    sent = []

    def add(tensor):
        sent.append(tensor)
        return 3 * tensor

    normal = np.random.default_rng(0).normal
    arrays = [normal(size=shape) for shape in [(2, 3), (512, 512), (), (4,), (700, 400)]]
    dtypes = [tf.float32, tf.float32, tf.float32, tf.float64, tf.float32]
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tensors = [tf.constant(a, dtype) for a, dtype in zip(arrays, dtypes, strict=True)]
        tensors.append(tf.constant([2, 7]))
        found, votes = collectives.sums(tensors, tf.constant(0.5), tf.constant([1.0, 0.0]), add)
        values = session.run([*found, votes])
    # float32: 6 numbers, 1 number, 2 votes; float64: 4 numbers, and 2 integers.
    assert [tensor.shape.as_list() for tensor in sent] == [[512, 512], [700, 400], [9], [6]]
    assert [tensor.dtype for tensor in sent] == [*[tf.float32] * 3, tf.float64]
    expected = [*(1.5 * array for array in arrays), [3.0, 10.5], [3.0, 0.0]]
    for value, wanted, tensor in zip(values, expected, [*tensors, votes], strict=True):
        assert value.shape == tensor.shape
        np.testing.assert_allclose(value, wanted, rtol=1e-6)


@pytest.mark.parametrize(
    ("shape", "size", "count"),
    [
        ((10,), 2, 1),
        ((MEBI,), 2, 2),  # 4 MiB: two pieces of 1 MiB for each of the two workers
        ((MEBI,), 3, 1),
        ((3, MEBI), 2, 6),
        ((100 * MEBI,), 2, 8),
        ((None, 2), 2, 1),
    ],
)
def test_pieces_are_of_about_a_mebibyte(shape, size, count):
    with tf.Graph().as_default():
        assert collectives.pieces(tf.compat.v1.placeholder(tf.float32, shape), size) == count
