"""Losses by hand and against NumPy: values, weights, gradients, and which variables L2 means."""

import math
import re

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from references import assert_agree, assert_gradients, constant, normal, refused, run

import graphkit as gk

v1 = tf.compat.v1


def labels_for(shape, num_classes, seed=0):
    return np.random.default_rng(seed).integers(0, num_classes, shape).astype(np.int32)


def fractions(*shape, seed=1):
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def cross_entropies(logits, distribution):
    """-sum over the classes of q * log softmax(logits), from the definition, in float64."""
    logits = logits.astype(np.float64)
    shifted = logits - logits.max(-1, keepdims=True)
    log_softmax = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return -(distribution * log_softmax).sum(-1)


# softmax_cross_entropy


def test_equal_logits_cost_log_of_the_number_of_classes():
    assert math.isclose(
        run(gk.softmax_cross_entropy(tf.zeros((5, 8)), np.zeros(5, int))), math.log(8), rel_tol=1e-6
    )


def test_value_by_hand():
    logits = np.log([[1.0, 2.0, 1.0], [3.0, 1.0, 4.0]])  # softmax: (1, 2, 1) / 4 and (3, 1, 4) / 8
    expected = (math.log(2) + math.log(8 / 3)) / 2
    assert math.isclose(run(gk.softmax_cross_entropy(logits, [1, 0])), expected, rel_tol=1e-6)


def test_a_sure_and_right_prediction_costs_nothing():
    assert run(gk.softmax_cross_entropy([[100.0, 0.0]], [0])) == 0


@pytest.mark.parametrize("shape", [(7,), (4, 5), (2, 3, 4)])
def test_labels_of_any_kind_agree_with_numpy(shape):
    logits, labels = normal(*shape, 6), labels_for(shape, 6)
    expected = cross_entropies(logits, np.eye(6)[labels]).mean()
    cases = {}
    for dtype in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"):
        cases[dtype] = gk.softmax_cross_entropy(logits, labels.astype(dtype)), expected
    for dtype in ("float16", "float32", "float64", "int32", "uint8", "bool"):
        one_hot = np.eye(6, dtype=dtype)[labels]
        cases["one-hot", dtype] = gk.softmax_cross_entropy(logits, one_hot), expected
    assert_agree(cases, atol=0)


def test_labels_may_be_a_distribution():
    logits, distribution = normal(5, 3), np.random.default_rng(1).dirichlet(np.ones(3), 5)
    expected = cross_entropies(logits, distribution).mean()
    np.testing.assert_allclose(run(gk.softmax_cross_entropy(logits, distribution)), expected, rtol=1e-5)


def test_loss_has_the_dtype_of_the_logits():
    for dtype in (tf.float16, tf.bfloat16, tf.float32, tf.float64):
        for labels in (np.array([0, 3]), np.eye(4, dtype=np.float32)[[0, 3]]):
            logits = tf.zeros((2, 4), dtype)
            loss = gk.softmax_cross_entropy(logits, labels, 0.5, class_weights=[1.0, 1.0, 1.0, 3.0])
            assert loss.dtype == dtype and loss.shape.rank == 0
            np.testing.assert_allclose(float(run(loss)), math.log(4), rtol=1e-2)


@pytest.mark.parametrize("size", [1e3, 1e10, 1e37])
@pytest.mark.parametrize("one_hot", [False, True])
def test_huge_logits_stay_finite(size, one_hot):
    logits = tf.constant([[size, -size, 0.0], [-size, size, 0.0]])
    labels = np.eye(3, dtype=np.float32)[[0, 0]] if one_hot else np.array([0, 0])
    loss = gk.softmax_cross_entropy(logits, labels)
    value, gradient = run([loss, *tf.gradients(loss, logits)])
    np.testing.assert_allclose(value, size, rtol=1e-6)  # the mean of 0 and 2 * size
    np.testing.assert_allclose(gradient, [[0, 0, 0], [-0.5, 0.5, 0]], atol=1e-7)


def test_weights_multiply_and_are_divided_by_the_number_of_examples():
    cases, logits, labels = {}, normal(4, 5, 3), labels_for((4, 5), 3)
    costs = cross_entropies(logits, np.eye(3)[labels])
    for weights in (2, 2.5, np.float64(0.0), -1.0):
        cases[weights] = gk.softmax_cross_entropy(logits, labels, weights), (weights * costs).mean()
    for shape in ((4, 5), (4, 1), (1, 5), (5,), ()):
        for dtype in ("float32", "float64", "int32"):
            weights = np.random.default_rng(3).uniform(0, 5, shape).astype(dtype)
            cases[shape, dtype] = gk.softmax_cross_entropy(logits, labels, weights), (weights * costs).mean()
    assert_agree(cases)


@pytest.mark.parametrize("sizes", [(12,), (1,) * 12, (5, 7), (1, 11), (3, 4, 5)])
def test_the_weighted_mean_over_a_data_set_does_not_depend_on_the_batch_size(sizes):
    logits, labels = normal(12, 4), labels_for(12, 4)
    weights = np.random.default_rng(5).uniform(0, 3, 12).astype(np.float32)
    fed = gk.feature_input(4), gk.label_input(), v1.placeholder(tf.float32, (None,))
    loss = gk.softmax_cross_entropy(*fed)
    total, start = 0, 0
    for size in sizes:
        part = slice(start, start := start + size)
        total += size * run(loss, dict(zip(fed, (logits[part], labels[part], weights[part]), strict=True)))
    expected = (weights * cross_entropies(logits, np.eye(4)[labels])).mean()
    np.testing.assert_allclose(total / 12, expected, rtol=1e-5)


def test_weights_need_no_known_batch_size():
    logits, labels = gk.feature_input(3), gk.label_input()
    loss = gk.softmax_cross_entropy(logits, labels, weights=tf.cast(labels, tf.float32))
    value = run(loss, {logits: np.zeros((4, 3)), labels: [0, 1, 2, 1]})
    np.testing.assert_allclose(value, math.log(3), rtol=1e-6)  # weights 0, 1, 2, 1


@pytest.mark.parametrize("shape", [(3,), (2, 3)])
@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_gradient_of_softmax_cross_entropy(shape, one_hot, weighted):
    labels = labels_for(shape, 4)
    logits = v1.placeholder(tf.float64, (*shape, 4))
    fed = np.eye(4)[labels] if one_hot else labels
    loss = gk.softmax_cross_entropy(logits, fed, weights=normal(*shape) if weighted else None)
    assert_gradients(loss, {logits: normal(*shape, 4, dtype=np.float64)})


def test_gradient_is_probabilities_minus_labels():
    logits, labels = tf.constant(normal(5, 4)), labels_for(5, 4)
    loss = gk.softmax_cross_entropy(logits, labels)
    (gradient,), probabilities = run([tf.gradients(loss, logits), gk.softmax(logits)])
    np.testing.assert_allclose(gradient, (probabilities - np.eye(4)[labels]) / 5, atol=1e-7)


def test_the_probabilities_are_made_next_to_the_loss(fresh_graph):
    logits = gk.dense(gk.feature_input(4), 3)
    gk.softmax_cross_entropy(logits, gk.label_input())
    fresh_graph.finalize()
    assert gk.softmax(logits).op.type == "Softmax"


def test_two_losses_of_the_same_logits_share_the_probabilities(fresh_graph):
    logits = gk.feature_input(4)
    gk.softmax_cross_entropy(logits, gk.label_input())
    gk.softmax_cross_entropy(logits, gk.one_hot_input(4))
    assert [op.type for op in fresh_graph.get_operations()].count("Softmax") == 1


FIT = "labels must be integers (batch,) or rows (batch, num_classes) that fit the logits; received labels="


BROADCAST = "weights must broadcast to one for each example; received weights="


LOGITS = np.zeros((4, 3), np.float32)


LABELS = np.zeros(4, np.int32)


REFUSALS = {
    "integer logits": ((LOGITS.astype("int32"), LABELS), TypeError, "logits must be a floating-point tensor"),
    "no batch axis": ((LOGITS[0], 0), ValueError, "logits must have at least 2 axes; received shape=(3,)"),
    "no logits": ((None, LABELS), TypeError, "logits must be a tensor of the default graph"),
    "no labels": ((LOGITS, None), TypeError, "labels must be a tensor of the default graph"),
    "fewer labels": ((LOGITS, [0, 1]), ValueError, f"{FIT}(2,), dtype='int32', logits=(4, 3)"),
    "float labels": ((LOGITS, [0.0] * 4), ValueError, f"{FIT}(4,), dtype='float32', logits=(4, 3)"),
    "fewer classes": ((LOGITS, LOGITS[:, 1:]), ValueError, f"{FIT}(4, 2), dtype='float32', logits=(4, 3)"),
    "label column": ((LOGITS, LABELS[:, None]), ValueError, f"{FIT}(4, 1), dtype='int32', logits=(4, 3)"),
    "more axes": ((LOGITS, LOGITS[None]), ValueError, f"{FIT}(1, 4, 3), dtype='float32', logits=(4, 3)"),
    "one label": ((LOGITS, 0), ValueError, f"{FIT}(), dtype='int32', logits=(4, 3)"),
    "names": ((LOGITS, list("abcd")), ValueError, f"{FIT}(4,), dtype='string', logits=(4, 3)"),
    "fewer weights": ((LOGITS, LABELS, [1.0, 2.0]), ValueError, f"{BROADCAST}(2,), losses=(4,)"),
    "weight column": ((LOGITS, LABELS, np.ones((4, 1))), ValueError, f"{BROADCAST}(4, 1), losses=(4,)"),
    "weight matrix": ((LOGITS, LABELS, np.ones((4, 4))), ValueError, f"{BROADCAST}(4, 4), losses=(4,)"),
    "more weights": ((LOGITS[:1], LABELS[:1], [1.0, 2.0]), ValueError, f"{BROADCAST}(2,), losses=(1,)"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_softmax_cross_entropy_refuses(case):
    arguments, error, text = REFUSALS[case]
    with pytest.raises(error, match=f"^softmax_cross_entropy: {re.escape(text)}"):
        gk.softmax_cross_entropy(*arguments)


def test_labels_of_unknown_rank_are_refused():
    with pytest.raises(ValueError, match=r"^softmax_cross_entropy: labels must .* received labels='unknown'"):
        gk.softmax_cross_entropy(gk.feature_input(3), v1.placeholder(tf.int32))


# class_weights of softmax_cross_entropy


CLASS_WEIGHTS = np.array([0.5, 1.0, 4.0, 0.0])


@pytest.mark.parametrize("shape", [(8,), (3, 5)])
def test_class_weights_multiply_by_label(shape):
    cases, logits, labels = {}, normal(*shape, 4), np.random.default_rng(1).integers(0, 4, shape)
    costs = CLASS_WEIGHTS[labels] * cross_entropies(logits, np.eye(4)[labels])
    kinds = [labels.astype(dtype) for dtype in ("uint8", "int8", "int32", "int64")]
    kinds += [np.eye(4, dtype=dtype)[labels] for dtype in ("int32", "bool", "float32")]
    for place, fed in enumerate(kinds):
        for weights in (None, fractions(*shape)):
            loss = gk.softmax_cross_entropy(logits, fed, weights, class_weights=CLASS_WEIGHTS)
            expected = (costs * (1 if weights is None else weights)).mean()
            cases[place, weights is None] = loss, expected
    assert_agree(cases)


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


@pytest.mark.parametrize(
    "value, shape", [([1.0], (1,)), ([1.0] * 3, (3,)), (1.0, ()), ([[1.0, 2.0]], (1, 2))]
)
def test_class_weights_of_another_number_are_refused(value, shape):
    text = "softmax_cross_entropy: class_weights must have one number for each class"
    received = re.escape(f"; received class_weights={shape}, num_classes=2")
    with pytest.raises(ValueError, match=f"^{text}{received}$"):
        gk.softmax_cross_entropy(tf.zeros((4, 2)), [0, 1, 1, 1], class_weights=value)


@pytest.mark.parametrize("value", [{0: 1.0, 1: 2.0}, object(), [1.0, None]])
def test_class_weights_that_are_not_numbers_are_refused(value):
    with pytest.raises(
        TypeError, match="^softmax_cross_entropy: class_weights must be a tensor of the default"
    ):
        gk.softmax_cross_entropy(tf.zeros((1, 2)), [0], class_weights=value)


@pytest.mark.parametrize("name", ["weights", "class_weights"])
def test_weights_that_are_texts_are_refused(name):
    with pytest.raises(TypeError, match=f"^softmax_cross_entropy: {name} must "):
        gk.softmax_cross_entropy(tf.zeros((2, 2)), [0, 1], **{name: ["a", "b"]})


# sigmoid_cross_entropy and mean_squared_error


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
def test_losses_agree_with_numpy(loss):
    for dtype in (np.float16, np.float32, np.float64):
        cases, accuracy = {}, 20 * np.finfo(dtype).eps
        for shape in ((), (5,), (4, 3), (2, 3, 4)):
            first, second = 2 * normal(*shape, dtype=dtype), fractions(*shape).astype(dtype)
            value = getattr(gk, loss)(first, second)
            assert value.dtype == dtype
            cases[shape] = value, COSTS[loss](first, second).mean()
        assert_agree(cases, accuracy, 0)


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
    logits, labels = tf.constant(normal(4, 3, dtype=np.float64)), fractions(4, 3)
    gradient = tf.gradients(gk.sigmoid_cross_entropy(logits, labels), logits)[0]
    found, expected = run([gradient, (tf.sigmoid(logits) - labels) / 12])
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_the_gradient_of_mean_squared_error_is_twice_the_mean_difference():
    predictions, targets = tf.constant(normal(4, 3)), fractions(4, 3)
    gradient = tf.gradients(gk.mean_squared_error(predictions, targets), predictions)[0]
    found, expected = run([gradient, 2 * (predictions - targets) / 12])
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_mean_squared_error_by_hand():
    assert run(gk.mean_squared_error([[1.0, 2.0], [3.0, 4.0]], [[1.0, 0.0], [0.0, 8.0]])) == 29 / 4


@each_loss
def test_the_second_may_be_of_any_kind_of_numbers(loss):
    cases, first, second = {}, normal(3, 2), np.array([[1, 0], [0, 1], [1, 1]])
    for dtype in ("int32", "uint8", "bool", "float64"):
        value = getattr(gk, loss)(first, second.astype(dtype))
        assert value.dtype == tf.float32
        cases[dtype] = value, COSTS[loss](first, second).mean()
    assert_agree(cases, 1e-6, 0)


@each_loss
def test_weights_are_divided_by_the_number_of_losses(loss):
    cases, first, second = {}, normal(4, 3), fractions(4, 3)
    costs = COSTS[loss](first, second)
    for shape in ((), (1,), (3,), (1, 3), (4, 1), (4, 3)):
        weights = 3 * fractions(*shape, seed=2)
        cases[shape] = getattr(gk, loss)(first, second, weights), (weights * costs).sum() / 12
    integers = [[2], [0], [1], [0]]
    cases["integers"] = getattr(gk, loss)(first, second, integers), (integers * costs).sum() / 12
    assert_agree(cases, atol=0)


@each_loss
def test_batches_add_up_to_the_data_set(loss):
    fed = [gk.feature_input(3, name=name) for name in ("first", "second", "weights")]
    values = [normal(10, 3), fractions(10, 3), fractions(10, 3, seed=2)]
    mean = getattr(gk, loss)(*fed)
    parts = [slice(0, 4), slice(4, 5), slice(5, 10)]
    total = sum(
        run(mean, {f: v[p] for f, v in zip(fed, values, strict=True)}) * (p.stop - p.start) for p in parts
    )
    np.testing.assert_allclose(total / 10, run(mean, dict(zip(fed, values, strict=True))), rtol=1e-5)


@each_loss
def test_other_shapes_are_refused(loss):
    one, other = FIRST[loss]
    pairs = [((4,), (4, 1)), ((4, 1), (4,)), ((4, 3), (4, 1)), ((4, 3), (3,)), ((4,), ()), ((2,), (3,))]
    for first, second in pairs:
        text = f"{loss}: {one} and {other} must have one shape; received {one}={first}, {other}={second}"
        with refused(ValueError, text):
            getattr(gk, loss)(tf.zeros(first), tf.zeros(second))
    for shape in ((4, 1, 1), (2, 3), (4,), (1, 4, 3)):
        text = (
            f"{loss}: weights must broadcast to one for each example; received weights={shape}, losses=(4, 3)"
        )
        with refused(ValueError, text):
            getattr(gk, loss)(tf.zeros((4, 3)), tf.zeros((4, 3)), tf.ones(shape))


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
def test_what_is_not_floating_point_is_refused(loss):
    text = f"{loss}: {FIRST[loss][0]} must be a floating-point tensor; received dtype='int32'"
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        getattr(gk, loss)([1, 2], [1.0, 2.0])


@each_loss
@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_is_not_a_tensor_is_refused(loss, place):
    arguments = [[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]]
    arguments[place] = object()
    name = (*FIRST[loss], "weights")[place]
    with pytest.raises(TypeError, match=f"^{loss}: {name} must be a tensor of the default graph"):
        getattr(gk, loss)(*arguments)


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


# L2


@pytest.mark.parametrize("value, expected", [([3.0, 4.0], 12.5), ([[1.0, -1.0], [2.0, 0.0]], 3), (5.0, 12.5)])
def test_l2_loss_is_half_the_sum_of_squares(value, expected):
    assert run(gk.l2_loss(value)) == expected


@pytest.mark.parametrize("dtype", [tf.float16, tf.float32, tf.float64])
def test_l2_loss_has_the_dtype_of_the_tensor(dtype):
    loss = gk.l2_loss(tf.ones((2, 3), dtype))
    assert loss.dtype == dtype and loss.shape.rank == 0 and run(loss) == 3


def test_the_gradient_of_l2_loss_is_the_tensor_itself():
    tensor = tf.constant(normal(3, 4))
    gradient, value = run([tf.gradients(gk.l2_loss(tensor), tensor)[0], tensor])
    np.testing.assert_array_equal(gradient, value)


def test_l2_loss_takes_a_variable():
    assert run(gk.l2_loss(v1.get_variable("w", initializer=[[3.0, 4.0]]))) == 12.5


def ones():
    return constant(1.0)


def test_l2_penalty_sums_over_the_kernels():
    net = gk.conv2d(tf.zeros((1, 6, 6, 2)), 3, 2, kernel_initializer=ones(), bias_initializer=ones())
    gk.dense(gk.flatten(net), 4, kernel_initializer=ones(), bias_initializer=ones())
    kernels = 2 * 2 * 2 * 3 + 5 * 5 * 3 * 4
    np.testing.assert_allclose(run(gk.l2_penalty(0.1)), 0.1 * kernels / 2, rtol=1e-6)


def test_l2_penalty_leaves_out_biases_and_batch_norm():
    net = gk.dense(tf.zeros((2, 3)), 4, kernel_initializer=ones(), bias_initializer=ones())
    net = gk.batch_norm(net, beta_initializer=ones())
    gk.bias_add(net, bias_initializer=ones())
    assert run(gk.l2_penalty(1.0)) == 3 * 4 / 2


@pytest.mark.parametrize("name", ["bias", "beta", "gamma"])
def test_l2_penalty_leaves_out_what_is_named_so_even_with_two_axes(name):
    gk.dense(tf.zeros((2, 3)), 4, kernel_initializer=ones())
    v1.get_variable(f"other/{name}", initializer=np.ones((5, 5), np.float32))
    assert run(gk.l2_penalty(1.0)) == 6


@pytest.mark.parametrize("shape", [(), (5,)])
def test_l2_penalty_leaves_out_vectors_and_scalars_of_any_name(shape):
    gk.dense(tf.zeros((2, 3)), 4, kernel_initializer=ones())
    v1.get_variable("other/kernel", shape, initializer=ones())
    assert run(gk.l2_penalty(1.0)) == 6


def test_l2_penalty_counts_kernels_made_elsewhere():
    v1.get_variable("embedding/table", initializer=np.ones((5, 2), np.float32))
    assert run(gk.l2_penalty(1.0)) == 5


def test_l2_penalty_leaves_out_what_is_not_trained():
    gk.dense(tf.zeros((2, 3)), 4, kernel_initializer=ones())
    gk.dense(tf.zeros((2, 3)), 4, kernel_initializer=ones(), trainable=False)
    assert run(gk.l2_penalty(1.0)) == 6


def test_l2_penalty_counts_a_reused_kernel_once():
    for reuse in (None, True):
        gk.dense(tf.zeros((2, 3)), 4, kernel_initializer=ones(), name="shared", reuse=reuse)
    assert run(gk.l2_penalty(1.0)) == 6


def test_l2_penalty_means_the_kernels_there_are_when_it_is_called():
    gk.dense(tf.zeros((2, 3)), 4, kernel_initializer=ones())
    penalty = gk.l2_penalty(1.0)
    gk.dense(tf.zeros((2, 3)), 4, kernel_initializer=ones())
    assert run(penalty) == 6


def test_l2_penalty_of_named_variables():
    gk.dense(tf.zeros((2, 3)), 4, kernel_initializer=ones(), bias_initializer=ones())
    _, bias = v1.trainable_variables()
    assert run(gk.l2_penalty(0.5, [bias])) == 1
    assert run(gk.l2_penalty(0.5, iter([bias, bias]))) == 2


def test_the_gradient_of_l2_penalty_is_beta_times_the_kernel():
    gk.dense(tf.zeros((2, 3)), 4)
    kernel, bias = v1.trainable_variables()
    gradients = tf.gradients(gk.l2_penalty(0.01), [kernel, bias])
    assert gradients[1] is None
    gradient, value = run([gradients[0], kernel])
    np.testing.assert_allclose(gradient, 0.01 * value, rtol=1e-6)


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float32, tf.float64])
def test_l2_penalty_is_a_float32_scalar(dtype):
    gk.dense(tf.zeros((2, 3), dtype), 4, kernel_initializer=ones())
    penalty = gk.l2_penalty(1.0)
    assert penalty.dtype == tf.float32 and penalty.shape.rank == 0 and run(penalty) == 6


def test_l2_penalty_of_half_precision_kernels_does_not_overflow():
    gk.dense(tf.zeros((1, 512), tf.float16), 512, kernel_initializer=ones())
    assert run(gk.l2_penalty(1.0)) == 512 * 512 / 2


def test_l2_penalty_may_be_switched_off_by_zero():
    gk.dense(tf.zeros((2, 3)), 4)
    assert run(gk.l2_penalty(0)) == 0


@pytest.mark.parametrize("beta", [-1e-4, math.nan, math.inf, "1", None, True])
def test_l2_penalty_refuses_beta(beta):
    gk.dense(tf.zeros((2, 3)), 4)
    error = ValueError if isinstance(beta, float) else TypeError
    text = f"l2_penalty: beta must be a finite number at least 0; received beta={beta!r}"
    with pytest.raises(error, match=f"^{re.escape(text)}$"):
        gk.l2_penalty(beta)


def test_l2_penalty_is_refused_before_the_layers():
    text = "l2_penalty: the graph must hold a kernel; call it after the layers, or name variables"
    with pytest.raises(ValueError, match=f"^{text}; received kernels=0$"):
        gk.l2_penalty(1e-4)


def test_l2_penalty_is_refused_where_there_are_only_biases():
    gk.bias_add(tf.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"^l2_penalty: the graph must hold a kernel"):
        gk.l2_penalty(1e-4)


def test_l2_penalty_refuses_an_empty_list():
    gk.dense(tf.zeros((2, 3)), 4)
    with pytest.raises(ValueError, match=r"^l2_penalty: variables must name one or more; received"):
        gk.l2_penalty(1e-4, [])


def test_l2_penalty_refuses_a_variable_that_is_in_no_list():
    gk.dense(tf.zeros((2, 3)), 4)
    with pytest.raises((TypeError, ValueError), match=r"^l2_penalty: variables must"):
        gk.l2_penalty(1e-4, v1.trainable_variables()[0])


def test_l2_penalty_refuses_what_is_not_a_tensor_by_name():
    held = []
    held.append(held)
    for variables in ([None], [held], [object()]):
        with pytest.raises(TypeError, match="^l2_penalty: variables must be a tensor"):
            gk.l2_penalty(0.1, variables)
