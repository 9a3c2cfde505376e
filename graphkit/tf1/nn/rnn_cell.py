"""`tf.nn.rnn_cell`: cells and wrappers of cells."""

from graphkit.tf1 import overlay
from graphkit.tf1.nn.cells import (
    BasicLSTMCell,
    BasicRNNCell,
    GRUCell,
    LSTMCell,
    LSTMStateTuple,
    MultiRNNCell,
    RNNCell,
)

__all__ = [
    "BasicLSTMCell",
    "BasicRNNCell",
    "GRUCell",
    "LSTMCell",
    "LSTMStateTuple",
    "MultiRNNCell",
    "RNNCell",
]

__getattr__, __dir__ = overlay.over(__name__)
