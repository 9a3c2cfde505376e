"""Runs one job of the benchmark in this process: `python -m contenders JOB`, see `processes.run`."""

import importlib
import itertools
import json
import sys
from pathlib import Path

from contenders import networks, watch

WITHOUT_TENSORFLOW = ("pytorch", "jax")


def main():
    job = json.loads(sys.argv[1])
    function = getattr(importlib.import_module(f"contenders.{job['module']}"), job["function"])
    report = trained(function, job) if "problem" in job else function(**job["options"])
    Path(job["report"]).write_text(json.dumps(report))


def trained(train, job):
    """Returns what is measured of one training."""
    problem, clock = networks.Problem.load(job["problem"]), watch.Watch(job["started"])
    accuracy, weights = train(problem, clock, **job["options"])
    if job["module"] in WITHOUT_TENSORFLOW and "tensorflow" in sys.modules:
        raise RuntimeError("TensorFlow was loaded into this process, whose memory is measured")
    steps = -(-len(problem.labels) // problem.batch_size)
    return {
        "us": [1e6 * (end - start) / steps for start, end in itertools.pairwise(clock.ends)],
        "first": clock.ends[0],
        "first_step": clock.first_step,
        "predicted": clock.predicted,
        "peak": watch.peak_mebibytes(),
        "accuracy": float(accuracy),
        "weights": int(weights),
    }


if __name__ == "__main__":
    main()
