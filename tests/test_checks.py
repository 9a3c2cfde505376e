"""The message format and the argument checks."""

import fractions
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import graphkit as gk
from graphkit import checks

CHECK = checks.Checker("f")


def test_message_names_function_rule_and_what_was_received():
    text = checks.Checker("conv2d").message("strides must be positive", strides=(0, 1))
    assert text == "conv2d: strides must be positive; received strides=(0, 1)"


def test_integers_of_numpy_are_integers():
    assert CHECK.integer("n", np.int64(3)) == 3
    assert CHECK.integers("n", [2, np.uint8(3)], 2) == (2, 3)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1, 2])
def test_number_refuses_values_out_of_bounds(value):
    with pytest.raises(ValueError, match="f: x must be a finite number at least 0 and at most 1; received"):
        CHECK.number("x", value, at_least=0, at_most=1)


@pytest.mark.parametrize("value", [10**400, -(10**400), fractions.Fraction(10**400)])
def test_number_refuses_values_that_a_float_cannot_hold(value):
    with pytest.raises(ValueError, match="f: x must be a finite number; received x="):
        CHECK.number("x", value)


@pytest.mark.parametrize("value", [10**5000, [10**5000], "x" * 10**6], ids=["digits", "list", "text"])
def test_message_shows_values_of_any_length(value):
    text = CHECK.message("x must be short", x=value)
    assert text.startswith("f: x must be short; received x=") and len(text) < 2100


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Path("runs/x"), "'runs/x'"),
        ([Path("a"), ("b", Path("c"))], "['a', ('b', 'c')]"),
        ({"logdir": Path("a"), "n": 1}, "{'logdir': 'a', 'n': 1}"),
    ],
)
def test_paths_are_shown_as_strings(value, text):
    assert CHECK.message("x must exist", x=value) == f"f: x must exist; received x={text}"


SHORT = [
    (np.arange(12), "array([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11])"),
    (np.eye(2), "array([[1., 0.], [0., 1.]])"),
    (np.arange(40), "array of int64 with shape (40,)"),
    (np.array(["x" * 300]), "array of <U300 with shape (1,)"),
    ([1] * 40, "[1, 1, 1, … (40 in all)]"),
    (np.zeros((40, 2, 3)).tolist(), "[[[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]], … (40 in all)]"),
    (np.zeros((5, 20, 20)).tolist(), "[[[0.0, 0.0, 0.0, … (20 in all)], … (20 in all)], … (5 in all)]"),
    ((np.zeros(50), 3), "(array of float64 with shape (50,), 3)"),
    ([np.zeros(50)], "[array of float64 with shape (50,)]"),
    ({"a": np.zeros(50), "b": {"c": np.zeros(50)}}, "{'a': array of float64 with shape (50,), 'b': {'c': "),
    (tf.constant(np.zeros(50)), "EagerTensor of float64" if tf.executing_eagerly() else "<tf.Tensor 'Const"),
    (pd.DataFrame({"a": [1] * 40, "b": 2}), "DataFrame with shape (40, 2) and columns ['a', 'b']"),
    (pd.Series(range(40), dtype="Int64"), "Series of Int64 with shape (40,)"),
    (
        gk.data.ImageSplit(np.zeros(50), np.zeros(50)),
        "ImageSplit(images=array of float64 with shape (50,), labels=",
    ),
    (b"x" * 5000, f"b'{'x' * 50}' … b'{'x' * 50}' (5000 in all)"),
    ("x" * 5000, f"'{'x' * 200}' … '{'x' * 200}' (5000 in all)"),
    (["name"] * 30, str(["name"] * 30)),
    ({"a": 1, 2: (3,)}, "{'a': 1, 2: (3,)}"),
    ([], "[]"),
    (np.float32(3), "np.float32(3.0)"),
]


@pytest.mark.parametrize(("value", "text"), SHORT)
def test_large_values_are_shown_by_what_they_are(value, text):
    assert checks.shown(value).startswith(text)
    assert "\n" not in checks.shown(value)


def test_a_list_that_holds_itself_is_shown():
    own = [1]
    own.append(own)
    assert checks.shown(own) == "[1, [1, [1, [1, …]]]]"


def test_errors_of_the_system_name_the_rule(tmp_path):
    with (
        pytest.raises(
            FileNotFoundError, match=r"^f: it cannot be read \(No such file.*\); received path='.*none'$"
        ),
        CHECK.system_errors("it cannot be read", path=tmp_path / "none"),
    ):
        (tmp_path / "none").read_bytes()
    with pytest.raises(OSError, match="^f: mine$"), CHECK.system_errors("it cannot be read"):
        raise OSError("f: mine")


@pytest.mark.parametrize("value", ["1", None, True, 1j])
def test_number_refuses_what_is_not_a_number(value):
    with pytest.raises(TypeError, match="f: x must be a finite number"):
        CHECK.number("x", value)


def test_a_scripts_error_is_one_line_and_exit_code_2(capsys):
    def main():
        raise FileNotFoundError("load_run: there is no run")

    with pytest.raises(SystemExit) as stopped:
        checks.run_script(main)
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "error: load_run: there is no run\n"


def test_integer_refuses_sizes_that_an_axis_cannot_have():
    with pytest.raises(ValueError, match="f: n is too large; received n=9223372036854775808"):
        CHECK.integer("n", 2**63)
    assert CHECK.integer("n", 2**63, maximum=None) == 2**63


def test_a_broken_rule_is_a_value_error_or_a_type_error():
    CHECK.require(True, "x must be even", x=2)
    CHECK.require_type(True, "x must be a string", x="2")
    with pytest.raises(ValueError, match="^f: x must be even; received x=3$"):
        CHECK.require(False, "x must be even", x=3)
    with pytest.raises(TypeError, match="^f: x must be a string; received x=3$"):
        CHECK.require_type(False, "x must be a string", x=3)


def test_choices_are_strings_in_any_case():
    assert CHECK.choice("padding", "SAME", ("same", "valid")) == "same"
    with pytest.raises(
        ValueError, match="f: padding must be one of 'same', 'valid'; received padding='full'"
    ):
        CHECK.choice("padding", "full", ("same", "valid"))
    with pytest.raises(TypeError, match="padding must be one of"):
        CHECK.choice("padding", 1, ("same", "valid"))


def test_arrays_have_the_stated_number_of_axes():
    values = np.zeros((2, 3))
    assert CHECK.array("x", values, rank=2) is values
    with pytest.raises(ValueError, match=r"f: x must have 1 axes; received shape=\(2, 3\)"):
        CHECK.array("x", values, rank=1)
    with pytest.raises(TypeError, match="f: x must be an array"):
        CHECK.array("x", [1, 2])


MASKED = np.ma.array([1, 99], mask=[False, True])


@pytest.mark.parametrize("value", [MASKED, MASKED[:1], [MASKED, MASKED], (np.zeros(2), MASKED)])
def test_masked_arrays_are_refused_with_what_to_give_instead(value):
    rule = (
        r"f: x must not be a masked array: replace the masked values, as by array.filled\(0\).*received type="
    )
    with pytest.raises(TypeError, match=rule):
        CHECK.unmasked("x", value)
    with pytest.raises(TypeError, match=rule):
        CHECK.array("x", value)
    for given in (MASKED.filled(0), MASKED.data, [1, 2], 3, None):
        assert CHECK.unmasked("x", given) is given


def test_a_masked_integer_is_not_an_integer():
    with pytest.raises(TypeError, match="f: n must be an integer"):
        CHECK.integer("n", np.ma.array(5, mask=True))


def test_a_missing_module_names_the_extra_that_installs_it():
    assert CHECK.optional_module("json", "plots").loads("1") == 1
    with pytest.raises(
        ImportError, match=r"f: no_such_module is needed; .*pip install 'tf-graphkit\[plots\]'"
    ):
        CHECK.optional_module("no_such_module", "plots")


def test_an_interrupted_script_has_exit_code_130():
    def main():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as stopped:
        checks.run_script(main)
    assert stopped.value.code == 130


def test_of_a_large_array_the_shape_is_shown():
    check = checks.Checker("f")
    text = check.message("rule", small=np.arange(3), large=np.zeros((8, 9, 9), np.float32))
    assert text == "f: rule; received small=array([0, 1, 2]), large=array of float32 with shape (8, 9, 9)"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0000"),
        (-0.98765, "-0.9877"),
        (0.000012345, "1.23e-05"),
        (12.3456, "12.346"),
        (-9876.54321, "-9,876.5"),
        (123456.789, "123,457"),
        (1.5e12, "1.5e+12"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
    ],
)
def test_numbers_have_the_digits_that_say_something(value, text):
    assert checks.number_text(value) == text
