"""Prints the class probabilities of images (PNG or JPEG files, or an .npz with an array `images`) or words.

Images must have the size of the images that the network was trained on, and look like them (the digits
of MNIST are white on black). A run that was trained on words takes the words themselves.
"""

import argparse
from typing import Any

import graphkit as gk
from graphkit import checks
from graphkit.commands.options import CommandParser, Output


def add_arguments(parser: CommandParser) -> None:
    add = parser.add_argument
    add("logdir", metavar="LOGDIR", help="folder of the run, as graphkit train made it")
    add("examples", metavar="EXAMPLE", nargs="+", help="PNG, JPEG or .npz file, or a word")
    add("--top", type=int, default=10, help="number of classes to print for each example")
    add("--device", default="auto", help="auto, cpu, gpu, or one device such as /gpu:0")


def run(options: argparse.Namespace) -> Output:
    top = checks.Checker("predict").integer("--top", options.top)
    run = gk.runs.load_run(options.logdir, device=options.device)
    found = []
    with run.trainer as trainer:
        for example in options.examples:
            shape = run.config.image_shape
            examples = [example] if shape is None else gk.runs.read_images(example, shape)
            fed = {run.network.inputs: run.network.encode(examples)}
            rows = trainer.predict(run.network.probabilities, fed)
            for number, row in enumerate(rows):
                ranked = sorted(zip(row.tolist(), run.config.classes, strict=True), reverse=True)[:top]
                name = f"{example}[{number}]" if len(rows) > 1 else example
                found.append({"example": name, "classes": {label: value for value, label in ranked}})
    return Output("\n".join(map(line_of, found)), {"logdir": options.logdir, "predictions": found})


def line_of(found: dict[str, Any]) -> str:
    return f"{found['example']}: " + "  ".join(f"{name} {p:.4f}" for name, p in found["classes"].items())
