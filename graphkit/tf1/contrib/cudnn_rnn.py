"""`tf.contrib.cudnn_rnn`: recurrent layers with cuDNN's formulas and checkpoints, on any device."""

from typing import Any

import tensorflow as tf

from graphkit.nn import recurrent_cells
from graphkit.tf1 import overlay
from graphkit.tf1.contrib import sequences
from graphkit.tf1.layers import base, input_spec
from graphkit.tf1.nn import cells, rnn_cell
from graphkit.tf1.nn import sequences as core_sequences

__all__ = [
    "CUDNN_RNN_BIDIRECTION",
    "CUDNN_RNN_UNIDIRECTION",
    "CudnnCompatibleGRUCell",
    "CudnnCompatibleLSTMCell",
    "CudnnGRU",
    "CudnnLSTM",
]

CUDNN_RNN_UNIDIRECTION, CUDNN_RNN_BIDIRECTION = "unidirectional", "bidirectional"


class CudnnCompatibleLSTMCell(rnn_cell.LSTMCell):
    """The LSTM cell of cuDNN: its forget bias is 0."""

    def __init__(self, num_units: int, reuse: Any = None, initializer: Any = None) -> None:
        name = "cudnn_compatible_lstm_cell"
        super().__init__(num_units, forget_bias=0.0, initializer=initializer, reuse=reuse, name=name)


class CudnnCompatibleGRUCell(cells.LayerRNNCell):
    """The GRU cell of cuDNN: the reset gate acts after the product with the state, which has a bias."""

    def __init__(self, num_units: int, reuse: Any = None, kernel_initializer: Any = None) -> None:
        super().__init__(num_units, None, reuse, name="cudnn_compatible_gru_cell")
        self._initializer = kernel_initializer

    def build(self, inputs_shape: Any) -> None:
        depth, units, kernel = self._depth(inputs_shape), self._num_units, self._initializer
        ones = tf.compat.v1.ones_initializer()
        self._gates = self._weights(depth + units, 2 * units, "gates/", kernel, ones)
        self._of_input = self._weights(depth, units, "candidate/input_projection/", kernel)
        self._of_state = self._weights(units, units, "candidate/hidden_projection/", kernel)

    def call(self, inputs: tf.Tensor, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        gates = tf.sigmoid(recurrent_cells.affine([inputs, state], *self._gates))
        r, u = tf.split(gates, 2, axis=1)
        of_state = recurrent_cells.affine([state], *self._of_state)
        new = tf.tanh(recurrent_cells.affine([inputs], *self._of_input) + r * of_state)
        output = (1 - u) * new + u * state
        return output, output


class CudnnRNN(base.Layer):
    """Layers of cells over inputs (time, batch, features), one direction or both.

    Returns outputs (time, batch, directions * num_units), and the last states, a tuple of tensors
    (num_layers * directions, batch, num_units): h, and c of an LSTM.
    """

    cell: Any = None

    def __init__(
        self,
        num_layers: int,
        num_units: int,
        input_mode: str = "linear_input",
        direction: str = CUDNN_RNN_UNIDIRECTION,
        dropout: float = 0.0,
        seed: int | None = None,
        dtype: Any = tf.float32,
        kernel_initializer: Any = None,
        bias_initializer: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        refused = {
            "input_mode": input_mode != "linear_input",
            "bias_initializer": bias_initializer is not None,
        }
        for argument, wrong in refused.items():
            if wrong:
                raise ValueError(f"{type(self).__name__}: {argument} is not offered; leave it out")
        self.input_spec = input_spec.InputSpec(ndim=3)
        self._dropout, self._seed, self._is_both = dropout, seed, direction == CUDNN_RNN_BIDIRECTION
        every = range(num_layers * (2 if self._is_both else 1))
        self._stack = [self._make_cell(num_units, kernel_initializer) for _ in every]

    def _make_cell(self, num_units: int, initializer: Any) -> Any:
        return self.cell(num_units, None, initializer)

    @property
    def trainable_weights(self) -> list[tf.Variable]:
        return [weight for cell in self._stack for weight in cell.trainable_weights] if self.trainable else []

    def call(self, inputs: tf.Tensor, initial_state: Any = None, training: bool = True) -> tuple[Any, Any]:
        stack = self._dropping() if training and self._dropout else self._stack
        states = None if initial_state is None else self._unpacked(initial_state)
        if self._is_both:
            outputs, *ends = sequences.stack_bidirectional_dynamic_rnn(
                stack[0::2],
                stack[1::2],
                inputs,
                None if states is None else states[0::2],
                None if states is None else states[1::2],
                dtype=inputs.dtype,
                time_major=True,
            )
            last = [state for pair in zip(*ends, strict=True) for state in pair]
        else:
            first = None if states is None else tuple(states)
            together = rnn_cell.MultiRNNCell(stack)
            outputs, last = core_sequences.dynamic_rnn(
                together, inputs, initial_state=first, dtype=inputs.dtype, time_major=True
            )
        return outputs, self._packed(list(last))

    def _dropping(self) -> list[Any]:
        """Returns the cells; all but those of the last layer drop units of their outputs."""
        last = 2 if self._is_both else 1
        keep_prob, seed = 1 - self._dropout, self._seed
        dropped = [
            rnn_cell.DropoutWrapper(cell, output_keep_prob=keep_prob, seed=seed)
            for cell in self._stack[:-last]
        ]
        return [*dropped, *self._stack[-last:]]

    def _packed(self, states: list[Any]) -> tuple[tf.Tensor, ...]:
        return (tf.stack(states),)

    def _unpacked(self, states: Any) -> list[Any]:
        return tf.unstack(states[0])


class CudnnLSTM(CudnnRNN):
    __doc__ = CudnnRNN.__doc__
    cell = CudnnCompatibleLSTMCell

    def _packed(self, states: list[Any]) -> tuple[tf.Tensor, ...]:
        return tf.stack([state.h for state in states]), tf.stack([state.c for state in states])

    def _unpacked(self, states: Any) -> list[Any]:
        pairs = zip(tf.unstack(states[1]), tf.unstack(states[0]), strict=True)
        return [rnn_cell.LSTMStateTuple(c, h) for c, h in pairs]


class CudnnGRU(CudnnRNN):
    __doc__ = CudnnRNN.__doc__
    cell = CudnnCompatibleGRUCell


__getattr__, __dir__ = overlay.over(__name__, modules="cudnn_rnn_ops")
