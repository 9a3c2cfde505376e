"""`tf.contrib.util`."""

import tensorflow as tf

from graphkit.tf1 import overlay

constant_value = tf.get_static_value
make_tensor_proto = tf.make_tensor_proto
make_ndarray = tf.make_ndarray

__getattr__, __dir__ = overlay.over(__name__)
