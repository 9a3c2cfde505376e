"""The values of steps, as callbacks get them: of every step, without slower steps."""

import numpy as np
import tensorflow as tf

import graphkit as gk
from graphkit.running import step_values, steps

X = np.linspace(-1, 1, 22, dtype=np.float32)[:, None]


class Steps(gk.Callback):
    def __init__(self):
        self.runs, self.each = [], []

    def on_steps(self, trainer, values):
        assert values.steps[-1] == trainer.step
        self.runs.append(values)


class Each(Steps):
    def on_step(self, trainer, metrics):
        self.each.append((trainer.step, metrics["loss"], metrics["rms"]))


def joined(runs):
    losses = np.concatenate([run.metrics["loss"] for run in runs])
    roots = np.concatenate([run.metrics["rms"] for run in runs])
    return np.concatenate([run.steps for run in runs]), losses, roots, np.concatenate([r.rates for r in runs])


def test_every_step_has_its_values_in_all_executions(tmp_path):
    x = gk.feature_input(1)
    loss = tf.reduce_mean(gk.dense(x, 1) ** 2)
    metrics = {"rms": gk.Metric(tf.reduce_mean(x**2), lambda mean, count: float(mean) ** 0.5)}
    with gk.Trainer(loss, "sgd", lambda step: 0.1 / (step + 1), metrics=metrics) as trainer:
        start = trainer.save(tmp_path / "start")
        options = {"batch_size": 4, "progress": False, "epochs": 2}
        each = Each()
        trainer.fit({x: X}, callbacks=[each], **options)
        assert trainer.runner.execution == "feed"
        numbers, losses, roots, rates = joined(each.runs)
        np.testing.assert_array_equal(numbers, np.arange(1, 13))
        np.testing.assert_array_equal(rates, [0.1 / (step + 1) for step in range(12)])
        assert [(n, a, b) for n, a, b in zip(numbers, losses, roots, strict=True)] == each.each
        for execution in ("feed", "chunks", "resident"):
            trainer.restore(start)
            read = Steps()
            trainer.fit({x: X}, callbacks=[read], execution=execution, **options)
            assert trainer.runner.execution == execution
            for value, expected in zip(joined(read.runs), (numbers, losses, roots, rates), strict=True):
                np.testing.assert_array_equal(value, expected)


def test_arrays_stay_arrays_and_an_own_rate_is_none():
    matrix = gk.Metric(tf.zeros((2, 2)), lambda mean, count: mean * count)
    run = steps.Run([np.array([1.0, 2.0], np.float32), np.ones((2, 2, 2))], [], 5)
    metrics = {"loss": step_values.Metric(tf.zeros(()), step_values.plain_mean), "matrix": matrix}
    values = step_values.of_run(run, metrics, last_step=7)
    assert values.rates is None and values.steps.tolist() == [6, 7]
    assert values.metrics["loss"].tolist() == [1.0, 2.0]
    np.testing.assert_array_equal(values.metrics["matrix"], np.full((2, 2, 2), 5.0))


def test_only_who_reads_them_is_given_them(monkeypatch):
    of_run, made = step_values.of_run, []

    def counted(*given):
        made.append(given)
        return of_run(*given)

    monkeypatch.setattr(step_values, "of_run", counted)
    x = gk.feature_input(1)
    with gk.Trainer(tf.reduce_mean(gk.dense(x, 1) ** 2)) as trainer:
        trainer.fit({x: X}, callbacks=[gk.Callback()], progress=False)
        assert not made
        trainer.fit({x: X}, callbacks=[Steps()], progress=False)
        assert made
