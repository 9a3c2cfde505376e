"""Learning rates: which rate each step is fed, also when a callback changes the factor between runs."""

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit.train import learning_rate

EXECUTIONS = ("feed", "chunks", "resident", "compiled")
BATCH = 4
X = np.random.default_rng(1).normal(size=(42, 2)).astype(np.float32)  # ten mini-batches of 4, one of 2
Y = (X @ [[1.0], [-2.0]] + 0.5).astype(np.float32)
BATCHES = 11
RATES = {"constant": 0.125, "schedule": lambda step: 0.25 * 0.9**step}


def rate_of(kind, step):
    return RATES[kind](step) if kind == "schedule" else RATES[kind]


def least_squares(rate, *, noise=False, **options):
    """Returns (trainer, data, weights) of linear least squares without a bias, from weights of zero."""
    inputs, targets = gk.feature_input(2), gk.feature_input(1, name="targets")
    weights = tf.compat.v1.get_variable("w", (2, 1), initializer=tf.zeros_initializer(), use_resource=True)
    loss = tf.reduce_mean((inputs @ weights - targets) ** 2)
    if noise:  # of the state of a kernel, so that every execution draws it from keys in a loop
        loss += 0.0 * tf.reduce_mean(tf.random.normal((2,)))
    trainer = gk.Trainer(loss, "sgd", rate, **options)
    return trainer, {inputs: X, targets: Y}, weights


def descent(rates):
    """Returns the weights after steps of gradient descent at these rates, in the order of the data."""
    weights = np.zeros((2, 1))
    for step, rate in enumerate(rates):
        place = slice(step % BATCHES * BATCH, step % BATCHES * BATCH + BATCH)
        x, y = X[place].astype(np.float64), Y[place]
        weights -= rate * 2 / len(x) * x.T @ (x @ weights - y)
    return weights


class Factors(gk.Callback):
    """Sets another factor at each call of a hook, and notes the rates of the steps."""

    def __init__(self, hook, every_steps=None):
        self.every_steps = every_steps
        self.hook = hook
        self.used, self.set_at, self.calls = [], [(0, 1.0)], 0

    def change(self, trainer):
        self.calls += 1
        factor = (0.5, 2.0, 1.0, 0.25, 0.0, 1.5)[self.calls % 6]
        trainer.rate_factor = factor
        self.set_at.append((trainer.step, factor))

    def on_run_end(self, trainer):
        self.used += trainer.last_run.rates
        if self.hook == "on_run_end":
            self.change(trainer)

    def on_epoch_end(self, trainer, metrics):
        if self.hook == "on_epoch_end":
            self.change(trainer)

    def expected(self, kind):
        """Returns the rate of each step: the factor that was set last before it, times the schedule."""
        steps = range(len(self.used))
        factors = [[factor for at, factor in self.set_at if at <= step][-1] for step in steps]
        return [factor * rate_of(kind, step) for step, factor in zip(steps, factors, strict=True)]


class FactorsOfSteps(Factors):
    def on_step(self, trainer, metrics):
        self.change(trainer)


def check(factors, kind, execution, *, noise=False, executed=None):
    """Trains for two epochs, and compares weights, rates and the history with NumPy's."""
    with tf.Graph().as_default():
        trainer, data, weights = least_squares(RATES[kind], noise=noise)
        options = {"steps_per_run": 3, "shuffle": False, "progress": False, "execution": execution}
        with trainer:
            history = trainer.fit(data, epochs=2, batch_size=BATCH, callbacks=[factors], **options)
            assert trainer.runner.execution == (executed or execution)
            got = trainer.session.run(weights)
    expected = factors.expected(kind)
    assert len(expected) == 2 * BATCHES and len(set(factors.set_at)) > 2
    assert factors.used == pytest.approx(expected)
    assert history["learning_rate"] == pytest.approx([expected[BATCHES - 1], expected[-1]])
    np.testing.assert_allclose(got, descent(expected), rtol=1e-4)


@pytest.mark.grid
@pytest.mark.parametrize("execution", EXECUTIONS)
@pytest.mark.parametrize("kind", RATES)
def test_a_factor_set_after_a_run_acts_on_the_very_next_one(kind, execution):
    factors = Factors("on_run_end", every_steps=4)
    check(factors, kind, execution)
    stops = [at for at, _ in factors.set_at]
    # Runs of at most three steps, which end at multiples of 4 and before the short last mini-batch.
    runs = [0, 3, 4, 7, 8, 10, 11, 12, 15, 16, 19, 20, 21, 22]
    assert stops == (list(range(23)) if execution == "feed" else runs)


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_a_factor_set_after_an_epoch_acts_on_the_next_one(execution):
    factors = Factors("on_epoch_end")
    check(factors, "constant", execution)
    assert [at for at, _ in factors.set_at] == [0, BATCHES, 2 * BATCHES]


@pytest.mark.grid
@pytest.mark.parametrize("noise", [False, True], ids=["own ops", "loop of one step"])
@pytest.mark.parametrize("kind", RATES)
def test_a_factor_set_after_a_step_acts_on_the_very_next_one(kind, noise):
    for execution in EXECUTIONS:
        factors = FactorsOfSteps("on_step")
        check(factors, kind, execution, noise=noise, executed="feed")
        assert [at for at, _ in factors.set_at] == list(range(2 * BATCHES + 1))


def test_a_factor_set_after_a_run_acts_on_the_next_step_of_keyed_graphs():
    check(Factors("on_run_end"), "constant", "feed", noise=True)


def test_a_factor_between_fits_and_one_that_is_restored(tmp_path):
    trainer, data, weights = least_squares(0.5)
    options = {"batch_size": BATCH, "shuffle": False, "progress": False, "execution": "chunks"}
    with trainer:
        trainer.rate_factor = 0.25
        trainer.fit(data, **options)
        path = trainer.save(tmp_path / "kept")
        trainer.rate_factor = 0.5
        assert trainer.fit(data, **options)["learning_rate"] == [0.125, 0.25]
        np.testing.assert_allclose(
            trainer.session.run(weights), descent([0.125] * BATCHES + [0.25] * BATCHES), rtol=1e-4
        )
        trainer.restore(path)
        assert trainer.rate_factor == 0.25
        assert trainer.fit(data, **options)["learning_rate"] == [0.125, 0.125]


@pytest.mark.parametrize(
    ("factor", "error"), [(-0.5, ValueError), (np.nan, ValueError), (np.inf, ValueError), ("1", TypeError)]
)
def test_a_factor_that_cannot_be_is_refused(factor, error):
    trainer, _, _ = least_squares(0.5)
    with trainer:
        with pytest.raises(error, match="rate_factor: factor must be a finite number.*received"):
            trainer.rate_factor = factor
        assert trainer.rate_factor == 1.0


# LearningRate by itself.


def test_the_default_a_number_and_a_schedule():
    assert learning_rate.LearningRate(None, own=False).rates(range(2), 1.0) == [1e-3, 1e-3]
    assert learning_rate.LearningRate(0.5, own=False).rates(range(2), 0.5) == [0.25, 0.25]
    assert learning_rate.LearningRate(lambda step: step / 4, own=False).rates(range(4, 7), 2.0) == [2, 2.5, 3]
    assert learning_rate.LearningRate(0.5, own=False).rates(range(3, 3), 1.0) == []


def test_the_input_is_by_default_the_rate_of_step_0():
    rate = learning_rate.LearningRate(lambda step: 0.5 + step, own=False)
    assert rate.input is None
    placeholder = rate.make_input()
    assert placeholder is rate.input
    assert (placeholder.name, placeholder.dtype, placeholder.shape) == (
        "graphkit/learning_rate:0",
        tf.float32,
        (),
    )
    with tf.compat.v1.Session() as session:
        assert session.run(placeholder) == 0.5


def test_an_optimizer_with_a_rate_leaves_nothing_to_feed():
    rate = learning_rate.LearningRate(None, own=True)
    assert rate.schedule is None and rate.make_input() is None and rate.input is None
    assert rate.rates(range(5), 0.5) == []
    with pytest.raises(
        ValueError, match="Trainer: an optimizer object brings its own learning rate; received"
    ):
        learning_rate.LearningRate(0.1, own=True)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (0, ValueError, "Trainer: learning_rate must be a finite number above 0"),
        (-1.0, ValueError, "Trainer: learning_rate must be a finite number above 0"),
        (np.nan, ValueError, "Trainer: learning_rate must be a finite number"),
        (1e39, ValueError, "Trainer: learning_rate must be .*at most 3.4"),
        ("fast", TypeError, "Trainer: learning_rate must be a finite number"),
        (lambda step: -0.1, ValueError, r"Trainer: learning_rate\(7\) must be .*at least 0"),
        (lambda step: 1e39, ValueError, r"Trainer: learning_rate\(7\) must be .*at most 3.4"),
        (lambda step: np.nan, ValueError, r"Trainer: learning_rate\(7\) must be a finite number"),
        (lambda step: "fast", TypeError, r"Trainer: learning_rate\(7\) must be a finite number"),
    ],
)
def test_rates_out_of_range_are_refused_by_name(given, error, message):
    with pytest.raises(error, match=message):
        learning_rate.LearningRate(given, own=False).rates(range(7, 8), 1.0)
