"""Convolutions."""

import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import tensorflow as tf

from graphkit.tf1.contrib.layers import scopes, utils
from graphkit.tf1.layers import convolutional

__all__ = """
conv1d conv2d conv2d_in_plane conv2d_transpose conv3d conv3d_transpose convolution convolution1d convolution2d
convolution2d_in_plane convolution2d_transpose convolution3d convolution3d_transpose separable_conv2d
separable_convolution2d
""".split()

EMPTY = inspect.Parameter.empty
FORMATS = {3: "NWC NCW", 4: "NHWC NCHW", 5: "NDHWC NCDHW"}  # of a rank of inputs
CONVOLUTIONS = {3: convolutional.Conv1D, 4: convolutional.Conv2D, 5: convolutional.Conv3D}
TRANSPOSED = {4: convolutional.Conv2DTranspose, 5: convolutional.Conv3DTranspose}


def build_convolution(inputs: tf.Tensor, given: SimpleNamespace) -> tf.Tensor:
    rank, dims = inputs.shape.rank, given.conv_dims
    if given.data_format not in (None, *" ".join(FORMATS.values()).split()):
        raise ValueError(f"Invalid data_format: {given.data_format!r}")
    if dims is not None and dims + 2 != rank:
        raise ValueError(f"Convolution expects input with rank {dims + 2}, got {rank}")
    if rank not in CONVOLUTIONS:
        raise ValueError(f"Convolution not supported for input with rank {rank}")
    return layer_of(CONVOLUTIONS[rank], given, FORMATS[rank], dilation_rate=given.rate).apply(inputs)


def layer_of(kind: Callable[..., Any], given: SimpleNamespace, formats: str, **more: Any) -> Any:
    """Returns the layer of `tf.layers`; `formats` are the allowed ones, channels last first."""
    kernels = ("depthwise", "pointwise") if kind is convolutional.SeparableConv2D else ("kernel",)
    return kind(
        scopes.without_dimensions(given.num_outputs),
        scopes.without_dimensions(given.kernel_size),
        given.stride,
        given.padding,
        scopes.format_of(given.data_format or formats.split()[0], formats),
        **{**scopes.arguments_of(given, kernels), **more},
    )


WINDOW = {"num_outputs": EMPTY, "kernel_size": EMPTY, "stride": 1, "padding": "SAME", "data_format": None}


def convolution_of(name: str, dims: int | None) -> Callable[..., tf.Tensor]:
    def build(inputs: tf.Tensor, given: SimpleNamespace) -> tf.Tensor:
        given.conv_dims = getattr(given, "conv_dims", dims)
        return build_convolution(inputs, given)

    doc = "Adds a convolution: activation_fn(normalizer_fn(convolution)), or with biases."
    after = {"scope": {"conv_dims": None}} if dims is None else {}
    return scopes.weighted_layer(name, "Conv", {**WINDOW, "rate": 1}, build, doc, after)


convolution = convolution_of("convolution", None)
conv1d = convolution1d = convolution_of("convolution1d", 1)
conv2d = convolution2d = convolution_of("convolution2d", 2)
conv3d = convolution3d = convolution_of("convolution3d", 3)


def build_in_plane(inputs: tf.Tensor, given: SimpleNamespace) -> tf.Tensor:
    channels = utils.last_dimension(inputs.shape, min_rank=4)
    shape = [*utils.two_element_tuple(given.kernel_size), 1, 1]
    weights = scopes.model_variable(given, "weights", shape, inputs.dtype.base_dtype)
    strides = [1, *utils.two_element_tuple(given.stride), 1]
    outputs = tf.nn.depthwise_conv2d(inputs, tf.tile(weights, [1, 1, channels, 1]), strides, given.padding)
    return scopes.add_biases(given, outputs)


conv2d_in_plane = convolution2d_in_plane = scopes.weighted_layer(
    "convolution2d_in_plane",
    "ConvInPlane",
    {"kernel_size": EMPTY, "stride": 1, "padding": "SAME"},
    build_in_plane,
    "Convolves each channel with the same filter.",
)


def transposed_of(name: str, rank: int) -> Callable[..., tf.Tensor]:
    def build(inputs: tf.Tensor, given: SimpleNamespace) -> tf.Tensor:
        return layer_of(TRANSPOSED[rank], given, FORMATS[rank]).apply(inputs)

    own = {**WINDOW, "data_format": FORMATS[rank].split()[0]}
    doc = "Adds a transposed convolution, from the output of a convolution to its input."
    return scopes.weighted_layer(name, f"Conv{rank - 2}d_transpose", own, build, doc)


conv2d_transpose = convolution2d_transpose = transposed_of("convolution2d_transpose", 4)
conv3d_transpose = convolution3d_transpose = transposed_of("convolution3d_transpose", 5)


def build_separable(inputs: tf.Tensor, given: SimpleNamespace) -> tf.Tensor:
    data_format = scopes.format_of(given.data_format)
    size, rate = utils.two_element_tuple(given.kernel_size), utils.two_element_tuple(given.rate)
    if given.num_outputs is not None:
        more = {"dilation_rate": rate, "depth_multiplier": given.depth_multiplier}
        if given.pointwise_initializer is not None:
            more["pointwise_initializer"] = given.pointwise_initializer
        return layer_of(convolutional.SeparableConv2D, given, FORMATS[4], **more).apply(inputs)
    channels = utils.size_of(inputs.shape, 1 if data_format == "channels_first" else -1, 4)
    shape = [*size, channels, given.depth_multiplier]
    weights = scopes.model_variable(given, "depthwise_weights", shape, inputs.dtype.base_dtype)
    strides = utils.two_element_tuple(given.stride)
    moves = [1, 1, *strides] if data_format == "channels_first" else [1, *strides, 1]
    outputs = tf.nn.depthwise_conv2d(inputs, weights, moves, given.padding, given.data_format, rate)
    return scopes.add_biases(given, outputs, given.data_format)


separable_conv2d = separable_convolution2d = scopes.weighted_layer(
    "separable_convolution2d",
    "SeparableConv2d",
    {
        "num_outputs": EMPTY,
        "kernel_size": EMPTY,
        "depth_multiplier": 1,
        "stride": 1,
        "padding": "SAME",
        "data_format": "NHWC",
        "rate": 1,
    },
    build_separable,
    "Convolves each channel by itself, then mixes the channels; num_outputs None leaves the latter out.",
    {"weights_initializer": {"pointwise_initializer": None}},
)
