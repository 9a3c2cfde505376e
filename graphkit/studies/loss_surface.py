"""The loss on a plane through the weights, and the paths that optimizers take there."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.data import batches, preprocess
from graphkit.running import feeds, steps, streams
from graphkit.running import session as sessions
from graphkit.running.callback import Callback
from graphkit.train.open_graph import EVALUATION_BATCH
from graphkit.train.trainer import Trainer

ROUNDING = 1e-6  # fraction of the size of all points; a shorter direction only shows the rounding of float32
NARROW = 1e-4  # fraction of the largest weight; below it float32 rounds points of a grid to the same weights
WIDEST = 100  # margin, of the width of the paths


class WeightPath(Callback):
    """Keeps the values of the trained variables while `fit` runs.

    The first point is the values before the first step, and a further one is added after each step whose
    number is a multiple of `every_steps`. Another `fit` continues the path; if the weights have changed since
    the last point, it first adds them. The steps have the same bits as without it, and runs of many steps end
    where a point is kept. It takes four bytes for each weight and point, and is not saved in checkpoints.

    Args:
      every_steps: steps from one point to the next, counted from the start of the training.

    Attributes:
      steps: the global step of each point.
      weights: float32 (points, weights): the values, all variables one after the other, each flattened in
        row-major order; float64 where a variable is.
      shapes: {name of a trained variable: its shape}, in the order of the weights; None before the first
        `fit`.

    Raises:
      TypeError: every_steps is not an integer.
      ValueError: every_steps is not positive, or, in `fit`, the trainer has other variables than before.

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

    def __init__(self, every_steps: int = 1) -> None:
        self.checker = checks.Checker("WeightPath")
        self.every_steps: int = self.checker.integer("every_steps", every_steps)
        self.steps: list[int] = []
        self.points: list[np.ndarray] = []
        self.shapes: dict[str, tuple] | None = None

    @property
    def weights(self) -> np.ndarray:
        return np.stack(self.points) if self.points else np.zeros((0, 0), np.float32)

    def on_fit_start(self, trainer: Any) -> None:
        values = trainer.session.run(trainer.training_step.trained)
        shapes = shapes_of(trainer, values)
        rule = "a path must be of the same variables in each fit"
        same = self.shapes in (None, shapes)
        self.checker.require(same, rule, was=self.shapes, now=shapes)
        self.shapes = shapes
        point = flat(values)
        if not (self.steps[-1:] == [trainer.step] and np.array_equal(point, self.points[-1], equal_nan=True)):
            self.add(trainer, point)

    def on_run_end(self, trainer: Any) -> None:
        if trainer.step % self.every_steps == 0:
            self.add(trainer, flat(trainer.session.run(trainer.training_step.trained)))

    def add(self, trainer: Any, point: np.ndarray) -> None:
        if not hasattr(trainer, "is_trial"):  # the step of a dry run is undone
            self.steps.append(trainer.step)
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
      fractions: of the variation of the points of all paths, what lies along each axis, float64 (2,).

    Example:
      >>> axis, path = np.array([-1.0, 1.0]), np.array([[-1.0, 1.0], [0.0, 0.0]])
      >>> labels, fractions = ("kernel[0]", "kernel[1]"), np.array([0.5, 0.5])
      >>> from graphkit.studies import LossSurface
      >>> LossSurface(axis, axis, np.full((2, 2), 2.0), {"sgd": path}, labels, fractions).losses.max()
      np.float64(2.0)
    """

    x: np.ndarray
    y: np.ndarray
    losses: np.ndarray
    paths: dict[str, np.ndarray]
    labels: tuple[str, ...]
    fractions: np.ndarray


class Plane(NamedTuple):
    """A plane through the weights: its points are origin + directions @ (x, y).

    Attributes:
      origin: the weights at (0, 0), float64 (weights,).
      directions: two orthonormal columns, float64 (weights, 2).
    """

    origin: np.ndarray
    directions: np.ndarray


def loss_surface(
    trainer: Trainer,
    data: Mapping[tf.Tensor, Any],
    paths: WeightPath | Mapping[str, WeightPath],
    *,
    resolution: int = 25,
    margin: float = 0.2,
    feed: Mapping[tf.Tensor, Any] | None = None,
) -> LossSurface:
    """Computes the loss on a plane through the weights that holds the paths of optimizers, or is close.

    The loss at a point is what `trainer.evaluate(data, feed)` gives there, regularization included. Where
    two numbers are trained they are the axes, and the coordinates are their values. Else the plane goes
    through the end of the first path, which is (0, 0), and is spanned by the first two principal components
    of the points of all paths, along which the first path runs from the left and from below.

    The trainer's weights are restored at the end, to the bit. All else, such as the moving averages of
    `batch_norm`, is the same at all points. The data is evaluated resolution² times, so pass a subset of a
    large data set; arrays in memory are converted only once.

    Args:
      trainer: a `Trainer` of the variables of the paths.
      data: {placeholder: array of all examples}, see `Trainer.fit`.
      paths: a `WeightPath`, which is called "path" then, or {name: `WeightPath`} of several, such as those of
        trainers with different optimizers and the same initial values.
      resolution: points of the grid in each direction, at least 2.
      margin: what is added to the plane on each side, as a fraction of the width of the paths there; from 0
        to 100. A direction in which the paths hardly move is made as wide as the other one.
      feed: {placeholder: value} that replaces the defaults of some placeholders.

    Returns:
      A `LossSurface` (`graphkit.studies.LossSurface`).

    Raises:
      TypeError: trainer is not a `Trainer`, paths are not `WeightPath`s, or a number has another type; see
        `Trainer.fit` for the data.
      ValueError: a number is out of range; a path without points, of other variables or with weights that
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
    check = checks.Checker("loss_surface")
    check.require_type(isinstance(trainer, Trainer), "trainer must be a gk.Trainer", trainer=trainer)
    trainer.check_open("loss_surface")
    resolution = check.integer("resolution", resolution, minimum=2)
    margin = check.number("margin", margin, at_least=0, at_most=WIDEST)
    loss_at = evaluator(check, trainer, data, feed)
    before = [np.array(value) for value in trainer.session.run(trainer.training_step.trained)]
    named = check_paths(check, paths, shapes_of(trainer, before))
    ends = np.cumsum([len(path.points) for path in named.values()])
    points = np.array([point for path in named.values() for point in path.points], np.float64)
    plane = make_plane(check, points, points[ends[0] - 1])
    coordinates = (points - plane.origin) @ plane.directions
    fractions = coordinates.var(axis=0) / (points.var(axis=0).sum() or 1.0)
    x, y = grid_axes(coordinates, np.abs(points).max(), resolution, margin)
    losses = grid_losses(trainer, loss_at, plane, x, y, before)
    projected = dict(zip(named, np.split(coordinates, ends[:-1]), strict=True))
    return LossSurface(x, y, losses, projected, axis_labels(trainer, before, fractions), fractions)


def evaluator(check: checks.Checker, trainer: Trainer, data: Any, feed: Any) -> Callable[[], float]:
    """Returns a function that computes the mean loss over the data at the current weights."""
    loss = [trainer.training_step.loss]
    examples = trainer.check_examples(check, data, feed, loss)
    streams.require_usable(check, examples, again=True, alone=trainer.training_step.place is None)
    placed = feeds.Examples([place(source) for source in examples.sources], examples.constants)
    runner = trainer.evaluator(placed, loss)
    plan = examples.plan(EVALUATION_BATCH)
    metrics = {"loss": trainer.metrics["loss"]}
    return lambda: steps.evaluate(runner, plan, metrics)["loss"]


def place(source: feeds.Source) -> feeds.Source:
    """Returns the source with its array as TensorFlow takes it, unless it is in a file or holds texts.

    The data is evaluated resolution² times: rows that were converted before need no conversion each time.
    """
    if source.is_lazy or source.placeholder.dtype == tf.string:
        return source
    rows = source.rows(slice(None))
    return source._replace(array=batches.aligned(rows, rows.dtype), scaling=None)


def check_paths(check: checks.Checker, paths: Any, shapes: dict[str, tuple]) -> dict[str, WeightPath]:
    """Returns {name: path}, if all hold finite weights of the variables that have these shapes."""
    rule = "paths must be a gk.WeightPath or {name: gk.WeightPath}"
    named = {"path": paths} if isinstance(paths, WeightPath) else paths
    is_named = isinstance(named, dict) and all(
        isinstance(name, str) and isinstance(path, WeightPath) for name, path in named.items()
    )
    check.require_type(is_named, rule, paths=paths)
    check.require(named, f"{rule}, of at least one", paths=paths)
    for name, path in named.items():
        rule = "a path must hold points, which it keeps as one of the callbacks of fit"
        check.require(path.points, rule, path=name)
        rule = "a path must be of the variables that the trainer trains"
        check.require(path.shapes == shapes, rule, path=name, variables=path.shapes, trains=shapes)
        points = zip(path.steps, path.points, strict=True)
        step = next((step for step, point in points if not np.isfinite(point).all()), None)
        check.require(step is None, "the weights of a path must be finite", path=name, step=step)
    return named


def make_plane(check: checks.Checker, points: np.ndarray, end: np.ndarray) -> Plane:
    """Returns the plane of the two weights if there are only two, else that of the principal components."""
    count, size = points.shape
    check.require(size > 1, "a plane needs two trained numbers or more", numbers=size)
    if size == 2:
        return Plane(np.zeros(2), np.eye(2))
    rule = "the points of the paths must not all lie on one line; keep more of them, or train on"
    check.require(count > 2, rule, points=count)
    directions, lengths = preprocess.principal_components(points - points.mean(axis=0))
    spans = lengths[1] > ROUNDING * np.linalg.norm(points)
    check.require(spans, rule, points=count, lengths=lengths.tolist())
    signs = np.where((points[0] - end) @ directions > 0, -1.0, 1.0)
    return Plane(end, directions * signs)


def grid_axes(coordinates: np.ndarray, largest: float, resolution: int, margin: float) -> np.ndarray:
    """Returns x and y of a grid that holds the points with a margin, and has a width in both directions."""
    lowest, highest = coordinates.min(axis=0), coordinates.max(axis=0)
    extents = highest - lowest
    narrow = extents <= NARROW * largest
    widths = np.where(narrow, max(largest, 1.0) if narrow.all() else extents.max(), extents)
    more = (widths - extents) / 2 + margin * widths
    return np.linspace(lowest - more, highest + more, resolution).T


def grid_losses(
    trainer: Trainer,
    loss_at: Callable[[], float],
    plane: Plane,
    x: np.ndarray,
    y: np.ndarray,
    before: Sequence[np.ndarray],
) -> np.ndarray:
    """Returns the losses (y, x) on the grid, and gives the variables the values that they had before."""
    losses = np.empty((len(y), len(x)))
    session, trained = trainer.session, trainer.training_step.trained
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            for row, column in np.ndindex(losses.shape):
                point = plane.origin + plane.directions @ (x[column], y[row])
                sessions.assign(session, zip(trained, unflattened(point, before), strict=True))
                losses[row, column] = loss_at()
    finally:
        sessions.assign(session, zip(trained, before, strict=True))
    return losses


def axis_labels(trainer: Trainer, values: Sequence[np.ndarray], fractions: np.ndarray) -> tuple[str, ...]:
    """Returns the names of the two weights if there are only two, else those of the principal components."""
    if sum(value.size for value in values) == 2:
        shapes = shapes_of(trainer, values).items()
        places = [(name, index) for name, shape in shapes for index in np.ndindex(shape)]
        return tuple(f"{name}{list(index) or ''}" for name, index in places)
    pairs = zip(("first", "second"), fractions, strict=True)
    return tuple(f"{place} principal component ({part:.0%} of the variation)" for place, part in pairs)


def shapes_of(trainer: Trainer, values: Sequence[np.ndarray]) -> dict[str, tuple]:
    """Returns {name: shape} of the trained variables."""
    return {
        v.op.name: np.shape(value) for v, value in zip(trainer.training_step.trained, values, strict=True)
    }


def flat(values: Sequence[np.ndarray]) -> np.ndarray:
    """Returns all values in one array of float32, or of float64 where one of them is."""
    dtype = np.result_type(np.float32, *(value.dtype for value in values))
    return np.concatenate([np.ravel(value) for value in values], dtype=dtype)


def unflattened(point: np.ndarray, values: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Returns the parts of a point as arrays of the shapes and dtypes of the values."""
    parts = np.split(point, np.cumsum([value.size for value in values])[:-1])
    return [part.astype(value.dtype).reshape(value.shape) for part, value in zip(parts, values, strict=True)]
