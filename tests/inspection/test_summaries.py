"""The table of a graph: against TensorFlow's profiler, its gradients, its variables, and figures by hand."""

import contextlib
import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import graphkit as gk
from graphkit.graph import walk
from graphkit.inspection import rules

V1 = tf.compat.v1


def summary(target=None):
    return gk.summary(target, print_table=False)


def row(found, layer):
    (only,) = [line for line in found.rows if line.layer == layer]
    return only


def trained_numbers():
    return sum(int(np.prod(variable.shape)) for variable in V1.trainable_variables())


def profiled(target):
    """Returns what TensorFlow's profiler counts for the target alone."""
    definition = target.graph.as_graph_def()
    for node in definition.node:
        node.attr.pop("_class", None)  # places an op beside another, which then would count
    definition = V1.graph_util.extract_sub_graph(definition, [target.op.name])
    options = {**V1.profiler.ProfileOptionBuilder.float_operation(), "output": "none"}
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(definition, name="")
        return V1.profiler.profile(graph, options=options).total_float_ops


# Networks of layers, drawn at random.


@st.composite
def networks(draw):
    size = st.sampled_from((1, 2, (3, 2)))
    layers = []
    for _ in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(("conv2d", "max_pool", "avg_pool", "batch_norm", "relu")))
        if kind == "conv2d":
            arguments = (
                draw(st.integers(1, 5)),
                draw(size),
                draw(size),
                draw(st.sampled_from(("same", "valid"))),
            )
            layers.append((kind, arguments, draw(st.booleans())))
        elif kind.endswith("pool"):
            layers.append((kind, (draw(size), draw(size), "same"), None))
        else:
            layers.append((kind, (), draw(st.booleans())))
    return layers, draw(st.lists(st.integers(1, 6), max_size=2)), draw(st.booleans())


def build(network, batch_size):
    layers, units, probabilities = network
    net = V1.placeholder(tf.float32, (batch_size, 23, 19, 2))
    for kind, arguments, flag in layers:
        if kind == "conv2d":
            net = gk.conv2d(net, *arguments, use_bias=flag)
        elif kind == "batch_norm":
            net = gk.batch_norm(net, training=flag)
        else:
            net = getattr(gk, kind)(net, *arguments)
    net = gk.flatten(net)
    for count in units:
        net = gk.batch_norm(gk.dense(net, count, activation=gk.relu), training=False)
    return gk.softmax(net) if probabilities else net


def fits(network):
    with tf.Graph().as_default(), contextlib.suppress(ValueError):
        build(network, 1)
        return True
    return False


@settings(deadline=None, max_examples=40)
@given(network=networks().filter(fits), batch_size=st.integers(1, 5))
def test_flops_and_parameters_of_any_network(network, batch_size):
    with tf.Graph().as_default():
        fixed = build(network, batch_size)
        expected = profiled(fixed)
        found = summary(fixed)
        assert found.forward_flops(batch_size) == expected
        assert found.parameters == trained_numbers()
        whole = summary(tf.compat.v1.get_default_graph())
        assert (whole.parameters, whole.weight_bytes) == (found.parameters, found.weight_bytes)
    with tf.Graph().as_default():
        assert summary(build(network, None)).forward_flops(batch_size) == expected


def zeros(*shape):
    return tf.zeros(shape)


def gradient(function, *inputs, place=0):
    return tf.gradients(function(*inputs), inputs)[place]


IMAGES, KERNEL = (2, 9, 8, 3), (3, 2, 3, 4)
OPS = {
    "Reciprocal": lambda: tf.math.reciprocal(zeros(3, 4)),
    "Square": lambda: tf.square(zeros(3, 4)),
    "Rsqrt": lambda: tf.math.rsqrt(zeros(3, 4)),
    "Log": lambda: tf.math.log(zeros(3, 4)),
    "Neg": lambda: -zeros(3, 4),
    "Softmax": lambda: tf.nn.softmax(zeros(3, 4)),
    "L2Loss": lambda: tf.nn.l2_loss(zeros(3, 4)),
    "Add": lambda: tf.raw_ops.Add(x=zeros(3, 4), y=zeros(4)),
    "AddV2": lambda: zeros(3, 1) + zeros(4),
    "Sub": lambda: zeros(3, 4) - zeros(4),
    "Mul": lambda: zeros(3, 4) * 2.0,
    "RealDiv": lambda: zeros(3, 4) / 2.0,
    "Maximum": lambda: tf.maximum(zeros(3, 4), 1.0),
    "Minimum": lambda: tf.minimum(zeros(3, 4), 1.0),
    "Pow": lambda: zeros(3, 4) ** 3.0,
    "BiasAdd": lambda: tf.nn.bias_add(zeros(2, 3, 4), zeros(4)),
    "Greater": lambda: zeros(3, 4) > 0.0,
    "GreaterEqual": lambda: zeros(3, 4) >= 0.0,
    "Less": lambda: zeros(3, 4) < 0.0,
    "LessEqual": lambda: zeros(3, 4) <= 0.0,
    "Equal": lambda: tf.equal(zeros(3, 4), 0.0),
    "NotEqual": lambda: tf.not_equal(zeros(3, 4), 0.0),
    "SquaredDifference": lambda: tf.math.squared_difference(zeros(3, 4), 1.0),
    "RsqrtGrad": lambda: gradient(tf.math.rsqrt, zeros(3, 4)),
    "AddN": lambda: tf.add_n([zeros(3, 4)] * 5),
    "Mean": lambda: tf.reduce_mean(zeros(3, 4), 1),
    "Sum": lambda: tf.reduce_sum(zeros(3, 4), 1),
    "ArgMax": lambda: tf.argmax(zeros(3, 4), 1),
    "ArgMin": lambda: tf.argmin(zeros(3, 4), 1),
    "BiasAddGrad": lambda: gradient(tf.nn.bias_add, zeros(2, 3, 4), zeros(4), place=1),
    "Conv2D": lambda: tf.nn.conv2d(zeros(*IMAGES), zeros(*KERNEL), 2, "SAME"),
    "Conv3D": lambda: tf.nn.conv3d(zeros(1, 5, 6, 7, 2), zeros(3, 2, 1, 2, 4), [1] * 5, "VALID"),
    "DepthwiseConv2dNative": lambda: tf.nn.depthwise_conv2d(zeros(*IMAGES), zeros(*KERNEL), [1] * 4, "SAME"),
    "Dilation2D": lambda: V1.nn.dilation2d(zeros(*IMAGES), zeros(3, 2, 3), [1] * 4, [1] * 4, "VALID"),
    "Conv2DBackpropInput": lambda: tf.nn.conv2d_transpose(
        zeros(2, 5, 4, 4), zeros(*KERNEL), (2, 10, 8, 3), 2, "SAME"
    ),
    "Conv2DBackpropFilter": lambda: gradient(
        lambda x, w: tf.nn.conv2d(x, w, 1, "VALID"), zeros(*IMAGES), zeros(*KERNEL), place=1
    ),
    "MaxPool": lambda: tf.nn.max_pool2d(zeros(*IMAGES), (3, 2), 2, "SAME"),
    "AvgPool": lambda: tf.nn.avg_pool2d(zeros(*IMAGES), (3, 2), 2, "VALID"),
    "AvgPoolGrad": lambda: gradient(lambda x: tf.nn.avg_pool2d(x, 2, 2, "VALID"), zeros(*IMAGES)),
    "MaxPoolGrad": lambda: gradient(lambda x: tf.nn.max_pool2d(x, 2, 2, "VALID"), zeros(*IMAGES)),
    "MatMul": lambda: tf.matmul(zeros(7, 3), zeros(7, 5), transpose_a=True),
    "BatchMatMulV2": lambda: tf.matmul(zeros(6, 3, 7), zeros(6, 7, 5)),
}


@pytest.mark.parametrize("kind", OPS)
def test_each_rule_is_the_profilers(kind):
    result = OPS[kind]()
    assert any(op.type == kind for op in walk.ancestors([result])), "the example does not make such an op"
    assert summary(result).forward_flops(1) == profiled(result) > 0


def test_each_rule_has_an_example():
    alike = {"BatchMatMul", "BatchMatMulV3"}  # other versions of BatchMatMulV2
    assert set(rules.FLOP_RULES) == {*OPS, *alike, "Einsum"}


def test_rules_that_the_profiler_lacks():
    assert summary(tf.nn.conv2d_transpose(zeros(2, 5, 4, 4), zeros(3, 2, 3, 4), (2, 10, 8, 3), 2)).flops == (
        2 * (2 * 5 * 4) * (3 * 2) * 3 * 4
    )
    assert summary(tf.einsum("bij,jk->bik", zeros(2, 3, 4), zeros(4, 5))).flops == 2 * 2 * 3 * 4 * 5
    adjoint = tf.linalg.matmul(zeros(6, 7, 3), zeros(6, 7, 5), transpose_a=True)
    assert summary(adjoint).flops == 2 * 6 * 3 * 7 * 5


@pytest.mark.parametrize("kind", ["channels_last", "channels_first"])
def test_both_data_formats_cost_the_same(kind):
    shape = (None, 9, 8, 3) if kind == "channels_last" else (None, 3, 9, 8)
    net = gk.max_pool(
        gk.conv2d(V1.placeholder(tf.float32, shape), 4, 3, data_format=kind), 2, 2, data_format=kind
    )
    assert summary(net).flops == gk.conv2d_flops((9, 8, 3), 4, 3) + gk.pool2d_flops((7, 6, 4), 2, 2)


# What the gradients keep: against the arrays that TensorFlow's own gradients read.


def read_by_gradients(loss):
    """Returns the bytes for each example of the forward arrays that gradient ops take as values."""
    forward = walk.ancestors([loss])
    tf.gradients(loss, V1.trainable_variables())
    shapes_only = {"Shape", "ShapeN", "Size", "ZerosLike", "OnesLike", "Rank"}
    kept = set()
    for op in loss.graph.get_operations():
        if op not in forward and op.type not in shapes_only:
            for tensor in op.inputs:
                while tensor.op.type in ("Identity", "Reshape", "EnsureShape", "StopGradient"):
                    tensor = tensor.op.inputs[0]
                if tensor.op in forward and tensor.dtype.is_floating and tensor.shape.rank:
                    kept.add(tensor.ref())
    arrays = [reference.deref() for reference in kept]
    arrays = [t for t in arrays if t.shape[0] is None and t.op.type != "Placeholder"]
    return sum(t.dtype.size * int(np.prod(t.shape[1:])) for t in arrays)


def with_dropout(images):
    return gk.mlp(images, keep_prob=gk.keep_prob_input(), hidden_units=(32, 16))


def with_curves(images):
    net = gk.dense(gk.flatten(images), 32, activation=tf.tanh)
    net = gk.dense(net, 16, activation=tf.sigmoid)
    return gk.dense(tf.nn.elu(net) * net, 10)


def with_average(images):
    net = gk.conv2d(images, 4, 3, activation=gk.relu)
    return gk.dense(gk.flatten(gk.avg_pool(net, 2, 2)), 10)


def with_batch_norm(images):
    net = gk.conv2d(images, 4, 3, use_bias=False)
    net = gk.relu(gk.batch_norm(net, training=True))
    return gk.dense(gk.flatten(net), 10)


@pytest.mark.parametrize(
    "network", [gk.softmax_regression, gk.convnet, with_dropout, with_curves, with_average, with_batch_norm]
)
def test_kept_bytes_are_those_that_gradients_read(network):
    logits = network(gk.image_input(28, 28, 1))
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(gk.label_input(), logits)
    loss = tf.reduce_mean(losses)
    found = summary(loss).activation_bytes
    assert found == read_by_gradients(loss)


def test_convnet_by_hand():
    """Two convolutions with pools, a dense layer and logits, from the sizes alone."""
    found = summary(gk.convnet(gk.image_input(28, 28, 1)))
    expected = [
        ("conv1", (None, 28, 28, 32), 832, gk.conv2d_flops((28, 28, 1), 32, 5, 1, "same"), 4 * 28 * 28 * 32),
        ("max_pool", (None, 14, 14, 32), 0, gk.pool2d_flops((28, 28, 32), 2, 2), 4 * 14 * 14 * 32),
        (
            "conv2",
            (None, 14, 14, 64),
            51264,
            gk.conv2d_flops((14, 14, 32), 64, 5, 1, "same"),
            4 * 14 * 14 * 64,
        ),
        ("max_pool_1", (None, 7, 7, 64), 0, gk.pool2d_flops((14, 14, 64), 2, 2), 4 * 7 * 7 * 64),
        ("flatten", (None, 3136), 0, 0, 0),
        ("hidden", (None, 1024), 3212288, gk.dense_flops(3136, 1024), 4 * 1024),
        ("logits", (None, 10), 10250, gk.dense_flops(1024, 10), 4 * 10),
    ]
    seen = [(r.layer, r.output_shape, r.parameters, r.flops, r.activation_bytes) for r in found.rows]
    assert seen == expected
    assert found.rows[0].ops == ("Conv2D", "BiasAdd", "Relu")
    assert found.parameters == 3274634
    assert found.weight_bytes == found.trained_bytes == 4 * 3274634
    assert found.flops == sum(line[3] for line in expected)
    assert found.training_flops == 3 * found.flops
    assert found.fixed_flops == 0
    assert found.notes == ()


def test_memory_and_largest_batch():
    net = gk.dense(gk.relu(gk.batch_norm(gk.dense(gk.feature_input(7), 5), training=False)), 3)
    found = summary(net)
    trained, untrained = 4 * (7 * 5 + 5 + 10 + 5 * 3 + 3), 4 * 10  # moving mean and variance
    assert (found.trained_bytes, found.weight_bytes) == (trained, trained + untrained)
    each = found.activation_bytes
    assert found.memory(8, slots=1) == untrained + 3 * trained + 8 * each
    memory = untrained + 4 * trained + 8 * each
    assert found.largest_batch(memory) == 8
    assert found.largest_batch(memory - 1) == 7
    with pytest.raises(ValueError, match="Summary.largest_batch: not even one example.*memory=100, needed="):
        found.largest_batch(100)
    with pytest.raises(ValueError, match="batch_size must be an integer of at least 1"):
        found.memory(0)
    with pytest.raises(ValueError, match="batch_size must be an integer of at least 1"):
        found.forward_flops(0)
    with pytest.raises(TypeError, match="memory must be an integer"):
        found.largest_batch(1e9)


def test_no_largest_batch_without_activations():
    with pytest.raises(ValueError, match="must keep activations of known size"):
        summary(tf.Graph()).largest_batch(100)


# Graphs that others built.


def raw_tf1(batch_size=None, use_resource=False):
    """The style of the tutorials of 2016: variables without scopes, lists of strides, `x @ W + b`."""

    def variable(*shape):
        return V1.Variable(V1.truncated_normal(shape, stddev=0.1), use_resource=use_resource)

    x = V1.placeholder(tf.float32, [batch_size, 784])
    net = tf.nn.conv2d(tf.reshape(x, [-1, 28, 28, 1]), variable(5, 5, 1, 8), [1, 1, 1, 1], padding="SAME")
    net = tf.nn.relu(net + variable(8))
    net = tf.nn.max_pool(net, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME")
    net = tf.matmul(tf.reshape(net, [-1, 14 * 14 * 8]), variable(14 * 14 * 8, 16)) + variable(16)
    return tf.nn.tanh(net)


def raw_rows():
    return [
        ("Variable", ("Conv2D", "AddV2", "Relu"), 5 * 5 * 8 + 8, 28 * 28 * 8 * (2 * 25 + 1)),
        ("max_pool", ("MaxPool",), 0, 14 * 14 * 8 * 4),
        ("Variable_2", ("MatMul", "AddV2", "Tanh"), 1568 * 16 + 16, gk.dense_flops(1568, 16)),
    ]


@pytest.mark.parametrize(("batch_size", "use_resource"), list(itertools.product((None, 50), (True, False))))
def test_a_graph_in_raw_style(batch_size, use_resource):
    net = raw_tf1(batch_size, use_resource)
    found = summary(net)
    lines = [line for line in found.rows if "Reshape" not in line.ops]
    layers = [(line.ops, line.parameters, line.flops) for line in lines]
    assert layers == [line[1:] for line in raw_rows()]
    assert [lines[0].layer, lines[2].layer] == ["Variable", "Variable_2"]
    assert lines[0].output_shape == (batch_size, 28, 28, 8)
    assert found.parameters == trained_numbers()
    if batch_size:
        assert found.forward_flops(batch_size) == profiled(net)


@pytest.mark.parametrize("use_resource", [True, False])
def test_the_whole_training_graph_is_that_of_its_loss(use_resource):
    """Gradients, slots, decay of the rate, averages, savers and initial values are left out."""
    logits = raw_tf1(50, use_resource)
    loss = tf.reduce_mean(tf.square(logits - V1.placeholder(tf.float32, (50, 16))))
    before = summary(loss)
    step = V1.train.get_or_create_global_step()
    rate = V1.train.exponential_decay(0.1, step, 10, 0.9)
    optimizer = V1.train.MomentumOptimizer(rate, 0.9)
    gradients, variables = zip(*optimizer.compute_gradients(loss), strict=True)
    clipped, _ = tf.clip_by_global_norm(gradients, 1.0)
    optimizer.apply_gradients(zip(clipped, variables, strict=True), step)
    tf.train.ExponentialMovingAverage(0.9).apply(V1.trainable_variables())
    V1.train.Saver()
    V1.global_variables_initializer()
    assert summary() == summary(V1.get_default_graph()) == before


def test_what_is_built_on_a_tensor_does_not_change_its_summary():
    logits = gk.mlp(gk.image_input(28, 28, 1), hidden_units=(128,))
    before = summary(logits)
    loss = gk.softmax_cross_entropy(logits, gk.label_input())
    assert summary(logits) == before
    tf.gradients(loss, V1.trainable_variables())
    assert summary(logits) == before
    assert before.activation_bytes == 4 * (128 + 10)


def test_the_graph_of_a_trainer_is_finalized_and_can_be_read():
    images, labels, keep_prob = gk.image_input(8, 8, 1), gk.label_input(), gk.keep_prob_input()
    logits = gk.convnet(images, keep_prob=keep_prob)
    loss = gk.softmax_cross_entropy(logits, labels) + gk.l2_penalty(1e-4)
    alone, network = summary(loss), summary(logits)
    with gk.Trainer(loss, clip_norm=1.0, metrics={"accuracy": gk.accuracy(logits, labels)}):
        assert summary(loss) == alone
        whole = summary()
        ops = V1.get_default_graph().get_operations()
    assert ops == V1.get_default_graph().get_operations()
    assert [line.layer for line in whole.rows][: len(network.rows)] == [r.layer for r in network.rows]
    assert whole.parameters == network.parameters == trained_numbers()
    assert network.flops <= whole.flops <= network.flops + 100  # the loss and the accuracy
    assert whole.weight_bytes == network.weight_bytes


def test_a_penalty_costs_once_in_each_run():
    net = gk.dense(gk.feature_input(100), 50, use_bias=False)
    loss = tf.reduce_mean(net) + gk.l2_loss(V1.trainable_variables()[0])
    found = summary(loss)
    assert found.flops == gk.dense_flops(100, 50, use_bias=False) + 50
    assert row(found, "dense").ops == ("MatMul",)
    assert 3 * 100 * 50 - 1 <= found.fixed_flops <= 3 * 100 * 50 + 1
    assert "Each run makes 15,000 FLOPs besides" in str(found).replace("\n", " ")


def test_a_shared_layer_counts_once_and_its_work_twice():
    net = gk.dense(gk.feature_input(6), 6, activation=gk.relu, name="shared")
    net = gk.dense(net, 6, activation=gk.relu, name="shared", reuse=True)
    found = summary(gk.dense(net, 2, name="logits"))
    assert [line.layer for line in found.rows] == ["shared", "logits"]
    assert row(found, "shared").parameters == gk.dense_parameters(6, 6)
    assert row(found, "shared").flops == 2 * gk.dense_flops(6, 6)
    assert found.parameters == trained_numbers()


def test_layers_in_one_scope_and_in_scopes_of_scopes():
    with V1.variable_scope("model"):
        net = tf.matmul(gk.feature_input(4), V1.get_variable("w1", (4, 5))) + V1.get_variable("b1", (5,))
        net = tf.matmul(net, V1.get_variable("w2", (5, 6)))
        with V1.variable_scope("top"):
            net = gk.dense(gk.dropout(net, 0.5), 3, name="logits")
    found = summary(net)
    weighted = [(line.layer, line.parameters) for line in found.rows if line.parameters]
    assert weighted == [("model/w1", 25), ("model/w2", 30), ("model/top/logits", 21)]
    assert row(found, "model/top/dropout").output_shape == (None, 6)


def test_a_scope_with_a_kernel_and_more_layers_beneath():
    with V1.variable_scope("model"):
        net = tf.matmul(gk.feature_input(4), V1.get_variable("kernel", (4, 5)))
        with tf.name_scope("curve"):
            net = tf.exp(net) * 2.0
        net = gk.dense(net, 3, name="top")
    found = summary(net)
    assert [line.layer for line in found.rows] == ["model", "model/curve", "model/top"]
    assert row(found, "model/curve").flops == 5


def test_single_ops_between_the_layers_of_a_scope_share_a_row():
    with V1.variable_scope("block"):
        net = gk.dense(gk.feature_input(4), 4, name="inner")
        net = tf.exp(tf.tanh(net * 2.0) + net)
    found = summary(net)
    assert [(line.layer, line.ops) for line in found.rows] == [
        ("block/inner", ("MatMul", "BiasAdd")),
        ("block", ("Mul", "Tanh", "AddV2", "Exp")),
    ]
    assert row(found, "block").flops == 4 + 4


def test_embedding_and_partitioned_variables():
    with V1.variable_scope("parts", partitioner=V1.fixed_size_partitioner(3)):
        table = V1.get_variable("table", (12, 4))
    net = tf.matmul(tf.nn.embedding_lookup(V1.get_variable("words", (9, 12)), gk.token_input(5)), table)
    found = summary(net)
    assert found.parameters == trained_numbers() == 12 * 4 + 9 * 12
    assert found.flops == 2 * 5 * 12 * 4
    assert row(found, "words").output_shape == (None, 5, 12)


def test_rows_of_several_positions_are_counted_for_each_example():
    net = tf.reshape(V1.placeholder(tf.float32, (None, 7, 4)), (-1, 4))
    assert summary(gk.dense(net, 3)).flops == 7 * gk.dense_flops(4, 3)


def test_a_graph_that_is_fed_by_a_dataset():
    dataset = tf.data.Dataset.from_tensor_slices(np.ones((10, 8), np.float32)).batch(4)
    found = summary(gk.dense(V1.data.make_one_shot_iterator(dataset).get_next(), 3))
    assert (found.flops, found.parameters) == (gk.dense_flops(8, 3), gk.dense_parameters(8, 3))


def test_an_imported_meta_graph_is_read_as_its_original():
    loss = tf.reduce_mean(gk.dense(gk.batch_norm(gk.feature_input(6)), 4))
    found = summary(loss)
    meta_graph = V1.train.export_meta_graph()
    with tf.Graph().as_default() as graph:
        V1.train.import_meta_graph(meta_graph)
        assert summary(graph.get_tensor_by_name(loss.name)) == found


def test_a_graph_without_collections():
    definition = raw_tf1().graph.as_graph_def()
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(definition, name="")
        found = summary(graph)
    assert found.parameters == sum(line[2] for line in raw_rows())
    assert found.flops == sum(line[3] for line in raw_rows())
    assert "does not say which variables are trained" in found.notes[0]


def test_variables_that_are_not_trained():
    gk.dense(gk.feature_input(6), 4, trainable=False)
    found = summary()
    assert (found.parameters, found.weight_bytes, found.trained_bytes) == (0, 4 * 28, 0)


def test_constants_are_no_parameters():
    found = summary(tf.matmul(gk.feature_input(6), tf.zeros((6, 4))))
    assert (found.parameters, found.flops) == (0, 2 * 6 * 4)


# Loops, branches, functions.


@contextlib.contextmanager
def control_flow_v1():
    V1.disable_control_flow_v2()
    try:
        yield
    finally:
        V1.enable_control_flow_v2()


def looped(steps, **limits):
    """A simple recurrent cell in a while loop, of the given number of steps."""
    x = gk.feature_input(6)
    kernel = V1.get_variable("cell/kernel", (6 + 5, 5), use_resource=True)
    bias = V1.get_variable("cell/bias", (5,), use_resource=True)

    def body(t, h):
        return t + 1, tf.tanh(tf.nn.bias_add(tf.matmul(tf.concat([x, h], 1), kernel), bias))

    start = (0, tf.zeros((tf.shape(x)[0], 5)))
    shapes = (tf.TensorShape(()), tf.TensorShape((None, 5)))
    return V1.while_loop(lambda t, h: t < steps, body, start, shapes, **limits)[1]


def test_a_loop_counts_for_its_rounds():
    found = summary(looped(40, maximum_iterations=40))
    assert found.parameters == gk.rnn_parameters(6, 5, "simple") == trained_numbers()
    assert found.flops == gk.rnn_flops(6, 5, 40, "simple")
    assert found.notes == ("The loop while is counted for 40 rounds, the most that it makes.",)


@pytest.mark.parametrize("version", [1, 2])
def test_a_loop_without_a_limit_counts_for_one_round(version):
    with control_flow_v1() if version == 1 else contextlib.nullcontext():
        found = summary(looped(40))
    assert found.parameters == gk.rnn_parameters(6, 5, "simple")
    assert found.flops == gk.rnn_flops(6, 5, 1, "simple")
    assert "One round of each of these loops is counted: while" in found.notes[0]


@pytest.mark.parametrize("version", [1, 2])
def test_a_layer_after_a_loop_of_fixed_shapes(version):
    """Such a loop starts from constants, and depends on the examples by what its rounds hand on."""
    x, kernel = V1.placeholder(tf.float32, (3, 6)), V1.get_variable("cell/kernel", (6 + 5, 5))
    with control_flow_v1() if version == 1 else contextlib.nullcontext():
        _, state = V1.while_loop(
            lambda t, h: t < 4,
            lambda t, h: (t + 1, tf.tanh(tf.matmul(tf.concat([x, h], 1), kernel))),
            (0, tf.zeros((3, 5))),
        )
    found = summary(gk.dense(state, 2, name="logits"))
    assert row(found, "logits").flops == gk.dense_flops(5, 2)
    assert row(found, "logits").output_shape == (3, 2)


@pytest.mark.parametrize(
    ("cell", "steps", "version"),
    [*itertools.product(("simple", "gru", "lstm"), (7, 50), (2,)), ("lstm", 50, 1)],
)
def test_recurrent_layers(cell, steps, version):
    """Unrolled (7 steps) and in a loop (50), as the sizes predict."""
    with control_flow_v1() if version == 1 else contextlib.nullcontext():
        outputs, _ = gk.rnn(V1.placeholder(tf.float32, (None, steps, 6)), 5, cell)
        found = summary(outputs)
    assert found.parameters == gk.rnn_parameters(6, 5, cell) == trained_numbers()
    assert found.flops == gk.rnn_flops(6, 5, 1 if version == 1 else steps, cell)


def test_the_costlier_branch_counts():
    x = gk.feature_input(6)
    wide, narrow = V1.get_variable("wide", (6, 9)), V1.get_variable("narrow", (6, 1))

    def branch(kernel):
        return lambda: tf.reduce_sum(tf.matmul(x, kernel), 1)

    found = summary(tf.cond(V1.placeholder(tf.bool, ()), branch(narrow), branch(wide)))
    assert found.flops == 2 * 6 * 9 + 8
    assert found.parameters == trained_numbers() == 60


def test_functions_count():
    kernel = V1.get_variable("kernel", (6, 9), use_resource=True)

    @tf.function
    def called(x):
        values, _ = tf.math.top_k(tf.matmul(x, kernel), 3)
        loss, _ = tf.raw_ops.SoftmaxCrossEntropyWithLogits(features=values, labels=values)
        return tf.square(loss)

    found = summary(called(gk.feature_input(6)))
    assert (found.flops, found.parameters) == (2 * 6 * 9 + 1, 54)


# What is not known is said.


def test_open_sizes_are_open():
    net = gk.conv2d(gk.image_input(None, None, 3), 4, 3, activation=gk.relu, name="conv")
    net = gk.dense(tf.reduce_mean(net, [1, 2]), 2, name="logits")
    found = summary(net)
    assert row(found, "conv").flops is row(found, "conv").activation_bytes is None
    assert row(found, "conv").output_shape == (None, None, None, 4)
    assert row(found, "logits").flops == gk.dense_flops(4, 2) == found.flops
    assert found.parameters == trained_numbers()
    assert "the FLOPs are not known and not in the total: conv" in found.notes[0]
    assert "?" in str(found)


def test_unknown_rank():
    found = summary(tf.nn.relu(V1.placeholder(tf.float32)) * 2.0)
    assert {line.output_shape for line in found.rows} == {None}
    assert found.flops == 0
    assert "FLOPs are not known" in found.notes[0]


def test_inputs_of_different_batch_sizes():
    first, second = (V1.placeholder(tf.float32, (size, 4)) for size in (3, 5))
    found = summary(tf.concat([gk.dense(first, 2, use_bias=False), gk.dense(second, 2, use_bias=False)], 0))
    assert found.flops == (3 + 5) * gk.dense_flops(4, 2, use_bias=False)
    assert found.notes == (
        "The inputs do not tell the size of the batch: figures are for the graph's whole run.",
    )


def test_a_graph_that_wants_a_certain_batch():
    net = tf.reshape(V1.placeholder(tf.float32, (None, 4)), (8, 2))
    found = summary(gk.dense(net, 3, name="logits"))
    assert found.parameters == gk.dense_parameters(2, 3)
    assert "cannot be copied for a batch of 1 or 2" in found.notes[0]


def test_ops_without_a_rule_are_named():
    found = summary(tf.math.real(tf.signal.rfft(gk.feature_input(8))))
    assert "The operations of these are not counted: rfft (RFFT)." in found.notes


def test_variables_of_unknown_size():
    variable = V1.get_variable("free", initializer=V1.placeholder(tf.float32), validate_shape=False)
    found = summary(gk.feature_input(3) * variable)
    assert "The size of the variable free is not known and not counted." in found.notes


# The printed table.


def test_the_table_is_printed(capsys):
    found = gk.summary(gk.mlp(gk.image_input(28, 28, 1)))
    printed = capsys.readouterr().out
    assert printed == f"{found}\n"
    gk.summary(print_table=False)
    assert capsys.readouterr().out == ""


def long_names():
    with V1.variable_scope("a_tower_with_a_long_name/of_a_block_with_a_long_name"):
        return gk.convnet(gk.image_input(1000, 1000, 3))


@pytest.mark.parametrize(
    "network", [lambda: gk.convnet(gk.image_input(28, 28, 1)), long_names, raw_tf1, lambda: looped(3)]
)
def test_the_table_is_aligned(network):
    found = summary(network())
    lines = str(found).splitlines()
    assert max(map(len, lines)) <= 100
    rules = [place for place, line in enumerate(lines) if set(line) == {"-"}]
    head, *body = [*lines[: rules[0]], *lines[rules[0] + 1 : rules[1]], lines[rules[1] + 1]]
    assert len(body) == len(found.rows) + 1
    assert {len(line) for line in (head, *body)} == {len(lines[rules[0]])}
    for name, figures in {
        "parameters": [*(line.parameters for line in found.rows), found.parameters],
        "FLOPs": [*(line.flops for line in found.rows), found.flops],
        "bytes kept": [*(line.activation_bytes for line in found.rows), found.activation_bytes],
    }.items():
        end = head.index(name) + len(name)
        assert [line[:end].split()[-1] for line in body] == [f"{figure:,}" for figure in figures]


def test_long_layer_names_keep_their_end():
    text = str(summary(long_names()))
    assert "…" in text and "/conv1 " in text


def test_an_empty_graph():
    found = summary(tf.Graph())
    assert (found.rows, found.parameters, found.flops, found.weight_bytes) == ((), 0, 0, 0)
    assert "total" in str(found)


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        (lambda: 3, TypeError, "summary: target must be a tensor of a graph, several, or a tf.Graph"),
        (lambda: [gk.feature_input(3), "x"], TypeError, "received target='x'"),
        (lambda: np.zeros(3), TypeError, "target must be a tensor"),
        (lambda: [], ValueError, r"at least one tensor; received target=\[\]"),
        (lambda: [gk.feature_input(3), of_another_graph()], ValueError, "must be of one graph"),
    ],
)
def test_refusals(target, error, message):
    with pytest.raises(error, match=message):
        gk.summary(target())


def of_another_graph():
    with tf.Graph().as_default():
        return tf.zeros(3)
