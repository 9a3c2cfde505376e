"""Steps in which an op fails: the trainer's step, the variables and the metrics agree afterwards."""

import contextlib
import signal
import sys

import numpy as np
import pytest
import tensorflow as tf
from references import fits_from_the_start

import graphkit as gk
from graphkit.checkpoints import saving
from graphkit.diagnosis import Recorder

v1 = tf.compat.v1
EXECUTIONS = ("feed", "chunks", "resident", "compiled")
GOOD = 37  # examples before the one at which the step fails


def failing_graph():
    """Returns (x, w, counter, loss): UPDATE_OPS count, and the loss fails at numbers above 100."""
    x = gk.feature_input(3)
    w = v1.get_variable("w", (3,), initializer=gk.zeros(), use_resource=True)
    counter = v1.get_variable("counter", (), initializer=gk.zeros(), use_resource=True, trainable=False)
    v1.add_to_collection("update_ops", counter.assign_add(1.0))
    with tf.control_dependencies([v1.assert_less(x, 100.0)]):
        loss = tf.reduce_mean((x * w - 1.0) ** 2)
    return x, w, counter, loss


def descended(steps):
    """Returns w after some steps at rate 0.1 for examples of ones: (w - 1)**2 / 3 for each weight."""
    w = np.float64(0)
    for _ in range(steps):
        w -= 0.1 * 2 * (w - 1) / 3
    return w


@pytest.mark.grid
@pytest.mark.parametrize("search", [True, False])
@pytest.mark.parametrize("execution", EXECUTIONS)
def test_step_and_variables_agree_after_an_op_failed(execution, search, tmp_path, caplog):
    x, w, counter, loss = failing_graph()
    rows = np.ones((64, 3), np.float32)
    rows[GOOD] = 1000
    options = dict(batch_size=4, shuffle=False, progress=False, execution=execution)
    with gk.Trainer(loss, "sgd", learning_rate=0.1) as trainer:
        trainer.fit({x: np.ones((64, 3), np.float32)}, **options)
        try:
            trainer.fit({x: rows}, callbacks=[Recorder(search=search)], **options)
        except tf.errors.InvalidArgumentError:
            assert "an op failed; trainer and variables are at step" in caplog.text
            # Of the first epoch, and of the second until the run of steps that failed.
            assert 16 <= trainer.step <= 16 + GOOD // 4 and trainer.batch == trainer.step - 16
        else:
            assert trainer.runner.compiled  # XLA leaves out assertions
            return
        count, step, weights = trainer.session.run([counter, trainer.training_step.global_step, w])
        assert step == trainer.step
        np.testing.assert_allclose(weights, np.full(3, descended(trainer.step)), rtol=1e-5)
        if search:
            assert count == trainer.step
            assert trainer.state.means.examples == 4 * trainer.batch


def test_a_fit_goes_on_after_one_that_failed_with_the_bits_of_one_that_did_not(tmp_path):
    x, _, _, loss = failing_graph()
    calls = {"left": 0}

    def check(value):
        calls["left"] -= 1
        if calls["left"] == 0:
            raise OSError("planted")  # as a file system may, once
        return value

    loss += tf.ensure_shape(tf.numpy_function(check, [np.float32(0)], tf.float32), ())
    rows = np.ones((64, 3), np.float32) * np.linspace(0.5, 1.5, 64, dtype=np.float32)[:, None]
    options = dict(batch_size=4, shuffle=False, progress=False)
    with gk.Trainer(loss, "sgd", learning_rate=0.1) as trainer:
        fit = fits_from_the_start(trainer, tmp_path)
        expected, history = fit({x: rows}, **options)
        calls["left"] = 7
        with pytest.raises(tf.errors.OpError, match="planted"):
            fit({x: rows}, **options)
        assert trainer.step == trainer.batch == 6
        resumed = trainer.fit({x: rows}, **options)
        assert resumed["loss"] == history["loss"]
        variables = trainer.session.run(trainer.graph.get_collection("variables"))
        for value, other in zip(variables, expected, strict=True):
            np.testing.assert_array_equal(value, other)


def test_where_the_steps_cannot_be_made_again_step_and_variables_agree(caplog):
    x, w, _, loss = failing_graph()
    calls = {"left": 7}

    def check(value):
        calls["left"] -= 1
        if calls["left"] <= 0:
            raise OSError("planted")  # from now on
        return value

    loss += tf.ensure_shape(tf.numpy_function(check, [np.float32(0)], tf.float32), ())
    with gk.Trainer(loss, "sgd", learning_rate=0.1) as trainer:
        with pytest.raises(tf.errors.OpError, match="planted"):
            trainer.fit({x: np.ones((64, 3))}, batch_size=4, progress=False)
        assert trainer.step == trainer.batch == 6
        np.testing.assert_allclose(trainer.session.run(w), np.full(3, descended(6)), rtol=1e-5)


@pytest.mark.parametrize("execution", ["feed", "chunks"])
def test_a_shorter_mini_batch_that_fails_is_told(execution, caplog):
    """As in a graph that has the size of a mini-batch written into it."""
    x, w, _, _ = failing_graph()
    with tf.control_dependencies([v1.assert_equal(tf.shape(x)[0], 4)]):
        loss = tf.reduce_mean((x * w - 1.0) ** 2)
    with gk.Trainer(loss, "sgd") as trainer, pytest.raises(tf.errors.InvalidArgumentError):
        trainer.fit({x: np.ones((10, 3))}, batch_size=4, progress=False, execution=execution)
    assert "at step 2; the mini-batch is the last one, which is shorter: fit(drop_rem" in caplog.text


# What ends before its first checkpoint in the folder of an earlier run.

ROWS = np.linspace(-1, 1, 12, dtype=np.float32)[:, None]


def line_fit(logdir):
    """Returns (trainer, data) of the regression y = 2 x with one weight, in a graph of its own."""
    with tf.Graph().as_default():
        x = gk.feature_input(1)
        w = v1.get_variable("w", (), initializer=gk.zeros(), use_resource=True)
        loss = tf.reduce_mean((w * x - 2 * x) ** 2)
        return gk.Trainer(loss, "sgd", learning_rate=0.1, logdir=logdir), {x: ROWS}


class At(gk.Callback):
    """Does something where a method of callbacks is called first."""

    def __init__(self, method, act):
        setattr(self, method, lambda *given: act(given[0]))


def interrupt(*_):
    signal.raise_signal(signal.SIGINT)


def interrupt_twice(*_):
    interrupt()
    interrupt()


def fail(*_):
    raise ZeroDivisionError


def stream(*numbers):
    """Returns a stream with a mini-batch for each number."""
    return lambda: ({"features": np.full((2, 1), number)} for number in numbers)


class Rows:
    """A column of a file, of which one row is not a number; a look at some rows does not find it."""

    dtype, shape = np.dtype(np.float32), (300, 1)

    def __init__(self, bad):
        self.rows = np.ones(self.shape, np.float32)
        self.rows[bad] = np.nan

    def __getitem__(self, rows):
        return self.rows[rows]


FAILURES = {  # {what ends a fit before its first checkpoint: (error, data or None, callback or None)}
    "a row of a large column": (ValueError, Rows(3), None),
    "a first mini-batch": (ValueError, stream(np.nan), None),
    "a later mini-batch": (TypeError, stream(1, 2, "x"), None),
    "an iterable that fails": (ZeroDivisionError, lambda: map(fail, range(3)), None),
    "a loss that is not finite": (gk.NotFiniteError, np.full((12, 1), 1e30), None),
    "on_fit_start": (ZeroDivisionError, None, At("on_fit_start", fail)),
    "on_epoch_start": (ZeroDivisionError, None, At("on_epoch_start", fail)),
    "on_run_end": (ZeroDivisionError, None, At("on_run_end", fail)),
    "on_epoch_end": (ZeroDivisionError, None, At("on_epoch_end", fail)),
    "on_save_start": (ZeroDivisionError, None, At("on_save_start", fail)),
    "Ctrl-C before the first step": (KeyboardInterrupt, None, At("on_fit_start", interrupt)),
    "a second Ctrl-C": (KeyboardInterrupt, None, At("on_run_end", interrupt_twice)),
    "a stop before the first step": (None, None, At("on_fit_start", lambda t: t.stop("enough"))),
}


def test_a_fit_that_ends_before_its_first_checkpoint_leaves_the_run_in_its_folder(
    tmp_path, caplog, monkeypatch
):
    def files():
        found = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        return {path: content for path, content in found.items() if path.name != ".lock"}

    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)  # a prompt, which a second Ctrl-C does not end
    trainer, data = line_fit(tmp_path)
    with trainer:
        trainer.fit(data, epochs=2, batch_size=2, progress=False)
    before = files()
    trainer, data = line_fit(tmp_path)
    with trainer:
        for what, (error, rows, callback) in FAILURES.items():
            caplog.clear()
            given = dict.fromkeys(data, rows) if isinstance(rows, (np.ndarray, Rows)) else rows or data
            options = {} if callable(rows) else {"batch_size": 2}
            raises = contextlib.nullcontext() if error is None else pytest.raises(error)
            callbacks = [] if callback is None else [callback]
            with raises:
                trainer.fit(given, callbacks=callbacks, progress=False, execution="feed", **options)
            replay = {path for path in files() if path.name.startswith("notfinite")}
            assert {path: content for path, content in files().items() if path not in replay} == before, what
            assert bool(replay) == (error is gk.NotFiniteError), what
            for path in replay:
                path.unlink()
            assert "continues" not in caplog.text.replace("(fit(resume=True) continues a run)", ""), what
            with pytest.raises(ValueError, match="save: the logdir holds another run"):
                trainer.save()
        trainer.fit(data, batch_size=2, progress=False)
        assert saving.latest(tmp_path).endswith(f"model-{trainer.step}")
