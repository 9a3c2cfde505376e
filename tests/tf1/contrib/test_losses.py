"""`tf.contrib.losses` against NumPy: predictions come first, and each loss is added to LOSSES."""

import numpy as np
import pytest
from references import normal, run

import graphkit.tf1 as tf

losses = tf.contrib.losses
PREDICTIONS, LABELS = normal(4, 3), normal(4, 3, seed=1)
PROBABILITIES = 1 / (1 + np.exp(-PREDICTIONS))
HOT = np.eye(3, dtype=np.float32)[[0, 2, 1, 1]]
WEIGHTS = np.array([1, 0, 2, 0.5], np.float32)


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def sigmoid_losses(logits, labels):
    return np.log(1 + np.exp(logits)) - labels * logits


# {name: (function of predictions and labels, predictions, labels, losses of the elements or examples)}
CASES = {
    "absolute_difference": (losses.absolute_difference, PREDICTIONS, LABELS, np.abs(PREDICTIONS - LABELS)),
    "mean_squared_error": (losses.mean_squared_error, PREDICTIONS, LABELS, (PREDICTIONS - LABELS) ** 2),
    "log_loss": (
        losses.log_loss,
        PROBABILITIES,
        HOT,
        -HOT * np.log(PROBABILITIES) - (1 - HOT) * np.log(1 - PROBABILITIES),
    ),
    "sigmoid_cross_entropy": (
        losses.sigmoid_cross_entropy,
        PREDICTIONS,
        HOT,
        sigmoid_losses(PREDICTIONS, HOT),
    ),
    "softmax_cross_entropy": (
        losses.softmax_cross_entropy,
        PREDICTIONS,
        HOT,
        -(HOT * log_softmax(PREDICTIONS)).sum(1),
    ),
    "sparse_softmax_cross_entropy": (
        losses.sparse_softmax_cross_entropy,
        PREDICTIONS,
        HOT.argmax(1),
        -(HOT * log_softmax(PREDICTIONS)).sum(1),
    ),
    "cosine_distance": (
        lambda *args, **kwargs: losses.cosine_distance(*args, **kwargs, axis=1),
        PREDICTIONS,
        LABELS,
        1 - (PREDICTIONS * LABELS).sum(1),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_means_and_weights(name):
    function, predictions, labels, each = CASES[name]
    predictions, labels = tf.constant(predictions), tf.constant(labels)
    rows = each.reshape(4, -1)
    made = {
        "mean": (function(predictions, labels), each.mean()),
        "scalar": (function(predictions, labels, weights=2.0), 2 * each.mean()),
        "zero": (function(predictions, labels, weights=0.0), 0),
        # Of examples: divided by how many elements have a weight other than 0.
        "examples": (
            function(predictions, labels, weights=tf.constant(WEIGHTS)),
            (rows * WEIGHTS[:, None]).sum() / (3 * rows.shape[1]),
        ),
        "column": (
            function(predictions, labels, weights=tf.constant(WEIGHTS[:, None]), scope="mine"),
            (rows * WEIGHTS[:, None]).sum() / (3 * rows.shape[1]),
        ),
    }
    assert losses.get_losses() == [tensor for tensor, _ in made.values()]
    assert losses.get_losses(scope="mine") == [made["column"][0]]
    for case, value in run({case: tensor for case, (tensor, _) in made.items()}).items():
        np.testing.assert_allclose(value, made[case][1], rtol=1e-4, atol=1e-6, err_msg=case)


def test_smoothed_labels():
    logits, labels = tf.constant(PREDICTIONS), tf.constant(HOT)
    soft = losses.softmax_cross_entropy(logits, labels, label_smoothing=0.3)
    both = losses.sigmoid_cross_entropy(logits, labels, label_smoothing=0.3)
    soft, both = run([soft, both])
    expected = -((HOT * 0.7 + 0.1) * log_softmax(PREDICTIONS)).sum(1).mean()
    np.testing.assert_allclose(soft, expected, rtol=1e-5)
    np.testing.assert_allclose(both, sigmoid_losses(PREDICTIONS, HOT * 0.7 + 0.15).mean(), rtol=1e-5)


def test_hinge_loss_is_of_each_element():
    value = run(losses.hinge_loss(tf.constant(PREDICTIONS), tf.constant(HOT)))
    np.testing.assert_allclose(value, np.maximum(1 - (2 * HOT - 1) * PREDICTIONS, 0), rtol=1e-5)
    assert losses.get_losses() == []


def test_mean_pairwise_squared_error():
    predictions, labels = tf.constant(PREDICTIONS), tf.constant(LABELS)
    errors = PREDICTIONS - LABELS
    # Over all pairs (i, j) of an example, also i = j, as TensorFlow 1.15 computes it.
    each = np.array([np.mean([(a - b) ** 2 for a in row for b in row]) for row in errors])
    plain = losses.mean_pairwise_squared_error(predictions, labels)
    weighted = losses.mean_pairwise_squared_error(predictions, labels, tf.constant(WEIGHTS))
    scaled = losses.mean_pairwise_squared_error(predictions, labels, 3.0)
    plain, weighted, scaled = run([plain, weighted, scaled])
    np.testing.assert_allclose(plain, each.sum(), rtol=1e-4)
    np.testing.assert_allclose(weighted, (each * WEIGHTS).sum(), rtol=1e-4)
    np.testing.assert_allclose(scaled, 3 * each.sum(), rtol=1e-4)


def test_total_loss():
    tf.get_variable("a", [2], initializer=tf.ones_initializer(), regularizer=tf.nn.l2_loss)
    losses.add_loss(tf.constant(3.0))
    losses.add_loss(tf.constant(4.0), loss_collection=None)
    losses.compute_weighted_loss(tf.constant([1.0, 3.0]))
    total, without = losses.get_total_loss(), losses.get_total_loss(False, name="without")
    assert (total.name, without.name) == ("total_loss:0", "without:0")
    assert run([total, without]) == [6, 5]


def test_refusals():
    with pytest.raises(ValueError, match="You must specify 'axis'"):
        losses.cosine_distance(tf.zeros([2, 3]), tf.zeros([2, 3]))
    with pytest.raises(ValueError, match="incompatible"):
        losses.mean_squared_error(tf.zeros([2, 3]), tf.zeros([2, 4]))
    with pytest.raises(ValueError):  # two labels for an example
        losses.sparse_softmax_cross_entropy(tf.zeros([2, 3]), tf.zeros([2, 2], tf.int32))
    with pytest.raises(ValueError, match="must have a known rank"):
        losses.compute_weighted_loss(tf.placeholder(tf.float32))
