"""Windows of convolutions and pools: sizes that gk.sizes predicts, and what is refused."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from references import refused, run

import graphkit as gk
from graphkit import checks
from graphkit.nn import windows

v1 = tf.compat.v1
each_padding = pytest.mark.parametrize("padding", ["valid", "same"])

GEOMETRIES = [(1, 1, 1), (9, 3, 2), (8, 3, 2), (5, 4, 3), (4, 4, 1), (3, 4, 1), (7, 2, 3), (2, 4, 2)]
FULL = list(itertools.product(range(1, 10), range(1, 5), range(1, 4)))  # size, window, stride
grids = [pytest.param(GEOMETRIES, id="some"), pytest.param(FULL, marks=pytest.mark.slow, id="all")]


def predicted(size, *arguments):
    """Returns what gk.sizes.output_size says, None where it refuses."""
    try:
        return gk.sizes.output_size(size, *arguments)
    except ValueError:
        return None


def made(build, size, *arguments, **options):
    """Returns the height of what a layer makes of images (1, size, 11, 1), None where it refuses."""
    try:
        return build(tf.zeros((1, size, 11, 1)), *arguments, **options).shape[1]
    except ValueError:
        return None


@each_padding
@pytest.mark.parametrize("grid", grids)
def test_output_size_predicts_the_shape_of_layers(padding, grid):
    for size, window, step in grid:
        expected = predicted(size, window, step, padding)
        assert made(gk.max_pool, size, window, step, padding) == expected, (size, window, step)
        assert made(gk.avg_pool, size, window, step, padding) == expected, (size, window, step)
        height = made(gk.conv2d, size, 1, (window, 1), step, padding)
        assert height == expected, (size, window, step)
        height = made(gk.conv2d, size, 1, (window, 1), padding=padding, dilation_rate=step)
        assert height == predicted(size, window, 1, padding, step), (size, window, step)


@each_padding
def test_output_size_predicts_what_is_computed_from_unknown_sizes(padding):
    images = gk.image_input(None, None, 1)
    windows = [(1, 1), (2, 2), (3, 2), (4, 3), (2, 3)]
    nets = {
        window: [gk.conv2d(images, 1, *window, padding), gk.max_pool(images, *window, padding)]
        for window in windows
    }
    for size in (4, 5, 9):
        for window, outputs in run(nets, {images: np.zeros((1, size, size, 1))}).items():
            expected = (1, *[gk.sizes.output_size(size, *window, padding)] * 2, 1)
            assert [output.shape for output in outputs] == [expected] * 2, (size, window)


def convolution(function):
    return lambda images, *arguments: getattr(gk, function)(images, 5, *arguments)


@each_padding
@pytest.mark.parametrize(
    "function", ["conv2d", "conv2d_transpose", "separable_conv2d", "max_pool", "avg_pool"]
)
def test_channels_first_has_the_same_sizes_with_the_channels_first(function, padding):
    build = getattr(gk, function) if "pool" in function else convolution(function)
    strides = 2 if function == "separable_conv2d" else (2, 3)
    last = build(tf.zeros((2, 9, 7, 5)), (3, 2), strides, padding)
    first = build(tf.zeros((2, 5, 9, 7)), (3, 2), strides, padding, "channels_first")
    batch, height, width, channels = last.shape.as_list()
    assert first.shape.as_list() == [batch, channels, height, width]


@pytest.mark.parametrize("padding", ["SAME", "Same", "same"])
def test_padding_is_not_case_sensitive(padding):
    images = tf.zeros((1, 5, 5, 1))
    for outputs in (gk.conv2d(images, 1, 3, 2, padding), gk.max_pool(images, 3, 2, padding)):
        assert outputs.shape.as_list() == [1, 3, 3, 1]


@pytest.mark.parametrize("sizes", [[3, 2], (3, 2), (np.int64(3), np.uint8(2))])
def test_kernel_sizes_may_be_any_integers(sizes):
    gk.conv2d(tf.zeros((1, 5, 5, 1)), np.int32(4), sizes, name="a")
    assert v1.trainable_variables()[0].shape.as_list() == [3, 2, 1, 4]


# What is refused


def images(*shape):
    return v1.placeholder(tf.float32, shape or (None, 8, 8, 3))


def sequences():
    return v1.placeholder(tf.float32, (None, 8, 3))


SIZES = {
    "conv1d filters": lambda value: gk.conv1d(sequences(), value, 3),
    "conv1x1 filters": lambda value: gk.conv1x1(images(), value),
    "conv2d filters": lambda value: gk.conv2d(images(), value, 3),
    "conv2d_transpose filters": lambda value: gk.conv2d_transpose(images(), value, 3),
    "separable_conv2d filters": lambda value: gk.separable_conv2d(images(), value, 3),
    "separable_conv2d depth_multiplier": lambda value: gk.separable_conv2d(
        images(), 8, 3, depth_multiplier=value
    ),
    "dense units": lambda value: gk.dense(images(None, 3), value),
    "linear units": lambda value: gk.linear(images(None, 3), value),
    "embedding units": lambda value: gk.embedding([1], 2, value),
    "embedding vocabulary_size": lambda value: gk.embedding([1], value, 2),
    "residual_block filters": lambda value: gk.residual_block(images(), value),
    "residual_block strides": lambda value: gk.residual_block(images(), 3, value),
}
LENGTHS = {
    "conv1d kernel_size": lambda value: gk.conv1d(sequences(), 8, value),
    "conv1d strides": lambda value: gk.conv1d(sequences(), 8, 3, value),
    "conv1d dilation_rate": lambda value: gk.conv1d(sequences(), 8, 3, dilation_rate=value),
}
PAIRS = {
    "conv2d kernel_size": lambda value: gk.conv2d(images(), 8, value),
    "conv2d strides": lambda value: gk.conv2d(images(), 8, 3, value),
    "conv2d dilation_rate": lambda value: gk.conv2d(images(), 8, 3, dilation_rate=value),
    "conv2d_transpose kernel_size": lambda value: gk.conv2d_transpose(images(), 8, value),
    "conv2d_transpose strides": lambda value: gk.conv2d_transpose(images(), 8, 3, value),
    "separable_conv2d kernel_size": lambda value: gk.separable_conv2d(images(), 8, value),
    "separable_conv2d strides": lambda value: gk.separable_conv2d(images(), 8, 3, value),
    "max_pool pool_size": lambda value: gk.max_pool(images(), value, 2),
    "max_pool strides": lambda value: gk.max_pool(images(), 2, value),
    "avg_pool pool_size": lambda value: gk.avg_pool(images(), value, 2),
    "avg_pool strides": lambda value: gk.avg_pool(images(), 2, value),
}


@pytest.mark.parametrize("size", [*SIZES, *LENGTHS, *PAIRS])
def test_sizes_that_are_not_positive_integers_are_refused(size):
    function, argument = size.split()
    build = {**SIZES, **LENGTHS, **PAIRS}[size]
    for value in (0, -3, 8.5, np.float32(2.5), "3", True, None, {3}, np.ones((2, 2))):
        rule = f"{function}: {argument} must be an integer of at least 1"
        text = f"{rule}; received {argument}={checks.shown(value)}"
        with refused(ValueError if type(value) is int else TypeError, text):
            build(value)
    if size in SIZES:
        for value in (2**63, 10**400):
            with refused(ValueError, f"{function}: {argument} is too large"):
                build(value)
    assert not v1.global_variables()


@pytest.mark.parametrize("size", PAIRS)
def test_other_than_two_positive_integers_are_refused(size):
    function, argument = size.split()
    for pair, wrong in (((0, 1), 0), ([1, -2], -2), ((1, 2.5), 2.5), ((None, 1), None)):
        text = f"{function}: {argument} must be an integer of at least 1; received {argument}={wrong!r}"
        with refused(ValueError if type(wrong) is int else TypeError, text):
            PAIRS[size](pair)
    for value in ((), (2,), [2, 2, 2], (1, 2, 2, 1)):
        text = f"{function}: {argument} must be an integer or 2 integers; received {argument}={value!r}"
        with refused(ValueError, text):
            PAIRS[size](value)


@pytest.mark.parametrize("size", LENGTHS)
def test_pairs_for_sequences_are_refused(size):
    function, argument = size.split()
    with refused(ValueError, f"{function}: {argument} must be an integer or 1 integers"):
        LENGTHS[size]((3, 3))


PADDINGS = {
    "conv1d": lambda value: gk.conv1d(sequences(), 8, 3, padding=value),
    "conv2d": lambda value: gk.conv2d(images(), 8, 3, padding=value),
    "conv2d_transpose": lambda value: gk.conv2d_transpose(images(), 8, 3, padding=value),
    "separable_conv2d": lambda value: gk.separable_conv2d(images(), 8, 3, padding=value),
    "max_pool": lambda value: gk.max_pool(images(), 2, 2, value),
    "avg_pool": lambda value: gk.avg_pool(images(), 2, 2, value),
}
FORMATS = {
    "conv1d": lambda value: gk.conv1d(sequences(), 8, 3, data_format=value),
    "conv2d": lambda value: gk.conv2d(images(), 8, 3, data_format=value),
    "conv2d_transpose": lambda value: gk.conv2d_transpose(images(), 8, 3, data_format=value),
    "separable_conv2d": lambda value: gk.separable_conv2d(images(), 8, 3, data_format=value),
    "max_pool": lambda value: gk.max_pool(images(), 2, 2, data_format=value),
    "avg_pool": lambda value: gk.avg_pool(images(), 2, 2, data_format=value),
    "global_avg_pool": lambda value: gk.global_avg_pool(images(), value),
    "global_max_pool": lambda value: gk.global_max_pool(images(), value),
    "bias_add": lambda value: gk.bias_add(images(), data_format=value),
    "flatten": lambda value: gk.flatten(images(), data_format=value),
}


@pytest.mark.parametrize("function", PADDINGS)
def test_unknown_paddings_are_refused(function):
    for value in ("full", "causal", "", 1, None, ("same", "same")):
        text = f"{function}: padding must be one of 'same', 'valid'; received padding={value!r}"
        with refused(ValueError if isinstance(value, str) else TypeError, text):
            PADDINGS[function](value)


@pytest.mark.parametrize("function", FORMATS)
def test_unknown_data_formats_are_refused(function):
    rule = "data_format must be one of 'channels_last', 'channels_first'"
    for value in ("NHWC", "", 1, None):
        error = ValueError if isinstance(value, str) else TypeError
        with refused(error, f"{function}: {rule}; received data_format={value!r}"):
            FORMATS[function](value)


WINDOWS = {
    "conv1d": (lambda: gk.conv1d(sequences(), 8, 9), "(None, 8, 3)", (9,)),
    "conv1d dilated": (lambda: gk.conv1d(sequences(), 8, 5, dilation_rate=2), "(None, 8, 3)", (9,)),
    "conv2d": (lambda: gk.conv2d(images(), 8, 9), "(None, 8, 8, 3)", (9, 9)),
    "conv2d width": (lambda: gk.conv2d(images(), 8, (1, 9)), "(None, 8, 8, 3)", (1, 9)),
    "conv2d dilated": (lambda: gk.conv2d(images(), 8, (5, 1), dilation_rate=2), "(None, 8, 8, 3)", (9, 1)),
    "separable_conv2d": (lambda: gk.separable_conv2d(images(), 8, 9), "(None, 8, 8, 3)", (9, 9)),
    "max_pool": (lambda: gk.max_pool(images(), (9, 8), 1), "(None, 8, 8, 3)", (9, 8)),
    "avg_pool": (lambda: gk.avg_pool(images(), (8, 9), 1), "(None, 8, 8, 3)", (8, 9)),
    "max_pool channels_first": (
        lambda: gk.max_pool(images(None, 9, 3, 9), 4, 1, data_format="channels_first"),
        "(None, 9, 3, 9)",
        (4, 4),
    ),
}


@pytest.mark.parametrize("case", WINDOWS)
def test_a_window_larger_than_the_image_is_refused(case):
    build, shape, window = WINDOWS[case]
    received = f"shape={shape}, window={window}"
    text = f"{case.split()[0]}: a valid window must fit into the inputs; received {received}"
    with refused(ValueError, text):
        build()


def test_a_transposed_kernel_may_be_larger_than_the_image():
    assert gk.conv2d_transpose(tf.zeros((1, 2, 2, 1)), 1, 5).shape.as_list() == [1, 6, 6, 1]


DILATED = {
    "conv1d": lambda *pair: gk.conv1d(sequences(), 8, 2, pair[0][0], dilation_rate=pair[1][0]),
    "conv2d": lambda strides, rate: gk.conv2d(images(), 8, 3, strides, dilation_rate=rate),
    "separable_conv2d": lambda strides, rate: gk.separable_conv2d(
        images(), 8, 3, strides, dilation_rate=rate
    ),
}


@pytest.mark.parametrize("function", DILATED)
def test_strides_with_dilation_are_refused(function):
    for strides, rate in (((2, 2), (2, 2)), ((1, 2), (2, 1)), ((3, 1), (1, 2))):
        if function == "conv1d" and (strides[0] == 1 or rate[0] == 1):
            continue
        rule = "strides above 1 and a dilation_rate above 1 do not go together; received strides="
        with refused(ValueError, f"{function}: {rule}"):
            DILATED[function](strides, rate)


def test_separable_conv2d_refuses_strides_that_differ():
    with refused(ValueError, "separable_conv2d: strides must be alike; received strides=(1, 2)"):
        gk.separable_conv2d(images(), 8, 3, (1, 2))


def test_shapes_that_windows_make():
    for size, stride, padding in itertools.product((1, 2, 3, 5), (1, 2, 3), ("same", "valid")):
        window = windows.check_window(checks.Checker("f"), 2, "size", size, stride, padding, "channels_first")
        expected = gk.sizes.conv2d_shape((9, 8, 3), 4, size, stride, padding)
        assert window.output_shape([None, 3, 9, 8], 4) == [None, 4, *expected[:2]]
        expected = gk.sizes.conv2d_transpose_shape((9, 8, 3), 4, size, stride, padding)
        assert window.transposed_shape([None, 3, 9, 8], 4) == [None, 4, *expected[:2]]
    assert window.output_shape([2, 3, None, 8], None)[1:3] == [None, None]
