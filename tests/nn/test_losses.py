"""Losses: values by hand and against NumPy, weights, gradients, and which variables L2 means."""

import math
import re

import numpy as np
import pytest
import tensorflow as tf
from references import normal, run

import graphkit as gk

v1 = tf.compat.v1


def labels_for(shape, num_classes, seed=0):
    return np.random.default_rng(seed).integers(0, num_classes, shape).astype(np.int32)


def cross_entropies(logits, distribution):
    """-sum over the classes of q * log softmax(logits), from the definition, in float64."""
    logits = logits.astype(np.float64)
    shifted = logits - logits.max(-1, keepdims=True)
    log_softmax = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return -(distribution * log_softmax).sum(-1)


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
def test_integer_labels_agree_with_numpy(shape):
    logits, labels = normal(*shape, 6), labels_for(shape, 6)
    expected = cross_entropies(logits, np.eye(6)[labels]).mean()
    np.testing.assert_allclose(run(gk.softmax_cross_entropy(logits, labels)), expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [(7,), (4, 5), (2, 3, 4)])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "uint8", "bool"])
def test_one_hot_labels_agree_with_integer_labels(shape, dtype):
    logits, labels = tf.constant(normal(*shape, 6)), labels_for(shape, 6)
    one_hot = np.eye(6, dtype=dtype)[labels]
    sparse = gk.softmax_cross_entropy(logits, labels)
    first, second = run([sparse, gk.softmax_cross_entropy(logits, one_hot)])
    np.testing.assert_allclose(first, second, rtol=1e-5)


def test_labels_may_be_a_distribution():
    logits, distribution = normal(5, 3), np.random.default_rng(1).dirichlet(np.ones(3), 5)
    expected = cross_entropies(logits, distribution).mean()
    np.testing.assert_allclose(run(gk.softmax_cross_entropy(logits, distribution)), expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_labels_may_be_any_integers(dtype):
    labels = np.array([0, 3]).astype(dtype)
    loss = run(gk.softmax_cross_entropy(tf.zeros((2, 4)), labels))
    assert math.isclose(loss, math.log(4), rel_tol=1e-6)


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float32, tf.float64])
@pytest.mark.parametrize("one_hot", [False, True])
def test_loss_has_the_dtype_of_the_logits(dtype, one_hot):
    labels = np.eye(4, dtype=np.float32)[[0, 3]] if one_hot else np.array([0, 3])
    loss = gk.softmax_cross_entropy(tf.zeros((2, 4), dtype), labels, weights=0.5)
    assert loss.dtype == dtype and loss.shape.rank == 0
    np.testing.assert_allclose(float(run(loss)), math.log(4) / 2, rtol=1e-2)


@pytest.mark.parametrize("size", [1e3, 1e10, 1e37])
@pytest.mark.parametrize("one_hot", [False, True])
def test_huge_logits_stay_finite(size, one_hot):
    logits = tf.constant([[size, -size, 0.0], [-size, size, 0.0]])
    labels = np.eye(3, dtype=np.float32)[[0, 0]] if one_hot else np.array([0, 0])
    loss = gk.softmax_cross_entropy(logits, labels)
    value, gradient = run([loss, *tf.gradients(loss, logits)])
    np.testing.assert_allclose(value, size, rtol=1e-6)  # the mean of 0 and 2 * size
    np.testing.assert_allclose(gradient, [[0, 0, 0], [-0.5, 0.5, 0]], atol=1e-7)


@pytest.mark.parametrize("weights", [2, 2.5, np.float64(0.0), -1.0])
def test_a_scalar_weight_multiplies(weights):
    logits, labels = normal(6, 4), labels_for(6, 4)
    expected = weights * cross_entropies(logits, np.eye(4)[labels]).mean()
    value = run(gk.softmax_cross_entropy(logits, labels, weights))
    np.testing.assert_allclose(value, expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_weights_per_example_are_divided_by_the_number_of_examples(dtype):
    logits, labels = normal(4, 3), labels_for(4, 3)
    weights = np.array([0, 1, 2, 5]).astype(dtype)
    expected = (weights * cross_entropies(logits, np.eye(3)[labels])).sum() / 4
    value = run(gk.softmax_cross_entropy(logits, labels, weights))
    np.testing.assert_allclose(value, expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [(4, 5), (4, 1), (1, 5), (5,), ()])
def test_weights_broadcast_over_positions(shape):
    logits, labels = normal(4, 5, 3), labels_for((4, 5), 3)
    weights = np.random.default_rng(3).uniform(0, 2, shape)
    expected = (weights * cross_entropies(logits, np.eye(3)[labels])).mean()
    value = run(gk.softmax_cross_entropy(logits, labels, weights))
    np.testing.assert_allclose(value, expected, rtol=1e-5)


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


def central_differences(function, point, step=1e-6):
    """Returns the gradient of a scalar function of an array, element by element."""
    gradient = np.zeros_like(point)
    for index in np.ndindex(*point.shape):
        moved = [point.copy(), point.copy()]
        moved[0][index] += step
        moved[1][index] -= step
        gradient[index] = (function(moved[0]) - function(moved[1])) / (2 * step)
    return gradient


@pytest.mark.parametrize("shape", [(3,), (2, 3)])
@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_gradient_agrees_with_finite_differences(shape, one_hot, weighted):
    point, labels = normal(*shape, 4, dtype=np.float64), labels_for(shape, 4)
    logits = v1.placeholder(tf.float64, point.shape)
    fed = np.eye(4)[labels] if one_hot else labels
    loss = gk.softmax_cross_entropy(logits, fed, weights=normal(*shape) if weighted else None)
    with v1.Session() as session:
        numeric = central_differences(lambda value: session.run(loss, {logits: value}), point)
        (analytic,) = session.run(tf.gradients(loss, logits), {logits: point})
    np.testing.assert_allclose(analytic, numeric, rtol=1e-6, atol=1e-8)


def test_gradient_is_probabilities_minus_labels():
    logits, labels = tf.constant(normal(5, 4)), labels_for(5, 4)
    loss = gk.softmax_cross_entropy(logits, labels)
    (gradient,), probabilities = run([tf.gradients(loss, logits), gk.softmax(logits)])
    np.testing.assert_allclose(gradient, (probabilities - np.eye(4)[labels]) / 5, atol=1e-7)


def test_the_probabilities_are_made_beside_the_loss(fresh_graph):
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


@pytest.mark.parametrize("value, dtype", [(np.zeros(3, np.int32), "int32"), (1, "int32"), ("a", "string")])
def test_l2_loss_refuses_what_is_not_floating_point(value, dtype):
    text = f"l2_loss: tensor must be a floating-point tensor; received dtype='{dtype}'"
    with pytest.raises(TypeError, match=f"^{text}$"):
        gk.l2_loss(value)


def ones():
    return v1.ones_initializer()


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


def test_l2_penalty_takes_in_kernels_made_elsewhere():
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


@pytest.mark.parametrize(
    "function, build",
    [
        ("softmax_cross_entropy", lambda x, labels: gk.softmax_cross_entropy(x, labels)),
        ("l2_loss", lambda x, labels: gk.l2_loss(x)),
        ("l2_penalty", lambda x, labels: gk.l2_penalty(1e-4)),
        ("softmax_cross_entropy", lambda x, labels: gk.softmax_cross_entropy(np.zeros((2, 3), "f"), [0, 1])),
        ("l2_loss", lambda x, labels: gk.l2_loss([3.0, 4.0])),
    ],
    ids=["softmax_cross_entropy", "l2_loss", "l2_penalty", "softmax_cross_entropy-array", "l2_loss-array"],
)
def test_a_finalized_graph_takes_no_loss(fresh_graph, function, build):
    logits, labels = gk.dense(gk.feature_input(3), 3), gk.label_input()
    fresh_graph.finalize()
    line = f"{__file__}:{build.__code__.co_firstlineno}"
    with pytest.raises(RuntimeError, match=rf"^{function}: .*finalized.*called at {re.escape(line)}$"):
        build(logits, labels)


def test_l2_penalty_refuses_what_is_no_tensor_by_name():
    held = []
    held.append(held)
    for variables in ([None], [held], [object()]):
        with pytest.raises(TypeError, match="^l2_penalty: variables must be a tensor"):
            gk.l2_penalty(0.1, variables)
