"""What holds for every picture: a figure that needs no display, readable text, colours that survive print."""

import io
import itertools
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from matplotlib import backend_bases, colormaps, colors, figure, rcParams, text
from matplotlib.backends import backend_agg
from plots.pictures import CALLS, draw

import graphkit as gk
from graphkit.plots import figures

PLOTS = [name for name in dir(gk.plots) if name.startswith("plot_")]
SMALLEST = 8  # points, the size of footnotes
each_plot = pytest.mark.parametrize("name", PLOTS)


def test_each_picture_is_drawn_here():
    assert sorted(CALLS) == sorted(PLOTS)


@each_plot
def test_is_a_figure_of_its_own_that_no_window_manager_knows(name):
    drawn = draw(name)
    assert type(drawn) is figure.Figure
    assert type(drawn.canvas) is backend_bases.FigureCanvasBase


@each_plot
@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_is_saved_in_each_format(name, kind, tmp_path):
    path = tmp_path / f"picture.{kind}"
    draw(name).savefig(path)
    assert path.stat().st_size > 2000


@each_plot
def test_svg_needs_nothing_from_outside(name):
    stream = io.StringIO()
    draw(name).savefig(stream, format="svg")
    assert not re.findall(r'href="(?!#|data:)[^"]*"', stream.getvalue())


@pytest.fixture
def written(monkeypatch):
    """Returns a function that draws a figure and tells which texts it showed, and their boxes in pixels."""
    shown, draw_text = {}, text.Text.draw

    def record(item, renderer):
        if item.get_visible() and item.get_text().strip():
            shown[item] = item.get_window_extent(renderer)
        draw_text(item, renderer)

    def texts_of(drawn):
        renderer = backend_agg.FigureCanvasAgg(drawn).get_renderer()
        drawn.draw_without_rendering()  # places everything
        monkeypatch.setattr(text.Text, "draw", record)
        drawn.draw(renderer)
        return list(shown.items())

    return texts_of


@each_plot
def test_text_is_large_enough_inside_the_picture_and_apart(name, written):
    drawn = draw(name)
    texts = written(drawn)
    assert texts
    whole = drawn.bbox
    for item, box in texts:
        assert item.get_fontsize() >= SMALLEST, item
        shown = re.sub(r"\s+", " ", item.get_text())
        assert box.x0 >= -1 and box.y0 >= -1, f"{shown!r} is cut off"
        assert box.x1 <= whole.width + 1 and box.y1 <= whole.height + 1, f"{shown!r} is cut off"
    for (one, box), (other, other_box) in itertools.combinations(texts, 2):
        width = min(box.x1, other_box.x1) - max(box.x0, other_box.x0)
        height = min(box.y1, other_box.y1) - max(box.y0, other_box.y0)
        assert width < 2 or height < 2, f"{one.get_text()!r} lies on {other.get_text()!r}"


# H. Brettel-like simulation by one matrix each, for linear RGB: G. Machado, M. Oliveira, L. Fernandes, "A
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


def test_curves_are_told_apart_without_colors():
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


def test_needs_no_display_and_no_pyplot(tmp_path):
    code = """
import sys, numpy as np, graphkit as gk
gk.plots.plot_filters(np.eye(4).reshape(2, 2, 1, 4)).savefig("picture.png")
assert not {"matplotlib.pyplot", "tensorflow"} & set(sys.modules)
"""
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "MPLBACKEND")}
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, env=environment, cwd=tmp_path)


@each_plot
def test_without_matplotlib_it_says_what_to_install(name, monkeypatch):
    arguments = CALLS[name]()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=rf"{name}: matplotlib is needed; .*graphkit\[plots\]"):
        getattr(gk.plots, name)(**arguments)


def test_settings_of_the_user_stay_as_they_are():
    before = dict(rcParams)
    draw("plot_history")
    assert dict(rcParams) == before
