"""Gradients of two graphs whose losses agree."""

import logging

import numpy as np
import tensorflow as tf

from graphkit.comparison import alignment, relations, wording
from graphkit.comparison.alignment import Alignment
from graphkit.comparison.sides import Side, as_array
from graphkit.graph import walk
from graphkit.running import session as sessions
from graphkit.train import optimizers

logger = logging.getLogger("graphkit")

NOISE = 1e-5  # of the largest gradient: what is left where terms cancel out, as of a bias before a batch norm
TOLERANCE = 2e-4  # of the largest number of a gradient

Found = dict[str, np.ndarray]


class Gradients:
    """The gradients of a side's loss, added to its graph.

    They are to be made before a session runs the graph: that of a loop changes the loop.

    Args:
      side: the side.
      tensors: {key: what to differentiate by}.
    """

    def __init__(self, side: Side, tensors: dict[str, tf.Tensor]) -> None:
        self.side, self.keys = side, list(tensors)
        self.dense: dict[str, tf.Tensor] | None = None
        loss = side.outputs[0]
        if not loss.dtype.is_floating or loss.shape.rank != 0:
            return
        try:
            with side.graph.as_default(), sessions.tensorflow_logs(optimizers.is_not_deprecation):
                found = tf.gradients(loss, list(tensors.values()))
                pairs = zip(tensors, found, strict=True)
                self.dense = {k: summed(g, tensors[k]) for k, g in pairs if g is not None}
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            rule = "compare: the gradients of the %s graph cannot be computed (%s)"
            logger.warning(rule, side.name, error)

    def values(self) -> Found | None:
        """Returns {key: gradient}, a zero where the loss does not depend on a tensor; None if it has none."""
        if self.dense is None:
            return None
        found = self.side.run(self.dense)
        return {key: as_array(found[key]) if key in found else np.zeros(()) for key in self.keys}


def of_variables(side: Side) -> Gradients:
    """Adds the gradients by all floating-point variables that the outputs depend on."""
    names = [name for name in side.used() if side.variables[name].dtype.base_dtype.is_floating]
    return Gradients(side, {name: side.handle(name) for name in names})


def summed(gradient: object, source: tf.Tensor) -> tf.Tensor:
    """Returns a gradient as one tensor, the rows of a sparse one in their places."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    shape = tf.shape(gradient.values)[1:]
    size = (
        gradient.dense_shape[0] if gradient.dense_shape is not None else tf.reduce_max(gradient.indices) + 1
    )
    indices = tf.cast(gradient.indices, tf.int64)[:, None]
    return tf.scatter_nd(
        indices, gradient.values, tf.concat([[tf.cast(size, tf.int64)], tf.cast(shape, tf.int64)], 0)
    )


def agree(first: np.ndarray, second: np.ndarray, largest: float) -> bool:
    """Whether two gradients agree up to rounding; those of one variable may be transposed."""
    if first.shape != second.shape and second.ndim == first.ndim > 1 and second.T.shape == first.shape:
        second = second.T
    size = max(np.max(np.abs(first), initial=0), np.max(np.abs(second), initial=0))
    if first.shape != second.shape and first.ndim and second.ndim:
        return False
    difference = np.max(np.abs(np.asarray(first, np.float64) - second), initial=0)
    return bool(difference <= TOLERANCE * size + NOISE * largest)


def difference(both: Alignment, olds: Found, news: Found) -> tuple[str, str] | None:
    """Returns (the variable, why its gradients differ), or None where all gradients agree.

    Args:
      both: the two graphs.
      olds: {name of a variable of the new graph: gradient in the old graph}.
      news: the same in the new graph.
    """
    largest = max(
        (float(np.max(np.abs(g), initial=0)) for g in [*olds.values(), *news.values()]), default=0.0
    )
    wrong = [name for name in olds if not agree(olds[name], news[name], largest)]
    if not wrong:
        return None
    name = wrong[0]
    first, second = olds[name], news[name]
    zero = [np.max(np.abs(g), initial=0) <= NOISE * largest for g in (first, second)]
    stops = [stopping(side) for side in (both.old, both.new)]
    if any(zero):
        side = both.old if zero[0] else both.new
        text = f"{both.other(side).name} has a gradient of {', '.join(wrong)}, {side.name} has none"
    else:
        c = relations.factor(first, second)
        sizes = {both.examples: f"the number of examples ({both.examples})"} if both.examples else {}
        text = f"the gradients of {', '.join(wrong)} differ"
        if c is not None:
            text = f"the gradient of {name} is {c:.6g} times as large in new{relations.meaning(c, sizes)}"
    if len(stops[0]) != len(stops[1]):
        side = both.old if len(stops[0]) > len(stops[1]) else both.new
        op = stops[0 if side is both.old else 1][0]
        return name, f"stop_gradient in {side.name} alone, at {wording.where(side, op)}: {text}"
    customs = [custom(side) for side in (both.old, both.new)]
    if len(customs[0]) != len(customs[1]):
        side = both.old if len(customs[0]) > len(customs[1]) else both.new
        op = customs[0 if side is both.old else 1][0]
        return name, f"a custom gradient in {side.name} alone, at {wording.where(side, op)}: {text}"
    at = located(both)
    return name, f"{text}; they begin to differ at {at}" if at else text


def stopping(side: Side) -> list[tf.Operation]:
    """Returns the ops that stop a gradient that would reach a variable."""
    return [
        op
        for op in walk.as_made(side.forward)
        if op.type == "StopGradient" and any("variable" in f for f in ancestors_variables(op))
    ]


def ancestors_variables(op: tf.Operation) -> list[str]:
    return ["variable" for inner in walk.ancestors([op]) if inner.type in walk.VARIABLES]


def custom(side: Side) -> list[tf.Operation]:
    """Returns the ops whose gradient the program has replaced."""
    return [op for op in walk.as_made(side.forward) if "_gradient_op_type" in op.node_def.attr]


def located(both: Alignment) -> str | None:
    """Returns where going back from the loss the gradients of equal tensors begin to differ, or None."""
    pairs = {}
    for op in walk.as_made(both.old.forward):
        for tensor in op.outputs:
            is_float = tensor.dtype.base_dtype.is_floating
            if is_float and both.is_data(both.old, tensor) and op.type not in alignment.TRANSPARENT:
                partner = next((p for p in both.partners(both.old, tensor) if p.op.type == op.type), None)
                if partner is not None:
                    pairs[tensor.name] = partner
    loops = ("While", "StatelessWhile", "If", "StatelessIf")
    if any(op.type in loops for side in (both.old, both.new) for op in side.forward):
        return None
    olds = Gradients(both.old, {name: both.old.tensor(name) for name in pairs}).values()
    news = Gradients(both.new, dict(pairs)).values()
    if olds is None or news is None:
        return None
    wrong = [
        name
        for name in pairs
        if olds[name].shape == news[name].shape and not agree(olds[name], news[name], 0)
    ]
    return f"{wording.where(both.old, both.old.tensor(wrong[-1]).op)} in old" if wrong else None
