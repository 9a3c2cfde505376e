"""`model.json`: what an export takes and gives, for who loads it without the program that wrote it."""

import json
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from graphkit import checks
from graphkit._version import __version__
from graphkit.exports.rebuilding import Rebuilt
from graphkit.running.pixels import scalings

NAME = "model.json"
OWN = ("inputs", "outputs", "made_by")  # what graphkit writes; the rest is the program's


def check_info(check: checks.Checker, info: Any, outputs: Mapping[str, tf.Tensor]) -> dict[str, Any]:
    """Returns the program's own part of the card, as JSON has it.

    Raises:
      TypeError: info is not a dict, or classes are not a list of names.
      ValueError: JSON does not have its values, a name is graphkit's, or no output has as many columns as
        there are classes.
    """
    check.require_type(info is None or isinstance(info, Mapping), "info must be a dict", info=info)
    fields = dict(info or {})
    taken = [name for name in OWN if name in fields]
    check.require(not taken, f"info must not have the names {', '.join(OWN)}", names=taken)
    if "classes" in fields:
        classes = fields["classes"]
        names = isinstance(classes, (list, tuple)) and all(isinstance(name, str) for name in classes)
        check.require_type(names, "classes must be a list of names", classes=classes)
        shapes = {
            name: tensor.shape.as_list() if tensor.shape.rank else [None] for name, tensor in outputs.items()
        }
        widths = {name: shape[-1] for name, shape in shapes.items()}
        rule = "an output must have a column for each of the classes"
        fits = None in widths.values() or len(classes) in widths.values()
        check.require(fits, rule, classes=len(classes), columns=widths)
    try:
        return json.loads(json.dumps(fields, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ValueError(check.message(f"info must hold what JSON can hold ({error})", info=info)) from None


def write(graph: tf.Graph, model: Rebuilt, info: Mapping[str, Any]) -> str:
    """Returns the text of the card.

    Args:
      graph: the trainer's graph, which knows how pixels are scaled.
      model: the exported model.
      info: as `check_info` returned it.
    """
    fields = {
        "inputs": {name: describe(tensor) for name, tensor in model.inputs.items()},
        "outputs": {name: describe(tensor) for name, tensor in model.outputs.items()},
        **info,
        "made_by": f"graphkit {__version__}, TensorFlow {tf.__version__}",
    }
    for name, scaling in scalings(graph).items():
        own = name.rsplit(":", 1)[0]
        if own in fields["inputs"]:
            is_uint8 = model.inputs[own].dtype == tf.uint8
            stated: dict[str, Any] = {"scaled": "in the model" if is_uint8 else "(pixel - offset) / scale"}
            stated |= {} if is_uint8 else {"range": [scaling.lowest, scaling.highest]}
            fields["inputs"][own]["pixels"] = {**scaling._asdict(), **stated}
    return json.dumps(fields, indent=1, ensure_ascii=False) + "\n"


def describe(tensor: tf.Tensor) -> dict[str, Any]:
    shape = None if tensor.shape.rank is None else tensor.shape.as_list()
    return {"dtype": tensor.dtype.name, "shape": shape}
