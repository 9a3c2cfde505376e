"""Compares runs, or networks.

Folders of runs: the settings in which they differ, and the metrics of the epoch with the best validation
loss. With --inputs, two networks: whether they compute the same from the same weights (see `gk.compare`), and
where they begin to differ; exit code 1 if they do.
"""

import argparse
import dataclasses
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import graphkit as gk
from graphkit import checks
from graphkit.commands import targets
from graphkit.commands.options import CommandParser, Output
from graphkit.commands.plot import read_history

LONGEST = 40  # characters of a cell of several values


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("targets", metavar="TARGET", nargs="+", help=targets.HELP)
    parser.add_argument(
        "--inputs", metavar="FILE", help=".npz file with an array for each placeholder, by name"
    )


def run(options: argparse.Namespace) -> Output:
    check = checks.Checker("compare")
    check.require(len(options.targets) > 1, "at least two are needed", targets=options.targets)
    return networks(check, options) if options.inputs else runs(check, options.targets)


def networks(check: checks.Checker, options: argparse.Namespace) -> Output:
    check.require(len(options.targets) == 2, "--inputs compares two networks", targets=options.targets)
    old, new = (targets.find(check, name) for name in options.targets)
    found = gk.compare(side(old), side(new), gk.data.read_npz(options.inputs))
    fields = {**dataclasses.asdict(found), "old": old.name, "new": new.name}
    return Output(str(found), fields, code=0 if found.equal else 1)


def side(target: targets.Target) -> Any:
    """Returns a network as `gk.compare` takes it: its loss if it has one, which has gradients."""
    return target.outputs[0] if target.loss is None else target.loss


def runs(check: checks.Checker, names: list[str]) -> Output:
    for name in names:
        rule = f"{name} is not the folder of a run (two networks are compared with --inputs)"
        check.require(targets.is_run(name), rule)
    settings = {name: gk.runs.read_config(name).to_json() for name in names}
    first = next(iter(settings.values()))
    differing = [key for key in first if any(one.get(key) != first[key] for one in settings.values())]
    found = [
        {"run": name, **{key: settings[name].get(key) for key in differing}, **best_epoch(check, name)}
        for name in names
    ]
    return Output(text_of_runs(found, differing), {"runs": found})


def text_of_runs(found: Sequence[Mapping[str, Any]], settings: Sequence[str]) -> str:
    """Returns what a person reads of runs: a row for each, or a column where that is narrower."""
    columns = []
    for key in dict.fromkeys(key for run in found for key in run):
        texts = [dict(texts_of(key, run.get(key))) for run in found]
        for name in dict.fromkeys(name for parts in texts for name in parts):
            cells = [parts.get(name, "-") for parts in texts]
            # Where texts are alike, a setting differs only in numbers that were fitted to the data.
            if key not in settings or len({*cells}) > 1:
                columns.append([name, *cells])
    in_rows, in_columns = aligned(list(zip(*columns, strict=True))), aligned(columns)
    return min(in_rows, in_columns, key=lambda text: max(map(len, text.splitlines())))


def texts_of(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Returns a name and a text for each part of a setting; of a table's columns there are the names."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from texts_of(f"{name}.{key}", part)
    elif isinstance(value, list) and value and all(isinstance(part, dict) for part in value):
        yield name, text_of([part["name"] for part in value])
    else:
        yield name, text_of(value)


def best_epoch(check: checks.Checker, logdir: str) -> dict[str, float]:
    """Returns the metrics of the epoch with the least validation loss."""
    history = read_history(check, logdir)
    losses = history.get("valid_loss", history["loss"])
    place = losses.index(min(losses))
    names = [name for name in history if name not in ("step", "seconds", "examples_per_second")]
    return {name: history[name][place] for name in names}


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Returns cells as columns of text."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def text_of(value: Any) -> str:
    """Returns what a cell shows: of many values, such as a table's format, the beginning."""
    if value is None:
        return "-"
    if isinstance(value, (list, tuple)):
        return textwrap.shorten(", ".join(map(text_of, value)) or "-", LONGEST, placeholder=" ...")
    if isinstance(value, float):
        if value.is_integer() and abs(value) >= 1:
            return f"{value:.0f}"
        return f"{value:.4g}" if abs(value) < 1000 else checks.number_text(value)
    return str(value)
