"""Placeholders without a shape, and batches of a fixed size: loops take them as programs of TF1 mean them."""

import numpy as np
import pytest
import tensorflow as tf
from references import refused

import graphkit as gk

v1 = tf.compat.v1
ROWS = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
KINDS = np.arange(40) % 3


def loss_of(hidden, kinds):
    return gk.softmax_cross_entropy(gk.dense(hidden, 3), kinds)


def of_dropout(rows):
    keep_prob = v1.placeholder(tf.float32)
    return v1.nn.dropout(gk.dense(rows, 8), keep_prob), {keep_prob: 0.5}


def of_own_dropout(rows):
    keep_prob = v1.placeholder(tf.float32)
    return gk.dropout(gk.dense(rows, 8), keep_prob), {keep_prob: 0.5}


def of_flag(rows):
    flag, hidden = v1.placeholder(tf.bool), gk.dense(rows, 8)
    return tf.cond(flag, lambda: tf.nn.relu(hidden), lambda: hidden), {flag: True}


def of_loop(rows):
    keep_prob = v1.placeholder(tf.float32)

    def step(number, hidden):
        return number + 1, gk.dropout(hidden, keep_prob)

    return tf.while_loop(lambda number, _: number < 2, step, (0, gk.dense(rows, 8)))[1], {keep_prob: 0.5}


def fit(execution, hidden_of):
    """Returns (loss of each epoch, execution taken)."""
    with tf.Graph().as_default():
        rows, kinds = gk.feature_input(3), gk.label_input()
        hidden, feed = hidden_of(rows)
        with gk.Trainer(loss_of(hidden, kinds), learning_rate=0.01, seed=1) as trainer:
            options = {"epochs": 2, "batch_size": 10, "progress": False, "execution": execution}
            history = trainer.fit({rows: ROWS, kinds: KINDS}, feed, **options)
            return history["loss"], trainer.runner.execution


UNKEYED = pytest.mark.v2_behavior("masks in a loop of TensorFlow 1 follow from the state of a kernel")


@pytest.mark.grid
@pytest.mark.parametrize(
    "hidden_of", [of_dropout, of_own_dropout, of_flag, pytest.param(of_loop, marks=UNKEYED)]
)
def test_what_is_fed_once_is_no_array_of_examples(hidden_of):
    losses, taken = fit("auto", hidden_of)
    assert taken in ("chunks", "resident")
    assert fit("feed", hidden_of) == (losses, "feed")


def test_examples_may_have_no_shape():
    rows, wanted = v1.placeholder(tf.float32), v1.placeholder(tf.float32)
    weight = v1.get_variable("weight", (), initializer=v1.zeros_initializer())
    loss = tf.reduce_mean(tf.square(rows * weight - wanted))
    with gk.Trainer(loss, optimizer="sgd", learning_rate=0.5) as trainer:
        trainer.fit({rows: ROWS[:, 0], wanted: 2 * ROWS[:, 0]}, epochs=30, batch_size=20, progress=False)
        assert trainer.runner.execution != "feed"
        assert trainer.session.run(weight) == pytest.approx(2, rel=1e-3)


@pytest.mark.parametrize("kind", ["Adam", "GradientDescent", "Momentum"])
def test_a_learning_rate_may_be_fed(kind):
    rows, kinds, rate = gk.feature_input(3), gk.label_input(), v1.placeholder(tf.float32)
    more = {"momentum": 0.9} if kind == "Momentum" else {}
    optimizer = getattr(v1.train, f"{kind}Optimizer")(rate, **more)
    with gk.Trainer(loss_of(rows, kinds), optimizer=optimizer) as trainer:
        history = trainer.fit({rows: ROWS, kinds: KINDS}, {rate: 0.1}, epochs=3, progress=False)
        assert trainer.runner.execution != "feed"
        assert history["loss"][2] < history["loss"][0]


class FixedBatch:
    """A network that takes ten examples at a time."""

    def __init__(self):
        self.rows, self.kinds = v1.placeholder(tf.float32, (10, 3)), v1.placeholder(tf.int32, (10,))
        state = tf.reshape(gk.dense(self.rows, 4), (10, 4))
        self.loss = loss_of(tf.nn.dropout(state, 0.5), self.kinds)

    def fit(self, execution, count=40, batch_size=10, **options):
        with gk.Trainer(self.loss, learning_rate=0.01, seed=1) as trainer:
            data = {self.rows: ROWS[:count], self.kinds: KINDS[:count]}
            options |= {"batch_size": batch_size, "progress": False, "execution": execution}
            return trainer.fit(data, **options)["loss"], trainer.runner.execution


def test_batches_of_a_fixed_size():
    found = []
    for execution in ("chunks", "feed"):
        with tf.Graph().as_default():
            found.append(FixedBatch().fit(execution, epochs=2))
    assert found == [(found[0][0], "chunks"), (found[0][0], "feed")]


@pytest.mark.parametrize(("count", "batch_size"), [(40, 8), (35, 10), (7, 10)])
def test_batches_of_another_size_are_refused(count, batch_size):
    with refused(ValueError, "fit: Placeholder:0 takes 10 examples at a time: batch_size must be 10"):
        FixedBatch().fit("auto", count, batch_size)


def test_evaluations_take_as_many_examples_as_the_placeholders():
    network, data = FixedBatch(), None
    with gk.Trainer(network.loss, seed=1) as trainer:
        data = {network.rows: ROWS[:40], network.kinds: KINDS[:40]}
        history = trainer.fit(data, valid=data, progress=False, epochs=1)
        assert trainer.step == 4
        assert trainer.evaluate(data)["loss"] == history["valid_loss"][0]
        doubled = trainer.predict(network.rows * 2, {network.rows: ROWS[:40]}, batch_size=7)
        assert np.array_equal(doubled, ROWS[:40] * 2)
        with refused(
            ValueError, "evaluate: Placeholder:0 takes 10 examples at a time: the number of examples"
        ):
            trainer.evaluate({network.rows: ROWS[:35], network.kinds: KINDS[:35]})


def test_a_rest_that_is_left_out():
    assert FixedBatch().fit("auto", count=35, drop_remainder=True)[1] in ("chunks", "resident")
