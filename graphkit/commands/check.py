"""Looks through a network for mistakes that TensorFlow runs without a warning; exit code 1 if there are any.

See `gk.check_graph` for the rules. Each line names the program's line that made the op, and how to fix it.
"""

import argparse

import graphkit as gk
from graphkit import checks
from graphkit.commands import targets
from graphkit.commands.options import CommandParser, Output


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("target", metavar="TARGET", help=targets.HELP)


def run(options: argparse.Namespace) -> Output:
    check = checks.Checker("check")
    target = targets.find(check, options.target)
    rule = f"{target.name} has no loss, a floating-point scalar, whose graph could be checked"
    check.require(target.loss is not None, rule, outputs=[tensor.name for tensor in target.outputs])
    found = gk.check_graph(target.loss)
    text = "\n".join(map(str, found)) or f"{target.name}: nothing to fix"
    fields = {"target": target.name, "findings": [finding._asdict() for finding in found]}
    return Output(text, fields, code=1 if found else 0)
