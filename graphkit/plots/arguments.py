"""Checks of arguments that several pictures share: arrays of real numbers, lists of names, mappings."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphkit import checks
from graphkit.plots import figures

LARGEST = 1e150  # numbers are squared for means and variances, and a float64 ends at 1.8e308


def numbers(check: checks.Checker, name: str, value: Any, rank: int | None = None) -> np.ndarray:
    """Returns an array of finite real numbers as float64."""
    check.array(name, value, rank)
    check.require(value.dtype.kind in "biuf", f"{name} must hold real numbers", dtype=str(value.dtype))
    result = np.asarray(value, np.float64)
    check.require(result.size, f"{name} must not be empty", shape=result.shape)
    check.require(np.isfinite(result).all(), f"{name} must be finite")
    largest = float(np.abs(result).max())
    check.require(largest < LARGEST, f"{name} must be below {LARGEST} in absolute value", largest=largest)
    return result


def names(
    check: checks.Checker, name: str, value: Any, count: int, letters: int = figures.LONGEST
) -> list[str]:
    """Returns `count` names as they are written; None gives the numbers from 0."""
    if value is None:
        return [str(number) for number in range(count)]
    rule = f"{name} must be a list or tuple of {count} names"
    check.require_type(isinstance(value, (list, tuple, np.ndarray)), rule, **{name: value})
    check.require(len(value) == count, rule, **{name: value})
    return [figures.shortened(item, letters) for item in value]


def mapping(check: checks.Checker, name: str, value: Any, rule: str) -> Mapping[str, Any]:
    """Returns a dictionary with text as keys and one entry or more."""
    is_mapping = isinstance(value, dict) and all(isinstance(key, str) for key in value)
    check.require_type(is_mapping, rule, **{name: value})
    check.require(value, rule, **{name: value})
    return value
