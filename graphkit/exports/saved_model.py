"""Exports as TensorFlow's SavedModel: a folder with the graph, its variables and a signature."""

import logging
import os

import tensorflow as tf

from graphkit import checks
from graphkit.exports.rebuilding import Rebuilt
from graphkit.running import session as sessions


def save(check: checks.Checker, model: Rebuilt, folder: str | os.PathLike[str]) -> None:
    """Saves a model, whose graph is the default graph, in a new folder.

    Raises:
      OSError: the folder cannot be written.
    """
    v1 = tf.compat.v1
    signature = v1.saved_model.build_signature_def(
        {name: describe(tensor) for name, tensor in model.inputs.items()},
        {name: describe(tensor) for name, tensor in model.outputs.items()},
        tf.saved_model.PREDICT_METHOD_NAME,
    )
    fill_tables = tf.group(*model.initializers, name="fill_tables") if model.initializers else None
    saver = v1.train.Saver(model.variables, allow_empty=True)
    try:
        with sessions.tensorflow_logs(is_warning):
            builder = v1.saved_model.Builder(os.fspath(folder))
            builder.add_meta_graph_and_variables(
                model.session,
                [tf.saved_model.SERVING],
                {tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY: signature},
                main_op=fill_tables,
                strip_default_attrs=True,
                saver=saver,
            )
            builder.save()
    except tf.errors.OpError as error:
        raise OSError(check.message(f"cannot write {folder} ({error})")) from error


def is_warning(record: logging.LogRecord) -> bool:
    """True unless the record is news of the folder that TensorFlow writes, which is renamed afterwards."""
    return record.levelno >= logging.WARNING


def describe(tensor: tf.Tensor) -> tf.compat.v1.TensorInfo:
    """Returns the `TensorInfo` that stands for a tensor in a signature."""
    shape, dtype = tensor.shape.as_proto(), tensor.dtype.as_datatype_enum
    return tf.compat.v1.TensorInfo(name=tensor.name, dtype=dtype, tensor_shape=shape)
