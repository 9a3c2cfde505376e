"""Workers that are killed, frozen or stopped: the others notice, and all resume to the same bits."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from cluster.processes import PROGRAM, ROOT, Workers, free_addresses, run_workers
from cluster.worker import train

CASE = {"epochs": 3, "optimizer": "adam", "batch_size": 12}


def case_in(logdir, **options):
    return {"cases": [{**CASE, "logdir": str(logdir), **options}]}


def run(count, settings, folder, only=None):
    """Returns (exit code, output, results) of each worker."""
    with Workers(count, settings, folder, only=only) as workers:
        codes = workers.wait()
        return [
            (code, workers.output(i), workers.results(i))
            for code, i in zip(codes, workers.started, strict=True)
        ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The result of a run of two workers that nothing interrupts."""
    folder = tmp_path_factory.mktemp("whole")
    return run_workers(2, case_in(folder / "run"), folder)[0][0]


def resumed(count, logdir, folder):
    """Returns the result of the workers that resume a run."""
    found = run_workers(count, case_in(logdir, resume=True), folder)
    assert all(result == {**found[0][0], "worker": index} for index, (result,) in enumerate(found))
    return found[0][0]


def assert_named(found, victim):
    """Checks that the others have named a worker that was killed, and ended so that all are started again."""
    for index, (code, output, _) in enumerate(found):
        assert code == (-9 if index == victim else 75)
        if index != victim:
            assert f"fit: worker {index} cannot go on: worker {victim} (127.0.0.1:" in output
            assert "was lost" in output and "resume=True" in output and "Traceback" not in output


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_worker_that_is_killed_is_named_and_the_run_resumes_to_the_same_bits(tmp_path, whole, victim):
    logdir = tmp_path / "run"
    assert_named(run(2, case_in(logdir, once=["SIGKILL", victim, 11]), tmp_path), victim)
    result = resumed(2, logdir, tmp_path / "resumed")
    assert result["digest"] == whole["digest"]
    assert result["history"] == whole["history"]


@pytest.mark.slow
def test_the_launcher_starts_all_again_and_the_run_ends_with_the_same_bits(tmp_path, whole):
    settings = json.dumps(case_in(tmp_path / "run", once=["SIGKILL", 1, 11]))
    command = [sys.executable, ROOT / "scripts" / "launch.py", "--workers", "2", "--restarts", "1"]
    command += ["--resume-flag", "", "--logs", tmp_path / "logs", "--", PROGRAM, settings]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    subprocess.run(command, check=True, env=environment, timeout=240, capture_output=True)
    for index in range(2):
        lines = (tmp_path / "logs" / f"worker-{index}.log").read_text().splitlines()
        (result,) = [json.loads(line[7:]) for line in lines if line.startswith("RESULT ")]
        assert result["digest"] == whole["digest"]


@pytest.mark.slow
def test_a_run_resumes_with_another_number_of_workers(tmp_path):
    logdir = tmp_path / "run"
    assert_named(run(3, case_in(logdir, once=["SIGKILL", 1, 11], optimizer="sgd"), tmp_path), 1)
    one = train({**CASE, "optimizer": "sgd", "logdir": str(tmp_path / "one")})
    for count in (1, 2):
        copy = shutil.copytree(logdir, tmp_path / f"resumed by {count}")
        settings = {**CASE, "optimizer": "sgd", "logdir": str(copy), "resume": True}
        if count == 1:
            found = train(settings)
        else:
            (code, output, (found,)), _ = run(2, {"cases": [settings]}, tmp_path / "two")
            assert code == 0 and "the run had 3 workers, and has 2 now" in output
        assert found["step"] == one["step"]
        for name, values in one["weights"].items():
            np.testing.assert_allclose(found["weights"][name], values, rtol=1e-4, atol=2e-6, err_msg=name)
        assert found["history"]["loss"] == pytest.approx(one["history"]["loss"], rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("signal", "code"), [("SIGTERM", 143), ("SIGINT", 1)])
def test_a_signal_to_one_worker_ends_all_after_the_same_step(tmp_path, whole, signal, code):
    logdir = tmp_path / "run"
    found = run(2, case_in(logdir, once=[signal, 1, 11]), tmp_path)
    codes = [found[0][0], found[1][0]]
    assert codes == [code, code] or (signal == "SIGINT" and set(codes) <= {1, 130, -2})
    texts = [
        [line for line in output.splitlines() if "interrupted at step" in line] for _, output, _ in found
    ]
    assert texts[0] == texts[1] and len(texts[0]) == 1
    assert resumed(2, logdir, tmp_path / "resumed")["digest"] == whole["digest"]


@pytest.mark.slow
@pytest.mark.parametrize(("do", "steps"), [("stop", [18, 18]), ("stop now", [14, 14])])
def test_one_worker_that_stops_stops_all(tmp_path, do, steps):
    found = run(2, case_in(tmp_path / "run", once=[do, 1, 11]), tmp_path)
    assert [code for code, _, _ in found] == [0, 0]
    assert [results[0]["step"] for _, _, results in found] == steps
    assert found[0][2][0]["digest"] == found[1][2][0]["digest"]


@pytest.mark.slow
def test_a_worker_that_is_frozen_is_named_after_the_time_limit(tmp_path):
    settings = {**case_in(tmp_path / "run", once=["SIGSTOP", 1, 11]), "timeout": 20}
    with Workers(2, settings, tmp_path) as workers:
        assert workers.started[0].wait(200) == 75
        assert f"no answer from worker 1 ({workers.addresses[1]}) for 20 s" in workers.output(0)


@pytest.mark.slow
def test_a_worker_with_an_error_of_its_program_ends_and_is_missed(tmp_path):
    found = run(2, case_in(tmp_path / "run", once=["raise", 1, 11]), tmp_path)
    assert [code for code, _, _ in found] == [75, 1]
    assert "worker 1 (127.0.0.1:" in found[0][1] and "an error of the program" in found[1][1]


@pytest.mark.slow
def test_a_worker_that_never_comes_is_named(tmp_path):
    settings = {"cases": [CASE], "timeout": 3}
    ((code, output, _),) = run(2, settings, tmp_path, only=[0])
    assert code == 75 and "Trainer: worker 1 (127.0.0.1:" in output
    assert "did not come within 3 s" in output and "connection refused" in output


@pytest.mark.slow
def test_a_host_that_is_not_known_is_named(tmp_path):
    addresses = [*free_addresses(1), "no-such-host.invalid:2222"]
    with Workers(2, {"cases": [CASE], "timeout": 3}, tmp_path, addresses, only=[0]) as workers:
        assert workers.wait() == [75]
        assert "the host 'no-such-host.invalid' is not known" in workers.output(0)


DIFFERENT = {
    "graph": ({"network": "batch_norm"}, "all workers must have the same graph"),
    "seed": ({"seed": 6}, "all workers must have the same seed"),
    "data": ({"examples": 100}, "all workers must have the same data"),
    "batch_size": (
        {"batch_size": 18},
        "since they run one program (worker 0: 12, worker 1: 18)",
    ),
    "learning_rate": ({"learning_rate": 0.2}, "all workers must have the same learning_rate"),
    "epochs": ({"epochs": 4}, "all workers must have the same learning_rate"),
    "callbacks": ({"once": [None, 0, 0]}, "all workers must have the same every_steps of callbacks"),
}


@pytest.mark.slow
def test_workers_that_differ_are_refused_before_the_first_step(tmp_path):
    others = [{**CASE, **change} for change, _ in DIFFERENT.values()]
    settings = [{"cases": cases, "shows_errors": True} for cases in ([CASE] * len(others), others)]
    found = run(2, settings, tmp_path)
    for (name, (_, message)), *results in zip(DIFFERENT.items(), *(r for _, _, r in found), strict=True):
        for result in results:
            assert message in result["error"], name


@pytest.mark.slow
def test_a_batch_smaller_than_the_number_of_workers_is_refused(tmp_path):
    settings = {"cases": [{**CASE, "batch_size": 2}], "shows_errors": True}
    for _, _, (result,) in run(3, settings, tmp_path):
        assert (
            "batch_size is that of all workers together, and must be at least their number, 3"
            in result["error"]
        )


@pytest.mark.slow
def test_a_loss_that_is_not_finite_is_explained_alike_on_all_workers(tmp_path):
    settings = {"cases": [{**CASE, "network": "nan", "logdir": str(tmp_path / "run")}], "shows_errors": True}
    found = run(2, settings, tmp_path)
    texts = [results[0]["error"] for _, _, results in found]
    one = None
    try:
        train({**CASE, "network": "nan"})
    except Exception as error:
        one = str(error)
    assert one is not None
    assert texts[0].splitlines()[0] == texts[1].splitlines()[0] == one.splitlines()[0]
    assert json.dumps(texts[0]).count("RealDiv") == json.dumps(texts[1]).count("RealDiv") > 0
