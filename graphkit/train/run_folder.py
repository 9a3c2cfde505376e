"""A run's folder: who may write it, and which checkpoints stay in it."""

import contextlib
import logging
import os
import re
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from graphkit import checks
from graphkit.checkpoints import locks, saving
from graphkit.running import files

logger = logging.getLogger("graphkit")

REMOVED = ".removed-run"  # files of no run: of one that was replaced, or a copy that is not complete
PICTURE_KINDS = ("svg", "png", "pdf")
# What a trainer, its callbacks, `graphkit train` and `graphkit plot` write next to the checkpoints.
PICTURES = [f"{name}.{kind}" for name in ("curves", "confusion_matrix", "network") for kind in PICTURE_KINDS]
FILES = ("run.json", "history.csv", "metrics.jsonl", "report.html", *PICTURES)
MOST_NAMED = 5  # files in a message
REPLAY = "notfinite-*.npz"  # what an error has named stays, also where the earlier run comes back
EVENTS = re.compile(r"\.tfevents\.\d+\..+\.\d+\.\d+$")  # of `gk.TensorBoard`: those of others end otherwise


def folder_of(logdir: Path | None, workers: Any) -> "RunFolder | None":
    """Returns the folder of a trainer; of several workers, before the others look into it."""
    if logdir is None:
        return None
    folder = RunFolder(logdir, writes=workers.is_chief)
    if workers.size > 1 and folder.has_earlier:
        with contextlib.suppress(checks.GraphkitError):  # another trainer writes there: `fit` will say so
            folder.claim("Trainer")
        folder.release()
    return folder


class RunFolder:
    """The logdir of a trainer, which one trainer at a time may write. At every moment it is one run's.

    A run that replaces another has the folder's files, but until its first checkpoint the folder's run is the
    earlier one, complete in `files.EARLIER`: `files.run_in` says where readers find it. One rename makes each
    change, so a process that is killed leaves one run or the other; what claims the folder next tidies up.

    Args:
      logdir: the folder, which exists.
      writes: False for a worker of several that only reads what the chief writes.

    Attributes:
      is_own: whether the run in the folder is the trainer's: it began, resumed or restored it.
    """

    def __init__(self, logdir: Path, *, writes: bool = True) -> None:
        self.logdir, self.writes = logdir, writes
        self.lock: locks.FolderLock | None = None
        self.is_own = False

    def claim(self, function: str) -> list[str]:
        """Locks the folder and removes unfinished files; returns its checkpoints, newest first.

        Args:
          function: the name that users called.

        Raises:
          GraphkitError: another trainer writes the folder.
        """
        if self.writes and not self.is_locked:
            self.lock = locks.FolderLock(checks.Checker(function), self.logdir)
            saving.remove_remains(self.logdir)
            self.bring_back()
        return saving.kept(files.run_in(self.logdir))

    @property
    def is_locked(self) -> bool:
        return self.lock is not None and self.lock.held

    @property
    def has_earlier(self) -> bool:
        """Whether the folder's run is still one that is to be replaced."""
        return (self.logdir / files.EARLIER).is_dir()

    def replace(self) -> None:
        """Makes the folder ready for the files of the trainer's run, which is to replace the one in it."""
        if self.writes:
            earlier = files_of_run(self.logdir)
            if saving.paths_in(self.logdir, "model", "best"):  # else there is nothing that could be loaded
                copy_files(self.logdir, earlier, self.logdir / REMOVED)
                (self.logdir / REMOVED).rename(self.logdir / files.EARLIER)
            remove_files(earlier)
            if self.has_earlier:
                text = "the earlier run in %s is replaced once this one has a checkpoint "
                text += "(fit(resume=True) continues a run)%s"
                logger.warning(text, self.logdir, others_in(self.logdir))
        self.is_own = True

    def settle(self) -> None:
        """Brings back the earlier run where a fit has ended before the first checkpoint of its own run."""
        if self.is_locked and self.has_earlier:
            self.bring_back()
            self.is_own = False

    def bring_back(self) -> None:
        """Makes an earlier run that was not replaced the folder's again, and removes what is of no run."""
        shutil.rmtree(self.logdir / REMOVED, ignore_errors=True)
        if self.has_earlier:
            earlier = self.logdir / files.EARLIER
            kept = {*self.logdir.glob(REPLAY)}
            remove_files(file for file in files_of_run(self.logdir) if file not in kept)
            copy_files(earlier, files_of_run(earlier), self.logdir)
            self.remove_earlier()
            text = "the earlier run in %s is back: the one after it ended before its first checkpoint"
            logger.warning(text, self.logdir)

    def remove_earlier(self) -> None:
        """Makes the run whose files are in the folder itself the folder's."""
        if self.has_earlier:
            removed = self.logdir / REMOVED
            (self.logdir / files.EARLIER).rename(removed)  # at once, where its files go one by one
            shutil.rmtree(removed, ignore_errors=True)

    def prepare(self, path: str | os.PathLike[str] | None, step: int) -> str:
        """Returns where to save the checkpoint of a step, by default in the folder, which is then locked.

        Without the lock, a trainer would delete the checkpoints of one that is writing the folder.

        Raises:
          ValueError: the folder holds a run that is not the trainer's, and path is None.
        """
        target = self.logdir / f"model-{step}" if path is None else Path(path)
        if target.parent.resolve() == self.logdir.resolve():
            found = self.claim("save")
            rule = "the logdir holds another run: restore() goes on with it, save(path) writes elsewhere"
            is_free = self.is_own or not found or not self.writes  # others see what the chief has written
            checks.Checker("save").require(is_free or path, rule, logdir=str(self.logdir))
            self.is_own = self.is_own or path is None
        return str(target) if path is None else os.fspath(path)

    def keep(self, path: str, count: int, best: Collection[str] | None = None) -> None:
        """Declares a checkpoint the newest one, then deletes the oldest so that `count` remain.

        In this order, so that a process that is killed in between leaves a checkpoint to resume from. A run
        that it replaces goes, too, and so do best weights that it does not name: nothing leads to them now.

        Args:
          path: of the checkpoint.
          count: how many stay.
          best: names of the checkpoints of best weights that it names; None leaves all.
        """
        newest = [path, *(old for old in saving.kept(self.logdir) if old != path)][:count]
        saving.declare(self.logdir, newest)
        self.remove_earlier()
        for old in set(saving.paths_in(self.logdir, "model")) - set(newest):
            saving.remove(old)
        if best is not None:
            self.keep_best(best)

    def keep_best(self, names: Collection[str]) -> None:
        """Deletes the checkpoints of best weights except for those of these names."""
        for path in saving.paths_in(self.logdir, "best") if self.writes else ():
            if os.path.basename(path) not in names:
                saving.remove(path)

    def release(self) -> None:
        """Gives up the lock."""
        if self.lock is not None:
            self.lock.close()
            self.lock = None


def find_weights(logdir: str | os.PathLike[str]) -> str | None:
    """Returns the best checkpoint if the run keeps one, else its newest, or None.

    Files of best weights may be of an earlier part of the run, which was continued without early stopping:
    so the newest checkpoint that can be read says which of them is the run's.
    """
    logdir = files.run_in(logdir)
    paths = saving.kept(logdir)
    for path in paths:
        try:
            state = saving.read_state(path)
        except checks.GraphkitError:
            continue
        named = [str(Path(logdir) / name) for name in (state["best"] if state else ())]
        if not named:
            return paths[0]
        there = saving.paths_in(logdir, "best")
        # Of a damaged newest checkpoint it is not known which ones it names: those before may be removed.
        return next((path for path in named if path in there), None) or saving.best(logdir) or paths[0]
    return paths[0] if paths else saving.best(logdir)


def files_of_run(logdir: str | os.PathLike[str]) -> list[Path]:
    """Returns the files that the run in a folder has written."""
    folder = Path(logdir)
    checkpoints = [
        Path(file) for path in saving.paths_in(folder, "model", "best") for file in saving.files_of(path)
    ]
    named = [folder / name for name in (*FILES, saving.LATEST)]
    events = [path for part in (".", "train", "valid") for path in (folder / part).glob("*.tfevents.*")]
    written = [*folder.glob(REPLAY), *(path for path in events if EVENTS.search(path.name))]
    return [path for path in (*checkpoints, *named, *written) if path.is_file()]


def copy_files(folder: Path, found: Iterable[Path], target: Path) -> None:
    """Gives files of a folder a second name in another one, as which they stay where the first is removed.

    Files are linked, or copied where the file system has no links. Those that the target has stay.
    """
    target.mkdir(exist_ok=True)
    for file in found:
        new = target / file.relative_to(folder)
        new.parent.mkdir(exist_ok=True)
        if new.exists():
            continue
        try:
            os.link(file.resolve(), new)
        except OSError:
            with open(file, "rb") as content, files.replacing(new, mode="xb", encoding=None) as stream:
                shutil.copyfileobj(content, stream)


def remove_files(found: Iterable[Path]) -> None:
    for file in found:
        file.unlink(missing_ok=True)


def others_in(folder: Path) -> str:
    """Returns what a folder holds besides a run, such as exports of an earlier one, for a message."""
    empty = {name for name in ("train", "valid") if not any((folder / name).glob("*"))}  # of `gk.TensorBoard`
    names = sorted({path.name for path in folder.iterdir()} - {locks.NAME, files.EARLIER, *empty})
    more = "" if len(names) <= MOST_NAMED else f" and {len(names) - MOST_NAMED} more"
    return f"; not its files, and still there: {', '.join(names[:MOST_NAMED])}{more}" if names else ""
