"""Each network of graphkit, out of each kind of file: the bits of predictions, gradients and trainings."""

import numpy as np
import pytest
import tensorflow as tf
from revival import files

import graphkit as gk

v1 = tf.compat.v1


def images():
    return gk.image_input(12, 12, 1, name="inputs")


NETWORKS = {
    "softmax_regression": lambda: gk.softmax_regression(images()),
    "mlp": lambda: gk.mlp(images(), hidden_units=(16,), keep_prob=gk.keep_prob_input()),
    "convnet": lambda: gk.convnet(images(), keep_prob=gk.keep_prob_input()),
    "inception_net": lambda: gk.inception_net(images()),
    "char_rnn": lambda: gk.char_rnn(gk.token_input(6, name="inputs"), 20, 10, units=12),
    "norms": lambda: gk.dense(gk.flatten(gk.batch_norm(gk.conv2d(images(), 4, 3, use_bias=False))), 10),
}


def rows(name, count=96):
    random = np.random.default_rng(1)
    if name == "char_rnn":
        return random.integers(0, 20, (count, 6)).astype(np.int32)
    return random.normal(size=(count, 12, 12, 1)).clip(-1, 1).astype(np.float32)


def labels(count=96):
    return np.arange(count, dtype=np.int32) % 10


class Original:
    """A network with a loss, and the files that a session of it writes."""

    def __init__(self, name, folder):
        self.name, self.graph = name, tf.Graph()
        with self.graph.as_default():
            v1.set_random_seed(3)
            self.logits = NETWORKS[name]()
            self.loss = gk.softmax_cross_entropy(self.logits, gk.label_input())
            self.trained = [variable.op.name for variable in v1.trainable_variables()]
            with files.open_session() as session:
                self.values = session.run({v.op.name: v for v in v1.global_variables()})
                inputs = {"inputs": self.graph.get_tensor_by_name("inputs:0")}
                self.prefix = files.save_meta(session, folder / "model.ckpt")
                self.paths = {
                    "frozen": files.freeze(session, [self.logits], folder / "frozen.pb"),
                    "meta": self.prefix,
                    "saved": files.save_model(session, inputs, {"logits": self.logits}, folder / "saved"),
                }

    def revived(self, kind):
        model = gk.revive(self.paths[kind], outputs=self.logits.op.name)
        with model.graph.as_default():
            loss = gk.softmax_cross_entropy(model.output, gk.label_input())
        return model, loss


SLOW = pytest.param("inception_net", marks=pytest.mark.slow)


@pytest.fixture(params=[SLOW if name == "inception_net" else name for name in NETWORKS], scope="module")
def original(request, tmp_path_factory):
    return Original(request.param, tmp_path_factory.mktemp(request.param))


@pytest.mark.grid
@pytest.mark.parametrize("kind", ["frozen", "meta", "saved"])
def test_variables_have_names_values_and_training_of_the_program(original, kind):
    model, _ = original.revived(kind)
    assert set(model.variables) == set(original.values)
    with model.graph.as_default():
        assert {v.op.name for v in v1.trainable_variables()} == set(original.trained)
        with files.open_session() as session:
            for name, value in session.run(model.variables).items():
                np.testing.assert_array_equal(value, original.values[name], err_msg=name)


@pytest.mark.grid
@pytest.mark.parametrize(
    "kind",
    ["frozen", pytest.param("meta", marks=pytest.mark.slow), pytest.param("saved", marks=pytest.mark.slow)],
)
def test_a_training_ends_with_the_same_bits(original, kind):
    assert_trains_alike(original, kind)


@pytest.mark.slow
def test_updates_of_moving_averages_come_along(tmp_path):
    for kind in ("meta", "saved"):
        (tmp_path / kind).mkdir()
        assert_trains_alike(Original("norms", tmp_path / kind), kind)


def assert_trains_alike(original, kind):
    ends = []
    with tf.Graph().as_default():
        v1.set_random_seed(3)
        logits = NETWORKS[original.name]()
        loss = gk.softmax_cross_entropy(logits, gk.label_input())
        gradients = of_trained(loss, original.trained)
        with gk.Trainer(loss, seed=5) as trainer:
            trainer.restore(original.prefix, weights_only=True)
            ends.append(train(trainer, original.name, logits, gradients))
    model, loss = original.revived(kind)
    with model.graph.as_default():
        gradients = of_trained(loss, original.trained)
        with gk.Trainer(loss, seed=5) as trainer:
            ends.append(train(trainer, original.name, model.output, gradients))
    averages = {name for name in original.values if name.endswith(("moving_mean", "moving_variance"))}
    for name in ends[0].keys() - (averages if kind == "frozen" else set()):  # which holds no updates of them
        np.testing.assert_array_equal(ends[1][name], ends[0][name], err_msg=name)


def of_trained(loss, names):
    variables = {variable.op.name: variable for variable in v1.trainable_variables()}
    return [tf.convert_to_tensor(g) for g in tf.gradients(loss, [variables[name] for name in names])]


def train(trainer, name, logits, gradients):
    """Returns predictions and gradients before an epoch, and the weights after it."""
    graph = trainer.graph
    data = {graph.get_tensor_by_name("inputs:0"): rows(name), graph.get_tensor_by_name("labels:0"): labels()}
    before = trainer.session.run([logits, *gradients], data)
    keep_prob = [op.outputs[0] for op in graph.get_operations() if op.name == "keep_prob"]
    feed = {keep_prob[0]: 0.5} if keep_prob else None
    trainer.fit(data, feed, batch_size=32, progress=False)
    return {**dict(enumerate(before)), **trainer.weights()}
