"""What runs RNN cells over sequences in `tf.contrib.rnn`: stacks of bidirectional cells, and fused cells."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from graphkit.nn import recurrent
from graphkit.nn.recurrent_cells import LSTMStateTuple
from graphkit.tf1.contrib.cells import LSTMBlockCell
from graphkit.tf1.layers import base, input_spec
from graphkit.tf1.nn import sequences
from graphkit.tf1.nn.cells import LSTMCell

v1 = tf.compat.v1


def stack_bidirectional_rnn(
    cells_fw: list[Any],
    cells_bw: list[Any],
    inputs: Sequence[tf.Tensor],
    initial_states_fw: list[Any] | None = None,
    initial_states_bw: list[Any] | None = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> tuple[Any, Any, Any]:
    """Returns (outputs, forward states, backward states) of layers of static_bidirectional_rnn."""
    check_stack(cells_fw, cells_bw, initial_states_fw, initial_states_bw)
    states = []
    with v1.variable_scope(scope or "stack_bidirectional_rnn"):
        for layer, (fw, bw) in enumerate(zip(cells_fw, cells_bw, strict=True)):
            with v1.variable_scope(f"cell_{layer}") as cell_scope:
                inputs, *state = sequences.static_bidirectional_rnn(
                    fw,
                    bw,
                    inputs,
                    initial_state_fw=initial_states_fw[layer] if initial_states_fw else None,
                    initial_state_bw=initial_states_bw[layer] if initial_states_bw else None,
                    dtype=dtype,
                    sequence_length=sequence_length,
                    scope=cell_scope,
                )
            states.append(state)
    fw_states, bw_states = zip(*states, strict=True)
    return inputs, fw_states, bw_states


def stack_bidirectional_dynamic_rnn(
    cells_fw: list[Any],
    cells_bw: list[Any],
    inputs: tf.Tensor,
    initial_states_fw: list[Any] | None = None,
    initial_states_bw: list[Any] | None = None,
    dtype: Any = None,
    sequence_length: Any = None,
    parallel_iterations: int | None = None,
    time_major: bool = False,
    scope: Any = None,
    swap_memory: bool = False,
) -> tuple[Any, Any, Any]:
    """Returns (outputs, forward states, backward states) of layers of bidirectional_dynamic_rnn."""
    check_stack(cells_fw, cells_bw, initial_states_fw, initial_states_bw)
    states = []
    with v1.variable_scope(scope or "stack_bidirectional_rnn"):
        for layer, (fw, bw) in enumerate(zip(cells_fw, cells_bw, strict=True)):
            with v1.variable_scope(f"cell_{layer}"):
                outputs, state = sequences.bidirectional_dynamic_rnn(
                    fw,
                    bw,
                    inputs,
                    sequence_length=sequence_length,
                    initial_state_fw=initial_states_fw[layer] if initial_states_fw else None,
                    initial_state_bw=initial_states_bw[layer] if initial_states_bw else None,
                    dtype=dtype,
                    parallel_iterations=parallel_iterations,
                    swap_memory=swap_memory,
                    time_major=time_major,
                )
                inputs = tf.concat(outputs, axis=2)
            states.append(state)
    fw_states, bw_states = zip(*states, strict=True)
    return inputs, fw_states, bw_states


def check_stack(fw: Any, bw: Any, states_fw: Any, states_bw: Any) -> None:
    for name, cells in ("fw", fw), ("bw", bw):
        if not cells:
            raise ValueError(f"Must specify at least one {name} cell for BidirectionalRNN.")
        if not isinstance(cells, list):
            raise ValueError(f"cells_{name} must be a list of RNNCells (one per layer).")
    if len(fw) != len(bw):
        raise ValueError("Forward and Backward cells must have the same depth.")
    for name, states in ("fw", states_fw), ("bw", states_bw):
        if states is not None and (not isinstance(states, list) or len(states) != len(fw)):
            raise ValueError(f"initial_states_{name} must be a list of state tensors (one per layer).")


def transpose_batch_time(x: tf.Tensor) -> tf.Tensor:
    """Swaps the first two axes; tensors of fewer axes stay as they are."""
    if x.shape.rank is None:
        return tf.transpose(x, tf.concat([[1, 0], tf.range(2, tf.rank(x))], axis=0))
    return x if x.shape.rank < 2 else tf.transpose(x, [1, 0, *range(2, x.shape.rank)])


def best_effort_input_batch_size(flat_input: Sequence[tf.Tensor]) -> Any:
    """Returns the batch size of time-major inputs as an integer where one of them knows it."""
    for value in flat_input:
        if value.shape.rank is not None and value.shape.rank < 2:
            raise ValueError(f"Expected input tensor {value.name} to have rank at least 2")
        if value.shape.rank is not None and value.shape.as_list()[1] is not None:
            return value.shape.as_list()[1]
    return tf.shape(flat_input[0])[1]


class FusedRNNCell:
    """Base of what runs a cell over time-major inputs, a tensor or a list: returns (outputs, final state)."""


class FusedRNNCellAdaptor(FusedRNNCell):
    """Runs a cell by static_rnn or dynamic_rnn."""

    def __init__(self, cell: Any, use_dynamic_rnn: bool = False) -> None:
        self._cell, self._use_dynamic_rnn = cell, use_dynamic_rnn

    def __call__(
        self,
        inputs: Any,
        initial_state: Any = None,
        dtype: Any = None,
        sequence_length: Any = None,
        scope: Any = None,
    ) -> tuple[Any, Any]:
        is_list = isinstance(inputs, list)
        options = {
            "initial_state": initial_state,
            "dtype": dtype,
            "sequence_length": sequence_length,
            "scope": scope,
        }
        if self._use_dynamic_rnn:
            inputs = tf.stack(inputs) if is_list else inputs
            outputs, state = sequences.dynamic_rnn(self._cell, inputs, time_major=True, **options)
            return tf.unstack(outputs) if is_list else outputs, state
        inputs = inputs if is_list else tf.unstack(inputs)
        outputs, state = sequences.static_rnn(self._cell, inputs, **options)
        return outputs if is_list else tf.stack(outputs), state


class TimeReversedFusedRNN(FusedRNNCell):
    """Runs a fused cell from the last valid step to the first."""

    def __init__(self, cell: Any) -> None:
        self._cell = cell

    def __call__(
        self,
        inputs: Any,
        initial_state: Any = None,
        dtype: Any = None,
        sequence_length: Any = None,
        scope: Any = None,
    ) -> tuple[Any, Any]:
        outputs, state = self._cell(
            reversed_in_time(inputs, sequence_length),
            initial_state=initial_state,
            dtype=dtype,
            sequence_length=sequence_length,
            scope=scope,
        )
        return reversed_in_time(outputs, sequence_length), state


def reversed_in_time(values: Any, lengths: Any) -> Any:
    if isinstance(values, list):
        return values[::-1]
    return tf.reverse(values, [0]) if lengths is None else tf.reverse_sequence(values, lengths, 0, 1)


class LSTMBlockFusedCell(LSTMBlockCell):
    """An LSTM over time-major inputs; not one op, but with the variables of the one op."""

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        cell_clip: float | None = None,
        use_peephole: bool = False,
        reuse: Any = None,
        dtype: Any = None,
        name: str = "lstm_fused_cell",
    ) -> None:
        super().__init__(num_units, forget_bias, cell_clip, use_peephole, dtype, reuse, name)
        self.input_spec = input_spec.InputSpec(ndim=3)

    @property
    def num_units(self) -> int:
        return self._num_units

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(inputs, list):
            return base.Layer.__call__(self, inputs, *args, **kwargs)
        outputs, state = base.Layer.__call__(self, tf.stack(inputs), *args, **kwargs)
        return tf.unstack(outputs), state

    def call(
        self, inputs: tf.Tensor, initial_state: Any = None, dtype: Any = None, sequence_length: Any = None
    ) -> tuple[Any, Any]:
        if initial_state is None:
            if dtype is None:
                raise ValueError("Either initial_state or dtype needs to be specified")
            initial_state = self.zero_state(best_effort_input_batch_size([inputs]), dtype)
        if len(initial_state) != 2:
            raise ValueError("Expecting initial_state to be a tuple with length 2 or None")
        lengths = None if sequence_length is None else tf.cast(sequence_length, tf.int32)

        def step(x: tf.Tensor, state: Any) -> Any:
            return LSTMCell.call(self, x, state)[1]

        # What lies beyond a sequence's length must not reach a gradient, even if it is not finite.
        batch_major = recurrent.zero_beyond(transpose_batch_time(inputs), lengths)
        outputs, state = recurrent.run_cell(step, batch_major, initial_state, lengths, "fw")
        outputs = transpose_batch_time(recurrent.zero_beyond(outputs, lengths))
        return outputs, LSTMStateTuple(*state)
