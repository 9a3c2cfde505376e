"""Networks to export, and what loads the files: `load_…` returns a function {name: array} -> {name: array}.

The runtimes are imported by the slow tests alone, which need the extra `interop`.
"""

import importlib
import json
import zipfile
from pathlib import Path

import numpy as np
import tensorflow as tf

import graphkit as gk
from graphkit.running import session as sessions

V1 = tf.compat.v1
ROOT = Path(__file__).parents[2]
PIXELS = np.random.default_rng(0).integers(0, 256, (32, 28, 28, 1)).astype(np.uint8)
TOKENS = np.random.default_rng(1).integers(0, 30, (32, 40)).astype(np.int32)


def images():
    return gk.image_input(28, 28, 1)


def model(name):
    """Returns a function that builds one of the networks of `graphkit.models`."""

    def build():
        if name == "char_rnn":
            inputs = gk.token_input(16)
            return inputs, gk.char_rnn(inputs, 30, 5, keep_prob=gk.keep_prob_input())
        inputs = images()
        return inputs, getattr(gk, name)(inputs, 5, keep_prob=gk.keep_prob_input())

    return build


def classifier():
    inputs, logits = model("mlp")()
    return inputs, gk.softmax(logits)


def batch_norm_net():
    inputs = images()
    net = gk.relu(gk.batch_norm(gk.conv2d(inputs, 4, 3, strides=2, use_bias=False)))
    net = gk.batch_norm(gk.dense(gk.flatten(net), 8))
    return inputs, gk.dense(gk.dropout(net, gk.keep_prob_input()), 5)


def loop_rnn(lengths=True):
    """Returns a recurrent network of more steps than are unrolled."""
    inputs = gk.token_input(40)
    net = gk.embedding(inputs, 30, 4)
    known = tf.math.count_nonzero(inputs, axis=1, dtype=tf.int32) if lengths else None
    _, state = gk.rnn(net, 6, "lstm", lengths=known)
    return inputs, gk.dense(state.h, 5)


def all_steps(inputs):
    """Returns the mean of what a recurrent network computes at each of 40 steps."""
    outputs, _ = gk.rnn(inputs[:, :, tf.newaxis], 3, "gru")
    return tf.reduce_mean(outputs, axis=1)


def channels_first_net():
    inputs = images()
    net = tf.transpose(inputs, [0, 3, 1, 2])
    net = gk.conv2d(net, 4, 3, strides=2, data_format="channels_first", activation=gk.relu)
    return inputs, gk.dense(gk.flatten(gk.max_pool(net, 2, 2, data_format="channels_first")), 5)


def reference_net():
    """Returns a network as programs of TensorFlow 1 write it."""
    inputs = V1.placeholder(tf.float32, (None, 28, 28, 1), "scope/x")
    w = V1.get_variable("w", (784, 5), use_resource=False)
    b = V1.get_variable("b", (5,), initializer=V1.zeros_initializer(), use_resource=False)
    return inputs, tf.reshape(inputs, [-1, 784]) @ w + b


def examples(inputs):
    if inputs.dtype == tf.float32:
        return PIXELS if "images" in inputs.name else gk.scale_pixels(PIXELS)
    return TOKENS[:, : inputs.shape[1]]


def with_weights(build):
    """Returns (trainer, examples, placeholder, logits) of a network with random weights, also biases."""
    with tf.Graph().as_default():
        inputs, logits = build()
        trainer = gk.Trainer(gk.softmax_cross_entropy(logits, gk.label_input()))
    random = np.random.default_rng(2)
    pairs = []
    for variable in trainer.checkpoints.weights.values():
        value = random.normal(size=variable.shape.as_list())
        # Of vectors, such as moving variances, all are positive; kernels keep the size of what they take.
        scaled = np.abs(value) if value.ndim < 2 else value / np.sqrt(np.prod(value.shape[:-1]))
        pairs.append((variable, scaled))
    sessions.assign(trainer.session, pairs)
    return trainer, examples(inputs), inputs, logits


# --- what loads them


def read_graph(path):
    return V1.GraphDef.FromString(Path(path).read_bytes())


def load_frozen(path, outputs=("logits",)):
    definition = read_graph(path)

    def compute(data):
        with tf.Graph().as_default(), V1.Session() as session:
            tf.import_graph_def(definition, name="")
            fed = {f"{name}:0": array for name, array in data.items()}
            return session.run({name: f"{name}:0" for name in outputs}, fed)

    return compute


def load_tflite(path):
    litert = importlib.import_module("ai_edge_litert.interpreter")
    return lambda data: litert.Interpreter(path).get_signature_runner("serving_default")(**data)


def onnx_session(path):
    return importlib.import_module("onnxruntime").InferenceSession(path)


def load_onnx(path):
    session = onnx_session(path)
    names = [value.name for value in session.get_outputs()]
    return lambda data: dict(zip(names, session.run(names, data), strict=True))


def load_saved_model(path):
    function = tf.saved_model.load(path).signatures["serving_default"]

    def compute(data):
        found = function(**{name: tf.constant(array) for name, array in data.items()})
        return {name: value.numpy() for name, value in found.items()}

    return compute


def load_in_session(path):
    def compute(data):
        with V1.Session(graph=tf.Graph()) as session:
            signature = V1.saved_model.load(session, ["serve"], path).signature_def["serving_default"]
            fed = {signature.inputs[name].name: array for name, array in data.items()}
            return session.run({name: info.name for name, info in signature.outputs.items()}, fed)

    return compute


def load_keras(path):
    layer = importlib.import_module("keras").layers.TFSMLayer(path, call_endpoint="serving_default")
    return lambda data: {name: np.asarray(value) for name, value in layer(*data.values()).items()}


# --- where they hold model.json


def card_of_frozen(path):
    (node,) = (node for node in read_graph(path).node if node.name == "model.json")
    return json.loads(node.attr["value"].tensor.string_val[0])


def card_of_tflite(path):
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("model.json"))


def card_of_onnx(path):
    return json.loads(onnx_session(path).get_modelmeta().custom_metadata_map["model.json"])


def card_of_saved_model(path):
    return json.loads((Path(path) / "model.json").read_text())


def check(compute, data, expected, *, sizes=(1, 3, 32), name="logits"):
    """Checks what was loaded against `predict`, in batches of several sizes."""
    (key, array) = data
    for size in sizes:
        found = compute({key: array[:size]})
        assert set(found) == {name}
        np.testing.assert_allclose(found[name], expected[:size], rtol=1e-5, atol=1e-5)
