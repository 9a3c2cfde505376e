"""One-hot rows of categories: scikit-learn's, and refusals that name what is wrong."""

import numpy as np
import pandas
import pytest
from sklearn import preprocessing

import graphkit as gk

CITIES = ["Rome", "Oslo", "Rome", "Bonn", "Älmhult"]


@pytest.mark.parametrize(
    "values",
    [
        CITIES,
        np.array(CITIES),
        pandas.Series(CITIES, index=[4, 2, 0, 1, 3]),
        [3, 1, 3, 2],
        [True, False, True],
    ],
)
def test_rows_are_those_of_scikit_learn(values):
    column = np.asarray(values, object).reshape(-1, 1)
    other = preprocessing.OneHotEncoder(sparse_output=False).fit(column)
    encode = gk.data.OneHotEncoder(values)
    assert encode.categories.tolist() == other.categories_[0].tolist()
    rows = encode(values)
    assert rows.dtype == np.float32 and np.array_equal(rows, other.transform(column))
    assert np.array_equal(encode.inverse_transform(rows), other.inverse_transform(rows)[:, 0])
    assert np.array_equal(gk.data.OneHotEncoder().fit(values).transform(values), rows)


def test_unknown_categories_are_zeros_if_asked_for():
    other = preprocessing.OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    other.fit(np.array(CITIES).reshape(-1, 1))
    encode = gk.data.OneHotEncoder(CITIES, unknown="ignore")
    rows = encode(["Oslo", "Paris"])
    assert np.array_equal(rows, other.transform(np.array([["Oslo"], ["Paris"]])))
    assert encode.inverse_transform(rows).tolist() == ["Oslo", None]
    assert encode.places(["Zug", "Aachen", "Rome"]).tolist() == [-1, -1, 2]


def test_unknown_category_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match=r"be given \(near it: Rome\); .*'Romer', position=1"):
        gk.data.OneHotEncoder(CITIES)(["Oslo", "Romer"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "at least one"),
        ([0.5], "texts, integers or booleans"),
        (["a", None], "texts, integers or booleans"),
        (pandas.Series(["a", None]), "texts, integers or booleans"),
        ([["a"], ["b"]], "texts, integers or booleans"),
        ("abc", "a list or an array"),
        (np.ma.masked_array([1, 2], [0, 1]), "masked"),
    ],
)
def test_other_values_are_refused(values, message):
    with pytest.raises((ValueError, TypeError), match=f"^OneHotEncoder: .*{message}"):
        gk.data.OneHotEncoder(values)


def test_use_before_fit_and_other_shapes_are_refused():
    with pytest.raises(ValueError, match="fit must be called first"):
        gk.data.OneHotEncoder()(["a"])
    with pytest.raises(ValueError, match=r"rows must be \(N, 4\)"):
        gk.data.OneHotEncoder(CITIES).inverse_transform(np.eye(3))
    with pytest.raises(TypeError, match="values must be of the categories' type"):
        gk.data.OneHotEncoder(CITIES)([1])
