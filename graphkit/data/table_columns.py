"""The columns of a table: what kind each is, and how its values become features."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphkit import checks

NUMBER, BOOLEAN, CATEGORY, EMBEDDED = "number", "boolean", "category", "embedded"
MOST_ONE_HOT = 1000  # categories of a column; more would make large matrices of zeros
IDENTITY = re.compile(r"(.*[ _.-])?(id|uuid)|index|idx|row([ _]?(id|nr|no|num|number))?|unnamed: \d+")
FEW = 50  # different texts that a column may hold although each row has its own
# Numbers as people write them, of which pandas makes texts: $1,200.50, 12.5 %, 3,5, 1.200,50.
WRITTEN = re.compile(r"[-+]?[$€£¥]?\s*[-+]?(\d{1,3}([,.' ]\d{3})+|\d+)([.,]\d+)?\s*[%$€£¥]?")
THOUSANDS = re.compile(r"\D*\d{1,3}(,\d{3})+(\.\d+)?\D*|[^,]*")  # no comma, or only between thousands
DATE = re.compile(r"(\d{4}([-/.])\d{1,2}\2\d{1,2}|\d{1,2}([-/.])\d{1,2}\3\d{2}(\d{2})?)([T ].*)?")


class TableColumn(NamedTuple):
    """How a column of a table becomes features.

    Attributes:
      name: of the column.
      kind: "number" (standardised), "boolean" (0 or 1), "category" (one-hot) or "embedded" (the category's
        number from 1 on, 0 for none).
      mean: of a number in the training rows.
      std: likewise; 0 of a constant.
      fill: the median of the training rows, which replaces missing values.
      categories: the texts of a category, in order.
    """

    name: str
    kind: str
    mean: float = 0.0
    std: float = 0.0
    fill: float = 0.0
    categories: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """The number of features."""
        return len(self.categories) if self.kind == CATEGORY else 1


def row_of(where: np.ndarray) -> int:
    """Returns the first row that is meant, counted from 1 as people count."""
    return int(where.argmax()) + 1


def as_text(value: Any) -> str:
    """Returns the text by which a category is known: an integer has one, also in a column of floats."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def is_identity(name: str, series: Any) -> bool:
    """Whether a column only numbers the rows: a name such as id, and integers that are all different."""
    is_named = IDENTITY.fullmatch(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
    return bool(is_named) and series.dtype.kind in "ui" and len(series) > 1 and bool(series.is_unique)


def categories_of(held: Any) -> tuple[str, ...]:
    """Returns the texts of a column's categories, in order; a pandas categorical keeps its own."""
    given = getattr(held.dtype, "categories", None)
    present = {as_text(value) for value in held.unique()}
    if given is not None:
        return tuple(text for text in map(as_text, given) if text in present)
    if held.dtype.kind in "uif":
        return tuple(as_text(value) for value in sorted(held.unique()))
    return tuple(sorted(present))


def check_counts(
    check: checks.Checker, columns: Sequence[TableColumn], rows: Mapping[str, int], leave_out: str
) -> None:
    """Refuses texts from which nothing can be learned, all such columns at once, and too many categories.

    Args:
      check: of the function that was called.
      columns: as they were fitted.
      rows: how many rows of each column hold a value.
      leave_out: code that leaves columns out, with {} in the place of their names.
    """
    texts = {column.name: len(column.categories) for column in columns}
    own = [name for name, count in texts.items() if count > max(FEW, rows[name] / 2)]
    said = f"columns {', '.join(own)} have their" if len(own) > 1 else f"column {''.join(own)} has its"
    rule = f"{said} own text in nearly every row, from which nothing can be learned: leave "
    rule += f"{'them' if len(own) > 1 else 'it'} out, {leave_out.format(own)}"
    if own:
        raise ValueError(check.message(rule, texts=texts[own[0]], rows=rows[own[0]]))
    for column in columns:
        rule = f"column {column.name} has many categories: give categories='embedded', or leave it out"
        few = column.kind == EMBEDDED or len(column.categories) <= MOST_ONE_HOT
        check.require(few, rule, categories=len(column.categories))


def kind_of(
    check: checks.Checker,
    name: str,
    series: Any,
    categorical: bool,
    instead: str = ", leave it out, or name it in categorical",
) -> str:
    """Returns "number", "boolean" or "category" for what a column holds; messages say what else to do."""
    dtype = series.dtype
    if categorical or getattr(dtype, "categories", None) is not None:
        return CATEGORY
    if dtype.kind == "b":
        return BOOLEAN
    if dtype.kind in "uif":
        return NUMBER
    held = series.dropna()
    values = held.to_numpy(dtype=object)
    if len(values) and all(isinstance(value, (bool, np.bool_)) for value in values):
        return BOOLEAN  # pandas makes objects of booleans where some are missing
    texts = np.array([isinstance(value, str) for value in values], bool)
    rule = f"column {name} must hold numbers, texts or booleans: convert it{conversion(name, dtype, values)}"
    rule += ", or leave it out"
    if not texts.all():
        value = values[row_of(~texts) - 1]
        row = row_of((series.notna() & ~series.map(lambda item: isinstance(item, str))).to_numpy())
        raise TypeError(check.message(rule, dtype=str(dtype), value=value, row=row))
    numbered = series.reset_index(drop=True)
    check_written(check, name, numbered, instead)
    check_mixed(check, name, numbered, instead)
    return CATEGORY


def conversion(name: str, dtype: Any, values: np.ndarray) -> str:
    """Returns ", as by ..." with what makes numbers of a column's values, or ""."""
    if dtype.kind == "M":
        return f", as by frame[{name!r}].dt.day_of_year"
    if dtype.kind == "m":
        return f", as by frame[{name!r}].dt.total_seconds()"
    is_decimal = len(values) and type(values[0]).__name__ == "Decimal"
    return f", as by frame[{name!r}].astype(float)" if is_decimal else ""


def check_written(check: checks.Checker, name: str, series: Any, instead: str) -> None:
    """Refuses dates, and numbers as people write them, which would become a category for each value."""
    pandas = check.optional_module("pandas", "tables")
    texts = series.dropna()
    place, column = texts.index[0], f"frame[{name!r}]"
    if all(map(DATE.fullmatch, texts)):
        first = ", dayfirst=True" if re.match(r"\d{1,2}\.", texts[place]) else ""
        kind, remedy = "dates", f"pandas.to_datetime({column}{first}).dt.day_of_year"
    elif (
        all(map(WRITTEN.fullmatch, texts)) and (odd := pandas.to_numeric(texts, errors="coerce").isna()).any()
    ):
        kind, place = "numbers that are written as texts", odd.idxmax()
        has_points = all(map(THOUSANDS.fullmatch, texts))
        kept, point = ("0-9.-", "") if has_points else ("0-9,-", ".str.replace(',', '.')")
        remedy = f"{column}.str.replace('[^{kept}]', '', regex=True){point}.astype(float)"
    else:
        return
    rule = f"column {name} holds {kind}: make numbers of them, as by {remedy}{instead}"
    raise ValueError(check.message(rule, value=texts[place], row=int(place) + 1))


def check_mixed(check: checks.Checker, name: str, series: Any, instead: str) -> None:
    """Refuses texts among numbers: a stray text makes texts of all numbers of a column."""
    pandas = check.optional_module("pandas", "tables")
    numbers = pandas.to_numeric(series, errors="coerce").notna().to_numpy()
    wrong = series.notna().to_numpy() & ~numbers
    if wrong.any() and numbers.sum() >= wrong.sum():
        rule = f"column {name} must hold numbers, or texts: correct it{instead}"
        row = row_of(wrong)
        raise ValueError(
            check.message(
                rule, value=series[row - 1], row=row, numbers=int(numbers.sum()), texts=int(wrong.sum())
            )
        )


def numbers_of(check: checks.Checker, name: str, series: Any) -> np.ndarray:
    """Returns the numbers or booleans of a column that are not missing, as finite float64."""
    held = series.dropna()
    values = held.to_numpy().astype(np.float64)
    wrong = ~np.isfinite(values)
    if wrong.any():
        at = row_of(wrong) - 1
        rule = f"column {name} must hold finite numbers"
        raise ValueError(check.message(rule, value=float(values[at]), row=int(held.index[at]) + 1))
    return values


def values_of(column: TableColumn, features: np.ndarray) -> Any:
    """Returns what the features of a column stand for."""
    if column.kind == NUMBER:
        return features[:, 0] * (column.std or 1.0) + column.mean
    if column.kind == BOOLEAN:
        return features[:, 0] >= 0.5
    if column.kind == EMBEDDED:
        places: Iterable[int] = features[:, 0].round().astype(int) - 1
    else:
        places = np.where(features.any(axis=1), features.argmax(axis=1), -1)
    return [column.categories[place] if 0 <= place < len(column.categories) else None for place in places]


def to_json(column: TableColumn) -> dict[str, Any]:
    if column.kind in (CATEGORY, EMBEDDED):
        return {"name": column.name, "kind": column.kind, "categories": list(column.categories)}
    fields = column._asdict()
    del fields["categories"]
    return fields


def from_json(check: checks.Checker, fields: Any) -> TableColumn:
    rule = "each of columns must have a name, a kind, and the numbers or the categories of this kind"
    right = isinstance(fields, dict) and isinstance(fields.get("name"), str)
    kind = fields.get("kind") if right else None
    texts = kind in (CATEGORY, EMBEDDED)
    names = {"name", "kind", "categories"} if texts else {"name", "kind", "mean", "std", "fill"}
    right = right and kind in (NUMBER, BOOLEAN, CATEGORY, EMBEDDED) and set(fields) == names
    check.require(right, rule, column=fields)
    if texts:
        return TableColumn(fields["name"], str(kind), categories=check_texts(check, fields["categories"]))
    mean, std, fill = (
        check.number(name, fields[name], at_least=0 if name == "std" else None)
        for name in ("mean", "std", "fill")
    )
    return TableColumn(fields["name"], str(kind), mean, std, fill)


def check_texts(check: checks.Checker, texts: Any) -> tuple[str, ...]:
    right = isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts)
    check.require(
        right and len(set(texts)) == len(texts), "categories must be different texts", categories=texts
    )
    return tuple(texts)
