"""Preparing examples: scaled pixels, gray images, one-hot labels, principal components."""

import numpy as np

from graphkit import checks
from graphkit.data import array_checks

__all__ = ["grayscale", "one_hot", "scale_pixels"]


def scale_pixels(images: np.ndarray, offset: float = 128.0, scale: float = 128.0) -> np.ndarray:
    """Brings pixel values near zero mean and small equal variance: (pixel - offset) / scale.

    `image_input` does this to integers batch by batch; call it for pixels that are floats, or where a program
    feeds a session itself.

    Args:
      images: an array of any shape; pixels of 0 to 255 become -1 to 0.9921875 by default.
      offset: what is subtracted, in pixel values.
      scale: what is divided by, in pixel values; positive.

    Returns:
      float32, of the shape of `images`.

    Raises:
      TypeError: `images` is not an array of numbers.
      ValueError: scale is not positive.

    Example:
      >>> gk.scale_pixels(np.array([0, 128, 255], np.uint8))
      array([-1.       ,  0.       ,  0.9921875], dtype=float32)
    """
    check = checks.Checker("scale_pixels")
    offset = check.number("offset", offset)
    scale = check.number("scale", scale, above=0)
    images = array_checks.check_numbers(check, "images", images)
    scaled = np.subtract(images, np.float32(offset), dtype=np.float32)
    # A product and not a quotient, as in the training loops: both must give the same bits.
    scaled *= np.float32(1 / scale)
    return scaled


def one_hot(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Turns integer labels into rows with a single one.

    Args:
      labels: integers (N,), each from 0 to num_classes - 1.
      num_classes: number of classes.

    Returns:
      float32 (N, num_classes).

    Raises:
      TypeError: labels are not integers.
      ValueError: labels are out of range, or have more than one axis.

    Example:
      >>> gk.one_hot(np.array([2, 0]), 3)
      array([[0., 0., 1.],
             [1., 0., 0.]], dtype=float32)
    """
    check = checks.Checker("one_hot")
    num_classes = check.integer("num_classes", num_classes)
    labels = array_checks.check_integers(check, "labels", labels, rank=1)
    array_checks.check_range(check, "labels", labels, num_classes)
    rows = np.zeros((len(labels), num_classes), np.float32)
    rows[np.arange(len(labels)), labels] = 1
    return rows


def grayscale(images: np.ndarray) -> np.ndarray:
    """Turns colour images into gray ones: (R + G + B) / 3.

    uint8 images stay uint8, rounded to the nearest value, so that they take no more memory than before
    and `image_input` still scales them batch by batch. All other numbers become float32.

    Args:
      images: numbers (..., 3).

    Returns:
      (..., 1), uint8 for uint8 images, else float32.

    Raises:
      TypeError: `images` is not an array of numbers.
      ValueError: the last axis does not hold three channels.

    Example:
      >>> gk.grayscale(np.array([[255, 0, 0], [10, 20, 31]], np.uint8))
      array([[85],
             [20]], dtype=uint8)
    """
    check = checks.Checker("grayscale")
    images = array_checks.check_numbers(check, "images", images)
    rule = "images must have three channels (red, green, blue) as their last axis"
    check.require(images.shape[-1:] == (3,), rule, shape=images.shape)
    of_bytes = images.dtype == np.uint8
    red, green, blue = (images[..., channel : channel + 1] for channel in range(3))
    total = np.add(red, green, dtype=np.uint16 if of_bytes else np.float32)
    total = np.add(total, blue, dtype=total.dtype)
    if of_bytes:
        return ((total + 1) // 3).astype(np.uint8)  # a third has no tie, so this is the nearest
    return total / np.float32(3)


def principal_components(centered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the first two principal directions of centered points, and the lengths along them.

    Args:
      centered: floats (points, numbers), of mean zero over the points.

    Returns:
      (directions, lengths): the first two right singular vectors as columns (numbers, 2), and their
      singular values (2,).
    """
    count, size = centered.shape
    wide = count < size
    # Two eigenvectors of the smaller matrix of products span the two components, at a small part of the
    # cost of a full singular value decomposition. Their squared singular values lose half of the digits,
    # so a decomposition inside that plane gives the directions and lengths.
    _, vectors = np.linalg.eigh(centered @ centered.T if wide else centered.T @ centered)
    span = centered.T @ vectors[:, -2:] if wide else vectors[:, -2:]
    basis, _ = np.linalg.qr(span)
    _, lengths, turned = np.linalg.svd(centered @ basis, full_matrices=False)
    return basis @ turned.T, lengths
