"""A training step, as a graph holds it."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from graphkit.graph import walk
from graphkit.running.inference import NONE, Inference
from graphkit.running.workers import Place

UPDATES = "graphkit/updates/"  # scope of what the later of several updates of a step compute
FLOATS = (tf.float16, tf.bfloat16, tf.float32, tf.float64)


class Part(NamedTuple):
    """What an update of a step computes.

    Attributes:
      name: of its loss among several; None of the only one.
      loss: float scalar tensor.
      gradients: (gradient, variable), before gradients are clipped.
    """

    name: str | None
    loss: tf.Tensor
    gradients: list[tuple]


class Averages(NamedTuple):
    """Moving averages of the trained variables, which each step updates.

    Attributes:
      pairs: (variable, variable that holds its average).
      total: float32 scalar variable: the sum of the weights of the values that were averaged, 0 before the
        first step.
    """

    pairs: list[tuple[tf.Variable, tf.Variable]]
    total: tf.Variable


class TrainingStep(NamedTuple):
    """What a graph holds of a training step; a trainer makes it before its session.

    Attributes:
      update: the op that makes a step.
      loss: float scalar tensor that is minimized, regularization included; of several losses the sum.
      values: tensors that each step returns, the loss first, computed before the update; those of a worker
        of several are of the mini-batch of all, and the last ones are the votes.
      evaluated: the same of a validation: those that draw random numbers are copies that draw from keys.
      gradients: (gradient, variable) of each trained variable, before gradients are clipped; those of a
        worker of several are of its own examples, as is `loss`.
      variables: all that a step may change.
      finite: bool vector: for each of the variables of floats, whether it is finite.
      rate_input: placeholder of the learning rate, a vector where several losses have their own; None where
        the optimizers bring theirs.
      training_input: scalar placeholder that is True in a training step.
      seed_input: scalar placeholder of the seed of all keyed random numbers.
      step_input: scalar placeholder of the number that the masks of a step follow from: the global step.
      global_step: the variable that counts steps.
      skips_overflow: whether a step with gradients that overflow leaves the variables as they are.
      inference: the copy of the model that evaluations run.
      place: placeholders that say which part of a mini-batch a worker has; None for all of it.
      remote: whether the session is on another machine, to which all that is fed travels.
      split: placeholders of examples of which each device takes some rows; empty where one device trains.
      updates: what each of several updates computes, in their order; empty where a step makes one.
      averages: moving averages of the trained variables, or None.
    """

    update: tf.Operation
    loss: tf.Tensor
    values: list[tf.Tensor]
    evaluated: list[tf.Tensor]
    gradients: list[tuple]
    variables: list[tf.Variable]
    finite: tf.Tensor
    rate_input: tf.Tensor | None
    training_input: tf.Tensor
    seed_input: tf.Tensor
    step_input: tf.Tensor
    global_step: tf.Variable
    skips_overflow: bool = False
    inference: Inference = NONE
    place: Place | None = None
    split: Sequence[tf.Tensor] = ()
    averages: Averages | None = None
    remote: bool = False
    updates: Sequence[Part] = ()

    @property
    def parts(self) -> Sequence[Part]:
        """What each update of the step computes."""
        return self.updates or [Part(None, self.loss, self.gradients)]

    @property
    def trained(self) -> list[tf.Variable]:
        """The variables that have a gradient."""
        return list({variable.name: variable for _, variable in self.gradients}.values())

    def needed_ops(self, others: Sequence[tf.Tensor | tf.Operation] = ()) -> set[tf.Operation]:
        """Returns the ops that a step runs, and that others need; not the defaults of what is always fed."""
        fed = [tensor.op for tensor in (self.step_input, self.rate_input) if tensor is not None]
        wanted = [self.update, *self.values, *others]
        return walk.ancestors(wanted, lambda op: () if op in fed else walk.sources(op))


def is_float(tensor: tf.Tensor | tf.Variable) -> bool:
    """Whether a tensor or variable holds floating-point numbers."""
    return tensor.dtype.base_dtype in FLOATS


def is_finite(tensor: tf.Tensor | tf.Variable) -> tf.Tensor:
    """Returns whether all numbers of a tensor are finite, as a bool scalar tensor."""
    return tf.reduce_all(tf.math.is_finite(tensor))


def summed_rows(values: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
    """Returns the rows of a sparse gradient, those of one index summed: as many rows, zeros at the end.

    A gather that takes a row several times has a gradient that holds the row as often; the gradient of the
    variable is their sum. The number of rows stays as it was, since XLA needs to know it.
    """
    _, places = tf.unique(indices)
    return tf.math.unsorted_segment_sum(values, places, tf.shape(indices)[0])


def finite_flags(variables: list[tf.Variable]) -> tf.Tensor:
    """Returns the bool vector that says for each variable of floats whether it is finite."""
    with tf.compat.v1.name_scope("graphkit/finite/"):
        return tf.stack([is_finite(variable) for variable in variables if is_float(variable)])
