"""Trains with each library in turn, every training in a process of its own, and takes medians."""

import argparse
import collections
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from graphkit import checks
from graphkit.benchmark import processes, scaling

MODELS = ("softmax_regression", "mlp", "convnet", "inception_net", "char_rnn")
IMAGE_MODELS = MODELS[:4]
CONVOLUTIONAL = ("convnet", "inception_net")
DATA = {"char_rnn": "words_5_languages"}  # others: Fashion-MNIST


class Contender(NamedTuple):
    """One entry of the comparison: a module of `contenders`, and the options it is called with."""

    library: str
    module: str
    options: dict[str, Any]
    models: tuple[str, ...] = MODELS
    function: str = "train"


CONTENDERS = {
    "handwritten": Contender("handwritten", "by_hand", {"as_float": True}),
    "handwritten-uint8": Contender("handwritten", "by_hand", {"as_float": False}, IMAGE_MODELS),
    "graphkit": Contender("graphkit", "trainer", {}),
    "graphkit-feed": Contender("graphkit", "trainer", {"execution": "feed"}),
    "graphkit-bfloat16": Contender("graphkit", "trainer", {"compute_dtype": "bfloat16"}),
    "graphkit-8-gib-file": Contender("graphkit", "trainer", {"gib": 8}, IMAGE_MODELS, "train_mapped"),
    "keras": Contender("keras", "keras", {}),
    "keras-32": Contender("keras", "keras", {"steps_per_execution": 32}),
    "keras-jit": Contender("keras", "keras", {"jit": True}),
    "keras-jit-32": Contender("keras", "keras", {"jit": True, "steps_per_execution": 32}),
    "pytorch": Contender("torch", "pytorch", {}),
    "pytorch-channels-last": Contender("torch", "pytorch", {"channels_last": True}, CONVOLUTIONAL),
    "pytorch-compile": Contender("torch", "pytorch", {"compile": True}),
    "jax": Contender("jax", "jax", {}),
    # With convolutions, a step inside the scan took fifty times as long as a single step.
    "jax-scan": Contender("jax", "jax", {"scan": True}, ("softmax_regression", "mlp", "char_rnn")),
}
PEERS = ("keras", "torch", "jax")
DEFAULT_CONTENDERS = [
    name for name, who in CONTENDERS.items() if who.library in PEERS or name in ("handwritten", "graphkit")
]


def measure(args: argparse.Namespace, model: str, results: dict[str, dict], keep: Callable[[], Any]) -> None:
    """Adds {contender: its row} of one model to the results, and calls `keep` after each process."""
    names = [name for name in args.contenders if model in CONTENDERS[name].models]
    reports: dict[str, list] = collections.defaultdict(list)
    peaks: list[float] = []
    failed: dict[str, str] = {}
    rows: dict[str, dict] = {}
    results[model] = rows
    with tempfile.TemporaryDirectory() as folder:
        step_flops = prepare(args, model, folder)["step_flops"]
        for number in range(args.rounds):
            peaks.append(ask_machine("peak", {})["gflops"])
            for name in names:
                if name in failed:
                    continue
                show_progress(f"{model} round {number + 1}/{args.rounds}: {name}")
                try:
                    reports[name].append(train(args, name, folder))
                except processes.FailedError as error:
                    failed[name] = str(error)
                made = {n: row(reports[n], failed.get(n), step_flops, peaks) for n in names}
                rows.update({n: found for n, found in made.items() if found})
                keep()
    show_progress("")


def measure_workers(args: argparse.Namespace, model: str) -> dict[int, dict]:
    """Returns {number of workers: its row} of one model."""
    with tempfile.TemporaryDirectory() as folder:
        examples = prepare(args, model, folder)["examples"]
        show_progress(f"{model}: {', '.join(map(str, args.workers))} workers")
        options = {"rounds": args.rounds, "timeout": args.timeout, "batch_size": args.batch_size}
        rows = scaling.measure(args.workers, folder, examples=examples, **options)
    show_progress("")
    return rows


def prepare(args: argparse.Namespace, model: str, folder: str) -> dict[str, Any]:
    """Writes the problem to the folder; returns its size: the FLOPs of a step, and the examples."""
    options = {
        "model": model,
        "data": args.data or DATA.get(model, "fashion_mnist"),
        "examples": args.examples,
        "batch_size": args.batch_size,
        "epochs": args.epochs,
        "folder": folder,
    }
    return ask_machine("prepare", options)


def ask_machine(function: str, options: dict[str, Any]) -> dict[str, Any]:
    """Returns what a function of `machine` reports; without it there is nothing to compare."""
    try:
        return processes.run("machine", function, options)
    except processes.FailedError as error:
        raise checks.GraphkitError(str(error)) from None


def train(args: argparse.Namespace, name: str, folder: str) -> dict[str, Any]:
    """Returns the report of one process of a contender."""
    who = CONTENDERS[name]
    python = args.python.get(who.library, sys.executable)
    given = {"python": python, "timeout": args.timeout, "problem": folder}
    return processes.run(who.module, who.function, who.options, **given)


def row(
    reports: Sequence[dict] | None, failure: str | None, step_flops: float, peaks: Sequence[float]
) -> dict[str, Any] | None:
    """Returns the medians of a contender's reports, and why it failed if it has; None before its turn."""
    found: dict[str, Any] = {"failed": failure} if failure else {}
    if reports:
        us = statistics.median(value for report in reports for value in report["us"])
        found |= {
            key: statistics.median(report[key] for report in reports) for key in reports[0] if key != "us"
        }
        peak = statistics.median(peaks)
        fraction = step_flops / (1e3 * us) / peak
        found |= {"us": us, "peak_fraction": fraction, "machine_gflops": peak, "rounds": len(reports)}
    return found or None


def show_progress(text: str) -> None:
    if sys.stderr.isatty():
        print(text, end="\033[K\r", file=sys.stderr)
