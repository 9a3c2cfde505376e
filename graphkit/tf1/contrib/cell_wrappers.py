"""Wrappers of RNN cells that TensorFlow 1 kept in `tf.contrib.rnn`, and their linear map."""

import math
from typing import Any

import tensorflow as tf

from graphkit.nn import attention, normalization, recurrent_cells
from graphkit.tf1.nn.cell_wrappers import Wrapper
from graphkit.tf1.nn.cells import RNNCell, Size


class Linear:
    """[args] W + b, with the variables `kernel` and `bias` of the scope in which it is made."""

    def __init__(
        self,
        args: Any,
        output_size: int,
        build_bias: bool,
        bias_initializer: Any = None,
        kernel_initializer: Any = None,
    ) -> None:
        parts = tf.nest.flatten(args) if args is not None else []
        if not parts:
            raise ValueError("`args` must be specified")
        shapes = [part.shape.as_list() if part.shape.rank is not None else [] for part in parts]
        if any(len(shape) != 2 or shape[1] is None for shape in shapes):
            raise ValueError(f"linear is expecting 2D arguments of known size, but saw shapes {shapes}")
        v1, dtype = tf.compat.v1, parts[0].dtype
        rows = sum(shape[1] for shape in shapes)
        self._bias = None
        self._kernel = v1.get_variable("kernel", [rows, output_size], dtype, initializer=kernel_initializer)
        if build_bias:
            first = v1.zeros_initializer() if bias_initializer is None else bias_initializer
            with normalization.unpartitioned():
                self._bias = v1.get_variable("bias", [output_size], dtype, initializer=first)

    def __call__(self, args: Any) -> tf.Tensor:
        parts = tf.nest.flatten(args)
        if self._bias is None:
            return tf.matmul(tf.concat(parts, axis=1), self._kernel)
        return recurrent_cells.affine(parts, self._kernel, self._bias)


def linear(
    args: Any, output_size: int, bias: bool, bias_initializer: Any = None, kernel_initializer: Any = None
) -> tf.Tensor:
    """Returns [args] W + b, with the variables `kernel` and `bias` of the current scope."""
    return Linear(args, output_size, bias, bias_initializer, kernel_initializer)(args)


class EmbeddingWrapper(Wrapper):
    """Looks up the inputs, integers, in an embedding."""

    def __init__(
        self,
        cell: Any,
        embedding_classes: int,
        embedding_size: int,
        initializer: Any = None,
        reuse: Any = None,
    ) -> None:
        super().__init__(cell, _reuse=reuse)
        if embedding_classes <= 0 or embedding_size <= 0:
            raise ValueError(
                "Both embedding_classes and embedding_size must be > 0: "
                f"{embedding_classes}, {embedding_size}."
            )
        self._shape, self._initializer = [embedding_classes, embedding_size], initializer

    def call(self, inputs: tf.Tensor, state: Any) -> tuple[Any, Any]:
        root = math.sqrt(3)  # the variance is 1
        initializer = (
            self._initializer
            or tf.compat.v1.get_variable_scope().initializer
            or tf.compat.v1.random_uniform_initializer(-root, root)
        )
        dtype = tf.nest.flatten(state)[0].dtype
        embedding = tf.compat.v1.get_variable("embedding", self._shape, dtype, initializer=initializer)
        return self.cell(tf.nn.embedding_lookup(embedding, tf.reshape(inputs, [-1])), state)


class InputProjectionWrapper(Wrapper):
    """Maps the inputs linearly to `num_proj` features."""

    def __init__(
        self, cell: Any, num_proj: int, activation: Any = None, input_size: Any = None, reuse: Any = None
    ) -> None:
        super().__init__(cell, _reuse=reuse)
        self._num_proj, self._activation = num_proj, activation or tf.identity

    def call(self, inputs: tf.Tensor, state: Any) -> tuple[Any, Any]:
        return self.cell(self._activation(linear(inputs, self._num_proj, True)), state)


class OutputProjectionWrapper(Wrapper):
    """Maps the outputs linearly to `output_size` features."""

    def __init__(self, cell: Any, output_size: int, activation: Any = None, reuse: Any = None) -> None:
        super().__init__(cell, _reuse=reuse)
        if output_size < 1:
            raise ValueError(f"Parameter output_size must be > 0: {output_size}.")
        self._output_size, self._activation = output_size, activation or tf.identity

    @property
    def output_size(self) -> Size:
        return self._output_size

    def call(self, inputs: tf.Tensor, state: Any) -> tuple[Any, Any]:
        output, state = self.cell(inputs, state)
        return self._activation(linear(output, self._output_size, True)), state


class AttentionCellWrapper(Wrapper):
    """Lets a cell read its last `attn_length` outputs by attention."""

    def __init__(
        self,
        cell: Any,
        attn_length: int,
        attn_size: int | None = None,
        attn_vec_size: int | None = None,
        input_size: int | None = None,
        state_is_tuple: bool = True,
        reuse: Any = None,
    ) -> None:
        super().__init__(cell, _reuse=reuse)
        if tf.nest.is_nested(cell.state_size) and not state_is_tuple:
            raise ValueError(
                "Cell returns tuple of states, but the flag state_is_tuple is not set. "
                f"State size is: {cell.state_size}"
            )
        if attn_length <= 0:
            raise ValueError(f"attn_length should be greater than zero, got {attn_length}")
        self._length, self._size = attn_length, attn_size or cell.output_size
        self._vector_size, self._input_size = attn_vec_size or self._size, input_size
        self._state_is_tuple = state_is_tuple

    @property
    def state_size(self) -> Size:
        sizes = self.cell.state_size, self._size, self._size * self._length
        return sizes if self._state_is_tuple else sum(sizes)

    @property
    def output_size(self) -> Size:
        return self._size

    zero_state = RNNCell.zero_state

    def call(self, inputs: tf.Tensor, state: Any) -> tuple[Any, Any]:
        sizes = self.cell.state_size, self._size, self._size * self._length
        state, read, memory = state if self._state_is_tuple else tf.split(state, sizes, axis=1)
        memory = tf.reshape(memory, [-1, self._length, self._size])
        inputs = linear([inputs, read], self._input_size or inputs.shape.as_list()[1], True)
        output, state = self.cell(inputs, state)
        with tf.compat.v1.variable_scope("attention"):
            read = self._read(memory, state)
        with tf.compat.v1.variable_scope("attn_output_projection"):
            output = linear([output, read], self._size, True)
        memory = tf.concat([memory[:, 1:], output[:, tf.newaxis]], axis=1)
        new = state, read, tf.reshape(memory, [-1, self._length * self._size])
        return output, new if self._state_is_tuple else tf.concat(new, axis=1)

    def _read(self, memory: tf.Tensor, state: Any) -> tf.Tensor:
        v1 = tf.compat.v1
        kernel = v1.get_variable("attn_w", [1, 1, self._size, self._vector_size], memory.dtype)
        vector = v1.get_variable("attn_v", [self._vector_size], memory.dtype)
        query = linear(tf.nest.flatten(state), self._vector_size, True)
        return attend(memory, keys_of(memory, kernel), query, vector)


def keys_of(memory: tf.Tensor, kernel: tf.Variable) -> tf.Tensor:
    """Returns a linear map of a memory (batch, length, features) by a kernel (1, 1, features, units)."""
    return tf.squeeze(tf.nn.conv2d(memory[:, :, tf.newaxis], kernel, 1, "SAME"), axis=2)


def attend(memory: tf.Tensor, keys: tf.Tensor, query: tf.Tensor, vector: tf.Tensor) -> tf.Tensor:
    """Returns the mean of a memory over its length, weighted by additive attention of a query.

    Source: O. Vinyals et al., "Grammar as a foreign language", NIPS 2015, section 2.1.
    """
    weights = tf.nn.softmax(attention.additive_scores(query, keys, vector))
    return tf.reduce_sum(weights[:, :, tf.newaxis] * memory, axis=1)
