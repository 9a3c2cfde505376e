"""The message format and the argument checks."""

import fractions

import numpy as np
import pytest

from graphkit import checks


def test_message_names_function_rule_and_what_was_received():
    text = checks.message("conv2d", "strides must be positive", strides=(0, 1))
    assert text == "conv2d: strides must be positive; received strides=(0, 1)"


def test_integers_of_numpy_are_integers():
    assert checks.integer("f", "n", np.int64(3)) == 3
    assert checks.integers("f", "n", [2, np.uint8(3)], 2) == (2, 3)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1, 2])
def test_number_refuses_values_out_of_bounds(value):
    with pytest.raises(ValueError, match="f: x must be a finite number at least 0 and at most 1; received"):
        checks.number("f", "x", value, at_least=0, at_most=1)


@pytest.mark.parametrize("value", [10**400, -(10**400), fractions.Fraction(10**400)])
def test_number_refuses_values_that_a_float_cannot_hold(value):
    with pytest.raises(ValueError, match="f: x must be a finite number; received x="):
        checks.number("f", "x", value)


@pytest.mark.parametrize("value", [10**5000, [10**5000], "x" * 10**6], ids=["digits", "list", "text"])
def test_message_shows_values_of_any_length(value):
    text = checks.message("f", "x must be short", x=value)
    assert text.startswith("f: x must be short; received x=") and len(text) < 2100


@pytest.mark.parametrize("value", ["1", None, True, 1j])
def test_number_refuses_what_is_not_a_number(value):
    with pytest.raises(TypeError, match="f: x must be a finite number"):
        checks.number("f", "x", value)


def test_a_scripts_error_is_one_line_and_exit_code_2(capsys):
    def main():
        raise FileNotFoundError("load_run: there is no run")

    with pytest.raises(SystemExit) as stopped:
        checks.run_script(main)
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "error: load_run: there is no run\n"


def test_integer_refuses_sizes_that_an_axis_cannot_have():
    with pytest.raises(ValueError, match="f: n is too large; received n=9223372036854775808"):
        checks.integer("f", "n", 2**63)
    assert checks.integer("f", "n", 2**63, maximum=None) == 2**63
