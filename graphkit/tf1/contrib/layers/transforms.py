"""Layers without weights, and layers in a row."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from graphkit.tf1.contrib.framework.arg_scopes import add_arg_scope
from graphkit.tf1.contrib.layers import utils
from graphkit.tf1.layers import core

v1 = tf.compat.v1

__all__ = "dropout flatten one_hot_encoding repeat softmax stack".split()


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
def softmax(logits: tf.Tensor, scope: Any = None) -> tf.Tensor:
    """Returns probabilities, by the last axis."""
    with v1.variable_scope(scope, "softmax"):
        flat = tf.reshape(logits, [-1, utils.last_dimension(logits.shape, min_rank=2)])
        outputs = tf.reshape(tf.nn.softmax(flat), tf.shape(logits))
        outputs.set_shape(logits.shape)
        return outputs


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
