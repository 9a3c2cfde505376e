"""Argument validation: every refusal reads `function: rule; received name=value`."""

import contextlib
import difflib
import importlib
import math
import numbers
import operator
import os
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from types import ModuleType
from typing import Any

import numpy as np

__all__ = ["GraphkitError"]

# What `repr` makes of a path inside a list, of which the user wrote the string.
SHOWN_PATH = re.compile(r"""\b(?:Pure)?(?:Posix|Windows)Path\(('[^']*'|"[^"]*")\)""")
LONGEST = 2000  # characters of a value in a message
LONGEST_TEXT = 400  # of one string
LONGEST_ARRAY = 200  # of an array, of which else the shape is shown
MOST_NUMBERS = 12  # of an array or a list that is shown in full
FEW = 3  # items of a longer list that are shown
DEEPEST = 4  # lists inside of lists that are shown
HUGE = 1e38
KERAS = ("keras", "tf_keras")
LARGEST = 2**63 - 1  # what NumPy and TensorFlow hold as the size of an axis


class GraphkitError(Exception):
    """Raised when a run goes wrong with valid arguments: a loss that is not finite, a damaged checkpoint.

    Invalid arguments raise `ValueError` or `TypeError`; files that cannot be read raise `OSError` or
    `ValueError`. All other errors of this library are of this class.

    Example:
      >>> issubclass(gk.GraphkitError, Exception)
      True
    """


class Checker:
    """Checks the arguments of one function, whose name begins each message.

    Make one where a public function starts, and hand it to the helpers that check for it:

      check = checks.Checker("max_pool")
      strides = check.integers("strides", strides, 2)
      check.require(fits, "the window must fit into the inputs", window=window, shape=shape)

    Args:
      function: the name that users call, such as "conv2d" or "fit (valid)".
    """

    def __init__(self, function: str) -> None:
        self.function = function

    def message(self, rule: str, /, **received: object) -> str:
        """Returns `function: rule; received name=value, ...`."""
        text = f"{self.function}: {rule}"
        if received:
            text += "; received " + ", ".join(f"{name}={shown(value)}" for name, value in received.items())
        return text

    def require(self, condition: object, rule: str, /, **received: object) -> None:
        """Raises `ValueError` unless the condition holds."""
        if not condition:
            raise ValueError(self.message(rule, **received))

    def require_type(self, condition: object, rule: str, /, **received: object) -> None:
        """Raises `TypeError` unless the condition holds."""
        if not condition:
            raise TypeError(self.message(rule, **received))

    @contextlib.contextmanager
    def system_errors(self, rule: str, /, **received: object) -> Iterator[None]:
        """In a block, raises what the system says, as of a file that is missing, with the rule before it."""
        try:
            yield
        except OSError as error:
            if error.errno is None:  # a message of ours, or of a decompressor
                raise
            raise type(error)(self.message(f"{rule} ({error.strerror})", **received)) from error

    def integer(
        self,
        name: str,
        value: Any,
        minimum: int = 1,
        maximum: int | None = LARGEST,
        *,
        whole_floats: bool = False,
    ) -> int:
        """Returns `value` as an int; booleans and values out of bounds are refused.

        With `whole_floats`, a float such as 10/2 is taken as an integer, as `tf.layers` did.
        """
        rule = f"{name} must be an integer of at least {minimum}"
        self.require_type(not isinstance(value, (bool, np.ma.MaskedArray)), rule, **{name: value})
        is_whole = isinstance(value, (float, np.floating)) and float(value).is_integer()
        try:
            result = int(value) if whole_floats and is_whole else operator.index(value)
        except TypeError:
            raise TypeError(self.message(rule, **{name: value})) from None
        self.require(result >= minimum, rule, **{name: value})
        self.require(maximum is None or result <= maximum, f"{name} is too large", **{name: value})
        return result

    def integers(
        self, name: str, value: Any, count: int, minimum: int = 1, *, whole_floats: bool = False
    ) -> tuple[int, ...]:
        """Returns `count` integers, from one integer for all or a sequence of `count`.

        A sequence is a tuple, a list, an array of one axis, or a `tf.TensorShape`.
        """
        is_shape = hasattr(value, "as_list") and getattr(value, "rank", None) is not None
        is_vector = isinstance(value, np.ndarray) and value.ndim == 1
        if isinstance(value, (tuple, list)) or is_shape or is_vector:
            items = value.as_list() if is_shape else list(value)
            self.require(
                len(items) == count, f"{name} must be an integer or {count} integers", **{name: value}
            )
            return tuple(self.integer(name, item, minimum, whole_floats=whole_floats) for item in items)
        return (self.integer(name, value, minimum, whole_floats=whole_floats),) * count

    def number(
        self,
        name: str,
        value: Any,
        *,
        above: float | None = None,
        at_least: float | None = None,
        at_most: float | None = None,
        below: float | None = None,
    ) -> float:
        """Returns `value` as a finite float inside the bounds."""
        bounds = [("above", above), ("at least", at_least), ("at most", at_most), ("below", below)]
        stated = " and ".join(f"{word} {bound}" for word, bound in bounds if bound is not None)
        if at_most is not None and at_most > HUGE and not (isinstance(value, float) and value > at_most):
            stated = stated.removesuffix(f" and at most {at_most}")  # the largest float32 helps nobody else
        rule = f"{name} must be a finite number" + (f" {stated}" if stated else "")
        is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        self.require_type(is_number, rule, **{name: value})
        try:
            result = float(value)
        except OverflowError:
            result = math.inf
        inside = (
            math.isfinite(result)
            and (above is None or result > above)
            and (at_least is None or result >= at_least)
            and (at_most is None or result <= at_most)
            and (below is None or result < below)
        )
        self.require(inside, rule, **{name: value})
        return result

    def choice(self, name: str, value: Any, choices: Collection[str]) -> str:
        """Returns `value` in lower case, which must be one of the choices."""
        rule = f"{name} must be one of {', '.join(repr(item) for item in choices)}"
        self.require_type(isinstance(value, str), rule, **{name: value})
        self.require(value.lower() in choices, rule + near(value.lower(), choices), **{name: value})
        return value.lower()

    def path(self, name: str, value: Any) -> str:
        """Returns the text of `value`, which must be a path."""
        path = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
        self.require_type(
            isinstance(path, str), f"{name} must be a path: text, or a pathlib.Path", **{name: value}
        )
        self.require("\0" not in str(path), f"{name} must be a path", **{name: value})
        return str(path)

    def fields(self, fields: Any, names: Collection[str]) -> None:
        """Raises `ValueError` unless what was read from JSON is a dict of exactly these fields."""
        right = isinstance(fields, Mapping) and set(fields) == set(names)
        self.require(right, f"the fields must be {', '.join(names)}", fields=fields)

    def array(self, name: str, value: Any, rank: int | None = None) -> Any:
        """Returns `value`, which must be an array without a mask, of `rank` axes if given."""
        self.unmasked(name, value)
        is_array = hasattr(value, "shape") and isinstance(getattr(value, "dtype", None), np.dtype)
        self.require_type(is_array, f"{name} must be an array", **{name: type(value)})
        fits = rank is None or len(value.shape) == rank
        self.require(fits, f"{name} must have {rank} axes", shape=tuple(value.shape))
        return value

    def unmasked(self, name: str, value: Any) -> Any:
        """Returns `value`, which must not be a masked array or a sequence of some.

        NumPy and TensorFlow drop a mask without a word, and take what lies under it for data.
        """
        rule = f"{name} must not be a masked array: replace the masked values, as by array.filled(0), or "
        rule += "leave out their examples; where nothing is masked, give array.data"
        self.require_type(not has_mask(value), rule, type=type(value))
        return value

    def optional_module(self, name: str, extra: str) -> ModuleType:
        """Imports a module that an extra of the package installs."""
        try:
            return importlib.import_module(name)
        except ImportError as error:
            rule = f"{name} is needed; install it with pip install 'tf-graphkit[{extra}]' ({error})"
            raise ImportError(self.message(rule)) from error


def has_mask(value: Any) -> bool:
    """Whether the value is a masked array, or a list or tuple of arrays of which one is."""
    items = value if isinstance(value, (list, tuple)) else (value,)
    return any(isinstance(item, np.ma.MaskedArray) for item in items)


def keras_kinds(value: Any) -> list[type]:
    """Returns the classes of Keras that a value, or a class, is of; an empty list for all others."""
    kinds = (value if isinstance(value, type) else type(value)).__mro__
    return [kind for kind in kinds if kind.__module__.split(".")[0] in KERAS]


def near(name: str, known: Collection[str]) -> str:
    """Returns " (near it: ...)" with the known names that are like one, for a rule; "" if none is."""
    found = difflib.get_close_matches(name, known, n=3)
    found = found or [other for other in known if name and name.lower() in other.lower()][:3]
    return f" (near it: {', '.join(found)})" if found else ""


def shown(value: Any) -> str:
    """Returns a value as messages show it: large arrays by their shape, what is long without its middle."""
    text = summary(value, DEEPEST)
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"


def summary(value: Any, depth: int) -> str:
    """Returns the repr of a value, in which arrays, long texts and long lists of numbers are shortened."""
    value = os.fspath(value) if isinstance(value, os.PathLike) else value
    if isinstance(value, (str, bytes)) and len(value) > LONGEST_TEXT:
        half = LONGEST_TEXT // (2 if isinstance(value, str) else 8)  # a byte may be shown as \\x00
        return f"{value[:half]!r} … {value[-half:]!r} ({len(value)} in all)"
    if type(value) in (list, tuple, dict):
        return summary_of_items(value, depth) if depth else "…"
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        fields = zip(value._fields, value, strict=True)
        return f"{type(value).__name__}({', '.join(f'{name}={summary(field, 2)}' for name, field in fields)})"
    try:
        text = SHOWN_PATH.sub(r"\1", repr(value))
    except ValueError:  # an integer of more digits than Python converts
        return f"{type(value).__name__} of too many digits"
    return array_summary(value, text)


def summary_of_items(value: list | tuple | dict, depth: int) -> str:
    """Returns what a list, tuple or dict holds; the first items of a long one, unless it holds texts."""
    items = list(value.items() if isinstance(value, dict) else value)

    def joined(count: int) -> str:
        texts = [summary(item, depth - 1) for item in items[:count]]
        if isinstance(value, dict):
            texts = [f"{summary(key, 1)}: {summary(item, depth - 1)}" for key, item in items[:count]]
        return ", ".join([*texts, *([f"… ({len(items)} in all)"] if count < len(items) else [])])

    holds_texts = any(isinstance(item, (str, tuple)) for item in items)
    is_long = len(items) > MOST_NUMBERS and not holds_texts
    text = joined(LONGEST if not is_long else 1 if isinstance(items[0], list) else FEW)
    if len(text) > LONGEST_ARRAY and not holds_texts:  # lists of lists
        text = joined(1)
    if isinstance(value, tuple):
        return f"({text},)" if len(items) == 1 else f"({text})"
    return f"{{{text}}}" if isinstance(value, dict) else f"[{text}]"


def array_summary(value: Any, text: str) -> str:
    """Returns the repr of a value, or of a large array, tensor or table what it is."""
    try:
        shape, dtype = tuple(value.shape), getattr(value, "dtype", "")
        columns = list(value.columns) if hasattr(value, "columns") else None
    except Exception:  # no array; or one in a file that is closed, or a tensor whose rank is not known
        return text
    is_small = math.prod(size or 1 for size in shape) <= MOST_NUMBERS
    if is_small and not hasattr(value, "iloc"):
        text = re.sub(r"\s*\n\s*", " ", text)
    elif isinstance(value, np.ndarray):
        text = "\n"
    if "\n" not in text and len(text) <= LONGEST_ARRAY:
        return text
    kind = "array" if isinstance(value, np.ndarray) else type(value).__name__
    if columns is not None:
        return f"{kind} with shape {shape} and columns {shown(columns)}"
    dtype = dtype if isinstance(dtype, np.dtype) else getattr(dtype, "name", dtype)
    return f"{kind} of {dtype} with shape {shape}"


def number_text(value: float) -> str:
    """Returns a number with four decimals, or where it is not about 1 with as many digits as that has."""
    size = abs(value)
    if size >= 1e9 or 0 < size < 1e-3:
        return f"{value:.3g}"
    decimals = 4 if size < 10 else max(0, 5 - len(str(int(size)))) if math.isfinite(size) else 0
    return f"{value:,.{decimals}f}"


def run_script(main: Callable[[], None]) -> None:
    """Runs a script's `main`; an error of the library is printed as one line, with exit code 2.

    An interrupt gives exit code 130, as in shells, without a traceback: `fit` has printed its own message.
    """
    try:
        main()
    except SystemExit:  # also the error of a worker that lost another one, which has been logged
        raise
    except (GraphkitError, ValueError, TypeError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
