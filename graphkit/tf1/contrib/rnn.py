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

Conv1DLSTMCell = _cells.Conv1DLSTMCell
Conv2DLSTMCell = _cells.Conv2DLSTMCell
ConvLSTMCell = _cells.ConvLSTMCell
CoupledInputForgetGateLSTMCell = _cells.CoupledInputForgetGateLSTMCell
GRUBlockCell = _cells.GRUBlockCell
GRUBlockCellV2 = _cells.GRUBlockCellV2
LayerNormBasicLSTMCell = _cells.LayerNormBasicLSTMCell
LSTMBlockCell = _cells.LSTMBlockCell
NASCell = _cells.NASCell
UGRNNCell = _cells.UGRNNCell

FusedRNNCell = _sequences.FusedRNNCell
FusedRNNCellAdaptor = _sequences.FusedRNNCellAdaptor
LSTMBlockFusedCell = _sequences.LSTMBlockFusedCell
TimeReversedFusedRNN = _sequences.TimeReversedFusedRNN
best_effort_input_batch_size = _sequences.best_effort_input_batch_size
stack_bidirectional_dynamic_rnn = _sequences.stack_bidirectional_dynamic_rnn
stack_bidirectional_rnn = _sequences.stack_bidirectional_rnn
static_bidirectional_rnn = _core_sequences.static_bidirectional_rnn
static_rnn = _core_sequences.static_rnn
static_state_saving_rnn = _core_sequences.static_state_saving_rnn
transpose_batch_time = _sequences.transpose_batch_time

__getattr__, __dir__ = overlay.over(
    __name__, modules="core_rnn core_rnn_cell core_rnn_cell_impl fused_rnn_cell gru_ops lstm_ops rnn rnn_cell"
)
