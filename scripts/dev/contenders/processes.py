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

FOLDER = Path(__file__).parents[1]  # of the package `contenders`
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
    with tempfile.TemporaryDirectory() as folder:
        report, errors = Path(folder, "report.json"), Path(folder, "errors")
        job |= {"report": str(report), "started": time.time()}
        command = [python, "-m", "contenders", json.dumps(job)]
        # Files and not pipes: what a library leaves running could hold a pipe open for ever.
        with errors.open("wb") as stream:
            code = wait_for(command, stream, timeout)
        if code is None:
            raise FailedError(f"out of time ({timeout:g} s)")
        if code:
            raise FailedError(reason(code, errors.read_text(errors="replace")))
        if not report.exists():
            raise FailedError("the process ended without a report")
        return json.loads(report.read_text())


def wait_for(command, errors, timeout):
    """Runs a command; returns its exit code, or None if it was out of time."""
    try:
        # A session of its own, so that all that the process has started can be ended with it.
        process = subprocess.Popen(
            command,
            cwd=FOLDER,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
    except OSError as error:
        raise FailedError(f"{command[0]}: {error.strerror}") from None
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


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
