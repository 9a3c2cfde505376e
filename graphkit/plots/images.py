"""Pictures made of tiles: examples, the filters of a convolution, what a layer makes of an image."""

import numpy as np

from graphkit import checks
from graphkit.plots import canvas

__all__ = ["plot_feature_maps", "plot_filters", "plot_images"]

TILE = 1.05  # inches
TITLE = 0.25  # inches above a tile for a line of text


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
    rows, across = canvas.grid_size(len(pixels), columns)
    height = rows * (TILE + (labels is not None) * TITLE)
    with canvas.drawing(function, max(across * TILE, 2), height) as figure:
        for number, axis in enumerate(canvas.tiles(figure, len(pixels), columns)):
            axis.imshow(pixels[number], cmap="gray", vmin=0, vmax=1)
            if labels is not None:
                seen = labels[number] if predictions is None else predictions[number]
                title_of(axis, named[labels[number]], named[seen])
    return figure


def title_of(axis, name, seen):
    """Writes the class above a tile; where another one was seen, that too, and a frame around it."""
    if seen == name:
        axis.set_title(name, fontsize=9, pad=3)
        return
    axis.set_title(f"{name} → {seen}", fontsize=9, pad=3, color=canvas.WRONG)
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
    """Returns the names of the classes up to the greatest number."""
    count = 1 + max((int(array.max()) for array in numbers if array is not None), default=0)
    if classes is None:
        return canvas.names(function, "classes", None, count)
    named = canvas.names(function, "classes", classes, len(classes) if hasattr(classes, "__len__") else count)
    rule = f"classes must name all classes up to {count - 1}"
    checks.require(len(named) >= count, function, rule, classes=classes)
    return named


def plot_filters(kernel, columns=8, rows=8):
    """Draws the filters of a convolution, on one scale from the most negative to the most positive weight.

    Filters of 1 input channel are drawn in greys, of 3 channels in colours, all of them, `columns` in a row.
    Of other filters each input channel has a tile: a column for each of the first `columns` filters, a row
    for each of the first `rows` channels.

    Args:
      kernel: (height, width, in_channels, filters), one of `Trainer.weights`. Weights of
        a dense layer on images are such filters too: reshape (784, 10) to (28, 28, 1, 10).
      columns: filters in a row.
      rows: most input channels that are drawn, where they are neither 1 nor 3.

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
    if channels == 3:
        pictures = [(kernel[..., number] / greatest + 1) / 2 for number in range(filters)]
        titles = [str(number) for number in range(filters)]
    elif channels == 1:
        pictures = [kernel[..., 0, number] for number in range(filters)]
        titles = [str(number) for number in range(filters)]
    else:
        columns = min(columns, filters)
        pairs = [(place, number) for place in range(min(rows, channels)) for number in range(columns)]
        pictures = [kernel[..., place, number] for place, number in pairs]
        titles = [str(number) if place == 0 else "" for place, number in pairs]
    return scaled_tiles(function, pictures, titles, columns, (-greatest, greatest), "gray", "weight")


def plot_feature_maps(maps, columns=8):
    """Draws what a layer makes of one image: a tile for each channel, all on one scale.

    Args:
      maps: (height, width, channels), an example of what `trainer.predict` returns for the layer's output.
      columns: channels in a row.

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
    titles = [str(number) for number in range(len(pictures))]
    limits = (min(maps.min(), 0), max(maps.max(), np.finfo(float).tiny))
    return scaled_tiles(function, pictures, titles, columns, limits, canvas.COLOR_MAP, "output")


def scaled_tiles(function, pictures, titles, columns, limits, colors, what):
    """Draws numbered pictures in a grid, and the scale that they share."""
    rows, across = canvas.grid_size(len(pictures), columns)
    size = 0.85 * TILE
    height = rows * size + TITLE * sum(any(titles[row * across :][:across]) for row in range(rows))
    scale_height = 0.4 if pictures[0].ndim == 3 else 0.7
    with canvas.drawing(function, max(across * size, 2.4), height + scale_height) as figure:
        axes = canvas.tiles(figure, len(pictures), columns)
        for axis, picture, title in zip(axes, pictures, titles, strict=True):
            shown = axis.imshow(picture, cmap=colors, vmin=limits[0], vmax=limits[1])
            axis.set_title(title, fontsize=8, pad=2)
        if pictures[0].ndim == 3:
            figure.suptitle(f"red, green and blue from {limits[0]:.2g} to {limits[1]:.2g}", fontsize=9)
        else:
            scale = figure.colorbar(shown, ax=axes, location="bottom", fraction=0.08, pad=0.03, aspect=40)
            scale.set_label(what)
    return figure
