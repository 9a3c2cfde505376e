"""What a long session with a trainer leaves behind: no ops, no open sessions, no files."""

import gc
import tempfile
import weakref

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk

X = np.linspace(-1, 1, 8, dtype=np.float32)[:, None]


def line_fit(**options):
    """Returns (trainer, data) of a one-weight regression."""
    x = gk.feature_input(1)
    w = tf.compat.v1.get_variable("w", (), initializer=gk.zeros(), use_resource=True)
    return gk.Trainer(tf.reduce_mean((w * x - 2 * x) ** 2), optimizer="sgd", learning_rate=0.1, **options), {
        x: X
    }


@pytest.mark.slow
def test_many_fits_do_not_make_the_graph_grow():
    trainer, data = line_fit()
    with trainer:
        ops = len(trainer.graph.get_operations())
        for _ in range(300):
            trainer.fit(data, epochs=1, batch_size=8, valid=data, progress=False)
        assert len(trainer.graph.get_operations()) == ops
        assert trainer.history["epoch"] == list(range(1, 301))
        assert trainer.evaluate(data)["loss"] < 1e-9


def test_neither_do_checkpoints_tests_of_rates_and_predictions(tmp_path):
    trainer, data = line_fit(accumulate=2, logdir=tmp_path)
    (x,) = data
    with trainer:
        ops = len(trainer.graph.get_operations())
        for _ in range(5):
            trainer.fit(data, batch_size=2, callbacks=[gk.EarlyStopping("loss")], progress=False)
            gk.find_learning_rate(trainer, data, steps=3)
            trainer.restore(trainer.save(tmp_path / "own"))
            trainer.restore(tmp_path / "own", weights_only=True)
            assert np.array_equal(trainer.predict(x, data), X)
        assert len(trainer.graph.get_operations()) == ops


def test_a_trainer_closes_its_session_when_it_is_collected():
    trainer, data = line_fit()
    trainer.fit(data, epochs=2, callbacks=[gk.ReduceOnPlateau("loss")], progress=False)
    session, loss, feed = trainer.session, trainer.training_step.loss, {next(iter(data)): X}
    assert session.run(loss, feed) > 0
    gone = weakref.ref(trainer)
    del trainer
    gc.collect()
    assert gone() is None
    with pytest.raises(RuntimeError, match="closed"):
        session.run(loss, feed)


def test_a_trainer_that_failed_is_collected_too():
    trainer, data = line_fit(metrics={})
    with pytest.raises(ValueError, match="fit: batch_size"):
        trainer.fit(data, batch_size=0)
    session, loss, feed = trainer.session, trainer.training_step.loss, {next(iter(data)): X}
    del trainer
    gc.collect()
    with pytest.raises(RuntimeError, match="closed"):
        session.run(loss, feed)


def test_closing_twice_and_in_a_with_statement_is_fine():
    trainer, _ = line_fit()
    with trainer:
        trainer.close()
    trainer.close()


def test_temporary_folders_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    trainer, data = line_fit()
    with trainer:
        trainer.fit(data, epochs=3, callbacks=[gk.EarlyStopping("loss")], progress=False)
        gk.find_learning_rate(trainer, data, steps=3)
        gk.find_learning_rate(trainer, data, lowest=1.0, highest=1e38, steps=3)
    assert list(tmp_path.iterdir()) == []
