"""`tf.image`: that of `tf.compat.v1`, and names from before TensorFlow 1.0."""

import tensorflow as tf

from graphkit.tf1 import overlay

per_image_whitening = tf.image.per_image_standardization

__getattr__, __dir__ = overlay.over(__name__, tf.compat.v1.image)
