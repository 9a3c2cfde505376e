"""How every picture looks and is put together: figures that need no display, panels, tiles, colours."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from graphkit import checks

if TYPE_CHECKING:  # matplotlib is an extra, imported when the first picture is drawn
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Its lightness only grows, so it prints in grey, and it reads the same with every kind of colour vision:
# J. Nunez, C. Anderton, R. Renslow, "Optimizing colormaps with consideration for color vision deficiency",
# PLOS ONE 13 (2018), doi:10.1371/journal.pone.0199239.
COLOR_MAP = "cividis"
# M. Okabe, K. Ito, "Color universal design" (2008), without the yellow, which is faint on paper.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))  # distinct without colours
MARKERS = "osD^v<>"
LONGEST = 40  # letters of a name that are shown
WRONG = "#d55e00"
FAINT = "#767676"  # contrast 4.5:1 on white, which W3C's accessibility guidelines (WCAG 2.1) ask of text
TITLE_POINTS = 9  # type size of a tile's title
TITLE, TITLE_LINE = 0.25, 0.15  # inches: height of a tile's title, and of each further line of it
TITLE_LETTER = 0.082  # inches: width of a letter of a tile's title
LABEL_LETTER = 0.075  # inches: width of a letter of a legend or tick
GAP = 0.08  # inches between tiles
NARROWEST = 2.4  # inches: width of a figure of tiles, so that a colour bar fits under it
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
def drawing(check: checks.Checker, width: float, height: float) -> "Iterator[Figure]":
    """Yields a new figure of that size in inches, with the settings of this module inside the block.

    The figure is made without `matplotlib.pyplot`, so that no window opens, nothing keeps the figure alive
    after its last use, and the user's own settings stay as they are.
    """
    matplotlib = check.optional_module("matplotlib", "plots")
    with matplotlib.rc_context(SETTINGS):
        figure = part(check, "figure").Figure(figsize=(width, height), dpi=100, layout="constrained")
        figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
        yield figure


def part(check: checks.Checker, name: str) -> ModuleType:
    """Returns a module of matplotlib, such as `matplotlib.patches`."""
    return check.optional_module(f"matplotlib.{name}", "plots")


def line_style(number: int) -> dict[str, Any]:
    """Returns the colour and dashes of curve `number`.

    The first 7 curves differ in both. Then the dashes move on by one, so that the first 49 pairs differ.
    """
    turn = number // len(COLORS)
    return {"color": COLORS[number % len(COLORS)], "linestyle": LINES[(number + turn) % len(LINES)]}


def marker(number: int) -> str:
    """Returns the marker of group `number`; it moves on like the dashes of `line_style`."""
    return MARKERS[(number + number // len(COLORS)) % len(MARKERS)]


def shortened(text: object, letters: int = LONGEST) -> str:
    """Returns a name for matplotlib to write: the end of a long name, no formula, all printable."""
    text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in str(text))
    text = text if len(text) <= letters else f"…{text[1 - letters :]}"
    text = text.replace("$", r"\$")  # else matplotlib sets what stands between two of them as a formula
    return f"\N{ZERO WIDTH SPACE}{text}" if text.startswith("_") else text  # "_name" is left out of legends


def grid_size(count: int, columns: int) -> tuple[int, int]:
    """Returns (rows, columns) of a grid for `count` tiles, with at most `columns` columns."""
    columns = min(count, columns)
    return math.ceil(count / columns), columns


def panels(
    figure: "Figure", count: int, rows: int, columns: int, sharex: bool = False, sharey: bool = False
) -> "list[Axes]":
    """Returns the axes of `count` panels, row by row; the rest of the grid stays empty."""
    axes = list(figure.subplots(rows, columns, squeeze=False, sharex=sharex, sharey=sharey).ravel())
    for axis in axes[count:]:
        axis.remove()
    # Where panels share an axis, matplotlib numbers it in the last row only, which may be incomplete.
    for axis in axes[max(count - columns, 0) : count]:
        axis.tick_params(axis="x", labelbottom=True)
        axis.xaxis.get_offset_text().set_visible(True)
    return axes[:count]


@contextlib.contextmanager
def tiles(
    check: checks.Checker, titles: Sequence[str], columns: int, size: float, foot: float = 0.0
) -> "Iterator[tuple[Figure, list[Axes]]]":
    """Yields a figure and the axes of a square tile for each title, row by row, without ticks.

    The tiles are placed by hand, because matplotlib's constrained layout takes a second for some dozens.

    Args:
      check: of the public function that draws.
      titles: text over each tile, of one or more lines; rows without titles stand closer.
      columns: most tiles in a row.
      size: width and height of a tile, in inches; long titles push the tiles apart.
      foot: free inches below the tiles.
    """
    rows, columns = grid_size(len(titles), columns)
    longest = max(len(line) for title in titles for line in title.split("\n"))
    step = max(size + GAP, TITLE_LETTER * longest + GAP)
    heads = [title_height(titles[row * columns :][:columns]) for row in range(rows)]
    width, height = max(columns * step + GAP, NARROWEST), rows * size + sum(heads) + GAP + foot
    with drawing(check, width, height) as figure:
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


def title_height(titles: Sequence[str]) -> float:
    if not any(titles):
        return GAP
    return TITLE + TITLE_LINE * max(title.count("\n") for title in titles)
