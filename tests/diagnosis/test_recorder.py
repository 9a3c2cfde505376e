"""A training that became not finite: the step, the op and its line are found in every execution."""

import inspect
import json
import math

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit.data import batches
from graphkit.diagnosis import recorder
from graphkit.graph import control_flow

EXECUTIONS = ("feed", "chunks", "resident", "compiled")
EXAMPLES, BATCH, BAD = 70, 8, 37
POINTS = batches.aligned_empty((EXAMPLES, 2), np.float32)
POINTS[...] = np.random.default_rng(0).uniform(0.5, 1.5, POINTS.shape)
LABELS = (POINTS.sum(axis=1) > 2).astype(np.int32)
v1 = tf.compat.v1


def points_with(value):
    points = batches.aligned(np.array(POINTS), np.float32)
    points[BAD] = value
    return points


def weighted(points):
    """Returns (batch, 1): the sums of the coordinates, times weights that start at 1."""
    return gk.dense(points, 1, use_bias=False, kernel_initializer=v1.constant_initializer(1.0))


def here():
    """Returns "file:line" of the caller's line."""
    frame = inspect.currentframe().f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def failure(build, points, execution="feed", fit=None, **options):
    """Returns (error, what build returned beside the loss, trainer) of a training of the loss."""
    with tf.Graph().as_default():
        placeholder = gk.feature_input(2)
        loss, extra = build(placeholder)
        options = {"optimizer": "sgd", "learning_rate": 1e-3, "seed": 3, **options}
        with gk.Trainer(loss, **options) as trainer:
            fit = {"epochs": 2, "batch_size": BATCH, "progress": False, "execution": execution, **(fit or {})}
            with pytest.raises(gk.NotFiniteError) as caught:
                trainer.fit({placeholder: points}, **fit)
            variables = trainer.session.run(v1.trainable_variables())
            return caught.value, extra, (trainer.step, trainer.epoch, trainer.batch, variables)


def logarithm(points):
    logarithms, line = tf.math.log(points, name="logarithms"), here()
    return tf.reduce_mean(weighted(logarithms)), line


def division(points):
    quotient, line = tf.divide(1.0, points, name="quotient"), here()
    return tf.reduce_mean(weighted(points) * quotient), line


def root(points):
    roots, line = tf.sqrt(weighted(points), name="roots"), here()
    return tf.reduce_mean(roots), line


def exponential(points):
    exponentials, line = tf.exp(weighted(points), name="exponentials"), here()
    return tf.reduce_mean(exponentials), line


PLANTED = {  # loss: (the bad example, what is not finite, op, cause)
    logarithm: (0.0, "loss", "logarithms", "the logarithm of 0"),
    division: (0.0, "loss", "quotient", "a division by 0"),
    root: (0.0, "gradient", "gradients/roots_grad/SqrtGrad", "derivative of the square root at 0"),
    exponential: (500.0, "loss", "exponentials", "Exp overflows: its inputs are as large as"),
}


def expected_place():
    """Returns (step, indices) of the first mini-batch that holds the bad example."""
    order = gk.epoch_order(EXAMPLES, 3, 0)
    step = int(np.flatnonzero(order == BAD)[0]) // BATCH
    return step, tuple(order[step * BATCH : (step + 1) * BATCH].tolist())


@pytest.mark.grid
@pytest.mark.parametrize(
    ("build", "execution"),
    [
        # each planted op, and each execution, once
        pytest.param(build, execution, marks=() if number == place else pytest.mark.slow)
        for number, build in enumerate(PLANTED)
        for place, execution in enumerate(EXECUTIONS)
    ],
)
def test_planted_op_is_named_with_its_line_and_cause(build, execution):
    value, what, op, cause = PLANTED[build]
    error, line, (step, epoch, batch, variables) = failure(build, points_with(value), execution)
    report = error.report
    assert (report.what, report.op, report.line) == (what, op, line)
    assert (report.step, report.indices) == expected_place()
    assert (report.epoch, report.batch, report.examples) == (1, report.step, (BAD,))
    assert len(report.norms) == min(report.step, 5) and cause in report.causes[0]
    assert [at for at, _ in report.norms] == list(range(report.step))[-5:]
    noun = "the loss" if what == "loss" else "a gradient"
    text = str(error)
    assert text.startswith(
        f"fit: {noun} is not finite at step {step}, batch {batch} of epoch 1; received loss="
    )
    assert line in text and cause in text and str(BAD) in text
    assert (step, epoch, batch) == (report.step, 0, report.step)
    assert all(np.isfinite(v).all() for v in variables)  # those before the step


@pytest.mark.grid
@pytest.mark.parametrize("execution", EXECUTIONS)
def test_learning_rate_that_is_too_high_is_told_from_norms_that_grow(execution):
    def build(points):
        return tf.reduce_mean((weighted(points) - 3.0) ** 2), None

    error, _, _ = failure(build, POINTS, execution, learning_rate=3.0, fit={"epochs": 30})
    report = error.report
    assert report.step > 9 and report.epoch > 1
    assert "the gradient norm grew" in report.causes[0] and "learning_rate is too high" in report.causes[0]
    assert [at for at, _ in report.norms] == list(range(report.step - 5, report.step))
    norms = [norm for _, norm in report.norms]
    assert norms == sorted(norms) and norms[-1] > 10 * norms[0]


@pytest.mark.slow
def test_an_update_that_overflows_is_told_from_a_gradient_that_does():
    def build(points):
        return tf.reduce_mean(weighted(points) ** 2), None

    def rate(step):
        return 3e38 if step == 4 else 1e-3

    report = failure(build, 3 * POINTS, learning_rate=rate)[0].report
    assert (report.what, report.step, report.update) == ("loss", 5, 4)
    assert report.variables == ("dense/kernel",) and report.line is not None
    assert "the update of step 4" in report.causes[0]
    last = failure(build, 3 * POINTS, learning_rate=lambda step: 3e38 if step == 8 else 1e-3)[0].report
    assert (last.what, last.step, last.update) == ("variable", 8, 8)  # noticed at the end of the epoch
    assert last.headline == "a variable is not finite after step 8, batch 8 of epoch 1"


def test_norms_are_those_of_the_gradients():
    def build(points):
        return tf.reduce_sum(v1.get_variable("w", (2,), use_resource=True) * points / points), None

    def rate(step):
        return 1e-3 if step < 3 else 3e38

    report = failure(build, POINTS, learning_rate=rate, clip_norm=None, fit={"epochs": 1})[0].report
    np.testing.assert_allclose([norm for _, norm in report.norms[:3]], BATCH * math.sqrt(2), rtol=1e-6)


@pytest.mark.grid
@pytest.mark.parametrize("execution", EXECUTIONS)
def test_masks_of_dropout_are_the_same_when_steps_are_run_again(execution):
    """The loss is not finite only if a certain unit is kept while the other is not."""

    def build(points):
        ones = tf.ones_like(points)
        kept = gk.dropout(ones, 0.9)
        only = tf.reduce_sum(kept[:, 0]) / (tf.reduce_sum(kept[:, 1]) - 0.0)
        return tf.reduce_mean(weighted(points)) + 0.0 * only, None

    report = failure(build, POINTS[:9], execution, fit={"batch_size": 1, "epochs": 20})[0].report
    assert report.op_type == "RealDiv" and report.step > 0


def drawn_in_a_branch():
    return tf.cond(v1.placeholder_with_default(True, ()), lambda: tf.random.uniform([]), lambda: 1.0)


@pytest.mark.grid
@pytest.mark.parametrize("execution", ["feed", "resident"])
@pytest.mark.parametrize("draw", [lambda: tf.random.uniform([]), drawn_in_a_branch], ids=["op", "branch"])
def test_random_numbers_of_the_users_own_ops_are_drawn_again(draw, execution, tmp_path):
    def build(points):
        drawn = draw()
        root = tf.sqrt(tf.floor(drawn + 0.9), name="root")  # not finite when 1 is subtracted from 0
        return tf.reduce_mean(weighted(points)) * tf.math.log(root), here()

    report = failure(build, POINTS, execution, logdir=tmp_path, fit={"epochs": 20})[0].report
    assert report.op == "Log" and report.reason is None
    assert gk.replay(report.file).op == "Log"


@pytest.mark.slow
def test_batch_norm_augmentation_accumulation_and_adam():
    def build(points):
        net = gk.batch_norm(gk.dense(points, 4), name="norm")
        roots = tf.sqrt(tf.abs(weighted(points)), name="roots")
        return tf.reduce_mean(net**2) + tf.reduce_mean(roots), None

    def augment(rows, seed):
        rows[np.all(rows == 9, axis=1)] = 0
        return rows * (1 + np.random.default_rng(seed).uniform(0, 0.1, rows.shape).astype(np.float32))

    for execution in ("feed", "chunks"):
        with tf.Graph().as_default():
            placeholder = gk.feature_input(2)
            loss, _ = build(placeholder)
            with gk.Trainer(loss, optimizer="adam", seed=3, accumulate=4, clip_norm=1.0) as trainer:
                fit = {"batch_size": BATCH, "progress": False, "execution": execution}
                with pytest.raises(gk.NotFiniteError) as caught:
                    trainer.fit({placeholder: points_with(9)}, augment={placeholder: augment}, **fit)
        report = caught.value.report
        assert (report.what, report.step) == ("gradient", expected_place()[0])
        assert report.op.startswith("gradients/roots_grad/SqrtGrad") and report.examples == (BAD,)


def test_sparse_gradients():
    with tf.Graph().as_default():
        tokens = gk.token_input(3)
        embedded = gk.embedding(tokens, 9, 2, name="table")
        loss = tf.reduce_mean(tf.sqrt(tf.reduce_sum((embedded - tf.stop_gradient(embedded)) ** 2, 2)))
        with gk.Trainer(loss, seed=3) as trainer, pytest.raises(gk.NotFiniteError) as caught:
            trainer.fit({tokens: np.ones((4, 3), np.int32)}, batch_size=2, progress=False)
    report = caught.value.report
    assert report.what == "gradient" and report.gradients == ("table/embeddings",)
    assert report.forward[1] == "Sqrt" and report.loss == 0


def test_the_norm_of_a_sparse_gradient_is_that_of_the_sums_of_its_rows(tmp_path):
    tokens = gk.token_input(6)
    table = v1.get_variable("table", (4, 2), initializer=v1.ones_initializer(), use_resource=True)
    loss = tf.reduce_sum(tf.nn.embedding_lookup(table, tokens))
    rates = {"learning_rate": lambda step: 0.1 if step < 2 else 3e38, "logdir": tmp_path}
    with gk.Trainer(loss, "sgd", **rates) as trainer, pytest.raises(gk.NotFiniteError) as caught:
        trainer.fit({tokens: np.tile(np.int32([0, 0, 0, 0, 2, 2]), (4, 1))}, batch_size=1, progress=False)
    # Row 0 is taken 4 times, row 2 twice, of two numbers each.
    expected = np.sqrt(2 * 4**2 + 2 * 2**2)
    report = caught.value.report
    np.testing.assert_allclose([norm for _, norm in report.norms[:2]], expected, rtol=1e-6)
    np.testing.assert_allclose(gk.replay(report.file).norm, report.norm, rtol=1e-6)


def test_the_checkpoint_before_is_untouched_and_can_be_restored(tmp_path):
    with tf.Graph().as_default():
        points = gk.feature_input(2)
        loss = tf.reduce_mean(tf.sqrt(weighted(points)))
        with gk.Trainer(loss, optimizer="sgd", learning_rate=1e-3, seed=3, logdir=tmp_path) as trainer:
            trainer.fit({points: POINTS}, batch_size=BATCH, progress=False)
            before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
            with pytest.raises(gk.NotFiniteError) as caught:
                trainer.fit({points: points_with(0)}, batch_size=BATCH, progress=False)
            after = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
            assert after.pop(f"notfinite-{caught.value.report.step}.npz") and after == before
            trainer.restore()
            assert trainer.epoch == 1 and math.isfinite(trainer.evaluate({points: POINTS})["loss"])
            trainer.fit({points: POINTS}, batch_size=BATCH, progress=False)
            assert trainer.history["epoch"] == [1, 2]


@pytest.mark.slow
def test_a_snapshot_that_is_taken_later_leads_to_the_same_report(monkeypatch):
    def build(points):
        return tf.reduce_mean((weighted(points) - 3.0) ** 2), None

    options = {"learning_rate": 3.0, "fit": {"epochs": 30, "steps_per_run": 3}}
    expected = failure(build, POINTS, "resident", **options)[0]
    monkeypatch.setattr(recorder, "INTERVAL", 0.0)
    monkeypatch.setattr(recorder, "COST_RATIO", 0)
    got = failure(build, POINTS, "resident", **options)[0]
    assert got.report.step == expected.report.step and got.report.op == expected.report.op
    assert dict(got.report.norms).items() <= dict(expected.report.norms).items()


def test_variables_that_are_not_finite_from_the_start():
    with tf.Graph().as_default():
        points = gk.feature_input(2)
        kernel = weighted(points)
        with gk.Trainer(tf.reduce_mean(kernel), seed=3) as trainer:
            (weights,) = v1.trainable_variables()
            weights.load(np.full((2, 1), np.nan, np.float32), trainer.session)
            with pytest.raises(gk.NotFiniteError) as caught:
                trainer.fit({points: POINTS}, progress=False)
    report = caught.value.report
    assert report.step == 0 and "was not finite when the fit started" in report.causes[0]


def test_an_infinity_that_leads_to_nothing_is_not_taken_for_the_cause():
    def build(points):
        hidden = tf.where(points > 9.0, points, -np.inf * tf.ones_like(points))
        harmless = tf.reduce_sum(tf.exp(hidden))
        bad, line = tf.math.log(points, name="bad"), here()
        return tf.reduce_mean(weighted(bad)) + harmless, line

    error, line, _ = failure(build, points_with(0))
    assert (error.report.op, error.report.line) == ("bad", line)


def test_loops_are_named_as_a_whole():
    def build(points):
        total = tf.while_loop(
            lambda i, _: i < 3, lambda i, t: (i + 1, t + tf.math.log(points)), (0, tf.zeros_like(points))
        )[1]
        return tf.reduce_mean(weighted(total)), None

    with control_flow.of_functions():
        report = failure(build, points_with(0))[0].report
    assert report.op_type in ("While", "StatelessWhile") and report.examples == (BAD,)


def test_loops_and_branches_of_tensorflow_1():
    with control_flow.of_functions(False):

        def build(points):
            total = tf.while_loop(
                lambda i, _: i < 3, lambda i, t: (i + 1, t + tf.math.log(points)), (0, tf.zeros_like(points))
            )[1]
            chosen = tf.cond(tf.reduce_sum(points) > -1.0, lambda: total * 2.0, lambda: total * 3.0)
            return tf.reduce_mean(weighted(chosen)), None

        report = failure(build, points_with(0))[0].report
    assert report.op_type == "Exit" and any("Merge" in name for name in report.path)


def test_what_cannot_be_had_again_is_said():
    calls = []

    def once(points):
        calls.append(1)
        return points * (np.float32(np.nan) if len(calls) == 4 else np.float32(1))

    def build(points):
        same = tf.ensure_shape(tf.numpy_function(once, [points], tf.float32, name="once"), (None, 2))
        return tf.reduce_mean(weighted(same)), None

    error = failure(build, POINTS)[0]
    report = error.report
    assert report.op is None and report.step == 3
    assert "all was finite when the steps from 0 on were run again, since the values of once" in report.reason
    assert "step 3, batch 3 of epoch 1" in str(error) and "no op was found" in str(error)


def test_a_python_function_that_always_fails_is_found():
    def build(points):
        logs = tf.numpy_function(lambda p: np.where(p == 0, np.float32(-np.inf), p), [points], tf.float32)
        return tf.reduce_mean(weighted(tf.ensure_shape(logs, (None, 2)))), None

    report = failure(build, points_with(0))[0].report
    assert report.op_type == "PyFunc" and report.step == expected_place()[0]


def test_without_a_search_the_step_is_named():
    with tf.Graph().as_default():
        points = gk.feature_input(2)
        with (
            gk.Trainer(logarithm(points)[0], seed=3) as trainer,
            pytest.raises(gk.NotFiniteError, match="the loss is not finite at step .*learning_rate") as e,
        ):
            callbacks = [recorder.Recorder(search=False)]
            trainer.fit({points: points_with(0)}, batch_size=BATCH, callbacks=callbacks, progress=False)
    assert e.value.report.op is None and e.value.report.step == expected_place()[0]


def test_variables_that_share_an_initial_value_are_put_back():
    def build(points):
        zero = tf.zeros((2, 1))
        one, two = (v1.Variable(zero, name=name, use_resource=True) for name in ("one", "two"))
        values = points @ (one + 1.0) + points @ (2.0 * two)
        return tf.reduce_mean(values**2) + 0.0 * tf.reduce_mean(tf.math.log(points)), None

    report = failure(build, points_with(0))[0].report
    assert report.op == "Log" and report.step == expected_place()[0]


def test_ref_variables(tmp_path):
    def build(points):
        weights = v1.get_variable("w", (2, 1), initializer=gk.zeros(), use_resource=False)
        roots, line = tf.sqrt(points @ (weights + 1.0), name="roots"), here()
        return tf.reduce_mean(roots), line

    error, line, _ = failure(build, points_with(0), logdir=tmp_path)
    report = error.report
    assert (report.op, report.line) == ("gradients/roots_grad/SqrtGrad", line)
    assert str(gk.replay(report.file)) == str(report)


def test_a_report_is_json():
    report = failure(logarithm, points_with(0))[0].report
    assert json.loads(json.dumps(vars(report)))["op"] == "logarithms"
