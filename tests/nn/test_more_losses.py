"""Sigmoid cross entropy, mean squared error and class weights, against NumPy from the definitions."""

import math
import re

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from references import normal, run

import graphkit as gk

v1 = tf.compat.v1


def shares(*shape, seed=1):
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def log_sigmoid(x):
    """log(1 / (1 + exp(-x))) without overflow."""
    return -np.logaddexp(0, -x)


def sigmoid_costs(logits, labels):
    """-z log p - (1 - z) log(1 - p), p the sigmoid of the logits, in float64."""
    logits, labels = np.asarray(logits, np.float64), np.asarray(labels, np.float64)
    return -labels * log_sigmoid(logits) - (1 - labels) * log_sigmoid(-logits)


def squared_errors(predictions, targets):
    return (np.asarray(predictions, np.float64) - np.asarray(targets, np.float64)) ** 2


COSTS = {"sigmoid_cross_entropy": sigmoid_costs, "mean_squared_error": squared_errors}
FIRST = {"sigmoid_cross_entropy": ("logits", "labels"), "mean_squared_error": ("predictions", "targets")}

each_loss = pytest.mark.parametrize("loss", COSTS)


@each_loss
@pytest.mark.parametrize("shape", [(), (5,), (4, 3), (2, 3, 4)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_losses_agree_with_numpy(loss, shape, dtype):
    first, second = 2 * normal(*shape, dtype=dtype), shares(*shape).astype(dtype)
    value = run(getattr(gk, loss)(first, second))
    assert value.dtype == dtype and value.shape == ()
    accuracy = 20 * np.finfo(dtype).eps
    np.testing.assert_allclose(value, COSTS[loss](first, second).mean(), rtol=accuracy)


@each_loss
@settings(max_examples=20, deadline=None)
@given(
    arrays.arrays(np.float64, (3, 2), elements=st.floats(-1e3, 1e3)),
    arrays.arrays(np.float64, (3, 2), elements=st.floats(0, 1)),
)
def test_losses_of_any_numbers_agree_with_numpy(loss, first, second):
    with tf.Graph().as_default():
        value = run(getattr(gk, loss)(first, second))
    np.testing.assert_allclose(value, COSTS[loss](first, second).mean(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "logit, label, cost",
    [(1e30, 1, 0), (-1e30, 0, 0), (1e30, 0, 1e30), (-1e4, 1, 1e4), (0, 0.5, math.log(2)), (100, 0.5, 50)],
)
def test_extreme_logits_cost_what_is_finite(logit, label, cost):
    logits = tf.constant([float(logit)])
    loss = gk.sigmoid_cross_entropy(logits, [float(label)])
    value, slope = run([loss, tf.gradients(loss, logits)[0]])
    np.testing.assert_allclose(value, cost, rtol=1e-6)
    np.testing.assert_allclose(slope, [1 / (1 + np.exp(-np.clip(logit, -99.0, 99.0))) - label], atol=1e-7)


def test_two_classes_with_one_logit_are_softmax_with_the_other_at_zero():
    logits, labels = normal(6, dtype=np.float64), np.array([0, 1, 1, 0, 1, 0])
    both = np.stack([np.zeros(6), logits], axis=1)
    first, second = run([gk.sigmoid_cross_entropy(logits, labels), gk.softmax_cross_entropy(both, labels)])
    np.testing.assert_allclose(first, second, rtol=1e-12)


def test_the_gradient_of_sigmoid_cross_entropy_is_probability_less_label():
    logits, labels = tf.constant(normal(4, 3, dtype=np.float64)), shares(4, 3)
    gradient = tf.gradients(gk.sigmoid_cross_entropy(logits, labels), logits)[0]
    found, expected = run([gradient, (gk.sigmoid(logits) - labels) / 12])
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_the_gradient_of_mean_squared_error_is_twice_the_mean_difference():
    predictions, targets = tf.constant(normal(4, 3)), shares(4, 3)
    gradient = tf.gradients(gk.mean_squared_error(predictions, targets), predictions)[0]
    found, expected = run([gradient, 2 * (predictions - targets) / 12])
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_mean_squared_error_by_hand():
    assert run(gk.mean_squared_error([[1.0, 2.0], [3.0, 4.0]], [[1.0, 0.0], [0.0, 8.0]])) == 29 / 4


@each_loss
@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool", "float64"])
def test_the_second_may_be_of_any_kind_of_numbers(loss, dtype):
    first, second = normal(3, 2), np.array([[1, 0], [0, 1], [1, 1]])
    value = run(getattr(gk, loss)(first, second.astype(dtype)))
    assert value.dtype == np.float32
    np.testing.assert_allclose(value, COSTS[loss](first, second).mean(), rtol=1e-6)


@each_loss
@pytest.mark.parametrize("shape", [(), (1,), (3,), (1, 3), (4, 1), (4, 3)])
def test_weights_are_divided_by_the_number_of_losses(loss, shape):
    first, second, weights = normal(4, 3), shares(4, 3), 3 * shares(*shape, seed=2)
    value = run(getattr(gk, loss)(first, second, weights))
    np.testing.assert_allclose(value, (weights * COSTS[loss](first, second)).sum() / 12, rtol=1e-5)


@each_loss
def test_weights_may_be_integers(loss):
    first, second = normal(2, 2), shares(2, 2)
    value = run(getattr(gk, loss)(first, second, [[2], [0]]))
    np.testing.assert_allclose(value, COSTS[loss](first, second)[0].sum() / 2, rtol=1e-6)


@each_loss
def test_batches_add_up_to_the_whole(loss):
    fed = [gk.feature_input(3, name=name) for name in ("first", "second", "weights")]
    values = [normal(10, 3), shares(10, 3), shares(10, 3, seed=2)]
    mean = getattr(gk, loss)(*fed)
    parts = [slice(0, 4), slice(4, 5), slice(5, 10)]
    total = sum(
        run(mean, {f: v[p] for f, v in zip(fed, values, strict=True)}) * (p.stop - p.start) for p in parts
    )
    np.testing.assert_allclose(total / 10, run(mean, dict(zip(fed, values, strict=True))), rtol=1e-5)


@each_loss
@pytest.mark.parametrize(
    "first, second",
    [((4,), (4, 1)), ((4, 1), (4,)), ((4, 3), (4, 1)), ((4, 3), (3,)), ((4,), ()), ((2,), (3,))],
)
def test_other_shapes_are_refused(loss, first, second):
    one, other = FIRST[loss]
    text = f"{loss}: {one} and {other} must have one shape; received {one}={first}, {other}={second}"
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        getattr(gk, loss)(tf.zeros(first), tf.zeros(second))


@each_loss
def test_a_column_is_refused_also_where_the_batch_is_unknown(loss):
    one, other = FIRST[loss]
    text = f"{one} and {other} must have one shape; received {one}=(None,), {other}=(None, 1)"
    with pytest.raises(ValueError, match=re.escape(text)):
        getattr(gk, loss)(v1.placeholder(tf.float32, (None,)), gk.feature_input(1))


@each_loss
def test_unknown_rank_is_refused(loss):
    fed = v1.placeholder(tf.float32)
    with pytest.raises(ValueError, match=f"^{loss}: .* must have one shape; received .*'unknown'"):
        getattr(gk, loss)(fed, fed)


@each_loss
@pytest.mark.parametrize("shape", [(4, 1, 1), (2, 3), (4,), (1, 4, 3)])
def test_weights_that_do_not_broadcast_are_refused(loss, shape):
    text = f"{loss}: weights must broadcast to one for each example; received weights={shape}, losses=(4, 3)"
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        getattr(gk, loss)(tf.zeros((4, 3)), tf.zeros((4, 3)), tf.ones(shape))


@each_loss
def test_what_is_not_floating_point_is_refused(loss):
    text = f"{loss}: {FIRST[loss][0]} must be a floating-point tensor; received dtype='int32'"
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        getattr(gk, loss)([1, 2], [1.0, 2.0])


@each_loss
@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_is_no_tensor_is_refused(loss, place):
    arguments = [[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]]
    arguments[place] = object()
    name = (*FIRST[loss], "weights")[place]
    with pytest.raises(TypeError, match=f"^{loss}: {name} must be a tensor of the default graph"):
        getattr(gk, loss)(*arguments)


@each_loss
def test_a_finalized_graph_takes_no_loss(fresh_graph, loss):
    first = tf.zeros(3)
    fresh_graph.finalize()
    with pytest.raises(RuntimeError, match=rf"^{loss}: .*finalized.*{re.escape(__file__)}:\d+$"):
        getattr(gk, loss)(first, first)


@each_loss
def test_a_trainer_minimizes_it(loss):
    features, targets = gk.feature_input(2), v1.placeholder(tf.float32, (None, 1))
    points = normal(40, 2)
    wanted = (points[:, :1] > 0).astype(np.float32)
    mean = getattr(gk, loss)(gk.dense(features, 1), targets)
    with gk.Trainer(mean, "adam", 0.05) as trainer:
        losses = trainer.fit({features: points, targets: wanted}, epochs=15, batch_size=8, progress=False)[
            "loss"
        ]
    assert losses[-1] < losses[0]


# class_weights of softmax_cross_entropy


def softmax_costs(logits, labels):
    logits = logits.astype(np.float64)
    log_sum = np.log(np.exp(logits).sum(-1))
    return log_sum - np.take_along_axis(logits, labels[..., np.newaxis], -1)[..., 0]


CLASS_WEIGHTS = np.array([0.5, 1.0, 4.0, 0.0])


@pytest.mark.parametrize("shape", [(8,), (3, 5)])
@pytest.mark.parametrize("one_hot", [None, "int32", "bool", "float32"])
@pytest.mark.parametrize("with_weights", [False, True])
def test_class_weights_multiply_by_label(shape, one_hot, with_weights):
    logits, labels = normal(*shape, 4), np.random.default_rng(1).integers(0, 4, shape)
    weights = shares(*shape) if with_weights else None
    fed = labels if one_hot is None else np.eye(4, dtype=one_hot)[labels]
    loss = run(gk.softmax_cross_entropy(logits, fed, weights, CLASS_WEIGHTS))
    factors = CLASS_WEIGHTS[labels] * (1 if weights is None else weights)
    np.testing.assert_allclose(loss, (factors * softmax_costs(logits, labels)).mean(), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "int64"])
def test_class_weights_take_any_integer_labels(dtype):
    loss = gk.softmax_cross_entropy(tf.zeros((4, 2)), np.array([0, 1, 1, 1], dtype), class_weights=[3, 1])
    assert math.isclose(run(loss), math.log(2) * 6 / 4, rel_tol=1e-6)


def test_class_weights_of_a_distribution_are_its_mean():
    logits, labels = np.zeros((1, 2), np.float32), [[0.25, 0.75]]
    loss = run(gk.softmax_cross_entropy(logits, labels, class_weights=[4.0, 8.0]))
    assert math.isclose(loss, 7 * math.log(2), rel_tol=1e-6)  # 0.25 * 4 + 0.75 * 8


def test_equal_class_weights_change_nothing():
    logits, labels = tf.constant(normal(5, 3)), [0, 1, 2, 0, 0]
    losses = [gk.softmax_cross_entropy(logits, labels, class_weights=w) for w in (None, [1.0, 1.0, 1.0])]
    np.testing.assert_allclose(*run(losses), rtol=1e-6)


def test_balanced_class_weights_make_classes_count_alike():
    labels = np.array([0] * 8 + [1] * 2, np.int32)
    logits = np.where(labels[:, np.newaxis] == 0, [[2.0, 0.0]], [[1.0, 0.0]])
    loss = run(gk.softmax_cross_entropy(logits, labels, class_weights=gk.class_weights(labels)))
    costs = math.log(1 + math.exp(-2)), math.log(1 + math.exp(1))  # of an example of either class
    assert math.isclose(loss, sum(costs) / 2, rel_tol=1e-6)


@pytest.mark.parametrize("dtype", [tf.float16, tf.float64])
def test_the_loss_keeps_the_dtype_of_the_logits(dtype):
    loss = gk.softmax_cross_entropy(tf.zeros((2, 2), dtype), [0, 1], class_weights=[1.0, 3.0])
    assert loss.dtype == dtype and math.isclose(run(loss), 2 * math.log(2), rel_tol=2e-3)


@pytest.mark.parametrize(
    "value, shape", [([1.0], (1,)), ([1.0] * 3, (3,)), (1.0, ()), ([[1.0, 2.0]], (1, 2))]
)
def test_class_weights_of_another_number_are_refused(value, shape):
    text = "softmax_cross_entropy: class_weights must have one number for each class"
    received = re.escape(f"; received class_weights={shape}, num_classes=2")
    with pytest.raises(ValueError, match=f"^{text}{received}$"):
        gk.softmax_cross_entropy(tf.zeros((4, 2)), [0, 1, 1, 1], class_weights=value)


@pytest.mark.parametrize("value", [{0: 1.0, 1: 2.0}, object(), [1.0, None]])
def test_class_weights_that_are_no_numbers_are_refused(value):
    with pytest.raises(
        TypeError, match="^softmax_cross_entropy: class_weights must be a tensor of the default"
    ):
        gk.softmax_cross_entropy(tf.zeros((1, 2)), [0], class_weights=value)


@pytest.mark.parametrize("name", ["weights", "class_weights"])
def test_weights_that_are_texts_are_refused(name):
    with pytest.raises(TypeError, match=f"^softmax_cross_entropy: {name} must "):
        gk.softmax_cross_entropy(tf.zeros((2, 2)), [0, 1], **{name: ["a", "b"]})
