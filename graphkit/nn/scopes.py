"""Scopes of layers and ops, the graph's global step, and the caller's line for messages."""

import contextlib
import os
import traceback
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import TypeAlias

import tensorflow as tf

from graphkit import checks

# A frame in one of these is not the user's: graphkit, TensorFlow, and the `with` statements of both.
OWN_FILES = (
    *(os.path.join(os.path.dirname(path), "") for path in (checks.__file__, tf.__file__)),
    contextlib.__file__,
)
UNKNOWN_LINE = "an unknown line"

Reuse: TypeAlias = bool | Enum | None  # the Enum is tf.compat.v1.AUTO_REUSE


def caller_line() -> str:
    """Returns "file:line" of the innermost caller outside graphkit and TensorFlow."""
    return user_line(traceback.extract_stack())


def user_line(frames: Sequence[traceback.FrameSummary] | None) -> str:
    """Returns "file:line" of a stack's innermost frame outside graphkit and TensorFlow."""
    for frame in reversed(frames or ()):
        if not frame.filename.startswith(OWN_FILES):
            return f"{frame.filename}:{frame.lineno}"
    return UNKNOWN_LINE


def check_growing(check: checks.Checker) -> None:
    """Refuses to add ops in eager mode, and to a finalized graph; names the caller's line."""
    if tf.executing_eagerly():
        rule = (
            "ops are added to a graph, and TensorFlow executes eagerly here; put the call under "
            "`with tf.Graph().as_default():`, or begin the program with "
            f"tf.compat.v1.disable_eager_execution(); called at {caller_line()}"
        )
        raise RuntimeError(check.message(rule))
    if tf.compat.v1.get_default_graph().finalized:
        rule = (
            "the graph is finalized since a Trainer made its session, and cannot grow; "
            f"build this op before the Trainer; called at {caller_line()}"
        )
        raise RuntimeError(check.message(rule))


@contextlib.contextmanager
def op_scope(check: checks.Checker, name: str | None) -> Iterator[str]:
    """Opens the name scope of a builder that makes no variables."""
    check_growing(check)
    with tf.compat.v1.name_scope(name, check.function) as scope:
        yield scope


@contextlib.contextmanager
def layer_scope(
    check: checks.Checker,
    name: str | tf.compat.v1.VariableScope | None,
    default_name: str | None = None,
    reuse: Reuse = None,
) -> Iterator[tf.compat.v1.VariableScope]:
    """Opens the variable scope of a layer as tf.layers does: unnamed layers are numbered."""
    check_growing(check)
    default_name = default_name or check.function
    # variable_scope numbers an unnamed layer that reuses variables, too. In tf.layers it means the first one.
    if name is None and reuse:
        name = default_name
    with tf.compat.v1.variable_scope(name, default_name=default_name, reuse=reuse) as scope:
        yield scope


def global_step() -> tf.Variable:
    """Returns the graph's global step, made at the first call, outside all variable scopes."""
    step = tf.compat.v1.train.get_global_step()
    if step is None:
        # create_global_step takes the initializer, regularizer and reuse of the scope around it, which are
        # not for a counter. init_scope leaves a branch of tf.cond, where no variable can be made.
        root = tf.compat.v1.VariableScope(reuse=False)
        with tf.init_scope(), tf.compat.v1.variable_scope(root, auxiliary_name_scope=False):
            step = tf.compat.v1.train.create_global_step()
    return step
