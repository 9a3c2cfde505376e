"""The reductions of `sequence_loss`, by their definitions in NumPy."""

import itertools

import numpy as np
import pytest
from references import normal, run
from tf1.contrib.seq2seq_models import log_softmax

import graphkit.tf1 as tf
from graphkit.tf1.contrib import seq2seq

LOGITS = normal(2, 3, 4)
TARGETS = np.array([[1, 0, 3], [2, 2, 0]])
WEIGHTS = np.array([[1.0, 0.5, 0.0], [2.0, 1.0, 0.0]], np.float32)
LOSSES = -np.take_along_axis(log_softmax(LOGITS), TARGETS[..., None], -1)[..., 0] * WEIGHTS


def expected(average_time, average_batch, sum_time, sum_batch):
    if average_time or average_batch:
        counts, time, batch = WEIGHTS, average_time, average_batch
    else:
        counts, time, batch = (WEIGHTS != 0) * 1.0, sum_time, sum_batch
    axes = tuple(axis for axis, chosen in ((0, batch), (1, time)) if chosen)
    if not axes:
        return LOSSES
    total = counts.sum(axes)
    return np.where(total > 0, LOSSES.sum(axes) / np.where(total > 0, total, 1), 0)


def test_every_reduction():
    cases = [
        c for c in itertools.product([True, False], repeat=4) if not ((c[0] and c[2]) or (c[1] and c[3]))
    ]
    tensors = tf.constant(LOGITS), tf.constant(TARGETS), tf.constant(WEIGHTS)
    for case, value in zip(
        cases, run([seq2seq.sequence_loss(*tensors, *case) for case in cases]), strict=True
    ):
        np.testing.assert_allclose(value, expected(*case), rtol=1e-5, err_msg=str(case))


def test_another_loss_is_given_labels_and_logits_by_name():
    def loss(labels, logits):
        return tf.cast(labels, tf.float32) + 0 * logits[:, 0]

    value = seq2seq.sequence_loss(
        tf.constant(LOGITS), tf.constant(TARGETS), tf.ones([2, 3]), softmax_loss_function=loss, name="mine"
    )
    np.testing.assert_allclose(run(value), TARGETS.mean())
    assert value.op.name.startswith("mine/")


def test_weights_of_zero_give_no_loss_and_no_gradient():
    logits = tf.constant(LOGITS)
    loss = seq2seq.sequence_loss(logits, tf.constant(TARGETS), tf.zeros([2, 3]))
    value, gradient = run([loss, tf.gradients(loss, logits)[0]])
    assert value == 0
    np.testing.assert_array_equal(gradient, np.zeros_like(LOGITS))


@pytest.mark.parametrize("place, message", [(0, "Logits must be"), (1, "Targets must"), (2, "Weights must")])
def test_ranks(place, message):
    tensors = [tf.constant(LOGITS), tf.constant(TARGETS), tf.constant(WEIGHTS)]
    tensors[place] = tensors[place][0]
    with pytest.raises(ValueError, match=message):
        seq2seq.sequence_loss(*tensors)


@pytest.mark.parametrize("axis", ["timesteps", "batch"])
def test_an_axis_is_not_averaged_and_summed(axis):
    chosen = {f"average_across_{axis}": True, f"sum_over_{axis}": True}
    with pytest.raises(ValueError, match="cannot be set to True at same time"):
        seq2seq.sequence_loss(tf.constant(LOGITS), tf.constant(TARGETS), tf.constant(WEIGHTS), **chosen)
