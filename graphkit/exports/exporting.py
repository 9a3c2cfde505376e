"""Exporting: checks the arguments, and writes a file or a folder that is complete or not there."""

import os
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from graphkit import checks
from graphkit.exports import card, frozen, onnx_file, saved_model, tflite
from graphkit.exports.extract import Extract
from graphkit.exports.rebuilding import Rebuilt, rebuilt
from graphkit.graph import walk
from graphkit.running import files
from graphkit.running.pixels import scalings

# {suffix: function (check, model, card) -> content of the file}; a path of no such suffix is a SavedModel's.
FILES: dict[str, Callable[[checks.Checker, Rebuilt, str], bytes]] = {
    ".tflite": tflite.serialize,
    ".onnx": onnx_file.serialize,
    ".pb": frozen.serialize,
}
VERSION = re.compile(r"\.v?\d.*|")  # what a folder's name may end in, such as model-1.5 or model.v2
HANDLES = (tf.resource, tf.variant)  # dtypes that no array has


def check_path(check: checks.Checker, path: Any) -> Path:
    """Returns the path, without links; an export must be able to take its place.

    Raises:
      TypeError: it is not a path.
      ValueError: its suffix is not that of a format, or TensorFlow could not load a SavedModel there.
      FileExistsError: it is a file, a folder that is not empty, or the current folder.
    """
    path = check.path("path", path)
    files.check_path(check, path=path)
    suffix = Path(path).suffix.lower()
    found = Path(os.path.realpath(path))  # a folder cannot be renamed onto a link
    rule = f"the suffix says the format: {', '.join(FILES)}, or none for the folder of a SavedModel"
    rule += "; gk.to_numpy writes .py" if suffix == ".py" else checks.near(suffix, FILES)
    check.require(suffix in FILES or VERSION.fullmatch(suffix) or found.is_dir(), rule, path=path)
    if suffix in FILES:
        rule = "path must be new"
        free = False
    else:
        rule = "path must be new, or an empty folder other than the current one"
        free = found.is_dir() and found != Path.cwd() and not any(found.iterdir())
    if found.exists() and not free:
        raise FileExistsError(check.message(rule, path=path))
    return found


def check_outputs(check: checks.Checker, graph: tf.Graph, outputs: Any) -> dict[str, tf.Tensor]:
    """Returns {name: tensor} of a tensor, which is named "output", or of such a dict.

    Raises:
      TypeError: outputs are not tensors, or names are not strings.
      ValueError: no output, a tensor of another graph or one without values, or a name that is not printable.
    """
    rule = "outputs must be a tensor of the trainer's graph, or {name: tensor}"
    if walk.is_graph_tensor(outputs):
        outputs = {"output": outputs}
    check.require_type(isinstance(outputs, dict), rule, outputs=outputs)
    check.require(outputs, rule, outputs=outputs)
    for name, tensor in outputs.items():
        named_tensor = isinstance(name, str) and walk.is_graph_tensor(tensor)
        check.require_type(named_tensor, rule, name=name, output=tensor)
        check.require(tensor.graph is graph, rule, name=name, output=tensor.name)
        check.require(name and name.isprintable(), "names must be printable", name=name)
        fetchable = graph.is_fetchable(tensor) and tensor.dtype not in HANDLES
        values = f"{tensor.name} must have values that can be fetched"
        check.require(fetchable, values, name=name, dtype=tensor.dtype.name)
    return dict(outputs)


def write(
    check: checks.Checker,
    session: tf.compat.v1.Session,
    path: Path,
    outputs: Mapping[str, tf.Tensor],
    constants: Mapping[tf.Tensor, Any],
    *,
    pixels: bool,
    info: Mapping[str, Any],
) -> None:
    """Writes what the outputs need, in the format that the path's suffix says.

    Args:
      check: of the function that users called.
      session: of their graph; the variables have its values.
      path: as `check_path` returned it; what is there is complete afterwards, or as it was before.
      outputs: {name: tensor}, as `check_outputs` returned it.
      constants: {placeholder: value} of what is to be constant; other defaults stay.
      pixels: whether images are taken as uint8 pixels, and scaled in the graph.
      info: of the program, as `card.check_info` returned it.

    Raises:
      ValueError: an output depends on no input, or on state or code that the format cannot hold; pixels
        without an input of images.
      OSError: the file or the folder cannot be written.
    """
    extract = Extract(check, session, outputs=outputs, constants=constants)
    names = [tensor.name for tensor in extract.inputs]
    scaled = not pixels or any(name in scalings(session.graph) for name in names)
    check.require(scaled, "pixels=True needs an input that gk.image_input made, with a scale", inputs=names)
    values = session.run(extract.variables)
    with rebuilt(extract, values, pixels=pixels) as model:
        text = card.write(session.graph, model, info)
        if path.suffix.lower() in FILES:
            content = FILES[path.suffix.lower()](check, model, text)
            write_file(check, path, content)
        else:
            write_folder(check, path, model, text)


def write_file(check: checks.Checker, path: Path, content: bytes) -> None:
    with check.system_errors(f"cannot write {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.replacing(path, mode="xb", encoding=None) as stream:
            stream.write(content)


def write_folder(check: checks.Checker, path: Path, model: Rebuilt, text: str) -> None:
    with check.system_errors(f"cannot write {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Built next to its place, so on the same disk, and renamed into it: nobody finds half a model there.
        # In a new folder of the builder's, since a temporary one can be read by its owner alone.
        with tempfile.TemporaryDirectory(prefix=f".{path.name[:50]}-", dir=path.parent) as work:
            made = Path(work, "model")
            saved_model.save(check, model, made)
            (made / card.NAME).write_text(text, encoding="utf-8")
            os.replace(made, path)
