"""Pooling: the largest value, or the mean, of each window."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from graphkit.nn import pooling
from graphkit.tf1.contrib.framework.arg_scopes import add_arg_scope
from graphkit.tf1.contrib.layers import scopes, utils

v1 = tf.compat.v1

__all__ = ["avg_pool2d", "avg_pool3d", "max_pool2d", "max_pool3d", "pool"]


def pool_of(
    name: str, default_scope: str, op: str, default_format: str, build: Callable[..., tf.Tensor]
) -> Callable[..., tf.Tensor]:
    """Returns a function of a pool, which `arg_scope` knows.

    Args:
      op: name of the op in its scope.
      default_format: of the data.
      build: function (inputs, size, strides, padding, data format, name of the op) -> outputs.
    """

    def layer(
        inputs: Any,
        kernel_size: Any,
        stride: Any = 2,
        padding: str = "VALID",
        data_format: str = default_format,
        outputs_collections: Any = None,
        scope: Any = None,
    ) -> tf.Tensor:
        allowed = f"{default_format} {default_format[0]}C{default_format[1:-1]}"
        form = scopes.nn_format(data_format, allowed)
        with v1.name_scope(scope, default_scope) as opened:
            sizes, strides = scopes.integers(kernel_size), scopes.integers(stride)
            outputs = build(tf.convert_to_tensor(inputs), sizes, strides, padding.lower(), form, op)
            return utils.collect_named_outputs(outputs_collections, opened, outputs)

    layer.__name__ = layer.__qualname__ = name
    layer.__doc__ = "Pools each channel over windows."
    return add_arg_scope(layer)


max_pool2d = pool_of("max_pool2d", "MaxPool2D", "MaxPool", "NHWC", pooling.max_pool)
avg_pool2d = pool_of("avg_pool2d", "AvgPool2D", "AvgPool", "NHWC", pooling.avg_pool)


def over_volumes(op: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    def build(inputs: tf.Tensor, size: Any, strides: Any, padding: str, form: str, name: str) -> tf.Tensor:
        return op(
            inputs, size, strides, padding.upper(), "NCDHW" if form == "channels_first" else "NDHWC", name
        )

    return build


max_pool3d = pool_of("max_pool3d", "MaxPool3D", "MaxPool3D", "NDHWC", over_volumes(tf.nn.max_pool3d))
avg_pool3d = pool_of("avg_pool3d", "AvgPool3D", "AvgPool3D", "NDHWC", over_volumes(tf.nn.avg_pool3d))


@add_arg_scope
def pool(
    inputs: Any,
    kernel_size: Any,
    pooling_type: str,
    padding: str = "VALID",
    data_format: str | None = None,
    dilation_rate: Any = 1,
    stride: Any = 1,
    outputs_collections: Any = None,
    scope: Any = None,
) -> tf.Tensor:
    """Pools over any number of spatial axes; pooling_type is "AVG" or "MAX"."""
    with v1.name_scope(scope, f"{pooling_type.lower()}_pool") as opened:
        inputs = tf.convert_to_tensor(inputs)
        if inputs.shape.rank is None or inputs.shape.rank < 3:
            raise ValueError("Rank of inputs must be known, and >= 3")
        axes = inputs.shape.rank - 2
        outputs = v1.nn.pool(
            inputs,
            window_shape=utils.n_positive_integers(axes, kernel_size),
            pooling_type=pooling_type,
            padding=padding,
            dilation_rate=utils.n_positive_integers(axes, dilation_rate),
            strides=utils.n_positive_integers(axes, stride),
            data_format=data_format,
            name=opened,
        )
        return utils.collect_named_outputs(outputs_collections, opened, outputs)
