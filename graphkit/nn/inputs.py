"""Placeholders with a `None` batch axis, and the scalars that training feeds by itself."""

import json

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.nn import scopes

__all__ = [
    "feature_input",
    "image_input",
    "keep_prob_input",
    "label_input",
    "one_hot_input",
    "token_input",
]

# Graph collections, by which a trainer finds what it feeds or checks.
PIXEL_SCALING = "graphkit_pixel_scaling"
KEEP_PROBS = "graphkit_keep_probs"
DROPOUTS = "graphkit_dropouts"
SEED = "graphkit_seed"
TRAINING = "graphkit_training"


def image_input(height, width, channels=1, offset=128.0, scale=128.0, name="images"):
    """Makes the placeholder for images.

    It holds numbers of zero mean and small equal variance. A trainer that is given uint8 images for it
    feeds (pixel - offset) / scale, batch by batch; floating-point images are fed as they are.

    Args:
      height: of an image, in pixels; None for any.
      width: of an image, in pixels; None for any.
      channels: 1 for gray, 3 for red, green, blue.
      offset: what is subtracted from a uint8 pixel.
      scale: what a uint8 pixel is then divided by; positive.
      name: of the placeholder.

    Returns:
      float32 placeholder (None, height, width, channels).

    Raises:
      ValueError: a size below one, or a scale that is not positive.

    Example:
      >>> gk.image_input(28, 28, 1).shape.as_list()
      [None, 28, 28, 1]
    """
    function = "image_input"
    height = None if height is None else checks.integer(function, "height", height)
    width = None if width is None else checks.integer(function, "width", width)
    channels = checks.integer(function, "channels", channels)
    offset = checks.number(function, "offset", offset)
    scale = checks.number(function, "scale", scale, above=0)
    images = placeholder(function, tf.float32, (None, height, width, channels), name)
    scaling = json.dumps([images.name, offset, scale])
    tf.compat.v1.add_to_collection(PIXEL_SCALING, scaling)
    return images


def feature_input(num_features, name="features"):
    """Makes the placeholder for feature vectors.

    Args:
      num_features: numbers in a vector.
      name: of the placeholder.

    Returns:
      float32 placeholder (None, num_features).

    Raises:
      ValueError: fewer than one feature.

    Example:
      >>> gk.feature_input(784).shape.as_list()
      [None, 784]
    """
    num_features = checks.integer("feature_input", "num_features", num_features)
    return placeholder("feature_input", tf.float32, (None, num_features), name)


def label_input(name="labels"):
    """Makes the placeholder for integer labels.

    Args:
      name: of the placeholder.

    Returns:
      int32 placeholder (None,).

    Example:
      >>> gk.label_input().dtype
      tf.int32
    """
    return placeholder("label_input", tf.int32, (None,), name)


def one_hot_input(num_classes, name="labels"):
    """Makes the placeholder for one-hot labels, or for a distribution over the classes.

    Args:
      num_classes: how many classes there are.
      name: of the placeholder.

    Returns:
      float32 placeholder (None, num_classes).

    Raises:
      ValueError: fewer than one class.

    Example:
      >>> gk.one_hot_input(10).shape.as_list()
      [None, 10]
    """
    num_classes = checks.integer("one_hot_input", "num_classes", num_classes)
    return placeholder("one_hot_input", tf.float32, (None, num_classes), name)


def token_input(length=None, name="tokens"):
    """Makes the placeholder for sequences of tokens (words or characters as integers).

    Args:
      length: tokens in a sequence; None for any.
      name: of the placeholder.

    Returns:
      int32 placeholder (None, length).

    Raises:
      ValueError: a length below one.

    Example:
      >>> gk.token_input(16).shape.as_list()
      [None, 16]
    """
    length = None if length is None else checks.integer("token_input", "length", length)
    return placeholder("token_input", tf.int32, (None, length), name)


def keep_prob_input(name="keep_prob"):
    """Makes the placeholder for the probability that dropout keeps a unit: 1.0 unless fed.

    Args:
      name: of the placeholder.

    Returns:
      float32 placeholder (), by default 1.0, so that dropout is off in evaluation.

    Example:
      >>> keep_prob = gk.keep_prob_input()
      >>> with tf.compat.v1.Session() as session:
      ...     session.run(keep_prob)
      np.float32(1.0)
    """
    scopes.check_growing("keep_prob_input")
    keep_prob = tf.compat.v1.placeholder_with_default(1.0, (), name=name)
    tf.compat.v1.add_to_collection(KEEP_PROBS, keep_prob)
    return keep_prob


def placeholder(function, dtype, shape, name):
    scopes.check_growing(function)
    return tf.compat.v1.placeholder(dtype, shape, name=name)


def seed_input():
    """Returns the graph's scalar seed of all masks: the graph's own seed, or 0, unless fed."""
    return graph_scalar(SEED, lambda graph: np.int64(graph.seed or 0), "seed")


def training_input():
    """Returns the graph's scalar flag: False unless fed, as a trainer does in each training step."""
    return graph_scalar(TRAINING, lambda graph: False, "training")


def graph_scalar(collection, default, name):
    """Returns the one placeholder of the graph in the collection, made at the first call."""
    graph = tf.compat.v1.get_default_graph()
    made = graph.get_collection(collection)
    if not made:
        with tf.init_scope(), tf.compat.v1.name_scope("graphkit/"):
            scalar = tf.compat.v1.placeholder_with_default(default(graph), (), name=name)
        graph.add_to_collection(collection, scalar)
        return scalar
    return made[0]
