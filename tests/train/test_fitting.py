"""Runs that end in the middle, by a kill, a signal, a damaged checkpoint, a full disk, and go on."""

import functools
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from references import everything

import graphkit as gk
from graphkit.checkpoints import saving
from graphkit.data import batches
from graphkit.running import steps

random = np.random.default_rng(0)
IMAGES = batches.aligned_empty((70, 8, 8, 1), np.uint8)
IMAGES[...] = random.integers(0, 256, IMAGES.shape)
LABELS = random.integers(0, 3, 70).astype(np.int32)
EXECUTIONS = ("feed", "chunks", "resident", "compiled")
STEPS = 5  # of an epoch


class Killed(Exception):
    """Stands for what ends a process at once: nothing is saved on the way out."""


class KillAt(gk.Callback):
    def __init__(self, step, act):
        self.step, self.act = step, act

    def on_run_end(self, trainer):
        if trainer.step >= self.step:
            self.act()


def kill():
    raise Killed


def train(logdir=None, resume=False, epochs=3, end=None, act=kill, images=IMAGES, units=16, **fit):
    """Returns (all variables, history without times) of a run that is ended at a step."""
    with tf.Graph().as_default():
        inputs, labels, keep = gk.image_input(8, 8, 1), gk.label_input(), gk.keep_prob_input()
        net = gk.batch_norm(gk.dense(gk.dropout(gk.flatten(inputs), keep), units))
        loss = gk.softmax_cross_entropy(gk.dense(net, 3), labels)
        with gk.Trainer(
            loss, learning_rate=gk.exponential_decay(0.05, 3, 0.7), seed=3, logdir=logdir
        ) as trainer:
            callbacks = [gk.ReduceOnPlateau("valid_loss", patience=1, min_delta=1.0), gk.EarlyStopping()]
            callbacks += [gk.Checkpointing(every_steps=2)] if logdir else []
            callbacks += [KillAt(end, act)] if end else []
            options = {"batch_size": 16, "progress": False, "callbacks": callbacks, "steps_per_run": 3, **fit}
            data = {inputs: images, labels: LABELS}
            augment = {inputs: gk.Augmentation(flip=True)}
            history = trainer.fit(
                data, {keep: 0.7}, epochs, valid=data, resume=resume, augment=augment, **options
            )
            return everything(trainer), untimed(history)


@functools.cache
def uninterrupted():
    """Returns what a run without an end in the middle gives; it is trained once for all tests."""
    return train()


def untimed(history):
    return {k: v for k, v in history.items() if k not in ("seconds", "examples_per_second")}


def assert_same(one, other):
    assert repr(one[1]) == repr(other[1])
    assert all(np.array_equal(a, b) for a, b in zip(one[0], other[0], strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("execution", EXECUTIONS)
def test_a_run_that_is_killed_again_and_again_ends_with_the_same_bits(execution, tmp_path):
    whole = train(tmp_path / "whole", execution=execution)
    for number, end in enumerate((1, 6, 6, 9, 14)):
        with pytest.raises(Killed):
            train(tmp_path / "killed", resume=number > 0, end=end, execution=execution)
    assert_same(train(tmp_path / "killed", resume=True, execution=execution), whole)


def test_a_run_goes_on_inside_an_epoch(tmp_path):
    with pytest.raises(Killed):
        train(tmp_path, end=8)
    assert saving.step_of(saving.latest(tmp_path)) == 8 and 8 % STEPS
    assert_same(train(tmp_path, resume=True), uninterrupted())


@pytest.mark.slow
def test_auto_executes_a_resumed_run_as_the_whole_one(tmp_path, caplog):
    """The last epochs of a long run are few steps, and would not be worth compiling by themselves."""
    caplog.set_level("INFO", "graphkit")
    for resume, epochs in ((False, 60), (True, 61)):
        train(tmp_path, resume, epochs)
    lines = [r.getMessage() for r in caplog.records if r.getMessage().startswith("execution")]
    assert lines[0] == lines[1]


def test_an_interrupted_run_keeps_a_checkpoint_and_says_how_to_go_on(tmp_path, caplog):
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, end=7, act=lambda: signal.raise_signal(signal.SIGINT))
    assert f"interrupted at step 8, in epoch 2; saved as {tmp_path}/model-8; fit(resume=True)" in caplog.text
    assert_same(train(tmp_path, resume=True), uninterrupted())


def test_a_run_that_is_asked_to_terminate_exits_with_143(tmp_path):
    with pytest.raises(SystemExit) as caught:
        train(tmp_path, end=7, act=lambda: signal.raise_signal(signal.SIGTERM))
    assert caught.value.code == 143
    assert_same(train(tmp_path, resume=True), uninterrupted())


@pytest.mark.slow
def test_an_interrupt_in_a_validation_is_one_at_the_end_of_the_epoch(tmp_path, monkeypatch):
    whole = uninterrupted()
    evaluate, validations = steps.evaluate, itertools.count()

    def interrupted(*arguments):
        if next(validations) == 1:
            signal.raise_signal(signal.SIGINT)
        return evaluate(*arguments)

    monkeypatch.setattr(steps, "evaluate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path)
    monkeypatch.undo()
    assert saving.latest(tmp_path).endswith(f"model-{2 * STEPS}")
    assert_same(train(tmp_path, resume=True), whole)


@pytest.fixture
def problem():
    """Returns a function that makes (loss, data) in the current graph."""

    def make():
        x, y = gk.feature_input(64), gk.label_input()
        loss = gk.softmax_cross_entropy(gk.dense(x, 3), y)
        return loss, {x: IMAGES.reshape(70, 64).astype(np.float32), y: LABELS}

    return make


def test_an_interrupted_trainer_can_be_used_and_goes_on_where_it_was(problem, caplog):
    loss, data = problem()
    fit = {"batch_size": 16, "progress": False, "steps_per_run": 2}
    with gk.Trainer(loss, seed=1) as trainer:
        stop = KillAt(7, lambda: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            trainer.fit(data, epochs=3, callbacks=[stop], **fit)
        assert "another fit continues from here" in caplog.text
        assert (trainer.epoch, trainer.batch) == (1, 2) and trainer.evaluate(data)["loss"] > 0
        history = untimed(trainer.fit(data, epochs=2, **fit))
        got = everything(trainer)
    with tf.Graph().as_default():
        loss, data = problem()
        with gk.Trainer(loss, seed=1) as trainer:
            whole = untimed(trainer.fit(data, epochs=3, **fit))
            assert_same((got, history), (everything(trainer), whole))


@pytest.mark.slow
def test_the_script_ends_at_a_signal_and_resumes_to_the_same_bits(tmp_path):
    script = Path(__file__).parents[2] / "scripts" / "train.py"
    command = [sys.executable, script, "--model", "mlp", "--epochs", "40", "--logdir"]
    signals = [(signal.SIGINT, 130, b"epoch  2/40", []), (signal.SIGTERM, 143, b"epoch  5/40", ["--resume"])]
    for number, code, place, options in signals:
        with subprocess.Popen(
            [*command, tmp_path / "run", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            for line in process.stdout:
                if line.startswith(place):
                    process.send_signal(number)
            assert process.wait() == code
            assert b"interrupted at step" in process.stderr.read()
    outputs = []
    for options in ([tmp_path / "run", "--resume"], [tmp_path / "whole"]):
        outputs.append(subprocess.run([*command, *options], capture_output=True, text=True).stdout)
    assert outputs[0].splitlines()[-2] == outputs[1].splitlines()[-2]  # figures on the test set
    finals = [tf.train.load_checkpoint(saving.latest(tmp_path / name)) for name in ("run", "whole")]
    for name in set(finals[0].get_variable_to_shape_map()) - {saving.STATE}:
        assert np.array_equal(*(reader.get_tensor(name) for reader in finals))


def flip(path, place):
    with open(path, "r+b") as stream:
        stream.seek(place)
        byte = stream.read(1)[0]
        stream.seek(place)
        stream.write(bytes([byte ^ 0x40]))


@pytest.mark.slow
def test_a_damaged_newest_checkpoint_is_named_and_the_one_before_is_used(tmp_path, caplog):
    whole = uninterrupted()
    with pytest.raises(Killed):
        train(tmp_path, end=8)
    newest, before = saving.kept(tmp_path)
    flip(f"{newest}.data-00000-of-00001", 100)
    assert_same(train(tmp_path, resume=True), whole)
    assert f"{newest} is damaged or cut off" in caplog.text and "trying the previous" in caplog.text
    assert before != newest


def test_a_run_without_a_sound_checkpoint_is_not_begun_anew(tmp_path):
    with pytest.raises(Killed):
        train(tmp_path, end=8)
    for path in saving.kept(tmp_path):
        flip(f"{path}.index", 30)
    files = {file.name: file.read_bytes() for file in tmp_path.glob("model-*")}
    with pytest.raises(gk.GraphkitError, match="fit: no valid checkpoint in"):
        train(tmp_path, resume=True)
    assert files == {file.name: file.read_bytes() for file in tmp_path.glob("model-*")}


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [
        *(pytest.param(c, marks=pytest.mark.slow) for c in (b"", b"\xff\x00")),
        b'model_checkpoint_path: "model-99"\n',
    ],
)
def test_a_damaged_list_of_checkpoints_is_made_up_for(content, tmp_path):
    with pytest.raises(Killed):
        train(tmp_path, end=8)
    (tmp_path / "checkpoint").write_bytes(content)
    assert saving.step_of(saving.latest(tmp_path)) == 8
    assert_same(train(tmp_path, resume=True), uninterrupted())


@pytest.mark.slow
def test_any_flipped_byte_is_found_or_changes_nothing(tmp_path):
    with pytest.raises(Killed):
        train(tmp_path / "run", end=2)
    path = saving.latest(tmp_path / "run")
    with tf.Graph().as_default():
        inputs, labels = gk.image_input(8, 8, 1), gk.label_input()
        net = gk.batch_norm(gk.dense(gk.dropout(gk.flatten(inputs), gk.keep_prob_input()), 16))
        loss = gk.softmax_cross_entropy(gk.dense(net, 3), labels)
        with gk.Trainer(loss, learning_rate=0.1, seed=3) as trainer:
            trainer.restore(path)
            expected, found = everything(trainer), 0
            for part in ("index", "data-00000-of-00001"):
                size = os.path.getsize(f"{path}.{part}")
                for place in range(0, size, max(1, size // 150)):
                    copy = str(tmp_path / "copy")
                    for kind in ("index", "data-00000-of-00001"):
                        shutil.copy(f"{path}.{kind}", f"{copy}.{kind}")
                    flip(f"{copy}.{part}", place)
                    try:
                        trainer.restore(copy)
                    except (gk.GraphkitError, ValueError):
                        found += 1
                    assert all(map(np.array_equal, everything(trainer), expected))
            assert found > 200


def test_remains_of_a_killed_writer_are_removed(tmp_path):
    with pytest.raises(Killed):
        train(tmp_path, end=4)
    path = saving.latest(tmp_path)
    for name in (
        "model-9.data-00000-of-00001",
        "model-6.data-00000-of-00001.tempstate12",
        "model-6.index.tempstate3",
    ):
        (tmp_path / name).write_bytes(b"half")
    saving.remove_remains(tmp_path)
    assert {file.name for file in tmp_path.glob("model-*")} == {
        f"{Path(kept).name}.{part}"
        for kept in saving.kept(tmp_path)
        for part in ("index", "data-00000-of-00001")
    }
    assert saving.latest(tmp_path) == path


FULL_DISK = """
import resource, signal, sys
sys.path[:0] = {folders!r}
import graphkit as gk
from test_fitting import train
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def fill(): resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
try:
    train({logdir!r}, end=5, act=fill)
except OSError as error:
    print("refused:", error)
"""


@pytest.mark.slow
def test_a_full_disk_leaves_the_earlier_checkpoints_and_a_run_that_can_go_on(tmp_path):
    folders = [str(folder) for folder in Path(__file__).parents[:2]]  # of this module and of what it imports
    program = FULL_DISK.format(folders=folders, logdir=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.startswith("refused: save: cannot write"), done.stdout + done.stderr
    assert saving.latest(tmp_path).endswith("model-4")
    assert_same(train(tmp_path, resume=True), uninterrupted())


@pytest.mark.slow
def test_two_trainers_cannot_write_one_folder(tmp_path):
    def other():
        with tf.Graph().as_default():
            train(tmp_path)

    with pytest.raises(gk.GraphkitError, match=rf"another trainer writes .* \(process {os.getpid()}\)"):
        train(tmp_path, end=3, act=other)
    train(tmp_path, epochs=1)


@pytest.mark.slow
def test_save_of_a_second_trainer_does_not_throw_out_the_checkpoints_of_a_running_fit(tmp_path):
    def other():
        trainer, _ = line_fit(logdir=tmp_path)
        with trainer:
            for path in (None, tmp_path / "model-9"):
                with pytest.raises(gk.GraphkitError, match="^save: another trainer writes"):
                    trainer.save(path)
            assert trainer.save(tmp_path / "elsewhere" / "model-1")
        raise Killed

    with pytest.raises(Killed):
        train(tmp_path, end=8, act=other)
    assert [saving.step_of(path) for path in saving.kept(tmp_path)] == [8, 6]
    assert_same(train(tmp_path, resume=True), uninterrupted())


def test_a_run_that_was_killed_and_resumed_to_its_end_leaves_what_a_whole_one_leaves(tmp_path):
    train(tmp_path / "whole")
    with pytest.raises(Killed):
        train(tmp_path / "killed", end=8)
    for name in (".history.csv.new", ".checkpoint.new", ".writable-123"):
        (tmp_path / "killed" / name).write_bytes(b"half")
    train(tmp_path / "killed", resume=True)
    names = [{file.name for file in (tmp_path / run).iterdir()} for run in ("killed", "whole")]
    assert names[0] == names[1]


@pytest.mark.parametrize("name", ["checkpoint", "history.csv", "checkpoint.new", "history.csv.new"])
def test_a_link_in_the_folder_is_not_written_through(name, tmp_path):
    mine = tmp_path / "mine"
    mine.write_text("precious")
    (tmp_path / "run").mkdir()
    for link in (name, f".{name}.new"):
        (tmp_path / "run" / link).symlink_to(mine)
    go(tmp_path / "run", 1)
    assert mine.read_text() == "precious"


def test_a_folder_where_tensorflow_would_not_find_its_checkpoints_is_refused_at_once(tmp_path):
    for logdir in (tmp_path / "lr=[0.1]", tmp_path / "a*" / "b", f"{tmp_path}/what?"):
        with pytest.raises(ValueError, match="^Trainer: TensorFlow takes .* received logdir="):
            line_fit(logdir=logdir)
    trainer, _ = line_fit()
    with trainer:
        with pytest.raises(ValueError, match="^save: TensorFlow takes .* received path="):
            trainer.save(tmp_path / "lr=[0.1]" / "model")
        assert list(tmp_path.iterdir()) == []
        path = trainer.save(tmp_path / "run" / "model")
        (tmp_path / "run").rename(tmp_path / "[run]")
        with pytest.raises(ValueError, match=r"^restore: TensorFlow takes .* received path=.*\[run\]"):
            trainer.restore(path.replace("run", "[run]"))


@pytest.mark.slow
def test_a_new_run_is_resumed_once_it_has_a_checkpoint_and_the_earlier_one_before(tmp_path):
    earlier = train(tmp_path)
    with pytest.raises(Killed):
        train(tmp_path, end=1, steps_per_run=1)
    assert len(saving.kept(tmp_path)) == 2 and (tmp_path / "history.csv").exists()
    assert_same(train(tmp_path, resume=True), earlier)
    with pytest.raises(Killed):
        train(tmp_path, end=3, steps_per_run=1)
    assert [saving.step_of(path) for path in saving.kept(tmp_path)] == [2]
    assert_same(train(tmp_path, resume=True), earlier)


def test_a_run_of_other_data_or_another_graph_is_not_resumed(tmp_path):
    with pytest.raises(Killed):
        train(tmp_path, end=4)
    other = IMAGES.copy()
    other[0, 0, 0, 0] ^= 1
    with pytest.raises(ValueError, match="run with another data, and would not .* restore"):
        train(tmp_path, resume=True, images=other)
    with pytest.raises(ValueError, match="run with another graph"):
        train(tmp_path, resume=True, units=17)
    assert_same(train(tmp_path, resume=True), uninterrupted())


# What resume takes and refuses, of a model of one weight.

LINE = np.linspace(-1, 1, 12, dtype=np.float32)[:, None]


def line_fit(**options):
    """Returns (trainer, data) of the regression y = 2 x with one weight, in a graph of its own."""
    with tf.Graph().as_default():
        x = gk.feature_input(1)
        w = tf.compat.v1.get_variable("w", (), initializer=gk.zeros(), use_resource=True)
        loss = tf.reduce_mean((w * x - 2 * x) ** 2)
        return gk.Trainer(loss, **{"optimizer": "sgd", "learning_rate": 0.1, **options}), {x: LINE}


def go(logdir, epochs, *, end=None, rows=LINE, options=None, **fit):
    """Returns (step, weight, epochs in the history) of a fit, which an interrupt may end at a step."""
    trainer, data = line_fit(logdir=logdir, **(options or {}))
    (x,) = data
    callbacks = [KillAt(end, lambda: signal.raise_signal(signal.SIGINT))] if end else []
    with trainer:
        fit = {"batch_size": 2, "progress": False, "execution": "feed", "callbacks": callbacks, **fit}
        try:
            trainer.fit({x: rows}, epochs=epochs, **fit)
        except KeyboardInterrupt:
            assert end
        return trainer.step, float(trainer.weights()["w"]), trainer.history.get("epoch", [])


def test_resume_needs_a_logdir():
    with pytest.raises(ValueError, match="^fit: resume needs a logdir to resume from; received logdir=None"):
        go(None, 1, resume=True)


def test_resume_of_an_empty_folder_begins(tmp_path):
    assert go(tmp_path, 2, resume=True) == go(None, 2)


def test_epochs_are_all_of_them_with_resume_and_further_ones_without(tmp_path):
    whole = go(tmp_path / "whole", 3)
    assert go(tmp_path / "run", 2)[0] == 12
    for epochs, step in ((1, 12), (2, 12), (3, 18)):
        step_of, weight, rows = go(tmp_path / "run", epochs, resume=True)
        assert step_of == step and rows == list(range(1, step // 6 + 1))
    assert (step_of, weight, rows) == whole


def test_another_seed_and_rows_of_another_dtype_are_refused(tmp_path):
    go(tmp_path, 1)
    with pytest.raises(ValueError, match="was trained with another seed; received seed=0"):
        go(tmp_path, 2, resume=True, options={"seed": 1})
    with pytest.raises(
        ValueError, match="is of a run with another data, and would not resume to the same bits"
    ):
        go(tmp_path, 2, resume=True, rows=LINE.astype(np.float64))


def test_what_changes_only_the_speed_is_accepted(tmp_path):
    whole = go(tmp_path / "whole", 3)
    go(tmp_path / "run", 3, end=8)
    assert go(tmp_path / "run", 3, resume=True, execution="resident", steps_per_run=2) == whole


def test_a_fit_of_other_data_inside_an_epoch_starts_the_epoch_anew_and_says_nothing_of_the_first():
    trainer, data = line_fit()
    (x,) = data
    fit = {"batch_size": 2, "progress": False, "execution": "feed"}
    stop = KillAt(4, lambda: signal.raise_signal(signal.SIGINT))
    with trainer:
        with pytest.raises(KeyboardInterrupt):
            trainer.fit(data, callbacks=[stop], **fit)
        assert (trainer.step, trainer.batch, trainer.epoch) == (4, 4, 0)
        history = trainer.fit({x: LINE[:4] + 1}, **fit)
        assert history["step"] == [6] and (trainer.batch, trainer.epoch) == (0, 1)


def test_a_new_run_in_the_folder_of_an_earlier_one_says_so_and_replaces_it(tmp_path, caplog):
    go(tmp_path, 2)
    assert "earlier run" not in caplog.text
    go(tmp_path, 1)
    assert (
        f"the earlier run in {tmp_path} is replaced once this one has a checkpoint (fit(resume=True)"
        in caplog.text
    )
    assert [saving.step_of(path) for path in saving.kept(tmp_path)] == [6]


def test_a_fit_that_makes_no_step_leaves_the_run_in_its_folder(tmp_path):
    go(tmp_path, 2)
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.name != ".lock"}
    for nothing in ({"epochs": 0}, {"max_steps": 0}):
        trainer, data = line_fit(logdir=tmp_path)
        with trainer:
            trainer.fit(data, progress=False, **nothing)
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.name != ".lock"} == before


def test_a_run_restored_from_another_folder_replaces_the_one_in_its_own(tmp_path):
    for name, epochs in (("a", 1), ("b", 3)):
        go(tmp_path / name, epochs)
    trainer, data = line_fit(logdir=tmp_path / "b")
    with trainer:
        trainer.restore(saving.latest(tmp_path / "a"))
        step = trainer.step
        trainer.fit(data, progress=False)
        trainer.fit(data, progress=False)
        assert [saving.step_of(path) for path in saving.kept(tmp_path / "b")] == [step + 2, step + 1]
    lines = [json.loads(line) for line in (tmp_path / "b" / "metrics.jsonl").read_text().splitlines()]
    assert min(line["step"] for line in lines) > step  # none of the run that was there


def test_a_checkpoint_that_is_not_graphkits_is_not_resumed(tmp_path):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        w = tf.compat.v1.get_variable("w", (), initializer=gk.zeros(), use_resource=True)
        session.run(w.initializer)
        tf.compat.v1.train.Saver([w]).save(session, str(tmp_path / "model-7"), write_meta_graph=False)
    with pytest.raises(ValueError, match="model-7 was not written by a trainer"):
        go(tmp_path, 2, resume=True)


def test_an_interrupted_run_keeps_as_many_checkpoints_as_it_is_told(tmp_path):
    class Interrupting(gk.Callback):
        def on_epoch_start(self, trainer):
            if trainer.epoch == 3:
                signal.raise_signal(signal.SIGINT)

    x = gk.feature_input(2)
    callbacks = [Interrupting(), gk.Checkpointing(keep=4)]
    with gk.Trainer(tf.reduce_mean(gk.dense(x, 1) ** 2), logdir=tmp_path) as trainer:
        with pytest.raises(KeyboardInterrupt):
            trainer.fit({x: np.ones((4, 2))}, epochs=5, callbacks=callbacks, progress=False)
        names = [os.path.basename(path) for path in saving.kept(tmp_path)]
    assert names == ["model-4", "model-3", "model-2", "model-1"]


def test_a_fit_inside_of_a_fit_is_refused_and_the_trainer_stays_usable():
    points = gk.feature_input(2)
    data = {points: np.ones((4, 2), np.float32)}

    class Again(gk.Callback):
        def on_epoch_end(self, trainer, row):
            trainer.fit(data, progress=False)

    with gk.Trainer(gk.l2_loss(gk.dense(points, 1))) as trainer:
        for options in ({}, {"dry_run": True}):
            with pytest.raises(ValueError, match="fit: this trainer is fitting already.*trainer.stop"):
                trainer.fit(data, progress=False, callbacks=[Again()], **options)
        trainer.fit(data, progress=False)
        assert trainer.step == 2
