"""Prints what a run's network predicts: class probabilities, or the number that it was trained to predict.

Examples are images (PNG or JPEG files, a folder of them, or an .npz with an array `images`), the rows of a
table, an .npz with an array `features`, or words, as the run was trained on. Images for a network of MNIST
must have its size and look like it (white on black, or a line says so); a run of a folder of images that was
trained with --image-size takes those of any size.
"""

import argparse
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import graphkit as gk
from graphkit import checks
from graphkit.commands.options import CommandParser, Output

logger = logging.getLogger("graphkit")
PICTURES = (".png", ".jpg", ".jpeg")


def add_arguments(parser: CommandParser) -> None:
    add = parser.add_argument
    add("logdir", metavar="LOGDIR", help="folder of the run, as graphkit train made it")
    add("examples", metavar="EXAMPLE", nargs="+", help="a file or a folder of images, a table, or a word")
    add("--top", type=int, default=10, help="number of classes to print for each example")
    add("--device", default="auto", help="auto, cpu, gpu, or one device such as /gpu:0")


def run(options: argparse.Namespace) -> Output:
    check = checks.Checker("predict")
    top = check.integer("--top", options.top)
    run = gk.runs.load_run(options.logdir, device=options.device)
    is_table = isinstance(run.config.format, gk.data.TableFormat)  # counted from 1, as errors count rows
    # Numbers are predicted in the unit of the label; probabilities are compared with each other.
    shown = "{:.4f}".format if run.config.classes else checks.number_text
    found = []
    with run.trainer as trainer:
        for example in examples_of(run.config, options.examples):
            examples = run.config.read(example)
            doubt = run.config.kind(check).doubt(examples)
            if doubt:
                logger.warning("%s is %s", example, doubt)
            rows = trainer.predict(run.network.outputs, {run.network.inputs: examples})
            for number, row in enumerate(rows):
                place = f" row {number + 1}" if is_table else f"[{number}]"
                name = f"{example}{place}" if len(rows) > 1 else example
                found.append({"example": name, "predicted": run.config.answers(row, top)})
    lines = [line_of(one, shown) for one in found]
    return Output("\n".join(lines), {"logdir": options.logdir, "predictions": found})


def examples_of(config: Any, names: Sequence[str]) -> list[str]:
    """Returns what was given, with the pictures of a folder in its place where the run is of images."""
    found: list[str] = []
    for name in names:
        if config.image_shape is None or not os.path.isdir(name):
            found.append(name)
            continue
        files = sorted(path for path in Path(name).rglob("*") if path.suffix.lower() in PICTURES)
        rule = f"{name} holds no pictures ({', '.join(PICTURES)})"
        checks.Checker("predict").require(files, rule, files=sorted(os.listdir(name))[:10])
        found += map(str, files)
    return found


def line_of(found: dict[str, Any], shown: Callable[[float], str]) -> str:
    return f"{found['example']}: " + "  ".join(f"{name} {shown(n)}" for name, n in found["predicted"].items())
