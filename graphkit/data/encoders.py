"""Categories as one-hot rows, as fitted to the training examples."""

import numpy as np
from numpy.typing import ArrayLike

from graphkit import checks

__all__ = ["OneHotEncoder"]

UNKNOWN = ("refuse", "ignore")


class OneHotEncoder:
    """Turns categories into rows with a single one, as fitted to the training examples.

    `OneHotEncoder(values)` is short for `OneHotEncoder().fit(values)`, and a call for `transform`.

    Args:
      values: texts, integers or booleans (N,), the training examples; None where `fit` is called later.
      unknown: "refuse" raises for a category that the training examples do not have, "ignore" makes a row of
        zeros of it.

    Attributes:
      categories: array of the categories, sorted; column i of a row is for `categories[i]`.
      unknown: "refuse" or "ignore".

    Raises:
      TypeError: values are not texts, integers or booleans.
      ValueError: there are no values, or they have more than one axis.

    Example:
      >>> encode = gk.data.OneHotEncoder(["cat", "dog", "cat"])
      >>> encode(["dog"])
      array([[0., 1.]], dtype=float32)
      >>> encode.inverse_transform(np.array([[1.0, 0.0]])).tolist()
      ['cat']
    """

    categories: np.ndarray

    def __init__(self, values: ArrayLike | None = None, *, unknown: str = "refuse") -> None:
        self.unknown = checks.Checker("OneHotEncoder").choice("unknown", unknown, UNKNOWN)
        if values is not None:
            self.fit(values)

    def fit(self, values: ArrayLike) -> "OneHotEncoder":
        """Finds the categories of training examples, in place of those found before.

        Args:
          values: texts, integers or booleans (N,).

        Returns:
          The encoder.

        Raises:
          TypeError: values are not texts, integers or booleans.
          ValueError: there are no values, or they have more than one axis.
        """
        check = checks.Checker("OneHotEncoder")
        array = check_categories(check, values)
        check.require(len(array), "values must hold at least one", shape=array.shape)
        self.categories = np.unique(array)
        return self

    def __call__(self, values: ArrayLike) -> np.ndarray:
        """Returns `transform(values)`."""
        return self.transform(values)

    def transform(self, values: ArrayLike) -> np.ndarray:
        """Returns float32 (N, categories) with a one in the column of each value's category.

        Raises:
          TypeError: values are of another type than the categories.
          ValueError: nothing was fitted, or a category is unknown and `unknown` is "refuse".
        """
        places = self.places(values)
        rows = np.zeros((len(places), len(self.categories)), np.float32)
        known = np.flatnonzero(places >= 0)
        rows[known, places[known]] = 1
        return rows

    def inverse_transform(self, rows: np.ndarray) -> np.ndarray:
        """Returns the categories (N,) of rows (N, categories): those of their greatest numbers.

        A row of zeros, of an unknown category, becomes None in an array of objects.

        Raises:
          TypeError: rows are not an array.
          ValueError: nothing was fitted, or rows have another shape.
        """
        check = self.fitted()
        rows = check.array("rows", rows, rank=2)
        rule = f"rows must be (N, {len(self.categories)})"
        check.require(rows.shape[1] == len(self.categories), rule, shape=rows.shape)
        values = self.categories[rows.argmax(axis=1)]
        unknown = ~rows.any(axis=1)
        if unknown.any():
            values = values.astype(object)
            values[unknown] = None
        return values

    def places(self, values: ArrayLike) -> np.ndarray:
        """Returns int64 (N,): the column of each value's category, -1 for an unknown one."""
        check = self.fitted()
        array = check_categories(check, values)
        kinds = {array.dtype.kind, self.categories.dtype.kind}
        alike = len(kinds) == 1 or kinds <= set("ui")
        rule = f"values must be of the categories' type, {self.categories.dtype}"
        check.require_type(alike or not len(array), rule, dtype=str(array.dtype))
        places = np.searchsorted(self.categories, array).clip(max=len(self.categories) - 1)
        unknown = np.flatnonzero(self.categories[places] != array)
        if len(unknown) and self.unknown == "refuse":
            value = array[unknown[0]].item()
            rule = "each value must be a category of the training examples, or unknown='ignore' be given"
            near = checks.near(str(value), [str(item) for item in self.categories])
            raise ValueError(check.message(rule + near, value=value, position=int(unknown[0])))
        places[unknown] = -1
        return places

    def fitted(self) -> checks.Checker:
        check = checks.Checker("OneHotEncoder")
        check.require(hasattr(self, "categories"), "fit must be called first, or the values be given")
        return check


def check_categories(check: checks.Checker, values: ArrayLike) -> np.ndarray:
    """Returns texts, integers or booleans as an array with one axis."""
    rule = "values must be a list or an array of texts, integers or booleans"
    given = isinstance(values, (list, tuple, np.ndarray)) or hasattr(values, "to_numpy")
    check.require_type(given, rule, values=type(values))
    try:
        array = np.asarray(check.unmasked("values", values))
    except ValueError:  # rows of different lengths
        raise TypeError(check.message(rule, values=values)) from None
    if array.dtype == object:  # a pandas column of texts
        for position, value in enumerate(array.reshape(-1)):
            check.require_type(isinstance(value, str), rule, value=value, position=position)
        array = array.astype(str)
    rule = "values must be texts, integers or booleans (N,)"
    check.require_type(array.dtype.kind in "uibU" or not array.size, rule, dtype=str(array.dtype))
    check.require(array.ndim == 1, rule, shape=array.shape)
    return array
