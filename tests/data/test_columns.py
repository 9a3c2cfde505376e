"""Examples that are read when they are needed, and the helpers that take them, by position."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit import checks
from graphkit.data import columns, scalers

CHECK = checks.Checker("fit")
ORDER = np.random.default_rng(5).permutation(12)
LABELS = np.array([0, 1, 2, 1] * 3)
SERIES = pd.Series(LABELS, index=ORDER)


def counting(length=10):
    """Returns (a column of squares, the indices that were read)."""
    reads = []

    def read(indices):
        reads.append(indices.tolist())
        return np.stack([indices, indices**2], axis=1)

    return columns.Column(read, (length, 2), np.int64), reads


def test_a_column_is_indexed_as_an_array_and_reads_each_row_once_in_order():
    column, reads = counting()
    array = np.stack([np.arange(10), np.arange(10) ** 2], axis=1)
    assert (len(column), column.ndim, column.nbytes, column.size) == (10, 2, 160, 20)
    for selection, read in (
        (np.array([7, 2, 7, 0]), [0, 2, 7]),
        (np.array([1, 2, 3], np.int32), [1, 2, 3]),
        (slice(2, 4), [2, 3]),
        (slice(8, 99), [8, 9]),
        (slice(None, None, -3), [0, 3, 6, 9]),
    ):
        assert (column[selection] == array[selection]).all()
        assert reads.pop() == read
    assert column[np.array([], int)].shape == column[5:5].shape == (0, 2) and not reads


@pytest.mark.parametrize("outside", [[10], [-1], [3, -11]])
def test_indices_outside_are_refused(outside):
    column, reads = counting()
    with pytest.raises(IndexError, match="10 examples"):
        column[np.array(outside)]
    assert not reads


def test_what_is_in_memory_stays_an_array():
    array = np.arange(6.0)
    assert columns.as_examples(CHECK, "x", array) is array
    series = pd.Series(array)
    assert np.shares_memory(columns.as_examples(CHECK, "x", series), series.to_numpy())
    for value in (
        [1, 2],
        (1, 2),
        range(1, 3),
        memoryview(b"\x01\x02"),
    ):
        found = columns.as_examples(CHECK, "x", value)
        assert isinstance(found, np.ndarray) and found.tolist() == [1, 2]
    with pytest.raises(ValueError, match="fit: x must be an array: its rows differ in shape"):
        columns.as_examples(CHECK, "x", [[1], [1, 2]])
    with tf.Graph().as_default():
        tensor = tf.compat.v1.placeholder(tf.int32, (None,))
        for value in (tensor, [tensor, tensor]):
            with pytest.raises(TypeError, match="fit: x must be an array: a tensor of a graph has no values"):
                columns.as_examples(CHECK, "x", value)
    with pytest.raises(
        TypeError, match=r"fit: x must be an array \(it requires grad\); received type=.*Tracked"
    ):
        columns.as_examples(CHECK, "x", Tracked())


class Tracked:
    """What NumPy cannot convert, such as a tensor of PyTorch that requires its gradient."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("it requires grad")


def test_rows_of_unequal_lengths_are_named_with_how_to_fill_them_up():
    rows = [[1, 2, 3], [4], []]
    with pytest.raises(ValueError) as caught:
        columns.as_examples(CHECK, "data of tokens:0", rows)
    code = "[[*row, *[0] * (length - len(row))] for row in tokens]"
    assert f"its rows differ in shape; fill them up: length = max(map(len, tokens)), and give {code}" in str(
        caught.value
    )
    assert str(caught.value).endswith("; received lengths=[3, 1, 0]")
    assert eval(code, {"length": 3, "tokens": rows}) == [[1, 2, 3], [4, 0, 0], [0, 0, 0]]
    with pytest.raises(ValueError, match=r"received shapes=\{0: \(2, 2\), 1: \(3, 2\)\}"):
        columns.as_examples(CHECK, "x", [np.zeros((2, 2)), np.zeros((3, 2))])
    with pytest.raises(ValueError, match=r"its rows differ in shape; received lengths=\[2, 1\]"):
        columns.as_examples(CHECK, "x", [[[1], [1, 2]], [[1]]])


def test_pictures_that_differ_and_tables_in_a_table_are_told_what_makes_one_array_of_them():
    image = pytest.importorskip("PIL.Image")
    pictures = [image.new("RGB", (5, 4)), image.new("L", (5, 4)), image.new("RGB", (9, 9))]
    with pytest.raises(ValueError, match=r'as by picture\.convert\("RGB"\)\.resize\(\(5, 4\)\)') as caught:
        columns.as_rows(CHECK, "x", pictures, np.arange(3))
    code = str(caught.value).split("as by ")[1].split(";")[0]
    converted = [eval(code, {"picture": picture}) for picture in pictures]
    assert columns.as_rows(CHECK, "x", converted, np.arange(3)).shape == (3, 4, 5, 3)

    class Table:
        column_names, to_pandas = ("a", "b"), None

    with pytest.raises(
        TypeError, match=r"one array or column: of several columns, give table\.to_pandas\(\)"
    ):
        columns.as_examples(CHECK, "x", Table())


def test_columns_of_objects_that_are_numbers_are_numbers():
    frame = pd.DataFrame({"a": [1, 2], "b": [1.5, 2], "c": [True, False]}, dtype=object)
    found = columns.as_examples(CHECK, "x", frame)
    assert found.dtype == np.float64 and found[:].tolist() == [[1, 1.5, 1], [2, 2, 0]]
    found = columns.as_examples(CHECK, "x", frame["a"])
    assert found.dtype == np.int64 and found[:].tolist() == [1, 2]
    mixed = frame.assign(b=[1, "x"])
    with pytest.raises(TypeError, match="'x' is not a number; pandas.to_numeric.* columns={'b': 'object'}"):
        columns.as_examples(CHECK, "x", mixed)


def test_helpers_take_series_lists_and_columns_by_position():
    frame = pd.DataFrame({"a": np.arange(12.0), "b": LABELS}, index=ORDER)
    batches = list(gk.minibatches([frame, SERIES, LABELS.tolist()], 5, seed=3))
    expected = list(gk.minibatches([frame.to_numpy(), LABELS, LABELS], 5, seed=3))
    for found, wanted in zip(batches, expected, strict=True):
        assert all((one == other).all() for one, other in zip(found, wanted, strict=True))
    column = columns.Column(lambda indices: LABELS[indices], (12,), LABELS.dtype)
    for labels in (SERIES, SERIES.astype("Int16"), column, LABELS.tolist()):
        for call in (
            lambda y: np.concatenate(gk.split_indices(12, 0.25, 0, y)),
            lambda y: gk.class_weights(y),
            lambda y: gk.data.resample(y, seed=2),
            lambda y: gk.one_hot(y, 3),
            lambda y: gk.Standardizer(y)(y),
            lambda y: gk.data.fill_rare_classes(np.zeros((12, 2, 2, 1)), y, gk.Augmentation())[1],
        ):
            np.testing.assert_array_equal(call(labels), call(LABELS))
    pixels = frame[["a", "b"]].astype("uint8")
    assert (gk.scale_pixels(pixels) == gk.scale_pixels(pixels.to_numpy())).all()


def test_scalers_read_a_column_in_parts(monkeypatch):
    monkeypatch.setattr(scalers, "CHUNK", 8)  # numbers, that is four rows
    column, reads = counting()
    for scaler in (gk.Standardizer(column), gk.MinMaxScaler(column)):
        assert (scaler(column) == type(scaler)(column[:])(column[:])).all()
    assert max(len(read) for read in reads if len(read) != 10) == 4


@pytest.mark.parametrize("arrays", [LABELS, SERIES, SERIES.to_frame(), {"x": LABELS}, "labels", [1, 2]])
def test_minibatches_refuse_what_is_no_sequence_of_arrays(arrays):
    with pytest.raises(TypeError, match=r"^minibatches: arrays must be a sequence of arrays"):
        gk.minibatches(arrays, 2)


def test_missing_values_of_a_table_are_refused_by_row():
    labels = SERIES.astype("Int64").where(LABELS != 2)
    for call in (lambda y: gk.class_weights(y), lambda y: gk.split_indices(12, 0.5, 0, y)):
        with pytest.raises(ValueError, match="labels has a missing value: .* received example=2$"):
            call(labels)
