"""The best checkpoints of a run: which files stay, what finds them, and a run that goes on."""

import os
import shutil

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit.checkpoints import contents, saving
from graphkit.train import run_folder

X = np.ones((8, 1), np.float32)


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """Returns (trainer, function that makes it begin anew in an empty folder, data).

    The weight of each step is the sum of scripted changes: the loss is (weight - 2)**2 after each epoch.
    """
    folder = tmp_path_factory.mktemp("line")
    with tf.Graph().as_default():
        x = gk.feature_input(1)
        w = tf.compat.v1.get_variable("w", (), initializer=gk.zeros(), use_resource=True)
        loss = tf.reduce_mean((w * x - 2) ** 2)
        # Rates of 0.25 halve the distance from 2; those of 1.1 make it longer.
        script = [0.25, 0.25, 1.1, 0.25, 0.25, 1.1, 0.25, 0.5]
        options = {"average_decay": 0.5, "logdir": folder / "logs"}
        with gk.Trainer(loss, "sgd", lambda step: script[step], **options) as trainer:
            start = trainer.save(folder / "start")

            def begin():
                trainer.folder.release()
                shutil.rmtree(folder / "logs")
                (folder / "logs").mkdir()
                trainer.restore(start)

            yield trainer, begin, {x: X}


def names(trainer, kind="best"):
    return sorted(os.path.basename(path) for path in saving.paths_in(trainer.logdir, kind))


def fit(line, *callbacks, **options):
    trainer, _, data = line
    settings = {"batch_size": 8, "valid": data, "progress": False, "callbacks": callbacks}
    return trainer.fit(data, **{**settings, **options})


def test_the_best_stay_and_training_goes_on(line):
    trainer, begin, data = line
    begin()
    best = gk.BestCheckpoint(keep=2)
    losses = fit(line, best, epochs=8)["valid_loss"]
    ranked = sorted(zip(losses, range(1, 9), strict=True))[:2]
    assert [(value, os.path.basename(path)) for value, path in best.kept] == [
        (value, f"best-valid_loss-{step}") for value, step in ranked
    ]
    assert names(trainer) == sorted(f"best-valid_loss-{step}" for _, step in ranked)
    found = run_folder.find_weights(trainer.logdir)
    assert found == best.kept[0][1]
    trainer.restore(found, weights_only=True)
    assert trainer.evaluate(data)["loss"] == min(losses)


def test_a_resumed_run_keeps_the_same_and_never_leads_to_a_stale_one(line):
    trainer, begin, _ = line
    begin()
    whole = gk.BestCheckpoint("loss", keep=3)
    fit(line, whole, epochs=8)
    begin()
    fit(line, gk.BestCheckpoint("loss", keep=3), max_steps=4)
    begin_again(line)
    best = gk.BestCheckpoint("loss", keep=3)
    fit(line, best, epochs=8, resume=True)
    assert best.kept == whole.kept and len(names(trainer)) == 3
    # Without the callback, the run has no best weights: the newest are taken, and the files go.
    begin()
    fit(line, gk.BestCheckpoint(keep=1), epochs=2)
    assert run_folder.find_weights(trainer.logdir).endswith("best-valid_loss-2")
    begin_again(line)
    fit(line, epochs=3, resume=True)
    assert run_folder.find_weights(trainer.logdir) == saving.latest(trainer.logdir)
    assert names(trainer) == []


def begin_again(line):
    """What another process begins with: nothing but the folder."""
    trainer = line[0]
    trainer.restore(trainer.logdir.parent / "start")
    trainer.callbacks = []


def test_two_callbacks_and_early_stopping_keep_their_own(line):
    trainer, begin, _ = line
    begin()
    first, second = gk.BestCheckpoint("valid_averaged_loss"), gk.BestCheckpoint("loss", mode="max")
    fit(line, first, second, gk.EarlyStopping("valid_loss", patience=9), epochs=6)
    kept = [os.path.basename(best.kept[0][1]) for best in (first, second)]
    assert kept[0].startswith("best-valid_averaged_loss-") and kept[1].startswith("best-loss-")
    assert len(names(trainer)) == 3 and set(kept) < {*names(trainer)}
    assert run_folder.find_weights(trainer.logdir) == first.kept[0][1]  # that of the first callback
    # Of averages, the checkpoint holds these as the model's variables.
    reader = contents.Reader(first.kept[0][1])
    assert reader.value("w") == reader.value("w/ExponentialMovingAverage")


def test_it_looks_at_validations_inside_epochs(line):
    trainer, begin, _ = line
    begin()
    best = gk.BestCheckpoint(keep=9)
    fit(line, best, epochs=2, batch_size=2, valid_every=3)
    assert {saving.step_of(path) for _, path in best.kept} == {3, 4, 6, 8}
    assert trainer.validations["step"] == [3, 4, 6, 8]


def test_a_missing_file_is_named(line, caplog):
    trainer, begin, _ = line
    begin()
    fit(line, gk.BestCheckpoint(), epochs=2)
    saving.remove(str(trainer.logdir / "best-valid_loss-2"))
    begin_again(line)
    best = gk.BestCheckpoint()
    fit(line, best, epochs=3, resume=True)
    assert "best-valid_loss-2 of the best weights so far is missing" in caplog.text
    assert names(trainer) == ["best-valid_loss-3"]  # the best of those that are there


def test_nan_is_never_best_and_ties_keep_the_first(tmp_path):
    class Saves:
        logdir, step, batch, saved = tmp_path, 0, 0, ()

        def save(self, path):
            self.saved += (os.path.basename(path),)

    best, trainer = gk.BestCheckpoint("top 5/accuracy", keep=1), Saves()
    for trainer.step, value in enumerate([float("nan"), 0.5, 0.5, 0.4, 0.6], 1):
        best.on_epoch_end(trainer, {"top 5/accuracy": value})
    assert trainer.saved == ("best-top_5_accuracy-2", "best-top_5_accuracy-5")


def test_what_it_cannot_keep_is_refused_before_the_first_step(line):
    trainer, begin, _ = line
    begin()
    with pytest.raises(ValueError, match="^BestCheckpoint: monitor must be a metric of the history"):
        fit(line, gk.BestCheckpoint("valid_accuracy"))
    with pytest.raises(ValueError, match="^BestCheckpoint: keep .*at least 1"):
        gk.BestCheckpoint(keep=0)
    assert trainer.step == 0
    folder, trainer.folder = trainer.folder, None
    with pytest.raises(ValueError, match="^BestCheckpoint: .*a trainer with a logdir"):
        fit(line, gk.BestCheckpoint("loss"))
    trainer.folder = folder
