"""Writes the class probabilities of a run as a TensorFlow SavedModel, for programs without graphkit.

The new folder holds the network and its best weights, without what only training needs. The script prints
the input and output of the model, and the lines that load it.
"""

import argparse
import os
from pathlib import Path

import graphkit as gk
from graphkit import checks

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


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("logdir", metavar="LOGDIR", help="folder of the run, as train.py made it")
    parser.add_argument("folder", metavar="FOLDER", help="folder to write to; must be new or empty")
    return parser.parse_args(argv)


def describe(kind, tensor, name):
    """Returns a line about an input or an output."""
    return f"{kind:9}{name} {tensor.dtype.name} {tuple(tensor.shape.as_list())}"


def main(argv=None):
    args = parse(argv)
    run = gk.runs.load_run(args.logdir, device="cpu")
    config, network = run.config, run.network
    with run.trainer as trainer:
        trainer.export(args.folder, {"probabilities": network.probabilities})
    size = sum(path.stat().st_size for path in Path(args.folder).rglob("*") if path.is_file())
    if config.image_shape is not None:
        prepare = IMAGES.format(shape=", ".join(map(str, config.image_shape)))
    else:
        prepare = WORDS.format(alphabet=config.alphabet, length=config.length)
    name = network.inputs.op.name
    print(f"{args.folder}: {config.model} of {args.logdir}, {size:,} bytes")
    print(describe("input", network.inputs, name))
    print(describe("output", network.probabilities, "probabilities"))
    print(f"classes  {', '.join(config.classes)}")
    print(LOADING.format(folder=os.path.abspath(args.folder), prepare=prepare, name=name))


if __name__ == "__main__":
    checks.run_script(main)
