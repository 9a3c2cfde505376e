"""`tf.contrib.cluster_resolver`: the resolvers of `tf.distribute`."""

import tensorflow as tf

from graphkit.tf1 import overlay

__getattr__, __dir__ = overlay.over(__name__, tf.distribute.cluster_resolver)
