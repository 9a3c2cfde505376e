"""A user's program that a type checker accepts; see `tests/test_typing.py`."""

from pathlib import Path

import numpy as np
import tensorflow as tf

import graphkit as gk
from graphkit.inspection import Summary


class BestLoss(gk.Callback):
    def __init__(self) -> None:
        self.best = float("inf")

    def on_epoch_end(self, trainer: gk.Trainer, metrics: dict[str, float]) -> None:
        self.best = min(self.best, metrics["valid_loss"])


def build(classes: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    images = gk.image_input(28, 28, 1)
    labels = gk.label_input()
    keep_prob = gk.keep_prob_input()
    net = gk.conv2d(images, 32, 5, padding="same", use_bias=False, name="conv1")
    net = gk.relu(gk.bias_add(net, name="conv1"))
    net = gk.max_pool(net, 2, (2, 2))
    net = gk.conv2d(net, 64, kernel_size=[5, 5], activation=tf.nn.elu, kernel_initializer=gk.he_normal())
    net = gk.dense(gk.flatten(gk.batch_norm(net)), 1024, activation=gk.relu)
    return images, labels, keep_prob, gk.dense(gk.dropout(net, keep_prob), classes)


def train(logdir: Path) -> float:
    data = gk.load_dataset("mnist_5k")
    with tf.Graph().as_default():
        images, labels, keep_prob, logits = build(len(data.classes))
        found: Summary = gk.summary(logits)
        print(found.parameters, gk.sizes.conv2d_shape((28, 28, 1), 32, 5))
        loss = gk.softmax_cross_entropy(logits, labels) + gk.l2_penalty(1e-4)
        rate = gk.exponential_decay(1e-3, 100, 0.9)
        accuracy = {"accuracy": gk.accuracy(logits, labels)}
        with gk.Trainer(loss, "adam", rate, metrics=accuracy, seed=7, logdir=logdir) as trainer:
            history = trainer.fit(
                {images: data.train.images, labels: data.train.labels},
                feed={keep_prob: 0.5},
                epochs=5,
                batch_size=128,
                valid={images: data.valid.images, labels: data.valid.labels},
                callbacks=[BestLoss(), gk.EarlyStopping("valid_loss", patience=2)],
            )
            probabilities: np.ndarray = trainer.predict(gk.softmax(logits), {images: data.test.images[:5]})
            print(probabilities.shape)
        gk.plots.plot_history(history).savefig("curves.svg")
    return history["loss"][-1]


def load(logdir: Path) -> dict[str, float]:
    data = gk.load_dataset("mnist_5k")
    config = gk.runs.RunConfig.for_data(data, model="mlp", learning_rate=1e-3)
    print(gk.runs.train_run(config, data, logdir, epochs=2)["accuracy"] + 1.0)
    run = gk.runs.load_run(logdir, device="cpu")
    images = gk.runs.read_images("digit.png", (28, 28, 1))
    with run.trainer as trainer:
        print(trainer.predict(run.network.probabilities, {run.network.inputs: images}))
        return trainer.evaluate(run.network.feed(data.test))


def prepare(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    images = gk.data.read_idx(folder / "train-images-idx3-ubyte.gz")
    labels = gk.data.read_idx(folder / "train-labels-idx1-ubyte.gz")
    for part_images, part_labels in gk.minibatches([images, labels], 32, seed=1):
        print(gk.scale_pixels(part_images).mean(), gk.class_weights(part_labels))
    return images, gk.one_hot(labels, num_classes=10)
