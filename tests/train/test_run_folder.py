"""A run's folder: one writer at a time, and which checkpoints stay."""

import contextlib
import itertools
import os
import sys
import types

import pytest
import tensorflow as tf

from graphkit import checks, run_config
from graphkit.checkpoints import saving
from graphkit.reporting import report
from graphkit.running import files
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
            yield lambda path, step: checkpoints.save(session, path, {"step": step, "best": []})


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
    there = {saving.step_of(path) for path in saving.paths_in(folder.logdir, "model")}
    listed = [saving.step_of(path) for path in saving.kept(folder.logdir)]
    assert there == set(listed)  # nothing is there that is not listed
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


def test_a_run_that_is_replaced_is_gone_with_the_first_checkpoint_and_nothing_else_is(folder, write, caplog):
    run = earlier_run(folder, write)
    assert files_in(folder) == run | {*OTHERS}
    folder.claim("fit")
    folder.replace()
    assert files_in(folder) == {*OTHERS, *(f"{files.EARLIER}/{name}" for name in run)} and folder.is_own
    said = f"the earlier run in {folder.logdir} is replaced once this one has a checkpoint "
    others = "events.out.tfevents.17.host.12.0.v2, model-a.h5, model.tflite, notes.txt, saved"
    said += f"(fit(resume=True) continues a run); not its files, and still there: {others}"
    assert caplog.messages == [said]
    assert run_folder.find_weights(folder.logdir) == str(folder.logdir / files.EARLIER / "model-8")
    write(folder.prepare(folder.logdir / "best-8", 8), 8)  # of best weights no run is resumed
    assert files.run_in(folder.logdir) != folder.logdir
    assert keep(folder, write, 6) == [6]  # a step of this run, by the name of an earlier one
    new = {f"{name}.{end}" for name in ("model-6", "best-8") for end in ENDS}
    assert files_in(folder) == {*OTHERS, "checkpoint", *new}
    folder.settle()
    assert keep(folder, write, 8) == [8, 6] and len(caplog.messages) == 1


class Killed(BaseException):
    """Stands for the end of the process."""


class Killer:
    """Ends what a block does at its change number `last` of a folder's files, counted from 0."""

    changes = ("os.link", "os.rename", "os.remove", "os.rmdir", "os.mkdir")
    left: list[bool] | None = None

    def __call__(self, event, _):
        if self.left is not None and event in self.changes and (not self.left or self.left.pop()):
            raise Killed

    @contextlib.contextmanager
    def at(self, last):
        """Returns a block that says whether it was killed."""
        self.left, killed = [False] * last, []
        try:
            yield killed
        except Killed:
            killed.append(last)
        finally:
            self.left = None


@pytest.fixture(scope="module")
def killer():
    made = Killer()
    sys.addaudithook(made)
    return made


def put_run(folder, name):
    """Writes files as of a run; returns their {name: content}."""
    names = [f"{path}.{end}" for path in ("model-6", "model-8", "best-4") for end in ENDS]
    content = {
        path: f"{name}: {path}" for path in ("run.json", "train/events.out.tfevents.17.a.12.0", *names)
    }
    content["checkpoint"] = 'model_checkpoint_path: "model-8"\nall_model_checkpoint_paths: "model-8"'
    for path, text in content.items():
        (folder / path).parent.mkdir(exist_ok=True, parents=True)
        (folder / path).write_text(text)
    return content


def read_run(folder):
    """Returns {name: content} of the run in a folder, as a reader finds it."""
    home = files.run_in(folder)
    return {path.relative_to(home).as_posix(): path.read_text() for path in run_folder.files_of_run(home)}


def replacing(folder, ends):
    """Replaces a run by one that writes `run.json`, and in the end a checkpoint, or fails before."""
    run = RunFolder(folder)
    try:
        run.claim("fit")
        run.replace()
        (folder / "run.json").write_text("later: run.json")
        for end in ENDS[::-1]:
            (folder / f"model-8.{end}").write_text("later: model")
        if ends:
            run.keep(str(folder / "model-8"), 1)
        else:
            run.settle()
    finally:
        run.release()


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("links", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_folder_holds_one_run_completely_whenever_the_process_is_killed(
    ends, links, tmp_path, killer, monkeypatch
):
    """Killed at each change of a file, and again while what is left is tidied up."""
    if not links:
        monkeypatch.setattr(os, "link", lambda *_: os.stat(tmp_path / "no links here"))
    found = []
    for change in itertools.count():
        folder = tmp_path / str(change)
        earlier = put_run(folder, "earlier")
        with killer.at(change) as killed:
            replacing(folder, ends)
        found.append(read_run(folder))
        for again in itertools.count():
            later = RunFolder(folder)
            with killer.at(7 * again) as killed_again:
                later.claim("fit")
            later.release()
            assert read_run(folder) == found[-1]
            if not killed_again:
                break
        assert {path.name for path in folder.iterdir()} <= {*earlier, "train", ".lock"}
        if not killed:
            break
    assert found[0] == earlier and change > 20
    if ends:
        assert {*found[-1].values()} == {"later: run.json", "later: model", found[-1]["checkpoint"]}
        assert all(run in (earlier, found[-1]) for run in found)
    else:
        assert all(run == earlier for run in found)


def test_what_an_error_names_stays_where_the_earlier_run_comes_back(folder, caplog):
    earlier = put_run(folder.logdir, "earlier")
    folder.claim("fit")
    folder.replace()
    (folder.logdir / "notfinite-3.npz").write_text("of the error")
    (folder.logdir / "best-9.index").touch()
    folder.settle()
    assert read_run(folder.logdir) == {**earlier, "notfinite-3.npz": "of the error"} and not folder.is_own
    said = f"the earlier run in {folder.logdir} is back: the one after it ended before its first checkpoint"
    assert caplog.messages[1:] == [said]


def test_a_run_without_weights_is_not_kept(folder):
    (folder.logdir / "run.json").touch()
    folder.claim("fit")
    folder.replace()
    assert files_in(folder) == set() and not folder.has_earlier


def test_of_several_workers_the_first_brings_a_run_back_before_the_others_look(tmp_path):
    earlier = put_run(tmp_path, "earlier")
    killed = RunFolder(tmp_path)
    killed.claim("fit")
    killed.replace()
    chief, other = (types.SimpleNamespace(size=2, is_chief=is_chief) for is_chief in (True, False))
    assert run_folder.folder_of(tmp_path, chief).lock is None and killed.has_earlier  # it is written to
    killed.release()
    folders = [run_folder.folder_of(tmp_path, workers) for workers in (other, chief, other)]
    assert not killed.has_earlier and read_run(tmp_path) == earlier
    assert {*map(str, folders[2].claim("fit"))} == {path_for(killed, 8)}
    assert run_folder.folder_of(None, chief) is None


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
