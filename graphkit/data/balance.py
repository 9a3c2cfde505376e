"""Class balance: weights for the loss, and indices that draw each class equally often."""

import itertools

import numpy as np

from graphkit import checks

__all__ = ["class_weights", "resample"]


def class_weights(labels, num_classes=None):
    """Returns a weight for each class, by which rare classes count as much as frequent ones in a loss.

    The mean weight of the examples, `class_weights(labels)[labels].mean()`, is 1, so that the loss keeps
    its magnitude and the learning rate its meaning.

    Args:
      labels: integers (N,), each from 0 to num_classes - 1.
      num_classes: how many classes there are; None takes the greatest label plus one.

    Returns:
      float32 (num_classes,).

    Raises:
      TypeError: labels that are no integers.
      ValueError: no labels, labels out of range, or a class without examples: no finite weight balances
        it.

    Formula: weight[c] = N / (num_classes * number of examples of class c)

    Source: G. King and L. Zeng, "Logistic regression in rare events data", 2001 (weighting); scikit-learn's
      `class_weight="balanced"`.

    Example:
      >>> gk.class_weights(np.array([0, 0, 0, 1]))
      array([0.6666667, 2.       ], dtype=float32)
    """
    function = "class_weights"
    labels = check_labels(function, labels)
    if num_classes is None:
        num_classes = int(labels.max()) + 1
    num_classes = checks.integer(function, "num_classes", num_classes)
    rule = f"labels must lie in 0..{num_classes - 1}"
    checks.require(labels.max() < num_classes, function, rule, maximum=int(labels.max()))
    present, counts = np.unique(labels, return_counts=True)
    if len(present) < num_classes:
        missing = itertools.filterfalse(set(present.tolist()).__contains__, range(num_classes))
        rule = f"each of {num_classes} classes must have an example"
        raise ValueError(checks.message(function, rule, missing=list(itertools.islice(missing, 10))))
    return (len(labels) / (num_classes * counts)).astype(np.float32)


def resample(labels, seed=0, count=None):
    """Draws the same number of examples from each class: indices for `images[indices]`.

    A class is repeated only when all of its examples are taken, so that within a class no example is
    drawn twice more often than another: with a `count` up to the size of a class all draws differ, and
    above it each example appears at least once.

    Args:
      labels: integers (N,); the classes are those that occur.
      seed: a non-negative integer, or a sequence of them such as (seed, epoch).
      count: examples of each class; None takes the size of the most frequent class.

    Returns:
      int64 (count * number of classes,), indices into `labels`, shuffled.

    Raises:
      TypeError: labels that are no integers.
      ValueError: no labels, a negative label or seed, or a count below one.

    Example:
      >>> labels = np.array([0, 0, 0, 1])
      >>> labels[gk.resample(labels, seed=7)].tolist()
      [0, 0, 1, 1, 0, 1]
    """
    function = "resample"
    labels = check_labels(function, labels)
    generator = np.random.default_rng(seed_integers(function, seed))
    classes, sizes = np.unique(labels, return_counts=True)
    count = int(sizes.max()) if count is None else checks.integer(function, "count", count)
    drawn = [draw_evenly(generator, np.flatnonzero(labels == label), count) for label in classes]
    return generator.permutation(np.concatenate(drawn)).astype(np.int64)


def draw_evenly(generator, members, count):
    """Draws `count` of the members, each once before any a second time."""
    return np.resize(generator.permutation(members), count)


def check_labels(function, labels):
    labels = checks.array(function, "labels", labels, rank=1)
    if labels.dtype.kind not in "ui":
        raise TypeError(checks.message(function, "labels must be integers", dtype=str(labels.dtype)))
    checks.require(len(labels) > 0, function, "there must be at least one label", shape=labels.shape)
    least = int(labels.min())
    checks.require(least >= 0, function, "labels must not be negative", minimum=least)
    return labels


def seed_integers(function, seed):
    """Returns a seed as a list of integers, from one of them or a sequence."""
    parts = seed if isinstance(seed, (tuple, list)) else [seed]
    rule = "seed must be a non-negative integer or a sequence of them"
    checks.require(len(parts) > 0, function, rule, seed=seed)
    return [checks.integer(function, "seed", part, minimum=0, maximum=None) for part in parts]
