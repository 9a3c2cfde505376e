"""Tables, of CSV, TSV and parquet files, as data sets of features: pandas reads them."""

import contextlib
import gzip
import logging
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphkit import checks
from graphkit.data import table_columns
from graphkit.data.splits import Dataset, FeatureSplit, partition, take
from graphkit.data.table_columns import CATEGORY, NUMBER
from graphkit.data.table_encoder import TableEncoder, check_names

__all__ = ["TableFormat"]

logger = logging.getLogger("graphkit")
SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet")
SEPARATORS = ",;\t|"
CLASSIFICATION, REGRESSION = "classification", "regression"
AS_CLASSES = ", or give task='classification'"  # where the values of a label could be numbers
MOST_INTEGER_CLASSES = 20  # different integers in a label that are taken as classes, unless told


class TableOptions(NamedTuple):
    """How a table is to be read; see `load_dataset`."""

    label: str | None = None
    task: str | None = None
    missing: str = "refuse"
    unknown: str = "refuse"
    categories: str = "one_hot"
    categorical: Sequence[str] = ()
    drop: Sequence[str] = ()


class TableFormat(NamedTuple):
    """How the rows of a table become features and labels, as fitted to the training rows.

    Attributes:
      label: name of the column that is predicted.
      classes: texts of the classes, in the order of their numbers; () where numbers are predicted.
      mean: of the label in the training rows, where numbers are predicted.
      std: likewise.
      encoder: the `TableEncoder` of the other columns.

    Example:
      >>> import pandas
      >>> rows = pandas.DataFrame({"rooms": [1, 2], "price": [100.0, 200.0]})
      >>> encoder = gk.data.TableEncoder(rows[["rooms"]])
      >>> table = gk.data.TableFormat("price", (), 150.0, 50.0, encoder)
      >>> table.encoder(rows).tolist()
      [[-1.0], [1.0]]
    """

    label: str
    classes: tuple[str, ...]
    mean: float
    std: float
    encoder: TableEncoder

    def labels(self, check: checks.Checker, series: Any) -> np.ndarray:
        """Returns the labels of rows: int32 class numbers, or float32 numbers."""
        refuse_missing(check, self.label, series)
        series = series.reset_index(drop=True)
        if not self.classes:
            kind = table_columns.kind_of(check, self.label, series, False, AS_CLASSES)
            check.require(kind == NUMBER, f"label {self.label} must hold numbers", dtype=str(series.dtype))
            return table_columns.numbers_of(check, self.label, series).astype(np.float32)
        numbers = {text: number for number, text in enumerate(self.classes)}
        texts = [table_columns.as_text(value) for value in series.to_numpy(dtype=object)]
        labels = np.array([numbers.get(text, -1) for text in texts], np.int32)
        if (labels < 0).any():
            row = table_columns.row_of(labels < 0)
            rule = f"label {self.label} must be one of the classes"
            near = checks.near(texts[row - 1], self.classes)
            raise ValueError(check.message(rule + near, value=texts[row - 1], row=row))
        return labels

    def to_json(self) -> dict[str, Any]:
        """Returns all of it as numbers, texts, lists and dictionaries."""
        fields = {"label": self.label, "classes": list(self.classes), "mean": self.mean, "std": self.std}
        return fields | {"encoder": self.encoder.to_json()}

    @classmethod
    def from_json(cls, fields: Any) -> "TableFormat":
        """Returns the format that `to_json` described.

        Raises:
          TypeError: a field has the wrong type.
          ValueError: a field is missing, unknown or out of range.
        """
        check = checks.Checker("TableFormat.from_json")
        check.fields(fields, cls._fields)
        label, classes = fields["label"], fields["classes"]
        right = isinstance(label, str) and isinstance(classes, list)
        right = right and all(isinstance(name, str) for name in classes)
        check.require_type(right, "label must be a name, and classes a list of names", classes=classes)
        mean, std = check.number("mean", fields["mean"]), check.number("std", fields["std"], at_least=0)
        return cls(label, tuple(classes), mean, std, TableEncoder.from_json(fields["encoder"]))


def is_table(path: str) -> bool:
    return path.lower().endswith(SUFFIXES)


def read_table(check: checks.Checker, path: str) -> Any:
    """Returns the table in a file as a `DataFrame` whose rows are numbered from 0."""
    pandas = check.optional_module("pandas", "tables")
    with refuse_damaged(check, path, pandas):
        if path.lower().endswith(".parquet"):
            frame = pandas.read_parquet(path).reset_index(drop=True)
        else:
            frame = read_text(check, path, pandas)
    twice = [str(name) for name in frame.columns[frame.columns.duplicated()]]
    check.require(not twice, f"{path}: the columns must have different names", repeated=twice)
    check.require(len(frame) and len(frame.columns), f"{path} holds no rows", columns=[*frame.columns])
    frame.columns = [str(name) for name in frame.columns]
    return frame if path.lower().endswith(".parquet") else stripped(frame)


def read_text(check: checks.Checker, path: str, pandas: Any) -> Any:
    """Returns the table in a text file, whose separator follows from its first line."""
    opened = gzip.open if path.lower().endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8-sig") as stream:
        first = stream.readline()
    options = {"sep": max(SEPARATORS, key=first.count), "skipinitialspace": True, "index_col": False}
    # With low_memory, pandas decides for each part of a large file whether its values are numbers.
    frame = pandas.read_csv(path, low_memory=False, **options)
    if options["sep"] == ";" and any(has_decimal_commas(pandas, frame[name]) for name in frame.columns):
        frame = pandas.read_csv(path, low_memory=False, decimal=",", **options)
    # pandas gives columns of one name other names, without a word.
    names = pandas.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False, **options).iloc[0]
    rule = f"{path}: the first line must hold the names of the columns"
    numbers = pandas.to_numeric(names, errors="coerce").notna()
    # As frame.to_csv writes its index.
    unnamed = int(len(names) > 1 and not names[0] and table_columns.is_identity("index", frame.iloc[:, 0]))
    right = len(names) == len(frame.columns) and not numbers.all() and names[unnamed:].astype(bool).all()
    check.require(right, rule, first_line=names.tolist())
    if unnamed:
        logger.info("%s: the first column, which has no name, numbers the rows: it is left out", path)
    frame.columns = names.tolist()
    return frame.iloc[:, unnamed:]


def stripped(frame: Any) -> Any:
    """Returns a table whose texts have no spaces at their ends, which would make other categories of them."""
    texts = [name for name in frame.columns if frame[name].dtype.kind == "O"]
    bare = {
        name: frame[name].map(lambda value: value.strip() if isinstance(value, str) else value)
        for name in texts
    }
    return frame.assign(**bare)


def has_decimal_commas(pandas: Any, series: Any) -> bool:
    """Whether a column of texts holds numbers such as 3,5, as programs write in many languages."""
    texts = [text for text in series.dropna() if isinstance(text, str)]
    points = pandas.Series([text.replace(",", ".") for text in texts], dtype=object)
    return bool(texts) and bool(pandas.to_numeric(points, errors="coerce").notna().all())


@contextlib.contextmanager
def refuse_damaged(check: checks.Checker, path: str, pandas: Any) -> Iterator[None]:
    """Raises a `ValueError` that names the file, where pandas and its readers raise several classes."""
    try:
        with check.system_errors(f"{path} cannot be read"), warnings.catch_warnings():
            # pandas warns of a row with more values than there are columns, and drops them.
            warnings.simplefilter("error", pandas.errors.ParserWarning)
            yield
    except (ImportError, FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except Exception as error:
        if str(error).startswith(f"{check.function}: "):
            raise
        rule = f"{path} is not a table that pandas can read"
        if isinstance(error, UnicodeDecodeError):
            rule += ": texts must be UTF-8, as spreadsheets can save them"
        raise ValueError(check.message(rule, error=" ".join(str(error).split()))) from None


def load(
    check: checks.Checker,
    path: str,
    options: TableOptions,
    valid_fraction: float,
    seed: int,
    fitted: TableFormat | None,
) -> Dataset:
    """Reads a table into a `Dataset` of features; see `load_dataset`."""
    frame = read_table(check, path)
    # All messages begin with the file, as people may have given several.
    check = checks.Checker(f"{check.function}: {path}")
    label = fitted.label if fitted else check_label(check, options.label, frame)
    names = [*frame.columns]
    near = checks.near(label, names)
    if not near and any(table_columns.WRITTEN.fullmatch(name) for name in names):
        near = ", of which the first line must hold the names"
    check.require(label in names, f"label must name a column{near}", label=label, columns=names)
    classes = fitted.classes if fitted else classes_of(check, frame[label], options.task)
    labels = TableFormat(label, classes, 0.0, 1.0, TableEncoder()).labels(check, frame[label])
    strata = labels if classes else None
    train, valid, test = partition(check, len(frame), valid_fraction, seed, strata)
    table = fitted or fit_format(check, frame, options, classes, labels, train)
    split = FeatureSplit(table.encoder.encode(check, frame), labels)
    return Dataset(path, take(split, train), take(split, valid), take(split, test), classes, table)


def check_label(check: checks.Checker, label: Any, frame: Any) -> str:
    rule = "label must name the column to predict"
    example = f', such as label="{frame.columns[-1]}"' if len(frame.columns) else ""
    check.require(label is not None, rule + example, columns=[*frame.columns])
    check.require_type(isinstance(label, str), rule, label=label)
    return label


def refuse_missing(check: checks.Checker, label: str, series: Any) -> None:
    empty = series.isna().to_numpy()
    if empty.any():
        rule = f"label {label} is missing: leave these rows out, as by frame.dropna(subset=[{label!r}])"
        raise ValueError(check.message(rule, row=table_columns.row_of(empty), rows_without=int(empty.sum())))


def classes_of(check: checks.Checker, series: Any, task: str | None) -> tuple[str, ...]:
    """Returns the texts of the classes; () where numbers are to be predicted."""
    name = series.name
    if task is not None:
        task = check.choice("task", task, (CLASSIFICATION, REGRESSION))
    refuse_missing(check, name, series)
    kind = table_columns.kind_of(check, name, series, task == CLASSIFICATION, AS_CLASSES)
    rule = f"label {name} must hold numbers for a regression"
    check.require(task != REGRESSION or kind == NUMBER, rule, dtype=str(series.dtype))
    count = series.nunique()
    check.require(count > 1, f"label {name} must hold two or more different values", value=series.tolist()[0])
    if kind == NUMBER:
        few = count <= min(MOST_INTEGER_CLASSES, len(series) // 2)
        if task == REGRESSION or not (few and series.dtype.kind in "ui"):
            level = logging.WARNING if task is None and few and (series % 1 == 0).all() else logging.INFO
            text = "label %s holds numbers: regression (task='classification' for classes)"
            logger.log(level, text, name)
            return ()
        logger.info("label %s holds %d integers: classes (task='regression' for numbers)", name, count)
    if kind == CATEGORY:
        rule = f"label {name} has nearly as many different values as rows, which cannot be classes"
        check.require(count <= max(2, len(series) // 2), rule, values=int(count), rows=len(series))
    return table_columns.categories_of(series)


def fit_format(
    check: checks.Checker,
    frame: Any,
    options: TableOptions,
    classes: tuple[str, ...],
    labels: np.ndarray,
    train: np.ndarray,
) -> TableFormat:
    """Fits the preprocessing: categories are those of all rows, all numbers are of the training rows."""
    label = str(options.label)
    drop = check_names(check, "drop", options.drop)
    for name in drop:
        near, columns = checks.near(name, [*frame.columns]), [*frame.columns]
        check.require(name in columns, f"drop must name columns{near}", drop=name, columns=columns)
    features = frame.drop(columns=[label, *drop], errors="ignore")
    for name in features.columns:
        if table_columns.is_identity(name, features[name]):
            text = "column %s numbers the rows, which teaches nothing about others; drop=[%r] leaves it out"
            logger.warning(text, name, name)
    check.require(len(features.columns), "a column besides the label must be left", columns=[*frame.columns])
    settings: dict[str, Any] = {
        name: getattr(options, name) for name in ("missing", "unknown", "categories", "categorical")
    }
    # All rows first, so that a value that cannot be taken is named by its row in the file.
    complete, encoder = TableEncoder(**settings), TableEncoder(**settings)
    for unfitted, rows in ((complete, features), (encoder, features.iloc[train])):
        unfitted.measure(check, rows, "drop={}")
    encoder.columns = tuple(
        of_all if of_all.categories else of_training
        for of_all, of_training in zip(complete.columns, encoder.columns, strict=True)
    )
    if classes:
        return TableFormat(label, classes, 0.0, 1.0, encoder)
    mean, std = float(labels[train].mean(dtype=np.float64)), float(labels[train].std(dtype=np.float64))
    return TableFormat(label, (), mean, std or 1.0, encoder)
