"""Preparing examples: pixels to numbers of zero mean and small equal variance, labels to one-hot."""

import numpy as np

from graphkit import checks

__all__ = ["one_hot", "scale_pixels"]


def scale_pixels(images, offset=128.0, scale=128.0):
    """Brings pixel values near zero mean and small equal variance: (channel - offset) / scale.

    What `image_input` does to uint8 images batch by batch; call it where a program feeds a session
    itself.

    Args:
      images: an array of any shape; pixels of 0 to 255 become -1 to 0.9921875 by default.
      offset: what is subtracted, in pixel values.
      scale: what is divided by, in pixel values; positive.

    Returns:
      float32, of the shape of `images`.

    Raises:
      TypeError: `images` is no array of numbers.
      ValueError: a scale that is not positive.

    Example:
      >>> gk.scale_pixels(np.array([0, 128, 255], np.uint8))
      array([-1.       ,  0.       ,  0.9921875], dtype=float32)
    """
    function = "scale_pixels"
    offset = checks.number(function, "offset", offset)
    scale = checks.number(function, "scale", scale, above=0)
    images = checks.array(function, "images", images)
    if images.dtype.kind not in "uif":
        raise TypeError(checks.message(function, "images must hold numbers", dtype=images.dtype))
    scaled = np.subtract(images, np.float32(offset), dtype=np.float32)
    scaled *= np.float32(1 / scale)
    return scaled


def one_hot(labels, num_classes):
    """Turns integer labels into rows with a single one.

    Args:
      labels: integers (N,), each from 0 to num_classes - 1.
      num_classes: how many classes there are.

    Returns:
      float32 (N, num_classes).

    Raises:
      TypeError: labels that are no integers.
      ValueError: labels out of range or of more than one axis.

    Example:
      >>> gk.one_hot(np.array([2, 0]), 3)
      array([[0., 0., 1.],
             [1., 0., 0.]], dtype=float32)
    """
    function = "one_hot"
    num_classes = checks.integer(function, "num_classes", num_classes)
    labels = checks.array(function, "labels", labels, rank=1)
    if labels.dtype.kind not in "ui":
        raise TypeError(checks.message(function, "labels must be integers", dtype=labels.dtype))
    if labels.size:
        low, high = int(labels.min()), int(labels.max())
        rule = f"labels must lie in 0..{num_classes - 1}"
        checks.require(low >= 0 and high < num_classes, function, rule, minimum=low, maximum=high)
    rows = np.zeros((len(labels), num_classes), np.float32)
    rows[np.arange(len(labels)), labels] = 1
    return rows
