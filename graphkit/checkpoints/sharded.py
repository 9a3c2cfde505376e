"""Variables in parts and on several machines: how a Saver writes them, and ops that read each where it is."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

from graphkit import checks
from graphkit.checkpoints.restore_plan import RestorePlan, Wanted
from graphkit.checkpoints.restoring import describe

DAMAGED = (
    tf.errors.DataLossError,
    tf.errors.OutOfRangeError,
    tf.errors.NotFoundError,
    tf.errors.InvalidArgumentError,
    tf.errors.FailedPreconditionError,
)


def as_saved(variables: Mapping[str, tf.Variable]) -> dict[str, Any]:
    """Returns {name in a checkpoint: variable, or the list of the parts of a partitioned one}.

    Savers write the parts as slices of one entry, which can be restored into other parts, or into one.
    """
    found: dict[str, Any] = {}
    for name, variable in variables.items():
        wanted = describe(name, variable)
        if wanted.slices:
            found.setdefault(wanted.full_name, []).append(variable)
        else:
            found[name] = variable
    return found


class RemoteRestore:
    """Restores variables by ops on their devices, so that no value passes through this process.

    Values that are fed would: a part of a large table for each parameter server, and feeds of 2 GB end the
    process that is fed.

    Args:
      variables: {name: variable} of the current graph.
    """

    def __init__(self, variables: Mapping[str, tf.Variable]) -> None:
        self.ops: dict[str, tuple[tf.Tensor, tf.Tensor, tf.Operation]] = {}
        with tf.compat.v1.name_scope("graphkit/restore/"):
            self.path = tf.compat.v1.placeholder(tf.string, (), "path")
            for name, variable in variables.items():
                source = tf.compat.v1.placeholder(tf.string, (1,), "source")
                part = tf.compat.v1.placeholder(tf.string, (1,), "part")
                with tf.compat.v1.device(variable.device):
                    dtype = variable.dtype.base_dtype
                    read = tf.raw_ops.RestoreV2(
                        prefix=self.path, tensor_names=source, shape_and_slices=part, dtypes=[dtype]
                    )
                    value = tf.ensure_shape(read[0], variable.shape)
                    self.ops[name] = source, part, variable.assign(value, read_value=False)

    def run(self, session: Any, plan: RestorePlan) -> None:
        """Restores what is matched.

        Raises:
          GraphkitError: the files are damaged, or a machine does not see them; some may be restored.
        """
        feed: dict[tf.Tensor, Any] = {self.path: os.path.abspath(plan.path)}
        for name, entry in plan.matched.items():
            source, part, _ = self.ops[name]
            feed |= {source: [entry], part: [part_of(plan.wanted[name], plan.held[entry].shape)]}
        try:
            session.run([self.ops[name][2] for name in plan.matched], feed)
        except DAMAGED as error:
            rule = f"{plan.path} is damaged or cut off, or not seen by all machines ({error.message})"
            raise checks.GraphkitError(checks.Checker("restore").message(rule)) from error


def part_of(wanted: Wanted, shape: tuple[int | None, ...] | None) -> str:
    """Returns which part of an entry of some shape a variable takes, as TensorFlow's ops read it."""
    if not wanted.slices or shape != wanted.full.shape:
        return ""
    return slice_text(shape or (), ((part.start, part.stop - part.start) for part in wanted.slices))


def slice_text(shape: Iterable[int | None], parts: Iterable[tuple[int, int]]) -> str:
    """Returns how TensorFlow's ops read a part of an array: its shape, and (start, size) of each axis."""
    return " ".join(map(str, shape)) + " " + ":".join(f"{start},{size}" for start, size in parts)
