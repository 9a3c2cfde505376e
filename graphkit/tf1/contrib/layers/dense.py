"""Layers whose units are connected with all inputs."""

import functools
import inspect
from types import SimpleNamespace
from typing import Any

import tensorflow as tf

from graphkit.tf1.contrib.layers import scopes
from graphkit.tf1.contrib.layers.initializers import xavier_initializer
from graphkit.tf1.layers import core

v1 = tf.compat.v1
Keys = v1.GraphKeys

__all__ = """
elu fully_connected legacy_fully_connected legacy_linear legacy_relu linear relu relu6
""".split()


def build_dense(inputs: tf.Tensor, given: SimpleNamespace) -> tf.Tensor:
    units = given.num_outputs
    if not isinstance(units, int):
        raise ValueError(f"num_outputs type should be one of [int], got {type(units)}.")
    return core.Dense(units, **scopes.arguments_of(given)).apply(inputs)


fully_connected = scopes.weighted_layer(
    "fully_connected",
    "fully_connected",
    {"num_outputs": inspect.Parameter.empty},
    build_dense,
    "Adds a dense layer: activation_fn(normalizer_fn(inputs @ weights)), or with biases.",
)
linear = functools.partial(fully_connected, activation_fn=None)
relu = functools.partial(fully_connected, activation_fn=tf.nn.relu)
relu6 = functools.partial(fully_connected, activation_fn=tf.nn.relu6)
elu = functools.partial(fully_connected, activation_fn=tf.nn.elu)


def legacy_fully_connected(
    x: Any,
    num_output_units: int,
    activation_fn: Any = None,
    weight_init: Any = xavier_initializer(),  # noqa: B008
    bias_init: Any = v1.zeros_initializer(),  # noqa: B008
    name: str | None = None,
    weight_collections: Any = (Keys.WEIGHTS,),
    bias_collections: Any = (Keys.BIASES,),
    output_collections: Any = (Keys.ACTIVATIONS,),
    trainable: bool = True,
    weight_regularizer: Any = None,
    bias_regularizer: Any = None,
) -> tf.Tensor:
    """Adds a dense layer whose weights, bias and outputs are WEIGHTS, BIASES and ACTIVATIONS."""
    names = {"kernel": ("weights", "weights"), "bias": ("bias", "biases")}
    collections = {"weights": weight_collections, "biases": bias_collections}
    with scopes.layer_scope(name, "fully_connected", None, collections, names) as scope:
        layer = core.Dense(
            num_output_units,
            use_bias=bias_init is not None,
            kernel_initializer=weight_init,
            bias_initializer=bias_init,
            kernel_regularizer=weight_regularizer,
            bias_regularizer=bias_regularizer,
            trainable=trainable,
            name=scope.name,
            _scope=scope,
        )
        outputs = layer.apply(tf.convert_to_tensor(x))
        outputs = outputs if activation_fn is None else activation_fn(outputs)
        v1.add_to_collections([*(output_collections or ()), Keys.ACTIVATIONS], outputs)
        return outputs


legacy_linear = functools.partial(legacy_fully_connected, activation_fn=None)
legacy_relu = functools.partial(legacy_fully_connected, activation_fn=tf.nn.relu)
