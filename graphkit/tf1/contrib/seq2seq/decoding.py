"""Decoders, and the loop that runs one until all sequences are finished."""

import contextlib
from typing import Any

import tensorflow as tf

from graphkit.tf1.layers import base

Step = tuple[Any, Any, Any, tf.Tensor]  # (outputs, next state, next inputs, finished)


class Decoder:
    """What `dynamic_decode` runs: `initialize` once, then `step` until all is finished.

    Subclasses also have `batch_size`, and `output_size` and `output_dtype` of the outputs of a step.
    """

    batch_size: Any
    output_size: Any
    output_dtype: Any
    tracks_own_finished: Any = False  # whether a step's `finished` holds all, not only what finishes in it

    def initialize(self, name: Any = None) -> tuple[tf.Tensor, Any, Any]:
        """Returns `(finished, first inputs, initial state)`."""
        raise NotImplementedError

    def step(self, time: Any, inputs: Any, state: Any, name: Any = None) -> Step:
        raise NotImplementedError

    def finalize(self, outputs: Any, final_state: Any, sequence_lengths: Any) -> tuple[Any, Any]:
        """Returns `(final outputs, final state)`."""
        raise NotImplementedError


def dynamic_decode(
    decoder: Decoder,
    output_time_major: bool = False,
    impute_finished: bool = False,
    maximum_iterations: Any = None,
    parallel_iterations: int = 32,
    swap_memory: bool = False,
    scope: Any = None,
) -> tuple[Any, Any, tf.Tensor]:
    """Runs a decoder; returns `(final outputs, final state, final sequence lengths)`."""
    if not isinstance(decoder, Decoder):
        raise TypeError(f"Expected decoder to be type Decoder, but saw: {type(decoder)}")
    shapes: list[tf.TensorShape] = []  # of a step's outputs

    def body(time: Any, arrays: Any, state: Any, inputs: Any, finished: Any, lengths: Any) -> tuple:
        outputs, next_state, next_inputs, now_finished = decoder.step(time, inputs, state)
        if not decoder.tracks_own_finished:
            now_finished = tf.logical_or(now_finished, finished)
        lengths = tf.where(finished, lengths, time + 1)
        for before, after in ((state, next_state), (arrays, outputs), (inputs, next_inputs)):
            tf.nest.assert_same_structure(before, after)
        if impute_finished:
            outputs = tf.nest.map_structure(lambda out: rows(finished, tf.zeros_like(out), out), outputs)
            next_state = tf.nest.map_structure(lambda old, new: hold(finished, old, new), state, next_state)
        shapes[:] = [output.shape for output in tf.nest.flatten(outputs)]
        arrays = tf.nest.map_structure(lambda array, output: array.write(time, output), arrays, outputs)
        return time + 1, arrays, next_state, next_inputs, now_finished, lengths

    with tf.compat.v1.variable_scope(scope, "decoder"):
        limit = maximum_iterations
        if limit is not None:
            limit = tf.convert_to_tensor(limit, tf.int32, name="maximum_iterations")
            if limit.shape.rank != 0:
                raise ValueError("maximum_iterations must be a scalar")
        finished, inputs, state = decoder.initialize()
        if limit is not None:
            finished = tf.logical_or(finished, limit <= 0)
        _, arrays, state, _, _, lengths = tf.compat.v1.while_loop(
            lambda *values: tf.logical_not(tf.reduce_all(values[4])),
            body,
            (tf.constant(0), new_arrays(decoder), state, inputs, finished, tf.zeros_like(finished, tf.int32)),
            parallel_iterations=parallel_iterations,
            maximum_iterations=limit,
            swap_memory=swap_memory,
        )
        outputs = tf.nest.map_structure(lambda array: array.stack(), arrays)
        for output, shape in zip(tf.nest.flatten(outputs), shapes, strict=True):
            output.set_shape(tf.TensorShape([None]).concatenate(shape))
        with contextlib.suppress(NotImplementedError):
            outputs, state = decoder.finalize(outputs, state, lengths)
        if not output_time_major:
            outputs = tf.nest.map_structure(swap_batch_and_time, outputs)
    return outputs, state, lengths


def new_arrays(decoder: Decoder) -> Any:
    """Returns an array for each of the outputs."""
    batch = tf.get_static_value(tf.convert_to_tensor(decoder.batch_size))

    def array(size: Any, dtype: tf.DType) -> tf.TensorArray:
        # What a helper samples may have more axes than it says, if it says "scalar".
        scalar = isinstance(size, tf.TensorShape) and size.rank == 0
        known = None if scalar else tf.TensorShape([batch]).concatenate(size)
        return tf.TensorArray(dtype, size=0, dynamic_size=True, element_shape=known)

    return tf.nest.map_structure(array, decoder.output_size, decoder.output_dtype)


def rows(condition: tf.Tensor, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Takes the rows of x where the condition holds, else those of y."""
    return tf.compat.v1.where(condition, x, y)


def hold(finished: tf.Tensor, old: Any, new: Any) -> Any:
    """Returns the old state where a sequence is finished; arrays and scalars go on."""
    if isinstance(old, tf.TensorArray):
        return new
    new.set_shape(old.shape)
    return new if new.shape.rank == 0 else rows(finished, old, new)


def swap_batch_and_time(tensor: tf.Tensor) -> tf.Tensor:
    rank = tensor.shape.rank
    rest = tf.range(2, tf.rank(tensor)) if rank is None else tf.range(2, rank)
    return tf.transpose(tensor, tf.concat([[1, 0], rest], 0))


def check_parts(cell: Any, output_layer: Any) -> None:
    """Raises `TypeError` for what is not an RNN cell, or not a layer."""
    missing = [name for name in ("output_size", "state_size", "__call__") if not hasattr(cell, name)]
    if not hasattr(cell, "zero_state") and not hasattr(cell, "get_initial_state"):
        missing.append("zero_state")
    if missing:
        raise TypeError(f"The argument 'cell' ({cell}) is not an RNNCell: it lacks {', '.join(missing)}.")
    if output_layer is not None and not isinstance(output_layer, base.Layer):
        raise TypeError(f"output_layer must be a Layer, received: {type(output_layer)}")


def lookup(embedding: Any) -> Any:
    """Returns the function ids -> vectors that an embedding is, or that looks them up in a matrix."""
    return embedding if callable(embedding) else lambda ids: tf.nn.embedding_lookup(embedding, ids)


def check_tokens(start_tokens: Any, end_token: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the start tokens (batch,) and the end token (scalar) as int32 tensors."""
    start_tokens = tf.convert_to_tensor(start_tokens, tf.int32, name="start_tokens")
    end_token = tf.convert_to_tensor(end_token, tf.int32, name="end_token")
    if start_tokens.shape.rank != 1:
        raise ValueError("start_tokens must be a vector")
    if end_token.shape.rank != 0:
        raise ValueError("end_token must be a scalar")
    return start_tokens, end_token
