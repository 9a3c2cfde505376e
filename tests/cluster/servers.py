"""Starts servers as processes on 127.0.0.1, and counts what is sent to them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from cluster.processes import free_addresses

PROGRAM = Path(__file__).with_name("server.py")
PROXY = Path(__file__).with_name("counting_proxy.py")


class Server:
    """A server that runs; use it in a `with` statement, which ends it.

    Args:
      folder: in which it runs.
      address: at which it listens; a free one by default.
      python: the interpreter.
    """

    def __init__(self, folder, address=None, python=sys.executable):
        self.address = address or free_addresses(1)[0]
        self.target = f"grpc://{self.address}"
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
        environment.pop("PYTHONPATH", None)
        command = [str(python), str(PROGRAM), self.address.rpartition(":")[2]]
        self.process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdout.readline() == "ready\n"

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.kill()
        self.process.stdout.close()


class Counter:
    """A proxy in front of a server that counts the bytes sent to it; use it in a `with` statement.

    It is a process: while TensorFlow asks a server for its devices, no other thread of this one runs.
    """

    def __init__(self, server):
        command = [sys.executable, str(PROXY), server.address.rpartition(":")[2]]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, **pipes)
        self.target = f"grpc://127.0.0.1:{self.process.stdout.readline().strip()}"

    @property
    def sent(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.communicate()
