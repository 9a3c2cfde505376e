"""Graphs in plain TensorFlow 1 style, without graphkit's builders, for `crash_test.py`.

Each function builds a graph whose steps depend on more than weights: random ops in branches and loops,
lookup tables, moving averages that the loss reads, two optimizers, rows of an embedding that repeat, local
variables, reference variables.
"""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

import graphkit as gk

v1 = tf.compat.v1
FEATURES, WORDS, CLASSES = 8, 40, 3


class Foreign(NamedTuple):
    """A graph and what it is trained on.

    Attributes:
      loss: scalar tensor.
      inputs: placeholders of features and labels, and of words where there are any.
      options: of the trainer.
      metrics: {name: tensor}.
    """

    loss: tf.Tensor
    inputs: list[tf.Tensor]
    options: dict[str, Any]
    metrics: dict[str, tf.Tensor]


def variable(name: str, shape: tuple = (), value: float | None = None, **options: Any) -> tf.Variable:
    start = v1.glorot_uniform_initializer() if value is None else v1.constant_initializer(value)
    return v1.get_variable(name, shape, tf.float32, start, **options)


def inputs() -> tuple[tf.Tensor, tf.Tensor]:
    features = v1.placeholder(tf.float32, (None, FEATURES), name="x")
    return features, v1.placeholder(tf.int32, (None,), name="y")


def classifier(net: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Returns (loss, metrics) of a layer of logits."""
    kernel = variable("logits/kernel", (net.shape[-1], CLASSES))
    logits = tf.matmul(net, kernel) + variable("logits/bias", (CLASSES,), 0.0)
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
    right = tf.equal(tf.argmax(logits, 1, output_type=tf.int32), labels)
    return loss, {"accuracy": tf.reduce_mean(tf.cast(right, tf.float32))}


def control_flow() -> Foreign:
    """A condition on the weights, with noise in one branch, and a loop with dropout in its body."""
    x, y = inputs()
    kernel = variable("kernel", (FEATURES, 16))
    net = tf.cond(
        tf.reduce_mean(kernel) > 0,
        lambda: tf.matmul(x, kernel) + 0.1 * tf.random.normal((16,)),
        lambda: tf.matmul(x + 0.1 * tf.random.uniform((FEATURES,)), kernel),
    )
    steps = variable("steps", (16, 16))
    net = tf.while_loop(
        lambda i, _: i < 3,
        lambda i, net: (i + 1, tf.nn.dropout(tf.tanh(net + tf.matmul(net, steps)), rate=0.1)),
        (0, net),
    )[1]
    net = tf.map_fn(lambda row: gk.dropout(row, 0.9), tf.transpose(net))
    loss, metrics = classifier(tf.ensure_shape(tf.transpose(net), (None, 16)), y)
    return Foreign(loss, [x, y], {"optimizer": "adam", "learning_rate": 1e-2}, metrics)


def words() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    x, y = inputs()
    return x, y, v1.placeholder(tf.int32, (None, 6), name="words")


def sparse() -> Foreign:
    """Rows of an embedding, many of them several times in a mini-batch, by TensorFlow's own optimizer."""
    x, y, tokens = words()
    table = variable("embedding", (WORDS, 16))
    net = tf.reduce_mean(tf.nn.embedding_lookup(table, tokens), axis=1)
    loss, metrics = classifier(tf.concat([net, x], 1), y)
    options = {"optimizer": v1.train.GradientDescentOptimizer(0.3), "clip_norm": 1.0}
    return Foreign(loss, [x, y, tokens], options, metrics)


def static_table() -> Foreign:
    """Words that a table of constants maps to rows of an embedding."""
    x, y, tokens = words()
    keys = tf.constant(np.arange(0, WORDS, 2), tf.int64)
    entries = tf.lookup.KeyValueTensorInitializer(keys, keys // 2 + 1)
    found = tf.lookup.StaticHashTable(entries, default_value=0).lookup(tf.cast(tokens, tf.int64))
    net = tf.reduce_mean(tf.nn.embedding_lookup(variable("embedding", (WORDS, 16)), found), axis=1)
    loss, metrics = classifier(tf.concat([net, x], 1), y)
    return Foreign(loss, [x, y, tokens], {"optimizer": "adagrad", "learning_rate": 0.1}, metrics)


def mutable_table() -> Foreign:
    """Words that a table counts; the loss weighs examples by the counts so far."""
    x, y, tokens = words()
    table = tf.lookup.experimental.MutableHashTable(tf.int64, tf.float32, default_value=0.0)
    keys = tf.cast(tokens[:, 0], tf.int64)
    seen = table.lookup(keys)
    with tf.control_dependencies([seen]):
        v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, table.insert(keys, seen + 1.0))
    loss, metrics = classifier(x / (1.0 + 0.1 * seen[:, None]), y)
    return Foreign(loss, [x, y, tokens], {"optimizer": "sgd", "learning_rate": 0.1}, metrics)


def moving_averages() -> Foreign:
    """The loss pulls the weights to their moving averages, which UPDATE_OPS renew."""
    x, y = inputs()
    kernel = variable("kernel", (FEATURES, 16))
    averages = tf.train.ExponentialMovingAverage(0.9)
    v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, averages.apply([kernel]))
    loss, metrics = classifier(tf.tanh(tf.matmul(x, kernel)), y)
    loss += 0.1 * tf.reduce_mean((kernel - averages.average(kernel)) ** 2)
    return Foreign(loss, [x, y], {"optimizer": "momentum", "learning_rate": 0.05}, metrics)


class TwoOptimizers(v1.train.Optimizer):
    """Adam for variables of "logits/", RMSProp for all others, in one train op."""

    def __init__(self) -> None:
        super().__init__(use_locking=False, name="two")
        self.first = v1.train.AdamOptimizer(1e-2)
        self.second = v1.train.RMSPropOptimizer(1e-2, momentum=0.5)

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        pairs = list(grads_and_vars)
        first = [pair for pair in pairs if pair[1].op.name.startswith("logits/")]
        second = [pair for pair in pairs if not pair[1].op.name.startswith("logits/")]
        updates = [self.first.apply_gradients(first), self.second.apply_gradients(second)]
        with tf.control_dependencies(updates):
            return global_step.assign_add(1, read_value=False)


def two_optimizers() -> Foreign:
    """Two optimizers over two lists of variables."""
    x, y = inputs()
    net = tf.nn.relu(tf.matmul(x, variable("kernel", (FEATURES, 16))))
    loss, metrics = classifier(net, y)
    return Foreign(loss, [x, y], {"optimizer": TwoOptimizers()}, metrics)


def local_variables() -> Foreign:
    """A baseline in the local variables of `tf.compat.v1.metrics`, which the loss reads."""
    x, y = inputs()
    net = tf.tanh(tf.matmul(x, variable("kernel", (FEATURES, 16))))
    loss, metrics = classifier(net, y)
    baseline, update = v1.metrics.mean(tf.reduce_mean(net, axis=1), name="baseline")
    v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, update)
    loss += 0.1 * tf.reduce_mean((net - baseline) ** 2)
    return Foreign(loss, [x, y], {"optimizer": "nesterov", "learning_rate": 0.05}, metrics)


def references() -> Foreign:
    """Reference variables, batch statistics in UPDATE_OPS, as in programs that disable version 2."""
    v1.disable_v2_behavior()
    x, y = inputs()
    mean = variable("mean", (FEATURES,), 0.0, trainable=False)
    v1.add_to_collection(
        v1.GraphKeys.UPDATE_OPS, v1.assign_sub(mean, 0.1 * (mean - tf.reduce_mean(x, axis=0)))
    )
    loss, metrics = classifier(tf.nn.relu(tf.matmul(x, variable("kernel", (FEATURES, 16)))), y)
    return Foreign(loss, [x, y], {"optimizer": "adadelta", "learning_rate": 1.0}, metrics)


def arrays(count: int) -> list[np.ndarray]:
    """Returns features, labels and words of so many examples."""
    random = np.random.default_rng(0)
    features = random.normal(size=(count, FEATURES)).astype(np.float32)
    labels = (features @ random.normal(size=(FEATURES, CLASSES))).argmax(axis=1).astype(np.int32)
    return [features, labels, random.integers(0, WORDS, (count, 6)).astype(np.int32)]
