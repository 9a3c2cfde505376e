"""TensorFlow's own feature columns, which it still has, compute what their definitions say."""

import numpy as np
import pytest

import graphkit.tf1 as tf

columns = tf.feature_column
pytestmark = pytest.mark.filterwarnings("ignore:.*add_variable")
WORDS = ["a", "b", "c"]
NUMBERS = np.array([[-1.0, 2.0], [0.5, 7.0], [3.0, 0.0]], np.float32)


def features():
    words = tf.SparseTensor([[0, 0], [1, 0], [1, 1]], ["b", "a", "c"], [3, 2])
    weights = tf.SparseTensor([[0, 0], [1, 0], [1, 1]], [2.0, 0.5, 1.0], [3, 2])
    single = tf.constant([["c"], ["z"], ["a"]])
    given = {"words": words, "weights": weights, "other": words, "single": single}
    return {**given, "x": tf.constant(NUMBERS), "id": tf.constant([[2], [0], [1]])}


def values(tensors):
    with tf.Session() as session:
        session.run([tf.global_variables_initializer(), tf.tables_initializer()])
        return session.run(tensors)


def test_dense_columns(tmp_path):
    (tmp_path / "words").write_text("\n".join(WORDS))
    table = np.arange(6, dtype=np.float32).reshape(3, 2)

    def initializer(shape, dtype=None, partition_info=None):
        return tf.constant(table)

    x = columns.numeric_column("x", 2)
    words = columns.categorical_column_with_vocabulary_list("words", WORDS)
    single = columns.categorical_column_with_vocabulary_file("single", str(tmp_path / "words"), 3)
    count = np.array([[0, 1, 0], [1, 0, 1], [0, 0, 0]])
    embedded = {
        combiner: columns.embedding_column(words, 2, combiner, initializer)
        for combiner in ("mean", "sum", "sqrtn")
    }
    some = np.array([[1.0], [2.0], [1.0]])
    cases = {
        "numbers": (x, NUMBERS),
        "normalized": (columns.numeric_column("x", 2, normalizer_fn=lambda x: x / 2), NUMBERS / 2),
        "buckets": (
            columns.bucketized_column(x, [0, 3]),
            np.eye(3)[np.digitize(NUMBERS, [0, 3])].reshape(3, 6),
        ),
        "counts": (columns.indicator_column(words), count),
        "file": (columns.indicator_column(single), np.array([[0, 0, 1], [0, 0, 0], [1, 0, 0]])),
        "identity": (
            columns.indicator_column(columns.categorical_column_with_identity("id", 3)),
            np.eye(3)[[2, 0, 1]],
        ),
        "weighted": (
            columns.indicator_column(columns.weighted_categorical_column(words, "weights")),
            np.array([[0, 2, 0], [0.5, 0, 1], [0, 0, 0]]),
        ),
        "sum": (embedded["sum"], count @ table),
        "mean": (embedded["mean"], count @ table / some),
        "sqrtn": (embedded["sqrtn"], count @ table / np.sqrt(some)),
    }
    with tf.variable_scope("columns", reuse=tf.AUTO_REUSE):
        tensors = {name: columns.input_layer(features(), [column]) for name, (column, _) in cases.items()}
    found = values(tensors)
    for name, (_, expected) in cases.items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-6, err_msg=name)
    assert all("/words_embedding/embedding_weights" in v.op.name for v in tf.global_variables())


def test_hashed_and_crossed_columns_share_buckets_of_equal_words():
    hashed = columns.indicator_column(columns.categorical_column_with_hash_bucket("words", 1000))
    crossed = columns.indicator_column(columns.crossed_column(["words", "single"], 1000))
    words, pairs = values([columns.input_layer(features(), [column]) for column in (hashed, crossed)])
    np.testing.assert_array_equal(words.sum(1), [1, 2, 0])
    np.testing.assert_array_equal(pairs.sum(1), [1, 2, 0])
    assert words[0].argmax() not in np.flatnonzero(words[1])


def test_shared_embeddings():
    pair = [columns.categorical_column_with_vocabulary_list(name, WORDS) for name in ("words", "other")]
    shared = columns.shared_embedding_columns(pair, 2)
    layer = columns.input_layer(features(), shared)
    (variable,) = tf.trainable_variables()
    found = values(layer)
    assert variable.shape.as_list() == [3, 2]
    np.testing.assert_array_equal(found[:, :2], found[:, 2:])


def test_a_linear_model_adds_weights():
    x = columns.numeric_column("x", 2)
    words = columns.categorical_column_with_vocabulary_list("words", WORDS)
    made: dict = {}
    outputs = columns.linear_model(features(), [x, words], units=2, cols_to_vars=made)
    names = sorted(variable.op.name for variable in tf.trainable_variables())
    assert names == [f"linear_model/{name}" for name in ("bias_weights", "words/weights", "x/weights")]
    kernel, table = np.ones((2, 2)) * [1, 2], np.arange(6.0).reshape(3, 2)
    with tf.Session() as session:
        session.run([tf.global_variables_initializer(), tf.tables_initializer()])
        for column, value in ((x, kernel), (words, table)):
            made[column][0].load(value, session)
        made["bias"][0].load([1.0, -1.0], session)
        found = session.run(outputs)
    count = np.array([[0, 1, 0], [1, 0, 1], [0, 0, 0]])
    np.testing.assert_allclose(found, NUMBERS @ kernel + count @ table + [1, -1], rtol=1e-6)
