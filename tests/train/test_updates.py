"""Several losses in one step: the updates of a hand-written session loop, in every execution."""

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk

v1 = tf.compat.v1
rng = np.random.default_rng(5)
REAL = rng.normal(1, 0.5, (36, 4)).astype(np.float32)
NOISE = rng.normal(size=(36, 3)).astype(np.float32)
BATCH = 8  # the last mini-batch is a shorter one
FIT = {"batch_size": BATCH, "progress": False}


class Adversaries:
    """Two small networks against each other in the current graph.

    Args:
      noise: "given" as data, or "uniform": drawn in each update.
      norm: whether they have batch norm.
      dropout: whether the critic has it.
    """

    def __init__(self, noise="given", norm=False, dropout=False):
        self.real, self.given = gk.feature_input(4, name="real"), gk.feature_input(3, name="noise")
        self.keep_prob = gk.keep_prob_input()
        self.norm, self.dropout = norm, dropout
        shape = tf.shape(self.real)[:1]
        drawn = tf.random.uniform(tf.concat([shape, [3]], 0), -1, 1)
        self.data = {self.real: REAL} | ({self.given: NOISE} if noise == "given" else {})
        with v1.variable_scope("generator"):
            net = tf.tanh(gk.dense(self.given if noise == "given" else drawn, 6))
            fake = gk.dense(gk.batch_norm(net) if norm else net, 4)
        real_score, fake_score = self.score(self.real), self.score(fake)
        self.critic = tf.reduce_mean(tf.nn.softplus(-real_score) + tf.nn.softplus(fake_score))
        self.generator = tf.reduce_mean(tf.nn.softplus(-fake_score))
        self.of_critic, self.of_generator = map(v1.trainable_variables, ("critic", "generator"))

    def score(self, rows):
        with v1.variable_scope("critic", reuse=v1.AUTO_REUSE):
            net = gk.dense(rows, 8, name="hidden")
            net = tf.nn.leaky_relu(gk.batch_norm(net, name="norm") if self.norm else net)
            return gk.dense(gk.dropout(net, self.keep_prob) if self.dropout else net, 1, name="score")

    def losses(self, critic="sgd", generator="sgd", times=1):
        return {
            "critic": (self.critic, self.of_critic, critic, times),
            "generator": (self.generator, self.of_generator, generator),
        }


def trainer_of(problem, losses=None, **options):
    options = {"learning_rate": 0.1, "seed": 7, **options}
    return gk.Trainer(problem.losses(**(losses or {})), **options)


def trainings(problem, trainer, folder, executions, **fit):
    """Yields (execution, weights, history) of the same training from the same start."""
    start = trainer.save(folder / "start")
    for execution in executions:
        trainer.restore(start)
        options = {**FIT, "execution": execution, **fit}
        history = trainer.fit(problem.data, {problem.keep_prob: 0.5}, 2, **options)
        assert trainer.runner.execution == execution
        yield execution, trainer.weights(), {name: list(values) for name, values in history.items()}


def by_hand(start, epochs, norm):
    """Returns (weights, losses) of a session loop of TensorFlow 1 that makes the same updates."""
    with tf.Graph().as_default() as graph:
        problem = Adversaries(norm=norm)
        train_critic = v1.train.MomentumOptimizer(0.05, 0.9).minimize(problem.critic, None, problem.of_critic)
        rate = v1.placeholder(tf.float32)
        descent = v1.train.GradientDescentOptimizer(rate)
        train_generator = descent.minimize(problem.generator, None, problem.of_generator)
        moved = graph.get_collection(v1.GraphKeys.UPDATE_OPS)
        seen = []
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            named = {variable.op.name: variable for variable in v1.global_variables()}
            for name, value in start.items():
                named[name].load(value, session)
            for step in range(epochs * 5):
                rows = slice(step * BATCH % 40, step * BATCH % 40 + BATCH)
                feed = {problem.real: REAL[rows], problem.given: NOISE[rows], rate: 0.1 * 0.9**step}
                feed |= {flag: True for flag in graph.get_collection("graphkit_training")}
                session.run(moved, feed)
                critic = [session.run([problem.critic, train_critic], feed)[0] for _ in range(2)]
                seen.append((np.mean(critic), session.run([problem.generator, train_generator], feed)[0]))
            return session.run({name: named[name] for name in start}), np.array(seen)


@pytest.mark.parametrize(
    ("executions", "norm"),
    [
        (("resident",), False),
        pytest.param(("feed", "chunks", "resident", "compiled"), True, marks=pytest.mark.slow),
    ],
)
def test_a_step_makes_the_updates_of_a_session_loop(executions, norm, tmp_path):
    with tf.Graph().as_default():
        problem = Adversaries(norm=norm)
        losses = {"critic": v1.train.MomentumOptimizer(0.05, 0.9), "times": 2}
        rates = {"generator": lambda step: 0.1 * 0.9**step}
        with trainer_of(problem, losses, learning_rate=rates) as trainer:
            expected, seen = by_hand(trainer.weights(), 2, norm)
            means = (seen.reshape(2, 5, 2) * np.reshape([8, 8, 8, 8, 4], (1, 5, 1))).sum(1) / 36
            for execution, weights, history in trainings(
                problem, trainer, tmp_path, executions, shuffle=False
            ):
                for name, value in expected.items():
                    text = f"{execution} {name}"
                    np.testing.assert_allclose(weights[name], value, rtol=1e-4, atol=1e-6, err_msg=text)
                np.testing.assert_allclose(history["critic"], means[:, 0], rtol=1e-5)
                np.testing.assert_allclose(history["generator"], means[:, 1], rtol=1e-5)
                np.testing.assert_allclose(history["loss"], means.sum(1), rtol=1e-5)
                np.testing.assert_allclose(history["learning_rate_generator"], [0.1 * 0.9**4, 0.1 * 0.9**9])
                assert "learning_rate" not in history


@pytest.mark.slow
@pytest.mark.parametrize(
    ("executions", "times"),
    [(("resident",), 1), pytest.param(("resident", "chunks", "compiled"), 2, marks=pytest.mark.slow)],
)
def test_equal_bits_in_every_execution_and_after_a_resume(executions, times, tmp_path):
    losses = {"critic": "adam", "times": times}
    options = {"losses": losses, "clip_norm": 0.5, "logdir": tmp_path / "run"}
    by_steps = {**FIT, "execution": "feed", "steps_per_run": 1}
    with tf.Graph().as_default():
        problem = Adversaries("uniform", dropout=True)
        with trainer_of(problem, **options) as trainer:
            found = {name: weights for name, weights, _ in trainings(problem, trainer, tmp_path, executions)}
            evaluation = trainer.evaluate(problem.data)
            assert list(evaluation) == ["loss", "critic", "generator"]
            assert evaluation == trainer.evaluate(problem.data)
            assert evaluation["loss"] == pytest.approx(evaluation["critic"] + evaluation["generator"])
            drawn = [op for op in trainer.training_step.needed_ops() if op.type == "RandomUniform"]
            assert len(drawn) == times + 1, "each update draws its noise"
            trainer.restore(tmp_path / "start")
            trainer.fit(problem.data, {problem.keep_prob: 0.5}, 2, callbacks=[Stop(7)], **by_steps)
            assert trainer.step == 7
            trainer.state.stop_reason = None
            trainer.save()
    with tf.Graph().as_default():
        problem = Adversaries("uniform", dropout=True)
        with trainer_of(problem, **options) as trainer:
            trainer.fit(problem.data, {problem.keep_prob: 0.5}, 2, resume=True, **by_steps)
            assert trainer.step == 10
            resumed = trainer.weights()
    for name, value in resumed.items():
        for execution in executions:
            rounding = {"rtol": 1e-3, "atol": 1e-4} if execution == "compiled" else {"rtol": 0}
            text = f"{execution} {name}"
            np.testing.assert_allclose(found[execution][name], value, err_msg=text, **rounding)


class Stop(gk.Callback):
    """Ends a training after a step."""

    def __init__(self, step):
        self.step = step

    def on_run_end(self, trainer):
        if trainer.step >= self.step:
            trainer.stop("enough", now=True)


def test_a_loss_that_an_earlier_update_of_the_step_breaks(tmp_path):
    with tf.Graph().as_default():
        x = gk.feature_input(1)
        first = v1.get_variable("first", initializer=1.0)
        second = v1.get_variable("second", initializer=1.0)
        descends = first * tf.reduce_mean(x)
        breaks = second * tf.math.log(first, name="logarithm")
        losses = {"descends": (descends, [first]), "breaks": (breaks, [second])}
        with gk.Trainer(losses, "sgd", 0.4, logdir=tmp_path) as trainer:
            with pytest.raises(gk.NotFiniteError) as caught:
                trainer.fit({x: np.ones((16, 1))}, batch_size=4, progress=False)
            report = caught.value.report
            # 1 - 0.4 - 0.4 - 0.4 < 0: after the first update of the third step
            assert (report.step, report.what, report.part) == (2, "loss", "breaks")
            assert report.op == "graphkit/updates/breaks/logarithm" and report.op_type == "Log"
            assert report.line.startswith(__file__)
            assert report.headline.startswith('the loss "breaks" is not finite at step 2')
            np.testing.assert_allclose(trainer.session.run(first), 0.2, rtol=1e-5)
    again = gk.replay(report.file)
    assert (again.op, again.part, again.ranges) == (report.op, "breaks", report.ranges)


def test_several_losses_of_one_variable_follow_numpy():
    """An actor and a critic with a shared trunk: each of two losses trains it."""
    with tf.Graph().as_default():
        x, y = gk.feature_input(1), gk.feature_input(1, name="y")
        trunk = v1.get_variable("trunk", initializer=1.0)
        head = v1.get_variable("head", initializer=2.0)
        value = tf.reduce_mean(tf.square(trunk * head * x - y)) / 2
        policy = tf.reduce_mean(trunk * x)
        losses = {"value": (value, [trunk, head]), "policy": (policy, [trunk])}
        rng = np.random.default_rng(1)
        data = {x: rng.normal(1, 1, (12, 1)), y: rng.normal(1, 1, (12, 1))}
        with gk.Trainer(losses, "sgd", {"value": 0.1, "policy": 0.01}) as trainer:
            assert [v.op.name for v in trainer.training_step.trained] == ["trunk", "head"]
            history = trainer.fit(data, batch_size=4, shuffle=False, progress=False)
            found = trainer.session.run([trunk, head])
    a, b, seen = 1.0, 2.0, []
    for rows in np.split(np.arange(12), 3):
        p, q = data[x][rows], data[y][rows]
        error = a * b * p - q
        seen.append(np.mean(error**2) / 2)
        a, b = a - 0.1 * np.mean(error * b * p), b - 0.1 * np.mean(error * a * p)
        a -= 0.01 * np.mean(p)
    np.testing.assert_allclose(found, [a, b], rtol=1e-5)
    np.testing.assert_allclose(history["value"], [np.mean(seen)], rtol=1e-5)
