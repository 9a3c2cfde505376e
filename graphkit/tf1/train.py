"""`tf.train`: that of `tf.compat.v1`, with global steps that are resource variables, and old names."""

from collections.abc import Callable
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
    if graph.get_collection(tf.compat.v1.GraphKeys.GLOBAL_STEP):
        return
    for variable in graph.get_collection(tf.compat.v1.GraphKeys.GLOBAL_VARIABLES):
        if variable.op.name == "global_step" and variable.dtype.is_integer and variable.shape.rank == 0:
            graph.add_to_collection(tf.compat.v1.GraphKeys.GLOBAL_STEP, variable)


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


def global_step(sess: tf.compat.v1.Session, global_step_tensor: Any) -> int:
    """Returns the value of the global step in a session."""
    return int(sess.run(global_step_tensor))


def knowing_global_step(make: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a maker of sessions that first registers the program's own global step."""

    def made(*args: Any, **kwargs: Any) -> Any:
        register_global_step()
        return make(*args, **kwargs)

    made.__name__, made.__doc__ = make.__name__, make.__doc__
    return made


MonitoredTrainingSession = knowing_global_step(V1.MonitoredTrainingSession)
SingularMonitoredSession = knowing_global_step(V1.SingularMonitoredSession)
MonitoredSession = knowing_global_step(V1.MonitoredSession)
Supervisor = knowing_global_step(V1.Supervisor)

__getattr__, __dir__ = overlay.over(__name__, V1)
