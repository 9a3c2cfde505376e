"""Scopes of layers and ops, and the graph's global step."""

import contextlib
import weakref
from collections.abc import Iterator
from enum import Enum
from typing import TypeAlias

import tensorflow as tf

from graphkit import checks
from graphkit.graph import lines, walk

Reuse: TypeAlias = bool | Enum | None  # the Enum is tf.compat.v1.AUTO_REUSE
# {graph: the line that made its trainer}. Not a collection of the graph: that would be exported with it, and
# the graph that a program imports from there has no trainer.
TRAINERS: "weakref.WeakKeyDictionary[tf.Graph, str]" = weakref.WeakKeyDictionary()
NEW_NETWORK = "begin a new network with gk.reset(), or in `with tf.Graph().as_default():`"


def check_growing(check: checks.Checker) -> None:
    """Refuses to add ops in eager mode, and to a finalized graph; names the caller's line."""
    if tf.executing_eagerly():
        rule = (
            "ops are added to a graph, and TensorFlow executes eagerly here; put the call under "
            "`with tf.Graph().as_default():`, or begin the program with "
            f"tf.compat.v1.disable_eager_execution(); called at {lines.caller_line()}"
        )
        raise RuntimeError(check.message(rule))
    if tf.compat.v1.get_default_graph().finalized:
        rule = (
            "the graph is finalized, and cannot grow; build this op before graph.finalize(), or before the "
            f"session that calls it; called at {lines.caller_line()}"
        )
        raise RuntimeError(check.message(rule))


def check_outside_functions(check: checks.Checker, op: tf.Operation, rule: str) -> None:
    """Raises `ValueError` if an op of a collection is inside a branch, a loop or a function.

    A collection hands its ops to code outside, such as a trainer, which can neither read a value from there
    nor run an op there: of an op in a `FuncGraph` it has not even the graph.
    """
    with tf.init_scope():
        outside = tf.compat.v1.get_default_graph()
    within = op.graph is not outside or not op.graph.is_fetchable(op)
    check.require(not within, f"{rule}; called at {lines.caller_line()}", op=op.name)


def runs_more_than_once(op: tf.Operation) -> bool:
    """Whether a step may run the op several times: inside a function, or a loop of TensorFlow 1."""
    with tf.init_scope():
        outside = tf.compat.v1.get_default_graph()
    if op.graph is not outside:
        return True
    # Inside control flow of TensorFlow 1 nothing can be fetched; a branch runs once at most.
    return not op.graph.is_fetchable(op) and op in walk.inside_control_flow(
        walk.as_made(walk.ancestors([op])), branches=False
    )


def unique_outside(name: str) -> str:
    """Returns a name that no other op has, in the graph around all functions."""
    with tf.init_scope():
        return tf.compat.v1.get_default_graph().unique_name(name)


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
    """Opens the variable scope of a layer as tf.layers does: unnamed layers are numbered.

    A scope that is handed over as the name is the layer's own: its ops lie in the scope's first name scope.
    """
    check_growing(check)
    if isinstance(name, tf.compat.v1.VariableScope):
        with (
            tf.compat.v1.variable_scope(name, reuse=reuse, auxiliary_name_scope=False) as scope,
            tf.compat.v1.name_scope(scope.original_name_scope),
        ):
            yield scope
        return
    default_name = default_name or check.function
    # variable_scope numbers an unnamed layer that reuses variables, too. In tf.layers it means the first one.
    if name is None and reuse:
        name = default_name
    with tf.compat.v1.variable_scope(name, default_name=default_name, reuse=reuse) as scope:
        yield scope


def global_step() -> tf.Variable:
    """Returns the variable that counts the graph's steps, made at the first call, outside all scopes.

    A program's own integer `tf.Variable(0, name="global_step")` is taken as TensorFlow 1 did.
    `get_global_step` refuses it where it is a resource variable, and returns a tensor where it is not.
    """
    graph, key = tf.compat.v1.get_default_graph(), tf.compat.v1.GraphKeys.GLOBAL_STEP
    if graph.get_collection(key):
        return tf.compat.v1.train.get_global_step()
    own = own_global_step(graph)
    if own is not None:
        return own
    taken = any(op.name == "global_step" for op in graph.get_operations())
    # create_global_step takes the initializer, regularizer and reuse of the scope around it, which are
    # not for a counter. init_scope leaves a branch of tf.cond, where no variable can be made.
    root = tf.compat.v1.VariableScope(reuse=False, use_resource=True)
    with tf.init_scope(), tf.compat.v1.variable_scope(root, auxiliary_name_scope=False):
        if not taken:
            return tf.compat.v1.train.create_global_step()
        keys = [tf.compat.v1.GraphKeys.GLOBAL_VARIABLES, key]
        name, zero = "graphkit/global_step", tf.compat.v1.zeros_initializer()
        return tf.compat.v1.get_variable(
            name, (), tf.int64, zero, trainable=False, collections=keys, use_resource=True
        )


def own_global_step(graph: tf.Graph) -> tf.Variable | None:
    """Returns the integer variable that a program calls "global_step", in no collection for it; else None."""
    for variable in graph.get_collection(tf.compat.v1.GraphKeys.GLOBAL_VARIABLES):
        if variable.op.name == "global_step" and variable.dtype.is_integer and variable.shape.rank == 0:
            return variable
    return None
