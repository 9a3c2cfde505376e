"""Files of models, written as programs wrote them."""

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1


def freeze(session, outputs, path):
    """Writes a frozen graph as TensorFlow 1 did."""
    definition = session.graph.as_graph_def()
    frozen = v1.graph_util.convert_variables_to_constants(session, definition, [t.op.name for t in outputs])
    path.write_bytes(frozen.SerializeToString())
    return path


def save_meta(session, path):
    """Writes a checkpoint with its `.meta`."""
    return v1.train.Saver().save(session, str(path))


def save_model(session, inputs, outputs, folder, name="serving_default"):
    """Writes a SavedModel as `simple_save` did."""
    builder = v1.saved_model.Builder(str(folder))
    signature = v1.saved_model.predict_signature_def(inputs, outputs)
    builder.add_meta_graph_and_variables(session, ["serve"], {name: signature})
    builder.save()
    return folder


def open_session():
    """Returns a session of the default graph, of which the variables have their initial values."""
    session = v1.Session()
    session.run(v1.global_variables_initializer())
    return session


def write(path):
    """Writes the default graph as it is."""
    path.write_bytes(v1.get_default_graph().as_graph_def().SerializeToString())
    return path


def run(model, fetches, feed):
    """Returns what the graph of a revived model computes, {name of an input: array} being fed."""
    with model.graph.as_default(), open_session() as session:
        return session.run(fetches, {model.inputs[name]: value for name, value in feed.items()})


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)
