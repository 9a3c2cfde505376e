"""Placeholders with a `None` batch axis, and the scalars that training feeds by itself."""

import json
from collections.abc import Callable, Sequence

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
STEP = "graphkit_step"
TRAINING = "graphkit_training"
ROWS = "graphkit_rows"
FIRST_ROW = "graphkit_first_row"


def image_input(
    height: int | None,
    width: int | None,
    channels: int = 1,
    *,
    offset: float = 128.0,
    scale: float | None = 128.0,
    name: str = "images",
) -> tf.Tensor:
    """Makes the placeholder for images.

    Its pixels should have a mean near zero and a small variance. A trainer that is given integers for it, of
    any dtype, takes them for pixels from 0 to 255 and feeds (pixel - offset) / scale, batch by batch. Floats
    are fed as they are, and must have been scaled so, as by `gk.scale_pixels`: a trainer refuses those far
    outside of what pixels become, such as 0.0 to 255.0.

    Args:
      height: of an image, in pixels; None for any.
      width: of an image, in pixels; None for any.
      channels: 1 for gray images, 3 for red, green and blue.
      offset: what is subtracted from a pixel.
      scale: what a pixel is then divided by; positive. None for images of any numbers, such as standardised
        ones or feature maps: all are fed as they are.
      name: of the placeholder.

    Returns:
      float32 placeholder (None, height, width, channels).

    Raises:
      ValueError: a size below one, the scale is not positive, or there is an offset without a scale.

    Example:
      >>> gk.image_input(28, 28, 1).shape.as_list()
      [None, 28, 28, 1]
    """
    check = checks.Checker("image_input")
    height = None if height is None else check.integer("height", height)
    width = None if width is None else check.integer("width", width)
    channels = check.integer("channels", channels)
    offset = check.number("offset", offset)
    scale = None if scale is None else check.number("scale", scale, above=0)
    check.require(scale is not None or offset == 128, "an offset needs a scale", offset=offset, scale=scale)
    images = placeholder(check, tf.float32, (None, height, width, channels), name)
    if scale is not None:
        tf.compat.v1.add_to_collection(PIXEL_SCALING, json.dumps([images.name, offset, scale]))
    return images


def feature_input(num_features: int, name: str = "features") -> tf.Tensor:
    """Makes the placeholder for feature vectors.

    Args:
      num_features: length of a vector.
      name: of the placeholder.

    Returns:
      float32 placeholder (None, num_features).

    Raises:
      ValueError: num_features below one.

    Example:
      >>> gk.feature_input(784).shape.as_list()
      [None, 784]
    """
    check = checks.Checker("feature_input")
    num_features = check.integer("num_features", num_features)
    return placeholder(check, tf.float32, (None, num_features), name)


def label_input(name: str = "labels") -> tf.Tensor:
    """Makes the placeholder for integer labels.

    Args:
      name: of the placeholder.

    Returns:
      int32 placeholder (None,).

    Example:
      >>> gk.label_input().dtype
      tf.int32
    """
    return placeholder(checks.Checker("label_input"), tf.int32, (None,), name)


def one_hot_input(num_classes: int, name: str = "labels") -> tf.Tensor:
    """Makes the placeholder for one-hot labels, or for a distribution over the classes.

    Args:
      num_classes: number of classes.
      name: of the placeholder.

    Returns:
      float32 placeholder (None, num_classes).

    Raises:
      ValueError: num_classes below one.

    Example:
      >>> gk.one_hot_input(10).shape.as_list()
      [None, 10]
    """
    check = checks.Checker("one_hot_input")
    num_classes = check.integer("num_classes", num_classes)
    return placeholder(check, tf.float32, (None, num_classes), name)


def token_input(length: int | None = None, name: str = "tokens") -> tf.Tensor:
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
    check = checks.Checker("token_input")
    length = None if length is None else check.integer("length", length)
    return placeholder(check, tf.int32, (None, length), name)


def keep_prob_input(name: str = "keep_prob") -> tf.Tensor:
    """Makes the placeholder for the probability that dropout keeps a unit: 1.0 unless fed.

    Args:
      name: of the placeholder.

    Returns:
      float32 placeholder (); unless fed it is 1.0, so that dropout is off in evaluation.

    Example:
      >>> keep_prob = gk.keep_prob_input()
      >>> with tf.compat.v1.Session() as session:
      ...     session.run(keep_prob)
      np.float32(1.0)
    """
    scopes.check_growing(checks.Checker("keep_prob_input"))
    keep_prob = tf.compat.v1.placeholder_with_default(1.0, (), name=name)
    tf.compat.v1.add_to_collection(KEEP_PROBS, keep_prob)
    return keep_prob


def placeholder(check: checks.Checker, dtype: tf.DType, shape: Sequence[int | None], name: str) -> tf.Tensor:
    scopes.check_growing(check)
    return tf.compat.v1.placeholder(dtype, shape, name=name)


def seed_input() -> tf.Tensor:
    """Returns the graph's scalar seed of all masks: the graph's own seed, or 0, unless fed."""
    return graph_scalar(SEED, lambda graph: np.int64(graph.seed or 0), "seed")


def step_input() -> tf.Tensor:
    """Returns the graph's scalar that all masks of one `session.run` follow from: the step's number.

    A trainer feeds its global step. Unless it is fed, each run draws a number, so that masks differ in every
    run of a session loop whether or not the program counts its steps. It is drawn by an op, since a variable
    would need an initial value and a place in the program's checkpoints.
    """

    def drawn(graph: tf.Graph) -> tf.Tensor:
        # With a seed of its own, the numbers follow from the graph's seed, and not from how many ops it has.
        return tf.random.uniform((), maxval=tf.int64.max, dtype=tf.int64, seed=1, name="drawn_step")

    return graph_scalar(STEP, drawn, "step")


def training_input() -> tf.Tensor:
    """Returns the graph's scalar flag: False unless fed, as a trainer does in each training step."""
    return graph_scalar(TRAINING, lambda graph: False, "training")


def rows_input() -> tf.Tensor:
    """Returns the graph's scalar number of examples in this process's part of a mini-batch; 1 unless fed."""
    return graph_scalar(ROWS, lambda graph: np.int64(1), "rows")


def first_row_input() -> tf.Tensor:
    """Returns the graph's scalar place of this process's part in a mini-batch of several processes.

    It is 0 unless fed, as where one process has the complete mini-batch.
    """
    return graph_scalar(FIRST_ROW, lambda graph: np.int64(0), "first_row")


def whole_batch(graph: tf.Graph) -> dict[str, np.int64]:
    """Returns {name: value} of the graph's `rows_input` and `first_row_input` where one process trains."""
    values = {ROWS: np.int64(1), FIRST_ROW: np.int64(0)}
    return {scalar.name: value for key, value in values.items() for scalar in graph.get_collection(key)}


def graph_scalar(
    collection: str, default: Callable[[tf.Graph], np.int64 | bool | tf.Tensor], name: str
) -> tf.Tensor:
    """Returns the one placeholder of the graph in the collection, made at the first call."""
    # init_scope leaves the function, branch or loop body in which the call may stand. A function has
    # collections of its own: looked up there, each call would make one more scalar, which no trainer feeds.
    with tf.init_scope():
        graph = tf.compat.v1.get_default_graph()
        made = graph.get_collection(collection)
        if made:
            return made[0]
        # A name scope that ends with a slash is taken as it is: the scalar has one name wherever it is made.
        with tf.compat.v1.name_scope("graphkit/"):
            scalar = tf.compat.v1.placeholder_with_default(default(graph), (), name=name)
        graph.add_to_collection(collection, scalar)
        return scalar
