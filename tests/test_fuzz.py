"""Bad input: damaged files and odd arguments give a result or a refusal; see `scripts/dev/fuzz.py`."""

import random
import resource
import subprocess
import sys
from pathlib import Path

import hypothesis.strategies as st
import pytest
from fuzzing import arguments, calls, damage, files, outcomes
from hypothesis import HealthCheck, given, settings
from public_names import PUBLIC

import graphkit as gk
from graphkit import models

SCRIPT = Path(__file__).parents[1] / "scripts" / "dev" / "fuzz.py"
READERS = (
    *("IDX file", "IDX file, gzipped", "CIFAR file", "CIFAR archive", "npz file", "npz data set"),
    *("IDX data set", "picture", "npz of pictures", "run.json", "checkpoint", "run folder"),
    *("frozen graph", "checkpoint with .meta"),
)
NAMES = list(calls.CALLS)
# Inputs of each target by default, and the factor for the slow tests; targets that train or build a network
# get fewer. `scripts/dev/fuzz.py` runs as long as it is asked to.
FILES, CALLS, MANY = 60, 20, 8
SLOW_READERS = {"run.json": 12, "run folder": 2}
SLOW_CALLS = {
    **dict.fromkeys(("Trainer", "runs.train_run", "find_learning_rate", "runs.RunConfig.for_data"), 1),
    **dict.fromkeys(("rnn", "inception_module", "runs.build_network", *models.__all__), 2),
}
EXAMPLES = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    outcomes.watch_pickles()
    return files.targets(tmp_path_factory.mktemp("valid"))


@pytest.fixture(autouse=True)
def with_little_memory():
    """Limits a test to 3 GiB more of addresses: asking for more is a MemoryError at once."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 3 * 2**30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def try_inputs(target, count, folder, seed=0):
    """Runs `count` inputs of a target; returns the number of each outcome."""
    counts = dict.fromkeys(outcomes.OUTCOMES, 0)
    for number in range(count):
        work = folder / str(number)
        work.mkdir()
        case = outcomes.draw(target, seed, number)
        outcome = outcomes.run(target, case, work)
        assert outcome.kind != "failure", f"{target.name} seed {seed} case {number}: {outcome.text}"
        counts[outcome.kind] += 1
    return counts


def test_each_reader_has_a_target(readers):
    assert sorted(readers) == sorted(READERS)


def test_each_public_name_has_a_target():
    targets = [arguments.find(name) for name in (*NAMES, *calls.UNCALLED)]
    missing = [name for name, thing in PUBLIC.items() if not any(thing is target for target in targets)]
    assert not missing, "public names without a call in scripts/dev/fuzzing/calls.py"
    methods = {name for name in NAMES if name not in PUBLIC}
    assert methods == set(calls.METHODS), "calls without a public name"
    assert {name.rpartition(".")[0] for name in methods} <= PUBLIC.keys()
    expected = ("fit", "evaluate", "predict", "save", "restore", "export", "stop")
    assert {f"Trainer.{name}" for name in expected} <= methods


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_read_completely_or_refused(name, readers, tmp_path):
    counts = try_inputs(readers[name], SLOW_READERS.get(name, FILES), tmp_path)
    assert counts["refusal"] > 0


@pytest.mark.parametrize("name", NAMES)
def test_odd_arguments_give_a_result_or_a_refusal(name, tmp_path):
    target = arguments.Target(name)
    if "no-such" in str(calls.CALLS[name]().values()):
        with pytest.raises(FileNotFoundError):
            target.run({}, tmp_path)
    else:
        target.run({}, tmp_path)
    try_inputs(target, SLOW_CALLS.get(name, CALLS), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_many_damaged_files(name, readers, tmp_path):
    try_inputs(readers[name], MANY * SLOW_READERS.get(name, FILES), tmp_path, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_many_odd_arguments(name, tmp_path):
    try_inputs(arguments.Target(name), MANY * SLOW_CALLS.get(name, CALLS), tmp_path, seed=1)


@EXAMPLES
@given(name=st.sampled_from(READERS[:7]), chance=st.randoms(use_true_random=False))
def test_any_damage_is_read_completely_or_refused(name, chance, readers, tmp_path_factory):
    target, folder = readers[name], tmp_path_factory.mktemp("damaged")
    assert outcomes.run(target, target.draw(chance), folder).kind != "failure"


class Odd:
    """A target that calls a given function."""

    name, may_be_large = "odd", False

    def __init__(self, run):
        self.run = lambda case, folder: run()


def raising(error):
    def run():
        raise error

    return run


@pytest.mark.parametrize(
    ("run", "kind"),
    [
        (lambda: None, "result"),
        (raising(ValueError("f: rule")), "refusal"),
        (raising(FileNotFoundError("f: rule")), "refusal"),
        (raising(gk.GraphkitError("f: rule")), "refusal"),
        (raising(ValueError()), "failure"),
        (raising(KeyError("x")), "failure"),
        (raising(OverflowError("x")), "failure"),
        (raising(MemoryError("x")), "failure"),
        (raising(outcomes.WrongResult("cut off")), "failure"),
        (lambda: 1 / 0, "failure"),
    ],
)
def test_outcomes(run, kind, tmp_path):
    assert outcomes.run(Odd(run), {}, tmp_path).kind == kind


def test_an_input_is_a_function_of_seed_and_number(readers):
    for target in (readers["npz file"], readers["run folder"], arguments.Target("conv2d")):
        first, again, other = (outcomes.draw(target, seed, 3) for seed in (5, 5, 6))
        assert first == again != other


def test_damage_changes_a_file_nearly_always():
    content = bytes(range(256))
    damaged = [damage.damage(random.Random(seed), content) for seed in range(200)]
    assert len(set(damaged)) > 150 and sum(item != content for item in damaged) > 190


def fuzz(*options, folder):
    command = [sys.executable, SCRIPT, "--failures", folder, *options]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True)


@pytest.mark.slow
def test_script_prints_a_table(tmp_path):
    done = fuzz("--target", "IDX file", "sizes.conv2d_shape", "--inputs", 20, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[0] == ["target", "inputs", "results", "refusals", "failures"]
    assert [row[-4] for row in rows[1:]] == ["20", "20"] and not any(tmp_path.iterdir())


@pytest.mark.slow
def test_script_names_an_unknown_target(tmp_path):
    done = fuzz("--target", "conv9d", folder=tmp_path)
    assert done.returncode == 2 and "--target must name targets" in done.stderr
