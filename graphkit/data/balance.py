"""Class balance: weights for the loss, and indices that draw each class equally often."""

import itertools
from collections.abc import Sequence

import numpy as np

from graphkit import checks
from graphkit.data import array_checks

__all__ = ["class_weights", "resample"]


def class_weights(labels: np.ndarray, num_classes: int | None = None) -> np.ndarray:
    """Returns a weight for each class that makes rare classes count as much as frequent ones in a loss.

    The mean weight of the examples, `class_weights(labels)[labels].mean()`, is 1, so that the loss keeps
    its magnitude and the learning rate its meaning.

    Args:
      labels: integers (N,), each from 0 to num_classes - 1.
      num_classes: number of classes; None takes the greatest label plus one.

    Returns:
      float32 (num_classes,).

    Raises:
      TypeError: labels are not integers.
      ValueError: there are no labels, a label is out of range, or a class has no examples: no finite weight
        balances it.

    Formula: weight[c] = N / (num_classes * number of examples of class c)

    Source: G. King and L. Zeng, "Logistic regression in rare events data", 2001 (weighting); scikit-learn's
      `class_weight="balanced"`.

    Example:
      >>> gk.class_weights(np.array([0, 0, 0, 1]))
      array([0.6666667, 2.       ], dtype=float32)
    """
    check = checks.Checker("class_weights")
    labels = check_labels(check, labels)
    if num_classes is None:
        num_classes = int(labels.max()) + 1
    num_classes = check.integer("num_classes", num_classes)
    array_checks.check_range(check, "labels", labels, num_classes)
    present, counts = np.unique(labels, return_counts=True)
    if len(present) < num_classes:
        # Lazily: one stray label of 10**12 must not make a list of as many missing classes.
        missing = itertools.filterfalse(set(present.tolist()).__contains__, range(num_classes))
        rule = f"each of {num_classes} classes must have an example"
        raise ValueError(check.message(rule, missing=list(itertools.islice(missing, 10))))
    return (len(labels) / (num_classes * counts)).astype(np.float32)


def resample(labels: np.ndarray, seed: int | Sequence[int] = 0, *, count: int | None = None) -> np.ndarray:
    """Draws the same number of examples from each class: indices for `images[indices]`.

    A class repeats only after all of its examples are drawn, so within a class the number of draws differs
    by at most one: with a `count` up to the size of a class all draws differ, and above it each example
    appears at least once.

    Args:
      labels: integers (N,); the classes are those that occur.
      seed: a non-negative integer, or a sequence of them such as (seed, epoch).
      count: examples of each class; None takes the size of the most frequent class.

    Returns:
      int64 (count * number of classes,), indices into `labels`, shuffled.

    Raises:
      TypeError: labels are not integers.
      ValueError: there are no labels, a label or the seed is negative, or count is below one.

    Example:
      >>> labels = np.array([0, 0, 0, 1])
      >>> labels[gk.resample(labels, seed=7)].tolist()
      [0, 0, 1, 1, 0, 1]
    """
    check = checks.Checker("resample")
    labels = check_labels(check, labels)
    generator = np.random.default_rng(array_checks.check_seed(check, seed))
    classes, sizes = np.unique(labels, return_counts=True)
    count = int(sizes.max()) if count is None else check.integer("count", count)
    drawn = [draw_evenly(generator, np.flatnonzero(labels == label), count) for label in classes]
    return generator.permutation(np.concatenate(drawn)).astype(np.int64)


def draw_evenly(generator: np.random.Generator, members: np.ndarray, count: int) -> np.ndarray:
    """Draws `count` of the members, each once before any a second time."""
    return np.resize(generator.permutation(members), count)


def check_labels(check: checks.Checker, labels: np.ndarray) -> np.ndarray:
    labels = array_checks.check_integers(check, "labels", labels, rank=1)
    check.require(len(labels) > 0, "there must be at least one label", shape=labels.shape)
    least = int(labels.min())
    check.require(least >= 0, "labels must not be negative", minimum=least)
    return labels
