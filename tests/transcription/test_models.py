"""Ten steps of the five networks, in a process that has NumPy alone, and of all optimizers."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from transcription.written import largest_difference, load, variables

import graphkit as gk

v1 = tf.compat.v1
pytestmark = pytest.mark.slow
RANDOM = np.random.RandomState(3)
PROGRAM = """
import json, sys
sys.path[:0] = [{packages!r}, {folder!r}]
import numpy as np
import model
state = model.load({folder!r} + "/model.npz")
data = dict(np.load({folder!r} + "/data.npz"))
losses = []
for step in range(10):
    batch = {{name: array[step * 4 : (step + 1) * 4] for name, array in data.items()}}
    state, loss = model.train_step(state, **batch, keep_prob=0.5)
    losses.append(float(loss))
model.save({folder!r} + "/after.npz", state)
others = [name for name in sys.modules if name.startswith(("tensorflow", "graphkit", "keras"))]
print(json.dumps([losses, others]))
"""


def network(name, keep_prob):
    """Returns (placeholder of the examples, examples, logits)."""
    if name == "char_rnn":
        tokens = gk.token_input(4)
        values = RANDOM.randint(0, 20, (40, 4))
        return tokens, values, gk.char_rnn(tokens, 20, 5, keep_prob=keep_prob)
    images = gk.image_input(12, 12, 3, scale=None)
    values = RANDOM.randn(40, *images.shape.as_list()[1:]).astype(np.float32)
    return images, values, getattr(gk, name)(images, 5, keep_prob=keep_prob)


@pytest.fixture
def numpy_alone(tmp_path):
    """Returns a folder of packages that holds NumPy and nothing else."""
    folder = tmp_path / "packages"
    folder.mkdir()
    installed = Path(np.__file__).parents[1]
    for name in ("numpy", "numpy.libs"):
        if (installed / name).exists():
            (folder / name).symlink_to(installed / name)
    return folder


# The gradients of relu networks have numbers that are 0 but for rounding. Adam divides them by their own
# size, so momentum is what can be compared there.
OPTIMIZERS = {
    "softmax_regression": "sgd",
    "mlp": "momentum",
    "convnet": "momentum",
    "inception_net": "nesterov",
    "char_rnn": "adam",
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_ten_steps_with_numpy_alone(name, numpy_alone, tmp_path):
    keep_prob, labels = gk.keep_prob_input(), gk.label_input()
    inputs, values, logits = network(name, keep_prob)
    targets = RANDOM.randint(0, 5, 40).astype(np.int32)
    loss = gk.softmax_cross_entropy(logits, labels) + gk.l2_penalty(1e-4)
    with gk.Trainer(
        loss, OPTIMIZERS[name], 1e-3, metrics={"accuracy": gk.accuracy(logits, labels)}
    ) as trainer:
        gk.to_numpy(trainer, tmp_path / "model.py")
        np.savez(tmp_path / "data.npz", **{inputs.op.name: values, "labels": targets})
        program = PROGRAM.format(packages=str(numpy_alone), folder=str(tmp_path))
        run = subprocess.run(
            [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, timeout=120
        )
        assert run.returncode == 0, run.stderr
        losses, others = json.loads(run.stdout)
        assert others == []
        data = {inputs: values, labels: targets}
        history = trainer.fit(data, feed={keep_prob: 0.5}, batch_size=4, shuffle=False, progress=False)
        assert abs(np.mean(losses) - history["loss"][-1]) < 1e-5
        with np.load(tmp_path / "after.npz") as after:
            for key, value in variables(trainer).items():
                np.testing.assert_allclose(after[key], value, atol=1e-5, rtol=1e-5, err_msg=key)


OTHERS = {
    "ftrl": lambda rate: v1.train.FtrlOptimizer(rate, l1_regularization_strength=0.01),
    "centered": lambda rate: v1.train.RMSPropOptimizer(rate, centered=True),
}
DENSE = ("sgd", "momentum", "nesterov", "adagrad", "adadelta", "adam", "adamw", "rmsprop", *OTHERS)
SPARSE = ("sgd", "momentum", "adagrad", "adadelta", "adam", "rmsprop", "ftrl")


@pytest.mark.parametrize(
    ("optimizer", "sparse"), [*((name, False) for name in DENSE), *((name, True) for name in SPARSE)]
)
def test_all_optimizers(optimizer, sparse, tmp_path):
    labels = gk.label_input()
    if sparse:
        inputs, values = gk.token_input(5), RANDOM.randint(0, 9, (40, 5))
        net = tf.reduce_mean(gk.embedding(inputs, 9, 4), axis=1)
    else:
        inputs, values = gk.feature_input(4), RANDOM.randn(40, 4).astype(np.float32)
        net = inputs
    loss = gk.softmax_cross_entropy(gk.dense(net, 3), labels)
    with gk.Trainer(loss, OTHERS.get(optimizer, optimizer), 0.01) as trainer:
        data = {inputs: values, labels: RANDOM.randint(0, 3, 40)}
        difference, name = largest_difference(trainer, *load(tmp_path, trainer), data, {})
    assert difference < 1e-5, name


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_loops_of_recurrent_layers(cell, tmp_path):
    tokens, labels = gk.token_input(None), gk.label_input()
    net, _ = gk.rnn(gk.embedding(tokens, 9, 4), 5, cell)
    loss = gk.softmax_cross_entropy(gk.dense(net[:, -1], 3), labels)
    with gk.Trainer(loss, "adam", clip_norm=1.0) as trainer:
        assert "While" in {op.type.removeprefix("Stateless") for op in trainer.graph.get_operations()}
        data = {tokens: RANDOM.randint(0, 9, (40, 7)), labels: RANDOM.randint(0, 3, 40)}
        difference, name = largest_difference(trainer, *load(tmp_path, trainer), data, {})
    assert difference < 1e-5, name


def test_other_layers(tmp_path):
    images, labels = gk.image_input(9, 9, 3, scale=None), gk.label_input()
    net = gk.avg_pool(gk.separable_conv2d(images, 6, 3, padding="same"), 2, 2)
    net = gk.max_pool(
        gk.conv2d(net, 5, 3, strides=2, activation=tf.nn.elu, padding="same"), 2, 1, padding="same"
    )
    net = tf.nn.leaky_relu(gk.dense(gk.global_avg_pool(net), 4, tf.sigmoid))
    one_hot = tf.one_hot(labels, 3)
    loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(one_hot, gk.dense(net, 3)))
    with gk.Trainer(loss, "momentum", 0.01) as trainer:
        values = RANDOM.randn(40, 9, 9, 3).astype(np.float32)
        data = {images: values, labels: RANDOM.randint(0, 3, 40)}
        difference, name = largest_difference(trainer, *load(tmp_path, trainer), data, {})
    assert difference < 1e-5, name


def test_masks_in_loops_and_branches(tmp_path):
    features, labels = gk.feature_input(6), gk.label_input()
    w = v1.get_variable("w", (6, 6))
    net = tf.while_loop(
        lambda i, _: i < 3, lambda i, h: (i + 1, gk.dropout(tf.tanh(h @ w), 0.8)), (0, features)
    )[1]
    net = tf.cond(tf.reduce_mean(net) > 0, lambda: gk.dropout(net, 0.5), lambda: v1.nn.dropout(net, rate=0.2))
    with gk.Trainer(gk.softmax_cross_entropy(gk.dense(net, 3), labels), "momentum") as trainer:
        values = RANDOM.randn(40, 6).astype(np.float32)
        data = {features: values, labels: RANDOM.randint(0, 3, 40)}
        difference, name = largest_difference(trainer, *load(tmp_path, trainer), data, {})
    assert difference < 1e-5, name
