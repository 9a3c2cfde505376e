"""The lock of a folder: one holder, whatever becomes of it, on each kind of file system."""

import errno
import fcntl
import os
import subprocess
import sys
import types

import pytest

from graphkit import checks
from graphkit.checkpoints import locks

CHECK = checks.Checker("fit")


def test_one_holder_at_a_time_whose_process_is_named(tmp_path):
    first = locks.FolderLock(CHECK, tmp_path)
    rule = rf"^fit: another trainer writes {tmp_path} \(process {os.getpid()}\); give each"
    for _ in range(2):  # a refused one must not erase the holder's process
        with pytest.raises(checks.GraphkitError, match=rule):
            locks.FolderLock(CHECK, tmp_path)
    assert first.held
    first.close()
    assert not first.held
    locks.FolderLock(CHECK, tmp_path).close()


FORKING = """
import os, sys
from graphkit import checks
from graphkit.checkpoints import locks
lock = locks.FolderLock(checks.Checker("fit"), sys.argv[1])
started, start = os.pipe()
if os.fork() == 0:
    os.write(start, b"x")
    sys.stdin.read()  # stays, as a worker would that outlives its trainer
    os._exit(0)
os.read(started, 1)
print("worker started", flush=True)
os._exit(0)
"""


def test_a_forked_worker_that_outlives_the_trainer_does_not_hold_it(tmp_path):
    command = [sys.executable, "-c", FORKING, tmp_path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as trainer:
        assert trainer.stdout.readline() == b"worker started\n" and trainer.wait() == 0
        locks.FolderLock(CHECK, tmp_path).close()


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL])
def test_a_file_system_without_locks_is_said_and_no_obstacle(code, tmp_path, monkeypatch, caplog):
    def flock(descriptor, operation):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(locks, "fcntl", types.SimpleNamespace(flock=flock, LOCK_EX=2, LOCK_NB=4))
    locks.FolderLock(CHECK, tmp_path).close()
    assert f"{tmp_path}: its file system has no locks ({os.strerror(code)})" in caplog.text
    assert "make sure that no other trainer writes there" in caplog.text


def test_a_system_without_either_module_says_so(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(locks, "fcntl", None)
    monkeypatch.setattr(locks, "msvcrt", None)
    locks.FolderLock(CHECK, tmp_path).close()
    assert "has no locks" in caplog.text


def test_windows_locks_a_byte_that_nobody_reads(tmp_path, monkeypatch):
    places = []

    def locking(descriptor, mode, count):
        """Stands for the function of Windows, which raises EACCES where the byte is locked."""
        places.append((os.lseek(descriptor, 0, os.SEEK_CUR), mode, count))
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise PermissionError(errno.EACCES, "denied") from error

    monkeypatch.setattr(locks, "fcntl", None)
    monkeypatch.setattr(locks, "msvcrt", types.SimpleNamespace(locking=locking, LK_NBLCK=2))
    lock = locks.FolderLock(CHECK, tmp_path)
    with pytest.raises(checks.GraphkitError, match=rf"another trainer writes .* \(process {os.getpid()}\)"):
        locks.FolderLock(CHECK, tmp_path)
    lock.close()
    assert places == [(locks.FAR, 2, 1)] * 2
    assert (tmp_path / ".lock").read_text() == f"{os.getpid()}\n"


def test_a_link_is_refused_and_its_target_is_as_it_was(tmp_path):
    mine = tmp_path / "mine"
    mine.write_text("precious")
    for name, link in (("soft", os.symlink), ("hard", os.link)):
        folder = tmp_path / name
        folder.mkdir()
        link(mine, folder / ".lock")
        with pytest.raises(OSError, match=r"^fit: .*the lock .*/\.lock"):
            locks.FolderLock(CHECK, folder)
    assert mine.read_text() == "precious"


def test_a_lock_of_a_killed_process_is_free(tmp_path):
    program = (
        "import os, signal\nfrom graphkit import checks\nfrom graphkit.checkpoints import locks\n"
        f"lock = locks.FolderLock(checks.Checker('fit'), {str(tmp_path)!r})\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program], check=False)
    assert int((tmp_path / ".lock").read_text()) != os.getpid()
    locks.FolderLock(CHECK, tmp_path).close()
