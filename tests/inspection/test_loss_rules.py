"""Rules on how a loss is computed: each planted problem is found at its line, and gone when it is fixed."""

import pytest
import tensorflow as tf
from inspection.planted import check_planted, check_valid, classifier, classify, features, layer, rules_of

import graphkit as gk
from graphkit.inspection import loss_rules

V1 = tf.compat.v1


def softmax_before_loss(fixed):
    logits, labels = classifier()
    outputs = logits if fixed else gk.softmax(logits)
    return gk.softmax_cross_entropy(outputs, labels)  # PROBLEM


def relu_before_loss(fixed):
    logits, labels = classifier()
    outputs = logits if fixed else tf.nn.relu(logits)
    return gk.softmax_cross_entropy(outputs, labels)  # PROBLEM


def softmax_before_plain_loss(fixed):
    logits = layer(features(), 3, "logits")
    outputs = tf.identity(logits if fixed else tf.nn.softmax(logits))
    labels = features("labels", 3)
    return tf.reduce_mean(
        tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=tf.reshape(outputs, (-1, 3)))  # PROBLEM
    )


def sigmoid_before_loss(fixed):
    logits, labels = gk.dense(features(), 2), features("labels", 2)
    outputs = logits if fixed else tf.sigmoid(logits)
    return gk.sigmoid_cross_entropy(outputs, labels)  # PROBLEM


def sigmoid_before_weighted_loss(fixed):
    logits, labels = gk.dense(features(), 2), features("labels", 2)
    outputs = logits if fixed else tf.sigmoid(logits)
    return tf.reduce_mean(tf.nn.weighted_cross_entropy_with_logits(labels, outputs, 2.0))  # PROBLEM


def log_of_plain_softmax(fixed):
    logits, labels = layer(features(), 3, "logits"), features("labels", 3)
    if fixed:
        return -tf.reduce_mean(labels * tf.nn.log_softmax(logits))
    return -tf.reduce_mean(labels * tf.math.log(tf.nn.softmax(logits)))  # PROBLEM


def log_of_clipped_softmax(fixed):
    logits, labels = classifier()
    logs = tf.nn.log_softmax(logits)
    if not fixed:
        logs = tf.math.log(tf.clip_by_value(gk.softmax(logits), 1e-10, 1.0))  # PROBLEM
    return -tf.reduce_mean(tf.one_hot(labels, 3) * logs)


def log_of_softmax_and_epsilon(fixed):
    logits, labels = classifier()
    if fixed:
        return gk.softmax_cross_entropy(logits, labels)
    chosen = tf.gather(gk.softmax(logits), labels, batch_dims=1)
    return -tf.reduce_mean(tf.math.log(chosen + 1e-8))  # PROBLEM


def log_of_sigmoid(fixed):
    logits, labels = gk.dense(features(), 1), features("labels", 1)
    if fixed:
        return gk.sigmoid_cross_entropy(logits, labels)
    return -tf.reduce_mean(labels + tf.math.log(1 - tf.sigmoid(logits)))  # PROBLEM


def column_against_row(fixed):
    predictions, targets = gk.dense(features(), 1), V1.placeholder(tf.float32, (None,), "targets")
    if fixed:
        targets = tf.expand_dims(targets, 1)
    return tf.reduce_mean(tf.square(predictions - targets))  # PROBLEM


def weights_against_losses(fixed):
    logits, labels = classifier()
    each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    weights = features("weights", 1)
    if fixed:
        weights = tf.squeeze(weights, axis=1)
    return tf.reduce_mean(each * weights)  # PROBLEM


def fixed_column_against_row(fixed):
    x, targets = V1.placeholder(tf.float32, (32, 4)), V1.placeholder(tf.float32, (32,))
    predictions = gk.dense(x, 1)
    predictions = predictions[:, 0] if fixed else predictions
    return tf.reduce_mean(tf.math.squared_difference(targets, predictions))  # PROBLEM


def l2_of_all_variables(fixed):
    logits, labels = classifier()
    loss = gk.softmax_cross_entropy(logits, labels)
    variables = [v for v in V1.trainable_variables() if not fixed or "bias" not in v.name]
    return loss + 1e-4 * tf.add_n([tf.nn.l2_loss(v) for v in variables])  # PROBLEM


def squares_of_a_bias(fixed):
    weights = V1.get_variable("w", (4, 1), use_resource=True)
    offset = V1.get_variable("b", (1,), use_resource=True)
    predictions = tf.matmul(features(), weights) + offset
    penalized = weights if fixed else offset
    penalty = tf.reduce_sum(tf.square(penalized))  # PROBLEM
    return gk.mean_squared_error(predictions, features("targets", 1)) + 0.01 * penalty


def l2_of_regularized_bias(fixed):
    regularizer = None if fixed else gk.l2_loss
    logits = gk.dense(features(), 3, bias_regularizer=regularizer)  # PROBLEM
    return gk.softmax_cross_entropy(logits, gk.label_input())


def l2_of_gamma(fixed):
    net = gk.batch_norm(features(), gamma_regularizer=None if fixed else gk.l2_loss)  # PROBLEM
    return gk.softmax_cross_entropy(gk.dense(net, 3), gk.label_input())


def constant_dropout(fixed):
    net = gk.dense(features(), 8, gk.relu)
    keep_prob = gk.keep_prob_input() if fixed else 0.5
    net = gk.dropout(net, keep_prob)  # PROBLEM
    return gk.softmax_cross_entropy(gk.dense(net, 3), gk.label_input())


def constant_plain_dropout(fixed):
    net = gk.dense(features(), 8, gk.relu)
    rate = V1.placeholder_with_default(0.0, ()) if fixed else 0.5
    net = tf.nn.dropout(net, rate=rate)  # PROBLEM
    return gk.softmax_cross_entropy(gk.dense(net, 3), gk.label_input())


def constant_keep_prob(fixed):
    net = gk.dense(features(), 8, gk.relu)
    keep_prob = V1.placeholder(tf.float32, ()) if fixed else tf.constant(0.5)
    net = V1.nn.dropout(net, rate=1 - keep_prob)  # PROBLEM
    return gk.softmax_cross_entropy(gk.dense(net, 3), gk.label_input())


def default_keep_prob(fixed):
    net = gk.dense(features(), 8, gk.relu)
    keep_prob = V1.placeholder_with_default(1.0 if fixed else 0.5, ())  # PROBLEM
    return gk.softmax_cross_entropy(gk.dense(gk.dropout(net, keep_prob), 3), gk.label_input())


def default_rate(fixed):
    net = gk.dense(features(), 8, gk.relu)
    keep_prob = V1.placeholder_with_default(1.0 if fixed else 0.5, ())
    net = tf.nn.dropout(net, rate=1 - keep_prob)  # PROBLEM
    return gk.softmax_cross_entropy(gk.dense(net, 3), gk.label_input())


def dropout_behind_a_flag():
    training, net = V1.placeholder_with_default(False, ()), gk.dense(gk.feature_input(4), 4)
    net = tf.cond(training, lambda: tf.nn.dropout(net, rate=0.5), lambda: net)
    net = tf.where(training, tf.nn.dropout(net, rate=0.5), net)
    return classify(gk.dropout(net, tf.where(training, 0.5, 1.0)))


def pairs_of_one_array():
    distances = gk.dense(gk.feature_input(4), 1)[:, 0]
    return tf.reduce_mean(tf.square(tf.expand_dims(distances, 1) - distances))


def vector_of_weights():
    """Returns a penalized linear regression whose weights are a vector."""
    x, targets = features(), V1.placeholder(tf.float32, (None,))
    weights = V1.get_variable("weights", (4,), use_resource=True)
    predictions = tf.reduce_sum(x * weights, axis=1)
    return tf.reduce_mean(tf.square(predictions - targets)) + tf.nn.l2_loss(weights)


# (rule, program, words of the fix)
PROBLEMS = [
    ("softmax_twice", softmax_before_loss, "give it the inputs of that softmax"),
    ("softmax_twice", softmax_before_plain_loss, "give it the inputs of that softmax"),
    ("softmax_twice", sigmoid_before_loss, "give it the inputs of that sigmoid"),
    ("softmax_twice", sigmoid_before_weighted_loss, "give it the inputs of that sigmoid"),
    ("relu_logits", relu_before_loss, "leave it out"),
    ("log_of_softmax", log_of_plain_softmax, "tf.nn.log_softmax"),
    ("log_of_softmax", log_of_clipped_softmax, "tf.nn.log_softmax"),
    ("log_of_softmax", log_of_softmax_and_epsilon, "gk.softmax_cross_entropy"),
    ("log_of_softmax", log_of_sigmoid, "tf.math.log_sigmoid"),
    ("broadcast_in_loss", column_against_row, "tf.squeeze"),
    ("broadcast_in_loss", weights_against_losses, "tf.squeeze"),
    ("broadcast_in_loss", fixed_column_against_row, "tf.squeeze"),
    ("l2_on_bias", l2_of_all_variables, "gk.l2_penalty"),
    ("l2_on_bias", squares_of_a_bias, "gk.l2_penalty"),
    ("l2_on_bias", l2_of_regularized_bias, "gk.l2_penalty"),
    ("l2_on_bias", l2_of_gamma, "gk.l2_penalty"),
    ("dropout_always_on", constant_dropout, "gk.keep_prob_input()"),
    ("dropout_always_on", constant_plain_dropout, "use a placeholder with the default 0"),
    ("dropout_always_on", constant_keep_prob, "use a placeholder with the default 0"),
    ("dropout_always_on", default_keep_prob, "make its default 1"),
    ("dropout_always_on", default_rate, "make its default 0"),
]


@pytest.mark.grid
@pytest.mark.parametrize("rule, program, fix", PROBLEMS)
def test_planted_problem(rule, program, fix):
    check_planted(rule, program, fix)


def test_every_rule_has_a_planted_problem():
    assert {rule for rule, *_ in PROBLEMS} == rules_of(loss_rules)


def logarithms_of_no_probability():
    net = gk.dense(gk.feature_input(4), 4)
    each = tf.math.log1p(tf.square(net)) + tf.math.log1p(tf.exp(net)) + tf.math.log(tf.sqrt(net))
    return classify(each + tf.math.log(tf.sigmoid(net) + net))


@pytest.mark.parametrize(
    "program", [dropout_behind_a_flag, pairs_of_one_array, vector_of_weights, logarithms_of_no_probability]
)
def test_valid_graph(program):
    check_valid(program())
