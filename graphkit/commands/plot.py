"""Draws a network; of a run also its curves, and its confusion matrix on the test set if it predicts classes.

The pictures are called network, curves and confusion_matrix. Those of a run are written into its folder,
those of another network into the current one.
"""

import argparse
import csv
import os
from pathlib import Path
from typing import Any

import graphkit as gk
from graphkit import checks
from graphkit.commands import targets
from graphkit.commands.options import CommandParser, Output
from graphkit.reporting import predictions


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("target", metavar="TARGET", help=targets.HELP)
    parser.add_argument("--folder", help="where else the pictures are written")
    parser.add_argument("--format", choices=("svg", "png", "pdf"), default="svg", help="of the pictures")


def run(options: argparse.Namespace) -> Output:
    check = checks.Checker("plot")
    target = targets.find(check, options.target)
    figures = {"network": gk.plots.plot_graph(list(target.outputs))}
    if target.config is not None:
        figures["curves"] = gk.plots.plot_history(read_history(check, options.target))
        if target.config.classes:
            figures["confusion_matrix"] = confusion_matrix_of(options.target)
    folder = Path(options.folder or (options.target if target.config is not None else "."))
    with check.system_errors(f"{folder} cannot be written"):
        os.makedirs(folder, exist_ok=True)
        paths = {name: folder / f"{name}.{options.format}" for name in figures}
        for name, figure in figures.items():
            figure.savefig(paths[name], bbox_inches="tight")
    shown = [str(path) for path in paths.values()]
    return Output("\n".join(shown), {"target": target.name, "pictures": shown})


def confusion_matrix_of(logdir: str) -> Any:
    """Returns the picture of a run's confusion matrix on its test set."""
    run = gk.runs.load_run(logdir)
    with run.trainer as trainer:
        test, classes = run.config.load_data().test, run.config.classes
        probabilities = trainer.predict(run.network.probabilities, run.network.feed(test))
    found = predictions.Predictions(test.labels, probabilities.argmax(axis=1), None)
    return gk.plots.plot_confusion_matrix(found.matrix(len(classes)), classes)


def read_history(check: checks.Checker, logdir: str) -> dict[str, list[float]]:
    """Returns the rows of a run's history, of which there is one for each epoch."""
    path = gk.runs.run_in(logdir) / "history.csv"
    rows: list[dict[str, str]] = []
    if path.exists():
        with check.system_errors(f"{path} cannot be read"), open(path, newline="") as file:
            rows = list(csv.DictReader(file))
    rule = f"the run in {logdir} has no epoch to show yet: it is in its first one, or ended there; "
    check.require(rows, rule + "graphkit train --resume continues it")
    return {name: [float(row[name]) for row in rows] for name in rows[0]}
