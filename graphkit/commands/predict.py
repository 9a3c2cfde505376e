"""Prints what a run's network predicts: class probabilities, or the number that it was trained to predict.

Examples are images (PNG or JPEG files, or an .npz with an array `images`), the rows of a table, an .npz with
an array `features`, or words, as the run was trained on. Images for a network of MNIST must have its size and
look like it (white on black, which a line says if they do not); a run of a folder of images takes those of
any size.
"""

import argparse
import logging
from typing import Any

import graphkit as gk
from graphkit import checks
from graphkit.commands.options import CommandParser, Output

logger = logging.getLogger("graphkit")


def add_arguments(parser: CommandParser) -> None:
    add = parser.add_argument
    add("logdir", metavar="LOGDIR", help="folder of the run, as graphkit train made it")
    add("examples", metavar="EXAMPLE", nargs="+", help="a file of images, a table, or a word")
    add("--top", type=int, default=10, help="number of classes to print for each example")
    add("--device", default="auto", help="auto, cpu, gpu, or one device such as /gpu:0")


def run(options: argparse.Namespace) -> Output:
    check = checks.Checker("predict")
    top = check.integer("--top", options.top)
    run = gk.runs.load_run(options.logdir, device=options.device)
    is_table = isinstance(run.config.format, gk.data.TableFormat)  # counted from 1, as errors count rows
    found = []
    with run.trainer as trainer:
        for example in options.examples:
            examples = run.config.read(example)
            doubt = run.config.kind(check).doubt(examples)
            if doubt:
                logger.warning("%s is %s", example, doubt)
            rows = trainer.predict(run.network.outputs, {run.network.inputs: examples})
            for number, row in enumerate(rows):
                place = f" row {number + 1}" if is_table else f"[{number}]"
                name = f"{example}{place}" if len(rows) > 1 else example
                found.append({"example": name, "predicted": run.config.answers(row, top)})
    return Output("\n".join(map(line_of, found)), {"logdir": options.logdir, "predictions": found})


def line_of(found: dict[str, Any]) -> str:
    return f"{found['example']}: " + "  ".join(f"{name} {n:.4f}" for name, n in found["predicted"].items())
