"""Which files are read as what, and what is wrong with them."""

import shutil
import threading

import numpy as np
import pytest
import tensorflow as tf
from references import normal
from revival import files

import graphkit as gk

v1 = tf.compat.v1


@pytest.fixture
def model_files(tmp_path):
    features = v1.placeholder(tf.float32, (None, 4), name="features")
    kernel = v1.get_variable("kernel", (4, 3))
    logits = tf.matmul(features, kernel, name="logits")
    loss = tf.reduce_mean(tf.square(logits), name="loss")
    step = v1.train.get_or_create_global_step()
    v1.train.AdamOptimizer().minimize(loss, step)
    v1.summary.scalar("loss_summary", loss)
    with files.open_session() as session:
        prefix = files.save_meta(session, tmp_path / "model.ckpt-1")
        files.save_model(session, {"x": features}, {"y": logits}, tmp_path / "saved")
        files.save_model(session, {"x": features}, {"y": logits}, tmp_path / "predict", "predict")
        files.freeze(session, [logits], tmp_path / "frozen.pb")
        value = session.run(kernel)
    return tmp_path, prefix, value


def test_all_paths_of_a_model(model_files):
    folder, prefix, value = model_files
    paths = [prefix, f"{prefix}.meta", f"{prefix}.index", folder, folder / "saved", folder / "frozen.pb"]
    for path in [*paths, folder / "checkpoint", folder / "saved" / "saved_model.pb"]:
        model = gk.revive(path)
        with model.graph.as_default(), files.open_session() as session:
            np.testing.assert_array_equal(session.run(model.variables["kernel"]), value)
        assert list(model.variables) == ["kernel"], path  # the rest is of training
    assert list(gk.revive(prefix).outputs) == ["loss"]
    assert gk.revive(prefix).report().endswith("kernel  float32 (4, 3)")
    for saved in map(gk.revive, (folder / "saved", folder / "predict")):
        assert (list(saved.inputs), list(saved.outputs)) == (["x"], ["y"])
    assert list(gk.revive(folder / "saved", outputs={"z": "loss"}).outputs) == ["z"]


def end_of_a_check(labels, logits):
    v1.assert_less(labels, np.int64(5))  # whose result nothing takes
    with tf.control_dependencies([v1.assert_equal(tf.shape(logits)[1], 3), v1.assert_non_negative(logits)]):
        return tf.nn.softmax(logits, name="end")


def end_of_a_loss(labels, logits, **weights):
    loss = v1.losses.sparse_softmax_cross_entropy(labels, logits, **weights, scope="end")
    v1.train.MomentumOptimizer(0.1, 0.9).minimize(loss)
    return loss


ENDS = {
    "loss": end_of_a_loss,
    "loss of weights": lambda *at: end_of_a_loss(*at, weights=v1.placeholder(tf.float32, name="weights")),
    "check": end_of_a_check,
}


@pytest.fixture(params=[False, True], ids=["branches_of_tf1", "functions"])
def control_flow_v2(request):
    before = v1.control_flow_v2_enabled()
    (v1.enable_control_flow_v2 if request.param else v1.disable_control_flow_v2)()
    yield
    (v1.enable_control_flow_v2 if before else v1.disable_control_flow_v2)()


@pytest.mark.parametrize("end", ENDS)
def test_a_model_that_waits_for_checks_has_its_ends(tmp_path, end, control_flow_v2):
    features, labels = v1.placeholder(tf.float32, (None, 4)), v1.placeholder(tf.int64, (None,))
    ENDS[end](labels, tf.matmul(features, v1.get_variable("kernel", (4, 3))))
    with files.open_session() as session:
        model = gk.revive(files.save_meta(session, tmp_path / "model"))
    assert [name.split("/")[0] for name in model.outputs] == ["end"]


def test_a_trained_loop_belongs_to_the_model(tmp_path, control_flow_v2):
    """Its gradient gives a loop of TensorFlow 2 stacks, which are named as the gradient is.

    As dynamic_rnn does, it begins with zeros of the batch's size, and nothing takes its last state.
    """
    features = v1.placeholder(tf.float32, (None, 4), name="features")
    kernel = v1.get_variable("kernel", (4, 4))
    zeros = tf.zeros(tf.shape(features))
    tf.zeros(tf.shape(features)[:1])

    def body(i, state, total):
        state = tf.tanh((state + features) @ kernel)
        return i + 1, state, total + state

    _, _, state = v1.while_loop(lambda i, *_: i < 3, body, (0, zeros, zeros))
    loss = tf.reduce_mean(tf.square(state), name="loss")
    v1.train.AdamOptimizer().minimize(loss)
    given = {"features:0": normal(5, 4)}
    with files.open_session() as session:
        path, value = files.save_meta(session, tmp_path / "model"), session.run(loss, given)
    model = gk.revive(path)
    assert [*model.outputs, *model.variables] == ["loss", "kernel"]
    with model.graph.as_default(), files.open_session() as session:
        assert session.run(model.output, given) == value


def test_a_batch_norm_that_waits_for_its_averages_belongs_to_the_model(tmp_path):
    """As contrib.layers.batch_norm(updates_collections=None) does; the training waits for its own updates."""
    features = v1.placeholder(tf.float32, (None, 4), name="features")
    average, kernel = (
        v1.get_variable(name, (4,), trainable=name == "kernel") for name in ("average", "kernel")
    )
    update = v1.assign_sub(average, 0.1 * (average - tf.reduce_mean(features, 0)))
    with tf.control_dependencies([update]):
        net = tf.identity(features * kernel)
    loss = tf.reduce_mean(tf.square(net), name="loss")
    with tf.control_dependencies([v1.train.AdamOptimizer().minimize(loss)]):
        tf.identity(loss, name="loss_of_the_step")
    given = {"features:0": normal(5, 4)}
    with files.open_session() as session:
        path, value = files.save_meta(session, tmp_path / "model"), session.run(loss, given)
        moved = session.run(average)
    model = gk.revive(path)
    assert [*model.outputs, *model.variables] == ["loss", "average", "kernel"]
    with model.graph.as_default(), files.open_session() as session:
        assert session.run(model.output, given) == value
        np.testing.assert_array_equal(session.run(model.variables["average"]), moved)


def test_what_is_put_into_a_queue_is_not_an_end(tmp_path):
    batch = v1.train.batch([v1.placeholder(tf.float32, (4,), name="example") + 1.0], 2, name="batch")
    tf.reduce_mean(batch * v1.get_variable("kernel", (4,)), name="loss")
    with files.open_session() as session:
        path = files.save_meta(session, tmp_path / "model")
    model = gk.revive(path, inputs=["batch:0"])
    assert [*model.outputs, *model.variables] == ["loss", "kernel"]


def test_files_of_other_kinds_and_damaged_ones(model_files):
    folder, _, _ = model_files
    frozen = (folder / "frozen.pb").read_bytes()

    def damaged(content, name="damaged.pb"):
        (folder / name).write_bytes(content)
        return folder / name

    meta = (folder / "model.ckpt-1.meta").read_bytes()
    cases = [
        (damaged(b"", "empty.pb"), ValueError, "must hold a GraphDef, complete"),
        (damaged(frozen[:-60], "short.pb"), ValueError, "must hold a GraphDef, complete"),
        (damaged(b"\x89PNG\r\n\x1a\n" + bytes(90), "image.pb"), ValueError, "must hold a GraphDef, complete"),
        (damaged(meta, "meta.pb"), ValueError, "it holds a MetaGraphDef"),
        (damaged(b"no graph", "text.pbtxt"), ValueError, "must hold a GraphDef, complete"),
        (damaged(b"\xff\xfe", "bytes.pbtxt"), ValueError, "must hold a GraphDef, complete"),
        (folder / "not there.pb", FileNotFoundError, "path must be a frozen graph"),
        (folder / "saved" / "variables", FileNotFoundError, "the folder must hold a saved_model.pb"),
        (3, TypeError, "path must be a path"),
        ("a\0b", ValueError, "path must be a path"),
    ]
    for path, kind, text in cases:
        with pytest.raises(kind, match=f"revive: .*{text}"):
            gk.revive(path)
    definition = tf.compat.v1.GraphDef.FromString(frozen)
    del definition.node[0]
    with pytest.raises(ValueError, match="cut off or damaged: .* takes .*, which it does not hold"):
        gk.revive(damaged(definition.SerializeToString(), "node.pb"), outputs="logits")
    definition = tf.compat.v1.GraphDef.FromString(frozen)
    constant = next(node for node in definition.node if node.op == "Const")
    constant.attr["value"].tensor.tensor_content = b"123"
    with pytest.raises(ValueError, match="constant kernel is damaged"):
        gk.revive(damaged(definition.SerializeToString(), "constant.pb"))


def test_a_checkpoint_that_is_missing_or_damaged(model_files):
    folder, prefix, _ = model_files
    shutil.copy(f"{prefix}.meta", folder / "alone.meta")
    with pytest.raises(FileNotFoundError, match="revive: the checkpoint must be next to its .meta"):
        gk.revive(folder / "alone.meta")
    index = folder / "model.ckpt-1.index"
    index.write_bytes(index.read_bytes()[:20])
    with pytest.raises(gk.GraphkitError, match="revive: .*damaged or cut off"):
        gk.revive(prefix)


def test_names_that_are_not_there(model_files):
    folder, prefix, _ = model_files
    cases = [
        ({"outputs": "logit"}, ValueError, r"outputs must name what is in the graph \(near it: logits"),
        ({"inputs": ["feature"]}, ValueError, r"inputs must name .*near it: features"),
        ({"outputs": "logits:7"}, ValueError, "logits has 1 outputs"),
        ({"outputs": "logits:x"}, ValueError, "outputs must be names of tensors"),
        ({"outputs": 3}, TypeError, "outputs must be names of tensors"),
        ({"outputs": []}, ValueError, "outputs must be names of tensors"),
        ({"constants": ["kernl"]}, ValueError, "constants must name what is in the graph"),
        ({"outputs": "kernel"}, ValueError, "must depend on an input"),
        ({"open_batch": 1}, TypeError, "open_batch must be True or False"),
        ({"signature": 1}, TypeError, "signature must be a string"),
    ]
    for options, kind, text in cases:
        with pytest.raises(kind, match=f"revive: .*{text}"):
            gk.revive(prefix, **options)
    with pytest.raises(ValueError, match=r"tags must be those of a graph .* \['serve'\]"):
        gk.revive(folder / "saved", tags=["train"])
    with pytest.raises(ValueError, match="signature must be one of 'serving_default'"):
        gk.revive(folder / "saved", signature="predict")


def test_a_model_without_weights_is_refused(tmp_path):
    tf.nn.relu(v1.placeholder(tf.float32, (None, 2), name="x"), name="y")
    with pytest.raises(ValueError, match="revive: the model must have weights"):
        gk.revive(files.write(tmp_path / "graph.pb"))


@pytest.mark.v2_behavior("no such file can be written without eager execution")
def test_a_saved_model_of_tensorflow_2_is_refused_with_a_way_out(tmp_path):
    def save():
        module = tf.Module()
        module.kernel = tf.Variable(tf.ones((4, 3)), name="kernel")
        call = tf.function(lambda x: {"y": tf.matmul(x, module.kernel)})
        signature = call.get_concrete_function(tf.TensorSpec((None, 4), name="x"))
        tf.saved_model.save(module, str(tmp_path / "two"), signatures=signature)

    writer = threading.Thread(target=save)  # the graph of the test is not the default graph of another thread
    writer.start()
    writer.join()
    with pytest.raises(ValueError, match="SavedModel of TensorFlow 2 names its variables by objects"):
        gk.revive(tmp_path / "two")


def test_the_copies_of_a_trainer_are_no_ends(tmp_path):
    features, labels = gk.feature_input(4), gk.label_input()
    loss = gk.softmax_cross_entropy(gk.dropout(gk.dense(features, 3), gk.keep_prob_input()), labels)
    saver = v1.train.Saver()
    with gk.Trainer(loss, optimizer="sgd") as trainer:
        model = gk.revive(saver.save(trainer.session, str(tmp_path / "model")))
    assert {name.split("/")[0] for name in model.outputs} == {"softmax_cross_entropy"}
