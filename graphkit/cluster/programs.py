"""The programs that run as processes of a cluster: their command, their `TF_CONFIG`, and their exit codes."""

import json
import os
import random
import shutil
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from graphkit import checks

# Exit code of a worker that has noticed that another one was lost: EX_TEMPFAIL of sysexits.h, with which the
# same command may succeed when it is started again.
LOST = 75
SIGNALLED = 128  # as in shells: this plus the number of the signal that ended a process
STOPPED = (SIGNALLED + signal.SIGINT, SIGNALLED + signal.SIGTERM)  # a training that was asked to end
ATTEMPT = "GRAPHKIT_ATTEMPT"  # environment variable: how many times the processes have been started again
LOWEST_PORT = 10_000
PORT_RANGE = "/proc/sys/net/ipv4/ip_local_port_range"  # of ports that Linux gives to outgoing connections

# Runs in a new process before its program, which it replaces: PR_SET_PDEATHSIG (1) has the kernel kill (9)
# the process when the thread that started it ends, however that happens. In `preexec_fn` it would run between
# fork and exec of a process with several threads, where a lock may be held for ever.
GUARD = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() != int(sys.argv[1]):  # that one has ended already
    os._exit(1)
os.execvp(sys.argv[2], sys.argv[2:])
"""


def runnable(check: checks.Checker, command: Sequence[str]) -> list[str]:
    """Returns the command as the system runs it: a file that ends in .py by this interpreter."""
    is_words = isinstance(command, (list, tuple)) and all(isinstance(word, str) for word in command)
    check.require_type(is_words, "command must be a list of strings", command=command)
    check.require(command, "a command is needed, such as scripts/train.py --model mlp")
    if command[0].endswith(".py"):
        check.require(Path(command[0]).is_file(), "the program does not exist", program=command[0])
        return [sys.executable, *command]
    found = shutil.which(command[0])
    check.require(found, "the program does not exist, or may not be run", program=command[0])
    return list(command)


def guarded(command: Sequence[str]) -> list[str]:
    """Returns a command that is killed when the thread that starts it ends; on Linux alone."""
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", "-c", GUARD, str(os.getpid()), *command]


def resumed(command: Sequence[str], resume_flag: str) -> list[str]:
    """Returns the command with the flag that has it go on from its last checkpoint."""
    return [*command, resume_flag] if resume_flag and resume_flag not in command else list(command)


def task_config(cluster: Mapping[str, Sequence[str]], job: str, index: int) -> str:
    """Returns the `TF_CONFIG` of one process: all addresses, by job, and which of them is its own."""
    addresses = {name: list(hosts) for name, hosts in cluster.items()}
    return json.dumps({"cluster": addresses, "task": {"type": job, "index": index}})


def free_ports(count: int, used: set[int] | None = None) -> list[int]:
    """Returns ports of this machine on which nothing listens, and adds them to those that were used before.

    They lie below those that the system gives to outgoing connections: a worker tries to connect to others
    before they listen, and its own connection could take the port, even with itself as the other end.
    """
    used = set() if used is None else used
    ports: list[int] = []
    candidates = [port for port in range(LOWEST_PORT, first_port_of_connections()) if port not in used]
    for port in random.SystemRandom().sample(candidates, len(candidates)):
        if len(ports) == count:
            break
        # On all interfaces, as TensorFlow's server listens on all of them.
        with socket.socket() as trial:
            try:
                trial.bind(("", port))
            except OSError:
                continue
        ports.append(port)
    if len(ports) < count:
        raise OSError(f"free_ports: this machine has {len(ports)} free ports of {count} that are needed")
    used.update(ports)
    return ports


def first_port_of_connections() -> int:
    try:
        lowest = int(Path(PORT_RANGE).read_text().split()[0])
    except (OSError, ValueError):
        lowest = 0
    return lowest if lowest >= LOWEST_PORT + 1000 else 32_768  # Linux' default


class End(NamedTuple):
    """How a process ended: `who` is such as "worker 1", `code` as of `subprocess.Popen.returncode`."""

    who: str
    code: int

    @property
    def signal(self) -> str:
        """The name of the signal that killed it, or what it ran in a shell; "" if none did."""
        number = -self.code if self.code < 0 else self.code - SIGNALLED
        known = {item.value: item.name for item in signal.Signals}
        return "" if self.code in STOPPED else known.get(number, f"signal {number}" if self.code < 0 else "")

    @property
    def is_loss(self) -> bool:
        """Whether all are to be started again: another error than those of the program itself."""
        return self.code == LOST or bool(self.signal)

    @property
    def text(self) -> str:
        if self.signal:
            return f"{self.who} was lost (killed by {self.signal})"
        if self.code == LOST:
            return f"{self.who} has lost another worker (exit code {LOST})"
        return f"{self.who} ended with exit code {self.code}"


def first_failure(ends: Sequence[End]) -> End | None:
    """Returns the end that made others fail: the first one, but exit code 75 comes after its cause."""
    failures = [end for end in ends if end.code]
    return next((end for end in failures if end.code != LOST), failures[0] if failures else None)
