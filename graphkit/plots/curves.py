"""Pictures with curves and bars: a training's history, a rate test, histograms, the loss's surface."""

import numpy as np

from graphkit import checks
from graphkit.plots import canvas

__all__ = [
    "plot_histograms",
    "plot_history",
    "plot_loss_surface",
    "plot_rate_test",
]

PANEL = (3.6, 2.8)  # inches
NO_CURVES = ("epoch", "step", "seconds", "examples_per_second", "learning_rate")
AXES = {"epoch": "epoch", "step": "step", "seconds": "seconds of training"}
LEGEND_ROW = 0.2  # inches
LEVELS = 24  # of a loss surface
LOWEST_LEVEL = 1e-3  # of them above the least loss, as a share of the whole range
BOTTOM = 0.02  # share of the points that a lower level still parts from the rest, where the valley is deep


def plot_history(history, x="epoch", smoothing=0.0, log_scale=()):
    """Draws learning curves: a panel for the loss and for each metric, of training and validation.

    Args:
      history: what `Trainer.fit` returned; or {name: history} of several runs, to compare them. Figures that
        are no numbers, such as confusion matrices, are left out.
      x: "epoch", "step", or "seconds" (of training, without validation).
      smoothing: from 0 to below 1: how much of the running mean the next point leaves, as in TensorBoard; the
        points themselves are drawn faintly behind it. The mean is corrected for its start at 0.
      log_scale: names of the figures whose axis is logarithmic, such as ("loss",).

    Returns:
      A `matplotlib.figure.Figure`.

    Raises:
      TypeError: what is no history, or no list of names.
      ValueError: no epoch, columns of unequal length, an unknown axis, a logarithmic one of what is not there
        or not positive.
      ImportError: matplotlib is not installed.

    Source: D. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, section 3, for the
      correction.

    Example:
      >>> history = {"epoch": [1, 2], "step": [29, 58], "loss": [0.9, 0.4], "valid_loss": [0.8, 0.5]}
      >>> [axis.get_title() for axis in gk.plot_history(history).axes]
      ['loss']
      >>> figure = gk.plot_history({"sgd": history, "adam": history}, x="step")
      >>> [text.get_text() for text in figure.legends[0].get_texts()]
      ['sgd', 'sgd, validation', 'adam', 'adam, validation']
    """
    function = "plot_history"
    x = checks.choice(function, "x", x, AXES)
    smoothing = checks.number(function, "smoothing", smoothing, at_least=0, below=1)
    rule = "history must be what fit returned, or {name: history} of several runs"
    canvas.mapping(function, "history", history, rule)
    several = any(isinstance(run, dict) for run in history.values())
    runs = history if several else {"": history}
    runs = {name: check_history(function, run, x, rule) for name, run in runs.items()}
    figures = list(dict.fromkeys(name.removeprefix("valid_") for run in runs.values() for name in run[1]))
    check_log_scale(function, log_scale, figures, runs)
    with canvas.drawing(function, PANEL[0] * len(figures), PANEL[1] + 0.3) as figure:
        for axis, name in zip(canvas.panels(figure, len(figures), 1, len(figures)), figures, strict=True):
            for number, (run, (points, curves)) in enumerate(runs.items()):
                for prefix, text in (("", "training"), ("valid_", "validation")):
                    if prefix + name in curves:
                        style = run_style(number, bool(prefix), len(runs))
                        label = curve_label(run, text, several)
                        draw_curve(axis, points, curves[prefix + name], smoothing, label, style)
            axis.set(title=canvas.shortened(name), xlabel=AXES[x])
            if name in log_scale:
                axis.set_yscale("log")
            if all(len(points) == 1 for points, _ in runs.values()):
                axis.set_xticks(sorted({points[0] for points, _ in runs.values()}))
            elif x == "epoch":
                axis.xaxis.get_major_locator().set_params(integer=True)
        label_once(figure)
    return figure


def curve_label(run, text, several):
    if not several:
        return text
    name = canvas.shortened(run) or "(no name)"
    return name if text == "training" else f"{name}, {text}"


def check_history(function, history, x, rule):
    """Returns the places of the points, and {figure: values} of what is a curve."""
    if not isinstance(history, dict):
        raise TypeError(checks.message(function, rule, history=history))
    checks.require(x in history, function, f"history must have a column {x!r}", columns=list(history))
    columns = {}
    for name, values in history.items():
        if not isinstance(values, (list, tuple, np.ndarray)):
            raise TypeError(checks.message(function, rule, **{str(name): values}))
        if all(isinstance(value, (int, float, np.number)) for value in values):
            columns[name] = np.asarray(values, np.float64)
    checks.require(x in columns and len(columns[x]), function, "history must hold one epoch or more")
    lengths = {name: len(values) for name, values in columns.items()}
    rule = "all columns of a history must be of one length"
    checks.require(len(set(lengths.values())) == 1, function, rule, lengths=lengths)
    points = np.nancumsum(columns[x]) if x == "seconds" else columns[x]
    curves = {name: values for name, values in columns.items() if name not in NO_CURVES}
    checks.require(curves, function, "history must hold a loss or a metric", columns=list(history))
    return points, curves


def check_log_scale(function, log_scale, figures, runs):
    """Refuses a logarithmic axis of a figure that is not there, or that has a value which is not positive."""
    rule = "log_scale must be a list or tuple of names of figures of the history"
    if not isinstance(log_scale, (list, tuple)):
        raise TypeError(checks.message(function, rule, log_scale=log_scale))
    for name in log_scale:
        checks.require(name in figures, function, rule, log_scale=log_scale, figures=figures)
        drawn = [curves.get(prefix + name, ()) for _, curves in runs.values() for prefix in ("", "valid_")]
        values = np.concatenate(drawn)
        least = float(np.min(values, where=np.isfinite(values), initial=np.inf))
        positive = "what is drawn on a logarithmic axis must be positive"
        checks.require(least > 0, function, positive, figure=name, least=least)


def run_style(number, is_validation, runs):
    """Returns how a curve is drawn: of one run, validation is dashed; of several, each has its own dashes."""
    if runs == 1:
        return canvas.line_style(int(is_validation))
    style = canvas.line_style(number)
    return {**style, "marker": "o", "markersize": 4, "linewidth": 1} if is_validation else style


def draw_curve(axis, points, values, smoothing, label, style):
    measured = np.isfinite(values)  # not every epoch need have been validated
    points, values = points[measured], values[measured]
    marks = {} if len(points) > 1 else {"marker": "o"}
    if smoothing:
        axis.plot(points, values, **{**style, "alpha": 0.25, "linestyle": "-", "marker": ""})
        values = smooth(values, smoothing)
    axis.plot(points, values, label=label, **{**style, **marks})


def smooth(values, smoothing):
    """Returns the running means m <- s m + (1 - s) v of the values so far, each divided by 1 - s**n."""
    mean, means = 0.0, []
    for count, value in enumerate(values, start=1):
        mean = smoothing * mean + (1 - smoothing) * value
        means.append(mean / (1 - smoothing**count))
    return np.array(means)


def label_once(figure):
    """Puts one legend under all panels, in which each name stands once."""
    pairs = [pair for axis in figure.axes for pair in zip(*axis.get_legend_handles_labels(), strict=True)]
    handles = {label: handle for handle, label in reversed(pairs)}
    ordered = dict.fromkeys(label for _, label in pairs)
    if len(ordered) > 1:
        entry = 0.6 + canvas.LABEL_LETTER * max(map(len, ordered))
        width, height = figure.get_size_inches()
        columns = max(1, int(width / entry))
        rows = -(-len(ordered) // columns)
        figure.set_size_inches(max(width, entry + 0.3), height + LEGEND_ROW * (rows - 1))
        figure.legend(
            [handles[label] for label in ordered], list(ordered), loc="outside lower center", ncols=columns
        )


def plot_rate_test(test):
    """Draws the loss that each learning rate led to, and the rate that is suggested.

    Args:
      test: what `gk.find_learning_rate` returned.

    Returns:
      A `matplotlib.figure.Figure`.

    Raises:
      TypeError: what is no `gk.RateTest`.
      ImportError: matplotlib is not installed.

    Example:
      >>> test = gk.RateTest(np.array([0.01, 0.1, 1.0]), np.array([2.0, 1.0, 3.0]), 0.01)
      >>> gk.plot_rate_test(test).axes[0].get_xscale()
      'log'
    """
    function = "plot_rate_test"
    if not all(hasattr(test, name) for name in ("rates", "losses", "suggestion")):
        raise TypeError(checks.message(function, "test must be a gk.RateTest", test=test))
    rates = canvas.numbers(function, "test.rates", test.rates, rank=1)
    losses = canvas.numbers(function, "test.losses", test.losses, rank=1)
    suggestion = checks.number(function, "test.suggestion", test.suggestion, above=0)
    rule = "test.rates and test.losses must be of one length"
    checks.require(len(rates) == len(losses), function, rule, rates=len(rates), losses=len(losses))
    checks.require((rates > 0).all(), function, "test.rates must be positive", rates=rates)
    with canvas.drawing(function, 5, 3.2) as figure:
        axis = figure.subplots()
        axis.plot(rates, losses, **canvas.line_style(0))
        axis.axvline(suggestion, label=f"suggested: {suggestion:.2g}", **canvas.line_style(1))
        axis.set(xscale="log", xlabel="learning rate", ylabel="loss (running mean)")
        axis.legend()
    return figure


def plot_histograms(arrays, bins=40, columns=3, share_x=False):
    """Draws how the numbers of each array are distributed, such as the weights of each layer.

    Args:
      arrays: {name: array of any shape}, such as `Trainer.weights()`.
      bins: intervals of equal width from the least to the greatest number.
      columns: histograms in a row.
      share_x: True draws all of them over the range of all numbers, so that their widths can be compared.

    Returns:
      A `matplotlib.figure.Figure`; above each histogram stand the name, the mean and the standard deviation.

    Raises:
      TypeError: what is no dictionary of arrays.
      ValueError: an array that is empty or holds what is not finite.
      ImportError: matplotlib is not installed.

    Example:
      >>> figure = gk.plot_histograms({"hidden/kernel": np.eye(4), "hidden/bias": np.zeros(4)})
      >>> figure.axes[0].get_title()
      'hidden/kernel\\nmean 0.25, sigma 0.433'
    """
    function = "plot_histograms"
    rule = "arrays must be {name: array} with one array or more"
    canvas.mapping(function, "arrays", arrays, rule)
    values = {
        name: canvas.numbers(function, f"arrays[{name!r}]", array).ravel() for name, array in arrays.items()
    }
    bins = checks.integer(function, "bins", bins, maximum=1000)
    whole = np.concatenate(list(values.values()))
    rows, columns = canvas.grid_size(len(values), checks.integer(function, "columns", columns))
    with canvas.drawing(function, PANEL[0] * columns, 2.2 * rows) as figure:
        axes = canvas.panels(figure, len(values), rows, columns, sharex=bool(share_x))
        for axis, (name, numbers) in zip(axes, values.items(), strict=True):
            low, high = range_of(whole if share_x else numbers, bins)
            axis.hist(numbers, bins, range=(low, high), color=canvas.COLORS[0])
            if low <= 0 <= high:
                axis.axvline(0, color=canvas.FAINT, linewidth=1, linestyle=":")
            axis.set_title(f"{canvas.shortened(name)}\nmean {numbers.mean():.3g}, sigma {numbers.std():.3g}")
            axis.set(xlabel="value", ylabel="how many")
    return figure


def range_of(numbers, bins):
    """Returns the least and the greatest number, or half a unit on each side where they hardly differ."""
    low, high = numbers.min(), numbers.max()
    if high - low > 4 * bins * np.spacing(max(abs(low), abs(high))):
        return low, high
    return low - 0.5, high + 0.5


def plot_loss_surface(surface):
    """Draws the loss on a plane through the weights and the paths of optimizers over it.

    Args:
      surface: what `gk.loss_surface` returned.

    Returns:
      A `matplotlib.figure.Figure`; a path begins at its circle and ends at its square. The levels grow
      geometrically above the least loss, so that the bottom of a valley is seen as well as its walls. Where
      the loss is not finite nothing is drawn.

    Raises:
      TypeError: what is no `gk.LossSurface`.
      ImportError: matplotlib is not installed.

    Example:
      >>> inputs, targets = gk.feature_input(2), tf.compat.v1.placeholder(tf.float32, (None, 1))
      >>> loss = gk.mean_squared_error(gk.dense(inputs, 1, use_bias=False), targets)
      >>> data = {inputs: np.eye(2), targets: np.ones((2, 1))}
      >>> with gk.Trainer(loss, optimizer="sgd", learning_rate=0.1) as trainer:
      ...     path = gk.WeightPath()
      ...     history = trainer.fit(data, epochs=20, callbacks=[path], progress=False)
      ...     figure = gk.plot_loss_surface(gk.loss_surface(trainer, data, path))
      >>> figure.axes[0].get_xlabel()
      'dense/kernel[0, 0]'
    """
    function = "plot_loss_surface"
    if not all(hasattr(surface, name) for name in ("x", "y", "losses", "paths", "labels")):
        raise TypeError(checks.message(function, "surface must be a gk.LossSurface", surface=surface))
    x, y = (canvas.numbers(function, name, getattr(surface, name), rank=1) for name in ("x", "y"))
    losses = np.ma.masked_invalid(checks.array(function, "losses", surface.losses, rank=2))
    rule = "losses must be (y, x), and finite somewhere"
    checks.require(losses.shape == (len(y), len(x)) and losses.count(), function, rule, shape=losses.shape)
    lowest, highest = losses.min(), losses.max()
    bottom = np.quantile(losses.compressed() - lowest, BOTTOM)
    step = max(min((highest - lowest) * LOWEST_LEVEL, bottom), abs(lowest) * 1e-6, 1e-12)
    levels = lowest + np.concatenate([[0], np.geomspace(step, max(highest - lowest, 2 * step), LEVELS)])
    with canvas.drawing(function, 6, 4.6) as figure:
        axis = figure.subplots()
        norm = canvas.part(function, "colors").BoundaryNorm(levels, 256)
        shown = axis.contourf(x, y, losses, levels=levels, norm=norm, cmap=canvas.COLOR_MAP)
        axis.contour(x, y, losses, levels=levels[1:-1], colors="white", linewidths=0.4)
        scale = figure.colorbar(shown, ax=axis, label="loss", ticks=levels[::4])
        scale.ax.set_yticklabels([f"{level:.3g}" for level in levels[::4]])
        draw_paths(axis, surface.paths)
        axis.set(xlabel=surface.labels[0], ylabel=surface.labels[1])
        if len(surface.paths) > 1:
            label_once(figure)
    return figure


def draw_paths(axis, paths):
    """Draws each path in a colour and dashes of its own, through whose gaps one below it is seen.

    White edges part them from dark and light grounds alike.
    """
    for path in paths.values():
        axis.plot(*np.transpose(path), color="white", linewidth=3.5, solid_capstyle="round")
    for number, (name, path) in enumerate(paths.items()):
        style = canvas.line_style(number + 1)
        axis.plot(*np.transpose(path), linewidth=1.8, label=canvas.shortened(name), **style)
        for place, marker in ((0, "o"), (-1, "s")):
            axis.plot(*path[place], marker, color=style["color"], markeredgecolor="white", markersize=8)
