"""`tf.contrib.rnn`: RNN cells, their wrappers, and what runs them."""

from graphkit.tf1 import overlay
from graphkit.tf1.contrib import cell_wrappers as _wrappers
from graphkit.tf1.contrib import cells as _cells
from graphkit.tf1.contrib import sequences as _sequences
from graphkit.tf1.nn import rnn_cell as _rnn_cell
from graphkit.tf1.nn import sequences as _core_sequences
from graphkit.tf1.nn.cells import LayerRNNCell as LayerRNNCell

globals().update({name: getattr(_rnn_cell, name) for name in _rnn_cell.__all__})

AttentionCellWrapper = _wrappers.AttentionCellWrapper
EmbeddingWrapper = _wrappers.EmbeddingWrapper
InputProjectionWrapper = _wrappers.InputProjectionWrapper
OutputProjectionWrapper = _wrappers.OutputProjectionWrapper
# Private in TensorFlow 1, but programs took them for cells of their own.
_Linear = _wrappers.Linear
_linear = _wrappers.linear

Conv2DLSTMCell = _cells.Conv2DLSTMCell
ConvLSTMCell = _cells.ConvLSTMCell
LayerNormBasicLSTMCell = _cells.LayerNormBasicLSTMCell
LSTMBlockCell = _cells.LSTMBlockCell
NASCell = _cells.NASCell

LSTMBlockFusedCell = _sequences.LSTMBlockFusedCell
TimeReversedFusedRNN = _sequences.TimeReversedFusedRNN
stack_bidirectional_dynamic_rnn = _sequences.stack_bidirectional_dynamic_rnn
static_bidirectional_rnn = _core_sequences.static_bidirectional_rnn
static_rnn = _core_sequences.static_rnn

__getattr__, __dir__ = overlay.over(
    __name__, modules="core_rnn core_rnn_cell core_rnn_cell_impl fused_rnn_cell gru_ops lstm_ops rnn rnn_cell"
)
