"""Several devices in one process: `Trainer(device="all")` on virtual processors."""

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit.graph import control_flow
from graphkit.running import session

EXAMPLES = 23  # with mini-batches of 7 the last one has 2, fewer than 3 devices
RNG = np.random.default_rng(5)
FEATURES = RNG.normal(size=(EXAMPLES, 6)).astype(np.float32)
LABELS = RNG.integers(0, 3, EXAMPLES).astype(np.int32)
TOKENS = RNG.integers(0, 9, (EXAMPLES, 4)).astype(np.int32)
EXECUTIONS = ("feed", "chunks", "resident")


def processors(count):
    return tf.compat.v1.ConfigProto(device_count={"CPU": count})


def dropout_net():
    features, labels = gk.feature_input(6), gk.label_input()
    hidden = gk.dropout(gk.dense(features, 8, tf.tanh), gk.keep_prob_input())
    logits = gk.dense(hidden, 3, kernel_regularizer=lambda kernel: 0.01 * tf.nn.l2_loss(kernel))
    return {features: FEATURES, labels: LABELS}, gk.softmax_cross_entropy(logits, labels), logits


def norm_net(uses=1):
    features, labels = gk.feature_input(6), gk.label_input()
    hidden = features
    for number in range(uses):
        hidden = gk.batch_norm(hidden, momentum=0.5, name="norm", reuse=number > 0)
    logits = gk.dense(hidden, 3)
    return {features: FEATURES, labels: LABELS}, gk.softmax_cross_entropy(logits, labels), logits


def token_net():
    tokens, labels = gk.token_input(4), gk.label_input()
    outputs, _ = gk.rnn(gk.embedding(tokens, 9, 5), 6, cell="gru")
    logits = gk.dense(outputs[:, -1], 3)
    return {tokens: TOKENS, labels: LABELS}, gk.softmax_cross_entropy(logits, labels), logits


def reference_net():
    """A graph as TensorFlow 1 made it: reference variables, loops and branches of single ops."""
    v1 = tf.compat.v1
    features, labels = v1.placeholder(tf.float32, (None, 6)), v1.placeholder(tf.int32, (None,))
    kernel = v1.get_variable("kernel", (6, 6), use_resource=False)
    last = v1.get_variable("last", (6, 3), use_resource=False)
    with control_flow.of_functions(False):
        body = lambda i, h: (i + 1, tf.tanh(h @ kernel))  # noqa: E731
        _, hidden = tf.while_loop(lambda i, _: i < 3, body, (0, features))
        hidden = tf.cond(tf.reduce_sum(kernel) > 0, lambda: hidden, lambda: 2 * hidden)
    logits = hidden @ last
    return {features: FEATURES, labels: LABELS}, gk.softmax_cross_entropy(logits, labels), logits


def train(net, count, execution="chunks", feed=None, epochs=2, **settings):
    """Returns (weights, history) of a training on so many virtual processors."""
    with tf.Graph().as_default():
        data, loss, logits = net()
        labels = list(data)[1]
        settings = {"optimizer": "sgd", "learning_rate": 0.5, "seed": 3, **settings}
        device = "all" if count > 1 else "cpu"
        metrics = {"accuracy": gk.accuracy(logits, labels)}
        keep_probs = tf.compat.v1.get_collection("graphkit_keep_probs")
        with gk.Trainer(
            loss, metrics=metrics, device=device, session_config=processors(count), **settings
        ) as trainer:
            fed = {keep_probs[0]: 0.6} if keep_probs else None
            trainer.fit(data, fed, epochs, batch_size=7, execution=execution, valid=data, progress=False)
            names = ("loss", "accuracy", "valid_loss")
            return trainer.weights(), {name: trainer.history[name] for name in names}


def assert_close(ours, theirs, tolerance=2e-6):
    for name, value in theirs[0].items():
        np.testing.assert_allclose(ours[0][name], value, atol=tolerance, err_msg=name)
    for name, values in theirs[1].items():
        np.testing.assert_allclose(ours[1][name], values, atol=tolerance, err_msg=name)


@pytest.mark.grid
@pytest.mark.parametrize("count", [pytest.param(2, marks=pytest.mark.slow), 3])
@pytest.mark.parametrize("net", [dropout_net, token_net, pytest.param(reference_net, marks=pytest.mark.slow)])
def test_several_devices_train_as_one(net, count):
    assert_close(train(net, count), train(net, 1))


@pytest.mark.parametrize(
    "net", [norm_net, *(pytest.param(net, marks=pytest.mark.slow) for net in (dropout_net, reference_net))]
)
def test_all_executions_have_the_same_bits(net):
    first, *others = (train(net, 3, execution) for execution in EXECUTIONS)
    for other in others:
        assert other[1] == first[1]
        for name, value in first[0].items():
            np.testing.assert_array_equal(other[0][name], value)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [{"clip_norm": 0.1}, {"accumulate": 2}, {"optimizer": "momentum", "learning_rate": 0.1}],
    ids=["clip_norm", "accumulate", "momentum"],
)
def test_settings_of_an_update_are_those_of_one_device(settings):
    assert_close(train(dropout_net, 2, **settings), train(dropout_net, 1, **settings))


@pytest.mark.grid
@pytest.mark.parametrize("uses", [1, 2])
def test_moving_averages_are_means_over_the_devices(uses):
    with tf.Graph().as_default():
        data, loss, _ = norm_net(uses)
        with gk.Trainer(loss, "sgd", 1e-9, device="all", session_config=processors(3)) as trainer:
            trainer.fit(data, batch_size=7, drop_remainder=True, shuffle=False, progress=False)
            weights = trainer.weights()
    mean, variance = np.zeros(6), np.ones(6)
    for start in (0, 7, 14):
        parts = [
            FEATURES[start : start + 3],
            FEATURES[start + 3 : start + 5],
            FEATURES[start + 5 : start + 7],
        ]
        for _ in range(uses):
            mean = 0.5 * mean + 0.5 * sum(len(part) / 7 * part.mean(0) for part in parts)
            variance = 0.5 * variance + 0.5 * sum(len(part) / 7 * part.var(0) for part in parts)
            parts = [(part - part.mean(0)) / np.sqrt(part.var(0) + 1e-3) for part in parts]
    np.testing.assert_allclose(weights["norm/moving_mean"], mean, atol=1e-6)
    np.testing.assert_allclose(weights["norm/moving_variance"], variance, atol=1e-6)


def counting_net():
    """A graph that counts the labels of all examples, and sums what they have, in UPDATE_OPS."""
    data, loss, logits = dropout_net()
    labels = list(data)[1]
    counts = tf.compat.v1.get_variable("counts", (3,), tf.int32, tf.zeros_initializer(), trainable=False)
    update = counts.scatter_add(tf.IndexedSlices(tf.ones_like(labels), labels))
    tf.compat.v1.add_to_collection(tf.compat.v1.GraphKeys.UPDATE_OPS, update)
    return data, loss, logits


def test_updates_that_cannot_take_averages_are_run_on_the_complete_mini_batch(caplog):
    caplog.set_level("INFO", "graphkit")
    weights, _ = train(counting_net, 2, epochs=2)
    np.testing.assert_array_equal(weights["counts"], 2 * np.bincount(LABELS))
    assert "UPDATE_OPS are run on the complete mini-batch, by one device" in caplog.text


def test_each_device_computes():
    with tf.Graph().as_default():
        data, loss, _ = dropout_net()
        with gk.Trainer(loss, "sgd", device="all", session_config=processors(2)) as trainer:
            options = tf.compat.v1.RunOptions(trace_level=tf.compat.v1.RunOptions.FULL_TRACE)
            metadata = tf.compat.v1.RunMetadata()
            fetches = [trainer.training_step.update, *trainer.training_step.values]
            trainer.session.run(fetches, {**data, trainer.training_step.rate_input: 0.1}, options, metadata)
            stats = metadata.step_stats.dev_stats
    names = {device.device[-5:]: [node.node_name for node in device.node_stats] for device in stats}
    products = {device: sum(name.endswith("MatMul_1") for name in found) for device, found in names.items()}
    assert products["CPU:0"] == products["CPU:1"] > 0


def test_one_device_adds_nothing_to_the_graph():
    numbers = []
    for device in ("all", "cpu"):
        with tf.Graph().as_default() as graph, gk.Trainer(dropout_net()[1], device=device) as trainer:
            numbers.append((len(graph.get_operations()), trainer.fingerprint))
    assert numbers[0] == numbers[1]


def test_the_fingerprint_does_not_follow_from_the_number_of_devices():
    found = []
    for count in (1, 2, 3):
        with tf.Graph().as_default():
            loss = norm_net()[1]
            with gk.Trainer(loss, device="all", session_config=processors(count)) as trainer:
                found.append(trainer.fingerprint)
    assert found[0] == found[1] == found[2]


def test_gpus_come_before_processors(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["a", "b", "c"])
    make = session.make_config
    assert session.all_devices("all", make("all")) == ("/device:GPU:0", "/device:GPU:1", "/device:GPU:2")
    visible = tf.compat.v1.ConfigProto(gpu_options=tf.compat.v1.GPUOptions(visible_device_list="0,2"))
    assert session.all_devices("all", make("all", visible)) == ("/device:GPU:0", "/device:GPU:1")
    none = tf.compat.v1.ConfigProto(device_count={"GPU": 0, "CPU": 2})
    assert session.all_devices("all", make("all", none)) == ("/device:CPU:0", "/device:CPU:1")
    assert session.all_devices("auto", make("auto")) == ()


def split_net(make):
    with tf.Graph().as_default():
        return gk.Trainer(make(), device="all", session_config=processors(2))


def without_examples():
    return tf.reduce_sum(tf.compat.v1.get_variable("w", (2,)) ** 2)


def with_python():
    features = gk.feature_input(2)
    doubled = tf.ensure_shape(tf.numpy_function(lambda x: 2 * x, [features], tf.float32), (None, 2))
    return tf.reduce_mean(gk.dense(doubled, 1))


def with_assignment():
    counted = tf.compat.v1.get_variable("counted", (), initializer=tf.zeros_initializer(), trainable=False)
    with tf.control_dependencies([counted.assign_add(1.0)]):
        return tf.reduce_mean(gk.dense(tf.identity(gk.feature_input(2)), 1))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (without_examples, "needs a placeholder of examples"),
        (with_python, "Python functions"),
        (with_assignment, "the loss waits for an op that changes a variable"),
    ],
)
def test_graphs_that_cannot_be_split_are_refused(make, text):
    with pytest.raises(ValueError, match=text):
        split_net(make)


def test_a_constant_of_any_length_is_refused_before_the_first_step():
    with tf.Graph().as_default():
        data, loss, _ = dropout_net()
        factors = tf.compat.v1.placeholder(tf.float32, (None,), "factors")
        loss *= tf.reduce_mean(factors)
        with gk.Trainer(loss, device="all", session_config=processors(2)) as trainer:
            with pytest.raises(ValueError, match="every placeholder whose first axis is None"):
                trainer.fit(data, {factors: [1.0, 2.0]}, progress=False)
            assert trainer.step == 0


def test_evaluations_and_predictions_are_those_of_one_device():
    found = []
    for count in (1, 2):
        with tf.Graph().as_default():
            data, loss, logits = dropout_net()
            device = "all" if count > 1 else "cpu"
            with gk.Trainer(loss, device=device, session_config=processors(count), seed=1) as trainer:
                found.append((trainer.evaluate(data), trainer.predict(logits, data)))
    assert found[0][0] == found[1][0]
    np.testing.assert_array_equal(found[0][1], found[1][1])


def test_a_loss_that_is_not_finite_is_reported_as_on_one_device():
    reports = []
    for count in (1, 2):
        with tf.Graph().as_default():
            features = gk.feature_input(6)
            loss = tf.reduce_mean(tf.math.log(gk.dense(features, 1, name="layer") + 0.2))
            settings = {"device": "all" if count > 1 else "cpu", "session_config": processors(count)}
            with gk.Trainer(loss, "sgd", 0.01, seed=2, **settings) as trainer:
                with pytest.raises(gk.NotFiniteError) as caught:
                    trainer.fit({features: FEATURES}, batch_size=7, epochs=20, progress=False)
                report = caught.value.report
                reports.append((report.op, report.step, report.examples, report.what))
    assert reports[0] == reports[1]


@pytest.mark.slow
def test_a_run_is_resumed_to_the_same_bits(tmp_path):
    def fit(logdir, epochs, resume):
        with tf.Graph().as_default():
            data, loss, _ = norm_net()
            settings = {"device": "all", "session_config": processors(2), "logdir": logdir, "seed": 4}
            with gk.Trainer(loss, **settings) as trainer:
                trainer.fit(data, epochs=epochs, batch_size=7, resume=resume, progress=False)
                return trainer.weights()

    complete = fit(tmp_path / "complete", 4, resume=False)
    fit(tmp_path / "resumed", 2, resume=False)
    resumed = fit(tmp_path / "resumed", 4, resume=True)
    for name, value in complete.items():
        np.testing.assert_array_equal(resumed[name], value)


def test_training_goes_on_after_an_op_failed():
    with tf.Graph().as_default():
        features, limit = gk.feature_input(6), tf.compat.v1.placeholder_with_default(1e9, ())
        checked = tf.debugging.assert_less(tf.reduce_max(features), limit)
        with tf.control_dependencies([checked]):
            loss = tf.reduce_mean(gk.dense(tf.identity(features), 1) ** 2)
        with gk.Trainer(loss, device="all", session_config=processors(2)) as trainer:
            trainer.fit({features: FEATURES}, batch_size=7, progress=False)
            with pytest.raises(tf.errors.InvalidArgumentError):
                trainer.fit({features: FEATURES}, {limit: 0.5}, batch_size=7, progress=False)
            trainer.fit({features: FEATURES}, batch_size=7, progress=False)
            assert np.isfinite(trainer.history["loss"][-1])
