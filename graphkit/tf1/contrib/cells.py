"""RNN cells that TensorFlow 1 kept in `tf.contrib.rnn`."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from graphkit.nn import normalization, recurrent_cells
from graphkit.nn.recurrent_cells import LSTMStateTuple
from graphkit.tf1.contrib.cell_wrappers import linear
from graphkit.tf1.nn.cell_wrappers import dropped
from graphkit.tf1.nn.cells import GRUCell, LayerRNNCell, LSTMCell, RNNCell, Size, clip_to

v1 = tf.compat.v1


def normalized(inputs: tf.Tensor, scope: str, gain: float, shift: float) -> tf.Tensor:
    """Normalizes a gate, by `gamma` and `beta` in a scope that begin as given numbers."""
    with v1.variable_scope(scope):
        for name, first in ("gamma", gain), ("beta", shift):
            sizes, constant = inputs.shape.as_list()[-1:], v1.constant_initializer(first)
            v1.get_variable(name, sizes, inputs.dtype, initializer=constant)
    return normalization.layer_norm(inputs, name=scope, reuse=True)


class LayerNormBasicLSTMCell(RNNCell):
    """An LSTM with normalized gates and memory, and dropout of the new input."""

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
        super().__init__(_reuse=reuse)
        self._num_units, self._forget_bias, self._activation = num_units, forget_bias, activation
        self._layer_norm, self._first = layer_norm, (norm_gain, norm_shift)
        self._keep_prob, self._seed = dropout_keep_prob, dropout_prob_seed

    @property
    def state_size(self) -> Size:
        return LSTMStateTuple(self._num_units, self._num_units)

    @property
    def output_size(self) -> Size:
        return self._num_units

    def _norm(self, inputs: tf.Tensor, scope: str) -> tf.Tensor:
        return normalized(inputs, scope, *self._first) if self._layer_norm else inputs

    def call(self, inputs: tf.Tensor, state: Any) -> tuple[Any, Any]:
        (c, h), size, dtype = state, 4 * self._num_units, inputs.dtype
        parts = [inputs, h]
        kernel = v1.get_variable("kernel", [sum(part.shape.as_list()[1] for part in parts), size], dtype)
        if self._layer_norm:
            gates = tf.matmul(tf.concat(parts, axis=1), kernel)
        else:
            gates = recurrent_cells.affine(parts, kernel, v1.get_variable("bias", [size], dtype))
        names = "input", "transform", "forget", "output"
        new = recurrent_cells.lstm_state(
            [self._norm(gate, name) for gate, name in zip(tf.split(gates, 4, axis=1), names, strict=True)],
            c,
            self._forget_bias,
            self._activation,
            new_input=lambda j: dropped(self._activation(j), self._keep_prob, self._seed),
            change_memory=lambda memory: self._norm(memory, "state"),
        )
        return new[1], LSTMStateTuple(*new)


class CoupledInputForgetGateLSTMCell(RNNCell):
    """An LSTM whose input gate is 1 minus its forget gate."""

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        initializer: Any = None,
        num_proj: int | None = None,
        proj_clip: float | None = None,
        num_unit_shards: int = 1,
        num_proj_shards: int = 1,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Any = tf.tanh,
        reuse: Any = None,
        layer_norm: bool = False,
        norm_gain: float = 1.0,
        norm_shift: float = 0.0,
    ) -> None:
        super().__init__(_reuse=reuse)
        self._num_units, self._use_peepholes, self._initializer = num_units, use_peepholes, initializer
        self._num_proj, self._clip, self._forget_bias = num_proj, clip_to(proj_clip), forget_bias
        self._state_is_tuple, self._activation = state_is_tuple, activation
        self._layer_norm, self._first = layer_norm, (norm_gain, norm_shift)
        if (num_unit_shards, num_proj_shards) != (1, 1):
            raise ValueError("CoupledInputForgetGateLSTMCell: use a variable scope's partitioner, not shards")

    @property
    def state_size(self) -> Size:
        sizes = LSTMStateTuple(self._num_units, self.output_size)
        return sizes if self._state_is_tuple else sum(sizes)

    @property
    def output_size(self) -> Size:
        return self._num_proj or self._num_units

    def _norm(self, inputs: tf.Tensor, scope: str) -> tf.Tensor:
        return normalized(inputs, scope, *self._first) if self._layer_norm else inputs

    def call(self, inputs: tf.Tensor, state: Any) -> tuple[Any, Any]:
        with v1.variable_scope(v1.get_variable_scope(), initializer=self._initializer):
            c, h = (
                state
                if self._state_is_tuple
                else tf.split(state, [self._num_units, self.output_size], axis=1)
            )
            c, h = self._step(inputs, c, h)
        return h, LSTMStateTuple(c, h) if self._state_is_tuple else tf.concat([c, h], axis=1)

    def _step(self, inputs: tf.Tensor, c: tf.Tensor, h: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        units, dtype = self._num_units, inputs.dtype
        rows = inputs.shape.as_list()[1] + self.output_size
        kernel = v1.get_variable("W_0", [rows, 3 * units], dtype)
        bias = v1.get_variable("B", [3 * units], dtype, initializer=v1.zeros_initializer())
        gates = recurrent_cells.affine([inputs, h], kernel, tf.zeros_like(bias) if self._layer_norm else bias)
        names = "transform", "forget", "output"
        j, f, o = (
            self._norm(gate, name) for gate, name in zip(tf.split(gates, 3, axis=1), names, strict=True)
        )
        peepholes = None
        if self._use_peepholes:
            peepholes = [None, *(v1.get_variable(f"W_{gate}_diag", [units], dtype) for gate in "FO")]
        c, h = recurrent_cells.lstm_state(
            [None, j, f, o],
            c,
            self._forget_bias,
            self._activation,
            peepholes=peepholes,
            change_memory=lambda memory: self._norm(memory, "state"),
        )
        if self._num_proj:
            h = self._clip(tf.matmul(h, v1.get_variable("W_P_0", [units, self._num_proj], dtype)))
        return c, h


class UGRNNCell(RNNCell):
    """One gate between the last state and a new one. J. Collins et al., ICLR 2017."""

    def __init__(
        self,
        num_units: int,
        initializer: Any = None,
        forget_bias: float = 1.0,
        activation: Any = tf.tanh,
        reuse: Any = None,
    ) -> None:
        super().__init__(_reuse=reuse)
        self._num_units, self._initializer = num_units, initializer
        self._forget_bias, self._activation = forget_bias, activation

    @property
    def state_size(self) -> Size:
        return self._num_units

    @property
    def output_size(self) -> Size:
        return self._num_units

    def call(self, inputs: tf.Tensor, state: Any) -> tuple[Any, Any]:
        with v1.variable_scope(v1.get_variable_scope(), initializer=self._initializer):
            g, c = tf.split(linear([inputs, state], 2 * self._num_units, True), 2, axis=1)
        g = tf.sigmoid(g + self._forget_bias)
        state = g * state + (1 - g) * self._activation(c)
        return state, state


class NASCell(LayerRNNCell):
    """The cell found by B. Zoph and Q. V. Le, "Neural architecture search", ICLR 2017, figure 8."""

    def __init__(
        self,
        num_units: int,
        num_proj: int | None = None,
        use_bias: bool = False,
        reuse: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_units, reuse=reuse, **kwargs)
        self._num_proj, self._use_bias = num_proj, use_bias

    @property
    def state_size(self) -> Size:
        return LSTMStateTuple(self._num_units, self.output_size)

    @property
    def output_size(self) -> Size:
        return self._num_proj or self._num_units

    def build(self, inputs_shape: Any) -> None:
        columns = 8 * self._num_units
        self.recurrent_kernel = self.add_weight("recurrent_kernel", (self.output_size, columns))
        self.kernel = self.add_weight("kernel", (self._depth(inputs_shape), columns))
        if self._use_bias:
            self.bias = self.add_weight("bias", (columns,), initializer=v1.zeros_initializer())
        if self._num_proj:
            self.projection_weights = self.add_weight("projection_weights", (self._num_units, self._num_proj))

    def call(self, inputs: tf.Tensor, state: Any) -> tuple[Any, Any]:
        c, h = state
        h = tf.matmul(h, self.recurrent_kernel)
        h = tf.nn.bias_add(h, self.bias) if self._use_bias else h
        x, h = (tf.split(part, 8, axis=1) for part in (tf.matmul(inputs, self.kernel), h))
        functions = [tf.sigmoid, tf.nn.relu, tf.sigmoid, tf.nn.relu, tf.tanh, tf.sigmoid, tf.tanh, tf.sigmoid]
        sums = [a * b if place == 3 else a + b for place, (a, b) in enumerate(zip(x, h, strict=True))]
        one = [function(part) for function, part in zip(functions, sums, strict=True)]
        two = [tf.tanh(one[0] * one[1]), tf.tanh(one[2] + one[3]), tf.tanh(one[4] * one[5])]
        c = tf.tanh(two[0] + c) * two[1]
        h = tf.tanh(c * tf.tanh(two[2] + tf.sigmoid(one[6] + one[7])))
        h = tf.matmul(h, self.projection_weights) if self._num_proj else h
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


class Conv1DLSTMCell(ConvLSTMCell):
    """A ConvLSTMCell over sequences."""

    def __init__(self, name: str = "conv_1d_lstm_cell", **kwargs: Any) -> None:
        super().__init__(conv_ndims=1, name=name, **kwargs)


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


class GRUBlockCellV2(GRUCell):
    """A GRUCell, not one op."""

    def __init__(
        self, num_units: Any = None, cell_size: Any = None, reuse: Any = None, name: str = "gru_cell"
    ) -> None:
        if (cell_size is None) == (num_units is None):
            raise ValueError("Exactly one of num_units or cell_size must be provided.")
        super().__init__(num_units or cell_size, reuse=reuse, name=name)


class GRUBlockCell(GRUBlockCellV2):
    """A GRUBlockCellV2 with other names of its variables."""

    def build(self, inputs_shape: Any) -> None:
        units, rows = self._num_units, self._depth(inputs_shape) + self._num_units
        ones, zeros = v1.ones_initializer(), v1.zeros_initializer()
        self._gates = (
            self.add_weight("w_ru", (rows, 2 * units)),
            self.add_weight("b_ru", (2 * units,), initializer=ones),
        )
        self._candidate = (
            self.add_weight("w_c", (rows, units)),
            self.add_weight("b_c", (units,), initializer=zeros),
        )
