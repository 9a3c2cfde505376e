"""Where a training stands: through JSON and back, and in a copy that is its own."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit.data import batches
from graphkit.running import metrics as running_metrics
from graphkit.train.state import TrainingState


@pytest.fixture
def metrics():
    logits, labels = gk.dense(gk.feature_input(2), 3), gk.label_input()
    loss = running_metrics.loss_metric(gk.softmax_cross_entropy(logits, labels))
    return {"loss": loss, "matrix": gk.confusion_matrix(logits, labels)}


@pytest.fixture
def state(metrics):
    """A state inside an epoch, of which no field is at its default."""
    means = running_metrics.Means(metrics)
    means.add([np.array([0.1, 0.7], np.float32), np.ones((2, 3, 3), np.float32) / 3], 4)
    return TrainingState(
        means=means,
        step=12,
        epoch=3,
        batch=2,
        plan=batches.Plan(11, 4, shuffle=False, drop_remainder=True, seed=5),
        identity={"data": {"hash": "text"}, "graph": {"dense": "text"}},
        rate=0.1,
        rate_factor=0.25,
        history={"loss": [0.5, float("nan"), 1 / 3], "epoch": [1, 2, 3]},
        validations={"step": [4, 8], "valid_loss": [0.7, float("nan")]},
        stop_reason="enough",
    )


def through_json(state, metrics):
    return TrainingState.from_json(json.loads(json.dumps(state.to_json())), metrics)


def assert_equal(one, other):
    for field in dataclasses.fields(TrainingState):
        if field.name != "means":
            assert repr(getattr(one, field.name)) == repr(getattr(other, field.name)), field.name
    assert one.means.examples == other.means.examples
    for a, b in zip(one.means.totals, other.means.totals, strict=True):
        assert a.dtype == b.dtype == np.float64
        np.testing.assert_array_equal(a, b)
    for name, value in one.means.result().items():
        np.testing.assert_array_equal(value, other.means.result()[name])


def test_every_field_of_the_example_differs_from_the_default(state, metrics):
    fresh = TrainingState(running_metrics.Means(metrics))
    for field in dataclasses.fields(TrainingState):
        assert getattr(fresh, field.name) != getattr(state, field.name), field.name


def test_through_json_and_back(state, metrics):
    assert_equal(through_json(state, metrics), state)
    assert isinstance(through_json(state, metrics).plan, batches.Plan)


def test_a_fresh_state_too(metrics):
    fresh = TrainingState(running_metrics.Means(metrics))
    found = through_json(fresh, metrics)
    assert_equal(found, fresh)
    assert (
        found.plan is found.identity is found.rate is found.stop_reason is None and found.rate_factor == 1.0
    )


def test_what_comes_back_goes_on_to_the_same_bits(state, metrics):
    found = through_json(state, metrics)
    for one in (found, state):
        one.means.add([np.array([0.3], np.float32), np.full((1, 3, 3), 0.1, np.float32)], 3)
    assert_equal(found, state)


def test_a_copy_is_independent_in_both_directions(state, metrics):
    kept, copied = through_json(state, metrics), state.copy()
    assert_equal(copied, state)
    copied.history["loss"].append(9.0)
    copied.history["new"] = []
    copied.means.add([np.array([5.0]), np.ones((1, 3, 3))], 2)
    copied.step += 1
    copied.start_epoch()
    assert_equal(state, kept)
    again = state.copy()
    state.history["loss"].clear()
    state.means.totals[1] += 1.0
    state.start_epoch()
    assert_equal(again, kept)


def test_a_new_epoch_forgets_mini_batches_and_means_alone(state):
    before = state.copy()
    state.start_epoch()
    assert state.batch == 0 and state.means.examples == 0
    assert all(not np.any(total) for total in state.means.totals)
    for name in ("step", "epoch", "plan", "identity", "rate", "rate_factor", "history", "stop_reason"):
        assert repr(getattr(state, name)) == repr(getattr(before, name))


def test_fields_of_a_checkpoint_that_are_not_of_the_state_are_ignored(state, metrics):
    fields = {**state.to_json(), "seed": 3, "graph": "text", "callbacks": []}
    assert_equal(TrainingState.from_json(fields, metrics), state)


@pytest.mark.parametrize("execution", ["feed", "chunks"])
def test_the_state_of_a_trainer_is_json(execution):
    x = gk.feature_input(2)
    loss = tf.reduce_mean(gk.dense(x, 1) ** 2)
    with gk.Trainer(loss, learning_rate=lambda step: np.float32(0.1)) as trainer:
        trainer.fit({x: np.eye(2)}, epochs=2, valid={x: np.eye(2)}, execution=execution, progress=False)
        assert_equal(through_json(trainer.state, trainer.metrics), trainer.state)
