"""Scopes: names, numbers and reuse as in tf.layers, the global step, and graphs that cannot grow."""

import math
import os
import re
from concurrent import futures

import numpy as np
import pytest
import tensorflow as tf
from nn.layer_table import (
    BUILDERS,
    LAYERS,
    SCOPES,
    VARIABLES,
    each_builder,
    each_layer,
    good_input,
    variable_names,
)
from references import names, refused, run

import graphkit as gk
from graphkit.graph import control_flow
from graphkit.nn import scopes

v1 = tf.compat.v1


def made():
    return names(v1.global_variables())


@each_layer
def test_unnamed_layers_are_numbered(layer):
    for _ in range(3):
        LAYERS[layer]()
    scope = SCOPES[layer]
    assert made() == variable_names(layer, scope, f"{scope}_1", f"{scope}_2")


@each_layer
def test_unnamed_layers_are_numbered_anew_in_each_scope(layer):
    for outer in ("one", "two"):
        with v1.variable_scope(outer):
            LAYERS[layer]()
    assert made() == variable_names(layer, f"one/{SCOPES[layer]}", f"two/{SCOPES[layer]}")


@each_layer
def test_an_unnamed_layer_avoids_a_name_that_was_given(layer):
    LAYERS[layer](name=SCOPES[layer])
    LAYERS[layer]()
    assert made() == variable_names(layer, SCOPES[layer], f"{SCOPES[layer]}_1")


@each_layer
def test_named_layers_lie_in_the_variable_scope(layer):
    with v1.variable_scope("net"), v1.variable_scope("block"), tf.name_scope("tower"):
        LAYERS[layer](name="first")
    assert made() == variable_names(layer, "net/block/first")


@each_layer
@pytest.mark.parametrize("reuse", [True, v1.AUTO_REUSE])
def test_reuse_by_name(layer, reuse):
    LAYERS[layer](name="shared")
    LAYERS[layer](name="shared", reuse=reuse)
    assert made() == variable_names(layer, "shared")


@each_layer
@pytest.mark.parametrize("reuse", [True, v1.AUTO_REUSE])
def test_reuse_without_a_name_means_the_first_of_the_kind(layer, reuse):
    for _ in range(2):
        LAYERS[layer]()
    LAYERS[layer](reuse=reuse)
    assert made() == variable_names(layer, SCOPES[layer], f"{SCOPES[layer]}_1")


@each_layer
def test_auto_reuse_makes_what_is_not_there(layer):
    LAYERS[layer](name="shared", reuse=v1.AUTO_REUSE)
    assert made() == variable_names(layer, "shared")


@each_layer
@pytest.mark.parametrize("name", ["first", None])
@pytest.mark.parametrize("reuse", [True, v1.AUTO_REUSE])
def test_reuse_by_the_variable_scope(layer, name, reuse):
    for outer_reuse in (None, reuse):
        with v1.variable_scope("net", reuse=outer_reuse):
            LAYERS[layer](name=name)
            LAYERS[layer](name=name and "second")
    scope = SCOPES[layer]
    expected = ["net/first", "net/second"] if name else [f"net/{scope}", f"net/{scope}_1"]
    assert made() == variable_names(layer, *expected)


@each_layer
def test_reuse_variables_of_a_scope(layer):
    with v1.variable_scope("net") as scope:
        LAYERS[layer](name="first")
        scope.reuse_variables()
        LAYERS[layer](name="first")
    assert made() == variable_names(layer, "net/first")


def test_reused_layers_compute_the_same():
    pairs = {
        layer: [build(name=layer, reuse=reuse) for reuse in (None, True)] for layer, build in LAYERS.items()
    }
    for layer, (first, second) in run(pairs).items():
        np.testing.assert_array_equal(first, second, err_msg=layer)


@each_layer
def test_a_name_that_is_taken_is_refused(layer):
    LAYERS[layer](name="first")
    place = r"layer_table\.py:\d+"
    rule = rf"variable first/\w+ already exists: it was made at .*{place}, and is made again at .*{place} "
    with pytest.raises(ValueError, match=rf"{rule}.*gk\.reset\(\).*as_default.*reuse=True"):
        LAYERS[layer](name="first")


@each_layer
def test_reuse_of_what_is_not_there_is_refused(layer):
    with pytest.raises(ValueError, match=r"Variable first/\w+ does not exist"):
        LAYERS[layer](name="first", reuse=True)


OTHER_SIZES = {
    "conv2d": lambda: gk.conv2d(tf.ones((2, 4, 4, 3)), 6, 2, name="first", reuse=True),
    "dense": lambda: gk.dense(tf.ones((2, 4)), 5, name="first", reuse=True),
    "bias_add": lambda: gk.bias_add(tf.ones((2, 6)), name="first", reuse=True),
    "batch_norm": lambda: gk.batch_norm(tf.ones((2, 6)), name="first", reuse=True),
}


@pytest.mark.parametrize("layer", OTHER_SIZES)
def test_reuse_with_other_sizes_is_refused(layer):
    LAYERS[layer](name="first")
    with pytest.raises(ValueError, match=r"Trying to share variable first/\w+, but specified shape"):
        OTHER_SIZES[layer]()


REFUSED = {
    "activation": lambda good: gk.dense(tf.ones((2, 3)), 4, activation=None if good else "rectify"),
    "features": lambda good: gk.dense(
        tf.ones((2, 3)) if good else v1.placeholder(tf.float32, (None, None)), 4
    ),
    "units": lambda good: gk.dense(tf.ones((2, 3)), 4 if good else 0),
}


@pytest.mark.parametrize("argument", REFUSED)
def test_a_refused_layer_leaves_no_variables_and_takes_no_number(argument):
    with pytest.raises((TypeError, ValueError), match="^dense: "):
        REFUSED[argument](False)
    assert not v1.global_variables()
    REFUSED[argument](True)
    assert made() == ["dense/kernel:0", "dense/bias:0"]


@pytest.mark.parametrize(
    "function", ["relu", "softmax", "max_pool", "avg_pool", "global_avg_pool", "global_max_pool"]
)
def test_the_op_has_the_name_that_was_given(function):
    arguments = (tf.zeros((1, 4, 4, 1)), *((2, 2) if function in ("max_pool", "avg_pool") else ()))
    build = getattr(gk, function)
    assert build(*arguments).name == f"{function}:0"
    assert build(*arguments, name="mine").name == "mine:0"
    assert not v1.global_variables()


# The global step, which a trainer counts


def test_the_global_step_has_one_name_in_any_scope():
    with v1.variable_scope("net", regularizer=gk.l2_loss):
        step = scopes.global_step()
    assert made() == ["global_step:0"] and scopes.global_step() is step
    assert not v1.trainable_variables()
    assert not v1.get_collection(v1.GraphKeys.REGULARIZATION_LOSSES)


def test_the_global_step_that_is_there_is_taken():
    assert v1.train.get_or_create_global_step() is scopes.global_step()


def test_the_global_step_can_be_made_where_variables_are_reused():
    with v1.variable_scope("net", reuse=True):
        scopes.global_step()
    assert made() == ["global_step:0"]


@pytest.mark.parametrize("use_resource", [True, False])
@pytest.mark.parametrize("dtype", [tf.int32, tf.int64])
def test_a_programs_own_variable_of_that_name_is_the_global_step(dtype, use_resource):
    own = v1.Variable(tf.zeros((), dtype), trainable=False, name="global_step", use_resource=use_resource)
    assert scopes.global_step() is own


@pytest.mark.parametrize(
    "build",
    [
        lambda: tf.Variable(0.0, name="global_step"),
        lambda: tf.Variable([0, 0], name="global_step"),
        lambda: v1.placeholder(tf.int64, (), name="global_step"),
        lambda: tf.constant(3, name="global_step"),
    ],
)
def test_what_cannot_count_steps_keeps_the_name(build):
    build()
    step = scopes.global_step()
    assert step.op.name == "graphkit/global_step" and step.dtype == tf.int64
    assert v1.train.get_global_step() is step is scopes.global_step()


# Graphs that cannot grow


@each_builder
@pytest.mark.parametrize("kind", ["tensor", "array"])
def test_a_finalized_graph_takes_no_layer_and_names_the_callers_line(fresh_graph, function, kind):
    build, *_ = BUILDERS[function]
    value = good_input(function)
    value = tf.constant(value) if kind == "tensor" else value
    fresh_graph.finalize()
    line = f"{build.__code__.co_filename}:{build.__code__.co_firstlineno}"
    with pytest.raises(RuntimeError, match=rf"^{function}: .*finalized.*called at {re.escape(line)}$"):
        build(value)


OTHERS = {
    "embedding": lambda logits, labels: gk.embedding(labels, 7, 5),
    "l2_penalty": lambda logits, labels: gk.l2_penalty(1e-4),
    "softmax_cross_entropy": lambda logits, labels: gk.softmax_cross_entropy(logits, labels),
    "sigmoid_cross_entropy": lambda logits, labels: gk.sigmoid_cross_entropy(logits, logits),
    "mean_squared_error": lambda logits, labels: gk.mean_squared_error(logits, logits),
    "accuracy": lambda logits, labels: gk.accuracy(logits, labels),
    "top_k_accuracy": lambda logits, labels: gk.top_k_accuracy(logits, labels, 2),
    "confusion_matrix": lambda logits, labels: gk.confusion_matrix(logits, labels),
    "precision": lambda logits, labels: gk.precision(logits, labels),
    "recall": lambda logits, labels: gk.recall(logits, labels),
    "f1_score": lambda logits, labels: gk.f1_score(logits, labels),
    "image_input": lambda logits, labels: gk.image_input(28, 28),
    "feature_input": lambda logits, labels: gk.feature_input(28),
    "label_input": lambda logits, labels: gk.label_input(),
    "one_hot_input": lambda logits, labels: gk.one_hot_input(28),
    "token_input": lambda logits, labels: gk.token_input(28),
    "keep_prob_input": lambda logits, labels: gk.keep_prob_input(),
    "batch_norm": lambda logits, labels: gk.batch_norm(logits),
    "rnn": lambda logits, labels: gk.rnn(logits[np.newaxis], 2, lengths=[1]),
}


@pytest.mark.parametrize("function", OTHERS)
@pytest.mark.parametrize("kind", ["tensor", "array"])
def test_a_finalized_graph_takes_no_loss_metric_or_placeholder(fresh_graph, function, kind):
    build = OTHERS[function]
    gk.dense(gk.feature_input(3), 3)
    values = np.zeros((2, 3), np.float32), np.array([0, 1])
    values = values if kind == "array" else tuple(map(tf.constant, values))
    if function == "rnn":
        values = np.zeros((2, 3), np.float32), None  # a tensor could not be sliced in a finalized graph
    fresh_graph.finalize()
    line = f"{__file__}:{build.__code__.co_firstlineno}"
    with pytest.raises(RuntimeError, match=rf"^{function}: .*finalized.*called at {re.escape(line)}$"):
        build(*values)


def test_a_finalized_graph_takes_no_softmax_of_a_variable(fresh_graph):
    logits = v1.get_variable("logits", (3,))
    fresh_graph.finalize()
    with pytest.raises(RuntimeError, match=r"^softmax: .*finalized"):
        gk.softmax(logits)


def test_the_line_named_is_the_callers_where_its_path_begins_like_the_packages(fresh_graph):
    path = f"{os.path.dirname(gk.__file__)}_lessons/first.py"
    features = tf.ones((2, 3))
    fresh_graph.finalize()
    with pytest.raises(RuntimeError, match=f"called at {re.escape(path)}:1$"):
        exec(compile("gk.relu(features)", path, "exec"), {"gk": gk, "features": features})


@pytest.mark.v2_behavior("nothing is executed eagerly")
@pytest.mark.parametrize(
    "call",
    [
        lambda: gk.image_input(28, 28, 1),
        lambda: gk.keep_prob_input(),
        lambda: gk.dense(np.eye(2, dtype=np.float32), 2),
        lambda: gk.softmax_cross_entropy(np.eye(2, dtype=np.float32), np.arange(2)),
    ],
)
def test_without_a_graph_the_error_says_how_to_have_one(call):
    with futures.ThreadPoolExecutor() as other_thread:  # where no graph is the default
        outcome = other_thread.submit(call)
    with pytest.raises(RuntimeError, match=r"executes eagerly.*tf.Graph\(\).as_default"):
        outcome.result()


def test_the_table_of_layers_names_all_variables():
    assert list(LAYERS) == list(VARIABLES)


# What collections hand out, inside branches and functions


def squares(tensor):
    return tf.reduce_sum(tensor**2)


INSIDE = {
    "dense: activity_regularizer": lambda: gk.dense(tf.ones((2, 3)), 4, activity_regularizer=squares),
    "conv2d: activity_regularizer": lambda: gk.conv2d(
        tf.ones((2, 4, 4, 1)), 4, 3, activity_regularizer=squares
    ),
    "batch_norm: the layer": lambda: gk.batch_norm(tf.ones((2, 3))),
}


@pytest.mark.parametrize("v2", [False, True])
@pytest.mark.parametrize("what", INSIDE)
def test_what_a_trainer_could_not_reach_inside_a_branch_is_refused(what, v2):
    with control_flow.of_functions(v2):
        flag = v1.placeholder_with_default(True, ())
        with refused(ValueError, f"{what} must "):
            tf.cond(flag, lambda: tf.reduce_sum(INSIDE[what]()), lambda: 0.0)


def test_what_a_trainer_reaches_inside_a_branch_stays():
    """The loss of a kernel is computed outside, and without training there are no updates."""
    flag = v1.placeholder_with_default(True, ())

    def branch():
        net = gk.dense(
            tf.ones((2, 3)), 4, kernel_regularizer=squares, kernel_initializer=v1.ones_initializer()
        )
        return tf.reduce_sum(gk.batch_norm(net, training=False))

    value = tf.cond(flag, branch, lambda: 0.0)
    with gk.Trainer(value) as trainer:
        # Each of eight outputs is the sum of three ones by sqrt(1 + 0.001), and the kernel has twelve ones.
        loss = trainer.session.run(trainer.training_step.loss)
    np.testing.assert_allclose(loss, 8 * 3 / math.sqrt(1.001) + 12, rtol=1e-5)


def test_a_scope_as_the_name_is_the_layers_own():
    with v1.variable_scope("net"), v1.variable_scope("own") as scope:
        outputs = gk.dense(gk.feature_input(3), 2, name=scope)
    assert outputs.name == "net/own/BiasAdd:0"
    assert made() == ["net/own/kernel:0", "net/own/bias:0"]
