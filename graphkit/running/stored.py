"""Complete arrays in variables on the machine of a session, which are sent once and not in every run."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit.running import wire


class Stored:
    """An array in a variable.

    It is sent in pieces, each below the limit of a message. They are written into another variable first: a
    variable that was written in pieces is copied each time it is read.

    Args:
      dtype: of the array.
      shape: as much of it as is known: that of its placeholder.
    """

    def __init__(self, dtype: tf.DType, shape: tf.TensorShape) -> None:
        v1 = tf.compat.v1
        self.dtype = dtype
        known = [] if shape.rank is None else [n or 1 for n in shape.as_list()[1:]]
        empty = tf.zeros([1, *known], dtype)
        # Local variables are initialized with a trainer's, and no checkpoint holds them.
        settings = {"trainable": False, "collections": [v1.GraphKeys.LOCAL_VARIABLES], "use_resource": True}
        self.array, self.parts = (
            v1.Variable(empty, shape=shape, name=name, **settings) for name in ("array", "parts")
        )
        self.value = self.array.read_value()
        self.piece = v1.placeholder(dtype, shape, name="piece")
        self.start = v1.placeholder(tf.int32, (), name="start")
        self.shape = v1.placeholder(tf.int32, (None,), name="shape")
        self.take = self.array.assign(self.piece, read_value=False)
        self.make_room = self.parts.assign(tf.zeros(self.shape, dtype), read_value=False)
        self.write = tf.raw_ops.ResourceStridedSliceAssign(
            ref=self.parts.handle,
            begin=[self.start],
            end=[self.start + tf.shape(self.piece)[0]],
            strides=[1],
            value=self.piece,
        )
        with tf.control_dependencies([self.array.assign(self.parts.read_value(), read_value=False)]):
            self.take_parts = self.parts.assign(empty, read_value=False)

    def fill(self, session: Any, array: np.ndarray) -> None:
        """Sends the array."""
        dtype = self.dtype.as_numpy_dtype
        pieces = list(pieces_of(array, np.dtype(dtype).itemsize))
        if len(pieces) == 1:
            session.run(self.take, {self.piece: np.asarray(array, dtype)})
            return
        session.run(self.make_room, {self.shape: array.shape})
        for start, stop in pieces:
            piece = np.asarray(array[start:stop], dtype)
            session.run(self.write, {self.piece: piece, self.start: start})
        session.run(self.take_parts)


class Store:
    """The arrays that the loops of a graph take, each once however many loops there are."""

    def __init__(self) -> None:
        self.arrays: dict[tuple[str, tf.DType], Stored] = {}

    def of(self, placeholder: tf.Tensor, dtype: tf.DType) -> Stored:
        """Returns the array of all examples of a placeholder, in a dtype."""
        key = placeholder.name, dtype
        if key not in self.arrays:
            self.arrays[key] = Stored(dtype, placeholder.shape)
        return self.arrays[key]


def pieces_of(array: np.ndarray, itemsize: int) -> Iterator[tuple[int, int]]:
    """Yields (start, stop) of the rows of each piece."""
    row = max(1, int(np.prod(array.shape[1:])) * itemsize)
    rows = max(1, wire.PIECE // row)
    for start in range(0, max(1, len(array)), rows):
        yield start, min(start + rows, len(array))
