"""Pixels: what a `gk.image_input` takes, and which numbers the network gets for them.

There is one rule, wherever images are given:

- Integers from 0 to 255 are pixels, of whatever dtype. They become uint8, and are scaled in each step.
- Floats have been scaled before. They are taken as they are, and refused where scaling gives no such numbers.

Other placeholders, `gk.image_input(..., scale=None)` among them, have no scaling: the rule is not for them.
"""

import json
import logging
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.data import array_checks, batches, columns
from graphkit.nn import inputs
from graphkit.running import data_keys

# How far floats may lie outside of what scaling gives, in parts of its range: images may have been made
# brighter or got noise after they were scaled, and some programs scale to -1..1. Pixels that nobody scaled
# are far outside.
SLACK = 0.25
MOST_STANDARDISED = 16  # floats up to this are not taken for pixels of 0 to 255
FAINT = 0.15  # a network gets hardly any differences from images whose scaled pixels differ by less
SAMPLE = 64  # images that are looked at for that
logger = logging.getLogger("graphkit")
OTHERS = "gk.image_input(..., scale=None) takes any numbers"


class Scaling(NamedTuple):
    """How an image placeholder scales its pixels: (pixel - offset) / scale."""

    offset: float
    scale: float

    @property
    def lowest(self) -> float:
        """What a pixel of 0 becomes."""
        return (0 - self.offset) / self.scale

    @property
    def highest(self) -> float:
        """What a pixel of 255 becomes."""
        return (255 - self.offset) / self.scale

    @property
    def factor(self) -> np.float32:
        return np.float32(1 / self.scale)  # a product has other bits than a quotient: all must multiply

    def emit(self, pixels: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
        """Returns the tensor of scaled pixels, with the bits of `rows`."""
        return (tf.cast(pixels, dtype) - np.float32(self.offset)) * self.factor

    def rows(self, pixels: np.ndarray, dtype: Any = np.float32) -> np.ndarray:
        """Returns scaled pixels, with the bits of `emit` and `gk.scale_pixels`."""
        rows = pixels.astype(dtype)
        rows -= np.float32(self.offset)
        rows *= self.factor
        return rows

    def holds(self, rows: np.ndarray) -> bool:
        """Whether floats are finite, and such as scaling gives."""
        slack = SLACK * (self.highest - self.lowest)
        if not rows.size:
            return True
        # No comparison holds for NaN. Two reductions of rows that are in the processor's cache take as long
        # as the sum in float64 by which other floats are checked.
        return bool(self.lowest - slack <= rows.min() and rows.max() <= self.highest + slack)

    def refuse(self, check: checks.Checker, placeholder: tf.Tensor, rows: np.ndarray) -> None:
        """Raises for floats that scaling does not give."""
        name, code = placeholder.name, data_keys.code_of(placeholder)
        given = "" if self == Scaling(128.0, 128.0) else f", offset={self.offset:g}, scale={self.scale:g}"
        # Scaling would bring standardised images close to one number, which nobody would be told.
        are_pixels = bool(rows.min() >= 0 and rows.max() >= MOST_STANDARDISED)
        todo = f"scale pixels by gk.scale_pixels({code}{given}), or " if are_pixels else ""
        rule = (
            f"{name} takes pixels 0..255 as integers, or floats that were scaled to "
            f"{self.lowest:.4g}..{self.highest:.4g}: {todo}make {name} by gk.image_input(..., scale=None), "
            f"which takes any floats{'' if are_pixels else ', such as standardised images'}"
        )
        raise ValueError(check.message(rule, lowest=short(rows.min()), highest=short(rows.max())))


def short(number: Any) -> float:
    return float(f"{float(number):.4g}")


def scalings(graph: tf.Graph) -> dict[str, Scaling]:
    """Returns {placeholder name: its scaling} of the graph's image placeholders."""
    texts = graph.get_collection(inputs.PIXEL_SCALING)
    return {name: Scaling(offset, scale) for name, offset, scale in map(json.loads, texts)}


def scaling_of(placeholder: tf.Tensor) -> Scaling | None:
    return scalings(placeholder.graph).get(placeholder.name)


def as_pixels(
    check: checks.Checker, placeholder: tf.Tensor, array: np.ndarray | columns.Column
) -> np.ndarray | columns.Column:
    """Returns the examples for a placeholder: integers for one of images as uint8, all others as they are.

    Of columns and mapped files nothing is read: they are converted, and checked, as they are read.
    """
    # Each mini-batch of a stream comes here, too, so what most of them are is told first.
    is_uint8 = array.dtype == np.uint8
    if array.dtype.kind not in "uib" or (is_uint8 and check.function != "fit"):
        return array
    name, code, scaling = placeholder.name, data_keys.code_of(placeholder), scaling_of(placeholder)
    if scaling is None:
        return array
    if check.function == "fit" and isinstance(array, np.ndarray) and array.dtype.kind in "ui":
        warn_of_faint(check, placeholder, array, scaling)
    if is_uint8:
        return array
    rule = f"{name} takes pixels 0..255, not booleans: give {code} * np.uint8(255)"
    check.require_type(array.dtype.kind != "b", rule, dtype=str(array.dtype))
    if isinstance(array, np.ndarray) and batches.mapping_of(array) is None:
        pixels = batches.aligned_empty(array.shape, np.uint8)
        pixels[...] = array_checks.check_pixels(check, name, array, None, code, OTHERS)
        return pixels

    def read(indices: np.ndarray) -> np.ndarray:
        rows = array.read(indices) if isinstance(array, columns.Column) else array[indices]
        if isinstance(array, np.ndarray):
            batches.release(array)
        return array_checks.check_pixels(check, name, rows, indices, code, OTHERS)

    in_memory = isinstance(array, columns.Column) and array.in_memory
    return columns.Column(read, array.shape, np.uint8, in_memory=in_memory)


def warn_of_faint(
    check: checks.Checker, placeholder: tf.Tensor, images: np.ndarray, scaling: Scaling
) -> None:
    """Logs that pixels are not 0..255 but, as of black and white images, 0 and 1, by some of the images."""
    some = images[:: max(1, len(images) // SAMPLE)]
    highest = int(some.max()) if some.size else 0
    if len(images) >= SAMPLE and some.min() >= 0 and 0 < highest < FAINT * scaling.scale:
        text = "%s: the largest pixel of %s is %d, of 255, and scaling leaves hardly any contrast; give "
        text += "%s * %d, or make it by gk.image_input(..., scale=None), which takes any numbers as they are"
        code = data_keys.code_of(placeholder)
        logger.warning(text, check.function, placeholder.name, highest, code, 255 // highest)


def as_fed(check: checks.Checker, placeholder: tf.Tensor, given: Any, value: np.ndarray) -> np.ndarray:
    """Returns the value of a placeholder that is fed as it is in every step; pixels are scaled.

    Args:
      given: what the caller gave.
      value: its numbers, in the dtype of the placeholder.
    """
    scaling = scaling_of(placeholder)
    if scaling is None:
        return value
    array = as_pixels(check, placeholder, np.asarray(given))[:]
    if array.dtype == np.uint8:
        return scaling.rows(array, value.dtype)
    if not scaling.holds(value):
        scaling.refuse(check, placeholder, value)
    return value
