"""Runs, checks and upgrades programs of TensorFlow 1, also as `python -m graphkit.tf1`.

It has a command line of its own, since all that follows the name of a program is the program's.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

BROKEN_PIPE, WRONG_CALL = 1, 2  # exit codes
ABOUT = "Programs of TensorFlow 1 on today's TensorFlow."


def main(arguments: Sequence[str], program: str) -> int:
    """Runs one command.

    Args:
      arguments: the command and its arguments, such as ["check", "models", "--json"].
      program: what the user typed before them.

    Returns:
      The exit code: 2 if it was called wrongly.
    """
    parser = argparse.ArgumentParser(program, description=ABOUT)
    add_commands(parser)
    options = parser.parse_args(arguments)
    # Imported here, so that --help and a wrong call do not wait for TensorFlow.
    command = importlib.import_module("graphkit.tf1.programs.command")
    try:
        return getattr(command, options.action)(options)
    except BrokenPipeError:  # what reads the output, such as head, has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes it at the end
        return BROKEN_PIPE
    except (OSError, ModuleNotFoundError) as error:
        print(f"{program} {options.command}: {error}", file=sys.stderr)
        return WRONG_CALL


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Adds run, check and upgrade, each with the name of the function that does it."""
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run a program without editing it")
    run.add_argument(
        "--own",
        metavar="FOLDER",
        action="append",
        default=[],
        help="another folder whose modules are the program's",
    )
    run.add_argument(
        "-m", dest="is_module", action="store_true", help="PROGRAM is a module, as for python -m"
    )
    run.add_argument(
        "file", metavar="PROGRAM", help="a Python file; its imports of tensorflow find graphkit.tf1"
    )
    run.add_argument("arguments", metavar="...", nargs=argparse.REMAINDER, help="the program's arguments")
    run.set_defaults(action="run_program")
    checking = commands.add_parser(
        "check", help="list what is gone: exit code 0 if all of it is covered, else 1"
    )
    checking.add_argument("path", metavar="PATH", help="a file, or a folder of Python files")
    checking.add_argument("--json", action="store_true", help="print the report as JSON")
    checking.set_defaults(action="check_path")
    upgrading = commands.add_parser("upgrade", help="show or make the edits that are safe")
    upgrading.add_argument("path", metavar="PATH", help="a file, or a folder of Python files")
    upgrading.add_argument("--diff", action="store_true", help="print them as a patch (the default)")
    upgrading.add_argument("--write", action="store_true", help="make them")
    upgrading.set_defaults(action="upgrade_path")
