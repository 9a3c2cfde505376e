"""Pools of sequences, images and volumes."""

from typing import Any

import tensorflow as tf

from graphkit import checks
from graphkit.nn import data_formats, windows
from graphkit.nn.pooling import pool
from graphkit.tf1.layers.base import Layer
from graphkit.tf1.layers.convolutional import window_of
from graphkit.tf1.layers.functions import function_of
from graphkit.tf1.layers.input_spec import InputSpec


class Pooling(Layer):
    """Base of pools."""

    rank: int  # number of spatial axes
    _kind: str  # "max" or "mean"

    def __init__(
        self,
        pool_size: windows.Sizes,
        strides: windows.Sizes | None,
        padding: str = "valid",
        data_format: str | None = "channels_last",
        name: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        check = checks.Checker(type(self).__name__)
        shape = (pool_size, pool_size if strides is None else strides, padding)
        self._window = window_of(check, self.rank, "pool_size", *shape, data_format or "channels_last")
        self.pool_size, self.strides, _, self.padding, self.data_format = self._window
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: Any) -> tf.Tensor:
        name = {"max": "MaxPool", "mean": "AvgPool"}[self._kind] + ("3D" if self.rank == 3 else "")
        return pool(self._kind, tf.convert_to_tensor(inputs), self._window, name)

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        shape = tf.TensorShape(input_shape).as_list()
        channels = shape[data_formats.channel_axis(self.data_format)]
        return tf.TensorShape(self._window.output_shape(shape, channels))


class MaxPooling1D(Pooling):
    rank, _kind = 1, "max"


class MaxPooling2D(Pooling):
    rank, _kind = 2, "max"


class MaxPooling3D(Pooling):
    rank, _kind = 3, "max"


class AveragePooling1D(Pooling):
    rank, _kind = 1, "mean"


class AveragePooling2D(Pooling):
    rank, _kind = 2, "mean"


class AveragePooling3D(Pooling):
    rank, _kind = 3, "mean"


max_pooling1d = function_of("max_pooling1d", MaxPooling1D, with_variables=False)
max_pooling2d = function_of("max_pooling2d", MaxPooling2D, with_variables=False)
max_pooling3d = function_of("max_pooling3d", MaxPooling3D, with_variables=False)
average_pooling1d = function_of("average_pooling1d", AveragePooling1D, with_variables=False)
average_pooling2d = function_of("average_pooling2d", AveragePooling2D, with_variables=False)
average_pooling3d = function_of("average_pooling3d", AveragePooling3D, with_variables=False)
