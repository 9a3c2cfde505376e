"""`tf.contrib.metrics`: predictions come first, and mini-batches add up."""

import numpy as np
import pytest
from references import run

import graphkit.tf1 as tf

metrics = tf.contrib.metrics


def after_batches(pair, batches):
    """Returns a metric's value after mini-batches, which are feeds."""
    value, update = pair
    with tf.Session() as session:
        session.run([tf.local_variables_initializer(), tf.global_variables_initializer()])
        for feed in batches:
            session.run(update, feed)
        return session.run(value)


def test_streaming_metrics_of_labels():
    predictions, labels = tf.placeholder(tf.int64, [None]), tf.placeholder(tf.int64, [None])
    made = {
        "accuracy": (metrics.streaming_accuracy(predictions, labels), 4 / 6),
        "precision": (metrics.streaming_precision(predictions, labels), 3 / 4),
        "recall": (metrics.streaming_recall(predictions, labels), 3 / 4),
        "false_positives": (metrics.streaming_false_positives(predictions, labels), 1),
        "mean": (metrics.streaming_mean(predictions, None), 4 / 6),
        "iou": (metrics.streaming_mean_iou(predictions, labels, 2), (3 / 5 + 1 / 3) / 2),
        "squares": (metrics.streaming_mean_squared_error(predictions, labels, None), 2 / 6),
    }
    values, updates = metrics.aggregate_metric_map({name: pair for name, (pair, _) in made.items()})
    batches = [([1, 0, 1, 1], [1, 1, 0, 1]), ([1, 0], [1, 0])]
    feeds = [{predictions: one, labels: other} for one, other in batches]
    for name, value in after_batches((values, updates), feeds).items():
        np.testing.assert_allclose(value, made[name][1], rtol=1e-6, err_msg=name)
    assert made["accuracy"][0][0].name == "accuracy/value:0"


def test_streaming_metrics_of_scores():
    scores, labels = tf.constant([0.1, 0.4, 0.6, 0.8]), tf.constant([False, True, False, True])
    made = {
        "auc": (metrics.streaming_auc(scores, labels), 0.75),
        "few": (metrics.streaming_auc(scores, labels, None, 100, curve="ROC"), 0.75),
        "recall": (metrics.streaming_recall_at_thresholds(scores, labels, [0.5, 0.3]), [0.5, 1]),
        "positives": (metrics.streaming_true_positives_at_thresholds(scores, labels, [0.5, 0.9]), [1, 0]),
        "specificity": (metrics.streaming_specificity_at_sensitivity(scores, labels, 0.9), 0.5),
        "below": (metrics.streaming_percentage_less(scores, 0.5), 0.5),
        "at_k": (
            metrics.streaming_recall_at_k(tf.constant([[0.1, 0.9], [0.8, 0.2]]), tf.constant([1, 1]), 1),
            0.5,
        ),
        "sparse": (
            metrics.streaming_sparse_recall_at_k(
                tf.constant([[0.1, 0.9], [0.8, 0.2]]), tf.constant([[1], [1]], tf.int64), 1
            ),
            0.5,
        ),
    }
    values, updates = metrics.aggregate_metric_map({name: pair for name, (pair, _) in made.items()})
    for name, value in after_batches((values, updates), [{}]).items():
        np.testing.assert_allclose(value, made[name][1], atol=0.01, err_msg=name)


def test_collections():
    metrics.streaming_mean(tf.constant([1.0]), None, "values", "updates", "mine")
    assert [len(tf.get_collection(key)) for key in ("values", "updates")] == [1, 1]
    assert {one.op.name.split("/")[0] for one in tf.local_variables()} == {"mine"}


def test_accuracy_of_one_batch():
    predictions, labels = tf.constant([1, 2, 3, 4]), tf.constant([1, 2, 0, 0])
    plain = metrics.accuracy(predictions, labels)
    weighted = metrics.accuracy(predictions, labels, weights=tf.constant([1.0, 0, 1, 0]))
    matrix = metrics.confusion_matrix(labels, predictions)
    plain, weighted, matrix = run([plain, weighted, matrix])
    assert (plain, weighted) == (0.5, 0.5)
    assert matrix.shape == (5, 5) and matrix[0, 3] == matrix[0, 4] == 1
    with pytest.raises(ValueError, match="Labels should have bool, integer, or string"):
        metrics.accuracy(tf.zeros([2]), tf.zeros([2]))
    with pytest.raises(ValueError, match="Dtypes of predictions and labels should match"):
        metrics.accuracy(tf.zeros([2], tf.int64), labels)
