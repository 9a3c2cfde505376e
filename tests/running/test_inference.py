"""The copy of the model that evaluations run: the bits of the graph's own ops, and when these run instead."""

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit.data import batches
from graphkit.graph import control_flow
from graphkit.running import inference

v1 = tf.compat.v1
rng = np.random.default_rng(3)
IMAGES = rng.integers(0, 256, (50, 6, 6, 1)).astype(np.uint8)
KINDS = rng.integers(0, 3, 50).astype(np.int32)


class Problem:
    """A small network of images with two dropouts."""

    def __init__(self, offset=128.0, scale=128.0):
        self.images = gk.image_input(6, 6, 1, offset=offset, scale=scale)
        self.kinds, self.keep_prob = gk.label_input(), gk.keep_prob_input()
        net = gk.dropout(gk.relu(gk.conv2d(self.images, 4, 3)), self.keep_prob, name="first")
        net = gk.dropout(gk.flatten(net), self.keep_prob, name="second")
        self.logits = gk.dense(net, 3)
        self.loss = gk.softmax_cross_entropy(self.logits, self.kinds)
        self.floats = gk.scale_pixels(IMAGES, offset, scale)

    def trainer(self, **options):
        metrics = {"accuracy": gk.accuracy(self.logits, self.kinds)}
        return gk.Trainer(self.loss, metrics=metrics, seed=1, **options)

    def of_own_ops(self, trainer, tensor, **feed):
        """Returns what the graph's own ops compute from images that NumPy scaled."""
        given = {self.images: self.floats, self.kinds: KINDS}
        return trainer.session.run(tensor, given | {getattr(self, name): v for name, v in feed.items()})


def same(first, second):
    return first.dtype == second.dtype and first.tobytes() == second.tobytes()


@pytest.mark.grid
@pytest.mark.parametrize("scaling", [(128, 128), (33.3, 57.7), (0, 255)])
def test_predictions_have_the_bits_of_the_graphs_own_ops(scaling):
    problem = Problem(*scaling)
    probabilities = gk.softmax(problem.logits)
    with problem.trainer() as trainer:
        for _ in range(2):
            for tensor in (problem.logits, probabilities, problem.images):
                expected = problem.of_own_ops(trainer, tensor)
                assert same(trainer.predict(tensor, {problem.images: IMAGES}), expected)
                assert same(trainer.predict(tensor, {problem.images: problem.floats}), expected)
            data = {problem.images: IMAGES, problem.kinds: KINDS}
            loss = problem.of_own_ops(trainer, problem.loss)
            assert trainer.evaluate(data)["loss"] == pytest.approx(float(loss), rel=1e-6)
            trainer.fit(data, {problem.keep_prob: 0.5}, epochs=1, batch_size=10, progress=False)


def test_images_are_fed_as_they_are_and_masks_are_not_computed():
    problem = Problem()
    with problem.trainer() as trainer:
        check = trainer.check_open("predict")
        examples = trainer.check_examples(check, {problem.images: IMAGES}, None, [problem.logits])
        evaluator = trainer.evaluator(examples, [problem.logits])
        (rows,) = evaluator.prepare([slice(10, 20)], [None])
        assert np.shares_memory(rows, IMAGES) and not evaluator.prefetches and evaluator.read_step is None
        copied = trainer.training_step.inference.copied
        assert copied.keys() >= {problem.logits.name, problem.loss.name}
        assert not any("SelectV2" in name or "range" in name for name in copied)


def test_dropout_that_is_fed_is_that_of_the_graph():
    problem = Problem()
    with problem.trainer() as trainer:
        found = trainer.predict(problem.logits, {problem.images: IMAGES}, {problem.keep_prob: 0.5})
        step = trainer.training_step
        given = {
            problem.images: problem.floats,
            problem.keep_prob: 0.5,
            step.step_input: 0,
            step.seed_input: 1,
        }
        assert same(found, trainer.session.run(problem.logits, given))
        off = trainer.predict(problem.logits, {problem.images: IMAGES})
        assert not np.allclose(found, off)
        assert same(trainer.predict(problem.logits, {problem.images: IMAGES}, {problem.keep_prob: 1.0}), off)


def test_what_is_inside_a_dropout_can_be_predicted():
    problem = Problem()
    inside = problem.logits.graph.get_tensor_by_name("first/SelectV2:0")
    with problem.trainer() as trainer:
        found = trainer.predict(inside, {problem.images: IMAGES})
        assert same(found, problem.of_own_ops(trainer, inside))


def test_images_that_are_fed_unchanged():
    problem = Problem()
    tensor = problem.logits + tf.cast(problem.kinds, tf.float32)[:, None]
    with problem.trainer() as trainer:
        found = trainer.predict(tensor, {problem.kinds: KINDS}, {problem.images: problem.floats[:1]})
        logits = problem.of_own_ops(trainer, problem.logits)[:1]
        assert same(found, logits + KINDS[:, None].astype(np.float32))


def refused(problem):
    small = tf.debugging.Assert(tf.reduce_max(problem.images) <= 0.5, ["too bright"])
    with tf.control_dependencies([small]):
        return tf.identity(problem.logits)


def test_checks_of_inputs_stay():
    problem = Problem()
    tensor = refused(problem)
    with problem.trainer() as trainer:
        with pytest.raises(tf.errors.InvalidArgumentError, match="too bright"):
            trainer.predict(tensor, {problem.images: IMAGES})
        dark = np.minimum(IMAGES, 128)
        assert trainer.predict(tensor, {problem.images: dark}).shape == (50, 3)


def test_defaults_that_depend_on_images_can_be_given():
    problem = Problem()
    scale = v1.placeholder_with_default(tf.reduce_mean(problem.images, [1, 2, 3]), (None,), name="scale")
    tensor = problem.logits * scale[:, None]
    with problem.trainer() as trainer:
        assert same(trainer.predict(tensor, {problem.images: IMAGES}), problem.of_own_ops(trainer, tensor))
        given = np.arange(50, dtype=np.float32)
        found = trainer.predict(tensor, {problem.images: IMAGES, scale: given})
        logits = problem.of_own_ops(trainer, problem.logits)
        np.testing.assert_allclose(found, logits * given[:, None], rtol=1e-5)


def test_random_numbers_and_branches_of_tensorflow_1():
    problem = Problem()
    noise = problem.logits + tf.random.normal(tf.shape(problem.logits), seed=1)
    with control_flow.of_functions(False):
        branch = tf.cond(
            tf.reduce_mean(problem.images) > 0, lambda: problem.logits + 1, lambda: problem.logits - 1
        )
    problem.loss += 0.0 * tf.reduce_mean(noise)
    with problem.trainer() as trainer:
        data = {problem.images: IMAGES, problem.kinds: KINDS}
        assert same(trainer.predict(branch, {problem.images: IMAGES}), problem.of_own_ops(trainer, branch))
        assert trainer.predict(noise, {problem.images: IMAGES}).shape == (50, 3)
        first = trainer.evaluate(data)
        assert first == trainer.evaluate(data)
        expected = problem.of_own_ops(trainer, problem.loss)
        assert first["loss"] == pytest.approx(float(expected), rel=1e-6)


def test_keep_prob_that_is_no_placeholder_keeps_its_dropout():
    problem = Problem()
    tensor = gk.dropout(problem.logits, 0.5)
    with problem.trainer() as trainer:
        found = trainer.predict(tensor, {problem.images: IMAGES})
        assert 0.2 < (found == 0).mean() < 0.8


def test_without_images_and_dropout_nothing_is_copied():
    features = gk.feature_input(3)
    with gk.Trainer(tf.reduce_mean(gk.dense(features, 1))) as trainer:
        assert trainer.training_step.inference is inference.NONE


def test_reference_variables():
    problem = Problem()
    with v1.variable_scope("old", use_resource=False):
        shift = v1.get_variable("shift", initializer=np.float32([1, 2, 3]))
    tensor = problem.logits + shift
    problem.loss += tf.reduce_sum(tensor) * 1e-3
    with problem.trainer() as trainer:
        assert same(trainer.predict(tensor, {problem.images: IMAGES}), problem.of_own_ops(trainer, tensor))


def test_mapped_and_unaligned_images(tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    problem = Problem()
    with problem.trainer() as trainer:
        expected = problem.of_own_ops(trainer, problem.logits)
        assert same(trainer.predict(problem.logits, {problem.images: mapped}), expected)
        unaligned = batches.aligned_empty((50 * 36 + 1,), np.uint8)[1:].reshape(IMAGES.shape)
        unaligned[...] = IMAGES
        assert same(trainer.predict(problem.logits, {problem.images: unaligned}), expected)
