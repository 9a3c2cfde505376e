"""What a tensor is in the written file: a name, a constant, sizes of arrays, or an expression."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

# How tightly an expression binds: one of a lower level is put into parentheses.
ATOM, POWER, TIMES, PLUS, COMPARE = 5, 4, 3, 2, 1
LITERALS = 12  # numbers of a constant that are written in the file; more are kept with the weights


class Name(NamedTuple):
    """A name of a function of the file: "f" for the forward pass, "b" backward, "u" for the update."""

    text: str
    phase: str


class Code(NamedTuple):
    """An expression that is written where it is used, and the names in it."""

    text: str
    level: int = ATOM
    uses: frozenset[Name] = frozenset()


class Constant(NamedTuple):
    array: np.ndarray


class Handle(NamedTuple):
    """A variable: its key in `state`."""

    key: str


class Size(NamedTuple):
    """A size that is known when the file runs.

    Attributes:
      form: "axis" of an array, or an operator, such as "+".
      parts: (key of a tensor, axis), or two sizes.
    """

    form: str
    parts: tuple[Any, ...]


class Same(NamedTuple):
    """What a rule returns for an op that hands on this input as it is."""

    place: int


Dimension: TypeAlias = int | Size


class Sizes(NamedTuple):
    """An integer, or a vector of integers, made of sizes of arrays."""

    sizes: tuple[Dimension, ...]
    scalar: bool


Value: TypeAlias = Name | Code | Constant | Handle | Sizes


def combine(form: str, first: Dimension, second: Dimension) -> Dimension:
    """Returns first + second (or so), computed where it can be."""
    if isinstance(first, int) and isinstance(second, int):
        return {
            "+": lambda: first + second,
            "-": lambda: first - second,
            "*": lambda: first * second,
            "//": lambda: first // second if second else 0,
            "%": lambda: first % second if second else 0,
            "max": lambda: max(first, second),
            "min": lambda: min(first, second),
        }[form]()
    if (form in ("*", "//") and second == 1) or (form in ("+", "-") and second == 0):
        return first
    if (form == "*" and first == 1) or (form == "+" and first == 0):
        return second
    if form in ("max", "min") and first == second:
        return first
    if form == "max" and 0 in (first, second):
        return second if first == 0 else first  # a size is never below 0
    if form == "-" and first == second:
        return 0
    if form == "//":
        return quotient(first, second)
    return Size(form, (first, second))


def quotient(first: Dimension, second: Dimension) -> Dimension:
    """Returns first // second without the factors that both have; a size in both may not be 0."""
    above, below = factors(first), factors(second)
    for factor in list(below):
        if not isinstance(factor, int) and factor in above:
            above.remove(factor)
            below.remove(factor)
    whole = [np.prod([f for f in side if isinstance(f, int)], dtype=int) for side in (above, below)]
    if whole[1] and whole[0] % whole[1] == 0:
        whole = [whole[0] // whole[1], 1]
    top, bottom = (
        product([int(number), *(f for f in side if not isinstance(f, int))])
        for number, side in zip(whole, (above, below), strict=True)
    )
    if isinstance(top, int) and isinstance(bottom, int):
        return top // bottom if bottom else 0
    return top if bottom == 1 else Size("//", (top, bottom))


def factors(size: Dimension) -> list[Dimension]:
    if isinstance(size, Size) and size.form == "*":
        return [factor for part in size.parts for factor in factors(part)]
    return [size]


def product(sizes: Sequence[Dimension]) -> Dimension:
    total: Dimension = 1
    for size in sizes:
        total = combine("*", total, size)
    return total


def literal(array: np.ndarray) -> str | None:
    """Returns a constant as Python writes it, or None if it is too long."""
    if array.dtype == object or array.dtype.kind in "SU":
        return repr(array.item()) if array.ndim == 0 else None
    if array.ndim == 0:
        return scalar(array)
    if array.size and array.size > 1 and (array == array.ravel()[0]).all() and array.dtype.kind != "b":
        return f"np.full({array.shape}, {scalar(array.ravel()[0])}, np.{array.dtype})"
    if array.size > LITERALS:
        return None
    if array.dtype.kind in "iu" and array.ndim == 1 and array.dtype.itemsize < 8:
        return f"np.array({array.tolist()}, np.{array.dtype})"
    text = np.array2string(array, separator=", ", floatmode="unique", threshold=10**6, max_line_width=10**6)
    text = " ".join(text.split()).replace("[ ", "[").replace("nan", "np.nan").replace("inf", "np.inf")
    return f"np.array({text}, np.{np.dtype(array.dtype).name.replace('bool', 'bool_')})"


def scalar(value: Any) -> str:
    """Returns a number as Python writes it: NumPy then keeps the dtype of what it is combined with."""
    value = np.asarray(value)[()]
    if value.dtype.kind == "f":
        if not np.isfinite(value):
            return "-np.inf" if value < 0 else ("np.nan" if np.isnan(value) else "np.inf")
        whole = float(value).is_integer() and abs(value) < 1e6
        return f"{float(value):.1f}" if whole else repr(float(str(value)))
    if value.dtype.kind == "u":
        number = int(value)
        return f"np.{value.dtype}({hex(number) if number > 10**6 else number})"
    return str(value.item())


def tuple_text(parts: Sequence[str]) -> str:
    return f"({', '.join(parts)},)" if len(parts) == 1 else f"({', '.join(parts)})"
