"""Convolutions of sequences, images and volumes: plain, transposed and separable ones."""

from typing import Any

import tensorflow as tf

from graphkit import checks
from graphkit.nn import data_formats, windows
from graphkit.nn.convolutions import convolve
from graphkit.nn.separable_convolutions import convolve_separably
from graphkit.nn.transposed_convolutions import convolve_transposed
from graphkit.nn.variables import Constraint, Initializer, Regularizer
from graphkit.tf1.layers.core import ZEROS, Weighted
from graphkit.tf1.layers.functions import function_of, shows_arguments
from graphkit.tf1.layers.input_spec import InputSpec


def window_of(check: checks.Checker, axes: int, name: str, *arguments: Any) -> windows.Window:
    """Returns the window of a layer's arguments; of a wrong type, TF 1.15 raised `ValueError`."""
    try:
        return windows.check_window(check, axes, name, *arguments)
    except TypeError as error:
        raise ValueError(str(error)) from None


@shows_arguments()
class Convolution(Weighted):
    """Base of convolutions; the arguments from `activation` on are those of TensorFlow 1.15, in its order."""

    rank: int  # number of spatial axes
    _op_name: str

    def __init__(
        self,
        filters: int,
        kernel_size: windows.Sizes,
        strides: windows.Sizes = 1,
        padding: str = "valid",
        data_format: str | None = "channels_last",
        dilation_rate: windows.Sizes = 1,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.filters = self._check.integer("filters", filters, whole_floats=True)
        shape = (kernel_size, strides, padding, data_format or "channels_last", dilation_rate)
        self._window = window_of(self._check, self.rank, "kernel_size", *shape)
        self.kernel_size, self.strides, self.dilation_rate, self.padding, self.data_format = self._window
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def build(self, input_shape: Any) -> None:
        axis = data_formats.channel_axis(self.data_format)
        channels = tf.TensorShape(input_shape).with_rank(self.rank + 2).as_list()[axis]
        rule = "the axis of the channels must have a known size"
        self._check.require(channels is not None, rule, shape=input_shape)
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={axis: channels})
        self._make_kernels(channels)
        self.bias = self._make("bias", (self.filters,)) if self.use_bias else None
        self.built = True

    def call(self, inputs: Any) -> tf.Tensor:
        return self._finish(self._convolve(tf.convert_to_tensor(inputs)), self.data_format)

    def _make_kernels(self, channels: int) -> None:
        self.kernel = self._make("kernel", (*self.kernel_size, channels, self.filters))

    def _convolve(self, inputs: tf.Tensor) -> tf.Tensor:
        return convolve(inputs, self._window, self.kernel, self._op_name)

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        return tf.TensorShape(self._window.output_shape(tf.TensorShape(input_shape).as_list(), self.filters))


class Conv1D(Convolution):
    rank, _op_name = 1, "conv1d"


class Conv2D(Convolution):
    rank, _op_name = 2, "Conv2D"


class Conv3D(Convolution):
    rank, _op_name = 3, "Conv3D"


@shows_arguments("dilation_rate")
class Transposed(Convolution):
    """Base of transposed convolutions, which have no dilation."""

    def __init__(
        self,
        filters: int,
        kernel_size: windows.Sizes,
        strides: windows.Sizes = 1,
        padding: str = "valid",
        data_format: str | None = "channels_last",
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, kernel_size, strides, padding, data_format, 1, *args, **kwargs)

    def _make_kernels(self, channels: int) -> None:
        self.kernel = self._make("kernel", (*self.kernel_size, self.filters, channels))

    def _convolve(self, inputs: tf.Tensor) -> tf.Tensor:
        return convolve_transposed(inputs, self._window, self.kernel)

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        shape = tf.TensorShape(input_shape).as_list()
        return tf.TensorShape(self._window.transposed_shape(shape, self.filters))


class Conv2DTranspose(Transposed):
    rank = 2


class Conv3DTranspose(Transposed):
    rank = 3


@shows_arguments()
class Separable(Convolution):
    """Base of convolutions of each channel by itself, after which the channels are mixed."""

    def __init__(
        self,
        filters: int,
        kernel_size: windows.Sizes,
        strides: windows.Sizes = 1,
        padding: str = "valid",
        data_format: str | None = "channels_last",
        dilation_rate: windows.Sizes = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Initializer | None = None,
        pointwise_initializer: Initializer | None = None,
        bias_initializer: Initializer | None = ZEROS,
        depthwise_regularizer: Regularizer | None = None,
        pointwise_regularizer: Regularizer | None = None,
        bias_regularizer: Regularizer | None = None,
        activity_regularizer: Regularizer | None = None,
        depthwise_constraint: Constraint | None = None,
        pointwise_constraint: Constraint | None = None,
        bias_constraint: Constraint | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        self.depthwise_initializer, self.pointwise_initializer = depthwise_initializer, pointwise_initializer
        self.depthwise_regularizer, self.pointwise_regularizer = depthwise_regularizer, pointwise_regularizer
        self.depthwise_constraint, self.pointwise_constraint = depthwise_constraint, pointwise_constraint
        of_bias = (
            None,
            bias_initializer,
            None,
            bias_regularizer,
            activity_regularizer,
            None,
            bias_constraint,
        )
        shape = (filters, kernel_size, strides, padding, data_format, dilation_rate)
        super().__init__(*shape, activation, use_bias, *of_bias, *args, **kwargs)
        self.depth_multiplier = self._check.integer("depth_multiplier", depth_multiplier, whole_floats=True)

    def _make_kernels(self, channels: int) -> None:
        deep = channels * self.depth_multiplier
        self.depthwise_kernel = self._make(
            "depthwise_kernel", (*self.kernel_size, channels, self.depth_multiplier)
        )
        self.pointwise_kernel = self._make("pointwise_kernel", (*(1,) * self.rank, deep, self.filters))

    def _convolve(self, inputs: tf.Tensor) -> tf.Tensor:
        return convolve_separably(inputs, self._window, self.depthwise_kernel, self.pointwise_kernel)


class SeparableConv1D(Separable):
    rank = 1


class SeparableConv2D(Separable):
    rank = 2


conv1d = function_of("conv1d", Conv1D)
conv2d = function_of("conv2d", Conv2D)
conv3d = function_of("conv3d", Conv3D)
conv2d_transpose = function_of("conv2d_transpose", Conv2DTranspose)
conv3d_transpose = function_of("conv3d_transpose", Conv3DTranspose)
separable_conv1d = function_of("separable_conv1d", SeparableConv1D)
separable_conv2d = function_of("separable_conv2d", SeparableConv2D)
