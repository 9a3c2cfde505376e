"""Prints the layers of a network: output shapes, parameters, operations, bytes kept for the gradients."""

import argparse

import graphkit as gk
from graphkit import checks
from graphkit.commands import targets
from graphkit.commands.options import CommandParser, Output


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("target", metavar="TARGET", help=targets.HELP)


def run(options: argparse.Namespace) -> Output:
    target = targets.find(checks.Checker("summary"), options.target)
    found = gk.summary(list(target.outputs))
    rows = [row._asdict() for row in found.rows]
    totals = ("parameters", "flops", "training_flops", "weight_bytes", "activation_bytes", "notes")
    fields = {"target": target.name, **{name: getattr(found, name) for name in totals}, "rows": rows}
    return Output(str(found), fields)
