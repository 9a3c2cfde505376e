"""The command line: `graphkit tf1 run|check|upgrade`, which is also `python -m graphkit.tf1`."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from graphkit.tf1.programs import check, running, sources, upgrade

COVERED, NOT_COVERED, WRONG_CALL = 0, 1, 2  # exit codes


def main(arguments: Sequence[str], program: str) -> int:
    """Runs one command.

    Args:
      arguments: the command and its arguments, such as ["check", "models", "--json"].
      program: what the user typed before them.

    Returns:
      The exit code: 2 if it was called wrongly.
    """
    options = parser(program).parse_args(arguments)
    try:
        return options.action(options)
    except BrokenPipeError:  # what reads the output, such as head, has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes it at the end
        return NOT_COVERED
    except (OSError, ModuleNotFoundError) as error:
        print(f"{program} {options.command}: {error}", file=sys.stderr)
        return WRONG_CALL


def parser(program: str) -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(program, description="Programs of TensorFlow 1 on today's TensorFlow.")
    commands = top.add_subparsers(dest="command", required=True)
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
    run.set_defaults(action=run_program)
    checking = commands.add_parser(
        "check", help="list what is gone: exit code 0 if all of it is covered, else 1"
    )
    checking.add_argument("path", metavar="PATH", help="a file, or a folder of Python files")
    checking.add_argument("--json", action="store_true", help="print the report as JSON")
    checking.set_defaults(action=check_path)
    upgrading = commands.add_parser("upgrade", help="show or make the edits that are safe")
    upgrading.add_argument("path", metavar="PATH", help="a file, or a folder of Python files")
    upgrading.add_argument("--diff", action="store_true", help="print them as a patch (the default)")
    upgrading.add_argument("--write", action="store_true", help="make them")
    upgrading.set_defaults(action=upgrade_path)
    return top


def run_program(options: argparse.Namespace) -> int:
    return running.run(options.file, options.arguments, is_module=options.is_module, own=options.own)


def check_path(options: argparse.Namespace) -> int:
    found = check.report(options.path)
    print(json.dumps(found, indent=1) if options.json else check.text_of(found))
    return COVERED if found["summary"]["covered"] else NOT_COVERED


def upgrade_path(options: argparse.Namespace) -> int:
    """Prints the patch, and on the error stream what it leaves to do."""
    for path in sources.files(options.path):
        source = sources.read(path)
        text, by_hand = upgrade.upgraded(source)
        if options.diff or not options.write:
            print(upgrade.diff(source, text), end="")
        if options.write and text != source.original:
            Path(path).write_bytes(text.encode(source.encoding, errors="surrogateescape"))
        for finding in by_hand:
            print(f"{path}:{finding.line}: {finding.message}", file=sys.stderr)
    return 0
