"""Writes a run's network, with its best weights and without what only training needs.

The suffix of PATH says the format: none for a TensorFlow SavedModel (a folder), .tflite, .onnx, .pb for a
frozen graph, and .py for a file that trains and predicts with NumPy alone (its weights are next to it, in an
.npz file). Inputs, outputs and the lines that load it are printed.
"""

import argparse
import os
from pathlib import Path
from typing import Any

import graphkit as gk
from graphkit import checks
from graphkit.commands.options import CommandParser, Output

IMAGES = """\
    # pixels: uint8 images (N, {shape})
    {name} = (pixels.astype("float32") - 128) / 128
"""
PIXELS = """\
    # {name}: uint8 images (N, {shape})
"""
WORDS = """\
    # words: a list of str; 0 is padding, 1 an unknown character
    alphabet = {alphabet!r}
    {name} = [[alphabet.find(c) + 2 for c in w[:{length}]] + [0] * ({length} - len(w)) for w in words]
"""
ROWS = """\
    # {name}: float32; with graphkit, gk.runs.read_config({logdir!r}).read("table.csv") makes them
"""
LOADING = {
    "": """\
    import tensorflow as tf
    model = tf.saved_model.load({path!r}).signatures["serving_default"]
{prepare}\
    {output} = model({name}=tf.constant({name}))["{output}"]""",
    ".tflite": """\
    from ai_edge_litert.interpreter import Interpreter
    model = Interpreter({path!r}).get_signature_runner("serving_default")
{prepare}\
    {output} = model({name}={name})["{output}"]""",
    ".onnx": """\
    import onnxruntime
    model = onnxruntime.InferenceSession({path!r})
{prepare}\
    ({output},) = model.run(["{output}"], {{"{name}": {name}}})""",
    ".pb": """\
    import tensorflow as tf
    with open({path!r}, "rb") as file:
        definition = tf.compat.v1.GraphDef.FromString(file.read())
{prepare}\
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.import_graph_def(definition, name="")
        {output} = session.run("{output}:0", {{"{name}:0": {name}}})""",
    ".py": """\
    import sys
    sys.path.insert(0, {folder!r})
    from {module} import load, predict
    state = load({weights!r})
{prepare}\
    {output} = predict(state, {name})""",
}


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("logdir", metavar="LOGDIR", help="folder of the run, as graphkit train made it")
    parser.add_argument("path", metavar="PATH", help="new file, or new or empty folder")
    help = "the model takes uint8 images, and scales them itself"
    parser.add_argument("--pixels", action="store_true", help=help)


def run(options: argparse.Namespace) -> Output:
    check, suffix = checks.Checker("export"), Path(options.path).suffix.lower()
    rule = "--pixels is for the other formats: the .py file takes images as gk.scale_pixels scales them"
    check.require(not (options.pixels and suffix == ".py"), rule)
    run = gk.runs.load_run(options.logdir, device="cpu")
    config, network = run.config, run.network
    output = "probabilities" if config.classes else "predictions"
    info = {"classes": list(config.classes)} if config.classes else {}
    with run.trainer as trainer:
        if suffix == ".py":
            path = os.path.abspath(gk.to_numpy(trainer, options.path, network.outputs))
        else:
            outputs = {output: network.outputs}
            path = trainer.export(options.path, outputs, pixels=options.pixels, info=info)
    name = network.inputs.op.name
    kind = "uint8" if options.pixels else network.inputs.dtype.name
    size = size_of(Path(path)) + (size_of(Path(path).with_suffix(".npz")) if suffix == ".py" else 0)
    lines = [
        f"{path}: {config.model} of {options.logdir}, {size:,} bytes",
        f"input    {name} {kind} {shape_of(network.inputs)}",
        f"output   {output} float32 {shape_of(network.outputs)}",
    ]
    if config.classes:
        lines.append(f"classes  {', '.join(config.classes)}")
    lines += ["To load it:", loading(suffix, path, options.logdir, config, name, output, options.pixels)]
    return Output("\n".join(lines), {"path": path, "bytes": size, "input": name, "output": output, **info})


def shape_of(tensor: Any) -> tuple[int | None, ...]:
    return tuple(tensor.shape.as_list())


def size_of(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def loading(suffix: str, path: str, logdir: str, config: Any, name: str, output: str, pixels: bool) -> str:
    """Returns the lines of a program that loads an export."""
    if config.image_shape is not None:
        shape = ", ".join(map(str, config.image_shape))
        prepare = (PIXELS if pixels else IMAGES).format(name=name, shape=shape)
    elif config.alphabet is not None:
        prepare = WORDS.format(name=name, alphabet=config.alphabet, length=config.length)
    else:
        prepare = ROWS.format(name=name, logdir=os.path.abspath(logdir)) * bool(config.format)
    found = Path(os.path.abspath(path))
    return LOADING.get(suffix, LOADING[""]).format(
        path=str(found),
        folder=str(found.parent),
        module=found.stem,
        weights=str(found.with_suffix(".npz")),
        prepare=prepare,
        name=name,
        output=output,
    )
