"""The lock of a folder: one trainer at a time writes it."""

import contextlib
import errno
import importlib
import logging
import os
import stat
import weakref
from pathlib import Path
from typing import Any

from graphkit import checks

logger = logging.getLogger("graphkit")

NAME = ".lock"
CONTENTION = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)  # somebody else has the lock
FAR = 1 << 30  # Windows lets nobody read a byte that is locked, so that of a file's first bytes none is


def optional(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


fcntl, msvcrt = optional("fcntl"), optional("msvcrt")  # of POSIX and of Windows


class FolderLock:
    """Makes this process the only one that writes a folder, until `close`.

    The system ends the lock with the process, also with one that is killed; a file that merely exists would
    outlive it. Processes that are forked while it is held do not hold it. Where the file system has no
    locks, a warning is logged, and nothing stops a second trainer.

    Args:
      check: of the function that users called.
      folder: the folder, which exists.

    Raises:
      GraphkitError: another trainer holds the lock.
      OSError: the lock's file cannot be opened, or is a link.
    """

    def __init__(self, check: checks.Checker, folder: str | os.PathLike[str]) -> None:
        path = Path(folder, NAME)
        # Opening must neither truncate the process id of the holder nor follow a link to a file elsewhere.
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        try:
            self.stream = os.fdopen(os.open(path, flags, 0o666), "r+", errors="replace")
        except OSError as error:
            rule = f"cannot open the lock {path}, which must be a file and not a link ({error.strerror})"
            raise OSError(check.message(rule)) from error
        try:
            self.acquire(check, path)
        except BaseException:
            self.stream.close()
            raise
        OPEN.add(self)

    @property
    def held(self) -> bool:
        return not self.stream.closed

    def acquire(self, check: checks.Checker, path: Path) -> None:
        state = os.fstat(self.stream.fileno())
        if not stat.S_ISREG(state.st_mode) or state.st_nlink > 1:
            rule = f"the lock {path} must be a file with one name; remove it"
            raise OSError(check.message(rule))
        try:
            lock(self.stream.fileno())
        except OSError as error:
            if error.errno in CONTENTION:
                writer = self.stream.read().strip() or "unknown"
                rule = f"another trainer writes {path.parent} (process {writer})"
                rule += "; give each trainer its own logdir"
                raise checks.GraphkitError(check.message(rule)) from error
            text = "%s: its file system has no locks (%s): make sure that no other trainer writes there"
            logger.warning(text, path.parent, error.strerror)
        self.stream.truncate(0)
        self.stream.write(f"{os.getpid()}\n")
        self.stream.flush()

    def close(self) -> None:
        """Gives up the lock."""
        self.stream.close()


def lock(descriptor: int) -> None:
    """Locks an open file without waiting; raises `OSError` where that fails."""
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    elif msvcrt is not None:
        os.lseek(descriptor, FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


OPEN: weakref.WeakSet[FolderLock] = weakref.WeakSet()


def close_in_child() -> None:
    """Closes the locks of the parent: an open copy would hold them after the parent's end."""
    for folder_lock in list(OPEN):
        with contextlib.suppress(OSError):
            folder_lock.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=close_in_child)
