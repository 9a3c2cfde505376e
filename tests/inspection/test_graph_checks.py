"""check_graph: its findings, on models and other graphs without problems, and refused arguments."""

import pytest
import tensorflow as tf
from inspection.planted import check_valid, features, normalized, regression

import graphkit as gk
from graphkit import runs
from graphkit.inspection import graph_checks

V1 = tf.compat.v1


SETTINGS = {"data": "none", "data_folder": None, "classes": tuple("abcde"), "l2": 1e-4}
WORDS = {"alphabet": "abc", "length": 12}
IMAGES = {"image_shape": (16, 16, 1)}


@pytest.mark.grid
@pytest.mark.parametrize("model", runs.MODELS)
def test_models_have_no_problem(model):
    shape = WORDS if model == "char_rnn" else IMAGES
    network = runs.build_network(runs.RunConfig(model=model, **SETTINGS, **shape))
    check_valid(network.loss)


def with_two_problems():
    """Returns the loss of a softmax before a softmax loss, with dropout that is always on."""
    net = gk.dropout(gk.dense(features(), 8, gk.relu), 0.5)
    return gk.softmax_cross_entropy(gk.softmax(gk.dense(net, 3)), gk.label_input())


def test_findings_are_one_line_each_in_the_order_of_the_rules():
    findings = gk.check_graph(with_two_problems())
    assert [finding.rule for finding in findings] == ["softmax_twice", "dropout_always_on"]
    assert graph_checks.report(findings).splitlines() == [str(finding) for finding in findings]
    assert str(findings[0]).startswith(f"{__file__}:")


def test_finalized_graph_is_checked_without_a_new_op(fresh_graph):
    loss = with_two_problems()
    fresh_graph.finalize()
    before = len(fresh_graph.get_operations())
    assert gk.check_graph(loss)
    assert len(fresh_graph.get_operations()) == before


def test_graph_of_a_trainer():
    loss = normalized(None) + gk.l2_penalty(1e-4)
    with gk.Trainer(loss) as trainer:
        assert gk.check_graph(loss) == []
        assert gk.check_graph(trainer.training_step.loss, trainer.training_step.update) == []


def test_imported_graph_has_no_lines(fresh_graph):
    loss = with_two_problems()
    for _ in range(25):
        tf.reduce_mean(loss)
    definition = fresh_graph.as_graph_def()
    with tf.Graph().as_default():
        (copy,) = tf.import_graph_def(definition, return_elements=[loss.name])
        findings = gk.check_graph(copy)
    assert "softmax_twice" in {finding.rule for finding in findings}


def test_refusals():
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
