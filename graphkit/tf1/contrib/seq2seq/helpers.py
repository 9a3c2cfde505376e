"""Helpers: what a decoder samples from its outputs, and what it reads next."""

from typing import Any

import tensorflow as tf

from graphkit.tf1.contrib.seq2seq import decoding

First = tuple[tf.Tensor, Any]  # (finished, inputs)
Next = tuple[tf.Tensor, Any, Any]  # (finished, inputs, state)


class Helper:
    """What a `BasicDecoder` asks for samples and inputs; its samples are int32 scalars unless it says so."""

    batch_size = property(lambda self: self._batch_size)
    sample_ids_shape = property(lambda self: self._sample_ids_shape)
    sample_ids_dtype = property(lambda self: self._sample_ids_dtype)

    _batch_size: Any = None
    _sample_ids_shape: Any = tf.TensorShape([])
    _sample_ids_dtype: Any = tf.int32

    def initialize(self, name: Any = None) -> First:
        raise NotImplementedError

    def sample(self, time: Any, outputs: Any, state: Any = None, name: Any = None) -> Any:
        raise NotImplementedError

    def next_inputs(self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: Any = None) -> Next:
        raise NotImplementedError

    def _scope(self, name: str | None, what: str) -> Any:
        return tf.compat.v1.name_scope(name, type(self).__name__ + what)


class CustomHelper(Helper):
    """A helper made of functions."""

    def __init__(
        self,
        initialize_fn: Any,
        sample_fn: Any,
        next_inputs_fn: Any,
        sample_ids_shape: Any = None,
        sample_ids_dtype: Any = None,
    ) -> None:
        self._initialize_fn, self._sample_fn, self._next_inputs_fn = initialize_fn, sample_fn, next_inputs_fn
        self._sample_ids_shape = tf.TensorShape(sample_ids_shape or [])
        self._sample_ids_dtype = sample_ids_dtype or tf.int32

    @property
    def batch_size(self) -> tf.Tensor:
        if self._batch_size is None:
            raise ValueError("batch_size accessed before initialize was called")
        return self._batch_size

    def initialize(self, name: Any = None) -> First:
        with self._scope(name, "Initialize"):
            finished, inputs = self._initialize_fn()
            self._batch_size = tf.size(finished) if self._batch_size is None else self._batch_size
        return finished, inputs

    def sample(self, time: Any, outputs: Any, state: Any = None, name: Any = None) -> Any:
        with self._scope(name, "Sample"):
            return self._sample_fn(time=time, outputs=outputs, state=state)

    def next_inputs(self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: Any = None) -> Next:
        with self._scope(name, "NextInputs"):
            return self._next_inputs_fn(time=time, outputs=outputs, state=state, sample_ids=sample_ids)


class TrainingHelper(Helper):
    """Reads the next input whatever the outputs are; the samples are the largest of the logits."""

    def __init__(self, inputs: Any, sequence_length: Any, time_major: bool = False, name: Any = None) -> None:
        with tf.compat.v1.name_scope(name, "TrainingHelper"):
            self.inputs = inputs = tf.convert_to_tensor(inputs, name="inputs")
            self.sequence_length = tf.convert_to_tensor(sequence_length, name="sequence_length")
            if self.sequence_length.shape.rank != 1:
                shape = self.sequence_length.shape
                raise ValueError(f"Expected sequence_length to be a vector, but received shape: {shape}")
            inputs = inputs if time_major else decoding.swap_batch_and_time(inputs)
            self._input_tas, self._zero_inputs = array_of(inputs), tf.zeros_like(inputs[0])
            self._batch_size = tf.size(self.sequence_length)

    def initialize(self, name: Any = None) -> First:
        with self._scope(name, "Initialize"):
            return self._read(tf.constant(0))

    def sample(self, time: Any, outputs: Any, state: Any = None, name: Any = None) -> tf.Tensor:
        with self._scope(name, "Sample"):
            return tf.argmax(outputs, axis=-1, output_type=tf.int32)

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any = None, name: Any = None
    ) -> Next:
        with self._scope(name, "NextInputs"):
            return (*self._read(time + 1), state)

    def _read(self, time: tf.Tensor) -> First:
        """Returns (finished, inputs of the step); there is nothing to read once all have finished."""
        finished = tf.cast(time, self.sequence_length.dtype) >= self.sequence_length
        inputs = tf.compat.v1.cond(
            tf.reduce_all(finished), lambda: self._zero_inputs, lambda: self._input_tas.read(time)
        )
        return finished, inputs


class GreedyEmbeddingHelper(Helper):
    """Reads the vector of the token with the largest logit, until it is the end token."""

    def __init__(self, embedding: Any, start_tokens: Any, end_token: Any) -> None:
        self._embedding_fn = decoding.lookup(embedding)
        self._start_tokens, self._end_token = decoding.check_tokens(start_tokens, end_token)
        self._batch_size = tf.size(self._start_tokens)
        self._start_inputs = self._embedding_fn(self._start_tokens)

    def initialize(self, name: Any = None) -> First:
        return tf.tile([False], [self._batch_size]), self._start_inputs

    def sample(self, time: Any, outputs: Any, state: Any = None, name: Any = None) -> tf.Tensor:
        return tf.argmax(check_logits(outputs), axis=-1, output_type=tf.int32)

    def next_inputs(self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: Any = None) -> Next:
        finished = tf.equal(sample_ids, self._end_token)
        inputs = tf.compat.v1.cond(
            tf.reduce_all(finished), lambda: self._start_inputs, lambda: self._embedding_fn(sample_ids)
        )
        return finished, inputs, state


class SampleEmbeddingHelper(GreedyEmbeddingHelper):
    """Draws the token from the softmax of the logits, divided by a temperature."""

    def __init__(
        self,
        embedding: Any,
        start_tokens: Any,
        end_token: Any,
        softmax_temperature: Any = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(embedding, start_tokens, end_token)
        self._softmax_temperature, self._seed = softmax_temperature, seed

    def sample(self, time: Any, outputs: Any, state: Any = None, name: Any = None) -> tf.Tensor:
        logits, temperature = check_logits(outputs), self._softmax_temperature
        return draw(logits if temperature is None else logits / temperature, self._seed)


class InferenceHelper(Helper):
    """A helper whose sampling and end are functions of the samples."""

    def __init__(
        self,
        sample_fn: Any,
        sample_shape: Any,
        sample_dtype: Any,
        start_inputs: Any,
        end_fn: Any,
        next_inputs_fn: Any = None,
    ) -> None:
        self._sample_fn, self._end_fn, self._next_inputs_fn = sample_fn, end_fn, next_inputs_fn
        self._sample_ids_shape, self._sample_ids_dtype = tf.TensorShape(sample_shape), sample_dtype
        self._start_inputs = tf.convert_to_tensor(start_inputs, name="start_inputs")
        self._batch_size = tf.shape(self._start_inputs)[0]

    def initialize(self, name: Any = None) -> First:
        return tf.tile([False], [self._batch_size]), self._start_inputs

    def sample(self, time: Any, outputs: Any, state: Any = None, name: Any = None) -> Any:
        return self._sample_fn(outputs)

    def next_inputs(self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: Any = None) -> Next:
        inputs = sample_ids if self._next_inputs_fn is None else self._next_inputs_fn(sample_ids)
        return self._end_fn(sample_ids), inputs, state


def array_of(steps: tf.Tensor) -> tf.TensorArray:
    """Returns an array of the steps of a tensor (time, batch, ...)."""
    array = tf.TensorArray(steps.dtype, size=tf.shape(steps)[0], element_shape=steps.shape[1:])
    return array.unstack(steps)


def check_logits(outputs: Any) -> tf.Tensor:
    if not tf.is_tensor(outputs):
        raise TypeError(f"Expected outputs to be a single Tensor, got: {type(outputs)}")
    return outputs


def draw(logits: tf.Tensor, seed: int | None) -> tf.Tensor:
    """Draws a token from the softmax of each row of logits (batch, vocabulary)."""
    return tf.squeeze(tf.random.categorical(logits, 1, dtype=tf.int32, seed=seed), axis=1)
