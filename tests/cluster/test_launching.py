"""Clusters of small programs on this machine: what they are started with, and how they end.

Programs wait for each other at named pipes, and block in `signal.pause`; nothing waits for a time to pass.
"""

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from graphkit.cluster import isolation, launching, programs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals and named pipes of Linux")

SCRIPT = Path(__file__).parents[2] / "scripts" / "launch.py"
LONG = 600.0  # seconds; a test that waits for it has failed
PRELUDE = """
import json, os, signal, socket, subprocess, sys
config = json.loads(os.environ["TF_CONFIG"])
job, index = config["task"]["type"], config["task"]["index"]
attempt = int(os.environ["GRAPHKIT_ATTEMPT"])

def pause():
    while True:
        signal.pause()

def end_by(number):
    os.kill(os.getpid(), number)

"""


@pytest.fixture
def program(tmp_path):
    """Writes a program that all processes run; it may open the named pipe `fifo`."""
    os.mkfifo(tmp_path / "fifo")

    def write(text):
        path = tmp_path / "program.py"
        path.write_text(f"{PRELUDE}fifo = {str(tmp_path / 'fifo')!r}\n{text}")
        return str(path)

    return write


@pytest.fixture
def launch(program, tmp_path, capfd):
    """Runs a program on two workers; returns the exit code, what was shown and what was said."""

    def run(text, *arguments, workers=2, grace=LONG, **options):
        command = [program(text), *arguments]
        code = launching.launch(command, workers=workers, grace=grace, logs=tmp_path / "logs", **options)
        return code, *capfd.readouterr()

    return run


@pytest.fixture
def start(program, tmp_path):
    """Starts the launcher as a process of its own; it is ended with the test."""
    started = []

    def run(text, *options, workers=2):
        command = [sys.executable, SCRIPT, "--workers", str(workers), "--grace", str(LONG)]
        command += ["--logs", tmp_path / "logs", *options, "--", program(text)]
        variables = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(command, env=variables, text=True, **pipes)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def log(tmp_path, who="worker-0"):
    return (tmp_path / "logs" / f"{who}.log").read_text()


def script(*arguments, code, **options):
    done = subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, **options)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout, done.stderr


# ---- what processes are started with


def test_each_process_has_its_place_in_one_cluster(launch, tmp_path):
    code, shown, said = launch(
        "print(json.dumps(config), attempt, sys.argv[1:])", "--model", "mlp", workers=3
    )
    assert (code, said) == (0, "")
    texts = [log(tmp_path, f"worker-{index}") for index in range(3)]
    configs = [json.loads(re.search(r"{.*}", text)[0]) for text in texts]
    assert [config["task"] for config in configs] == [
        {"type": "worker", "index": index} for index in range(3)
    ]
    (addresses,) = {tuple(config["cluster"]["worker"]) for config in configs}
    assert len(set(addresses)) == 3
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+", address) for address in addresses)
    assert texts[1].startswith(f"== attempt 0: worker 1, {addresses[1]}\n")
    assert shown == texts[0].split("\n", 1)[1]
    assert shown.endswith(" 0 ['--model', 'mlp']\n")


def test_parameter_servers_end_with_the_workers(launch, tmp_path):
    code, _, said = launch("pause() if job == 'ps' else print(config['cluster'].keys())", workers=1, ps=2)
    assert (code, said) == (0, "")
    assert "dict_keys(['worker', 'ps'])" in log(tmp_path)
    assert "ps 1" in log(tmp_path, "ps-1")


def test_output_is_shown_as_it_comes(start):
    process = start("print('50%', end=''); pause()", workers=1)
    assert os.read(process.stdout.fileno(), 100) == b"50%"


def test_output_that_nobody_reads_any_more_does_not_end_the_workers(start, tmp_path):
    process = start("print('first'); print(open(fifo).read() * 10_000)", workers=1)
    assert process.stdout.readline() == "first\n"
    process.stdout.close()
    (tmp_path / "fifo").write_text("more\n")
    assert process.wait() == 0
    assert log(tmp_path).count("more") == 10_000


def test_processes_see_the_environment_of_the_launcher_before_graphkit_set_its_own(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    shown, _ = script("--workers", "1", "--", "env", code=0, env=environment)
    assert {line.split("=")[0] for line in shown.splitlines() if line.startswith("TF_")} == {"TF_CONFIG"}


def test_free_ports_are_distinct_and_not_used_before(monkeypatch):
    used = set()
    ports = programs.free_ports(3, used) + programs.free_ports(3, used)
    assert len(set(ports)) == 6
    assert used == set(ports)
    assert all(programs.LOWEST_PORT <= port < programs.first_port_of_connections() for port in ports)
    with socket.create_server(("", ports[0])):
        monkeypatch.setattr(programs, "LOWEST_PORT", ports[0])
        monkeypatch.setattr(programs, "first_port_of_connections", lambda: ports[0] + 1)
        with pytest.raises(OSError, match="0 free ports of 1"):
            programs.free_ports(1)


# ---- losses

# Worker 0 notices that worker 1 has ended, as the kernel then closes its end of the pipe.
NOTICE = """
if index == 0:
    open(fifo).read()
    sys.exit({noticed})
with open(fifo, "w"):
    {ending}
"""


def test_without_restarts_a_loss_is_exit_code_75(launch):
    code, _, said = launch(NOTICE.format(noticed=75, ending="end_by(signal.SIGKILL)"))
    assert code == 75
    assert said.splitlines()[-1] == (
        "launch: worker 1 was lost (killed by SIGKILL) and no restarts are left; to go on from the last "
        "checkpoint, give the same command with --resume"
    )


def test_after_a_loss_all_are_started_again_and_resume(launch, tmp_path):
    first = "if attempt == 1: print(sys.argv[1:], config); sys.exit(0)\nprint(config)"
    code, shown, said = launch(
        first + NOTICE.format(noticed=75, ending="end_by(signal.SIGKILL)"), "--model", "mlp", restarts=2
    )
    assert code == 0
    assert (
        "launch: worker 1 was lost (killed by SIGKILL); all are started again with --resume (restart 1 of 2)"
        in said
    )
    assert "['--model', 'mlp', '--resume']" in shown
    for who in ("worker-0", "worker-1"):
        assert re.findall("== attempt .", log(tmp_path, who)) == ["== attempt 0", "== attempt 1"]
    ports = re.findall(r"127.0.0.1:(\d+)", shown)
    assert len(ports) == 4
    assert len(set(ports)) == 4


def test_an_exit_code_of_75_alone_starts_all_again(launch):
    code, shown, said = launch("print(sys.argv[1:]); sys.exit(75)", "--resume", restarts=2)
    assert code == 75
    assert shown == "['--resume']\n" * 3
    assert said.count("all are started again (restart") == 2
    assert "has lost another worker (exit code 75) and no restarts are left" in said


def test_what_is_appended_can_be_chosen(launch):
    text = "print(sys.argv[1:]); sys.exit(0 if attempt else 75)"
    assert launch(text, workers=1, restarts=1, resume_flag="--go-on")[1] == "[]\n['--go-on']\n"
    assert launch(text, workers=1, restarts=1, resume_flag="")[1] == "[]\n[]\n"
    assert "give the command that resumes it" in launch("sys.exit(75)", workers=1, resume_flag="")[2]


def test_who_does_not_notice_a_loss_is_ended(launch):
    stubborn = """
if index == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    open(fifo, "w").close()
    pause()
open(fifo).read()
end_by(signal.SIGKILL)
"""
    code, _, said = launch(stubborn, grace=0)
    assert code == 75
    assert "worker 1 was lost (killed by SIGKILL)" in said


# ---- errors of the program


def test_an_error_of_the_program_ends_all(launch):
    code, _, said = launch("pause() if index == 0 else (print('no such data'), sys.exit(3))", restarts=5)
    assert code == 3
    assert "no such data" in said, "the output of a worker that is not shown while it runs"
    assert said.endswith("launch: worker 1 ended with exit code 3; all were ended\n")


def test_an_error_that_another_worker_notices_first_is_not_a_loss(launch):
    # What worker 0 leaves behind holds the pipe until the launcher has seen worker 0's end, and kills it.
    text = """
if index == 0:
    held = open(fifo, "w")
    subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], pass_fds=[held.fileno()])
    sys.exit(75)
open(fifo).read()
sys.exit(3)
"""
    assert launch(text, restarts=1)[0] == 3


@pytest.mark.parametrize(
    ("codes", "first"),
    [
        ([0, 0], None),
        ([75, 75], 0),
        ([75, -9], 1),
        ([-9, 1], 0),
        ([75, 3, -15], 1),
        ([0, 137], 1),
    ],
)
def test_the_failure_that_made_others_fail(codes, first):
    ends = [programs.End(f"worker {index}", code) for index, code in enumerate(codes)]
    assert programs.first_failure(ends) == (None if first is None else ends[first])


@pytest.mark.parametrize(
    ("code", "is_loss", "text"),
    [
        (-signal.SIGKILL, True, "worker 1 was lost (killed by SIGKILL)"),
        (137, True, "worker 1 was lost (killed by SIGKILL)"),
        (-signal.SIGTERM, True, "worker 1 was lost (killed by SIGTERM)"),
        (75, True, "worker 1 has lost another worker (exit code 75)"),
        (143, False, "worker 1 ended with exit code 143"),
        (130, False, "worker 1 ended with exit code 130"),
        (1, False, "worker 1 ended with exit code 1"),
        (255, False, "worker 1 ended with exit code 255"),
    ],
)
def test_what_exit_codes_mean(code, is_loss, text):
    end = programs.End("worker 1", code)
    assert (end.is_loss, end.text) == (is_loss, text)


def test_a_worker_that_was_asked_to_end_gives_the_others_time(launch, monkeypatch):
    ended, end_all = [], launching.Team.end_all

    def note(team, grace):
        ended.extend(team.running("worker"))
        end_all(team, grace)

    monkeypatch.setattr(launching.Team, "end_all", note)
    # They end at the same step, with a checkpoint; SIGTERM by the launcher would kill this program.
    code, _, _ = launch(NOTICE.format(noticed=143, ending="sys.exit(143)"), restarts=1)
    assert (code, ended) == (143, [])


# ---- signals

BOTH_READY = """
def note(number, frame):
    print(signal.Signals(number).name, flush=True)
    {after}

for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, note)
if index == 0:
    open(fifo).read()
    print("ready")
else:
    open(fifo, "w").close()
pause()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_all_workers(start, tmp_path, number):
    process = start(BOTH_READY.format(after="sys.exit(128 + number)"), "--restarts", "3")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.wait() == 128 + number
    for who in ("worker-0", "worker-1"):
        assert log(tmp_path, who).splitlines()[-1] == number.name
        assert "attempt 1" not in log(tmp_path, who)


def test_a_second_signal_kills_the_workers(start):
    process = start(BOTH_READY.format(after=""))
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    assert process.stdout.readline() == "SIGTERM\n"
    process.terminate()
    assert process.wait() == 128 + signal.SIGTERM


# ---- nothing is left behind

HOLDS = "held = open(fifo, 'w'); print('ready'); pause()"


@pytest.fixture
def held(program, tmp_path):
    """A function that waits until no process holds the pipe, at most for some seconds."""
    with open(os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)) as pipe:

        def is_held():
            readable, _, _ = select.select([pipe], [], [], 60)
            return not readable

        yield is_held


def test_processes_do_not_outlive_a_launcher_that_is_killed(start, held):
    process = start(HOLDS)
    assert process.stdout.readline() == "ready\n"
    process.kill()
    assert not held()


def test_what_a_worker_leaves_behind_is_killed(launch, held):
    # It holds the output of worker 0, too, which would never end.
    text = """
held = open(fifo, "w")
subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], pass_fds=[held.fileno()])
print("done")
"""
    assert launch(text)[:2] == (0, "done\n")
    assert not held()


def test_a_temporary_folder_of_logs_is_kept_after_a_failure_alone(program, capfd, tmp_path, monkeypatch):
    monkeypatch.setattr(launching.tempfile, "tempdir", str(tmp_path))
    command = [program("sys.exit(int(sys.argv[1]))")]
    assert launching.launch([*command, "0"], workers=1) == 0
    assert list(tmp_path.glob("graphkit-launch-*")) == []
    assert launching.launch([*command, "3"], workers=1) == 3
    (folder,) = tmp_path.glob("graphkit-launch-*")
    assert str(folder) in capfd.readouterr().err


# ---- isolation


def can_isolate():
    try:
        return bool(isolation.unshare_command(programs.checks.Checker("launch")))
    except OSError:
        return False


@pytest.mark.skipif(not can_isolate(), reason="this user may not make a network namespace")
def test_an_isolated_cluster_has_loopback_alone(tmp_path):
    (tmp_path / "network.py").write_text(
        "import socket\nserver = socket.create_server(('', 0))\n"
        "socket.create_connection(('127.0.0.1', server.getsockname()[1]))\nprint(socket.if_nameindex())"
    )
    shown, _ = script("--workers", "1", "--isolate", "--", tmp_path / "network.py", code=0)
    assert shown == "[(1, 'lo')]\n"


def test_isolation_that_the_system_does_not_allow_is_refused(tmp_path):
    command = ["--workers", "1", "--isolate", "--", sys.executable, "-V"]
    _, said = script(*command, code=2, env={**os.environ, "PATH": str(tmp_path)})
    assert "error: launch: isolate needs the right to make a network namespace of Linux" in said
    (tmp_path / "unshare").write_text(
        "#!/bin/sh\necho 'unshare failed: Operation not permitted' >&2; exit 1\n"
    )
    (tmp_path / "unshare").chmod(0o755)
    (tmp_path / "sh").symlink_to("/bin/sh")
    _, said = script(*command, code=2, env={**os.environ, "PATH": str(tmp_path)})
    assert said.endswith("which says: unshare failed: Operation not permitted\n")


# ---- wrong use


@pytest.mark.grid
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workers", "2"], "a command is needed after --"),
        (["--workers", "2", "--"], "a command is needed, such as scripts/train.py"),
        (["--", "true"], "--workers is needed"),
        (
            ["--workers", "0", "--", "true"],
            "launch: workers must be an integer of at least 1; received workers=0",
        ),
        (["--workers", "1", "--ps", "-1", "--", "true"], "ps must be an integer of at least 0"),
        (["--workers", "1", "--restarts", "-1", "--", "true"], "restarts must be an integer of at least 0"),
        (["--workers", "1", "--grace", "nan", "--", "true"], "grace must be a finite number at least 0"),
        (["--workers", "1", "--", "no_such.py"], "the program does not exist; received program='no_such.py'"),
        (["--workers", "1", "--", "no-such"], "the program does not exist, or may not be run"),
        (
            ["--workers", "1", "--logs", f"{SCRIPT}/x", "--", "true"],
            "the logs cannot be written (Not a directory)",
        ),
        (
            ["--environment", "slurm", "--restarts", "2", "--", "true"],
            "--restarts is for processes on this machine",
        ),
    ],
)
def test_wrong_use_is_refused(arguments, message):
    _, said = script(*arguments, code=2)
    assert message in said


@pytest.mark.grid
@pytest.mark.parametrize("flag", ["--go-on", ""])
def test_the_flag_that_resumes_may_look_like_an_option(flag):
    options = ["--workers", "1", "--restarts", "1", "--resume-flag", flag]
    shown, _ = script(*options, "--", "sh", "-c", "echo x$1; exit 75", "sh", code=75)
    assert shown == f"x\nx{flag}\n"
