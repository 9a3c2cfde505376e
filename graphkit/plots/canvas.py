"""What all pictures share: figures without a display, colours, type sizes."""

import contextlib
import math

import numpy as np

from graphkit import checks

# Grows steadily lighter, also in print without colours, and reads alike with every kind of colour vision:
# J. Nunez, C. Anderton, R. Renslow, "Optimizing colormaps with consideration for color vision deficiency",
# PLOS ONE 13 (2018), doi:10.1371/journal.pone.0199239.
COLOR_MAP = "cividis"
# M. Okabe, K. Ito, "Color universal design" (2008), without the yellow, which is faint on paper.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))  # told apart without colours
WRONG = "#d55e00"
FAINT = "#767676"  # 4.5 times as dark as white paper, as W3C's accessibility guidelines ask of text
SETTINGS = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "image.cmap": COLOR_MAP,
    "image.interpolation": "nearest",
}


@contextlib.contextmanager
def drawing(function, width, height):
    """Yields a new figure of so many inches, and a block in which the house's settings hold."""
    matplotlib = checks.optional_module(function, "matplotlib", "plots")
    with matplotlib.rc_context(SETTINGS):
        figure = part(function, "figure").Figure(figsize=(width, height), dpi=100, layout="constrained")
        figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
        yield figure


def part(function, name):
    """Returns a module of matplotlib, which an extra of the package installs."""
    return checks.optional_module(function, f"matplotlib.{name}", "plots")


def line_style(number):
    """Returns the colour and the dashes of the curve of that number."""
    return {"color": COLORS[number % len(COLORS)], "linestyle": LINES[number % len(LINES)]}


def grid_size(count, columns):
    """Returns (rows, columns) that hold so many tiles, no wider than asked for."""
    columns = min(count, columns)
    return math.ceil(count / columns), columns


def tiles(figure, count, columns):
    """Returns the axes of so many tiles without ticks, row by row; what is left of the grid is empty."""
    rows, columns = grid_size(count, columns)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    return axes[:count]


def numbers(function, name, value, rank=None):
    """Returns an array of finite real numbers as float64."""
    checks.array(function, name, value, rank)
    rule = f"{name} must hold real numbers"
    checks.require(value.dtype.kind in "biuf", function, rule, dtype=str(value.dtype))
    value = np.asarray(value, np.float64)
    checks.require(value.size, function, f"{name} must not be empty", shape=value.shape)
    checks.require(np.isfinite(value).all(), function, f"{name} must be finite")
    return value


def names(function, name, value, count):
    """Returns a list of names, one for each of `count` things; None counts them from 0."""
    if value is None:
        return [str(number) for number in range(count)]
    rule = f"{name} must be a list or tuple of {count} names"
    if not isinstance(value, (list, tuple, np.ndarray)):
        raise TypeError(checks.message(function, rule, **{name: value}))
    checks.require(len(value) == count, function, rule, **{name: value})
    return [str(item) for item in value]


def mapping(function, name, value, rule):
    """Returns {name: value} as it is, if it is a mapping with one entry or more, whose keys are text."""
    if not (isinstance(value, dict) and all(isinstance(key, str) for key in value)):
        raise TypeError(checks.message(function, rule, **{name: value}))
    checks.require(value, function, rule, **{name: value})
    return value
