"""What ops cost: networks against the profiler, kept arrays against gradients, loops against `gk.sizes`."""

import contextlib

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from inspection.graphs import looped, profiled, row, trained_parameters

import graphkit as gk
from graphkit.graph import control_flow, walk

V1 = tf.compat.v1


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


def check_network(network, batch_size):
    with tf.Graph().as_default():
        fixed = build(network, batch_size)
        expected = profiled(fixed)
        found = gk.summary(fixed)
        assert found.forward_flops(batch_size) == expected
        assert found.parameters == trained_parameters()
        complete = gk.summary(tf.compat.v1.get_default_graph())
        assert (complete.parameters, complete.weight_bytes) == (found.parameters, found.weight_bytes)
    with tf.Graph().as_default():
        assert gk.summary(build(network, None)).forward_flops(batch_size) == expected


@settings(deadline=None, max_examples=8)
@given(network=networks().filter(fits), batch_size=st.integers(1, 5))
def test_flops_and_parameters_of_any_network(network, batch_size):
    check_network(network, batch_size)


@pytest.mark.slow
@settings(deadline=None, max_examples=100)
@given(network=networks().filter(fits), batch_size=st.integers(1, 5))
def test_flops_and_parameters_of_many_networks(network, batch_size):
    check_network(network, batch_size)


# What the gradients keep: against the arrays that TensorFlow's own gradients read.


def read_by_gradients(loss):
    """Returns the bytes for each example of the inputs, and of the layers' arrays, that gradient ops take."""
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
    arrays = [t for t in arrays if t.shape.as_list()[0] is None]
    sizes = [(t.op.type == "Placeholder", t.dtype.size * int(np.prod(t.shape[1:]))) for t in arrays]
    return sum(size for fed, size in sizes if fed), sum(size for fed, size in sizes if not fed)


def with_dropout(images):
    return gk.mlp(images, keep_prob=gk.keep_prob_input(), hidden_units=(32, 16))


def with_curves(images):
    net = gk.dense(gk.flatten(images), 32, activation=tf.tanh)
    net = gk.dense(net, 16, activation=tf.sigmoid)
    return gk.dense(tf.nn.elu(net) * net, 10)


def with_average(images):
    net = gk.conv2d(images, 4, 3, activation=gk.relu)
    return gk.dense(gk.flatten(gk.avg_pool(net, 2, 2)), 10)


def with_scaled_input(images):
    """The gradients take the scaled images, not those that are fed."""
    return gk.dense(gk.flatten(images - 0.5), 10)


def with_batch_norm(images):
    net = gk.conv2d(images, 4, 3, use_bias=False)
    net = gk.relu(gk.batch_norm(net, training=True))
    return gk.dense(gk.flatten(net), 10)


@pytest.mark.parametrize(
    "network",
    [
        gk.softmax_regression,
        gk.convnet,
        with_dropout,
        with_curves,
        with_average,
        with_scaled_input,
        with_batch_norm,
    ],
)
def test_kept_bytes_are_those_that_gradients_read(network):
    logits = network(gk.image_input(28, 28, 1))
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(gk.label_input(), logits)
    loss = tf.reduce_mean(losses)
    found = gk.summary(loss)
    assert (found.input_bytes, found.activation_bytes) == read_by_gradients(loss)
    assert found.input_bytes == (0 if network is with_scaled_input else 4 * 784)


# The batch.


def test_a_penalty_costs_once_in_each_run():
    net = gk.dense(gk.feature_input(100), 50, use_bias=False)
    loss = tf.reduce_mean(net) + gk.l2_loss(V1.trainable_variables()[0])
    found = gk.summary(loss)
    assert found.flops == gk.sizes.dense_flops(100, 50, use_bias=False) + 50
    assert row(found, "dense").ops == ("MatMul",)
    assert 3 * 100 * 50 - 1 <= found.fixed_flops <= 3 * 100 * 50 + 1
    assert "Each run does 15,000 more FLOPs" in str(found).replace("\n", " ")


def test_rows_of_several_positions_are_counted_for_each_example():
    net = tf.reshape(V1.placeholder(tf.float32, (None, 7, 4)), (-1, 4))
    assert gk.summary(gk.dense(net, 3)).flops == 7 * gk.sizes.dense_flops(4, 3)


def test_a_graph_that_is_fed_by_a_dataset():
    dataset = tf.data.Dataset.from_tensor_slices(np.ones((10, 8), np.float32)).batch(4)
    found = gk.summary(gk.dense(V1.data.make_one_shot_iterator(dataset).get_next(), 3))
    assert (found.flops, found.parameters) == (gk.sizes.dense_flops(8, 3), gk.sizes.dense_parameters(8, 3))


def test_inputs_of_different_batch_sizes():
    first, second = (V1.placeholder(tf.float32, (size, 4)) for size in (3, 5))
    found = gk.summary(
        tf.concat([gk.dense(first, 2, use_bias=False), gk.dense(second, 2, use_bias=False)], 0)
    )
    assert found.flops == (3 + 5) * gk.sizes.dense_flops(4, 2, use_bias=False)
    assert found.notes == (
        "The inputs do not determine the batch size: the numbers are for one run of the graph.",
    )


def test_a_graph_that_wants_a_certain_batch():
    net = tf.reshape(V1.placeholder(tf.float32, (None, 4)), (8, 2))
    found = gk.summary(gk.dense(net, 3, name="logits"))
    assert found.parameters == gk.sizes.dense_parameters(2, 3)
    assert "cannot be copied for a batch of 1 or 2" in found.notes[0]


def test_a_fixed_batch_with_open_sizes():
    net = gk.conv2d(V1.placeholder(tf.float32, (4, None, None, 3)), 2, 3, name="conv")
    assert row(gk.summary(net), "conv").flops is None


# Loops, branches, functions.


@pytest.mark.v2_behavior("a loop of TensorFlow 1 does not hold its maximum number of rounds")
def test_a_loop_counts_for_its_rounds():
    found = gk.summary(looped(40, maximum_iterations=40))
    assert found.parameters == gk.sizes.rnn_parameters(6, 5, "simple") == trained_parameters()
    assert found.flops == gk.sizes.rnn_flops(6, 5, 40, "simple")
    assert found.notes == ("The loop while is counted for 40 rounds, its maximum.",)


@pytest.mark.parametrize("version", [1, 2])
def test_a_loop_without_a_limit_counts_for_one_round(version):
    with control_flow.of_functions(version == 2):
        found = gk.summary(looped(40))
    assert found.parameters == gk.sizes.rnn_parameters(6, 5, "simple")
    assert found.flops == gk.sizes.rnn_flops(6, 5, 1, "simple")
    assert "One round of each of these loops is counted: while" in found.notes[0]


def test_a_loop_that_while_loop_did_not_make():
    """Its first variable is not the counter that TensorFlow adds."""
    state = tf.TensorSpec((None, 4))
    body = tf.function(tf.square).get_concrete_function(state)
    cond = tf.function(lambda state: tf.reduce_sum(state) < 9.0).get_concrete_function(state)
    found = gk.summary(tf.raw_ops.StatelessWhile(input=[gk.feature_input(4)], cond=cond, body=body))
    assert "One round" in found.notes[0]
    assert found.flops == 4 + 4  # a square, and a sum of four; the comparison is not an example's


@pytest.mark.parametrize("version", [1, 2])
def test_a_layer_after_a_loop_of_fixed_shapes(version):
    """Such a loop starts from constants, and depends on the examples through what its rounds pass on."""
    x, kernel = V1.placeholder(tf.float32, (3, 6)), V1.get_variable("cell/kernel", (6 + 5, 5))
    with control_flow.of_functions(version == 2):
        _, state = V1.while_loop(
            lambda t, h: t < 4,
            lambda t, h: (t + 1, tf.tanh(tf.matmul(tf.concat([x, h], 1), kernel))),
            (0, tf.zeros((3, 5))),
        )
    found = gk.summary(gk.dense(state, 2, name="logits"))
    assert row(found, "logits").flops == gk.sizes.dense_flops(5, 2)
    assert row(found, "logits").output_shape == (3, 2)


@pytest.mark.parametrize(
    ("cell", "steps", "version"),
    [
        ("simple", 7, 2),
        ("gru", 50, 2),
        ("lstm", 50, 1),
        *(
            pytest.param(*case, 2, marks=pytest.mark.slow)
            for case in (("simple", 50), ("gru", 7), ("lstm", 7))
        ),
        pytest.param("lstm", 50, 2, marks=pytest.mark.slow),
    ],
)
def test_recurrent_layers(cell, steps, version):
    """Unrolled (7 steps) and in a loop (50), of functions in any program, as the sizes predict."""
    with control_flow.of_functions(version == 2):
        outputs, _ = gk.rnn(V1.placeholder(tf.float32, (None, steps, 6)), 5, cell)
        found = gk.summary(outputs)
    assert found.parameters == gk.sizes.rnn_parameters(6, 5, cell) == trained_parameters()
    assert found.flops == gk.sizes.rnn_flops(6, 5, steps, cell)


def test_the_costliest_branch_counts():
    x = gk.feature_input(6)
    wide, narrow = V1.get_variable("wide", (6, 9)), V1.get_variable("narrow", (6, 1))

    def branch(kernel):
        return lambda: tf.reduce_sum(tf.matmul(x, kernel), 1)

    with control_flow.of_functions():  # of TensorFlow 1's branches all ops count
        net = tf.cond(V1.placeholder(tf.bool, ()), branch(narrow), branch(wide))
    found = gk.summary(net)
    assert found.flops == 2 * 6 * 9 + 8
    assert found.parameters == trained_parameters() == 60


def test_functions_count():
    kernel = V1.get_variable("kernel", (6, 9), use_resource=True)

    @tf.function
    def called(x):
        values, _ = tf.math.top_k(tf.matmul(x, kernel), 3)
        loss, _ = tf.raw_ops.SoftmaxCrossEntropyWithLogits(features=values, labels=values)
        return tf.nn.silu(tf.square(loss))  # two products, and an IdentityN for its own gradient

    found = gk.summary(called(gk.feature_input(6)))
    assert (found.flops, found.parameters) == (2 * 6 * 9 + 1 + 2, 54)


def test_ops_without_a_rule_are_named():
    found = gk.summary(tf.math.real(tf.signal.rfft(gk.feature_input(8))))
    assert "The operations of these are not counted: rfft (RFFT)." in found.notes
