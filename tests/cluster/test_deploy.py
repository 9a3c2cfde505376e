"""The templates of `deploy/`, and the `TF_CONFIG` of workers that a scheduler has started."""

import copy
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from graphkit import checks
from graphkit.cluster import schedulers

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
LAUNCH = [sys.executable, str(ROOT / "scripts" / "launch.py")]
SHOW = "import os; print(os.environ['TF_CONFIG'])"


def config_of(text):
    """Returns the addresses of the workers, and the index of the own one."""
    config = json.loads(text)
    assert config["task"]["type"] == "worker"
    return config["cluster"]["worker"], config["task"]["index"]


# ---- Kubernetes


@pytest.fixture
def documents():
    """The documents of the template by kind."""
    texts = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
    return {document["kind"]: document for document in texts}


@pytest.mark.parametrize("kind", ["Service", "NetworkPolicy", "Job"])
@pytest.mark.parametrize("version", ["1.33", kubernetes_validate.latest_version()])
def test_the_template_of_kubernetes_is_valid(documents, kind, version):
    kubernetes_validate.validate(documents[kind], version, strict=True)
    misspelt = copy.deepcopy(documents[kind])
    misspelt["spec"]["completionModes"] = "Indexed"
    with pytest.raises(kubernetes_validate.ValidationError, match="completionModes"):
        kubernetes_validate.validate(misspelt, version, strict=True)


def test_the_parts_of_the_template_belong_together(documents):
    service, policy, job = (documents[kind]["spec"] for kind in ("Service", "NetworkPolicy", "Job"))
    pod = job["template"]["spec"]
    (container,) = pod["containers"]
    labels = job["template"]["metadata"]["labels"]
    (ingress,) = policy["ingress"]
    assert labels == service["selector"] == policy["podSelector"]["matchLabels"]
    assert ingress["from"] == [{"podSelector": {"matchLabels": labels}}]
    assert service["clusterIP"] == "None"
    assert pod["subdomain"] == documents["Service"]["metadata"]["name"]
    ports = [service["ports"][0]["port"], ingress["ports"][0]["port"], container["ports"][0]["containerPort"]]
    assert {f"--port={port}" for port in ports} | {f"--service={pod['subdomain']}"} <= set(container["args"])
    assert f"--workers={job['completions']}" in container["args"]
    assert job["completions"] == job["parallelism"]
    codes = [rule["onExitCodes"] for rule in job["podFailurePolicy"]["rules"] if "onExitCodes" in rule]
    assert {code["containerName"] for code in codes} == {container["name"]}
    assert [code["operator"] for code in codes] == ["In", "NotIn"]
    assert codes[0]["values"] == codes[1]["values"]


def test_a_pod_finds_its_place_by_its_index(documents, tmp_path):
    job = documents["Job"]
    arguments = job["spec"]["template"]["spec"]["containers"][0]["args"]
    options = arguments[: arguments.index("--") + 1]
    name = job["metadata"]["name"]
    pod = {**os.environ, "JOB_COMPLETION_INDEX": "3", "HOSTNAME": f"{name}-3"}
    command = [*LAUNCH, *options, sys.executable, "-c", SHOW]
    shown = subprocess.run(command, env=pod, capture_output=True, text=True, check=True).stdout
    assert config_of(shown) == ([f"train-{index}.train:2222" for index in range(4)], 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"JOB_COMPLETION_INDEX": None}, "the environment variable JOB_COMPLETION_INDEX is needed"),
        ({"JOB_COMPLETION_INDEX": "2"}, "must be the number of workers; received index='2', workers=2"),
        ({"HOSTNAME": "train-0"}, "the host name of the pod must be the name of the job and the index"),
    ],
)
def test_a_pod_without_a_place_is_refused(changes, message):
    pod = {"JOB_COMPLETION_INDEX": "1", "HOSTNAME": "train-1", **changes}
    with pytest.raises(ValueError, match=message):
        schedulers.kubernetes_config(checks.Checker("launch (kubernetes)"), 2, "train", 2222, pod)


def test_a_program_takes_the_place_of_the_launcher_and_its_exit_code(tmp_path):
    pod = {**os.environ, "JOB_COMPLETION_INDEX": "0", "HOSTNAME": "a-0"}
    options = ["--environment", "kubernetes", "--workers", "1", "--service", "a"]
    done = subprocess.run([*LAUNCH, *options, "--", "sh", "-c", "kill -KILL $$"], env=pod)
    assert done.returncode == -9
    done = subprocess.run([*LAUNCH, *options[:-2], "--", "true"], env=pod, capture_output=True, text=True)
    assert (done.returncode, "service must be the name" in done.stderr) == (2, True)


# ---- Slurm


def slurm_step(nodes, tasks_per_node, tasks, node, local=0):
    """The variables that `srun` sets for one task, as far as they are read."""
    return {
        "SLURM_PROCID": "0",  # of another task: the place does not follow from it
        "SLURM_LOCALID": str(local),
        "SLURMD_NODENAME": node,
        "SLURM_STEP_NODELIST": nodes,
        "SLURM_STEP_TASKS_PER_NODE": tasks_per_node,
        "SLURM_STEP_NUM_TASKS": str(tasks),
    }


@pytest.fixture
def slurm_config(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def config(step):
        for name, value in step.items():
            monkeypatch.setenv(name, value)
        return config_of(schedulers.slurm_config(checks.Checker("launch (slurm)"), 2222, dict(os.environ)))

    yield config
    assert "CUDA_VISIBLE_DEVICES" not in os.environ, "Slurm has decided which GPUs a task sees"


def test_a_task_of_slurm_has_the_address_of_its_node(slurm_config):
    # As text, n10 comes before n9; so the node decides, and not the number of the task.
    addresses = ["n10:2222", "n11:2222", "n9:2222"]
    for index, node in enumerate(["n10", "n11", "n9"]):
        assert slurm_config(slurm_step("n[9-11]", "1(x3)", 3, node)) == (addresses, index)


def test_tasks_of_slurm_on_one_node_have_ports_of_their_own(slurm_config):
    addresses = ["a01:2222", "a01:2223", "b:2222"]
    assert slurm_config(slurm_step("a01,b", "2,1", 3, "a01", local=1)) == (addresses, 1)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (slurm_step("n[1-2]", "1(x2)", 2, ""), "SLURMD_NODENAME is needed: srun starts each worker with it"),
        (slurm_step("n[1-2]", "1(x2)", 2, "m1"), "the step must have this task; received address='m1:2222'"),
        (slurm_step("n[1-2]m[1-2]", "1(x4)", 4, "n1m1"), "the hosts of the step cannot be read .*hostlist"),
    ],
)
def test_a_task_of_slurm_without_a_place_is_refused(slurm_config, step, message):
    with pytest.raises(ValueError, match=message):
        slurm_config(step)


def test_the_script_for_slurm_is_valid():
    subprocess.run(["bash", "-n", DEPLOY / "slurm.sh"], check=True)
    done = subprocess.run(["bash", DEPLOY / "slurm.sh"], capture_output=True, text=True)
    assert (done.returncode, done.stderr.startswith("slurm.sh: a program is needed")) == (2, True)


# Runs all tasks of a step at once, and ends with the highest exit code, as `srun` does.
SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do echo "srun $1" >&2; shift; done
export SLURM_STEP_NODELIST='n[1-2]' SLURM_STEP_TASKS_PER_NODE='1(x2)' SLURM_STEP_NUM_TASKS=2 SLURM_LOCALID=0
for task in 0 1; do
    SLURM_PROCID=$task SLURMD_NODENAME=n$((task + 1)) "$@" &
done
highest=0
for task in $(jobs -p); do
    wait "$task"; code=$?
    [ $code -gt $highest ] && highest=$code
done
exit $highest
"""


@pytest.fixture
def batch(tmp_path):
    """Runs the script for Slurm with a stand-in for `srun`; returns what `subprocess.run` does."""

    def run(srun, *command, **variables):
        for name, text in (("srun", srun), ("python", f'#!/bin/sh\nexec {sys.executable} "$@"\n')):
            (tmp_path / name).write_text(text)
            (tmp_path / name).chmod(0o755)
        path = f"{tmp_path}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "SLURM_JOB_ID": "1234567", **variables}
        command = ["bash", DEPLOY / "slurm.sh", *command]
        return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)

    return run


@pytest.mark.slow
def test_the_script_for_slurm_starts_all_again_after_a_loss(batch, tmp_path):
    (tmp_path / "program.py").write_text("""
import json, os, signal, sys
index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
place = f"{os.environ['GRAPHKIT_ATTEMPT']} {index} {sys.argv[1:]}"
os.write(1, f"{place} {os.environ['TF_CONFIG']}\\n".encode())
if os.environ["GRAPHKIT_ATTEMPT"] == "0":
    os.kill(os.getpid(), signal.SIGKILL) if index else sys.exit(75)
""")
    done = batch(SRUN, tmp_path / "program.py", "--model", "mlp")
    assert done.returncode == 0, done.stderr
    assert "slurm.sh: a worker was lost (exit code 137)" in done.stderr
    lines = sorted(done.stdout.splitlines())
    assert [line.split(" {")[0] for line in lines] == [
        f"{attempt} {index} ['--model', 'mlp', '--resume']" for attempt in (0, 1) for index in (0, 1)
    ]
    assert '["n1:24567", "n2:24567"]' in lines[0]


@pytest.mark.parametrize(("code", "attempts"), [(0, 1), (3, 1), (143, 1), (75, 3), (137, 3)])
def test_the_script_for_slurm_starts_all_again_after_losses_alone(batch, code, attempts):
    done = batch(f'#!/bin/bash\necho "$@"\nexit {code}\n', "program.py", "-v", RESTARTS="2")
    assert done.returncode == (75 if attempts > 1 else code)
    lines = done.stdout.splitlines()
    assert len(lines) == attempts
    assert lines[0].endswith("--environment slurm --port 24567 -- program.py -v --resume")


# ---- Ray


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
def test_workers_in_actors_of_ray_are_started_again_after_a_loss(tmp_path):
    (tmp_path / "program.py").write_text("""
import json, os, signal, sys
print(os.environ["TF_CONFIG"], os.environ["GRAPHKIT_ATTEMPT"], sys.argv[1:])
if os.environ["GRAPHKIT_ATTEMPT"] == "0":
    index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
    os.kill(os.getpid(), signal.SIGKILL) if index else sys.exit(75)
sys.exit(int(sys.argv[1]))
""")
    options = ["--workers", "2", "--cpus", "0.5", "--restarts", "1", "--logs", tmp_path / "logs"]
    environment = {**os.environ, "HOME": str(tmp_path)}  # Ray writes a token there
    for code in (0, 3):
        command = [DEPLOY / "ray_workers.py", *options, "--", tmp_path / "program.py", str(code)]
        done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        assert "worker 1 was lost (killed by SIGKILL); all are started again (restart 1 of 1)" in done.stderr
    last = []
    for index in (0, 1):
        lines = (tmp_path / "logs" / f"worker-{index}.log").read_text().splitlines()
        texts = [line.rpartition("}} ")[2] for line in lines]
        assert texts[:3] == ["0 ['0']", "1 ['0', '--resume']", "0 ['3']"]
        last += texts[3:]
        assert config_of(lines[0].rpartition(" 0 ")[0])[1] == index
    # One that ends with an error of the program ends the other, which may not have begun by then.
    assert set(last) == {"1 ['3', '--resume']"}
