"""A dry run: everything once, and then all as before."""

import os
import signal

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk

X = np.ones((20, 2), np.float32)


class Called(gk.Callback):
    """Notes what is called, and what is in the folder then."""

    def __init__(self):
        self.calls, self.files = [], []

    def __getattribute__(self, name):
        if name.startswith("on_"):
            object.__getattribute__(self, "calls").append(name)
        return object.__getattribute__(self, name)

    def on_save_end(self, trainer, path):
        self.files.append(path)


@pytest.fixture(scope="module")
def problem(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dry")
    with tf.Graph().as_default():
        x, keep_prob = gk.feature_input(2), tf.compat.v1.placeholder(tf.float32, (), name="keep_prob")
        loss = tf.reduce_mean(gk.dense(gk.dropout(x, keep_prob), 1) ** 2)
        with gk.Trainer(loss, "adam", 0.1, logdir=folder / "logs") as trainer:
            yield trainer, {"data": {x: X}, "feed": {keep_prob: 0.5}, "batch_size": 4}, folder


def everything(trainer):
    values = trainer.session.run(trainer.training_step.variables)
    folder = {name: os.stat(trainer.logdir / name).st_mtime_ns for name in os.listdir(trainer.logdir)}
    return [value.tobytes() for value in values], trainer.state.copy().to_json(), folder


@pytest.mark.parametrize(
    "execution", ["feed", "chunks", "resident", pytest.param("compiled", marks=pytest.mark.slow)]
)
def test_everything_is_done_once_and_undone(execution, problem, capsys):
    trainer, given, _ = problem
    called, stopping = Called(), gk.EarlyStopping("loss", patience=1)
    before, memory = everything(trainer), vars(trainer).keys()
    callbacks = [called, stopping]
    history = trainer.fit(callbacks=callbacks, epochs=9, execution=execution, dry_run=True, **given)
    assert len(history["loss"]) == 1 and history["step"][0] == trainer.step + 1
    assert {"on_fit_start", "on_epoch_start", "on_run_end", "on_epoch_end", "on_save_end", "on_fit_end"} <= {
        *called.calls
    }
    assert called.files and not any(map(os.path.exists, called.files))
    assert "dry run: a step, the validation of a batch, a checkpoint and an export" in capsys.readouterr().out
    assert everything(trainer) == before and vars(trainer).keys() == memory
    assert stopping.best_name is None and stopping.watch.best == np.inf


def test_a_run_goes_on_as_without_it(problem):
    trainer, given, folder = problem
    start = trainer.save(folder / "start")
    options = {**given, "progress": False}
    expected = trainer.fit(max_steps=7, **options)["loss"]
    weights = trainer.weights()
    trainer.restore(start)
    trainer.fit(max_steps=3, **options)
    before = everything(trainer)
    trainer.fit(epochs=5, resume=True, dry_run=True, **options)
    assert everything(trainer) == before
    found = trainer.fit(max_steps=7, resume=True, **options)["loss"]
    assert found == expected
    np.testing.assert_array_equal(trainer.weights()["dense/kernel"], weights["dense/kernel"])
    trainer.restore(start)


def test_an_error_in_a_callback_shows_and_all_is_as_before(problem):
    class Wrong(gk.Callback):
        def on_epoch_end(self, trainer, metrics):
            raise KeyError("accuracy")

    trainer, given, _ = problem
    before = everything(trainer)
    with pytest.raises(KeyError, match="accuracy"):
        trainer.fit(callbacks=[Wrong()], dry_run=True, progress=False, **given)
    assert everything(trainer) == before


class Counting(gk.Callback):
    """Has a memory that checkpoints keep, and a file."""

    def __init__(self):
        self.epochs = 0

    def on_epoch_end(self, trainer, metrics):
        self.epochs += 1
        (trainer.logdir / "counted").write_text(str(self.epochs))

    def state(self):
        return self.epochs

    def restore_state(self, state):
        self.epochs = state


def test_callbacks_remember_what_they_did_before(problem, caplog):
    trainer, given, folder = problem
    start = trainer.save(folder / "start")
    options = {**given, "progress": False}
    used = [Counting(), gk.BestCheckpoint("loss", keep=3), gk.EarlyStopping("loss")]
    trainer.fit(epochs=2, callbacks=used, **options)
    before, states = everything(trainer), [callback.state() for callback in used]
    new = [Counting(), gk.BestCheckpoint("loss", keep=3), gk.EarlyStopping("loss")]
    empty = [callback.state() for callback in new]
    trainer.fit(epochs=9, callbacks=used, dry_run=True, **options)
    trainer.fit(epochs=9, callbacks=new, dry_run=True, resume=True, **options)
    assert [callback.state() for callback in used] == states and states[1] != empty[1]
    assert [callback.state() for callback in new] == empty and not any(c.restored for c in new[1:])
    assert everything(trainer) == before
    assert "missing" not in caplog.text  # best checkpoints that are not in the folder of the dry run
    trainer.restore(start)


def test_best_weights_of_an_interrupted_fit_without_a_folder_stay(caplog):
    class Interrupting(gk.Callback):
        def on_epoch_start(self, trainer):
            if trainer.epoch == 2:
                signal.raise_signal(signal.SIGINT)

    x = gk.feature_input(2)
    loss = tf.reduce_mean(gk.dense(x, 1) ** 2)
    stopping = gk.EarlyStopping("loss", patience=9)
    with gk.Trainer(loss) as trainer:
        with pytest.raises(KeyboardInterrupt):
            trainer.fit({x: X}, epochs=4, callbacks=[stopping, Interrupting()], progress=False)
        best, place = stopping.state(), stopping.path(trainer, stopping.best_name)
        trainer.fit({x: X}, epochs=4, callbacks=[stopping], dry_run=True, progress=False)
        assert stopping.state() == best and os.path.exists(f"{place}.index")
        trainer.fit({x: X}, epochs=1, callbacks=[stopping], progress=False)
    assert "missing" not in caplog.text and not os.path.exists(f"{place}.index")


def test_an_iterator_is_not_used_up():
    x = gk.feature_input(2)
    batches = iter([{x: X}] * 3)
    with gk.Trainer(tf.reduce_mean(gk.dense(x, 1) ** 2)) as trainer:
        for given in ({"data": batches}, {"data": {x: X}, "valid": batches}):
            with pytest.raises(ValueError, match="an iterator can be read only once"):
                trainer.fit(**given, dry_run=True, progress=False)


def test_a_graph_that_cannot_be_exported_is_named(caplog):
    x = gk.feature_input(2)
    scale = tf.compat.v1.py_func(np.float32, [2.0], tf.float32)
    scale.set_shape(())
    loss = tf.reduce_mean(gk.dense(x, 1) ** 2) * scale
    with gk.Trainer(loss) as trainer:
        trainer.fit({x: X}, dry_run=True, progress=False)
        assert trainer.step == 0
    assert "dry run: the graph of the loss cannot be exported" in caplog.text
