"""Layers without weights, and layers in a row."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from graphkit.tf1.contrib.framework import variables
from graphkit.tf1.contrib.framework.arg_scopes import add_arg_scope
from graphkit.tf1.contrib.layers import scopes, utils
from graphkit.tf1.layers import core

v1 = tf.compat.v1

__all__ = """
bias_add dense_to_sparse dropout flatten maxout one_hot_encoding repeat scale_gradient
softmax spatial_softmax stack unit_norm
""".split()


@add_arg_scope
def bias_add(
    inputs: Any,
    activation_fn: Any = None,
    initializer: Any = v1.zeros_initializer(),  # noqa: B008
    regularizer: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    data_format: str = "NHWC",
    scope: Any = None,
) -> tf.Tensor:
    """Adds biases, one for each channel."""
    form = scopes.format_of(data_format)
    with v1.variable_scope(scope, "BiasAdd", reuse=reuse) as opened:
        inputs = tf.convert_to_tensor(inputs)
        if inputs.shape.rank != 4 and data_format == "NCHW":
            raise ValueError("Data format NCHW only supports 4D Tensor")
        biases = variables.model_variable(
            "biases",
            [utils.channel_dimension(inputs.shape, form)],
            inputs.dtype.base_dtype,
            initializer,
            regularizer,
            trainable,
            utils.get_variable_collections(variables_collections, "biases"),
        )
        outputs = tf.nn.bias_add(inputs, biases, data_format)
        return scopes.finish(opened.name, outputs, activation_fn, outputs_collections)


@add_arg_scope
def dropout(
    inputs: Any,
    keep_prob: Any = 0.5,
    noise_shape: Any = None,
    is_training: Any = True,
    outputs_collections: Any = None,
    scope: Any = None,
    seed: int | None = None,
) -> tf.Tensor:
    """Keeps each unit with probability keep_prob, in training."""
    with v1.variable_scope(scope, "Dropout") as opened:
        rate = 1 - (tf.cast(keep_prob, tf.float32) if tf.is_tensor(keep_prob) else keep_prob)
        layer = core.Dropout(rate, noise_shape, seed, opened.name, _scope=opened)
        outputs = layer.apply(tf.convert_to_tensor(inputs), training=is_training)
        return utils.collect_named_outputs(outputs_collections, opened.name, outputs)


@add_arg_scope
def flatten(inputs: Any, outputs_collections: Any = None, scope: Any = None) -> tf.Tensor:
    with v1.name_scope(scope, "Flatten") as opened:
        return utils.collect_named_outputs(
            outputs_collections, opened, core.flatten(tf.convert_to_tensor(inputs))
        )


@add_arg_scope
def one_hot_encoding(
    labels: Any,
    num_classes: int,
    on_value: float = 1.0,
    off_value: float = 0.0,
    outputs_collections: Any = None,
    scope: Any = None,
) -> tf.Tensor:
    with v1.name_scope(scope, "OneHotEncoding") as opened:
        labels = tf.convert_to_tensor(labels)
        labels = tf.cast(labels, tf.int64) if labels.dtype == tf.int32 else labels
        outputs = tf.one_hot(labels, num_classes, on_value=on_value, off_value=off_value)
        return utils.collect_named_outputs(outputs_collections, opened, outputs)


@add_arg_scope
def dense_to_sparse(
    tensor: Any, eos_token: Any = 0, outputs_collections: Any = None, scope: Any = None
) -> tf.SparseTensor:
    """Returns the elements that differ from eos_token."""
    with v1.variable_scope(scope, "dense_to_sparse") as opened:
        tensor = tf.convert_to_tensor(tensor)
        indices = tf.where(tf.not_equal(tensor, tf.constant(eos_token, tensor.dtype)))
        shape = tf.shape(tensor, out_type=tf.int64)
        outputs = tf.SparseTensor(indices, tf.gather_nd(tensor, indices), shape)
        return utils.collect_named_outputs(outputs_collections, opened.name, outputs)


@add_arg_scope
def softmax(logits: tf.Tensor, scope: Any = None) -> tf.Tensor:
    """Returns probabilities, by the last axis."""
    with v1.variable_scope(scope, "softmax"):
        flat = tf.reshape(logits, [-1, utils.last_dimension(logits.shape, min_rank=2)])
        outputs = tf.reshape(tf.nn.softmax(flat), tf.shape(logits))
        outputs.set_shape(logits.shape)
        return outputs


@add_arg_scope
def spatial_softmax(
    features: tf.Tensor,
    temperature: Any = None,
    name: Any = None,
    variables_collections: Any = None,
    trainable: bool = True,
    data_format: str = "NHWC",
) -> tf.Tensor:
    """Returns for each channel where it lies, in -1..1: (batch, 2 * channels), pairs of (down, right)."""
    first = scopes.format_of(data_format) == "channels_first"
    channels = utils.channel_dimension(features.shape, "channels_first" if first else "channels_last", 4)
    with v1.variable_scope(name, "spatial_softmax"):
        collections = (
            utils.get_variable_collections(variables_collections, "temperature") if trainable else None
        )
        temperature = variables.model_variable(
            "temperature",
            [],
            tf.float32,
            v1.constant_initializer(1.0 if temperature is None else temperature),
            trainable=trainable,
            collections=collections,
        )
        features = features if first else tf.transpose(features, [0, 3, 1, 2])
        height, width = tf.shape(features)[2], tf.shape(features)[3]
        attention = tf.nn.softmax(tf.reshape(features, [-1, height * width]) / temperature)
        grid = tf.meshgrid(tf.linspace(-1.0, 1.0, height), tf.linspace(-1.0, 1.0, width), indexing="ij")
        places = [tf.reduce_sum(attention * tf.reshape(one, [-1]), 1, keepdims=True) for one in grid]
        return tf.reshape(tf.concat(places, 1), [-1, 2 * channels])


@add_arg_scope
def unit_norm(inputs: tf.Tensor, dim: int, epsilon: float = 1e-7, scope: Any = None) -> tf.Tensor:
    """Divides by the Euclidean norm along an axis."""
    with v1.variable_scope(scope, "UnitNorm"):
        if inputs.shape.rank is None:
            raise ValueError("The input rank must be known.")
        if not 0 <= dim < inputs.shape.rank:
            raise ValueError("dim must be positive but smaller than the input rank.")
        return inputs / tf.sqrt(epsilon + tf.reduce_sum(tf.square(inputs), dim, keepdims=True))


@add_arg_scope
def maxout(inputs: Any, num_units: int, axis: int = -1, scope: Any = None) -> tf.Tensor:
    """Returns the largest of each group of neighbouring channels."""
    with v1.variable_scope(scope, "MaxOut"):
        inputs = tf.convert_to_tensor(inputs)
        channels = utils.size_of(inputs.shape, axis, 1)
        if channels % num_units:
            raise ValueError(f"number of features({channels}) is not a multiple of num_units({num_units})")
        sizes = [
            tf.shape(inputs)[i] if size is None else size for i, size in enumerate(inputs.shape.as_list())
        ]
        sizes[axis] = num_units
        return tf.reduce_max(tf.reshape(inputs, [*sizes, channels // num_units]), -1)


@tf.custom_gradient
def scale_gradient(inputs: tf.Tensor, gradient_multiplier: Any) -> Any:
    """Returns the inputs, with gradients that are multiplied."""
    return tf.identity(inputs), lambda gradient: (gradient * gradient_multiplier, None)


def repeat(inputs: Any, repetitions: int, layer: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Applies a layer again and again; scopes are numbered from 1."""
    return in_a_row("repeat", inputs, layer, [args] * repetitions, kwargs)


def stack(inputs: Any, layer: Callable[..., Any], stack_args: Sequence[Any], **kwargs: Any) -> Any:
    """Applies a layer once for each of stack_args, which are its arguments; scopes are numbered from 1."""
    if not isinstance(stack_args, (list, tuple)):
        raise ValueError("stack_args need to be a list or tuple")
    rows = [one if isinstance(one, (list, tuple)) else [one] for one in stack_args]
    return in_a_row("stack", inputs, layer, rows, kwargs)


def in_a_row(
    function: str, outputs: Any, layer: Callable[..., Any], rows: Sequence[Any], kwargs: dict[str, Any]
) -> Any:
    scope = kwargs.pop("scope", None)
    with v1.variable_scope(scope, function.capitalize()):
        outputs = tf.convert_to_tensor(outputs)
        function_of = layer.func if isinstance(layer, functools.partial) else layer
        name = scope or getattr(function_of, "__name__", function)
        for number, row in enumerate(rows, 1):
            outputs = layer(outputs, *row, **{**kwargs, "scope": f"{name}_{number}"})
        return outputs
