"""Whose line made an op: the innermost frame outside graphkit and TensorFlow."""

import contextlib
import os
import traceback
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from graphkit import checks

UNKNOWN = "an unknown line"
OWN_FILES = (
    *(os.path.join(os.path.dirname(path), "") for path in (checks.__file__, tf.__file__)),
    contextlib.__file__,
)


def caller_line() -> str:
    """Returns "file:line" of the innermost caller outside graphkit and TensorFlow."""
    return user_line(traceback.extract_stack()) or UNKNOWN


def user_line(frames: Sequence[Any] | None) -> str | None:
    """Returns "file:line" of a stack's innermost frame outside graphkit and TensorFlow, or None.

    Args:
      frames: of `traceback.extract_stack`, or the `traceback` of an op.
    """
    for frame in reversed(list(frames or ())):
        if not frame.filename.startswith(OWN_FILES):
            return f"{frame.filename}:{frame.lineno}"
    return None
