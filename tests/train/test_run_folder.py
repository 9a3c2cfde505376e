"""A run's folder: one writer at a time, and which checkpoints stay."""

import pytest
import tensorflow as tf

from graphkit import checks
from graphkit.checkpoints import saving
from graphkit.train.run_folder import RunFolder


@pytest.fixture(scope="module")
def write():
    """Returns a function that writes a checkpoint of one variable at a path."""
    with tf.Graph().as_default():
        w = tf.compat.v1.get_variable("w", (), use_resource=True)
        checkpoints = saving.Checkpoints([w], [w])
        with tf.compat.v1.Session() as session:
            session.run(w.initializer)
            yield lambda path, step: checkpoints.save(session, path, {"step": step})


@pytest.fixture
def folder(tmp_path):
    made = RunFolder(tmp_path)
    yield made
    made.release()


def keep(folder, write, *steps, count=2):
    """Writes and keeps the checkpoints of steps; returns the steps of those that stay, newest first."""
    for step in steps:
        folder.keep(write(folder.prepare(None, step), step), step, count)
    return kept(folder)


def path_for(folder, step):
    return str(folder.logdir / f"model-{step}")


def kept(folder):
    files = {saving.step_of(path) for path in saving.paths_in(folder.logdir, "model")}
    listed = [saving.step_of(path) for path in saving.kept(folder.logdir)]
    assert files == set(listed)  # nothing is there that is not listed
    return listed


def test_paths_are_named_after_the_step_unless_one_is_given(folder, tmp_path):
    assert folder.prepare(None, 12) == str(tmp_path / "model-12")
    assert folder.prepare("elsewhere/mine", 12) == "elsewhere/mine"


@pytest.mark.parametrize(("count", "stay"), [(1, [9]), (2, [9, 7]), (3, [9, 7, 4]), (9, [9, 7, 4, 2])])
def test_the_newest_checkpoints_stay(count, stay, folder, write):
    assert folder.claim("fit") == []
    assert keep(folder, write, 2, 4, 7, 9, count=count) == stay


def test_a_checkpoint_of_the_same_step_is_one(folder, write):
    folder.claim("fit")
    assert keep(folder, write, 2, 4, 4) == [4, 2]


def test_claim_returns_the_checkpoints_newest_first_and_removes_remains(folder, write, tmp_path):
    folder.claim("fit")
    keep(folder, write, 2, 4)
    folder.release()
    (tmp_path / "model-5.data-00000-of-00001.tempstate12").write_bytes(b"half")
    (tmp_path / "model-5.data-00000-of-00001").write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("mine")
    paths = RunFolder(tmp_path)
    assert paths.claim("fit") == [path_for(folder, 4), path_for(folder, 2)]
    assert not list(tmp_path.glob("model-5*")) and (tmp_path / "notes.txt").exists()
    paths.release()


def test_one_writer_at_a_time(folder, tmp_path):
    folder.claim("fit")
    folder.claim("fit")  # its own lock is no obstacle
    other = RunFolder(tmp_path)
    with pytest.raises(checks.GraphkitError, match="another trainer writes"):
        other.claim("fit")
    folder.release()
    folder.release()
    other.claim("fit")
    with pytest.raises(checks.GraphkitError, match="another trainer writes"):
        folder.claim("fit")
    other.release()


def test_a_new_run_replaces_the_earlier_one_only_when_it_has_made_a_step(folder, write):
    folder.claim("fit")
    keep(folder, write, 6, 8)
    folder.replace_earlier(stays=[])
    folder.keep(write(path_for(folder, 0), 0), 0, 2)
    assert saving.kept(folder.logdir) == [
        path_for(folder, 0)
    ]  # the one to resume, with the others still there
    files = [saving.step_of(path) for path in saving.paths_in(folder.logdir, "model")]
    assert sorted(files) == [0, 6, 8]
    assert keep(folder, write, 3) == [3, 0]
    assert keep(folder, write, 6) == [6, 3]  # a step of this run, by the name of an earlier one


def test_best_checkpoints_of_an_earlier_run_are_replaced_and_this_runs_stay(folder, write):
    folder.claim("fit")
    write(str(folder.logdir / "best-4"), 4)
    keep(folder, write, 6)
    folder.replace_earlier(stays=[])
    assert keep(folder, write, 1) == [1]
    assert saving.paths_in(folder.logdir, "best") == []
    write(str(folder.logdir / "best-2"), 2)
    assert keep(folder, write, 3, 4, 5) == [5, 4]
    assert len(saving.paths_in(folder.logdir, "best")) == 1


def test_what_is_resumed_from_is_not_replaced(folder, write):
    folder.claim("fit")
    keep(folder, write, 4, 6)
    folder.replace_earlier(stays=saving.kept(folder.logdir))
    assert keep(folder, write, 8) == [8, 6]
