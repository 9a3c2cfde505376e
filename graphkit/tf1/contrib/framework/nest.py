"""`tf.contrib.framework.nest`: `tf.nest` with the older names."""

import tensorflow as tf

from graphkit.tf1 import overlay

is_sequence = tf.nest.is_nested

__getattr__, __dir__ = overlay.over(__name__, tf.nest)
