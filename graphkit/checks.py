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
LONGEST_ARRAY = 200  # of an array, of which else the shape is shown
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
        self.require(value.lower() in choices, rule, **{name: value})
        return value.lower()

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


def near(name: str, known: Collection[str]) -> str:
    """Returns " (near it: ...)" with the known names that are like one, for a rule; "" if none is."""
    found = difflib.get_close_matches(name, known, n=3)
    found = found or [other for other in known if name.lower() in other.lower()][:3]
    return f" (near it: {', '.join(found)})" if found else ""


def shown(value: Any) -> str:
    """Returns the repr of a value, with paths as plain strings, without its middle if it is long."""
    try:
        text = SHOWN_PATH.sub(r"\1", repr(os.fspath(value) if isinstance(value, os.PathLike) else value))
    except ValueError:  # an integer of more digits than Python converts
        return f"{type(value).__name__} of too many digits"
    if isinstance(value, np.ndarray) and len(text) > LONGEST_ARRAY:
        return f"array of {value.dtype} with shape {value.shape}"
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"


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
