"""Starts the processes of a cluster on this machine, watches them, and starts all again when one is lost.

All are started again, since TensorFlow's collectives cannot be repaired in a living process ("Collective ops
is aborted by ... Restart your program to reset"), and a checkpoint makes a restart cheap.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, NamedTuple

from graphkit import checks
from graphkit.cluster import programs
from graphkit.cluster.programs import End

HOST = "127.0.0.1"
SHOWN_LINES = 20  # of the output of a worker that failed
KILL_SECONDS = 5.0  # between SIGTERM and SIGKILL after a loss
# Python handles a signal in the main thread, which one that the kernel gives to another thread does not wake.
LONGEST_WAIT = 1.0
OUTPUT_SECONDS = 5.0  # the longest wait for output after a worker's end, which another process may still hold


def launch(
    command: Sequence[str],
    *,
    workers: int,
    ps: int = 0,
    restarts: int = 0,
    logs: str | os.PathLike[str] | None = None,
    grace: float = 30.0,
    resume_flag: str = "--resume",
    environment: Mapping[str, str] | None = None,
) -> int:
    """Runs one command as all processes of a cluster on this machine; returns an exit code.

    Each process gets `TF_CONFIG`, with free ports of 127.0.0.1, and `GRAPHKIT_ATTEMPT`, which is 0 at first.
    The output of worker 0 is shown, and that of every process is appended to a file in `logs`. SIGINT and
    SIGTERM are handed on to the workers; a second one kills them. To be called in the main thread.

    When a worker is lost (it was killed by a signal, or it ends with exit code 75 because it has noticed that
    another one was lost), the others have `grace` seconds to end by themselves, then get SIGTERM, and SIGKILL
    5 seconds later. Then all are started again, as often as `restarts` says. Any other exit code is an error
    of the program and ends all, with `grace` seconds between SIGTERM and SIGKILL: it would happen again.

    Args:
      command: a program and its arguments; a file that ends in .py is run by this interpreter.
      workers: number of workers.
      ps: number of parameter servers, which are ended when all workers have ended.
      restarts: how many times all are started again.
      logs: folder of worker-0.log, worker-1.log, ..., ps-0.log; by default a temporary one, which is deleted
        if all workers end with 0.
      grace: seconds.
      resume_flag: appended to the command when it is started again, unless the command holds it; "" for
        nothing.
      environment: environment variables of the processes; by default those of this one.

    Returns:
      0 if all workers ended with 0; 75 if one was lost and no restarts are left; 128 plus the number of the
      signal that the launcher has received; else the exit code of the worker that failed first.

    Raises:
      ValueError: if a number is out of range, there is no command, or its program does not exist.
      OSError: if the logs cannot be written.
    """
    check = checks.Checker("launch")
    workers, ps = check.integer("workers", workers), check.integer("ps", ps, 0)
    restarts, grace = check.integer("restarts", restarts, 0), check.number("grace", grace, at_least=0)
    check.require_type(isinstance(resume_flag, str), "resume_flag must be a string", resume_flag=resume_flag)
    program = programs.runnable(check, command)
    jobs = {"worker": workers, "ps": ps} if ps else {"worker": workers}
    variables = dict(os.environ if environment is None else environment)
    folder = log_folder(check, logs)
    with signals_as_events() as events:
        code = run_attempts(Start(program, jobs, variables, folder), events, restarts, grace, resume_flag)
    if logs is None and code == 0:
        shutil.rmtree(folder)
    return code


class Start(NamedTuple):
    """What the processes are started with."""

    program: list[str]
    jobs: dict[str, int]  # number of processes by job
    variables: dict[str, str]
    folder: Path  # of their output


def run_attempts(start: Start, events: "Events", restarts: int, grace: float, resume_flag: str) -> int:
    """Starts all processes until they are done or may not be started again; returns the exit code."""
    used: set[int] = set()
    attempt = 0
    while True:
        start.variables[programs.ATTEMPT] = str(attempt)
        with Team(start, events, used) as team:
            team.watch(grace)
        failure = programs.first_failure(team.ends)
        if team.received is not None:
            return programs.SIGNALLED + team.received
        if failure is None:
            return 0
        show_output(start.folder, failure)
        if not failure.is_loss:
            say(f"{failure.text}; all were ended")
            return failure.code
        if attempt == restarts:
            how = f"the same command with {resume_flag}" if resume_flag else "the command that resumes it"
            say(f"{failure.text} and no restarts are left; to go on from the last checkpoint, give {how}")
            return programs.LOST
        again = programs.resumed(start.program, resume_flag)
        added = f" with {resume_flag}" if again != start.program else ""
        say(f"{failure.text}; all are started again{added} (restart {attempt + 1} of {restarts})")
        start = start._replace(program=again)
        attempt += 1


def say(text: str) -> None:
    print(f"launch: {text}", file=sys.stderr, flush=True)


def log_folder(check: checks.Checker, logs: str | os.PathLike[str] | None) -> Path:
    """Returns a folder that can be written."""
    with check.system_errors("the logs cannot be written", logs=logs or tempfile.gettempdir()):
        if logs is None:
            folder = Path(tempfile.mkdtemp(prefix="graphkit-launch-"))
            say(f"the output of all workers is in {folder}; --logs FOLDER keeps it")
            return folder
        folder = Path(logs)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder


def log_path(folder: Path, who: str) -> Path:
    return folder / f"{who.replace(' ', '-')}.log"


def show_output(folder: Path, failure: End) -> None:
    """Shows the last lines of a process whose output was not shown while it ran."""
    if failure.who == "worker 0":
        return
    path = log_path(folder, failure.who)
    lines = path.read_text(errors="replace").splitlines()[-SHOWN_LINES:]
    say("\n".join([f"the last lines of {path}:", *(f"  {line}" for line in lines)]))


@contextlib.contextmanager
def signals_as_events() -> Iterator["Events"]:
    """In a block, puts the number of each SIGINT and SIGTERM into a queue; ignored signals stay ignored."""
    events: Events = SimpleQueue()  # of which `put` may be called in a signal handler
    previous = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:
            previous[number] = signal.signal(number, lambda received, frame: events.put(received))
    try:
        yield events
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class Team:
    """All processes of one attempt; they are killed when the block ends.

    Attributes:
      ends: of the processes that ended by themselves, in their order.
      received: the number of the first signal that the launcher has received, or None.
    """

    def __init__(self, start: Start, events: "Events", used: set[int]) -> None:
        self.events = events
        self.ends: list[End] = []
        self.received: int | None = None
        self.left: list[tuple[float, int]] = []  # when which signal is sent to all that have not ended
        self.terminated = False  # by this class: what they end with says nothing
        ports = iter(programs.free_ports(sum(start.jobs.values()), used))
        cluster = {job: [f"{HOST}:{next(ports)}" for _ in range(count)] for job, count in start.jobs.items()}
        self.children: list[Child] = []
        try:
            for job, addresses in cluster.items():
                for index in range(len(addresses)):
                    self.children.append(Child(start, cluster, job, index, events))
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> "Team":
        return self

    def __exit__(self, *exception: object) -> None:
        self.send(signal.SIGKILL)
        for child in self.children:
            child.thread.join()

    def running(self, job: str | None = None) -> list["Child"]:
        return [child for child in self.children if child.code is None and job in (None, child.job)]

    def send(self, number: int, job: str | None = None) -> None:
        for child in self.running(job):
            child.send(number)

    def watch(self, grace: float) -> None:
        """Returns when all have ended."""
        while self.running("worker"):
            self.handle(self.next_event(), grace)
        # Parameter servers never end by themselves.
        self.end_all(grace)
        while self.running():
            self.handle(self.next_event(), grace)

    def next_event(self) -> "Child | int | None":
        """Waits for a process to end or a signal to come; returns None when a signal of `left` is due."""
        while True:
            seconds = max(self.left[0][0] - time.monotonic(), 0) if self.left else LONGEST_WAIT
            try:
                return self.events.get(timeout=min(seconds, LONGEST_WAIT))
            except Empty:
                if self.left and time.monotonic() >= self.left[0][0]:
                    return None

    def handle(self, event: "Child | int | None", grace: float) -> None:
        if event is None:
            _, number = self.left.pop(0)
            self.terminated = True
            self.send(number)
        elif isinstance(event, int):
            self.stop(event)
        elif event in self.children:
            event.code = event.process.returncode
            if not self.terminated and self.received is None:
                self.ends.append(End(event.who, event.code))
                self.after_failure(grace)

    def stop(self, number: int) -> None:
        """Hands a signal on to the workers; they may need the parameter servers for a last checkpoint."""
        if self.received is None:
            self.received = number
            say(f"{signal.Signals(number).name}: waiting for the workers to end; another signal kills them")
            self.send(number, "worker")
        else:
            self.send(signal.SIGKILL)

    def after_failure(self, grace: float) -> None:
        """Lets the others end by themselves after a loss, and ends them after an error of the program."""
        failure = programs.first_failure(self.ends)
        if failure is None:
            return
        if not failure.is_loss and failure.code not in programs.STOPPED:
            self.end_all(grace)
        elif not self.left:
            now = time.monotonic()
            # A worker that still waits for the lost one is deaf to SIGTERM, and has nothing left to save.
            kill_at = now + grace + min(grace, KILL_SECONDS)
            self.left = [(now + grace, signal.SIGTERM), (kill_at, signal.SIGKILL)]

    def end_all(self, grace: float) -> None:
        self.terminated = True
        self.send(signal.SIGTERM)
        self.left = [(time.monotonic() + grace, signal.SIGKILL)]


class Child:
    """One process of the cluster, in a session of its own, and a thread that waits for its end.

    Attributes:
      who: such as "worker 0".
      code: as `returncode` of `subprocess.Popen`; None until the launcher has taken note of its end.
    """

    def __init__(
        self, start: Start, cluster: Mapping[str, Sequence[str]], job: str, index: int, events: "Events"
    ) -> None:
        self.job, self.who, self.events = job, f"{job} {index}", events
        self.code: int | None = None
        self.log = open(log_path(start.folder, self.who), "ab", buffering=0)  # noqa: SIM115
        attempt = start.variables[programs.ATTEMPT]
        self.log.write(f"== attempt {attempt}: {self.who}, {cluster[job][index]}\n".encode())
        config = programs.task_config(cluster, job, index)
        # Without a terminal, Python would keep what a program prints until its buffer is full.
        variables = {"PYTHONUNBUFFERED": "1", **start.variables, "TF_CONFIG": config}
        self.process = subprocess.Popen(
            programs.guarded(start.program),
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if self.who == "worker 0" else self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.thread = threading.Thread(target=self.wait, name=self.who, daemon=True)
        self.thread.start()

    def send(self, number: int) -> None:
        """Sends a signal to the process and those that it has started, if there are any left."""
        with contextlib.suppress(OSError):
            os.killpg(self.process.pid, number)

    def wait(self) -> None:
        shown = None
        if self.process.stdout is not None:
            shown = threading.Thread(target=show, args=(self.process.stdout, self.log), daemon=True)
            shown.start()
        self.process.wait()
        self.send(signal.SIGKILL)  # what it has started and left behind
        if shown is not None:
            shown.join(OUTPUT_SECONDS)
        else:
            self.log.close()
        self.events.put(self)


def show(output: IO[bytes], log: IO[bytes]) -> None:
    """Copies output as it comes, progress bars included, to the terminal and a file."""
    with output, log:
        while data := os.read(output.fileno(), 65_536):
            log.write(data)
            try:
                if hasattr(sys.stdout, "buffer"):
                    sys.stdout.buffer.write(data)
                else:  # a notebook
                    sys.stdout.write(data.decode(errors="replace"))
                sys.stdout.flush()
            except BrokenPipeError:  # such as `head` that has seen enough: the worker must not end with it
                with open(os.devnull, "wb") as nowhere:
                    os.dup2(nowhere.fileno(), sys.stdout.fileno())


Events = SimpleQueue[Child | int]  # the ends of processes, and the numbers of signals
