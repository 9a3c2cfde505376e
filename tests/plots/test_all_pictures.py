"""What holds for every picture: it needs no display, can be saved, and has text that can be read."""

import io
import itertools
import os
import re
import subprocess
import sys

import pytest
from matplotlib import backend_bases, figure, rcParams, text
from matplotlib.backends import backend_agg
from plots.pictures import CALLS, draw

import graphkit as gk

PLOTS = gk.plots.__all__
SMALLEST = 8  # points, the size of footnotes
each_plot = pytest.mark.parametrize("name", PLOTS)


def test_each_picture_is_drawn_here():
    assert sorted(CALLS) == sorted(PLOTS)


@pytest.mark.grid
@each_plot
def test_is_a_figure_without_a_window_and_an_svg_that_needs_no_other_file(name):
    drawn = draw(name)
    assert type(drawn) is figure.Figure
    assert type(drawn.canvas) is backend_bases.FigureCanvasBase
    stream = io.StringIO()
    drawn.savefig(stream, format="svg")
    assert stream.tell() > 2000
    assert not re.findall(r'href="(?!#|data:)[^"]*"', stream.getvalue())


@pytest.mark.parametrize(
    "name", [name if name == "plot_history" else pytest.param(name, marks=pytest.mark.slow) for name in PLOTS]
)
def test_is_saved_as_png_and_pdf(name, tmp_path):
    drawn = draw(name)
    for kind in ("png", "pdf"):
        path = tmp_path / f"picture.{kind}"
        drawn.savefig(path)
        assert path.stat().st_size > 2000


@pytest.fixture
def written(monkeypatch):
    """Returns a function from a figure to the texts that it shows, each with its box in pixels."""
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


@pytest.mark.grid
@each_plot
def test_text_is_large_enough_inside_the_picture_and_apart(name, written):
    drawn = draw(name)
    texts = written(drawn)
    assert texts
    page = drawn.bbox
    for item, box in texts:
        assert item.get_fontsize() >= SMALLEST, item
        shown = re.sub(r"\s+", " ", item.get_text())
        assert box.x0 >= -1 and box.y0 >= -1, f"{shown!r} is cut off"
        assert box.x1 <= page.width + 1 and box.y1 <= page.height + 1, f"{shown!r} is cut off"
    for (one, box), (other, other_box) in itertools.combinations(texts, 2):
        width = min(box.x1, other_box.x1) - max(box.x0, other_box.x0)
        height = min(box.y1, other_box.y1) - max(box.y0, other_box.y0)
        assert width < 2 or height < 2, f"{one.get_text()!r} lies on {other.get_text()!r}"


def test_arrays_are_drawn_without_display_pyplot_and_tensorflow(tmp_path):
    code = """
import sys, numpy as np, graphkit as gk
from graphkit.plots import curves, figures, images, results
assert {"plot_filters", "plot_graph"} <= set(dir(gk.plots)) and "matplotlib" not in sys.modules
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
