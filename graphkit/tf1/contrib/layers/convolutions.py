"""Convolutions."""

import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import tensorflow as tf

from graphkit.nn import convolutions as nn_convolutions
from graphkit.nn import separable_convolutions, transposed_convolutions
from graphkit.tf1.contrib.layers import scopes, utils

__all__ = """
conv1d conv2d conv2d_in_plane conv2d_transpose convolution convolution1d convolution2d convolution2d_in_plane
convolution2d_transpose separable_conv2d separable_convolution2d
""".split()

EMPTY = inspect.Parameter.empty
FORMATS = {3: "NWC NCW", 4: "NHWC NCHW", 5: "NDHWC NCDHW"}  # of a rank of inputs
CONVOLUTIONS = {3: nn_convolutions.conv1d, 4: nn_convolutions.conv2d}


def build_convolution(inputs: tf.Tensor, given: SimpleNamespace) -> tf.Tensor:
    rank, dims = inputs.shape.rank, given.conv_dims
    if given.data_format not in (None, *" ".join(FORMATS.values()).split()):
        raise ValueError(f"Invalid data_format: {given.data_format!r}")
    if dims is not None and dims + 2 != rank:
        raise ValueError(f"Convolution expects input with rank {dims + 2}, got {rank}")
    if rank not in CONVOLUTIONS:
        raise ValueError(f"Convolution not supported for input with rank {rank}")
    return CONVOLUTIONS[rank](
        inputs,
        int(given.num_outputs),
        scopes.integers(given.kernel_size),
        scopes.integers(given.stride),
        given.padding.lower(),
        "channels_first" if (given.data_format or "").startswith("NC") else "channels_last",
        scopes.integers(given.rate),
        **scopes.nn_arguments(given),
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


def build_transposed(inputs: tf.Tensor, given: SimpleNamespace) -> tf.Tensor:
    return transposed_convolutions.conv2d_transpose(
        inputs,
        int(given.num_outputs),
        scopes.integers(given.kernel_size),
        scopes.integers(given.stride),
        given.padding.lower(),
        scopes.nn_format(given.data_format),
        **scopes.nn_arguments(given),
    )


conv2d_transpose = convolution2d_transpose = scopes.weighted_layer(
    "convolution2d_transpose",
    "Conv2d_transpose",
    {**WINDOW, "data_format": "NHWC"},
    build_transposed,
    "Adds a transposed convolution, from the output of a convolution to its input.",
)


def build_separable(inputs: tf.Tensor, given: SimpleNamespace) -> tf.Tensor:
    data_format, padding = scopes.nn_format(given.data_format), given.padding
    size, rate = utils.two_element_tuple(given.kernel_size), utils.two_element_tuple(given.rate)
    strides = utils.two_element_tuple(given.stride)
    if given.num_outputs is not None:
        arguments: dict[str, Any] = scopes.nn_arguments(given, ("depthwise", "pointwise"))
        if given.pointwise_initializer is not None:
            arguments["pointwise_initializer"] = given.pointwise_initializer
        return separable_convolutions.separable_conv2d(
            inputs,
            int(given.num_outputs),
            size,
            strides,
            padding.lower(),
            data_format,
            rate,
            given.depth_multiplier,
            **arguments,
        )
    channels = utils.channel_dimension(inputs.shape, data_format, min_rank=4)
    shape = [*size, channels, given.depth_multiplier]
    weights = scopes.model_variable(given, "depthwise_weights", shape, inputs.dtype.base_dtype)
    moves = [1, 1, *strides] if data_format == "channels_first" else [1, *strides, 1]
    outputs = tf.nn.depthwise_conv2d(inputs, weights, moves, padding, given.data_format, rate)
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
