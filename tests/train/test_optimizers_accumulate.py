"""Gradients summed over mini-batches: the same updates as with batches that many times as large."""

import numpy as np
import pytest
import tensorflow as tf
from references import Ended, StopAt

import graphkit as gk

rng = np.random.default_rng(3)
POINTS = rng.normal(size=(48, 3)).astype(np.float32)
KINDS = (POINTS[:, 0] * POINTS[:, 1] > 0).astype(np.int32)
TOKENS = rng.integers(0, 9, (48, 4))


class Problem:
    """A small classifier in the current graph."""

    def __init__(self):
        self.points, self.kinds = gk.feature_input(3), gk.label_input()
        net = gk.dense(self.points, 6, activation=tf.tanh, name="hidden")
        self.loss = gk.softmax_cross_entropy(gk.dense(net, 2, name="logits"), self.kinds)
        self.data = {self.points: POINTS, self.kinds: KINDS}


def values(trainer, collection="trainable_variables"):
    """Returns {name: value} of the variables of a collection."""
    variables = trainer.graph.get_collection(collection)
    return dict(zip([v.op.name for v in variables], trainer.session.run(variables), strict=True))


def close(first, second, **tolerances):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_allclose(first[name], second[name], err_msg=name, **tolerances)


def fitted(batch_size, accumulate, epochs=4, make=Problem, **options):
    with tf.Graph().as_default():
        problem = make()
        with gk.Trainer(problem.loss, accumulate=accumulate, seed=5, **options) as trainer:
            start = values(trainer)
            trainer.fit(problem.data, epochs=epochs, batch_size=batch_size, shuffle=False, progress=False)
            return start, values(trainer)


@pytest.mark.grid
@pytest.mark.parametrize(
    ("optimizer", "accumulate"),
    [
        ("sgd", 2),
        ("adamw", 3),
        *(
            pytest.param(optimizer, accumulate, marks=pytest.mark.slow)
            for optimizer in ("sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop", "adagrad")
            for accumulate in (2, 3)
            if (optimizer, accumulate) not in (("sgd", 2), ("adamw", 3))
        ),
    ],
)
def test_k_mini_batches_are_one_of_k_times_the_size(optimizer, accumulate):
    options = {"optimizer": optimizer, "learning_rate": 0.05}
    start, parts = fitted(4, accumulate, **options)
    begin, whole = fitted(4 * accumulate, 1, **options)
    assert all(np.array_equal(start[name], begin[name]) for name in start)
    assert all(np.abs(whole[name] - begin[name]).max() > 1e-3 for name in whole)
    close(parts, whole, rtol=1e-4, atol=1e-5)


def test_optimizer_object_and_function():
    objects = [tf.compat.v1.train.MomentumOptimizer(0.1, 0.8) for _ in range(2)]
    close(fitted(6, 4, optimizer=objects[0])[1], fitted(24, 1, optimizer=objects[1])[1], rtol=1e-4, atol=1e-5)
    adamw = lambda rate: gk.AdamW(rate, weight_decay=0.5)  # noqa: E731
    options = {"optimizer": adamw, "learning_rate": 0.05}
    close(fitted(6, 4, **options)[1], fitted(24, 1, **options)[1], rtol=1e-4, atol=1e-5)


def test_weight_decay_acts_once_an_update():
    def make():
        problem = Problem()
        problem.loss = 0.0 * problem.loss
        return problem

    options = {"learning_rate": 0.5, "optimizer": lambda rate: gk.AdamW(rate, weight_decay=0.5)}
    start, end = fitted(4, 3, epochs=1, make=make, **options)  # 12 mini-batches, 4 updates
    np.testing.assert_allclose(end["hidden/kernel"], start["hidden/kernel"] * 0.75**4, rtol=1e-5)
    assert not end["hidden/bias"].any()


def test_one_mini_batch_is_the_plain_update_to_the_bit():
    first = fitted(8, 1, optimizer="adam")[1]
    with tf.Graph().as_default():
        problem = Problem()
        with gk.Trainer(problem.loss, seed=5, optimizer="adam") as trainer:
            trainer.fit(problem.data, epochs=4, batch_size=8, shuffle=False, progress=False)
            second = values(trainer)
    assert all(np.array_equal(first[name], second[name]) for name in first)


class Weights(gk.Callback):
    """Keeps w after each step."""

    def __init__(self):
        self.seen = []

    def on_step(self, trainer, metrics):
        self.seen.append(float(values(trainer)["w"]))


def slope(**options):
    """Returns (trainer, placeholder) of loss = w * mean(x), whose gradient is the mean of x."""
    x = gk.feature_input(1)
    w = tf.compat.v1.get_variable("w", (), initializer=gk.zeros(), use_resource=True)
    options = {"optimizer": "sgd", "learning_rate": 1.0, **options}
    return gk.Trainer(w * tf.reduce_mean(x), **options), x


def column(*numbers):
    return np.array(numbers, np.float32)[:, None]


def test_nothing_moves_before_the_kth_mini_batch():
    trainer, x = slope(accumulate=3)
    watch = Weights()
    with trainer:
        data = {x: column(3, 6, 9, 1, 1, 4, 100, 100)}
        history = trainer.fit(data, batch_size=1, shuffle=False, callbacks=[watch], progress=False)
        sums = values(trainer, "variables")["w/accumulated_gradient"]
        steps = trainer.session.run(trainer.training_step.global_step)
    assert watch.seen == [0, 0, -6, -6, -6, -8, -8, -8]
    assert sums == 200 and history["step"] == [8] and trainer.step == steps == 8


def test_sums_carry_over_the_end_of_an_epoch_and_of_a_fit():
    trainer, x = slope(accumulate=3)
    watch = Weights()
    with trainer:
        options = {"batch_size": 1, "shuffle": False, "callbacks": [watch], "progress": False}
        trainer.fit({x: column(3, 6)}, epochs=2, **options)
        assert watch.seen == [0, 0, -4, -4]  # (3 + 6 + 3) / 3
        trainer.fit({x: column(3, 6)}, epochs=1, **options)
    assert watch.seen == [0, 0, -4, -4, -4, -9]  # (6 + 3 + 6) / 3


def test_the_rate_is_that_of_the_step_that_updates():
    trainer, x = slope(accumulate=2, learning_rate=lambda step: float(10**step))
    watch = Weights()
    with trainer:
        trainer.fit({x: column(1, 1, 1, 1)}, batch_size=1, callbacks=[watch], progress=False)
    assert watch.seen == [0, -10, -10, -1010]


def test_clip_norm_acts_on_the_mean_gradient():
    numbers = column(9, -8, 1.5, 0.5, 30, -10)  # means 0.5, 1 and 10
    trainer, x = slope(accumulate=2, clip_norm=2.0)
    watch = Weights()
    with trainer:
        trainer.fit({x: numbers}, batch_size=1, shuffle=False, callbacks=[watch], progress=False)
    assert watch.seen == pytest.approx([0, -0.5, -0.5, -1.5, -1.5, -3.5])
    options = {"optimizer": "momentum", "learning_rate": 0.5, "clip_norm": 0.05}
    close(fitted(4, 3, **options)[1], fitted(12, 1, **options)[1], rtol=1e-4, atol=1e-5)


def run(logdir, epochs, halt_at=None, resume=True):
    """Returns (loss by epoch, all variables) of a run with 5 mini-batches an epoch, 3 an update."""
    with tf.Graph().as_default():
        problem = Problem()
        with gk.Trainer(problem.loss, optimizer="adam", accumulate=3, seed=5, logdir=logdir) as trainer:
            options = {"epochs": epochs, "batch_size": 10, "resume": resume, "progress": False}
            if halt_at:
                with pytest.raises(Ended):
                    trainer.fit(problem.data, callbacks=[StopAt(halt_at)], **options)
            else:
                trainer.fit(problem.data, **options)
            return trainer.history.get("loss"), values(trainer, "variables")


@pytest.mark.slow
def test_checkpoint_between_two_updates_resumes_to_the_same_bits(tmp_path):
    losses, whole = run(tmp_path / "whole", 4, resume=False)
    run(tmp_path / "parts", 4, halt_at=4)
    run(tmp_path / "parts", 2)  # ends at step 10, between updates too
    run(tmp_path / "parts", 4, halt_at=17)
    resumed, variables = run(tmp_path / "parts", 4)
    assert resumed == losses and variables.keys() == whole.keys()
    assert all(np.array_equal(variables[name], whole[name]) for name in whole)
    assert any(whole[name].any() for name in whole if name.endswith("accumulated_gradient"))


@pytest.mark.parametrize(
    "optimizer", ["adam", *(pytest.param(o, marks=pytest.mark.slow) for o in ("sgd", "momentum", "adamw"))]
)
def test_variables_are_those_of_the_plain_optimizer_and_the_sums(optimizer):
    def names(accumulate):
        with tf.Graph().as_default() as graph:
            with gk.Trainer(Problem().loss, optimizer=optimizer, accumulate=accumulate):
                variables = graph.get_collection("variables")
            trained = {v.op.name for v in graph.get_collection("trainable_variables")}
        assert len({v.op.name for v in variables}) == len(variables)
        return {v.op.name: v.shape.as_list() for v in variables}, trained

    plain, trained = names(1)
    summed, still_trained = names(4)
    sums = {f"{name}/accumulated_gradient": plain[name] for name in trained}
    assert summed == {**plain, **sums} and still_trained == trained


def test_averages_of_batch_norm_move_with_every_mini_batch():
    points = gk.feature_input(3)
    net = gk.batch_norm(points, momentum=0.9, name="norm")
    loss = tf.reduce_mean(gk.dense(net, 1) ** 2)
    expected = np.zeros(3)
    with gk.Trainer(loss, accumulate=4, optimizer="sgd", learning_rate=0.01) as trainer:
        gamma = values(trainer)["norm/gamma"]
        trainer.fit({points: POINTS[:24]}, batch_size=8, shuffle=False, progress=False)
        for start in (0, 8, 16):
            expected += 0.1 * (POINTS[start : start + 8].mean(axis=0) - expected)
        after = values(trainer, "variables")
    np.testing.assert_allclose(after["norm/moving_mean"], expected, rtol=1e-4, atol=1e-6)
    assert np.array_equal(after["norm/gamma"], gamma)  # three mini-batches make no update


class Words:
    """A classifier of tokens, whose embedding has sparse gradients."""

    def __init__(self):
        tokens, kinds = gk.token_input(4), gk.label_input()
        vectors = gk.embedding(tokens, 12, 5, name="words")
        logits = gk.dense(tf.reduce_mean(vectors, axis=1), 2, name="logits")
        self.loss = gk.softmax_cross_entropy(logits, kinds)
        self.data = {tokens: TOKENS, kinds: KINDS}


@pytest.mark.parametrize(
    "optimizer", ["adam", *(pytest.param(o, marks=pytest.mark.slow) for o in ("sgd", "adamw"))]
)
def test_sparse_gradients_of_an_embedding(optimizer):
    options = {"optimizer": optimizer, "learning_rate": 0.05, "make": Words}
    start, parts = fitted(4, 3, **options)
    _, whole = fitted(12, 1, **options)
    assert np.abs(whole["words/embeddings"] - start["words/embeddings"])[:9].max() > 1e-3
    close(parts, whole, rtol=1e-4, atol=2e-5)
    if optimizer != "adamw":  # tokens 9 to 11 do not occur
        assert np.array_equal(parts["words/embeddings"][9:], start["words/embeddings"][9:])


def test_metrics_and_losses_are_those_of_each_mini_batch():
    trainer, x = slope(accumulate=2)
    losses = []

    class Note(gk.Callback):
        def on_step(self, trainer, metrics):
            losses.append(metrics["loss"])

    with trainer:
        trainer.fit({x: column(2, 4, 1, 5)}, batch_size=1, shuffle=False, callbacks=[Note()], progress=False)
    assert losses == [0, 0, -3, -15]  # w is 0 until the second, then -3


@pytest.mark.parametrize(
    ("accumulate", "error"),
    [(0, ValueError), (-2, ValueError), (1.5, TypeError), (True, TypeError), ("2", TypeError)],
)
def test_bad_numbers_are_refused(accumulate, error):
    with pytest.raises(error, match="Trainer: accumulate must be an integer of at least 1; received"):
        gk.Trainer(Problem().loss, accumulate=accumulate)


def test_none_of_the_variables_trained_is_refused_with_and_without():
    unused = tf.compat.v1.get_variable("unused", (2,), use_resource=True)
    with pytest.raises(ValueError, match="Trainer: the loss must depend on a trainable variable"):
        gk.Trainer(Problem().loss, accumulate=2, variables=[unused])


def test_variable_without_gradient_gets_no_sum():
    tf.compat.v1.get_variable("unused", (2,), use_resource=True)
    problem = Problem()
    with gk.Trainer(problem.loss, accumulate=2) as trainer:
        assert "unused/accumulated_gradient" not in values(trainer, "variables")
        trainer.fit(problem.data, progress=False)
