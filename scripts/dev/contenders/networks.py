"""The problem to train, and the networks of `graphkit.models` as layer lists for the other libraries."""

from typing import NamedTuple

import numpy as np

import graphkit as gk

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

    config: gk.runs.RunConfig
    examples: np.ndarray  # uint8 images (N, height, width, channels), or int32 tokens (N, length)
    labels: np.ndarray  # int32 (N,)
    epochs: int

    @property
    def layers(self):
        return LAYERS[self.config.model]

    @property
    def vocabulary_size(self):
        return len(gk.Vocabulary(self.config.alphabet, "character")) if self.config.alphabet else None

    @property
    def floats(self):
        """The examples as networks take them: images scaled to [-1, 1)."""
        return self.examples if self.config.alphabet else gk.scale_pixels(self.examples)

    def orders(self):
        """Yields the shuffled batches of each epoch as a list of index arrays, the last one short."""
        random, count = np.random.default_rng(self.config.seed), len(self.labels)
        for _ in range(self.epochs):
            order = random.permutation(count)
            starts = range(0, count, self.config.batch_size)
            yield [order[start : start + self.config.batch_size] for start in starts]
