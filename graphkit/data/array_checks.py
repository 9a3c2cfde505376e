"""Checks of what data functions take: arrays of numbers, integers in a range, seeds."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphkit import checks
from graphkit.data import columns


def as_array(check: checks.Checker, name: str, value: Any, rank: int | None = None) -> np.ndarray:
    """Returns all of what `fit` takes for a placeholder as an array, in the order of its rows."""
    examples = columns.as_examples(check, name, value)
    array = examples[:] if isinstance(examples, columns.Column) else examples
    is_array = array.ndim > 0 or isinstance(value, (np.ndarray, np.generic))
    check.require_type(is_array, f"{name} must be an array", **{name: type(value)})
    return check.array(name, array, rank)


def check_numbers(check: checks.Checker, name: str, value: Any) -> np.ndarray:
    """Returns an array of integers or floats; booleans and complex numbers are refused."""
    return number_rows(check, name, as_array(check, name, value))


def number_rows(check: checks.Checker, name: str, value: Any) -> Any:
    """Returns an array or a column of integers or floats, of which nothing is read yet."""
    examples = columns.as_examples(check, name, value)
    examples = examples if isinstance(examples, columns.Column) else as_array(check, name, value)
    check.require_type(examples.dtype.kind in "uif", f"{name} must hold numbers", dtype=str(examples.dtype))
    return examples


def check_integers(check: checks.Checker, name: str, value: Any, *, rank: int) -> np.ndarray:
    """Returns an array of integers with `rank` axes."""
    value = as_array(check, name, value, rank)
    check.require_type(value.dtype.kind in "ui", f"{name} must be integers", dtype=str(value.dtype))
    return value


def check_range(check: checks.Checker, name: str, values: np.ndarray, size: int) -> None:
    """Refuses integers outside 0..size - 1."""
    if values.size:
        # As Python integers, which compare exactly and read well in a message.
        low, high = int(values.min()), int(values.max())
        check.require(
            low >= 0 and high < size, f"{name} must lie in 0..{size - 1}", minimum=low, maximum=high
        )


def check_pixels(
    check: checks.Checker,
    name: str,
    array: np.ndarray,
    examples: Sequence[int] | np.ndarray | None = None,
    code: str = "x",
    remedy: str = "",
) -> np.ndarray:
    """Returns integers from 0 to 255 as uint8; others are refused.

    Args:
      check: of the function that was called.
      name: what the integers are called in messages.
      array: integers (N, ...).
      examples: the numbers of the N examples, None where they are counted from 0.
      code: what the array is called in code that a message offers.
      remedy: what to do with other integers.
    """
    if array.dtype == np.uint8 or not array.size:
        return array.astype(np.uint8, copy=False)
    if array.min() < 0 or array.max() > 255:
        at = tuple(int(axis[0]) for axis in np.nonzero((array < 0) | (array > 255)))
        of_16_bits = bool(array.min() >= 0 and 1 << 12 <= array.max() < 1 << 16)
        remedies = [f"{code} // 256 makes 8 bits of 16"] * of_16_bits + [remedy] * bool(remedy)
        hint = f" ({', '.join(remedies)})" if remedies else ""
        rule = f"{name} must be pixels, integers in 0..255{hint}"
        example = int(at[0] if examples is None else examples[at[0]])
        raise ValueError(check.message(rule, value=array[at].item(), example=example))
    return array.astype(np.uint8)


def check_seed(check: checks.Checker, seed: int | Sequence[int]) -> list[int]:
    """Returns a seed as a list of integers, from one of them or a sequence."""
    parts = seed if isinstance(seed, (tuple, list)) else [seed]
    check.require(len(parts) > 0, "seed must be a non-negative integer or a sequence of them", seed=seed)
    return [check.integer("seed", part, minimum=0, maximum=None) for part in parts]
