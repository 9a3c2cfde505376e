"""Evaluates a run on the test set of its own data or of another data set."""

import argparse

import graphkit as gk
from graphkit import checks
from graphkit.commands.options import CommandParser, Output


def add_arguments(parser: CommandParser) -> None:
    add = parser.add_argument
    add("logdir", metavar="LOGDIR", help="folder of the run, as graphkit train made it")
    add("--data", help="name or path of another data set with the same kind of examples")
    add("--data-folder", metavar="FOLDER", help="where the original files of the data set are")
    add("--split", choices=("train", "valid", "test"), default="test", help="part of the data set")
    add("--device", default="auto", help="auto, cpu, gpu, or one device such as /gpu:0")


def run(options: argparse.Namespace) -> Output:
    run = gk.runs.load_run(options.logdir, device=options.device)
    with run.trainer as trainer:
        config = run.config
        name = options.data or config.data
        split = getattr(config.load_data(options.data, options.data_folder), options.split)
        metrics = trainer.evaluate(run.network.feed(split))
    count = len(split.labels)
    numbers = "  ".join(f"{key} {checks.number_text(value)}" for key, value in metrics.items())
    fields = {
        "logdir": options.logdir,
        "model": config.model,
        "data": name,
        "split": options.split,
        "examples": count,
    }
    heading = f"{options.logdir}: {config.model} on the {options.split} set of {name}, {count:,} examples"
    return Output(f"{heading}\n{numbers}", {**fields, **metrics})
