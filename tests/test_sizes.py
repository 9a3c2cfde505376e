"""Sizes against figures computed by hand, TensorFlow's own ops, and the layers that graphkit builds."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import graphkit as gk

V1 = tf.compat.v1
PADDINGS = ("same", "valid")


@pytest.mark.parametrize(
    ("size", "kernel_size", "strides", "padding", "dilation_rate", "expected"),
    [
        (32, 8, 2, "same", 1, 16),  # the course's example
        (32, 8, 2, "valid", 1, 13),
        (32, 8, 2, 1, 1, 14),
        (227, 11, 4, 0, 1, 55),  # AlexNet's first layer in CS231n
        (224, 7, 2, 3, 1, None),  # ResNet's first layer steps over the last pixel
        (7, 3, 1, 1, 1, 7),
        (7, 3, 1, 2, 2, 7),
        (28, 5, 1, "same", 1, 28),
        (28, 5, 1, "valid", 1, 24),
        (7, 3, 1, "valid", 3, 1),  # a dilated kernel spans 7 pixels
        (5, 5, 3, "valid", 1, 1),
        (1, 9, 4, "same", 1, 1),
        (1, 3, 1, 1, 1, 1),
    ],
)
def test_output_size(size, kernel_size, strides, padding, dilation_rate, expected):
    if expected is None:
        with pytest.raises(ValueError, match="must be a whole number; received W=224, F=7, P=3, S=2"):
            gk.output_size(size, kernel_size, strides, padding, dilation_rate)
    else:
        assert gk.output_size(size, kernel_size, strides, padding, dilation_rate) == expected


sizes_1d = {
    "size": st.integers(1, 12),
    "kernel_size": st.integers(1, 5),
    "strides": st.integers(1, 4),
    "dilation_rate": st.integers(1, 3),
}


@settings(deadline=None, max_examples=60)
@given(**sizes_1d, padding=st.integers(0, 4))
def test_output_size_is_how_often_a_padded_kernel_fits(size, kernel_size, strides, dilation_rate, padding):
    taps = np.arange(kernel_size) * dilation_rate
    padded = size + 2 * padding
    places = [start for start in range(0, padded, strides) if start + taps[-1] < padded]
    exact = places and places[-1] + taps[-1] == padded - 1
    if exact:
        assert gk.output_size(size, kernel_size, strides, padding, dilation_rate) == len(places)
    else:
        with pytest.raises(ValueError, match="must be a whole number|must fit into the padded input"):
            gk.output_size(size, kernel_size, strides, padding, dilation_rate)


@settings(deadline=None, max_examples=60)
@given(**sizes_1d, padding=st.sampled_from(PADDINGS))
def test_transposed_shape_is_undone_by_the_convolution(size, kernel_size, strides, dilation_rate, padding):
    del dilation_rate
    height, width, _ = gk.conv2d_transpose_shape((size, 1, 3), 2, kernel_size, strides, padding)
    assert gk.output_size(height, kernel_size, strides, padding) == size
    assert gk.output_size(width, kernel_size, strides, padding) == 1
    with tf.Graph().as_default():
        grown = tf.nn.conv2d_transpose(
            tf.zeros((1, size, 1, 3)),
            tf.zeros((kernel_size, kernel_size, 2, 3)),
            (1, height, width, 2),
            strides,
            padding.upper(),
        )
        with V1.Session() as session:
            assert session.run(grown).shape == (1, height, width, 2)


def test_the_course_example():
    """Input 32x32x3, 20 filters 8x8x3, stride 2, padding 1: 14x14x20, 756560 weights, 3860 if shared."""
    image = (32, 32, 3)
    assert gk.conv2d_shape(image, 20, 8, 2, padding=1) == (14, 14, 20)
    assert gk.conv2d_shape(image, 20, 8, 2, padding="same") == (16, 16, 20)
    assert gk.conv2d_shape(image, 20, 8, 2, padding="valid") == (13, 13, 20)
    assert gk.unshared_conv2d_parameters(image, 20, 8, 2, padding=1) == (14 * 14 * 20) * (8 * 8 * 3 + 1)
    assert gk.unshared_conv2d_parameters(image, 20, 8, 2, padding=1) == 756560
    assert gk.conv2d_parameters(3, 20, 8) == (8 * 8 * 3 + 1) * 20 == 3860
    assert gk.pool2d_shape((4, 4, 5), 2, 2) == (2, 2, 5)


@pytest.mark.parametrize(
    ("kernel_size", "strides", "padding", "dilation_rate", "use_bias"),
    [
        case
        for case in itertools.product((1, (3, 5)), (1, (2, 3)), PADDINGS, (1, 2), (True, False))
        if case[1] == 1 or case[3] == 1  # TensorFlow strides or dilates, not both
    ],
)
def test_conv2d_is_as_predicted(kernel_size, strides, padding, dilation_rate, use_bias):
    arguments = (7, kernel_size, strides, padding)
    net = gk.conv2d(
        gk.image_input(13, 16, 3), *arguments, dilation_rate=dilation_rate, use_bias=use_bias, name="conv"
    )
    assert tuple(net.shape[1:]) == gk.conv2d_shape((13, 16, 3), *arguments, dilation_rate)
    assert trained_numbers() == gk.conv2d_parameters(3, 7, kernel_size, use_bias)
    per_place = trained_numbers() * int(np.prod(net.shape[1:3]))
    predicted = gk.unshared_conv2d_parameters(
        (13, 16, 3), *arguments, dilation_rate=dilation_rate, use_bias=use_bias
    )
    assert predicted == per_place


@pytest.mark.parametrize(
    ("pool_size", "strides", "padding"), list(itertools.product((2, (3, 1)), (1, 2, (2, 3)), PADDINGS))
)
def test_pooling_is_as_predicted(pool_size, strides, padding):
    net = gk.max_pool(gk.image_input(13, 16, 3), pool_size, strides, padding)
    assert tuple(net.shape[1:]) == gk.pool2d_shape((13, 16, 3), pool_size, strides, padding)


@pytest.mark.parametrize(
    ("kernel_size", "strides", "padding"), list(itertools.product((2, (3, 1)), (1, (2, 3)), PADDINGS))
)
def test_conv2d_transpose_is_as_predicted(kernel_size, strides, padding):
    net = gk.conv2d_transpose(gk.image_input(5, 4, 3), 6, kernel_size, strides, padding)
    assert tuple(net.shape[1:]) == gk.conv2d_transpose_shape((5, 4, 3), 6, kernel_size, strides, padding)


@pytest.mark.parametrize("use_bias", [True, False])
def test_dense_and_separable_parameters(use_bias):
    gk.dense(gk.feature_input(17), 5, use_bias=use_bias, name="dense")
    assert trained_numbers() == gk.dense_parameters(17, 5, use_bias)
    before = trained_numbers()
    gk.separable_conv2d(gk.image_input(9, 9, 4), 6, (3, 2), depth_multiplier=2, use_bias=use_bias)
    assert trained_numbers() - before == gk.separable_conv2d_parameters(4, 6, (3, 2), 2, use_bias)


@pytest.mark.parametrize(("center", "scale"), list(itertools.product((True, False), repeat=2)))
def test_batch_norm_parameters(center, scale):
    gk.batch_norm(gk.feature_input(11), center=center, scale=scale)
    assert trained_numbers() == gk.batch_norm_parameters(11, center, scale)


@pytest.mark.parametrize("cell", ["simple", "gru", "lstm"])
def test_recurrent_parameters(cell):
    tokens = gk.embedding(gk.token_input(4), 19, 6)
    assert trained_numbers() == gk.embedding_parameters(19, 6) == 19 * 6
    gk.rnn(tokens, 5, cell)
    assert trained_numbers() - 19 * 6 == gk.rnn_parameters(6, 5, cell)


def trained_numbers():
    return sum(int(np.prod(variable.shape)) for variable in V1.trainable_variables())


def test_parameters_by_hand():
    assert gk.conv2d_parameters(3, 20, (8, 4), use_bias=False) == 8 * 4 * 3 * 20
    assert gk.dense_parameters(784, 10) == 7850
    assert gk.dense_parameters(784, 10, use_bias=False) == 7840
    assert gk.batch_norm_parameters(64, center=False) == 64
    assert gk.separable_conv2d_parameters(32, 64, 3) == 9 * 32 + 32 * 64 + 64
    assert gk.embedding_parameters(10000, 128) == 1280000
    assert gk.rnn_parameters(28, 128, "simple") == 128 * (28 + 128) + 128
    assert gk.rnn_parameters(28, 128, "gru") == 3 * (128 * (28 + 128) + 128)
    assert gk.rnn_parameters(28, 128) == 4 * (128 * (28 + 128) + 128)


def test_bytes_of_the_course():
    assert gk.array_bytes((55000, 784), "float32") == 172_480_000
    assert gk.array_bytes((55000, 10), "float32") == 2_200_000
    assert gk.array_bytes((784, 10)) == 31_360
    assert gk.array_bytes([10]) == 40
    assert gk.array_bytes(()) == 4
    assert gk.array_bytes((3, 0, 2)) == 0


@pytest.mark.parametrize(
    "dtype",
    "bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64 complex64".split(),
)
def test_array_bytes_is_what_numpy_and_tensorflow_say(dtype):
    expected = np.zeros((3, 5), dtype).nbytes
    assert gk.array_bytes((3, 5), dtype) == expected
    assert gk.array_bytes((3, 5), np.dtype(dtype)) == expected
    assert gk.array_bytes((3, 5), tf.as_dtype(dtype)) == 15 * tf.as_dtype(dtype).size == expected


def test_bfloat16_takes_two_bytes():
    assert gk.array_bytes((3, 5), "bfloat16") == gk.array_bytes((3, 5), tf.bfloat16) == 30


OPTIMIZERS = {
    "sgd": lambda: V1.train.GradientDescentOptimizer(0.1),
    "momentum": lambda: V1.train.MomentumOptimizer(0.1, 0.9),
    "nesterov": lambda: V1.train.MomentumOptimizer(0.1, 0.9, use_nesterov=True),
    "adagrad": lambda: V1.train.AdagradOptimizer(0.1),
    "adadelta": lambda: V1.train.AdadeltaOptimizer(0.1),
    "adam": lambda: V1.train.AdamOptimizer(0.1),
    "rmsprop": lambda: V1.train.RMSPropOptimizer(0.1),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_slots_are_those_that_tensorflow_makes(name):
    weights = V1.get_variable("weights", (7,))
    before = len(V1.global_variables())
    OPTIMIZERS[name]().minimize(tf.reduce_sum(weights**2))
    made = [variable for variable in V1.global_variables()[before:] if variable.shape == (7,)]
    assert len(made) == gk.optimizer_slots(name)


def test_adamw_keeps_what_adam_keeps():
    assert gk.optimizer_slots("AdamW") == 2


def test_training_bytes_by_hand():
    # weight, gradient and Adam's two moments: 16 bytes for each float32 parameter
    assert gk.training_bytes(1_000_000, 0, 1, gk.optimizer_slots("adam")) == 16_000_000
    assert gk.training_bytes(1000, 500, 32, slots=0) == 1000 * 2 * 4 + 500 * 32 * 4
    assert gk.training_bytes(1000, 500, 32, slots=1, dtype="float16") == 1000 * 3 * 2 + 500 * 32 * 2


@settings(deadline=None)
@given(
    memory=st.integers(0, 10**6),
    parameters=st.integers(0, 3000),
    activations=st.integers(1, 3000),
    slots=st.integers(0, 3),
    dtype=st.sampled_from(["float16", "float32"]),
)
def test_the_largest_batch_fits_and_the_next_does_not(memory, parameters, activations, slots, dtype):
    arguments = {"parameters": parameters, "activations": activations, "slots": slots, "dtype": dtype}
    if gk.training_bytes(batch_size=1, **arguments) > memory:
        with pytest.raises(ValueError, match="largest_batch: not even one example fits"):
            gk.largest_batch(memory, **arguments)
    else:
        largest = gk.largest_batch(memory, **arguments)
        assert gk.training_bytes(batch_size=largest, **arguments) <= memory
        assert gk.training_bytes(batch_size=largest + 1, **arguments) > memory


def test_largest_batch_names_the_numbers():
    message = "received memory=15999, without_examples=12000, for_each_example=4000"
    with pytest.raises(ValueError, match=message):
        gk.largest_batch(15999, parameters=1000, activations=1000, slots=1)


def profiled(target):
    """Returns what TensorFlow's profiler counts for the target alone."""
    names = [tensor.op.name for tensor in tf.nest.flatten(target)]
    definition = V1.graph_util.extract_sub_graph(V1.get_default_graph().as_graph_def(), names)
    options = {**V1.profiler.ProfileOptionBuilder.float_operation(), "output": "none"}
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(definition, name="")
        return V1.profiler.profile(graph, options=options).total_float_ops


@pytest.mark.parametrize(
    ("kernel_size", "strides", "padding", "use_bias"),
    list(itertools.product((1, (3, 5)), (1, (2, 3)), PADDINGS, (True, False))),
)
def test_conv2d_flops_are_the_profilers(kernel_size, strides, padding, use_bias):
    images = V1.placeholder(tf.float32, (1, 13, 16, 3))
    net = gk.conv2d(images, 7, kernel_size, strides, padding, use_bias=use_bias)
    predicted = gk.conv2d_flops((13, 16, 3), 7, kernel_size, strides, padding, use_bias=use_bias)
    assert predicted == profiled(net)


def test_other_flops_are_the_profilers():
    images = V1.placeholder(tf.float32, (1, 13, 16, 3))
    assert gk.pool2d_flops((13, 16, 3), (3, 2), 2, "same") == profiled(gk.max_pool(images, (3, 2), 2, "same"))
    assert gk.pool2d_flops((13, 16, 3), 3, (1, 2)) == profiled(gk.avg_pool(images, 3, (1, 2)))
    dilated = tf.nn.conv2d(images, tf.zeros((3, 3, 3, 7)), 1, "VALID", dilations=2)
    assert gk.conv2d_flops((13, 16, 3), 7, 3, dilation_rate=2, use_bias=False) == profiled(dilated)
    for use_bias in (True, False):
        net = gk.dense(V1.placeholder(tf.float32, (1, 17)), 5, use_bias=use_bias)
        assert gk.dense_flops(17, 5, use_bias) == profiled(net)


def simple_step(x, h, _):
    return tf.tanh(product(x, h, 1)), None


def gru_step(x, h, _):
    r, u = tf.split(tf.sigmoid(product(x, h, 2)), 2, axis=1)
    return u * h + (1 - u) * tf.tanh(product(x, r * h, 1)), None


def lstm_step(x, h, c):
    i, j, f, o = tf.split(product(x, h, 4), 4, axis=1)
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(j)
    return tf.sigmoid(o) * tf.tanh(c), c


def product(x, h, gates):
    units = h.shape[1] * gates
    return tf.nn.bias_add(tf.concat([x, h], 1) @ tf.zeros((x.shape[1] + h.shape[1], units)), tf.zeros(units))


@pytest.mark.parametrize(("cell", "step"), [("simple", simple_step), ("gru", gru_step), ("lstm", lstm_step)])
def test_recurrent_flops_are_the_profilers(cell, step):
    x, h, c = (V1.placeholder(tf.float32, (1, size)) for size in (6, 5, 5))
    for _ in range(3):
        h, c = step(x, h, c)
    assert gk.rnn_flops(6, 5, steps=3, cell=cell) == profiled(h)


def test_flops_by_hand():
    assert gk.dense_flops(784, 10) == 784 * 10 * 2 + 10
    assert gk.conv2d_flops((28, 28, 1), 32, 5, padding="same") == 28 * 28 * 32 * (5 * 5 * 2 + 1)
    assert gk.conv2d_flops((32, 32, 3), 20, 8, 2, 1, use_bias=False) == 14 * 14 * 20 * 8 * 8 * 3 * 2
    assert gk.pool2d_flops((28, 28, 32), 2, 2) == 14 * 14 * 32 * 4
    assert gk.rnn_flops(1, 1, steps=10, cell="simple") == 10 * (2 * 2 + 1)
    assert gk.training_flops(1000) == 3000
    assert gk.training_flops(1000, gradients=3) == 4000
    assert gk.training_flops(1001, gradients=0.5) == 1001 + 500
    assert gk.training_flops(0) == 0
    assert gk.training_flops(10**400, gradients=0.5) == 10**400 * 3 // 2


def test_gradients_of_a_dense_layer_cost_two_forward_passes():
    net = gk.dense(
        tf.nn.relu(gk.dense(V1.placeholder(tf.float32, (1, 64)), 64, use_bias=False)), 64, use_bias=False
    )
    forward = profiled(net)
    inner = V1.trainable_variables()[1]
    hidden = net.op.inputs[0]
    backward = profiled(tf.gradients(net, [inner.handle, hidden])) - forward
    assert abs(backward - 2 * gk.dense_flops(64, 64, use_bias=False)) < 0.1 * forward


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([], 1),
        ([(3, 1)], 3),
        ([(3, 1), (3, 1), (3, 1)], 7),  # three 3x3 see as much as one 7x7 (VGG)
        ([(5, 1), (2, 2), (5, 1), (2, 2)], 16),  # the convnet of the tutorial
        ([(3, 1, 1), (3, 1, 2), (3, 1, 4)], 15),  # exponential dilation
        ([(11, 4), (3, 2), (5, 1), (3, 2), (3, 1), (3, 1), (3, 1), (3, 2)], 195),  # AlexNet, in the paper
        (((2, 2),) * 5, 32),
    ],
)
def test_receptive_field(layers, expected):
    assert gk.receptive_field(layers) == expected


layer_tuples = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 2))


@settings(deadline=None, max_examples=60)
@given(layers=st.lists(layer_tuples, min_size=1, max_size=4))
def test_receptive_field_is_what_one_output_is_made_of(layers):
    needed = {0}
    for kernel_size, strides, dilation_rate in reversed(layers):
        needed = {place * strides + tap * dilation_rate for place in needed for tap in range(kernel_size)}
    assert gk.receptive_field(layers) == max(needed) - min(needed) + 1


IMAGE = (8, 8, 3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: gk.output_size(0, 1), ValueError, "output_size: size must be .*received size=0"),
        (lambda: gk.output_size(4, 5), ValueError, "valid kernel must fit.*size=4, kernel_extent=5"),
        (lambda: gk.output_size(4, 9, 1, 2), ValueError, "fit into the padded input.*W=4, F=9, P=2"),
        (lambda: gk.output_size(4, 3, 2, 0), ValueError, "whole number; received W=4, F=3, P=0, S=2"),
        (lambda: gk.output_size(4.0, 1), TypeError, "size must be an integer"),
        (lambda: gk.output_size(True, 1), TypeError, "size must be an integer"),
        (lambda: gk.output_size(4, 2, padding="full"), ValueError, "padding must be one of"),
        (
            lambda: gk.output_size(4, 2, padding=True),
            TypeError,
            "'same', 'valid' or an integer of at least 0",
        ),
        (lambda: gk.output_size(4, 2, padding=1.5), TypeError, "or an integer of at least 0.*padding=1.5"),
        (lambda: gk.output_size(4, 2, padding=None), TypeError, "padding must be 'same'"),
        (lambda: gk.output_size(4, 2, padding=-1), ValueError, "padding must be an integer of at least 0"),
        (lambda: gk.output_size(4, 2, 0), ValueError, "strides must be an integer of at least 1"),
        (lambda: gk.output_size(4, 2, 1, "same", 0), ValueError, "dilation_rate"),
        (lambda: gk.conv2d_shape((8, 8), 1, 2), ValueError, r"must be \(height, width, channels\)"),
        (lambda: gk.conv2d_shape(8, 1, 2), TypeError, "conv2d_shape: input_shape must be"),
        (lambda: gk.conv2d_shape((None, 8, 3), 1, 2), TypeError, "input_shape must be an integer"),
        (lambda: gk.conv2d_shape(IMAGE, 0, 2), ValueError, "filters"),
        (lambda: gk.conv2d_shape(IMAGE, 1, (1, 2, 3)), ValueError, "kernel_size must be an integer or 2"),
        (lambda: gk.conv2d_shape(IMAGE, 1, 9), ValueError, "valid kernel must fit"),
        (lambda: gk.pool2d_shape(IMAGE, 0, 2), ValueError, "pool2d_shape: pool_size"),
        (lambda: gk.pool2d_shape(IMAGE, 2, (1, 0)), ValueError, "pool2d_shape: strides"),
        (lambda: gk.conv2d_transpose_shape(IMAGE, 1, 2, padding=1), TypeError, "padding must be one of"),
        (lambda: gk.conv2d_transpose_shape(IMAGE, 0, 2), ValueError, "filters"),
        (lambda: gk.conv2d_parameters(3, 20, (8, 8, 3)), ValueError, "an integer or 2 integers"),
        (lambda: gk.conv2d_parameters(0, 20, 8), ValueError, "in_channels"),
        (
            lambda: gk.unshared_conv2d_parameters(IMAGE, 0, 2),
            ValueError,
            "unshared_conv2d_parameters: filters",
        ),
        (lambda: gk.separable_conv2d_parameters(3, 4, 3, 0), ValueError, "depth_multiplier"),
        (lambda: gk.dense_parameters(784, -1), ValueError, "units"),
        (lambda: gk.batch_norm_parameters(0), ValueError, "channels"),
        (lambda: gk.embedding_parameters(0, 3), ValueError, "vocabulary_size"),
        (lambda: gk.rnn_parameters(3, 4, "elman"), ValueError, "cell must be one of 'simple', 'gru', 'lstm'"),
        (lambda: gk.rnn_parameters(0, 4), ValueError, "in_features"),
        (lambda: gk.array_bytes(10), TypeError, "shape must be a sequence"),
        (lambda: gk.array_bytes((2, -1)), ValueError, "shape must be an integer of at least 0"),
        (lambda: gk.array_bytes((2, None)), TypeError, "shape must be an integer"),
        (lambda: gk.array_bytes((2,), "float31"), ValueError, "dtype must be one of 'float32'"),
        (lambda: gk.array_bytes((2,), 4), TypeError, "dtype must be one of"),
        (lambda: gk.optimizer_slots("lion"), ValueError, "optimizer must be one of 'sgd'"),
        (lambda: gk.optimizer_slots(2), TypeError, "optimizer must be one of"),
        (lambda: gk.training_bytes(1, 1, 0), ValueError, "training_bytes: batch_size"),
        (lambda: gk.training_bytes(-1, 1, 1), ValueError, "parameters"),
        (lambda: gk.training_bytes(1, -1, 1), ValueError, "activations"),
        (lambda: gk.training_bytes(1, 1, 1, slots=0.5), TypeError, "slots"),
        (lambda: gk.largest_batch(-1, 1, 1), ValueError, "largest_batch: memory"),
        (lambda: gk.largest_batch(1e9, 1, 1), TypeError, "memory"),
        (lambda: gk.largest_batch(100, 1, 0), ValueError, "activations must be an integer of at least 1"),
        (lambda: gk.conv2d_flops(IMAGE, 0, 2), ValueError, "conv2d_flops: filters"),
        (lambda: gk.pool2d_flops(IMAGE, 9, 2), ValueError, "valid kernel must fit"),
        (lambda: gk.dense_flops(0, 1), ValueError, "in_features"),
        (lambda: gk.rnn_flops(1, 1, 0), ValueError, "steps"),
        (lambda: gk.rnn_flops(1, 1, 1, cell=3), TypeError, "cell must be one of"),
        (lambda: gk.training_flops(-1), ValueError, "forward"),
        (lambda: gk.training_flops(1.5), TypeError, "forward"),
        (lambda: gk.training_flops(1, -1), ValueError, "gradients must be a finite number at least 0"),
        (lambda: gk.receptive_field(3), TypeError, "layers must be a sequence"),
        (lambda: gk.receptive_field([3]), TypeError, "layers must be a sequence.*received layer=3"),
        (lambda: gk.receptive_field([(3,)]), ValueError, r"received layer=\(3,\)"),
        (lambda: gk.receptive_field([(0, 1)]), ValueError, "kernel_size"),
        (lambda: gk.receptive_field([(3, 0)]), ValueError, "strides"),
        (lambda: gk.receptive_field([(3, 1, 0)]), ValueError, "dilation_rate"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call()
