"""The learning-rate finder: what it suggests, and that it leaves no trace."""

import copy
import math
import tempfile

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk

rng = np.random.default_rng(1)
POINTS = rng.normal(size=(60, 3)).astype(np.float32)
KINDS = (POINTS.sum(axis=1) > 0).astype(np.int32)


def quadratic(curvature, offset=0.0, **options):
    """Returns (trainer, data): the loss is curvature * w**2 / 2 + offset, from w = 1 on."""
    x = gk.feature_input(1)
    w = tf.compat.v1.get_variable("w", (), initializer=tf.ones_initializer(), use_resource=True)
    loss = 0.5 * curvature * w**2 * tf.reduce_mean(x) + offset
    options = {"optimizer": "sgd", **options}
    return gk.Trainer(loss, **options), {x: np.ones((8, 1), np.float32)}


@pytest.mark.parametrize("curvature", [2.0, 20.0, 500.0])
def test_suggestion_lies_below_the_largest_stable_rate(curvature):
    trainer, data = quadratic(curvature)
    with trainer:
        test = gk.find_learning_rate(trainer, data, lowest=1e-6, highest=100.0, steps=120)
    stable = 2 / curvature  # beyond it each step of gradient descent enlarges w
    assert stable / 200 < test.suggestion < stable
    assert test.losses[-1] > 4 * test.losses.min() and test.rates[-1] > stable
    assert len(test.rates) == len(test.losses) < 120  # it ended when the loss had blown up
    before = test.rates < stable / 2
    assert (np.diff(test.losses[before]) <= 1e-6 * curvature).all()


def test_a_stream_has_mini_batches_of_its_own():
    trainer, data = quadratic(2.0)
    with trainer:
        expected = gk.find_learning_rate(trainer, data, steps=5, batch_size=4)
        parts = [{key: value[:4] for key, value in data.items()}] * 2
        found = gk.find_learning_rate(trainer, lambda: iter(parts), steps=5)
    np.testing.assert_array_equal(found.losses, expected.losses)


def test_rates_grow_geometrically_and_losses_are_running_means():
    trainer, data = quadratic(2.0)
    with trainer:
        test = gk.find_learning_rate(trainer, data, lowest=0.001, highest=0.1, steps=5)
    assert test.rates == pytest.approx([0.001, 0.001 * 10**0.5, 0.01, 0.01 * 10**0.5, 0.1])
    w, losses = 1.0, []
    for rate in test.rates:
        losses.append(w**2)
        w -= rate * 2 * w
    weights = [0.9 ** np.arange(count, -1, -1) for count in range(5)]  # the newest loss weighs most
    expected = [np.average(losses[: count + 1], weights=weights[count]) for count in range(5)]
    assert test.losses == pytest.approx(expected, rel=1e-5)
    assert test.suggestion == pytest.approx(test.rates[np.argmin(expected)] / 10)


def test_a_loss_below_zero_is_no_loss_that_has_blown_up():
    trainer, data = quadratic(2.0, offset=-10.0)
    with trainer:
        test = gk.find_learning_rate(trainer, data, lowest=1e-4, highest=0.5, steps=40)
    assert len(test.rates) == 40 and test.losses[-1] < test.losses[0] < 0


def test_steps_go_on_over_the_ends_of_epochs():
    trainer, data = quadratic(2.0)
    with trainer:
        assert len(gk.find_learning_rate(trainer, data, steps=30, highest=0.1, batch_size=3).rates) == 30
        assert len(gk.find_learning_rate(trainer, data, steps=2, highest=0.1, batch_size=1).rates) == 2


class Problem:
    """A small classifier in the current graph, with dropout and batch norm."""

    def __init__(self, **options):
        self.points, self.kinds, self.keep_prob = gk.feature_input(3), gk.label_input(), gk.keep_prob_input()
        net = gk.batch_norm(gk.dense(self.points, 8, name="hidden"), name="norm")
        logits = gk.dense(gk.dropout(gk.relu(net), self.keep_prob), 2, name="logits")
        metrics = {"f1": gk.f1_score(logits, self.kinds), "matrix": gk.confusion_matrix(logits, self.kinds)}
        loss = gk.softmax_cross_entropy(logits, self.kinds)
        options = {"optimizer": "adam", "seed": 4, "learning_rate": 0.01, **options}
        self.trainer = gk.Trainer(loss, metrics=metrics, **options)
        self.data = {self.points: POINTS, self.kinds: KINDS}

    def fit(self, **options):
        options = {"epochs": 2, "batch_size": 16, "progress": False, **options}
        return self.trainer.fit(self.data, {self.keep_prob: 0.5}, **options)

    def find(self, **options):
        options = {"steps": 30, "batch_size": 16, **options}
        return gk.find_learning_rate(self.trainer, self.data, {self.keep_prob: 0.5}, **options)

    def everything(self):
        """Returns all that the test might have changed, the weights as bytes."""
        trainer = self.trainer
        kept = {name: getattr(trainer, name) for name in ("logdir", "callbacks", "seed")}
        kept["schedule"] = trainer.learning_rate.schedule
        kept["state"] = copy.deepcopy(trainer.state.to_json())
        variables = trainer.graph.get_collection("variables")
        kept["variables"] = [v.tobytes() for v in trainer.session.run(variables)]
        return kept


@pytest.mark.grid
@pytest.mark.parametrize(
    "optimizer",
    [pytest.param("sgd", marks=pytest.mark.slow), pytest.param("momentum", marks=pytest.mark.slow), "adam"],
)
@pytest.mark.parametrize(("lowest", "highest"), [(1e-6, 0.1), (1e37, 1e38)])
def test_everything_is_as_before_also_when_the_loss_became_nan(optimizer, lowest, highest, tmp_path):
    problem = Problem(optimizer=optimizer, logdir=tmp_path)
    with problem.trainer:
        for fits in range(2):
            before = problem.everything()
            files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
            test = problem.find(lowest=lowest, highest=highest)
            assert len(test.rates) == (30 if highest < 1 else 1) and np.isfinite(test.losses).all()
            assert problem.everything() == before
            assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == files
            problem.fit()
            assert problem.trainer.epoch == 2 * fits + 2


def test_a_loss_that_is_not_finite_ends_the_test():
    trainer, data = quadratic(2.0)
    with trainer:  # w goes from 1 to -1 to 2e19, whose square is beyond float32
        test = gk.find_learning_rate(trainer, data, lowest=1.0, highest=1e38, steps=3)
        assert test.rates == pytest.approx([1, 1e19]) and test.losses == pytest.approx([1, 1])
        assert trainer.session.run(trainer.graph.get_collection("trainable_variables")) == [1.0]


def test_a_following_fit_equals_one_without_the_test(tmp_path):
    problem, results = Problem(), []
    with problem.trainer as trainer:
        start = trainer.save(tmp_path / "start")
        for find in (True, False):
            trainer.restore(start)
            for _ in range(2):
                if find:
                    problem.find()
                history = problem.fit()
            kept = {name: history[name] for name in ("loss", "f1", "matrix", "learning_rate", "step")}
            results.append((kept, problem.everything()["variables"]))
    assert results[0] == results[1]


def test_a_history_in_hand_gets_no_rows():
    problem = Problem()
    with problem.trainer:
        history = problem.fit()
        problem.find()
        assert history["epoch"] == [1, 2]


def test_a_rate_that_was_reduced_stays_so():
    problem = Problem()
    with problem.trainer as trainer:
        trainer.rate_factor = 0.25
        test = problem.find(lowest=1e-3, highest=1e-2, steps=3)
        assert test.rates == pytest.approx([1e-3, 10**-2.5, 1e-2])
        assert trainer.rate_factor == 0.25
        assert problem.fit(epochs=1)["learning_rate"] == [0.0025]


def test_inside_an_epoch(tmp_path):
    class Halt(gk.Callback):
        def on_step(self, trainer, metrics):
            if trainer.step == 3:
                raise KeyboardInterrupt

    problem, results = Problem(), []
    with problem.trainer as trainer:
        start = trainer.save(tmp_path / "start")
        for find in (True, False):
            trainer.restore(start)
            with pytest.raises(KeyboardInterrupt):
                problem.fit(callbacks=[Halt()])
            before = problem.everything()
            if find:
                assert len(problem.find(highest=0.01).rates) == 30
                assert problem.everything() == before
            results.append((problem.fit()["loss"], problem.everything()["variables"]))
    assert results[0] == results[1]


def test_it_tries_the_rates_on_accumulated_gradients_too():
    problem = Problem(accumulate=4, optimizer="momentum")
    with problem.trainer:
        before = problem.everything()
        assert len(problem.find(highest=0.01).rates) == 30
        assert problem.everything() == before


def test_a_loss_that_is_not_finite_from_the_start_is_refused():
    trainer, data = quadratic(2.0, offset=math.inf)
    with trainer:
        with pytest.raises(
            ValueError, match="find_learning_rate: the loss must be finite at the lowest rate"
        ):
            gk.find_learning_rate(trainer, data)
        assert trainer.step == 0


def test_an_optimizer_object_is_refused():
    optimizer = tf.compat.v1.train.AdamOptimizer()
    trainer, data = quadratic(2.0, optimizer=optimizer)
    with trainer, pytest.raises(ValueError, match="find_learning_rate: the optimizer brings its own"):
        gk.find_learning_rate(trainer, data)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"lowest": 0}, ValueError, "find_learning_rate: lowest .*above 0"),
        ({"lowest": "1"}, TypeError, "find_learning_rate: lowest"),
        ({"lowest": 0.1, "highest": 0.1}, ValueError, "find_learning_rate: highest .*above 0.1"),
        ({"highest": math.inf}, ValueError, "find_learning_rate: highest .*finite"),
        ({"steps": 1}, ValueError, "find_learning_rate: steps .*at least 2"),
        ({"steps": 2.5}, TypeError, "find_learning_rate: steps .*integer"),
        ({"batch_size": 0}, ValueError, "batch_size .*at least 1"),
        ({"data": {}}, ValueError, "needs data, or a value in feed"),
        ({"data": 3}, TypeError, "data must be {placeholder or its name: array}"),
    ],
)
def test_bad_arguments_are_refused_and_change_nothing(options, error, message):
    trainer, data = quadratic(2.0, learning_rate=0.25)
    with trainer:
        schedule = trainer.learning_rate.schedule
        with pytest.raises(error, match=message):
            gk.find_learning_rate(trainer, **{"data": data, **options})
        assert trainer.learning_rate.schedule is schedule and trainer.step == 0
        assert trainer.fit(data, progress=False)["learning_rate"] == [0.25]


def test_something_else_than_a_trainer_is_refused():
    with pytest.raises(TypeError, match="find_learning_rate: trainer must be a gk.Trainer"):
        gk.find_learning_rate("trainer", {})


def test_a_temporary_folder_where_tensorflow_reads_nothing_is_refused_at_once(tmp_path, monkeypatch):
    (tmp_path / "[tmp]").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "[tmp]"))
    trainer, data = quadratic(2.0)
    with trainer:
        with pytest.raises(ValueError, match="^find_learning_rate: TensorFlow takes .* received TMPDIR="):
            gk.find_learning_rate(trainer, data)
        assert trainer.step == 0 and trainer.fit(data, progress=False)["learning_rate"] == [1e-3]


def test_a_closed_trainer_is_refused():
    trainer, data = quadratic(2.0)
    trainer.close()
    with pytest.raises(RuntimeError, match="the trainer is closed"):
        gk.find_learning_rate(trainer, data)
