"""`tf.train`: that of `tf.compat.v1`, with global steps that are resource variables, and old names."""

import functools
from typing import Any

import tensorflow as tf

from graphkit.nn import scopes
from graphkit.tf1 import overlay

V1 = tf.compat.v1.train
SummaryWriter = tf.compat.v1.summary.FileWriter


def register_global_step(graph: tf.Graph | None = None) -> None:
    """Puts a program's own integer variable "global_step" where TensorFlow looks for it.

    By name alone, TensorFlow finds the handle of a resource variable, and says that it is not an integer.
    """
    graph = graph or tf.compat.v1.get_default_graph()
    own = scopes.own_global_step(graph)
    if own is not None and not graph.get_collection(tf.compat.v1.GraphKeys.GLOBAL_STEP):
        graph.add_to_collection(tf.compat.v1.GraphKeys.GLOBAL_STEP, own)


def get_global_step(graph: tf.Graph | None = None) -> tf.Variable | None:
    """Returns the graph's global step, or None."""
    register_global_step(graph)
    return V1.get_global_step(graph)


def get_or_create_global_step(graph: tf.Graph | None = None) -> tf.Variable:
    """Returns the graph's global step, made at the first call."""
    with (graph or tf.compat.v1.get_default_graph()).as_default():
        register_global_step()
        return scopes.global_step()


def create_global_step(graph: tf.Graph | None = None) -> tf.Variable:
    """Makes the graph's global step; `ValueError` if there is one."""
    if get_global_step(graph) is not None:
        raise ValueError('"global_step" already exists.')
    return get_or_create_global_step(graph)


@functools.wraps(V1.MonitoredTrainingSession)
def MonitoredTrainingSession(*args: Any, **kwargs: Any) -> Any:
    register_global_step()
    return V1.MonitoredTrainingSession(*args, **kwargs)


def knowing_global_step(kind: Any) -> Any:
    """Returns a class of sessions that first register the program's own global step."""

    def make(self: Any, *args: Any, **kwargs: Any) -> None:
        register_global_step()
        kind.__init__(self, *args, **kwargs)

    return type(kind.__name__, (kind,), {"__init__": make, "__doc__": kind.__doc__})


SingularMonitoredSession = knowing_global_step(V1.SingularMonitoredSession)
MonitoredSession = knowing_global_step(V1.MonitoredSession)
Supervisor = knowing_global_step(V1.Supervisor)

__getattr__, __dir__ = overlay.over(__name__, V1)
