"""The graph of an export: the ops that it needs, in a new graph, with the values of the variables."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from graphkit.exports.extract import Extract
from graphkit.graph import copies
from graphkit.running import session as sessions
from graphkit.running.pixels import scalings


class Rebuilt(NamedTuple):
    """A graph that computes the outputs alone, with a session that has its variables' values.

    Attributes:
      session: the session; its graph is the default graph.
      inputs: {name: placeholder}.
      outputs: {name: tensor}.
      variables: {name: variable}.
      initializers: ops that fill tables.
    """

    session: tf.compat.v1.Session
    inputs: dict[str, tf.Tensor]
    outputs: dict[str, tf.Tensor]
    variables: dict[str, tf.Variable]
    initializers: list[tf.Operation]


@contextlib.contextmanager
def rebuilt(extract: Extract, values: Mapping[tf.Operation, Any], *, pixels: bool) -> Iterator[Rebuilt]:
    """Builds an extract in a new graph, which is the default graph of the block.

    Args:
      extract: what is copied.
      values: {op that is a variable: its value}.
      pixels: whether images are taken as uint8 pixels, and scaled in the graph.
    """
    # On the processor, and without the trainer's session_config: it only holds the values to be saved.
    config = sessions.make_config("cpu")
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph, config=config) as session:
        variables = {op: make_variable(op, old, values[op]) for op, old in extract.variables.items()}
        given = {
            op.outputs[0].name: new.handle if op.type == "VarHandleOp" else new.read_value()
            for op, new in variables.items()
        }
        images = pixel_inputs(extract) if pixels else {}
        given |= {name: scaled for name, (_, scaled) in images.items()}
        wanted = [*extract.inputs, *extract.outputs.values(), *extract.initializers]
        names = [element.name for element in wanted if element.name not in images]
        definition = extract.definition(
            without=[tensor.op for tensor in extract.inputs if tensor.name in images]
        )
        copy = dict(zip(names, copies.paste(definition, given, names), strict=True)) | given
        taken = copy | {name: placeholder for name, (placeholder, _) in images.items()}
        sessions.assign(session, [(new, values[op]) for op, new in variables.items()])
        yield Rebuilt(
            session,
            {placeholder.op.name: taken[placeholder.name] for placeholder in extract.inputs},
            {name: copy[tensor.name] for name, tensor in extract.outputs.items()},
            {op.name: new for op, new in variables.items()},
            [copy[op.name] for op in extract.initializers],
        )


def make_variable(op: tf.Operation, old: tf.Variable, value: Any) -> tf.Variable:
    """Makes a variable in the place of an old one, which was this op.

    Its value is assigned later: as an initial value, it would be a constant in the graph, which TensorFlow
    limits to 2 GB, and the SavedModel would hold all weights twice.
    """
    shape, dtype = np.shape(value), old.dtype.base_dtype
    return tf.compat.v1.Variable(
        lambda: tf.zeros(shape, dtype), trainable=old.trainable, name=op.name, use_resource=True
    )


def pixel_inputs(extract: Extract) -> dict[str, tuple[tf.Tensor, tf.Tensor]]:
    """Makes {name of an image placeholder: (placeholder of uint8 pixels, scaled pixels)}."""
    known, made = scalings(extract.graph), {}
    for old in extract.inputs:
        if old.name in known:
            pixels = tf.compat.v1.placeholder(tf.uint8, old.shape, name=old.op.name)
            with tf.compat.v1.name_scope("graphkit/pixels/"):
                scaled = known[old.name].emit(pixels, old.dtype)
            made[old.name] = pixels, scaled
    return made
