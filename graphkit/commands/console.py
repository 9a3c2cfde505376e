"""`graphkit COMMAND ...`: finds the module of a command, and shows what it returns."""

import argparse
import importlib
import json
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from types import ModuleType

import graphkit
from graphkit import checks
from graphkit.commands import options

# {command: what it does}, in the order of a first hour. Each is a module of this folder that has
# `add_arguments(parser)` and `run(options) -> Output`, except for those in PROGRAMS, which have
# `add_commands(parser)` and `main(arguments, program)`: they parse their own command line.
COMMANDS = {
    "train": "train a network and keep it in a folder",
    "evaluate": "loss and accuracy of a run",
    "predict": "class probabilities of images, words or rows of a table",
    "export": "write a run's network for programs without graphkit",
    "compare": "what differs between runs, or between two networks",
    "summary": "layers, shapes, parameters, operations and bytes",
    "check": "common mistakes in a graph, each with your line",
    "plot": "pictures of a run or of a network",
    "benchmark": "time training here, next to Keras, PyTorch and JAX",
    "tf1": "run, check and upgrade programs of TensorFlow 1",
}
PROGRAMS = ("tf1",)
EPILOG = "graphkit COMMAND --help says more about one."
COMPLETION, SHELLS = "--print-completion", ("bash", "zsh", "tcsh")
EXPECTED = (checks.GraphkitError, ValueError, TypeError, OSError, ImportError)


def main(command: str | None = None) -> int:
    """Runs a command, or that which `sys.argv` names, and returns its exit code."""
    arguments = sys.argv[1:]
    if command is None:
        if arguments[:1] == [COMPLETION]:
            return print_completion(arguments[1:])
        parser = top_parser()
        command, arguments = parser.parse_args(arguments[:1]).command, arguments[1:]
    if command in PROGRAMS:
        return module_of(command).main(arguments, f"graphkit {command}")
    return run(command, arguments)


def top_parser(complete: bool = False) -> options.CommandParser:
    """Returns the parser of `graphkit`; if complete, with the arguments of all commands."""
    about = "Static graphs on today's TensorFlow: train, look into, export."
    formatter = argparse.HelpFormatter
    parser = options.CommandParser("graphkit", about, epilog=EPILOG, formatter_class=formatter)
    parser.add_argument("--version", action="version", version=f"graphkit {graphkit.__version__}")
    parser.add_argument(COMPLETION, metavar="SHELL", help=f"print what completes commands in {SHELLS}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, add_help=complete)
        if complete and name in PROGRAMS:
            module_of(name).add_commands(command)
        elif complete:
            add_arguments(command, module_of(name))
    return parser


def print_completion(arguments: Sequence[str]) -> int:
    """Prints the script that completes commands and options in a shell."""
    parser = options.CommandParser(f"graphkit {COMPLETION}")
    parser.add_argument("shell", choices=SHELLS)
    shell = parser.parse_args(arguments).shell
    try:
        shtab = checks.Checker("completion").optional_module("shtab", "completion")
    except ImportError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    try:
        print(shtab.complete(top_parser(complete=True), shell), flush=True)
    except BrokenPipeError:
        return close_pipe()
    return 0


def module_of(command: str) -> ModuleType:
    return importlib.import_module(f"graphkit.commands.{command}")


def add_arguments(parser: options.CommandParser, module: ModuleType) -> None:
    module.add_arguments(parser)
    options.add_common(parser)


def run(command: str, arguments: Sequence[str]) -> int:
    """Runs a command; an error of the library is one line, and exit code 2."""
    module = module_of(command)
    parser = options.CommandParser(f"graphkit {command}", module.__doc__)
    add_arguments(parser, module)
    debug = "--debug" in arguments
    try:
        parsed = options.parse(parser, arguments)
        debug = parsed.debug
        set_up_logging(parsed)
        output = module.run(parsed)
        show(output, parsed.json)
        sys.stdout.flush()  # here, since Python's own flush at the end would print a traceback
        return output.code
    except BrokenPipeError:
        return close_pipe()
    except EXPECTED as error:
        if debug:
            traceback.print_exc()
        print(f"error: {options.as_command(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # without a traceback: `fit` has said how to continue
        return 130


def close_pipe() -> int:
    """Leaves the rest of the output unread: what reads it, such as head, has enough of it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes it at the end
    return 1


class Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return options.as_command(super().format(record))


def set_up_logging(parsed: argparse.Namespace) -> None:
    level = logging.WARNING if parsed.quiet or parsed.json else logging.INFO
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines("%(message)s"))
    logging.basicConfig(handlers=[handler], level=level)


def show(output: options.Output, as_json: bool) -> None:
    if as_json:
        print(json.dumps(output.fields, indent=1, ensure_ascii=False))
    elif output.text:
        print(output.text)
