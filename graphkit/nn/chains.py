"""Linear-chain conditional random fields: scores of sequences of tags, their sum over all, and the best.

Of n steps and T tags: a sequence y has the score sum over t of inputs[t, y[t]] + sum over t > 0 of
transitions[y[t - 1], y[t]]. Source: J. Lafferty et al., "Conditional random fields", ICML 2001.
"""

import numpy as np
import tensorflow as tf


def valid_steps(inputs: tf.Tensor, lengths: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Returns (batch, time): 1 at the steps of each sequence, 0 after its end."""
    return tf.sequence_mask(lengths, tf.shape(inputs)[1], dtype)


def unary_score(tags: tf.Tensor, lengths: tf.Tensor, inputs: tf.Tensor) -> tf.Tensor:
    """Returns (batch,): the sum of the inputs (batch, time, T) at the tags (batch, time)."""
    chosen = tf.gather(inputs, tags, axis=2, batch_dims=2)
    return tf.reduce_sum(chosen * valid_steps(inputs, lengths, inputs.dtype), 1)


def binary_score(tags: tf.Tensor, lengths: tf.Tensor, transitions: tf.Tensor) -> tf.Tensor:
    """Returns (batch,): the sum of the transitions (T, T) between neighbouring tags (batch, time)."""
    transitions = tf.convert_to_tensor(transitions)
    between = tf.gather_nd(transitions, tf.stack([tags[:, :-1], tags[:, 1:]], 2))
    return tf.reduce_sum(between * valid_steps(tags, lengths, transitions.dtype)[:, 1:], 1)


def log_norm(inputs: tf.Tensor, lengths: tf.Tensor, transitions: tf.Tensor) -> tf.Tensor:
    """Returns (batch,): the logarithm of the sum of exp(score) over all sequences of tags; 0 for length 0."""
    transitions = tf.convert_to_tensor(transitions)[None]
    steps = tf.transpose(inputs, [1, 0, 2])
    valid = tf.transpose(valid_steps(inputs, lengths, tf.bool))[..., None]

    def forward(alphas: tf.Tensor, step: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        scores, is_valid = step
        new = scores + tf.reduce_logsumexp(alphas[..., None] + transitions, 1)
        return tf.where(is_valid, new, alphas)

    alphas = tf.foldl(forward, (steps[1:], valid[1:]), steps[0])
    sums = tf.reduce_logsumexp(alphas, 1)
    return tf.where(tf.convert_to_tensor(lengths) > 0, sums, tf.zeros_like(sums))


def decode(
    potentials: tf.Tensor, transition_params: tf.Tensor, sequence_length: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the best tags int32 (batch, time), 0 after each end, and their scores (batch,)."""
    transitions = tf.convert_to_tensor(transition_params)[None]
    steps = tf.transpose(potentials, [1, 0, 2])
    valid = tf.transpose(valid_steps(potentials, sequence_length, tf.bool))[..., None]
    stay = tf.range(tf.shape(potentials)[2])[None]

    def forward(
        state: tuple[tf.Tensor, tf.Tensor], step: tuple[tf.Tensor, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        scores, is_valid = step
        sums = state[0][..., None] + transitions
        best = tf.argmax(sums, 1, output_type=tf.int32)
        new = scores + tf.reduce_max(sums, 1)
        # After the end each tag points to itself, so that the way back passes over those steps.
        return tf.where(is_valid, new, state[0]), tf.where(is_valid, best, tf.zeros_like(best) + stay)

    start = (steps[0], tf.zeros_like(steps[0], tf.int32) + stay)
    alphas, pointers = tf.scan(forward, (steps[1:], valid[1:]), start)
    alphas = tf.concat([steps[:1], alphas], 0)[-1]
    last = tf.argmax(alphas, 1, output_type=tf.int32)
    earlier = tf.scan(
        lambda tag, pointer: tf.gather(pointer, tag, axis=1, batch_dims=1), pointers, last, reverse=True
    )
    tags = tf.transpose(tf.concat([earlier, last[None]], 0))
    tags *= valid_steps(potentials, sequence_length, tf.int32)
    return tags, tf.reduce_max(alphas, 1)


def viterbi_decode(score: np.ndarray, transition_params: np.ndarray) -> tuple[list[int], float]:
    """Returns the best tags of one sequence of scores (time, T), and their score, in NumPy."""
    best, pointers = np.array(score[0]), []
    for scores in score[1:]:
        sums = best[:, None] + transition_params
        pointers.append(sums.argmax(0))
        best = scores + sums.max(0)
    tags = [int(best.argmax())]
    for pointer in reversed(pointers):
        tags.append(int(pointer[tags[-1]]))
    return tags[::-1], best.max()
