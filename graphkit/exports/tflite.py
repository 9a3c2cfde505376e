"""Exports as TFLite, for LiteRT: a file with the graph, its weights and a signature."""

import contextlib
import io
import os
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator

import tensorflow as tf

from graphkit import checks
from graphkit.exports import frozen, saved_model
from graphkit.exports.card import NAME
from graphkit.exports.rebuilding import Rebuilt
from graphkit.running import files
from graphkit.running import session as sessions

MISSING = re.compile(r"(?:TF Select|Custom) ops: (.*)")  # "TF Select ops: Lgamma, Roll"
FAILED = re.compile(r"'tf\.(\w+)' op")


def serialize(check: checks.Checker, model: Rebuilt, card: str) -> bytes:
    """Returns the content of a `.tflite` file.

    Raises:
      ValueError: LiteRT has no kernel for an op.
    """
    plain = frozen.freeze(check, model)
    with files.temporary_folder(check) as work, tf.Graph().as_default():
        wanted = [tensor.name for tensor in (*plain.inputs.values(), *plain.outputs.values())]
        copy = dict(
            zip(wanted, tf.import_graph_def(plain.definition, return_elements=wanted, name=""), strict=True)
        )
        with tf.compat.v1.Session(config=sessions.make_config("cpu")) as session:
            again = Rebuilt(
                session,
                {name: copy[tensor.name] for name, tensor in plain.inputs.items()},
                {name: copy[tensor.name] for name, tensor in plain.outputs.items()},
                {},
                [],
            )
            folder = os.path.join(work, "model")
            saved_model.save(check, again, folder)
        return with_card(convert(check, folder), card)


def convert(check: checks.Checker, folder: str) -> bytes:
    """Returns what TensorFlow's converter makes of a SavedModel."""
    printed: list[str] = []
    try:
        with sessions.tensorflow_logs(lambda record: False), standard_error(printed):
            return eagerly(lambda: tf.lite.TFLiteConverter.from_saved_model(folder).convert())
    except Exception as error:  # its own class is private
        text = f"{error}\n{''.join(printed)}"
        ops = {op.strip() for line in MISSING.findall(text) for op in line.split(",")}
        ops = ops or set(FAILED.findall(text))
        cause = {} if ops else {"cause": text.strip().split("\n")[0]}
        rule = "TFLite cannot express all ops of the outputs for a batch of any size"
        if any(op.startswith("TensorList") for op in ops):
            rule += " (lists of all steps of a loop; gk.rnn unrolls up to 32 known steps, which it can)"
        raise ValueError(check.message(rule, ops=sorted(ops), **cause)) from error


def eagerly(function: Callable[[], bytes]) -> bytes:
    """Calls a function where TensorFlow executes eagerly, also after `tf.disable_v2_behavior()`.

    Elsewhere `tf.lite.TFLiteConverter` is another converter, which makes files without signatures.
    """
    with tf.init_scope():
        if tf.executing_eagerly():
            return function()
    results: list[bytes] = []
    errors: list[Exception] = []

    def call() -> None:
        try:
            results.append(function())
        except Exception as error:  # TensorFlow would only hand on its text
            errors.append(error)

    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        session.run(tf.py_function(call, [], []))  # the one public way to execute eagerly there
    if errors:
        raise errors[0]
    return results[0]


@contextlib.contextmanager
def standard_error(lines: list[str]) -> Iterator[None]:
    """In a block, takes down what libraries write to the process's standard error.

    The converter is not Python code: it prints the graph of what it cannot convert, pages of it.
    """
    with tempfile.TemporaryFile() as file:
        kept = os.dup(2)
        try:
            os.dup2(file.fileno(), 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            lines.append(file.read().decode(errors="replace"))


def with_card(content: bytes, card: str) -> bytes:
    """Returns the file with `model.json` in a ZIP archive at its end, where TFLite's tools keep labels."""
    stream = io.BytesIO(content)
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr(zipfile.ZipInfo(NAME), card)  # without the time, so that files are reproducible
    return stream.getvalue()
