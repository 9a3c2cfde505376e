"""Pictures of what a model says: class probabilities, a confusion matrix, a map of an embedding."""

import numpy as np

from graphkit import checks
from graphkit.data import preprocess
from graphkit.plots import canvas

__all__ = ["plot_confusion_matrix", "plot_embedding", "plot_probabilities"]

ROUNDING = 1e-6  # by which a float32 softmax may come out above 1
MOST_CLASSES = 30  # of a confusion matrix whose counts are written
MANY_NAMES = 100  # of a map, from which on they are smaller


def plot_confusion_matrix(matrix, classes=None):
    """Draws how often each class was taken for which: true classes down, predicted ones across.

    Args:
      matrix: (classes, classes), the counts of `gk.confusion_matrix`.
      classes: names of the classes; None shows their numbers.

    Returns:
      A `matplotlib.figure.Figure`. Of up to 30 classes each count stands in its cell; the cell's
      colour is its share of the row, so that rare classes are seen as well as frequent ones. The title
      gives the accuracy.

    Raises:
      TypeError: an argument of another kind.
      ValueError: a matrix that is not square or holds a negative count, names that are too few.
      ImportError: matplotlib is not installed.

    Example:
      >>> figure = gk.plot_confusion_matrix(np.array([[40, 10], [0, 50]]), ["cat", "dog"])
      >>> figure.axes[0].get_title()
      '90 of 100 right (90.0%)'
    """
    function = "plot_confusion_matrix"
    counts = canvas.numbers(function, "matrix", matrix, rank=2)
    sound = counts.shape[0] == counts.shape[1] and (counts >= 0).all() and counts.max() < 2**53
    sound = sound and (counts == np.round(counts)).all()
    rule = "matrix must be (classes, classes) of counts, with one example or more"
    checks.require(sound and counts.sum() > 0, function, rule, matrix=matrix)
    named = canvas.names(function, "classes", classes, len(counts))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    is_small = len(counts) <= MOST_CLASSES
    cell = 0.34 + 0.07 * len(f"{counts.max():.0f}") if is_small else 0.16
    size, longest = max(1.6 + cell * len(counts), 2.8), canvas.LABEL_LETTER * max(map(len, named))
    with canvas.drawing(function, size + 1.2 + longest, size + longest * 0.7) as figure:
        axis = figure.subplots()
        shown = axis.imshow(shares, vmin=0, vmax=1)
        for (row, column), count in np.ndenumerate(counts):
            if count and is_small:
                color = "black" if shares[row, column] > 0.5 else "white"  # the scale's light end is at 1
                axis.text(column, row, f"{count:.0f}", ha="center", va="center", color=color, fontsize=9)
        rotation = 90 if not is_small else 45 if max(map(len, named)) > 3 else 0
        places = range(len(named))
        axis.set_xticks(places, named, rotation=rotation, ha="right" if rotation == 45 else "center")
        axis.set_yticks(places, named)
        right, whole = np.trace(counts), counts.sum()
        axis.set_title(f"{right:.0f} of {whole:.0f} right ({right / whole:.1%})")
        axis.set(xlabel="predicted class", ylabel="true class")
        figure.colorbar(shown, ax=axis, label="share of the true class")
    return figure


def plot_probabilities(probabilities, classes=None, columns=4):
    """Draws class probabilities as bars, a panel for each example.

    Args:
      probabilities: (count, classes), as `trainer.predict` returns a softmax; or {name: array (classes,)}.
      classes: names of the classes; None shows their numbers.
      columns: panels in a row.

    Returns:
      A `matplotlib.figure.Figure`; the likeliest class is the dark bar with its probability beside it.

    Raises:
      TypeError: an argument of another kind.
      ValueError: what is not from 0 to 1, rows of unequal length, names that are too few.
      ImportError: matplotlib is not installed.

    Example:
      >>> found = {"mild": np.array([0.4, 0.6]), "sharp": np.array([0.0, 1.0])}
      >>> figure = gk.plot_probabilities(found, ["cat", "dog"])
      >>> [axis.get_title() for axis in figure.axes]
      ['mild', 'sharp']
    """
    function = "plot_probabilities"
    if isinstance(probabilities, dict):
        rule = "probabilities must be (count, classes) or {name: array (classes,)}"
        canvas.mapping(function, "probabilities", probabilities, rule)
        given = list(probabilities.values())
        rows = [canvas.numbers(function, name, row, rank=1) for name, row in probabilities.items()]
        titles = [canvas.shortened(name, 28) for name in probabilities]
    else:
        given = [probabilities]
        rows = list(canvas.numbers(function, "probabilities", probabilities, rank=2))
        titles = [""] * len(rows)
    lengths = {len(row) for row in rows}
    checks.require(len(lengths) == 1, function, "all must have the same classes", lengths=sorted(lengths))
    floats = [array.dtype for array in given if array.dtype.kind == "f"]
    rounding = max([ROUNDING, *(2 * float(np.finfo(dtype).eps) for dtype in floats)])
    within = all(((row >= 0) & (row <= 1 + rounding)).all() for row in rows)
    checks.require(within, function, "probabilities must be from 0 to 1", probabilities=probabilities)
    named = canvas.names(function, "classes", classes, *lengths)
    lines, columns = canvas.grid_size(len(rows), checks.integer(function, "columns", columns))
    height = lines * (0.9 + 0.2 * len(named))
    width = max(2.6 * columns, 3) + canvas.LABEL_LETTER * max(map(len, named))
    with canvas.drawing(function, width, height) as figure:
        axes = canvas.panels(figure, len(rows), lines, columns, sharex=True, sharey=True)
        for axis, row, title in zip(axes, rows, titles, strict=True):
            best = int(row.argmax())
            colors = [canvas.COLORS[0] if place == best else canvas.COLORS[4] for place in range(len(row))]
            axis.barh(range(len(row)), row, color=colors)
            axis.set_yticks(range(len(row)), named)
            axis.text(row[best] + 0.02, best, f"{row[best]:.2f}", va="center", fontsize=9)
            axis.set(title=title, xlim=(0, 1.2), xticks=[0, 0.5, 1])
        axes[0].invert_yaxis()
        figure.supxlabel("probability", fontsize=10)
    return figure


def plot_embedding(vectors, names, groups=None):
    """Draws a map of vectors, such as learned characters or words: their first two principal components.

    Args:
      vectors: (count, units), rows of an embedding's table.
      names: what is written at each of them.
      groups: names (count,) of the groups that share a colour and a marker; None for no groups.

    Returns:
      A `matplotlib.figure.Figure`; the axes give the share of the variance that each component holds.

    Raises:
      TypeError: an argument of another kind.
      ValueError: fewer than two vectors, one unit only, all vectors equal, names that are too few.
      ImportError: matplotlib is not installed.

    Formula: with the centred vectors X = U S V^T, the coordinates are X V; component i holds S_i^2 /
      sum(S^2).

    Source: K. Pearson, "On lines and planes of closest fit to systems of points in space", 1901.

    Example:
      >>> figure = gk.plot_embedding(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]]), "a b c".split())
      >>> figure.axes[0].get_xlabel()
      'first principal component (100% of the variance)'
    """
    function = "plot_embedding"
    vectors = canvas.numbers(function, "vectors", vectors, rank=2)
    rule = "vectors must be two or more different ones, of two or more units"
    checks.require(
        min(vectors.shape) > 1 and np.ptp(vectors, axis=0).any(), function, rule, shape=vectors.shape
    )
    written = canvas.names(function, "names", names, len(vectors), letters=20)
    count = len(vectors)
    grouped = [""] * count if groups is None else canvas.names(function, "groups", groups, count, letters=24)
    places, shares = project(vectors)
    width = min(max(6.5, 1.3 * count**0.5), 16)  # so that names have room
    with canvas.drawing(function, width, 0.75 * width) as figure:
        axis = figure.subplots()
        for number, group in enumerate(dict.fromkeys(grouped)):
            inside = np.equal(grouped, group)
            style = {"color": canvas.COLORS[number % len(canvas.COLORS)], "marker": canvas.marker(number)}
            axis.scatter(*places[inside].T, label=group or "(no name)", s=22, **style)
        for place, name in zip(places, written, strict=True):
            axis.annotate(
                name,
                place,
                xytext=(4, 4),
                textcoords="offset points",
                fontsize=11 if count < MANY_NAMES else 8,
            )
        if shares[1] < 1e-12:  # points on a line
            axis.set_ylim(-1, 1)
        axis.set_xlabel(f"first principal component ({shares[0]:.0%} of the variance)")
        axis.set_ylabel(f"second principal component ({shares[1]:.0%} of the variance)")
        if groups is not None:
            figure.legend(loc="outside right upper")
    return figure


def project(vectors):
    """Returns the first two components (count, 2), signed by the loadings, and the shares of the variance."""
    centered = vectors - vectors.mean(axis=0)
    scale = np.abs(centered).max()  # so that squares neither overflow nor vanish
    directions, lengths = preprocess.principal_components(centered / scale)
    largest = directions[np.abs(directions).argmax(axis=0), [0, 1]]
    places = centered @ (directions * np.sign(largest))
    return places, lengths**2 / np.square(centered / scale).sum()
