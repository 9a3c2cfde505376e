"""Models: their variables by name and number, and that they learn."""

import re

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk

DENSE, CONV = gk.sizes.dense_parameters, gk.sizes.conv2d_parameters
# Parameters for 28x28x1 images and 10 classes, added up by hand.
PARAMETERS = {
    gk.softmax_regression: DENSE(784, 10),
    gk.mlp: DENSE(784, 256) + DENSE(256, 10),
    gk.convnet: CONV(1, 32, 5) + CONV(32, 64, 5) + DENSE(7 * 7 * 64, 1024) + DENSE(1024, 10),
}


@pytest.mark.parametrize("model", PARAMETERS)
def test_parameters_and_shape(model):
    logits = model(gk.image_input(28, 28, 1), num_classes=10, keep_prob=gk.keep_prob_input())
    assert logits.shape.as_list() == [None, 10]
    held = sum(int(np.prod(v.shape)) for v in tf.compat.v1.trainable_variables())
    assert held == PARAMETERS[model]


@pytest.mark.parametrize("model", [*PARAMETERS, gk.inception_net])
def test_documented_parameters_are_those_of_the_graph(model):
    stated = re.search(r"([\d,]+) numbers for (\d+)x(\d+)x(\d+) +images", " ".join(model.__doc__.split()))
    model(gk.image_input(*map(int, stated.groups()[1:])))
    held = sum(int(np.prod(v.shape)) for v in tf.compat.v1.trainable_variables())
    assert held == int(stated[1].replace(",", ""))


def test_convnet_has_the_variables_of_its_checkpoint():
    gk.convnet(gk.image_input(28, 28, 1))
    names = [v.name for v in tf.compat.v1.trainable_variables()]
    layers = ("conv1", "conv2", "hidden", "logits")
    assert names == [f"{layer}/{part}:0" for layer in layers for part in ("kernel", "bias")]


@pytest.mark.parametrize("model", [gk.mlp, pytest.param(gk.convnet, marks=pytest.mark.slow)])
def test_same_seed_gives_same_weights_in_two_graphs(model):
    def weights(seed):
        with tf.Graph().as_default():
            images, labels = gk.image_input(8, 8, 1), gk.label_input()
            loss = gk.softmax_cross_entropy(model(images, 3, keep_prob=gk.keep_prob_input()), labels)
            with gk.Trainer(loss, seed=seed) as trainer:
                return trainer.session.run(trainer.graph.get_collection("trainable_variables"))

    first, again, other = weights(1), weights(1), weights(2)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert not any((a == b).all() for a, b in zip(first[::2], other[::2], strict=True))


@pytest.mark.grid
@pytest.mark.parametrize("model", PARAMETERS)
def test_model_learns_to_tell_stripes_apart(model):
    upright = np.zeros((8, 8), np.uint8)
    upright[:, ::2] = 255
    noise = np.random.default_rng(0).integers(0, 80, (64, 8, 8, 1), dtype=np.uint8)
    kinds = np.arange(64) % 2
    pixels = np.maximum(noise, np.where(kinds[:, None, None] == 0, upright, upright.T)[..., None])
    images, labels = gk.image_input(8, 8, 1), gk.label_input()
    keep_prob = gk.keep_prob_input()
    logits = model(images, 2, keep_prob=keep_prob)
    loss = gk.softmax_cross_entropy(logits, labels)
    data = {images: pixels, labels: kinds}
    with gk.Trainer(loss, learning_rate=3e-3, metrics={"accuracy": gk.accuracy(logits, labels)}) as trainer:
        trainer.fit(data, {keep_prob: 0.8}, epochs=15, batch_size=16, progress=False)
        assert trainer.evaluate(data)["accuracy"] == 1.0
