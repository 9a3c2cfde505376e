"""Data formats: where channels stand, and TensorFlow's words for it."""

import pytest

from graphkit.nn import data_formats


@pytest.mark.parametrize(
    "data_format, count, channels, spatial, word",
    [
        ("channels_last", 1, -1, [1], "NWC"),
        ("channels_last", 2, -1, [1, 2], "NHWC"),
        ("channels_first", 1, 1, [2], "NCW"),
        ("channels_first", 2, 1, [2, 3], "NCHW"),
    ],
)
def test_axes_and_words_of_a_format(data_format, count, channels, spatial, word):
    assert data_formats.channel_axis(data_format) == channels
    assert data_formats.spatial_axes(data_format, count) == spatial
    assert data_formats.op_format(data_format, count) == word


def test_sizes_stand_at_the_spatial_axes():
    assert data_formats.per_axis((2, 3), "channels_last") == (1, 2, 3, 1)
    assert data_formats.per_axis((2, 3), "channels_first") == (1, 1, 2, 3)
