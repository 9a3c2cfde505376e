"""What is found in a program: a place, what to say about it, and the edits that are safe to make."""

import ast
import dataclasses
from collections.abc import Iterable
from typing import NamedTuple


class Edit(NamedTuple):
    """Characters of a text, from `start` to before `end`, and what takes their place."""

    start: int
    end: int
    new: str


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something that has to be edited.

    Args:
      line: counted from 1.
      message: what is wrong, and what to write.
      word: what an error at this place would name, such as "xrange".
      edits: the safe edits; empty if the line must be edited by hand.
    """

    line: int
    message: str
    word: str = ""
    edits: tuple[Edit, ...] = ()


class Text:
    """A text, with the characters at which syntax trees say that its nodes are (in bytes of a line)."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = [line + "\n" for line in text.split("\n")]
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line))

    def place(self, line: int, column: int) -> int:
        return self.starts[line - 1] + len(self.lines[line - 1].encode()[:column].decode(errors="replace"))

    def line_of(self, place: int) -> int:
        return self.text.count("\n", 0, place) + 1

    def span(self, node: ast.expr | ast.alias | ast.keyword | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self.place(node.lineno, node.col_offset), self.place(node.end_lineno, node.end_col_offset)

    def source(self, node: ast.expr | ast.alias | ast.keyword | ast.stmt) -> str:
        start, end = self.span(node)
        return self.text[start:end]


def apply(text: str, edits: Iterable[Edit]) -> str:
    """Returns a text with edits made, of which none may overlap."""
    for edit in sorted(edits, reverse=True):
        text = text[: edit.start] + edit.new + text[edit.end :]
    return text
