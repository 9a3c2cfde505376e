"""Every layer with small arguments and its variables, and every builder as a function of its input."""

import numpy as np
import pytest
import tensorflow as tf

import graphkit as gk

IMAGES = (2, 4, 4, 3)

# name: what builds it, and its variables
LAYERS = {
    "conv1d": lambda **arguments: gk.conv1d(tf.ones((2, 6, 3)), 5, 2, **arguments),
    "conv1x1": lambda **arguments: gk.conv1x1(tf.ones(IMAGES), 5, **arguments),
    "conv2d": lambda **arguments: gk.conv2d(tf.ones(IMAGES), 5, 2, **arguments),
    "conv2d_transpose": lambda **arguments: gk.conv2d_transpose(tf.ones(IMAGES), 5, (2, 4), **arguments),
    "separable_conv2d": lambda **arguments: gk.separable_conv2d(
        tf.ones(IMAGES), 5, (2, 4), depth_multiplier=2, **arguments
    ),
    "dense": lambda **arguments: gk.dense(tf.ones((2, 3)), 5, **arguments),
    "linear": lambda **arguments: gk.linear(tf.ones((2, 3)), 5, **arguments),
    "embedding": lambda **arguments: gk.embedding([[1, 2]], 7, 5, **arguments),
    "bias_add": lambda **arguments: gk.bias_add(tf.ones((2, 5)), **arguments),
    "batch_norm": lambda **arguments: gk.batch_norm(tf.ones((2, 5)), **arguments),
    "layer_norm": lambda **arguments: gk.layer_norm(tf.ones((2, 5)), **arguments),
}
VARIABLES = {
    "conv1d": {"kernel": [2, 3, 5], "bias": [5]},
    "conv1x1": {"kernel": [1, 1, 3, 5], "bias": [5]},
    "conv2d": {"kernel": [2, 2, 3, 5], "bias": [5]},
    "conv2d_transpose": {"kernel": [2, 4, 5, 3], "bias": [5]},
    "separable_conv2d": {"depthwise_kernel": [2, 4, 3, 2], "pointwise_kernel": [1, 1, 6, 5], "bias": [5]},
    "dense": {"kernel": [3, 5], "bias": [5]},
    "linear": {"kernel": [3, 5], "bias": [5]},
    "embedding": {"embeddings": [7, 5]},
    "bias_add": {"bias": [5]},
    "batch_norm": {"gamma": [5], "beta": [5], "moving_mean": [5], "moving_variance": [5]},
    "layer_norm": {"beta": [5], "gamma": [5]},
}
SCOPES = {
    **{layer: layer for layer in LAYERS},
    "batch_norm": "batch_normalization",
    "layer_norm": "LayerNorm",
}

each_layer = pytest.mark.parametrize("layer", LAYERS)


def variable_names(layer, *scopes):
    """Returns the names that a layer's variables have in these scopes."""
    return [f"{scope}/{variable}:0" for scope in scopes for variable in VARIABLES[layer]]


# name: (what builds it from its input, the name of that argument, how many axes it must have)
BUILDERS = {
    "conv1d": (lambda x: gk.conv1d(x, 8, 3), "inputs", "3"),
    "conv1x1": (lambda x: gk.conv1x1(x, 8), "inputs", "4"),
    "conv2d": (lambda x: gk.conv2d(x, 8, 3), "inputs", "4"),
    "conv2d_transpose": (lambda x: gk.conv2d_transpose(x, 8, 3), "inputs", "4"),
    "separable_conv2d": (lambda x: gk.separable_conv2d(x, 8, 3), "inputs", "4"),
    "inception_module": (lambda x: gk.inception_module(x, 1, 1, 1, 1, 1, 1), "inputs", "4"),
    "residual_block": (lambda x: gk.residual_block(x, 8), "inputs", "4"),
    "max_pool": (lambda x: gk.max_pool(x, 2, 2), "inputs", "4"),
    "avg_pool": (lambda x: gk.avg_pool(x, 2, 2), "inputs", "4"),
    "global_avg_pool": (lambda x: gk.global_avg_pool(x), "inputs", "4"),
    "global_max_pool": (lambda x: gk.global_max_pool(x), "inputs", "4"),
    "dense": (lambda x: gk.dense(x, 8), "inputs", "at least 2"),
    "linear": (lambda x: gk.linear(x, 8), "inputs", "at least 2"),
    "bias_add": (lambda x: gk.bias_add(x), "inputs", "at least 2"),
    "batch_norm": (lambda x: gk.batch_norm(x), "inputs", "at least 2"),
    "layer_norm": (lambda x: gk.layer_norm(x), "inputs", "at least 2"),
    "softmax": (lambda x: gk.softmax(x), "logits", "at least 1"),
    "flatten": (lambda x: gk.flatten(x), "inputs", "at least 1"),
    "relu": (lambda x: gk.relu(x), "inputs", None),
    "dropout": (lambda x: gk.dropout(x, 0.5), "inputs", None),
    "l2_loss": (lambda x: gk.l2_loss(x), "tensor", None),
    "rnn": (lambda x: gk.rnn(x, 8)[0], "inputs", "3"),
}
each_builder = pytest.mark.parametrize("function", BUILDERS)


def good_input(function):
    """Returns an array that the builder takes."""
    axes = int(BUILDERS[function][2] or 4) if BUILDERS[function][2] in ("3", "4", None) else 4
    return np.ones((2, 4, 3) if axes == 3 else IMAGES, np.float32)
