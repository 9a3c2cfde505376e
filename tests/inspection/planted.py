"""Programs with a planted problem, for the tests of check_graph's rules."""

import inspect

import tensorflow as tf

import graphkit as gk
from graphkit.inspection import graph_checks

V1 = tf.compat.v1


def features(name="x", size=4):
    return V1.placeholder(tf.float32, (None, size), name=name)


def layer(x, units, name, **options):
    """Returns x @ kernel + bias as programs without layers write it."""
    kernel = V1.get_variable(name + "/kernel", (x.shape[-1], units), use_resource=True, **options)
    bias = V1.get_variable(name + "/bias", (units,), use_resource=True, **options)
    return tf.matmul(x, kernel) + bias


def classifier():
    """Returns logits and labels without a problem."""
    return gk.dense(features(), 3, name="logits"), gk.label_input()


def regression():
    """Returns predictions (None, 1), and the mean squared error of a network without a problem."""
    predictions = gk.dense(features(), 1, name="out")
    return predictions, gk.mean_squared_error(predictions, features("targets", 1))


def classify(net):
    return gk.softmax_cross_entropy(gk.dense(gk.flatten(net), 3), gk.label_input())


def normalized(training):
    net = gk.dense(gk.feature_input(4), 8, use_bias=False)
    net = gk.relu(gk.batch_norm(net, training=training, gamma_regularizer=None))
    net = gk.batch_norm(gk.conv2d(gk.image_input(8, 8), 4, 3), training=training)[:, 0, 0] + net[:, :4]
    return classify(gk.layer_norm(net))


def line_of(program):
    """Returns "file:line" of the line of a program that has the problem."""
    lines, first = inspect.getsourcelines(program)
    (place,) = [number for number, line in enumerate(lines, first) if line.rstrip().endswith("# PROBLEM")]
    return f"{inspect.getsourcefile(program)}:{place}"


def check_planted(rule, program, fix):
    """Checks that a rule finds a program's problem at its line, and no rule finds one once it is fixed.

    Args:
      rule: name of the rule.
      program: function of `fixed`, whether its problem is fixed; the line with the problem ends with the
        comment that `line_of` looks for.
      fix: words of the message.
    """
    findings = gk.check_graph(program(fixed=False))
    found = [(finding.rule, finding.line) for finding in findings]
    assert found == [(rule, line_of(program))], graph_checks.report(findings)
    assert fix in findings[0].message
    with tf.Graph().as_default():
        assert gk.check_graph(program(fixed=True)) == []


def check_valid(loss):
    """Checks that no problem is found, neither for a Trainer nor for a training step made by hand."""
    assert gk.check_graph(loss) == []
    with tf.control_dependencies(V1.get_collection(V1.GraphKeys.UPDATE_OPS)):
        optimizer = V1.train.GradientDescentOptimizer(0.1)
        train_op = optimizer.minimize(loss + V1.losses.get_regularization_loss())
    V1.summary.histogram("loss", loss)
    assert gk.check_graph(loss, train_op) == []


def rules_of(module):
    """Returns the names of the rules that a module defines."""
    return {name for name, rule in graph_checks.RULES.items() if rule.__module__ == module.__name__}
