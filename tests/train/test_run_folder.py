"""A run's folder: one writer at a time, and which checkpoints stay."""

from pathlib import Path

import pytest
import tensorflow as tf

from graphkit import checks, run_config
from graphkit.checkpoints import saving
from graphkit.reporting import report
from graphkit.train import metrics_file, run_folder
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
        folder.keep(write(folder.prepare(None, step), step), count)
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


RUN = [
    *("run.json", "history.csv", "metrics.jsonl", "report.html", "curves.png", "confusion_matrix.png"),
    *("notfinite-3.npz", "events.out.tfevents.17.host.12.0", "valid/events.out.tfevents.17.a-b.c.12.30"),
]
OTHERS = [
    "notes.txt",
    "model.tflite",
    "saved/model.json",
    "events.out.tfevents.17.host.12.0.v2",
    "model-a.h5",
]


def earlier_run(folder, write):
    """Writes a run's files, and others, by another trainer; returns the names of the run's."""
    first = RunFolder(folder.logdir)
    first.is_own = True
    keep(first, write, 6, 8)
    write(str(folder.logdir / "best-4"), 4)
    write(str(folder.logdir / "best-valid_loss-6"), 6)
    first.release()
    for name in (*RUN, *OTHERS):
        (folder.logdir / name).parent.mkdir(exist_ok=True)
        (folder.logdir / name).touch()
    checkpoints = [f"{name}.{end}" for name in ("model-6", "model-8", "best-4") for end in ENDS]
    return {*RUN, "checkpoint", *checkpoints, *(f"best-valid_loss-6.{end}" for end in ENDS)}


ENDS = ("index", "data-00000-of-00001")


def files_in(folder):
    found = [path.relative_to(folder.logdir) for path in folder.logdir.rglob("*") if path.is_file()]
    return {path.as_posix() for path in found} - {".lock"}


def test_a_run_that_is_replaced_is_gone_at_once_and_nothing_else_is(folder, write, caplog):
    run = earlier_run(folder, write)
    assert files_in(folder) == run | {*OTHERS}
    folder.claim("fit")
    folder.replace()
    assert files_in(folder) == {*OTHERS} and folder.is_own
    said = (
        f"the earlier run in {folder.logdir} is replaced (fit(resume=True) continues a run); not its files, "
    )
    others = "events.out.tfevents.17.host.12.0.v2, model-a.h5, model.tflite, notes.txt, saved"
    assert caplog.messages == [f"{said}and still there: {others}"]
    assert keep(folder, write, 6) == [6]  # a step of this run, by the name of an earlier one


def test_a_replacement_that_is_killed_between_two_files_is_completed(folder, write, monkeypatch):
    """In between, no reader takes an older checkpoint or another run's best weights for the run."""
    count = len(earlier_run(folder, write))
    for kill in range(count + 1):
        earlier_run(folder, write)
        folder.claim("fit")
        unlink, left = Path.unlink, iter([True] * kill)

        def killed(path, missing_ok=False, left=left, unlink=unlink):
            if not next(left, False):
                raise KeyboardInterrupt
            unlink(path, missing_ok=missing_ok)

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Path, "unlink", killed)
            folder.replace()
        newest = saving.latest(folder.logdir)
        assert newest in (path_for(folder, 8), None)
        assert (folder.logdir / "run.json").exists() == (kill == 0)
        folder.release()
        other = RunFolder(folder.logdir)
        assert RunFolder(folder.logdir, writes=False).claim("fit") == []  # before the chief has removed it
        assert other.claim("fit") == [] and files_in(folder) == {*OTHERS}
        other.release()


def test_a_checkpoint_is_not_saved_among_those_of_another_run(folder, write):
    earlier_run(folder, write)
    with pytest.raises(ValueError, match=r"save: the logdir holds another run: restore\(\) goes on with"):
        folder.prepare(None, 1)
    assert folder.prepare(folder.logdir / "mine", 1) == str(folder.logdir / "mine")
    folder.is_own = True  # as after restore()
    assert keep(folder, write, 9) == [9, 8]


def test_the_names_of_the_files_are_those_that_are_written():
    names = (run_config.FILE, "history.csv", metrics_file.FILE, report.FILE)
    assert run_folder.FILES[:4] == names
    assert {"curves.png", "confusion_matrix.png", "network.svg", "curves.pdf"} <= {*run_folder.FILES}
