"""What a report says about the likely cause."""

import pytest

from graphkit.diagnosis import PostMortem


def report(**fields):
    return PostMortem("loss", 9, 1, 9, **fields)


@pytest.mark.parametrize(
    ("op", "ranges", "cause"),
    [
        ("Log", [(-2, 1, 0.5)], "the logarithm of a negative number, -2"),
        ("Log", [(0, 1, 0)], "the logarithm of 0;"),
        ("Log1p", [(-1, 1, 0)], "the logarithm of 1 + -1;"),
        ("Sqrt", [(-3, 1, 0)], "the square root of a negative number, -3"),
        ("RealDiv", [(1, 1, 1), (0, 1, 0)], "a division by 0;"),
        ("Reciprocal", [(0, 1, 0)], "a division by 0;"),
        ("Pow", [(-1, 1, 1), (0.5, 0.5, 0.5)], "a fractional power of a negative number, -1;"),
        ("Pow", [(0, 1, 0), (-1, -1, 1)], "a negative power of 0,"),
        ("Pow", [(-1e20, 1, 0), (2, 2, 2)], "Pow overflows: its inputs are as large as 1e+20"),
        ("Exp", [(-1, 99, 0.5)], "Exp overflows: its inputs are as large as 99"),
        ("MatMul", [(-1e30, 1, 1), (1, 9e20, 1)], "MatMul overflows: its inputs are as large as 1e+30"),
        ("Placeholder", [], "what is fed to it is not finite"),
        ("Const", [], "the constant it is not finite"),
        ("Unheard", [], "no known cause"),
    ],
)
def test_cause_that_follows_from_the_op(op, ranges, cause):
    assert report(op="it", op_type=op, ranges=tuple(ranges)).causes[0].startswith(cause)


def test_derivatives_that_are_infinite():
    found = report(op="gradients/s_grad/SqrtGrad", op_type="SqrtGrad", forward=("s", "Sqrt"))
    assert found.causes[0].startswith("the derivative of the square root at 0 is infinite;")


def test_variables_before_the_op_that_reads_them():
    found = report(op="w/Read", op_type="ReadVariableOp", variables=("w",), update=8, norms=((8, 2.0),))
    assert "the update of step 8, whose gradient norm was 2, made w not finite" in found.causes[0]
    assert "restored" in report(variables=("w",), update=-1).causes[0]


def test_growth_and_huge_weights():
    assert "grew from 1 to 30 in 2 steps" in report(norms=((6, 1.0), (7, 5.0)), norm=30.0).causes[0]
    assert "a weight of 1e+07 is huge" in report(largest_weight=1e7).causes[0]
