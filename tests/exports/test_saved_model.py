"""Exports as SavedModel: what other programs load computes what `predict` does, and holds nothing else."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit.graph import control_flow

V1 = tf.compat.v1
SIGNATURE = "serving_default"
X = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
LABELS = np.arange(8) % 3


@pytest.fixture(autouse=True)
def fresh_graph():
    """Replaces the fixture of that name, since models are loaded eagerly here: there must not be a graph."""


def train(build, examples, epochs=1):
    """Trains what build(placeholder) makes; returns (trainer, data to predict from, outputs).

    It makes the placeholder, the logits and, where needed, further {placeholder: array} of examples.
    """
    with tf.Graph().as_default():
        targets = gk.label_input()
        placeholder, logits, *more = build()
        outputs = {"probabilities": gk.softmax(logits), "logits": logits}
        trainer = gk.Trainer(gk.softmax_cross_entropy(logits, targets), learning_rate=0.05)
    data = {placeholder: examples, **(more[0] if more else {})}
    data_of_fit = {**data, targets: LABELS}
    trainer.fit(data_of_fit, epochs=epochs, batch_size=4, progress=False, execution="feed")
    return trainer, data, outputs


def by_name(data):
    return {placeholder.op.name: array for placeholder, array in data.items()}


def run_eagerly(path, data):
    """Returns {name: array} as TensorFlow 2 programs compute them."""
    if not V1.executing_eagerly_outside_functions():  # after tf.disable_v2_behavior()
        return run_in_session(path, data)
    model = tf.saved_model.load(path).signatures[SIGNATURE]
    found = model(**{name: tf.constant(array) for name, array in by_name(data).items()})
    return {name: value.numpy() for name, value in found.items()}


def run_in_session(path, data):
    """Returns {name: array} as TensorFlow 1 programs compute them."""
    with V1.Session(graph=tf.Graph()) as session:
        signature = V1.saved_model.load(session, ["serve"], path).signature_def[SIGNATURE]
        assert set(signature.inputs) == set(by_name(data))
        feed = {signature.inputs[name].name: array for name, array in by_name(data).items()}
        return session.run({name: info.name for name, info in signature.outputs.items()}, feed)


def load_graph(path):
    """Returns (graph, {name: variable}) of an export."""
    with V1.Session(graph=tf.Graph()) as session:
        V1.saved_model.load(session, ["serve"], path)
        return session.graph, {variable.op.name: variable for variable in V1.global_variables()}


def check_close(found, expected):
    """Checks {name: array} up to rounding: TensorFlow fuses other ops where flags have become constants."""
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-5, atol=1e-6, err_msg=name)


def check_equal(trainer, data, outputs, path, feed=None):
    """Checks an export in TF 2, in TF 1 and as weights, which are the same bits, against `predict`."""
    expected = {name: trainer.predict(tensor, data, feed=feed) for name, tensor in outputs.items()}
    check_close(run_eagerly(path, data), expected)
    check_close(run_in_session(path, data), expected)
    for variable in trainer.checkpoints.weights.values():
        trainer.session.run(variable.initializer)
    trainer.restore(path, weights_only=True)
    again = {name: trainer.predict(tensor, data, feed=feed) for name, tensor in outputs.items()}
    np.testing.assert_equal(again, expected)


# --- networks of graphkit


def dense_net():
    inputs = gk.feature_input(4)
    net = gk.dense(inputs, 8, gk.relu, name="hidden")
    return inputs, gk.dense(gk.dropout(net, gk.keep_prob_input()), 3, name="logits")


def normalized_net():
    inputs = gk.image_input(6, 6, 2)
    net = gk.relu(gk.batch_norm(gk.conv2d(inputs, 4, 3, use_bias=False)))
    net = gk.batch_norm(gk.dense(gk.flatten(net), 8))
    return inputs, gk.dense(gk.dropout(net, gk.keep_prob_input()), 3)


def word_net(length):
    inputs = gk.token_input(length)
    return inputs, gk.char_rnn(inputs, 9, 3, keep_prob=gk.keep_prob_input(), embedding_size=4, units=5)


IMAGES = np.random.default_rng(1).integers(0, 256, (8, 6, 6, 2)).astype(np.uint8)


def words(length):
    return np.random.default_rng(2).integers(0, 9, (8, length)).astype(np.int32)


@pytest.mark.grid
@pytest.mark.parametrize(
    ("build", "examples"),
    [
        (dense_net, X),
        (normalized_net, gk.scale_pixels(IMAGES)),
        pytest.param(lambda: word_net(5), words(5), marks=pytest.mark.slow),  # unrolled
        (lambda: word_net(40), words(40)),  # in a while loop
    ],
)
def test_exports_compute_what_predict_does(build, examples, tmp_path):
    trainer, data, outputs = train(build, examples)
    with trainer:
        path = trainer.export(tmp_path / "model", outputs)
        assert path == str(tmp_path / "model")
        check_equal(trainer, data, outputs, path)


ALONE = """
import sys
import numpy as np
import tensorflow as tf

for folder in sys.argv[1:]:
    model = tf.saved_model.load(folder).signatures["serving_default"]
    data = np.load(f"{folder}.npz")
    (name,) = set(data) - {"expected"}
    for size in (1, 3, 8):
        found = model(**{name: tf.constant(data[name][:size])})["output"].numpy()
        assert found.shape == (size, 3)
    np.testing.assert_allclose(found, data["expected"], rtol=1e-5, atol=1e-6)
assert "graphkit" not in sys.modules
"""


@pytest.mark.slow  # since another process loads TensorFlow
def test_a_program_without_graphkit_runs_them(tmp_path):
    paths = []
    for build, examples in ((normalized_net, gk.scale_pixels(IMAGES)), (lambda: word_net(40), words(40))):
        trainer, data, outputs = train(build, examples)
        with trainer:
            paths.append(trainer.export(tmp_path / str(len(paths)), outputs["logits"]))
            expected = trainer.predict(outputs["logits"], data)
        np.savez(f"{paths[-1]}.npz", expected=expected, **by_name(data))
    done = subprocess.run([sys.executable, "-c", ALONE, *paths], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_batch_axis_stays_open(tmp_path):
    trainer, _, outputs = train(normalized_net, gk.scale_pixels(IMAGES), epochs=0)
    with trainer:
        model = tf.saved_model.load(trainer.export(tmp_path / "model", outputs)).signatures[SIGNATURE]
    (specs,) = model.structured_input_signature[1:]
    assert specs == {"images": tf.TensorSpec((None, 6, 6, 2), tf.float32, "images")}
    shapes = {name: tensor.shape.as_list() for name, tensor in model.structured_outputs.items()}
    assert shapes == {"logits": [None, 3], "probabilities": [None, 3]}


def test_images_have_the_form_that_the_placeholder_takes(tmp_path):
    trainer, data, outputs = train(normalized_net, IMAGES)
    with trainer:
        path = trainer.export(tmp_path / "model", outputs)
        expected = trainer.predict(outputs["logits"], data)  # of uint8
    scaled = {placeholder: gk.scale_pixels(array) for placeholder, array in data.items()}
    check_close({"logits": run_eagerly(path, scaled)["logits"]}, {"logits": expected})


@pytest.mark.slow
def test_it_holds_no_more_than_the_outputs_need(tmp_path):
    trainer, _, outputs = train(dense_net, X)
    with trainer:
        graph, variables = load_graph(trainer.export(tmp_path / "all", outputs))
        assert set(variables) == {"hidden/kernel", "hidden/bias", "logits/kernel", "logits/bias"}
        names = [op.name for op in graph.get_operations()]
        assert not [name for name in names if "gradients" in name or name.startswith("graphkit/")]
        assert not graph.as_graph_def().library.function
        kinds = {op.type for op in graph.get_operations() if not op.name.startswith("save/")}
        assert not kinds & {"PlaceholderWithDefault", "SelectV2", "SparseSoftmaxCrossEntropyWithLogits"}

        (hidden,) = (op.outputs[0] for op in trainer.graph.get_operations() if op.type == "Relu")
        path = trainer.export(tmp_path / "part", hidden)
        assert set(load_graph(path)[1]) == {"hidden/kernel", "hidden/bias"}
        with pytest.raises(ValueError, match="2 of 4 variables can be restored"):
            trainer.restore(path)
        trainer.restore(path, partial=True)


@pytest.mark.slow
def test_it_holds_the_functions_that_the_outputs_need_alone(tmp_path):
    trainer, _, outputs = train(lambda: word_net(40), words(40), epochs=0)
    with trainer:
        graph, _ = load_graph(trainer.export(tmp_path / "model", outputs))
        functions = graph.as_graph_def().library.function
        assert len(functions) == 2  # condition and body of the one loop
        assert len(trainer.graph.as_graph_def().library.function) > 2


def size_of(folder):
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def test_an_exported_convnet_takes_four_bytes_a_parameter(tmp_path):
    with tf.Graph().as_default():
        images, labels = gk.image_input(28, 28, 1), gk.label_input()
        logits = gk.convnet(images, keep_prob=gk.keep_prob_input())
        with gk.Trainer(gk.softmax_cross_entropy(logits, labels)) as trainer:
            trainer.export(tmp_path / "model", logits)
    assert 4 * 3_274_634 <= size_of(tmp_path / "model") < 4 * 3_274_634 * 1.01


# --- the trainer


@pytest.mark.slow
def test_training_goes_on_as_if_nothing_had_been_exported(tmp_path):
    class Export(gk.Callback):
        def on_epoch_end(self, trainer, metrics):
            trainer.export(tmp_path / f"epoch-{trainer.epoch}", outputs)

    ends = []
    for callbacks in ([], [Export()]):
        with tf.Graph().as_default():
            inputs, logits = dense_net()
            labels, outputs = gk.label_input(), gk.softmax(logits)
            (keep_prob,) = (t for t in logits.graph.get_collection("graphkit_keep_probs")[:1])
            trainer = gk.Trainer(gk.softmax_cross_entropy(logits, labels), seed=5)
        with trainer:
            ops = len(trainer.graph.get_operations())
            data = {inputs: X, labels: LABELS}
            feed = {keep_prob: 0.5}
            trainer.fit(data, feed=feed, epochs=3, batch_size=4, callbacks=callbacks, progress=False)
            assert len(trainer.graph.get_operations()) == ops
            ends.append(trainer.session.run(trainer.checkpoints.variables))
            predicted = trainer.predict(outputs, {inputs: X})
    np.testing.assert_equal(*ends)
    of_epochs = [run_eagerly(str(tmp_path / f"epoch-{n}"), {inputs: X})["output"] for n in (1, 2, 3)]
    assert not np.array_equal(of_epochs[1], predicted)
    np.testing.assert_array_equal(of_epochs[2], predicted)


def test_a_closed_trainer_exports_nothing(tmp_path):
    trainer, _, outputs = train(dense_net, X, epochs=0)
    trainer.close()
    with pytest.raises(RuntimeError, match="export: the trainer is closed"):
        trainer.export(tmp_path / "model", outputs)
    assert not any(tmp_path.iterdir())


# --- constants


@pytest.mark.slow
def test_dropout_can_be_left_on(tmp_path):
    trainer, data, outputs = train(dense_net, X)
    with trainer:
        keep_prob = trainer.graph.get_tensor_by_name("keep_prob:0")
        path = trainer.export(tmp_path / "model", outputs, feed={keep_prob: 0.5})
        check_equal(trainer, data, outputs, path, feed={keep_prob: 0.5})
        off = trainer.predict(outputs["logits"], data)
        assert not np.array_equal(run_eagerly(path, data)["logits"], off)


def notes_net():
    """Returns a net as the notes write it: keep_prob has no default."""
    inputs, keep_prob = gk.feature_input(4), V1.placeholder(tf.float32, (), "keep_prob")
    return inputs, gk.dense(gk.dropout(inputs, keep_prob), 3)


def test_a_placeholder_without_default_is_an_input_unless_it_is_fed(tmp_path):
    with tf.Graph().as_default():
        inputs, logits = notes_net()
        loss = gk.softmax_cross_entropy(logits, gk.label_input())
        (keep_prob,) = (op.outputs[0] for op in loss.graph.get_operations() if op.name == "keep_prob")
        trainer = gk.Trainer(loss)
    with trainer:
        graph, _ = load_graph(trainer.export(tmp_path / "open", logits))
        model = tf.saved_model.load(str(tmp_path / "open")).signatures[SIGNATURE]
        assert set(model.structured_input_signature[1]) == {"features", "keep_prob"}
        fed = {inputs: X, keep_prob: np.float32(1)}
        expected = trainer.predict(logits, {inputs: X}, feed={keep_prob: 1})
        check_close(run_eagerly(str(tmp_path / "open"), fed), {"output": expected})

        path = trainer.export(tmp_path / "fed", logits, feed={keep_prob: 1})
        check_close(run_in_session(path, {inputs: X}), {"output": expected})
        assert "SelectV2" in {op.type for op in graph.get_operations()}
        assert "SelectV2" not in {op.type for op in load_graph(path)[0].get_operations()}


def test_defaults_that_follow_from_the_input_are_kept(tmp_path):
    def build():
        inputs = gk.feature_input(4)
        scale = V1.placeholder_with_default(tf.reduce_max(inputs), (), "scale")
        return inputs, gk.dense(inputs / scale, 3)

    trainer, data, outputs = train(build, X)
    with trainer:
        check_equal(trainer, data, outputs, trainer.export(tmp_path / "model", outputs))


# --- graphs that were made elsewhere


def features(name="features"):
    return V1.placeholder(tf.float32, (None, 4), name)


def reference_net():
    inputs = features()
    w = V1.get_variable("w", (4, 3), use_resource=False)
    b = V1.get_variable("b", (3,), initializer=V1.zeros_initializer(), use_resource=False)
    return inputs, inputs @ w + b


def scoped_net():
    with V1.variable_scope("model"):
        inputs = features()
        return inputs, gk.dense(inputs, 3)


def partitioned_net():
    inputs = features()
    w = V1.get_variable("w", (4, 3), partitioner=V1.fixed_size_partitioner(2), use_resource=True)
    return inputs, inputs @ tf.convert_to_tensor(w)


def cond_net():
    inputs = features()
    w = V1.get_variable("w", (4, 3), use_resource=True)
    return inputs, tf.cond(tf.reduce_mean(inputs) > 100, lambda: inputs @ w, lambda: 2 * (inputs @ w))


def loop_net():
    inputs = features()
    w = V1.get_variable("w", (4, 4), use_resource=True)
    _, net = tf.while_loop(lambda i, _: i < 3, lambda i, net: (i + 1, tf.tanh(net @ w)), (0, inputs))
    return inputs, gk.dense(net, 3)


def old_loop_net():
    """Returns a net with control flow of TensorFlow 1: loops of Enter, Switch and Merge."""
    inputs = features()
    w = V1.get_variable("w", (4, 4), use_resource=False)
    with control_flow.of_functions(False):
        _, net = tf.while_loop(lambda i, _: i < 3, lambda i, net: (i + 1, tf.tanh(net @ w)), (0, inputs))
        net = tf.cond(tf.reduce_mean(inputs) > 100, lambda: net, lambda: 2 * net)
    return inputs, gk.dense(net, 3)


def function_net():
    inner = tf.function(tf.sin)
    outer = tf.function(lambda value: inner(value) + 1)
    inputs = features()
    return inputs, outer(gk.dense(inputs, 3))


def table_net():
    inputs, names = features(), V1.placeholder(tf.string, (None,), "names")
    entries = tf.lookup.KeyValueTensorInitializer(["a", "b"], tf.constant([1.0, 2.0]))
    factor = tf.lookup.StaticHashTable(entries, -1.0).lookup(names)
    return inputs, gk.dense(inputs, 3) * factor[:, tf.newaxis], {names: np.array(list("abcabcab"), object)}


def placed_net():
    with tf.device("/gpu:3"):
        return loop_net()


@pytest.mark.grid
@pytest.mark.parametrize(
    "build",
    [
        reference_net,
        scoped_net,
        partitioned_net,
        cond_net,
        old_loop_net,
        function_net,
        table_net,
        placed_net,
    ],
)
def test_graphs_of_others(build, tmp_path):
    trainer, data, outputs = train(build, X)
    with trainer:
        check_equal(trainer, data, outputs, trainer.export(tmp_path / "model", outputs))


def test_reference_variables_become_resources(tmp_path):
    trainer, _, outputs = train(reference_net, X, epochs=0)
    with trainer:
        graph, variables = load_graph(trainer.export(tmp_path / "model", outputs))
    assert set(variables) == {"w", "b"} and all(hasattr(v, "handle") for v in variables.values())
    assert not [op for op in graph.get_operations() if op.type.startswith("Variable")]


def python_output(inputs, logits):
    return tf.numpy_function(np.sin, [logits], tf.float32)


def python_output_in_a_loop(inputs, logits):
    return tf.map_fn(lambda row: tf.numpy_function(np.sin, [row], tf.float32), logits)


def changing_output(inputs, logits):
    count = V1.get_variable("count", (), initializer=V1.zeros_initializer(), use_resource=False)
    with tf.control_dependencies([V1.assign_add(count, 1.0)]):
        return tf.identity(logits)


def table_of_changes(inputs, logits):
    table = tf.lookup.experimental.MutableHashTable(tf.int64, tf.float32, 0.0)
    return logits * table.lookup(tf.constant(1, tf.int64))


def iterated_output(inputs, logits):
    return logits * V1.data.make_one_shot_iterator(tf.data.Dataset.from_tensors(1.0)).get_next()


def unlisted_output(inputs, logits):
    return logits * V1.get_variable("unlisted", (), use_resource=True, collections=[])


def outside_output(inputs, logits):
    return tf.constant([1.0, 2.0])


@pytest.mark.grid
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (python_output, r"a Python function, .* type='PyFunc'"),
        (python_output_in_a_loop, r"a Python function, .* type='PyFunc'"),
        (changing_output, "may change a reference variable; received op='AssignAdd'"),
        (table_of_changes, "a state other than variables .* type='MutableHashTableV2'"),
        (iterated_output, "a state other than variables .* type='OneShotIterator'"),
        (unlisted_output, r"in the collection of global .* received variables=\['unlisted'\]"),
        (outside_output, r"Const:0 must depend on a placeholder .* received output='wanted'"),
    ],
)
def test_outputs_that_no_other_program_could_compute_are_refused(make, message, tmp_path):
    with tf.Graph().as_default():
        inputs = gk.feature_input(4)
        logits = gk.dense(inputs, 3)
        output = make(inputs, logits)
        with (
            gk.Trainer(gk.softmax_cross_entropy(logits, gk.label_input())) as trainer,
            pytest.raises(ValueError, match=f"^export: .*{message}"),
        ):
            trainer.export(tmp_path / "model", {"logits": logits, "wanted": output})
    assert not any(tmp_path.iterdir())


# --- arguments


@pytest.fixture(scope="module")
def trained():
    trainer, data, outputs = train(dense_net, X, epochs=0)
    with trainer:
        yield trainer, data, outputs


@pytest.mark.parametrize(
    ("outputs", "error", "message"),
    [
        (lambda logits: [logits], TypeError, "outputs must be a tensor"),
        (lambda logits: logits.op, TypeError, "outputs must be a tensor"),
        (lambda logits: {}, ValueError, "outputs must be a tensor"),
        (lambda logits: {1: logits}, TypeError, "outputs must be a tensor .* received name=1"),
        (lambda logits: {"": logits}, ValueError, "names must be printable"),
        (lambda logits: {"logits": "logits"}, TypeError, "received name='logits', output='logits'"),
        (lambda logits: elsewhere(), ValueError, "of the trainer's graph"),
        (lambda logits: {"logits": logits, "x": elsewhere()}, ValueError, "name='x'"),
        (
            lambda logits: logits.graph.get_tensor_by_name("logits/kernel:0"),
            ValueError,
            "that can be fetched",
        ),
    ],
)
def test_outputs_that_are_refused(trained, outputs, error, message, tmp_path):
    trainer, _, own = trained
    with pytest.raises(error, match=f"^export: .*{message}"):
        trainer.export(tmp_path / "model", outputs(own["logits"]))
    assert not any(tmp_path.iterdir())


def handle(logits):
    return logits.graph.get_tensor_by_name("logits/kernel:0")


def elsewhere():
    with tf.Graph().as_default():
        return features() * 2


def test_an_output_of_what_is_fed_alone_is_refused(trained, tmp_path):
    trainer, data, outputs = trained
    with pytest.raises(ValueError, match="which is not in feed; received output='logits'"):
        trainer.export(tmp_path / "model", {"logits": outputs["logits"]}, feed={next(iter(data)): X})


def test_a_feed_is_checked_as_that_of_predict(trained, tmp_path):
    trainer, _, outputs = trained
    with pytest.raises(ValueError, match=r"^export: keep_prob:0 is a probability to keep"):
        trainer.export(tmp_path, outputs, feed={trainer.graph.get_tensor_by_name("keep_prob:0"): 2})


@pytest.mark.slow
def test_a_folder_is_new_or_empty(trained, tmp_path, monkeypatch):
    trainer, _, outputs = trained
    trainer.export(tmp_path / "parents" / "model", outputs)
    assert os.listdir(tmp_path / "parents") == ["model"]
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    trainer.export(tmp_path / "link", outputs)
    assert (tmp_path / "link").is_symlink() and (tmp_path / "empty" / "saved_model.pb").is_file()
    (tmp_path / "file").write_text("kept")
    (tmp_path / "current").mkdir()
    monkeypatch.chdir(tmp_path / "current")
    before = size_of(tmp_path)
    for taken in (tmp_path / "empty", tmp_path / "file", "", "."):
        with pytest.raises(FileExistsError, match=r"^export: path must be new, or an empty folder"):
            trainer.export(taken, outputs)
    with pytest.raises(TypeError, match=r"^export: path must be a path; received path=7"):
        trainer.export(7, outputs)
    assert size_of(tmp_path) == before


def test_a_folder_that_no_program_could_load_is_refused(trained, tmp_path):
    trainer, _, outputs = trained
    with pytest.raises(ValueError, match=r"^export: TensorFlow takes .* received path=.*lr=\[0\.1\]"):
        trainer.export(tmp_path / "lr=[0.1]", outputs)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_can_be_read_by_those_whom_the_umask_lets(trained, tmp_path):
    trainer, _, outputs = trained
    trainer.export(tmp_path / "model", outputs)
    (tmp_path / "plain").mkdir()
    assert (tmp_path / "model").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_an_export_that_fails_leaves_nothing(trained, tmp_path, monkeypatch):
    def fail(self, *arguments, **options):
        raise tf.errors.ResourceExhaustedError(None, None, "no space left")

    trainer, _, outputs = trained
    monkeypatch.setattr(V1.saved_model.Builder, "save", fail)
    with pytest.raises(OSError, match=r"^export: cannot write .*no space left"):
        trainer.export(tmp_path / "model", outputs)
    assert not any(tmp_path.iterdir())


def test_tensorflow_logs_nothing_about_the_folder_at_level_info(trained, tmp_path, caplog):
    caplog.set_level("INFO", logger="tensorflow")
    trainer, _, outputs = trained
    trainer.export(tmp_path / "model", outputs)
    assert not caplog.records
    assert tf.get_logger().level == logging.INFO
