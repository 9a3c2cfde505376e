"""`tf.nn.rnn_cell`: RNN cells and their wrappers."""

from graphkit.nn.recurrent_cells import LSTMStateTuple
from graphkit.tf1 import overlay
from graphkit.tf1.nn.cell_wrappers import DeviceWrapper, DropoutWrapper, ResidualWrapper
from graphkit.tf1.nn.cells import BasicLSTMCell, BasicRNNCell, GRUCell, LSTMCell, MultiRNNCell, RNNCell

__all__ = [
    "BasicLSTMCell",
    "BasicRNNCell",
    "DeviceWrapper",
    "DropoutWrapper",
    "GRUCell",
    "LSTMCell",
    "LSTMStateTuple",
    "MultiRNNCell",
    "RNNCell",
    "ResidualWrapper",
]

__getattr__, __dir__ = overlay.over(__name__)
