"""The loss on a plane through the weights, and the paths that optimizers take there."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.data import batches, preprocess
from graphkit.running import feeds, steps
from graphkit.running import session as sessions
from graphkit.train import callbacks
from graphkit.train.trainer import EVALUATION_BATCH, Trainer

__all__ = ["LossSurface", "WeightPath", "loss_surface"]

ROUNDING = 1e-6  # share of the size of all points below which a direction holds what float32 rounded off
NARROW = 1e-4  # share of the largest weight below which float32 does not tell the points of a grid apart
WIDEST = 100  # margin, of the width of the paths


class WeightPath(callbacks.Callback):
    """Keeps the values of the trained variables while `fit` runs.

    The first point is the values before the first step, and a further one is added after each step whose
    number is a multiple of `every_steps`. Another `fit` goes on; where the weights are not those of the last
    point when it starts, it adds them. The steps have the same bits as without it, and runs of many steps end
    where a point is kept. It takes four bytes for each weight and point, and checkpoints do not hold it.

    Args:
      every_steps: steps from one point to the next, counted from the first step of all.

    Attributes:
      steps: the global step of each point.
      weights: float32 (points, weights): the values, all variables one after the other, each flattened in
        row-major order; float64 where a variable is.
      shapes: {name of a trained variable: its shape}, in the order of the weights; None before the first
        `fit`.

    Raises:
      TypeError: every_steps is no integer.
      ValueError: every_steps is not positive, or, in `fit`, a trainer of other variables than before.

    Example:
      >>> x = gk.feature_input(2)
      >>> loss = tf.reduce_mean(gk.dense(x, 1, use_bias=False, kernel_initializer=gk.zeros()))
      >>> path = gk.WeightPath(every_steps=2)
      >>> with gk.Trainer(loss, optimizer="sgd", learning_rate=0.5) as trainer:
      ...     history = trainer.fit({x: np.eye(2)}, epochs=4, callbacks=[path], progress=False)
      >>> path.steps, path.shapes
      ([0, 2, 4], {'dense/kernel': (2, 1)})
      >>> path.weights
      array([[ 0. ,  0. ],
             [-0.5, -0.5],
             [-1. , -1. ]], dtype=float32)
    """

    def __init__(self, every_steps=1):
        self.every_steps = checks.integer("WeightPath", "every_steps", every_steps)
        self.steps = []
        self.points = []
        self.shapes = None

    @property
    def weights(self):
        return np.stack(self.points) if self.points else np.zeros((0, 0), np.float32)

    def on_fit_start(self, trainer):
        values = trainer.session.run(trainer.trained)
        shapes = shapes_of(trainer, values)
        rule = "a path must be of the same variables in each fit"
        same = self.shapes in (None, shapes)
        checks.require(same, "WeightPath", rule, was=self.shapes, now=shapes)
        self.shapes = shapes
        point = flat(values)
        if not (self.steps[-1:] == [trainer.step] and np.array_equal(point, self.points[-1], equal_nan=True)):
            self.add(trainer.step, point)

    def on_run_end(self, trainer):
        if trainer.step % self.every_steps == 0:
            self.add(trainer.step, flat(trainer.session.run(trainer.trained)))

    def add(self, step, point):
        self.steps.append(step)
        self.points.append(point)


class LossSurface(NamedTuple):
    """The loss on a plane through the weights, as `loss_surface` computes it.

    Attributes:
      x: coordinates of the columns of `losses`, float64 (resolution,), growing.
      y: coordinates of its rows, float64 (resolution,), growing.
      losses: the loss at each point of the grid, float64 (resolution of y, resolution of x); NaN or infinite
        where it is not finite.
      paths: {name: the points of a path, projected on the plane, float64 (points, 2)}.
      labels: what the two axes are.
      shares: which share of the variation of the points of all paths each axis holds, float64 (2,).

    Example:
      >>> axis, path = np.array([-1.0, 1.0]), np.array([[-1.0, 1.0], [0.0, 0.0]])
      >>> labels, shares = ("kernel[0]", "kernel[1]"), np.array([0.5, 0.5])
      >>> gk.LossSurface(axis, axis, np.full((2, 2), 2.0), {"sgd": path}, labels, shares).losses.max()
      np.float64(2.0)
    """

    x: np.ndarray
    y: np.ndarray
    losses: np.ndarray
    paths: dict
    labels: tuple
    shares: np.ndarray


class Plane(NamedTuple):
    """A plane through the weights: its points are origin + directions @ (x, y).

    Attributes:
      origin: the weights at (0, 0), float64 (weights,).
      directions: two orthonormal columns, float64 (weights, 2).
    """

    origin: np.ndarray
    directions: np.ndarray


def loss_surface(trainer, data, paths, resolution=25, margin=0.2, feed=None):
    """Computes the loss on a plane through the weights that holds the paths of optimizers, or comes near.

    The loss at a point is what `trainer.evaluate(data, feed)` gives there, regularization included. Where
    two numbers are trained they are the axes, and the coordinates are their values. Else the plane goes
    through the end of the first path, which is (0, 0), and is spanned by the first two principal components
    of the points of all paths, along which the first path runs from the left and from below.

    The trainer's weights are brought back in the end, to the bit. All else, such as the moving averages of
    `batch_norm`, is at all points as the trainer has it. There are resolution² evaluations, so some of
    the examples serve better than very many; those in memory are converted once for all.

    Args:
      trainer: a `Trainer` of the variables of the paths.
      data: {placeholder: array of all examples}, see `Trainer.fit`.
      paths: a `WeightPath`, which is called "path" then, or {name: `WeightPath`} of several, such as those of
        trainers with different optimizers and the same initial values.
      resolution: points of the grid in each direction, at least 2.
      margin: what is added to the plane on each side, as a share of the width of the paths there; from 0 to
        100. A direction along which they hardly move is as wide as the other one.
      feed: {placeholder: value} of what is not to have its default.

    Returns:
      A `LossSurface`.

    Raises:
      TypeError: an argument of another kind; see `Trainer.fit` for the data.
      ValueError: a number out of its range; a path without points, of other variables or with weights that
        are not finite; fewer than two trained numbers; more than two, and points on one line, which spans no
        plane; see `Trainer.fit` for the data.

    Source: H. Li et al., "Visualizing the loss landscape of neural nets", NeurIPS 2018, section 7.

    Example:
      >>> x, y = gk.feature_input(2), gk.feature_input(1)
      >>> loss = gk.mean_squared_error(gk.dense(x, 1, use_bias=False, name="line"), y)
      >>> data, path = {x: np.eye(2), y: np.array([[1.0], [2.0]])}, gk.WeightPath()
      >>> with gk.Trainer(loss, optimizer="sgd", learning_rate=0.5) as trainer:
      ...     history = trainer.fit(data, epochs=5, callbacks=[path], progress=False)
      ...     surface = gk.loss_surface(trainer, data, path, resolution=9)
      >>> surface.losses.shape, surface.paths["path"].shape, surface.labels
      ((9, 9), (6, 2), ('line/kernel[0, 0]', 'line/kernel[1, 0]'))
    """
    function = "loss_surface"
    if not isinstance(trainer, Trainer):
        raise TypeError(checks.message(function, "trainer must be a gk.Trainer", trainer=trainer))
    trainer.check_open(function)
    resolution = checks.integer(function, "resolution", resolution, minimum=2)
    margin = checks.number(function, "margin", margin, at_least=0, at_most=WIDEST)
    runner, bounds = place_data(trainer, data, feed)
    before = [np.array(value) for value in trainer.session.run(trainer.trained)]
    paths = check_paths(paths, shapes_of(trainer, before))
    ends = np.cumsum([len(path.points) for path in paths.values()])
    points = np.array([point for path in paths.values() for point in path.points], np.float64)
    plane = make_plane(points, points[ends[0] - 1])
    coordinates = (points - plane.origin) @ plane.directions
    shares = coordinates.var(axis=0) / (points.var(axis=0).sum() or 1.0)
    x, y = grid_axes(coordinates, np.abs(points).max(), resolution, margin)
    losses = grid_losses(trainer, runner, bounds, plane, x, y, before)
    projected = dict(zip(paths, np.split(coordinates, ends[:-1]), strict=True))
    return LossSurface(x, y, losses, projected, axis_labels(trainer, before, shares), shares)


def place_data(trainer, data, feed):
    """Checks data and feed; returns what computes the loss of slices of the examples, and the slices."""
    function = "loss_surface"
    constants = feeds.check_feed(function, trainer.graph, feed)
    sources, examples = trainer.check_data(function, data, [trainer.loss], constants)
    runner = trainer.outside_training([trainer.loss], [place(source) for source in sources], constants)
    return runner, batches.batch_bounds(examples, EVALUATION_BATCH)


def place(source):
    """Returns the source with its array as TensorFlow takes it, unless it is a mapped file or holds texts."""
    if source.mapped or source.placeholder.dtype == tf.string:
        return source
    rows = source.rows(slice(None))
    return source._replace(array=batches.aligned(rows, rows.dtype), scaling=None)


def check_paths(paths, shapes):
    """Returns {name: path}, if all hold finite weights of the variables that have these shapes."""
    function = "loss_surface"
    rule = "paths must be a gk.WeightPath or {name: gk.WeightPath}"
    named = {"path": paths} if isinstance(paths, WeightPath) else paths
    sound = isinstance(named, dict) and all(
        isinstance(name, str) and isinstance(path, WeightPath) for name, path in named.items()
    )
    if not sound:
        raise TypeError(checks.message(function, rule, paths=paths))
    checks.require(named, function, f"{rule}, of at least one", paths=paths)
    for name, path in named.items():
        rule = "a path must hold points, which it keeps as one of the callbacks of fit"
        checks.require(path.points, function, rule, path=name)
        rule = "a path must be of the variables that the trainer trains"
        checks.require(path.shapes == shapes, function, rule, path=name, variables=path.shapes, trains=shapes)
        step = next(
            (s for s, p in zip(path.steps, path.points, strict=True) if not np.isfinite(p).all()), None
        )
        checks.require(step is None, function, "the weights of a path must be finite", path=name, step=step)
    return named


def make_plane(points, end):
    """Returns the plane of the two weights there are, or that of the points' principal components."""
    count, size = points.shape
    rule = "a plane needs two trained numbers or more"
    checks.require(size > 1, "loss_surface", rule, numbers=size)
    if size == 2:
        return Plane(np.zeros(2), np.eye(2))
    rule = "the points of the paths must not all lie on one line; keep more of them, or train on"
    checks.require(count > 2, "loss_surface", rule, points=count)
    directions, lengths = preprocess.principal_components(points - points.mean(axis=0))
    spans = lengths[1] > ROUNDING * np.linalg.norm(points)
    checks.require(spans, "loss_surface", rule, points=count, lengths=lengths.tolist())
    signs = np.where((points[0] - end) @ directions > 0, -1.0, 1.0)
    return Plane(end, directions * signs)


def grid_axes(coordinates, largest, resolution, margin):
    """Returns x and y of a grid that holds the points with a margin, and has a width in both directions."""
    lowest, highest = coordinates.min(axis=0), coordinates.max(axis=0)
    extents = highest - lowest
    narrow = extents <= NARROW * largest
    widths = np.where(narrow, max(largest, 1.0) if narrow.all() else extents.max(), extents)
    more = (widths - extents) / 2 + margin * widths
    return np.linspace(lowest - more, highest + more, resolution).T


def grid_losses(trainer, runner, bounds, plane, x, y, before):
    """Returns the losses (y, x) on the grid, and gives the variables the values that they had before."""
    losses = np.empty((len(y), len(x)))
    session, trained = trainer.session, trainer.trained
    metrics = {"loss": trainer.metrics["loss"]}
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            for row, column in np.ndindex(losses.shape):
                point = plane.origin + plane.directions @ (x[column], y[row])
                sessions.assign(session, zip(trained, unflattened(point, before), strict=True))
                losses[row, column] = steps.figures_over(runner, bounds, metrics)["loss"]
    finally:
        sessions.assign(session, zip(trained, before, strict=True))
    return losses


def axis_labels(trainer, values, shares):
    """Returns the names of the two weights there are, or what the principal components hold."""
    if sum(value.size for value in values) == 2:
        shapes = shapes_of(trainer, values).items()
        places = [(name, index) for name, shape in shapes for index in np.ndindex(shape)]
        return tuple(f"{name}{list(index) or ''}" for name, index in places)
    pairs = zip(("first", "second"), shares, strict=True)
    return tuple(f"{place} principal component ({share:.0%} of the variation)" for place, share in pairs)


def shapes_of(trainer, values):
    """Returns {name: shape} of the trained variables."""
    return {v.op.name: np.shape(value) for v, value in zip(trainer.trained, values, strict=True)}


def flat(values):
    """Returns all values in one array of float32, or of float64 where one of them is."""
    dtype = np.result_type(np.float32, *(value.dtype for value in values))
    return np.concatenate([np.ravel(value) for value in values], dtype=dtype)


def unflattened(point, values):
    """Returns the parts of a point as arrays of the shapes and dtypes of the values."""
    parts = np.split(point, np.cumsum([value.size for value in values])[:-1])
    return [part.astype(value.dtype).reshape(value.shape) for part, value in zip(parts, values, strict=True)]
