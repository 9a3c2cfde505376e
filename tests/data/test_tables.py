"""CSV, TSV and parquet files as data sets; refusals name file, row and column."""

import gzip
import json

import numpy as np
import pandas
import pytest
from data.data_files import assert_refused

import graphkit as gk
from graphkit.data import tables

ROWS = 60


def houses(rows=ROWS):
    random = np.random.default_rng(5)
    frame = pandas.DataFrame(
        {"rooms": random.integers(1, 6, rows), "area": random.normal(80, 20, rows).round(1)}
    )
    frame["city"] = np.resize(["Rome", "Oslo", "Bonn"], rows)
    frame["garden"] = random.random(rows) < 0.5
    return frame.assign(price=(frame.area * 1000 + frame.rooms * 5000).round(), number=np.arange(rows))


@pytest.fixture(scope="module")
def csv(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "houses.csv"
    houses().to_csv(path, index=False)
    return path


def test_table_becomes_features_and_labels(csv):
    data = gk.load_dataset(csv, label="price", valid_fraction=0.25)
    frame, encoder = houses(), data.format.encoder
    assert data.classes == () and data.name == str(csv) and isinstance(data.train, gk.data.FeatureSplit)
    assert [len(split.labels) for split in data[1:4]] == [36, 12, 12]
    assert (data.train.features.dtype, data.train.labels.dtype) == (np.float32, np.float32)
    names = ("rooms", "area", "city=Bonn", "city=Oslo", "city=Rome", "garden", "number")
    assert encoder.feature_names == names
    rows = [encoder.inverse_transform(split.features).number.round().astype(int) for split in data[1:4]]
    assert sorted(np.concatenate(rows)) == list(range(ROWS))
    for split, numbers in zip(data[1:4], rows, strict=True):
        assert np.array_equal(split.features, encoder(frame.iloc[numbers]))
        assert np.array_equal(split.labels, frame.price.iloc[numbers].astype(np.float32))


def test_preprocessing_is_fitted_to_the_training_rows_alone(csv):
    data = gk.load_dataset(csv, label="price", drop=["city", "garden"])
    assert np.allclose(data.train.features.mean(axis=0), 0, atol=1e-5)
    assert np.allclose(data.train.features.std(axis=0), 1, atol=1e-5)
    assert np.isclose(data.format.mean, data.train.labels.mean())
    assert np.isclose(data.format.std, data.train.labels.std())
    assert abs(data.test.features.mean()) > 0.01


def test_splits_are_stratified_and_seeded(csv):
    first, again, other = (
        gk.load_dataset(csv, label="city", valid_fraction=0.25, seed=seed) for seed in (1, 1, 2)
    )
    assert first.classes == ("Bonn", "Oslo", "Rome") and first.train.labels.dtype == np.int32
    for split, count in zip(first[1:4], (12, 4, 4), strict=True):
        assert np.bincount(split.labels).tolist() == [count] * 3
    assert np.array_equal(first.train.labels, again.train.labels)
    assert np.array_equal(first.train.features, again.train.features)
    assert not np.array_equal(first.train.features, other.train.features)
    assert np.array_equal(first.test.labels, other.test.labels)


def check_same_data(path, csv):
    data, other = (gk.load_dataset(name, label="price") for name in (csv, path))
    assert np.array_equal(other.train.features, data.train.features)
    assert np.array_equal(other.test.labels, data.test.labels)


@pytest.mark.parametrize(("name", "separator"), [("a.tsv", "\t"), ("a.csv.gz", ";"), ("a.csv", "|")])
def test_other_text_files_hold_the_same(name, separator, csv, tmp_path):
    houses().to_csv(tmp_path / name, sep=separator, index=False)
    check_same_data(tmp_path / name, csv)


def test_decimal_commas_are_understood_between_semicolons(csv, tmp_path):
    houses().to_csv(tmp_path / "a.csv", sep=";", decimal=",", index=False)
    assert "," in (tmp_path / "a.csv").read_text()
    check_same_data(tmp_path / "a.csv", csv)


def test_a_file_that_is_missing_is_that(tmp_path):
    words = ("no file or folder has that path", "none.csv")
    assert_refused(tmp_path / "none.csv", *words, kind=FileNotFoundError, label="y")


@pytest.mark.slow
def test_parquet_files_hold_the_same(csv, tmp_path):
    houses().set_index("number", drop=False).to_parquet(tmp_path / "a.parquet")
    check_same_data(tmp_path / "a.parquet", csv)
    content = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(content[:-10])
    assert_refused(tmp_path / "a.parquet", tmp_path / "a.parquet", "is not a table", label="price")


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (np.resize(["no", "yes"], ROWS), None, ("no", "yes")),
        (np.resize([True, False], ROWS), None, ("False", "True")),
        (np.resize([10, 9, 2], ROWS), None, ("2", "9", "10")),
        (np.resize([10, 9, 2], ROWS), "regression", ()),
        (np.arange(ROWS), None, ()),
        (np.resize([0.5, 1.5], ROWS), None, ()),
        (np.resize([0.5, 1.5], ROWS), "classification", ("0.5", "1.5")),
        (np.resize([1.0, 2.0], ROWS), "classification", ("1", "2")),
        (np.resize(["$1", "$2"], ROWS), "classification", ("$1", "$2")),
    ],
)
def test_the_label_decides_between_classes_and_numbers(values, task, classes, tmp_path):
    houses().assign(y=values).to_csv(tmp_path / "a.csv", index=False)
    data = gk.load_dataset(tmp_path / "a.csv", label="y", task=task)
    assert data.classes == classes
    assert data.train.labels.dtype == (np.int32 if classes else np.float32)


def test_later_table_is_read_as_the_first_one_was(csv, tmp_path):
    data = gk.load_dataset(csv, label="city", drop=["number"])
    later = houses().query("city != 'Bonn'").drop(columns="number")
    later.to_csv(tmp_path / "later.csv", index=False)
    again = gk.load_dataset(tmp_path / "later.csv", format=data.format)
    assert again.classes == data.classes and again.format is data.format
    assert set(again.test.labels) == {1, 2}
    text = json.dumps(data.format.to_json())
    assert gk.data.TableFormat.from_json(json.loads(text)) == data.format
    later.assign(city="Rom").to_csv(tmp_path / "later.csv", index=False)
    path = tmp_path / "later.csv"
    assert_refused(
        path, path, "label city must be one of the classes (near it: Rome)", "row=1", format=data.format
    )


def test_category_of_few_rows_is_known_in_all_splits(tmp_path):
    frame = houses().assign(city=["Zug", *["Rome"] * (ROWS - 2), "Ulm"])
    frame.to_csv(tmp_path / "a.csv", index=False)
    for seed in range(3):
        data = gk.load_dataset(tmp_path / "a.csv", label="price", seed=seed, valid_fraction=0.4)
        assert {"city=Zug", "city=Ulm"} <= set(data.format.encoder.feature_names)


def lines(*more, head="a,b,y", rows=20):
    return "\n".join([head, *(f"{n % 7},{'uvw'[n % 3]},{n % 2}" for n in range(rows)), *more, ""])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["is not a table"]),
        ("a,b,y\n", ["holds no rows"]),
        (lines("x,u,1"), ["column a must hold numbers, or texts", "value='x'", "row=21"]),
        (lines(",u,1"), ["column a has a missing value", "row=21"]),
        (lines("1,,1"), ["column b has a missing value", "row=21"]),
        (lines("1,u"), ["label y is missing", "row=21"]),
        (lines("1,u,1,1"), ["Expected 3 fields in line 22, saw 4"]),
        (lines("inf,u,1"), ["column a must hold finite numbers", "row=21"]),
        (lines('"1,u,1'), ["EOF inside string starting at row 21"]),
        (lines(head="a,a,y"), ["different names", "['a']"]),
        (lines(head="a,b"), ["is not a table"]),
        (lines(head="a,,y"), ["the first line must hold the names"]),
        (lines(head=",b,y"), ["the first line must hold the names"]),
        (lines(head="1,u,0"), ["label must name a column, of which the first line must hold the names"]),
        ("1,2,3\n4,5,6\n", ["the first line must hold the names", "['1', '2', '3']"]),
        (lines().encode() + b"\xff\xfe,u,1\n", ["is not a table", "utf-8"]),
    ],
)
def test_damage_is_named_by_file_row_and_column(text, words, tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert_refused(path, path, *words, label="y")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, ["label must name the column to predict", "'rooms'"]),
        ({"label": "prize"}, ["label must name a column (near it: price"]),
        ({"label": 3}, ["label must name"]),
        ({"label": "price", "drop": ["town"]}, ["drop must name columns"]),
        ({"label": "price", "drop": "city"}, ["drop must be a list"]),
        ({"label": "price", "task": "rank"}, ["task must be one of"]),
        ({"label": "city", "task": "regression"}, ["label city must hold numbers"]),
        ({"label": "number", "task": "classification"}, ["cannot be classes"]),
        ({"label": "price", "drop": ["rooms", "area", "city", "garden", "number"]}, ["must be left"]),
        (
            {"label": "price", "image_size": 3},
            ["is an option of a folder of images, and this is a table"],
        ),
        ({"label": "price", "valid_fraction": 0.999}, ["valid_fraction must leave training examples"]),
    ],
)
def test_options_are_checked(options, words, csv):
    assert_refused(csv, *words, kind=(ValueError, TypeError), **options)


WRITTEN = {
    "1,200.50": (1200.5, "numbers"),
    "$ 12": (12, "numbers"),
    "-3,5": (-3.5, "numbers"),
    "1.200,50": (1200.5, "numbers"),
    "12.5 %": (12.5, "numbers"),
    "2024-05-31": (152, "dates"),
    "31.05.2024 10:00": (152, "dates"),
}


@pytest.mark.parametrize("text", WRITTEN)
def test_numbers_and_dates_as_people_write_them_are_told_what_makes_numbers(text):
    """They would become a category for each value; the code of the message gives the value."""
    value, kind = WRITTEN[text]
    frame = pandas.DataFrame({"a": ["7" if kind == "numbers" else text, text, None]})
    with pytest.raises(ValueError, match=rf"column a holds {kind}.*; received value=.*, row=\d") as error:
        gk.data.TableEncoder(frame, missing="fill")
    code = str(error.value).split("as by ")[1].split(", leave it out")[0]
    assert eval(code, {"pandas": pandas, "frame": frame})[1] == value
    assert gk.data.TableEncoder(frame, missing="fill", categorical=["a"]).columns[0].kind == "category"
    numbers = gk.data.TableEncoder(pandas.DataFrame({"a": [1.0, 2.0]}))
    with pytest.raises(ValueError, match=f"{kind}.*: make numbers of them") as error:
        numbers(frame[:2])
    assert "leave it out" not in str(error.value), "which a later table cannot do"


def test_texts_that_only_look_like_numbers_are_categories():
    for texts in (["10-20", "20-30"], ["3 doors", "5 doors"], ["1.2.3", "1.2.4"], ["12", "13"], ["A1", "B2"]):
        assert gk.data.TableEncoder(pandas.DataFrame({"a": texts})).columns[0].categories == tuple(texts)


def test_spaces_at_the_ends_make_no_other_category(tmp_path):
    (tmp_path / "a.csv").write_text("city,y\n" + "Rome,0\nRome ,1\n Rome,0\nOslo\t,1\n" * 5)
    data = gk.load_dataset(tmp_path / "a.csv", label="y")
    assert data.format.encoder.feature_names == ("city=Oslo", "city=Rome")


def test_the_index_that_pandas_writes_is_left_out(csv, tmp_path):
    """Also in a later table, whose rows have other numbers."""
    data, path = gk.load_dataset(csv, label="price"), tmp_path / "a.csv"
    houses().to_csv(path)
    assert (gk.load_dataset(path, label="price").train.features == data.train.features).all()
    houses()[:-20:-1].to_csv(path)
    assert gk.load_dataset(path, format=data.format).train.features.shape[1] == data.train.features.shape[1]


def test_options_of_tables_are_refused_for_other_data():
    assert_refused("mnist_5k", "label is an option of a table, and this is a named data set", label="x")
    encoder = gk.data.TableEncoder(houses())
    table = gk.data.TableFormat("price", (), 0.0, 1.0, encoder)
    assert_refused("mnist_5k", "format must be that of such data", kind=TypeError, format=table)


def test_a_damaged_gzip_file_is_named(tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(lines().encode())[:-9])
    assert_refused(tmp_path / "a.csv.gz", tmp_path / "a.csv.gz", "is not a table", label="y")


def test_missing_values_are_filled_where_that_is_asked_for(tmp_path):
    (tmp_path / "a.csv").write_text(lines(",u,1", "3,,0"))
    data = gk.load_dataset(tmp_path / "a.csv", label="y", missing="fill")
    parts = np.concatenate([split.features for split in data[1:4]])
    assert np.isfinite(parts).all() and (parts[:, 1:].sum(axis=1) == 0).sum() == 1


def test_pandas_is_asked_for_by_the_name_of_its_extra(csv, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install 'tf-graphkit\[tables\]'"):
        gk.load_dataset(csv, label="price")


def test_table_names():
    assert tables.is_table("a.CSV") and tables.is_table("x/b.tsv.gz") and not tables.is_table("a.npz")


def test_a_text_in_another_encoding_is_named(tmp_path):
    (tmp_path / "towns.csv").write_bytes("town,price\nKöln,3\nBonn,4\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"towns\.csv is not .* read: texts must be UTF-8"):
        gk.load_dataset(str(tmp_path / "towns.csv"), label="price")


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("id", [3, 1, 2, 4, 5, 6, 7, 8], True),
        ("PassengerId", [1, 2, 3, 4, 5, 6, 7, 8], True),
        ("customer_id", [1, 2, 3, 4, 5, 6, 7, 8], True),
        ("Unnamed: 0", [0, 1, 2, 3, 4, 5, 6, 7], True),
        ("id", [1, 2, 3, 4, 5, 6, 7, 7], False),
        ("id", [0.5, 1, 2, 3, 4, 5, 6, 7], False),
        ("paid", [1, 2, 3, 4, 5, 6, 7, 8], False),
        ("price_index", [1, 2, 3, 4, 5, 6, 7, 8], False),
    ],
)
def test_a_column_that_numbers_the_rows_is_named(name, values, said, tmp_path, caplog):
    rows = [f"{value},{number % 2}" for number, value in enumerate(values)]
    (tmp_path / "t.csv").write_text("\n".join([f"{name},label", *rows]))
    gk.load_dataset(tmp_path / "t.csv", label="label", task="classification", valid_fraction=0.0)
    text = (
        f"column {name} numbers the rows, which teaches nothing about others; drop=['{name}'] leaves it out"
    )
    assert (text in caplog.messages) == said
    caplog.clear()
    with pytest.raises(
        ValueError, match=rf"drop must name columns.*; received drop='x', columns=\['{name}', 'label'\]"
    ):
        gk.load_dataset(tmp_path / "t.csv", label="label", drop=["x"])
