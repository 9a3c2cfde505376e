"""Small models for tests of loss surfaces and of the paths of optimizers."""

import numpy as np
import tensorflow as tf

import graphkit as gk

rng = np.random.default_rng(5)
X = rng.normal(size=(40, 2)).astype(np.float32)
Y = (X @ [[1.5], [-0.5]] + 0.1 * rng.normal(size=(40, 1))).astype(np.float32)
START = np.array([[-1.0], [2.0]], np.float32)
EXECUTIONS = ("feed", "chunks", "resident", "compiled")


class Line:
    """A linear least-squares model of as many weights as there are features, and its gradient in NumPy.

    The loss is mean((X w - Y)²) + beta/2 w·w.
    """

    def __init__(self, features=X, targets=Y, start=START, beta=0.0, offset=None, **options):
        self.features, self.targets, self.beta = features, targets, beta
        inputs, outputs = gk.feature_input(features.shape[1]), gk.feature_input(1)
        self.placeholders = inputs, outputs
        predictions = gk.dense(
            inputs, 1, use_bias=False, kernel_initializer=tf.constant_initializer(start), name="line"
        )
        loss = tf.reduce_mean((predictions - outputs) ** 2)
        if beta:
            loss += gk.l2_penalty(beta)
        if offset is not None:
            loss += offset(tf.compat.v1.trainable_variables()[0])
        options = {"optimizer": "sgd", "learning_rate": 0.1, **options}
        self.trainer = gk.Trainer(loss, **options)

    @property
    def data(self):
        return dict(zip(self.placeholders, (self.features, self.targets), strict=True))

    def fit(self, *paths, epochs=5, batch_size=40, **options):
        options = {"progress": False, "callbacks": paths, **options}
        return self.trainer.fit(self.data, epochs=epochs, batch_size=batch_size, **options)

    def loss_at(self, weights):
        residuals = self.features.astype(np.float64) @ np.reshape(weights, (-1, 1)) - self.targets
        return np.mean(residuals**2) + self.beta / 2 * np.sum(np.square(weights))

    def descent(self, weights, rate, batches):
        """Returns the weights before and after each step of gradient descent on these examples."""
        points = [np.asarray(weights, np.float64)]
        for batch in batches:
            x, y, w = self.features[batch].astype(np.float64), self.targets[batch], points[-1]
            points.append(w - rate * (2 / len(x) * x.T @ (x @ w - y) + self.beta * w))
        return np.array(points)[:, :, 0]


def everything(trainer):
    return [value.tobytes() for value in trainer.session.run(trainer.graph.get_collection("variables"))]


class Classifier:
    """A network with dropout and batch norm in the current graph."""

    def __init__(self, optimizer="adam", classes=3, trains=None, **options):
        self.images, self.labels, self.keep_prob = (
            gk.image_input(4, 4),
            gk.label_input(),
            gk.keep_prob_input(),
        )
        net = gk.batch_norm(gk.dense(gk.flatten(self.images), 8, name="hidden"), name="norm")
        logits = gk.dense(gk.dropout(gk.relu(net), self.keep_prob), classes, name="logits")
        loss = gk.softmax_cross_entropy(logits, self.labels) + gk.l2_penalty(0.01)
        variables = trains and tf.compat.v1.trainable_variables(trains)
        options = {"seed": 3, "learning_rate": 0.02, "variables": variables, **options}
        metrics = {"f1": gk.f1_score(logits, self.labels)}
        self.trainer = gk.Trainer(loss, optimizer=optimizer, metrics=metrics, **options)
        made = np.random.default_rng(2)
        pixels = made.integers(0, 256, (50, 4, 4, 1)).astype(np.uint8)
        self.data = {self.images: pixels, self.labels: np.arange(50) % classes}

    def fit(self, *callbacks, epochs=3, **options):
        options = {"batch_size": 8, "progress": False, "callbacks": callbacks, **options}
        return self.trainer.fit(self.data, {self.keep_prob: 0.5}, epochs, **options)


WIDE = rng.normal(size=(30, 6)).astype(np.float32) * np.float32([3, 2, 1, 1, 0.5, 0.1])
WIDE_TARGETS = rng.normal(size=(30, 1)).astype(np.float32)
WIDE_START = rng.normal(size=(6, 1)).astype(np.float32)


def two_paths(**options):
    """Returns the paths of two optimizers from the same start, and the trainer of the second."""
    paths = {"sgd": gk.WeightPath(), "adam": gk.WeightPath(2)}
    for optimizer, path in paths.items():
        with tf.Graph().as_default():
            made = Classifier(optimizer, **options)
            made.fit(path)
    return paths, made
