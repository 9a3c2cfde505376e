"""Scheduled sampling: in training, some inputs are taken from the decoder's own outputs."""

from typing import Any

import tensorflow as tf

from graphkit.tf1.contrib.seq2seq import decoding, helpers


class ScheduledEmbeddingTrainingHelper(helpers.TrainingHelper):
    """Reads vectors of sampled tokens with a probability; sample ids are -1 where none was sampled."""

    def __init__(
        self,
        inputs: Any,
        sequence_length: Any,
        embedding: Any,
        sampling_probability: Any,
        time_major: bool = False,
        seed: int | None = None,
        scheduling_seed: int | None = None,
        name: Any = None,
    ) -> None:
        with tf.compat.v1.name_scope(name, "ScheduledEmbeddingSamplingWrapper"):
            self._embedding_fn = decoding.lookup(embedding)
            self._sampling_probability = check_probability(sampling_probability)
            self._seed, self._scheduling_seed = seed, scheduling_seed
            super().__init__(inputs, sequence_length, time_major, name)

    def sample(self, time: Any, outputs: Any, state: Any = None, name: Any = None) -> tf.Tensor:
        with self._scope(name, "Sample"):
            sampled = flip(self._sampling_probability, self.batch_size, self._scheduling_seed)
            return tf.where(sampled, helpers.draw(outputs, self._seed), -1)

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any = None, name: Any = None
    ) -> helpers.Next:
        with self._scope(name, "NextInputs"):
            finished, inputs, state = super().next_inputs(time, outputs, state)
            sampled = sample_ids > -1

            def mixed() -> tf.Tensor:
                return put(inputs, sampled, self._embedding_fn(tf.boolean_mask(sample_ids, sampled)))

            return finished, tf.compat.v1.cond(tf.reduce_all(finished), lambda: inputs, mixed), state


class ScheduledOutputTrainingHelper(helpers.TrainingHelper):
    """Reads the decoder's outputs with a probability; sample ids are 1 where it does."""

    def __init__(
        self,
        inputs: Any,
        sequence_length: Any,
        sampling_probability: Any,
        time_major: bool = False,
        seed: int | None = None,
        next_inputs_fn: Any = None,
        auxiliary_inputs: Any = None,
        name: Any = None,
    ) -> None:
        with tf.compat.v1.name_scope(name, "ScheduledOutputTrainingHelper"):
            self._sampling_probability = check_probability(sampling_probability)
            self._seed, self._next_inputs_fn = seed, next_inputs_fn
            self._auxiliary: tf.TensorArray | None = None
            if auxiliary_inputs is not None:
                auxiliary = tf.convert_to_tensor(auxiliary_inputs, name="auxiliary_inputs")
                inputs = tf.concat([inputs, auxiliary], -1)
                steps = auxiliary if time_major else decoding.swap_batch_and_time(auxiliary)
                self._auxiliary = helpers.array_of(steps)
            super().__init__(inputs, sequence_length, time_major, name)

    def sample(self, time: Any, outputs: Any, state: Any = None, name: Any = None) -> tf.Tensor:
        with self._scope(name, "Sample"):
            return tf.cast(flip(self._sampling_probability, self.batch_size, self._seed), tf.int32)

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any = None, name: Any = None
    ) -> helpers.Next:
        with self._scope(name, "NextInputs"):
            finished, inputs, state = super().next_inputs(time, outputs, state)
            sampled = tf.cast(sample_ids, tf.bool)

            def mixed() -> tf.Tensor:
                own = tf.boolean_mask(outputs, sampled)
                own = own if self._next_inputs_fn is None else self._next_inputs_fn(own)
                if self._auxiliary is not None:
                    own = tf.concat([own, tf.boolean_mask(self._auxiliary.read(time + 1), sampled)], -1)
                return put(inputs, sampled, own)

            nothing = tf.reduce_all(finished) | ~tf.reduce_any(sampled)
            return finished, tf.compat.v1.cond(nothing, lambda: inputs, mixed), state


def check_probability(value: Any) -> tf.Tensor:
    value = tf.convert_to_tensor(value, name="sampling_probability")
    if value.shape.rank not in (0, 1):
        raise ValueError(
            f"sampling_probability must be either a scalar or a vector. saw shape: {value.shape}"
        )
    return value


def flip(probability: tf.Tensor, count: tf.Tensor, seed: int | None) -> tf.Tensor:
    """Draws `count` booleans that are true with a probability, or with one each."""
    return tf.random.uniform([count], dtype=probability.dtype, seed=seed) < probability


def put(inputs: tf.Tensor, places: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Puts rows into the inputs (batch, ...) where `places` is true."""
    return tf.tensor_scatter_nd_update(inputs, tf.where(places), rows)
