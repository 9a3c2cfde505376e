"""Pictures of what a model says: class probabilities, a confusion matrix, a map of an embedding."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from graphkit import checks
from graphkit.data import preprocess
from graphkit.plots import arguments, figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_confusion_matrix", "plot_embedding", "plot_probabilities"]

ROUNDING = 1e-6  # by which a float32 softmax may come out above 1
MOST_CLASSES = 30  # of a confusion matrix with its counts written in the cells
MANY_NAMES = 100  # of a map, from which on they are smaller


def plot_confusion_matrix(matrix: np.ndarray, classes: Sequence[str] | None = None) -> "Figure":
    """Draws how often each class was predicted as which: true classes down, predicted ones across.

    Args:
      matrix: (classes, classes), the counts of `gk.confusion_matrix`.
      classes: names of the classes; None shows their numbers.

    Returns:
      A `matplotlib.figure.Figure`. Up to 30 classes, each count but 0 stands in its cell. The colour is the
      cell's fraction of the row, so that rare classes are seen as well as frequent ones. The title gives the
      accuracy.

    Raises:
      TypeError: matrix is not an array, or classes is not a list of names.
      ValueError: matrix is not square or does not hold counts, or names are not as many as classes.
      ImportError: matplotlib is not installed.

    Example:
      >>> figure = gk.plots.plot_confusion_matrix(np.array([[40, 10], [0, 50]]), ["cat", "dog"])
      >>> figure.axes[0].get_title()
      '90 of 100 correct (90.0%)'
    """
    check = checks.Checker("plot_confusion_matrix")
    counts = check_counts(check, matrix)
    named = arguments.names(check, "classes", classes, len(counts))
    is_small = len(counts) <= MOST_CLASSES
    longest = max(map(len, named))
    cell = 0.34 + 0.07 * len(f"{counts.max():.0f}") if is_small else 0.16  # inches
    size, margin = max(1.6 + cell * len(counts), 2.8), figures.LABEL_LETTER * longest
    with figures.drawing(check, size + 1.2 + margin, size + margin * 0.7) as figure:
        axis = figure.subplots()
        fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        shown = axis.imshow(fractions, vmin=0, vmax=1)
        if is_small:
            write_counts(axis, counts, fractions)
        rotation = 90 if not is_small else 45 if longest > 3 else 0
        places = range(len(named))
        axis.set_xticks(places, named, rotation=rotation, ha="right" if rotation == 45 else "center")
        axis.set_yticks(places, named)
        correct, total = np.trace(counts), counts.sum()
        axis.set_title(f"{correct:.0f} of {total:.0f} correct ({correct / total:.1%})")
        axis.set(xlabel="predicted class", ylabel="true class")
        figure.colorbar(shown, ax=axis, label="fraction of the true class")
    return figure


def check_counts(check: checks.Checker, matrix: np.ndarray) -> np.ndarray:
    counts = arguments.numbers(check, "matrix", matrix, rank=2)
    is_valid = counts.shape[0] == counts.shape[1] and (counts >= 0).all() and counts.sum() > 0
    # From 2**53 on, float64 does not tell each integer from the next.
    is_valid = is_valid and counts.max() < 2**53 and (counts == np.round(counts)).all()
    rule = "matrix must be (classes, classes) of counts, with one example or more"
    check.require(is_valid, rule, matrix=matrix)
    return counts


def write_counts(axis: "Axes", counts: np.ndarray, fractions: np.ndarray) -> None:
    for (row, column), count in np.ndenumerate(counts):
        if count:  # zeros would hide the few errors among them
            color = "black" if fractions[row, column] > 0.5 else "white"  # the colour map is light near 1
            axis.text(column, row, f"{count:.0f}", ha="center", va="center", color=color, fontsize=9)


def plot_probabilities(
    probabilities: np.ndarray | Mapping[str, np.ndarray],
    classes: Sequence[str] | None = None,
    *,
    columns: int = 4,
) -> "Figure":
    """Draws class probabilities as bars, a panel for each example.

    Args:
      probabilities: (count, classes), as `trainer.predict` returns a softmax; or {name: array (classes,)}.
      classes: names of the classes; None shows their numbers.
      columns: panels in a row.

    Returns:
      A `matplotlib.figure.Figure`; the most probable class has a dark bar, with its probability next to it.

    Raises:
      TypeError: probabilities are not arrays, classes is not a list of names, or columns is not an integer.
      ValueError: numbers below 0 or above 1, rows of unequal length, or names are not as many as classes.
      ImportError: matplotlib is not installed.

    Example:
      >>> found = {"mild": np.array([0.4, 0.6]), "sharp": np.array([0.0, 1.0])}
      >>> figure = gk.plots.plot_probabilities(found, ["cat", "dog"])
      >>> [axis.get_title() for axis in figure.axes]
      ['mild', 'sharp']
    """
    check = checks.Checker("plot_probabilities")
    titles, rows = check_probabilities(check, probabilities)
    named = arguments.names(check, "classes", classes, len(rows[0]))
    lines, columns = figures.grid_size(len(rows), check.integer("columns", columns))
    width = max(2.6 * columns, 3) + figures.LABEL_LETTER * max(map(len, named))
    height = lines * (0.9 + 0.2 * len(named))
    with figures.drawing(check, width, height) as figure:
        axes = figures.panels(figure, len(rows), lines, columns, sharex=True, sharey=True)
        for axis, row, title in zip(axes, rows, titles, strict=True):
            best = int(row.argmax())
            colors = [figures.COLORS[0] if place == best else figures.COLORS[4] for place in range(len(row))]
            axis.barh(range(len(row)), row, color=colors)
            axis.set_yticks(range(len(row)), named)
            axis.text(row[best] + 0.02, best, f"{row[best]:.2f}", va="center", fontsize=9)
            axis.set(title=title, xlim=(0, 1.2), xticks=[0, 0.5, 1])
        axes[0].invert_yaxis()  # of all panels, as they share it
        figure.supxlabel("probability", fontsize=10)
    return figure


def check_probabilities(
    check: checks.Checker, probabilities: np.ndarray | Mapping[str, np.ndarray]
) -> tuple[list[str], list[np.ndarray]]:
    """Returns the titles of the examples and their probabilities, as float64 (classes,)."""
    if isinstance(probabilities, dict):
        rule = "probabilities must be (count, classes) or {name: array (classes,)}"
        arguments.mapping(check, "probabilities", probabilities, rule)
        given = list(probabilities.values())
        rows = [arguments.numbers(check, name, row, rank=1) for name, row in probabilities.items()]
        titles = [figures.shortened(name, 28) for name in probabilities]
    else:
        given = [probabilities]
        rows = list(arguments.numbers(check, "probabilities", probabilities, rank=2))
        titles = [""] * len(rows)
    lengths = {len(row) for row in rows}
    check.require(len(lengths) == 1, "all examples must have the same classes", lengths=sorted(lengths))
    # A softmax in half precision rounds to steps of its own epsilon.
    floats = [array.dtype for array in given if array.dtype.kind == "f"]
    rounding = max([ROUNDING, *(2 * float(np.finfo(dtype).eps) for dtype in floats)])
    is_valid = all(((row >= 0) & (row <= 1 + rounding)).all() for row in rows)
    check.require(is_valid, "probabilities must be from 0 to 1", probabilities=probabilities)
    return titles, rows


def plot_embedding(
    vectors: np.ndarray, names: Sequence[str], groups: Sequence[str] | None = None
) -> "Figure":
    """Draws a map of vectors, such as learned characters or words: their first two principal components.

    Args:
      vectors: (count, units), rows of an embedding's table.
      names: the names of the vectors, written next to their points.
      groups: names (count,) of the groups that share a colour and a marker; None for no groups.

    Returns:
      A `matplotlib.figure.Figure`; the axes give the fraction of the variance that each component explains.

    Raises:
      TypeError: vectors is not an array, or names or groups is not a list of names.
      ValueError: fewer than two vectors, one unit only, all vectors equal, or names or groups that are not as
        many as vectors.
      ImportError: matplotlib is not installed.

    Formula: with the centred vectors X = U S V^T, the coordinates are X V; component i explains
      S_i^2 / sum(S^2) of the variance.

    Source: K. Pearson, "On lines and planes of closest fit to systems of points in space", 1901.

    Example:
      >>> vectors = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
      >>> figure = gk.plots.plot_embedding(vectors, ["a", "b", "c"])
      >>> figure.axes[0].get_xlabel()
      'first principal component (100% of the variance)'
    """
    check = checks.Checker("plot_embedding")
    vectors = arguments.numbers(check, "vectors", vectors, rank=2)
    differ = min(vectors.shape) > 1 and np.ptp(vectors, axis=0).any()
    rule = "vectors must be two or more different ones, of two or more units"
    check.require(differ, rule, shape=vectors.shape)
    count = len(vectors)
    written = arguments.names(check, "names", names, count, letters=20)
    grouped = [""] * count if groups is None else arguments.names(check, "groups", groups, count, letters=24)
    places, explained = project(vectors)
    width = min(max(6.5, 1.3 * count**0.5), 16)  # inches, so that names have room
    with figures.drawing(check, width, 0.75 * width) as figure:
        axis = figure.subplots()
        for number, group in enumerate(dict.fromkeys(grouped)):
            inside = np.equal(grouped, group)
            x, y = places[inside].T
            color = figures.COLORS[number % len(figures.COLORS)]
            label = group or "(no name)"
            axis.scatter(x, y, label=label, s=22, color=color, marker=figures.marker(number))
        if explained[1] < 1e-12:  # points on a line
            axis.set_ylim(-1, 1)
        axis.set_xlabel(f"first principal component ({explained[0]:.0%} of the variance)")
        axis.set_ylabel(f"second principal component ({explained[1]:.0%} of the variance)")
        if groups is not None:
            figure.legend(loc="outside right upper")
        write_names(figure, axis, places, written)
    return figure


class Corner(NamedTuple):
    """Where a name stands: its offset from the point in points of type, and how it is aligned to that."""

    offset: tuple[int, int]
    horizontal: str
    vertical: str


CORNERS = (
    Corner((4, 4), "left", "bottom"),
    Corner((-4, 4), "right", "bottom"),
    Corner((4, -4), "left", "top"),
    Corner((-4, -4), "right", "top"),
)


def write_names(figure: "Figure", axis: "Axes", places: np.ndarray, names: list[str]) -> None:
    """Writes each name at the corner of its point that is freest of points and names and inside the axes.

    In a crowd some names still overlap: to move them farther away would need lines back to their points.
    """
    size = 11 if len(names) < MANY_NAMES else 8
    figure.draw_without_rendering()  # places the axes, so that data can be converted to points of type
    points = axis.transData.transform(places) * 72 / figure.dpi
    inside = np.array([axis.bbox.extents]) * 72 / figure.dpi
    taken = np.concatenate([points - 3, points + 3], axis=1)  # boxes: left, bottom, right, top
    for point, place, name in zip(points, places, names, strict=True):
        width, height = 0.6 * size * len(name), 1.1 * size
        boxes = [box_at(point, corner, width, height) for corner in CORNERS]
        costs = [overlap(box, taken) - overlap(box, inside) for box in boxes]
        best = costs.index(min(costs))
        taken = np.vstack([taken, boxes[best]])
        axis.annotate(
            name,
            place,
            xytext=CORNERS[best].offset,
            textcoords="offset points",
            ha=CORNERS[best].horizontal,
            va=CORNERS[best].vertical,
            fontsize=size,
        )


def box_at(point: np.ndarray, corner: Corner, width: float, height: float) -> np.ndarray:
    """Returns the (left, bottom, right, top) of a name at a corner of its point."""
    left, bottom = (
        point + corner.offset - [width * (corner.horizontal == "right"), height * (corner.vertical == "top")]
    )
    return np.array([left, bottom, left + width, bottom + height])


def overlap(box: np.ndarray, others: np.ndarray) -> float:
    """Returns the area that a box shares with the others."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    return float(np.prod(np.maximum(sides, 0), axis=1).sum())


def project(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the first two components (count, 2) and the fraction of the variance that each explains.

    The sign of a component is arbitrary; here its largest loading is positive, so that a map looks the same
    on every machine.
    """
    centered = vectors - vectors.mean(axis=0)
    scale = np.abs(centered).max()  # so that squares neither overflow nor vanish
    directions, lengths = preprocess.principal_components(centered / scale)
    largest = directions[np.abs(directions).argmax(axis=0), [0, 1]]
    places = centered @ (directions * np.sign(largest))
    return places, lengths**2 / np.square(centered / scale).sum()
