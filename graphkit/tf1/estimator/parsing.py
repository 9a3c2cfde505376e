"""How tf.Examples with features, labels and weights are parsed."""

from typing import Any

import tensorflow as tf

columns_of = tf.compat.v1.feature_column


def classifier_parse_example_spec(
    feature_columns: Any,
    label_key: str,
    label_dtype: Any = tf.int64,
    label_default: Any = None,
    weight_column: Any = None,
) -> dict[str, Any]:
    """Returns how features and a class are parsed."""
    return regressor_parse_example_spec(
        feature_columns, label_key, label_dtype, label_default, 1, weight_column
    )


def regressor_parse_example_spec(
    feature_columns: Any,
    label_key: str,
    label_dtype: Any = tf.float32,
    label_default: Any = None,
    label_dimension: int = 1,
    weight_column: Any = None,
) -> dict[str, Any]:
    """Returns how features and numbers to predict are parsed."""
    spec = columns_of.make_parse_example_spec(feature_columns)
    given = {label_key: tf.io.FixedLenFeature((label_dimension,), label_dtype, label_default)}
    if isinstance(weight_column, str):
        weight_column = columns_of.numeric_column(weight_column)
    if weight_column is not None:
        given |= columns_of.make_parse_example_spec([weight_column])
    if set(spec) & set(given):
        raise ValueError(f"label and weight should not be used as feature: {sorted(set(spec) & set(given))}")
    return {**spec, **given}
