"""`tf.contrib.crf`: conditional random fields over sequences of tags."""

import tensorflow as tf

from graphkit.nn import chains
from graphkit.tf1 import overlay

__all__ = [
    "crf_binary_score",
    "crf_decode",
    "crf_log_likelihood",
    "crf_log_norm",
    "crf_sequence_score",
    "crf_unary_score",
    "viterbi_decode",
]

crf_unary_score = chains.unary_score
crf_log_norm = chains.log_norm
crf_decode = chains.decode
viterbi_decode = chains.viterbi_decode


def crf_binary_score(
    tag_indices: tf.Tensor, sequence_lengths: tf.Tensor, transition_params: tf.Tensor
) -> tf.Tensor:
    return chains.binary_score(tag_indices, sequence_lengths, transition_params)


def crf_sequence_score(
    inputs: tf.Tensor, tag_indices: tf.Tensor, sequence_lengths: tf.Tensor, transition_params: tf.Tensor
) -> tf.Tensor:
    """Returns (batch,): the unnormalised score of each sequence of tags."""
    unary = chains.unary_score(tag_indices, sequence_lengths, inputs)
    return unary + chains.binary_score(tag_indices, sequence_lengths, transition_params)


def crf_log_likelihood(
    inputs: tf.Tensor,
    tag_indices: tf.Tensor,
    sequence_lengths: tf.Tensor,
    transition_params: tf.Tensor | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the log-likelihood (batch,) of the tags, and the transitions: a variable if not given."""
    if transition_params is None:
        tags = inputs.shape.as_list()[2]
        transition_params = tf.compat.v1.get_variable("transitions", [tags, tags])
    score = crf_sequence_score(inputs, tag_indices, sequence_lengths, transition_params)
    return score - chains.log_norm(inputs, sequence_lengths, transition_params), transition_params


__getattr__, __dir__ = overlay.over(__name__, modules="crf")
