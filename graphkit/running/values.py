"""Which values a placeholder takes: numbers that are finite, and integers that the ops using it can take."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.graph import walk
from graphkit.running import data_keys, pixels, remedies

CHUNK = 1 << 22  # bytes that are read at a time, so that a mapped file need not fit into memory


class Limits:
    """What the values of an array must be for its placeholder.

    Args:
      placeholder: takes rows of the array.
      dtype: of the array.

    Attributes:
      any: whether there are values that are refused.
    """

    def __init__(self, placeholder: tf.Tensor, dtype: np.dtype) -> None:
        self.placeholder, self.name, self.is_float = placeholder, placeholder.name, dtype.kind == "f"
        self.any, self.lowest, self.highest = self.is_float, 0, 0
        self.scaling = pixels.scaling_of(placeholder) if self.is_float else None
        self.code = data_keys.code_of(placeholder)
        self.op_type: str | None = None
        if dtype.kind not in "ui":
            return
        limit, op_type = walk.index_limit(placeholder)
        if limit is not None:
            self.any, self.highest, self.op_type = True, limit - 1, op_type
            self.rule = f"{self.name} must lie in 0..{self.highest}, which {op_type} takes"
        elif not np.can_cast(dtype, placeholder.dtype.as_numpy_dtype):
            self.any, self.lowest, self.highest = True, placeholder.dtype.min, placeholder.dtype.max
            self.rule = f"{self.name} takes {placeholder.dtype.name}"

    def check(self, check: checks.Checker, rows: np.ndarray, examples: Sequence[int] | np.ndarray) -> None:
        """Raises `ValueError` for the first value that is refused, with the number of its example."""
        if self.scaling is not None and self.scaling.holds(rows):
            return
        if self.is_float:
            # A term that is not finite makes the sum not finite; unlike np.isfinite, summing needs no array.
            if not np.isfinite(rows.sum(dtype=np.float64)):
                refuse_where(check, ~np.isfinite(rows), rows, f"{self.name} must be finite", examples)
            if self.scaling is not None:
                self.scaling.refuse(check, self.placeholder, rows)
        elif self.any:
            wrong = (rows < self.lowest) | (rows > self.highest)
            if wrong.any():
                refuse_where(check, wrong, rows, self.rule + self.remedy(rows), examples)

    def remedy(self, rows: np.ndarray) -> str:
        """Returns what to do about integers that are refused, as the end of the rule."""
        if self.op_type is None:
            return ""
        todo = remedies.for_range(self.code, rows, self.highest + 1, self.op_type)
        return todo and f": {todo}"


def refuse_where(
    check: checks.Checker,
    wrong: np.ndarray,
    rows: np.ndarray,
    rule: str,
    examples: Sequence[int] | np.ndarray,
) -> None:
    if wrong.any():
        at = tuple(int(axis[0]) for axis in np.nonzero(wrong))
        raise ValueError(check.message(rule, value=rows[at].item(), example=int(examples[at[0]])))


def parts(array: Any) -> Iterator[tuple[range, np.ndarray]]:
    """Yields (their numbers, rows) of an array or a column, a few megabytes at a time."""
    row = int(np.prod(array.shape[1:], dtype=object)) * array.dtype.itemsize
    count = max(1, CHUNK // max(1, row))
    for start in range(0, len(array), count):
        rows = array[start : start + count]
        yield range(start, start + len(rows)), rows
