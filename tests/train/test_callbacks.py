"""Early stopping, the progress display, and where runs of many steps end."""

import itertools
import types

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit import checks
from graphkit.train import callbacks

X = np.linspace(-1, 1, 16, dtype=np.float32)[:, None]


def line_fit(**options):
    """Returns (trainer, data) of a one-weight regression; the loss falls while the rate is small."""
    x = gk.feature_input(1)
    y = tf.compat.v1.placeholder(tf.float32, (None, 1), name="y")
    w = tf.compat.v1.get_variable("w", (), initializer=gk.zeros(), use_resource=True)
    return gk.Trainer(tf.reduce_mean((w * x - y) ** 2), optimizer="sgd", **options), {x: X, y: 2 * X}


def best_then_worse(step):
    """Approaches the optimum for three steps, then leaves it for good."""
    return 0.5 if step < 3 else 3.5


def weight(trainer):
    return float(trainer.session.run(trainer.graph.get_collection("variables")[0]))


@pytest.mark.parametrize("with_logdir", [False, True])
def test_stops_after_patience_and_restores_the_best_weights(with_logdir, tmp_path, capsys):
    trainer, data = line_fit(learning_rate=best_then_worse, logdir=tmp_path if with_logdir else None)
    values = []

    class Watch(gk.Callback):
        def on_epoch_end(self, trainer, metrics):
            values.append(weight(trainer))

    with trainer:
        stopping = gk.EarlyStopping("valid_loss", patience=2)
        history = trainer.fit(data, epochs=20, batch_size=16, valid=data, callbacks=[Watch(), stopping])
        best = int(np.argmin(history["valid_loss"]))
        assert best == 2 and history["epoch"] == [1, 2, 3, 4, 5]
        assert weight(trainer) == values[best] != values[-1]
        assert trainer.evaluate(data)["loss"] == pytest.approx(history["valid_loss"][best])
    assert "stopped: valid_loss" in capsys.readouterr().out


def test_without_restore_the_last_weights_stay():
    trainer, data = line_fit(learning_rate=best_then_worse)
    with trainer:
        stopping = gk.EarlyStopping("loss", patience=1, restore_best=False)
        history = trainer.fit(data, epochs=20, batch_size=16, callbacks=[stopping], progress=False)
        assert trainer.evaluate(data)["loss"] > min(history["loss"])


def test_min_delta_counts_small_gains_as_none():
    trainer, data = line_fit(learning_rate=1e-6)
    with trainer:
        stopping = gk.EarlyStopping("loss", patience=2, min_delta=0.1)
        assert trainer.fit(data, epochs=9, callbacks=[stopping], progress=False)["epoch"] == [1, 2, 3]


def test_resumed_early_stopping_decides_as_if_never_stopped(tmp_path):
    def run(epochs, logdir, resume):
        with tf.Graph().as_default():
            trainer, data = line_fit(learning_rate=best_then_worse, logdir=logdir)
            with trainer:
                stopping = gk.EarlyStopping("loss", patience=3)
                history = trainer.fit(
                    data, epochs=epochs, batch_size=16, callbacks=[stopping], resume=resume, progress=False
                )
                return history["loss"], weight(trainer)

    whole = run(20, tmp_path / "whole", False)
    run(4, tmp_path / "parts", True)
    assert run(20, tmp_path / "parts", True) == whole
    assert run(20, tmp_path / "parts", True)[0] == whole[0]  # it has been stopped, and stays so


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"patience": 0}, ValueError, "EarlyStopping: patience"),
        ({"min_delta": -1}, ValueError, "EarlyStopping: min_delta"),
        ({"mode": "up"}, ValueError, "EarlyStopping: mode"),
    ],
)
def test_bad_options_of_early_stopping(options, error, message):
    with pytest.raises(error, match=message):
        gk.EarlyStopping(**options)


@pytest.mark.parametrize("execution", ["feed", "chunks", "resident", "compiled"])
def test_runs_end_where_a_callback_wants_to_look(execution):
    class Look(gk.Callback):
        every_steps = 3

        def on_run_end(self, trainer):
            seen.append((trainer.step, weight(trainer)))

    seen = []
    trainer, data = line_fit()
    with trainer:
        options = {"progress": False, "execution": execution, "steps_per_run": 5, "callbacks": [Look()]}
        trainer.fit(data, epochs=1, batch_size=1, **options)
        trainer.fit(data, epochs=1, batch_size=1, **options)
    stops = [3, 6, 9, 12, 15, 16, 18, 21, 24, 27, 30, 32]
    assert [step for step, _ in seen] == (list(range(1, 33)) if execution == "feed" else stops)
    assert all(earlier < later for (_, earlier), (_, later) in itertools.pairwise(seen))


@pytest.mark.parametrize(
    ("monitor", "names", "near"),
    [
        ("val_loss", ["loss", "valid_loss"], " (near it: valid_loss)"),
        ("val_accuracy", ["loss", "accuracy", "valid_loss", "valid_accuracy"], " (near it: valid_accuracy)"),
        ("valid_acc", ["loss", "valid_loss", "valid_accuracy"], " (near it: valid_accuracy, valid_loss)"),
        ("acc", ["loss", "accuracy"], " (near it: accuracy)"),
        ("valid_loss", ["loss"], ", which fit has with valid={placeholder: examples}"),
        ("val_loss", ["loss"], ", which fit has with valid={placeholder: examples}"),
        ("perplexity", ["loss"], ""),
    ],
)
def test_the_nearest_metric_is_named(monitor, names, near):
    watch = callbacks.Watch(checks.Checker("EarlyStopping"), monitor, 0.0, None)
    with pytest.raises(ValueError) as error:
        watch.start(types.SimpleNamespace(metric_names=names))
    rule = "EarlyStopping: monitor must be a metric of the history"
    assert str(error.value) == f"{rule}{near}; received monitor={monitor!r}, metrics={names}"
