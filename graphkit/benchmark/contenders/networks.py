"""The problem to train, and the networks of `graphkit.models` as layer lists for the other libraries.

Only NumPy is needed here: a peer's process loads neither graphkit nor TensorFlow, and may be one of another
Python.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

PREDICTED = 10_000  # examples of a timed prediction
PREDICT_BATCH = 1024  # examples in a run of it, for all contenders: the trainer's own default
# (kind, sizes): conv (filters, kernel), pool (size, stride), inception (as gk.inception_module).
LAYERS = {
    "softmax_regression": [("flatten",), ("logits",)],
    "mlp": [("flatten",), ("relu_dense", 256), ("dropout",), ("logits",)],
    "convnet": [
        ("conv", 32, 5),
        ("pool", 2, 2),
        ("conv", 64, 5),
        ("pool", 2, 2),
        ("flatten",),
        ("relu_dense", 1024),
        ("dropout",),
        ("logits",),
    ],
    "inception_net": [
        ("conv", 32, 3),
        ("pool", 2, 2),
        ("inception", 16, 16, 24, 4, 8, 16),
        ("inception", 24, 24, 32, 4, 12, 16),
        ("pool", 2, 2),
        ("inception", 32, 24, 48, 8, 16, 16),
        ("inception", 48, 32, 64, 8, 24, 24),
        ("global_mean",),
        ("dropout",),
        ("logits",),
    ],
    "char_rnn": [("embedding", 32), ("lstm", 96), ("dropout",), ("logits",)],
}


class Problem(NamedTuple):
    """One training to be timed."""

    config: dict  # settings of a `RunConfig`
    examples: np.ndarray  # uint8 images (N, height, width, channels), or int32 tokens (N, length)
    labels: np.ndarray  # int32 (N,)
    unseen: np.ndarray  # PREDICTED other examples
    epochs: int

    @property
    def layers(self):
        return LAYERS[self.config["model"]]

    @property
    def num_classes(self):
        return len(self.config["classes"])

    @property
    def vocabulary_size(self):
        """The characters, padding and unknown; None for images."""
        alphabet = self.config["alphabet"]
        return len(alphabet) + 2 if alphabet else None

    @property
    def floats(self):
        return self.as_floats(self.examples)

    def as_floats(self, examples):
        """Returns the examples as networks take them: images scaled to [-1, 1) as `gk.scale_pixels` does."""
        if self.config["alphabet"]:
            return examples
        scaled = np.subtract(examples, np.float32(128), dtype=np.float32)
        scaled *= np.float32(1 / 128)
        return scaled

    def orders(self):
        """Yields the shuffled batches of each epoch as a list of index arrays, the last one short."""
        random, count, size = np.random.default_rng(self.config["seed"]), len(self.labels), self.batch_size
        for _ in range(self.epochs):
            order = random.permutation(count)
            yield [order[start : start + size] for start in range(0, count, size)]

    @property
    def batch_size(self):
        return self.config["batch_size"]

    def save(self, folder):
        folder = Path(folder)
        for name in ("examples", "labels", "unseen"):
            np.save(folder / f"{name}.npy", getattr(self, name))
        (folder / "problem.json").write_text(json.dumps({"config": self.config, "epochs": self.epochs}))

    @classmethod
    def load(cls, folder):
        folder = Path(folder)
        arrays = {name: np.load(folder / f"{name}.npy") for name in ("examples", "labels", "unseen")}
        return cls(**json.loads((folder / "problem.json").read_text()), **arrays)


def batches_of(examples):
    """Yields the runs of a prediction."""
    for start in range(0, len(examples), PREDICT_BATCH):
        yield examples[start : start + PREDICT_BATCH]
