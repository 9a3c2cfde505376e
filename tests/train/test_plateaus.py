"""ReduceOnPlateau: when it reduces, by how much, and that a resumed run does as the whole one did."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from references import Ended, StopAt

import graphkit as gk

X = np.linspace(-1, 1, 16, dtype=np.float32)[:, None]


def scripted(figures, **options):
    """Returns (trainer, data): with one mini-batch an epoch, its metric `score` takes these values."""
    x = gk.feature_input(1)
    w = tf.compat.v1.get_variable("w", (), initializer=gk.zeros(), use_resource=True)
    step = tf.compat.v1.train.get_or_create_global_step()
    score = tf.gather(tf.constant(figures, tf.float32), step)
    options = {"optimizer": "sgd", "learning_rate": 1.0, **options}
    return gk.Trainer(tf.reduce_mean((w * x - x) ** 2), metrics={"score": score}, **options), {x: X}


def rates(figures, plateau, **options):
    with tf.Graph().as_default():
        trainer, data = scripted(figures, **options)
        with trainer:
            arguments = {"epochs": len(figures), "batch_size": 16, "progress": False}
            return trainer.fit(data, callbacks=[plateau], **arguments)["learning_rate"]


def test_reduces_exactly_when_due_and_counts_again():
    figures = [5, 4, 4, 4, 4, 4, 4, 3, 3, 3]
    # best in epoch 2; two epochs without improvement at epochs 4 and 6, best again in 8, reduced at 10
    plateau = gk.ReduceOnPlateau("score", factor=0.5, patience=2, mode="min")
    assert rates(figures, plateau) == [1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25]
    plateau = gk.ReduceOnPlateau("score", factor=0.5, patience=1, mode="min")
    assert rates(figures[:6], plateau) == [1, 1, 1, 0.5, 0.25, 0.125]


def test_improvement_after_a_reduction_sets_the_count_back():
    figures = [5, 6, 6, 4, 6, 6, 6]
    plateau = gk.ReduceOnPlateau("score", factor=0.5, patience=2, mode="min")
    assert rates(figures, plateau) == [1, 1, 1, 0.5, 0.5, 0.5, 0.25]


def test_min_factor_is_a_floor():
    plateau = gk.ReduceOnPlateau("score", factor=0.25, patience=1, mode="min", min_factor=0.1)
    assert rates([1] * 6, plateau) == pytest.approx([1, 1, 0.25, 0.1, 0.1, 0.1])


def test_min_delta_counts_small_gains_as_none():
    figures = [8, 7.75, 7.5, 7.25, 7]  # the fifth is 1 below the first, the best that counted
    plateau = gk.ReduceOnPlateau("score", factor=0.5, patience=2, mode="min", min_delta=0.875)
    assert rates(figures, plateau) == [1, 1, 1, 0.5, 0.5]
    assert plateau.watch.best_epoch == 5
    plateau = gk.ReduceOnPlateau("score", factor=0.5, patience=2, mode="min", min_delta=0.125)
    assert rates(figures, plateau) == [1] * 5


@pytest.mark.parametrize(("mode", "reduced"), [("min", False), ("max", True), (None, True)])
def test_modes(mode, reduced):
    plateau = gk.ReduceOnPlateau("score", factor=0.5, patience=1, mode=mode)
    assert rates([3, 2, 1], plateau) == ([1, 1, 0.5] if reduced else [1, 1, 1])


def test_losses_are_to_fall_by_default():
    falling, rising = gk.ReduceOnPlateau("loss", 0.5, 1), gk.ReduceOnPlateau("loss", 0.5, 1)
    assert rates([0] * 4, falling, learning_rate=0.1) == [0.1] * 4
    assert rates([0] * 4, rising, learning_rate=lambda step: 8.0)[:3] == [8.0, 8.0, 4.0]  # it diverges


def test_multiplies_a_schedule():
    plateau = gk.ReduceOnPlateau("score", factor=0.5, patience=1, mode="min")
    got = rates([1, 1, 1, 1], plateau, learning_rate=gk.exponential_decay(1.0, 1, 0.25))
    assert got == [1, 0.25, 0.0625 * 0.5, 0.015625 * 0.25]


def test_the_reduced_rate_is_what_moves_the_weights():
    x = gk.feature_input(1)
    w = tf.compat.v1.get_variable("w", (), initializer=gk.zeros(), use_resource=True)
    loss = w * tf.reduce_mean(x) - tf.stop_gradient(w)  # always 0, with a gradient of 1
    with gk.Trainer(loss, optimizer="sgd", learning_rate=1.0) as trainer:
        plateau = gk.ReduceOnPlateau("loss", factor=0.5, patience=1)
        trainer.fit({x: np.ones((4, 1))}, epochs=5, batch_size=2, callbacks=[plateau], progress=False)
        assert trainer.session.run(w) == -2 * (1 + 1 + 0.5 + 0.25 + 0.125)
        assert trainer.rate_factor == 0.0625


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 4) | st.just(math.nan), min_size=1, max_size=25),
    st.integers(1, 4),
    st.sampled_from([0, 1, 1.5]),
    st.sampled_from(["min", "max"]),
)
def test_agrees_with_a_count_of_waiting_epochs(values, patience, min_delta, mode):
    plateau = gk.ReduceOnPlateau("score", 0.5, patience, min_delta=min_delta, mode=mode, min_factor=0.1)
    trainer = SimpleNamespace(rate_factor=1.0)
    best, waited, factor = None, 0, 1.0
    for epoch, value in enumerate(values, start=1):
        plateau.on_epoch_end(trainer, {"epoch": epoch, "score": value})
        gain = math.nan if best is None else (best - value) * (1 if mode == "min" else -1)
        if not math.isnan(value) and (best is None or gain > min_delta):
            best, waited = value, 0
        else:
            waited += 1
        if waited == patience:
            factor, waited = max(0.1, factor / 2), 0
        assert trainer.rate_factor == factor


def line_fit(logdir):
    """A run whose loss rises and falls by turns, in mini-batches, until its rate is small enough."""
    x = gk.feature_input(1)
    w = tf.compat.v1.get_variable("w", (), initializer=gk.zeros(), use_resource=True)
    loss = tf.reduce_mean((w * x - 2 * x) ** 2)
    return gk.Trainer(loss, optimizer="momentum", learning_rate=4.0, seed=5, logdir=logdir), {x: X}


def run(logdir, epochs, resume=True, halt_at=None):
    """Returns (history without times, all variables, rate_factor) of a run that may halt inside an epoch."""
    with tf.Graph().as_default():
        trainer, data = line_fit(logdir)
        plateau = gk.ReduceOnPlateau("valid_loss", factor=0.5, patience=2)
        with trainer:
            options = {"epochs": epochs, "batch_size": 4, "valid": data, "progress": False, "resume": resume}
            if halt_at:
                with pytest.raises(Ended):
                    trainer.fit(data, callbacks=[plateau, StopAt(halt_at)], **options)
            else:
                trainer.fit(data, callbacks=[plateau], **options)
            times = ("seconds", "examples_per_second")
            history = {name: column for name, column in trainer.history.items() if name not in times}
            variables = trainer.session.run(trainer.graph.get_collection("variables"))
            return history, [v.tobytes() for v in variables], trainer.rate_factor


@pytest.mark.slow
def test_resumed_run_equals_the_run_that_was_never_stopped(tmp_path):
    whole = run(tmp_path / "whole", 16, resume=False)
    assert len(set(whole[0]["learning_rate"])) >= 3  # it was reduced more than once
    for epochs in (1, 2, 3, 4, 5, 8):
        run(tmp_path / "parts", epochs)
    run(tmp_path / "parts", 16, halt_at=38)  # inside epoch 10
    assert run(tmp_path / "parts", 16) == whole


def test_optimizer_object_is_refused_before_the_first_step():
    trainer, data = scripted([0, 0], optimizer=tf.compat.v1.train.AdamOptimizer(), learning_rate=None)
    with trainer:
        with pytest.raises(ValueError, match="ReduceOnPlateau: the optimizer brings its own learning rate"):
            trainer.fit(data, callbacks=[gk.ReduceOnPlateau("loss")], progress=False)
        assert trainer.step == 0


@pytest.mark.parametrize("monitor", ["valid_loss", "accuracy", "learning_rate"])
def test_unknown_figure_is_refused_before_the_first_step(monitor):
    trainer, data = scripted([0, 0])
    with trainer:
        message = (
            f"ReduceOnPlateau: monitor must be a metric of the history.*; .*'{monitor}'.*'loss', 'score'"
        )
        with pytest.raises(ValueError, match=message):
            trainer.fit(data, callbacks=[gk.ReduceOnPlateau(monitor)], progress=False)
        assert trainer.step == 0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"factor": 0}, ValueError, "ReduceOnPlateau: factor .*above 0 and below 1"),
        ({"factor": 1}, ValueError, "ReduceOnPlateau: factor .*above 0 and below 1"),
        ({"factor": "half"}, TypeError, "ReduceOnPlateau: factor .*'half'"),
        ({"patience": 0}, ValueError, "ReduceOnPlateau: patience .*at least 1"),
        ({"patience": 1.5}, TypeError, "ReduceOnPlateau: patience .*integer"),
        ({"min_delta": -1}, ValueError, "ReduceOnPlateau: min_delta .*at least 0"),
        ({"mode": "up"}, ValueError, "ReduceOnPlateau: mode must be one of 'min', 'max'"),
        ({"mode": 1}, TypeError, "ReduceOnPlateau: mode"),
        ({"min_factor": 0}, ValueError, "ReduceOnPlateau: min_factor .*above 0"),
        ({"min_factor": 2}, ValueError, "ReduceOnPlateau: min_factor .*at most 1"),
        ({"monitor": 3}, TypeError, "ReduceOnPlateau: monitor"),
    ],
)
def test_bad_options(options, error, message):
    with pytest.raises(error, match=message):
        gk.ReduceOnPlateau(**options)
