"""Reading the sources of programs, also those that only Python 2 can parse."""

import ast
import dataclasses
import os
import re
import tokenize
import warnings
from collections.abc import Iterator
from pathlib import Path

from graphkit.tf1.programs import findings, leftovers, names, python2
from graphkit.tf1.programs.findings import Edit, Finding, Text

SKIPPED = {"site-packages", "dist-packages", "node_modules", "__pycache__"}
PYTHON2_PRINT = re.compile(r"^[ \t]*print[ \t]*>>", re.MULTILINE)
UNREADABLE = 50  # lines of one file that are left out before it is given up


@dataclasses.dataclass(frozen=True)
class Source:
    """A file that was read.

    Args:
      path: the file.
      original: its text.
      text: the text in Python 3's syntax; its lines are those of `original`.
      tree: the syntax tree of `text`, without the lines that could not be parsed.
      uses: the names that the program uses.
      syntax: Python 2's syntax, with the edits of `original` that make `text`.
      leftovers: other uses of what Python and NumPy lost, with edits of `text`.
      encoding: of the file.
    """

    path: str
    original: str
    text: Text
    tree: ast.Module
    uses: list[names.Use]
    syntax: list[Finding]
    leftovers: list[Finding]
    encoding: str


def read(path: str) -> Source:
    """Reads a file. Raises OSError where it cannot be read; never fails at its syntax."""
    data = Path(path).read_bytes()
    encoding = encoding_of(data)
    return source(path, data.decode(encoding, errors="surrogateescape"), encoding)


def source(path: str, original: str, encoding: str = "utf-8") -> Source:
    """Reads a text, which need not be in a file."""
    syntax: list[Finding] = []
    text = original
    if isinstance(parse(text), SyntaxError) or PYTHON2_PRINT.search(text):
        syntax = python2.find(original)
        text = findings.apply(original, edits_of(syntax))
        if isinstance(parse(text), TabError):
            syntax = [*syntax, *python2.spaces(original)]
            text = findings.apply(original, edits_of(syntax))
    tree, unreadable = tolerant(text)
    uses = names.uses(tree)
    return Source(
        path, original, Text(text), tree, uses,
        sorted([*syntax, *unreadable], key=lambda finding: finding.line),
        leftovers.find(Text(text), tree, uses), encoding,
    )  # fmt: skip


def edits_of(found: list[Finding]) -> list[Edit]:
    """Returns the edits of findings, without those that overlap an earlier one."""
    kept: list[Edit] = []
    for edit in sorted({edit for finding in found for edit in finding.edits}):
        if not kept or edit.start >= kept[-1].end:
            kept.append(edit)
    return kept


def encoding_of(data: bytes) -> str:
    try:
        encoding, _ = tokenize.detect_encoding(iter(data.splitlines(keepends=True)).__next__)
        data.decode(encoding)
    except (SyntaxError, UnicodeDecodeError):
        return "latin-1"  # Python 2 did not ask
    return encoding


def parse(text: str) -> ast.Module | SyntaxError:
    """Returns the tree of a text, or why there is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as "\d" in a string
            return ast.parse(text)
    except SyntaxError as error:
        return error
    except (ValueError, RecursionError, MemoryError) as error:  # a null byte; a tree that is too deep
        return SyntaxError(str(error))


def tolerant(text: str) -> tuple[ast.Module, list[Finding]]:
    """Returns the tree of a text, and the lines that had to be left out for it."""
    lines, found = text.split("\n"), list[Finding]()
    for _ in range(UNREADABLE):
        tree = parse("\n".join(lines))
        if isinstance(tree, ast.Module):
            return tree, found
        number = min(tree.lineno or 1, len(lines))
        if not found:  # what follows is often a consequence
            found.append(Finding(number, f"Python 3 cannot read this line: {tree.msg}"))
        line = lines[number - 1]
        lines[number - 1] = line[: len(line) - len(line.lstrip())] + "pass"
    return ast.Module(body=[], type_ignores=[]), found


def files(path: str) -> Iterator[str]:
    """Yields a file, or the Python files of a folder without installed packages and hidden folders.

    Raises:
      OSError: the file is a notebook, or the folder has no such file.
    """
    if not os.path.isdir(path):
        refuse_notebook(path)
        yield path
        return
    found = False
    for folder, inner, members in os.walk(path):
        inner[:] = sorted(
            name
            for name in inner
            if name not in SKIPPED
            and not name.startswith(".")
            and not os.path.exists(os.path.join(folder, name, "pyvenv.cfg"))
        )
        for name in sorted(members):
            if name.endswith(".py"):
                found = True
                yield os.path.join(folder, name)
    if not found:
        raise FileNotFoundError(f"the folder must hold Python files; received {path}")


def refuse_notebook(path: str) -> None:
    """Raises OSError for a notebook, whose cells are read by nothing here."""
    if path.endswith(".ipynb"):
        rule = "a notebook must be made a program first, by jupyter nbconvert --to script, or run its cells "
        raise OSError(f"{rule}after %load_ext graphkit.tf1; received {path}")
