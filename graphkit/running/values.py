"""Which values a placeholder takes: numbers that it can hold, integers that the ops can take, text."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.graph import walk
from graphkit.running import data_keys, pixels, remedies

CHUNK = 1 << 22  # bytes that are read at a time, so that a mapped file need not fit into memory

# {kind of a placeholder's dtype: kinds of values that it is given in every step}
CONSTANTS = {"f": "uifb", "c": "uifbc", "i": "uifb", "u": "uifb", "b": "uib"}


class Limits:
    """What the values of an array must be for its placeholder.

    Args:
      placeholder: takes rows of the array.
      dtype: of the array.
      ops: all ops that run; integers must suit those that take them as indices.

    Attributes:
      any: whether there are values that are refused.
      indices: the `IndexLimits` of integers that are indices, else None.
    """

    def __init__(self, placeholder: tf.Tensor, dtype: np.dtype, ops: Collection[tf.Operation]) -> None:
        self.placeholder, self.name, self.takes = placeholder, placeholder.name, placeholder.dtype
        self.dtype = dtype
        self.is_text = placeholder.dtype == tf.string and dtype.kind == "O"
        self.is_float = kind_of(dtype) in "fc"
        self.any, self.lowest, self.highest = self.is_float or self.is_text, 0, 0
        self.scaling = pixels.scaling_of(placeholder) if self.is_float else None
        self.narrows = self.is_float and not np.can_cast(dtype, placeholder.dtype.as_numpy_dtype)
        self.indices = walk.index_limits(placeholder, ops) if dtype.kind in "ui" else None
        if self.indices is not None:
            self.any, self.lowest, self.highest = True, self.indices.lowest, self.indices.highest
            allowed = f"{self.lowest}..{self.highest}"
            self.rule = f"{self.name} must lie in {allowed}, which {self.indices.op_type} takes"
        elif dtype.kind in "ui" and not np.can_cast(dtype, placeholder.dtype.as_numpy_dtype):
            self.any, self.lowest, self.highest = True, self.takes.real_dtype.min, self.takes.real_dtype.max
            self.rule = f"{self.name} takes {placeholder.dtype.name}"

    def check(self, check: checks.Checker, rows: np.ndarray, examples: Sequence[int] | np.ndarray) -> None:
        """Raises for the first value that is refused, with the number of its example."""
        if self.scaling is not None and self.scaling.holds(rows):
            return
        if self.is_text:
            check_text(check, self.name, rows, examples)
        elif self.is_float:
            for numbers in (rows.real, rows.imag) if self.dtype.kind == "c" else (rows,):
                self.check_floats(check, rows, numbers, examples)
            if self.scaling is not None:
                self.scaling.refuse(check, self.placeholder, rows)
        elif self.any:
            wrong = (rows < self.lowest) | (rows > self.highest)
            if wrong.any():
                refuse_where(check, wrong, rows, self.rule + self.remedy(rows), examples)

    def remedy(self, rows: np.ndarray) -> str:
        """Returns what to do about integers that are refused, as the end of the rule."""
        if self.indices is None:
            return ""
        code = data_keys.code_of(self.placeholder)
        todo = remedies.for_range(code, rows, self.highest + 1, self.indices.op_type)
        return todo and f": {todo}"

    def check_floats(
        self,
        check: checks.Checker,
        rows: np.ndarray,
        numbers: np.ndarray,
        examples: Sequence[int] | np.ndarray,
    ) -> None:
        """Raises for numbers, or real or imaginary parts, that are not finite, or not in the placeholder."""
        # A term that is not finite makes the sum not finite; unlike np.isfinite, summing needs no array.
        with np.errstate(over="ignore", invalid="ignore"):
            if not np.isfinite(numbers.sum(dtype=np.float64)):
                refuse_where(check, ~np.isfinite(numbers), rows, f"{self.name} must be finite", examples)
        if not self.narrows or not numbers.size:
            return
        limit = float(self.takes.real_dtype.max)
        if numbers.max() > limit or numbers.min() < -limit:
            rule = f"{self.name} takes {self.takes.name}, whose largest number is {limit:.4g}"
            refuse_where(check, overflows(numbers, self.takes.real_dtype), rows, rule, examples)


def overflows(numbers: np.ndarray, dtype: tf.DType) -> np.ndarray:
    """Returns which numbers are not finite in a dtype; those next to its largest one are rounded to it."""
    with np.errstate(over="ignore"):
        return ~np.isfinite(numbers.astype(dtype.as_numpy_dtype))


def kind_of(dtype: np.dtype) -> str:
    """Returns the kind of a dtype, "f" also for bfloat16, which NumPy itself does not know."""
    return "f" if dtype == tf.bfloat16.as_numpy_dtype else dtype.kind


def check_text(
    check: checks.Checker, name: str, rows: np.ndarray, examples: Sequence[int] | np.ndarray | None = None
) -> None:
    """Raises for the first of some objects that is not text, such as None and NaN in a table."""
    for place, value in np.ndenumerate(rows):
        if isinstance(value, bytes) or (isinstance(value, str) and is_encodable(value)):
            continue
        rule = f'{name} takes text: fill what is missing, as by "", and convert numbers by str()'
        if isinstance(value, str):
            rule = f"{name} takes text that UTF-8 can encode"
        where = {} if examples is None else {"example": int(examples[place[0]])}
        raise TypeError(check.message(rule, value=value, **where))


def is_encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def as_constant(check: checks.Checker, placeholder: tf.Tensor, value: Any) -> np.ndarray:
    """Returns what is fed unchanged in every step as an array of the placeholder's dtype.

    Floats are rounded; all else must be the same number, text or boolean in this dtype.
    """
    name, takes = placeholder.name, placeholder.dtype
    rule, dtype = f"{name} takes {takes.name}", np.dtype(takes.as_numpy_dtype)
    if takes == tf.string:
        texts = np.asarray(value, object)
        check_text(check, name, texts)
        return texts
    try:
        array = np.asarray(value)
        array = np.asarray(array.tolist()) if array.dtype == object else array
    except ValueError:  # ragged lists
        raise TypeError(check.message(rule, value=value)) from None
    is_kind = not array.size or kind_of(array.dtype) in CONSTANTS[kind_of(dtype)]
    check.require_type(is_kind, rule, value=value)
    with np.errstate(over="ignore", invalid="ignore"):
        converted = array.astype(dtype, copy=False)
    if takes.is_floating or takes.is_complex:
        check.require(np.isfinite(array).all(), f"{name} must be finite", value=value)
        rule = f"{rule}, whose largest number is {takes.real_dtype.max:.4g}"
        check.require(np.isfinite(converted).all(), rule, value=value)
    elif not np.can_cast(array.dtype, dtype):
        # In Python's own numbers: NumPy compares int64 with uint64 as floats.
        same = converted.tolist() == array.tolist()
        check.require(same, f"{rule}, in which the value would be another", value=value)
    return converted


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
