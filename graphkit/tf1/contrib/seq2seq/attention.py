"""Attention mechanisms: which part of a memory a query looks at."""

import functools
from typing import Any

import tensorflow as tf

from graphkit.nn import attention
from graphkit.tf1 import layers
from graphkit.tf1.nn import cells

Weights = tuple[tf.Tensor, tf.Tensor]  # (alignments, next state)


class AttentionMechanism:
    """Base of all mechanisms: called with `(query, state)`, they return `(alignments, next state)`."""

    alignments_size: Any
    state_size: Any


class MemoryAttention(AttentionMechanism):
    """Scores the keys, which are a linear map of the memory, and makes weights of the scores.

    What Luong's mechanisms call `scale` is `normalize` in Bahdanau's. The private names are those of
    TensorFlow 1.15, which mechanisms of programs use: they are subclasses of these.
    """

    scope: str  # of the variables
    maps_query = False

    def __init__(
        self,
        num_units: int,
        memory: Any,
        memory_sequence_length: Any = None,
        scale: bool = False,
        probability_fn: Any = None,
        score_mask_value: Any = None,
        dtype: Any = None,
        custom_key_value_fn: Any = None,
        name: Any = None,
        *,
        normalize: bool = False,
    ) -> None:
        probability_fn = tf.nn.softmax if probability_fn is None else probability_fn
        if not callable(probability_fn):
            raise TypeError(f"probability_fn must be callable, saw type: {type(probability_fn).__name__}")
        self._num_units, self._scaled, self._weigh = num_units, scale or normalize, probability_fn
        self._mask_value = float("-inf") if score_mask_value is None else score_mask_value
        dense = functools.partial(layers.Dense, num_units, use_bias=False, dtype=dtype or tf.float32)
        self._query_layer = dense(name="query_layer") if self.maps_query else None
        self._memory_layer = dense(name="memory_layer")
        self.dtype, self._lengths = self._memory_layer.dtype, memory_sequence_length
        with tf.compat.v1.name_scope(name, type(self).__name__):
            memory = tf.convert_to_tensor(memory, name="memory")
            if not memory.shape[2:].is_fully_defined():
                need = f"to have fully defined inner dims, but saw shape: {memory.shape}"
                raise ValueError(f"Expected memory {memory.name} {need}")
            self._values = attention.mask_memory(memory, self._lengths)
            self._keys = self._memory_layer(self._values)
            if custom_key_value_fn is not None:
                self._keys, self._values = custom_key_value_fn(self._keys, self._values)
            known, sizes = self._keys.shape.as_list(), tf.shape(self._keys)
            self._batch_size, self._alignments_size = known[0] or sizes[0], known[1] or sizes[1]

    query_layer: Any = property(lambda self: self._query_layer)
    memory_layer = property(lambda self: self._memory_layer)
    keys = property(lambda self: self._keys)
    values = property(lambda self: self._values)
    batch_size = property(lambda self: self._batch_size)
    alignments_size = property(lambda self: self._alignments_size)
    state_size = property(lambda self: self._alignments_size)

    def initial_alignments(self, batch_size: Any, dtype: Any) -> tf.Tensor:
        return cells.zeros(batch_size, self.alignments_size, dtype)

    def initial_state(self, batch_size: Any, dtype: Any) -> tf.Tensor:
        return self.initial_alignments(batch_size, dtype)

    def __call__(self, query: tf.Tensor, state: tf.Tensor) -> Weights:
        with tf.compat.v1.variable_scope(None, self.scope, [query]):
            scores = self._scores(query)
        alignments = self._probability_fn(scores, state)
        return alignments, alignments

    def _scores(self, query: tf.Tensor) -> tf.Tensor:
        raise NotImplementedError

    def _probability_fn(self, scores: tf.Tensor, state: tf.Tensor) -> tf.Tensor:
        return self._weigh(attention.mask_scores(scores, self._lengths, self._mask_value))


class LuongAttention(MemoryAttention):
    """Scores by inner products, which are multiplied by a variable if `scale`."""

    scope = "luong_attention"

    def _scores(self, query: tf.Tensor) -> tf.Tensor:
        ones = tf.compat.v1.ones_initializer()
        scale = variable("attention_g", (), query.dtype, ones) if self._scaled else None
        return attention.multiplicative_scores(query, self.keys, scale)


class BahdanauAttention(MemoryAttention):
    """Scores by a layer of tanh, whose weights have a length of their own and a bias if `normalize`."""

    scope, maps_query = "bahdanau_attention", True

    def _scores(self, query: tf.Tensor) -> tf.Tensor:
        query, units = self.query_layer(query), self._num_units
        v, g, b = variable("attention_v", (units,), query.dtype), None, None
        if self._scaled:
            g = variable("attention_g", (), query.dtype, tf.compat.v1.constant_initializer(units**-0.5))
            b = variable("attention_b", (units,), query.dtype, tf.compat.v1.zeros_initializer())
        return attention.additive_scores(query, self.keys, v, g, b)


def variable(name: str, shape: tuple[int, ...], dtype: Any, initializer: Any = None) -> tf.Variable:
    return tf.compat.v1.get_variable(name, shape, dtype, initializer)
