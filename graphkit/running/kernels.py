"""Whether TensorFlow's oneDNN kernels are on, which graphkit's import sees to if it comes first."""

import functools
import logging
import os
from collections.abc import Iterable

import tensorflow as tf

from graphkit import startup

logger = logging.getLogger("graphkit")

CONVOLUTIONS = ("Conv2D", "Conv3D", "DepthwiseConv2dNative")


@functools.cache
def onednn_kernels() -> bool:
    """Whether TensorFlow computes with oneDNN's kernels on the processor, where they round differently.

    TensorFlow decides it when it is loaded, by an environment variable that may have changed since and by
    the processor, and has no function that tells. But no other kernel on a processor convolves images whose
    channels come first, so one is asked to: this takes some ten milliseconds, once.
    """
    config = tf.compat.v1.ConfigProto(device_count={"GPU": 0})
    with tf.Graph().as_default(), tf.compat.v1.Session(config=config) as session:
        image = tf.compat.v1.placeholder(tf.float32, (1, 1, 1, 1))
        convolved = tf.nn.conv2d(image, tf.ones((1, 1, 1, 1)), 1, "SAME", data_format="NCHW")
        try:
            session.run(convolved, {image: [[[[1.0]]]]})
        except (tf.errors.UnimplementedError, tf.errors.InvalidArgumentError):
            return False
    return True


def recommend_onednn(ops: Iterable[tf.Operation]) -> None:
    """Logs what oneDNN's kernels would bring, once, if the ops convolve and nobody has decided on them."""
    undecided = startup.has_onednn() and startup.ONEDNN not in os.environ
    if undecided and any(op.type.startswith(CONVOLUTIONS) for op in ops):
        log_recommendation()


@functools.cache
def log_recommendation() -> None:
    if not (onednn_kernels() or tf.config.list_physical_devices("GPU")):
        text = "TensorFlow's oneDNN kernels are off, with which convolutions train about twice as fast on a "
        text += "processor like this: import graphkit before TensorFlow, or set %s=1 (0 ends this message)"
        logger.warning(text, startup.ONEDNN)
