"""Scalers, fitted to the training examples: zero mean and unit variance, or a fixed range."""

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import DTypeLike

from graphkit import checks
from graphkit.data import array_checks

__all__ = ["MinMaxScaler", "Standardizer"]

PER = ("feature", "channel")
NOT_FITTED = "fit must be called first, or the training examples be given"
CHUNK = 1 << 18  # numbers held as float64 at a time: 2 MiB


class Standardizer:
    """Gives each feature zero mean and unit variance, as measured on the training examples.

    Make it from the training examples alone and call it on those and on all others, so that nothing of
    the validation and test examples leaks into the training. The statistics are accumulated in float64,
    some examples at a time: uint8 and memory-mapped examples are never copied to floats as a whole.
    `Standardizer(examples)` is short for `Standardizer().fit(examples)`, and a call for `transform`.

    Args:
      examples: finite numbers (N, ...), the training examples; None where `fit` is called later.
      per: "feature" measures each number of an example by itself, over the first axis; "channel"
        measures each channel, over all axes but the last.

    Attributes:
      mean: float64, of the shape of one example, or (channels,).
      std: float64, likewise: the standard deviation, the root of the mean squared distance from the mean.
      per: "feature" or "channel".

    Raises:
      TypeError: `examples` is not an array of numbers.
      ValueError: there are no examples, or NaN or infinity among them (the message names the position).

    Formula: (x - mean) / std

    Source: Y. LeCun et al., "Efficient BackProp", 1998, section 4.3.

    Example:
      >>> standardize = gk.Standardizer(np.array([[1.0, 5.0], [3.0, 5.0]]))
      >>> standardize.mean, standardize.std
      (array([2., 5.]), array([1., 0.]))
      >>> standardize(np.array([[4.0, 7.0]]))
      array([[2., 2.]], dtype=float32)
      >>> standardize.inverse_transform(np.array([[2.0, 2.0]]))
      array([[4., 7.]])
    """

    mean: np.ndarray
    std: np.ndarray

    def __init__(self, examples: np.ndarray | None = None, per: str = "feature") -> None:
        self.per = checks.Checker("Standardizer").choice("per", per, PER)
        if examples is not None:
            self.fit(examples)

    def fit(self, examples: np.ndarray) -> "Standardizer":
        """Measures mean and std of training examples, in place of those measured before.

        Args:
          examples: finite numbers (N, ...).

        Returns:
          The standardizer.

        Raises:
          TypeError: `examples` is not an array of numbers.
          ValueError: there are no examples, or NaN or infinity among them.
        """
        check = checks.Checker("Standardizer")
        examples = check_training_examples(check, examples, self.per)
        self.mean, self.std = mean_and_std(check, examples, feature_shape(examples, self.per))
        return self

    def __call__(self, examples: np.ndarray) -> np.ndarray:
        """Returns `transform(examples)`."""
        return self.transform(examples)

    def transform(self, examples: np.ndarray) -> np.ndarray:
        """Returns examples of the same features (or channels) standardized, as float32 of their shape.

        A feature that never changed in training (std 0) is centred and not divided.

        Raises:
          TypeError: `examples` is not an array of numbers.
          ValueError: nothing was fitted, or the examples have other features than the training examples,
            or are not finite.
        """
        check, mean, divisor = self.fitted()
        return apply(check, examples, self.per, mean, lambda x: (x - mean) / divisor)

    def inverse_transform(self, examples: np.ndarray) -> np.ndarray:
        """Returns standardized examples in their units again: x * std + mean, as float64 of their shape.

        Raises:
          TypeError: `examples` is not an array of numbers.
          ValueError: nothing was fitted, or the examples have other features, or are not finite.
        """
        check, mean, divisor = self.fitted()
        return apply(check, examples, self.per, mean, lambda x: x * divisor + mean, np.float64)

    def fitted(self) -> tuple[checks.Checker, np.ndarray, np.ndarray]:
        check = checks.Checker("Standardizer")
        check.require(hasattr(self, "mean"), NOT_FITTED)
        return check, self.mean, np.where(self.std > 0, self.std, 1.0)


class MinMaxScaler:
    """Brings each feature into the range from `low` to `high`, as measured on the training examples.

    Make it from the training examples alone and call it on those and on all others. Values outside the
    range of the training examples are not clipped: they come out below `low` or above `high`.
    `MinMaxScaler(examples)` is short for `MinMaxScaler().fit(examples)`, and a call for `transform`.

    Args:
      examples: finite numbers (N, ...), the training examples; read some at a time, without a float copy.
        None where `fit` is called later.
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

    Raises:
      TypeError: `examples` is not an array of numbers, or a bound is not a number.
      ValueError: there are no examples, NaN or infinity is among them (the message names the position), or
        `low` is not below `high`.

    Formula: low + (high - low) * (x - minimum) / (maximum - minimum)

    Example:
      >>> scale = gk.MinMaxScaler(np.array([[1.0, 20.0], [3.0, 40.0]]), low=-1.0, high=1.0)
      >>> scale(np.array([[2.0, 50.0]]))
      array([[0., 2.]], dtype=float32)
    """

    minimum: np.ndarray
    maximum: np.ndarray

    def __init__(
        self,
        examples: np.ndarray | None = None,
        low: float = 0.0,
        high: float = 1.0,
        *,
        per: str = "feature",
    ) -> None:
        check = checks.Checker("MinMaxScaler")
        self.low = check.number("low", low)
        self.high = check.number("high", high)
        check.require(self.low < self.high, "low must be below high", low=low, high=high)
        self.per = check.choice("per", per, PER)
        if examples is not None:
            self.fit(examples)

    def fit(self, examples: np.ndarray) -> "MinMaxScaler":
        """Measures the range of training examples, in place of the one measured before.

        Args:
          examples: finite numbers (N, ...).

        Returns:
          The scaler.

        Raises:
          TypeError: `examples` is not an array of numbers.
          ValueError: there are no examples, or NaN or infinity among them.
        """
        check = checks.Checker("MinMaxScaler")
        examples = check_training_examples(check, examples, self.per)
        shape = feature_shape(examples, self.per)
        self.minimum, self.maximum = minimum_and_maximum(check, examples, shape)
        return self

    def __call__(self, examples: np.ndarray) -> np.ndarray:
        """Returns `transform(examples)`."""
        return self.transform(examples)

    def transform(self, examples: np.ndarray) -> np.ndarray:
        """Returns examples of the same features (or channels) scaled, as float32 of their shape.

        A feature that never changed in training becomes `low`; its range counts as 1, so that a later value
        differs from `low` by its own difference times (high - low).

        Raises:
          TypeError: `examples` is not an array of numbers.
          ValueError: nothing was fitted, or the examples have other features than the training examples,
            or are not finite.
        """
        check, minimum, divisor = self.fitted()

        def scaled(values: np.ndarray) -> np.ndarray:
            fraction = (values - minimum) / divisor
            # Unlike low + (high - low) * fraction, this is exact at both ends.
            return self.low * (1 - fraction) + self.high * fraction

        return apply(check, examples, self.per, minimum, scaled)

    def inverse_transform(self, examples: np.ndarray) -> np.ndarray:
        """Returns scaled examples in their units again, as float64 of their shape.

        Raises:
          TypeError: `examples` is not an array of numbers.
          ValueError: nothing was fitted, or the examples have other features, or are not finite.
        """
        check, minimum, divisor = self.fitted()

        def unscaled(values: np.ndarray) -> np.ndarray:
            return (values - self.low) / (self.high - self.low) * divisor + minimum

        return apply(check, examples, self.per, minimum, unscaled, np.float64)

    def fitted(self) -> tuple[checks.Checker, np.ndarray, np.ndarray]:
        check = checks.Checker("MinMaxScaler")
        check.require(hasattr(self, "minimum"), NOT_FITTED)
        span = self.maximum - self.minimum
        return check, self.minimum, np.where(span > 0, span, 1.0)


def check_training_examples(check: checks.Checker, examples: np.ndarray, per: str) -> np.ndarray:
    examples = array_checks.number_rows(check, "examples", examples)
    check.require(
        examples.ndim > 0 and examples.size > 0,
        "examples must be (N, ...) with at least one example and one number in it",
        shape=examples.shape,
    )
    check.require(
        per == "feature" or examples.ndim > 1,
        "examples must have an axis of channels after the first",
        shape=examples.shape,
    )
    return examples


def feature_shape(examples: np.ndarray, per: str) -> tuple[int, ...]:
    return examples.shape[1:] if per == "feature" else examples.shape[-1:]


def mean_and_std(
    check: checks.Checker, examples: np.ndarray, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Merges the statistics of the chunks (Chan, Golub and LeVeque, 1979)."""
    # Measured from the first example: a constant feature then has a std of exactly 0, and a small spread
    # about a large mean (seconds since 1970) keeps its digits.
    origin = np.array(examples[:1], np.float64).reshape(-1, *shape)[0]
    count, mean, squares = 0, np.zeros(shape), np.zeros(shape)
    with np.errstate(over="ignore", invalid="ignore"):  # refused below
        for _, values in chunks(check, examples):
            rows = values.reshape(-1, *shape) - origin
            total = count + len(rows)
            distance = rows.mean(axis=0) - mean
            squares += np.square(rows - rows.mean(axis=0)).sum(axis=0)
            squares += np.square(distance) * (count / total * len(rows))
            mean += distance * (len(rows) / total)
            count = total
        std = np.sqrt(squares / count)
    rule = "examples must be small enough for their squares to fit float64"
    check.require(np.isfinite(std).all(), rule, std=float(std.max()))
    return origin + mean, std


def minimum_and_maximum(
    check: checks.Checker, examples: np.ndarray, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    minimum, maximum = np.full(shape, np.inf), np.full(shape, -np.inf)
    for _, values in chunks(check, examples):
        rows = values.reshape(-1, *shape)
        minimum = np.minimum(minimum, rows.min(axis=0))
        maximum = np.maximum(maximum, rows.max(axis=0))
    with np.errstate(over="ignore"):
        fits = np.isfinite(maximum - minimum).all()
    rule = "examples must have a range that fits float64"
    check.require(fits, rule, minimum=float(minimum.min()), maximum=float(maximum.max()))
    return minimum, maximum


def apply(
    check: checks.Checker,
    examples: np.ndarray,
    per: str,
    fitted: np.ndarray,
    formula: Callable[[np.ndarray], np.ndarray],
    dtype: DTypeLike = np.float32,
) -> np.ndarray:
    """Returns the formula applied to each chunk of the examples."""
    examples = array_checks.number_rows(check, "examples", examples)
    shape = feature_shape(examples, per) if examples.ndim > (per == "channel") else None
    rule = f"examples must have {per}s of shape {fitted.shape}, as the training examples had"
    check.require(shape == fitted.shape, rule, shape=examples.shape)
    results = np.empty(examples.shape, dtype)
    for part, values in chunks(check, examples):
        results[part] = formula(values)
    return results


def chunks(check: checks.Checker, examples: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yields (slice, float64 copy) of some examples at a time; refuses what is not finite."""
    step = max(1, CHUNK // max(1, math.prod(examples.shape[1:])))
    for start in range(0, len(examples), step):
        values = np.array(examples[start : start + step], np.float64)
        if not np.isfinite(values).all():
            index = tuple(np.argwhere(~np.isfinite(values))[0].tolist())
            position = (start + index[0], *index[1:])
            rule = "examples must be finite"
            raise ValueError(check.message(rule, value=float(values[index]), position=position))
        yield slice(start, start + step), values
