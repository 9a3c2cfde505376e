"""A network of its own for a launcher and its workers: loopback alone, which no other process can reach.

TensorFlow's server listens on all interfaces, whatever address it is given, without authentication or
encryption. In a network namespace of Linux there is no other interface.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from typing import NoReturn

from graphkit import checks

# Sets IFF_UP (1) of loopback by SIOCSIFFLAGS (0x8914), as `ip link set lo up`, and goes on as the program.
LOOPBACK_UP = """
import fcntl, os, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh22x", b"lo", 1))
os.execv(sys.argv[1], sys.argv[1:])
"""


def isolate(environment: Mapping[str, str]) -> NoReturn:
    """Starts this program again in place of itself, without `--isolate`, in a network namespace of its own.

    Raises:
      OSError: if the system does not let this user make one.
    """
    check = checks.Checker("launch")
    enter = [*unshare_command(check), sys.executable, "-I", "-S", "-c", LOOPBACK_UP]
    arguments = sys.orig_argv[1:]
    arguments.remove("--isolate")  # the first one: the command comes after it
    os.execvpe(enter[0], [*enter, sys.executable, *arguments], dict(environment))


def unshare_command(check: checks.Checker) -> list[str]:
    """Returns the beginning of a command that makes a network namespace, with a user namespace if need be."""
    rule = "isolate needs the right to make a network namespace of Linux, by the program `unshare`"
    if shutil.which("unshare") is None:
        raise OSError(check.message(f"{rule}, which is not there"))
    said = ""
    for options in (["--net"], ["--map-root-user", "--net"]):
        tried = subprocess.run(["unshare", *options, "true"], capture_output=True, text=True)
        if tried.returncode == 0:
            return ["unshare", *options]
        said = tried.stderr.strip()
    raise OSError(check.message(f"{rule}, which says: {said}"))
