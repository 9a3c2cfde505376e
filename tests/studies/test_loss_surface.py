"""Loss surfaces, against quadratic forms and decompositions in NumPy."""

import math

import numpy as np
import pytest
import tensorflow as tf
from studies.models_with_paths import (
    START,
    WIDE,
    WIDE_START,
    WIDE_TARGETS,
    Classifier,
    Line,
    X,
    Y,
    everything,
    rng,
    two_paths,
)

import graphkit as gk


@pytest.mark.parametrize("beta", [0.0, 0.3])
def test_two_weights_are_the_axes_of_a_quadratic_form(beta):
    line, path = Line(beta=beta), gk.WeightPath()
    with line.trainer as trainer:
        line.fit(path, epochs=20)
        surface = gk.loss_surface(trainer, line.data, path, resolution=7)
        assert trainer.evaluate(line.data)["loss"] == pytest.approx(line.loss_at(path.weights[-1]), rel=1e-5)
    assert surface.labels == ("line/kernel[0, 0]", "line/kernel[1, 0]")
    assert surface.losses.shape == (7, 7) and surface.losses.dtype == np.float64
    expected = [[line.loss_at([x, y]) for x in surface.x] for y in surface.y]
    np.testing.assert_allclose(surface.losses, expected, rtol=1e-5)
    np.testing.assert_array_equal(surface.paths["path"], path.weights)
    centered = path.weights - path.weights.mean(axis=0, dtype=np.float64)
    shares = (centered**2).sum(axis=0) / (centered**2).sum()
    np.testing.assert_allclose(surface.fractions, shares, rtol=1e-5)


@pytest.mark.parametrize("margin", [0, 0.5])
def test_the_grid_covers_the_paths_and_the_margin(margin):
    line, path = Line(), gk.WeightPath()
    with line.trainer as trainer:
        line.fit(path)
        surface = gk.loss_surface(trainer, line.data, {"sgd": path}, resolution=5, margin=margin)
    lowest, highest = path.weights.min(axis=0), path.weights.max(axis=0)
    more = margin * (highest - lowest)
    np.testing.assert_allclose([surface.x[0], surface.y[0]], lowest - more, rtol=1e-6)
    np.testing.assert_allclose([surface.x[-1], surface.y[-1]], highest + more, rtol=1e-6)
    np.testing.assert_allclose(np.diff(surface.x), (surface.x[-1] - surface.x[0]) / 4)


def test_a_slope_and_an_intercept_are_two_weights_too():
    x, y = gk.feature_input(1), gk.feature_input(1)
    slope = tf.compat.v1.get_variable("slope", (), initializer=gk.zeros(), use_resource=True)
    intercept = tf.compat.v1.get_variable("intercept", (1,), initializer=gk.zeros(), use_resource=True)
    loss = tf.reduce_mean((slope * x + intercept - y) ** 2)
    data, path = {x: X[:, :1], y: Y}, gk.WeightPath()
    with gk.Trainer(loss, optimizer="adam", learning_rate=0.1) as trainer:
        trainer.fit(data, epochs=5, callbacks=[path], progress=False)
        surface = gk.loss_surface(trainer, data, path, resolution=4)
    assert surface.labels == ("slope", "intercept[0]")
    expected = np.mean((surface.x[1] * X[:, :1].astype(np.float64) + surface.y[3] - Y) ** 2)
    assert surface.losses[3, 1] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("epochs", [3, 12])  # fewer and more points than weights
def test_the_plane_is_that_of_the_singular_value_decomposition(epochs):
    line = Line(WIDE, WIDE_TARGETS, WIDE_START, beta=0.01, learning_rate=0.03)
    path = gk.WeightPath()
    with line.trainer as trainer:
        line.fit(path, epochs=epochs, batch_size=30)
        surface = gk.loss_surface(trainer, line.data, path, resolution=5)
    points = path.weights.astype(np.float64)
    _, lengths, directions = np.linalg.svd(points - points.mean(axis=0))
    expected = (points - points[-1]) @ directions[:2].T
    signs = np.where(expected[0] > 0, -1, 1)
    np.testing.assert_allclose(surface.paths["path"], expected * signs, rtol=1e-6, atol=1e-9)
    assert (surface.paths["path"][-1] == 0).all() and (surface.paths["path"][0] <= 0).all()
    shares = lengths[:2] ** 2 / (lengths**2).sum()
    np.testing.assert_allclose(surface.fractions, shares, rtol=1e-6)
    assert surface.labels == (
        f"first principal component ({shares[0]:.0%} of the variation)",
        f"second principal component ({shares[1]:.0%} of the variation)",
    )
    plane = directions[:2] * signs[:, None]
    losses = [[line.loss_at(points[-1] + (x, y) @ plane) for x in surface.x] for y in surface.y]
    np.testing.assert_allclose(surface.losses, losses, rtol=1e-5)


@pytest.mark.slow
def test_paths_of_two_optimizers_on_one_plane():
    paths, made = two_paths()
    with made.trainer as trainer:
        surface = gk.loss_surface(trainer, made.data, paths, resolution=3, margin=0.1)
    assert list(surface.paths) == ["sgd", "adam"]
    points = np.concatenate([path.weights for path in paths.values()]).astype(np.float64)
    end = paths["sgd"].weights[-1]
    _, _, directions = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    expected = (points - end) @ directions[:2].T
    found = np.concatenate(list(surface.paths.values()))
    np.testing.assert_allclose(np.abs(found), np.abs(expected), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(surface.paths["sgd"][0], surface.paths["adam"][0])
    assert [len(path) for path in surface.paths.values()] == [22, 11]
    assert (surface.paths["sgd"][-1] == 0).all()
    for axis, column in ((surface.x, 0), (surface.y, 1)):
        lowest, highest = found[:, column].min(), found[:, column].max()
        more = 0.1 * (highest - lowest)
        assert (axis[0], axis[-1]) == pytest.approx((lowest - more, highest + more))


def test_a_stream_is_evaluated_to_its_end_at_each_point():
    made, path = Classifier(classes=2, trains="logits/bias"), gk.WeightPath()
    parts = [{key: value[rows] for key, value in made.data.items()} for rows in (slice(2), slice(2, None))]
    with made.trainer as trainer:
        made.fit(path)
        expected = gk.loss_surface(trainer, made.data, path, resolution=3).losses
        found = gk.loss_surface(trainer, lambda: iter(parts), path, resolution=3).losses
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        with pytest.raises(ValueError, match="loss_surface: an iterator can be read only once"):
            gk.loss_surface(trainer, iter(parts), path, resolution=3)


def test_the_loss_is_that_of_evaluate_to_the_bit():
    """Of two trained numbers in a network with uint8 images, batch norm, L2 and dropout that is on."""
    made, path = Classifier(classes=2, trains="logits/bias"), gk.WeightPath()
    feed = {made.keep_prob: 0.5}
    with made.trainer as trainer:
        made.fit(path)
        surface = gk.loss_surface(trainer, made.data, path, resolution=3, feed=feed)
        (bias,) = trainer.training_step.trained
        for row, column in ((0, 0), (2, 1)):
            point = np.float32([surface.x[column], surface.y[row]])
            trainer.session.run(bias.initializer, {bias.initializer.inputs[1]: point})
            assert surface.losses[row, column] == trainer.evaluate(made.data, feed)["loss"]
        assert surface.losses[2, 1] != trainer.evaluate(made.data)["loss"]
    assert surface.labels == ("logits/bias[0]", "logits/bias[1]")


def test_more_examples_than_are_run_together():
    examples = rng.normal(size=(2500, 2)).astype(np.float32)
    line, path = Line(examples, examples[:, :1] + 1), gk.WeightPath()
    with line.trainer as trainer:
        line.fit(path, epochs=1)
        surface = gk.loss_surface(trainer, line.data, path, resolution=2)
    expected = [[line.loss_at([x, y]) for x in surface.x] for y in surface.y]
    np.testing.assert_allclose(surface.losses, expected, rtol=1e-5)


def test_examples_of_every_kind_of_array(tmp_path):
    made, path = Classifier(), gk.WeightPath()
    with made.trainer as trainer:
        made.fit(path)
        pixels, labels = made.data.values()
        expected = gk.loss_surface(trainer, made.data, path, resolution=2)
        np.save(tmp_path / "pixels.npy", pixels)
        for images, kinds in (
            (np.load(tmp_path / "pixels.npy", mmap_mode="r"), labels.tolist()),
            (np.asfortranarray((pixels - 128.0) / 128), labels.astype(np.uint8)),
        ):
            data = {made.images: images, made.labels: kinds}
            surface = gk.loss_surface(trainer, data, path, resolution=2)
            np.testing.assert_allclose(surface.losses, expected.losses, rtol=1e-6)


def test_texts_are_examples_too():
    texts = tf.compat.v1.placeholder(tf.string, (None,))
    lengths = tf.cast(tf.strings.length(texts), tf.float32)[:, None]
    loss, path = tf.reduce_mean((gk.dense(lengths, 1) - 1) ** 2), gk.WeightPath()
    data = {texts: np.array(["a", "abc", "abcd"])}
    with gk.Trainer(loss) as trainer:
        trainer.fit(data, epochs=3, callbacks=[path], progress=False, execution="feed")
        surface = gk.loss_surface(trainer, data, path, resolution=2)
        assert surface.labels == ("dense/kernel[0, 0]", "dense/bias[0]")
    predictions = np.array([1, 3, 4]) * surface.x[1] + surface.y[0]
    assert surface.losses[0, 1] == pytest.approx(np.mean((predictions - 1) ** 2), rel=1e-5)


def test_everything_is_as_before():
    made, path = Classifier(), gk.WeightPath()
    with made.trainer as trainer:
        made.fit(path)
        before, position = everything(trainer), (trainer.step, trainer.epoch, dict(trainer.history))
        gk.loss_surface(trainer, made.data, path, resolution=2)
        assert everything(trainer) == before
        assert (trainer.step, trainer.epoch, trainer.history) == position


@pytest.mark.slow
def test_a_following_fit_equals_one_without_a_surface(tmp_path):
    made, results = Classifier(), []
    with made.trainer as trainer:
        start = trainer.save(tmp_path / "start")
        for look in (True, False):
            trainer.restore(start)
            path = gk.WeightPath()
            made.fit(path)
            if look:
                gk.loss_surface(trainer, made.data, path, resolution=2)
            results.append((made.fit()["loss"], everything(trainer)))
    assert results[0] == results[1]


def test_a_callback_can_look_at_the_surface_while_fit_runs():
    class Look(gk.Callback):
        def on_epoch_end(self, trainer, metrics):
            surfaces.append(gk.loss_surface(trainer, line.data, path, resolution=2))

    line, path, surfaces = Line(), gk.WeightPath(), []
    with line.trainer:
        line.fit(path, Look(), epochs=3)
    assert [len(surface.paths["path"]) for surface in surfaces] == [2, 3, 4]
    np.testing.assert_allclose(path.weights, line.descent(START, 0.1, [slice(None)] * 3), rtol=1e-5)


def test_the_weights_are_brought_back_when_an_evaluation_fails():
    def offset(kernel):
        return tf.debugging.check_numerics(0.0 * tf.exp(tf.reduce_sum(kernel)), "too far")

    line, path = Line(offset=offset), gk.WeightPath()
    with line.trainer as trainer:
        line.fit(path, batch_size=8)
        before = everything(trainer)
        with pytest.raises(tf.errors.InvalidArgumentError, match="too far"):
            gk.loss_surface(trainer, line.data, path, margin=100)
        assert everything(trainer) == before


def test_weights_that_are_not_finite_are_brought_back_too():
    line, path = Line(), gk.WeightPath()
    odd = np.array([[0x7FC12345], [0xFF800000]], np.uint32).view(np.float32)  # a NaN of its own, and -inf
    with line.trainer as trainer:
        line.fit(path)
        (kernel,) = trainer.training_step.trained
        trainer.session.run(kernel.initializer, {kernel.initializer.inputs[1]: odd})
        gk.loss_surface(trainer, line.data, path, resolution=2)
        assert trainer.session.run(kernel).tobytes() == odd.tobytes()


def test_a_loss_that_is_not_finite_far_out_stays_so():
    line, path = Line(offset=lambda kernel: tf.exp(8 * kernel[0, 0])), gk.WeightPath()
    with line.trainer as trainer:
        line.fit(path, epochs=2)
        surface = gk.loss_surface(trainer, line.data, path, resolution=5, margin=100)
        assert np.isfinite(trainer.evaluate(line.data)["loss"])
    assert (surface.losses[:, -1] == math.inf).all() and np.isfinite(surface.losses[:, 0]).all()


# Paths that span little.


def test_a_path_of_one_point():
    line, path = Line(), gk.WeightPath(100)
    with line.trainer as trainer:
        line.fit(path)
        surface = gk.loss_surface(trainer, line.data, path, resolution=3, margin=0)
    assert (surface.paths["path"] == START.T).all() and (surface.fractions == 0).all()
    assert surface.x == pytest.approx([-2, -1, 0]) and surface.y == pytest.approx([1, 2, 3])
    expected = [[line.loss_at([x, y]) for x in surface.x] for y in surface.y]
    np.testing.assert_allclose(surface.losses, expected, rtol=1e-5)


@pytest.mark.parametrize("feature", [0, 1])
def test_a_path_along_one_weight_gets_a_square(feature):
    features = np.zeros((4, 2), np.float32)
    features[:, feature] = 1
    line, path = Line(features, np.zeros((4, 1), np.float32)), gk.WeightPath()
    with line.trainer as trainer:
        line.fit(path)
        surface = gk.loss_surface(trainer, line.data, path, resolution=3)
    assert surface.x[-1] - surface.x[0] == pytest.approx(surface.y[-1] - surface.y[0])
    still = (surface.x, surface.y)[1 - feature]
    assert still[1] == pytest.approx(START[1 - feature, 0])
    assert surface.fractions[feature] == pytest.approx(1)
    expected = [[line.loss_at([x, y]) for x in surface.x] for y in surface.y]
    np.testing.assert_allclose(surface.losses, expected, rtol=1e-5)


def test_two_points_of_two_weights():
    line, path = Line(), gk.WeightPath(5)
    with line.trainer as trainer:
        line.fit(path)
        surface = gk.loss_surface(trainer, line.data, path, resolution=2, margin=0)
    assert path.steps == [0, 5]
    corners = {(x, y) for x in surface.x for y in surface.y}
    assert {tuple(point) for point in surface.paths["path"]} <= corners


def small_line(start=WIDE_START, features=WIDE, **options):
    return Line(features, WIDE_TARGETS, start, learning_rate=0.03, **options)


@pytest.mark.parametrize("case", ["one point", "two points", "equal points", "one weight moves"])
def test_a_path_that_spans_no_plane_of_many_weights_is_refused(case):
    features = WIDE * np.float32([1, 0, 0, 0, 0, 0]) if case == "one weight moves" else WIDE
    features = np.zeros_like(WIDE) if case == "equal points" else features
    every_steps = {"one point": 100, "two points": 5}.get(case, 1)
    line, path = small_line(features=features), gk.WeightPath(every_steps)
    with line.trainer as trainer:
        line.fit(path)
        before = everything(trainer)
        with pytest.raises(
            ValueError, match=f"loss_surface: .*not all lie on one line.*points={len(path.steps)}"
        ):
            gk.loss_surface(trainer, line.data, path)
        assert everything(trainer) == before


def test_two_paths_of_two_points_span_a_plane():
    paths = {"slow": gk.WeightPath(5), "adam": gk.WeightPath(5)}
    for name, optimizer in (("slow", "sgd"), ("adam", "adam")):
        with tf.Graph().as_default():
            line = small_line(optimizer=optimizer)
            line.fit(paths[name])
    with line.trainer as trainer:
        surface = gk.loss_surface(trainer, line.data, paths, resolution=2)
    assert surface.fractions.sum() == pytest.approx(1)
    lengths = [np.linalg.norm(p[1] - p[0]) for p in surface.paths.values()]
    expected = [np.linalg.norm(p.weights[1] - p.weights[0]) for p in paths.values()]
    assert lengths == pytest.approx(expected, rel=1e-5)  # nothing of them is out of the plane


def test_one_trained_number_is_refused():
    line, path = Line(X[:, :1], Y, START[:1]), gk.WeightPath()
    with line.trainer as trainer:
        line.fit(path)
        with pytest.raises(ValueError, match="loss_surface: a plane needs two trained numbers.*numbers=1"):
            gk.loss_surface(trainer, line.data, path)


# Refusals.


@pytest.mark.grid
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"resolution": 1}, ValueError, "loss_surface: resolution .*at least 2; received resolution=1"),
        ({"resolution": 2.5}, TypeError, "loss_surface: resolution .*integer"),
        ({"margin": -0.1}, ValueError, "loss_surface: margin .*at least 0.*received margin=-0.1"),
        ({"margin": 1e308}, ValueError, "loss_surface: margin .*at most 100"),
        ({"margin": "1"}, TypeError, "loss_surface: margin .*finite number"),
        ({"paths": {}}, ValueError, "loss_surface: paths .*of at least one; received paths={}"),
        ({"paths": None}, TypeError, "loss_surface: paths must be a gk.WeightPath or {name: gk.WeightPath}"),
        ({"paths": {1: gk.WeightPath()}}, TypeError, "loss_surface: paths must be"),
        ({"paths": {"sgd": np.zeros((3, 2))}}, TypeError, "loss_surface: paths must be"),
        ({"paths": {"sgd": gk.WeightPath()}}, ValueError, "must hold points.*received path='sgd'"),
        ({"data": {}}, ValueError, "loss_surface: placeholders .* need data"),
        ({"data": 3}, TypeError, "loss_surface: data must be {placeholder or its name: array}"),
        ({"feed": 3}, TypeError, "loss_surface: feed must be {placeholder: value}"),
    ],
)
def test_bad_arguments_are_refused_and_change_nothing(options, error, message):
    line, path = Line(), gk.WeightPath()
    with line.trainer as trainer:
        line.fit(path)
        before = everything(trainer)
        with pytest.raises(error, match=message):
            gk.loss_surface(trainer, **{"data": line.data, "paths": path, **options})
        assert everything(trainer) == before


def test_a_path_of_another_model_is_refused():
    line, path = Line(), gk.WeightPath()
    with line.trainer:
        line.fit(path)
    with tf.Graph().as_default():
        other = small_line()
        with (
            other.trainer,
            pytest.raises(ValueError, match=r"of the variables that the trainer.*\(2, 1\).*\(6"),
        ):
            gk.loss_surface(other.trainer, other.data, {"sgd": path})


def test_a_path_that_left_the_finite_numbers_is_refused():
    line, path = Line(learning_rate=lambda step: 0.1 if step < 2 else 3e38), gk.WeightPath()
    with line.trainer as trainer:
        with pytest.raises(gk.NotFiniteError):
            line.fit(path, epochs=9)
        rule = "the weights of a path must be finite; received path='path', step=3"
        with pytest.raises(ValueError, match=f"loss_surface: {rule}"):
            gk.loss_surface(trainer, line.data, path)


def test_something_else_than_a_trainer_is_refused():
    with pytest.raises(TypeError, match="loss_surface: trainer must be a gk.Trainer"):
        gk.loss_surface("trainer", {}, gk.WeightPath())


def test_a_closed_trainer_is_refused():
    line, path = Line(), gk.WeightPath()
    line.trainer.close()
    with pytest.raises(RuntimeError, match="the trainer is closed"):
        gk.loss_surface(line.trainer, line.data, path)
