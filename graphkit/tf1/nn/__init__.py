"""`tf.nn`: what tf.compat.v1.nn has, with RNN cells."""

import tensorflow as _tensorflow

from graphkit.tf1 import overlay as _overlay
from graphkit.tf1.nn import rnn_cell as rnn_cell

__all__ = ["rnn_cell"]

__getattr__, __dir__ = _overlay.over(__name__, _tensorflow.compat.v1.nn)
