"""State that programs of TensorFlow 1 keep outside the global variables: saved, resumed, put back."""

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk

v1 = tf.compat.v1
EXECUTIONS = ("feed", "chunks", "resident", "compiled")
POINTS = np.random.default_rng(0).normal(size=(32, 2)).astype(np.float32)


def with_baseline(x, w):
    """A loss measured from a mean of all steps so far, which `tf.compat.v1.metrics` keep."""
    rows = tf.reduce_mean(x * w, axis=1)
    baseline, update = v1.metrics.mean(rows, name="baseline")
    v1.add_to_collection("update_ops", update)
    return tf.reduce_mean((rows - baseline - 1.0) ** 2)


def with_own_collection(x, w):
    """A loss that reads a count which is in a collection of the program."""
    options = dict(trainable=False, use_resource=True, collections=["own"])
    count = v1.get_variable("count", (), initializer=gk.zeros(), **options)
    v1.add_to_collection("update_ops", count.assign_add(0.25))
    return tf.reduce_mean((x * w - count) ** 2)


def with_table(x, w):
    keys = tf.constant([0, 1], tf.int64)
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(keys, 1.0 + tf.cast(keys, "float")), 0.0
    )
    return tf.reduce_mean((x * w - table.lookup(tf.cast(x[:, :1] > 0, tf.int64))) ** 2)


def trained(make, folder, epochs, execution, **options):
    """Returns the weights and the local state at the end of a fit."""
    with tf.Graph().as_default():
        x = gk.feature_input(2)
        w = v1.get_variable("w", (2,), initializer=v1.ones_initializer(), use_resource=True)
        with gk.Trainer(make(x, w), "sgd", learning_rate=0.1, logdir=folder) as trainer:
            trainer.fit(
                {x: POINTS}, epochs=epochs, batch_size=8, progress=False, execution=execution, **options
            )
            return trainer.session.run(trainer.training_step.variables)


@pytest.mark.grid
@pytest.mark.parametrize("execution", EXECUTIONS)
@pytest.mark.parametrize("make", [with_baseline, with_own_collection, with_table])
def test_a_resumed_run_has_the_bits_of_one_that_was_not_interrupted(make, execution, tmp_path):
    expected = trained(make, tmp_path / "whole", 3, execution)
    trained(make, tmp_path / "parts", 1, execution)
    resumed = trained(make, tmp_path / "parts", 3, execution, resume=True)
    for value, other in zip(resumed, expected, strict=True):
        np.testing.assert_array_equal(value, other)


def test_local_variables_of_the_steps_are_saved_and_are_not_weights(tmp_path):
    with tf.Graph().as_default():
        x = gk.feature_input(2)
        w = v1.get_variable("w", (2,), initializer=v1.ones_initializer(), use_resource=True)
        unused = v1.get_variable("unused", (), collections=["local_variables"], use_resource=True)
        with gk.Trainer(with_baseline(x, w), "sgd", logdir=tmp_path) as trainer:
            trainer.fit({x: POINTS}, batch_size=8, progress=False)
            names = {variable.op.name for variable in trainer.training_step.variables}
            assert {"baseline/total", "baseline/count"} < names and unused.op.name not in names
            assert list(trainer.weights()) == ["w"]
            saved = tf.train.load_variable(trainer.save(), "baseline/count")
            assert saved == trainer.session.run(v1.local_variables("baseline/count"))[0] == len(POINTS)
