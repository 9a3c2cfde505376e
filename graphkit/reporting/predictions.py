"""Which classes were taken for which: the part of a report about predictions."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from graphkit import checks

MOST_PAIRS = 8
TOLERANCE = 1e-3  # of probabilities, as half precision rounds them


class Predictions(NamedTuple):
    """Checked labels and predictions.

    Attributes:
      labels: int64 (examples,).
      classes: int64 (examples,), the predicted classes.
      probabilities: (examples,) of the predicted classes, or None.
    """

    labels: np.ndarray
    classes: np.ndarray
    probabilities: np.ndarray | None

    def matrix(self, count: int) -> np.ndarray:
        """Returns the confusion matrix of `count` classes."""
        places = self.labels * count + self.classes
        return np.bincount(places, minlength=count**2).reshape(count, count)

    def worst(self, most: int) -> np.ndarray:
        """Returns the indices of wrong predictions, the most confident first where that is known."""
        wrong = np.flatnonzero(self.labels != self.classes)
        if self.probabilities is not None:
            wrong = wrong[np.argsort(-self.probabilities[wrong], kind="stable")]
        return wrong[:most]


def check_predictions(check: checks.Checker, labels: Any, predictions: Any) -> Predictions | None:
    """Returns labels and predictions, None where neither is given."""
    together = (labels is None) == (predictions is None)
    check.require(together, "labels and predictions go together", labels=labels, predictions=predictions)
    if labels is None:
        return None
    labels = check.array("labels", as_array(check, "labels", labels), rank=1)
    values = check.array("predictions", as_array(check, "predictions", predictions))
    probabilities = None
    if values.ndim == 2 and values.dtype.kind == "f":
        check.require(np.isfinite(values).all() and values.shape[1], "predictions must be finite numbers")
        check_probabilities(check, values)
        values, probabilities = values.argmax(axis=1), values.max(axis=1)
    rule = "predictions must be classes (examples,) or probabilities (examples, classes)"
    check.require(values.ndim == 1 and values.dtype.kind in "iu", rule, shape=np.shape(predictions))
    check.require(labels.dtype.kind in "iu", "labels must be integers", dtype=str(labels.dtype))
    fits = len(labels) == len(values) > 0
    rule = "labels and predictions must be of the same examples, and at least of one"
    check.require(fits, rule, labels=len(labels), predictions=len(values))
    positive = labels.min() >= 0 and values.min() >= 0
    check.require(positive, "classes must be at least 0", labels=labels, predictions=values)
    return Predictions(labels.astype(np.int64), values.astype(np.int64), probabilities)


def check_probabilities(check: checks.Checker, values: np.ndarray) -> None:
    """Refuses logits, which say not how sure a model is, and one column, whose largest is the first."""
    rule = (
        "predictions of one column are probabilities of class 1: give (predictions[:, 0] > 0.5).astype(int)"
    )
    check.require(values.shape[1] > 1, rule, shape=values.shape)
    lowest, highest = float(values.min()), float(values.max())
    within = lowest >= -TOLERANCE and highest <= 1 + TOLERANCE
    rule = "predictions must be probabilities: those of logits are trainer.predict(gk.softmax(logits), data)"
    check.require(within, rule, minimum=lowest, maximum=highest)


def as_array(check: checks.Checker, name: str, value: Any) -> np.ndarray:
    """Returns a value as an array; a tensor or a variable of a graph has no values to show."""
    try:
        return np.asarray(check.unmasked(name, value))
    except (TypeError, ValueError, NotImplementedError):
        raise TypeError(check.message(f"{name} must be an array", **{name: type(value)})) from None


def confused_pairs(matrix: np.ndarray, classes: Sequence[str]) -> list[list[Any]]:
    """Returns [class, predicted class, times, fraction of the class] of the most frequent errors."""
    errors = matrix * (1 - np.eye(len(matrix), dtype=matrix.dtype))
    order = np.argsort(-errors, axis=None, kind="stable")[:MOST_PAIRS]
    rows = []
    for true, other in (divmod(int(place), len(matrix)) for place in order):
        count = int(errors[true, other])
        if count:
            rows.append([classes[true], classes[other], count, float(count / matrix[true].sum())])
    return rows


def by_class(matrix: np.ndarray, classes: Sequence[str]) -> list[list[Any]]:
    """Returns [class, examples, recall, precision] of each class; None where it has none."""
    correct, true, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    return [
        [
            name,
            int(true[place]),
            float(correct[place] / true[place]) if true[place] else None,
            float(correct[place] / predicted[place]) if predicted[place] else None,
        ]
        for place, name in enumerate(classes)
    ]
