"""Rules on layers: each planted problem is found at its line, and gone when it is fixed."""

import pytest
import tensorflow as tf
from inspection.planted import check_planted, check_valid, classify, features, rules_of

import graphkit as gk
from graphkit import checks
from graphkit.inspection import layer_rules
from graphkit.train import objectives

V1 = tf.compat.v1


def bias_after_dense(fixed):
    net = gk.dense(features(), 3, use_bias=not fixed)
    net = gk.bias_add(net)  # PROBLEM
    return gk.softmax_cross_entropy(net, gk.label_input())


def variable_on_a_layer(fixed):
    bias = None if fixed else V1.get_variable("b", (4,), use_resource=True)  # PROBLEM
    net = tf.reshape(gk.conv2d(gk.image_input(8, 8), 4, 3), (-1, 8, 8, 4))
    return classify(gk.relu(net if fixed else bias + net))


def cell_that_ran_twice(fixed):
    for _ in range(1 if fixed else 2):
        inputs, labels = gk.feature_input(4), gk.label_input()
        net = gk.relu(gk.dense(inputs, 5, use_bias=False))  # PROBLEM
        logits = gk.dense(net, 3, use_bias=False)
        loss = gk.softmax_cross_entropy(logits, labels)
    return loss + gk.l2_penalty(0.1)


def layer_that_is_left_out(fixed):
    inputs = features()
    old = gk.dense(inputs, 5, use_bias=False, name="old")  # PROBLEM
    logits = gk.dense(tf.concat([old, inputs], 1) if fixed else inputs, 3, name="logits")
    return gk.softmax_cross_entropy(logits, gk.label_input()) + gk.l2_penalty(0.1)


def dense_without_activation(fixed):
    net = gk.dense(features(), 5, "relu" if fixed else None, name="hidden")  # PROBLEM
    return classify(net)


def products_without_activation(fixed):
    first, bias = (
        V1.get_variable("w", (4, 4), use_resource=True),
        V1.get_variable("b", (4,), use_resource=True),
    )
    net = bias + tf.matmul(features(), first)  # PROBLEM
    return classify(tf.tanh(net) if fixed else tf.identity(net))


PLANTED = {
    dense_without_activation: ("linear_layers", "between the layers of hidden/kernel and dense/kernel"),
    products_without_activation: ("linear_layers", 'activation="relu"'),
    bias_after_dense: ("bias_twice", "use_bias=False"),
    variable_on_a_layer: ("bias_twice", "has the bias conv2d/bias"),
    cell_that_ran_twice: ("only_penalised", "dense/kernel, dense_1/kernel only by a penalty"),
    layer_that_is_left_out: ("only_penalised", "give gk.l2_penalty the variables"),
}


@pytest.mark.parametrize("program", PLANTED)
def test_planted_problem_is_found_and_its_fix_is_silent(program, fresh_graph):
    # Placeholders of the network that nobody trains any more are used by it, so no other rule speaks.
    check_planted(PLANTED[program][0], program, PLANTED[program][1])


def test_each_rule_has_a_planted_problem():
    assert rules_of(layer_rules) == {rule for rule, _ in PLANTED.values()}


def test_the_remedy_of_a_cell_that_ran_twice_is_named_for_it_alone():
    (finding,) = gk.check_graph(cell_that_ran_twice(fixed=False))
    assert "begin it with gk.reset()" in finding.message
    with tf.Graph().as_default():
        (finding,) = gk.check_graph(layer_that_is_left_out(fixed=False))
        assert "gk.reset()" not in finding.message


def residual():
    net = gk.dense(features(), 4)
    return classify(net + gk.dense(net, 4))


def two_towers():
    return gk.softmax_cross_entropy(
        gk.dense(features(), 3, name="left") + gk.dense(features("y"), 3, name="right"), gk.label_input()
    )


def biases_of_two_uses():
    net = gk.dense(features(), 4)
    first, second = (V1.get_variable(name, (4,), use_resource=True) for name in ("u", "v"))
    return classify((net + first) * (net + second))


def normalized_layer():
    return classify(gk.relu(gk.layer_norm(gk.batch_norm(gk.dense(features(), 4), gamma_regularizer=None))))


def words():
    outputs, _ = gk.rnn(gk.embedding(gk.token_input(5), 10, 4), 6)
    return classify(outputs[:, -1])


def bottleneck():
    return classify(gk.dense(gk.dense(features(), 2), 8, "relu"))


def projection_with_an_end_of_its_own():
    net = gk.dense(features(), 6)
    return classify(net) + tf.reduce_mean(tf.square(net))


def recurrent_projection():
    """A kernel that is used in each step, as that of an LSTM with a projection."""
    kernel, net = V1.get_variable("k", (4, 4), use_resource=True), features()
    for _ in range(2):
        net = tf.tanh(tf.matmul(net, kernel))
    return classify(tf.matmul(net, kernel))


def penalty_alone():
    return gk.l2_loss(V1.get_variable("w", (3, 3), use_resource=True))


def drawn_from_noise():
    """Noise is not of the examples, but what is drawn from it reaches the loss, as in a GAN."""
    noise = tf.random.normal([tf.shape(features())[0], 4])
    with V1.variable_scope("g", reuse=V1.AUTO_REUSE):
        gk.dense(features("given"), 4, name="start")  # drawn from numbers of one's own
        return classify(gk.dense(noise, 4, name="start"))


VALID = [drawn_from_noise, residual, two_towers, biases_of_two_uses, normalized_layer, words, penalty_alone]
VALID += [bottleneck, projection_with_an_end_of_its_own, recurrent_projection]


@pytest.mark.parametrize("program", VALID)
def test_near_misses_are_silent(program):
    loss = program()
    check_valid(loss if program is penalty_alone else loss + gk.l2_penalty(0.1))


def test_networks_that_are_trained_one_after_the_other_are_silent():
    """Of a GAN's losses each penalises all kernels, and trains its own."""
    real, fake = features(), gk.dense(features("z"), 4, name="g")
    scores = [gk.dense(net, 1, name="d", reuse=V1.AUTO_REUSE) for net in (real, fake)]
    critic = tf.reduce_mean(scores[1] - scores[0]) + gk.l2_penalty(0.1)
    of = {name: V1.trainable_variables(f"{name}/") for name in "dg"}
    losses = {
        "critic": (critic, of["d"]),
        "maker": (-tf.reduce_mean(scores[1]) + gk.l2_penalty(0.1), of["g"]),
    }
    assert gk.check_graph(critic, variables=of["d"]) == []
    minimized = objectives.check_objectives(checks.Checker("Trainer"), losses, "sgd", None)
    assert objectives.findings(minimized, {}) == []
