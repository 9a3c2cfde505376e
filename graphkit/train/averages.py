"""Moving averages of the trained variables."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.running import session as sessions
from graphkit.running.training_step import Averages

PREFIX = "averaged_"  # how the names of metrics begin that are of the averages, after "valid_"


def add(
    update: tf.Operation, variables: Sequence[tf.Variable], decay: float | None
) -> tuple[tf.Operation, Averages | None]:
    """Adds to the current graph what averages the variables in each step, after its update.

    An average is the weighted mean of the values after each step made so far, of which each counts `decay`
    times as much as the next one. So it does not depend on initial values, and the first is the first value.

    Returns:
      (the op that makes a step, the averages).
    """
    if decay is None:
        return update, None
    make = tf.compat.v1.Variable
    fixed: dict[str, Any] = {"trainable": False, "use_resource": True}
    means = []
    for variable in variables:
        zeros = tf.zeros(variable.shape, variable.dtype.base_dtype)
        means.append(make(zeros, name=f"{variable.op.name}/ExponentialMovingAverage", **fixed))
    # The sum of the weights 1, decay, decay**2, … of the values so far; from it, no power has to be computed.
    total = make(0.0, name="averages/total_weight", **fixed)
    with tf.control_dependencies([update]):
        counted = total.assign(decay * total.read_value() + 1.0)
        updates = []
        for variable, mean in zip(variables, means, strict=True):
            difference = tf.identity(variable.read_value()) - mean.read_value()
            fraction = tf.cast(1.0 / tf.identity(counted), difference.dtype)
            updates.append(mean.assign_add(fraction * difference, read_value=False))
    return tf.group(*updates), Averages(list(zip(variables, means, strict=True)), total)


@contextlib.contextmanager
def instead_of_weights(trainer: Any, check: checks.Checker) -> Iterator[None]:
    """Gives the trained variables their averages in a block, and then their own values again."""
    averages: Averages | None = trainer.training_step.averages
    rule = "moving averages need a trainer that was made with average_decay"
    check.require(averages is not None, rule, average_decay=None)
    assert averages is not None
    check.require(not trainer.has_averages, "the averages are in the variables already")
    variables = [variable for variable, _ in averages.pairs]
    total, means = trainer.session.run([averages.total, [mean for _, mean in averages.pairs]])
    values = [np.array(value) for value in trainer.session.run(variables)]
    trainer.has_averages = True
    try:
        if total > 0:  # else no step has been made
            sessions.assign(trainer.session, list(zip(variables, means, strict=True)))
        yield
    finally:
        trainer.has_averages = False
        sessions.assign(trainer.session, list(zip(variables, values, strict=True)))


def weights_of(trainer: Any, monitor: str) -> contextlib.AbstractContextManager[None]:
    """Returns a block in which the variables are those that a metric of the history was computed with."""
    averaged = monitor.startswith(f"valid_{PREFIX}")
    return instead_of_weights(trainer, checks.Checker("averages")) if averaged else contextlib.nullcontext()
