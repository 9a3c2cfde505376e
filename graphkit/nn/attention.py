"""Attention: scores of keys for a query, and the weights that these become."""

import tensorflow as tf

from graphkit import checks


def multiplicative_scores(query: tf.Tensor, keys: tf.Tensor, scale: tf.Tensor | None = None) -> tf.Tensor:
    """Returns the inner products (batch, time) of a query (batch, units) with keys (batch, time, units).

    Raises:
      ValueError: query and keys have different units, or unknown ones.

    Source: M.-T. Luong et al., "Effective approaches to attention-based neural machine translation",
    EMNLP 2015, equation 8 ("dot"; "general" where the keys are a linear map of a memory).
    """
    units, key_units = query.shape.as_list()[-1], keys.shape.as_list()[-1]
    checks.Checker("LuongAttention").require(
        units is not None and units == key_units,
        "Incompatible or unknown inner dimensions between query and keys: num_units must be the query's",
        query=units,
        keys=key_units,
    )
    scores = tf.linalg.matvec(keys, query)
    return scores if scale is None else scale * scores


def additive_scores(
    query: tf.Tensor,
    keys: tf.Tensor,
    v: tf.Tensor,
    g: tf.Tensor | None = None,
    b: tf.Tensor | None = None,
) -> tf.Tensor:
    """Returns v · tanh(query + keys + b) for each key; with `g`, v is scaled to the length g.

    Args:
      query: (batch, units), a linear map of the decoder's output.
      keys: (batch, time, units).
      v: (units,).
      g: scalar, or None.
      b: (units,), or None.

    Source: D. Bahdanau et al., "Neural machine translation by jointly learning to align and translate",
    ICLR 2015, appendix A.1.2; T. Salimans, D. P. Kingma, "Weight normalization", NIPS 2016 (g).
    """
    if g is not None:
        v = g * v * tf.math.rsqrt(tf.reduce_sum(tf.square(v)))
    hidden = keys + query[:, tf.newaxis, :]
    return tf.reduce_sum(v * tf.tanh(hidden if b is None else hidden + b), axis=2)


def mask_scores(scores: tf.Tensor, lengths: tf.Tensor | None, value: float) -> tf.Tensor:
    """Puts `value` in place of the scores (batch, time) beyond each length, which must be at least 1."""
    if lengths is None:
        return scores
    message = "All values in memory_sequence_length must be greater than zero."
    with tf.control_dependencies([tf.compat.v1.assert_positive(lengths, message=message)]):
        valid = tf.sequence_mask(lengths, maxlen=tf.shape(scores)[1])
    return tf.where(valid, scores, tf.cast(value, scores.dtype) * tf.ones_like(scores))


def mask_memory(memory: tf.Tensor, lengths: tf.Tensor | None) -> tf.Tensor:
    """Multiplies a memory (batch, time, ...) with zero beyond each length."""
    if lengths is None:
        return memory
    valid = tf.sequence_mask(lengths, maxlen=tf.shape(memory)[1], dtype=memory.dtype)
    ones = tf.ones(tf.rank(memory) - 2, tf.int32)
    masked = memory * tf.reshape(valid, tf.concat([tf.shape(valid), ones], 0))
    return tf.ensure_shape(masked, memory.shape)


def hardmax(logits: tf.Tensor, name: str | None = None) -> tf.Tensor:
    """Returns one-hot rows: 1 at the first largest of each row, else 0."""
    with tf.compat.v1.name_scope(name, "Hardmax", [logits]):
        logits = tf.convert_to_tensor(logits, name="logits")
        return tf.one_hot(tf.argmax(logits, axis=-1), tf.shape(logits)[-1], dtype=logits.dtype)
