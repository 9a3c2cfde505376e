"""`graphkit COMMAND ...`: hands the rest of the line to the module of the command."""

import argparse
import importlib
import sys

import graphkit

# {command: (module whose `main(arguments, program)` returns the exit code, what it does)}
COMMANDS = {"tf1": ("graphkit.tf1.programs.command", "run, check and upgrade programs of TensorFlow 1")}


def main() -> int:
    """Runs the command that `sys.argv` names, and returns its exit code."""
    parser = argparse.ArgumentParser("graphkit", description="Static graphs on today's TensorFlow.")
    parser.add_argument("--version", action="version", version=f"graphkit {graphkit.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, purpose) in COMMANDS.items():
        commands.add_parser(name, help=purpose, add_help=False)
    command = parser.parse_args(sys.argv[1:2]).command
    return importlib.import_module(COMMANDS[command][0]).main(sys.argv[2:], f"graphkit {command}")
