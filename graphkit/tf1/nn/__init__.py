"""`tf.nn`: that of `tf.compat.v1`, with RNN cells, what runs them, and losses that take the logits first."""

import tensorflow as tf

from graphkit.tf1 import before_1_0 as _before_1_0
from graphkit.tf1 import overlay
from graphkit.tf1.nn import convolutions as _convolutions
from graphkit.tf1.nn import rnn_cell as rnn_cell
from graphkit.tf1.nn import sequences as _sequences

sigmoid_cross_entropy_with_logits = _before_1_0.sigmoid_cross_entropy_with_logits
softmax_cross_entropy_with_logits = _before_1_0.softmax_cross_entropy_with_logits
sparse_softmax_cross_entropy_with_logits = _before_1_0.sparse_softmax_cross_entropy_with_logits

conv2d_backprop_input = _convolutions.conv2d_backprop_input
conv2d_transpose = _convolutions.conv2d_transpose

bidirectional_dynamic_rnn = _sequences.bidirectional_dynamic_rnn
dynamic_rnn = _sequences.dynamic_rnn
raw_rnn = _sequences.raw_rnn
static_bidirectional_rnn = bidirectional_rnn = _sequences.static_bidirectional_rnn
static_rnn = rnn = _sequences.static_rnn

__getattr__, __dir__ = overlay.over(__name__, tf.compat.v1.nn)
