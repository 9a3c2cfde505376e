"""Graphs as other programs wrote them: which constants become variables, and what is refused."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from revival import files

import graphkit as gk
from graphkit.graph import control_flow

v1 = tf.compat.v1
normal = files.normal


def images(channels=3, name="images", shape=None):
    return v1.placeholder(tf.float32, shape or (None, 8, 8, channels), name=name)


def revive_graph(folder, outputs=None, **options):
    return gk.revive(files.write(folder / "graph.pb"), outputs=outputs, **options)


def trained(model):
    return {name for name, variable in model.variables.items() if variable.trainable}


def test_convolutions_of_all_kinds_products_and_lookups(tmp_path):
    net = images()
    net = tf.nn.conv2d(net, tf.constant(normal(3, 3, 3, 4), name="conv/weights"), 1, "SAME", name="conv/conv")
    net = tf.nn.bias_add(net, tf.constant(normal(4), name="conv/biases"))
    depthwise = tf.constant(normal(3, 3, 4, 1), name="depthwise/weights")
    net = tf.nn.depthwise_conv2d(net, depthwise, [1, 1, 1, 1], [[0, 0], [1, 1], [1, 1], [0, 0]])
    upward = tf.constant(normal(2, 2, 5, 4), name="upward/weights")
    net = tf.nn.conv2d_transpose(net, upward, (2, 16, 16, 5), 2)
    flat = tf.reshape(net, (2, 16 * 16 * 5))
    product = tf.matmul(flat, tf.constant(normal(1280, 6), name="dense/weights")) + tf.constant(
        normal(6), name="dense/biases"
    )
    words = v1.placeholder(tf.int32, (None,), name="words")
    table = tf.constant(normal(10, 6), name="table")
    joined = tf.gather(table, words) + product * tf.constant(0.5, name="factor")
    other = tf.raw_ops.Gather(params=tf.constant(normal(10, 6), name="old_table"), indices=words)
    output = tf.add(joined, tf.nn.elu(other), name="output")
    feed = {"images": normal(2, 8, 8, 3), "words": np.array([1, 7], np.int32)}
    with v1.Session() as session:
        wanted = session.run(output, {f"{name}:0": value for name, value in feed.items()})
    model = revive_graph(tmp_path, "output")
    weights = "conv depthwise upward dense".split()
    expected = {f"{name}/weights" for name in weights} | {"conv/biases", "dense/biases", "table", "old_table"}
    assert trained(model) == set(model.variables) == expected
    gradients = tf.gradients(model.output, list(model.variables.values()))
    assert None not in gradients
    # Not to the bit: TensorFlow folds the factor into the constants of the original.
    np.testing.assert_allclose(files.run(model, model.output, feed), wanted, rtol=1e-4)
    assert list(model.inputs) == ["images", "words"]
    assert "dense/biases       float32 (6,) bias" in model.report()


def test_chains_of_ops_and_shared_constants(tmp_path):
    kernel = tf.constant(normal(4, 4), name="kernel")
    read = tf.identity(tf.stop_gradient(tf.identity(kernel, name="kernel/read")), name="again")
    features = v1.placeholder(tf.float32, (None, 4), name="features")
    net = tf.matmul(features, tf.transpose(read))
    half = tf.constant(normal(4, 2).astype(np.float16), name="half")
    net = tf.matmul(tf.matmul(net, kernel), tf.cast(half, tf.float32))
    parts = [tf.constant(normal(2, 3), name="part_0"), tf.constant(normal(2, 3, seed=1), name="part_1")]
    net = tf.matmul(net, tf.concat(parts, axis=1))
    gates = tf.slice(tf.constant(normal(9), name="gates"), [3], [6])
    tf.nn.bias_add(net, gates, name="output")
    model = revive_graph(tmp_path)
    assert set(model.variables) == {"kernel", "half", "part_0", "part_1", "gates"}
    assert model.variables["half"].dtype == tf.float16
    assert list(model.outputs) == ["output"]


def test_what_stays_constant(tmp_path):
    net = images() - tf.constant([100.0, 110.0, 120.0], name="mean_color")
    net = tf.pad(net, tf.constant([[0, 0], [1, 1], [1, 1], [0, 0]]))
    net = tf.nn.conv2d(net, tf.constant(normal(3, 3, 3, 4), name="kernel"), 1, "VALID")
    net = net + tf.constant(normal(8, 8, 4), name="positions")
    net = tf.minimum(tf.nn.relu(net), tf.constant([6.0] * 4, name="ceiling"))
    net = tf.nn.conv2d(net, tf.constant(normal(1, 1, 4, 2), name="kept"), 1, "VALID")
    ages = tf.gather(tf.constant(normal(5), name="ages"), tf.argmax(net[:, 0, 0], axis=1))
    tf.add(tf.reduce_mean(net), tf.reduce_mean(ages), name="output")
    model = revive_graph(tmp_path, constants=["kept"])
    assert set(model.variables) == {"kernel"}
    report = model.report()
    for name in ("mean_color", "positions", "ceiling", "kept", "ages"):
        assert f"  {name} " in report
    assert "kept        as asked by constants" in report


def folded(net):
    """A batch norm left as a product and a sum, as `fold_batch_norms` finds it."""
    net = tf.nn.conv2d(net, tf.constant(normal(3, 3, 3, 4), name="kernel"), 1, "SAME")
    net = net * tf.constant(normal(4), name="scale")
    return net + tf.constant(normal(4), name="shift")


def expressed(net):
    """A batch norm as ops of constants, as `tf.nn.batch_normalization` makes it."""
    net = tf.nn.conv2d(net, tf.constant(normal(3, 3, 3, 4), name="kernel"), 1, "SAME")
    given = {name: tf.constant(np.abs(normal(4)) + 1, name=name) for name in "mean var beta gamma".split()}
    return tf.nn.batch_normalization(net, given["mean"], given["var"], given["beta"], given["gamma"], 1e-3)


def written_out(net):
    net = tf.nn.conv2d(net, tf.constant(normal(3, 3, 3, 4), name="kernel"), 1, "SAME")
    given = {name: tf.constant(np.abs(normal(4)) + 1, name=name) for name in "mean var beta gamma".split()}
    return (net - given["mean"]) / tf.sqrt(given["var"] + 1e-3) * given["gamma"] + given["beta"]


def fused(net):
    net = tf.nn.conv2d(net, tf.constant(normal(3, 3, 3, 4), name="kernel"), 1, "SAME")
    given = [tf.constant(np.abs(normal(4)) + 1, name=name) for name in "gamma beta mean var".split()]
    return v1.nn.fused_batch_norm(net, *given, is_training=False)[0]


def folded_by_tool(net):
    net = tf.nn.conv2d(net, tf.constant(normal(3, 3, 3, 4), name="kernel"), 1, "SAME", name="conv")
    return tf.nn.bias_add(net, tf.constant(normal(4), name="conv_bn_offset"), name="bn/add")


@pytest.mark.parametrize(
    ("build", "weights", "averages", "folds"),
    [
        (folded, {"scale", "shift"}, set(), 1),
        (expressed, {"gamma", "beta"}, {"mean", "var"}, 0),
        (written_out, {"gamma", "beta"}, {"mean", "var"}, 0),
        (fused, {"gamma", "beta"}, {"mean", "var"}, 0),
        (folded_by_tool, {"conv_bn_offset"}, set(), 1),
    ],
)
def test_batch_norms(build, weights, averages, folds, tmp_path):
    tf.identity(build(images()), name="output")
    model = revive_graph(tmp_path)
    assert trained(model) == {"kernel"} | weights
    assert set(model.variables) - trained(model) == averages
    assert ("folded" in model.report()) == bool(folds)
    assert None not in tf.gradients(model.output, [model.variables[name] for name in trained(model)])


def test_channels_first_are_seen_by_the_head(tmp_path):
    net = images(shape=(None, 3, 8, 9))
    net = tf.nn.conv2d(net, tf.constant(normal(3, 3, 3, 4), name="kernel"), 1, "SAME", data_format="NCHW")
    tf.nn.relu(net, name="last")
    model = revive_graph(tmp_path)
    assert model.head(5).shape.as_list() == [None, 5]
    assert model.graph.get_tensor_by_name("head/kernel:0").op.get_attr("shape").dim[0].size == 4
    assert model.head(5, pool="flatten", name="other").shape.as_list() == [None, 5]


def test_dropout_that_is_always_on_is_removed_and_one_that_is_fed_stays(tmp_path):
    features = v1.placeholder(tf.float32, (None, 4), name="features")
    net = tf.matmul(features, tf.constant(normal(4, 4), name="kernel"))
    fixed = tf.nn.dropout(net, rate=0.5, name="fixed")
    old = net / 0.5 * tf.floor(tf.random.uniform(tf.shape(net)) + 0.5)
    keep_prob = v1.placeholder_with_default(1.0, (), name="keep_prob")
    fed = v1.nn.dropout(net, keep_prob=keep_prob, name="fed")
    tf.add_n([fixed, old, fed], name="output")
    model = revive_graph(tmp_path)
    kinds = [op.type for op in model.graph.get_operations()]
    assert kinds.count("RandomUniform") == 1
    assert "keep_prob" in model.inputs
    x = normal(5, 4)
    np.testing.assert_allclose(
        files.run(model, model.output, {"features": x}), 3 * x @ normal(4, 4), rtol=1e-5
    )
    assert "dropout that was always on, removed (2)" in model.report()


def test_flags_and_defaults_are_found(tmp_path):
    features = v1.placeholder(tf.float32, (None, 4), name="features")
    flag = v1.placeholder_with_default(False, (), name="is_training")
    net = tf.matmul(features, tf.constant(normal(4, 4), name="kernel"))
    tf.cond(flag, lambda: net + 1.0, lambda: net, name="cond")
    tf.identity(net, name="output")
    model = revive_graph(tmp_path, ["cond", "output"] if v1.control_flow_v2_enabled() else "output")
    assert next(iter(model.inputs)) == "features"
    if "is_training" in model.inputs:
        assert "is_training  False unless fed" in model.report()


def test_a_read_that_a_branch_returns_is_found_in_frozen_functions(tmp_path):
    features = v1.placeholder(tf.float32, (None, 4), name="features")
    scale = v1.get_variable("scale", (4,), use_resource=True)
    net = tf.matmul(features, v1.get_variable("kernel", (4, 4), use_resource=True))
    flag = v1.placeholder_with_default(True, (), name="is_training")
    with control_flow.of_functions():
        read = functools.partial(tf.raw_ops.ReadVariableOp, resource=scale.handle, dtype=tf.float32)
        chosen = tf.cond(flag, read, lambda: tf.ones(4))
    output = tf.multiply(net, chosen, name="output")
    gradients = tf.gradients(output, v1.trainable_variables())
    with files.open_session() as session:
        wanted = session.run([output, *gradients], {features: normal(3, 4)})
        model = gk.revive(files.freeze(session, [output], tmp_path / "frozen.pb"))
    assert trained(model) == {"scale", "kernel"}
    gradients = tf.gradients(model.output, [model.variables["scale"], model.variables["kernel"]])
    for got, expected in zip(
        files.run(model, [model.output, *gradients], {"features": normal(3, 4)}), wanted, strict=True
    ):
        np.testing.assert_array_equal(got, expected)


def test_dropout_that_a_flag_turns_on_stays(tmp_path):
    features = v1.placeholder(tf.float32, (None, 4), name="features")
    net = tf.matmul(features, weight("kernel"))
    flag = v1.placeholder_with_default(False, (), name="is_training")
    with control_flow.of_functions(False):
        v1.cond(flag, lambda: tf.nn.dropout(net, rate=0.5), lambda: net, name="output")
    model = gk.revive(files.write(tmp_path / "graph.pb"), outputs="output/Merge")
    assert "RandomUniform" in {op.type for op in model.graph.get_operations()}
    assert "dropout that was always on" not in model.report()


def test_the_batch_is_opened_where_asked(tmp_path):
    net = images(shape=(1, 8, 8, 3))
    net = tf.nn.conv2d(net, tf.constant(normal(3, 3, 3, 4), name="kernel"), 1, "SAME")
    tf.reshape(net, (1, 256), name="output")
    assert revive_graph(tmp_path).output.shape.as_list() == [1, 256]
    model = revive_graph(tmp_path, open_batch=True)
    assert model.inputs["images"].shape.as_list() == [None, 8, 8, 3]
    assert model.output.shape.as_list() == [None, 256]
    assert files.run(model, model.output, {"images": normal(3, 8, 8, 3)}).shape == (3, 256)
    assert "reshapes opened with the batch (1)" in model.report()


def test_inputs_take_the_place_of_a_pipeline(tmp_path):
    dataset = tf.data.Dataset.from_tensors((normal(2, 4), np.zeros(2, np.int32)))
    rows, _ = v1.data.make_one_shot_iterator(dataset).get_next()
    tf.matmul(rows, tf.constant(normal(4, 3), name="kernel"), name="output")
    path = files.write(tmp_path / "graph.pb")
    with pytest.raises(ValueError, match="must not hold .*inputs, which are then fed: inputs=.'IteratorGet"):
        gk.revive(path)
    model = gk.revive(path, inputs="IteratorGetNext:0")
    assert list(model.inputs) == ["IteratorGetNext"]
    assert model.inputs["IteratorGetNext"].op.name == "IteratorGetNext_0"
    assert model.output.shape.as_list() == [2, 3]


def test_text_is_read_and_a_table_of_constants_is_filled(tmp_path):
    words = v1.placeholder(tf.string, (None,), name="words")
    keys = tf.constant(["a", "b"])
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(keys, tf.constant([1, 2], tf.int64)), 0
    )
    tf.gather(tf.constant(normal(3, 2), name="embedding"), table.lookup(words), name="output")
    path = tmp_path / "graph.pbtxt"
    path.write_text(str(v1.get_default_graph().as_graph_def()))
    model = gk.revive(path)
    assert list(model.variables) == ["embedding"]
    with model.graph.as_default(), files.open_session() as session:
        session.run(v1.tables_initializer())
        found = session.run(model.output, {model.inputs["words"]: np.array(["b", "?"], object)})
    np.testing.assert_array_equal(found, normal(3, 2)[[2, 0]])


def test_a_constant_that_is_added_to_a_bias_stays(tmp_path):
    features = v1.placeholder(tf.float32, (None, 4), name="features")
    bias = tf.identity(tf.constant(normal(4), name="bias"), name="bias/read")
    net = tf.matmul(features, tf.identity(tf.constant(normal(4, 4), name="kernel"), name="kernel/read"))
    tf.nn.bias_add(net, bias + tf.constant([0.0, 0.0, 1.0, 1.0], name="forget"), name="output")
    assert set(revive_graph(tmp_path).variables) == {"kernel", "bias"}


def branch(features):
    first, second = v1.get_variable("first", (4, 4)), v1.get_variable("second", (4, 4))
    net = tf.matmul(features, first)
    average = v1.get_variable("moving_mean", (4,), trainable=False)
    flag = v1.placeholder_with_default(False, (), name="is_training")
    mean = v1.cond(flag, lambda: tf.reduce_mean(net, axis=0), lambda: tf.identity(average))
    positive = tf.reduce_sum(net) > 0
    return v1.cond(positive, lambda: tf.matmul(net - mean, second), lambda: 2 * tf.matmul(net, second))


@pytest.mark.grid
@pytest.mark.parametrize("kind", ["frozen", "meta"])
@pytest.mark.parametrize("with_handles", [False, True])
def test_branches_of_tensorflow_1_are_trained(kind, with_handles, tmp_path):
    (v1.enable_resource_variables if with_handles else v1.disable_resource_variables)()
    try:
        with control_flow.of_functions(False):
            output = tf.identity(
                branch(v1.placeholder(tf.float32, (None, 4), name="features")), name="output"
            )
            variables = v1.trainable_variables()
            gradients = tf.gradients(output, variables)
    finally:
        v1.enable_resource_variables()
    with files.open_session() as session:
        wanted = session.run([output, *gradients], {"features:0": normal(3, 4)})
        save = files.save_meta if kind == "meta" else lambda s, path: files.freeze(s, [output], path)
        path = save(session, tmp_path / "model")
    model = gk.revive(path, outputs="output")
    assert set(model.variables) == {"first", "second", "moving_mean"}
    assert trained(model) == {"first", "second"}
    gradients = tf.gradients(model.output, [model.variables[v.op.name] for v in variables])
    found = files.run(model, [model.output, *gradients], {"features": normal(3, 4)})
    for got, expected in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(got, expected)


def weight(name):
    return tf.constant(0.5 * normal(4, 4), name=name)


def test_an_op_that_newer_graphs_cannot_make(tmp_path):
    features = images()
    names = "mean variance beta gamma".split()
    given = [tf.constant(np.abs(normal(3)) + 1, name=name) for name in names]
    net = tf.nn.conv2d(features, tf.constant(normal(1, 1, 3, 3), name="kernel"), 1, "SAME")
    tf.nn.batch_normalization(net, *given, 1e-3, name="unused")
    definition = v1.get_default_graph().as_graph_def()
    definition.versions.producer = 8  # the op was taken away in the ninth version
    node = definition.node.add(name="output", op="_placeholder")
    node.op = "BatchNormWithGlobalNormalization"
    node.input.extend(["Conv2D", *names])
    node.attr["T"].type = tf.float32.as_datatype_enum
    node.attr["variance_epsilon"].f = 1e-3
    node.attr["scale_after_normalization"].b = True
    (tmp_path / "graph.pb").write_bytes(definition.SerializeToString())
    model = gk.revive(tmp_path / "graph.pb", outputs="output")
    assert trained(model) == {"kernel", "beta", "gamma"}
    assert set(model.variables) - trained(model) == {"mean", "variance"}
    assert None not in tf.gradients(model.output, [model.variables[name] for name in trained(model)])


@pytest.mark.slow
def test_a_training_is_resumed_after_the_file_is_read_again(tmp_path):
    tf.matmul(v1.placeholder(tf.float32, (None, 4), name="features"), weight("kernel"), name="output")
    path = files.write(tmp_path / "graph.pb")

    def train(epochs, folder):
        model = gk.revive(path)
        with model.graph.as_default():
            loss = tf.reduce_mean(tf.square(model.output - 1))
        with gk.Trainer(loss, logdir=tmp_path / folder) as trainer:
            data = {model.inputs["features"]: normal(8, 4)}
            trainer.fit(data, epochs=epochs, batch_size=2, resume=True, progress=False)
            return trainer.weights()["kernel"]

    train(1, "parts")
    np.testing.assert_array_equal(train(3, "parts"), train(3, "complete"))
