"""The options of commands: those that all have, and those that a file gives."""

import argparse
import ast
import importlib
import os
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from graphkit import checks

EPILOG = "Errors in what you give are one line on the error stream, with exit code 2."


class Output(NamedTuple):
    """What a command found.

    Attributes:
      text: what a person reads; "" for nothing more than was printed on the way.
      fields: the same for a program, as JSON takes it.
      code: the exit code.
    """

    text: str
    fields: dict[str, Any]
    code: int = 0


class Formatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Shows a description as it is written, and the default of each option that has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default in (None, False) else super()._get_help_string(action)


class CommandParser(argparse.ArgumentParser):
    """A parser that knows its actions by name, so that a file can give their values.

    Attributes:
      options: {name of an option, with dashes: its action}.
    """

    def __init__(self, prog: str, description: str | None = None, **settings: Any) -> None:
        self.options: dict[str, argparse.Action] = {}
        given: dict[str, Any] = {
            "epilog": EPILOG,
            "formatter_class": Formatter,
            "allow_abbrev": False,
        } | settings
        super().__init__(prog, description=description, **given)

    def add_argument(self, *names: Any, **settings: Any) -> argparse.Action:
        action = super().add_argument(*names, **settings)
        if action.option_strings:
            self.options[action.option_strings[-1].lstrip("-")] = action
        return action

    def error(self, message: str) -> Any:
        unknown = re.match(r"unrecognized arguments: --([\w-]+)", message)
        near = checks.near(f"--{unknown[1]}", [f"--{name}" for name in self.options]) if unknown else ""
        choice = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        near = checks.near(choice[1], choice[2].replace("'", "").split(", ")) if choice else near
        print(f"error: {message}{near}; see {self.prog} --help", file=sys.stderr)
        sys.exit(2)


# {what a message tells a program to do: what it tells the person who gave a command}
SAID = {
    'resume="anyway" continues all the same; to begin anew from its weights: restore(path, '
    "weights_only=True), then fit without resume": "--overwrite instead of --resume begins anew",
    "train_run(resume=True)": "graphkit train --resume",
    "fit(resume=True)": "--resume",
    "instead of resume": "instead of --resume",
    "name it in categorical": "name it in --categorical",
    "another logdir": "another --logdir",
    "larger max_steps": "larger --max-steps",
    "more max_seconds": "more --max-seconds",
}
OPTIONS = re.compile(r"\w+(?:, \w+)*(?= (?:is an option|are options) of)")
IMAGE_SIZE = re.compile(r"\bimage_size=\((\d+), (\d+)\)")
DROP = re.compile(r"\bdrop=(\['.*?'\])(?=;| leaves|$)")
ARGUMENT = re.compile(r"\b(resume|overwrite|task|missing|unknown|categories)=(?:True|'(\w+)')")


def as_command(message: str) -> str:
    """Returns a message of the library with options in the place of arguments."""
    for said, option in SAID.items():
        message = message.replace(said, option)
    message = OPTIONS.sub(lambda found: f"--{found[0]}".replace("_", "-").replace(", ", ", --"), message)
    message = IMAGE_SIZE.sub(r"--image-size \1 \2", message)
    message = DROP.sub(lambda found: f"--drop {shlex.join(ast.literal_eval(found[1]))}", message)
    return ARGUMENT.sub(lambda found: " ".join(filter(None, (f"--{found[1]}", found[2]))), message)


def add_common(parser: CommandParser) -> None:
    """Adds the options of every command."""
    add = parser.add_argument
    add("--config", metavar="FILE", help="TOML file of options; those given here win")
    add("--json", action="store_true", help="print the result as JSON, and nothing else")
    add("--quiet", action="store_true", help="no progress and no log lines")
    add("--debug", action="store_true", help="show the traceback of an error")


def parse(parser: CommandParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Returns the options of the command line, and of the file that it names by --config."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--config")
    path = first.parse_known_args(arguments)[0].config
    given = [] if path is None else options_of(parser, path)
    return parser.parse_args([*given, *arguments])


def options_of(parser: CommandParser, path: str) -> list[str]:
    """Returns the options in a TOML file as a command line has them."""
    check = checks.Checker(parser.prog)
    with check.system_errors(f"{path} cannot be read"):
        content = Path(path).read_text(encoding="utf-8")
    toml = toml_reader(check)
    try:
        fields = toml.loads(content)
    except toml.TOMLDecodeError as error:
        raise ValueError(check.message(f"{path} is not TOML: {error}")) from None
    found = []
    for name, value in fields.items():
        option = name.replace("_", "-")
        known = option in parser.options and option not in ("config", "help")
        rule = f"{path} sets {name!r}, which is not an option{checks.near(option, parser.options)}"
        rule += ": options stand without a section" * isinstance(value, dict)
        check.require(known, rule)
        found += as_arguments(check, path, option, parser.options[option], value)
    return found


def toml_reader(check: checks.Checker) -> Any:
    """Returns the module that reads TOML, which Python has from 3.11 on."""
    try:
        return importlib.import_module("tomllib")
    except ModuleNotFoundError:
        return check.optional_module("tomli", "commands")


def as_arguments(
    check: checks.Checker, path: str, option: str, action: argparse.Action, value: Any
) -> list[str]:
    """Returns the arguments that set an option to a value of a file."""
    rule = f"{path}: {option} must be "
    if action.nargs == 0:
        check.require_type(isinstance(value, bool), f"{rule}true or false", **{option: value})
        return [f"--{option}"] if value else []
    several = action.nargs in ("+", "*")
    check.require_type(isinstance(value, list) == several, f"{rule}{'a list' if several else 'one value'}")
    for item in value if several else [value]:
        check_item(check, rule, option, action, item)
    return [f"--{option}", *map(str, value)] if several else [f"--{option}={value}"]


def check_item(check: checks.Checker, rule: str, option: str, action: argparse.Action, value: Any) -> None:
    if action.type in (int, float):
        kinds = (int,) if action.type is int else (int, float)
        fits = isinstance(value, kinds) and not isinstance(value, bool)
        word = "an integer" if action.type is int else "a number"
        check.require_type(fits, f"{rule}{word}", **{option: value})
    else:
        check.require_type(isinstance(value, str), f"{rule}a string", **{option: value})
    if action.choices is not None:
        choices = ", ".join(map(str, action.choices))
        check.require(value in action.choices, f"{rule}one of {choices}", **{option: value})


def command_line(*arguments: str) -> str:
    """Returns how a person starts another command, with the Python that runs this one."""
    beside = os.path.join(os.path.dirname(sys.executable), "graphkit")
    found = shutil.which("graphkit")
    if found is not None and os.path.realpath(found) == os.path.realpath(beside):
        return shlex.join(["graphkit", *arguments])
    is_below = sys.executable.startswith(os.getcwd() + os.sep)
    python = os.path.relpath(sys.executable) if is_below else sys.executable
    return shlex.join([python, "-m", "graphkit", *arguments])
