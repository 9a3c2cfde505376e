"""`tf.nn`: that of tf.compat.v1, with RNN cells and the functions that run them."""

import tensorflow as _tensorflow

from graphkit.tf1 import overlay as _overlay
from graphkit.tf1.nn import rnn_cell as rnn_cell
from graphkit.tf1.nn.sequences import (
    bidirectional_dynamic_rnn,
    dynamic_rnn,
    raw_rnn,
    static_bidirectional_rnn,
    static_rnn,
    static_state_saving_rnn,
)

__all__ = [
    "bidirectional_dynamic_rnn",
    "bidirectional_rnn",
    "dynamic_rnn",
    "raw_rnn",
    "rnn",
    "rnn_cell",
    "state_saving_rnn",
    "static_bidirectional_rnn",
    "static_rnn",
    "static_state_saving_rnn",
]

# Names from before TensorFlow 1.0.
bidirectional_rnn = static_bidirectional_rnn
rnn = static_rnn
state_saving_rnn = static_state_saving_rnn

__getattr__, __dir__ = _overlay.over(__name__, _tensorflow.compat.v1.nn)
