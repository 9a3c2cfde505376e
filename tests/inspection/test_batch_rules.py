"""Losses and metrics that grow with the batch are found, and those that do not pass without a word."""

import logging

import numpy as np
import pytest
import tensorflow as tf
from inspection.planted import check_planted, classifier, features, regression, rules_of

import graphkit as gk
from graphkit.graph import walk
from graphkit.inspection import batch_rules, graph_checks

V1 = tf.compat.v1


def each_loss():
    logits, labels = classifier()
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)


def sum_of_cross_entropies(fixed):
    each = each_loss()
    return tf.reduce_mean(each) if fixed else tf.reduce_sum(each)  # PROBLEM


def sum_over_classes_and_examples(fixed):
    logits = gk.dense(features(), 3)
    terms = features("targets", 3) * tf.nn.log_softmax(logits)
    if fixed:
        return -tf.reduce_mean(tf.reduce_sum(terms, axis=1))
    return -tf.reduce_sum(terms)  # PROBLEM


def half_the_squares(fixed):
    predictions, mean = regression()
    return mean if fixed else 0.5 * tf.nn.l2_loss(predictions - features("other", 1))  # PROBLEM


def divided_by_a_constant(fixed):
    each = each_loss()
    count = tf.cast(tf.shape(each)[0], tf.float32) if fixed else 32.0
    return tf.reduce_sum(each) / count + gk.l2_penalty(1e-3)  # PROBLEM


@pytest.mark.parametrize("program", [sum_of_cross_entropies, half_the_squares])
def test_sums_are_found(program):
    check_planted("sum_over_batch", program, "grows with the batch")


def test_the_message_says_how_to_write_the_mean():
    for program, fix in (
        (sum_of_cross_entropies, "use tf.reduce_mean(...) for tf.reduce_sum(...)"),
        (sum_over_classes_and_examples, "use tf.reduce_mean(tf.reduce_sum(..., axis=1))"),
    ):
        with tf.Graph().as_default():
            (finding,) = gk.check_graph(program(fixed=False))
            assert fix in finding.message
        with tf.Graph().as_default():
            assert gk.check_graph(program(fixed=True)) == []


def test_a_constant_number_of_examples_is_not_that_of_the_last_batch():
    with tf.Graph().as_default():
        (finding,) = gk.check_graph(divided_by_a_constant(fixed=False))
        assert finding.rule == "sum_over_batch"
    with tf.Graph().as_default():
        assert gk.check_graph(divided_by_a_constant(fixed=True)) == []


def weighted(each):
    weights = V1.placeholder(tf.float32, (None,), "weights")
    return tf.reduce_sum(each * weights) / tf.maximum(tf.reduce_sum(weights), 1e-8)


def normalized_weights(each):
    weights = V1.placeholder(tf.float32, (None,), "weights")
    return tf.reduce_sum(each * (weights / tf.reduce_sum(weights)))


def softmax_weights(each):
    return tf.reduce_sum(each * tf.nn.softmax(V1.placeholder(tf.float32, (None,), "scores")))


def fed_count(each):
    return tf.reduce_sum(each) / V1.placeholder(tf.float32, (), "count")


def of_sequences(each):
    tokens = gk.token_input()
    each = tf.expand_dims(each, 1) * tf.cast(tokens, tf.float32)
    return tf.reduce_mean(tf.reduce_sum(each, axis=1))


def of_sequences_in_time_order(each):
    by_time = tf.expand_dims(each, 0) * tf.cast(V1.placeholder(tf.int32, (None, None)), tf.float32)
    return tf.reduce_mean(tf.reduce_sum(by_time, axis=0))


def looked_up():
    """Returns two rows of tables for each example, as those of users and of items."""
    users, items = (
        V1.placeholder(tf.int32, (None,), "users"),
        V1.placeholder(tf.int32, (None,), "items"),
    )
    tables = [V1.get_variable(name, (7, 3), use_resource=True) for name in ("of_users", "of_items")]
    return tf.nn.embedding_lookup(tables[0], users), tf.gather(tables[1], items)


def penalty_on_rows(each):
    first, second = looked_up()
    terms = tf.nn.l2_loss(first) + 0.5 * tf.reduce_sum(first * first) + tf.reduce_sum(0.1 * tf.abs(second))
    return tf.reduce_mean(each) + 0.01 * (terms + tf.reduce_sum(tf.reduce_sum(tf.square(second), 1)))


def pairwise_ranking(each):
    first, second = looked_up()
    return tf.reduce_mean(each) - tf.reduce_sum(tf.math.log_sigmoid(tf.reduce_sum(first * second, 1)))


def setting(name="batch_size"):
    return V1.get_variable(name, initializer=32.0, trainable=False)


def over_time(each):
    return tf.expand_dims(each, 1) * tf.cast(gk.token_input(), tf.float32)


def softmax_by_hand(each):
    scores = tf.exp(over_time(each))
    return tf.reduce_mean(tf.reduce_max(scores / tf.reduce_sum(scores, axis=1, keepdims=True), axis=1))


def keras_mean(each):
    return tf.keras.losses.MeanSquaredError()(tf.zeros_like(each), each)


RIGHT = {
    "mean": tf.reduce_mean,
    "divided by the size": lambda each: tf.reduce_sum(each) / tf.cast(tf.size(each), tf.float32),
    "divided before": lambda each: tf.reduce_sum(each / tf.cast(tf.shape(each)[0], tf.float32)),
    "product of the shape": lambda each: (
        tf.reduce_sum(each) / tf.cast(tf.reduce_prod(tf.shape(each)), tf.float32)
    ),
    "weighted": weighted,
    "normalized weights": normalized_weights,
    "softmax weights": softmax_weights,
    "fed count": fed_count,
    "fed count with a default": lambda each: tf.reduce_sum(each) / V1.placeholder_with_default(32.0, ()),
    "sequences": of_sequences,
    "sequences in time order": of_sequences_in_time_order,
    "penalty on rows": penalty_on_rows,
    "a number that is kept in a variable": lambda each: tf.reduce_sum(each) / setting(),
    "a number that is kept in a variable, before": lambda each: tf.reduce_sum(each * (1 / setting())),
    "means over time and examples": lambda each: tf.reduce_mean(tf.reduce_mean(over_time(each), 1)),
    "softmax by hand": softmax_by_hand,
    "several means": lambda each: tf.reduce_sum(tf.stack([tf.reduce_mean(each), tf.reduce_mean(each**2)])),
    "towers": lambda each: tf.add_n([tf.reduce_mean(part) for part in tf.split(each, 2)]) / 2,
    "variance": lambda each: tf.reduce_mean(each) + tf.math.reduce_variance(each),
    "root": lambda each: tf.sqrt(tf.reduce_mean(tf.square(each))),
    "penalty": lambda each: tf.reduce_mean(each) + gk.l2_penalty(1e-4),
    "old losses": lambda each: V1.losses.compute_weighted_loss(each, 2.0),
    "old losses, weighted": lambda each: V1.losses.compute_weighted_loss(
        each, V1.placeholder(tf.float32, (None,)), reduction=V1.losses.Reduction.SUM_BY_NONZERO_WEIGHTS
    ),
    "old losses over the batch": lambda each: V1.losses.compute_weighted_loss(
        each, reduction=V1.losses.Reduction.SUM_OVER_BATCH_SIZE
    ),
    "keras": keras_mean,
    "kept in the graph alone": lambda each: tf.reduce_mean(each) + 0 * tf.reduce_sum(each),
    "chosen in a branch": lambda each: tf.cond(
        tf.reduce_any(each > 0), lambda: tf.reduce_sum(each), lambda: tf.reduce_mean(each)
    ),
}
WRONG = {
    "sum": tf.reduce_sum,
    "sum of logarithms of looked-up rows": pairwise_ranking,
    "sum of looked-up numbers": lambda each: tf.reduce_mean(each) + tf.reduce_sum(looked_up()[0]),
    "divided by a trained variable": lambda each: (
        tf.reduce_sum(each) / V1.get_variable("scale", initializer=2.0)
    ),
    "times a setting": lambda each: tf.reduce_sum(each) * setting(),
    "over time, then over the examples": lambda each: tf.reduce_sum(tf.reduce_sum(over_time(each), 1)),
    "in time order": lambda each: tf.reduce_sum(tf.reduce_sum(tf.transpose(over_time(each)), 0)),
    "half the squares of sums over time": lambda each: tf.nn.l2_loss(tf.reduce_sum(over_time(each), 1)),
    "sum and penalty": lambda each: 0.1 * tf.reduce_sum(each) + gk.l2_penalty(1e-4),
    "sum of two": lambda each: tf.reduce_mean(each) + tf.reduce_sum(each) / 10.0,
    "sum by tf.losses": lambda each: V1.losses.compute_weighted_loss(each, reduction="weighted_sum"),
    "masked": lambda each: tf.reduce_sum(tf.boolean_mask(each, each > 0)),
    "weighted sum": lambda each: tf.reduce_sum(each * V1.placeholder(tf.float32, (None,), "weights")),
    "penalty of unknown weight": lambda each: (
        tf.reduce_sum(each) + V1.placeholder(tf.float32, (), "beta") * gk.l2_penalty(1.0)
    ),
}


@pytest.mark.parametrize(("cases", "expected"), [(RIGHT, 0), (WRONG, 1)], ids=["right", "wrong"])
def test_losses_are_told_apart(cases, expected):
    found = {}
    for name, loss_of in cases.items():
        with tf.Graph().as_default():
            findings = gk.check_graph(loss_of(each_loss()))
            found[name] = sum(finding.rule == "sum_over_batch" for finding in findings)
    assert found == dict.fromkeys(cases, expected)


def test_all_losses_of_the_package_are_means():
    logits, labels = classifier()
    predictions, _ = regression()
    targets = features("others", 1)
    losses = [
        gk.softmax_cross_entropy(logits, labels, class_weights=[1.0, 2.0, 3.0]),
        gk.softmax_cross_entropy(logits, features("one_hot", 3), V1.placeholder(tf.float32, (None,))),
        gk.sigmoid_cross_entropy(predictions, targets),
        gk.mean_squared_error(predictions, targets, 0.5),
        gk.mean_absolute_error(predictions, targets),
    ]
    for loss in losses:
        assert [f for f in gk.check_graph(loss) if f.rule == "sum_over_batch"] == []


def test_a_fixed_batch_and_a_step_made_by_hand_pass():
    of_eight = tf.square(gk.dense(V1.placeholder(tf.float32, (8, 4), "eight"), 1, name="eight"))
    trained = V1.trainable_variables()
    assert gk.check_graph(tf.reduce_sum(of_eight), variables=trained) == []
    loss = tf.reduce_sum(each_loss())
    train_op = V1.train.GradientDescentOptimizer(0.1).minimize(loss)
    assert "sum_over_batch" not in [finding.rule for finding in gk.check_graph(loss, train_op)]


def test_metrics_that_are_sums_are_found():
    logits, labels = classifier()
    right = tf.cast(tf.equal(tf.argmax(logits, 1, output_type=tf.int32), labels), tf.float32)
    metrics = {
        "right": tf.reduce_sum(right),
        "accuracy": gk.accuracy(logits, labels),
        "k": gk.top_k_accuracy(logits, labels, 2),
        "precision": gk.precision(logits, labels).tensor,
        "matrix": gk.confusion_matrix(logits, labels).tensor,
        "auc": gk.auc(logits, labels).tensor,
        "r2": gk.r2_score(logits, features("targets", 3)).tensor,
    }
    loss = gk.softmax_cross_entropy(logits, labels)
    (finding,) = graph_checks.of_trainer(loss, V1.trainable_variables(), metrics)
    assert "the metric 'right' adds up the examples of a batch here" in finding.message


def test_a_trainer_looks_at_its_metrics(caplog):
    count = tf.reduce_sum(tf.ones_like(each := each_loss()) * tf.stop_gradient(each))
    with caplog.at_level(logging.WARNING, "graphkit"):
        gk.Trainer(tf.reduce_mean(each), "sgd", metrics={"count": count}).close()
    (message,) = [record.getMessage() for record in caplog.records]
    assert "the metric 'count' adds up the examples of a batch here" in message


@pytest.mark.slow
def test_the_rule_agrees_with_the_values():
    """The loss on a batch given twice is twice as large where the rule says that it grows."""
    for name, loss_of in {**WRONG, **RIGHT}.items():
        with tf.Graph().as_default(), V1.Session() as session:
            each = V1.placeholder(tf.float32, (None,), "each")
            V1.get_variable("kernel", (2, 2), use_resource=True)
            loss = loss_of(each)
            others = [op for op in walk.ancestors([loss]) if op.type in walk.PLACEHOLDERS and op != each.op]
            if others or "kept in a variable" in name:
                continue  # what is fed, or in a variable, may be the number of examples
            session.run(V1.global_variables_initializer())
            penalty = session.run(loss, {each: np.zeros(4, np.float32)}) if "penalty" in name else 0.0
            values = np.float32([1.0, 2.0, 3.0, 4.0])
            once, twice = (session.run(loss, {each: rows}) - penalty for rows in (values, np.tile(values, 2)))
        if name in ("sum of two", "chosen in a branch"):
            assert twice > once * 1.05, name
        else:
            assert twice == pytest.approx(once * (2 if name in WRONG else 1), rel=1e-5), name


def test_all_rules_are_tested():
    assert rules_of(batch_rules) == {"sum_over_batch"}
