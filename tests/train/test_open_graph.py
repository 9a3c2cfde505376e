"""A finished graph with an open session: evaluate, predict, weights, close."""

import subprocess
import sys
from concurrent import futures

import numpy as np
import pytest
import tensorflow as tf
from references import KINDS, POINTS, Problem, same, value

import graphkit as gk


@pytest.mark.grid
@pytest.mark.parametrize("batch_size", [1, 7, 64, 70, 1000])
def test_batch_size_never_changes_what_evaluate_returns(batch_size):
    problem = Problem(dropout=True, batch_norm=True)
    with problem.trainer(seed=1) as trainer:
        whole = trainer.evaluate(problem.data, batch_size=70)
        parts = trainer.evaluate(problem.data, batch_size=batch_size)
    assert parts == pytest.approx(whole, rel=1e-6)


def test_weights_are_the_models_variables_by_name():
    problem = Problem(batch_norm=True)
    with problem.trainer(optimizer="adam") as trainer:
        trainer.fit(problem.data, epochs=1, progress=False)
        found = trainer.weights()
        assert list(found) == [
            *("hidden/kernel", "hidden/bias", "norm/gamma", "norm/beta", "norm/moving_mean"),
            *("norm/moving_variance", "logits/kernel", "logits/bias"),
        ]
        assert same(list(found.values()), value(trainer, *found))
        hidden = POINTS @ found["hidden/kernel"] + found["hidden/bias"]
        scale = found["norm/gamma"] / np.sqrt(found["norm/moving_variance"] + 1e-3)
        net = np.maximum((hidden - found["norm/moving_mean"]) * scale + found["norm/beta"], 0)
        logits = net @ found["logits/kernel"] + found["logits/bias"]
        np.testing.assert_allclose(
            trainer.predict(problem.logits, {problem.points: POINTS}), logits, atol=1e-5
        )
    with pytest.raises(RuntimeError, match="weights: the trainer is closed"):
        trainer.weights()


def test_predict_returns_a_row_for_each_example_in_order():
    problem = Problem(dropout=True)
    with problem.trainer() as trainer:
        rows = trainer.predict(gk.softmax(problem.logits), {problem.points: POINTS}, batch_size=9)
        whole = trainer.predict(gk.softmax(problem.logits), {problem.points: POINTS})
    assert rows.shape == (70, 2) and rows.dtype == np.float32
    np.testing.assert_allclose(rows, whole, rtol=1e-6)
    np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=1e-6)


def test_dropout_and_batch_norm_are_off_in_evaluation():
    problem = Problem(dropout=True, batch_norm=True)
    with problem.trainer() as trainer:
        first = trainer.predict(problem.logits, {problem.points: POINTS})
        assert same([first], [trainer.predict(problem.logits, {problem.points: POINTS})])
        np.testing.assert_allclose(
            trainer.predict(problem.logits, {problem.points: POINTS[:1]}), first[:1], rtol=1e-5
        )
        dropped = trainer.predict(problem.logits, {problem.points: POINTS}, {problem.keep_prob: 0.5})
        assert not np.allclose(dropped, first)


def test_predict_needs_a_tensor_with_an_axis_for_the_examples():
    problem = Problem()
    with problem.trainer() as trainer:
        with pytest.raises(ValueError, match=r"first axis of .* must be the example"):
            trainer.predict(problem.loss, problem.data)
        with pytest.raises(TypeError, match="predict: tensor must be a tensor"):
            trainer.predict("logits", problem.data)
        with pytest.raises(TypeError, match=r"tensor and data swapped\? predict\(tensor, data\)"):
            trainer.predict({problem.points: POINTS}, problem.logits)
        with pytest.raises(TypeError, match=r'give \{"features": features\}; received'):
            trainer.predict(problem.logits, POINTS)
        with pytest.raises(ValueError, match="predict: placeholder features:0 needs data"):
            trainer.predict(problem.logits, {problem.kinds: KINDS})


def test_tensor_of_another_graph():
    problem = Problem()
    with tf.Graph().as_default():
        stranger = Problem()
    with problem.trainer() as trainer, pytest.raises(ValueError, match="of the trainer's graph"):
        trainer.predict(stranger.logits, problem.data)


def test_predictions_of_unequal_lengths_are_refused_with_their_shapes():
    sequences = tf.compat.v1.placeholder(tf.float32, (None, None, 1))
    outputs = gk.dense(sequences, 2)
    batches = [{sequences: np.ones((2, length, 1), np.float32)} for length in (3, 5)]
    message = r"pad sequences to one length.*shapes=\[\(3, 2\), \(5, 2\)\]"
    with gk.Trainer(gk.l2_loss(outputs)) as trainer, pytest.raises(ValueError, match=message):
        trainer.predict(outputs, lambda: iter(batches))


def test_variables_of_a_collection_of_their_own_are_weights():
    points = gk.feature_input(2)
    mine, local = (
        tf.compat.v1.get_variable(name, (2,), collections=[key], use_resource=True)
        for name, key in (("mine", "mine"), ("local", tf.compat.v1.GraphKeys.LOCAL_VARIABLES))
    )
    loss = gk.l2_loss(points * mine * local)
    with gk.Trainer(loss, "momentum", variables=[mine]) as trainer:
        trainer.fit({points: POINTS[:, :2]}, progress=False)
        assert list(trainer.weights()) == ["mine"]


def test_several_tensors_are_predicted_in_one_pass_as_they_are_given():
    problem = Problem(dropout=True)
    passes = []

    def stream():
        passes.append(None)
        for start in range(0, 70, 32):
            yield {problem.points: POINTS[start : start + 32]}

    with problem.trainer() as trainer:
        points = {problem.points: POINTS}
        logits, classes = trainer.predict(
            [problem.logits, tf.argmax(problem.logits, 1)], points, batch_size=9
        )
        np.testing.assert_allclose(logits, trainer.predict(problem.logits, points), rtol=1e-6)
        assert np.array_equal(classes, logits.argmax(axis=1))
        found = trainer.predict({"z": problem.logits, 1: gk.softmax(problem.logits)}, stream)
        assert list(found) == ["z", 1] and len(passes) == 1
        np.testing.assert_allclose(found["z"], logits, rtol=1e-5)
        (alone,) = trainer.predict((problem.logits,), points)
        assert np.array_equal(alone, trainer.predict(problem.logits, points))
        for wrong in ([], [problem.logits, 3], {"a": None}, "logits"):
            with pytest.raises(
                (TypeError, ValueError), match="^predict: tensor must be .*list, tuple or dict"
            ):
                trainer.predict(wrong, points)
        with pytest.raises(ValueError, match=r"^predict: the first axis of .*Mean.* must be the example"):
            trainer.predict([problem.logits, problem.loss], problem.data)


RESET = """
import tensorflow as tf
tf.compat.v1.disable_eager_execution()
import graphkit as gk

def build():
    loss = gk.softmax_cross_entropy(gk.dense(gk.feature_input(3), 2, name="logits"), gk.label_input())
    return gk.Trainer(loss)

with tf.Graph().as_default():
    other = build()
    try:
        gk.reset()
    except RuntimeError as error:
        print(error)
first = build()
for _ in range(2):
    gk.reset()
    trainer = build()
other.weights()
trainer.weights()
with trainer:
    gk.reset()
assert not tf.compat.v1.get_default_graph().get_operations() and not tf.executing_eagerly()
for closed in (first, trainer):
    try:
        closed.weights()
    except RuntimeError as error:
        print(error)
"""


@pytest.mark.slow
def test_reset_begins_a_new_default_graph_and_closes_the_trainers_of_the_old_one():
    """In a process of its own, since the tests are inside of a `with` block."""
    ran = subprocess.run([sys.executable, "-c", RESET], capture_output=True, text=True, check=True)
    inside, *closed = ran.stdout.splitlines()
    assert inside.startswith("reset: a `with tf.Graph().as_default():`")
    assert len(closed) == 2 and all(line.startswith("weights: the trainer is closed, by") for line in closed)


def test_reset_inside_of_a_block_is_refused(fresh_graph):
    gk.feature_input(3)
    with pytest.raises(RuntimeError, match=r"^reset: a `with tf\.Graph\(\)\.as_default\(\):`.*outside of it"):
        gk.reset()
    assert fresh_graph.get_operations()


@pytest.mark.v2_behavior("nothing is executed eagerly")
def test_reset_without_a_default_graph_says_how_to_have_one():
    with futures.ThreadPoolExecutor() as other_thread:  # where no graph is the default
        outcome = other_thread.submit(gk.reset)
    with pytest.raises(
        RuntimeError, match=r"^reset: TensorFlow executes eagerly.*disable_eager_execution\(\)"
    ):
        outcome.result()


def test_an_imported_graph_has_no_trainer():
    """What is exported is the graph, and a program may build on what it imports."""
    features, labels = gk.feature_input(2), gk.label_input()
    logits = gk.dense(features, 2, name="logits")
    with gk.Trainer(gk.softmax_cross_entropy(logits, labels)) as trainer:
        exported = tf.compat.v1.train.export_meta_graph(graph=trainer.graph)
    with tf.Graph().as_default() as graph:
        tf.compat.v1.train.import_meta_graph(exported)
        assert gk.dense(graph.get_tensor_by_name(logits.name), 3).shape.as_list() == [None, 3]
