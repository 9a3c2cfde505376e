"""RNN cells that TensorFlow 1 kept in `tf.contrib.rnn`."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from graphkit.nn import recurrent_cells
from graphkit.nn.recurrent_cells import LSTMStateTuple
from graphkit.tf1.nn.cell_wrappers import dropped
from graphkit.tf1.nn.cells import GRUCell, LayerRNNCell, LSTMCell, RNNCell, Size

v1 = tf.compat.v1


class NormalizedLSTMCell(LSTMCell):
    """Base of LSTMs whose gates and memory may be normalized as J. L. Ba et al. did (2016)."""

    _names: tuple[str, ...] = ("input", "transform", "forget", "output")
    _norms: dict[str, list[tf.Variable]] | None = None

    def _build_norms(self, gain: float, shift: float) -> None:
        firsts = {"gamma": v1.constant_initializer(gain), "beta": v1.constant_initializer(shift)}
        self._norms = {
            scope: [
                self.add_weight(f"{scope}/{name}", (self._num_units,), initializer=first)
                for name, first in firsts.items()
            ]
            for scope in (*self._names, "state")
        }

    def _norm(self, values: tf.Tensor, scope: str) -> tf.Tensor:
        if self._norms is None:
            return values
        (gamma, beta), moments = self._norms[scope], tf.nn.moments(values, [1], keepdims=True)
        return tf.nn.batch_normalization(values, *moments, beta, gamma, 1e-12)

    def _gates(self, inputs: tf.Tensor, h: tf.Tensor) -> list[Any]:
        gates = tf.matmul(tf.concat([inputs, h], axis=1), self._kernel)
        gates = gates if self._norms else tf.nn.bias_add(gates, self._bias)
        parts = tf.split(gates, len(self._names), axis=1)
        return [self._norm(part, scope) for part, scope in zip(parts, self._names, strict=True)]

    def _new_memory(self, c: tf.Tensor) -> tf.Tensor:
        return self._norm(c, "state")


class LayerNormBasicLSTMCell(NormalizedLSTMCell):
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
        super().__init__(num_units, forget_bias=forget_bias, activation=activation, reuse=reuse)
        self._layer_norm, self._first = layer_norm, (norm_gain, norm_shift)
        self._keep_prob, self._seed = dropout_keep_prob, dropout_prob_seed

    def build(self, inputs_shape: Any) -> None:
        units, rows = self._num_units, self._depth(inputs_shape) + self._num_units
        self._kernel = self.add_weight("kernel", (rows, 4 * units))
        if self._layer_norm:
            self._build_norms(*self._first)
        else:
            self._bias = self.add_weight("bias", (4 * units,))  # begins at random, as in TensorFlow 1
        self.built = True

    def _new_input(self, j: tf.Tensor) -> tf.Tensor:
        return dropped(self._activation(j), self._keep_prob, self._seed)


class CoupledInputForgetGateLSTMCell(NormalizedLSTMCell):
    """An LSTM whose input gate is 1 minus its forget gate."""

    _names = "transform", "forget", "output"

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
        options = {"forget_bias": forget_bias, "state_is_tuple": state_is_tuple, "reuse": reuse}
        super().__init__(
            num_units, use_peepholes, None, initializer, num_proj, proj_clip, activation=activation, **options
        )
        self._layer_norm, self._first = layer_norm, (norm_gain, norm_shift)
        if (num_unit_shards, num_proj_shards) != (1, 1):
            raise ValueError("CoupledInputForgetGateLSTMCell: use a variable scope's partitioner, not shards")

    def build(self, inputs_shape: Any) -> None:
        units, rows = self._num_units, self._depth(inputs_shape) + self.output_size
        self._kernel = self.add_weight("W_0", (rows, 3 * units), initializer=self._initializer)
        self._bias = self.add_weight("B", (3 * units,), initializer=v1.zeros_initializer())
        if self._layer_norm:
            self._build_norms(*self._first)
        if self._use_peepholes:
            names = "W_F_diag", "W_O_diag"
            weights = [self.add_weight(name, (units,), initializer=self._initializer) for name in names]
            self._peepholes = [None, *weights]
        if self._num_proj:
            shape = units, self._num_proj
            self._projection = self.add_weight("W_P_0", shape, initializer=self._initializer)
        self.built = True

    def _gates(self, inputs: tf.Tensor, h: tf.Tensor) -> list[Any]:
        return [None, *super()._gates(inputs, h)]


class UGRNNCell(LayerRNNCell):
    """One gate between the last state and a new one. J. Collins et al., ICLR 2017."""

    def __init__(
        self,
        num_units: int,
        initializer: Any = None,
        forget_bias: float = 1.0,
        activation: Any = tf.tanh,
        reuse: Any = None,
    ) -> None:
        super().__init__(num_units, activation, reuse)
        self._initializer, self._forget_bias = initializer, forget_bias

    def build(self, inputs_shape: Any) -> None:
        rows = self._depth(inputs_shape) + self._num_units
        self._affine = self._weights(rows, 2 * self._num_units, kernel=self._initializer)
        self.built = True

    def call(self, inputs: tf.Tensor, state: Any) -> tuple[Any, Any]:
        g, c = tf.split(recurrent_cells.affine([inputs, state], *self._affine), 2, axis=1)
        g = tf.sigmoid(g + self._forget_bias)
        state = g * state + (1 - g) * self._activation(c)
        return state, state


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
        self.built = True
