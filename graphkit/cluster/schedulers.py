"""Workers that a scheduler has started: sets `TF_CONFIG` from its environment and goes on as the program.

User programs read `TF_CONFIG` alone, whoever has started them.
"""

import importlib
import os
from collections.abc import Mapping, Sequence
from typing import NoReturn

from graphkit import checks
from graphkit.cluster import programs


def run_slurm_task(
    command: Sequence[str], *, workers: int | None, port: int, environment: Mapping[str, str]
) -> NoReturn:
    """Goes on as the command, as a worker of a step of Slurm: each task that `srun` has started is one."""
    check = checks.Checker("launch (slurm)")
    rule = "the number of workers is that of the tasks of srun: leave workers out"
    check.require(workers is None, rule, workers=workers)
    port = check.integer("port", port, maximum=65_535)
    program = programs.runnable(check, command)
    run_in_place(program, slurm_config(check, port, environment), environment)


def run_kubernetes_pod(
    command: Sequence[str], *, workers: int, service: str | None, port: int, environment: Mapping[str, str]
) -> NoReturn:
    """Goes on as the command, as one worker of an Indexed Job of Kubernetes."""
    check = checks.Checker("launch (kubernetes)")
    workers = check.integer("workers", workers)
    port = check.integer("port", port, maximum=65_535)
    check.require(service, "service must be the name of the headless service of the pods", service=service)
    program = programs.runnable(check, command)
    run_in_place(program, kubernetes_config(check, workers, str(service), port, environment), environment)


def run_in_place(program: list[str], config: str, environment: Mapping[str, str]) -> NoReturn:
    # Not as a child: the scheduler sends its signals to the program itself, and sees its exit code.
    os.execvpe(program[0], program, {"PYTHONUNBUFFERED": "1", **environment, "TF_CONFIG": config})


def slurm_config(check: checks.Checker, port: int, environment: Mapping[str, str]) -> str:
    """Returns the `TF_CONFIG` of a task of Slurm; tasks on one node have ports from `port` on."""
    node, local, tasks = (
        variable(check, environment, name, "srun starts each worker with it")
        for name in ("SLURMD_NODENAME", "SLURM_LOCALID", "SLURM_STEP_NUM_TASKS")
    )
    resolvers = importlib.import_module("tensorflow").distribute.cluster_resolver  # takes seconds: not above
    # The resolver gives a task no address without a GPU; Slurm itself has set which GPUs a task sees.
    gpus = {"gpus_per_node": int(tasks), "gpus_per_task": 1, "auto_set_gpu": False}
    try:
        spec = resolvers.SlurmClusterResolver(port_base=port, **gpus).cluster_spec()
    except (RuntimeError, ValueError) as error:
        raise ValueError(check.message(f"the hosts of the step cannot be read ({error})")) from error
    addresses = spec.job_tasks("worker")
    # Not by SLURM_PROCID: the resolver sorts hosts as text, n10 before n9, and tasks may go around the nodes.
    own = f"{node}:{port + int(local)}"
    check.require(own in addresses, "the step must have this task", address=own, addresses=addresses)
    return programs.task_config({"worker": addresses}, "worker", addresses.index(own))


def kubernetes_config(
    check: checks.Checker, workers: int, service: str, port: int, environment: Mapping[str, str]
) -> str:
    """Returns the `TF_CONFIG` of a pod: Kubernetes names the pods of an Indexed Job JOB-0, JOB-1, ..."""
    why = "a Job with completionMode: Indexed sets it"
    index = variable(check, environment, "JOB_COMPLETION_INDEX", why)
    hostname = variable(check, environment, "HOSTNAME", why)
    rule = "the completions of the job must be the number of workers"
    check.require(index.isdecimal() and int(index) < workers, rule, index=index, workers=workers)
    job, _, last = hostname.rpartition("-")
    rule = "the host name of the pod must be the name of the job and the index; a long one is cut short"
    check.require(job and last == index, rule, hostname=hostname, index=index)
    addresses = [f"{job}-{other}.{service}:{port}" for other in range(workers)]
    return programs.task_config({"worker": addresses}, "worker", int(index))


def variable(check: checks.Checker, environment: Mapping[str, str], name: str, why: str) -> str:
    rule = f"the environment variable {name} is needed: {why}"
    check.require(environment.get(name), rule)
    return environment[name]
