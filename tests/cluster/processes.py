"""Starts the workers of a cluster as processes on 127.0.0.1, and ends them with the test."""

import json
import os
import signal
from pathlib import Path

from cluster import forked

from graphkit.cluster import programs

PROGRAM = Path(__file__).with_name("worker.py")
ROOT = Path(__file__).parents[2]
LIMIT = 240  # seconds after which a test gives up on a process


def free_addresses(count):
    """Returns addresses on this machine whose ports are free."""
    return [f"127.0.0.1:{port}" for port in programs.free_ports(count)]


class Workers:
    """Workers that run; use it in a `with` statement, which ends those that are left.

    Args:
      count: of the workers.
      settings: of `worker.py`, as JSON; a list has those of each worker.
      folder: where the output of each is written.
      addresses: of the workers; free ones by default.
      only: the indices of the workers to start; all by default.
    """

    def __init__(self, count, settings, folder, addresses=None, only=None, program=PROGRAM):
        self.addresses = addresses or free_addresses(count)
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.started = {}
        for index in range(count) if only is None else only:
            own = settings[index] if isinstance(settings, list) else settings
            environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
            config = programs.task_config({"worker": self.addresses}, "worker", index)
            environment |= {"TF_CONFIG": config, "CUDA_VISIBLE_DEVICES": ""}
            output = self.folder / f"{index}.txt"
            self.started[index] = forked.Process(program, json.dumps(own), environment, output, self.folder)

    def wait(self):
        """Returns the exit codes, once all have ended."""
        return [process.wait(LIMIT) for process in self.started.values()]

    def output(self, index):
        return (self.folder / f"{index}.txt").read_text()

    def results(self, index):
        """Returns the results that a worker has printed."""
        lines = self.output(index).splitlines()
        return [json.loads(line[7:]) for line in lines if line.startswith("RESULT ")]

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        for process in self.started.values():
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()


def run_workers(count, settings, folder):
    """Returns the results of each worker, all of which must end without an error."""
    with Workers(count, settings, folder) as workers:
        codes = workers.wait()
        outputs = "\n".join(workers.output(index) for index in range(count))
        assert codes == [0] * count, outputs
        return [workers.results(index) for index in range(count)]
