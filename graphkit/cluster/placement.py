"""Which parameter server has which variable, or which part of one."""

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf


class Placement:
    """Spreads the variables of each graph over parameter servers, by their bytes.

    All processes run the same program, and so come to the same places.

    Args:
      ps: addresses of the parameter servers.
    """

    def __init__(self, ps: Sequence[str]) -> None:
        self.ps = ps
        self.loads: Any = weakref.WeakKeyDictionary()  # of each graph: bytes on each server

    def function(self, worker: int) -> Callable[[tf.Operation], str]:
        """Returns the device function of a worker."""
        if not self.ps:
            return lambda op: op.device
        return tf.compat.v1.train.replica_device_setter(
            ps_tasks=len(self.ps), worker_device=f"/job:worker/task:{worker}", ps_strategy=self.least_loaded
        )

    def least_loaded(self, op: tf.Operation) -> int:
        """Returns the number of the server for the variable, or the table, that the op makes."""
        loads = self.loads.setdefault(op.graph, [0] * len(self.ps))
        number = loads.index(min(loads))
        loads[number] += size_of(op)
        return number


def size_of(op: tf.Operation) -> int:
    """Returns the bytes of the variable that an op makes; 1 of what has no known size."""
    attributes = op.node_def.attr
    shape = tf.TensorShape(attributes["shape"].shape) if "shape" in attributes else tf.TensorShape(None)
    if not shape.is_fully_defined():
        return 1
    return max(1, int(np.prod(shape.as_list(), dtype=np.int64)) * tf.as_dtype(attributes["dtype"].type).size)


def partitioner(count: int, axis: int) -> Callable[..., list[int]]:
    """Returns a function (shape, dtype) -> number of parts along each axis: at most `count` along one."""

    def parts(shape: tf.TensorShape, dtype: tf.DType) -> list[int]:
        sizes = shape.as_list()
        return [min(count, size) if place == axis else 1 for place, size in enumerate(sizes)]

    return parts
