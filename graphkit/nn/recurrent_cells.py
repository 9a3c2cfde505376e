"""One step of a recurrent cell, from values of its variables."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import tensorflow as tf

Weights: TypeAlias = tuple[tf.Tensor, tf.Tensor]  # kernel, bias
Activation: TypeAlias = Callable[[tf.Tensor], tf.Tensor]


class LSTMStateTuple(NamedTuple):
    """State of an LSTM: the memory c and the output h, each (batch, units)."""

    c: tf.Tensor
    h: tf.Tensor

    @property
    def dtype(self) -> tf.DType:
        if self.c.dtype != self.h.dtype:
            raise TypeError(
                f"LSTMStateTuple: c and h have one dtype; received {self.c.dtype}, {self.h.dtype}"
            )
        return self.c.dtype


def affine(parts: Sequence[tf.Tensor], kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    return tf.nn.bias_add(tf.matmul(tf.concat(parts, axis=1), kernel), bias)


def gru_state(
    x: tf.Tensor, h: tf.Tensor, gates: Weights, candidate: Weights, activation: Activation = tf.tanh
) -> tf.Tensor:
    """Returns the next state of a GRU."""
    r, u = tf.split(tf.sigmoid(affine([x, h], *gates)), 2, axis=1)
    new = activation(affine([x, r * h], *candidate))
    return u * h + (1 - u) * new


def nas_state(
    x_parts: Sequence[tf.Tensor], h_parts: Sequence[tf.Tensor], c: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the next (c, h) of the cell that an architecture search found, of 8 maps of x and of h.

    Source: B. Zoph, Q. V. Le, "Neural architecture search with reinforcement learning", ICLR 2017,
    appendix A.
    """
    sums = [x + h for x, h in zip(x_parts, h_parts, strict=True)]
    product = tf.nn.relu(x_parts[3] * h_parts[3])
    memory = tf.tanh(tf.sigmoid(sums[0]) * tf.nn.relu(sums[1]))
    gate = tf.tanh(tf.sigmoid(sums[2]) + product)
    output = tf.tanh(tf.tanh(sums[4]) * tf.sigmoid(sums[5])) + tf.sigmoid(
        tf.tanh(sums[6]) + tf.sigmoid(sums[7])
    )
    c = tf.tanh(memory + c) * gate
    return c, tf.tanh(c * tf.tanh(output))


def lstm_state(
    gates: Sequence[Any],
    c: tf.Tensor,
    forget_bias: float = 0.0,
    activation: Activation = tf.tanh,
    *,
    new_input: Activation | None = None,
    peepholes: Sequence[Any] | None = None,
    change_memory: Activation | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the next (c, h) of an LSTM.

    Args:
      gates: i, j, f, o before their nonlinearities; i None couples the input gate to the forget gate: 1 - f.
      c: the memory.
      forget_bias: added to f; gk.rnn adds it to the bias, once for all steps.
      activation: of the new input j and of the memory.
      new_input: another activation of j.
      peepholes: weights of the memory in i, f and o, in this order.
      change_memory: a function of the new memory, such as one that clips it.
    """
    i, j, f, o = gates
    f = f + forget_bias if forget_bias else f
    if peepholes is not None:
        i, f = i if i is None else i + peepholes[0] * c, f + peepholes[1] * c
    f = tf.sigmoid(f)
    c = f * c + (1 - f if i is None else tf.sigmoid(i)) * (new_input or activation)(j)
    if change_memory is not None:
        c = change_memory(c)
    if peepholes is not None:
        o += peepholes[2] * c
    return c, tf.sigmoid(o) * activation(c)
