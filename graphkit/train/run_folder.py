"""A run's folder: who may write it, and which checkpoints stay in it."""

import logging
import os
import re
from collections.abc import Collection
from pathlib import Path

from graphkit import checks
from graphkit.checkpoints import locks, saving

logger = logging.getLogger("graphkit")

REPLACED = ".replaced"  # is there while the files of an earlier run are removed, see `RunFolder.replace`
PICTURE_KINDS = ("svg", "png", "pdf")
# What a trainer, its callbacks, `graphkit train` and `graphkit plot` write next to the checkpoints.
PICTURES = [f"{name}.{kind}" for name in ("curves", "confusion_matrix", "network") for kind in PICTURE_KINDS]
FILES = ("run.json", "history.csv", "metrics.jsonl", "report.html", *PICTURES)
MOST_NAMED = 5  # files in a message
EVENTS = re.compile(r"\.tfevents\.\d+\..+\.\d+\.\d+$")  # of `gk.TensorBoard`: those of others end otherwise


class RunFolder:
    """The logdir of a trainer, which one trainer at a time may write. At every moment it is one run's.

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
        if self.writes:
            if self.lock is None or not self.lock.held:
                self.lock = locks.FolderLock(checks.Checker(function), self.logdir)
                saving.remove_remains(self.logdir)
            if (self.logdir / REPLACED).exists():
                self.remove_run()
        # Another worker may look before the chief has removed a run that was replaced.
        return [] if (self.logdir / REPLACED).exists() else saving.kept(self.logdir)

    def replace(self) -> None:
        """Removes all files of the run in the folder, which from now on is the trainer's.

        A process that is killed while it removes them has removed the run nevertheless: a mark is made first,
        and what claims the folder next removes the rest.
        """
        if self.writes:
            replaces = bool(saving.paths_in(self.logdir, "model", "best"))
            (self.logdir / REPLACED).touch()
            self.remove_run()
            if replaces:
                text = "the earlier run in %s is replaced (fit(resume=True) continues a run)%s"
                logger.warning(text, self.logdir, others_in(self.logdir))
        self.is_own = True

    def remove_run(self) -> None:
        """Removes the files of a run that was replaced, and then the mark."""
        for path in files_of_run(self.logdir):
            path.unlink(missing_ok=True)
        (self.logdir / REPLACED).unlink()

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

        In this order, so that a process that is killed in between leaves a checkpoint to resume from. Best
        weights that the checkpoint does not name go, too: no checkpoint leads to them any more.

        Args:
          path: of the checkpoint.
          count: how many stay.
          best: names of the checkpoints of best weights that it names; None leaves all.
        """
        newest = [path, *(old for old in saving.kept(self.logdir) if old != path)][:count]
        saving.declare(self.logdir, newest)
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
    """Returns the files of the run in a folder, in the order in which they can be removed.

    Without the first one it is not a run that can be loaded. Of the checkpoints the newest is the last to go,
    so that a program that reads the folder meanwhile finds no older one in its place.
    """
    folder = Path(logdir)
    models = sorted(saving.paths_in(folder, "model"), key=saving.step_of)
    checkpoints = [
        file for path in (*models, *saving.paths_in(folder, "best")) for file in saving.files_of(path)
    ]
    first, *named = (folder / name for name in FILES)
    events = [path for part in (".", "train", "valid") for path in (folder / part).glob("*.tfevents.*")]
    written = [*folder.glob("notfinite-*.npz"), *(path for path in events if EVENTS.search(path.name))]
    found = [first, *map(Path, checkpoints), folder / saving.LATEST, *named, *written]
    return [path for path in found if path.is_file()]


def others_in(folder: Path) -> str:
    """Returns what a folder holds besides a run, such as exports of an earlier one, for a message."""
    empty = {name for name in ("train", "valid") if not any((folder / name).glob("*"))}  # of `gk.TensorBoard`
    names = sorted({path.name for path in folder.iterdir()} - {locks.NAME, *empty})
    more = "" if len(names) <= MOST_NAMED else f" and {len(names) - MOST_NAMED} more"
    return f"; not its files, and still there: {', '.join(names[:MOST_NAMED])}{more}" if names else ""
