"""Runs each job in a process of its own, and says in one line why one failed."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FOLDER = Path(__file__).parent  # of `contenders`, which these processes import by that name
LOST = 75  # exit code of a worker whose cluster has lost another one
ERROR = re.compile(r"^[A-Za-z_][\w.]*(Error|Exception|Exit|Interrupt|Warning)\b(:|$)")
MISSING = re.compile(r"^ModuleNotFoundError: No module named '(\w+)'")
# Lines that libraries log, which come after an error as well as before it.
LOGGED = re.compile(r"^([IWEF]\d{4} |\d{4}-\d\d-\d\d |WARNING|INFO|\s*warnings\.warn|.*Warning: )")


class FailedError(Exception):
    """A process that brought no report; the message is the reason."""


def run(module, function, options, *, python=sys.executable, timeout=None, problem=None):
    """Returns what a function of `contenders` reports, called in a new process.

    Args:
      module: name of a module of `contenders`.
      function: name of its function. With a problem it trains that, else it is called with the options.
      options: its keyword arguments.
      python: the interpreter.
      timeout: seconds after which the process is killed.
      problem: folder of a `Problem`.

    Raises:
      FailedError: the process ended without a report.
    """
    job = {"module": module, "function": function, "options": options}
    job |= {"problem": str(problem)} if problem else {}
    (report,) = run_together(job, [{}], python=python, timeout=timeout)
    return report


def run_together(job, environments, *, python=sys.executable, timeout=None):
    """Returns the reports of processes that do one job at a time, each with its environment variables.

    Args:
      job: see `run`.
      environments: for each process {environment variable: value}, besides those of this one.
      python: the interpreter.
      timeout: seconds after which all are killed.

    Raises:
      FailedError: a process ended without a report.
    """
    end = None if timeout is None else time.monotonic() + timeout
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        started = []
        for number, variables in enumerate(environments):
            process = Process({**job, "started": time.time()}, Path(folder, str(number)), python, variables)
            started.append(stack.enter_context(process))
        for process in started:
            process.wait(end)
        # A worker that ends with LOST has noticed that another one failed, which has the reason.
        for process in sorted(started, key=lambda process: process.code == LOST):
            if process.code is None:
                raise FailedError(f"out of time ({timeout:g} s)")
            if process.code:
                raise FailedError(reason(process.code, process.errors.read_text(errors="replace")))
            if not process.report.exists():
                raise FailedError("the process ended without a report")
        return [json.loads(process.report.read_text()) for process in started]


class Process:
    """A process that does a job; use it in a `with` statement, which ends it with all that it has started.

    Attributes:
      code: its exit code, or None if it has not ended.
    """

    def __init__(self, job, folder, python, variables):
        folder.mkdir()
        self.report, self.errors = folder / "report.json", folder / "errors"
        command = [python, "-m", "contenders", json.dumps({**job, "report": str(self.report)})]
        self.code = None
        try:
            # A file and not a pipe: what a library leaves running could hold a pipe open for ever. A session
            # of its own, so that all that the process has started can be ended with it.
            with self.errors.open("wb") as stream:
                self.process = subprocess.Popen(
                    command,
                    cwd=FOLDER,
                    env={**environment(), **variables},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=stream,
                    start_new_session=True,
                )
        except OSError as error:
            raise FailedError(f"{command[0]}: {error.strerror}") from None

    def wait(self, end):
        """Waits for the process until a time of the monotonic clock, or for ever if that is None."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.code = self.process.wait(end and max(end - time.monotonic(), 0))

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def environment():
    """Returns the environment, with paths that hold in another working directory."""
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    absolute = [os.path.abspath(path) for path in paths if path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(FOLDER), *absolute])}


def reason(code, text):
    """Returns in one line why a process ended with this exit code and wrote this to standard error."""
    if code < 0:
        return f"ended by {signal_name(-code)}"
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    raised = [line for line in lines if ERROR.match(line) and "Warning" not in line.split(":")[0]]
    if raised:
        missing = MISSING.match(raised[-1])
        return f"{missing[1]} is not installed" if missing else raised[-1]
    said = [line.strip() for line in lines if not LOGGED.match(line)]
    return said[-1] if said else f"exit code {code}, without a message"


def signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
