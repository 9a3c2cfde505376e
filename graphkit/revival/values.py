"""Values of revived variables: in a checkpoint from which the variables' initial values are read.

As constants they would be in the graph, which TensorFlow limits to 2 GiB, and in each copy of it.
"""

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.checkpoints import fetched
from graphkit.revival import nodes as graphs
from graphkit.running import session as sessions

GROUP = 2**26  # bytes that are written at once; a larger array is written alone
SCOPE = "graphkit/revived/"


class Stored(NamedTuple):
    """A variable, and where its value is.

    Attributes:
      name: of the variable, and of the node that it comes from.
      dtype: of it.
      shape: of it.
      trainable: whether it is trained.
      prefix: of the checkpoint.
      key: its name there.
      part: which part of that it is, as RestoreV2 takes it.
    """

    name: str
    dtype: tf.DType
    shape: tuple[int, ...]
    trainable: bool
    prefix: str
    key: str
    part: str = ""


class Folder:
    """A folder of this process for values, which is deleted with the last object that needs it."""

    def __init__(self) -> None:
        self.path = tempfile.mkdtemp(prefix="graphkit-revived-")
        self.closer = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def array_of(check: checks.Checker, constant: Any) -> np.ndarray:
    """Returns the value of a node that is a constant.

    Raises:
      ValueError: it is damaged.
    """
    tensor = constant.attr["value"].tensor
    shape = graphs.shape_of(constant)
    try:
        dtype = tf.as_dtype(tensor.dtype).as_numpy_dtype
        if tensor.tensor_content:  # without the copy that make_ndarray makes
            return np.frombuffer(tensor.tensor_content, dtype).reshape(shape)
        return tf.make_ndarray(tensor)
    except (ValueError, TypeError, MemoryError) as error:
        rule = f"the constant {constant.name} is damaged or cut off"
        raise ValueError(check.message(rule, shape=shape)) from error


def groups(check: checks.Checker, constants: Iterable[Any]) -> Iterator[dict[str, np.ndarray]]:
    """Yields {name: array} of the constants, some megabytes at a time."""
    group: dict[str, np.ndarray] = {}
    size = 0
    for constant in constants:
        array = array_of(check, constant)
        if group and size + array.nbytes > GROUP:
            yield group
            group, size = {}, 0
        group[constant.name] = array
        size += array.nbytes
    if group:
        yield group


def write(check: checks.Checker, constants: Sequence[Any], folder: Folder) -> str:
    """Writes constants as a checkpoint, by their names; returns its prefix.

    Raises:
      ValueError: a constant is damaged.
      OSError: the values cannot be written.
    """
    prefix = os.path.join(folder.path, "values")
    parts: list[str] = []
    try:
        for group in groups(check, constants):
            parts.append(f"{prefix}-{len(parts)}")
            saver = fetched.FetchedSaver(group)
            saver.save(list(saver.variables.values()), parts[-1])
        if parts:
            with tf.Graph().as_default(), tf.compat.v1.Session(config=sessions.make_config("cpu")) as session:
                merge = tf.raw_ops.MergeV2Checkpoints
                session.run(merge(checkpoint_prefixes=parts, destination_prefix=prefix))
    except tf.errors.OpError as error:
        raise OSError(check.message(f"cannot write the values to {folder.path} ({error})")) from error
    return prefix


def make_variable(stored: Stored, *, trainable: bool) -> tf.Variable:
    """Makes a variable, whose initial value is read from the checkpoint; it is not in GLOBAL_VARIABLES yet.

    Args:
      stored: where its value is.
      trainable: False where it cannot be trained, whatever is stored.
    """
    with tf.compat.v1.name_scope(SCOPE):
        (value,) = tf.raw_ops.RestoreV2(
            prefix=stored.prefix,
            tensor_names=[stored.key],
            shape_and_slices=[stored.part],
            dtypes=[stored.dtype],
        )
    value.set_shape(stored.shape)
    trained = stored.trainable and trainable
    return tf.compat.v1.Variable(
        value, trainable=trained, collections=[], name=stored.name, use_resource=True
    )
