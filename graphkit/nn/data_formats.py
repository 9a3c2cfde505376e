"""Data formats: where the channels of images and sequences stand, and what TensorFlow's ops call that."""

from collections.abc import Sequence

from graphkit import checks

DATA_FORMATS = ("channels_last", "channels_first")


def check_data_format(check: checks.Checker, data_format: str) -> str:
    return check.choice("data_format", data_format, DATA_FORMATS)


def channel_axis(data_format: str) -> int:
    return -1 if data_format == "channels_last" else 1


def spatial_axes(data_format: str, count: int) -> list[int]:
    """Returns the axes of depth, height and width (count 3), or the last two or one of them."""
    first = 1 if data_format == "channels_last" else 2
    return list(range(first, first + count))


def op_format(data_format: str, count: int) -> str:
    """Returns TensorFlow's own word for the format with `count` spatial axes, such as "NHWC" or "NCW"."""
    spatial = "DHW"[-count:]
    return f"N{spatial}C" if data_format == "channels_last" else f"NC{spatial}"


def per_axis(sizes: Sequence[int], data_format: str) -> tuple[int, ...]:
    """Returns numbers for the spatial axes as one for each axis, 1 for batch and channels."""
    return (1, *sizes, 1) if data_format == "channels_last" else (1, 1, *sizes)
