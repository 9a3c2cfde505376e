"""The columns of a table as one matrix of features, as fitted to the training rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphkit import checks
from graphkit.data import scalers, table_columns
from graphkit.data.encoders import UNKNOWN
from graphkit.data.table_columns import BOOLEAN, CATEGORY, EMBEDDED, TableColumn

__all__ = ["TableEncoder"]

MISSING = ("refuse", "fill")
CATEGORIES = ("one_hot", "embedded")


class TableEncoder:
    """Turns the columns of a table into one matrix of features, as fitted to the training rows.

    Numbers become (x - mean) / std, booleans 0 or 1, categories one-hot rows. With categories="embedded" a
    category becomes its number from 1 on, which `gk.embedding` takes; 0 is a missing or unknown one. Texts
    are categories, and so are the integers of the columns that `categorical` names.

    `TableEncoder(frame)` is short for `TableEncoder().fit(frame)`, and a call for `transform`.

    Args:
      frame: a pandas `DataFrame` of the training rows; None where `fit` is called later.
      missing: "refuse" raises for a missing value; "fill" takes the median of the training rows for a number,
        and no category for a category (a row of zeros, or the number 0).
      unknown: "refuse" raises for a category that the training rows do not have, "ignore" takes no category.
      categories: "one_hot" or "embedded".
      categorical: names of columns of integers that are categories.

    Attributes:
      columns: a `TableColumn` for each column, in order.
      feature_names: a name for each feature, such as "rooms" or "city=Rome".

    Raises:
      TypeError: frame is not a `DataFrame`, or a column holds neither numbers, texts nor booleans.
      ValueError: a value is missing, infinite or not of its column's type (the message names row,
        counted from 1, and column), or a column has nearly as many texts as rows.

    Example:
      >>> import pandas
      >>> frame = pandas.DataFrame({"rooms": [1, 3], "city": ["Rome", "Oslo"]})
      >>> encode = gk.data.TableEncoder(frame)
      >>> encode.feature_names
      ('rooms', 'city=Oslo', 'city=Rome')
      >>> encode(frame)
      array([[-1.,  0.,  1.],
             [ 1.,  1.,  0.]], dtype=float32)
    """

    columns: tuple[TableColumn, ...]

    def __init__(
        self,
        frame: Any = None,
        *,
        missing: str = "refuse",
        unknown: str = "refuse",
        categories: str = "one_hot",
        categorical: Sequence[str] = (),
    ) -> None:
        check = checks.Checker("TableEncoder")
        self.missing = check.choice("missing", missing, MISSING)
        self.unknown = check.choice("unknown", unknown, UNKNOWN)
        self.categories = check.choice("categories", categories, CATEGORIES)
        self.categorical = check_names(check, "categorical", categorical)
        if frame is not None:
            self.fit(frame)

    def fit(self, frame: Any) -> "TableEncoder":
        """Measures the columns of training rows, in place of those measured before.

        Args:
          frame: a pandas `DataFrame`.

        Returns:
          The encoder.

        Raises:
          TypeError: frame is not a `DataFrame`, or a column holds neither numbers, texts nor booleans.
          ValueError: a value cannot be taken; the message names row and column.
        """
        self.measure(checks.Checker("TableEncoder"), frame)
        return self

    def measure(
        self, check: checks.Checker, frame: Any, leave_out: str = "as by frame.drop(columns={})"
    ) -> None:
        """Does what `fit` does, for another function that checks and has its own way to leave columns out."""
        check_frame(check, frame)
        known = [str(name) for name in frame.columns]
        for name in self.categorical:
            check.require(
                name in known, f"categorical must name columns{checks.near(name, known)}", categorical=name
            )
        self.columns = tuple(self.fit_column(check, str(name), frame[name]) for name in frame.columns)
        rows = {str(name): int(frame[name].notna().sum()) for name in frame.columns}
        table_columns.check_counts(check, self.columns, rows, leave_out)

    def fit_column(self, check: checks.Checker, name: str, series: Any) -> TableColumn:
        series = series.reset_index(drop=True)
        kind = table_columns.kind_of(check, name, series, name in self.categorical)
        self.check_missing(check, name, series.isna().to_numpy())
        held = series.dropna()
        check.require(len(held), f"column {name} holds no value: leave it out", rows=len(series))
        if kind == CATEGORY:
            texts = table_columns.categories_of(held)
            return TableColumn(name, EMBEDDED if self.categories == EMBEDDED else CATEGORY, categories=texts)
        values = table_columns.numbers_of(check, name, series)
        middle = float(np.median(values))
        if kind == BOOLEAN:
            return TableColumn(name, kind, fill=float(middle >= 0.5))
        mean, std = scalers.mean_and_std(check, values, ())
        return TableColumn(name, kind, float(mean), float(std), middle)

    def check_missing(self, check: checks.Checker, name: str, empty: np.ndarray) -> None:
        rule = f"column {name} has a missing value: fill it, leave its row out, or give missing='fill'"
        if self.missing == "refuse" and empty.any():
            row, rows = table_columns.row_of(empty), int(empty.sum())
            raise ValueError(check.message(rule, row=row, rows_without=rows))

    def __call__(self, frame: Any) -> np.ndarray:
        """Returns `transform(frame)`."""
        return self.transform(frame)

    def transform(self, frame: Any) -> np.ndarray:
        """Returns the features of rows, float32 (N, num_features).

        Columns that were not fitted, such as that of the labels, are left out.

        Raises:
          TypeError: frame is not a `DataFrame`, or a column holds values of another type than in training.
          ValueError: nothing was fitted, a column is missing, or a value cannot be taken.
        """
        return self.encode(self.fitted(), frame)

    def encode(self, check: checks.Checker, frame: Any) -> np.ndarray:
        """Does what `transform` does, for another function that checks."""
        check_frame(check, frame)
        known = {str(name): name for name in frame.columns}
        features = np.zeros((len(frame), self.num_features), np.float32)
        start = 0
        for column in self.columns:
            near = checks.near(column.name, [*known])
            check.require(
                column.name in known, f"the table must have the column {column.name}{near}", columns=[*known]
            )
            self.write(check, column, frame[known[column.name]], features[:, start : start + column.width])
            start += column.width
        return features

    def write(self, check: checks.Checker, column: TableColumn, series: Any, features: np.ndarray) -> None:
        """Writes the features of a column's values."""
        series = series.reset_index(drop=True)
        empty = series.isna().to_numpy()
        self.check_missing(check, column.name, empty)
        if column.kind in (CATEGORY, EMBEDDED):
            places = self.places(check, column, series, empty)
            if column.kind == EMBEDDED:
                features[:, 0] = places + 1
            else:
                held = np.flatnonzero(places >= 0)
                features[held, places[held]] = 1
            return
        found = column.kind if empty.all() else table_columns.kind_of(check, column.name, series, False, "")
        rule = f"column {column.name} must hold {column.kind}s, as in training"
        same = found == column.kind
        check.require(same, rule, dtype=str(series.dtype), value=None if same else series[~empty].iloc[0])
        values = np.full(len(series), column.fill)
        values[~empty] = table_columns.numbers_of(check, column.name, series)
        features[:, 0] = (values - column.mean) / (column.std or 1.0)

    def places(
        self, check: checks.Checker, column: TableColumn, series: Any, empty: np.ndarray
    ) -> np.ndarray:
        """Returns the number of each value's category from 0 on, -1 for none."""
        numbers = {text: number for number, text in enumerate(column.categories)}
        texts = [table_columns.as_text(value) for value in series.to_numpy(dtype=object)]
        places = np.array([numbers.get(text, -1) for text in texts], np.int64).reshape(-1)
        places[empty] = -1
        unknown = (places < 0) & ~empty
        if unknown.any() and self.unknown == "refuse":
            value = texts[table_columns.row_of(unknown) - 1]
            near = checks.near(value, column.categories)
            rule = f"column {column.name} has a value that the training rows do not have{near}"
            rule += ": correct it, or give unknown='ignore'"
            raise ValueError(check.message(rule, value=value, row=table_columns.row_of(unknown)))
        return places

    def inverse_transform(self, features: np.ndarray) -> Any:
        """Returns the `DataFrame` that features stand for; what was filled or unknown stays so.

        Raises:
          TypeError: features are not an array.
          ValueError: nothing was fitted, or features have another shape.
          ImportError: pandas is not installed.
        """
        check = self.fitted()
        features = check.array("features", features, rank=2)
        rule = f"features must be (N, {self.num_features})"
        check.require(features.shape[1] == self.num_features, rule, shape=features.shape)
        columns: dict[str, Any] = {}
        start = 0
        for column in self.columns:
            part = features[:, start : start + column.width].astype(np.float64)
            columns[column.name] = table_columns.values_of(column, part)
            start += column.width
        return check.optional_module("pandas", "tables").DataFrame(columns)

    @property
    def num_features(self) -> int:
        """The number of features of a row."""
        return sum(column.width for column in self.columns)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """A name for each feature."""
        self.fitted()
        return tuple(
            name
            for column in self.columns
            for name in (
                [f"{column.name}={text}" for text in column.categories]
                if column.kind == CATEGORY
                else [column.name]
            )
        )

    @property
    def embedded(self) -> dict[int, int]:
        """{place of a feature that is an embedded category's number: rows that its embedding needs}."""
        places = np.cumsum([0, *(column.width for column in self.columns)])
        return {
            int(place): len(column.categories) + 1
            for place, column in zip(places, self.columns, strict=False)
            if column.kind == EMBEDDED
        }

    def fitted(self) -> checks.Checker:
        check = checks.Checker("TableEncoder")
        check.require(hasattr(self, "columns"), "fit must be called first, or the training rows be given")
        return check

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TableEncoder) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment] # it can be fitted again

    def to_json(self) -> dict[str, Any]:
        """Returns all of a fitted encoder as numbers, texts, lists and dictionaries."""
        self.fitted()
        return {
            "missing": self.missing,
            "unknown": self.unknown,
            "categories": self.categories,
            "categorical": list(self.categorical),
            "columns": [table_columns.to_json(column) for column in self.columns],
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "TableEncoder":
        """Returns the encoder that `to_json` described.

        Raises:
          TypeError: a field has the wrong type.
          ValueError: a field is missing, unknown or out of range.
        """
        check = checks.Checker("TableEncoder.from_json")
        names = ("missing", "unknown", "categories", "categorical", "columns")
        check.fields(fields, names)
        settings = {name: fields[name] for name in names[:-1]}
        encoder = cls(**settings)
        columns = fields["columns"]
        check.require(isinstance(columns, list) and columns, "columns must be a list", columns=columns)
        encoder.columns = tuple(table_columns.from_json(check, column) for column in columns)
        return encoder


def check_names(check: checks.Checker, name: str, value: Any) -> tuple[str, ...]:
    """Returns names as a tuple, from a list or a tuple of them."""
    right = isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)
    check.require_type(right, f"{name} must be a list of names of columns", **{name: value})
    return tuple(value)


def check_frame(check: checks.Checker, frame: Any) -> None:
    is_frame = all(hasattr(frame, name) for name in ("columns", "iloc", "dtypes"))
    check.require_type(is_frame, "frame must be a pandas DataFrame", frame=type(frame))
    check.require(
        len(frame) and len(frame.columns), "the table must have a row and a column", shape=frame.shape
    )
    twice = [str(name) for name in frame.columns[frame.columns.duplicated()]]
    check.require(not twice, "the columns must have different names", repeated=twice)
