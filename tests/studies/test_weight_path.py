"""The paths of optimizers through the weights, against gradient descent in NumPy."""

import numpy as np
import pytest
import tensorflow as tf
from references import fits_from_the_start
from studies.models_with_paths import EXECUTIONS, START, Classifier, Line, X

import graphkit as gk


@pytest.mark.grid
@pytest.mark.parametrize("execution", EXECUTIONS)
def test_a_path_of_full_batches_is_gradient_descent(execution):
    line, path = Line(beta=0.1), gk.WeightPath()
    with line.trainer:
        line.fit(path, epochs=6, execution=execution)
    assert path.steps == list(range(7))
    assert path.weights.dtype == np.float32 and path.shapes == {"line/kernel": (2, 1)}
    expected = line.descent(START, 0.1, [slice(None)] * 6)
    np.testing.assert_allclose(path.weights, expected, rtol=1e-5)
    np.testing.assert_array_equal(path.weights[0], START[:, 0])


def test_a_dry_run_is_no_part_of_a_path():
    line, path = Line(), gk.WeightPath()
    with line.trainer:
        line.fit(path, epochs=2)
        line.fit(path, epochs=2, dry_run=True)
        assert path.steps == [0, 1, 2]
        line.fit(path, epochs=1)
    assert path.steps == [0, 1, 2, 3]


@pytest.mark.grid
@pytest.mark.parametrize(
    ("execution", "every_steps"),
    [
        (execution, count) if place % 4 == number else pytest.param(execution, count, marks=pytest.mark.slow)
        for place, execution in enumerate(EXECUTIONS)
        for number, count in enumerate((1, 3, 5, 100))
    ],
)
def test_a_path_of_mini_batches_holds_every_so_many_steps(execution, every_steps):
    line, path = Line(), gk.WeightPath(every_steps)
    with line.trainer:  # batches of 16, 16 and 8 in each epoch
        line.fit(path, epochs=4, batch_size=16, shuffle=False, execution=execution)
    assert path.steps == list(range(0, 13, every_steps))
    batches = [slice(0, 16), slice(16, 32), slice(32, 40)] * 4
    np.testing.assert_allclose(path.weights, line.descent(START, 0.1, batches)[::every_steps], rtol=2e-5)


SLOW = pytest.mark.slow


@pytest.mark.grid
@pytest.mark.parametrize(
    ("execution", "every_steps", "options"),
    [
        pytest.param("auto", 1, {}, marks=SLOW),
        pytest.param("feed", 3, {}, marks=SLOW),
        ("chunks", 1, {}),
        pytest.param("resident", 4, {"steps_per_run": 3}, marks=SLOW),
        ("compiled", 4, {"steps_per_run": 100}),
        pytest.param("compiled", 1, {"mapped": True}, marks=SLOW),
    ],
)
def test_a_path_changes_no_bit_of_the_training(execution, every_steps, options, caplog, tmp_path):
    caplog.set_level("INFO", "graphkit")
    options, path = dict(options), gk.WeightPath(every_steps)
    with tf.Graph().as_default():
        made = Classifier()
        if options.pop("mapped", False):
            np.save(tmp_path / "pixels.npy", made.data[made.images])
            made.data[made.images] = np.load(tmp_path / "pixels.npy", mmap_mode="r")
        with made.trainer as trainer:
            fit, results = fits_from_the_start(trainer, tmp_path), []
            options = {"batch_size": 8, "execution": execution, **options}
            for callbacks in ([], [path]):
                variables, history = fit(made.data, {made.keep_prob: 0.5}, 3, callbacks=callbacks, **options)
                results.append((history["loss"], [value.tobytes() for value in variables]))
            weights = trainer.session.run(trainer.training_step.trained)
    assert results[0] == results[1]
    chosen = [text for text in caplog.messages if text.startswith("execution")]
    assert chosen[0] == chosen[1]
    # XLA does not compile TensorFlow 1's branches.
    if execution != "auto" and tf.compat.v1.control_flow_v2_enabled():
        assert chosen[0].startswith(f'execution "{execution}"')
    assert path.steps == list(range(0, 22, every_steps))
    if every_steps == 1:
        np.testing.assert_array_equal(path.weights[-1], np.concatenate([w.ravel() for w in weights]))


def test_all_executions_but_that_of_xla_give_the_same_path(tmp_path):
    made, paths = Classifier("sgd", learning_rate=0.1), {}
    with made.trainer as trainer:
        fit = fits_from_the_start(trainer, tmp_path)
        for execution in ("feed", "chunks", "resident"):
            paths[execution] = gk.WeightPath()
            options = {"batch_size": 8, "callbacks": [paths[execution]], "execution": execution}
            fit(made.data, {made.keep_prob: 0.5}, 3, **options)
    expected = paths["feed"].weights
    assert (np.diff(expected, axis=0) != 0).any(axis=1).all()
    np.testing.assert_array_equal(paths["chunks"].weights, expected)
    np.testing.assert_array_equal(paths["resident"].weights, expected)


def test_variables_stand_one_after_the_other():
    made, path = Classifier(), gk.WeightPath(7)
    with made.trainer as trainer:
        made.fit(path, epochs=2)
        values = trainer.session.run({v.op.name: v for v in tf.compat.v1.trainable_variables()})
    assert path.shapes == {name: value.shape for name, value in values.items()}
    assert list(path.shapes)[:2] == ["hidden/kernel", "hidden/bias"]
    np.testing.assert_array_equal(path.weights[-1], np.concatenate([v.ravel() for v in values.values()]))


def test_only_the_trained_variables_are_kept():
    x = gk.feature_input(2)
    net = gk.dense(gk.dense(x, 3, name="frozen"), 1, name="trained")
    variables = tf.compat.v1.trainable_variables("trained")
    path = gk.WeightPath()
    with gk.Trainer(tf.reduce_mean(net**2), variables=variables) as trainer:
        trainer.fit({x: X}, callbacks=[path], progress=False)
    assert path.shapes == {"trained/kernel": (3, 1), "trained/bias": (1,)}


def test_another_fit_goes_on():
    line, path = Line(), gk.WeightPath()
    with line.trainer:
        line.fit(path, epochs=2)
        line.fit(path, epochs=3)
    assert path.steps == list(range(6))
    np.testing.assert_allclose(path.weights, line.descent(START, 0.1, [slice(None)] * 5), rtol=1e-5)


def test_a_fit_that_starts_elsewhere_adds_its_start():
    line, path = Line(), gk.WeightPath(4)
    with line.trainer as trainer:
        line.fit(path, epochs=6)
        line.fit(path, epochs=3)
        assert path.steps == [0, 4, 6, 8]
        line.fit(epochs=1)
        line.fit(path, epochs=2)
        assert path.steps == [0, 4, 6, 8, 10, 12]
        trainer.session.run(trainer.training_step.trained[0].initializer)
        line.fit(path, epochs=1)
    assert path.steps == [0, 4, 6, 8, 10, 12, 12]
    np.testing.assert_array_equal(path.weights[-1], START[:, 0])


def test_a_resumed_run_starts_where_it_resumes(tmp_path):
    def run(epochs, path, **options):
        with tf.Graph().as_default():
            line = Line(logdir=tmp_path / "run")
            with line.trainer:
                line.fit(path, epochs=epochs, **options)

    first, second = gk.WeightPath(), gk.WeightPath()
    run(3, first)
    run(5, second, resume=True)
    assert second.steps == [3, 4, 5]
    np.testing.assert_array_equal(second.weights[0], first.weights[-1])


def test_a_path_of_a_graph_that_cannot_be_copied_into_a_loop():
    x = gk.feature_input(2)
    w = tf.compat.v1.get_variable("w", (2, 1), initializer=tf.constant_initializer(START), use_resource=False)
    path = gk.WeightPath()
    with gk.Trainer(tf.reduce_mean((x @ w) ** 2), optimizer="sgd", learning_rate=0.1) as trainer:
        trainer.fit({x: X}, epochs=3, callbacks=[path], batch_size=40, progress=False)
        surface = gk.loss_surface(trainer, {x: X}, path, resolution=3)
        np.testing.assert_array_equal(trainer.session.run(w)[:, 0], path.weights[-1])
    points = [START.astype(np.float64)]
    for _ in range(3):
        points.append(points[-1] - 0.1 * 2 / 40 * X.T @ (X @ points[-1]))
    np.testing.assert_allclose(path.weights, np.array(points)[:, :, 0], rtol=1e-5)
    corner = X @ np.array([surface.x[2], surface.y[0]])
    assert surface.losses[0, 2] == pytest.approx(np.mean(corner**2), rel=1e-5)


def test_a_path_ends_with_the_last_sound_step_where_the_loss_is_not_finite():
    line, path = Line(learning_rate=lambda step: 0.1 if step < 3 else 1e30), gk.WeightPath()
    with line.trainer, pytest.raises(gk.NotFiniteError):
        line.fit(path, epochs=9)
    assert path.steps == [0, 1, 2, 3, 4] and np.isfinite(path.weights[:4]).all()


@pytest.mark.grid
@pytest.mark.parametrize("execution", ["chunks", "compiled"])
def test_the_step_that_is_not_finite_is_found_with_a_path_too(execution):
    line, path = Line(learning_rate=lambda step: 0.1 if step < 30 else 1e30), gk.WeightPath(2)
    with line.trainer, pytest.raises(gk.NotFiniteError) as caught:
        line.fit(path, epochs=20, batch_size=16, execution=execution)
    assert caught.value.report.step in (31, 32) and max(path.steps) <= 32


def test_a_path_of_float64_keeps_its_bits():
    x = tf.compat.v1.placeholder(tf.float64, (None, 2))
    w = tf.compat.v1.get_variable("w", (2,), tf.float64, tf.constant_initializer(1 / 3), use_resource=True)
    path = gk.WeightPath()
    with gk.Trainer(tf.reduce_mean(tf.linalg.matvec(x, w) ** 2), optimizer="sgd") as trainer:
        trainer.fit({x: X}, callbacks=[path], progress=False)
    assert path.weights.dtype == np.float64 and (path.weights[0] == 1 / 3).all()


def test_an_empty_path_has_no_weights():
    path = gk.WeightPath()
    assert path.steps == [] and path.weights.shape == (0, 0) and path.shapes is None


def test_a_path_of_other_variables_is_refused():
    path, line = gk.WeightPath(), Line()
    with line.trainer:
        line.fit(path)
    with tf.Graph().as_default():
        other = Line(np.ones((4, 3), np.float32), np.ones((4, 1), np.float32), np.zeros((3, 1)))
        with (
            other.trainer,
            pytest.raises(
                ValueError, match=r"WeightPath: a path must be of the same variables.*\(2, 1\).*\(3"
            ),
        ):
            other.fit(path)
    assert len(path.steps) == 6


@pytest.mark.parametrize(("every_steps", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError)])
def test_every_steps_must_be_a_positive_integer(every_steps, error):
    with pytest.raises(error, match="WeightPath: every_steps must be an integer of at least 1; received"):
        gk.WeightPath(every_steps)
