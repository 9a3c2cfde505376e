"""`tf.contrib.legacy_seq2seq`: sequence to sequence models over lists of inputs, one for each step."""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from graphkit.tf1 import overlay
from graphkit.tf1.contrib.cell_wrappers import (
    EmbeddingWrapper,
    OutputProjectionWrapper,
    attend,
    keys_of,
    linear,
)
from graphkit.tf1.nn.cells import RNNCell
from graphkit.tf1.nn.sequences import static_rnn

__all__ = [
    "attention_decoder",
    "basic_rnn_seq2seq",
    "embedding_attention_decoder",
    "embedding_attention_seq2seq",
    "embedding_rnn_decoder",
    "embedding_rnn_seq2seq",
    "embedding_tied_rnn_seq2seq",
    "model_with_buckets",
    "one2many_rnn_seq2seq",
    "rnn_decoder",
    "sequence_loss",
    "sequence_loss_by_example",
    "tied_rnn_seq2seq",
]

v1 = tf.compat.v1
Result = tuple[list[tf.Tensor], Any]  # outputs of all steps, final state


def argmax_and_embed(embedding: Any, projection: Any, update: bool) -> Callable[[tf.Tensor, int], tf.Tensor]:
    """Returns a loop function: the embedding of the likeliest symbol of the last output."""

    def next_input(previous: tf.Tensor, _: int) -> tf.Tensor:
        if projection is not None:
            previous = v1.nn.xw_plus_b(previous, projection[0], projection[1])
        embedded = tf.nn.embedding_lookup(embedding, tf.argmax(previous, axis=1))
        return embedded if update else tf.stop_gradient(embedded)

    return next_input


def fed_or_looped(inputs: Iterable[Any], loop_function: Any) -> Iterable[tuple[int, Any, list[Any]]]:
    """Yields (step, input, list that takes the output): later inputs come from the outputs, if looped."""
    previous: list[Any] = []
    for step, value in enumerate(inputs):
        if step > 0:
            v1.get_variable_scope().reuse_variables()
        if loop_function is not None and previous:
            with v1.variable_scope("loop_function", reuse=True):
                value = loop_function(previous.pop(), step)
        yield step, value, previous


def either(feed_previous: Any, decode: Callable[[bool, bool], Result]) -> Result:
    """Decodes with or without feeding outputs back; builds both where a tensor decides.

    `decode` takes (feed_previous, whether the embedding of what is fed back is trained).
    """
    if isinstance(feed_previous, bool):
        return decode(feed_previous, True)

    def branch(flag: bool) -> Result:
        with v1.variable_scope(v1.get_variable_scope(), reuse=None if flag else True):
            return decode(flag, False)

    return v1.cond(feed_previous, lambda: branch(True), lambda: branch(False), strict=True)


def check_projection(projection: Any, num_symbols: int) -> None:
    if projection is not None:
        for part, shape in zip(projection, ([None, num_symbols], [num_symbols]), strict=True):
            tf.convert_to_tensor(part).shape.assert_is_compatible_with(shape)


def rnn_decoder(
    decoder_inputs: Iterable[tf.Tensor],
    initial_state: Any,
    cell: Any,
    loop_function: Any = None,
    scope: Any = None,
) -> Result:
    """Runs a cell over the inputs; with a loop function, each input but the first is made of an output."""
    with v1.variable_scope(scope or "rnn_decoder"):
        state, outputs = initial_state, []
        for _, value, previous in fed_or_looped(decoder_inputs, loop_function):
            output, state = cell(value, state)
            outputs.append(output)
            previous.append(output)
    return outputs, state


def basic_rnn_seq2seq(
    encoder_inputs: Any, decoder_inputs: Any, cell: Any, dtype: Any = tf.float32, scope: Any = None
) -> Result:
    """Encodes by a copy of the cell, and decodes from its final state."""
    with v1.variable_scope(scope or "basic_rnn_seq2seq"):
        _, state = static_rnn(copy.deepcopy(cell), encoder_inputs, dtype=dtype)
        return rnn_decoder(decoder_inputs, state, cell)


def tied_rnn_seq2seq(
    encoder_inputs: Any,
    decoder_inputs: Any,
    cell: Any,
    loop_function: Any = None,
    dtype: Any = tf.float32,
    scope: Any = None,
) -> Result:
    """Encodes and decodes by one cell."""
    with v1.variable_scope("combined_tied_rnn_seq2seq"):
        scope = scope or "tied_rnn_seq2seq"
        _, state = static_rnn(cell, encoder_inputs, dtype=dtype, scope=scope)
        v1.get_variable_scope().reuse_variables()
        return rnn_decoder(decoder_inputs, state, cell, loop_function, scope)


def embedding_rnn_decoder(
    decoder_inputs: Sequence[Any],
    initial_state: Any,
    cell: Any,
    num_symbols: int,
    embedding_size: int,
    output_projection: Any = None,
    feed_previous: bool = False,
    update_embedding_for_previous: bool = True,
    scope: Any = None,
) -> Result:
    """rnn_decoder of symbols."""
    with v1.variable_scope(scope or "embedding_rnn_decoder"):
        check_projection(output_projection, num_symbols)
        embedding = v1.get_variable("embedding", [num_symbols, embedding_size])
        loop = argmax_and_embed(embedding, output_projection, update_embedding_for_previous)
        inputs = (tf.nn.embedding_lookup(embedding, symbols) for symbols in decoder_inputs)
        return rnn_decoder(inputs, initial_state, cell, loop if feed_previous else None)


def encode(cell: Any, inputs: Any, num_symbols: int, embedding_size: int, dtype: Any) -> Result:
    """Runs a copy of the cell over symbols."""
    encoder = EmbeddingWrapper(copy.deepcopy(cell), num_symbols, embedding_size)
    return static_rnn(encoder, inputs, dtype=dtype)


def embedding_rnn_seq2seq(
    encoder_inputs: Any,
    decoder_inputs: Any,
    cell: Any,
    num_encoder_symbols: int,
    num_decoder_symbols: int,
    embedding_size: int,
    output_projection: Any = None,
    feed_previous: Any = False,
    dtype: Any = None,
    scope: Any = None,
) -> Result:
    """basic_rnn_seq2seq of symbols."""
    with v1.variable_scope(scope or "embedding_rnn_seq2seq", dtype=dtype) as inner:
        _, state = encode(cell, encoder_inputs, num_encoder_symbols, embedding_size, inner.dtype)
        if output_projection is None:
            cell = OutputProjectionWrapper(cell, num_decoder_symbols)
        fixed = decoder_inputs, state, cell, num_decoder_symbols, embedding_size, output_projection
        return either(feed_previous, lambda feed, update: embedding_rnn_decoder(*fixed, feed, update))


def embedding_tied_rnn_seq2seq(
    encoder_inputs: Any,
    decoder_inputs: Any,
    cell: Any,
    num_symbols: int,
    embedding_size: int,
    num_decoder_symbols: int | None = None,
    output_projection: Any = None,
    feed_previous: Any = False,
    dtype: Any = None,
    scope: Any = None,
) -> Result:
    """tied_rnn_seq2seq of symbols, with one embedding."""
    with v1.variable_scope(scope or "embedding_tied_rnn_seq2seq", dtype=dtype) as inner:
        check_projection(output_projection, num_symbols)
        embedding = v1.get_variable("embedding", [num_symbols, embedding_size])
        if output_projection is None:
            cell = OutputProjectionWrapper(cell, num_decoder_symbols or num_symbols)

        def embedded(inputs: Any) -> list[tf.Tensor]:
            return [tf.nn.embedding_lookup(embedding, symbols) for symbols in inputs]

        sources, targets = embedded(encoder_inputs), embedded(decoder_inputs)

        def decode(feed: bool, update: bool) -> Result:
            loop = argmax_and_embed(embedding, output_projection, update) if feed else None
            return tied_rnn_seq2seq(sources, targets, cell, loop, inner.dtype)

        return either(feed_previous, decode)


def attention_decoder(
    decoder_inputs: Sequence[tf.Tensor],
    initial_state: Any,
    attention_states: tf.Tensor,
    cell: Any,
    output_size: int | None = None,
    num_heads: int = 1,
    loop_function: Any = None,
    dtype: Any = None,
    scope: Any = None,
    initial_state_attention: bool = False,
) -> Result:
    """rnn_decoder that reads attention_states (batch, length, features) by additive attention."""
    if not decoder_inputs:
        raise ValueError("Must provide at least 1 input to attention decoder.")
    if num_heads < 1:
        raise ValueError("With less than 1 heads, use a non-attention decoder.")
    size = attention_states.shape.as_list()[2]
    if size is None:
        raise ValueError(f"Shape[2] of attention_states must be known: {attention_states.shape}")
    output_size = output_size or cell.output_size
    with v1.variable_scope(scope or "attention_decoder", dtype=dtype) as inner:
        heads = []
        for head in range(num_heads):
            kernel = v1.get_variable(f"AttnW_{head}", [1, 1, size, size])
            heads.append((keys_of(attention_states, kernel), v1.get_variable(f"AttnV_{head}", [size])))

        def attention(query: Any) -> list[tf.Tensor]:
            reads = []
            for head, (keys, vector) in enumerate(heads):
                with v1.variable_scope(f"Attention_{head}"):
                    mapped = tf.cast(linear(tf.nest.flatten(query), size, True), inner.dtype)
                    reads.append(attend(attention_states, keys, mapped, vector))
            return reads

        state, outputs = initial_state, []
        reads = [tf.zeros([tf.shape(decoder_inputs[0])[0], size], inner.dtype)] * num_heads
        if initial_state_attention:
            reads = attention(initial_state)
        for step, value, previous in fed_or_looped(decoder_inputs, loop_function):
            features = value.shape.as_list()[1]
            if features is None:
                raise ValueError(f"Could not infer input size from input: {value.name}")
            merged = linear([tf.cast(part, inner.dtype) for part in (value, *reads)], features, True)
            cell_output, state = cell(merged, state)
            reuse = True if step == 0 and initial_state_attention else None
            with v1.variable_scope(v1.get_variable_scope(), reuse=reuse):
                reads = attention(state)
            with v1.variable_scope("AttnOutputProjection"):
                output = linear([tf.cast(cell_output, inner.dtype), *reads], output_size, True)
            outputs.append(output)
            previous.append(output)
    return outputs, state


def embedding_attention_decoder(
    decoder_inputs: Sequence[Any],
    initial_state: Any,
    attention_states: tf.Tensor,
    cell: Any,
    num_symbols: int,
    embedding_size: int,
    num_heads: int = 1,
    output_size: int | None = None,
    output_projection: Any = None,
    feed_previous: bool = False,
    update_embedding_for_previous: bool = True,
    dtype: Any = None,
    scope: Any = None,
    initial_state_attention: bool = False,
) -> Result:
    """attention_decoder of symbols."""
    check_projection(output_projection, num_symbols)
    with v1.variable_scope(scope or "embedding_attention_decoder", dtype=dtype):
        embedding = v1.get_variable("embedding", [num_symbols, embedding_size])
        loop = argmax_and_embed(embedding, output_projection, update_embedding_for_previous)
        return attention_decoder(
            [tf.nn.embedding_lookup(embedding, symbols) for symbols in decoder_inputs],
            initial_state,
            attention_states,
            cell,
            output_size,
            num_heads,
            loop if feed_previous else None,
            initial_state_attention=initial_state_attention,
        )


def embedding_attention_seq2seq(
    encoder_inputs: Any,
    decoder_inputs: Any,
    cell: Any,
    num_encoder_symbols: int,
    num_decoder_symbols: int,
    embedding_size: int,
    num_heads: int = 1,
    output_projection: Any = None,
    feed_previous: Any = False,
    dtype: Any = None,
    scope: Any = None,
    initial_state_attention: bool = False,
) -> Result:
    """embedding_rnn_seq2seq with attention to the encoder's outputs."""
    with v1.variable_scope(scope or "embedding_attention_seq2seq", dtype=dtype) as inner:
        tops, state = encode(cell, encoder_inputs, num_encoder_symbols, embedding_size, inner.dtype)
        memory, output_size = tf.stack(tops, axis=1), None
        if output_projection is None:
            cell, output_size = OutputProjectionWrapper(cell, num_decoder_symbols), num_decoder_symbols
        fixed = decoder_inputs, state, memory, cell, num_decoder_symbols, embedding_size
        heads = num_heads, output_size, output_projection

        def decode(feed: bool, update: bool) -> Result:
            return embedding_attention_decoder(
                *fixed, *heads, feed, update, initial_state_attention=initial_state_attention
            )

        return either(feed_previous, decode)


def one2many_rnn_seq2seq(
    encoder_inputs: Any,
    decoder_inputs_dict: Mapping[Any, Any],
    enc_cell: Any,
    dec_cells_dict: Mapping[Any, Any],
    num_encoder_symbols: int,
    num_decoder_symbols_dict: Mapping[Any, int],
    embedding_size: int,
    feed_previous: Any = False,
    dtype: Any = None,
    scope: Any = None,
) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """One encoder, and a decoder for each key."""
    for cell in (enc_cell, *dec_cells_dict.values()):
        if not isinstance(cell, RNNCell):
            raise TypeError(f"{cell} is not an RNNCell: {type(cell)}")
    if set(dec_cells_dict) != set(decoder_inputs_dict):
        raise ValueError("keys of dec_cells_dict != keys of decoder_inputs_dict")
    outputs, states = {}, {}
    with v1.variable_scope(scope or "one2many_rnn_seq2seq", dtype=dtype) as inner:
        encoder = EmbeddingWrapper(enc_cell, num_encoder_symbols, embedding_size)
        _, state = static_rnn(encoder, encoder_inputs, dtype=inner.dtype)
        for key, inputs in decoder_inputs_dict.items():
            symbols = num_decoder_symbols_dict[key]
            with v1.variable_scope(f"one2many_decoder_{key}"):
                cell = OutputProjectionWrapper(dec_cells_dict[key], symbols)

                def decode(
                    feed: bool, _: bool, inputs: Any = inputs, cell: Any = cell, n: int = symbols
                ) -> Result:
                    return embedding_rnn_decoder(inputs, state, cell, n, embedding_size, feed_previous=feed)

                outputs[key], states[key] = either(feed_previous, decode)
    return outputs, states


def sequence_loss_by_example(
    logits: Sequence[Any],
    targets: Sequence[Any],
    weights: Sequence[Any],
    average_across_timesteps: bool = True,
    softmax_loss_function: Any = None,
    name: str | None = None,
) -> tf.Tensor:
    """Returns the weighted cross entropy of each sequence, (batch,)."""
    if len(targets) != len(logits) or len(weights) != len(logits):
        raise ValueError(
            "Lengths of logits, weights, and targets must be the same "
            f"{len(logits)}, {len(weights)}, {len(targets)}."
        )
    with v1.name_scope(name, "sequence_loss_by_example", [*logits, *targets, *weights]):
        loss_function = softmax_loss_function or flat_cross_entropy
        losses = [
            loss_function(labels=target, logits=logit) * weight
            for logit, target, weight in zip(logits, targets, weights, strict=True)
        ]
        total = tf.add_n(losses)
        # The constant keeps sequences without weight from a division by zero.
        return total / (tf.add_n(list(weights)) + 1e-12) if average_across_timesteps else total


def flat_cross_entropy(labels: Any, logits: Any) -> tf.Tensor:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.reshape(labels, [-1]), logits=logits)


def sequence_loss(
    logits: Sequence[Any],
    targets: Sequence[Any],
    weights: Sequence[Any],
    average_across_timesteps: bool = True,
    average_across_batch: bool = True,
    softmax_loss_function: Any = None,
    name: str | None = None,
) -> tf.Tensor:
    """Returns the sum or the mean over the batch of `sequence_loss_by_example`."""
    with v1.name_scope(name, "sequence_loss", [*logits, *targets, *weights]):
        losses = sequence_loss_by_example(
            logits, targets, weights, average_across_timesteps, softmax_loss_function
        )
        total = tf.reduce_sum(losses)
        return total / tf.cast(tf.shape(targets[0])[0], total.dtype) if average_across_batch else total


def model_with_buckets(
    encoder_inputs: Sequence[Any],
    decoder_inputs: Sequence[Any],
    targets: Sequence[Any],
    weights: Sequence[Any],
    buckets: Sequence[tuple[int, int]],
    seq2seq: Callable[[Any, Any], Result],
    softmax_loss_function: Any = None,
    per_example_loss: bool = False,
    name: str | None = None,
) -> tuple[list[Any], list[tf.Tensor]]:
    """Returns (outputs, loss) of a model for each pair of lengths, with one set of variables."""
    kinds = ("encoder_inputs", encoder_inputs, 0), ("targets", targets, 1), ("weights", weights, 1)
    for kind, values, side in kinds:
        if len(values) < buckets[-1][side]:
            raise ValueError(
                f"Length of {kind} ({len(values)}) must be at least that of last bucket {buckets[-1]}."
            )
    loss = sequence_loss_by_example if per_example_loss else sequence_loss
    outputs, losses = [], []
    with v1.name_scope(name, "model_with_buckets", [*encoder_inputs, *decoder_inputs, *targets, *weights]):
        for number, (source, target) in enumerate(buckets):
            with v1.variable_scope(v1.get_variable_scope(), reuse=True if number else None):
                output, _ = seq2seq(encoder_inputs[:source], decoder_inputs[:target])
            outputs.append(output)
            losses.append(
                loss(output, targets[:target], weights[:target], softmax_loss_function=softmax_loss_function)
            )
    return outputs, losses


__getattr__, __dir__ = overlay.over(__name__, modules="seq2seq")
