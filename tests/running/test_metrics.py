"""Metrics that follow from means, in a trainer: history, callbacks, evaluation, CSV, early stopping."""

import csv
import json

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit.running import metrics as running_metrics

rng = np.random.default_rng(4)
POINTS = rng.normal(size=(70, 3)).astype(np.float32)
KINDS = np.digitize(POINTS[:, 0] + 0.5 * POINTS[:, 1], [-0.5, 0.8]).astype(np.int32)


class Problem:
    """A linear classifier in the current graph, with all kinds of metrics."""

    def __init__(self, metrics=None, **options):
        self.points, self.kinds = gk.feature_input(3), gk.label_input()
        self.logits = gk.dense(self.points, 3, name="logits")
        self.metrics = {
            "accuracy": gk.accuracy(self.logits, self.kinds),
            "precision": gk.precision(self.logits, self.kinds, positive=1),
            "recall": gk.recall(self.logits, self.kinds),
            "f1": gk.f1_score(self.logits, self.kinds),
            "matrix": gk.confusion_matrix(self.logits, self.kinds),
        }
        self.loss = gk.softmax_cross_entropy(self.logits, self.kinds)
        self.data = {self.points: POINTS, self.kinds: KINDS}
        options = {"learning_rate": 0.05, "seed": 6, **options}
        self.trainer = gk.Trainer(self.loss, metrics={**self.metrics, **(metrics or {})}, **options)

    def fit(self, **options):
        return self.trainer.fit(self.data, **{"batch_size": 16, "progress": False, **options})


def by_hand(predicted, labels):
    """Returns the metrics from the definitions, example by example."""
    matrix = [[int(((labels == a) & (predicted == b)).sum()) for b in range(3)] for a in range(3)]
    hits = [matrix[kind][kind] for kind in range(3)]
    taken = [int((predicted == kind).sum()) for kind in range(3)]
    there = [int((labels == kind).sum()) for kind in range(3)]
    return {
        "accuracy": sum(hits) / len(labels),
        "precision": hits[1] / taken[1] if taken[1] else 0.0,
        "recall": sum(h / t if t else 0.0 for h, t in zip(hits, there, strict=True)) / 3,
        "f1": sum(2 * h / (t + w) if t + w else 0.0 for h, t, w in zip(hits, there, taken, strict=True)) / 3,
        "matrix": matrix,
    }


def assert_same(metrics, expected, prefix=""):
    for name, value in expected.items():
        if name == "matrix":
            got = metrics[prefix + name]
            assert np.asarray(got).tolist() == value
        else:
            assert metrics[prefix + name] == pytest.approx(value, abs=1e-6), name


def test_evaluation_is_over_all_examples_whatever_the_batch_size():
    problem = Problem()
    with problem.trainer as trainer:
        problem.fit(epochs=2)
        expected = by_hand(trainer.predict(problem.logits, {problem.points: POINTS}).argmax(axis=1), KINDS)
        for batch_size in (1, 7, 16, 70, 512):
            metrics = trainer.evaluate(problem.data, batch_size=batch_size)
            assert_same(metrics, expected)
            assert metrics["matrix"].shape == (3, 3) and metrics["matrix"].dtype == np.int64
    assert 0 < expected["f1"] < 1  # neither trivial


def test_history_holds_the_metrics_of_the_whole_epoch_and_matrices_as_lists():
    problem = Problem(learning_rate=lambda step: 0.0)  # so that all steps of an epoch see the same weights
    with problem.trainer as trainer:
        history = problem.fit(epochs=2, valid={problem.points: POINTS[:31], problem.kinds: KINDS[:31]})
        predicted = trainer.predict(problem.logits, {problem.points: POINTS}).argmax(axis=1)
    for row in range(2):
        metrics = {name: column[row] for name, column in history.items()}
        assert_same(metrics, by_hand(predicted, KINDS))
        assert_same(metrics, by_hand(predicted[:31], KINDS[:31]), "valid_")
        assert isinstance(metrics["matrix"], list) and isinstance(metrics["matrix"][0][0], int)
        assert isinstance(metrics["f1"], float)


def test_callbacks_see_the_metrics_of_each_mini_batch():
    steps, epochs = [], []

    class Note(gk.Callback):
        def on_step(self, trainer, metrics):
            steps.append(metrics)

        def on_epoch_end(self, trainer, metrics):
            epochs.append(metrics)

    problem = Problem(learning_rate=lambda step: 0.0)
    with problem.trainer as trainer:
        history = problem.fit(epochs=1, callbacks=[Note()])
        predicted = trainer.predict(problem.logits, {problem.points: POINTS}).argmax(axis=1)
    order = gk.epoch_order(70, 6, 0)
    assert len(steps) == 5
    for start, metrics in zip(range(0, 70, 16), steps, strict=True):
        chosen = order[start : start + 16]
        assert list(metrics) == ["loss", "accuracy", "precision", "recall", "f1", "matrix"]
        assert_same(metrics, by_hand(predicted[chosen], KINDS[chosen]))
    assert_same(epochs[0], by_hand(predicted, KINDS))
    assert np.array_equal(epochs[0]["matrix"], history["matrix"][0])


def test_matrices_in_the_csv_file_are_read_back(tmp_path):
    problem = Problem(logdir=tmp_path)
    with problem.trainer:
        history = problem.fit(epochs=2, valid=problem.data)
    with open(tmp_path / "history.csv") as stream:
        rows = list(csv.DictReader(stream))
    assert [json.loads(row["valid_matrix"]) for row in rows] == history["valid_matrix"]
    assert [float(row["f1"]) for row in rows] == history["f1"]


@pytest.mark.slow
def test_resumed_run_has_the_same_metrics(tmp_path):
    class Halt(gk.Callback):
        def on_step(self, trainer, metrics):
            if trainer.step == 8:
                trainer.save()
                raise KeyboardInterrupt

    def run(logdir, **options):
        with tf.Graph().as_default():
            problem = Problem(logdir=logdir)
            with problem.trainer:
                history = problem.fit(epochs=3, valid=problem.data, **options)
                return {k: v for k, v in history.items() if k not in ("seconds", "examples_per_second")}

    whole = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", callbacks=[Halt()])
    assert run(tmp_path / "parts", resume=True) == whole


def test_early_stopping_on_f1_keeps_the_best_weights(capsys):
    problem = Problem(optimizer="sgd", learning_rate=lambda step: 0.3 if step < 15 else 0.0)
    stopping = gk.EarlyStopping("valid_f1", patience=2)
    with problem.trainer as trainer:
        history = problem.fit(epochs=30, valid=problem.data, callbacks=[stopping], progress=True)
        best = int(np.argmax(history["valid_f1"]))
        assert len(history["epoch"]) == best + 3 < 30  # stopped two epochs after the best
        assert trainer.evaluate(problem.data)["f1"] == pytest.approx(history["valid_f1"][best], abs=1e-7)
        predicted = trainer.predict(problem.logits, {problem.points: POINTS}).argmax(axis=1)
    assert by_hand(predicted, KINDS)["f1"] == pytest.approx(max(history["valid_f1"]), abs=1e-6)
    out = capsys.readouterr().out
    assert "stopped: valid_f1" in out and "valid_f1 0." in out and "matrix" not in out


def test_a_figure_of_ones_own_is_finished_from_means():
    points = gk.feature_input(3)
    squares = gk.Metric(tf.reduce_mean(points**2, axis=0), lambda mean, count: np.sqrt(mean))
    spread = gk.Metric(tf.reduce_mean(points**2), lambda mean, count: (mean**0.5, count)[0])
    loss = tf.reduce_mean(gk.dense(points, 1) ** 2)
    with gk.Trainer(loss, metrics={"columns": squares, "all": spread}) as trainer:
        metrics = trainer.evaluate({points: POINTS}, batch_size=11)
        history = trainer.fit({points: POINTS}, batch_size=11, progress=False)
    expected = np.sqrt((POINTS.astype(np.float64) ** 2).mean(axis=0))
    np.testing.assert_allclose(metrics["columns"], expected, rtol=1e-6)
    np.testing.assert_allclose(history["columns"][0], expected, rtol=1e-6)
    assert metrics["all"] == pytest.approx(float((POINTS.astype(np.float64) ** 2).mean() ** 0.5), rel=1e-6)


@pytest.mark.grid
@pytest.mark.parametrize("kind", [np.int64, np.float32, np.bool_, np.array])
def test_metrics_that_are_numpy_scalars_are_kept_by_a_checkpoint(kind, tmp_path):
    points = gk.feature_input(3)
    positive = tf.reduce_mean(tf.cast(points[:, 0] > 0, tf.float32))
    count = gk.Metric(positive, lambda mean, examples: kind(round(float(mean) * examples)))
    with gk.Trainer(
        tf.reduce_mean(gk.dense(points, 1) ** 2), metrics={"n": count}, logdir=tmp_path
    ) as trainer:
        history = trainer.fit({points: POINTS}, progress=False)
        assert history["n"] == [kind((POINTS[:, 0] > 0).sum())]
        trainer.restore()
        assert trainer.history["n"] == history["n"]


@pytest.mark.parametrize("callback", [gk.EarlyStopping, gk.ReduceOnPlateau])
def test_a_matrix_cannot_be_monitored(callback):
    problem = Problem()
    with problem.trainer, pytest.raises((TypeError, ValueError), match=f"{callback.__name__}: monitor"):
        problem.fit(callbacks=[callback("matrix")], epochs=2)


@pytest.mark.parametrize(
    "name", ["loss", "epoch", "step", "seconds", "learning_rate", "examples_per_second", "valid_loss"]
)
def test_names_that_the_history_uses_are_refused(name):
    loss = tf.reduce_mean(gk.dense(gk.feature_input(3), 1) ** 2)
    with pytest.raises(ValueError, match=f"Trainer: the history has a column '{name}' of its own"):
        gk.Trainer(loss, metrics={name: loss})


@pytest.mark.parametrize(
    "make",
    [
        lambda loss: gk.Metric(0.5, float),
        lambda loss: gk.Metric(loss, None),
        lambda loss: gk.Metric("loss", float),
        lambda loss: loss[tf.newaxis],
        lambda loss: 0.5,
        lambda loss: None,
    ],
)
def test_what_is_no_metric_is_refused(make):
    loss = tf.reduce_mean(gk.dense(gk.feature_input(3), 1) ** 2)
    with pytest.raises((TypeError, ValueError), match="Trainer: (the metric|finish of) 'own' must be"):
        gk.Trainer(loss, metrics={"own": make(loss)})


def test_metric_of_another_graph_is_refused():
    with tf.Graph().as_default():
        other = gk.confusion_matrix(gk.feature_input(3), gk.label_input())
    loss = tf.reduce_mean(gk.dense(gk.feature_input(3), 1) ** 2)
    with pytest.raises(ValueError, match="Trainer: the metric 'matrix' must be .*is of another graph"):
        gk.Trainer(loss, metrics={"matrix": other})


NOT_METRICS = {
    'such as {"accuracy": gk.accuracy(logits, labels)}; received metrics=': (
        lambda tensor: "accuracy",
        lambda tensor: ["accuracy"],
        lambda tensor: [tensor],
        lambda tensor: tensor,
        lambda tensor: gk.accuracy,
    ),
    "names are not known": (lambda tensor: {"accuracy": "accuracy"},),
    "call the function with tensors": (lambda tensor: {"accuracy": gk.accuracy},),
    "is of tf.compat.v1.metrics": (
        lambda tensor: {"mean": tf.compat.v1.metrics.mean(tensor)},
        lambda tensor: {"mean": tf.compat.v1.metrics.mean(tensor)[0]},
        lambda tensor: {"mean": tf.compat.v1.metrics.mean(tensor)[1]},
    ),
    "tf.identity(own)": (
        lambda tensor: {"own": tf.compat.v1.get_variable("v", ())},
        lambda tensor: {"own": tf.compat.v1.placeholder_with_default(1.0, (), name="own")},
    ),
    "must be a number; received dtype='string'": (lambda tensor: {"own": tf.constant("a")},),
    "must be a number; received dtype='complex64'": (lambda tensor: {"own": tf.complex(tensor, tensor)},),
    "give the tensor, not a value": (lambda tensor: {"own": 0.5},),
    "an op has no value": (lambda tensor: {"own": tensor.op},),
    "tf.reduce_mean(own) is one number": (lambda tensor: {"own": tensor[tf.newaxis]},),
    "metrics of Keras are not taken": (lambda tensor: {"own": tf.keras.metrics.Mean()},),
    "the history has a column 'valid_loss' of its own": (lambda tensor: {"valid_loss": tensor},),
}


@pytest.mark.parametrize("message", NOT_METRICS)
def test_what_is_given_in_place_of_metrics(message):
    for make in NOT_METRICS[message]:
        with tf.Graph().as_default() as graph:
            metrics = make(tf.reduce_mean(gk.feature_input(3)))
            with pytest.raises((TypeError, ValueError)) as error:
                running_metrics.check_metrics(graph, metrics)
        assert message in str(error.value)


def test_numbers_of_many_kinds_are_metrics():
    with tf.Graph().as_default() as graph:
        points = gk.feature_input(3)
        baseline, _ = tf.compat.v1.metrics.mean(points)
        metrics = {
            "flag": tf.reduce_any(points > 0),
            "count": tf.size(points),
            "value of a variable": tf.identity(tf.compat.v1.get_variable("v", ())),
            "above a mean of all batches": tf.reduce_mean(points - baseline),
        }
        assert list(running_metrics.check_metrics(graph, metrics)) == [*metrics]
        assert running_metrics.check_metrics(graph, None) == {}
