"""Convolutions and pools of sequences, images and volumes by their definitions, for any number of axes."""

import math
import string

import numpy as np


def per_axis(value, axes):
    return value if isinstance(value, tuple) else (value,) * axes


def windows_of(values, size, strides=1, padding="valid", dilation=1, fill=0.0):
    """Returns (batch, positions ..., taps ..., channels) of (batch, sizes ..., channels).

    For "same" half of what is missing is put before the values, the rest behind them.
    """
    axes = values.ndim - 2
    strides, dilation = per_axis(strides, axes), per_axis(dilation, axes)
    extents = [rate * (taps - 1) + 1 for taps, rate in zip(size, dilation, strict=True)]
    if padding == "same":
        missing = [
            max((math.ceil(length / step) - 1) * step + extent - length, 0)
            for length, step, extent in zip(values.shape[1:-1], strides, extents, strict=True)
        ]
        pads = [(0, 0), *((number // 2, number - number // 2) for number in missing), (0, 0)]
        values = np.pad(values, pads, constant_values=fill)
    counts = [
        (length - extent) // step + 1
        for length, extent, step in zip(values.shape[1:-1], extents, strides, strict=True)
    ]
    result = np.empty((values.shape[0], *counts, *size, values.shape[-1]), values.dtype)
    for place in np.ndindex(*counts, *size):
        position, tap = place[:axes], place[axes:]
        at = [p * s + t * d for p, s, t, d in zip(position, strides, tap, dilation, strict=True)]
        result[(slice(None), *place)] = values[(slice(None), *at)]
    return result


def convolved(values, kernel, **window):
    """Convolves with a kernel (sizes ..., channels, filters)."""
    axes = values.ndim - 2
    places, taps = string.ascii_lowercase[:axes], string.ascii_lowercase[axes : 2 * axes]
    parts = windows_of(values, kernel.shape[:-2], **window)
    return np.einsum(f"z{places}{taps}x,{taps}xy->z{places}y", parts, kernel)


def separated(values, depthwise, pointwise, **window):
    """Convolves each channel with its own filters; the outputs follow channel by channel, then are mixed."""
    axes = values.ndim - 2
    places, taps = string.ascii_lowercase[:axes], string.ascii_lowercase[axes : 2 * axes]
    parts = windows_of(values, depthwise.shape[:-2], **window)
    own = np.einsum(f"z{places}{taps}x,{taps}xm->z{places}xm", parts, depthwise)
    mixing = pointwise.reshape(pointwise.shape[-2:])
    return own.reshape(*own.shape[:-2], -1) @ mixing


def spread(values, kernel, strides=1, padding="valid"):
    """Transposes a convolution: each value adds its kernel (sizes ..., filters, channels) around it."""
    axes, sizes = values.ndim - 2, kernel.shape[:-2]
    strides = per_axis(strides, axes)
    more = [max(size - step, 0) for size, step in zip(sizes, strides, strict=True)]
    lengths = [
        length * step + extra for length, step, extra in zip(values.shape[1:-1], strides, more, strict=True)
    ]
    result = np.zeros((values.shape[0], *lengths, kernel.shape[-2]))
    for place in np.ndindex(*values.shape[1:-1]):
        for tap in np.ndindex(*sizes):
            at = [p * s + t for p, s, t in zip(place, strides, tap, strict=True)]
            result[(slice(None), *at)] += values[(slice(None), *place)] @ kernel[tap].T
    if padding == "same":  # half of what is too much is cut off at the front, the rest behind
        begins = [extra // 2 for extra in more]
        cut = [
            slice(begin, begin + length - extra)
            for begin, length, extra in zip(begins, lengths, more, strict=True)
        ]
        result = result[(slice(None), *cut)]
    return result
