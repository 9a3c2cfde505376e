"""Augmentation: seeded random jitter of images, so that a network sees each of them in many ways."""

import math

import numpy as np

from graphkit import checks
from graphkit.data import balance

__all__ = ["Augmentation", "fill_rare_classes"]

CHUNK = 1 << 16  # numbers of the images that are warped at a time
DRAWS = 7  # random numbers for each image, drawn whatever is switched on


class Augmentation:
    """Moves, turns, scales, slants, mirrors and lightens images at random, each image by its own draw.

    An image is mirrored, scaled, slanted and turned about its centre, then shifted; brightness comes last.
    Pixels are sampled bilinearly between the four nearest. With shift and flip alone pixels move as they
    are, nothing is interpolated, and with all settings at zero the images come back bit for bit.

    Args:
      shift: whole pixels, at most so many up or down and so many left or right.
      rotate: degrees, at most so many clockwise or counterclockwise; 0 to 180.
      scale: the image is enlarged by a factor in [1 - scale, 1 + scale]; 0 to below 1.
      shear: degrees, at most so many by which vertical lines slant to either side; 0 to below 90.
      flip: whether to mirror left and right with probability one half.
      brightness: the same number, at most this share of the value range either way, is added to all of an
        image; 0 to 1. The range is 255 for uint8, clipped to 0..255, and 1.0 for floats, not clipped, as
        nothing is known of their range.
      fill: pixel value outside of the image; None takes the nearest pixel of its edge.

    Call:
      `augmentation(images, seed)` takes uint8 or floating-point images (N, height, width, channels) and a
      non-negative integer or a sequence of them, such as (seed, step); returns a new array of the same
      shape and dtype (uint8 rounded to the nearest), which is a function of images and seed alone. Image
      number i has the same draw in a batch of any size, and a setting changes no draw of another. NumPy
      takes a seed s and (s, 0) as the same.

    Raises:
      TypeError: a setting of another kind, or images that are neither uint8 nor floating-point.
      ValueError: a setting out of its range, a shift as large as the images, a fill that the images'
        dtype cannot hold, or images that have not four axes.

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

    def __init__(self, shift=0, rotate=0.0, scale=0.0, shear=0.0, flip=False, brightness=0.0, fill=None):
        function = "Augmentation"
        self.shift = checks.integer(function, "shift", shift, minimum=0)
        self.rotate = checks.number(function, "rotate", rotate, at_least=0, at_most=180)
        self.scale = checks.number(function, "scale", scale, at_least=0, below=1)
        self.shear = checks.number(function, "shear", shear, at_least=0, below=90)
        if not isinstance(flip, (bool, np.bool_)):
            raise TypeError(checks.message(function, "flip must be True or False", flip=flip))
        self.flip = bool(flip)
        self.brightness = checks.number(function, "brightness", brightness, at_least=0, at_most=1)
        self.fill = None if fill is None else checks.number(function, "fill", fill)

    def __call__(self, images, seed):
        function = "Augmentation"
        images = check_images(function, images)
        fits = self.shift < min(images.shape[1:3])
        rule = "shift must be smaller than the images"
        checks.require(fits, function, rule, shift=self.shift, shape=images.shape)
        check_fill(function, self.fill, images.dtype)
        generator = np.random.default_rng(balance.seed_integers(function, seed))
        draws = generator.random((len(images), DRAWS))
        results = np.empty(images.shape, images.dtype)
        step = max(1, CHUNK // max(1, math.prod(images.shape[1:])))
        for start in range(0, len(images), step):
            part = slice(start, start + step)
            results[part] = self.jitter(images[part], draws[part])
        return results

    def jitter(self, images, draws):
        """Returns the images as the draws (N, 7) from [0, 1) have them; the settings are the largest."""
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


def backward_matrices(degrees, factors, shear_degrees, flips):
    """Returns float64 (N, 2, 2): from (y, x) of the output to (y, x) of the input, about the centre."""
    angle, slant = np.radians(degrees), np.tan(np.radians(shear_degrees))
    cosine, sine = np.cos(angle), np.sin(angle)
    mirror = np.where(flips, -1.0, 1.0)
    from_y = np.stack([cosine, -mirror * (sine + slant * cosine)], axis=-1)
    from_x = np.stack([sine, mirror * (cosine - slant * sine)], axis=-1)
    return np.stack([from_y, from_x], axis=-1) / factors[:, None, None]


def warp(images, matrices, shifts, fill):
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
    if not (below.any() or right.any()):
        return pick(images, top, left, fill)
    upper = (1 - right) * pick(images, top, left, fill) + right * pick(images, top, left + 1, fill)
    lower = (1 - right) * pick(images, top + 1, left, fill) + right * pick(images, top + 1, left + 1, fill)
    return (1 - below) * upper + below * lower


def pick(images, rows, columns, fill):
    """Returns the pixels at (N, height, width) whole positions; outside, `fill` or the nearest edge."""
    count, height, width, channels = images.shape
    y, x = np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)
    first = np.arange(count)[:, None, None] * (height * width)
    pixels = np.take(images.reshape(-1, channels), first + y * width + x, axis=0)
    if fill is not None:
        pixels[(y != rows) | (x != columns)] = fill
    return pixels


def working_dtype(images):
    return np.result_type(images.dtype, np.float32)


def check_images(function, images):
    images = checks.array(function, "images", images, rank=4)
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        rule = "images must be uint8 or floating-point"
        raise TypeError(checks.message(function, rule, dtype=str(images.dtype)))
    rule = "images must have a height, a width and channels of at least 1"
    checks.require(min(images.shape[1:]) > 0, function, rule, shape=images.shape)
    return images


def check_fill(function, fill, dtype):
    if fill is None:
        return
    if dtype == np.uint8:
        rule = "fill must be an integer from 0 to 255 for uint8 images"
        checks.require(fill.is_integer() and 0 <= fill <= 255, function, rule, fill=fill)
    else:
        rule = f"fill must fit {dtype} images"
        checks.require(abs(fill) <= float(np.finfo(dtype).max), function, rule, fill=fill)


def fill_rare_classes(images, labels, augmentation, seed=0, classes=None, count=None):
    """Appends jittered copies of the examples of rare classes until each has `count` examples.

    All examples of a class are copied once before any is copied a second time.

    Args:
      images: (N, height, width, channels), uint8 or floating-point.
      labels: integers (N,).
      augmentation: a `gk.Augmentation`, or another function of (images, seed) that keeps shape and dtype.
      seed: a non-negative integer, or a sequence of them.
      classes: labels of the classes to fill; None fills all that have fewer than `count` examples. A
        class that has `count` or more is left as it is.
      count: examples that each of them shall have; None takes the size of the most frequent class.

    Returns:
      (images, labels), of the dtypes given: the originals unchanged in their order, then the copies,
      class by class (shuffle before use, as `fit` and `minibatches` do).

    Raises:
      TypeError: labels that are no integers, or an augmentation that is no function.
      ValueError: unequal lengths, no examples, a class without examples, a count below one, or an
        augmentation that changes shape or dtype.

    Example:
      >>> images, labels = np.zeros((4, 8, 8, 1), np.uint8), np.array([0, 0, 0, 1])
      >>> images, labels = gk.fill_rare_classes(images, labels, gk.Augmentation(shift=1))
      >>> labels.tolist()
      [0, 0, 0, 1, 1, 1]
    """
    function = "fill_rare_classes"
    images = checks.array(function, "images", images)
    labels = balance.check_labels(function, labels)
    rule = "images must have one label for each"
    sound = images.shape[:1] == labels.shape
    checks.require(sound, function, rule, images=images.shape, labels=labels.shape)
    if not callable(augmentation):
        rule = "augmentation must be a function of (images, seed)"
        raise TypeError(checks.message(function, rule, augmentation=augmentation))
    present, sizes = np.unique(labels, return_counts=True)
    count = int(sizes.max()) if count is None else checks.integer(function, "count", count)
    wanted = present.tolist() if classes is None else check_classes(function, classes, present)

    seed = balance.seed_integers(function, seed)
    generator = np.random.default_rng(seed)
    sources = [np.zeros(0, np.intp)]
    for label in wanted:
        members = np.flatnonzero(labels == label)
        sources.append(balance.draw_evenly(generator, members, max(0, count - len(members))))
    sources = np.concatenate(sources)
    copies = jittered_copies(function, images[sources], augmentation, [*seed, 1])
    return np.concatenate([images, copies]), np.concatenate([labels, labels[sources]])


def jittered_copies(function, images, augmentation, seed):
    if len(images) == 0:
        return images
    copies = augmentation(images, seed)
    rule = f"augmentation must return an array of shape {images.shape} and dtype {images.dtype}"
    copies = checks.array(function, "the array that augmentation returns", copies)
    sound = copies.shape == images.shape and copies.dtype == images.dtype
    checks.require(sound, function, rule, shape=copies.shape, dtype=str(copies.dtype))
    return copies


def check_classes(function, classes, present):
    """Returns the classes asked for, each once and in their order, if all of them have examples."""
    if not isinstance(classes, (tuple, list, range, np.ndarray)):
        rule = "classes must be a sequence of labels"
        raise TypeError(checks.message(function, rule, classes=classes))
    classes = [checks.integer(function, "a class", label, minimum=0) for label in classes]
    missing = sorted(set(classes) - set(present.tolist()))
    checks.require(not missing, function, "classes must have examples to copy", missing=missing)
    return list(dict.fromkeys(classes))
