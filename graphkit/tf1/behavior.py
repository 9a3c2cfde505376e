"""How TensorFlow behaves in a TF1 program: graphs instead of eager execution, and resource variables.

TensorFlow has one such setting for the process. It is made here, before another module of the room uses it.
"""

import logging

import tensorflow as tf

from graphkit.train import optimizers


def is_news(record: logging.LogRecord) -> bool:
    """False of what TensorFlow has deprecated since TensorFlow 1: to be told in each run helps nobody."""
    return optimizers.is_not_deprecation(record)


tf.get_logger().addFilter(is_news)
if tf.executing_eagerly():
    tf.compat.v1.disable_v2_behavior()
# A loop of training steps captures the handles of resource variables; the older ones have none.
tf.compat.v1.enable_resource_variables()
