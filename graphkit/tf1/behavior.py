"""How TensorFlow behaves in a TF1 program: graphs instead of eager execution, and resource variables.

TensorFlow has one such setting for the process. It is made here, before another module of the room uses it.
"""

import logging

import tensorflow as tf


def is_news(record: logging.LogRecord) -> bool:
    """False for TensorFlow's lines that a function of TensorFlow 1 is deprecated, and Keras to be used.

    Who imports this knows, and most of them would be about calls in this package.
    """
    return not (str(record.msg).startswith("From %s: ") and "deprecated" in str(record.msg))


tf.get_logger().addFilter(is_news)
if tf.executing_eagerly():
    tf.compat.v1.disable_v2_behavior()
# A loop of training steps captures the handles of resource variables; the older ones have none.
tf.compat.v1.enable_resource_variables()
