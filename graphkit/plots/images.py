"""Pictures made of tiles: examples, the filters of a convolution, what a layer makes of an image."""

import numpy as np

from graphkit import checks
from graphkit.plots import canvas

__all__ = ["plot_feature_maps", "plot_filters", "plot_images"]

TILE, SMALL_TILE = 0.95, 0.85  # inches


def plot_images(images, labels=None, predictions=None, classes=None, columns=8):
    """Draws images in a grid, each under its class; wrong predictions are framed and say what was seen.

    Args:
      images: (count, height, width), or with 1 or 3 channels as a last axis. uint8 is shown from 0 to 255,
        anything else from the least to the greatest value of them all.
      labels: integers (count,), the true classes.
      predictions: integers (count,), the classes predicted; needs labels.
      classes: names of the classes; None shows their numbers.
      columns: images in a row.

    Returns:
      A `matplotlib.figure.Figure`: save it with `savefig`, or let a notebook show it.

    Raises:
      TypeError: an argument of another kind.
      ValueError: arrays of other shapes or lengths, a class without a name, predictions without labels.
      ImportError: matplotlib is not installed.

    Example:
      >>> digits = gk.load_dataset("mnist_5k").test
      >>> figure = gk.plot_images(digits.images[:16], digits.labels[:16])
      >>> len(figure.axes), figure.axes[0].get_title()
      (16, '0')
    """
    function = "plot_images"
    pixels = check_images(function, images)
    columns = checks.integer(function, "columns", columns)
    labels = check_classes(function, "labels", labels, len(pixels))
    rule = "predictions need labels beside them"
    checks.require(predictions is None or labels is not None, function, rule, labels=labels)
    predictions = check_classes(function, "predictions", predictions, len(pixels))
    named = class_names(function, classes, [labels, predictions])
    lowest, highest = (0, 255) if images.dtype == np.uint8 else (pixels.min(), pixels.max())
    pixels = (pixels - lowest) / max(highest - lowest, np.finfo(float).tiny)
    wrong = np.zeros(len(pixels), bool) if predictions is None else predictions != labels
    titles = [""] * len(pixels) if labels is None else [named[label] for label in labels]
    titles = [f"{t} → {named[predictions[n]]}" if wrong[n] else t for n, t in enumerate(titles)]
    with canvas.tiles(function, titles, columns, TILE) as (figure, axes):
        for axis, picture, is_wrong in zip(axes, pixels, wrong, strict=True):
            axis.imshow(picture, cmap="gray", vmin=0, vmax=1)
            if is_wrong:
                frame(axis)
    return figure


def frame(axis):
    """Marks a tile as wrong: by its colour, and by a frame that is seen without colours too."""
    axis.title.set_color(canvas.WRONG)
    axis.set_axis_on()
    axis.set(xticks=[], yticks=[])
    for spine in axis.spines.values():
        spine.set(visible=True, color=canvas.WRONG, linewidth=2)


def check_images(function, images):
    """Returns (count, height, width) or (count, height, width, 3) as float64."""
    values = canvas.numbers(function, "images", images)
    rule = "images must be (count, height, width), or with 1 or 3 channels as a last axis"
    sound = values.ndim == 3 or (values.ndim == 4 and values.shape[-1] in (1, 3))
    checks.require(sound, function, rule, shape=values.shape)
    return values[..., 0] if values.ndim == 4 and values.shape[-1] == 1 else values


def check_classes(function, name, value, count):
    if value is None:
        return None
    checks.array(function, name, value, rank=1)
    rule = f"{name} must be integers of at least 0, one for each image"
    sound = value.dtype.kind in "iu" and len(value) == count and (value >= 0).all()
    checks.require(sound, function, rule, **{name: value})
    return value


def class_names(function, classes, numbers):
    """Returns {class: name} of those that occur."""
    found = sorted({int(label) for array in numbers if array is not None for label in np.unique(array)})
    if classes is None:
        return {label: str(label) for label in found}
    count = len(classes) if hasattr(classes, "__len__") else 0
    named = canvas.names(function, "classes", classes, count, letters=20)
    rule = f"classes must name all classes up to {max(found, default=0)}"
    checks.require(max(found, default=-1) < count, function, rule, classes=classes)
    return {label: named[label] for label in found}


def plot_filters(kernel, columns=8, rows=8, names=None):
    """Draws the filters of a convolution, on one scale from the most negative to the most positive weight.

    Filters of 1 input channel are drawn in greys, of 3 channels in colours, all of them, `columns` in a row.
    Of other filters each input channel has a tile: a column for each of the first `columns` filters, a row
    for each of the first `rows` channels.

    Args:
      kernel: (height, width, in_channels, filters), one of `Trainer.weights`. Weights of
        a dense layer on images are such filters too: reshape (784, 10) to (28, 28, 1, 10).
      columns: filters in a row.
      rows: most input channels that are drawn, where they are neither 1 nor 3.
      names: what is written over the filters; None numbers them.

    Returns:
      A `matplotlib.figure.Figure`.

    Raises:
      TypeError: an argument of another kind.
      ValueError: an array of other than four axes, or with what is not finite.
      ImportError: matplotlib is not installed.

    Example:
      >>> figure = gk.plot_filters(np.random.default_rng(0).normal(size=(5, 5, 1, 32)))
      >>> len(figure.axes)  # 32 filters and the scale
      33
    """
    function = "plot_filters"
    kernel = canvas.numbers(function, "kernel", kernel, rank=4)
    columns = checks.integer(function, "columns", columns)
    rows = checks.integer(function, "rows", rows)
    greatest = np.abs(kernel).max() or 1.0
    channels, filters = kernel.shape[2:]
    titles = canvas.names(function, "names", names, filters)
    if channels == 3:
        pictures = [(kernel[..., number] / greatest + 1) / 2 for number in range(filters)]
    elif channels == 1:
        pictures = [kernel[..., 0, number] for number in range(filters)]
    else:
        columns = min(columns, filters)
        pairs = [(place, number) for place in range(min(rows, channels)) for number in range(columns)]
        pictures = [kernel[..., place, number] for place, number in pairs]
        titles = [titles[number] if place == 0 else "" for place, number in pairs]
    return scaled_tiles(function, pictures, titles, columns, (-greatest, greatest), "gray", "weight")


def plot_feature_maps(maps, columns=8, names=None):
    """Draws what a layer makes of one image: a tile for each channel, all on one scale.

    Args:
      maps: (height, width, channels), an example of what `trainer.predict` returns for the layer's output.
      columns: channels in a row.
      names: what is written over the channels; None numbers them.

    Returns:
      A `matplotlib.figure.Figure`.

    Raises:
      TypeError: an argument of another kind.
      ValueError: an array of other than three axes, or with what is not finite.
      ImportError: matplotlib is not installed.

    Example:
      >>> figure = gk.plot_feature_maps(np.random.default_rng(0).normal(size=(14, 14, 32)))
      >>> len(figure.axes)  # 32 channels and the scale
      33
    """
    function = "plot_feature_maps"
    maps = canvas.numbers(function, "maps", maps, rank=3)
    columns = checks.integer(function, "columns", columns)
    pictures = list(np.moveaxis(maps, -1, 0))
    titles = canvas.names(function, "names", names, len(pictures))
    lowest, highest = min(maps.min(), 0), max(maps.max(), 0)
    limits = (lowest, highest if highest > lowest else 1.0)
    return scaled_tiles(function, pictures, titles, columns, limits, canvas.COLOR_MAP, "output")


def scaled_tiles(function, pictures, titles, columns, limits, colors, what):
    """Draws numbered pictures in a grid, and the scale that they share."""
    in_colors = pictures[0].ndim == 3
    with canvas.tiles(function, titles, columns, SMALL_TILE, foot=0.3 if in_colors else 0.6) as (
        figure,
        axes,
    ):
        norm = canvas.part(function, "colors").Normalize(*limits)
        for axis, picture in zip(axes, pictures, strict=True):
            shown = axis.imshow(picture, cmap=colors, norm=norm)
        width, height = figure.get_size_inches()
        if in_colors:
            text = f"red, green, blue: {limits[0]:.2g} to {limits[1]:.2g}"
            figure.text(0.5, 0.15 / height, text, ha="center", va="center", fontsize=9)
        else:
            bar = figure.add_axes((0.25 / width, 0.45 / height, 1 - 0.5 / width, 0.12 / height))
            figure.colorbar(shown, cax=bar, orientation="horizontal", label=what)
    return figure
