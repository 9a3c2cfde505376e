"""Pooling: the largest value, or the mean, of each window."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from graphkit.tf1.contrib.framework.arg_scopes import add_arg_scope
from graphkit.tf1.contrib.layers import scopes, utils
from graphkit.tf1.layers import pooling

v1 = tf.compat.v1

__all__ = ["avg_pool2d", "avg_pool3d", "max_pool2d", "max_pool3d", "pool"]


def pool_of(
    name: str, default_scope: str, formats: str, kind: type[pooling.Pooling]
) -> Callable[..., tf.Tensor]:
    """Returns a function of a layer of `tf.layers`, which `arg_scope` knows."""

    def layer(
        inputs: Any,
        kernel_size: Any,
        stride: Any = 2,
        padding: str = "VALID",
        data_format: str = formats.split()[0],
        outputs_collections: Any = None,
        scope: Any = None,
    ) -> tf.Tensor:
        form, size = scopes.format_of(data_format, formats), scopes.without_dimensions(kernel_size)
        with v1.name_scope(scope, default_scope) as opened:
            outputs = kind(size, stride, padding, form, _scope=opened).apply(tf.convert_to_tensor(inputs))
            return utils.collect_named_outputs(outputs_collections, opened, outputs)

    layer.__name__ = layer.__qualname__ = name
    layer.__doc__ = "Pools each channel over windows."
    return add_arg_scope(layer)


max_pool2d = pool_of("max_pool2d", "MaxPool2D", "NHWC NCHW", pooling.MaxPooling2D)
avg_pool2d = pool_of("avg_pool2d", "AvgPool2D", "NHWC NCHW", pooling.AveragePooling2D)
max_pool3d = pool_of("max_pool3d", "MaxPool3D", "NDHWC NCDHW", pooling.MaxPooling3D)
avg_pool3d = pool_of("avg_pool3d", "AvgPool3D", "NDHWC NCDHW", pooling.AveragePooling3D)


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
