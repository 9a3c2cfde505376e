"""Examples that are read when they are needed: of HDF5 and zarr files, Hugging Face data sets, tables."""

import collections
import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from graphkit import checks

# What holds its numbers in memory has one of these. A file that is read in parts has at most `__array__`,
# which reads all of it.
OBJECT = np.dtype(object)
SHOWN_VALUES = 1000  # of a column, that are looked at for what to do about them
SHOWN_ROWS = 12  # rows of which a message shows the lengths
IN_MEMORY = ("__dlpack__", "__array_interface__", "__array_struct__")


class Column:
    """Examples that are read when they are needed. It is indexed along its first axis, as an array is.

    Args:
      read: function (int64 indices, increasing, each once) -> rows of these examples, an array.
      shape: of all examples; the first axis is the example.
      dtype: of the rows.
      in_memory: whether `read` takes rows out of memory, so that reading all of them takes little time.

    Example:
      >>> squares = Column(lambda indices: indices**2, (1_000_000,), np.int64)
      >>> squares[np.array([3, 999_999, 3])].tolist(), len(squares)
      ([9, 999998000001, 9], 1000000)
    """

    def __init__(
        self,
        read: Callable[[np.ndarray], np.ndarray],
        shape: Sequence[int],
        dtype: DTypeLike,
        *,
        in_memory: bool = False,
    ) -> None:
        self.read = read
        self.shape, self.dtype = tuple(shape), np.dtype(dtype)
        self.in_memory = in_memory

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, selection: slice | np.ndarray) -> np.ndarray:
        """Returns the rows of a slice, or of an array of indices in any order."""
        if isinstance(selection, slice):
            selection = np.arange(*selection.indices(len(self)))
        # HDF5 reads increasing indices only, and each format reads them faster than others.
        indices, places = np.unique(np.asarray(selection, np.int64), return_inverse=True)
        if not len(indices):
            return np.empty((0, *self.shape[1:]), self.dtype)
        if indices[0] < 0 or indices[-1] >= len(self):
            outside = int(indices[0] if indices[0] < 0 else indices[-1])
            raise IndexError(f"index {outside} of a column of {len(self)} examples")
        rows = self.read(indices)
        return rows if np.array_equal(indices, selection) else rows[places]


def as_examples(check: checks.Checker, name: str, value: Any) -> "np.ndarray | Column":
    """Returns examples as an array if they are in memory, else as a `Column`, of which nothing is copied.

    Args:
      check: of the function that was called.
      name: what the examples are called in messages.
      value: an array, or what converts to one; or anything with `len` that is indexed by an array of
        increasing indices and returns these rows; if it has a shape and a dtype, also by a slice.
    """
    if isinstance(value, (np.ndarray, Column)):
        return value
    if isinstance(value, (list, tuple, range, collections.deque)):
        try:
            return np.asarray(check.unmasked(name, value))
        except ValueError as error:
            raise ValueError(unequal_rows(check, name, value)) from error
        except (TypeError, NotImplementedError) as error:  # of a list of tensors of a graph
            raise TypeError(no_array(check, name, next(iter(value)), error)) from error
    if hasattr(value, "iloc") and hasattr(value, "to_numpy"):
        return of_table(check, name, value)
    if isinstance(value, Mapping) or hasattr(value, "column_names"):
        rule = f"{name} must be one array or column"
        rule += ": of several columns, give table.to_pandas()" * hasattr(value, "to_pandas")
        raise TypeError(check.message(rule, type=type(value)))
    try:
        in_parts = is_read_in_parts(value)
    except RuntimeError as error:  # of h5py
        raise ValueError(check.message(f"{name} cannot be read ({error}); is its file closed?")) from error
    if in_parts:
        return of_rows(check, name, value)
    # np.asanyarray keeps the mask of what an object's `__array__` returns, so that it is refused.
    try:
        return np.asanyarray(value)
    except (TypeError, NotImplementedError, RuntimeError) as error:  # a tensor of a graph, or of PyTorch
        raise TypeError(no_array(check, name, value, error)) from error


def no_array(check: checks.Checker, name: str, value: Any, error: Exception) -> str:
    """Returns the message about what NumPy cannot convert to an array."""
    if hasattr(value, "graph") and hasattr(value, "op"):
        rule = (
            f"{name} must be an array: a tensor of a graph has no values of its own, so give the array that "
        )
        rule += "it was made from, or what session.run(tensor) returns"
    else:
        rule = f"{name} must be an array ({str(error).splitlines()[0]})"
    return check.message(rule, type=type(value))


def unequal_rows(check: checks.Checker, name: str, rows: Any) -> str:
    """Returns the message about a list of rows of unequal shapes."""
    rule = f"{name} must be an array: its rows differ in shape"
    try:
        shapes = [np.shape(row) for row in rows]
    except ValueError:  # rows that are ragged themselves
        return check.message(rule, lengths=[len(row) for row in itertools.islice(rows, SHOWN_ROWS)])
    if {len(shape) for shape in shapes} == {1}:
        code = re.sub(r".*?(\w+)(:0)?$", r"\1", name)
        return check.message(f"{rule}; {padding_code(code)}", lengths=[shape[0] for shape in shapes])
    one = next(row for row, shape in enumerate(shapes) if shape != shapes[0])
    return check.message(rule, shapes={0: shapes[0], one: shapes[one]})


def padding_code(rows: str) -> str:
    """Returns how to make rows of unequal lengths equally long."""
    width = f"length = max(map(len, {rows}))"
    return f"fill them up: {width}, and give [[*row, *[0] * (length - len(row))] for row in {rows}]"


def is_read_in_parts(value: Any) -> bool:
    """Whether rows are taken out of an object by indices, and not all of it converted to an array."""
    if isinstance(value, str) or any(hasattr(value, name) for name in IN_MEMORY):
        return False
    try:
        memoryview(value)
    except TypeError:
        pass
    else:
        return False
    if not hasattr(type(value), "__getitem__"):
        return False
    return has_shape(value) or (hasattr(type(value), "__len__") and not hasattr(value, "__array__"))


def has_shape(value: Any) -> bool:
    is_shape = isinstance(getattr(value, "shape", None), tuple)
    return is_shape and isinstance(getattr(value, "dtype", None), np.dtype)


def of_rows(check: checks.Checker, name: str, value: Any) -> Column:
    """Returns the column of an object that is indexed by an array of indices."""

    def read(indices: np.ndarray) -> np.ndarray:
        if not is_array:  # it may not know slices
            rows = value[indices]
        elif hasattr(value, "oindex"):  # zarr, where an array of indices between brackets may select points
            rows = value.oindex[consecutive(indices)]
        elif isinstance(getattr(value, "chunks", None), tuple) and isinstance(value.chunks[0], int):
            rows = by_chunks(value, indices)
        else:
            rows = value[consecutive(indices)]
        return as_rows(check, name, rows, indices)

    is_array = has_shape(value)
    if is_array:
        shape, dtype = value.shape, value.dtype
    elif len(value):
        try:
            first = read(np.zeros(1, np.int64))
        except (TypeError, KeyError, AttributeError) as error:
            rule = (
                f"{name} must be an array, or an object with a length that is indexed by an array of indices"
            )
            raise TypeError(check.message(rule, type=type(value), error=str(error))) from error
        shape, dtype = (len(value), *first.shape[1:]), stored_dtype(value, first.dtype)
    else:
        shape, dtype = (0,), np.dtype(float)
    dtype = np.dtype(object) if dtype.kind in "TUS" else dtype

    def read_alike(indices: np.ndarray) -> np.ndarray:
        rows = read(indices)
        alike = rows.shape == (len(indices), *shape[1:]) and is_alike(rows.dtype, dtype)
        converted = rows.astype(dtype, copy=False) if alike else rows
        if rows.dtype != dtype:
            alike = alike and np.array_equal(converted, rows, equal_nan=rows.dtype.kind == "f")
        received = {"shape": rows.shape, "dtype": str(rows.dtype), "example": int(indices[0])}
        rule = f"{name}: examples must have the shape {shape[1:]} and the dtype {dtype}"
        check.require(alike, rule, **received)
        return converted

    return Column(read_alike, shape, dtype)


def stored_dtype(value: Any, read: np.dtype) -> np.dtype:
    """Returns the dtype in which the column of a Hugging Face `Dataset` is stored.

    It returns all integers as int64, also the pixels of images. Of other objects it is the dtype read.
    """
    feature: Any = getattr(value, "features", None)
    while hasattr(feature, "feature"):  # of lists
        feature = feature.feature
    try:
        stored = np.dtype(getattr(feature, "dtype", read))
    except TypeError:  # of pictures
        return read
    return stored if is_alike(read, stored) else read


def is_alike(read: np.dtype, dtype: np.dtype) -> bool:
    """Whether what was read may be of the dtype: both are integers, or both floats, for example."""
    return read.kind == dtype.kind or (read.kind in "ui" and dtype.kind in "ui") or np.can_cast(read, dtype)


def by_chunks(value: Any, indices: np.ndarray) -> np.ndarray:
    """Returns the rows of an HDF5 dataset that is stored in chunks, of which each is read in one piece.

    HDF5 decompresses a chunk as a whole, and selects rows one by one: 1024 of 20,000 images take a tenth of
    the time like this if a chunk has 100, and a quarter if it has one.
    """
    pieces = np.split(indices, np.flatnonzero(np.diff(indices // value.chunks[0])) + 1)
    return np.concatenate([value[int(p[0]) : int(p[-1]) + 1][p - p[0]] for p in pieces])


def consecutive(indices: np.ndarray) -> "slice | np.ndarray":
    """Returns increasing indices as a slice, which is read much faster, if they leave out none."""
    first, last = int(indices[0]), int(indices[-1])
    return slice(first, last + 1) if last - first + 1 == len(indices) else indices


def as_rows(check: checks.Checker, name: str, read: Any, indices: np.ndarray) -> np.ndarray:
    """Returns what was read at the indices as one array."""
    if isinstance(read, (list, tuple)):
        parts = [as_row(row) for row in read]
        for part, index in zip(parts, indices, strict=False):
            missing = part.dtype == object and part.ndim == 0 and part.item() is None
            check.require(not missing, f"{name} has a missing value", example=int(index))
            rule = f"{name}: examples must have one shape, as the first one read, {parts[0].shape}"
            if parts[0].ndim == 3 and hasattr(read[0], "getbands"):
                mode, (height, width, _) = read[0].mode, parts[0].shape
                rule += f': convert pictures, as by picture.convert("{mode}").resize(({width}, {height}))'
            check.require(part.shape == parts[0].shape, rule, shape=part.shape, example=int(index))
        read = np.array(parts)
    rows = np.asarray(check.unmasked(name, read))
    return rows.astype(object) if rows.dtype.kind in "TUS" else rows


def as_row(value: Any) -> np.ndarray:
    """Returns an example as an array; a picture of Pillow with an axis for its channels."""
    if not hasattr(value, "getbands"):
        return np.asarray(value)
    if value.mode in ("1", "P"):  # bits, and numbers of a palette's colors
        value = value.convert("L" if value.mode == "1" else "RGB")
    pixels = np.asarray(value)
    return pixels[..., np.newaxis] if pixels.ndim == 2 else pixels


def of_table(check: checks.Checker, name: str, table: Any) -> "np.ndarray | Column":
    """Returns the examples of a pandas Series, or the matrix (examples, columns) of a DataFrame."""
    is_frame = hasattr(table, "columns")
    if len(table) and ((table.dtypes == OBJECT).any() if is_frame else table.dtype == OBJECT):
        table = with_numbers(table)
    kinds = list(table.dtypes) if is_frame else [table.dtype]
    if not is_frame and isinstance(kinds[0], np.dtype) and kinds[0].kind != "O":
        return table.to_numpy()  # the Series' own memory
    dtypes = [numpy_dtype(kind) for kind in kinds]
    numeric = [dtype.kind in "buifc" for dtype in dtypes]
    if any(numeric) and not all(numeric):
        wrong = {
            column: kind
            for column, kind, is_number in zip(table.columns, kinds, numeric, strict=True)
            if not is_number
        }
        rule = f"{name} must hold numbers in all of its columns: {encoding_of(table[list(wrong)], 'frame')}"
        raise TypeError(check.message(rule, columns={column: str(kind) for column, kind in wrong.items()}))
    dtype = np.result_type(*dtypes) if dtypes and all(numeric) else np.dtype(object)

    def read(indices: np.ndarray) -> np.ndarray:
        part = table.iloc[consecutive(indices)]
        missing = part.isna().to_numpy()
        if missing.any():
            at = np.argwhere(missing)[0]
            place = {"column": table.columns[at[1]]} if is_frame else {}
            rule = f"{name} has a missing value: fill it, as by fillna, or leave out its example"
            raise ValueError(check.message(rule, example=int(indices[at[0]]), **place))
        return part.to_numpy(dtype=dtype)

    return Column(read, table.shape, dtype, in_memory=True)


def with_numbers(table: Any) -> Any:
    """Returns a table whose columns of Python's objects have the dtype of the numbers that they hold."""
    first = table.iloc[0]
    if all(isinstance(value, str) for value in (first if hasattr(table, "columns") else [first])):
        return table  # texts, of which pandas would make a copy
    inferred = table.infer_objects()
    if not hasattr(table, "columns"):
        return inferred if numpy_dtype(inferred.dtype).kind in "buif" else table
    kinds = zip(inferred.dtypes, table.dtypes, strict=True)
    dtypes = [kind if numpy_dtype(kind).kind in "buif" else before for kind, before in kinds]
    return table.astype(dict(zip(table.columns, dtypes, strict=True))) if table.columns.is_unique else table


def encoding_of(table: Any, name: str) -> str:
    """Returns how to make numbers of the columns of a table, none of which holds numbers.

    Args:
      table: a DataFrame of these columns.
      name: what the complete table is called in code.
    """
    wrong = [column for column, kind in table.dtypes.items() if numpy_dtype(kind).kind not in "buif"]
    table = table[wrong]
    numbers = [column for column in table.columns if are_numbers(table[column].head(SHOWN_VALUES))]
    if numbers:
        dtypes = ", ".join(f"{column!r}: float" for column in numbers)
        return f"texts of numbers become numbers by {name}.astype({{{dtypes}}})"
    for column in table.columns:
        values = table[column].head(SHOWN_VALUES)
        kind, code = getattr(values.dtype, "kind", "O"), f"{name}[{column!r}]"
        if kind in "mM":
            number = f"{code}.dt.{'day_of_year' if kind == 'M' else 'days'}"
            return f"make a number of a date, as {number}, or leave it out: {name}.drop(columns={column!r})"
        known = values.dropna()
        wrong = [value for value in known if not can_be_number(value)]
        if str(values.dtype) == "category" or len(wrong) == len(known) > 0:
            continue
        if not wrong:
            return f"fill missing values, as by {code}.fillna(0)"
        number = f'pandas.to_numeric({code}, errors="coerce")'
        return f"{wrong[0]!r} is not a number; {number} makes NaN of such values, which you then fill"
    return f"encode = gk.data.TableEncoder({name}), and give encode({name})"


def are_numbers(values: Any) -> bool:
    """Whether a column holds texts of numbers alone."""
    is_text = str(values.dtype) != "category" and getattr(values.dtype, "kind", "O") not in "mMbuifc"
    return is_text and len(values) > 0 and not values.isna().any() and all(map(can_be_number, values))


def can_be_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def numpy_dtype(dtype: Any) -> np.dtype:
    """Returns the dtype of what a column of a table holds; object for what are not numbers."""
    if isinstance(dtype, np.dtype):
        return dtype
    # Of nullable dtypes and Arrow's, and of sparse ones.
    found = getattr(dtype, "numpy_dtype", getattr(dtype, "subtype", None))
    if isinstance(found, np.dtype) and getattr(dtype, "kind", "O") in "buifc":
        return found
    return np.dtype(object)
