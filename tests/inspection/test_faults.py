"""The rules of check_graph: each planted fault is found at its line, and gone when it is mended."""

import inspect

import pytest
import tensorflow as tf

import graphkit as gk
from graphkit import runs
from graphkit.inspection import faults

V1 = tf.compat.v1


def features(name="x", size=4):
    return V1.placeholder(tf.float32, (None, size), name=name)


def layer(x, units, name, **options):
    """Returns x @ kernel + bias as programs without layers write it."""
    kernel = V1.get_variable(name + "/kernel", (x.shape[-1], units), use_resource=True, **options)
    bias = V1.get_variable(name + "/bias", (units,), use_resource=True, **options)
    return tf.matmul(x, kernel) + bias


def classifier():
    """Returns logits and labels that have no fault."""
    return gk.dense(features(), 3, name="logits"), gk.label_input()


def regression():
    """Returns predictions (None, 1), and the mean squared error of a network without fault."""
    predictions = gk.dense(features(), 1, name="out")
    return predictions, gk.mean_squared_error(predictions, features("targets", 1))


# Each program takes whether its fault is mended; the line at fault ends with a comment FAULT.


def softmax_before_loss(mended):
    logits, labels = classifier()
    outputs = logits if mended else gk.softmax(logits)
    return gk.softmax_cross_entropy(outputs, labels)  # FAULT


def softmax_before_plain_loss(mended):
    logits = layer(features(), 3, "logits")
    outputs = tf.identity(logits if mended else tf.nn.softmax(logits))
    labels = features("labels", 3)
    return tf.reduce_mean(
        tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=tf.reshape(outputs, (-1, 3)))  # FAULT
    )


def sigmoid_before_loss(mended):
    logits, labels = gk.dense(features(), 2), features("labels", 2)
    outputs = logits if mended else gk.sigmoid(logits)
    return gk.sigmoid_cross_entropy(outputs, labels)  # FAULT


def sigmoid_before_weighted_loss(mended):
    logits, labels = gk.dense(features(), 2), features("labels", 2)
    outputs = logits if mended else tf.sigmoid(logits)
    return tf.reduce_sum(tf.nn.weighted_cross_entropy_with_logits(labels, outputs, 2.0))  # FAULT


def log_of_plain_softmax(mended):
    logits, labels = layer(features(), 3, "logits"), features("labels", 3)
    if mended:
        return -tf.reduce_mean(labels * tf.nn.log_softmax(logits))
    return -tf.reduce_mean(labels * tf.math.log(tf.nn.softmax(logits)))  # FAULT


def log_of_clipped_softmax(mended):
    logits, labels = classifier()
    logs = tf.nn.log_softmax(logits)
    if not mended:
        logs = tf.math.log(tf.clip_by_value(gk.softmax(logits), 1e-10, 1.0))  # FAULT
    return -tf.reduce_sum(tf.one_hot(labels, 3) * logs)


def log_of_softmax_and_epsilon(mended):
    logits, labels = classifier()
    if mended:
        return gk.softmax_cross_entropy(logits, labels)
    chosen = tf.gather(gk.softmax(logits), labels, batch_dims=1)
    return -tf.reduce_mean(tf.math.log(chosen + 1e-8))  # FAULT


def log_of_sigmoid(mended):
    logits, labels = gk.dense(features(), 1), features("labels", 1)
    if mended:
        return gk.sigmoid_cross_entropy(logits, labels)
    return -tf.reduce_mean(labels + tf.math.log(1 - tf.sigmoid(logits)))  # FAULT


def layer_apart(mended):
    x, labels = features(), gk.label_input()
    hidden = gk.dense(x, 8, gk.relu, name="hidden")  # FAULT
    return gk.softmax_cross_entropy(gk.dense(hidden if mended else x, 3), labels)


def gradient_stopped(mended):
    kernel = V1.get_variable("kernel", (4, 8), use_resource=True)  # FAULT
    hidden = tf.nn.relu(tf.matmul(features(), kernel))
    hidden = hidden if mended else tf.stop_gradient(hidden)
    return gk.softmax_cross_entropy(gk.dense(hidden, 3), gk.label_input())


def gradient_rounded(mended):
    kernel = V1.get_variable("kernel", (4, 1), use_resource=True)  # FAULT
    outputs = tf.matmul(features(), kernel)
    positive = outputs if mended else tf.cast(outputs > 0, tf.float32)
    return tf.reduce_mean(tf.square(positive - features("targets", 1)))


def gradient_of_ref_variable(mended):
    kernel = V1.get_variable("kernel", (4, 1), use_resource=False)  # FAULT
    outputs = tf.matmul(features(), kernel)
    return tf.reduce_mean(outputs if mended else tf.round(outputs))


def regularized_apart(mended):
    x, loss = features("other"), regression()[1]
    if not mended:
        gk.dense(x, 2, kernel_regularizer=gk.l2_loss, trainable=False)  # FAULT
    return loss + 0 * tf.reduce_sum(x)


def updates_apart(mended):
    x = features("other")
    net = gk.batch_norm(x, center=False, scale=False, training=True)  # FAULT
    predictions = gk.dense(net if mended else x + 1, 1)
    return gk.mean_squared_error(predictions, features("targets", 1))


def updates_of_a_branch_apart(mended):
    stem = gk.dense(features(), 4, gk.relu)
    kernel = V1.get_variable("branch", (4, 4), use_resource=True)  # of no gradient either
    branch = tf.matmul(stem, kernel)
    branch = gk.batch_norm(branch, center=False, scale=False, training=True)  # FAULT
    return gk.mean_squared_error(gk.dense(branch if mended else stem, 1), features("targets", 1))


def column_against_row(mended):
    predictions, targets = gk.dense(features(), 1), V1.placeholder(tf.float32, (None,), "targets")
    if mended:
        targets = tf.expand_dims(targets, 1)
    return tf.reduce_mean(tf.square(predictions - targets))  # FAULT


def weights_against_losses(mended):
    logits, labels = classifier()
    each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    weights = features("weights", 1)
    if mended:
        weights = tf.squeeze(weights, axis=1)
    return tf.reduce_mean(each * weights)  # FAULT


def fixed_column_against_row(mended):
    x, targets = V1.placeholder(tf.float32, (32, 4)), V1.placeholder(tf.float32, (32,))
    predictions = gk.dense(x, 1)
    predictions = predictions[:, 0] if mended else predictions
    return tf.reduce_mean(tf.math.squared_difference(targets, predictions))  # FAULT


def l2_of_all_variables(mended):
    logits, labels = classifier()
    loss = gk.softmax_cross_entropy(logits, labels)
    variables = [v for v in V1.trainable_variables() if not mended or "bias" not in v.name]
    return loss + 1e-4 * tf.add_n([tf.nn.l2_loss(v) for v in variables])  # FAULT


def squares_of_a_bias(mended):
    weights = V1.get_variable("w", (4, 1), use_resource=True)
    offset = V1.get_variable("b", (1,), use_resource=True)
    predictions = tf.matmul(features(), weights) + offset
    penalized = weights if mended else offset
    penalty = tf.reduce_sum(tf.square(penalized))  # FAULT
    return gk.mean_squared_error(predictions, features("targets", 1)) + 0.01 * penalty


def l2_of_regularized_bias(mended):
    regularizer = None if mended else gk.l2_loss
    logits = gk.dense(features(), 3, bias_regularizer=regularizer)  # FAULT
    return gk.softmax_cross_entropy(logits, gk.label_input())


def l2_of_gamma(mended):
    net = gk.batch_norm(features(), gamma_regularizer=None if mended else gk.l2_loss)  # FAULT
    return gk.softmax_cross_entropy(gk.dense(net, 3), gk.label_input())


def constant_dropout(mended):
    net = gk.dense(features(), 8, gk.relu)
    keep_prob = gk.keep_prob_input() if mended else 0.5
    net = gk.dropout(net, keep_prob)  # FAULT
    return gk.softmax_cross_entropy(gk.dense(net, 3), gk.label_input())


def constant_plain_dropout(mended):
    net = gk.dense(features(), 8, gk.relu)
    rate = V1.placeholder_with_default(0.0, ()) if mended else 0.5
    net = tf.nn.dropout(net, rate=rate)  # FAULT
    return gk.softmax_cross_entropy(gk.dense(net, 3), gk.label_input())


def constant_keep_prob(mended):
    net = gk.dense(features(), 8, gk.relu)
    keep_prob = V1.placeholder(tf.float32, ()) if mended else tf.constant(0.5)
    net = V1.nn.dropout(net, rate=1 - keep_prob)  # FAULT
    return gk.softmax_cross_entropy(gk.dense(net, 3), gk.label_input())


def default_keep_prob(mended):
    net = gk.dense(features(), 8, gk.relu)
    keep_prob = V1.placeholder_with_default(1.0 if mended else 0.5, ())  # FAULT
    return gk.softmax_cross_entropy(gk.dense(gk.dropout(net, keep_prob), 3), gk.label_input())


def default_rate(mended):
    net = gk.dense(features(), 8, gk.relu)
    keep_prob = V1.placeholder_with_default(1.0 if mended else 0.5, ())
    net = tf.nn.dropout(net, rate=1 - keep_prob)  # FAULT
    return gk.softmax_cross_entropy(gk.dense(net, 3), gk.label_input())


def contrastive(left, right):
    return tf.reduce_mean(tf.reduce_sum(tf.square(left - right), axis=1))


def towers(mended):
    left, right = features("left"), features("right")
    one = gk.dense(left, 8, gk.relu, name="dense")
    if mended:
        return contrastive(one, gk.dense(right, 8, gk.relu, name="dense", reuse=True))
    return contrastive(one, gk.dense(right, 8, gk.relu))  # FAULT


def plain_towers(mended):
    outputs = []
    for name in ("left", "right"):
        scope = {"name_or_scope": "tower"} if mended else {"name_or_scope": None, "default_name": "tower"}
        with V1.variable_scope(**scope, reuse=V1.AUTO_REUSE if mended else None):
            hidden = tf.nn.relu(layer(features(name), 8, "one"))
            outputs.append(layer(hidden, 8, "two"))
    return contrastive(*outputs)


def mean_in_a_loop(mended):
    predictions, loss = regression()
    if mended:
        tf.reduce_mean(predictions)
    else:
        for _ in range(25):
            tf.reduce_mean(predictions)  # FAULT
    return loss


def assign_in_a_loop(mended):
    _, loss = regression()
    rate = V1.get_variable("rate", (), trainable=False, use_resource=True)
    for step in range(1 if mended else 25):
        rate.assign(0.1 / (step + 1))  # FAULT
    return loss


def gradients_in_a_loop(mended):
    _, loss = regression()
    for _ in range(1 if mended else 25):
        V1.gradients(loss, V1.trainable_variables())  # FAULT
    return loss


def minimize_in_a_loop(mended):
    _, loss = regression()
    optimizer = V1.train.GradientDescentOptimizer(0.1)
    for _ in range(1 if mended else 25):
        optimizer.minimize(loss)  # FAULT
    return loss


def placeholder_unused(mended):
    targets = gk.feature_input(1, name="targets")
    mask = V1.placeholder(tf.float32, (None, 1), name="mask")  # FAULT
    return gk.mean_squared_error(gk.dense(features(), 1), targets, weights=mask if mended else None)


# (rule, program, words of the mend)
FAULTS = [
    ("softmax_twice", softmax_before_loss, "give it what goes into that softmax"),
    ("softmax_twice", softmax_before_plain_loss, "give it what goes into that softmax"),
    ("softmax_twice", sigmoid_before_loss, "give it what goes into that sigmoid"),
    ("softmax_twice", sigmoid_before_weighted_loss, "give it what goes into that sigmoid"),
    ("log_of_softmax", log_of_plain_softmax, "tf.nn.log_softmax"),
    ("log_of_softmax", log_of_clipped_softmax, "tf.nn.log_softmax"),
    ("log_of_softmax", log_of_softmax_and_epsilon, "gk.softmax_cross_entropy"),
    ("log_of_softmax", log_of_sigmoid, "tf.math.log_sigmoid"),
    ("no_gradient", layer_apart, "connect it to the loss"),
    ("no_gradient", gradient_stopped, "trainable=False"),
    ("no_gradient", gradient_rounded, "trainable=False"),
    ("no_gradient", gradient_of_ref_variable, "trainable=False"),
    ("unreached_collections", regularized_apart, "delete its layer"),
    ("unreached_collections", updates_apart, "delete that part"),
    ("broadcast_in_loss", column_against_row, "tf.squeeze"),
    ("broadcast_in_loss", weights_against_losses, "tf.squeeze"),
    ("broadcast_in_loss", fixed_column_against_row, "tf.squeeze"),
    ("l2_on_bias", l2_of_all_variables, "gk.l2_penalty"),
    ("l2_on_bias", squares_of_a_bias, "gk.l2_penalty"),
    ("l2_on_bias", l2_of_regularized_bias, "gk.l2_penalty"),
    ("l2_on_bias", l2_of_gamma, "gk.l2_penalty"),
    ("dropout_always_on", constant_dropout, "gk.keep_prob_input()"),
    ("dropout_always_on", constant_plain_dropout, "take a placeholder with the default 0"),
    ("dropout_always_on", constant_keep_prob, "take a placeholder with the default 0"),
    ("dropout_always_on", default_keep_prob, "make its default 1"),
    ("dropout_always_on", default_rate, "make its default 0"),
    ("unshared_towers", towers, "AUTO_REUSE"),
    ("ops_in_loop", mean_in_a_loop, "before the loop"),
    ("ops_in_loop", assign_in_a_loop, "before the loop"),
    ("ops_in_loop", gradients_in_a_loop, "before the loop"),
    ("ops_in_loop", minimize_in_a_loop, "before the loop"),
    ("unused_placeholder", placeholder_unused, "delete it"),
]


def line_of(program):
    """Returns "file:line" of the line of a program that is marked as its fault."""
    lines, first = inspect.getsourcelines(program)
    (place,) = [number for number, line in enumerate(lines, first) if line.rstrip().endswith("# FAULT")]
    return f"{__file__}:{place}"


@pytest.mark.parametrize("rule, program, mend", FAULTS)
def test_fault_is_found_at_its_line(rule, program, mend):
    findings = gk.check_graph(program(mended=False))
    found = [(finding.rule, finding.line) for finding in findings]
    assert found == [(rule, line_of(program))], faults.report(findings)
    assert mend in findings[0].message
    assert faults.report(findings) == str(findings[0])


@pytest.mark.parametrize("rule, program, mend", FAULTS)
def test_mended_program_has_no_fault(rule, program, mend):
    assert gk.check_graph(program(mended=True)) == []


def test_every_rule_has_a_planted_fault():
    assert {rule for rule, *_ in FAULTS} == set(faults.RULES)


def test_a_branch_apart_is_told_with_its_update_ops():
    findings = gk.check_graph(updates_of_a_branch_apart(mended=False))
    assert [finding.rule for finding in findings] == ["no_gradient", "unreached_collections"]
    assert findings[1].line == line_of(updates_of_a_branch_apart)
    with tf.Graph().as_default():
        assert gk.check_graph(updates_of_a_branch_apart(mended=True)) == []


def test_towers_in_numbered_scopes():
    findings = gk.check_graph(plain_towers(mended=False))
    assert {finding.rule for finding in findings} == {"unshared_towers"}
    assert {finding.op for finding in findings} == {"tower_1/one/kernel", "tower_1/one/bias"}
    with tf.Graph().as_default():
        assert gk.check_graph(plain_towers(mended=True)) == []


SETTINGS = {"data": "none", "data_dir": None, "classes": tuple("abcde"), "l2": 1e-4}
WORDS = {"alphabet": "abc", "length": 12}
IMAGES = {"image_shape": (16, 16, 1)}


@pytest.mark.parametrize("model", runs.MODELS)
def test_models_have_no_fault(model):
    shape = WORDS if model in runs.WORD_MODELS else IMAGES
    network = runs.build_network(gk.RunConfig(model=model, **SETTINGS, **shape))
    assert gk.check_graph(network.loss) == []
    train_op = V1.train.AdamOptimizer().minimize(network.loss)
    assert gk.check_graph(network.loss, train_op) == []


def classify(net):
    return gk.softmax_cross_entropy(gk.dense(gk.flatten(net), 3), gk.label_input())


def normalized(training):
    net = gk.dense(gk.feature_input(4), 8, use_bias=False)
    net = gk.relu(gk.batch_norm(net, training=training, gamma_regularizer=None))
    net = gk.batch_norm(gk.conv2d(gk.image_input(8, 8), 4, 3), training=training)[:, 0, 0] + net[:, :4]
    return classify(gk.layer_norm(net))


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


def unrolled_by_hand(steps=40):
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
    for _ in range(30):
        net = gk.dense(net, 8, gk.relu)
    return classify(net)


def straight_through():
    """Returns a loss through a rounding that hands its gradient on."""
    net = gk.dense(gk.feature_input(4), 4)
    return classify(net + tf.stop_gradient(tf.round(net) - net))


def overridden_gradient():
    net = gk.dense(gk.feature_input(4), 4)
    with V1.get_default_graph().gradient_override_map({"Round": "Identity"}):
        return classify(tf.round(net))


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


SOUND = {
    "batch_norm": lambda: normalized(None),
    "batch_norm in training": lambda: normalized(True),
    "residual_block": residual,
    "inception_module": inception,
    "unrolled lstm": lambda: recurrent("lstm", 12),
    "loop of a gru": lambda: recurrent("gru", None),
    "bidirectional": lambda: recurrent("lstm", 12, bidirectional=True),
    "stacked": lambda: recurrent("simple", 12, bidirectional=True, num_layers=2),
    "unrolled by hand": unrolled_by_hand,
    "branches": branches_of_one_input,
    "inputs of two kinds": inputs_of_two_kinds,
    "columns": columns_of_a_table,
    "stack": stack_of_layers,
    "straight through": straight_through,
    "overridden gradient": overridden_gradient,
    "dropout behind a flag": dropout_behind_a_flag,
    "pairs": pairs_of_one_array,
    "vector of weights": vector_of_weights,
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_graphs_have_no_fault(name):
    loss = SOUND[name]()
    assert gk.check_graph(loss) == []
    with tf.control_dependencies(V1.get_collection(V1.GraphKeys.UPDATE_OPS)):
        train_op = V1.train.AdamOptimizer().minimize(loss + V1.losses.get_regularization_loss())
    V1.summary.histogram("loss", loss)
    assert gk.check_graph(loss, train_op) == []
    assert gk.check_graph(loss, [train_op]) == []


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
        assert "REGULARIZATION" not in faults.report(gk.check_graph(loss + term, [loss]))


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


def test_finalized_graph_is_checked_without_a_new_op(fresh_graph):
    for _, program, _ in FAULTS[::4]:
        with V1.variable_scope(program.__name__):
            loss = program(mended=False)
    fresh_graph.finalize()
    before = len(fresh_graph.get_operations())
    assert gk.check_graph(loss)
    assert len(fresh_graph.get_operations()) == before


def test_graph_of_a_trainer():
    loss = normalized(None) + gk.l2_penalty(1e-4)
    with gk.Trainer(loss) as trainer:
        assert gk.check_graph(loss) == []
        assert gk.check_graph(trainer.loss, trainer.train_op) == []


def test_imported_graph_has_no_lines(fresh_graph):
    loss = mean_in_a_loop(mended=False) + log_of_sigmoid(mended=False)
    definition = fresh_graph.as_graph_def()
    with tf.Graph().as_default():
        (copy,) = tf.import_graph_def(definition, return_elements=[loss.name])
        findings = gk.check_graph(copy)
    assert "log_of_softmax" in {finding.rule for finding in findings}


def test_other_graphs_and_kinds_are_refused():
    loss = regression()[1]
    with tf.Graph().as_default():
        other = regression()[1]
        (kernel, _) = V1.trainable_variables()
    for wrong in ("loss", 1.0, None, loss.op):
        with pytest.raises(TypeError, match="check_graph: loss must be a floating-point scalar"):
            gk.check_graph(wrong)
    for wrong in (features(), tf.constant(1)):
        with pytest.raises(ValueError, match="check_graph: loss must be a floating-point scalar .*received"):
            gk.check_graph(wrong)
    for wrong in ("train", [loss, 1]):
        with pytest.raises(TypeError, match="check_graph: train_op must be an op"):
            gk.check_graph(loss, wrong)
    with pytest.raises(ValueError, match="check_graph: train_op must be .* of the loss's graph"):
        gk.check_graph(loss, other)
    for wrong in (V1.trainable_variables()[0], [loss]):
        with pytest.raises(TypeError, match="check_graph: variables must be a list"):
            gk.check_graph(loss, variables=wrong)
    with pytest.raises(ValueError, match="check_graph: variables must be .* of the loss's graph"):
        gk.check_graph(loss, variables=[kernel])
