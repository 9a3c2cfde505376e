"""A run's folder: who may write it, and which checkpoints stay in it."""

import logging
from pathlib import Path
from typing import Any

from graphkit.checkpoints import saving

logger = logging.getLogger("graphkit")


class RunFolder:
    """The logdir of a trainer, which one trainer at a time may write.

    Args:
      logdir: the folder, which exists.

    Attributes:
      replaced: checkpoints of an earlier run, which stay until this run has a step to keep.
    """

    def __init__(self, logdir: Path) -> None:
        self.logdir = logdir
        self.lock: Any = None
        self.replaced: list[str] = []

    def claim(self) -> list[str]:
        """Locks the folder and removes unfinished files; returns its checkpoints, newest first."""
        if self.lock is None:
            self.lock = saving.lock(self.logdir)
            saving.remove_remains(self.logdir)
        return saving.kept(self.logdir)

    def replace_earlier(self, stays: list[str]) -> None:
        """Lets the first checkpoint of this run replace all in the folder except for those that stay."""
        self.replaced = [p for p in saving.paths_in(self.logdir, "model", "best") if p not in stays]

    def path_for(self, step: int) -> str:
        """Returns the path of the checkpoint of a step."""
        return str(self.logdir / f"model-{step}")

    def keep(self, path: str, step: int, count: int) -> None:
        """Declares a checkpoint the newest one, then deletes the oldest so that `count` remain.

        In this order, so that a process that is killed in between leaves a checkpoint to resume from.
        """
        earlier = [old for old in saving.kept(self.logdir) if old not in (path, *self.replaced)]
        newest = [path, *earlier][:count]
        saving.declare(self.logdir, newest)
        if step or not self.replaced:
            for old in {*saving.paths_in(self.logdir, "model"), *self.replaced} - set(newest):
                saving.remove(old)
            self.replaced = []

    def release(self) -> None:
        """Gives up the lock."""
        if self.lock is not None:
            self.lock.close()
            self.lock = None
