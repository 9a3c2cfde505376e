"""A decoder that keeps the best partial sequences of each step."""

from typing import Any, NamedTuple

import tensorflow as tf

from graphkit.nn import beams
from graphkit.tf1.contrib.seq2seq import attention_cell, decoding


class BeamSearchDecoderState(NamedTuple):
    """Where a search stands; all is (batch, beams, ...)."""

    cell_state: Any
    log_probs: tf.Tensor
    finished: tf.Tensor
    lengths: tf.Tensor
    accumulated_attention_probs: Any


class BeamSearchDecoderOutput(NamedTuple):
    """What a step gives, each (batch, beams)."""

    scores: Any
    predicted_ids: Any
    parent_ids: Any


class FinalBeamSearchDecoderOutput(NamedTuple):
    """Complete sequences (batch, time, beams), the best beam first, and what the steps gave."""

    predicted_ids: tf.Tensor
    beam_search_decoder_output: BeamSearchDecoderOutput


class BeamSearchDecoder(decoding.Decoder):
    """Searches for the most probable sequences; `tile_batch` repeats what comes from the encoder.

    Where TensorFlow 1.15 reordered an array of the state, each step was that of another beam wherever the
    beams had changed places in it. Here it is that of the sequence.
    """

    tracks_own_finished = True

    def __init__(
        self,
        cell: Any,
        embedding: Any,
        start_tokens: Any,
        end_token: Any,
        initial_state: Any,
        beam_width: int,
        output_layer: Any = None,
        length_penalty_weight: Any = 0.0,
        coverage_penalty_weight: Any = 0.0,
        reorder_tensor_arrays: bool = True,
    ) -> None:
        decoding.check_parts(cell, output_layer)
        self._cell, self._output_layer, self._beam_width = cell, output_layer, beam_width
        self._length_weight, self._coverage_weight = length_penalty_weight, coverage_penalty_weight
        self._reorder, self._embedding_fn = reorder_tensor_arrays, decoding.lookup(embedding)
        tokens, self._end_token = decoding.check_tokens(start_tokens, end_token)
        self.batch_size = tf.size(tokens)
        self._known = tf.TensorShape(tokens.shape).as_list()[0]  # the batch size
        self._initial_state = tf.nest.map_structure(self._split, initial_state, cell.state_size)
        self._start_inputs = self._embedding_fn(tf.tile(tokens[:, tf.newaxis], [1, beam_width]))
        dtype, size = tf.nest.flatten(self._initial_state)[0].dtype, tf.TensorShape([beam_width])
        self.output_size = BeamSearchDecoderOutput(size, size, size)
        self.output_dtype = BeamSearchDecoderOutput(dtype, tf.int32, tf.int32)

    def initialize(self, name: Any = None) -> tuple[tf.Tensor, Any, BeamSearchDecoderState]:
        # All beams start alike: only the first one counts in the first step.
        first, width = tf.zeros([self.batch_size], tf.int32), self._beam_width
        finished = tf.one_hot(first, width, on_value=False, off_value=True, dtype=tf.bool)
        log_probs = tf.where(finished, tf.constant(float("-inf"), self.output_dtype.scores), 0)
        lengths = tf.zeros([self.batch_size, width], tf.int64)
        attention = self._attention(self._initial_state)
        attention = () if attention is None else attention
        state = BeamSearchDecoderState(self._initial_state, log_probs, finished, lengths, attention)
        return finished, self._start_inputs, state

    def step(self, time: Any, inputs: Any, state: Any, name: Any = None) -> decoding.Step:
        with tf.compat.v1.name_scope(name, "BeamSearchDecoderStep"):
            sizes = self._cell.state_size
            inputs = tf.nest.map_structure(lambda part: self._merge(part, part.shape[2:]), inputs)
            cell_state = tf.nest.map_structure(self._merge, state.cell_state, sizes)
            outputs, cell_state = self._cell(inputs, cell_state)
            logits = tf.nest.map_structure(lambda part: self._split(part, part.shape[1:]), outputs)
            cell_state = tf.nest.map_structure(self._split, cell_state, sizes)
            logits = logits if self._output_layer is None else self._output_layer(logits)
            output, state = self._extend(logits, state, cell_state)
            inputs = tf.compat.v1.cond(
                tf.reduce_all(state.finished),
                lambda: self._start_inputs,
                lambda: self._embedding_fn(output.predicted_ids),
            )
        return output, state, inputs, state.finished

    def _extend(
        self, logits: tf.Tensor, state: BeamSearchDecoderState, cell_state: Any
    ) -> tuple[BeamSearchDecoderOutput, BeamSearchDecoderState]:
        attention, bonus = self._attention(cell_state), None
        if attention is not None:
            running = tf.cast(~state.finished, attention.dtype)[:, :, tf.newaxis]
            attention = state.accumulated_attention_probs + attention * running
            # As in TensorFlow 1.15, a sequence is charged for what it did not cover once it has ended.
            bonus = self._coverage_weight * tf.where(
                state.finished, beams.coverage_penalty(attention), tf.zeros_like(state.log_probs)
            )
        best = beams.extend(
            logits,
            state.log_probs,
            state.lengths,
            state.finished,
            self._end_token,
            length_weight=self._length_weight,
            bonus=bonus,
        )
        output = BeamSearchDecoderOutput(best.scores, best.tokens, best.parents)
        cell_state = tf.nest.map_structure(
            lambda part: part if is_whole(part, 2) else beams.choose(part, best.parents), cell_state
        )
        attention = () if attention is None else beams.choose(attention, best.parents)
        return output, BeamSearchDecoderState(
            cell_state, best.log_probs, best.finished, best.lengths, attention
        )

    def _attention(self, cell_state: Any) -> tf.Tensor | None:
        """Returns the mean attention weights (batch, beams, time); None without coverage penalty."""
        if tf.get_static_value(tf.convert_to_tensor(self._coverage_weight)) == 0:
            return None
        kind = attention_cell.AttentionWrapperState
        states = [cell_state] if isinstance(cell_state, kind) else cell_state
        states = (
            [state for state in states if isinstance(state, kind)]
            if isinstance(states, (list, tuple))
            else []
        )
        if not states:
            raise ValueError("coverage_penalty_weight must be 0.0 if no cell is attentional.")
        means = [tf.add_n(each := tf.nest.flatten(one.alignments)) / len(each) for one in states]
        return tf.add_n(means) / len(means)

    def finalize(self, outputs: Any, final_state: Any, sequence_lengths: Any) -> tuple[Any, Any]:
        longest = tf.reduce_max(final_state.lengths, axis=1)
        ids = beams.gather_tree(outputs.predicted_ids, outputs.parent_ids, longest, self._end_token)

        def reordered(part: Any) -> Any:
            if not isinstance(part, tf.TensorArray):
                return part
            return beams.along_paths(part.stack(), outputs.parent_ids, final_state.lengths)

        if self._reorder:
            cell_state = tf.nest.map_structure(reordered, final_state.cell_state)
            final_state = final_state._replace(cell_state=cell_state)
        return FinalBeamSearchDecoderOutput(ids, outputs), final_state

    def _merge(self, part: Any, size: Any) -> Any:
        """Returns (batch, beams, ...) as (batch * beams, ...); arrays, scalars and vectors as they are."""
        if is_whole(part, 2):
            return part
        rows = self.batch_size * self._beam_width
        merged = tf.reshape(part, tf.concat([[rows], tf.shape(part)[2:]], 0))
        return tf.ensure_shape(merged, self._merged_shape(size))

    def _merged_shape(self, size: Any) -> tf.TensorShape:
        """Returns the static shape (batch * beams, *size); a size of the state may be a tensor."""
        rows = None if self._known is None else self._known * self._beam_width
        size = tf.get_static_value(size) if tf.is_tensor(size) else size
        return tf.TensorShape([rows]).concatenate([None] if size is None else size)

    def _split(self, part: Any, size: Any) -> Any:
        """Returns (batch * beams, ...) as (batch, beams, ...); arrays and scalars as they are."""
        if is_whole(part, 1):
            return part
        merged = self._merged_shape(size)
        if not part.shape.is_compatible_with(merged):
            raise ValueError(
                f"A state must have the shape (batch_size * beam_width, depth) = {merged}, not {part.shape}. "
                "Perhaps you forgot to create a zero_state with batch_size=encoder_batch_size * beam_width?"
            )
        split = tf.reshape(part, tf.concat([[self.batch_size, self._beam_width], tf.shape(part)[1:]], 0))
        return tf.ensure_shape(split, [self._known, self._beam_width, *merged[1:]])


def is_whole(part: Any, rank: int) -> bool:
    """Whether a part of the state is an array, or has fewer axes than `rank`."""
    if isinstance(part, tf.TensorArray):
        return True
    if part.shape.rank is None:
        raise ValueError(f"Expected tensor ({part}) to have known rank, but ndims == None.")
    return part.shape.rank < rank
