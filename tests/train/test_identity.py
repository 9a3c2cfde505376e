"""What a run must share with the one that it continues: each change is named, and taken only if asked for."""

import contextlib
import logging

import numpy as np
import pytest
import tensorflow as tf
from references import Ended, StopAt

import graphkit as gk
from graphkit.train import identity

ROWS = np.arange(24, dtype=np.float32).reshape(12, 2) / 24


def level_0():
    config = tf.compat.v1.ConfigProto()
    config.graph_options.optimizer_options.opt_level = tf.compat.v1.OptimizerOptions.L0
    return config


def condition(scale):
    return lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: x * scale, lambda: x)


def loop(scale):
    return lambda x: tf.while_loop(lambda n, y: n < 2, lambda n, y: (n + 1, y * scale), (0, x))[1]


def nested(scale):
    inner = tf.function(lambda x: condition(scale)(x), autograph=False)
    return lambda x: inner(x)


def python_function(scale):
    return lambda x: tf.ensure_shape(tf.numpy_function(lambda rows: rows * scale, [x], tf.float32), x.shape)


def table(value):
    def look_up(x):
        filled = tf.lookup.KeyValueTensorInitializer(["a"], [value])
        values = tf.lookup.StaticHashTable(filled, default_value=0.0)
        return x * values.lookup(tf.constant("a"))

    return look_up


def augment(number):
    return lambda rows, seed: rows + np.float32(number)


def go(
    logdir=None, epochs=1, resume=False, *, end=None, change=None, keep=0.5, rows=ROWS, augment=None,
    trainer=None, callbacks=(), **fit,
):  # fmt: skip
    """Trains a small network, which is interrupted at a step `end`; returns (step, weights)."""
    with tf.Graph().as_default():
        x, keep_prob = gk.feature_input(2), gk.keep_prob_input()
        values = x if change is None else change(x)
        loss = tf.reduce_mean(tf.square(gk.dense(gk.dropout(values, keep_prob), 3)))
        options = {"optimizer": "sgd", "learning_rate": 0.1, "logdir": logdir, **(trainer or {})}
        with gk.Trainer(loss, **options) as made:
            callbacks = [*callbacks, *([StopAt(end)] if end else [])]
            options = {"batch_size": 4, "progress": False, "callbacks": callbacks, **fit}
            changes = augment and {x: augment}
            with contextlib.suppress(Ended):
                made.fit({x: rows}, {keep_prob: keep}, epochs, resume=resume, augment=changes, **options)
            return made.step, made.weights()


def rates(boundary):
    return {"trainer": {"learning_rate": gk.piecewise_constant([boundary], [0.1, 0.01])}}


def plateau(factor):
    return {"callbacks": [gk.ReduceOnPlateau("loss", factor=factor)]}


CHANGES = {
    "keep_prob": ({}, {"keep": 0.9}, r"feed of keep_prob:0 \(0\.5 before, 0\.8999999\d* now\)"),
    "no keep_prob": ({}, {"keep": 1.0}, r"feed of keep_prob:0 \(0\.5 before, not given now\)"),
    "batch_size": ({}, {"batch_size": 3}, r"batch_size \(4 before, 3 now\)"),
    "shuffle": ({}, {"shuffle": False}, r"shuffle \(True before, False now\)"),
    "remainder": ({}, {"drop_remainder": True}, r"drop_remainder \(False before, True now\)"),
    "data": ({}, {"rows": np.where(ROWS[7, 1] == ROWS, np.float32(5), ROWS)}, "data"),
    "schedule": (rates(0), rates(1), "learning_rate"),
    "learning rate": (
        {"trainer": {"learning_rate": 0.1}},
        {"trainer": {"learning_rate": 0.2}},
        "learning_rate",
    ),
    "augment": ({"augment": augment(1)}, {"augment": augment(2)}, "augment of features:0"),
    "a new augment": ({}, {"augment": augment(1)}, "augment of features:0"),
    "condition": ({"change": condition(2.0)}, {"change": condition(3.0)}, r"graph \(in cond\)"),
    "loop": ({"change": loop(2.0)}, {"change": loop(3.0)}, r"graph \(in while\)"),
    "nested": ({"change": nested(2.0)}, {"change": nested(3.0)}, r"graph \(in \w*PartitionedCall\)"),
    "static table": ({"change": table(2.0)}, {"change": table(3.0)}, r"graph \(in values\)"),
    "clip_norm": ({}, {"trainer": {"clip_norm": 1.0}}, r"graph \(in .*clip_by_global_norm.*\)"),
    "plateau": (plateau(0.5), plateau(0.25), "callbacks that change the training"),
    "no plateau": (plateau(0.5), {}, "callbacks that change the training"),
    "execution": (
        {"execution": "resident"},
        {"execution": "compiled"},
        r"execution \(not compiled before, compiled now\)",
    ),
    "session_config": ({}, {"trainer": {"session_config": level_0()}}, "session_config"),
}


@pytest.mark.grid
@pytest.mark.parametrize("name", CHANGES)
def test_a_run_that_differs_in_what_decides_its_bits_is_refused_and_taken_only_if_asked_for(
    name, tmp_path, caplog
):
    before, now, text = CHANGES[name]
    assert go(tmp_path, 1, **before)[0] == 3
    files = sorted(file.name for file in tmp_path.iterdir())
    rule = rf"^fit: .*model-3 is of a run with another {text}, and would not resume to the same bits"
    with pytest.raises(ValueError, match=rule):
        go(tmp_path, 2, True, **now)
    assert sorted(file.name for file in tmp_path.iterdir()) == files
    step, _ = go(tmp_path, 2, "anyway", **now)
    assert step == 3 + len(range(0, 12, now.get("batch_size", 4)))
    assert "it is resumed all the same" in caplog.text


@pytest.mark.grid
@pytest.mark.parametrize(
    "change", [condition(2.0), loop(2.0), nested(2.0), table(2.0), python_function(np.float32(2))]
)
def test_the_same_run_is_resumed_whatever_was_built_before_it(change, tmp_path):
    _, whole = go(None, 2, change=change)
    go(tmp_path, 1, change=change)
    go(None, 1, change=nested(5.0))  # TensorFlow numbers functions over the whole process
    _, resumed = go(tmp_path, 2, True, change=change)
    assert all(np.array_equal(resumed[key], whole[key]) for key in whole)


def test_a_table_read_from_a_file_counts_with_what_the_file_holds(tmp_path):
    file = tmp_path / "values.txt"

    def look_up(x):
        column = tf.lookup.TextFileIndex
        filled = tf.lookup.TextFileInitializer(
            str(file), tf.int64, column.LINE_NUMBER, tf.string, column.WHOLE_LINE
        )
        values = tf.lookup.StaticHashTable(filled, default_value="")
        return x * tf.strings.to_number(values.lookup(tf.constant(0, tf.int64)))

    file.write_text("2.0\n")
    go(tmp_path / "run", 1, change=look_up)
    go(tmp_path / "run", 2, True, change=look_up)
    file.write_text("3.0\n")
    with pytest.raises(ValueError, match="another graph"):
        go(tmp_path / "run", 3, True, change=look_up)


def test_inside_an_epoch_another_batch_size_begins_the_epoch_anew(tmp_path):
    assert go(tmp_path, 2, end=4)[0] == 4
    with pytest.raises(ValueError, match="another batch_size"):
        go(tmp_path, 2, True, batch_size=3)
    assert go(tmp_path, 2, "anyway", batch_size=3)[0] == 4 + 4


def test_more_epochs_and_another_order_of_callbacks_are_the_same_run(tmp_path):
    def callbacks():
        return [gk.ReduceOnPlateau("loss", patience=1, min_delta=9.0), gk.EarlyStopping("loss", patience=9)]

    _, whole = go(tmp_path / "whole", 6, callbacks=callbacks())
    go(tmp_path / "run", 3, callbacks=callbacks())
    _, resumed = go(tmp_path / "run", 6, True, callbacks=[gk.Callback(), *reversed(callbacks())])
    assert all(np.array_equal(resumed[key], whole[key]) for key in whole)


def test_two_callbacks_of_one_kind_keep_their_states_in_any_order(tmp_path):
    class Look(gk.Callback):
        def on_fit_start(self, trainer):
            self.seen = {
                c.watch.monitor: c.watch.best_epoch for c in trainer.callbacks if hasattr(c, "watch")
            }

    def callbacks():
        return [gk.EarlyStopping("loss", 9), gk.EarlyStopping("valid_loss", 9, mode="max")]

    look = Look()
    for resume, order, epochs in ((False, callbacks(), 3), (True, callbacks()[::-1], 4)):
        with tf.Graph().as_default():
            x = gk.feature_input(2)
            loss = tf.reduce_mean(tf.square(gk.dense(x, 1)))
            with gk.Trainer(loss, "sgd", 0.1, logdir=tmp_path) as trainer:
                options = {"valid": {x: ROWS}, "progress": False, "resume": resume}
                trainer.fit({x: ROWS}, epochs=epochs, callbacks=[*order, look], **options)
    assert look.seen == {"loss": 3, "valid_loss": 1}  # of a loss that falls, the largest is the first


def test_a_state_that_no_callback_takes_is_named(tmp_path, caplog):
    go(tmp_path, 1, callbacks=[gk.EarlyStopping("loss")])
    go(tmp_path, 2, True)
    assert "the checkpoint holds the state of EarlyStopping of loss, which no callback takes" in caplog.text


@pytest.mark.slow
def test_auto_keeps_the_execution_of_the_run_also_where_more_epochs_would_be_worth_compiling(
    tmp_path, caplog
):
    caplog.set_level(logging.INFO, "graphkit")
    _, whole = go(None, 110, execution="resident")
    go(tmp_path, 2)
    _, resumed = go(tmp_path, 110, True)
    assert "(the run was not compiled before)" in caplog.text
    assert all(np.array_equal(resumed[key], whole[key]) for key in whole)


def test_another_kind_of_kernels_or_another_tensorflow_is_named(tmp_path, monkeypatch):
    go(tmp_path, 1)
    was = identity.kernels.onednn_kernels()
    monkeypatch.setattr(identity.kernels, "onednn_kernels", lambda: not was)
    monkeypatch.setattr(tf, "__version__", "2.99")
    rule = rf"oneDNN kernels \({was} before, {not was} now\), TensorFlow \(.* before, 2\.99 now\)"
    with pytest.raises(ValueError, match=rule):
        go(tmp_path, 2, True)


def test_a_schedule_is_compared_over_the_steps_that_the_run_was_to_make(tmp_path):
    go(tmp_path, 1, **rates(3))
    go(tmp_path, 2, True, **rates(4))  # steps 0 to 2 have the same rate
    with pytest.raises(ValueError, match="another learning_rate"):
        go(tmp_path, 3, True, **rates(3))


def test_a_fit_that_a_callback_refuses_leaves_an_earlier_run_as_it_is(tmp_path):
    go(tmp_path, 2)
    files = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(ValueError, match="monitor must be a metric of the history"):
        go(tmp_path, 2, callbacks=[gk.EarlyStopping("valid_los")])
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == files


@pytest.mark.parametrize("resume", ["yes", None, 2])
def test_resume_is_a_flag_or_anyway(resume, tmp_path):
    with pytest.raises(ValueError, match='resume must be True, False or "anyway"'):
        go(tmp_path, 1, resume)
