"""Times docs/old_programs/digits.py: its own loop by a changed import, `graphkit tf1 run`, and a trainer.

  python scripts/dev/time_old_program.py --rounds 3

Each run is a process of its own, and the ways take turns. Each runs for some and for many epochs: the
difference of the two is steps alone, without start, reading and compiling.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import graphkit as gk

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "docs" / "old_programs"
RUN = (sys.executable, "-m", "graphkit.tf1", "run")


def ways(folder):
    """Returns {what is timed: command}; the program with changed imports is written to the folder."""
    upgraded = Path(folder, "digits.py")
    upgraded.write_bytes((PROGRAMS / "digits.py").read_bytes())
    subprocess.run([sys.executable, "-m", "graphkit.tf1", "upgrade", upgraded, "--write"], check=True)
    return {
        "its own loop, `import graphkit.tf1 as tf`": (sys.executable, upgraded),
        "its own loop, `graphkit tf1 run`": (*RUN, PROGRAMS / "digits.py"),
        "`gk.Trainer`, three lines": (*RUN, PROGRAMS / "digits_trained.py"),
    }


def seconds(command, epochs, batch_size, data_dir):
    """Returns how long a run takes, and the last line that it prints."""
    options = [f"--epochs={epochs}", f"--batch_size={batch_size}", f"--data_dir={data_dir}"]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    start = time.perf_counter()
    done = subprocess.run(
        [*command, *options],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stderr}")
    return time.perf_counter() - start, done.stdout.strip().split("\n")[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, nargs=2, default=(20, 220), help="of both runs")
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--data-dir", default="MNIST_data", help="folder of MNIST files; else 5,000 digits")
    options = parser.parse_args()
    short, long = options.epochs
    if options.rounds < 1 or not 1 <= short < long or options.batch_size < 1:
        parser.error("there must be a round, an example, and more epochs in the second run than in the first")
    examples = 55_000 if Path(options.data_dir).is_dir() else gk.load_dataset("mnist_5k").train.labels.size
    steps = (long - short) * examples // options.batch_size
    times, prints = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        commands = ways(folder)
        for _ in range(options.rounds):
            for name, command in commands.items():
                few, _ = seconds(command, short, options.batch_size, options.data_dir)
                many, prints[name] = seconds(command, long, options.batch_size, options.data_dir)
                times.setdefault(name, []).append((many - few, many))
    first = None
    print(f"{steps} steps of {options.batch_size} examples, medians of {options.rounds} rounds")
    for name, pairs in times.items():
        step = statistics.median(pair[0] for pair in pairs) / steps
        first = first or step
        total = statistics.median(pair[1] for pair in pairs)
        measured = f"{step * 1e6:6.0f} us a step  {step / first:5.2f}  {total:5.1f} s in all"
        print(f"{name:42}  {measured}  {prints[name]}")


if __name__ == "__main__":
    main()
