"""Rules on the structure of a graph: each planted problem is found at its line, and gone when it is fixed."""

import pytest
import tensorflow as tf
from inspection.planted import (
    check_planted,
    check_valid,
    classify,
    features,
    layer,
    line_of,
    normalized,
    regression,
    rules_of,
)

import graphkit as gk
from graphkit.inspection import graph_checks, structure_rules

V1 = tf.compat.v1


def layer_apart(fixed):
    x, labels = features(), gk.label_input()
    hidden = gk.dense(x, 8, gk.relu, name="hidden")  # PROBLEM
    return gk.softmax_cross_entropy(gk.dense(hidden if fixed else x, 3), labels)


def gradient_stopped(fixed):
    kernel = V1.get_variable("kernel", (4, 8), use_resource=True)  # PROBLEM
    hidden = tf.nn.relu(tf.matmul(features(), kernel))
    hidden = hidden if fixed else tf.stop_gradient(hidden)
    return gk.softmax_cross_entropy(gk.dense(hidden, 3), gk.label_input())


def gradient_rounded(fixed):
    kernel = V1.get_variable("kernel", (4, 1), use_resource=True)  # PROBLEM
    outputs = tf.matmul(features(), kernel)
    positive = outputs if fixed else tf.cast(outputs > 0, tf.float32)
    return tf.reduce_mean(tf.square(positive - features("targets", 1)))


def gradient_of_ref_variable(fixed):
    kernel = V1.get_variable("kernel", (4, 1), use_resource=False)  # PROBLEM
    outputs = tf.matmul(features(), kernel)
    return tf.reduce_mean(outputs if fixed else tf.round(outputs))


def only_waited_for(fixed):
    kernel = V1.get_variable("kernel", (4, 1), use_resource=True)  # PROBLEM
    outputs = tf.matmul(features(), kernel)
    with tf.control_dependencies([outputs]):
        return tf.reduce_mean(outputs if fixed else gk.dense(features("other"), 1))


def regularized_apart(fixed):
    x, loss = features("other"), regression()[1]
    if not fixed:
        gk.dense(x, 2, kernel_regularizer=gk.l2_loss, trainable=False)  # PROBLEM
    return loss + 0 * tf.reduce_mean(x)


def updates_apart(fixed):
    x = features("other")
    net = gk.batch_norm(x, center=False, scale=False, training=True)  # PROBLEM
    predictions = gk.dense(net if fixed else x + 1, 1)
    return gk.mean_squared_error(predictions, features("targets", 1))


def updates_of_a_branch_apart(fixed):
    stem = gk.dense(features(), 4, gk.relu)
    kernel = V1.get_variable("branch", (4, 4), use_resource=True)  # of no gradient either
    branch = tf.matmul(stem, kernel)
    branch = gk.batch_norm(branch, center=False, scale=False, training=True)  # PROBLEM
    return gk.mean_squared_error(gk.dense(branch if fixed else stem, 1), features("targets", 1))


def contrastive(left, right):
    return tf.reduce_mean(tf.reduce_sum(tf.square(left - right), axis=1))


def towers(fixed):
    left, right = features("left"), features("right")
    one = gk.dense(left, 8, gk.relu, name="dense")
    if fixed:
        return contrastive(one, gk.dense(right, 8, gk.relu, name="dense", reuse=True))
    return contrastive(one, gk.dense(right, 8, gk.relu))  # PROBLEM


def plain_towers(fixed):
    outputs = []
    for name in ("left", "right"):
        scope = {"name_or_scope": "tower"} if fixed else {"name_or_scope": None, "default_name": "tower"}
        with V1.variable_scope(**scope, reuse=V1.AUTO_REUSE if fixed else None):
            hidden = tf.nn.relu(layer(features(name), 8, "one"))
            outputs.append(layer(hidden, 8, "two"))
    return contrastive(*outputs)


def mean_in_a_loop(fixed):
    predictions, loss = regression()
    if fixed:
        tf.reduce_mean(predictions)
    else:
        for _ in range(25):
            tf.reduce_mean(predictions)  # PROBLEM
    return loss


def assign_in_a_loop(fixed):
    _, loss = regression()
    rate = V1.get_variable("rate", (), trainable=False, use_resource=True)
    for step in range(1 if fixed else 25):
        rate.assign(0.1 / (step + 1))  # PROBLEM
    return loss


def gradients_in_a_loop(fixed):
    _, loss = regression()
    for _ in range(1 if fixed else 21):
        V1.gradients(loss, V1.trainable_variables())  # PROBLEM
    return loss


def minimize_in_a_loop(fixed):
    _, loss = regression()
    optimizer = V1.train.GradientDescentOptimizer(0.1)
    for _ in range(1 if fixed else 21):
        optimizer.minimize(loss)  # PROBLEM
    return loss


def placeholder_unused(fixed):
    targets = gk.feature_input(1, name="targets")
    mask = V1.placeholder(tf.float32, (None, 1), name="mask")  # PROBLEM
    return gk.mean_squared_error(gk.dense(features(), 1), targets, weights=mask if fixed else None)


def residual():
    net = gk.conv2d(gk.image_input(8, 8, 3), 8, 3, kernel_regularizer=gk.l2_loss)
    net = gk.residual_block(gk.residual_block(net, 8), 16, strides=2)
    return classify(net) + gk.l2_penalty(1e-4)


def inception():
    net = gk.inception_module(gk.image_input(8, 8, 8), 8, 8, 8, 8, 8, 8)
    return classify(gk.inception_module(net, 8, 8, 8, 8, 8, 8))


def recurrent(cell, length, **options):
    tokens = gk.token_input(length)
    lengths = tf.math.count_nonzero(tokens, axis=1, dtype=tf.int32)
    outputs, _ = gk.rnn(gk.embedding(tokens, 20, 8), 8, cell, lengths=lengths, **options)
    return classify(tf.reduce_mean(outputs, axis=1))


def unrolled_by_hand(steps=22):
    """Returns the loss of an RNN with a loss at each step and more outputs than are used."""
    x, labels = V1.placeholder(tf.float32, (None, steps, 4)), V1.placeholder(tf.int32, (None, steps))
    state, each = tf.zeros((tf.shape(x)[0], 8)), []
    for step in range(steps):
        with V1.variable_scope("cell", reuse=V1.AUTO_REUSE):
            state = tf.tanh(gk.dense(tf.concat([x[:, step], state], 1), 8, name="state"))
            each.append(gk.softmax_cross_entropy(gk.dense(state, 3, name="out"), labels[:, step]))
    return tf.add_n(each) / steps


def branches_of_one_input():
    x = gk.feature_input(8)
    return classify(tf.concat([gk.dense(x, 8, gk.relu), gk.dense(x, 8, gk.relu)], axis=1))


def inputs_of_two_kinds():
    """Returns a loss of two inputs whose layers happen to agree in a later shape."""
    image = gk.dense(gk.dense(gk.feature_input(20, "image"), 8, gk.relu), 8, gk.relu)
    text = gk.dense(gk.dense(gk.feature_input(12, "text"), 8, gk.relu), 8, gk.relu)
    return classify(image + text)


def columns_of_a_table():
    return classify(tf.concat([gk.dense(gk.feature_input(4), 8, gk.relu) for _ in range(4)], axis=1))


def stack_of_layers():
    net = gk.feature_input(8)
    for _ in range(22):
        net = gk.dense(net, 8, gk.relu)
    return classify(net)


def straight_through():
    """Returns a loss through a rounding that passes its gradient on."""
    net = gk.dense(gk.feature_input(4), 4)
    return classify(net + tf.stop_gradient(tf.round(net) - net))


def overridden_gradient():
    net = gk.dense(gk.feature_input(4), 4)
    with V1.get_default_graph().gradient_override_map({"Round": "Identity"}):
        return classify(tf.round(net))


# (rule, program, words of the fix)
PROBLEMS = [
    ("no_gradient", layer_apart, "connect it to the loss"),
    ("no_gradient", gradient_stopped, "trainable=False"),
    ("no_gradient", gradient_rounded, "trainable=False"),
    ("no_gradient", gradient_of_ref_variable, "trainable=False"),
    ("no_gradient", only_waited_for, "does not depend on kernel"),
    ("unreached_collections", regularized_apart, "delete its layer"),
    ("unreached_collections", updates_apart, "delete that part"),
    ("unshared_towers", towers, "AUTO_REUSE"),
    ("ops_in_loop", mean_in_a_loop, "before the loop"),
    ("ops_in_loop", assign_in_a_loop, "before the loop"),
    ("ops_in_loop", gradients_in_a_loop, "before the loop"),
    ("ops_in_loop", minimize_in_a_loop, "before the loop"),
    ("unused_placeholder", placeholder_unused, "delete it"),
]


@pytest.mark.grid
@pytest.mark.parametrize("rule, program, fix", PROBLEMS)
def test_planted_problem(rule, program, fix):
    check_planted(rule, program, fix)


def test_every_rule_has_a_planted_problem():
    assert {rule for rule, *_ in PROBLEMS} == rules_of(structure_rules)


def test_a_branch_apart_is_listed_with_its_update_ops():
    findings = gk.check_graph(updates_of_a_branch_apart(fixed=False))
    assert [finding.rule for finding in findings] == ["no_gradient", "unreached_collections"]
    assert findings[1].line == line_of(updates_of_a_branch_apart)
    with tf.Graph().as_default():
        assert gk.check_graph(updates_of_a_branch_apart(fixed=True)) == []


def test_towers_in_numbered_scopes():
    findings = gk.check_graph(plain_towers(fixed=False))
    assert {finding.rule for finding in findings} == {"unshared_towers"}
    assert {finding.op for finding in findings} == {"tower_1/one/kernel", "tower_1/one/bias"}
    with tf.Graph().as_default():
        assert gk.check_graph(plain_towers(fixed=True)) == []


VALID = {
    "batch_norm": lambda: normalized(None),
    "batch_norm in training": lambda: normalized(True),
    "residual_block": residual,
    "inception_module": inception,
    "unrolled lstm": lambda: recurrent("lstm", 4),
    "loop of a gru": lambda: recurrent("gru", None),
    "stacked": lambda: recurrent("simple", 4, bidirectional=True, num_layers=2),
    "unrolled by hand": unrolled_by_hand,
    "branches": branches_of_one_input,
    "inputs of two kinds": inputs_of_two_kinds,
    "columns": columns_of_a_table,
    "stack": stack_of_layers,
    "straight through": straight_through,
    "overridden gradient": overridden_gradient,
}
LONG = {
    "unrolled lstm": lambda: recurrent("lstm", 12),
    "bidirectional": lambda: recurrent("lstm", 12, bidirectional=True),
    "stacked": lambda: recurrent("simple", 12, bidirectional=True, num_layers=2),
    "unrolled by hand": lambda: unrolled_by_hand(40),
}


@pytest.mark.grid
@pytest.mark.parametrize("name", VALID)
def test_valid_graph(name):
    check_valid(VALID[name]())


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
def test_valid_long_graph(name):
    check_valid(LONG[name]())


def test_batch_norm_without_its_updates():
    loss = normalized(training=True)
    train_op = V1.train.GradientDescentOptimizer(0.1).minimize(loss)
    assert gk.check_graph(loss) == []
    (finding,) = gk.check_graph(loss, train_op)
    assert finding.rule == "unreached_collections"
    assert "and 1 more" in finding.message
    assert "tf.control_dependencies" in finding.message


def test_regularization_that_is_left_out():
    logits = gk.dense(features(), 3, kernel_regularizer=gk.l2_loss)
    loss = gk.softmax_cross_entropy(logits, gk.label_input())
    optimizer = V1.train.GradientDescentOptimizer(0.1)
    (finding,) = gk.check_graph(loss, optimizer.minimize(loss))
    assert finding.rule == "unreached_collections"
    assert "get_regularization_loss" in finding.message
    copy = tf.nn.l2_loss(V1.trainable_variables()[0])
    for term in (V1.losses.get_regularization_loss(), copy):
        assert "REGULARIZATION" not in graph_checks.report(gk.check_graph(loss + term, [loss]))


def test_variables_that_another_loss_trains():
    x, labels = features(), gk.label_input()
    hidden = gk.dense(x, 8, gk.relu, name="hidden")
    other = gk.softmax_cross_entropy(gk.dense(hidden, 3, name="other"), labels)
    loss = gk.softmax_cross_entropy(gk.dense(hidden, 3, name="head"), labels)
    (finding,) = gk.check_graph(loss)
    assert (finding.rule, finding.op) == ("no_gradient", "other/kernel")
    assert gk.check_graph(loss, variables=V1.trainable_variables("h")) == []
    optimizer = V1.train.GradientDescentOptimizer(0.1)
    assert gk.check_graph(loss, [optimizer.minimize(loss), optimizer.minimize(other)]) == []
