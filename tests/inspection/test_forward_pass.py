"""Which ops of a graph are its forward pass, and what a target may be."""

import numpy as np
import pytest
import tensorflow as tf
from inspection.graphs import raw_tf1, trained_parameters

import graphkit as gk

V1 = tf.compat.v1


@pytest.mark.parametrize("use_resource", [True, False])
def test_the_complete_training_graph_is_that_of_its_loss(use_resource):
    """Gradients, slots, decay of the rate, averages, savers and initial values are left out."""
    logits = raw_tf1(50, use_resource)
    loss = tf.reduce_mean(tf.square(logits - V1.placeholder(tf.float32, (50, 16))))
    before = gk.summary(loss)
    step = V1.train.get_or_create_global_step()
    rate = V1.train.exponential_decay(0.1, step, 10, 0.9)
    optimizer = V1.train.MomentumOptimizer(rate, 0.9)
    gradients, variables = zip(*optimizer.compute_gradients(loss), strict=True)
    clipped, _ = tf.clip_by_global_norm(gradients, 1.0)
    optimizer.apply_gradients(zip(clipped, variables, strict=True), step)
    tf.train.ExponentialMovingAverage(0.9).apply(V1.trainable_variables())
    V1.train.Saver()
    V1.global_variables_initializer()
    assert gk.summary() == gk.summary(V1.get_default_graph()) == before


def test_what_is_built_on_a_tensor_does_not_change_its_summary():
    logits = gk.mlp(gk.image_input(28, 28, 1), hidden_units=(128,))
    before = gk.summary(logits)
    loss = gk.softmax_cross_entropy(logits, gk.label_input())
    assert gk.summary(logits) == before
    tf.gradients(loss, V1.trainable_variables())
    assert gk.summary(logits) == before
    assert before.activation_bytes == 4 * (128 + 10)


def test_the_graph_of_a_trainer_can_be_read():
    images, labels, keep_prob = gk.image_input(8, 8, 1), gk.label_input(), gk.keep_prob_input()
    logits = gk.convnet(images, keep_prob=keep_prob)
    loss = gk.softmax_cross_entropy(logits, labels) + gk.l2_penalty(1e-4)
    alone, network = gk.summary(loss), gk.summary(logits)
    with gk.Trainer(loss, clip_norm=1.0, metrics={"accuracy": gk.accuracy(logits, labels)}):
        assert gk.summary(loss) == alone
        complete = gk.summary()
        ops = V1.get_default_graph().get_operations()
    assert ops == V1.get_default_graph().get_operations()
    assert [line.layer for line in complete.rows][: len(network.rows)] == [r.layer for r in network.rows]
    assert complete.parameters == network.parameters == trained_parameters()
    assert network.flops <= complete.flops <= network.flops + 100  # the loss and the accuracy
    assert complete.weight_bytes == network.weight_bytes


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        (
            lambda: 3,
            TypeError,
            "summary: target must be a tensor of a graph, a list of tensors, or a tf.Graph",
        ),
        (lambda: [gk.feature_input(3), "x"], TypeError, "received target='x'"),
        (lambda: np.zeros(3), TypeError, "target must be a tensor"),
        (lambda: [], ValueError, r"at least one tensor; received target=\[\]"),
        (lambda: [gk.feature_input(3), of_another_graph()], ValueError, "must be of one graph"),
    ],
)
def test_refusals(target, error, message):
    with pytest.raises(error, match=message):
        gk.summary(target())


def of_another_graph():
    with tf.Graph().as_default():
        return tf.zeros(3)
