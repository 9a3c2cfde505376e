"""Files of models, as `gk.revive` reads them."""

import tempfile
from pathlib import Path

import tensorflow as tf

import graphkit as gk
from fuzzing.damage import damage
from fuzzing.target import Target

v1 = tf.compat.v1


def valid_files():
    """Returns {file name: bytes} of a frozen graph, and of a checkpoint with its `.meta`."""
    with tempfile.TemporaryDirectory() as folder, tf.Graph().as_default() as graph:
        logits = gk.dense(gk.flatten(gk.conv2d(gk.image_input(4, 4, 1), 2, 3)), 2)
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            v1.train.Saver().save(session, f"{folder}/model")
            freeze = v1.graph_util.convert_variables_to_constants
            frozen = freeze(session, graph.as_graph_def(), [logits.op.name]).SerializeToString()
        checkpoint = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
    return {"frozen.pb": frozen}, checkpoint


def targets():
    """Returns the targets that read files of models."""
    frozen, checkpoint = valid_files()

    def damaged(files):
        def make(random):
            name = random.choice(sorted(files))
            return files | {name: damage(random, files[name], tuple(files.values()))}

        return make

    def read(name):
        return lambda folder: gk.revive(folder / name).report()

    def check(case, result):
        pass  # a changed weight is a weight; no checksum is in a frozen graph

    return [
        Target("frozen graph", damaged(frozen), read("frozen.pb"), check),
        Target("checkpoint with .meta", damaged(checkpoint), read("model"), check),
    ]
