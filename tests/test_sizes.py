"""Sizes against figures computed by hand."""

import pytest

import graphkit as gk


@pytest.mark.parametrize(
    ("size", "kernel_size", "strides", "padding", "dilation_rate", "expected"),
    [
        (32, 8, 2, "same", 1, 16),  # the course's example
        (32, 8, 2, "valid", 1, 13),
        (28, 5, 1, "same", 1, 28),
        (28, 5, 1, "valid", 1, 24),
        (7, 3, 1, "valid", 3, 1),  # a dilated kernel spans 7 pixels
        (5, 5, 3, "valid", 1, 1),
        (1, 9, 4, "same", 1, 1),
    ],
)
def test_output_size(size, kernel_size, strides, padding, dilation_rate, expected):
    assert gk.output_size(size, kernel_size, strides, padding, dilation_rate) == expected


def test_parameters():
    assert gk.conv2d_parameters(3, 20, 8) == (8 * 8 * 3 + 1) * 20 == 3860
    assert gk.conv2d_parameters(3, 20, (8, 4), use_bias=False) == 8 * 4 * 3 * 20
    assert gk.dense_parameters(784, 10) == 7850
    assert gk.dense_parameters(784, 10, use_bias=False) == 7840
    assert gk.batch_norm_parameters(64, center=False) == 64


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: gk.output_size(0, 1), ValueError, "output_size: size must be .*received size=0"),
        (lambda: gk.output_size(4, 5), ValueError, "valid kernel must fit.*size=4, kernel_extent=5"),
        (lambda: gk.output_size(4.0, 1), TypeError, "size must be an integer"),
        (lambda: gk.output_size(True, 1), TypeError, "size must be an integer"),
        (lambda: gk.output_size(4, 2, padding="full"), ValueError, "padding must be one of"),
        (lambda: gk.output_size(4, 2, padding=1), TypeError, "padding must be one of"),
        (lambda: gk.output_size(4, 2, 0), ValueError, "strides must be an integer of at least 1"),
        (lambda: gk.output_size(4, 2, 1, "same", 0), ValueError, "dilation_rate"),
        (lambda: gk.conv2d_parameters(3, 20, (8, 8, 3)), ValueError, "an integer or 2 integers"),
        (lambda: gk.conv2d_parameters(0, 20, 8), ValueError, "in_channels"),
        (lambda: gk.dense_parameters(784, -1), ValueError, "units"),
        (lambda: gk.batch_norm_parameters(0), ValueError, "channels"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call()
