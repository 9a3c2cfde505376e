"""Runs a program as the workers of a cluster on this machine, or as a worker that a scheduler has started."""

import argparse
import os
import sys

USAGE = "%(prog)s [options] -- PROGRAM [argument ...]"
EXIT_CODES = """exit codes: 0 all workers are done; 75 one was lost and no restarts are left; 130 and 143 by a
signal; 2 wrong use; else that of the worker that failed. This interpreter runs a PROGRAM that ends in .py."""
LOCAL_OPTIONS = ("ps", "restarts", "logs", "grace", "resume_flag", "isolate")
LOCAL, SLURM, KUBERNETES = "local", "slurm", "kubernetes"


def parse(argv):
    parser = argparse.ArgumentParser(usage=USAGE, allow_abbrev=False, description=__doc__, epilog=EXIT_CODES)
    add = parser.add_argument
    add("--workers", type=int, help="number of workers; with slurm it is that of the tasks")
    add("--environment", choices=(LOCAL, SLURM, KUBERNETES), default=LOCAL, help="who starts the processes")
    here = parser.add_argument_group("on this machine").add_argument
    here("--ps", type=int, default=0, metavar="N", help="number of parameter servers (default: 0)")
    here(
        "--restarts",
        type=int,
        default=0,
        metavar="N",
        help="start all again N times after a loss (default: 0)",
    )
    here("--logs", metavar="FOLDER", help="append the output of each worker to FOLDER/worker-<i>.log")
    grace = "how long the others may take to end after a loss (default: 30)"
    here("--grace", type=float, default=30.0, metavar="SECONDS", help=grace)
    flag = 'appended to the command from the first restart on; "" for nothing (default: --resume)'
    here("--resume-flag", default="--resume", metavar="FLAG", help=flag)
    here("--isolate", action="store_true", help="in a network of its own, which no other process can reach")
    there = parser.add_argument_group("in a scheduler").add_argument
    there(
        "--port",
        type=int,
        default=2222,
        help="of the workers; with slurm the first of a node (default: 2222)",
    )
    there("--service", help="headless service of the pods, with kubernetes")
    # The value of --resume-flag looks like an option, which argparse takes for a missing value.
    options, separator, command = cut(argv)
    while "--resume-flag" in options[:-1]:
        place = options.index("--resume-flag")
        options[place : place + 2] = [f"--resume-flag={options[place + 1]}"]
    args = parser.parse_args(options)
    refused = [name for name in LOCAL_OPTIONS if getattr(args, name) != parser.get_default(name)]
    if refused and args.environment != LOCAL:
        option = refused[0].replace("_", "-")
        parser.error(f"--{option} is for processes on this machine, not for {args.environment}")
    if not separator:
        parser.error("a command is needed after --, such as -- scripts/train.py --model mlp")
    if args.workers is None and args.environment != SLURM:
        parser.error("--workers is needed")
    return args, command


def cut(argv):
    """Returns the options of the launcher, whether -- follows them, and the command after it."""
    place = argv.index("--") if "--" in argv else len(argv)
    return argv[:place], place < len(argv), argv[place + 1 :]


def main(environment):
    args, command = parse(sys.argv[1:])
    from graphkit.cluster import isolation, launching, schedulers

    if args.environment == SLURM:
        schedulers.run_slurm_task(command, workers=args.workers, port=args.port, environment=environment)
    elif args.environment == KUBERNETES:
        schedulers.run_kubernetes_pod(
            command,
            workers=args.workers,
            service=args.service,
            port=args.port,
            environment=environment,
        )
    if args.isolate:
        isolation.isolate(environment)
    sys.exit(
        launching.launch(
            command,
            workers=args.workers,
            ps=args.ps,
            restarts=args.restarts,
            logs=args.logs,
            grace=args.grace,
            resume_flag=args.resume_flag,
            environment=environment,
        )
    )


if __name__ == "__main__":
    before = dict(os.environ)  # graphkit sets variables for TensorFlow, which are for this process alone
    from graphkit import checks

    checks.run_script(lambda: main(before))
