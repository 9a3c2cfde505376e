"""AUC against the definition by pairs, its error bound, and against scikit-learn."""

import importlib
import itertools
import math

import numpy as np
import pytest
import tensorflow as tf
from references import normal, run

import graphkit as gk
from graphkit.running.metrics import Means


def value(metric, examples):
    return metric.finish(run(metric.tensor), examples)


def by_pairs(scores, labels):
    """Returns the fraction of pairs in the right order; equal scores count one half."""
    own, others = scores[labels == 1][:, None], scores[labels == 0][None]
    return float(((own > others) + 0.5 * (own == others)).mean())


def bound(scores, labels, thresholds):
    """Returns half the fraction of pairs between the same thresholds, from the docstring."""
    places = np.clip(np.floor((scores / (1 + np.abs(scores)) + 1) / 2 * thresholds), 0, thresholds - 1)
    return (places[labels == 1][:, None] == places[labels == 0][None]).mean() / 2


def problems():
    """Returns {name: (scores, labels)}."""
    labels = (normal(300, seed=1) > 0.4).astype(np.int32)
    scores = normal(300, seed=2) + labels
    return {
        "usual": (scores, labels),
        "saturated": (50 * scores, labels),
        "narrow": (1e-3 * scores, labels),
        "perfect": (labels + 0.1 * normal(300), labels),
        "reversed": (-scores, labels),
        "constant": (np.ones(300, np.float32), labels),
        "ties": (np.round(scores), labels),
    }


def test_the_error_is_within_its_bound():
    cases = list(itertools.product((2, 50, 1000), problems().items()))
    metrics = [gk.auc(tf.constant(s, tf.float32), tf.constant(y), thresholds=n) for n, (_, (s, y)) in cases]
    values = run([metric.tensor for metric in metrics])
    for (thresholds, (name, (scores, labels))), metric, tensor in zip(cases, metrics, values, strict=True):
        scores = scores.astype(np.float32)
        error = abs(metric.finish(tensor, 300) - by_pairs(scores, labels))
        assert error <= bound(scores, labels, thresholds) + 1e-9, (name, thresholds)
        if thresholds == 1000 and name not in ("narrow", "saturated"):
            assert error < 1e-3, name


@pytest.mark.slow
def test_it_is_that_of_scikit_learn():
    sklearn = importlib.import_module("sklearn.metrics")
    for name, (scores, labels) in problems().items():
        found = value(gk.auc(tf.constant(scores, tf.float32), tf.constant(labels), thresholds=100_000), 300)
        assert found == pytest.approx(sklearn.roc_auc_score(labels, scores), abs=1e-4), name


def test_of_classes_it_is_the_mean_over_one_against_the_rest():
    logits, labels = 2 * normal(200, 3, seed=3), np.arange(200) % 3
    logits[np.arange(200), labels] += 1
    odds = [logits[:, c] - np.log(np.exp(np.delete(logits, c, 1)).sum(1)) for c in range(3)]
    expected = [by_pairs(odds[c], (labels == c).astype(int)) for c in range(3)]
    for positive in range(3):
        found = value(gk.auc(tf.constant(logits), tf.constant(labels), positive), 200)
        assert found == pytest.approx(expected[positive], abs=1e-3)
    one_hot = np.eye(3, dtype=np.float32)[labels]
    assert value(gk.auc(tf.constant(logits), tf.constant(one_hot)), 200) == pytest.approx(
        np.mean(expected), abs=1e-3
    )
    # Of two classes, it is the same for either.
    two = [value(gk.auc(tf.constant(logits[:, :2]), tf.constant(labels % 2), p), 200) for p in (0, 1, None)]
    assert two == pytest.approx([two[0]] * 3, abs=2e-3)


def test_batches_of_any_size_give_the_value_of_the_data_set():
    scores, labels = problems()["usual"]
    logits, given = tf.compat.v1.placeholder(tf.float32, (None, 1)), gk.label_input()
    metric = gk.auc(logits, given)
    with tf.compat.v1.Session() as session:
        for sizes in ([300], [128, 128, 44], [1] * 300):
            means, at = Means({"auc": metric}), 0
            for size in sizes:
                rows = slice(at, at + size)
                feed = {logits: scores[rows, None], given: labels[rows]}
                means.add([session.run(metric.tensor, feed)[np.newaxis]], size)
                at += size
            assert means.result()["auc"] == pytest.approx(by_pairs(scores, labels), abs=1e-3)


def test_broken_scores_are_never_right_and_missing_classes_are_left_out():
    labels = tf.constant([0, 1])
    for wrong in ([math.nan, 1.0], [0.0, math.nan], [math.nan, math.nan]):
        assert value(gk.auc(tf.constant(wrong), labels), 2) == 0
    assert value(gk.auc(tf.constant([-math.inf, math.inf]), labels), 2) == 1
    assert math.isnan(value(gk.auc(tf.constant([0.1, 0.2]), tf.constant([1, 1])), 2))
    logits = tf.constant([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    assert value(gk.auc(logits, labels), 2) == 1  # no example of the class 2


def test_a_trainer_has_it_in_its_history_in_all_loops():
    scores, labels = problems()["usual"]
    x, y = gk.feature_input(1), gk.label_input()
    logits = gk.dense(x, 2)
    metrics = {"auc": gk.auc(logits, y, thresholds=200)}
    data = {x: scores[:, None], y: labels}
    with gk.Trainer(gk.softmax_cross_entropy(logits, y), "adam", 0.1, metrics=metrics) as trainer:
        history = trainer.fit(data, epochs=3, batch_size=50, valid=data, progress=False)
        assert history["valid_auc"][-1] == pytest.approx(by_pairs(scores, labels), abs=5e-3)
        assert trainer.evaluate(data, batch_size=7)["auc"] == trainer.evaluate(data)["auc"]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: gk.auc(tf.zeros(3), tf.zeros(3), thresholds=1), ValueError, "auc: thresholds .*at least 2"),
        (lambda: gk.auc(tf.zeros(3, tf.int32), tf.zeros(3)), TypeError, "auc: logits"),
        (lambda: gk.auc(tf.zeros(3), tf.zeros((3, 2))), ValueError, "auc: .*must have one shape"),
        (lambda: gk.auc(tf.zeros(3), tf.zeros(3), 0), ValueError, "auc: of scores, positive is 1"),
        (lambda: gk.auc(tf.zeros((3, 2)), tf.zeros(3, tf.int32), 2), ValueError, "auc: positive .*2 classes"),
        (
            lambda: gk.auc(tf.zeros((3, 2, 2)), tf.zeros((3, 2), tf.int32)),
            ValueError,
            "auc: logits must have",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make, error, message):
    with pytest.raises(error, match=f"^{message}"):
        make()
