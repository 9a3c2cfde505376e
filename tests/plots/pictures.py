"""A picture of each kind, as a user would draw it, for the tests that hold for all of them."""

import numpy as np

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
FASTER = HISTORY | {name: [value**2 for value in HISTORY[name]] for name in ("loss", "valid_loss")}


def random(*shape):
    return np.random.default_rng(7).normal(size=shape)


def digits(count):
    test = gk.load_dataset("mnist_5k").test
    return test.images[:count], test.labels[:count]


def valley():
    """Returns the loss x**2 + 10 y**2 + 0.3 and the paths of two optimizers down to its minimum."""
    axis, time = np.linspace(-2, 2, 41), np.linspace(1, 0, 15)
    losses = axis**2 + 10 * axis[:, np.newaxis] ** 2 + 0.3
    paths = {"sgd": np.stack([-1.5 * time, 1.5 * time**2], axis=1)}
    paths["momentum"] = np.stack([-1.5 * time * np.cos(3 * time), 1.5 * time], axis=1)
    return studies.LossSurface(axis, axis, losses, paths, ("along", "across"), np.array([0.8, 0.2]))


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
    "plot_history": lambda: {"history": {"sgd": HISTORY, "momentum": FASTER}, "smoothing": 0.5},
    "plot_loss_surface": lambda: {"surface": valley()},
    "plot_rate_test": lambda: {
        "test": studies.RateTest(np.geomspace(1e-4, 1, 20), np.linspace(2, 1, 20) ** 3, 0.03)
    },
    "plot_graph": lambda: {"target": gk.inception_net(gk.image_input(32, 32, 3))},
    "plot_receptive_field": lambda: {"layers": [(5, 1), (2, 2), (5, 1), (2, 2)]},
}


def draw(name, **changes):
    return getattr(gk.plots, name)(**(CALLS[name]() | changes))
