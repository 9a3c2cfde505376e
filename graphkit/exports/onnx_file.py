"""Exports as ONNX, by tf2onnx: a file with the graph and its weights."""

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from graphkit import checks
from graphkit.exports import frozen, loops
from graphkit.exports.card import NAME
from graphkit.exports.rebuilding import Rebuilt
from graphkit.running import session as sessions


def serialize(check: checks.Checker, model: Rebuilt, card: str) -> bytes:
    """Returns the content of an `.onnx` file.

    Raises:
      ImportError: tf2onnx is not installed.
      ValueError: ONNX has no form for an op, or an input and an output have one name.
    """
    onnx = check.optional_module("onnx", "onnx")
    tf2onnx = check.optional_module("tf2onnx", "onnx")
    both = sorted(model.inputs.keys() & model.outputs.keys())
    check.require(not both, "an input and an output of an ONNX file must not have one name", names=both)
    plain = frozen.freeze(check, model)
    loops.keep_functional(plain.definition)
    loops.separate_limits(plain.definition)
    named = {**plain.inputs, **plain.outputs}
    missing: dict[str, str] = {}
    failed: list[str] = []
    with quiet(missing, failed):
        made, _ = tf2onnx.convert.from_graph_def(
            plain.definition,
            name="graphkit",
            input_names=[tensor.name for tensor in plain.inputs.values()],
            output_names=[tensor.name for tensor in plain.outputs.values()],
            tensors_to_rename={tensor.name: name for name, tensor in named.items()},
        )
    check.require(not missing, "ONNX cannot express all ops of the outputs", ops=missing)
    check.require(not failed, "tf2onnx cannot convert the outputs", errors=failed)
    for value in (*made.graph.input, *made.graph.output):
        name_axes(value, named[value.name].shape)
    onnx.helper.set_model_props(made, {NAME: card})
    try:
        onnx.checker.check_model(made, full_check=True)
    except Exception as error:
        rule = f"tf2onnx made a file that is not valid ({str(error).splitlines()[0]})"
        raise ValueError(check.message(rule)) from error
    return made.SerializeToString(deterministic=True)


@contextlib.contextmanager
def quiet(missing: dict[str, str], failed: list[str]) -> Iterator[None]:
    """In a block, keeps what tf2onnx logs to itself.

    Args:
      missing: takes {type of an op: name of the first} of those that tf2onnx does not know.
      failed: takes the text of other errors.
    """

    class Errors(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.msg == "Tensorflow op [%s: %s] is not supported":
                name, kind = record.args  # type: ignore[misc]  # the logger has checked how many
                missing.setdefault(str(kind), str(name))
            elif record.levelno >= logging.ERROR:
                failed.append(record.getMessage())

    logger, handler = logging.getLogger("tf2onnx"), Errors()
    propagates, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        with sessions.tensorflow_logs(frozen.is_no_advice):
            yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagates


def name_axes(value: Any, shape: tf.TensorShape) -> None:
    """Names the axes of an input or an output that can have any size: the first one "batch"."""
    for axis, size in enumerate([] if shape.rank is None else shape.as_list()):
        if size is None and axis < len(value.type.tensor_type.shape.dim):
            value.type.tensor_type.shape.dim[axis].dim_param = f"{value.name}_{axis}" if axis else "batch"
