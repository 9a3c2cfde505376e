"""Gives bad input to every reader of files and to the arguments of every public name.

  python scripts/dev/fuzz.py --seconds 600

Valid files are damaged (flipped bits, cuts, splices, extreme numbers, appended bytes); arguments of correct
calls are replaced by odd values (NaN, 2**63, wrong dtypes and axes, tensors of other graphs, ...). The
outcome must be a result that agrees with the input, or a GraphkitError, ValueError, TypeError or OSError with
a message (or MemoryError, if the arguments ask for more than there is). Anything else is a failure: another
error, a crash, a hang, more memory than allowed, part of a file read as if it were the complete file, a
pickle loaded.

Each target runs in its own process, with limits on its memory and on the time of one input. An input is a
function of seed, target and number: `--target NAME --seed S --case N` runs one again, with its traceback.
Inputs that failed are written to a folder. Exit code 1 if there are failures.
"""

import argparse
import contextlib
import itertools
import json
import os
import re
import resource
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from graphkit import checks

SHOWN = 20  # failures of a target that are printed


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--target",
        nargs="+",
        metavar="NAME",
        help="targets to run (default: all); `files` and `arguments` name groups",
    )
    add("--inputs", type=int, default=1000, metavar="N", help="inputs for each target (default: 1000)")
    add("--seconds", type=float, help="time for all targets together; the rest is skipped")
    add("--seed", type=int, default=0, help="seed of all inputs (default: 0)")
    add("--case", type=int, metavar="N", help="run this one input of the target, in this process")
    add("--list", action="store_true", help="print the names of the targets")
    add("--memory", type=float, default=2.0, help="GiB that an input may take (default: 2)")
    add("--timeout", type=float, default=60.0, help="seconds that an input may take (default: 60)")
    add(
        "--failures",
        default="fuzz-failures",
        metavar="FOLDER",
        help="where to write inputs (default: fuzz-failures)",
    )
    add("--first", type=int, default=0, help=argparse.SUPPRESS)
    add("--worker", action="store_true", help=argparse.SUPPRESS)
    add("--save-only", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def load_targets(folder):
    """Returns {name: target}; TensorFlow is loaded here."""
    from fuzzing import arguments, files

    groups = {"files": files.targets(folder), "arguments": arguments.targets()}
    return groups, groups["files"] | groups["arguments"]


def work(args):
    """Runs inputs of the targets in this process, target by target; reports each as a line of JSON."""
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def report(**line):
        print(json.dumps(line), file=channel, flush=True)

    with tempfile.TemporaryDirectory() as folder:
        targets = load_targets(folder)[1]
        from fuzzing import outcomes

        outcomes.watch_pickles()
        if args.save_only:
            report(path=str(save(args, targets[args.target[0]], args.first)))
            return
        limit = Limit(args.memory)
        first, started = args.first, time.monotonic()
        for done, name in enumerate(args.target):
            report(target=name)
            left = None if args.seconds is None else args.seconds - (time.monotonic() - started)
            until = None if left is None else time.monotonic() + left / (len(args.target) - done)
            for number in range(first, args.inputs):
                if until is not None and time.monotonic() > until:
                    break
                outcome = run_case(args, targets[name], number, folder)
                if outcome.kind != "failure" and limit.passed():
                    outcome = outcomes.Outcome("failure", f"{limit.growth():.1f} GiB of memory were taken")
                path = str(save(args, targets[name], number)) if outcome.kind == "failure" else None
                report(target=name, case=number, kind=outcome.kind, text=outcome.text, path=path)
                limit.reset()
            first = 0
        report(end=True)


def run_case(args, target, number, folder):
    from fuzzing import outcomes

    case = outcomes.draw(target, args.seed, number)
    home = os.getcwd()
    with tempfile.TemporaryDirectory(dir=folder) as work:
        os.chdir(work)
        try:
            return outcomes.run(target, case, work)
        finally:
            os.chdir(home)


def save(args, target, number):
    """Writes an input to the folder of failures; returns its path."""
    from fuzzing import outcomes

    name = re.sub(r"[^\w.]+", "-", target.name)
    path = Path(args.failures).absolute() / f"{name}-{args.seed}-{number}"
    return target.save(outcomes.draw(target, args.seed, number), path)


class Limit:
    """A limit on the memory that this process takes from now on: on its addresses and on its peak."""

    def __init__(self, gib):
        self.gib = gib
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + int(
            (gib + 2) * 2**30
        )  # threads reserve addresses that they never use
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        self.reset()

    def reset(self):
        self.before = peak_gib()

    def growth(self):
        return peak_gib() - self.before

    def passed(self):
        return self.growth() > self.gib


def peak_gib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


class Tally:
    """The outcomes of the inputs of one target."""

    def __init__(self, name):
        self.name = name
        self.counts = {"result": 0, "refusal": 0, "failure": 0}
        self.failures = []  # (case, text, path)

    def add(self, case, kind, text, path):
        self.counts[kind] += 1
        if kind == "failure":
            self.failures.append((case, text, path))

    def show(self):
        results, refusals, failures = self.counts.values()
        total = results + refusals + failures
        print(f"{self.name:30}{total:>9,}{results:>9,}{refusals:>10,}{failures:>9,}", flush=True)
        for case, text, path in self.failures[:SHOWN]:
            print(f"    case {case}: {text}\n        {path}", flush=True)


def examine(args, names):
    """Runs the inputs of all targets, in a new worker after each that crashed or hung; yields Tallies."""
    deadline = None if args.seconds is None else time.monotonic() + args.seconds
    tally, case = Tally(names[0]), args.first
    while names:
        seconds = None if deadline is None else max(0.0, deadline - time.monotonic())
        with tempfile.TemporaryFile() as errors, worker(args, names, case, errors, seconds) as process:
            begun = False
            try:
                for report in reports(process.stdout, args.timeout):
                    begun = True
                    if report.get("target") != tally.name:
                        yield tally
                        names = names[1:]
                        tally, case = Tally(report.get("target")), 0
                    if "kind" in report:
                        tally.add(*(report[key] for key in ("case", "kind", "text", "path")))
                        case = report["case"] + 1
                text = f"it crashed ({process.wait()}): {last_line(errors)}"
            except TimeoutError:
                text = f"it took more than {args.timeout:g} seconds"
            if not begun:
                raise checks.GraphkitError(f"fuzz: the worker did not start: {text}")
        if names:
            tally.add(case, "failure", text, saved(args, tally.name, case))
            case += 1


@contextlib.contextmanager
def worker(args, names, first, errors, seconds=None, *options):
    """Starts a process that runs inputs; ends it on exit from the `with` block."""
    command = [sys.executable, __file__, "--worker", "--seed", args.seed, "--first", first]
    command += ["--inputs", args.inputs, "--memory", args.memory, "--failures", args.failures, *options]
    command += [] if seconds is None else ["--seconds", seconds]
    command += ["--target", *names]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=errors)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def reports(stream, timeout):
    """Yields the reports of a worker; raises TimeoutError after `timeout` seconds without one."""
    rest = b""
    while True:
        if not select.select([stream], [], [], timeout)[0]:
            raise TimeoutError
        content = os.read(stream.fileno(), 1 << 16)
        if not content:
            return
        *lines, rest = (rest + content).split(b"\n")
        yield from map(json.loads, lines)


def last_line(errors):
    errors.seek(0)
    words = [line for line in errors.read().decode(errors="replace").splitlines() if line.strip()]
    return words[-1] if words else "no message"


def saved(args, name, case):
    """Returns the path to which another process has written an input."""
    with worker(args, [name], case, subprocess.DEVNULL, None, "--save-only") as process:
        return json.loads(process.communicate()[0])["path"]


def rerun(args):
    """Runs one input in this process, without catching its error."""
    from fuzzing import outcomes

    with tempfile.TemporaryDirectory() as folder:
        (target,) = (load_targets(folder)[1][name] for name in args.target)
        case = outcomes.draw(target, args.seed, args.case)
        print(f"{target.name}: {case}", flush=True)
        with tempfile.TemporaryDirectory(dir=folder) as work:
            os.chdir(work)
            target.run(case, work)
    print("a result")


def choose(args):
    """Returns the names of the targets asked for."""
    with tempfile.TemporaryDirectory() as folder:
        groups, targets = load_targets(folder)
    chosen = list(itertools.chain(*(groups.get(name, [name]) for name in args.target or groups)))
    unknown = sorted(set(chosen) - set(targets))
    check = checks.Checker("fuzz")
    check.require(not unknown, "--target must name targets, see --list", unknown=unknown)
    return chosen


def main(argv=None):
    args = parse(argv)
    checks.Checker("fuzz").integer("--inputs", args.inputs)
    if args.worker:
        work(args)
        return
    if args.case is not None:
        rerun(args)
        return
    names = choose(args)
    if args.list:
        print("\n".join(names))
        return
    print(f"{'target':30}{'inputs':>9}{'results':>9}{'refusals':>10}{'failures':>9}", flush=True)
    failures = 0
    for tally in examine(args, names):
        tally.show()
        failures += tally.counts["failure"]
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    checks.run_script(main)
