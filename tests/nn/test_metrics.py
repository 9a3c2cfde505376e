"""Metrics: the share of right predictions, by hand and against NumPy."""

import re

import numpy as np
import pytest
import tensorflow as tf
from references import run

import graphkit as gk

v1 = tf.compat.v1

LOGITS = np.array([[0.1, 0.9, 0.3], [0.8, 0.2, 0.1], [0.2, 0.3, 0.4], [0.5, 0.4, 0.3]], np.float32)
LABELS = np.array([1, 0, 0, 2])  # right, right, wrong, wrong


def test_share_of_right_predictions():
    assert run(gk.accuracy(LOGITS, LABELS)) == 0.5


def test_result_is_a_float32_scalar():
    share = gk.accuracy(tf.constant(LOGITS, tf.float64), LABELS)
    assert share.dtype == tf.float32 and share.shape.rank == 0


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_labels_may_be_any_integers(dtype):
    assert run(gk.accuracy(LOGITS, LABELS.astype(dtype))) == 0.5


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "uint8", "bool"])
def test_labels_may_be_one_hot(dtype):
    assert run(gk.accuracy(LOGITS, np.eye(3, dtype=dtype)[LABELS])) == 0.5


def test_labels_may_be_a_distribution():
    assert run(gk.accuracy(LOGITS[:2], [[0.3, 0.4, 0.3], [0.2, 0.2, 0.6]])) == 0.5


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float32, tf.float64])
def test_logits_may_be_of_any_floating_type(dtype):
    assert run(gk.accuracy(tf.constant(LOGITS, dtype), LABELS)) == 0.5


@pytest.mark.parametrize("label, right", [(0, 0.0), (1, 1.0), (2, 0.0), (3, 0.0)])
def test_of_equal_logits_the_first_counts(label, right):
    assert run(gk.accuracy([[0.0, 7.0, 7.0, 7.0]], [label])) == right


def test_of_equal_entries_of_a_one_hot_label_the_first_counts():
    assert run(gk.accuracy([[3.0, 1.0, 2.0]], [[0.5, 0.5, 0.0]])) == 1.0


def test_probabilities_count_like_logits():
    assert run(gk.accuracy(gk.softmax(tf.constant(LOGITS)), LABELS)) == 0.5


@pytest.mark.parametrize("one_hot", [False, True])
def test_sequences_count_each_position(one_hot):
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(4, 5, 6)).astype(np.float32)
    labels = generator.integers(0, 6, (4, 5)).astype(np.int32)
    labels[0] = logits[0].argmax(-1)
    expected = (logits.argmax(-1) == labels).mean()
    assert expected > 0
    fed = np.eye(6, dtype=np.float32)[labels] if one_hot else labels
    np.testing.assert_allclose(run(gk.accuracy(logits, fed)), expected, rtol=1e-6)


def test_as_many_classes_as_examples_are_told_apart_by_the_axes():
    assert run(gk.accuracy(np.eye(3, dtype=np.float32), np.arange(3))) == 1.0


def test_batches_add_up_to_the_whole():
    generator = np.random.default_rng(1)
    logits = generator.normal(size=(64, 4)).astype(np.float32)
    labels = generator.integers(0, 4, 64)
    features, integers = gk.feature_input(4), gk.label_input()
    share = gk.accuracy(features, integers)
    parts = [slice(0, 7), slice(7, 40), slice(40, 64)]
    total = sum(run(share, {features: logits[p], integers: labels[p]}) * (p.stop - p.start) for p in parts)
    np.testing.assert_allclose(total / 64, (logits.argmax(1) == labels).mean(), rtol=1e-6)


def test_large_batches_are_counted_exactly():
    logits = np.zeros((100_000, 2), np.float32)
    labels = np.zeros(100_000, np.int32)
    labels[:3] = 1
    np.testing.assert_allclose(run(gk.accuracy(logits, labels)), 0.99997, rtol=1e-6)


def test_it_has_no_gradient():
    logits = tf.constant(LOGITS)
    assert tf.gradients(gk.accuracy(logits, LABELS), logits) == [None]


FIT = "labels must be integers (batch,) or rows (batch, num_classes) that fit the logits; received labels="

REFUSALS = {
    "integer logits": ((LOGITS.astype("int32"), LABELS), TypeError, "logits must be a floating-point tensor"),
    "no batch axis": ((LOGITS[0], 0), ValueError, "logits must have at least 2 axes; received shape=(3,)"),
    "no logits": ((None, LABELS), TypeError, "logits must be a tensor of the default graph"),
    "no labels": ((LOGITS, None), TypeError, "labels must be a tensor of the default graph"),
    "fewer labels": ((LOGITS, [0, 1]), ValueError, f"{FIT}(2,), dtype='int32', logits=(4, 3)"),
    "float labels": ((LOGITS, [0.0] * 4), ValueError, f"{FIT}(4,), dtype='float32', logits=(4, 3)"),
    "fewer classes": ((LOGITS, LOGITS[:, 1:]), ValueError, f"{FIT}(4, 2), dtype='float32', logits=(4, 3)"),
    "label column": ((LOGITS, LABELS[:, None]), ValueError, f"{FIT}(4, 1), dtype='int64', logits=(4, 3)"),
    "one label": ((LOGITS, 1), ValueError, f"{FIT}(), dtype='int32', logits=(4, 3)"),
    "names": ((LOGITS, list("abcd")), ValueError, f"{FIT}(4,), dtype='string', logits=(4, 3)"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_accuracy_refuses(case):
    arguments, error, text = REFUSALS[case]
    with pytest.raises(error, match=f"^accuracy: {re.escape(text)}"):
        gk.accuracy(*arguments)


def test_logits_of_unknown_rank_are_refused():
    text = "accuracy: logits must have at least 2 axes; received shape='unknown'"
    with pytest.raises(ValueError, match=f"^{text}$"):
        gk.accuracy(v1.placeholder(tf.float32), [1])


def test_a_finalized_graph_takes_no_metric(fresh_graph):
    logits, labels = tf.constant(LOGITS), tf.constant(LABELS)
    fresh_graph.finalize()
    with pytest.raises(RuntimeError, match=rf"^accuracy: .*finalized.*{re.escape(__file__)}:\d+$"):
        gk.accuracy(logits, labels)


def test_a_finalized_graph_is_named_for_arrays_too(fresh_graph):
    fresh_graph.finalize()
    with pytest.raises(RuntimeError, match=rf"^accuracy: .*finalized.*{re.escape(__file__)}:\d+$"):
        gk.accuracy(LOGITS, LABELS)
