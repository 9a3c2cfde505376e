"""Pictures with curves and bars: a training's history, a rate test, histograms, the loss's surface."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from graphkit import checks
from graphkit.plots import arguments, figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "plot_histograms",
    "plot_history",
    "plot_loss_surface",
    "plot_rate_test",
]

PANEL = (3.6, 2.8)  # inches
NO_CURVES = ("epoch", "step", "seconds", "examples_per_second", "learning_rate")
AXES = {"epoch": "epoch", "step": "step", "seconds": "seconds of training"}
HISTORY_RULE = "history must be what fit returned, or {name: history} of several runs"
LEGEND_ROW = 0.2  # inches
LEVELS = 24  # of a loss surface
LOWEST_LEVEL = 1e-3  # first level above the least loss, as a fraction of the range of the losses
BOTTOM = 0.02  # or lower, so that at most this fraction of the points lies below the first level


class Curves(NamedTuple):
    """What is drawn of one run: the points on the x axis and {column: values at them}."""

    points: np.ndarray
    values: dict[str, np.ndarray]


def plot_history(
    history: Mapping[str, Any],
    x: str = "epoch",
    *,
    smoothing: float = 0.0,
    log_scale: Sequence[str] = (),
) -> "Figure":
    """Draws learning curves: a panel for the loss and for each metric, of training and validation.

    Args:
      history: what `Trainer.fit` returned; or {name: history} of several runs, to compare them. Metrics that
        are not single numbers, such as confusion matrices, are left out.
      x: "epoch", "step", or "seconds" (of training, without validation).
      smoothing: from 0 to below 1, the weight of the running mean against the next value, as in TensorBoard.
        The values themselves are drawn faintly behind it. The mean is corrected for its start at 0.
      log_scale: names of the metrics with a logarithmic axis, such as ("loss",).

    Returns:
      A `matplotlib.figure.Figure`.

    Raises:
      TypeError: history is not a dictionary of columns or of histories, or log_scale is not a list of names.
      ValueError: no epoch, columns of unequal length, no column x, a log_scale metric that is missing or not
        positive, or smoothing out of range.
      ImportError: matplotlib is not installed.

    Formula: m_n = s m_(n-1) + (1 - s) v_n with m_0 = 0 and s = smoothing; m_n / (1 - s^n) is drawn.

    Source: D. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, section 3, for the
      correction.

    Example:
      >>> history = {"epoch": [1, 2], "step": [29, 58], "loss": [0.9, 0.4], "valid_loss": [0.8, 0.5]}
      >>> [axis.get_title() for axis in gk.plots.plot_history(history).axes]
      ['loss']
      >>> figure = gk.plots.plot_history({"sgd": history, "adam": history}, x="step")
      >>> [text.get_text() for text in figure.legends[0].get_texts()]
      ['sgd', 'sgd, validation', 'adam', 'adam, validation']
    """
    check = checks.Checker("plot_history")
    x = check.choice("x", x, AXES)
    smoothing = check.number("smoothing", smoothing, at_least=0, below=1)
    arguments.mapping(check, "history", history, HISTORY_RULE)
    several = any(isinstance(run, dict) for run in history.values())
    named = history if several else {"": history}
    runs = {name: check_run(check, run, x) for name, run in named.items()}
    metrics = list(dict.fromkeys(name.removeprefix("valid_") for run in runs.values() for name in run.values))
    check_log_scale(check, log_scale, metrics, runs)
    with figures.drawing(check, PANEL[0] * len(metrics), PANEL[1] + 0.3) as figure:
        for axis, metric in zip(figures.panels(figure, len(metrics), 1, len(metrics)), metrics, strict=True):
            draw_metric(axis, metric, runs, several, smoothing)
            axis.set(title=figures.shortened(metric), xlabel=AXES[x])
            if metric in log_scale:
                axis.set_yscale("log")
            if all(len(run.points) == 1 for run in runs.values()):
                axis.set_xticks(sorted({run.points[0] for run in runs.values()}))
            elif x == "epoch":
                axis.locator_params(axis="x", integer=True)
        draw_legend(figure)
    return figure


def check_run(check: checks.Checker, history: Any, x: str) -> Curves:
    """Returns the columns of a history that are curves."""
    check.require_type(isinstance(history, dict), HISTORY_RULE, history=history)
    check.require(x in history, f"history must have a column {x!r}", columns=list(history))
    columns = {}
    for name, values in history.items():
        is_column = isinstance(values, (list, tuple, np.ndarray))
        check.require_type(is_column, HISTORY_RULE, **{str(name): values})
        if all(isinstance(value, (int, float, np.number)) for value in values):
            columns[name] = np.asarray(values, np.float64)
    check.require(x in columns and len(columns[x]), "history must hold one epoch or more")
    lengths = {name: len(values) for name, values in columns.items()}
    rule = "all columns of a history must have the same length"
    check.require(len(set(lengths.values())) == 1, rule, lengths=lengths)
    # The column holds the seconds of each epoch; an unknown one (NaN) adds nothing.
    points = np.nancumsum(columns[x]) if x == "seconds" else columns[x]
    rates = {name for name in columns if name.startswith("learning_rate_")}  # of several losses
    curves = {name: values for name, values in columns.items() if name not in {*NO_CURVES, *rates}}
    check.require(curves, "history must hold a loss or a metric", columns=list(history))
    return Curves(points, curves)


def check_log_scale(
    check: checks.Checker, log_scale: Sequence[str], metrics: list[str], runs: Mapping[str, Curves]
) -> None:
    """Refuses a logarithmic axis for a metric that is missing or has a value that is not positive."""
    rule = "log_scale must be a list or tuple of names of metrics of the history"
    check.require_type(isinstance(log_scale, (list, tuple)), rule, log_scale=log_scale)
    for name in log_scale:
        check.require(name in metrics, rule, log_scale=log_scale, metrics=metrics)
        drawn = [run.values.get(prefix + name, ()) for run in runs.values() for prefix in ("", "valid_")]
        values = np.concatenate(drawn)
        least = float(np.min(values, where=np.isfinite(values), initial=np.inf))
        check.require(least > 0, "values on a logarithmic axis must be positive", metric=name, least=least)


def draw_metric(
    axis: "Axes", metric: str, runs: Mapping[str, Curves], several: bool, smoothing: float
) -> None:
    """Draws the training and the validation curve of a metric, for each run that has them."""
    for number, (name, run) in enumerate(runs.items()):
        for prefix, split in (("", "training"), ("valid_", "validation")):
            if prefix + metric in run.values:
                label = run_label(name, split) if several else split
                style = run_style(number, bool(prefix), len(runs))
                draw_curve(axis, run.points, run.values[prefix + metric], smoothing, label, style)


def run_label(name: str, split: str) -> str:
    name = figures.shortened(name) or "(no name)"
    return name if split == "training" else f"{name}, {split}"


def run_style(number: int, is_validation: bool, runs: int) -> dict[str, Any]:
    """Returns how a curve is drawn: of one run, validation is dashed; of several, each has its own dashes."""
    if runs == 1:
        return figures.line_style(int(is_validation))
    style = figures.line_style(number)
    return {**style, "marker": "o", "markersize": 4, "linewidth": 1} if is_validation else style


def draw_curve(
    axis: "Axes",
    points: np.ndarray,
    values: np.ndarray,
    smoothing: float,
    label: str,
    style: dict[str, Any],
) -> None:
    measured = np.isfinite(values)  # validation may run in some epochs only; those points are joined
    points, values = points[measured], values[measured]
    marks = {} if len(points) > 1 else {"marker": "o"}  # a line of one point would be invisible
    if smoothing:
        axis.plot(points, values, **{**style, "alpha": 0.25, "linestyle": "-", "marker": ""})
        values = smooth(values, smoothing)
    axis.plot(points, values, label=label, **{**style, **marks})


def smooth(values: Sequence[float] | np.ndarray, smoothing: float) -> np.ndarray:
    """Returns the running means m <- s m + (1 - s) v of the values so far, each divided by 1 - s**n."""
    mean, means = 0.0, []
    for count, value in enumerate(values, start=1):
        mean = smoothing * mean + (1 - smoothing) * value
        means.append(mean / (1 - smoothing**count))
    return np.array(means)


def draw_legend(figure: "Figure") -> None:
    """Draws one legend under all panels, in which each name stands once; none for a single name."""
    pairs = [pair for axis in figure.axes for pair in zip(*axis.get_legend_handles_labels(), strict=True)]
    handles = {label: handle for handle, label in reversed(pairs)}
    labels = list(dict.fromkeys(label for _, label in pairs))
    if len(labels) < 2:
        return
    entry = 0.6 + figures.LABEL_LETTER * max(map(len, labels))
    width, height = figure.get_size_inches()
    columns = max(1, int(width / entry))
    rows = -(-len(labels) // columns)
    columns = -(-len(labels) // rows)  # as many as fill these rows, so that they are equally long
    # The constrained layout takes the legend's room from the panels, so the figure grows with it.
    figure.set_size_inches(max(width, entry + 0.3), height + LEGEND_ROW * (rows - 1))
    figure.legend([handles[label] for label in labels], labels, loc="outside lower center", ncols=columns)


def plot_rate_test(test: Any) -> "Figure":
    """Draws the loss that each learning rate led to, and the rate that is suggested.

    Args:
      test: what `gk.find_learning_rate` returned.

    Returns:
      A `matplotlib.figure.Figure`.

    Raises:
      TypeError: test is not a `RateTest`.
      ValueError: its rates are not positive, or are not as many as its losses.
      ImportError: matplotlib is not installed.

    Example:
      >>> from graphkit.studies import RateTest
      >>> test = RateTest(np.array([0.01, 0.1, 1.0]), np.array([2.0, 1.0, 3.0]), 0.01)
      >>> gk.plots.plot_rate_test(test).axes[0].get_xscale()
      'log'
    """
    check = checks.Checker("plot_rate_test")
    is_test = all(hasattr(test, name) for name in ("rates", "losses", "suggestion"))
    check.require_type(is_test, "test must be a RateTest", test=test)
    rates = arguments.numbers(check, "test.rates", test.rates, rank=1)
    losses = arguments.numbers(check, "test.losses", test.losses, rank=1)
    suggestion = check.number("test.suggestion", test.suggestion, above=0)
    rule = "test.rates and test.losses must have the same length"
    check.require(len(rates) == len(losses), rule, rates=len(rates), losses=len(losses))
    check.require((rates > 0).all(), "test.rates must be positive", rates=rates)
    with figures.drawing(check, 5, 3.2) as figure:
        axis = figure.subplots()
        axis.plot(rates, losses, **figures.line_style(0))
        axis.axvline(suggestion, label=f"suggested: {suggestion:.2g}", **figures.line_style(1))
        axis.set(xscale="log", xlabel="learning rate", ylabel="loss (running mean)")
        axis.legend()
    return figure


def plot_histograms(
    arrays: Mapping[str, np.ndarray], *, bins: int = 40, columns: int = 3, share_x: bool = False
) -> "Figure":
    """Draws how the numbers of each array are distributed, such as the weights of each layer.

    Args:
      arrays: {name: array of any shape}, such as `Trainer.weights()`.
      bins: intervals of equal width from the least to the greatest number.
      columns: histograms in a row.
      share_x: True draws all of them over the range of all numbers, so that their widths can be compared.

    Returns:
      A `matplotlib.figure.Figure`; above each histogram stand the name, the mean and the standard deviation
      (sigma). A dotted line marks 0.

    Raises:
      TypeError: arrays is not a dictionary of arrays, or bins or columns is not an integer.
      ValueError: an array that is empty or not finite.
      ImportError: matplotlib is not installed.

    Example:
      >>> figure = gk.plots.plot_histograms({"hidden/kernel": np.eye(4), "hidden/bias": np.zeros(4)})
      >>> figure.axes[0].get_title()
      'hidden/kernel\\nmean 0.25, sigma 0.433'
    """
    check = checks.Checker("plot_histograms")
    arguments.mapping(check, "arrays", arrays, "arrays must be {name: array} with one array or more")
    values = {
        name: arguments.numbers(check, f"arrays[{name!r}]", array).ravel() for name, array in arrays.items()
    }
    bins = check.integer("bins", bins, maximum=1000)
    rows, columns = figures.grid_size(len(values), check.integer("columns", columns))
    together = np.concatenate(list(values.values()))
    with figures.drawing(check, PANEL[0] * columns, 2.2 * rows) as figure:
        axes = figures.panels(figure, len(values), rows, columns, sharex=bool(share_x))
        for axis, (name, numbers) in zip(axes, values.items(), strict=True):
            low, high = range_of(together if share_x else numbers, bins)
            axis.hist(numbers, bins, range=(low, high), color=figures.COLORS[0])
            if low <= 0 <= high:
                axis.axvline(0, color="black", linewidth=1, linestyle=":")
            axis.set_title(f"{figures.shortened(name)}\nmean {numbers.mean():.3g}, sigma {numbers.std():.3g}")
            axis.set(xlabel="value", ylabel="count")
    return figure


def range_of(numbers: np.ndarray, bins: int) -> tuple[float, float]:
    """Returns the least and the greatest number, or half a unit on each side where they hardly differ."""
    low, high = float(numbers.min()), float(numbers.max())
    # NumPy refuses bins that are narrower than the distance of neighbouring float64 numbers.
    if high - low > 4 * bins * np.spacing(max(abs(low), abs(high))):
        return low, high
    return low - 0.5, high + 0.5


def plot_loss_surface(surface: Any) -> "Figure":
    """Draws the loss on a plane through the weights and the paths of optimizers over it.

    Args:
      surface: what `gk.loss_surface` returned.

    Returns:
      A `matplotlib.figure.Figure`; a path begins at its circle and ends at its square. The levels grow
      geometrically above the least loss, so that the bottom of a valley is seen as well as its walls. Where
      the loss is not finite nothing is drawn.

    Raises:
      TypeError: surface is not a `LossSurface`.
      ValueError: its losses have another shape than its axes, or none of them is finite.
      ImportError: matplotlib is not installed.

    Example:
      >>> inputs, targets = gk.feature_input(2), tf.compat.v1.placeholder(tf.float32, (None, 1))
      >>> loss = gk.mean_squared_error(gk.dense(inputs, 1, use_bias=False), targets)
      >>> data = {inputs: np.eye(2), targets: np.ones((2, 1))}
      >>> with gk.Trainer(loss, optimizer="sgd", learning_rate=0.1) as trainer:
      ...     path = gk.WeightPath()
      ...     history = trainer.fit(data, epochs=20, callbacks=[path], progress=False)
      ...     figure = gk.plots.plot_loss_surface(gk.loss_surface(trainer, data, path))
      >>> figure.axes[0].get_xlabel()
      'dense/kernel[0, 0]'
    """
    check = checks.Checker("plot_loss_surface")
    is_surface = all(hasattr(surface, name) for name in ("x", "y", "losses", "paths", "labels"))
    check.require_type(is_surface, "surface must be a LossSurface", surface=surface)
    x, y = (arguments.numbers(check, name, getattr(surface, name), rank=1) for name in ("x", "y"))
    losses = np.ma.masked_invalid(check.array("losses", surface.losses, rank=2))
    is_valid = losses.shape == (len(y), len(x)) and losses.count()
    check.require(is_valid, "losses must be (y, x), and finite somewhere", shape=losses.shape)
    levels = levels_of(losses)
    with figures.drawing(check, 6, 4.6) as figure:
        axis = figure.subplots()
        # Each area between two levels takes an equal step of the colour map, however close the levels are.
        norm = figures.part(check, "colors").BoundaryNorm(levels, 256)
        shown = axis.contourf(x, y, losses, levels=levels, norm=norm, cmap=figures.COLOR_MAP)
        axis.contour(x, y, losses, levels=levels[1:-1], colors="white", linewidths=0.4)
        scale = figure.colorbar(shown, ax=axis, label="loss", ticks=levels[::4])
        scale.ax.set_yticklabels([f"{level:.3g}" for level in levels[::4]])
        draw_paths(axis, surface.paths)
        axis.set(xlabel=surface.labels[0], ylabel=surface.labels[1])
        if len(surface.paths) > 1:
            draw_legend(figure)
    return figure


def levels_of(losses: np.ma.MaskedArray) -> np.ndarray:
    """Returns the losses of the contour lines, whose distances from the least loss grow geometrically.

    Levels at equal distances would leave a valley without a line: its walls may be a million times as high as
    the slope along its bottom.
    """
    lowest, highest = losses.min(), losses.max()
    bottom = np.quantile(losses.compressed() - lowest, BOTTOM)
    step = max(min((highest - lowest) * LOWEST_LEVEL, bottom), abs(lowest) * 1e-6, 1e-12)
    return lowest + np.concatenate([[0], np.geomspace(step, max(highest - lowest, 2 * step), LEVELS)])


def draw_paths(axis: "Axes", paths: Mapping[str, np.ndarray]) -> None:
    """Draws each path in another colour and other dashes; where two coincide, one shows through the other.

    White edges set them off from dark and light grounds alike. They are drawn first, so that the edge of one
    path does not cover another.
    """
    for path in paths.values():
        axis.plot(*np.transpose(path), color="white", linewidth=3.5, solid_capstyle="round")
    for number, (name, path) in enumerate(paths.items()):
        style = figures.line_style(number + 1)
        axis.plot(*np.transpose(path), linewidth=1.8, label=figures.shortened(name), **style)
        for place, marker in ((0, "o"), (-1, "s")):
            axis.plot(*path[place], marker, color=style["color"], markeredgecolor="white", markersize=8)
