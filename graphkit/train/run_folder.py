"""A run's folder: who may write it, and which checkpoints stay in it."""

import os
from collections.abc import Collection
from pathlib import Path

from graphkit import checks
from graphkit.checkpoints import locks, saving


class RunFolder:
    """The logdir of a trainer, which one trainer at a time may write.

    Args:
      logdir: the folder, which exists.
      writes: False for a worker of several that only reads what the chief writes.

    Attributes:
      replaced: checkpoints of an earlier run, which stay until this run has a step to keep.
    """

    def __init__(self, logdir: Path, *, writes: bool = True) -> None:
        self.logdir, self.writes = logdir, writes
        self.lock: locks.FolderLock | None = None
        self.replaced: list[str] = []

    def claim(self, function: str) -> list[str]:
        """Locks the folder and removes unfinished files; returns its checkpoints, newest first.

        Args:
          function: the name that users called.

        Raises:
          GraphkitError: another trainer writes the folder.
        """
        if self.writes and (self.lock is None or not self.lock.held):
            self.lock = locks.FolderLock(checks.Checker(function), self.logdir)
            saving.remove_remains(self.logdir)
        return saving.kept(self.logdir)

    def replace_earlier(self, stays: list[str]) -> None:
        """Lets the first checkpoint of this run replace all in the folder except for those that stay."""
        self.replaced = [p for p in saving.paths_in(self.logdir, "model", "best") if p not in stays]

    def prepare(self, path: str | os.PathLike[str] | None, step: int) -> str:
        """Returns where to save the checkpoint of a step, by default in the folder, which is then locked.

        Without the lock, a trainer would delete the checkpoints of one that is writing the folder.
        """
        target = self.logdir / f"model-{step}" if path is None else Path(path)
        if target.parent.resolve() == self.logdir.resolve():
            self.claim("save")
            # What is written now is this run's, also under the name of a checkpoint of an earlier run.
            self.replaced = [old for old in self.replaced if old != str(self.logdir / target.name)]
        return str(target) if path is None else os.fspath(path)

    def keep(self, path: str, step: int, count: int, best: Collection[str] | None = None) -> None:
        """Declares a checkpoint the newest one, then deletes the oldest so that `count` remain.

        In this order, so that a process that is killed in between leaves a checkpoint to resume from. Best
        weights that the checkpoint does not name go, too: no checkpoint leads to them any more.

        Args:
          path: of the checkpoint.
          step: its step.
          count: how many stay.
          best: names of the checkpoints of best weights that it names; None leaves all.
        """
        earlier = [old for old in saving.kept(self.logdir) if old not in (path, *self.replaced)]
        newest = [path, *earlier][:count]
        saving.declare(self.logdir, newest)
        if step or not self.replaced:
            for old in {*saving.paths_in(self.logdir, "model"), *self.replaced} - set(newest):
                saving.remove(old)
            self.replaced = []
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
