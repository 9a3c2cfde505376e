"""A session on the server of another process: `Trainer(target="grpc://host:port")`."""

import socket

import numpy as np
import pytest
import tensorflow as tf
from cluster.processes import free_addresses
from cluster.servers import Counter, Server

import graphkit as gk
from graphkit.data import batches
from graphkit.running import remote, stored, wire

RNG = np.random.default_rng(7)
IMAGES = batches.aligned_empty((150, 8, 8, 1), np.uint8)
IMAGES[...] = RNG.integers(0, 256, IMAGES.shape)
LABELS = RNG.integers(0, 3, 150).astype(np.int32)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    with Server(folder) as started:
        started.folder = folder
        yield started


def net():
    """A network whose steps use a lookup table, dropout and moving averages."""
    images, labels = gk.image_input(8, 8, 1), gk.label_input()
    hidden = gk.dense(gk.flatten(images), 6, tf.nn.relu)
    logits = gk.dense(gk.dropout(gk.batch_norm(hidden), gk.keep_prob_input()), 3)
    table = tf.lookup.experimental.MutableHashTable(tf.int32, tf.int32, 0)
    seen = table.insert(labels, table.lookup(labels) + 1)
    tf.compat.v1.add_to_collection(tf.compat.v1.GraphKeys.UPDATE_OPS, seen)
    loss = gk.softmax_cross_entropy(logits, labels)
    return {images: IMAGES, labels: LABELS}, loss, logits, table.export()


def trained(target=None, execution="auto", epochs=2, logdir=None, resume=False, images=IMAGES, **settings):
    with tf.Graph().as_default():
        data, loss, logits, table = net()
        keep_prob = tf.compat.v1.get_collection("graphkit_keep_probs")[0]
        data[next(iter(data))] = images
        with gk.Trainer(loss, target=target, logdir=logdir, seed=1, **settings) as trainer:
            trainer.fit(
                data,
                {keep_prob: 0.8},
                epochs,
                batch_size=16,
                execution=execution,
                resume=resume,
                progress=False,
            )
            found = {**trainer.weights(), "loss": trainer.history["loss"]}
            found["predictions"] = trainer.predict(logits, data)
            found["evaluated"] = trainer.evaluate(data)["loss"]
            keys, values = trainer.session.run(table)
            found["table"] = values[np.argsort(keys)]
            return found, trainer.runner.execution


def assert_same(ours, theirs):
    for name, value in theirs.items():
        np.testing.assert_array_equal(ours[name], value, name)


@pytest.mark.grid
@pytest.mark.parametrize("execution", ["feed", "chunks", "resident"])
def test_a_session_on_a_server_gives_the_same_bits(server, execution):
    (ours, took), (theirs, expected) = (trained(target, execution) for target in (server.target, None))
    assert took == expected
    assert_same(ours, theirs)


@pytest.mark.slow
def test_a_server_compiles_to_the_same_bits(server):
    found = []
    for target in (server.target, None):
        with tf.Graph().as_default():
            images, labels = gk.image_input(8, 8, 1), gk.label_input()
            loss = gk.softmax_cross_entropy(gk.dense(gk.flatten(images), 3), labels)
            with gk.Trainer(loss, target=target, seed=1) as trainer:
                trainer.fit(
                    {images: IMAGES, labels: LABELS}, execution="compiled", progress=False, batch_size=16
                )
                assert trainer.runner.compiled
                found.append(trainer.weights())
    assert_same(*found)


@pytest.mark.slow
def test_floats_for_images_are_stored_too(server):
    floats = gk.scale_pixels(IMAGES)
    ours, theirs = (trained(target, "resident", images=floats)[0] for target in (server.target, None))
    assert_same(ours, theirs)


@pytest.mark.slow
def test_checkpoints_are_written_where_the_trainer_is(server, tmp_path):
    complete, _ = trained(server.target, epochs=4)
    trained(server.target, epochs=2, logdir=tmp_path / "remote")
    trained(None, epochs=2, logdir=tmp_path / "local")
    assert not list(server.folder.iterdir())
    names = [sorted(file.name for file in (tmp_path / name).iterdir()) for name in ("remote", "local")]
    assert names[0] == names[1]
    ours, theirs = (tf.train.latest_checkpoint(tmp_path / name) for name in ("remote", "local"))
    assert tf.train.list_variables(ours) == tf.train.list_variables(theirs)
    for name, _ in tf.train.list_variables(ours):
        if not name.startswith("graphkit/state"):
            np.testing.assert_array_equal(
                tf.train.load_variable(ours, name), tf.train.load_variable(theirs, name)
            )
    resumed, _ = trained(server.target, epochs=4, logdir=tmp_path / "remote", resume=True)
    assert_same(resumed, complete)


@pytest.mark.slow
def test_an_export_is_written_where_the_trainer_is(server, tmp_path):
    with tf.Graph().as_default():
        data, loss, logits, _ = net()
        with gk.Trainer(loss, target=server.target) as trainer:
            path = trainer.export(tmp_path / "exported", logits)
            expected = trainer.predict(logits, data)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        signature = tf.compat.v1.saved_model.load(session, ["serve"], path).signature_def["serving_default"]
        ((image_input,), (result,)) = signature.inputs.values(), signature.outputs.values()
        output = session.run(result.name, {image_input.name: gk.scale_pixels(IMAGES)})
    np.testing.assert_allclose(output, expected, atol=1e-5)


def test_resident_data_is_sent_once(server):
    features = gk.feature_input(512)
    array = RNG.normal(size=(6 * 5 * 64, 512)).astype(np.float32)
    loss = tf.reduce_mean(gk.dense(features, 1) ** 2)
    with Counter(server) as counter, gk.Trainer(loss, "sgd", target=counter.target) as trainer:
        before = counter.sent
        settings = {"batch_size": 6, "execution": "resident", "steps_per_run": 64, "progress": False}
        trainer.fit({features: array}, **settings)
        first = counter.sent - before
        trainer.fit({features: array}, **settings)
        second = counter.sent - before - first
    assert trainer.step == 2 * 5 * 64
    assert array.nbytes < first < 1.02 * array.nbytes
    assert array.nbytes < second < 1.02 * array.nbytes


@pytest.mark.slow
def test_a_large_array_is_sent_in_pieces(server, monkeypatch):
    monkeypatch.setattr(wire, "PIECE", 1 << 10)
    assert len(list(stored.pieces_of(IMAGES, 1))) == 10
    for execution in ("resident", "chunks"):
        ours, theirs = (trained(target, execution)[0] for target in (server.target, None))
        assert_same(ours, theirs)


@pytest.mark.slow
def test_batches_and_variables_above_the_limit_are_refused(server, monkeypatch):
    with tf.Graph().as_default():
        data, loss, logits, _ = net()
        monkeypatch.setattr(wire, "LIMIT", 20_000)
        with gk.Trainer(loss, target=server.target) as trainer:
            for call in (
                lambda: trainer.fit(data, batch_size=100, progress=False),
                lambda: trainer.evaluate(data),
                lambda: trainer.predict(logits, data),
            ):
                with pytest.raises(ValueError, match="less than 2 GiB can be sent"):
                    call()
            assert trainer.step == 0
            assert len(trainer.predict(logits, data, batch_size=10)) == 150
    with tf.Graph().as_default():
        monkeypatch.setattr(wire, "LIMIT", 1000)
        with pytest.raises(ValueError, match="the variables together"):
            gk.Trainer(net()[1], target=server.target)


def test_a_loss_that_is_not_finite_is_reported_with_its_op(server):
    with tf.Graph().as_default():
        features = gk.feature_input(4)
        loss = tf.reduce_mean(tf.math.log(gk.dense(features, 1, kernel_initializer=gk.zeros())))
        with gk.Trainer(loss, target=server.target) as trainer:
            with pytest.raises(gk.NotFiniteError) as caught:
                trainer.fit({features: np.ones((8, 4), np.float32)}, progress=False)
            assert caught.value.report.op == "Log"


def small_loss():
    return tf.reduce_mean(gk.dense(gk.feature_input(2), 1) ** 2)


@pytest.mark.parametrize(
    "target",
    ["127.0.0.1:2222", "grpc://127.0.0.1", "grpc://127.0.0.1:0", "grpc://a b:2222", "http://a:80", ""],
)
def test_a_malformed_target_is_refused(target):
    with pytest.raises(ValueError, match='target must be "grpc://host:port"'):
        gk.Trainer(small_loss(), target=target)


def test_a_target_that_is_not_text_is_refused():
    with pytest.raises(TypeError, match='target must be "grpc://host:port"'):
        gk.Trainer(small_loss(), target=2222)


def test_a_target_with_a_cluster_or_other_devices_is_refused(server):
    cluster = gk.Cluster(["127.0.0.1:2222"], 0)
    for settings, text in (
        ({"cluster": cluster}, "not both"),
        ({"device": "cpu"}, "the devices are those of its server"),
        ({"device": "all"}, "the devices are those of its server"),
        ({"compute_dtype": "bfloat16"}, "compute_dtype must be float32"),
    ):
        with pytest.raises(ValueError, match=text):
            gk.Trainer(small_loss(), target=server.target, **settings)


def test_nothing_that_listens_is_said_at_once():
    with pytest.raises(ConnectionError, match="connection refused"):
        gk.Trainer(small_loss(), target=f"grpc://{free_addresses(1)[0]}")
    with pytest.raises(ConnectionError, match="is not known"):
        gk.Trainer(small_loss(), target="grpc://no-such-host.invalid:2222")


def test_what_is_not_a_server_is_said_after_a_limit(monkeypatch):
    monkeypatch.setattr(remote, "FIRST_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = f"grpc://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ConnectionError, match="did not answer as a server within 0.5 s"):
            gk.Trainer(small_loss(), target=target)


class Kill(gk.Callback):
    """Kills a server after a few steps."""

    def __init__(self, server):
        self.server = server

    def on_run_end(self, trainer):
        if trainer.step >= 20:
            self.server.kill()


@pytest.mark.slow
def test_a_server_that_dies_in_a_fit_ends_it_with_an_error(tmp_path):
    config = tf.compat.v1.ConfigProto(operation_timeout_in_ms=5000)
    loss = small_loss()
    data = {tf.compat.v1.get_default_graph().get_tensor_by_name("features:0"): np.ones((64, 2), np.float32)}
    settings = {"epochs": 9, "batch_size": 8, "steps_per_run": 4, "progress": False}
    with Server(tmp_path) as own:
        trainer = gk.Trainer(loss, target=own.target, session_config=config)
        with (
            pytest.raises(gk.GraphkitError, match=r"the server grpc://.* was lost: connection refused"),
            trainer,
        ):
            trainer.fit(data, callbacks=[Kill(own)], **settings)


def test_a_graph_that_a_server_cannot_read_names_the_versions():
    worker = remote.Remote("grpc://127.0.0.1:2222")

    class Refusing:
        def run(self, op):
            text = "Graph execution error:\n\nOp type not registered 'NewOp' in binary running on host."
            raise tf.errors.NotFoundError(None, None, text)

    with pytest.raises(gk.GraphkitError, match=f"is its TensorFlow the {tf.__version__}.*NewOp"):
        worker.start(Refusing(), None, {})


@pytest.mark.slow
def test_a_server_that_was_started_again_has_lost_the_session(tmp_path):
    with Server(tmp_path) as first:
        trainer = gk.Trainer(small_loss(), target=first.target)
        data = {trainer.graph.get_tensor_by_name("features:0"): np.ones((64, 2), np.float32)}
        trainer.fit(data, progress=False)
        first.kill()
        with Server(tmp_path, first.address), trainer:
            text = r"was lost: it was started again, and has lost the session\. Its variables are lost too"
            for call in (lambda: trainer.fit(data, progress=False), trainer.weights):
                with pytest.raises(gk.GraphkitError, match=text):
                    call()
