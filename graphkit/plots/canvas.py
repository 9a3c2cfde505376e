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
MARKERS = "osD^v<>"
LONGEST = 40  # letters of a name that are shown
GREATEST = 1e150  # a number whose square is one too
WRONG = "#d55e00"
FAINT = "#767676"  # 4.5 times as dark as white paper, as W3C's accessibility guidelines ask of text
TITLE_POINTS = 9  # of a tile's title
TITLE, TITLE_LETTER = 0.25, 0.082  # height of a tile's title, and width of one of its letters, in inches
LABEL_LETTER = 0.075  # width of a letter of a legend or tick, in inches
GAP = 0.08  # inches between tiles
NARROWEST = 2.4  # inches of a figure of tiles, so that a scale fits under it
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
    """Returns the colour and the dashes of the curve of that number; the first 7 share neither."""
    turn = number // len(COLORS)
    return {"color": COLORS[number % len(COLORS)], "linestyle": LINES[(number + turn) % len(LINES)]}


def marker(number):
    """Returns the shape of the points of a group, in step with the dashes of `line_style`."""
    return MARKERS[(number + number // len(COLORS)) % len(MARKERS)]


def shortened(text, letters=LONGEST):
    """Returns a name as matplotlib is to write it: the end of a long one, no formula, all printable."""
    text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in str(text))
    text = text if len(text) <= letters else f"…{text[1 - letters :]}"
    text = text.replace("$", r"\$")
    return f"\N{ZERO WIDTH SPACE}{text}" if text.startswith("_") else text  # else no legend has it


def grid_size(count, columns):
    """Returns (rows, columns) that hold so many tiles, no wider than asked for."""
    columns = min(count, columns)
    return math.ceil(count / columns), columns


def panels(figure, count, rows, columns, **shared):
    """Returns the axes of so many panels, row by row; what is left of the grid stays empty."""
    axes = figure.subplots(rows, columns, squeeze=False, **shared).ravel()
    for axis in axes[count:]:
        axis.remove()
    return axes[:count]


@contextlib.contextmanager
def tiles(function, titles, columns, size, foot=0.0):
    """Yields a figure and the axes of a square tile for each title, row by row, without ticks.

    They are put in place by hand: matplotlib's layout takes a second for some dozens of them.

    Args:
      function: the public function that draws.
      titles: what stands over each tile; rows without any stand closer.
      columns: tiles in a row, at most.
      size: width and height of a tile, in inches; long titles push the tiles apart.
      foot: inches left free below them.
    """
    rows, columns = grid_size(len(titles), columns)
    step = max(size + GAP, TITLE_LETTER * max(map(len, titles)) + GAP)
    heads = [TITLE if any(titles[row * columns :][:columns]) else GAP for row in range(rows)]
    width, height = max(columns * step + GAP, NARROWEST), rows * size + sum(heads) + GAP + foot
    with drawing(function, width, height) as figure:
        figure.set_layout_engine("none")
        axes = []
        for number, title in enumerate(titles):
            row, column = divmod(number, columns)
            left = (width - columns * step) / 2 + column * step + (step - size) / 2
            bottom = height - (row + 1) * size - sum(heads[: row + 1])
            axis = figure.add_axes((left / width, bottom / height, size / width, size / height))
            axis.set_title(title, fontsize=TITLE_POINTS, pad=3)
            axis.set_axis_off()
            axes.append(axis)
        yield figure, axes


def numbers(function, name, value, rank=None):
    """Returns an array of finite real numbers as float64."""
    checks.array(function, name, value, rank)
    rule = f"{name} must hold real numbers"
    checks.require(value.dtype.kind in "biuf", function, rule, dtype=str(value.dtype))
    value = np.asarray(value, np.float64)
    checks.require(value.size, function, f"{name} must not be empty", shape=value.shape)
    checks.require(np.isfinite(value).all(), function, f"{name} must be finite")
    rule = f"{name} must be below {GREATEST} in size"
    checks.require(np.abs(value).max() < GREATEST, function, rule, largest=float(np.abs(value).max()))
    return value


def names(function, name, value, count, letters=LONGEST):
    """Returns a list of names as they are shown, one for each of `count` things; None counts them from 0."""
    if value is None:
        return [str(number) for number in range(count)]
    rule = f"{name} must be a list or tuple of {count} names"
    if not isinstance(value, (list, tuple, np.ndarray)):
        raise TypeError(checks.message(function, rule, **{name: value}))
    checks.require(len(value) == count, function, rule, **{name: value})
    return [shortened(item, letters) for item in value]


def mapping(function, name, value, rule):
    """Returns {name: value} as it is, if it is a mapping with one entry or more, whose keys are text."""
    if not (isinstance(value, dict) and all(isinstance(key, str) for key in value)):
        raise TypeError(checks.message(function, rule, **{name: value}))
    checks.require(value, function, rule, **{name: value})
    return value
