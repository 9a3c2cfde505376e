"""Whether the arrays that were given fit their placeholders; where they do not, the error says what to do."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.data import columns
from graphkit.nn import tensors
from graphkit.running import data_keys, pixels, remedies, values


def check_arrays(
    check: checks.Checker, named: Mapping[tf.Tensor, Any]
) -> dict[tf.Tensor, np.ndarray | columns.Column]:
    """Returns {placeholder: examples} of what was given, whose dtypes, shapes and lengths fit.

    Integers for a `gk.image_input` become uint8, see `pixels`.
    """
    arrays = {placeholder: as_examples(check, placeholder, value) for placeholder, value in named.items()}
    empty = [placeholder.name for placeholder, array in arrays.items() if array.shape[:1] == (0,)]
    shapes = {placeholder.name: array.shape for placeholder, array in arrays.items()}
    check.require(not empty, "data must have at least one example", shapes=shapes)
    for placeholder, array in arrays.items():
        check_array(check, placeholder, named[placeholder], array, arrays)
    check_lengths(check, arrays)
    return {placeholder: pixels.as_pixels(check, placeholder, array) for placeholder, array in arrays.items()}


def as_examples(check: checks.Checker, placeholder: tf.Tensor, value: Any) -> np.ndarray | columns.Column:
    """Returns what was given for a placeholder as an array or a column."""
    name, code = f"data of {placeholder.name}", data_keys.code_of(placeholder)
    if value is None:
        raise TypeError(check.message(f"{name} must be an array", value=value))
    if isinstance(value, (str, bytes, os.PathLike)):
        read = f'np.load("{os.fspath(value)[:40]!s}")' if isinstance(value, (str, os.PathLike)) else "np.load"
        rule = f"{name} must be an array: read the file first, as by {read} or gk.load_dataset"
        raise TypeError(check.message(rule, value=value))
    for method in ("to_tensor", "dense_shape", "toarray"):  # ragged and sparse tensors, matrices of SciPy
        if hasattr(value, method) and hasattr(value, "shape"):
            method = "to_pandas" if hasattr(value, "to_pandas") else method  # a table of pyarrow
            dense = f"tf.sparse.to_dense({code})" if method == "dense_shape" else f"{code}.{method}()"
            raise TypeError(check.message(f"{name} must be a dense array: give {dense}", type=type(value)))
    array = columns.as_examples(check, name, value)
    check.unmasked(name, array)
    return array


def check_array(
    check: checks.Checker,
    placeholder: tf.Tensor,
    value: Any,
    array: np.ndarray | columns.Column,
    arrays: Mapping[tf.Tensor, Any],
) -> None:
    """Raises if the dtype or the shape of examples does not fit the placeholder.

    Args:
      check: of the function that was called.
      placeholder: takes the examples.
      value: as it was given.
      array: the examples.
      arrays: all that was given, among which the right one may be.
    """
    is_kind, is_shape = fits_kind(placeholder, array), fits_shape(placeholder, array)
    if is_kind and is_shape:
        return
    # The dtype of a table's column, such as category, says more than that of its rows.
    dtype = getattr(value, "dtype", array.dtype) if isinstance(array, columns.Column) else array.dtype
    received = {"shape": array.shape, "dtype": str(dtype)}
    todo = swapped(placeholder, array, arrays)
    shape = f"{tensors.shape_text(placeholder)}, of which the first axis is the example"
    if not is_kind:
        rule = f"{placeholder.name} takes {placeholder.dtype.name}" + ("" if is_shape else f" {shape}")
        todo = todo or remedies.for_dtype(placeholder, array, value)
        raise TypeError(check.message(rule + (todo and f": {todo}"), **received))
    todo = todo or remedies.for_shape(placeholder, array, value)
    rule = f"{placeholder.name} takes {shape}"
    raise ValueError(check.message(rule + (todo and f": {todo}"), **received))


def check_lengths(check: checks.Checker, arrays: Mapping[tf.Tensor, Any]) -> None:
    """Raises unless all arrays have the same number of examples, and at least one."""
    lengths = {placeholder.name: len(array) for placeholder, array in arrays.items()}
    rule = "all arrays must have the same number of examples, and at least one"
    check.require(len(set(lengths.values())) == 1, rule, examples=lengths)


def fits_kind(placeholder: tf.Tensor, array: Any) -> bool:
    return values.kind_of(array.dtype) in kinds_for(placeholder.dtype)


def fits_shape(placeholder: tf.Tensor, array: Any) -> bool:
    shape = placeholder.shape
    if shape.rank == 0 or not array.shape:
        return False
    return shape.rank is None or bool(shape[1:].is_compatible_with(array.shape[1:]))


def kinds_for(dtype: tf.DType) -> str:
    """Returns the kinds of NumPy arrays that a placeholder of the dtype takes."""
    if dtype == tf.string:
        return "USO"
    if dtype.is_complex:
        return "uifc"
    return "uifb" if dtype.is_floating else "uib" if dtype.is_integer else "b"


def swapped(placeholder: tf.Tensor, array: Any, arrays: Mapping[tf.Tensor, Any]) -> str:
    """Returns that two placeholders got each other's arrays, or "" if none did."""

    def fits(one: tf.Tensor, examples: Any) -> bool:
        return fits_kind(one, examples) and fits_shape(one, examples)

    for other, examples in arrays.items():
        if other is not placeholder and fits(placeholder, examples) and fits(other, array):
            names = f"{data_keys.name_of(placeholder)} and {data_keys.name_of(other)}"
            return f"the arrays of {names} seem to be swapped"
    return ""
