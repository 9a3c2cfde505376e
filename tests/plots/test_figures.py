"""Colours, dashes, names and places that all pictures share."""

import itertools

import numpy as np
import pytest
from matplotlib import colormaps, colors

from graphkit import checks
from graphkit.plots import figures

# A matrix for linear RGB simulates each kind of colour vision: G. Machado, M. Oliveira, L. Fernandes, "A
# physiologically-based model for simulation of color vision deficiency", IEEE TVCG 15 (2009), severity 1.0.
COLOR_VISIONS = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # of linear sRGB, ITU-R BT.709


def linear(rgb):
    """Returns linear light of sRGB values, IEC 61966-2-1."""
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("vision", COLOR_VISIONS)
def test_color_map_grows_lighter_for_every_color_vision_and_in_print(vision):
    rgb = colormaps[figures.COLOR_MAP](np.linspace(0, 1, 256))[:, :3]
    seen = np.clip(linear(rgb) @ np.transpose(COLOR_VISIONS[vision]), 0, 1) @ LUMINANCE
    lightness = 116 * np.cbrt(np.maximum(seen, 1e-4)) - 16  # CIE L*
    assert (np.diff(lightness[::8]) > 0.5).all()


def test_curves_differ_without_colors():
    styles = [figures.line_style(number) for number in range(len(figures.COLORS))]
    assert len({str(style["linestyle"]) for style in styles}) == len(styles)
    for style in styles:
        assert contrast(colors.to_rgb(style["color"]), (1, 1, 1)) > 2


def contrast(one, other):
    """Returns the contrast ratio of WCAG 2.1, from 1 to 21."""
    lights = sorted(float(linear(np.array(rgb)) @ LUMINANCE) + 0.05 for rgb in (one, other))
    return lights[1] / lights[0]


def test_text_in_color_is_dark_enough_to_be_read():
    for color in (figures.WRONG, figures.FAINT):
        assert contrast(colors.to_rgb(color), (1, 1, 1)) > 3  # WCAG 2.1, 1.4.11


def test_the_first_49_curves_differ():
    styles = [tuple(map(str, figures.line_style(number).values())) for number in range(49)]
    groups = [(figures.line_style(number)["color"], figures.marker(number)) for number in range(49)]
    assert len(set(styles)) == len(set(groups)) == 49


@pytest.mark.parametrize(
    "name, shown",
    [
        ("conv1/kernel", "conv1/kernel"),
        ("a" * 50, "…" + "a" * 39),
        ("$x$", r"\$x\$"),
        ("_hidden", "\u200b_hidden"),
        ("a\tb", r"a\tb"),
        (7, "7"),
    ],
)
def test_names_are_shown_as_they_are_written(name, shown):
    assert figures.shortened(name) == shown


@pytest.mark.parametrize("count, columns, grid", [(7, 3, (3, 3)), (2, 8, (1, 2)), (6, 3, (2, 3))])
def test_grid_holds_all_tiles_without_empty_rows(count, columns, grid):
    assert figures.grid_size(count, columns) == grid


def test_the_lowest_panel_of_each_column_is_numbered():
    with figures.drawing(checks.Checker("test"), 6, 4) as figure:
        axes = figures.panels(figure, 4, 2, 3, sharex=True)
    assert len(figure.axes) == 4
    assert [axis.xaxis.get_tick_params()["labelbottom"] for axis in axes] == [False, True, True, True]


def test_titles_of_several_lines_push_tiles_down_and_long_ones_push_them_apart():
    def places(titles):
        with figures.tiles(checks.Checker("test"), titles, 2, 1.0) as (figure, axes):
            width, height = figure.get_size_inches()
        return [axis.get_position().bounds * np.array([width, height, width, height]) for axis in axes]

    for titles in (["a", "b", "c"], ["a", "b\nb", "c"], ["", "", ""], ["long" * 8, "b", "c"]):
        boxes = places(titles)
        np.testing.assert_allclose([box[2:] for box in boxes], 1.0)
        for (left, bottom, *_), (other_left, other_bottom, *_) in itertools.combinations(boxes, 2):
            assert abs(left - other_left) >= 1 or abs(bottom - other_bottom) >= 1
    between_rows = [
        places(titles)[0][1] - places(titles)[2][1] for titles in (["", "", ""], ["a", "a", "a\nb"])
    ]
    assert between_rows == pytest.approx([1 + figures.GAP, 1 + figures.TITLE + figures.TITLE_LINE])
    columns = places(["long" * 8, "b", "c"])
    assert columns[1][0] - columns[0][0] == pytest.approx(32 * figures.TITLE_LETTER + figures.GAP)
