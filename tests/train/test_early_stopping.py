"""Which checkpoints of the best weights stay in a folder, and which are taken for those of a run."""

import contextlib
import os
import signal
import tempfile

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit.checkpoints import saving

X = np.linspace(-1, 1, 16, dtype=np.float32)[:, None]
EXECUTIONS = ("feed", "chunks", "resident", "compiled")


def best_then_worse(step):
    """Approaches the optimum for three steps, then leaves it for good."""
    return 0.5 if step < 3 else 3.5


class Killed(Exception):
    """Stands for what ends a process at once: nothing is saved on the way out."""


class KillAt(gk.Callback):
    """Ends the process at the end of an epoch, before the checkpoint of it is saved."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, trainer, metrics):
        if metrics["epoch"] == self.epoch:
            raise Killed


class Weights(gk.Callback):
    """Keeps the weight at the end of each epoch."""

    def __init__(self):
        self.values = []

    def on_epoch_end(self, trainer, metrics):
        self.values.append(float(trainer.weights()["w"]))


def run(logdir, epochs, callbacks, rate=best_then_worse, **fit):
    """Returns the weight at the end of a fit of one step per epoch, in a graph of its own."""
    with tf.Graph().as_default():
        x = gk.feature_input(1)
        w = tf.compat.v1.get_variable("w", (), initializer=gk.zeros(), use_resource=True)
        loss = tf.reduce_mean((w * x - 2 * x) ** 2)
        metrics = {"size": tf.reduce_mean(tf.abs(w) * tf.ones_like(x[:, 0]))}
        trainer = gk.Trainer(loss, optimizer="sgd", learning_rate=rate, logdir=logdir, metrics=metrics)
        with trainer:
            options = {"batch_size": 16, "progress": False, "callbacks": callbacks, **fit}
            trainer.fit({x: X}, epochs=epochs, **options)
            return float(trainer.weights()["w"])


def best_in(folder):
    return sorted(os.path.basename(path) for path in saving.paths_in(folder, "best"))


@pytest.mark.grid
@pytest.mark.parametrize("execution", EXECUTIONS)
def test_a_second_run_in_the_folder_of_another_ends_with_its_own_best_weights(execution, tmp_path):
    """Its best checkpoint may have the name of the earlier run's, which is removed."""
    run(tmp_path, 1, [gk.EarlyStopping("loss")], rate=0.25)
    assert best_in(tmp_path) == ["best-1"]
    weights = Weights()
    got = run(tmp_path, 1, [weights, gk.EarlyStopping("loss")], rate=0.5, execution=execution)
    assert got == weights.values[0] and best_in(tmp_path) == ["best-1"]
    assert float(tf.train.load_variable(str(tmp_path / "best-1"), "w")) == got


def test_a_run_without_early_stopping_removes_the_best_weights_of_an_earlier_one(tmp_path):
    run(tmp_path, 3, [gk.EarlyStopping("loss")])
    assert best_in(tmp_path) == ["best-3"]
    run(tmp_path, 1, [])
    assert best_in(tmp_path) == []


def test_two_metrics_have_best_weights_of_their_own(tmp_path):
    """The size of the weight only grows, so its best epoch is the first; the loss's is the fourth."""
    weights, stopping = Weights(), [gk.EarlyStopping("loss", 9), gk.EarlyStopping("size", 9, mode="min")]
    got = run(tmp_path, 5, [weights, *stopping])
    assert [callback.best_name for callback in stopping] == ["best-4", "best-1"]
    assert best_in(tmp_path) == ["best-1", "best-4"]
    assert got == weights.values[0]  # the callbacks are called in order, so the last one's are restored


@pytest.mark.grid
@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_a_run_that_is_killed_between_best_weights_and_checkpoint_goes_on(epochs, tmp_path):
    weights = Weights()
    run(None, epochs, [weights, gk.EarlyStopping("loss")])
    with pytest.raises(Killed):
        run(tmp_path, 5, [gk.EarlyStopping("loss"), KillAt(2)])
    assert best_in(tmp_path) == ["best-1", "best-2"]
    assert run(tmp_path, epochs, [gk.EarlyStopping("loss")], resume=True) == weights.values[epochs - 1]
    assert best_in(tmp_path) == [f"best-{epochs}"]


def test_a_run_whose_best_weights_were_deleted_goes_on_with_a_word(tmp_path, caplog):
    run(tmp_path, 3, [gk.EarlyStopping("loss", 9)])
    saving.remove(saving.best(tmp_path))
    weights = Weights()
    got = run(tmp_path, 5, [gk.EarlyStopping("loss", 9), weights], resume=True)
    assert "best-3 of the best weights so far is missing" in caplog.text
    assert got in weights.values


def test_a_callback_that_is_used_again_begins_again(tmp_path):
    stopping, plateau = gk.EarlyStopping("loss", 2), gk.ReduceOnPlateau("loss", patience=2)
    first = run(tmp_path / "first", 6, [stopping, plateau])
    assert run(tmp_path / "second", 6, [stopping, plateau]) == first
    assert best_in(tmp_path / "second") == best_in(tmp_path / "first") != []


class Values(gk.Callback):
    """Sets the metric of each epoch, which is what the other callbacks see."""

    def __init__(self, *values):
        self.values = list(values)

    def on_epoch_end(self, trainer, metrics):
        metrics["loss"] = self.values.pop(0)


class InterruptAt(gk.Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, trainer, metrics):
        if metrics["epoch"] == self.epoch:
            signal.raise_signal(signal.SIGINT)


@contextlib.contextmanager
def fitting(folder=None, rate=0.25):
    """Yields (trainer, function that fits and returns the values of the weight)."""
    with tf.Graph().as_default():
        x = gk.feature_input(1)
        w = tf.compat.v1.get_variable("w", (), initializer=gk.zeros(), use_resource=True)
        loss = tf.reduce_mean((w * x - 2 * x) ** 2)
        with gk.Trainer(loss, optimizer="sgd", learning_rate=rate, logdir=folder) as trainer:

            def fit(epochs, *callbacks, **options):
                weights = Weights()
                callbacks = [weights, *callbacks]
                trainer.fit({x: X}, epochs=epochs, callbacks=callbacks, progress=False, **options)
                return weights.values

            yield trainer, fit


@pytest.mark.grid
@pytest.mark.parametrize("with_folder", [False, True])
@pytest.mark.parametrize("execution", EXECUTIONS)
def test_a_second_fit_of_one_trainer_stops_and_restores_by_its_own_values(execution, with_folder, tmp_path):
    """Its values are all worse than those of the first fit."""
    stopping = gk.EarlyStopping("loss", patience=2)
    with fitting(tmp_path if with_folder else None) as (trainer, fit):
        first = fit(3, Values(3, 2, 1), stopping, execution=execution)
        assert trainer.weights()["w"] == first[2]
        second = fit(9, Values(60, 50, 70, 80, 90), stopping, execution=execution)
        assert len(second) == 4 and trainer.weights()["w"] == second[1]
        assert trainer.epoch == 7


def test_a_plateau_of_an_earlier_fit_does_not_reduce_the_rate():
    plateau = gk.ReduceOnPlateau("loss", factor=0.5, patience=2)
    with fitting() as (trainer, fit):
        fit(3, Values(1, 1, 1), plateau)
        assert trainer.rate_factor == 0.5
        fit(4, Values(60, 50, 40, 30), plateau)
        assert trainer.rate_factor == 0.5
        fit(3, Values(9, 9, 9), plateau)
        assert trainer.rate_factor == 0.25


def test_one_callback_may_watch_another_trainer_that_has_made_steps(tmp_path):
    stopping, plateau = gk.EarlyStopping("loss", 2), gk.ReduceOnPlateau("loss", patience=1)
    with fitting(tmp_path / "first") as (trainer, fit):
        fit(2, Values(0.2, 0.1), stopping, plateau)
        path = trainer.save()
    with fitting(tmp_path / "second") as (trainer, fit):
        trainer.restore(path)
        weights = fit(3, Values(60, 50, 40), stopping, plateau)
        assert (trainer.weights()["w"], trainer.rate_factor) == (weights[2], 1)


@pytest.mark.parametrize("with_folder", [False, True])
def test_a_fit_goes_on_with_the_memory_of_an_interrupted_one(with_folder, tmp_path):
    stopping = gk.EarlyStopping("loss", patience=3)
    with fitting(tmp_path if with_folder else None) as (trainer, fit):
        weights = Weights()
        with pytest.raises(KeyboardInterrupt):
            fit(9, weights, Values(1, 9), stopping, InterruptAt(2))
        assert len(fit(9, Values(9, 9, 9), stopping)) == 2
        assert trainer.weights()["w"] == weights.values[0]


def test_two_early_stoppings_of_a_second_fit_have_best_weights_of_their_own(tmp_path):
    stopping = [gk.EarlyStopping("loss", 9), gk.EarlyStopping("valid_loss", 9)]
    with fitting(tmp_path) as (trainer, fit):
        valid = {trainer.graph.get_tensor_by_name("features:0"): X}
        for _ in range(2):
            weights = fit(3, *stopping, valid=valid)
            assert trainer.weights()["w"] == weights[-1]


class Refuses(gk.Callback):
    def on_fit_start(self, trainer):
        raise ValueError("refused")


def test_a_fit_that_was_refused_leaves_the_weights(tmp_path):
    stopping = gk.EarlyStopping("loss")
    with fitting(tmp_path) as (trainer, fit):
        fit(2, Values(1, 2), stopping)
        fit(1)
        before = trainer.weights()["w"]
        with pytest.raises(ValueError, match="refused"):
            fit(1, Refuses(), stopping)
        assert trainer.weights()["w"] == before


def test_a_temporary_folder_where_tensorflow_reads_nothing_is_refused_at_once(tmp_path, monkeypatch):
    folder = tmp_path / "lr=[0.1]"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    weights, rule = Weights(), r"EarlyStopping: TensorFlow takes .* received TMPDIR=.*lr=\[0\.1\]"
    with pytest.raises(ValueError, match=rule):
        run(None, 3, [gk.EarlyStopping("loss"), weights])
    assert weights.values == [] and list(folder.iterdir()) == []
    run(None, 2, [gk.EarlyStopping("loss", restore_best=False)])
    run(tmp_path / "logs", 2, [gk.EarlyStopping("loss")])
