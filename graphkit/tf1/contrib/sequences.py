"""What runs RNN cells over sequences in `tf.contrib.rnn`: stacks of bidirectional cells, and fused cells."""

from typing import Any

import tensorflow as tf

from graphkit.nn import recurrent
from graphkit.nn.recurrent_cells import LSTMStateTuple
from graphkit.tf1.contrib.cells import LSTMBlockCell
from graphkit.tf1.layers import base, input_spec
from graphkit.tf1.nn import sequences
from graphkit.tf1.nn.cells import LSTMCell

v1 = tf.compat.v1


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


class TimeReversedFusedRNN:
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
            initial_state = self.zero_state(inputs.shape[1] or tf.shape(inputs)[1], dtype)
        if len(initial_state) != 2:
            raise ValueError("Expecting initial_state to be a tuple with length 2 or None")
        lengths = None if sequence_length is None else tf.cast(sequence_length, tf.int32)

        def step(x: tf.Tensor, state: Any) -> Any:
            return LSTMCell.call(self, x, state)[1]

        # What lies beyond a sequence's length must not reach a gradient, even if it is not finite.
        batch_major = recurrent.zero_beyond(tf.transpose(inputs, [1, 0, 2]), lengths)
        outputs, state = recurrent.run_cell(step, batch_major, initial_state, lengths, "fw")
        outputs = tf.transpose(recurrent.zero_beyond(outputs, lengths), [1, 0, 2])
        return outputs, LSTMStateTuple(*state)
