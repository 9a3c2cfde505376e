"""Preparing examples: numbers of zero mean and small equal variance, gray pixels, one-hot labels."""

import math

import numpy as np

from graphkit import checks

__all__ = ["MinMaxScaler", "Standardizer", "grayscale", "one_hot", "scale_pixels"]

CHUNK = 1 << 18  # numbers that are held as float64 at a time: 2 MiB


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
    images = check_numbers(function, "images", images)
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


def grayscale(images):
    """Turns colour images into gray ones: (R + G + B) / 3.

    uint8 images stay uint8, rounded to the nearest value, so that they take no more memory than before
    and `image_input` still scales them batch by batch. All other numbers become float32.

    Args:
      images: numbers (..., 3).

    Returns:
      (..., 1), uint8 for uint8 images, else float32.

    Raises:
      TypeError: `images` is no array of numbers.
      ValueError: a last axis that does not hold three channels.

    Example:
      >>> gk.grayscale(np.array([[255, 0, 0], [10, 20, 31]], np.uint8))
      array([[85],
             [20]], dtype=uint8)
    """
    function = "grayscale"
    images = check_numbers(function, "images", images)
    rule = "images must have three channels (red, green, blue) as their last axis"
    checks.require(images.shape[-1:] == (3,), function, rule, shape=images.shape)
    whole = images.dtype == np.uint8
    red, green, blue = (images[..., channel : channel + 1] for channel in range(3))
    total = np.add(red, green, dtype=np.uint16 if whole else np.float32)
    total = np.add(total, blue, dtype=total.dtype)
    if whole:
        return ((total + 1) // 3).astype(np.uint8)  # a third has no tie, so this is the nearest
    return total / np.float32(3)


class Standardizer:
    """Gives each feature zero mean and unit variance, as measured on the training examples.

    Make it from the training examples alone and call it on those and on all others, so that nothing of
    the validation and test examples leaks into the training. The statistics are accumulated in float64,
    some examples at a time: no float copy is made of uint8 or memory-mapped examples.

    Args:
      examples: finite numbers (N, ...), the training examples.
      per: "feature" measures each number of an example by itself, over the first axis; "channel"
        measures each channel, over all axes but the last.

    Attributes:
      mean: float64, of the shape of one example, or (channels,).
      std: float64, likewise: the standard deviation, the root of the mean squared distance from the mean.
      per: "feature" or "channel".

    Call:
      `standardizer(examples)` takes examples of the same features (or channels), returns float32 of their
      shape. A feature that never changed in training (std 0) is left centred, not divided.

    Raises:
      TypeError: `examples` is no array of numbers.
      ValueError: no examples, NaN or infinity among them (told with its position), or, in a call, other
        features than those it was made from.

    Formula: (x - mean) / std

    Source: Y. LeCun et al., "Efficient BackProp", 1998, section 4.3.

    Example:
      >>> standardize = gk.Standardizer(np.array([[1.0, 5.0], [3.0, 5.0]]))
      >>> standardize.mean, standardize.std
      (array([2., 5.]), array([1., 0.]))
      >>> standardize(np.array([[4.0, 7.0]]))
      array([[2., 2.]], dtype=float32)
    """

    def __init__(self, examples, per="feature"):
        function = "Standardizer"
        self.per, examples = check_training_examples(function, examples, per)
        self.mean, self.std = mean_and_std(function, examples, feature_shape(examples, self.per))

    def __call__(self, examples):
        divisor = np.where(self.std > 0, self.std, 1.0)
        return transform("Standardizer", examples, self.per, self.mean, lambda x: (x - self.mean) / divisor)


class MinMaxScaler:
    """Brings each feature into the range from `low` to `high`, as measured on the training examples.

    Make it from the training examples alone and call it on those and on all others. Values outside the
    range that was seen in training are not clipped: they come out below `low` or above `high`.

    Args:
      examples: finite numbers (N, ...), the training examples; read some at a time, without a float copy.
      low: what the least training value becomes.
      high: what the greatest training value becomes; above `low`.
      per: "feature" measures each number of an example by itself, over the first axis; "channel"
        measures each channel, over all axes but the last.

    Attributes:
      minimum: float64, of the shape of one example, or (channels,).
      maximum: float64, likewise.
      low: float.
      high: float.
      per: "feature" or "channel".

    Call:
      `scaler(examples)` takes examples of the same features (or channels), returns float32 of their
      shape. A feature that never changed in training becomes `low`, and what differs from it later is
      told apart by that difference times (high - low): its range counts as 1.

    Raises:
      TypeError: `examples` is no array of numbers, or a bound is no number.
      ValueError: no examples, NaN or infinity among them (told with its position), `low` not below `high`,
        or, in a call, other features than those it was made from.

    Formula: low + (high - low) * (x - minimum) / (maximum - minimum)

    Example:
      >>> scale = gk.MinMaxScaler(np.array([[1.0, 20.0], [3.0, 40.0]]), low=-1.0, high=1.0)
      >>> scale(np.array([[2.0, 50.0]]))
      array([[0., 2.]], dtype=float32)
    """

    def __init__(self, examples, low=0.0, high=1.0, per="feature"):
        function = "MinMaxScaler"
        self.low = checks.number(function, "low", low)
        self.high = checks.number(function, "high", high)
        checks.require(self.low < self.high, function, "low must be below high", low=low, high=high)
        self.per, examples = check_training_examples(function, examples, per)
        shape = feature_shape(examples, self.per)
        self.minimum, self.maximum = minimum_and_maximum(function, examples, shape)

    def __call__(self, examples):
        span = self.maximum - self.minimum
        divisor = np.where(span > 0, span, 1.0)

        def scaled(values):
            share = (values - self.minimum) / divisor
            return self.low * (1 - share) + self.high * share  # exact at both ends

        return transform("MinMaxScaler", examples, self.per, self.minimum, scaled)


def mean_and_std(function, examples, shape):
    """Merges the statistics of the chunks (Chan, Golub and LeVeque, 1979).

    They are taken around the first example, so that a constant feature has a std of exactly 0.
    """
    origin = np.array(examples[:1], np.float64).reshape(-1, *shape)[0]
    count, mean, squares = 0, np.zeros(shape), np.zeros(shape)
    with np.errstate(over="ignore", invalid="ignore"):  # refused below
        for _, values in chunks(function, examples):
            rows = values.reshape(-1, *shape) - origin
            total = count + len(rows)
            distance = rows.mean(axis=0) - mean
            squares += np.square(rows - rows.mean(axis=0)).sum(axis=0)
            squares += np.square(distance) * (count / total * len(rows))
            mean += distance * (len(rows) / total)
            count = total
        std = np.sqrt(squares / count)
    rule = "examples must be small enough for their squares to fit float64"
    checks.require(np.isfinite(std).all(), function, rule, std=float(std.max()))
    return origin + mean, std


def minimum_and_maximum(function, examples, shape):
    minimum, maximum = np.full(shape, np.inf), np.full(shape, -np.inf)
    for _, values in chunks(function, examples):
        rows = values.reshape(-1, *shape)
        minimum = np.minimum(minimum, rows.min(axis=0))
        maximum = np.maximum(maximum, rows.max(axis=0))
    with np.errstate(over="ignore"):
        fits = np.isfinite(maximum - minimum).all()
    rule = "examples must have a range that fits float64"
    checks.require(fits, function, rule, minimum=float(minimum.min()), maximum=float(maximum.max()))
    return minimum, maximum


def transform(function, examples, per, fitted, formula):
    """Returns float32 of the formula applied to each chunk of the examples."""
    examples = check_numbers(function, "examples", examples)
    shape = feature_shape(examples, per) if examples.ndim > (per == "channel") else None
    rule = f"examples must have {per}s of shape {fitted.shape}, as the training examples had"
    checks.require(shape == fitted.shape, function, rule, shape=examples.shape)
    results = np.empty(examples.shape, np.float32)
    for part, values in chunks(function, examples):
        results[part] = formula(values)
    return results


def feature_shape(examples, per):
    return examples.shape[1:] if per == "feature" else examples.shape[-1:]


def chunks(function, examples):
    """Yields (slice, float64 copy) of some examples at a time; refuses what is not finite."""
    step = max(1, CHUNK // max(1, math.prod(examples.shape[1:])))
    for start in range(0, len(examples), step):
        values = np.array(examples[start : start + step], np.float64)
        if not np.isfinite(values).all():
            index = tuple(np.argwhere(~np.isfinite(values))[0].tolist())
            position = (start + index[0], *index[1:])
            value = float(values[index])
            raise ValueError(
                checks.message(function, "examples must be finite", value=value, position=position)
            )
        yield slice(start, start + step), values


def check_training_examples(function, examples, per):
    per = checks.choice(function, "per", per, ("feature", "channel"))
    examples = check_numbers(function, "examples", examples)
    rule = "examples must be (N, ...) with at least one example and one number in it"
    checks.require(examples.ndim > 0 and examples.size > 0, function, rule, shape=examples.shape)
    rule = "examples must have an axis of channels after the first"
    checks.require(per == "feature" or examples.ndim > 1, function, rule, shape=examples.shape)
    return per, examples


def check_numbers(function, name, value):
    value = checks.array(function, name, value)
    if value.dtype.kind not in "uif":
        raise TypeError(checks.message(function, f"{name} must hold numbers", dtype=str(value.dtype)))
    return value


def principal_components(centered):
    """Returns the first two right singular vectors of (points, numbers) as columns, and the singular values.

    They are found in the span of two eigenvectors of the smaller matrix of products, which takes a small part
    of the time of a whole singular value decomposition.
    """
    count, size = centered.shape
    wide = count < size
    _, vectors = np.linalg.eigh(centered @ centered.T if wide else centered.T @ centered)
    span = centered.T @ vectors[:, -2:] if wide else vectors[:, -2:]
    basis, _ = np.linalg.qr(span)
    _, lengths, turned = np.linalg.svd(centered @ basis, full_matrices=False)
    return basis @ turned.T, lengths
