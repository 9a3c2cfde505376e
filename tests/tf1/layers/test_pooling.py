"""Pools of `tf.layers`, argument by argument from TensorFlow 1.15's documentation."""

import itertools

import numpy as np
import pytest
from references import assert_agree, names, normal, refused, to_format
from tf1.layers.definitions import windows_of

import graphkit.tf1 as tf

SIZES = {1: (7,), 2: (7, 6), 3: (5, 6, 4)}


def pooled(kind, values, size, strides, padding):
    """Pools by the definition; padding is left out of the mean."""
    axes = tuple(range(values.ndim - 1, 2 * values.ndim - 3))
    parts = windows_of(values, size, strides, padding, fill=np.nan)
    return (np.nanmax if kind == "max" else np.nanmean)(parts, axes)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_values_and_shapes(rank):
    cases, inputs = {}, normal(2, *SIZES[rank], 8)
    grid = itertools.product(["max", "average"], ["same", "valid"], [2, 3], [1, 2], [1, 0])
    for kind, padding, size, strides, last in grid:
        data_format = "channels_last" if last else "channels_first"
        layer = getattr(tf.layers, f"{kind.capitalize()}Pooling{rank}D")
        made = layer(size, strides, padding, data_format)
        outputs = made(tf.constant(to_format(inputs, data_format)))
        assert made.compute_output_shape(to_format(inputs, data_format).shape) == outputs.shape
        expected = pooled(kind, inputs, (size,) * rank, strides, padding)
        cases[kind, padding, size, strides, data_format] = (outputs, to_format(expected, data_format))
    assert_agree(cases)


def test_gradients():
    """A pool of c times the values is c times the pool, so that the gradient times the values is the pool."""
    sequences, volumes = tf.constant(normal(2, 7, 3)), tf.constant(normal(2, 4, 3, 4, 2))
    cases = {}
    for kind, padding, data_format in itertools.product(
        ["max", "average"], ["same", "valid"], ["channels_last", "channels_first"]
    ):
        for rank, inputs in ((1, sequences), (3, volumes)):
            function = getattr(tf.layers, f"{kind}_pooling{rank}d")
            outputs = function(inputs, 2, 2, padding, data_format)
            total = tf.reduce_sum(outputs * normal(*outputs.shape.as_list(), seed=1))
            gradient = tf.gradients(total, inputs)[0]
            cases[kind, padding, data_format, rank] = (total, tf.reduce_sum(gradient * inputs))
    with tf.Session() as session:
        for label, (total, product) in session.run(cases).items():
            assert total == pytest.approx(product, abs=1e-4), label


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_names(rank):
    inputs = tf.placeholder(tf.float32, [None, *SIZES[rank], 4])
    largest, mean = {1: ("Squeeze", "Squeeze"), 2: ("MaxPool", "AvgPool"), 3: ("MaxPool3D", "AvgPool3D")}[
        rank
    ]
    outputs = [
        getattr(tf.layers, f"max_pooling{rank}d")(inputs, 2, 2),
        getattr(tf.layers, f"average_pooling{rank}d")(inputs, 2, 2, "SAME", "channels_last", "q"),
        getattr(tf.layers, f"average_pooling{rank}d")(inputs, pool_size=2, strides=2, name="q"),
    ]
    assert names(outputs) == [f"max_pooling{rank}d/{largest}:0", f"q/{mean}:0", f"q_1/{mean}:0"]


def test_arguments():
    layer = tf.layers.MaxPooling2D((2, 3), None)
    assert (layer.pool_size, layer.strides, layer.padding) == ((2, 3), (2, 3), "valid")
    assert layer.compute_output_shape((None, None, 7, 2)).as_list() == [None, None, 2, 2]
    images = tf.placeholder(tf.float32, [None, 8, 8, 4])
    for size in (images.shape[1:3], images.shape[1], [images.shape[1], 8]):
        assert tf.layers.average_pooling2d(images, size, 1).shape.as_list() == [None, 1, 1, 4]
    for arguments, message in [
        ({"pool_size": (1, 2, 3)}, "MaxPooling2D: pool_size must be"),
        ({"pool_size": "2"}, "MaxPooling2D: pool_size must be"),
        ({"strides": -1}, "MaxPooling2D: strides must be"),
        ({"padding": "full"}, "MaxPooling2D: padding must be"),
        ({"data_format": "NHWC"}, "MaxPooling2D: data_format must be"),
        ({"inputs": tf.ones([2, 3, 4])}, "Input 0 of layer max_pooling2d_"),
    ]:
        with refused(ValueError, message):
            tf.layers.max_pooling2d(**{"inputs": images, "pool_size": 2, "strides": 2, **arguments})
