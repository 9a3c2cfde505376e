"""Every format, loaded by its own runtime, computes what `predict` does, for batches of any size."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from exports import networks

import graphkit as gk

pytestmark = pytest.mark.slow  # the runtimes, and the converters, take seconds to load

LOADERS = {
    "model.tflite": (networks.load_tflite, networks.card_of_tflite),
    "model.onnx": (networks.load_onnx, networks.card_of_onnx),
    "model.pb": (networks.load_frozen, networks.card_of_frozen),
}


@pytest.fixture(autouse=True)
def fresh_graph():
    """Replaces the fixture of that name: SavedModels are loaded eagerly, so there must not be a graph."""


def loaders_of_folders():
    if tf.compat.v1.executing_eagerly_outside_functions():
        return [networks.load_saved_model, networks.load_keras, networks.load_in_session]
    return [networks.load_in_session]  # after tf.disable_v2_behavior()


MODELS = {
    **{name: networks.model(name) for name in gk.runs.MODELS},
    "batch_norm": networks.batch_norm_net,
    "channels_first": networks.channels_first_net,
    "loop_rnn": lambda: networks.loop_rnn(lengths=False),
    "tf1": networks.reference_net,
}


@pytest.mark.parametrize("name", MODELS)
def test_each_runtime_computes_what_predict_does(name, tmp_path, capfd):
    trainer, data, inputs, logits = networks.with_weights(MODELS[name])
    pixels = data.dtype == np.uint8
    info = {"classes": list("abcde")}
    with trainer:
        expected = trainer.predict(logits, {inputs: data})
        given = (inputs.op.name, data)
        capfd.readouterr()
        for file, (load, card) in LOADERS.items():
            path = trainer.export(tmp_path / file, {"logits": logits}, pixels=pixels, info=info)
            assert capfd.readouterr() == ("", "")
            networks.check(load(path), given, expected)
            assert card(path)["classes"] == info["classes"]
            capfd.readouterr()
        path = trainer.export(tmp_path / "model", {"logits": logits}, pixels=pixels, info=info)
        for load in loaders_of_folders():
            networks.check(load(path), given, expected)


def test_onnx_holds_loops_that_keep_all_steps(tmp_path):
    trainer, data, inputs, logits = networks.with_weights(networks.loop_rnn)
    with trainer:
        path = trainer.export(tmp_path / "model.onnx", {"logits": logits})
        networks.check(networks.load_onnx(path), ("tokens", data), trainer.predict(logits, {inputs: data}))


def test_several_inputs_and_outputs_keep_their_names(tmp_path):
    with tf.Graph().as_default():
        left, right = gk.feature_input(4, name="left/x"), gk.feature_input(4, name="right/x")
        hidden = gk.dense(left, 3, name="hidden") * gk.dense(right, 3)
        outputs = {"class probabilities": gk.softmax(hidden), "a": hidden, "b": hidden, "left": left}
        trainer = gk.Trainer(gk.softmax_cross_entropy(hidden, gk.label_input()))
    x = np.random.default_rng(0).normal(size=(2, 7, 4)).astype(np.float32)
    with trainer:
        data = {left: x[0], right: x[1]}
        expected = {
            name: trainer.predict(tensor, data if name != "left" else {left: x[0]})
            for name, tensor in outputs.items()
        }
        for file in ("model.tflite", "model.onnx"):
            path = trainer.export(tmp_path / file, outputs)
            found = LOADERS[file][0](path)({"left/x": x[0], "right/x": x[1]})
            assert set(found) == set(outputs)
            for name, array in expected.items():
                np.testing.assert_allclose(found[name], array, rtol=1e-5, atol=1e-6)
        with pytest.raises(ValueError, match=r"must not have one name; received names=\['left/x'\]"):
            trainer.export(tmp_path / "again.onnx", {"left/x": hidden})


def test_the_axes_of_an_onnx_file_have_names(tmp_path):
    with tf.Graph().as_default():
        inputs = gk.token_input()
        logits = gk.dense(tf.reduce_mean(gk.embedding(inputs, 9, 4), 1), 3)
        trainer = gk.Trainer(gk.softmax_cross_entropy(logits, gk.label_input()))
    with trainer:
        session = networks.onnx_session(trainer.export(tmp_path / "model.onnx", logits))
    assert [(v.name, v.shape) for v in session.get_inputs()] == [("tokens", ["batch", "tokens_1"])]
    assert [(v.name, v.shape) for v in session.get_outputs()] == [("output", ["batch", 3])]


@pytest.mark.parametrize(
    ("file", "make", "message"),
    [
        ("model.tflite", tf.math.erfinv, r"TFLite cannot .*; received ops=\['Erfinv'\]"),
        ("model.onnx", tf.math.erfinv, r"ONNX cannot .*; received ops=\{'Erfinv': 'erfinv/Erfinv'\}"),
        ("model.tflite", networks.all_steps, r"TFLite .* up to 32 .*; received ops=\['TensorListReserve'\]"),
    ],
)
def test_ops_that_a_format_cannot_hold_are_named(file, make, message, tmp_path, capfd):
    with tf.Graph().as_default():
        inputs = gk.feature_input(40)
        logits = gk.dense(make(inputs), 3)
        trainer = gk.Trainer(gk.softmax_cross_entropy(logits, gk.label_input()))
    capfd.readouterr()
    with trainer, pytest.raises(ValueError, match=f"^export: {message}$"):
        trainer.export(tmp_path / file, logits)
    assert not any(tmp_path.iterdir()) and capfd.readouterr() == ("", "")


@pytest.mark.parametrize("file", ["model.tflite", "model.onnx"])
def test_masks_that_are_left_on_are_refused_by_their_ops(file, tmp_path):
    with tf.Graph().as_default():
        inputs, keep_prob = gk.feature_input(40), gk.keep_prob_input()
        logits = gk.dense(gk.dropout(inputs, keep_prob), 3)
        trainer = gk.Trainer(gk.softmax_cross_entropy(logits, gk.label_input()))
    with trainer, pytest.raises(ValueError, match=r"^export: .* received ops=.*'BitwiseXor'"):
        trainer.export(tmp_path / file, logits, feed={keep_prob: 0.5})
    assert not any(tmp_path.iterdir())


# --- programs without graphkit

FILES = ("model", "model.tflite", "model.onnx", "model.pb")
END = """
import sys

np.testing.assert_allclose(probabilities, np.load('expected.npy'), rtol=1e-5, atol=1e-5)
assert classes == list("abcde") and "graphkit" not in sys.modules
"""


def test_the_programs_of_the_guide_load_them(tmp_path):
    guide = (networks.ROOT / "docs" / "results.md").read_text()
    programs = re.findall(r"```python\n(.*?)```", guide[guide.index("### Load them") :], re.DOTALL)[:4]
    trainer, data, inputs, logits = networks.with_weights(networks.classifier)
    with trainer:
        np.save(tmp_path / "pixels.npy", data)
        np.save(tmp_path / "expected.npy", trainer.predict(logits, {inputs: data}))
        for name in FILES:
            outputs = {"probabilities": logits}
            trainer.export(tmp_path / name, outputs, pixels=True, info={"classes": list("abcde")})
    script = "import numpy as np\npixels = np.load('pixels.npy')\n"
    for name, program in zip(FILES, programs, strict=True):
        script += f"path = {name!r}\n{program}{END}"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
