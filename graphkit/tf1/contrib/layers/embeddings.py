"""What layers read: embeddings of symbols, and a feature column."""

from typing import Any

import tensorflow as tf

from graphkit.tf1.contrib.framework import variables

v1 = tf.compat.v1

__all__ = ["embed_sequence", "embedding_lookup_unique", "real_valued_column", "safe_embedding_lookup_sparse"]

safe_embedding_lookup_sparse = v1.nn.safe_embedding_lookup_sparse


def embed_sequence(
    ids: Any,
    vocab_size: int | None = None,
    embed_dim: int | None = None,
    unique: bool = False,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool = True,
    scope: Any = None,
    reuse: Any = None,
) -> tf.Tensor:
    """Returns a row of embeddings for each id."""
    if not (reuse or (vocab_size and embed_dim)):
        raise ValueError(
            "Must specify vocab size and embedding dimension when not reusing. "
            f"Got vocab_size={vocab_size} and embed_dim={embed_dim}"
        )
    with v1.variable_scope(scope, "EmbedSequence", reuse=reuse):
        shape = [vocab_size, embed_dim] if vocab_size and embed_dim else None
        embeddings = variables.model_variable(
            "embeddings", shape, initializer=initializer, regularizer=regularizer, trainable=trainable
        )
        return embedding_lookup_unique(embeddings, ids) if unique else tf.nn.embedding_lookup(embeddings, ids)


def embedding_lookup_unique(
    params: Any, ids: Any, partition_strategy: str = "mod", name: str | None = None
) -> tf.Tensor:
    """Looks each different id up once."""
    with v1.name_scope(name, "EmbeddingLookupUnique"):
        ids = tf.convert_to_tensor(ids)
        different, places = tf.unique(tf.reshape(ids, [-1]))
        rows = v1.nn.embedding_lookup(params, different, partition_strategy)
        outputs = tf.reshape(tf.gather(rows, places), tf.concat([tf.shape(ids), tf.shape(rows)[1:]], 0))
        return tf.ensure_shape(outputs, ids.shape.concatenate(rows.shape[1:]))


def real_valued_column(
    column_name: str,
    dimension: int = 1,
    default_value: Any = None,
    dtype: Any = tf.float32,
    normalizer: Any = None,
) -> Any:
    return tf.feature_column.numeric_column(column_name, (dimension,), default_value, dtype, normalizer)
