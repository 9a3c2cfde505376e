"""A picture of each kind, as a user would draw it, for the tests that hold for all of them."""

import numpy as np
import tensorflow as tf

import graphkit as gk
from graphkit import studies

LANGUAGES = ["Deutsch", "English", "Español", "Français", "Polski"]
HISTORY = {
    "epoch": [1, 2, 3, 4],
    "step": [10, 20, 30, 40],
    "loss": [1.0, 0.6, 0.4, 0.3],
    "accuracy": [0.5, 0.7, 0.8, 0.9],
    "valid_loss": [1.1, 0.8, 0.7, 0.75],
    "valid_accuracy": [0.45, 0.6, 0.7, 0.7],
    "valid_confusion": [[[1, 2], [3, 4]]] * 4,
    "learning_rate": [0.1] * 4,
    "seconds": [1.0, 0.5, 0.5, 0.5],
    "examples_per_second": [1000.0, 2000.0, 2000.0, 2000.0],
}


def random(*shape):
    return np.random.default_rng(7).normal(size=shape)


def digits(count):
    test = gk.load_dataset("mnist_5k").test
    return test.images[:count], test.labels[:count]


def two_optimizers():
    """Returns the loss's surface under two optimizers from the same start."""
    inputs, targets = gk.feature_input(2), tf.compat.v1.placeholder(tf.float32, (None, 1))
    loss = gk.mean_squared_error(gk.dense(inputs, 1, use_bias=False), targets)
    data = {inputs: np.array([[1.0, 0.0], [0.0, 0.3]]), targets: np.array([[1.0], [0.5]])}
    paths = {}
    with gk.Trainer(loss, optimizer="sgd", learning_rate=0.4, seed=3) as trainer:
        paths["sgd"] = gk.WeightPath()
        trainer.fit(data, epochs=10, callbacks=[paths["sgd"]], progress=False)
        return gk.loss_surface(trainer, data, paths)


# Name: function -> arguments.
CALLS = {
    "plot_images": lambda: {
        "images": digits(20)[0],
        "labels": digits(20)[1],
        "predictions": np.where(np.arange(20) % 7 == 3, 4, digits(20)[1]),
    },
    "plot_filters": lambda: {"kernel": random(5, 5, 1, 32)},
    "plot_feature_maps": lambda: {"maps": random(14, 14, 20)},
    "plot_confusion_matrix": lambda: {
        "matrix": np.diag([4000, 300, 20, 1, 5000]) + np.arange(25).reshape(5, 5),
        "classes": LANGUAGES,
    },
    "plot_embedding": lambda: {
        "vectors": random(8, 16),
        "names": list("aeioubcd"),
        "groups": ["vowel"] * 5 + ["consonant"] * 3,
    },
    "plot_probabilities": lambda: {
        "probabilities": {"mild": np.array([0.2, 0.2, 0.1, 0.4, 0.1]), "sharp": np.array([0, 0, 0, 1.0, 0])},
        "classes": LANGUAGES,
    },
    "plot_histograms": lambda: {"arrays": {f"hidden{n}/kernel": random(30, 20) * n for n in (1, 2, 3, 4)}},
    "plot_history": lambda: {"history": {"sgd": HISTORY, "momentum": HISTORY}, "smoothing": 0.5},
    "plot_loss_surface": lambda: {"surface": two_optimizers()},
    "plot_rate_test": lambda: {
        "test": studies.RateTest(np.geomspace(1e-4, 1, 20), np.linspace(2, 1, 20) ** 3, 0.03)
    },
    "plot_graph": lambda: {"target": gk.inception_net(gk.image_input(32, 32, 3))},
    "plot_receptive_field": lambda: {"layers": [(5, 1), (2, 2), (5, 1), (2, 2)]},
}


def draw(name, **changes):
    return getattr(gk.plots, name)(**(CALLS[name]() | changes))
