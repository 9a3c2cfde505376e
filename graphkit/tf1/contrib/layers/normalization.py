"""Normalization over the batch, or over features of each example."""

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from graphkit import checks
from graphkit.nn import normalization
from graphkit.tf1.contrib.framework import variables
from graphkit.tf1.contrib.framework.arg_scopes import add_arg_scope
from graphkit.tf1.contrib.layers import scopes, utils
from graphkit.tf1.layers.normalization import BatchNormalization

v1 = tf.compat.v1
UPDATE_OPS = v1.GraphKeys.UPDATE_OPS
ONES, ZEROS = v1.ones_initializer(), v1.zeros_initializer()
INITIALIZERS = {"beta": ZEROS, "gamma": ONES, "moving_mean": ZEROS, "moving_variance": ONES}
NAMES = {name: (name, name) for name in INITIALIZERS}

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm"]


@add_arg_scope
def batch_norm(
    inputs: Any,
    decay: float = 0.999,
    center: bool = True,
    scale: bool = False,
    epsilon: float = 0.001,
    activation_fn: Any = None,
    param_initializers: dict[str, Any] | None = None,
    param_regularizers: dict[str, Any] | None = None,
    updates_collections: Any = UPDATE_OPS,
    is_training: Any = True,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    batch_weights: None = None,
    fused: bool | None = None,
    data_format: str = "NHWC",
    zero_debias_moving_mean: bool = False,
    scope: Any = None,
    renorm: bool = False,
    renorm_clipping: Any = None,
    renorm_decay: float = 0.99,
    adjustment: Any = None,
) -> tf.Tensor:
    """Normalizes each channel over the batch; refuses batch_weights and zero_debias_moving_mean.

    With updates_collections None the outputs wait for the updates of the moving averages.
    """
    check = checks.Checker("batch_norm")
    refused = {"batch_weights": batch_weights, "zero_debias_moving_mean": zero_debias_moving_mean}
    for name, value in refused.items():
        check.require(
            value is None or value is False, f"{name} is not offered; leave it out", **{name: value}
        )
    axis = 1 if scopes.format_of(data_format) == "channels_first" else -1
    inputs = tf.convert_to_tensor(inputs)
    rank = inputs.shape.rank
    if rank is None:
        raise ValueError(f"Inputs {inputs.name} has undefined rank")
    special = updates_collections != UPDATE_OPS
    check.require(not (renorm and special), "renorm does not go with updates_collections", renorm=renorm)
    # TensorFlow 1.15 gave inputs of two axes to the fused kernel, too, which moves the variance towards the
    # unbiased one.
    as_image = rank == 2 and fused is not False and not renorm and adjustment is None
    values = tf.reshape(inputs, [-1, 1, 1, utils.size_of(inputs.shape, -1, 2)]) if as_image else inputs
    own = {f"{name}_initializer": (param_initializers or {}).get(name, INITIALIZERS[name]) for name in NAMES}
    own |= {f"{name}_regularizer": (param_regularizers or {}).get(name) for name in ("beta", "gamma")}
    with scopes.layer_scope(scope, "BatchNorm", reuse, variables_collections, NAMES) as opened:
        layer = BatchNormalization(
            -1 if as_image else axis,
            decay,
            epsilon,
            center,
            scale,
            renorm=renorm,
            renorm_clipping=renorm_clipping,
            renorm_momentum=renorm_decay,
            fused=fused,
            trainable=trainable,
            adjustment=adjustment,
            name=opened.name,
            _scope=opened,
            _reuse=reuse,
            **own,
        )
        outputs = layer.apply(values, training=is_training)
        if special:  # they are not among UPDATE_OPS then
            collected = v1.get_collection_ref(UPDATE_OPS)
            collected[:] = [op for op in collected if all(op is not update for update in layer.updates)]
            for update in layer.updates if updates_collections else ():
                v1.add_to_collections(updates_collections, update)
        if updates_collections is None:
            with tf.control_dependencies(layer.updates):
                outputs = tf.identity(outputs)
        if as_image:
            outputs = tf.reshape(outputs, tf.shape(inputs))
            outputs.set_shape(inputs.shape)
        return scopes.finish(opened.name, outputs, activation_fn, outputs_collections)


@add_arg_scope
def layer_norm(
    inputs: Any,
    center: bool = True,
    scale: bool = True,
    activation_fn: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    begin_norm_axis: int = 1,
    begin_params_axis: int = -1,
    scope: Any = None,
) -> tf.Tensor:
    """Normalizes each example over its own features."""
    inputs = tf.convert_to_tensor(inputs)
    with scopes.layer_scope(scope, "LayerNorm", reuse, variables_collections, NAMES) as opened:
        outputs = normalization.layer_norm(
            inputs,
            center,
            scale,
            begin_norm_axis=begin_norm_axis,
            begin_params_axis=begin_params_axis,
            epsilon=1e-3 if inputs.dtype == tf.float16 else 1e-12,
            trainable=trainable,
            name=opened,
        )
        return scopes.finish(opened.name, outputs, activation_fn, outputs_collections)


@add_arg_scope
def instance_norm(
    inputs: Any,
    center: bool = True,
    scale: bool = True,
    epsilon: float = 1e-6,
    activation_fn: Any = None,
    param_initializers: dict[str, Any] | None = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    data_format: str = "NHWC",
    scope: Any = None,
) -> tf.Tensor:
    """Normalizes each channel of each example over its positions."""
    axis = 1 if scopes.format_of(data_format) == "channels_first" else -1
    inputs = tf.convert_to_tensor(inputs)
    channels = utils.size_of(inputs.shape, axis, 2)
    rank = inputs.shape.rank
    with v1.variable_scope(scope, "InstanceNorm", reuse=reuse) as opened:
        shape = [channels if place == axis % rank else 1 for place in range(rank)]
        beta, gamma = affine_variables(
            shape, inputs, center, scale, param_initializers, variables_collections, trainable
        )
        axes = [place for place in range(1, rank) if place != axis % rank]
        mean, variance = tf.nn.moments(inputs, axes, keepdims=True)
        outputs = tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, epsilon, name="instancenorm")
        return scopes.finish(opened.name, outputs, activation_fn, outputs_collections)


@add_arg_scope
def group_norm(
    inputs: Any,
    groups: int = 32,
    channels_axis: int = -1,
    reduction_axes: Sequence[int] = (-3, -2),
    center: bool = True,
    scale: bool = True,
    epsilon: float = 1e-6,
    activation_fn: Any = None,
    param_initializers: dict[str, Any] | None = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
    mean_close_to_zero: bool = False,
) -> tf.Tensor:
    """Normalizes each group of channels of each example; mean_close_to_zero changes the rounding only."""
    check = checks.Checker("group_norm")
    inputs = tf.convert_to_tensor(inputs)
    channels, rank = utils.size_of(inputs.shape, channels_axis, 2), inputs.shape.rank
    place, axes = channels_axis % rank, [axis % rank for axis in reduction_axes]
    check.require(place not in axes, "reduction_axes must not contain channels_axis", reduction_axes=axes)
    fits = groups <= channels and channels % groups == 0
    check.require(fits, "groups must divide the channels", groups=groups, channels=channels)
    sizes = [
        tf.shape(inputs)[axis] if size is None else size for axis, size in enumerate(inputs.shape.as_list())
    ]
    grouped = [groups, channels // groups]
    values = tf.reshape(inputs, [*sizes[:place], *grouped, *sizes[place + 1 :]])
    with v1.variable_scope(scope, "GroupNorm", reuse=reuse) as opened:
        shape = [*[1] * place, *grouped, *[1] * (rank - place - 1)]
        beta, gamma = affine_variables(
            shape, inputs, center, scale, param_initializers, variables_collections, trainable
        )
        axes = [place + 1, *(axis + 1 if axis > place else axis for axis in axes)]
        mean, variance = tf.nn.moments(values, axes, keepdims=True)
        outputs = tf.nn.batch_normalization(values, mean, variance, beta, gamma, epsilon)
        outputs = tf.reshape(outputs, sizes)
        outputs.set_shape(inputs.shape)
        return scopes.finish(opened.name, outputs, activation_fn, outputs_collections)


def affine_variables(
    shape: Sequence[int],
    inputs: tf.Tensor,
    center: bool,
    scale: bool,
    initializers: dict[str, Any] | None,
    collections: Any,
    trainable: bool,
) -> list[tf.Tensor | None]:
    """Makes beta and gamma, a number for each channel, and returns them in the shape, or None."""
    made: list[tf.Tensor | None] = []
    for name, wanted in (("beta", center), ("gamma", scale)):
        variable = None
        if wanted:
            variable = variables.model_variable(
                name,
                [math.prod(shape)],
                inputs.dtype.base_dtype,
                (initializers or {}).get(name, INITIALIZERS[name]),
                trainable=trainable,
                collections=utils.get_variable_collections(collections, name),
            )
        made.append(None if variable is None else tf.reshape(variable, shape))
    return made
