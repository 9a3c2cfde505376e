"""`tf.nn.conv2d_transpose` has the static shape that a program asks for."""

import numpy as np
from references import run

import graphkit.tf1 as tf


def test_a_fixed_batch_is_kept_where_the_inputs_have_none():
    """As in DCGAN, whose next line is tf.reshape(biased, deconv.get_shape())."""
    height = tf.placeholder(tf.int32, [])
    x, w = tf.placeholder(tf.float32, [None, 3, 3, 4]), tf.ones([5, 5, 2, 4])
    shapes = {
        (2, 6, 6, 2): tf.nn.conv2d_transpose(x, w, [2, 6, 6, 2], strides=[1, 2, 2, 1]),
        (2, None, 6, 2): tf.nn.conv2d_transpose(x, w, [2, height, 6, 2], [1, 2, 2, 1]),
        (None, 6, 6, 2): tf.nn.conv2d_transpose(x, w, [tf.shape(x)[0], 6, 6, 2], [1, 2, 2, 1]),
        (3, 6, 6, 2): tf.nn.conv2d_transpose(x, w, tf.shape(tf.zeros([3, 6, 6, 2])), [1, 2, 2, 1]),
        (4, 6, 6, 2): tf.nn.conv2d_backprop_input([4, 6, 6, 2], w, x, [1, 2, 2, 1], padding="SAME"),
    }
    for shape, result in shapes.items():
        assert tuple(result.shape.as_list()) == shape
    first = tf.nn.conv2d_transpose(
        tf.transpose(x, [0, 3, 1, 2]), w, [2, 2, 6, 6], [1, 1, 2, 2], data_format="NCHW", name="first"
    )
    assert (first.name, first.shape.as_list()) == ("first:0", [2, 2, 6, 6])
    asked = shapes[2, 6, 6, 2]
    value = run(tf.reshape(asked, asked.get_shape()), {x: np.ones((2, 3, 3, 4))})
    assert value.shape == (2, 6, 6, 2)
    # Input i reaches outputs 2 i - 1 to 2 i + 3: a corner is reached by one of them, with four channels.
    assert value[0, :, 0, 0].tolist() == [4.0, 8.0, 8.0, 12.0, 8.0, 8.0]
