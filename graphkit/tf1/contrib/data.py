"""`tf.contrib.data`: `tf.data` as it was before TensorFlow 1.4, and what is in tf.data.experimental today."""

import tensorflow as tf

from graphkit.tf1 import overlay

Dataset, Iterator = tf.compat.v1.data.Dataset, tf.compat.v1.data.Iterator
TFRecordDataset, TextLineDataset = tf.compat.v1.data.TFRecordDataset, tf.compat.v1.data.TextLineDataset
FixedLengthRecordDataset = tf.compat.v1.data.FixedLengthRecordDataset

__getattr__, __dir__ = overlay.over(__name__, tf.compat.v1.data.experimental)
