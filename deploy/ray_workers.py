"""Runs a program as the workers of a cluster, each in an actor of Ray; needs pip install 'tf-graphkit[ray]'.

    python deploy/ray_workers.py --workers 4 --cpus 8 --restarts 3 -- scripts/train.py --logdir runs/convnet

Each node must have graphkit, the program and the folder of the run under the same paths, as on a shared file
system. Exit codes are those of scripts/launch.py.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time

from graphkit import checks
from graphkit.cluster import programs
from graphkit.cluster.programs import End


class Worker:
    """An actor: runs the program on its node, as a process that does not outlive the actor."""

    def __init__(self, ray):
        self.ray = ray
        self.process = None
        self.stopped = False

    def address(self):
        (port,) = programs.free_ports(1)
        return f"{self.ray.util.get_node_ip_address()}:{port}"

    def run(self, command, folder, variables, log):
        """Returns the exit code of the program."""
        if self.stopped:
            return programs.SIGNALLED + signal.SIGTERM
        os.chdir(folder)
        command = programs.guarded(programs.runnable(checks.Checker("ray_workers"), command))
        variables = {**os.environ, "PYTHONUNBUFFERED": "1", **variables}
        with open(log, "ab") if log else contextlib.nullcontext() as output:
            self.process = subprocess.Popen(command, env=variables, stdout=output, stderr=output)
            return self.process.wait()

    def stop(self):
        """Asks the program to end, after a last checkpoint."""
        self.stopped = True
        if self.process is not None:
            self.process.terminate()


def parse(argv):
    place = argv.index("--") if "--" in argv else len(argv)
    parser = argparse.ArgumentParser(
        usage="%(prog)s [options] -- PROGRAM [argument ...]",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--workers", type=int, required=True, help="number of workers")
    add("--cpus", type=float, default=1, help="processors that Ray sets aside for each worker (default: 1)")
    add("--gpus", type=float, default=0, help="GPUs that Ray sets aside for each worker (default: 0)")
    add("--restarts", type=int, default=0, help="how many times all are started again (default: 0)")
    add("--grace", type=float, default=30.0, help="seconds for the others to end after a loss (default: 30)")
    logs = (
        "append the output of each worker to FOLDER/worker-<i>.log; else Ray shows it, perhaps not to its end"
    )
    add("--logs", metavar="FOLDER", help=logs)
    add("--wait", type=float, default=600.0, help="seconds for Ray to find room for all (default: 600)")
    add("--resume-flag", default="--resume", help="appended from the first restart on (default: --resume)")
    args = parser.parse_args(argv[:place])
    return args, argv[place + 1 :]


def main():
    args, command = parse(sys.argv[1:])
    check = checks.Checker("ray_workers")
    check.integer("workers", args.workers)
    check.integer("restarts", args.restarts, 0)
    check.number("grace", args.grace, at_least=0)
    check.number("wait", args.wait, above=0)
    programs.runnable(check, command)
    if args.logs is not None:
        with check.system_errors("the logs cannot be written", logs=args.logs):
            os.makedirs(args.logs, exist_ok=True)
    ray = check.optional_module("ray", "ray")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a Ray that is started here would report its use
    ray.init()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(run_attempts(ray, args, command))
    finally:
        ray.shutdown()


def run_attempts(ray, args, command):
    attempt = 0
    while True:
        ends, interrupted = run_once(ray, args, command, attempt)
        failure = programs.first_failure(ends)
        if interrupted:
            return programs.SIGNALLED + signal.SIGINT
        if failure is None:
            return 0
        if not failure.is_loss:
            say(f"{failure.text}; all were ended")
            return failure.code
        if attempt == args.restarts:
            say(f"{failure.text} and no restarts are left; the same command with {args.resume_flag} goes on")
            return programs.LOST
        attempt += 1
        command = programs.resumed(command, args.resume_flag)
        say(f"{failure.text}; all are started again (restart {attempt} of {args.restarts})")


def say(text):
    print(f"ray_workers: {text}", file=sys.stderr, flush=True)


def run_once(ray, args, command, attempt):
    """Returns how the workers ended, in their order, and whether this program was asked to end."""
    actor = ray.remote(num_cpus=args.cpus, num_gpus=args.gpus, max_concurrency=2)(Worker)
    actors = [actor.options(scheduling_strategy="SPREAD").remote(ray) for _ in range(args.workers)]
    try:
        addresses = ray.get([each.address.remote() for each in actors], timeout=args.wait)
        running = {}
        for index, each in enumerate(actors):
            config = programs.task_config({"worker": addresses}, "worker", index)
            variables = {"TF_CONFIG": config, programs.ATTEMPT: str(attempt)}
            log = args.logs and os.path.join(args.logs, f"worker-{index}.log")
            running[each.run.remote(command, os.getcwd(), variables, log)] = f"worker {index}"
        return watch(ray, actors, running, args.grace)
    except ray.exceptions.GetTimeoutError:
        rule = f"Ray has found no room for all workers in {args.wait:g} seconds"
        raise OSError(rule + f": {args.workers} times {args.cpus:g} CPUs and {args.gpus:g} GPUs") from None
    finally:
        for each in actors:
            ray.kill(each)  # and its program with it


def watch(ray, actors, running, grace):
    ends, interrupted, deadline = [], False, None
    while running:
        try:
            seconds = None if deadline is None else max(deadline - time.monotonic(), 0)
            done, _ = ray.wait(list(running), timeout=seconds)
        except KeyboardInterrupt:
            if interrupted:
                break
            interrupted = True
            for each in actors:
                each.stop.remote()
            continue
        if not done:
            break
        ends.append(End(running.pop(done[0]), exit_code(ray, done[0])))
        failure = programs.first_failure(ends)
        if failure is not None and not failure.is_loss and failure.code not in programs.STOPPED:
            break
        if failure is not None and deadline is None:
            deadline = time.monotonic() + grace
    return ends, interrupted


def exit_code(ray, result):
    try:
        return ray.get(result)
    except ray.exceptions.RayActorError:  # its node, or its process
        return -signal.SIGKILL


if __name__ == "__main__":
    checks.run_script(main)
