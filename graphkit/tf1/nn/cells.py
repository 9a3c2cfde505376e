"""RNN cells: their base, the three kinds that TensorFlow had, and stacks of them."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from graphkit import checks
from graphkit.nn import activations, recurrent_cells
from graphkit.nn.recurrent_cells import LSTMStateTuple
from graphkit.tf1.layers import base, input_spec

Size = Any  # an integer, a TensorShape, or a structure of them


class RNNCell(base.Layer):
    """Base of all cells, also of a program's own: `call(inputs, state)` returns (output, next state).

    What `call` makes by get_variable is among the cell's variables.
    """

    _cells: Sequence[Any] = ()  # those inside it, of which it has the variables, too

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> tuple[Any, Any]:
        outer = tf.compat.v1.get_variable_scope() if scope is None else scope
        with tf.compat.v1.variable_scope(outer, custom_getter=self._get_variable) as inner:
            named = {} if scope is None else {"scope": inner}
            return super().__call__(inputs, state, **named)

    def _get_variable(self, getter: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        variable = getter(*args, **kwargs)
        self._remember(variable, trainable=True)
        return variable

    @property
    def trainable_weights(self) -> list[tf.Variable]:
        return self._with_inner(super().trainable_weights, "trainable_weights") if self.trainable else []

    @property
    def non_trainable_weights(self) -> list[tf.Variable]:
        weights = super().non_trainable_weights
        weights = weights if self.trainable else self._with_inner(weights, "trainable_weights")
        return self._with_inner(weights, "non_trainable_weights")

    def _with_inner(self, own: list[tf.Variable], kind: str) -> list[tf.Variable]:
        inner = [weight for cell in self._cells for weight in getattr(cell, kind, [])]
        return list({weight.ref(): weight for weight in [*own, *inner]}.values())

    @property
    def state_size(self) -> Size:
        raise NotImplementedError("state_size: a cell says the sizes of its state")

    @property
    def output_size(self) -> Size:
        raise NotImplementedError("output_size: a cell says the size of its output")

    def build(self, input_shape: Any) -> None:
        pass

    def get_initial_state(self, inputs: Any = None, batch_size: Any = None, dtype: Any = None) -> Any:
        """Returns zeros for a batch like the inputs, or of the given size and dtype."""
        received = f"received inputs={inputs}, batch_size={batch_size}, dtype={dtype}"
        if inputs is not None:
            inputs = tf.convert_to_tensor(inputs, name="inputs")
            known = inputs.shape.as_list()[0]
            given = tf.get_static_value(batch_size) if tf.is_tensor(batch_size) else batch_size
            if (batch_size is not None and given != known) or (dtype is not None and dtype != inputs.dtype):
                raise ValueError(
                    f"get_initial_state: batch_size and dtype are those of the inputs; {received}"
                )
            batch_size, dtype = known or tf.shape(inputs)[0], inputs.dtype
        if batch_size is None or dtype is None:
            raise ValueError(f"get_initial_state: give batch_size and dtype, or inputs; {received}")
        return self.zero_state(batch_size, dtype)

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """Returns zeros (batch_size, size) for each size of the state."""
        with tf.compat.v1.name_scope(f"{type(self).__name__}ZeroState", values=[batch_size]):
            return tf.nest.map_structure(lambda size: zeros(batch_size, size, dtype), self.state_size)


def zeros(batch_size: Any, size: Size, dtype: Any) -> tf.Tensor:
    """Returns zeros (batch_size, *size), each an integer, a TensorShape or a tensor."""
    parts = [sizes_of(batch_size), sizes_of(size)]
    tensors = any(tf.is_tensor(part) for part in parts)
    return tf.zeros(tf.concat(parts, axis=0) if tensors else [*parts[0], *parts[1]], dtype)


def sizes_of(part: Any) -> Any:
    if tf.is_tensor(part):
        return tf.reshape(part, [-1])
    shape = tf.TensorShape(int(part) if isinstance(part, float) else part)
    if not shape.is_fully_defined():
        raise ValueError(f"zero_state: sizes are known, or tensors; received {part}")
    return shape.as_list()


class LayerRNNCell(RNNCell):
    """Base of cells that make their variables in `build` by `add_weight`."""

    def __init__(self, num_units: Any, activation: Any = None, reuse: Any = None, **kwargs: Any) -> None:
        kwargs.pop("input_size", None)  # of TensorFlow before 1.0, and unused there
        super().__init__(_reuse=reuse, **kwargs)
        self._check = checks.Checker(type(self).__name__)
        check_floating(self.dtype)
        self.input_spec = input_spec.InputSpec(ndim=2)
        self._num_units = num_units
        self._activation = activations.check_activation(self._check, activation or None) or tf.tanh

    def __call__(self, inputs: Any, state: Any, scope: Any = None, *args: Any, **kwargs: Any) -> Any:
        check_floating(*(tf.convert_to_tensor(part).dtype for part in tf.nest.flatten([inputs, state])))
        return base.Layer.__call__(self, inputs, state, *args, scope=scope, **kwargs)

    @property
    def state_size(self) -> Size:
        return self._num_units

    @property
    def output_size(self) -> Size:
        return self._num_units

    def _depth(self, input_shape: Any) -> int:
        depth = tf.TensorShape(input_shape).as_list()[-1]
        if depth is None:
            raise ValueError(f"Expected inputs.shape[-1] to be known, saw shape: {input_shape}")
        return depth

    def _weights(self, rows: int, columns: int, scope: str = "", kernel: Any = None, bias: Any = None) -> Any:
        """Makes a kernel and a bias, by initializers or their names."""
        bias = tf.compat.v1.zeros_initializer() if bias is None else bias
        return (
            self.add_weight(f"{scope}kernel", (rows, columns), initializer=kernel),
            self.add_weight(f"{scope}bias", (columns,), initializer=bias),
        )


def check_floating(*dtypes: Any) -> None:
    for dtype in dtypes:
        if dtype is not None and not (tf.as_dtype(dtype).is_floating or tf.as_dtype(dtype).is_complex):
            raise ValueError(f"RNN cell only supports floating point inputs, but saw dtype: {dtype}")


class BasicRNNCell(LayerRNNCell):
    """output = new state = activation([inputs, state] W + b)"""

    def build(self, inputs_shape: Any) -> None:
        self._affine = self._weights(self._depth(inputs_shape) + self._num_units, self._num_units)
        self.built = True

    def call(self, inputs: tf.Tensor, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        output = self._activation(recurrent_cells.affine([inputs, state], *self._affine))
        return output, output


class GRUCell(LayerRNNCell):
    """A gated recurrent unit, whose gates r, u have biases of 1 at first."""

    def __init__(
        self,
        num_units: int,
        activation: Any = None,
        reuse: Any = None,
        kernel_initializer: Any = None,
        bias_initializer: Any = None,
        name: Any = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_units, activation, reuse, name=name, dtype=dtype, **kwargs)
        self._initializers = kernel_initializer, bias_initializer

    def build(self, inputs_shape: Any) -> None:
        (kernel, bias), units = self._initializers, self._num_units
        rows = self._depth(inputs_shape) + units
        ones = tf.compat.v1.ones_initializer() if bias is None else bias
        self._gates = self._weights(rows, 2 * units, "gates/", kernel, ones)
        self._candidate = self._weights(rows, units, "candidate/", kernel, bias)
        self.built = True

    def call(self, inputs: tf.Tensor, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        output = recurrent_cells.gru_state(inputs, state, self._gates, self._candidate, self._activation)
        return output, output


class LSTMCell(LayerRNNCell):
    """An LSTM, with peepholes, clipping and a projection of its output where asked for."""

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        cell_clip: float | None = None,
        initializer: Any = None,
        num_proj: int | None = None,
        proj_clip: float | None = None,
        num_unit_shards: int | None = None,
        num_proj_shards: int | None = None,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Any = None,
        reuse: Any = None,
        name: Any = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_units, activation, reuse, name=name, dtype=dtype, **kwargs)
        self._use_peepholes, self._clip = use_peepholes, clip_to(cell_clip)
        self._num_proj, self._clip_projection = num_proj, clip_to(proj_clip)
        self._shards = num_unit_shards, num_proj_shards
        self._initializer, self._forget_bias = initializer, forget_bias
        self._state_is_tuple = state_is_tuple
        self._peepholes: list[Any] | None = None

    @property
    def state_size(self) -> Size:
        sizes = LSTMStateTuple(self._num_units, self.output_size)
        return sizes if self._state_is_tuple else sum(sizes)

    @property
    def output_size(self) -> Size:
        return self._num_proj or self._num_units

    def build(self, inputs_shape: Any) -> None:
        units, shards = self._num_units, [shards_of(number) for number in self._shards]
        rows = self._depth(inputs_shape) + self.output_size
        self._kernel = self.add_weight(
            "kernel", (rows, 4 * units), initializer=self._initializer, partitioner=shards[0]
        )
        self._bias = self.add_weight("bias", (4 * units,), initializer=tf.compat.v1.zeros_initializer())
        if self._use_peepholes:
            weights = {
                gate: self.add_weight(f"w_{gate}_diag", (units,), initializer=self._initializer)
                for gate in "fio"
            }
            self._peepholes = [weights[gate] for gate in "ifo"]
        if self._num_proj:
            self._projection = self.add_weight(
                "projection/kernel",
                (units, self._num_proj),
                initializer=self._initializer,
                partitioner=shards[1],
            )
        self.built = True

    def _gates(self, inputs: tf.Tensor, h: tf.Tensor) -> list[Any]:
        return tf.split(recurrent_cells.affine([inputs, h], self._kernel, self._bias), 4, axis=1)

    def _new_input(self, j: tf.Tensor) -> tf.Tensor:
        return self._activation(j)

    def _new_memory(self, c: tf.Tensor) -> tf.Tensor:
        return self._clip(c)

    def call(self, inputs: tf.Tensor, state: Any) -> tuple[tf.Tensor, Any]:
        sizes = [self._num_units, self.output_size]
        c, h = state if self._state_is_tuple else tf.split(state, sizes, axis=1)
        c, h = recurrent_cells.lstm_state(
            self._gates(inputs, h),
            c,
            self._forget_bias,
            self._activation,
            new_input=self._new_input,
            peepholes=self._peepholes,
            change_memory=self._new_memory,
        )
        if self._num_proj:
            h = self._clip_projection(tf.matmul(h, self._projection))
        return h, LSTMStateTuple(c, h) if self._state_is_tuple else tf.concat([c, h], axis=1)


def clip_to(bound: float | None) -> Callable[[tf.Tensor], tf.Tensor]:
    return lambda value: value if bound is None else tf.clip_by_value(value, -bound, bound)


def shards_of(number: int | None) -> Any:
    return None if number is None else tf.compat.v1.fixed_size_partitioner(number)


class BasicLSTMCell(LSTMCell):
    """An LSTM without peepholes, clipping and projection."""

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Any = None,
        reuse: Any = None,
        name: Any = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            num_units,
            forget_bias=forget_bias,
            state_is_tuple=state_is_tuple,
            activation=activation,
            reuse=reuse,
            name=name,
            dtype=dtype,
            **kwargs,
        )


class MultiRNNCell(RNNCell):
    """A stack of cells: each reads the outputs of the one before it."""

    def __init__(self, cells: Sequence[Any], state_is_tuple: bool = True) -> None:
        super().__init__()
        if not cells:
            raise ValueError("Must specify at least one cell for MultiRNNCell.")
        if not isinstance(cells, (list, tuple)):
            raise TypeError(f"cells must be a list or tuple, but saw: {cells}.")
        self._cells, self._state_is_tuple = cells, state_is_tuple
        sizes = [cell.state_size for cell in cells]
        if not state_is_tuple and any(tf.nest.is_nested(size) for size in sizes):
            raise ValueError(
                "Some cells return tuples of states, but the flag state_is_tuple is not set. "
                f"State sizes are: {sizes}"
            )

    @property
    def state_size(self) -> Size:
        sizes = tuple(cell.state_size for cell in self._cells)
        return sizes if self._state_is_tuple else sum(sizes)

    @property
    def output_size(self) -> Size:
        return self._cells[-1].output_size

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        if not self._state_is_tuple:
            return super().zero_state(batch_size, dtype)
        with tf.compat.v1.name_scope(f"{type(self).__name__}ZeroState", values=[batch_size]):
            return tuple(cell.zero_state(batch_size, dtype) for cell in self._cells)

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        if self._state_is_tuple:
            if not tf.nest.is_nested(state):
                raise ValueError(
                    f"Expected state to be a tuple of length {len(self._cells)}, but received: {state}"
                )
        else:
            state = tf.split(state, [cell.state_size for cell in self._cells], axis=1)
        states = []
        for number, (cell, part) in enumerate(zip(self._cells, state, strict=True)):
            with tf.compat.v1.variable_scope(f"cell_{number}"):
                inputs, new = cell(inputs, part)
            states.append(new)
        return inputs, tuple(states) if self._state_is_tuple else tf.concat(states, axis=1)
