"""Which values a placeholder takes: numbers that it can hold, integers that the ops can take, text."""

import logging
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.graph import walk
from graphkit.running import data_keys, pixels, remedies

logger = logging.getLogger("graphkit")

CHUNK = 1 << 22  # bytes that are read at a time, so that a mapped file need not fit into memory

SUM_ERROR = 0.01  # of probabilities that add up to 1, in float16
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
      rule: what is said of integers that are refused; empty where none are.
      doubts: what is taken, but named.
    """

    def __init__(self, placeholder: tf.Tensor, dtype: np.dtype, ops: Collection[tf.Operation]) -> None:
        self.placeholder, self.name, self.takes = placeholder, placeholder.name, placeholder.dtype
        self.dtype = dtype
        self.is_text = placeholder.dtype == tf.string and dtype.kind == "O"
        self.is_float = kind_of(dtype) in "fc"
        self.any, self.lowest, self.highest, self.rule = self.is_float or self.is_text, 0, 0, ""
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
        self.doubts = Doubts(placeholder, dtype)
        self.any = self.any or self.doubts.any

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
        elif self.rule:
            wrong = (rows < self.lowest) | (rows > self.highest)
            if wrong.any():
                refuse_where(check, wrong, rows, self.rule + self.remedy(rows), examples)
        self.doubts.name_first(rows, examples)

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


class Doubts:
    """Values that a placeholder takes, but that are hardly meant: rounded integers, odd labels.

    Args:
      placeholder: takes rows of an array.
      dtype: of the array.

    Attributes:
      any: whether there are such values, of which none was named yet.
      exact: integers up to this one are not rounded; None for other arrays.
    """

    def __init__(self, placeholder: tf.Tensor, dtype: np.dtype) -> None:
        self.name, self.takes = placeholder.name, placeholder.dtype
        are_labels = data_keys.takes_labels(placeholder, ["SoftmaxCrossEntropyWithLogits"])
        is_narrow = dtype.kind in "ui" and not np.can_cast(dtype, self.takes.as_numpy_dtype)
        are_rounded = is_narrow and self.takes.is_floating and not are_labels
        self.exact = largest_exact(self.takes) if are_rounded else None
        self.any = are_labels or are_rounded

    def name_first(self, rows: np.ndarray, examples: Sequence[int] | np.ndarray) -> None:
        """Warns of the first such value; later ones are not named."""
        if not self.any or not rows.size:
            return
        if self.exact is not None:
            if max(int(rows.max()), -int(rows.min())) <= self.exact:
                return
            wrong = rows.astype(self.takes.as_numpy_dtype).astype(np.float64) != rows
            rule = f"{self.name} takes {self.takes.name}, in which integers above {self.exact} are rounded: "
            rule += "subtract what all have in common, such as their minimum"
        else:
            sums = rows.sum(axis=-1, dtype=np.float64, keepdims=True)
            wrong = ((rows < 0) | ((abs(sums - 1) > SUM_ERROR) & (sums != 0))).any(axis=-1)
            rule = f"{self.name} has the labels of a softmax cross entropy, which must be probabilities that "
            rule += "add up to 1: where several classes are right at a time, use gk.sigmoid_cross_entropy"
        if wrong.any():
            at = tuple(int(axis[0]) for axis in np.nonzero(wrong))
            logger.warning("%s; example %d has %s", rule, examples[at[0]], checks.shown(rows[at].tolist()))
            self.any = False


def largest_exact(dtype: tf.DType) -> int:
    """Returns the integer up to which a dtype of floats has all of them."""
    one = np.ones((), dtype.as_numpy_dtype)
    return int(2 / float(np.nextafter(one, one + one) - one))


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
