"""Functions that run RNN cells over sequences: TensorFlow's own, with other control flow."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from graphkit.nn import recurrent

v1 = tf.compat.v1


def in_functions(run: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the function with loops of functions: a trainer keys the masks of dropout in no others."""

    @functools.wraps(run)
    def run_in_functions(*args: Any, **kwargs: Any) -> Any:
        with recurrent.loop_of_functions(tf.no_op("rnn_place")):
            return run(*args, **kwargs)

    return run_in_functions


bidirectional_dynamic_rnn = in_functions(v1.nn.bidirectional_dynamic_rnn)
dynamic_rnn = in_functions(v1.nn.dynamic_rnn)
raw_rnn = in_functions(v1.nn.raw_rnn)


class Held:
    """A cell with lengths: beyond a sequence's length its output is zero, and its state stays.

    TensorFlow's functions put each step into branches instead, which take twice as long to build and to run.
    """

    def __init__(self, cell: Any, lengths: Any) -> None:
        self.cell, self.step = cell, 0
        self.lengths = tf.cast(tf.convert_to_tensor(lengths, name="sequence_length"), tf.int32)
        if self.lengths.shape.rank not in (None, 1):
            raise ValueError(f"sequence_length must be a vector of length batch_size, but saw {lengths}")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cell, name)

    def __call__(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        output, new = self.cell(inputs, state)
        valid = self.step < self.lengths
        self.step += 1

        def choose(value: Any, other: Any) -> Any:
            if isinstance(value, tf.TensorArray) or value.shape.rank == 0:
                return value
            chosen = tf.where(tf.reshape(valid, [-1] + [1] * (value.shape.rank - 1)), value, other)
            return tf.ensure_shape(chosen, value.shape)

        zeros = tf.nest.map_structure(tf.zeros_like, output)
        return tf.nest.map_structure(choose, output, zeros), tf.nest.map_structure(choose, new, state)


def held(cell: Any, lengths: Any) -> Any:
    return cell if lengths is None else Held(cell, lengths)


def static_rnn(
    cell: Any,
    inputs: Sequence[Any],
    initial_state: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> tuple[list[Any], Any]:
    """Returns (outputs, final state) of a cell over a list of inputs."""
    return v1.nn.static_rnn(held(cell, sequence_length), inputs, initial_state, dtype, scope=scope)


def static_bidirectional_rnn(
    cell_fw: Any,
    cell_bw: Any,
    inputs: Sequence[Any],
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> tuple[list[Any], Any, Any]:
    """Returns (outputs of both side by side, forward state, backward state)."""
    with v1.variable_scope(scope or "bidirectional_rnn"):
        with v1.variable_scope("fw") as inner:
            fw, state_fw = static_rnn(cell_fw, inputs, initial_state_fw, dtype, sequence_length, inner)
        with v1.variable_scope("bw") as inner:
            turned = reversed_steps(inputs, sequence_length)
            bw, state_bw = static_rnn(cell_bw, turned, initial_state_bw, dtype, sequence_length, inner)
    bw = reversed_steps(bw, sequence_length)
    outputs = [
        tf.nest.map_structure(lambda a, b: tf.concat([a, b], axis=1), *pair)
        for pair in zip(fw, bw, strict=True)
    ]
    return outputs, state_fw, state_bw


def reversed_steps(steps: Sequence[Any], lengths: Any) -> list[Any]:
    """Returns the steps in reverse order: the valid ones of each sequence, where there are lengths."""
    if lengths is None:
        return list(reversed(steps))

    def turn(*values: tf.Tensor) -> tf.Tensor:
        return tf.reverse_sequence(tf.stack(values), lengths, seq_axis=0, batch_axis=1)

    turned = tf.nest.map_structure(turn, *steps)
    return [tf.nest.map_structure(lambda value, step=step: value[step], turned) for step in range(len(steps))]
