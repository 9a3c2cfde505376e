"""The columns of a table as features: scikit-learn's numbers, and refusals that name row and column."""

import json

import numpy as np
import pandas
import pytest
from sklearn import compose, impute, pipeline, preprocessing

import graphkit as gk


def table(missing=False):
    frame = pandas.DataFrame(
        {
            "rooms": [1, 2, 2, 5, 3, 4],
            "area": [40.5, 61.0, 58.25, 150.0, 77.0, 90.0],
            "city": ["Rome", "Oslo", "Rome", "Bonn", "Oslo", "Rome"],
            "garden": [True, False, False, True, True, False],
        }
    )
    if missing:
        frame.loc[1, ["area", "city"]] = None
        frame["garden"] = frame["garden"].astype(object)
        frame.loc[4, "garden"] = None
    return frame


def scikit_learns(frame):
    """Returns what scikit-learn makes of the same columns."""
    text = preprocessing.OneHotEncoder(sparse_output=False, handle_unknown="ignore")
    number = pipeline.make_pipeline(impute.SimpleImputer(strategy="median"), preprocessing.StandardScaler())
    columns = [("numbers", number, ["rooms", "area"]), ("texts", text, ["city"])]
    return compose.ColumnTransformer(columns).fit_transform(frame)


def test_features_are_those_of_scikit_learn():
    encode = gk.data.TableEncoder(table())
    features = encode(table())
    assert features.dtype == np.float32
    assert encode.feature_names == ("rooms", "area", "city=Bonn", "city=Oslo", "city=Rome", "garden")
    assert np.allclose(features[:, :5], scikit_learns(table()), atol=1e-6)
    assert features[:, 5].tolist() == [1, 0, 0, 1, 1, 0]


def test_missing_numbers_become_the_median_and_categories_none():
    """The mean and std are those of what is there: scikit-learn's are of the filled column."""
    encode = gk.data.TableEncoder(table(missing=True), missing="fill")
    features = encode(table(missing=True))
    area = table().area.drop(1)
    assert np.isclose(features[1, 1], (area.median() - area.mean()) / area.std(ddof=0))
    assert features[1, 2:5].tolist() == [0, 0, 0]
    assert features[4, 5] == 0  # half of the others are true: 1, 0, 0, 1, 0
    rows = table(missing=True)[:1].assign(area=np.nan, city=None, garden=None)
    assert np.isfinite(encode(rows)).all()


def test_inverse_transform_gives_the_table_back():
    encode = gk.data.TableEncoder(table())
    back = encode.inverse_transform(encode(table()))
    pandas.testing.assert_frame_equal(back, table(), check_dtype=False, rtol=1e-5)
    embedded = gk.data.TableEncoder(table(), categories="embedded")
    assert embedded.inverse_transform(embedded(table())).city.tolist() == table().city.tolist()


def test_embedded_categories_are_numbers_from_1_on():
    encode = gk.data.TableEncoder(table(), categories="embedded", categorical=["rooms"], unknown="ignore")
    assert encode.feature_names == ("rooms", "area", "city", "garden")
    assert encode.embedded == {0: 6, 2: 4}
    assert encode(table())[:, 2].tolist() == [3, 2, 3, 1, 2, 3]
    assert encode(table().assign(city="Paris"))[:, 2].tolist() == [0] * 6
    # An integer keeps its text where a missing value makes floats of its column.
    assert encode(table().assign(rooms=[1.0, 2, 2, 5, 3, 4]))[:, 0].tolist() == [1, 2, 2, 5, 3, 4]


def test_pandas_types_of_all_kinds():
    frame = table(missing=True).convert_dtypes().assign(size=pandas.Categorical(list("LSMSML"), list("SML")))
    encode = gk.data.TableEncoder(frame, missing="fill")
    assert encode.feature_names[-3:] == ("size=S", "size=M", "size=L")
    plain = gk.data.TableEncoder(table(missing=True), missing="fill")
    assert np.array_equal(encode(frame)[:, :-3], plain(table(missing=True)))


def test_constant_column_is_centred():
    encode = gk.data.TableEncoder(pandas.DataFrame({"a": [0.1] * 7}))
    assert encode(pandas.DataFrame({"a": [0.1, 1.1]})).tolist() == [[0.0], [1.0]]


def test_order_and_other_columns_do_not_matter():
    encode = gk.data.TableEncoder(table())
    mixed = table()[["city", "garden", "area", "rooms"]].assign(price=3)
    assert np.array_equal(encode(mixed), encode(table()))


def test_json_holds_all_of_it():
    for encode in (gk.data.TableEncoder(table()), gk.data.TableEncoder(table(), categories="embedded")):
        again = gk.data.TableEncoder.from_json(json.loads(json.dumps(encode.to_json())))
        assert again == encode and np.array_equal(again(table()), encode(table()))
    assert gk.data.TableEncoder(table()) != gk.data.TableEncoder(table(), unknown="ignore")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"area": [1, 2, None, 4, 5, 6]}, "column area has a missing.*row=3, rows_without=1"),
        (
            {"city": ["a", None, "b", "b", None, "a"]},
            "column city has a missing.*row=2, rows_without=2",
        ),
        ({"area": [1, 2, np.inf, 4, 5, 6]}, "column area must hold finite numbers.*row=3"),
        (
            {"area": ["1", "2", "3", "4", "x", "6"]},
            "column area must hold numbers, or .*value='x', row=5",
        ),
        ({"area": pandas.date_range("2020", periods=6)}, "column area must hold numbers, texts or booleans"),
        ({"area": [1, "a", 2.5, "b", 3, "c"]}, "column area must hold numbers, texts or booleans.*row=1"),
        ({"area": [np.nan] * 6}, "column area has a missing value"),
    ],
)
def test_what_cannot_be_taken_is_named_by_row_and_column(change, message):
    with pytest.raises((ValueError, TypeError), match=f"^TableEncoder: {message}"):
        gk.data.TableEncoder(table().assign(**change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"city": ["Rome", "Oslo", "Paris", "Bonn", "Oslo", "Rome"]}, "column city .* value='Paris', row=3"),
        ({"area": [1, 2, 3, 4, 5, "x"]}, "column area .*"),
        ({"area": ["a", "b", "c", "d", "e", "f"]}, "column area must hold numbers.*value='a'"),
        ({"garden": [0, 1, 0, 1, 0, 1]}, "column garden must hold booleans"),
        ({"rooms": [1, 2, 3, None, 5, 6]}, "column rooms has a missing value.*row=4"),
    ],
)
def test_later_rows_must_be_like_those_of_the_training(change, message):
    encode = gk.data.TableEncoder(table())
    with pytest.raises((ValueError, TypeError), match=f"^TableEncoder: {message}"):
        encode(table().assign(**change))


def test_missing_column_is_named_with_the_nearest():
    with pytest.raises(ValueError, match=r"must have the column area \(near it: areas, garden\)"):
        gk.data.TableEncoder(table())(table().rename(columns={"area": "areas"}))


def test_columns_from_which_nothing_can_be_learned_are_refused():
    names = pandas.DataFrame({"name": [f"person {number}" for number in range(60)]})
    with pytest.raises(ValueError, match="column name has its own text in nearly every row.*rows=60"):
        gk.data.TableEncoder(names)
    names["note"] = names["name"]
    with pytest.raises(ValueError, match=r"columns name, note .*frame.drop\(columns=\['name', 'note'\]\)"):
        gk.data.TableEncoder(names)
    many = pandas.DataFrame({"code": [f"c{number % 1001}" for number in range(3003)]})
    with pytest.raises(ValueError, match="column code has many categories: give categories='embedded'"):
        gk.data.TableEncoder(many)
    assert gk.data.TableEncoder(many, categories="embedded").embedded == {0: 1002}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"missing": "mean"}, "missing must be one of"),
        ({"unknown": 1}, "unknown must be one of"),
        ({"categories": "onehot"}, "categories must be one of"),
        ({"categorical": "rooms"}, "categorical must be a list"),
        ({"categorical": ["room"]}, r"categorical must name columns \(near it: rooms\)"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        gk.data.TableEncoder(table(), **options)


def test_wrong_calls_are_refused():
    with pytest.raises(ValueError, match="fit must be called first"):
        gk.data.TableEncoder().transform(table())
    with pytest.raises(TypeError, match="frame must be a pandas DataFrame"):
        gk.data.TableEncoder(np.eye(3))
    with pytest.raises(ValueError, match="different names; received repeated=..a"):
        gk.data.TableEncoder(pandas.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]))
    with pytest.raises(ValueError, match=r"features must be \(N, 6\)"):
        gk.data.TableEncoder(table()).inverse_transform(np.eye(3))
    with pytest.raises(ValueError, match="a row and a column"):
        gk.data.TableEncoder(table()[:0])


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ({"kind": "number", "name": "a"}, "each of columns"),
        ({"kind": "number", "name": "a", "mean": 0, "std": -1, "fill": 0}, "std"),
        ({"kind": "category", "name": "a", "categories": []}, "different texts"),
        ({"kind": "category", "name": "a", "categories": ["x", "x"]}, "different texts"),
        ({"kind": "date", "name": "a", "categories": ["x"]}, "each of columns"),
        (None, "each of columns"),
    ],
)
def test_damaged_json_is_refused(column, message):
    fields = gk.data.TableEncoder(table()).to_json() | {"columns": [column]}
    with pytest.raises((ValueError, TypeError), match=message):
        gk.data.TableEncoder.from_json(fields)
