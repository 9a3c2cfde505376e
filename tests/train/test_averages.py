"""Moving averages of the trained variables: their values, in all executions, and what uses them."""

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk

X = np.linspace(-1, 1, 12, dtype=np.float32)[:, None]


class Values(gk.Callback):
    """Keeps the trained variables after each step."""

    every_steps = 1

    def __init__(self):
        self.values = []

    def on_run_end(self, trainer):
        self.values.append(trainer.session.run(trainer.training_step.trained))


def problem(**options):
    x, y = gk.feature_input(1), tf.compat.v1.placeholder(tf.float32, (None, 1), name="y")
    outputs = gk.dense(gk.relu(gk.dense(x, 3)), 1)
    loss = gk.mean_squared_error(outputs, y)
    trainer = gk.Trainer(loss, "momentum", 0.05, average_decay=0.8, seed=2, **options)
    return trainer, {x: X, y: 2 * X}, outputs, x


def by_definition(values, decay):
    """Returns the weighted means: the last value counts 1, the one before decay, then decay**2, …"""
    weights = decay ** np.arange(len(values))[::-1]
    columns = zip(*values, strict=True)
    return [np.tensordot(weights, np.array(c, np.float64), 1) / weights.sum() for c in columns]


def averages_of(trainer):
    return trainer.session.run([mean for _, mean in trainer.training_step.averages.pairs])


@pytest.mark.parametrize(
    "executions", [("feed", "chunks", "resident"), pytest.param(("feed", "compiled"), marks=pytest.mark.slow)]
)
def test_they_are_the_weighted_means_of_the_values_in_all_executions(executions, tmp_path):
    trainer, data, _, _ = problem()
    with trainer:
        start = trainer.save(tmp_path / "start")
        plain = trainer.evaluate(data)
        with trainer.averages():  # before the first step, they are the variables
            assert trainer.evaluate(data) == plain
        found = {}
        for execution in executions:
            trainer.restore(start)
            values = Values()
            callbacks = [values] if execution == "feed" else []
            trainer.fit(
                data, epochs=3, batch_size=5, execution=execution, callbacks=callbacks, progress=False
            )
            assert trainer.runner.execution == execution
            found[execution] = averages_of(trainer)
            if execution == "feed":
                expected = by_definition(values.values, 0.8)
            for value, mean in zip(found[execution], expected, strict=True):
                np.testing.assert_allclose(value, mean, rtol=1e-5, atol=1e-6)
        for execution in {*executions} - {"compiled"}:
            for value, other in zip(found[execution], found["feed"], strict=True):
                np.testing.assert_array_equal(value, other)
    names = [mean.op.name for _, mean in trainer.training_step.averages.pairs]
    assert names[0] == "dense/kernel/ExponentialMovingAverage"


def test_evaluate_predict_save_and_export_use_them_in_the_block_alone(tmp_path):
    trainer, data, outputs, x = problem(logdir=tmp_path / "run")
    with trainer:
        trainer.fit(data, epochs=2, batch_size=4, progress=False, valid=data)
        weights, plain = trainer.weights(), trainer.evaluate(data)["loss"]
        with trainer.averages():
            means = trainer.weights()
            averaged = trainer.evaluate(data)["loss"]
            predicted = trainer.predict(outputs, {x: X})
            trainer.save(tmp_path / "averaged")
            exported = trainer.export(tmp_path / "export", outputs)
            with pytest.raises(ValueError, match="^save: inside trainer.averages"):
                trainer.save()
            with pytest.raises(ValueError, match=r"^fit: fit inside of trainer.averages"):
                trainer.fit(data, progress=False)
            with pytest.raises(ValueError, match="^averages: .*already"), trainer.averages():
                pass
        assert averaged != plain == trainer.evaluate(data)["loss"]
        assert trainer.history["valid_averaged_loss"][-1] == averaged
        assert trainer.history["valid_loss"][-1] == plain
        for value, (name, mean) in zip(averages_of(trainer), means.items(), strict=True):
            np.testing.assert_array_equal(value, mean)
            assert not np.array_equal(mean, weights[name])
        trainer.restore(tmp_path / "averaged", weights_only=True)
        np.testing.assert_array_equal(trainer.predict(outputs, {x: X}), predicted)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        meta = tf.compat.v1.saved_model.load(session, ["serve"], exported)
        signature = meta.signature_def["serving_default"]
        fed = {next(iter(signature.inputs.values())).name: X}
        np.testing.assert_allclose(
            session.run(next(iter(signature.outputs.values())).name, fed), predicted, rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("decay", [0, 1, "0.9"])
def test_bad_decays_are_refused(decay):
    loss = tf.reduce_mean(gk.dense(gk.feature_input(1), 1))
    with pytest.raises((ValueError, TypeError), match="^Trainer: average_decay"):
        gk.Trainer(loss, average_decay=decay)


def test_a_trainer_without_them_says_so():
    trainer = gk.Trainer(tf.reduce_mean(gk.dense(gk.feature_input(1), 1)))
    with trainer, pytest.raises(ValueError, match="^averages: .*average_decay"), trainer.averages():
        pass
