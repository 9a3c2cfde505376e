"""Windows that move over images or sequences, as the kernels of convolutions and the windows of pools do."""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import tensorflow as tf

from graphkit import checks
from graphkit.nn import data_formats, tensors

Sizes: TypeAlias = int | Sequence[int]  # one integer for all spatial axes, or one for each


class Window(NamedTuple):
    """A checked window: a number for each spatial axis, (depth, height, width) or the last of them."""

    size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation_rate: tuple[int, ...]
    padding: str  # "same" or "valid"
    data_format: str

    @property
    def op_format(self) -> str:
        return data_formats.op_format(self.data_format, len(self.size))

    @property
    def extent(self) -> tuple[int, ...]:
        """How many pixels the window spans along each axis, between its taps, too."""
        return tuple(rate * (size - 1) + 1 for size, rate in zip(self.size, self.dilation_rate, strict=True))

    def output_shape(self, shape: Sequence[int | None], channels: int | None) -> list[int | None]:
        """Returns the shape that a convolution or a pool by this window makes, as far as it is known."""
        axes = data_formats.spatial_axes(self.data_format, len(self.size))
        result = list(shape)
        for axis, extent, stride in zip(axes, self.extent, self.strides, strict=True):
            size, less = shape[axis], extent - 1 if self.padding == "valid" else 0
            result[axis] = None if size is None else -((less - size) // stride)
        result[data_formats.channel_axis(self.data_format)] = channels
        return result

    def transposed_shape(self, shape: Sequence[int | None], channels: int | None) -> list[int | None]:
        """Returns the shape that a transposed convolution makes, as far as it is known.

        The sizes may be scalar tensors, too.
        """
        axes = data_formats.spatial_axes(self.data_format, len(self.size))
        result = list(shape)
        for axis, length, stride in zip(axes, self.size, self.strides, strict=True):
            size, more = shape[axis], max(length - stride, 0) if self.padding == "valid" else 0
            result[axis] = None if size is None else size * stride + more
        result[data_formats.channel_axis(self.data_format)] = channels
        return result


def check_window(
    check: checks.Checker,
    axes: int,
    size_name: str,
    size: Sizes,
    strides: Sizes,
    padding: str,
    data_format: str,
    dilation_rate: Sizes = 1,
) -> Window:
    """Returns the window over `axes` spatial axes that a layer's arguments describe."""
    window = Window(
        check.integers(size_name, size, axes, whole_floats=True),
        check.integers("strides", strides, axes, whole_floats=True),
        check.integers("dilation_rate", dilation_rate, axes, whole_floats=True),
        check.choice("padding", padding, ("same", "valid")),
        data_formats.check_data_format(check, data_format),
    )
    check.require(
        max(window.strides) == 1 or max(window.dilation_rate) == 1,
        "strides above 1 and a dilation_rate above 1 do not go together",
        strides=window.strides,
        dilation_rate=window.dilation_rate,
    )
    return window


def check_fits(check: checks.Checker, inputs: tf.Tensor, window: Window) -> None:
    """Refuses a valid window that is larger than the image or sequence."""
    axes = data_formats.spatial_axes(window.data_format, len(window.size))
    for axis, extent in zip(axes, window.extent, strict=True):
        size = inputs.shape.as_list()[axis]
        check.require(
            window.padding == "same" or size is None or extent <= size,
            "a valid window must fit into the inputs",
            shape=tensors.shape_text(inputs),
            window=window.extent,
        )
