"""Mutable lookup tables: a run with one goes on to the same bits, in every execution."""

import contextlib
import re

import numpy as np
import pytest
import tensorflow as tf
from references import Ended, StopAt

import graphkit as gk
from graphkit.checkpoints import unsaved
from graphkit.graph import walk

ROWS = np.arange(24, dtype=np.float32).reshape(12, 2) / 24


def hash_table():
    return tf.lookup.experimental.MutableHashTable(tf.string, tf.float32, 0.0)


def dense_table():
    return tf.lookup.experimental.DenseHashTable(
        tf.string, tf.float32, default_value=0.0, empty_key="", deleted_key="-"
    )


def go(logdir=None, epochs=2, resume=False, end=None, make=hash_table, **fit):
    """Trains with a table that counts the examples seen, by which the loss is weighted."""
    with tf.Graph().as_default():
        x = gk.feature_input(2)
        table, key = make(), tf.constant(["seen"])
        before = table.lookup(key)
        seen = before + tf.reduce_sum(x)
        tf.compat.v1.add_to_collection(tf.compat.v1.GraphKeys.UPDATE_OPS, table.insert(key, seen))
        loss = tf.reduce_mean(tf.square(gk.dense(x, 1))) / (1 + tf.reduce_sum(before))
        with gk.Trainer(loss, "sgd", 0.1, logdir=logdir) as trainer:
            options = {"batch_size": 4, "progress": False, "callbacks": [StopAt(end)] if end else [], **fit}
            with contextlib.suppress(Ended):
                trainer.fit({x: ROWS}, epochs=epochs, resume=resume, **options)
            held = trainer.session.run(trainer.checkpoints.tables.variable) if logdir else None
            return trainer.weights(), trainer.history.get("loss"), held


@pytest.mark.grid
@pytest.mark.parametrize("make", [hash_table, dense_table])
@pytest.mark.parametrize("execution", ["feed", "chunks", "resident", "compiled"])
def test_a_run_with_a_mutable_table_goes_on_to_the_same_bits(execution, make, tmp_path, caplog):
    weights, losses, _ = go(make=make, execution=execution)
    assert losses[1] < losses[0]
    go(tmp_path, end=4, make=make, execution=execution)
    resumed, again, _ = go(tmp_path, resume=True, make=make, execution=execution)
    assert again == losses
    assert all(np.array_equal(weights[name], resumed[name]) for name in weights)
    assert "checkpoints do not hold" not in caplog.text


def test_a_loss_reads_a_table_as_it_was_before_the_step():
    results = {
        repr(go(execution=execution)[:2]) for execution in ("feed", "chunks", "resident") for _ in "12"
    }
    assert len(results) == 1


def test_a_checkpoint_holds_the_keys_and_values_of_the_table(tmp_path):
    _, _, (name, keys, values) = go(tmp_path, 1)
    assert name.decode().startswith("MutableHashTable")
    with tf.compat.v1.Session() as session:
        parts = [tf.io.parse_tensor(keys, tf.string), tf.io.parse_tensor(values, tf.float32)]
        keys, values = session.run(parts)
    assert keys.tolist() == [b"seen"] and values == pytest.approx([ROWS.sum()])


def test_restore_brings_tables_back_also_with_weights_only(tmp_path):
    def opened():
        with tf.Graph().as_default():
            x = gk.feature_input(2)
            table = hash_table()
            held, insert = table.lookup(tf.constant(["a"])), table.insert(["a"], [2.0])
            return gk.Trainer(tf.reduce_mean(gk.dense(x, 1) * (1 + held))), held, insert

    trainer, held, insert = opened()
    with trainer:
        trainer.session.run(insert)
        path = trainer.save(tmp_path / "weights")
    other, held, _ = opened()
    with other:
        assert other.session.run(held) == [0.0]
        other.restore(path, weights_only=True)
        assert other.session.run(held) == [2.0]


# State that no checkpoint holds.


def test_queues_and_python_functions_are_named_also_inside_branches():
    with tf.Graph().as_default():
        x = gk.feature_input(2)
        queue = tf.queue.FIFOQueue(3, [tf.float32], [()], name="waiting")
        python = tf.cond(
            tf.reduce_sum(x) > 0,
            lambda: tf.numpy_function(np.sin, [tf.reduce_sum(x)], tf.float32),
            lambda: tf.reduce_sum(x),
        )
        found = unsaved.unsaved_state(walk.ancestors([queue.size(), python]))
    assert len(found) == 2
    assert "a queue (waiting)" in found
    assert any(re.match(r"a Python function \((cond/)?PyFunc", text) for text in found)
    assert not unsaved.unsaved_state(walk.ancestors([x * 2]))


def test_what_is_not_saved_is_said_before_the_first_step(tmp_path, caplog):
    with tf.Graph().as_default():
        x = gk.feature_input(2)
        count = [0.0]

        def counted(value):
            count[0] += 1
            return np.float32(value * 0 + count[0])

        number = tf.numpy_function(counted, [tf.reduce_sum(x)], tf.float32)
        loss = tf.reduce_mean(gk.dense(x, 1)) * tf.reshape(number, ())
        with gk.Trainer(loss, "sgd", 1e-3, logdir=tmp_path) as trainer:
            trainer.fit({x: ROWS}, epochs=0, progress=False)
            assert "checkpoints do not hold the state of a Python function (PyFunc)" in caplog.text
