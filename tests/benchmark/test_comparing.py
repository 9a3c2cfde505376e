"""The benchmark's rows of contenders that fail, and what it keeps; stand-ins take the libraries' places."""

import json
import os
import signal
import sys

import numpy as np
import pytest
from contenders import __main__ as worker
from contenders import networks, watch

import graphkit as gk
from graphkit.benchmark import comparing, processes, tables
from graphkit.commands import console

REPORT = {
    "us": [10.0, 30.0],
    "first": 1.0,
    "first_step": 2.0,
    "predicted": 500.0,
    "peak": 100.0,
    "accuracy": 0.5,
    "weights": 7,
}
# {what a stand-in does when it is imported: the reason that the row gives}
FAILURES = {
    "raise ImportError('libcudart.so.12: cannot open shared object file')": (
        "ImportError: libcudart.so.12: cannot open shared object file"
    ),
    "raise ModuleNotFoundError(\"No module named 'torch'\")": "torch is not installed",
    "raise ValueError('first line\\nsecond line')": "ValueError: first line",
    "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)": "ended by SIGSEGV",
    "import os, signal; os.kill(os.getpid(), signal.SIGKILL)": "ended by SIGKILL",
    "import os; os._exit(3)": "exit code 3, without a message",
    "import signal; signal.pause()": "out of time (2 s)",
}


def save_problem(folder):
    config = {"model": "mlp", "classes": ["a", "b"], "alphabet": None, "seed": 0, "batch_size": 4}
    images = np.arange(8 * 4, dtype=np.uint8).reshape(8, 2, 2, 1)
    problem = networks.Problem(config, images, np.zeros(8, np.int32), images[:3], epochs=2)
    problem.save(folder)
    return problem


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A function (name, code) that puts a library in front of an installed one, for all processes."""
    folder = tmp_path / "libraries"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)

    def put(name, code):
        (folder / f"{name}.py").write_text(f"{code}\n")

    return put


@pytest.mark.grid
@pytest.mark.parametrize("code", FAILURES)
def test_a_process_that_fails_says_why_in_one_line(code, stand_in, tmp_path):
    stand_in("torch", code)
    save_problem(tmp_path)
    with pytest.raises(processes.FailedError) as caught:
        timeout = 2 if "pause" in code else 60
        processes.run("pytorch", "train", {}, timeout=timeout, problem=tmp_path)
    assert str(caught.value) == FAILURES[code]


def test_an_interpreter_that_does_not_exist_is_a_reason(tmp_path):
    with pytest.raises(processes.FailedError, match="no_such_python: No such file"):
        processes.run("pytorch", "train", {}, python=str(tmp_path / "no_such_python"), problem=tmp_path)


def test_log_lines_are_not_the_reason():
    text = "cannot do that\nI0000 00:00:17 cudart_stub.cc:31] no GPU\n\n2026-01-01 00:00:00 oneDNN is on\n"
    assert processes.reason(1, text) == "cannot do that"
    error = "Traceback (most recent call last):\n  File\nOSError: full\nW0000 00:00:17 late warning\n"
    assert processes.reason(1, error) == "OSError: full"
    assert processes.reason(-signal.SIGABRT, error) == "ended by SIGABRT"
    assert processes.reason(-64, "") in ("ended by SIGRTMAX", "ended by signal 64")


@pytest.mark.parametrize(("library", "module"), [("torch", "pytorch"), ("jax", "jax")])
def test_peers_run_without_tensorflow_and_graphkit(library, module, stand_in, tmp_path):
    names = "{'tensorflow', 'graphkit', 'keras'}"
    stand_in(library, f"import sys; sys.exit('loaded: ' + str(sorted({names} & set(sys.modules))))")
    save_problem(tmp_path)
    with pytest.raises(processes.FailedError) as caught:
        processes.run(module, "train", {}, timeout=60, problem=tmp_path)
    assert str(caught.value) == "loaded: []"


def test_a_peer_that_loads_tensorflow_fails(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorflow", object())
    save_problem(tmp_path)
    job = {"problem": tmp_path, "module": "pytorch", "options": {}, "started": 0.0}
    with pytest.raises(RuntimeError, match="TensorFlow was loaded into this process"):
        worker.trained(lambda problem, clock: (1.0, 1), job)


@pytest.fixture(autouse=True)
def sigterm():
    """Gives the signal back its action, which `main` sets."""
    action = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, action)


class Machine:
    """Takes the place of `processes.run`: peers run in processes, all else has a constant report."""

    def __init__(self, run, interrupt=None):
        self.run, self.interrupt, self.calls = run, interrupt, []

    def __call__(self, module, function, options, **given):
        self.calls.append(module)
        if module == self.interrupt:
            raise KeyboardInterrupt
        if module == "machine":
            if function == "prepare":
                save_problem(options["folder"])
            return {"step_flops": 2e4, "gflops": 100.0}
        return self.run(module, function, options, **given) if module == "pytorch" else REPORT


def test_a_failing_peer_is_a_row_and_the_others_go_on(stand_in, monkeypatch, tmp_path, capsys):
    stand_in("torch", "raise ImportError('broken')")
    machine = Machine(processes.run)
    monkeypatch.setattr(processes, "run", machine)
    path = tmp_path / "metrics.json"
    chosen = ["--models", "mlp", "--contenders", "handwritten", "pytorch", "graphkit", "jax", "--rounds", "2"]
    assert console.run("benchmark", [*chosen, "--results", str(path)]) == 0
    # The failed one is not tried again in the second round.
    assert machine.calls == [
        *("machine", "machine", "by_hand", "pytorch", "trainer", "jax"),
        *("machine", "by_hand", "trainer", "jax"),
    ]
    rows = json.loads(path.read_text())["mlp"]
    assert list(rows) == ["handwritten", "pytorch", "graphkit", "jax"]
    assert rows["pytorch"] == {"failed": "ImportError: broken"}
    # 2e4 FLOPs in 20 us are 1 GFLOP/s, of 100.
    expected = REPORT | {"us": 20.0, "peak_fraction": 0.01, "machine_gflops": 100.0, "rounds": 2}
    assert rows["graphkit"] == pytest.approx(expected)
    out = capsys.readouterr().out
    assert "pytorch               failed: ImportError: broken\n" in out
    assert "graphkit's time to the best of handwritten 1.000, jax 1.000\n" in out


def test_an_interrupted_benchmark_keeps_what_it_has_measured(stand_in, monkeypatch, tmp_path):
    stand_in("torch", "raise ImportError('broken')")
    monkeypatch.setattr(processes, "run", Machine(processes.run, interrupt="jax"))
    path = tmp_path / "metrics.json"
    chosen = ["--models", "mlp", "--contenders", "handwritten", "pytorch", "jax", "--rounds", "1"]
    assert console.run("benchmark", [*chosen, "--results", str(path)]) == 130
    assert list(json.loads(path.read_text())["mlp"]) == ["handwritten", "pytorch"]
    assert not path.with_name("metrics.json.new").exists()


def test_a_contender_that_fails_later_keeps_its_first_rounds(capsys):
    found = comparing.row([REPORT], "ended by SIGSEGV", 2e4, [100.0])
    assert found["us"] == 20 and found["failed"] == "ended by SIGSEGV"
    tables.show("mlp", {"graphkit": comparing.row([REPORT], None, 2e4, [100.0]), "jax": found})
    assert "jax                   failed after 1 of its rounds: ended by SIGSEGV\n" in capsys.readouterr().out


def test_the_first_run_of_steps_ends_the_time_to_the_first_step(monkeypatch):
    times = iter([12.0, 99.0])
    monkeypatch.setattr(watch.time, "time", lambda: next(times))
    clock, waited = watch.Watch(started=10.0), []
    clock.start()
    for _ in range(3):
        clock.step(lambda: waited.append(1))
    assert clock.first_step == 2.0 and waited == [1]


def test_a_prediction_has_a_row_for_each_example():
    clock = watch.Watch(0.0)
    clock.predict(lambda examples: np.zeros((len(examples), 3)), np.zeros((50, 2)))
    assert clock.predicted > 0
    with pytest.raises(ValueError, match="a prediction of 50 examples has the shape"):
        clock.predict(lambda examples: np.zeros((49, 3)), np.zeros((50, 2)))


def test_problems_are_read_as_written_and_scaled_as_by_graphkit(tmp_path):
    problem = save_problem(tmp_path)
    found = networks.Problem.load(tmp_path)
    assert found.config == problem.config and found.epochs == 2 and found.num_classes == 2
    np.testing.assert_array_equal(found.examples, problem.examples)
    np.testing.assert_array_equal(found.floats, gk.scale_pixels(problem.examples))
    words = found._replace(config=problem.config | {"alphabet": "abc"})
    assert words.vocabulary_size == len(gk.Vocabulary("abc", "character"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--python", "keras"], "--python takes LIBRARY=PATH"),
        (["--python", "numpy=python3"], "--python takes LIBRARY=PATH"),
        (["--rounds", "0"], "--rounds must be an integer of at least 1"),
        (["--epochs", "1"], "--epochs must be an integer of at least 2"),
    ],
)
def test_refusals(arguments, message, capsys):
    assert console.run("benchmark", arguments) == 2
    assert message in capsys.readouterr().err
