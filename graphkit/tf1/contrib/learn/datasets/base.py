"""`tf.contrib.learn.datasets.base`: records of data sets, and files that are downloaded once."""

import csv
import os
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from graphkit import checks
from graphkit.tf1 import overlay

__all__ = ["Dataset", "Datasets", "load_csv_with_header", "load_csv_without_header", "maybe_download"]


class Dataset(NamedTuple):
    """Features and their targets."""

    data: np.ndarray
    target: np.ndarray


class Datasets(NamedTuple):
    """The three parts of a data set."""

    train: Any
    validation: Any
    test: Any


def maybe_download(filename: str, work_directory: str, source_url: str) -> str:
    """Returns the path of a file in a folder; where it is not there, it is downloaded."""
    path = Path(work_directory, filename)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
        try:
            urllib.request.urlretrieve(source_url, partial)
        except OSError as error:
            partial.unlink(missing_ok=True)
            rule = f"the file must be in the folder, or its address be reachable ({error})"
            check = checks.Checker("maybe_download")
            raise OSError(check.message(rule, path=str(path), source_url=source_url)) from None
        partial.replace(path)
    return str(path)


def load_csv_with_header(
    filename: str, target_dtype: Any, features_dtype: Any, target_column: int = -1
) -> Dataset:
    """Reads a table whose first line holds the number of examples and of features."""
    with open(filename, newline="") as file:
        header, *rows = csv.reader(file)
    count, width = int(header[0]), int(header[1])
    read = split_rows(rows, target_dtype, features_dtype, target_column)
    check = checks.Checker("load_csv_with_header")
    rule = f"the file must have the {count} rows of {width} features that its first line says"
    check.require(read.data.shape == (count, width), rule, shape=read.data.shape)
    return read


def load_csv_without_header(
    filename: str, target_dtype: Any, features_dtype: Any, target_column: int = -1
) -> Dataset:
    """Reads a table that has no first line of names."""
    with open(filename, newline="") as file:
        return split_rows(list(csv.reader(file)), target_dtype, features_dtype, target_column)


def split_rows(rows: list[list[str]], target_dtype: Any, features_dtype: Any, target_column: int) -> Dataset:
    targets = [row.pop(target_column) for row in rows]
    return Dataset(np.array(rows, features_dtype), np.array(targets, target_dtype))


__getattr__, __dir__ = overlay.over(__name__)
