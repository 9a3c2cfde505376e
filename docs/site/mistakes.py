"""Runs the programs of the page of ten mistakes, and writes what graphkit says into it when it is run."""

import logging
import re
import textwrap
import traceback
from pathlib import Path
from typing import Any

import tensorflow as tf

PAGE = Path(__file__).parents[1] / "ten_mistakes.md"
TEXT = r"((?!```).)*"  # up to the end of a block
PROGRAM = re.compile(rf"```python\n(?P<code>{TEXT})```\n\n```text\n(?P<said>{TEXT})```", re.DOTALL)
WIDTH = 100


def checked(page: str) -> str:
    """Returns the page with what graphkit says today to each of its programs."""
    setup = page.partition("```python\n")[2].partition("```")[0]

    def answered(found: re.Match) -> str:
        return f"```python\n{found['code']}```\n\n```text\n{said_to(setup, found['code'])}```"

    return PROGRAM.sub(answered, page)


def said_to(setup: str, code: str) -> str:
    """Runs a program in a new graph; returns its error, or else what it logs, in lines for the page."""
    logged: list[str] = []
    handler = Records(logged)
    logger = logging.getLogger("graphkit")
    logger.addHandler(handler)
    names: dict[str, Any] = {}
    try:
        with tf.Graph().as_default():
            exec(compile(setup, "setup.py", "exec"), names)
            exec(compile(code, "program.py", "exec"), names)
        said = "\n".join(logged)
    except Exception as error:
        said = "".join(traceback.format_exception_only(error))
    finally:
        logger.removeHandler(handler)
    lines = [textwrap.fill(line, WIDTH, break_long_words=False) for line in said.strip().split("\n")]
    return "\n".join(lines) + "\n"


class Records(logging.Handler):
    """Keeps the messages that are logged."""

    def __init__(self, messages: list[str]) -> None:
        super().__init__()
        self.messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


if __name__ == "__main__":
    PAGE.write_text(checked(PAGE.read_text()))
