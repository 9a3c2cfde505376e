"""The file of metrics: each step and each epoch once, also where the process was killed."""

import json
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit.train import metrics_file

DATA_RNG = np.random.default_rng(3)
FEATURES, LABELS = DATA_RNG.normal(size=(40, 3)), DATA_RNG.integers(0, 2, 40)


class Killed(Exception):
    """Stands for what ends a process at once."""


class Kill(gk.Callback):
    """Ends the fit at a step, after the metrics of it were written and before a checkpoint is."""

    def __init__(self, step):
        self.step = step

    def on_run_end(self, trainer):
        if trainer.step >= self.step:
            raise Killed


def lines(path):
    def refuse(name):
        raise AssertionError(f"{name} is not strict JSON")

    return [json.loads(line, parse_constant=refuse) for line in path.read_text().splitlines()]


def make_trainer(logdir):
    features, labels = gk.feature_input(3), gk.label_input()
    logits = gk.dense(features, 2)
    metrics = {
        "accuracy": gk.accuracy(logits, labels),
        "matrix": gk.confusion_matrix(logits, labels),
        "odd": gk.Metric(tf.reduce_mean(features), lambda mean, count: float("nan")),
    }
    loss = gk.softmax_cross_entropy(logits, labels)
    return gk.Trainer(loss, metrics=metrics, logdir=logdir), {features: FEATURES, labels: LABELS}


def train(logdir, epochs, callbacks=(), resume=False, feed=False):
    with tf.Graph().as_default():
        trainer, data = make_trainer(logdir)
        with trainer:
            steps = {"execution": "feed"} if feed else {"steps_per_run": 3}
            rest = {"callbacks": callbacks, "resume": resume, "progress": False}
            trainer.fit(data, epochs=epochs, batch_size=8, valid=data, valid_every=2, **steps, **rest)
            return trainer.history


def without_times(rows):
    return [{n: v for n, v in row.items() if n not in ("seconds", "examples_per_second")} for row in rows]


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    folder = tmp_path_factory.mktemp("complete")
    return train(folder, 3), lines(folder / "metrics.jsonl")


def test_each_step_and_each_epoch_has_a_line(complete):
    history, rows = complete
    steps = [row for row in rows if row["kind"] == "step"]
    epochs = [row for row in rows if row["kind"] == "epoch"]
    assert [row["step"] for row in steps] == list(range(1, 16))
    assert [row["epoch"] for row in steps] == [1] * 5 + [2] * 5 + [3] * 5
    assert list(steps[0]) == ["kind", "epoch", "step", "loss", "accuracy", "odd", "learning_rate"]
    assert [row["loss"] for row in epochs] == history["loss"]
    validations = [row for row in rows if row["kind"] == "validation"]
    assert [row["step"] for row in validations] == [2, 4, 6, 8, 12, 14]  # of 10 is in the row of the epoch
    assert epochs[0]["valid_matrix"] == history["valid_matrix"][0]
    assert steps[0]["odd"] is None and epochs[0]["odd"] is None  # NaN, which JSON does not know
    for number, row in enumerate(epochs):  # mini-batches of one size: the mean of the epoch is theirs
        of_epoch = [step["loss"] for step in steps[5 * number : 5 * number + 5]]
        assert np.isclose(np.mean(of_epoch), row["loss"], rtol=1e-12)


def test_steps_are_the_same_one_by_one_and_the_loop_stays_fast(complete, tmp_path):
    train(tmp_path, 3, feed=True)
    rows = without_times(lines(tmp_path / "metrics.jsonl"))
    for row, expected in zip(rows, without_times(complete[1]), strict=True):
        assert row.keys() == expected.keys()
        assert row.get("loss", 0) == pytest.approx(expected.get("loss", 0), rel=1e-6)


def test_a_resumed_run_holds_each_step_once(complete, tmp_path):
    path = tmp_path / "metrics.jsonl"
    with pytest.raises(Killed):
        train(tmp_path, 3, [gk.MetricsFile(), Kill(8)])  # a checkpoint was written after 5 steps
    assert [row["step"] for row in lines(path)] == [1, 2, 2, 3, 4, 4, 5, 5, 6, 6, 7, 8]
    with open(path, "ab") as stream:
        stream.write(b'{"kind": "step", "epo')
    train(tmp_path, 3, resume=True)
    assert without_times(lines(path)) == without_times(complete[1])


KILLED = """
import os, signal, sys
import numpy as np, tensorflow as tf
import graphkit as gk

class Kill(gk.Callback):
    every_steps = 1

    def on_run_end(self, trainer):
        if trainer.step == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)

def batches(epoch):
    for number in range(5):
        yield {"features": np.full((4, 2), number + epoch, np.float32)}

tf.compat.v1.disable_eager_execution()
loss = tf.reduce_mean(gk.dropout(gk.dense(gk.feature_input(2), 1), 0.5) ** 2)
with gk.Trainer(loss, logdir=sys.argv[1], average_decay=0.9) as trainer:
    often, best = gk.Checkpointing(every_steps=3), gk.BestCheckpoint("valid_averaged_loss", keep=2)
    given = {"valid": lambda: batches(9), "valid_every": 2, "resume": True, "progress": False}
    trainer.fit(batches, epochs=3, callbacks=[Kill(), best, often], **given)
    print(best.state(), [value.tobytes().hex() for value in trainer.weights().values()])
"""


@pytest.mark.slow
def test_a_killed_run_over_a_stream_goes_on_as_if_nothing_had_happened(tmp_path):
    def train_process(folder, until):
        command = [sys.executable, "-c", KILLED, str(tmp_path / folder), str(until)]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True)

    expected = train_process("complete", 0)
    assert expected.returncode == 0 and expected.stdout
    assert train_process("killed", 11).returncode == -signal.SIGKILL
    assert train_process("killed", 0).stdout == expected.stdout
    found, rows = (without_times(lines(tmp_path / name / "metrics.jsonl")) for name in ("killed", "complete"))
    assert found == rows


def test_a_run_that_is_resumed_where_it_ended_adds_no_line(tmp_path):
    for _ in range(2):
        with tf.Graph().as_default():
            trainer, data = make_trainer(tmp_path)
            rest = {"valid": data, "resume": True, "progress": False}
            with trainer:
                trainer.fit(data, max_steps=7, batch_size=8, **rest)
                assert trainer.history["epoch"] == [1, 2]
    kinds = [(row["kind"], row["step"]) for row in lines(tmp_path / "metrics.jsonl")][5:]
    assert kinds == [("epoch", 5), ("step", 6), ("step", 7), ("validation", 7)]
    assert trainer.history["examples_per_second"][-1] == 0  # no step was made


def test_what_is_after_a_position_is_cut_off(tmp_path):
    path = tmp_path / "metrics.jsonl"
    rows = [b'{"kind": "step", "step": %d, "epoch": 1}\n' % step for step in (1, 2, 3)]
    rows += [b'{"kind": "epoch", "step": 3, "epoch": 1}\n', b'{"kind": "step", "step": 4, "epoch": 2}\n']
    for step, epoch, stays in ((0, 0, 0), (2, 0, 2), (3, 0, 3), (3, 1, 4), (4, 1, 5), (9, 3, 5)):
        for torn in (
            b"",
            b'{"kind": "step", "step": 4',
            b'{"kind": "step", "step": 4}',
            b"\x00\xff",
            b"[1]\n",
        ):
            path.write_bytes(b"".join(rows) + torn)
            metrics_file.keep_until(path, {"step": step, "validation": 0, "epoch": epoch})
            assert path.read_bytes() == b"".join(rows[:stays])
    metrics_file.keep_until(tmp_path / "none.jsonl", {"step": 3, "validation": 0, "epoch": 1})


def test_another_fit_of_the_same_trainer_goes_on_and_a_restored_one_goes_back(tmp_path):
    trainer, data = make_trainer(tmp_path)
    with trainer:
        path = trainer.save(tmp_path / "start")
        for epochs in (1, 2):
            trainer.fit(data, epochs=1, batch_size=8, progress=False, callbacks=[gk.MetricsFile(every=5)])
            steps = [row["step"] for row in lines(tmp_path / "metrics.jsonl") if row["kind"] == "step"]
            assert steps == [5, 10][:epochs]
        trainer.restore(path)
        trainer.fit(data, epochs=1, batch_size=8, progress=False)
    assert [row["step"] for row in lines(tmp_path / "metrics.jsonl")] == [1, 2, 3, 4, 5, 5]


def test_steps_of_long_runs_are_thinned():
    wanted = metrics_file.wanted_steps
    assert wanted(1, 10_000, None) == list(range(1, 10_001))
    assert wanted(9_998, 10_031, None) == [9_998, 9_999, 10_000, 10_010, 10_020, 10_030]
    assert wanted(99_985, 100_250, None) == [99_990, 100_000, 100_100, 100_200]
    assert wanted(10**9 + 1, 10**9 + 256, None) == []
    assert wanted(1, 10, 4) == [4, 8]
    assert wanted(8, 8, 4) == [8] and wanted(9, 11, 4) == []


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="MetricsFile: every must be an integer of at least 1"):
        gk.MetricsFile(0)
    trainer, data = make_trainer(None)
    with trainer, pytest.raises(ValueError, match="metrics.jsonl needs a trainer with a logdir"):
        trainer.fit(data, callbacks=[gk.MetricsFile()], progress=False)
