"""`gk.compare`: planted differences are named, equal pairs have none."""

import re
import types

import numpy as np
import pytest
import tensorflow as tf
from comparison import (
    adversarial,
    attention,
    encoders,
    equal_pairs,
    gated,
    generative,
    networks,
    numerics,
    planted,
    towers,
)
from references import normal, refused

import graphkit as gk

v1 = tf.compat.v1
OTHERS = {
    f"{module.__name__}: {name}": case
    for module in (attention, generative, gated, adversarial, encoders, numerics, towers)
    for name, case in module.DIFFERENCES.items()
}
# One of each kind of cause; all of them are in the slow test.
DEFAULT = (
    "epsilon, other ops",
    "SAME against explicit padding",
    "keep_prob against rate",
    "mean against sum",
    "no regularizer",
    "no bias",
    "softmax twice",
    "order of gates",
    "shared weights",
    "stop_gradient",
    "UPDATE_OPS",
    "momentum",
)
DEFAULT_EQUAL = (
    "BiasAdd and +, other names and order",
    "graphkit's batch norm",
    "graphkit's dropout",
    "a trainer",
)


def graph_of(given):
    return given[0].graph if isinstance(given, tuple) else given.graph


def compared(old, new):
    """Returns the comparison of what two builders make, on the inputs that they have."""
    made = old(), new()
    held = {op.name for one in made for op in graph_of(one).get_operations()}
    return gk.compare(*made, {name: value for name, value in networks.INPUTS.items() if name in held})


def is_named(old, new, words):
    found = compared(old, new)
    return not found.equal and all(word.lower() in found.finding.lower() for word in words), found.finding


def misses(table):
    named = {name: is_named(*case) for name, case in table.items()}
    return {name: finding for name, (is_right, finding) in named.items() if not is_right}


@pytest.mark.grid
@pytest.mark.parametrize("name", DEFAULT)
def test_a_planted_difference_is_named(name):
    is_right, finding = is_named(*planted.DIFFERENCES[name])
    assert is_right, finding


@pytest.mark.grid
@pytest.mark.parametrize("name", DEFAULT_EQUAL)
def test_an_equal_pair_has_no_finding(name):
    found = compared(*equal_pairs.EQUAL[name])
    assert found.equal, found
    assert found.finding.startswith("No ")


@pytest.mark.slow
def test_all_planted_differences():
    missed = misses(planted.DIFFERENCES)
    count = len(planted.DIFFERENCES)
    print(f"{count - len(missed)} of {count} planted differences are named right")
    assert not missed


@pytest.mark.slow
def test_differences_of_other_networks():
    missed = misses(OTHERS)
    print(f"{len(OTHERS) - len(missed)} of {len(OTHERS)} differences of other networks are named right")
    assert not missed


@pytest.mark.slow
def test_all_equal_pairs():
    found = {name: compared(*pair) for name, pair in equal_pairs.EQUAL.items()}
    wrong = {name: result.finding for name, result in found.items() if not result.equal}
    print(f"{len(found) - len(wrong)} of {len(found)} equal pairs have no finding")
    assert not wrong


def loss(activation=tf.nn.relu, features="features", scope=""):
    def build():
        with v1.variable_scope(scope) if scope else tf.name_scope("net"):
            hidden = gk.dense(gk.feature_input(8, name=features), 6, activation, name="hidden")
            return gk.softmax_cross_entropy(gk.dense(hidden, 5, name="logits"), gk.label_input())

    return networks.build(build)


def named_inputs(key):
    return {key: normal(7, 8), "net/labels": np.arange(7) % 5}


def test_the_result_says_where_and_how_much():
    found = gk.compare(loss(), loss(tf.nn.elu), named_inputs("net/features"))
    assert found.stage == "forward pass"
    assert found.finding == "The first difference is in the forward pass: old takes relu, new elu."
    assert re.match(r"net/hidden/Relu", found.where["old"][0])
    assert found.where["new"][1].partition(".py:")[0].endswith("test_compare")
    assert found.relative > 0 and found.difference > 0
    assert found.compared == ("forward pass",)
    partners = {row.old: row.new for row in found.table}
    assert partners["net/hidden/MatMul:0"] == "net/hidden/MatMul:0"
    assert partners["net/hidden/Relu:0"] == ""
    assert "test_compare.py" in str(found) and "have a partner" in str(found)


def test_the_graphs_stay_as_they_are():
    old = loss()
    before = old.graph.as_graph_def().SerializeToString(deterministic=True)
    gk.compare(old, old, named_inputs("net/features"))
    assert old.graph.as_graph_def().SerializeToString(deterministic=True) == before


def test_inputs_and_variables_of_other_names():
    old, new = loss(), loss(features="x", scope="model")
    inputs = {"net/features": normal(7, 8), ("net/labels", "model/labels"): np.zeros(7, int)}
    found = gk.compare(old, new, inputs)
    assert found.equal
    assert found.variables["model/hidden/kernel"] == "hidden/kernel"
    renamed = {"model/hidden/": "hidden/", "model/logits/": "logits/"}
    assert gk.compare(old, new, inputs, rename=renamed).variables == found.variables


def test_weights_of_a_session_a_checkpoint_and_arrays(tmp_path):
    old = loss()
    with old.graph.as_default(), v1.Session() as session:
        session.run(v1.global_variables_initializer())
        path = v1.train.Saver().save(session, str(tmp_path / "model"))
        values = session.run({v.op.name: v for v in v1.global_variables()})
        found = [
            gk.compare(old, loss(), named_inputs("net/features"), weights=w) for w in (session, path, values)
        ]
    assert all(one.equal for one in found)


def test_outputs_of_an_object_with_a_graph():
    class Model:
        def __init__(self, activation):
            with tf.Graph().as_default() as self.graph:
                x = gk.feature_input(8)
                self.outputs = {
                    "first": gk.dense(x, 3, name="a"),
                    "second": gk.dense(x, 3, activation, name="b"),
                }

    inputs = {"features": normal(4, 8)}
    assert gk.compare(Model(None), Model(None), inputs).equal
    assert "tanh" in gk.compare(Model(None), Model(tf.tanh), inputs).finding


def with_outputs(count):
    graph = tf.Graph()
    with graph.as_default():
        return types.SimpleNamespace(graph=graph, outputs=[tf.constant(1.0) for _ in range(count)])


def test_refusals():
    old, new = loss(), loss()
    with refused(ValueError, "compare: inputs must have a value for each placeholder of the old graph"):
        gk.compare(old, new, {"net/features": normal(7, 8)})
    with refused(ValueError, "compare: a key of inputs must be in one of the graphs (near it: net/features"):
        gk.compare(old, new, {"net/feature": normal(7, 8)})
    with refused(ValueError, "compare: net/features:0 of the old graph has shape"):
        gk.compare(old, new, {"net/features": normal(7, 9)})
    with refused(TypeError, "compare: inputs must be {name"):
        gk.compare(old, new, [1])
    with refused(TypeError, "compare: old must be a tensor of a graph"):
        gk.compare(1, new, {})
    with refused(TypeError, "compare: weights must be None"):
        gk.compare(old, new, named_inputs("net/features"), weights=3)
    with refused(ValueError, "compare: weights must have a value for each variable"):
        gk.compare(old, new, named_inputs("net/features"), weights={})


def test_a_variable_is_not_compared():
    with tf.Graph().as_default():
        variable = v1.get_variable("odd", (2,))
        with refused(TypeError, "compare: new must be a tensor of a graph"):
            gk.compare(loss(), variable, named_inputs("net/features"))


def test_an_output_that_is_a_placeholder_needs_a_value():
    with tf.Graph().as_default():
        alone = v1.placeholder(tf.float32, (None, 2), name="alone")
        with refused(ValueError, "compare: inputs must have a value for each placeholder of the new graph"):
            gk.compare(loss(), alone, named_inputs("net/features"))


def test_a_pipeline_is_fed():
    def piped():
        rows = tf.data.Dataset.from_tensors(np.ones((3, 8), np.float32)).repeat()
        x = v1.data.make_one_shot_iterator(rows).get_next()
        return networks.dense(x, "out", 2)

    old, new = networks.build(piped), networks.build(lambda: networks.dense(networks.features(), "out", 2))
    with refused(ValueError, "compare: inputs must have a value for each placeholder of the old graph"):
        gk.compare(old, new, {"features": normal(3, 8)})
    assert gk.compare(old, new, {("IteratorGetNext", "features"): normal(3, 8)}).equal


def test_outputs_and_variables_that_cannot_be_run_are_refused():
    with refused(TypeError, "compare: outputs must hold numbers"):
        gk.compare(tf.constant("a"), tf.constant("a"), {})
    with refused(ValueError, "compare: old and new must have equally many outputs"):
        gk.compare(*(with_outputs(count) for count in (1, 2)), {})
    lost = networks.build(lambda: v1.get_variable("lost", 3, collections=[], trainable=False) * 2)
    with refused(ValueError, "compare: a variable of the old graph is in no collection"):
        gk.compare(lost, lost, {})


def test_random_numbers_that_cannot_be_shared_are_refused():
    def drawn():
        x = networks.features()
        return tf.while_loop(
            lambda step, _: step < 2, lambda step, y: (step + 1, y + tf.random.normal(())), (0, x)
        )[1]

    noisy = networks.build(drawn)
    with refused(ValueError, "compare: the outputs of the old graph must be the same in two runs"):
        gk.compare(noisy, noisy, {"features": normal(3, 8)})


def test_variables_that_cannot_be_told_apart_are_refused():
    def layers(*names):
        x = networks.features()
        for name in names:
            x = networks.dense(x, name, 8, bias=False)
        return x

    old = networks.build(lambda: layers("one", "two"))
    new = networks.build(lambda: layers("left", "right", "third"))
    with refused(ValueError, "compare: variables must be matched by name; pass rename="):
        gk.compare(old, new, {"features": normal(3, 8)})


@pytest.mark.parametrize("features", [np.full((3, 8), np.nan), np.zeros((0, 8))], ids=["nan", "empty"])
def test_inputs_that_would_hide_differences_are_refused(features):
    old = networks.build(lambda: networks.dense(networks.features(), "one", 8))
    with refused(ValueError, "compare: inputs must hold numbers, without NaN"):
        gk.compare(old, old, {"features": features})


def test_a_finding_about_many_variables_stays_short():
    def penalty(x):
        for number in range(8):
            x = networks.dense(x, f"layer{number}", 8, bias=False)
        return tf.reduce_mean(x)

    def with_penalty(x):
        loss = penalty(x)
        return loss + tf.add_n([1e-2 * tf.nn.l2_loss(v) for v in v1.trainable_variables()])

    old, new = (networks.build(lambda f=f: f(networks.features())) for f in (with_penalty, penalty))
    finding = gk.compare(old, new, {"features": normal(3, 8)}).finding
    assert "a regularization term of variable layer0/kernel, " in finding
    assert "variable layer3/kernel and 4 more is missing in new" in finding and len(finding) < 300
