"""Writes the class probabilities of a run as a TensorFlow SavedModel, for programs without graphkit.

The new folder holds the network and its best weights, without what only training needs. Printed are the
input and output of the model, and the lines that load it.
"""

import argparse
import os
from pathlib import Path
from typing import Any

import graphkit as gk
from graphkit.commands.options import CommandParser, Output

IMAGES = """\
    # pixels: uint8 images (N, {shape})
    images = (pixels.astype("float32") - 128) / 128
"""
WORDS = """\
    # words: a list of str; 0 is padding, 1 an unknown character
    alphabet = {alphabet!r}
    tokens = [[alphabet.find(c) + 2 for c in w[:{length}]] + [0] * ({length} - len(w)) for w in words]
"""
LOADING = """\
To load it:
    import tensorflow as tf
    model = tf.saved_model.load({folder!r}).signatures["serving_default"]
{prepare}\
    probabilities = model({name}=tf.constant({name}))["probabilities"]"""


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("logdir", metavar="LOGDIR", help="folder of the run, as graphkit train made it")
    parser.add_argument("folder", metavar="FOLDER", help="folder to write to; must be new or empty")


def describe(kind: str, tensor: Any, name: str) -> str:
    """Returns a line about an input or an output."""
    return f"{kind:9}{name} {tensor.dtype.name} {tuple(tensor.shape.as_list())}"


def run(options: argparse.Namespace) -> Output:
    run = gk.runs.load_run(options.logdir, device="cpu")
    config, network = run.config, run.network
    with run.trainer as trainer:
        trainer.export(options.folder, {"probabilities": network.probabilities})
    size = sum(path.stat().st_size for path in Path(options.folder).rglob("*") if path.is_file())
    if config.image_shape is not None:
        prepare = IMAGES.format(shape=", ".join(map(str, config.image_shape)))
    else:
        prepare = WORDS.format(alphabet=config.alphabet, length=config.length)
    name = network.inputs.op.name
    lines = [
        f"{options.folder}: {config.model} of {options.logdir}, {size:,} bytes",
        describe("input", network.inputs, name),
        describe("output", network.probabilities, "probabilities"),
        f"classes  {', '.join(config.classes)}",
        LOADING.format(folder=os.path.abspath(options.folder), prepare=prepare, name=name),
    ]
    fields = {"folder": options.folder, "bytes": size, "input": name, "classes": list(config.classes)}
    return Output("\n".join(lines), fields)
