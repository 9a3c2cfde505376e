"""Where a fit ends: after steps or seconds, also inside an epoch, and what goes on from there."""

import csv
import logging
import re

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit.checkpoints import saving
from graphkit.train import limits

ROWS = np.random.default_rng(0).normal(size=(35, 4)).astype(np.float32)  # 5 mini-batches of 8, the last of 3
FIT = {"batch_size": 8, "progress": False}


@pytest.fixture(scope="module")
def problem(tmp_path_factory):
    """Returns (trainer with masks, slots and averages; function that makes it begin anew; what fit takes)."""
    folder = tmp_path_factory.mktemp("run")
    with tf.Graph().as_default():
        x, y, keep_prob = gk.feature_input(4), gk.label_input(), gk.keep_prob_input()
        logits = gk.dense(gk.dropout(gk.relu(gk.dense(x, 8)), keep_prob), 3)
        loss = gk.softmax_cross_entropy(logits, y)
        options = {"average_decay": 0.9, "metrics": {"accuracy": gk.accuracy(logits, y)}}
        with gk.Trainer(loss, "momentum", 0.05, seed=3, logdir=folder / "logs", **options) as trainer:
            start = trainer.save(folder / "start")
            given = {"data": {x: ROWS, y: np.arange(35) % 3}, "feed": {keep_prob: 0.5}, **FIT}
            yield trainer, lambda: trainer.restore(start), given


def reached(trainer):
    history = {k: v for k, v in trainer.history.items() if k not in ("seconds", "examples_per_second")}
    return history, trainer.session.run(trainer.training_step.variables)


def assert_same(one, other, rtol=0.0, atol=0.0):
    assert one[0].keys() == other[0].keys()
    for name, column in one[0].items():
        np.testing.assert_allclose(column, other[0][name], rtol, atol)
    for value, expected in zip(one[1], other[1], strict=True):
        np.testing.assert_allclose(value, expected, rtol, atol)


@pytest.mark.parametrize(
    "executions", [("feed", "chunks", "resident"), pytest.param(("compiled",), marks=pytest.mark.slow)]
)
def test_a_run_in_parts_by_steps_is_the_whole_run(executions, problem):
    trainer, begin, given = problem
    found = []
    for execution in executions:
        begin()
        trainer.fit(epochs=3, execution=execution, **given)
        found.append(reached(trainer))
        begin()
        trainer.fit(max_steps=1, execution=execution, **given)
        for steps in (5, 7, 14):  # at the end of an epoch, inside, before the shorter last mini-batch
            begin()  # what goes on is what the folder holds
            history = trainer.fit(max_steps=steps, execution=execution, resume=True, **given)
            assert trainer.step == steps == history["step"][-1] and trainer.runner.execution == execution
            assert history["epoch"] == list(range(1, len(history["epoch"]) + 1))
            place = "after epoch 1" if steps == 5 else f"in epoch {steps // 5 + 1}"
            assert trainer.ended.startswith(f"max_steps={steps} at step {steps}, {place}; fit(resume=True)")
        begin()
        trainer.fit(epochs=3, execution=execution, resume=True, **given)
        assert_same(reached(trainer), found[-1])
        assert_same(found[-1], found[0])
    with open(trainer.logdir / "history.csv", newline="") as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["5", "10", "15"]


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """Returns (trainer with a logdir, function that makes it begin anew, data)."""
    folder = tmp_path_factory.mktemp("line")
    with tf.Graph().as_default():
        x = gk.feature_input(1)
        w = tf.compat.v1.get_variable("w", (), initializer=gk.zeros(), use_resource=True)
        loss = tf.reduce_mean((w * x - 2 * x) ** 2)
        with gk.Trainer(loss, "sgd", 0.1, logdir=folder / "logs") as trainer:
            start = trainer.save(folder / "start")
            yield trainer, lambda: trainer.restore(start), {x: np.ones((8, 1))}


def test_the_log_and_the_history_say_how_to_go_on(line, caplog, capsys):
    trainer, begin, data = line
    begin()
    with caplog.at_level(logging.INFO, "graphkit"):
        history = trainer.fit(data, max_steps=3, batch_size=4, valid=data)
    text = "max_steps=3 at step 3, in epoch 2; fit(resume=True) with a larger max_steps continues"
    assert trainer.ended == text and f"ended by {text}" in caplog.text
    shown = capsys.readouterr().out
    assert "stopped" not in shown and re.search("^epoch 2, step 3  loss .*valid_loss", shown, re.M)
    assert history["step"] == [2, 3] and trainer.batch == 1
    assert saving.step_of(saving.latest(trainer.logdir)) == 3
    assert saving.read_state(saving.latest(trainer.logdir))["history"]["step"] == [2]
    # The same trainer counts further steps; the row of the part makes room for that of the epoch.
    assert trainer.fit(data, max_steps=2, batch_size=4, valid=data)["step"] == [2, 4, 5]
    assert trainer.fit(data, epochs=1, batch_size=4, valid=data)["step"] == [2, 4, 6]
    assert trainer.ended is None
    begin()
    with caplog.at_level(logging.WARNING, "graphkit"):  # where nobody sees the log
        trainer.fit(data, max_steps=3, batch_size=4)
    assert f"stopped: {text}" in capsys.readouterr().out


class Clock(gk.Callback):
    """A clock that goes on by one second with each run of steps."""

    now = 0.0

    def monotonic(self):
        return self.now

    def on_run_end(self, trainer):
        self.now += 1


def test_a_fit_ends_when_its_seconds_are_over_and_goes_on(line, monkeypatch):
    trainer, begin, data = line
    clock = Clock()
    monkeypatch.setattr(limits, "time", clock)
    options = {"batch_size": 2, "progress": False, "execution": "feed", "callbacks": [clock]}
    begin()
    for fit, steps in ((1, [3]), (2, [4, 6]), (3, [4, 8, 9])):
        history = trainer.fit(data, max_seconds=2.5, resume=fit > 1, valid=data, **options)
        assert history["step"] == steps and len(history["valid_loss"]) == fit
        assert trainer.ended == (
            f"max_seconds=2.5 at step {3 * fit}, in epoch {fit}; "
            "fit(resume=True) with more max_seconds continues"
        )
    begin()
    assert trainer.fit(data, epochs=2, max_seconds=8.5, **options)["step"] == [4, 8]
    assert trainer.ended is None  # epochs ended it first


def test_the_limit_that_comes_first_ends_a_fit(line):
    trainer, begin, data = line
    begin()
    fit = {"batch_size": 2, "progress": False}
    assert trainer.fit(data, epochs=1, max_steps=100, **fit)["step"] == [4] and trainer.ended is None
    assert trainer.fit(data, epochs=3, max_steps=4, **fit)["step"] == [4, 8] and "max_steps" in trainer.ended
    assert trainer.fit(data, **fit)["step"] == [4, 8, 12]  # one epoch
    trainer.fit(data, max_steps=0, **fit)
    assert trainer.step == 12


@pytest.mark.parametrize(
    ("fit", "error", "message"),
    [
        ({"max_steps": -1}, ValueError, "fit: max_steps .*at least 0"),
        ({"max_steps": 1.5}, TypeError, "fit: max_steps .*integer"),
        ({"max_seconds": 0}, ValueError, "fit: max_seconds .*above 0"),
        ({"epochs": -1}, ValueError, "fit: epochs .*at least 0"),
        ({"valid_every": 2}, ValueError, "fit: valid_every needs validation data"),
        ({"valid_every": 0}, ValueError, "fit: valid_every .*at least 1"),
    ],
)
def test_bad_limits_are_refused_before_the_first_step(fit, error, message, line):
    trainer, begin, data = line
    begin()
    with pytest.raises(error, match=message):
        trainer.fit(data, progress=False, **fit)
    assert trainer.step == 0
