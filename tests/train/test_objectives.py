"""What a trainer minimizes: entries of several losses, their rates, and what is refused."""

import re

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit.nn import scopes

v1 = tf.compat.v1
TWO_CPUS = v1.ConfigProto(device_count={"CPU": 2})


class Two:
    """Two losses of a variable each in the current graph."""

    def __init__(self):
        self.x = gk.feature_input(2)
        self.first = v1.get_variable("first", initializer=[1.0, 2.0])
        self.second = v1.get_variable("second", initializer=[3.0, 4.0])
        self.one = tf.reduce_mean(tf.square(self.x - self.first))
        self.two = tf.reduce_mean(tf.square(self.first - self.second))
        self.losses = {"one": (self.one, [self.first]), "two": (self.two, [self.second])}


def entry(change):
    """Returns options in which the entry of the second loss is what `change` makes of the problem."""
    return lambda two: {"loss": {**two.losses, "two": change(two)}}


def options(**changed):
    return lambda two: {"loss": two.losses, **changed}


def other_graph(two):
    with tf.Graph().as_default():
        return Two().losses["two"]


def queued(two):
    queue = v1.train.range_input_producer(5)
    return two.two * tf.cast(queue.dequeue(), tf.float32), [two.second]


REFUSED = {
    "no loss": (lambda two: {"loss": {}}, "must hold one"),
    "variables of all": (options(variables=[]), "lists its own variables"),
    "a loss alone": (entry(lambda two: two.two), r"entry of 'two' must be \(loss, variables\)"),
    "a list": (entry(lambda two: [two.two, [two.second]]), "entry of 'two'"),
    "five items": (entry(lambda two: (two.two, [two.second], "sgd", 1, 1)), "entry of 'two'"),
    "no variables": (entry(lambda two: (two.two, None)), "'two' must list its variables"),
    "an empty list": (entry(lambda two: (two.two, [])), "variables must be a list of one or more"),
    "no gradient": (entry(lambda two: (two.one, [two.second])), "must depend on a trainable variable"),
    "zero updates": (entry(lambda two: (two.two, [two.second], "sgd", 0)), "updates of 'two'"),
    "an unknown optimizer": (entry(lambda two: (two.two, [two.second], "adamm")), "optimizer"),
    "a vector": (entry(lambda two: (two.first, [two.first])), "scalar"),
    "another dtype": (entry(lambda two: (tf.cast(two.two, tf.float64), [two.second])), "one dtype"),
    "another graph": (entry(other_graph), "one graph"),
    "a queue": (entry(queued), "must take its examples from placeholders"),
    "a name of the history": (lambda two: {"loss": {"epoch": two.losses["one"]}}, "does not use"),
    "a name with a space": (lambda two: {"loss": {"my loss": two.losses["one"]}}, "identifier"),
    "a metric of the same name": (
        lambda two: {**options()(two), "metrics": {"one": two.one}},
        "metrics must",
    ),
    "a rate too few": (options(learning_rate={"one": 0.1}), "for each loss"),
    "a rate too many": (options(learning_rate={"one": 0.1, "two": 0.1, "three": 0.1}), "for each loss"),
    "rates of one loss": (lambda two: {"loss": two.one, "learning_rate": {"one": 0.1}}, "for each loss"),
    "a rate of zero": (options(learning_rate={"one": 0.1, "two": 0.0}), "learning_rate of two"),
    "accumulation": (options(accumulate=2), "cannot accumulate"),
    "several devices": (options(device="all", session_config=TWO_CPUS), "takes one loss"),
}


def test_refused_before_the_graph_has_a_trainer():
    with tf.Graph().as_default() as graph:
        two = Two()
        for name, (make, rule) in REFUSED.items():
            try:
                gk.Trainer(**make(two))
            except (TypeError, ValueError) as error:
                assert re.search(rule, str(error)), f"{name}: {error}"
            else:
                pytest.fail(f"{name} is not refused")
        assert graph not in scopes.TRAINERS


def test_float16_needs_one_loss():
    with tf.Graph().as_default(), pytest.raises(ValueError, match="float16|GPU"):
        gk.Trainer(Two().losses, compute_dtype="float16")


def test_regularization_optimizers_and_rates_of_each_loss(tmp_path):
    with tf.Graph().as_default():
        two = Two()
        v1.add_to_collection(v1.GraphKeys.REGULARIZATION_LOSSES, 3 * tf.reduce_sum(two.second))
        own = {**two.losses, "one": (two.one, [two.first], v1.train.GradientDescentOptimizer(0.5))}
        with gk.Trainer(own, "sgd", {"two": 0.25}, strict=True) as trainer:
            data = {two.x: np.zeros((4, 2))}
            assert trainer.evaluate(data) == pytest.approx({"loss": 2.5 + 4 + 21, "one": 2.5, "two": 4 + 21})
            history = trainer.fit(data, batch_size=4, progress=False)
            found = trainer.session.run([two.first, two.second])
            with pytest.raises(ValueError, match="give all the same"):
                gk.find_learning_rate(trainer, data)
            with pytest.raises(ValueError, match="several losses in turn"):
                gk.to_numpy(trainer, tmp_path / "model.py")
    first, second = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    first -= 0.5 * first
    np.testing.assert_allclose(found, [first, second - 0.25 * (second - first + 3)], rtol=1e-6)
    assert history["learning_rate_two"] == [0.25]


def test_check_graph_names_the_loss_that_misses_a_variable():
    rule = "one: the loss does not depend on second"
    with tf.Graph().as_default(), pytest.raises(ValueError, match=rule) as caught:
        two = Two()
        gk.Trainer({**two.losses, "one": (two.one, [two.first, two.second])}, strict=True)
    assert "two: " not in str(caught.value)
