import numpy as np
import pytest
import tensorflow as tf
from transcription.written import largest_difference, load

import graphkit as gk

v1 = tf.compat.v1
RANDOM = np.random.RandomState(0)
IMAGES = RANDOM.randn(40, 6, 6, 1).astype(np.float32)
LABELS = RANDOM.randint(0, 3, 40).astype(np.int32)


def small_mlp(**options):
    """Returns (trainer, data, feed, logits) of a network with dropout, L2 and a metric."""
    images, labels, keep_prob = gk.image_input(6, 6, 1, scale=None), gk.label_input(), gk.keep_prob_input()
    logits = gk.mlp(images, 3, keep_prob=keep_prob, hidden_units=(8,))
    loss = gk.softmax_cross_entropy(logits, labels) + gk.l2_penalty(1e-3)
    trainer = gk.Trainer(loss, metrics={"accuracy": gk.accuracy(logits, labels)}, seed=5, **options)
    return trainer, {images: IMAGES, labels: LABELS}, {keep_prob: 0.5}, logits


def small_loss():
    features, labels = gk.feature_input(4), gk.label_input()
    logits = gk.dense(features, 3, name="logits")
    return gk.softmax_cross_entropy(logits, labels)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    with tf.Graph().as_default():
        trainer, data, feed, logits = small_mlp(optimizer="adam", learning_rate=0.01)
    with trainer:
        names, state = load(folder, trainer)
        yield trainer, data, feed, logits, names, state, (folder / "model.py").read_text()


class TestTheFile:
    def test_reads_like_notes(self, written):
        text = written[-1]
        assert "# hidden1: dense 36 -> 8, relu\n" in text
        assert "hidden1_matmul = flatten @ hidden1_kernel\n" in text
        assert "hidden1 = np.maximum(hidden1_z, 0)  # (n, 8)\n" in text
        assert "d_logits_kernel_2 = f.dropout.T @ d_logits\n" in text
        assert "def max_pool(" not in text  # what is not used is not there

    def test_imports_numpy_and_the_standard_library_alone(self, written):
        imports = [line for line in written[-1].splitlines() if line.startswith(("import", "from"))]
        modules = {line.split()[1] for line in imports}
        assert modules == {"hashlib", "pathlib", "types", "numpy"}

    def test_predicts_what_the_trainer_predicts(self, written):
        trainer, data, _, logits, names, state, _ = written
        (images, _) = data
        expected = trainer.predict(logits, {images: IMAGES})
        np.testing.assert_allclose(names["predict"](state, IMAGES), expected, atol=1e-6)

    def test_masks_have_the_same_bits(self, written):
        trainer, data, _, _, names, state, _ = written
        step, graph = trainer.training_step, trainer.graph
        (keep_prob,) = (op.outputs[0] for op in graph.get_operations() if op.name == "keep_prob")
        (images, labels) = data
        values = {images: IMAGES, labels: LABELS, keep_prob: 0.3, step.seed_input: 5, step.step_input: 0}
        expected = trainer.session.run("dropout/LessEqual:0", values)
        found = names["forward"](state, IMAGES, LABELS, keep_prob=0.3).dropout_mask
        np.testing.assert_array_equal(found, expected)

    def test_ten_steps_agree(self, written):
        trainer, data, feed, _, names, state, _ = written
        difference, name = largest_difference(trainer, names, state, data, feed)
        assert difference < 1e-5, name

    def test_a_step_leaves_the_given_state_as_it_is(self, written):
        *_, names, state, _ = written
        before = {name: np.array(value) for name, value in state.items()}
        names["train_step"](state, IMAGES[:4], LABELS[:4])
        for name, value in before.items():
            np.testing.assert_array_equal(state[name], value, err_msg=name)


class TestGraphs:
    @pytest.mark.slow
    def test_accumulated_and_clipped_gradients(self, tmp_path):
        trainer, data, feed, _ = small_mlp(optimizer="momentum", accumulate=3, clip_norm=0.1)
        with trainer:
            difference, name = largest_difference(trainer, *load(tmp_path, trainer), data, feed)
        assert difference < 1e-5, name

    @pytest.mark.slow
    def test_convolution_pooling_and_batch_norm(self, tmp_path):
        images, labels = gk.image_input(6, 6, 1, scale=None), gk.label_input()
        net = gk.max_pool(gk.relu(gk.batch_norm(gk.conv2d(images, 4, 3))), 2, 2)
        net = gk.batch_norm(gk.dense(gk.flatten(net), 3))
        with gk.Trainer(gk.softmax_cross_entropy(net, labels), "momentum", 0.01) as trainer:
            data = {images: IMAGES, labels: LABELS}
            difference, name = largest_difference(trainer, *load(tmp_path, trainer), data, {})
        assert difference < 1e-5, name

    @pytest.mark.slow
    def test_a_foreign_graph_with_keyed_random_numbers(self, tmp_path):
        x = v1.placeholder(tf.float32, (None, 4), name="x")
        y = v1.placeholder(tf.float32, (None, 1), name="y")
        w = v1.get_variable("w", (4, 5))
        hidden = v1.nn.dropout(tf.tanh(tf.matmul(x, w)), rate=0.3)
        hidden += 0.1 * v1.random_normal(tf.shape(hidden))
        out = tf.matmul(hidden, v1.get_variable("v", (5, 1)))
        loss = tf.reduce_mean(tf.square(out - y)) + 0.01 * tf.nn.l2_loss(w)
        with gk.Trainer(loss, v1.train.RMSPropOptimizer(0.01, centered=True)) as trainer:
            data = {x: IMAGES.reshape(40, 36)[:, :4], y: IMAGES.reshape(40, 36)[:, :1]}
            names, state = load(tmp_path, trainer)
            difference, name = largest_difference(trainer, names, state, data, {})
        assert difference < 1e-5, name


class TestRefusals:
    def test_random_numbers_that_numpy_does_not_draw_are_named(self, tmp_path):
        features, labels = gk.feature_input(4), gk.label_input()
        shuffled = tf.random.shuffle(features, name="mixed")
        rule = "^to_numpy: mixed draws random numbers by RandomShuffle, which is not written in NumPy"
        trainer = gk.Trainer(gk.softmax_cross_entropy(gk.dense(shuffled, 3), labels))
        with trainer, pytest.raises(ValueError, match=rule):
            gk.to_numpy(trainer, tmp_path / "model.py")

    def test_an_op_that_is_not_known_is_named_and_nothing_is_written(self, tmp_path):
        features, labels = gk.feature_input(4), gk.label_input()
        logits = tf.math.lgamma(tf.sigmoid(gk.dense(features, 3)), name="gamma")
        rule = r"^to_numpy: gamma \(Lgamma\) is of a type .*line='.*test_to_numpy\.py:\d+'"
        trainer = gk.Trainer(gk.softmax_cross_entropy(logits, labels))
        with trainer, pytest.raises(ValueError, match=rule):
            gk.to_numpy(trainer, tmp_path / "model.py")
        assert not list(tmp_path.iterdir())

    def test_files_are_replaced_only_on_request(self, tmp_path):
        with gk.Trainer(small_loss()) as trainer:
            (tmp_path / "model.npz").write_text("kept")
            with pytest.raises(FileExistsError, match="overwrite=True replaces it"):
                gk.to_numpy(trainer, tmp_path / "model.py")
            assert [file.name for file in tmp_path.iterdir()] == ["model.npz"]
            assert (tmp_path / "model.npz").read_text() == "kept"
            gk.to_numpy(trainer, tmp_path / "model.py", overwrite=True)
            for path in (tmp_path / "model.txt", tmp_path / "missing" / "model.py"):
                with pytest.raises(ValueError, match=r"^to_numpy: .*path"):
                    gk.to_numpy(trainer, path)
            with pytest.raises(TypeError, match="outputs must be"):
                gk.to_numpy(trainer, tmp_path / "other.py", outputs=3)
        with pytest.raises(RuntimeError, match="the trainer is closed"):
            gk.to_numpy(trainer, tmp_path / "other.py")
        with pytest.raises(TypeError, match="trainer must be a Trainer"):
            gk.to_numpy("trainer", tmp_path / "other.py")
