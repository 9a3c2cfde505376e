"""The layers of a graph, and which layers feed which: against rows and edges by hand."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from inspection.graphs import raw_rows, raw_tf1, row, trained_parameters

import graphkit as gk
from graphkit.graph import control_flow

V1 = tf.compat.v1


# Rows.


def test_a_shared_layer_counts_once_and_its_work_twice():
    net = gk.dense(gk.feature_input(6), 6, activation=gk.relu, name="shared")
    net = gk.dense(net, 6, activation=gk.relu, name="shared", reuse=True)
    found = gk.summary(gk.dense(net, 2, name="logits"))
    assert [line.layer for line in found.rows] == ["shared", "logits"]
    assert row(found, "shared").parameters == gk.sizes.dense_parameters(6, 6)
    assert row(found, "shared").flops == 2 * gk.sizes.dense_flops(6, 6)
    assert found.parameters == trained_parameters()


def test_layers_in_one_scope_and_in_scopes_of_scopes():
    with V1.variable_scope("model"):
        net = tf.matmul(gk.feature_input(4), V1.get_variable("w1", (4, 5))) + V1.get_variable("b1", (5,))
        net = tf.matmul(net, V1.get_variable("w2", (5, 6)))
        with V1.variable_scope("top"):
            net = gk.dense(gk.dropout(net, 0.5), 3, name="logits")
    found = gk.summary(net)
    weighted = [(line.layer, line.parameters) for line in found.rows if line.parameters]
    assert weighted == [("model/w1", 25), ("model/w2", 30), ("model/top/logits", 21)]
    assert row(found, "model/top/dropout").output_shape == (None, 6)


def test_a_scope_with_a_kernel_and_more_layers_beneath():
    with V1.variable_scope("model"):
        net = tf.matmul(gk.feature_input(4), V1.get_variable("kernel", (4, 5)))
        with tf.name_scope("curve"):
            net = tf.exp(net) * 2.0
        net = gk.dense(net, 3, name="top")
    found = gk.summary(net)
    assert [line.layer for line in found.rows] == ["model", "model/curve", "model/top"]
    assert row(found, "model/curve").flops == 5


def test_single_ops_between_the_layers_of_a_scope_share_a_row():
    with V1.variable_scope("block"):
        net = gk.dense(gk.feature_input(4), 4, name="inner")
        net = tf.exp(tf.tanh(net * 2.0) + net)
    found = gk.summary(net)
    assert [(line.layer, line.ops) for line in found.rows] == [
        ("block/inner", ("MatMul", "BiasAdd")),
        ("block", ("Mul", "Tanh", "AddV2", "Exp")),
    ]
    assert row(found, "block").flops == 4 + 4


# Variables.


def test_embedding_and_partitioned_variables():
    with V1.variable_scope("parts", partitioner=V1.fixed_size_partitioner(3)):
        table = V1.get_variable("table", (12, 4))
    net = tf.matmul(tf.nn.embedding_lookup(V1.get_variable("words", (9, 12)), gk.token_input(5)), table)
    found = gk.summary(net)
    assert found.parameters == trained_parameters() == 12 * 4 + 9 * 12
    assert found.flops == 2 * 5 * 12 * 4
    assert row(found, "words").output_shape == (None, 5, 12)


def test_an_imported_meta_graph_is_read_as_its_original():
    loss = tf.reduce_mean(gk.dense(gk.batch_norm(gk.feature_input(6)), 4))
    found = gk.summary(loss)
    meta_graph = V1.train.export_meta_graph()
    with tf.Graph().as_default() as graph:
        V1.train.import_meta_graph(meta_graph)
        assert gk.summary(graph.get_tensor_by_name(loss.name)) == found


def test_a_graph_without_collections():
    definition = raw_tf1().graph.as_graph_def()
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(definition, name="")
        found = gk.summary(graph)
    assert found.parameters == sum(line[2] for line in raw_rows())
    assert found.flops == sum(line[3] for line in raw_rows())
    assert "does not say which variables are trained" in found.notes[0]


def test_variables_that_are_not_trained():
    gk.dense(gk.feature_input(6), 4, trainable=False)
    found = gk.summary()
    assert (found.parameters, found.weight_bytes, found.trained_bytes) == (0, 4 * 28, 0)


def test_constants_are_not_parameters():
    found = gk.summary(tf.matmul(gk.feature_input(6), tf.zeros((6, 4))))
    assert (found.parameters, found.flops) == (0, 2 * 6 * 4)


def test_variables_of_unknown_size():
    variable = V1.get_variable("free", initializer=V1.placeholder(tf.float32), validate_shape=False)
    found = gk.summary(gk.feature_input(3) * variable)
    assert "The size of the variable free is not known and not counted." in found.notes


# Edges of graphkit's networks.


def chain(*names):
    """Returns the edges of layers one after the other."""
    return tuple(itertools.pairwise(names))


def test_mlp():
    images = gk.image_input(28, 28, 1)
    found = gk.summary(gk.mlp(images, keep_prob=gk.keep_prob_input(), hidden_units=(256, 128)))
    assert found.edges == chain("images", "flatten", "hidden1", "dropout", "hidden2", "dropout_1", "logits")
    assert found.inputs == (("images", (None, 28, 28, 1)),)


CONVNET = ("images", "conv1", "max_pool", "conv2", "max_pool_1", "flatten", "hidden", "dropout", "logits")


def test_convnet():
    images, _, keep_prob = gk.image_input(28, 28, 1), gk.label_input(), gk.keep_prob_input()
    found = gk.summary(gk.convnet(images, keep_prob=keep_prob))
    assert found.edges == chain(*CONVNET)
    assert found.inputs == (("images", (None, 28, 28, 1)),)


def module(source, name):
    """Returns the edges of an inception module: four branches, joined by a concat in the module's scope."""
    paths = [
        ("conv1x1",),
        ("reduce3x3", "conv3x3"),
        ("reduce5x5", "conv5x5"),
        ("max_pool", "pool1x1"),
    ]
    return {pair for path in paths for pair in chain(source, *(f"{name}/{layer}" for layer in path), name)}


def test_inception_net():
    found = gk.summary(gk.inception_net(gk.image_input(32, 32, 3), keep_prob=gk.keep_prob_input()))
    expected = {
        *chain("images", "stem", "max_pool"),
        *module("max_pool", "inception1"),
        *module("inception1", "inception2"),
        *chain("inception2", "max_pool_1"),
        *module("max_pool_1", "inception3"),
        *module("inception3", "inception4"),
        *chain("inception4", "global_avg_pool", "dropout", "logits"),
    }
    assert set(found.edges) == expected
    assert len(found.edges) == len(expected)
    assert found.inputs == (("images", (None, 32, 32, 3)),)


def test_residual_blocks():
    """The first keeps the shape and adds its input; the second adds a convolution of it."""
    net = gk.residual_block(gk.image_input(16, 16, 8), 8, name="first")
    net = gk.residual_block(net, 16, strides=2, name="second")
    found = gk.summary(gk.dense(gk.global_avg_pool(net), 10, name="logits"))
    assert found.edges == (
        *chain("images", "first/conv1", "first/norm1", "first/conv2", "first/norm2"),
        ("images", "first"),
        ("first/norm2", "first"),
        *chain("first", "second/conv1", "second/norm1", "second/conv2", "second/norm2"),
        *chain("first", "second/shortcut", "second/shortcut_norm"),
        ("second/norm2", "second"),
        ("second/shortcut_norm", "second"),
        *chain("second", "global_avg_pool", "logits"),
    )


@pytest.mark.parametrize(
    ("length", "version"), [(16, 2), pytest.param(50, 2, marks=pytest.mark.slow), (50, 1)]
)
def test_char_rnn(length, version):
    """Unrolled (16 steps) and in a loop (50); the lengths mask what the cell reads, in the row `rnn`."""
    with control_flow.of_functions(version == 2):
        logits = gk.char_rnn(gk.token_input(length), 40, 5, keep_prob=gk.keep_prob_input())
    found = gk.summary(logits)
    assert found.edges == (
        ("tokens", "embedding"),
        ("tokens", "count_nonzero"),
        ("embedding", "rnn"),
        ("count_nonzero", "rnn"),
        *chain("rnn", "rnn/lstm_cell", "dropout", "logits"),
    )
    assert found.inputs == (("tokens", (None, length)),)


def test_attention():
    words = gk.embedding(gk.token_input(7), 40, 8, name="words")
    queries, keys, values = (gk.dense(words, 8, name=name) for name in ("queries", "keys", "values"))
    scores = tf.matmul(queries, keys, transpose_b=True, name="scores")
    net = tf.matmul(tf.nn.softmax(scores, name="weights"), values, name="mixed")
    assert set(gk.summary(gk.dense(net, 3, name="logits")).edges) == {
        ("tokens", "words"),
        *chain("words", "queries", "scores", "weights", "mixed", "logits"),
        *chain("words", "keys", "scores"),
        *chain("words", "values", "mixed"),
    }


# Edges of losses and complete graphs.


def trained_convnet():
    images, labels, keep_prob = gk.image_input(8, 8, 1), gk.label_input(), gk.keep_prob_input()
    logits = gk.convnet(images, keep_prob=keep_prob)
    loss = gk.softmax_cross_entropy(logits, labels) + gk.l2_penalty(1e-4)
    return images, labels, logits, loss


def test_a_loss_is_fed_by_labels_and_not_by_the_weights_of_its_penalty():
    _, _, _, loss = trained_convnet()
    found = gk.summary(loss)
    loss_edges = (("labels", "softmax_cross_entropy"), ("logits", "softmax_cross_entropy"))
    assert found.edges == (*chain(*CONVNET), *loss_edges)
    assert found.inputs == (("images", (None, 8, 8, 1)), ("labels", (None,)))


def test_gradients_and_loops_of_a_trainer_add_nothing():
    images, labels, logits, loss = trained_convnet()
    arrays = {images: np.zeros((16, 8, 8, 1), np.float32), labels: np.zeros(16, np.int32)}
    metrics = {"accuracy": gk.accuracy(logits, labels)}
    with gk.Trainer(loss, clip_norm=1.0, metrics=metrics) as trainer:
        trainer.fit(arrays, epochs=2, batch_size=4, progress=False)
    names = [op.name for op in V1.get_default_graph().get_operations()]
    assert any(name.startswith("gradients/") for name in names)
    assert any(name.startswith("graphkit/loops/") for name in names)
    found = gk.summary()
    ends = [(source, end) for end in ("softmax_cross_entropy", "accuracy") for source in ("labels", "logits")]
    assert found.edges == (*chain(*CONVNET), *ends)
    assert found.inputs == (("images", (None, 8, 8, 1)), ("labels", (None,)))


def test_a_softmax_regression_in_the_style_of_2016():
    x, y = V1.placeholder(tf.float32, [None, 784], "x"), V1.placeholder(tf.float32, [None, 10], "y")
    weights = V1.Variable(tf.zeros((784, 10)), name="W")
    probabilities = tf.nn.softmax(tf.matmul(x, weights) + V1.Variable(tf.zeros(10), name="b"), name="p")
    loss = tf.negative(tf.reduce_sum(y * tf.math.log(probabilities, name="log"), name="sum"), name="loss")
    V1.train.GradientDescentOptimizer(0.1).minimize(loss)
    found = gk.summary()
    assert set(found.edges) == {*chain("x", "W", "p", "log", "mul", "sum"), ("y", "mul")}
    assert found.inputs == (("x", (None, 784)), ("y", (None, 10)))


# Several inputs, of every kind.


def test_two_inputs():
    net = gk.flatten(gk.conv2d(gk.image_input(8, 8, 1), 4, 3, name="conv"))
    net = tf.concat([net, gk.feature_input(3, name="extra")], 1, name="both")
    found = gk.summary(gk.dense(net, 2, name="logits"))
    assert found.edges == (
        *chain("images", "conv", "flatten"),
        ("extra", "both"),
        *chain("flatten", "both", "logits"),
    )
    assert found.inputs == (("images", (None, 8, 8, 1)), ("extra", (None, 3)))


def test_an_iterator_brings_several_arrays():
    arrays = (np.zeros((8, 6), np.float32), np.zeros(8, np.int32))
    dataset = tf.data.Dataset.from_tensor_slices(arrays).batch(4, drop_remainder=True)
    features, labels = V1.data.make_one_shot_iterator(dataset).get_next(name="batch")
    found = gk.summary(gk.softmax_cross_entropy(gk.dense(features, 3, name="logits"), labels))
    assert found.edges == (
        ("batch:0", "logits"),
        ("batch:1", "softmax_cross_entropy"),
        ("logits", "softmax_cross_entropy"),
    )
    assert found.inputs == (("batch:0", (4, 6)), ("batch:1", (4,)))


def test_an_iterator_brings_a_scalar_too():
    dataset = tf.data.Dataset.from_tensors((np.zeros((4, 6), np.float32), np.float32(0.5)))
    features, scale = V1.data.make_one_shot_iterator(dataset).get_next(name="batch")
    found = gk.summary(gk.dense(features * scale, 3, name="logits"))
    assert (found.edges, found.inputs) == (chain("batch:0", "mul", "logits"), (("batch:0", (4, 6)),))


def test_a_queue_brings_one_array():
    batch = tf.queue.FIFOQueue(10, tf.float32, (6,)).dequeue_many(4, name="batch")
    found = gk.summary(gk.dense(batch, 3, name="logits"))
    assert (found.edges, found.inputs) == (chain("batch", "logits"), (("batch", (4, 6)),))


def test_an_input_that_is_called_like_a_layer():
    net = gk.dense(gk.feature_input(4, name="hidden"), 3, name="hidden")
    found = gk.summary(gk.dense(net, 2, name="logits"))
    assert found.edges == chain("hidden:0", "hidden", "logits")
    assert found.inputs == (("hidden:0", (None, 4)),)


def test_an_input_of_unknown_rank():
    found = gk.summary(gk.feature_input(4) * V1.placeholder(tf.float32, name="scale"))
    assert found.edges == (("features", "mul"), ("scale", "mul"))
    assert found.inputs == (("features", (None, 4)), ("scale", None))


def test_scalars_and_unused_placeholders_are_not_inputs():
    gk.label_input()
    rate, training = V1.placeholder(tf.float32, ()), V1.placeholder_with_default(False, ())
    found = gk.summary(gk.batch_norm(gk.feature_input(4) * rate, training=training, name="norm"))
    assert found.edges == chain("features", "mul", "norm")
    assert [name for name, _ in found.inputs] == ["features"]


def test_random_numbers_are_not_inputs_but_make_layers():
    mean = gk.dense(gk.feature_input(4), 3, name="mean")
    noise = gk.dense(V1.random_normal(tf.shape(mean)), 3, name="noise")
    found = gk.summary(tf.add(mean, noise, name="sample"))
    assert found.edges == (
        ("features", "mean"),
        ("random_normal", "noise"),
        ("mean", "sample"),
        ("noise", "sample"),
    )
    assert [name for name, _ in found.inputs] == ["features"]


@pytest.mark.parametrize("target", [tf.Graph, lambda: tf.sin(tf.zeros((3, 4)))])
def test_a_graph_without_inputs(target):
    found = gk.summary(target())
    assert (found.edges, found.inputs) == ((), ())


# What is passed through, and what is not passed on.


def test_ops_and_rows_that_are_left_out_are_passed_through():
    pixels = V1.placeholder(tf.uint8, (None, 4), "pixels")
    scaled = tf.divide(tf.cast(pixels, tf.float32), 255.0, name="scaled")
    largest = tf.reduce_max(tf.identity(gk.feature_input(3)))
    found = gk.summary(gk.dense(tf.stop_gradient(scaled * largest), 2, name="logits"))
    assert [row.layer for row in found.rows] == ["scaled", "mul", "logits"]
    assert found.edges == (("pixels", "scaled"), ("features", "mul"), *chain("scaled", "mul", "logits"))


def test_an_activation_with_its_own_gradient():
    """TensorFlow puts its output and its input through one op; only the output goes on."""
    net = gk.dense(gk.feature_input(4), 3, name="first")
    found = gk.summary(gk.dense(tf.nn.silu(net), 2, name="second"))
    assert "IdentityN" in {op.type for op in V1.get_default_graph().get_operations()}
    assert [source for source, to in found.edges if to == "second"] == ["mul_1"]


def test_sizes_of_arrays_are_not_fed():
    """Positions and zeros are as many as the tokens, but hold nothing of them."""
    tokens = V1.placeholder(tf.int32, (None, None), "tokens")
    words = gk.embedding(tokens, 40, 8, name="words")
    positions = gk.embedding(tf.range(tf.shape(tokens)[1]), 50, 8, name="positions")
    net = tf.add(words, positions, name="both")
    net = gk.dense(tf.concat([net, tf.zeros_like(words)], -1, name="wide"), 2, name="logits")
    assert gk.summary(net).edges == (
        ("tokens", "words"),
        ("words", "both"),
        ("positions", "both"),
        *chain("both", "wide", "logits"),
    )


# Cycles.


def test_a_layer_that_feeds_itself_has_no_edge_to_itself():
    net = gk.dense(gk.feature_input(6), 6, name="shared")
    net = gk.dense(net, 6, name="shared", reuse=True)
    assert gk.summary(gk.dense(net, 2, name="logits")).edges == chain("features", "shared", "logits")


def test_a_layer_that_is_used_twice_makes_a_cycle():
    net = gk.dense(gk.dense(gk.feature_input(6), 6, name="first"), 6, name="second")
    net = gk.dense(gk.dense(net, 6, name="first", reuse=True), 2, name="logits")
    assert gk.summary(net).edges == (
        ("features", "first"),
        ("second", "first"),
        ("first", "second"),
        ("first", "logits"),
    )


def test_siamese_towers():
    def tower(name, reuse):
        net = gk.dense(gk.feature_input(6, name=name), 5, activation=gk.relu, name="hidden", reuse=reuse)
        return gk.dense(net, 4, name="code", reuse=reuse)

    distance = tf.math.squared_difference(tower("left", None), tower("right", True), name="distance")
    found = gk.summary(distance)
    assert found.edges == (("left", "hidden"), ("right", "hidden"), *chain("hidden", "code", "distance"))
    assert found.inputs == (("left", (None, 6)), ("right", (None, 6)))


def test_ops_between_the_layers_of_a_scope_share_a_row():
    features = gk.feature_input(6)
    with V1.variable_scope("block"):
        net = tf.exp(gk.dense(features, 6, name="first"))
        net = tf.exp(gk.dense(net, 6, name="second"))
        net = gk.dense(tf.identity(gk.dense(net, 6, name="third")), 6, name="fourth")
    assert set(gk.summary(net).edges) == {
        *chain("features", "block/first", "block"),
        *chain("block", "block/second", "block"),
        *chain("block", "block/third", "block/fourth"),  # the identity changes nothing
    }


@pytest.mark.parametrize("batch_size", [None, 3])
def test_a_loop_of_two_layers(batch_size):
    """What the second layer makes is what the first reads in the next round, and what is used after it."""
    features = V1.placeholder(tf.float32, (batch_size, 6), "features")
    first, second = (V1.get_variable(f"{name}/kernel", (6, 6)) for name in ("first", "second"))
    with control_flow.of_functions(False):
        _, state = V1.while_loop(
            lambda t, _: t < 5,
            lambda t, state: (t + 1, tf.matmul(tf.matmul(state, first), second)),
            (0, features),
        )
    assert gk.summary(gk.dense(state, 2, name="logits")).edges == (
        ("features", "first"),
        ("second", "first"),
        ("first", "second"),
        ("features", "logits"),  # where the loop makes no round
        ("second", "logits"),
    )


# Any graph.


@st.composite
def layered_graphs(draw):
    """Returns (kind, places of the sources) of each node; the first nodes are inputs."""
    nodes = [("input", ())] * draw(st.integers(1, 3))
    for _ in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from(("dense", "sin", "sum", "identity", "stop_gradient")))
        places = st.integers(0, len(nodes) - 1)
        nodes.append((kind, draw(st.lists(places, min_size=1, max_size=3 if kind == "sum" else 1))))
    return nodes


MAKERS = {
    "input": lambda name: gk.feature_input(4, name=name),
    "dense": lambda net, name: gk.dense(net, 4, name=name),
    "sin": lambda net, name: tf.sin(net, name=name),
    "sum": lambda *nets, name: tf.raw_ops.AddN(inputs=nets, name=name),
    "identity": lambda net, name: tf.identity(net, name=name),
    "stop_gradient": lambda net, name: tf.stop_gradient(net, name=name),
}


def check_edges(nodes):
    with tf.Graph().as_default():
        made, feeding, expected = [], [], []
        for place, (kind, sources) in enumerate(nodes):
            name = f"node{place}"
            made.append(MAKERS[kind](*(made[source] for source in sources), name=name))
            feeds = {feed for source in sources for feed in feeding[source]}
            is_layer = kind in ("dense", "sin", "sum")
            feeding.append({name} if is_layer or kind == "input" else feeds)
            expected += [(feed, name) for feed in sorted(feeds, key=lambda feed: int(feed[4:])) if is_layer]
        found = gk.summary(made)
    assert found.edges == tuple(expected)
    used = {feed for feed, _ in expected}
    inputs = [f"node{place}" for place, (kind, _) in enumerate(nodes) if kind == "input"]
    assert found.inputs == tuple((name, (None, 4)) for name in inputs if name in used)


@settings(deadline=None, max_examples=15)
@given(nodes=layered_graphs())
def test_edges_of_any_graph(nodes):
    check_edges(nodes)


@pytest.mark.slow
@settings(deadline=None, max_examples=200)
@given(nodes=layered_graphs())
def test_edges_of_many_graphs(nodes):
    check_edges(nodes)
