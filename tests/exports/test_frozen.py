"""Frozen graphs: one file that computes what `predict` does, with constants for its variables."""

import numpy as np
import pytest
import tensorflow as tf
from exports import networks

import graphkit as gk
from graphkit.graph import control_flow

V1 = tf.compat.v1


@pytest.mark.grid
@pytest.mark.parametrize(
    "build",
    [
        networks.model("mlp"),
        networks.batch_norm_net,
        networks.loop_rnn,
        networks.reference_net,
        *(
            pytest.param(networks.model(name), marks=pytest.mark.slow)
            for name in ("softmax_regression", "convnet", "inception_net", "char_rnn")
        ),
    ],
)
def test_frozen_graphs_compute_what_predict_does(build, tmp_path):
    trainer, data, inputs, logits = networks.with_weights(build)
    with trainer:
        pixels = data.dtype == np.uint8
        path = trainer.export(tmp_path / "model.pb", {"logits": logits}, pixels=pixels)
        expected = trainer.predict(logits, {inputs: data})
    networks.check(networks.load_frozen(path), (inputs.op.name, data), expected)
    definition = networks.read_graph(path)
    kinds = {node.op for node in definition.node}
    kinds |= {node.op for function in definition.library.function for node in function.node_def}
    assert not kinds & {"VarHandleOp", "ReadVariableOp", "VariableV2", "If", "StatelessIf", "EmptyTensorList"}
    assert not [node.name for node in definition.node if node.name.startswith("gradients")]


def old_branches():
    """Returns a network with branches of TensorFlow 1, of which one is always taken."""
    inputs = gk.feature_input(4)
    training = V1.placeholder_with_default(False, (), "training")
    with control_flow.of_functions(False):
        net = tf.cond(training, lambda: tf.nn.dropout(inputs, 0.5), lambda: 2 * inputs)
        net = tf.cond(tf.reduce_mean(inputs) > 100, lambda: net, lambda: 3 * net)
    return inputs, gk.dense(net, 3)


def test_of_branches_that_are_decided_one_is_left(tmp_path):
    with tf.Graph().as_default():
        inputs, logits = old_branches()
        trainer = gk.Trainer(gk.softmax_cross_entropy(logits, gk.label_input()))
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    with trainer:
        path = trainer.export(tmp_path / "model.pb", {"logits": logits})
        expected = trainer.predict(logits, {inputs: x})
    networks.check(networks.load_frozen(path), ("features", x), expected, sizes=(3,))
    kinds = [node.op for node in networks.read_graph(path).node]
    assert kinds.count("Merge") == 1  # of the branch that depends on the input
    assert "RandomUniform" not in kinds


@pytest.fixture(scope="module")
def trained():
    with tf.Graph().as_default():
        inputs = gk.feature_input(4)
        logits = gk.dense(gk.dense(inputs, 4, gk.relu, name="a"), 3, name="b")
        probabilities = tf.nn.softmax(logits, name="probabilities")
        outputs = {"logits": logits, "probabilities": probabilities, "features": inputs}
        with gk.Trainer(gk.softmax_cross_entropy(logits, gk.label_input())) as trainer:
            yield trainer, outputs


X = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)


@pytest.mark.parametrize(
    "names",
    [
        {"probabilities": "probabilities"},  # the name of its own op
        {"probabilities": "logits", "a/Relu": "probabilities"},  # those of other ops
        {"b": "logits", "a/MatMul": "logits"},  # one tensor twice, and the name of a scope
        {"pixels": "features", "logits": "logits"},  # an input that is an output
    ],
)
def test_outputs_have_the_names_that_are_given(trained, names, tmp_path):
    trainer, outputs = trained
    exported = {name: outputs[source] for name, source in names.items()}
    path = trainer.export(tmp_path / "model.pb", exported)
    found = networks.load_frozen(path, names)({"features": X})
    for name, tensor in exported.items():
        expected = trainer.predict(tensor, {trainer.graph.get_tensor_by_name("features:0"): X})
        np.testing.assert_allclose(found[name], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["two words", "^a", "features", "model.json"])
def test_names_that_no_op_can_have_are_refused(trained, name, tmp_path):
    trainer, outputs = trained
    with pytest.raises(ValueError, match=r"^export: an output of a frozen graph must have a name"):
        trainer.export(tmp_path / "model.pb", {name: outputs["logits"]})
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
def test_tables_are_for_saved_models_alone(tmp_path):
    with tf.Graph().as_default():
        names = V1.placeholder(tf.string, (None,), "names")
        entries = tf.lookup.KeyValueTensorInitializer(["a", "b"], tf.constant([1.0, 2.0]))
        logits = gk.dense(tf.lookup.StaticHashTable(entries, -1.0).lookup(names)[:, tf.newaxis], 3)
        with (
            gk.Trainer(gk.softmax_cross_entropy(logits, gk.label_input())) as trainer,
            pytest.raises(ValueError, match=r"only a SavedModel can hold tables.* received tables=\["),
        ):
            trainer.export(tmp_path / "model.pb", logits)
    assert not any(tmp_path.iterdir())


def test_it_can_be_revived(trained, tmp_path):
    trainer, outputs = trained
    path = trainer.export(tmp_path / "model.pb", {"logits": outputs["logits"]})
    model = gk.revive(path)
    assert set(model.inputs) == {"features"} and set(model.outputs) == {"logits"}
    assert sorted(model.variables) == ["a/bias", "a/kernel", "b/bias", "b/kernel"]
