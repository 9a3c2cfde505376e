"""What a checkpoint holds: names, shapes, dtypes and values, and which names belong to training."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import tensorflow as tf

from graphkit import checks

Result = TypeVar("Result")

OBJECT = "/.ATTRIBUTES/VARIABLE_VALUE"  # suffix of the names that tf.train.Checkpoint writes
TRAINING = re.compile(
    r"graphkit/.*|_CHECKPOINTABLE_OBJECT_GRAPH|.*/\.OPTIMIZER_SLOT/.*"
    rf"|(.*/)?(global_step|beta[12]_power(_\d+)?|save_counter)({re.escape(OBJECT)})?"
)

# TensorFlow's reader raises whatever its C++ status is translated to. On 2.21, most files that were cut off
# gave an IndexError, most changed bytes an OpError; files of other kinds give others of these.
READER_ERRORS = (tf.errors.OpError, RuntimeError, ValueError, TypeError, LookupError, MemoryError)


class Entry(NamedTuple):
    """Shape and dtype of a tensor in a checkpoint, or of a variable.

    Attributes:
      shape: its lengths; None where the rank is unknown, None in it where a length is unknown.
      dtype: its name, such as "float32".
    """

    shape: tuple[int | None, ...] | None
    dtype: str

    def __str__(self) -> str:
        return f"{self.dtype} {'of unknown shape' if self.shape is None else self.shape}"

    def fits(self, shape: tuple[int | None, ...] | None) -> bool:
        """Whether a tensor of this shape can have the entry's shape, where both are known."""
        return bool(tf.TensorShape(self.shape).is_compatible_with(tf.TensorShape(shape)))


class Reader:
    """Reads a checkpoint; whatever is wrong with its files is a `GraphkitError`.

    Args:
      path: prefix of the checkpoint's files.

    Raises:
      GraphkitError: the files are damaged or cut off.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.reader: Any = self.attempt(lambda: tf.compat.v1.train.NewCheckpointReader(path))

    def entries(self) -> dict[str, Entry]:
        """Returns {name: `Entry`}, layer2 before layer10."""
        shapes = self.attempt(self.reader.get_variable_to_shape_map)
        dtypes = self.attempt(self.reader.get_variable_to_dtype_map)
        return {name: Entry(tuple(shapes[name]), dtypes[name].name) for name in sorted(shapes, key=by_number)}

    def value(self, name: str) -> Any:
        """Returns the array of this name (of a string, the bytes), whose checksum TensorFlow verifies."""
        return self.attempt(lambda: self.reader.get_tensor(name))

    def attempt(self, call: Callable[[], Result]) -> Result:
        try:
            return call()
        except READER_ERRORS as error:
            rule = f"{self.path} is damaged or cut off ({error})"
            raise checks.GraphkitError(checks.Checker("restore").message(rule)) from error


def by_number(name: str) -> list[str | int]:
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def training_names(entries: Mapping[str, Entry]) -> set[str]:
    """Returns the names that belong to the training of a model, not to the model.

    A slot of an optimizer is known by its form: the name and shape of a variable, and one more part of the
    name. An optimizer that was made in a scope puts this scope in front.
    """

    def is_slot(name: str) -> bool:
        owner = name.split("/")[:-1]
        owners = ["/".join(owner[start:]) for start in range(len(owner))]
        return any(other in entries and entries[other].shape == entries[name].shape for other in owners)

    return {name for name in entries if TRAINING.fullmatch(name) or is_slot(name)}
