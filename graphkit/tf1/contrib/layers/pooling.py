"""Pooling: the largest value, or the mean, of each window."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from graphkit.tf1.contrib.framework.arg_scopes import add_arg_scope
from graphkit.tf1.contrib.layers import scopes, utils
from graphkit.tf1.layers import pooling

v1 = tf.compat.v1

__all__ = ["avg_pool2d", "avg_pool3d", "max_pool2d", "max_pool3d"]


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
