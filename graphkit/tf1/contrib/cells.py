"""RNN cells that TensorFlow 1 kept in `tf.contrib.rnn`."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from graphkit.nn import recurrent_cells
from graphkit.nn.recurrent_cells import LSTMStateTuple
from graphkit.tf1.nn.cell_wrappers import dropped
from graphkit.tf1.nn.cells import LSTMCell, RNNCell, Size

v1 = tf.compat.v1
GATES = "input", "transform", "forget", "output"  # names of their normalizations


class LayerNormBasicLSTMCell(LSTMCell):
    """An LSTM with normalized gates and memory, and dropout of the new input. J. L. Ba et al., 2016."""

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        input_size: Any = None,
        activation: Any = tf.tanh,
        layer_norm: bool = True,
        norm_gain: float = 1.0,
        norm_shift: float = 0.0,
        dropout_keep_prob: Any = 1.0,
        dropout_prob_seed: int | None = None,
        reuse: Any = None,
    ) -> None:
        super().__init__(num_units, forget_bias=forget_bias, activation=activation, reuse=reuse)
        self._layer_norm, self._first = layer_norm, {"gamma": norm_gain, "beta": norm_shift}
        self._keep_prob, self._seed = dropout_keep_prob, dropout_prob_seed

    def build(self, inputs_shape: Any) -> None:
        units, rows = self._num_units, self._depth(inputs_shape) + self._num_units
        self._kernel = self.add_weight("kernel", (rows, 4 * units))
        if self._layer_norm:
            self._norms = {scope: self._make_norm(scope) for scope in (*GATES, "state")}
        else:
            self._bias = self.add_weight("bias", (4 * units,))  # begins at random, as in TensorFlow 1
        self.built = True

    def _make_norm(self, scope: str) -> list[tf.Variable]:
        return [
            self.add_weight(f"{scope}/{name}", (self._num_units,), initializer=v1.constant_initializer(first))
            for name, first in self._first.items()
        ]

    def _norm(self, values: tf.Tensor, scope: str) -> tf.Tensor:
        if not self._layer_norm:
            return values
        (gamma, beta), moments = self._norms[scope], tf.nn.moments(values, [1], keepdims=True)
        return tf.nn.batch_normalization(values, *moments, beta, gamma, 1e-12)

    def _gates(self, inputs: tf.Tensor, h: tf.Tensor) -> list[Any]:
        if not self._layer_norm:
            return super()._gates(inputs, h)
        gates = tf.split(tf.matmul(tf.concat([inputs, h], axis=1), self._kernel), len(GATES), axis=1)
        return [self._norm(gate, scope) for gate, scope in zip(gates, GATES, strict=True)]

    def _new_input(self, j: tf.Tensor) -> tf.Tensor:
        return dropped(self._activation(j), self._keep_prob, self._seed)

    def _new_memory(self, c: tf.Tensor) -> tf.Tensor:
        return self._norm(c, "state")


class NASCell(LSTMCell):
    """The cell that an architecture search found. B. Zoph, Q. V. Le, ICLR 2017."""

    def __init__(
        self,
        num_units: int,
        num_proj: int | None = None,
        use_bias: bool = False,
        reuse: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_units, num_proj=num_proj, reuse=reuse, **kwargs)
        self._use_bias = use_bias

    def build(self, inputs_shape: Any) -> None:
        units, depth = self._num_units, self._depth(inputs_shape)
        self._recurrent_kernel = self.add_weight("recurrent_kernel", (self.output_size, 8 * units))
        self._kernel = self.add_weight("kernel", (depth, 8 * units))
        if self._use_bias:
            zeros = v1.zeros_initializer()
            self._bias = self.add_weight("bias", (8 * units,), initializer=zeros)
        if self._num_proj:
            self._projection = self.add_weight("projection_weights", (units, self._num_proj))
        self.built = True

    def call(self, inputs: tf.Tensor, state: Any) -> tuple[Any, Any]:
        c, h = state
        h = tf.matmul(h, self._recurrent_kernel)
        h = tf.nn.bias_add(h, self._bias) if self._use_bias else h
        x = tf.matmul(inputs, self._kernel)
        c, h = recurrent_cells.nas_state(tf.split(x, 8, axis=1), tf.split(h, 8, axis=1), c)
        h = tf.matmul(h, self._projection) if self._num_proj else h
        return h, LSTMStateTuple(c, h)


class ConvLSTMCell(RNNCell):
    """An LSTM whose maps are convolutions. X. Shi et al., NIPS 2015.

    With skip_connection the inputs are part of the output alone, not of the state.
    """

    def __init__(
        self,
        conv_ndims: int,
        input_shape: Sequence[int],
        output_channels: int,
        kernel_shape: Sequence[int],
        use_bias: bool = True,
        skip_connection: bool = False,
        forget_bias: float = 1.0,
        initializers: Any = None,
        name: str = "conv_lstm_cell",
    ) -> None:
        super().__init__(name=name)
        if conv_ndims != len(input_shape) - 1:
            raise ValueError(f"Invalid input_shape {input_shape} for conv_ndims={conv_ndims}.")
        self._input_shape, self._channels = list(input_shape), output_channels
        self._kernel_shape, self._use_bias = list(kernel_shape), use_bias
        self._skip, self._forget_bias = skip_connection, forget_bias

    def _shape(self, channels: int) -> tf.TensorShape:
        return tf.TensorShape([*self._input_shape[:-1], channels])

    @property
    def state_size(self) -> Size:
        return LSTMStateTuple(self._shape(self._channels), self._shape(self._channels))

    @property
    def output_size(self) -> Size:
        return self._shape(self._channels + (self._input_shape[-1] if self._skip else 0))

    def call(self, inputs: tf.Tensor, state: Any) -> tuple[Any, Any]:
        parts = tf.concat([inputs, state[1]], axis=-1)
        shape = [*self._kernel_shape, parts.shape.as_list()[-1], 4 * self._channels]
        kernel = v1.get_variable("kernel", shape, inputs.dtype)
        gates = tf.nn.convolution(parts, kernel, padding="SAME")
        if self._use_bias:
            zeros = v1.zeros_initializer()
            gates += v1.get_variable("biases", shape[-1:], inputs.dtype, initializer=zeros)
        new = recurrent_cells.lstm_state(tf.split(gates, 4, axis=-1), state[0], self._forget_bias)
        return tf.concat([new[1], inputs], axis=-1) if self._skip else new[1], LSTMStateTuple(*new)


class Conv2DLSTMCell(ConvLSTMCell):
    """A ConvLSTMCell over images."""

    def __init__(self, name: str = "conv_2d_lstm_cell", **kwargs: Any) -> None:
        super().__init__(conv_ndims=2, name=name, **kwargs)


class LSTMBlockCell(LSTMCell):
    """An LSTMCell, not one op; it has the variables of the one op."""

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        cell_clip: float | None = None,
        use_peephole: bool = False,
        dtype: Any = None,
        reuse: Any = None,
        name: str = "lstm_cell",
    ) -> None:
        clip = cell_clip if cell_clip is not None and cell_clip > 0 else None
        options = {"forget_bias": forget_bias, "dtype": dtype, "reuse": reuse, "name": name}
        super().__init__(num_units, use_peephole, clip, **options)
