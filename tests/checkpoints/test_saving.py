"""Checkpoints of trainers: complete, damaged, of other graphs and programs; the folder that holds them."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from checkpoints.savers import write
from references import everything, same

import graphkit as gk
from graphkit.checkpoints import saving

POINTS = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
KINDS = (POINTS[:, 0] > 0).astype(np.int32)


def make_trainer(units=4, **options):
    points, kinds = gk.feature_input(3), gk.label_input()
    logits = gk.dense(gk.dense(points, units, name="hidden"), 2, name="logits")
    trainer = gk.Trainer(gk.softmax_cross_entropy(logits, kinds), **options)
    return trainer, {points: POINTS, kinds: KINDS}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Returns (logdir of a run, name of its newest checkpoint, all variables then)."""
    logdir = tmp_path_factory.mktemp("trained")
    with tf.Graph().as_default():
        trainer, data = make_trainer(logdir=logdir)
        with trainer:
            trainer.fit(data, epochs=2, batch_size=8, progress=False)
            return logdir, Path(trainer.save()).name, everything(trainer)


@pytest.fixture
def saved(trained, tmp_path):
    """Returns (path of a checkpoint in a copy of the run's folder, all variables then)."""
    logdir, name, values = trained
    shutil.copytree(logdir, tmp_path, dirs_exist_ok=True)
    return str(tmp_path / name), values


def test_restore_brings_everything_back(saved):
    path, values = saved
    trainer, _ = make_trainer()
    with trainer:
        assert not same(everything(trainer), values)
        trainer.restore(path)
        assert same(everything(trainer), values)
        assert (trainer.step, trainer.epoch, trainer.batch) == (6, 2, 0)
        assert trainer.history["epoch"] == [1, 2]


def test_restore_of_weights_leaves_the_training_alone(saved):
    path, _ = saved
    trainer, data = make_trainer()
    with trainer:
        trainer.fit(data, epochs=1, progress=False)
        trainer.restore(path, weights_only=True)
        assert (trainer.step, trainer.epoch, trainer.history["epoch"]) == (1, 1, [1])
        assert trainer.session.run(trainer.training_step.global_step) == 1


def test_folder_holds_the_newest_two_checkpoints_and_names_them(saved):
    path, _ = saved
    folder = path.rsplit("/", 1)[0]
    assert tf.train.latest_checkpoint(folder) == path
    names = {file.name for file in Path(folder).iterdir()}
    checkpoints = {f"model-{n}.{part}" for n in (3, 6) for part in ("index", "data-00000-of-00001")}
    assert names == {"checkpoint", "history.csv", "metrics.jsonl", ".lock", *checkpoints}
    assert saving.kept(folder) == [path, f"{folder}/model-3"]


def test_folder_can_be_moved(saved, tmp_path):
    _, values = saved
    elsewhere = tmp_path.with_name(f"{tmp_path.name}-elsewhere")
    shutil.move(tmp_path, elsewhere)
    trainer, _ = make_trainer(logdir=elsewhere)
    with trainer:
        trainer.restore()
        assert same(everything(trainer), values)


@pytest.mark.parametrize("part", ["index", "data-00000-of-00001"])
@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_damaged_checkpoint_is_refused_and_nothing_is_changed(saved, part, damage):
    path, _ = saved
    file = f"{path}.{part}"
    with open(file, "rb") as stream:
        content = bytearray(stream.read())
    if damage == "flip":
        content[len(content) // 3] ^= 0x10
    with open(file, "wb") as stream:
        stream.write({"cut": content[: len(content) // 2], "flip": content, "empty": b""}[damage])
    trainer, _ = make_trainer()
    with trainer:
        before = everything(trainer)
        with pytest.raises(gk.GraphkitError, match=f"restore: {path} is damaged or cut off"):
            trainer.restore(path)
        assert same(everything(trainer), before) and trainer.step == 0


def test_missing_data_file_is_refused(saved):
    path, _ = saved
    os.remove(f"{path}.data-00000-of-00001")
    trainer, _ = make_trainer()
    with trainer, pytest.raises(gk.GraphkitError, match="is damaged or cut off"):
        trainer.restore(path)


def test_checkpoint_of_another_graph_is_refused(saved):
    path, _ = saved
    trainer, _ = make_trainer(units=5)
    with trainer:
        before = everything(trainer)
        with pytest.raises(ValueError, match=r"hidden/kernel +\(3, 5\) in the graph, \(3, 4\) in the file"):
            trainer.restore(path)
        assert same(everything(trainer), before)


def test_checkpoint_of_another_optimizer_is_refused_but_its_weights_are_not(saved):
    path, _ = saved
    trainer, _ = make_trainer(optimizer="momentum")
    with trainer:
        with pytest.raises(ValueError, match=r"(?s)weights_only=True takes .*hidden/bias/Momentum"):
            trainer.restore(path)
        trainer.restore(path, weights_only=True)


def test_checkpoint_of_another_seed_is_refused(saved):
    path, _ = saved
    trainer, _ = make_trainer(seed=1)
    with trainer, pytest.raises(ValueError, match="trained with another seed; received seed=0"):
        trainer.restore(path)


def test_missing_checkpoint_is_named(tmp_path):
    trainer, _ = make_trainer(logdir=tmp_path)
    with trainer:
        with pytest.raises(FileNotFoundError, match=r"restore: there is no such checkpoint.*nowhere"):
            trainer.restore(tmp_path / "nowhere")
        with pytest.raises(FileNotFoundError, match="no checkpoint in the trainer's logdir"):
            trainer.restore()


def test_save_needs_a_place():
    trainer, _ = make_trainer()
    with trainer, pytest.raises(ValueError, match="save: a path is needed"):
        trainer.save()


def test_save_where_no_file_can_be_written(tmp_path):
    (tmp_path / "file").touch()
    trainer, _ = make_trainer()
    with trainer, pytest.raises(OSError, match="file"):
        trainer.save(tmp_path / "file" / "model")


def test_checkpoint_of_a_plain_tf1_program_restores_by_name(tmp_path, caplog):
    with tf.Graph().as_default():
        with tf.compat.v1.variable_scope("hidden"):
            kernel = tf.compat.v1.get_variable("kernel", (3, 4), use_resource=False)
            bias = tf.compat.v1.get_variable("bias", (4,), use_resource=False)
        with tf.compat.v1.variable_scope("logits"):
            tf.compat.v1.get_variable("kernel", (4, 2), use_resource=False)
            tf.compat.v1.get_variable("bias", (2,), use_resource=False)
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            expected = session.run([kernel, bias])
            path = tf.compat.v1.train.Saver().save(session, str(tmp_path / "tf1"), global_step=9)
    trainer, _ = make_trainer()
    with trainer:
        trainer.restore(path)
        assert same(everything(trainer)[:2], expected)
    assert "was not written by graphkit" in caplog.text


def test_run_that_starts_anew_replaces_the_earlier_one(saved, caplog):
    path, _ = saved
    folder = path.rsplit("/", 1)[0]
    trainer, data = make_trainer(logdir=folder)
    with trainer:
        trainer.fit(data, epochs=1, progress=False)
    assert f"the earlier run in {folder} is replaced" in caplog.text
    assert tf.train.latest_checkpoint(folder).endswith("model-1")
    assert not os.path.exists(f"{path}.index")


def test_resuming_a_finished_run_does_nothing(saved):
    path, values = saved
    trainer, data = make_trainer(logdir=path.rsplit("/", 1)[0])
    with trainer:
        history = trainer.fit(data, epochs=2, batch_size=8, resume=True, progress=False)
        assert same(everything(trainer), values) and history["epoch"] == [1, 2]


def test_resume_in_an_empty_folder_starts_at_the_beginning(tmp_path):
    trainer, data = make_trainer(logdir=tmp_path)
    with trainer:
        assert trainer.fit(data, epochs=1, resume=True, progress=False)["epoch"] == [1]


def test_part_of_a_checkpoint_is_restored_and_the_difference_logged(saved, caplog):
    path, values = saved
    trainer, _ = make_trainer(units=4)
    with trainer:
        names = [variable.op.name for variable in trainer.graph.get_collection("variables")]
        kept = dict(zip(names, values, strict=True))
    with tf.Graph().as_default():
        points, kinds = gk.feature_input(3), gk.label_input()
        net = gk.dense(gk.dense(points, 4, name="first"), 3, name="middle")
        with gk.Trainer(gk.softmax_cross_entropy(gk.dense(net, 2, name="last"), kinds)) as trainer:
            trainer.restore(path, partial=True, rename={"first/": "hidden/"})
            got = trainer.session.run(trainer.graph.get_tensor_by_name("first/kernel/Read/ReadVariableOp:0"))
            assert trainer.step == 0 and np.array_equal(got, kept["hidden/kernel"])
            with pytest.raises(ValueError, match="(?s)restore.*middle/kernel"):
                trainer.restore(path, weights_only=True, rename={"first/": "hidden/"})
    assert "2 of 6 variables can be restored" in caplog.text and "middle/kernel" in caplog.text


def test_a_saved_model_of_another_program_restores_by_name(tmp_path):
    folder = str(tmp_path / "model")
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        points = tf.compat.v1.placeholder(tf.float32, (None, 3))
        net = gk.dense(gk.dense(points, 4, name="hidden"), 2, name="logits")
        session.run(tf.compat.v1.global_variables_initializer())
        builder = tf.compat.v1.saved_model.Builder(folder)
        builder.add_meta_graph_and_variables(session, ["serve"])
        builder.save()
        expected = session.run(net, {points: POINTS})
        assert graph is net.graph
    with tf.Graph().as_default():
        trainer, _ = make_trainer()
        with trainer:
            trainer.restore(folder)
            points = trainer.graph.get_tensor_by_name("features:0")
            logits = trainer.graph.get_tensor_by_name("logits/BiasAdd:0")
            np.testing.assert_array_equal(trainer.predict(logits, {points: POINTS}), expected)


def test_the_newest_checkpoint_of_another_programs_folder_is_found(tmp_path):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        points = tf.compat.v1.placeholder(tf.float32, (None, 3))
        net = gk.dense(gk.dense(points, 4, name="hidden"), 2, name="logits")
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, str(tmp_path / "model.ckpt"), global_step=7)
        expected = session.run(net, {points: POINTS})
    with tf.Graph().as_default():
        trainer, _ = make_trainer(logdir=tmp_path)
        with trainer:
            trainer.restore()
            points = trainer.graph.get_tensor_by_name("features:0")
            logits = trainer.graph.get_tensor_by_name("logits/BiasAdd:0")
            np.testing.assert_array_equal(trainer.predict(logits, {points: POINTS}), expected)


# --- the folder


def touch(folder, *names):
    for name in names:
        (folder / name).write_bytes(b"x")


def names_in(folder):
    return sorted(file.name for file in folder.iterdir())


def test_logdir_is_made_and_must_be_writable(tmp_path):
    assert saving.check_logdir(None) is None
    assert saving.check_logdir(str(tmp_path / "a" / "b")) == tmp_path / "a" / "b"
    assert names_in(tmp_path / "a" / "b") == []
    touch(tmp_path, "file")
    with pytest.raises(
        OSError, match=r"^Trainer: logdir must be a folder that can be written \(.*file/logs'"
    ):
        saving.check_logdir(tmp_path / "file" / "logs")


def test_declared_checkpoints_are_kept_where_they_exist_and_all_where_none_is_declared(tmp_path):
    touch(tmp_path, "model-2.index", "model-9.index", "model-10.index", "model-x.index", "best-11.index")
    in_order = [str(tmp_path / f"model-{step}") for step in (10, 9, 2)]
    assert saving.kept(tmp_path) == in_order
    for damaged in (b"model_checkpoint_path: ", b'all_model_checkpoint_paths: "model-2"', b"\xff\xfe"):
        (tmp_path / "checkpoint").write_bytes(damaged)
        assert saving.kept(tmp_path) == in_order
    saving.declare(tmp_path, [in_order[2], str(tmp_path / "model-1"), in_order[0]])
    assert saving.kept(tmp_path) == [in_order[2], in_order[0]]
    assert saving.latest(tmp_path) == in_order[2] == tf.train.latest_checkpoint(tmp_path)
    assert "checkpoint.new" not in names_in(tmp_path)


def test_folder_without_checkpoints_has_neither_a_latest_nor_a_best(tmp_path):
    assert saving.kept(tmp_path) == [] and saving.latest(tmp_path) is saving.best(tmp_path) is None


def test_best_is_the_newest_of_its_kind(tmp_path):
    touch(tmp_path, "model-12.index", "best-9.index", "best-10.index", "best-x.index")
    assert saving.best(tmp_path) == str(tmp_path / "best-10")
    assert saving.step_of(saving.best(tmp_path)) == 10


def test_removed_checkpoint_loses_its_index_first(tmp_path, monkeypatch):
    touch(tmp_path, "model-1.data-00000-of-00001", "model-1.index", "model-1.meta", "model-10.index")
    removed = []
    remove = os.remove
    monkeypatch.setattr(os, "remove", lambda file: (removed.append(Path(file).suffix), remove(file)))
    saving.remove(str(tmp_path / "model-1"))
    assert removed[0] == ".index" and names_in(tmp_path) == ["model-10.index"]


def test_remains_of_a_killed_writer_are_removed_and_nothing_else(tmp_path):
    complete = ["best-3.data-00000-of-00001", "best-3.index", "model-4.data-00000-of-00001", "model-4.index"]
    touch(tmp_path, *complete, "notes.data-1")
    touch(tmp_path, "model-4.data-00000-of-00001.tempstate12", "model-9.index.tempstate3")
    touch(tmp_path, "best-6.data-00000-of-00001")
    saving.remove_remains(tmp_path)
    assert names_in(tmp_path) == [*complete, "notes.data-1"]


def test_state_is_in_the_file_of_the_variables_and_in_no_collection(tmp_path):
    weight = tf.compat.v1.get_variable("weight", (2,), use_resource=True)
    step = tf.compat.v1.get_variable("step", (), tf.int64, use_resource=True)
    checkpoints = saving.Checkpoints([weight, step], [weight])
    assert tf.compat.v1.global_variables() == [weight, step]
    with tf.compat.v1.Session() as session:
        session.run(tf.compat.v1.global_variables_initializer())
        path = checkpoints.save(session, str(tmp_path / "a" / "model-1"), {"epoch": 3, "history": {}})
    assert names_in(tmp_path / "a") == ["model-1.data-00000-of-00001", "model-1.index"]
    assert saving.read_state(path) == {"epoch": 3, "history": {}}
    assert {name for name, _ in tf.train.list_variables(path)} == {"weight", "step", saving.STATE}


def test_state_of_a_checkpoint_made_elsewhere_is_none(tmp_path):
    path, _ = write(tmp_path, {"w": (2,)})
    assert saving.read_state(path) is None


def test_checkpoint_that_tensorflow_cannot_write_is_an_os_error(tmp_path):
    weight = tf.compat.v1.get_variable("weight", (2,), use_resource=True)
    checkpoints = saving.Checkpoints([weight], [weight])
    (tmp_path / "model.index").mkdir()
    with tf.compat.v1.Session() as session:
        session.run(weight.initializer)
        with pytest.raises(OSError, match=r"^save: cannot write .*model \("):
            checkpoints.save(session, str(tmp_path / "model"), {})


def test_a_logdir_stays_where_it_was_when_the_program_changes_its_folder(tmp_path, monkeypatch):
    for name, expected in (("plain", tmp_path / "plain" / "run"), ("lr=[1]", Path("run"))):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        assert saving.check_logdir("run") == expected
