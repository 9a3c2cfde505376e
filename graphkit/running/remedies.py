"""What to do about an array that does not fit its placeholder, as code for the program that gave it."""

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit.data import columns
from graphkit.graph import walk
from graphkit.running import data_keys

LOOKED_AT = 10_000  # examples that are looked at for what they are
MOST_CLASSES = 10_000  # larger labels are not class numbers
PRODUCTS = ("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Conv2D", "Conv3D", "Einsum")


class Given:
    """An array that does not fit a placeholder.

    Args:
      placeholder: takes rows of the array.
      array: the examples, or a column of them.
      value: as it was given, such as a list or a table.

    Attributes:
      name: what the value is called in code.
      code: the same as an array of NumPy.
      shape: of the array.
      takes: the shape of an example, with None for sizes that are not known; None without a shape.
    """

    def __init__(self, placeholder: tf.Tensor, array: Any, value: Any) -> None:
        self.placeholder, self.array, self.value = placeholder, array, value
        self.name, self.shape = data_keys.code_of(placeholder), tuple(array.shape)
        known = placeholder.shape.rank
        self.takes: list[int | None] | None = placeholder.shape.as_list()[1:] if known else None
        self.code = self.name
        if hasattr(value, "to_numpy"):
            self.code = f"{self.name}.to_numpy()"
        elif isinstance(value, (list, tuple)):
            self.code = f"np.array({self.name})"
        elif not isinstance(value, np.ndarray) and hasattr(value, "numpy"):  # tensors
            self.code = f"{self.name}.numpy()"
        elif isinstance(array, columns.Column):
            self.code = f"{self.name}[:]"

    @property
    def is_table(self) -> bool:
        return hasattr(self.value, "iloc") and hasattr(self.value, "columns")

    @property
    def numbers(self) -> list[int]:
        """The shape of an example, of which all sizes are known; else an empty list."""
        known = [size for size in self.takes or [] if size is not None]
        return known if self.takes is not None and len(known) == len(self.takes) else []

    def rows(self) -> np.ndarray:
        """Returns the first examples."""
        return np.asarray(self.array[:LOOKED_AT]) if self.shape else np.asarray(self.array)

    def takes_example(self, *shape: int) -> bool:
        """Whether an example may have this shape."""
        return self.takes is not None and tf.TensorShape(self.takes).is_compatible_with(shape)


Rule = Callable[[Given], str]


def for_shape(placeholder: tf.Tensor, array: Any, value: Any) -> str:
    """Returns what to do about the shape of an array; "" if nothing is known."""
    return first(Given(placeholder, array, value), SHAPE_RULES)


def for_dtype(placeholder: tf.Tensor, array: Any, value: Any) -> str:
    """Returns what to do about the dtype of an array; "" if nothing is known."""
    return first(Given(placeholder, array, value), DTYPE_RULES)


def first(given: Given, rules: tuple[Rule, ...]) -> str:
    return next((text for rule in rules if (text := rule(given))), "")


# Shapes.


def of_single_value(given: Given) -> str:
    """Of a number in place of an array."""
    if given.shape:
        return ""
    return f"give an array with a row for each example, as np.array([{given.name}]) for a single one"


def of_table(given: Given) -> str:
    """Of a table with one column in place of a vector, or with a column of labels among the features."""
    if not given.is_table:
        return ""
    names = list(given.value.columns)
    if given.takes == [] and len(names) == 1:
        return f"give its column, {given.name}[{names[0]!r}]"
    if len(given.numbers) == 1 and len(names) > given.numbers[0]:
        extra = len(names) - given.numbers[0]
        labels = data_keys.label_column(names, data_keys.inputs_of(given.placeholder.graph))
        if extra == 1 and labels is None:
            first, last = f"{given.name}.iloc[:, 1:]", f"{given.name}.iloc[:, :-1]"
            return (
                f"leave out the column of the labels: give {last} if it is the last one, {first} if the first"
            )
        left = [labels] if extra == 1 else names[-extra:]
        return f"leave out the columns that are not features, as {given.name}.drop(columns={left})"
    return ""


def of_one_hot(given: Given) -> str:
    """Of one-hot rows in place of integers."""
    if given.takes != [] or len(given.shape) != 2 or given.shape[1] < 2:
        return ""
    if not given.placeholder.dtype.is_integer or not is_one_hot(given.rows()):
        return ""
    make = f"gk.one_hot_input({given.shape[1]})"
    return f"these rows are one-hot, so give {given.code}.argmax(axis=1), or make the placeholder by {make}"


def is_one_hot(rows: np.ndarray) -> bool:
    """Whether rows are one-hot, or probabilities of classes."""
    if rows.dtype.kind not in "uifb":
        return False
    rows = rows.astype(np.float64)
    return bool((rows >= 0).all() and np.allclose(rows.sum(axis=1), 1, atol=1e-3))


def of_integers(given: Given) -> str:
    """Of integers in place of one-hot rows."""
    classes = given.numbers[0] if len(given.numbers) == 1 else 0
    is_vector = len(given.shape) == 1 or given.shape[1:] == (1,)
    if (
        classes < 2
        or not is_vector
        or given.array.dtype.kind not in "uibf"
        or feeds_product(given.placeholder)
    ):
        return ""
    code = given.code if len(given.shape) == 1 else f"{given.code}.reshape(-1)"
    rows = given.rows()
    if rows.dtype.kind == "f":
        if not (rows == np.round(rows)).all():
            return ""
        code += ".astype(int)"
    if rows.min() == 1 and rows.max() == classes:
        code = f"{code} - 1"
    code = f"gk.one_hot({code}, {classes})"
    if given.placeholder.dtype.is_integer:
        code += f".astype(np.{given.placeholder.dtype.name})"
    return f"these are class numbers, so give {code}, or make the placeholder by gk.label_input()"


def feeds_product(placeholder: tf.Tensor) -> bool:
    """Whether a placeholder is multiplied with weights, as inputs are and labels are not."""
    return any(op.type in PRODUCTS for op, _ in walk.users(placeholder))


def of_one_example(given: Given) -> str:
    """Of a single example without the axis of the batch."""
    if given.takes_example(*given.shape):
        return f"a single example needs the axis of the batch, too, so give {given.code}[np.newaxis]"
    if ends_with_one(given) and given.takes_example(*given.shape, 1):
        axes = "[np.newaxis, ..., np.newaxis]"
        return f"a single example needs the axis of the batch and one of channels, so give {given.code}{axes}"
    return ""


def ends_with_one(given: Given) -> bool:
    return given.takes is not None and given.takes[-1:] == [1]


def of_last_axis(given: Given) -> str:
    """Of a last axis of one, such as that of the channel of gray images, that is missing or too many."""
    if ends_with_one(given) and given.takes_example(*given.shape[1:], 1):
        word = "the axis of the channels is" if len(given.shape) == 3 else "a last axis of 1 is"
        return f"{word} missing, so give {given.code}[..., np.newaxis]"
    if given.shape[-1:] == (1,) and given.takes_example(*given.shape[1:-1]):
        shape = ", ".join(str(size) for size in (-1, *given.shape[1:-1]))
        return f"the last axis is one too many, so give {given.code}.reshape({shape})"
    return ""


def of_channels(given: Given) -> str:
    """Of images with another number of channels."""
    if given.takes is None or len(given.takes) != 3 or given.takes[-1] is None:
        return ""
    wanted, shape = given.takes[-1], given.shape[1:]
    if wanted == 3 and len(shape) == 2 and given.takes_example(*shape, 3):
        return f"gray images have one channel, so give np.repeat({given.code}[..., np.newaxis], 3, axis=-1)"
    if len(shape) != 3 or not given.takes_example(*shape[:2], wanted):
        return ""
    codes = {
        (1, 3): f"gray images have one channel, so give np.repeat({given.code}, 3, axis=-1)",
        (3, 1): f"color images have 3 channels, so give gk.grayscale({given.code})",
        (4, 3): f"the last channel says how opaque a pixel is, so give {given.code}[..., :3]",
        (4, 1): f"color images have channels, so give gk.grayscale({given.code}[..., :3])",
    }
    return codes.get((shape[2], wanted), "")


def of_order(given: Given) -> str:
    """Of axes in another order: channels first, width before height, the examples last."""
    if len(given.shape) != len(given.takes or []) + 1 or len(given.numbers) < 1:
        return ""
    rank = len(given.shape)
    if rank == 2:
        return (
            f"it seems to be transposed, so give {given.code}.T" if given.shape[0] == given.numbers[0] else ""
        )
    if rank == 4 and given.takes_example(*(given.shape[axis] for axis in (2, 3, 1))):
        return f"the channels come last here, so give {given.code}.transpose(0, 2, 3, 1)"
    for order in itertools.permutations(range(rank)):
        if given.takes_example(*(given.shape[axis] for axis in order[1:])):
            return f"its axes are in another order, so give {given.code}.transpose{order}"
    return ""


def of_reshaped(given: Given) -> str:
    """Of flat images, or images where flat ones are taken."""
    size, shape = math.prod(given.numbers), ", ".join(str(size) for size in given.numbers)
    if not given.numbers:
        return ""
    if math.prod(given.shape[1:]) == size and len(given.shape) > 1:
        if len(given.numbers) == 1:
            return f"flatten each example, as {given.code}.reshape(len({given.name}), -1)"
        text = f"give each example its axes, as {given.code}.reshape(-1, {shape})"
        if len(given.numbers) == 3 and given.numbers[2] > 1:
            height, width, channels = given.numbers
            other = f"{given.code}.reshape(-1, {channels}, {height}, {width}).transpose(0, 2, 3, 1)"
            text += f"; or, where one channel comes after the other as in CIFAR's files, {other}"
        return text
    if math.prod(given.shape) == size:
        return f"a single example needs the axis of the batch, too, so give {given.code}.reshape(1, {shape})"
    return ""


def of_other_size(given: Given) -> str:
    """Of images or vectors of another size, for which the placeholder can be made."""
    if len(given.shape) != len(given.takes or []) + 1 or not given.takes:
        return ""
    sizes = ", ".join(map(str, given.shape[1:]))
    shape = f"(None, {sizes})"
    images = len(given.takes) == 3 and given.shape[3] in (1, 3) and given.shape[3] == given.takes[2]
    dtype = given.placeholder.dtype
    makes = f"gk.image_input({sizes})" if images else f"tf.compat.v1.placeholder(tf.{dtype.name}, {shape})"
    if len(given.takes) == 1 and dtype.is_floating and feeds_product(given.placeholder):
        makes = f"gk.feature_input({sizes})"
    elif len(given.takes) == 1 and dtype.is_floating and is_one_hot(given.rows()):
        makes = f"gk.one_hot_input({sizes})"
    return f"these examples need another placeholder, such as {makes}"


SHAPE_RULES: tuple[Rule, ...] = (
    of_single_value,
    of_table,
    of_one_hot,
    of_integers,
    of_one_example,
    of_last_axis,
    of_channels,
    of_order,
    of_reshaped,
    of_other_size,
)

# Dtypes.


def of_table_columns(given: Given) -> str:
    """Of a column or a table that does not hold numbers."""
    if not hasattr(given.value, "iloc"):
        return ""
    if given.is_table and given.array.dtype.kind not in "buif":
        return columns.encoding_of(given.value, given.name)
    if given.array.dtype.kind in "mM" and not given.is_table:
        days = given.name if given.array.dtype.kind == "m" else f"({given.name} - {given.name}.min())"
        return f"give days, as {days}.dt.days"
    if str(getattr(given.value, "dtype", "")) == "category":
        return f"categories are numbered by {one_hot_code(given, f'{given.name}.cat.codes')}"
    return ""


def one_hot_code(given: Given, code: str) -> str:
    """Returns code for integer labels, or where the placeholder takes one-hot rows, for those of them."""
    if given.numbers and len(given.numbers) == 1 and given.numbers[0] > 1 and len(given.shape) == 1:
        return f"gk.one_hot({code}, {given.numbers[0]})"
    return code


def of_texts(given: Given) -> str:
    """Of texts in place of numbers."""
    if not holds_texts(given) or given.placeholder.dtype == tf.string:
        return ""
    if is_number_text(given):
        if one_hot_code(given, "") and not feeds_product(given.placeholder):
            return f"these are class numbers, so give {one_hot_code(given, f'{given.code}.astype(int)')}"
        return f"texts of numbers become numbers by {given.code}.astype(np.{given.placeholder.dtype.name})"
    if len(given.numbers) == 3:
        return "these are not pixels: read the pictures first, as by gk.load_dataset of their folder"
    if len(given.shape) == 1 and given.placeholder.dtype.is_integer and given.takes:
        words = f"vocabulary = gk.Vocabulary.of_words({given.name})"
        return f"number their words: {words}, and give vocabulary.encode({given.name})"
    if len(given.shape) == 1 and (given.placeholder.dtype.is_integer or len(given.numbers) == 1):
        one_hot = one_hot_code(given, "numbers")
        unique = f"names, numbers = np.unique({given.name}, return_inverse=True)"
        return f"number the classes: {unique}, and give {one_hot}"
    frame = f"pandas.DataFrame({given.name})"
    return f"texts must become numbers: encode = gk.data.TableEncoder({frame}), and give encode({frame})"


def holds_texts(given: Given) -> bool:
    if given.array.dtype.kind in "US":
        return True
    rows = given.rows()
    return (
        rows.dtype.kind == "O" and all(isinstance(item, (str, bytes)) for item in rows.flat) and rows.size > 0
    )


def is_number_text(given: Given) -> bool:
    """Whether texts can be read as numbers of the placeholder's dtype."""
    try:
        given.rows().astype(given.placeholder.dtype.as_numpy_dtype)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def of_objects(given: Given) -> str:
    """Of an array of objects: rows of unequal length, missing values, numbers among others."""
    rows = given.rows()
    if rows.dtype.kind != "O":
        return ""
    items = list(itertools.islice(np.ndenumerate(rows), LOOKED_AT))
    for at, item in items:
        example = f"example {at[0]}" if at else "it"
        if isinstance(item, Mapping):
            return f"make a table of it, pandas.DataFrame({given.name})"
        if hasattr(item, "__len__") and not isinstance(item, (str, bytes)):
            if is_rectangular(rows):
                return f"its rows are {type(item).__name__}s, so give np.stack({given.name})"
            return f"its rows differ in shape; {columns.padding_code(given.name)}"
        if item is None or item != item:
            return f"{example} has a missing value: fill it, or leave out the example"
        if not isinstance(item, (int, float, np.number, np.bool_)):
            return f"{example} has {item!r}, which is not a number"
    return f"give {given.code}.astype(np.{given.placeholder.dtype.name})"


def is_rectangular(rows: np.ndarray) -> bool:
    """Whether lists or arrays, each of which is one object, could be the rows of one array of numbers."""
    try:
        return np.stack([np.asarray(row) for row in rows]).dtype.kind in "buif"
    except (TypeError, ValueError):
        return False


def of_fractions(given: Given) -> str:
    """Of floats in place of integers."""
    if given.array.dtype.kind != "f" or not given.placeholder.dtype.is_integer:
        return ""
    if given.takes is not None and len(given.shape) > len(given.takes) + 1 + (given.shape[-1] == 1):
        return ""
    rows = given.rows()
    if np.isnan(rows).any():
        missing = f"example {np.nonzero(np.isnan(rows))[0][0]}" if rows.ndim else "it"
        keep = f"keep = ~np.isnan({given.code})"
        return (
            f"{missing} is NaN, so leave out examples without a value: {keep}, and give array[keep] of each"
        )
    if np.isfinite(rows).all() and (rows == np.round(rows)).all():
        return f"give {given.code}.astype(np.{given.placeholder.dtype.name})"
    make = f"tf.compat.v1.placeholder(tf.float32, {(None, *(given.takes or []))})"
    return f"these are not whole numbers; numbers that are to be predicted need a placeholder such as {make}"


def of_other_kinds(given: Given) -> str:
    """Of dates, complex numbers, and where booleans or texts are taken."""
    kind, dtype = given.array.dtype.kind, given.placeholder.dtype
    if kind == "M":
        return f'give days, as ({given.code} - {given.code}.min()) / np.timedelta64(1, "D")'
    if kind == "m":
        return f'give days, as {given.code} / np.timedelta64(1, "D")'
    if kind == "V":
        return f"make a table of it, pandas.DataFrame({given.name})"
    if kind == "c":
        return f"give the real part, {given.code}.real, or the absolute value, np.abs({given.code})"
    if dtype == tf.bool or dtype == tf.string:
        return f"give {given.code}.astype({'bool' if dtype == tf.bool else 'str'})"
    return ""


DTYPE_RULES: tuple[Rule, ...] = (
    of_table,
    of_table_columns,
    of_one_hot,
    of_texts,
    of_objects,
    of_fractions,
    of_other_kinds,
)

# Ranges.


def for_range(name: str, rows: np.ndarray, limit: int, op_type: str) -> str:
    """Returns what to do about integers outside 0..limit - 1; "" if nothing is known.

    Args:
      name: what the integers are called in code.
      rows: integers, of which some are outside.
      limit: how many different ones are taken.
      op_type: of the op that takes them.
    """
    low, high = int(rows.min()), int(rows.max())
    if "Gather" in op_type:  # of the rows of a table
        return f"a table for integers up to {high} needs {high + 1} rows" if low >= 0 else ""
    if low >= 1 and high == limit:
        return f"classes start at 0, so where yours start at 1, give {name} - 1"
    different = np.unique(rows)
    is_none = low == -1 and len(different) > 2 and high - low >= len(different)  # -1 stands for no label
    if len(different) == limit > 1 and not is_none:
        return (
            f"number the classes: names, numbers = np.unique({name}, return_inverse=True), and give numbers"
        )
    if high < limit and (different < 0).sum() == 1:
        return f"leave out examples without one: keep = {name} >= 0, and give array[keep] of each array"
    return f"labels up to {high} need {high + 1} classes" if low >= 0 and high < MOST_CLASSES else ""
