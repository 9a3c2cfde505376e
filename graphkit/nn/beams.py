"""Beam search: the scores of partial sequences, the choice of the best, and their paths."""

from typing import NamedTuple

import tensorflow as tf


def length_penalty(lengths: tf.Tensor, weight: float | tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Returns ((5 + length) / 6) ** weight, by which log probabilities are divided; 1 at weight 0.

    Source: Y. Wu et al., "Google's neural machine translation system", 2016, equation 14.
    """
    weight = tf.convert_to_tensor(weight, name="penalty_factor")
    weight.set_shape(())
    if tf.get_static_value(weight) == 0:
        return tf.ones((), dtype)
    return tf.cast(((5.0 + tf.cast(lengths, weight.dtype)) / 6.0) ** weight, dtype)


def coverage_penalty(attention: tf.Tensor) -> tf.Tensor:
    """Returns the sum of log(min(attention, 1)) over the last axis: how much of the source was looked at.

    Weights of exactly zero are those of padding, and do not count. Source: equation 14 of Wu et al., 2016.
    """
    seen = tf.where(tf.equal(attention, 0.0), tf.ones_like(attention), attention)
    return tf.reduce_sum(tf.math.log(tf.minimum(seen, 1.0)), axis=-1)


def keep_finished(log_probs: tf.Tensor, finished: tf.Tensor, end_token: tf.Tensor) -> tf.Tensor:
    """Lets finished beams continue with the end token alone, at no cost.

    Args:
      log_probs: (batch, beams, vocabulary), of the next token.
      finished: booleans (batch, beams).
      end_token: scalar.
    """
    zero, lowest = (tf.constant(value, log_probs.dtype) for value in (0, log_probs.dtype.min))
    row = tf.one_hot(end_token, tf.shape(log_probs)[2], on_value=zero, off_value=lowest)
    return tf.where(finished[:, :, tf.newaxis], row, log_probs)


class Extended(NamedTuple):
    """The best extensions of beams, each (batch, beams)."""

    scores: tf.Tensor
    tokens: tf.Tensor
    parents: tf.Tensor  # the beams that they extend
    log_probs: tf.Tensor  # of the sequences
    lengths: tf.Tensor
    finished: tf.Tensor


def extend(
    logits: tf.Tensor,
    log_probs: tf.Tensor,
    lengths: tf.Tensor,
    finished: tf.Tensor,
    end_token: tf.Tensor,
    *,
    length_weight: float | tf.Tensor = 0.0,
    bonus: tf.Tensor | None = None,
) -> Extended:
    """Extends each beam by each token, and returns the best extensions, as many as there are beams.

    Args:
      logits: (batch, beams, vocabulary), of the next token.
      log_probs: (batch, beams), of the sequences so far.
      lengths: integers (batch, beams), of the sequences so far.
      finished: booleans (batch, beams).
      end_token: scalar. A sequence's length counts it, but not while sequences are ranked.
      length_weight: see `length_penalty`.
      bonus: (batch, beams), added to the scores by which sequences are ranked.
    """
    batch, _, vocabulary = tf.unstack(tf.shape(logits))
    known_batch, beams, _ = logits.shape.as_list()
    total = log_probs[:, :, tf.newaxis]
    total += keep_finished(tf.nn.log_softmax(logits), finished, end_token)
    grows = ~(finished[:, :, tf.newaxis] | tf.equal(tf.range(vocabulary), end_token))
    new_lengths = lengths[:, :, tf.newaxis] + tf.cast(grows, lengths.dtype)
    scores = total / length_penalty(new_lengths, length_weight, total.dtype)
    scores = scores if bonus is None else scores + bonus[:, :, tf.newaxis]
    top, places = tf.math.top_k(tf.reshape(scores, [batch, -1]), k=beams)
    top, places = (tf.ensure_shape(part, [known_batch, beams]) for part in (top, places))
    tokens, parents = places % vocabulary, places // vocabulary
    was_finished = choose(finished, parents)
    return Extended(
        top,
        tokens,
        parents,
        tf.gather(tf.reshape(total, [batch, -1]), places, batch_dims=1),
        choose(lengths, parents) + tf.cast(~was_finished, lengths.dtype),
        was_finished | tf.equal(tokens, end_token),
    )


def choose(values: tf.Tensor, beams: tf.Tensor) -> tf.Tensor:
    """Returns the rows of values (batch, beams, ...) that `beams` (batch, new beams) names."""
    return tf.gather(values, beams, batch_dims=1)


def paths(parents: tf.Tensor) -> tf.Tensor:
    """Returns at which beam each final beam was at each step; both are (time, batch, beams)."""
    same = tf.broadcast_to(tf.range(tf.shape(parents)[2]), tf.shape(parents)[1:])
    if parents.shape.as_list()[0] == 0:
        return parents
    following = tf.concat([parents[1:], same[tf.newaxis]], axis=0)
    return tf.scan(lambda place, parent: choose(parent, place), following, same, reverse=True)


def gather_tree(
    step_ids: tf.Tensor,
    parent_ids: tf.Tensor,
    max_sequence_lengths: tf.Tensor,
    end_token: tf.Tensor,
    name: str | None = None,
) -> tf.Tensor:
    """Returns the complete sequences of beams, from the tokens and the parents of each step.

    Args:
      step_ids: int32 (time, batch, beams).
      parent_ids: int32 (time, batch, beams).
      max_sequence_lengths: int32 (batch,); what lies beyond is `end_token`.
      end_token: int32 scalar; all that follows the first one in a sequence is `end_token` too.
      name: name scope of the ops.
    """
    with tf.compat.v1.name_scope(name, "GatherTree"):
        step_ids, parents = tf.convert_to_tensor(step_ids), tf.convert_to_tensor(parent_ids)
        end_token = tf.cast(end_token, step_ids.dtype)
        time, _, beams = tf.unstack(tf.shape(step_ids))
        valid = tf.transpose(tf.sequence_mask(max_sequence_lengths, time))[:, :, tf.newaxis]
        ids = tf.where(valid, step_ids, end_token)
        tokens = tf.gather(ids, paths(tf.where(valid, parents, tf.range(beams))), batch_dims=2)
        ended = tf.cumsum(tf.cast(tf.equal(tokens, end_token), tf.int32), axis=0, exclusive=True) > 0
        return tf.ensure_shape(tf.where(ended, end_token, tokens), step_ids.shape)


def along_paths(values: tf.Tensor, parents: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """Returns what was written in each step, before its choice, for the sequences of the final beams.

    Args:
      values: (time, batch, beams, ...) or (time, batch * beams, ...).
      parents: (time, batch, beams).
      lengths: (batch, beams), of the final sequences; steps beyond them stay where they are.
    """
    parents = tf.cast(parents, tf.int32)
    time, batch, beams = tf.unstack(tf.shape(parents))
    within = tf.transpose(tf.sequence_mask(tf.reduce_max(lengths, axis=1), time))[:, :, tf.newaxis]
    parents = tf.where(within, parents, tf.range(beams))
    # A step's values are those of the beams that it was given, of which the next ones are children.
    places = tf.gather(parents, paths(parents), batch_dims=2)
    valid = tf.transpose(tf.sequence_mask(lengths, time), [2, 0, 1])
    places = tf.where(valid, places, tf.range(beams))
    ordered = tf.gather(tf.reshape(values, [time, batch, beams, -1]), places, batch_dims=2)
    return tf.reshape(ordered, tf.shape(values))


def tile_batch(t: tf.Tensor, multiplier: int, name: str | None = None) -> tf.Tensor:
    """Repeats each example of (a structure of) tensors `multiplier` times, one after the other.

    Raises:
      ValueError: a tensor has no axis, or an unknown number of them.
    """

    def tile(part: tf.Tensor) -> tf.Tensor:
        part = tf.convert_to_tensor(part, name="t")
        if not part.shape.rank:
            raise ValueError("t must have statically known rank")
        tiled = tf.repeat(part, multiplier, axis=0)
        size = part.shape.as_list()[0]
        tiled.set_shape([None if size is None else size * multiplier, *part.shape.as_list()[1:]])
        return tiled

    with tf.compat.v1.name_scope(name, "tile_batch"):
        return tf.nest.map_structure(tile, t)
