"""Augmentation: seeded random jitter of images, so that a network sees many variants of each."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from graphkit import checks
from graphkit.data import array_checks, balance

__all__ = ["Augmentation", "fill_rare_classes"]

CHUNK = 1 << 16  # numbers of the images that are warped at a time; bounds the float copies of them
DRAWS = 7  # random numbers for each image, drawn whatever is switched on


class Augmentation:
    """Shifts, rotates, scales, shears, mirrors and brightens images at random, each image by its own draw.

    An image is mirrored, scaled, sheared and rotated about its centre, then shifted; brightness comes last.
    Pixels are sampled bilinearly between the four nearest. With shift and flip alone pixels move unchanged,
    nothing is interpolated, and with all settings at zero the images come back bit for bit.

    Args:
      shift: pixels; the largest move up or down and left or right, by a whole number of pixels.
      rotate: degrees; the largest angle, clockwise or counterclockwise; 0 to 180.
      scale: the image is enlarged by a factor in [1 - scale, 1 + scale]; 0 to below 1.
      shear: degrees; the largest slant of vertical lines to either side; 0 to below 90.
      flip: whether to mirror left and right with probability one half.
      brightness: the largest number that is added to or subtracted from all of an image, as a fraction of
        the value range; 0 to 1. The range is 255 for uint8, clipped to 0..255, and 1.0 for floats, which
        are not clipped: their range is not known.
      fill: pixel value outside of the image; None takes the nearest pixel of its edge.

    Raises:
      TypeError: shift is not an integer, flip is not a boolean, or another setting is not a number.
      ValueError: a setting is out of its range.

    Formula: output[y, x] = input at centre + F K R (position - centre - shift) / factor, where R turns back
      by the angle, K = [[1, 0], [-tan(shear), 1]] and F = diag(1, -1 or 1) in (y, x).

    Source: P. Simard, D. Steinkraus and J. Platt, "Best practices for convolutional neural networks
      applied to visual document analysis", 2003, section 2.

    Example:
      >>> augmentation = gk.Augmentation(shift=2, rotate=10, flip=True)
      >>> images = gk.load_dataset("mnist_5k").train.images[:64]
      >>> jittered = augmentation(images, seed=(7, 0))
      >>> jittered.shape, jittered.dtype
      ((64, 28, 28, 1), dtype('uint8'))
    """

    def __init__(
        self,
        shift: int = 0,
        rotate: float = 0.0,
        *,
        scale: float = 0.0,
        shear: float = 0.0,
        flip: bool = False,
        brightness: float = 0.0,
        fill: float | None = None,
    ) -> None:
        check = checks.Checker("Augmentation")
        self.shift = check.integer("shift", shift, minimum=0)
        self.rotate = check.number("rotate", rotate, at_least=0, at_most=180)
        self.scale = check.number("scale", scale, at_least=0, below=1)
        self.shear = check.number("shear", shear, at_least=0, below=90)
        check.require_type(isinstance(flip, (bool, np.bool_)), "flip must be True or False", flip=flip)
        self.flip = bool(flip)
        self.brightness = check.number("brightness", brightness, at_least=0, at_most=1)
        self.fill = None if fill is None else check.number("fill", fill)

    def __call__(self, images: np.ndarray, seed: int | Sequence[int]) -> np.ndarray:
        """Returns jittered copies of the images, a function of images and seed alone.

        Image number i has the same draw in a batch of any size, and a setting changes no draw of another.
        NumPy treats a seed s and (s, 0) as the same.

        Args:
          images: uint8 or floating-point (N, height, width, channels).
          seed: a non-negative integer, or a sequence of them such as (seed, step).

        Returns:
          A new array of the same shape and dtype; uint8 is rounded to the nearest.

        Raises:
          TypeError: the images are neither uint8 nor floating-point.
          ValueError: the images do not have four axes, the shift is as large as they are, or their dtype
            cannot hold the fill.
        """
        check = checks.Checker("Augmentation")
        images = check_images(check, images)
        fits = self.shift < min(images.shape[1:3])
        check.require(fits, "shift must be smaller than the images", shift=self.shift, shape=images.shape)
        check_fill(check, self.fill, images.dtype)
        generator = np.random.default_rng(array_checks.check_seed(check, seed))
        # All draws of all images at once: which are used depends neither on the settings nor on the chunks.
        draws = generator.random((len(images), DRAWS))
        results = np.empty(images.shape, images.dtype)
        step = max(1, CHUNK // max(1, math.prod(images.shape[1:])))
        for start in range(0, len(images), step):
            part = slice(start, start + step)
            results[part] = self.jitter(images[part], draws[part])
        return results

    def jitter(self, images: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Returns the images jittered by draws (N, 7) from [0, 1), which span each setting's range."""
        shifts = np.floor(draws[:, :2] * (2 * self.shift + 1)) - self.shift
        turn, enlarge, slant = (2 * draws[:, 2:5] - 1).T
        matrices = backward_matrices(
            turn * self.rotate, 1 + enlarge * self.scale, slant * self.shear, self.flip & (draws[:, 5] < 0.5)
        )
        warped = warp(images, matrices, shifts, self.fill)
        if self.brightness:
            most = self.brightness * (255 if images.dtype == np.uint8 else 1)
            added = most * (2 * draws[:, 6] - 1)
            warped = warped + added.astype(working_dtype(images))[:, None, None, None]
        if images.dtype == np.uint8 and warped.dtype != np.uint8:
            warped = np.clip(np.rint(warped), 0, 255)
        return warped.astype(images.dtype, copy=False)


def check_images(check: checks.Checker, images: np.ndarray) -> np.ndarray:
    images = array_checks.as_array(check, "images", images, rank=4)
    check.require_type(
        images.dtype == np.uint8 or images.dtype.kind == "f",
        "images must be uint8 or floating-point",
        dtype=str(images.dtype),
    )
    rule = "images must have a height, a width and channels of at least 1"
    check.require(min(images.shape[1:]) > 0, rule, shape=images.shape)
    return images


def check_fill(check: checks.Checker, fill: float | None, dtype: np.dtype) -> None:
    if fill is None:
        return
    if dtype == np.uint8:
        rule = "fill must be an integer from 0 to 255 for uint8 images"
        check.require(fill.is_integer() and 0 <= fill <= 255, rule, fill=fill)
    else:
        fits = abs(fill) <= float(np.finfo(dtype).max)
        check.require(fits, f"fill must fit {dtype} images", fill=fill)


def backward_matrices(
    degrees: np.ndarray, factors: np.ndarray, shear_degrees: np.ndarray, flips: np.ndarray
) -> np.ndarray:
    """Returns float64 (N, 2, 2): from (y, x) of the output to (y, x) of the input, about the centre."""
    # Backward, since each output pixel must find its place in the input: turned back, unslanted, mirrored,
    # F K R written out. Rows of y point down, so that a positive angle is counterclockwise as it is seen.
    angle, slant = np.radians(degrees), np.tan(np.radians(shear_degrees))
    cosine, sine = np.cos(angle), np.sin(angle)
    mirror = np.where(flips, -1.0, 1.0)
    from_y = np.stack([cosine, -mirror * (sine + slant * cosine)], axis=-1)
    from_x = np.stack([sine, mirror * (cosine - slant * sine)], axis=-1)
    return np.stack([from_y, from_x], axis=-1) / factors[:, None, None]


def warp(images: np.ndarray, matrices: np.ndarray, shifts: np.ndarray, fill: float | None) -> np.ndarray:
    """Samples each image at matrix @ (position - centre - shift) + centre, bilinearly."""
    height, width = images.shape[1:3]
    centre = np.array([(height - 1) / 2, (width - 1) / 2])
    offsets = centre - np.einsum("nij,nj->ni", matrices, centre + shifts)
    down, across = np.arange(height)[None, :, None], np.arange(width)[None, None, :]
    (row_y, row_x), (column_y, column_x) = np.moveaxis(matrices, 0, -1)[..., None, None]
    rows = row_y * down + row_x * across + offsets[:, 0, None, None]
    columns = column_y * down + column_x * across + offsets[:, 1, None, None]

    top, left = np.floor(rows), np.floor(columns)
    dtype = working_dtype(images)
    below, right = (rows - top)[..., None].astype(dtype), (columns - left)[..., None].astype(dtype)
    top, left = top.astype(np.intp), left.astype(np.intp)
    # Shifts and flips alone land on pixels: picked, not interpolated, even NaN and -0.0 keep their bits.
    if not (below.any() or right.any()):
        return pick(images, top, left, fill)
    upper = (1 - right) * pick(images, top, left, fill) + right * pick(images, top, left + 1, fill)
    lower = (1 - right) * pick(images, top + 1, left, fill) + right * pick(images, top + 1, left + 1, fill)
    return (1 - below) * upper + below * lower


def pick(images: np.ndarray, rows: np.ndarray, columns: np.ndarray, fill: float | None) -> np.ndarray:
    """Returns the pixels at integer positions (N, height, width); outside, `fill` or the nearest edge."""
    count, height, width, channels = images.shape
    y, x = np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)
    first = np.arange(count)[:, None, None] * (height * width)
    pixels = np.take(images.reshape(-1, channels), first + y * width + x, axis=0)
    if fill is not None:
        pixels[(y != rows) | (x != columns)] = fill
    return pixels


def working_dtype(images: np.ndarray) -> np.dtype:
    return np.result_type(images.dtype, np.float32)


def fill_rare_classes(
    images: np.ndarray,
    labels: np.ndarray,
    augmentation: Callable[[np.ndarray, Sequence[int]], np.ndarray],
    *,
    seed: int | Sequence[int] = 0,
    classes: Sequence[int] | np.ndarray | None = None,
    count: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Appends jittered copies of the examples of rare classes until each has `count` examples.

    All examples of a class are copied once before any is copied a second time.

    Args:
      images: (N, height, width, channels), uint8 or floating-point.
      labels: integers (N,).
      augmentation: a `gk.Augmentation`, or another function of (images, seed) that keeps shape and dtype.
      seed: a non-negative integer, or a sequence of them.
      classes: labels of the classes to fill; None fills all that have fewer than `count` examples. A
        class that has `count` or more stays as it is.
      count: examples that each of them shall have; None takes the size of the most frequent class.

    Returns:
      (images, labels), of the dtypes given: the originals unchanged in their order, then the copies,
      class by class (shuffle before use, as `fit` and `minibatches` do).

    Raises:
      TypeError: labels are not integers, or augmentation is not a function.
      ValueError: images and labels differ in number, there are none, a class to fill has no examples,
        count is below one, or the augmentation changes shape or dtype.

    Example:
      >>> images, labels = np.zeros((4, 8, 8, 1), np.uint8), np.array([0, 0, 0, 1])
      >>> images, labels = gk.fill_rare_classes(images, labels, gk.Augmentation(shift=1))
      >>> labels.tolist()
      [0, 0, 0, 1, 1, 1]
    """
    check = checks.Checker("fill_rare_classes")
    images = array_checks.as_array(check, "images", images)
    labels = balance.check_labels(check, labels)
    check.require(
        images.shape[:1] == labels.shape,
        "images must have one label for each",
        images=images.shape,
        labels=labels.shape,
    )
    check.require_type(
        callable(augmentation),
        "augmentation must be a function of (images, seed)",
        augmentation=augmentation,
    )
    seeds = array_checks.check_seed(check, seed)
    present, sizes = np.unique(labels, return_counts=True)
    count = int(sizes.max()) if count is None else check.integer("count", count)
    wanted = present.tolist() if classes is None else check_classes(check, classes, present)

    generator = np.random.default_rng(seeds)
    sources = [np.zeros(0, np.intp)]
    for label in wanted:
        members = np.flatnonzero(labels == label)
        sources.append(balance.draw_evenly(generator, members, max(0, count - len(members))))
    chosen = np.concatenate(sources)
    # Another seed than the generator's: the jitter must not repeat the numbers that chose the examples.
    copies = jittered_copies(check, images[chosen], augmentation, [*seeds, 1])
    return np.concatenate([images, copies]), np.concatenate([labels, labels[chosen]])


def check_classes(
    check: checks.Checker, classes: Sequence[int] | np.ndarray, present: np.ndarray
) -> list[int]:
    """Returns the classes asked for, each once and in their order, if all of them have examples."""
    is_sequence = isinstance(classes, (tuple, list, range, np.ndarray))
    check.require_type(is_sequence, "classes must be a sequence of labels", classes=classes)
    wanted = [check.integer("a class", label, minimum=0) for label in classes]
    missing = sorted(set(wanted) - set(present.tolist()))
    check.require(not missing, "classes must have examples to copy", missing=missing)
    return list(dict.fromkeys(wanted))


def jittered_copies(
    check: checks.Checker,
    images: np.ndarray,
    augmentation: Callable[[np.ndarray, Sequence[int]], np.ndarray],
    seed: list[int],
) -> np.ndarray:
    if len(images) == 0:
        return images
    copies = check.array("the array that augmentation returns", augmentation(images, seed))
    check.require(
        copies.shape == images.shape and copies.dtype == images.dtype,
        f"augmentation must return an array of shape {images.shape} and dtype {images.dtype}",
        shape=copies.shape,
        dtype=str(copies.dtype),
    )
    return copies
