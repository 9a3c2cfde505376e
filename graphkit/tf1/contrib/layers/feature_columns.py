"""Feature columns of `tf.contrib.layers`, made of those of `tf.feature_column`."""

from collections.abc import Iterable
from typing import Any

import tensorflow as tf

v1 = tf.compat.v1
columns = tf.feature_column

__all__ = """
bucketized_column create_feature_spec_for_parsing crossed_column embedding_column infer_real_valued_columns
input_from_feature_columns one_hot_column real_valued_column sparse_column_with_hash_bucket
sparse_column_with_integerized_feature sparse_column_with_keys weighted_sparse_column
weighted_sum_from_feature_columns
""".split()

bucketized_column = columns.bucketized_column
create_feature_spec_for_parsing = columns.make_parse_example_spec
embedding_column = columns.embedding_column
one_hot_column = columns.indicator_column
weighted_sparse_column = columns.weighted_categorical_column


def real_valued_column(
    column_name: str,
    dimension: int = 1,
    default_value: Any = None,
    dtype: Any = tf.float32,
    normalizer: Any = None,
) -> Any:
    return columns.numeric_column(column_name, (dimension,), default_value, dtype, normalizer)


def infer_real_valued_columns(features: Any) -> list[Any]:
    """Returns a column for each feature, or one named "" for a single tensor."""
    named = features if isinstance(features, dict) else {"": features}
    return [
        real_valued_column(name, int(tensor.shape[1]) if tensor.shape.rank > 1 else 1, dtype=tensor.dtype)
        for name, tensor in sorted(named.items())
    ]


# A combiner is that of linear models, where tf.feature_column has none: they sum.


def sparse_column_with_hash_bucket(
    column_name: str, hash_bucket_size: int, combiner: str = "sum", dtype: Any = tf.string
) -> Any:
    return columns.categorical_column_with_hash_bucket(column_name, hash_bucket_size, dtype)


def sparse_column_with_integerized_feature(
    column_name: str, bucket_size: int, combiner: str = "sum", dtype: Any = tf.int64
) -> Any:
    return columns.categorical_column_with_identity(column_name, bucket_size)


def sparse_column_with_keys(
    column_name: str, keys: Any, default_value: int = -1, combiner: str = "sum", dtype: Any = tf.string
) -> Any:
    return columns.categorical_column_with_vocabulary_list(column_name, keys, dtype, default_value)


def crossed_column(columns_: Iterable[Any], hash_bucket_size: int, combiner: str = "sum") -> Any:
    return columns.crossed_column(list(columns_), hash_bucket_size)


def input_from_feature_columns(
    columns_to_tensors: dict[str, Any],
    feature_columns: Iterable[Any],
    weight_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> tf.Tensor:
    """Returns the columns side by side, in the order of their names."""
    with v1.variable_scope(scope, "input_from_feature_columns"):
        return v1.feature_column.input_layer(
            columns_to_tensors, list(feature_columns), weight_collections, trainable
        )


def weighted_sum_from_feature_columns(
    columns_to_tensors: dict[str, Any],
    feature_columns: Iterable[Any],
    num_outputs: int,
    weight_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> tuple[tf.Tensor, dict[Any, Any], Any]:
    """Returns (logits, {column: its weights}, bias) of a linear model."""
    weights: dict[Any, Any] = {}
    with v1.variable_scope(scope, "weighted_sum_from_feature_columns"):
        logits = v1.feature_column.linear_model(
            columns_to_tensors,
            list(feature_columns),
            num_outputs,
            weight_collections=weight_collections,
            trainable=trainable,
            cols_to_vars=weights,
        )
    return logits, weights, weights.pop("bias")[0]
