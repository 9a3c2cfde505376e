"""Validation every some steps: its rows, its callbacks, and that training stays as it was."""

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk

ROWS = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)


class Seen(gk.Callback):
    def __init__(self, interrupt_at=None):
        self.steps, self.interrupt_at = [], interrupt_at

    def on_validation_start(self, trainer):
        if trainer.step == self.interrupt_at:
            raise KeyboardInterrupt

    def on_validation_end(self, trainer, metrics):
        self.steps.append((trainer.step, metrics["valid_loss"]))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Returns the function that trains for two epochs; it returns (weights, history, validations, runs)."""
    folder = tmp_path_factory.mktemp("run")
    with tf.Graph().as_default():
        x, keep_prob = gk.feature_input(3), gk.keep_prob_input()
        loss = tf.reduce_mean(gk.dense(gk.dropout(gk.dense(x, 4), keep_prob), 1) ** 2)
        with gk.Trainer(loss, "adam", 0.01, seed=1, logdir=folder / "logs") as trainer:
            start = trainer.save(folder / "start")

            def train(execution, seen=None, **fit):
                trainer.restore(start)
                options = {"batch_size": 4, "progress": False, "valid": {x: ROWS[:6]}, "epochs": 2}
                callbacks = [Runs()] if seen is None else [seen, Runs()]
                options |= {"callbacks": callbacks, "execution": execution, **fit}
                trainer.fit({x: ROWS}, {keep_prob: 0.5}, **options)
                assert trainer.runner.execution == execution
                return trainer.weights(), trainer.history, trainer.validations, callbacks[-1].counts

            yield train


class Runs(gk.Callback):
    """Counts the steps of each run."""

    def __init__(self):
        self.counts = []

    def on_steps(self, trainer, values):
        self.counts.append(len(values.steps))


def assert_equal(one, other):
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name])


@pytest.mark.parametrize(
    "executions", [("feed", "chunks", "resident"), pytest.param(("compiled",), marks=pytest.mark.slow)]
)
def test_rows_by_step_and_training_as_without(executions, run):
    for execution in executions:
        seen = Seen()
        weights, history, rows, runs = run(execution, seen, valid_every=4)
        plain, plain_history, plain_rows, _ = run(execution)
        assert execution == "feed" or runs == [4, 4, 2, 2, 4, 4]  # the loop stays
        assert_equal(weights, plain)
        assert history["valid_loss"] == plain_history["valid_loss"] == plain_rows["valid_loss"]
        assert history["loss"] == plain_history["loss"] and history["step"] == plain_rows["step"] == [10, 20]
        assert rows["step"] == [4, 8, 10, 12, 16, 20]
        assert list(zip(rows["step"], rows["valid_loss"], strict=True)) == seen.steps
        assert [rows["valid_loss"][place] for place in (2, 5)] == history["valid_loss"]


def test_an_interrupted_validation_is_made_when_the_run_goes_on(run):
    expected = run("chunks", valid_every=4)
    often = gk.Checkpointing(every_steps=4)
    with pytest.raises(KeyboardInterrupt):
        run("chunks", valid_every=4, callbacks=[Seen(interrupt_at=8), often, Runs()])
    found = run("chunks", valid_every=4, resume=True)
    assert found[2] == expected[2]
    assert_equal(found[0], expected[0])


def test_a_placeholder_without_a_default_that_is_in_feed_cannot_be_validated():
    points, keep = gk.feature_input(2), tf.compat.v1.placeholder(tf.float32, (), "keep")
    data = {points: np.ones((4, 2), np.float32)}
    with gk.Trainer(gk.l2_loss(gk.dense(gk.dropout(points, keep), 1))) as trainer:
        for valid in (data, lambda: iter([data])):
            with pytest.raises(
                ValueError, match=r"fit \(valid\): .*placeholder_with_default.*keep_prob_input"
            ):
                trainer.fit(data, {keep: 0.5}, valid=valid, progress=False)
        assert trainer.step == 0
        trainer.fit(data, {keep: 0.5}, progress=False)


@pytest.mark.parametrize("is_resource", [True, False])
def test_variables_that_the_loss_changes_are_as_before_an_evaluation(is_resource):
    """As the state of a recurrent network or of a spectral norm, which each training step goes on with."""
    found = []
    for valid in (None, {"features": ROWS, "kinds": (np.arange(40) % 2)}):
        with tf.Graph().as_default():
            features, kinds = gk.feature_input(3), gk.label_input(name="kinds")
            state = tf.compat.v1.get_variable(
                "state", initializer=1.0, trainable=False, use_resource=is_resource
            )
            with tf.control_dependencies([state.assign(state * 0.9)]):
                logits = gk.dense(features, 2) * state.read_value()
            with gk.Trainer(gk.softmax_cross_entropy(logits, kinds), seed=2) as trainer:
                data = {"features": ROWS, "kinds": (np.arange(40) % 2)}
                trainer.fit(data, epochs=2, batch_size=len(ROWS), valid=valid, progress=False)
                weights = trainer.weights()
                assert weights["state"] == np.float32(np.float32(0.9) * np.float32(0.9))
                assert trainer.evaluate(data) == trainer.evaluate(data)
                found.append({name: value.tobytes() for name, value in weights.items()})
    assert found[0] == found[1]


def test_an_evaluation_reads_variables_before_the_loss_writes_them():
    rows = gk.feature_input(3)
    norm, weight = (
        tf.compat.v1.get_variable(name, initializer=1.0, use_resource=True) for name in ("norm", "weight")
    )
    parts = []
    for number in range(6):  # as a network with a spectral norm that is applied to several inputs
        with tf.control_dependencies([norm.assign(norm * 1.5 + number)]):
            parts.append(tf.reduce_mean(rows) * norm)
    with gk.Trainer(tf.square(weight * tf.add_n(parts)), variables=[weight]) as trainer:
        assert len({trainer.evaluate({rows: ROWS})["loss"] for _ in range(30)}) == 1
