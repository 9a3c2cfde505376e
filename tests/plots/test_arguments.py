"""Arguments that several pictures share: what is refused, and what it is called in the message."""

import numpy as np
import pytest

from graphkit import checks
from graphkit.plots import arguments

CHECK = checks.Checker("draw")


@pytest.mark.parametrize(
    "value, error, message",
    [
        ([1.0], TypeError, "maps must be an array"),
        (np.ma.array([1.0], mask=[True]), TypeError, "maps must not be a masked array"),
        (np.ones((2, 2)), ValueError, "maps must have 1 axes"),
        (np.array(["a"]), ValueError, "maps must hold real numbers; received dtype='<U1'"),
        (np.array([1j]), ValueError, "maps must hold real numbers"),
        (np.ones(0), ValueError, r"maps must not be empty; received shape=\(0,\)"),
        (np.array([np.inf]), ValueError, "maps must be finite"),
        (np.array([-1e200]), ValueError, r"below 1e\+150 in absolute value; received largest=1e\+200"),
    ],
)
def test_arrays_that_cannot_be_drawn_are_refused(value, error, message):
    with pytest.raises(error, match=f"^draw: .*{message}"):
        arguments.numbers(CHECK, "maps", value, rank=1)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float16, np.float32])
def test_real_numbers_become_float64(dtype):
    found = arguments.numbers(CHECK, "maps", np.array([0, 1], dtype))
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, [0, 1])


def test_names_are_numbers_unless_given():
    assert arguments.names(CHECK, "classes", None, 3) == ["0", "1", "2"]
    assert arguments.names(CHECK, "classes", np.array(["cat", "doggy"]), 2, letters=4) == ["cat", "…ggy"]


@pytest.mark.parametrize(
    "value, error", [("ab", TypeError), (["a"], ValueError), ({"a": 1, "b": 2}, TypeError)]
)
def test_names_are_a_list_of_the_right_length(value, error):
    with pytest.raises(error, match="^draw: classes must be a list or tuple of 2 names; received classes="):
        arguments.names(CHECK, "classes", value, 2)


@pytest.mark.parametrize("value, error", [([1], TypeError), ({1: 2}, TypeError), ({}, ValueError)])
def test_mappings_have_text_as_keys_and_are_not_empty(value, error):
    with pytest.raises(error, match="^draw: arrays must be .name: array.; received arrays="):
        arguments.mapping(CHECK, "arrays", value, "arrays must be {name: array}")
