"""Pictures made of tiles: examples, the filters of a convolution, what a layer makes of an image."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from graphkit import checks
from graphkit.plots import arguments, figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_feature_maps", "plot_filters", "plot_images"]

TILE, SMALL_TILE = 0.95, 0.85  # inches
LONGEST_TITLE = 14  # letters of "true → predicted" in one line; a longer title has two lines


def plot_images(
    images: np.ndarray,
    labels: np.ndarray | None = None,
    predictions: np.ndarray | None = None,
    *,
    classes: Sequence[str] | None = None,
    columns: int = 8,
) -> "Figure":
    """Draws images in a grid, each under its class; wrong predictions are framed, under "true → predicted".

    Args:
      images: (count, height, width), or with 1 or 3 channels as a last axis. uint8 is shown from 0 to 255,
        other dtypes from the least to the greatest value of all images.
      labels: integers (count,), the true classes.
      predictions: integers (count,), the predicted classes; needs labels.
      classes: names of the classes; None shows their numbers.
      columns: images in a row.

    Returns:
      A `matplotlib.figure.Figure`: save it with `savefig`, or let a notebook show it.

    Raises:
      TypeError: images, labels or predictions are not arrays, classes is not a list of names, or columns is
        not an integer.
      ValueError: arrays of other shapes or lengths, a class without a name, predictions without labels.
      ImportError: matplotlib is not installed.

    Example:
      >>> digits = gk.load_dataset("mnist_5k").test
      >>> figure = gk.plots.plot_images(digits.images[:16], digits.labels[:16])
      >>> len(figure.axes), figure.axes[0].get_title()
      (16, '0')
    """
    check = checks.Checker("plot_images")
    pixels = check_images(check, images)
    columns = check.integer("columns", columns)
    check_classes(check, "labels", labels, len(pixels))
    check.require(predictions is None or labels is not None, "predictions need labels", labels=labels)
    check_classes(check, "predictions", predictions, len(pixels))
    named = class_names(check, classes, [labels, predictions])
    lowest, highest = (0, 255) if images.dtype == np.uint8 else (pixels.min(), pixels.max())
    pixels = (pixels - lowest) / max(highest - lowest, np.finfo(float).tiny)  # images of one grey: no 0 / 0
    wrong = np.zeros(len(pixels), bool)
    titles = [""] * len(pixels)
    if labels is not None:
        titles = [named[label] for label in labels]
    if labels is not None and predictions is not None:
        wrong = predictions != labels
        for place in np.flatnonzero(wrong):
            titles[place] = title_of_wrong(titles[place], named[predictions[place]])
    with figures.tiles(check, titles, columns, TILE) as (figure, axes):
        for axis, picture, is_wrong in zip(axes, pixels, wrong, strict=True):
            axis.imshow(picture, cmap="gray", vmin=0, vmax=1)
            if is_wrong:
                frame(axis)
    return figure


def check_images(check: checks.Checker, images: np.ndarray) -> np.ndarray:
    """Returns (count, height, width) or (count, height, width, 3) as float64."""
    values = arguments.numbers(check, "images", images)
    is_valid = values.ndim == 3 or (values.ndim == 4 and values.shape[-1] in (1, 3))
    rule = "images must be (count, height, width), or with 1 or 3 channels as a last axis"
    check.require(is_valid, rule, shape=values.shape)
    return values[..., 0] if values.ndim == 4 and values.shape[-1] == 1 else values


def check_classes(check: checks.Checker, name: str, value: np.ndarray | None, count: int) -> None:
    if value is None:
        return
    check.array(name, value, rank=1)
    is_valid = value.dtype.kind in "iu" and len(value) == count and (value >= 0).all()
    check.require(is_valid, f"{name} must be integers of at least 0, one for each image", **{name: value})


def class_names(
    check: checks.Checker, classes: Sequence[str] | None, numbers: Sequence[np.ndarray | None]
) -> Mapping[int, str]:
    """Returns {class: name} of those that occur."""
    found = sorted({int(label) for array in numbers if array is not None for label in np.unique(array)})
    if classes is None:
        return {label: str(label) for label in found}
    count = len(classes) if hasattr(classes, "__len__") else 0
    named = arguments.names(check, "classes", classes, count, letters=20)
    rule = f"classes must name all classes up to {max(found, default=0)}"
    check.require(max(found, default=-1) < count, rule, classes=classes)
    return {label: named[label] for label in found}


def title_of_wrong(true: str, predicted: str) -> str:
    """Returns the title of a wrong prediction; long names take two lines, so that tiles stay close."""
    in_one_line = f"{true} → {predicted}"
    return in_one_line if len(in_one_line) <= LONGEST_TITLE else f"{true}\n→ {predicted}"


def frame(axis: "Axes") -> None:
    """Marks a tile as wrong: by its colour, and by a frame that is seen without colours too."""
    axis.title.set_color(figures.WRONG)
    axis.set_axis_on()
    axis.set(xticks=[], yticks=[])
    for spine in axis.spines.values():
        spine.set(visible=True, color=figures.WRONG, linewidth=2)


def plot_filters(
    kernel: np.ndarray, *, columns: int = 8, rows: int = 8, names: Sequence[str] | None = None
) -> "Figure":
    """Draws the filters of a convolution, on one scale from the most negative to the most positive weight.

    Filters of 1 input channel are drawn in greys, filters of 3 channels in colours, all of them, `columns` in
    a row. Other filters have a tile for each input channel: a column for each of the first `columns` filters,
    a row for each of the first `rows` channels.

    Args:
      kernel: (height, width, in_channels, filters), one of `Trainer.weights`. The weights of a dense layer on
        images can be drawn too: reshape (784, 10) to (28, 28, 1, 10).
      columns: filters in a row.
      rows: most input channels that are drawn, where they are neither 1 nor 3.
      names: titles of the filters; None numbers them.

    Returns:
      A `matplotlib.figure.Figure`.

    Raises:
      TypeError: kernel is not an array, names is not a list, or columns or rows is not an integer.
      ValueError: kernel does not have four axes or is not finite, or names are not as many as filters.
      ImportError: matplotlib is not installed.

    Example:
      >>> figure = gk.plots.plot_filters(np.random.default_rng(0).normal(size=(5, 5, 1, 32)))
      >>> len(figure.axes)  # 32 filters and the scale
      33
    """
    check = checks.Checker("plot_filters")
    kernel = arguments.numbers(check, "kernel", kernel, rank=4)
    columns = check.integer("columns", columns)
    rows = check.integer("rows", rows)
    channels, filters = kernel.shape[2:]
    titles = arguments.names(check, "names", names, filters)
    greatest = np.abs(kernel).max() or 1.0
    scale = "weight"
    if channels == 3:
        pictures = [(kernel[..., number] / greatest + 1) / 2 for number in range(filters)]
    elif channels == 1:
        pictures = [kernel[..., 0, number] for number in range(filters)]
    else:
        columns = min(columns, filters)
        pairs = [(channel, number) for channel in range(min(rows, channels)) for number in range(columns)]
        pictures = [kernel[..., channel, number] for channel, number in pairs]
        titles = [titles[number] if channel == 0 else "" for channel, number in pairs]
        scale = "weight (rows: channels)"
    return scaled_tiles(check, pictures, titles, columns, (-greatest, greatest), "gray", scale)


def plot_feature_maps(maps: np.ndarray, *, columns: int = 8, names: Sequence[str] | None = None) -> "Figure":
    """Draws what a layer makes of one image: a tile for each channel, all on one scale.

    Args:
      maps: (height, width, channels), one example of what `trainer.predict` returns for the layer's output.
      columns: channels in a row.
      names: titles of the channels; None numbers them.

    Returns:
      A `matplotlib.figure.Figure`.

    Raises:
      TypeError: maps is not an array, names is not a list, or columns is not an integer.
      ValueError: maps does not have three axes or is not finite, or names are not as many as channels.
      ImportError: matplotlib is not installed.

    Example:
      >>> figure = gk.plots.plot_feature_maps(np.random.default_rng(0).normal(size=(14, 14, 32)))
      >>> len(figure.axes)  # 32 channels and the scale
      33
    """
    check = checks.Checker("plot_feature_maps")
    maps = arguments.numbers(check, "maps", maps, rank=3)
    columns = check.integer("columns", columns)
    pictures = list(np.moveaxis(maps, -1, 0))
    titles = arguments.names(check, "names", names, len(pictures))
    lowest, highest = min(maps.min(), 0), max(maps.max(), 0)
    limits = (lowest, highest if highest > lowest else 1.0)  # a dead layer is 0 everywhere
    return scaled_tiles(check, pictures, titles, columns, limits, figures.COLOR_MAP, "output")


def scaled_tiles(
    check: checks.Checker,
    pictures: list[np.ndarray],
    titles: list[str],
    columns: int,
    limits: tuple[float, float],
    color_map: str,
    scale: str,
) -> "Figure":
    """Draws pictures in a grid, and below them the scale that they share."""
    in_colors = pictures[0].ndim == 3
    foot = 0.3 if in_colors else 0.6  # inches
    with figures.tiles(check, titles, columns, SMALL_TILE, foot) as (figure, axes):
        norm = figures.part(check, "colors").Normalize(*limits)
        for axis, picture in zip(axes, pictures, strict=True):
            shown = axis.imshow(picture, cmap=color_map, norm=norm)
        width, height = figure.get_size_inches()
        if in_colors:
            text = f"red, green, blue: {limits[0]:.2g} to {limits[1]:.2g}"
            figure.text(0.5, 0.15 / height, text, ha="center", va="center", fontsize=9)
        else:
            bar = figure.add_axes((0.25 / width, 0.45 / height, 1 - 0.5 / width, 0.12 / height))
            figure.colorbar(shown, cax=bar, orientation="horizontal", label=scale)
    return figure
