"""Heads: labels, losses by their reduction, thresholds, and what is refused."""

import numpy as np
import pytest

import graphkit.tf1 as tf

heads = tf.contrib.estimator
LOGITS = np.array([[0.5, -1.0, 2.0], [0.0, 1.0, -1.0]], np.float32)


def evaluated(head, logits, labels, features=None):
    """Returns (loss, {metric: value}) of one batch."""
    spec = head.create_estimator_spec(features or {}, "eval", tf.constant(logits), tf.constant(labels))
    with tf.Session() as session:
        session.run([tf.local_variables_initializer(), tf.tables_initializer()])
        loss, _ = session.run([spec.loss, [update for _, update in spec.eval_metric_ops.values()]])
        return loss, session.run({name: value for name, (value, _) in spec.eval_metric_ops.items()})


def test_reductions_and_weights():
    losses = np.log(np.sum(np.exp(LOGITS), 1)) - LOGITS[[0, 1], [2, 1]]
    weights = np.array([2.0, 0.5], np.float32)
    reduction = tf.losses.Reduction
    for kind, expected in (
        (reduction.SUM, np.sum(losses * weights)),
        (reduction.SUM_OVER_BATCH_SIZE, np.mean(losses * weights)),
        (reduction.MEAN, np.average(losses, weights=weights)),
    ):
        head = heads.multi_class_head(3, "w", loss_reduction=kind)
        loss, metrics = evaluated(head, LOGITS, [2, 1], {"w": tf.constant(weights)})
        np.testing.assert_allclose(loss, expected, rtol=1e-5)
        np.testing.assert_allclose(metrics["average_loss"], np.average(losses, weights=weights), rtol=1e-5)


def test_weights_of_single_outputs():
    labels, weights = LOGITS + np.array([[1, 2, 3], [0, 1, 0]]), np.arange(6, dtype=np.float32).reshape(2, 3)
    column = tf.feature_column.numeric_column("w", 3)
    loss, _ = evaluated(heads.regression_head(column, 3), LOGITS, labels, {"w": tf.constant(weights)})
    np.testing.assert_allclose(loss, np.sum(weights * (LOGITS - labels) ** 2), rtol=1e-5)


def test_thresholds_and_labels_between_the_classes():
    head = heads.binary_classification_head(thresholds=[0.3, 0.9])
    logits = np.array([[-2.0], [0.0], [3.0], [-0.5]], np.float32)
    loss, metrics = evaluated(head, logits, [0.0, 1.0, 1.0, 0.0])
    assert metrics["accuracy/positive_threshold_0.3"] == 0.75
    assert metrics["recall/positive_threshold_0.9"] == 0.5
    assert metrics["precision/positive_threshold_0.3"] == pytest.approx(2 / 3)
    labels = np.array([0.2, 1.0, 0.5, 0.0])[:, None]
    loss, _ = evaluated(heads.binary_classification_head(), logits, labels)
    np.testing.assert_allclose(loss, np.sum(np.logaddexp(0, logits) - labels * logits), rtol=1e-5)


def test_regularization_losses_and_update_ops():
    updated = tf.Variable(0.0, trainable=False)
    tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, tf.assign_add(updated, 1.0).op)
    tf.train.get_or_create_global_step()
    logits = tf.Variable(LOGITS)
    given = {"regularization_losses": [tf.constant(2.0), tf.constant(3.0)]}
    head, optimizer = heads.multi_class_head(3), tf.train.GradientDescentOptimizer(0.0)
    spec = head.create_estimator_spec({}, "train", logits, [2, 1], optimizer, **given)
    bare = head.create_estimator_spec({}, "train", logits, [2, 1], train_op_fn=lambda loss: tf.no_op())
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        _, loss, without = session.run([spec.train_op, spec.loss, bare.loss])
        np.testing.assert_allclose(loss - without, 5, rtol=1e-5)
        assert session.run(updated) == 1
    assert (
        "regularization_loss"
        in head.create_estimator_spec({}, "eval", logits, [2, 1], **given).eval_metric_ops
    )


def test_labels_that_are_no_classes_fail_in_the_run():
    for head, labels in (
        (heads.multi_class_head(3), [3, 0]),
        (heads.multi_class_head(3, label_vocabulary=["a", "b", "c"]), ["a", "z"]),
        (heads.multi_class_head(3), [-1, 0]),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match="Labels must"):
            evaluated(head, LOGITS, labels)


def test_what_is_refused():
    multi, logits = heads.multi_class_head(3), tf.constant(LOGITS)
    words = heads.multi_class_head(3, label_vocabulary=["a", "b", "c"])
    sparse = tf.SparseTensor([[0, 0]], [1], [2, 1])
    for head, labels, message in (
        (multi, None, "You must provide a labels Tensor"),
        (multi, sparse, "SparseTensor labels are not supported"),
        (multi, np.ones((2, 3), int), "Mismatched label shape"),
        (multi, [1.0, 2.0], "Labels dtype should be integer"),
        (words, [1, 2], "Labels dtype should be string"),
        (heads.regression_head(), [1.0, 2.0], "logits shape must be"),
    ):
        with pytest.raises(ValueError, match=message):
            head.create_estimator_spec({}, "eval", logits, labels)
    for given in ({}, {"optimizer": tf.train.AdamOptimizer(), "train_op_fn": tf.no_op}):
        with pytest.raises(ValueError, match="cannot both be"):
            multi.create_estimator_spec({}, "train", logits, [1, 2], **given)
