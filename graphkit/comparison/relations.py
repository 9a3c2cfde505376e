"""What one array is in terms of another: a multiple, a sum with a number, a known function, another order."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from graphkit.comparison import alignment

EXP_LIMIT = 60.0  # larger arguments of exp are cut off
LARGE_RANK = 5
ACTIVATIONS = (
    "relu",
    "sigmoid",
    "hard",
    "tanh",
    "elu",
    "selu",
    "soft",
    "swish",
    "gelu",
    "leaky",
)  # beginnings

Array = np.ndarray


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-np.clip(x, -EXP_LIMIT, EXP_LIMIT)))


def elu(x: Array) -> Array:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def selu(x: Array) -> Array:
    return 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0)))


def gelu_tanh(x: Array) -> Array:
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def gelu(x: Array) -> Array:
    return 0.5 * x * (1 + np.vectorize(math.erf, otypes=[float])(x / math.sqrt(2)))


def softmax(x: Array, axis: int) -> Array:
    powers = np.exp(x - x.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "sigmoid": sigmoid,
    "hard sigmoid": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "tanh": np.tanh,
    "elu": elu,
    "selu": selu,
    "softplus": lambda x: np.logaddexp(0, x),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "swish": lambda x: x * sigmoid(x),
    "gelu (by tanh)": gelu_tanh,
    "gelu (exact)": gelu,
    "the absolute value": np.abs,
    "the square": np.square,
    "the square root": lambda x: np.sqrt(np.maximum(x, 0)),
    "exp": lambda x: np.exp(np.clip(x, -EXP_LIMIT, EXP_LIMIT)),
    "the logarithm": lambda x: np.log(np.maximum(x, 1e-300)),
    "the negative": np.negative,
    "one minus it": lambda x: 1 - x,
}


def function_of(source: Array, value: Array) -> str | None:
    """Returns the name of the function that makes `value` of `source`, or None."""
    if source.dtype.kind not in "fui" or value.dtype.kind != "f" or not np.isfinite(source).all():
        return None
    x = source.astype(np.float64)
    if x.shape == value.shape and x.size > 1:
        with np.errstate(all="ignore"):
            for name, function in FUNCTIONS.items():
                if alignment.close(function(x), value):
                    return name
            slope = leaky_slope(x, value)
            if slope is not None:
                return f"leaky relu with slope {slope:.4g}"
            for axis in range(x.ndim):
                probabilities = softmax(x, axis)
                if alignment.close(probabilities, value):
                    return f"softmax over axis {axis}"
                if alignment.close(np.log(probabilities), value):
                    return f"log softmax over axis {axis}"
            for axis in range(x.ndim):
                if x.shape[axis] > 1 and alignment.close(np.flip(x, axis), value):
                    return f"the same in reverse order along axis {axis}"
    return reduction(x, value)


def leaky_slope(x: Array, value: Array) -> float | None:
    """Returns the slope below zero, where `value` is a leaky relu of x."""
    below = x < 0
    if not below.any() or not (~below).any() or not alignment.close(x[~below], value[~below]):
        return None
    slope = float(np.sum(value[below] * x[below]) / np.sum(x[below] ** 2))
    return slope if slope != 1 and alignment.close(np.where(below, slope * x, x), value) else None


def reduction(x: Array, value: Array) -> str | None:
    """Returns which reduction over which axes makes `value` of x, or None."""
    if x.ndim > LARGE_RANK or value.size >= x.size:
        return None
    kinds: dict[str, Callable[..., Array]] = {
        "mean": np.mean,
        "sum": np.sum,
        "maximum": np.max,
        "minimum": np.min,
        "variance": np.var,
    }
    for count in range(1, x.ndim + 1):
        for axes in itertools.combinations(range(x.ndim), count):
            for name, kind in kinds.items():
                reduced = kind(x, axis=axes)
                if reduced.size == value.size and alignment.close(reduced.ravel(), value.ravel()):
                    where = "all axes" if count == x.ndim else f"axis {', '.join(map(str, axes))}"
                    return f"the {name} over {where}"
    return None


def factor(first: Array, second: Array) -> float | None:
    """Returns c where the second array is c times the first and c is not 1, or None."""
    if first.size != second.size or first.dtype.kind not in "fui" or second.dtype.kind not in "fui":
        return None
    a, b = first.astype(np.float64).ravel(), second.astype(np.float64).ravel()
    square = float(np.dot(a, a))
    if square == 0 or not np.isfinite(square):
        return None
    c = float(np.dot(a, b)) / square
    return c if c != 0 and alignment.close((c * a).astype(np.float32), second.ravel()) else None


def meaning(c: float, sizes: Mapping[int, str]) -> str:
    """Returns what a factor is likely to be: a size, one of the numbers below, or just a number.

    Args:
      c: the factor.
      sizes: {number: what has this many}.
    """
    for number, text in sizes.items():
        for value, way in ((number, ""), (1 / number, "1 / ")):
            if number > 1 and math.isclose(c, value, rel_tol=2e-5):
                return f", {way}{text}: mean against sum"
    for number, text in sizes.items():
        for value in (number / (number - 1), (number - 1) / number) if number > 1 else ():
            if math.isclose(c, value, rel_tol=2e-5):
                return f", N / (N - 1) for {text}: unbiased against biased variance"
    if math.isclose(c, 2, rel_tol=2e-5) or math.isclose(c, 0.5, rel_tol=2e-5):
        return ", with and without the factor 1/2"
    for number, text in sizes.items():
        if number > 1 and any(math.isclose(c, v, rel_tol=2e-5) for v in (number**0.5, number**-0.5)):
            return f", the square root of {text}"
    return ""


def relation(first: Array, second: Array, sizes: Mapping[int, str]) -> str | None:
    """Returns what the second array is in terms of the first, or None where nothing simple is known."""
    return next(iter(relations(first, second, sizes)), None)


def relations(first: Array, second: Array, sizes: Mapping[int, str]) -> Iterator[str]:
    c = factor(first, second)
    if c is not None and (first.size > 1 or meaning(c, sizes)):  # any number is a multiple of another one
        yield f"new is {c:.6g} times old{meaning(c, sizes)}"
    if first.shape != second.shape or first.dtype.kind != "f" or second.dtype.kind != "f":
        return
    difference = second.astype(np.float64) - first
    if first.size > 1 and np.ptp(difference) <= alignment.TOLERANCE * np.max(np.abs(first)):
        yield f"new is old plus {difference.mean():.6g}"
    name = function_of(first, second)
    if name:
        yield f"new is {name} of old"
    name = function_of(second, first)
    if name:
        yield f"old is {name} of new"
    if first.size > 1 and alignment.close(np.sort(first, axis=None), np.sort(second, axis=None)):
        yield "both hold the same numbers in another order"
    if np.max(np.abs(difference)) <= 1e-2 * np.max(np.abs(first)) and first.dtype != second.dtype:
        yield f"the numbers agree to the precision of {min(first.dtype, second.dtype, key=size_of)}"


def size_of(dtype: Any) -> int:
    return np.dtype(dtype).itemsize
