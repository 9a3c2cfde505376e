"""`tf.nn`: that of `tf.compat.v1`, with RNN cells, and losses that take the logits first."""

import tensorflow as tf

from graphkit.tf1 import before_1_0 as _before_1_0
from graphkit.tf1 import overlay

sigmoid_cross_entropy_with_logits = _before_1_0.sigmoid_cross_entropy_with_logits
softmax_cross_entropy_with_logits = _before_1_0.softmax_cross_entropy_with_logits
sparse_softmax_cross_entropy_with_logits = _before_1_0.sparse_softmax_cross_entropy_with_logits

__getattr__, __dir__ = overlay.over(__name__, tf.compat.v1.nn)
