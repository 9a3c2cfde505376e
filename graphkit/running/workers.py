"""The processes that train one graph together. Here there is one; `graphkit.cluster` has several.

A trainer asks its workers for all that depends on how many there are. So it does the same everywhere.
"""

import abc
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from graphkit import checks
from graphkit.data import batches
from graphkit.running.feeds import Examples
from graphkit.running.metrics import Means

Pairs = list[tuple[Any, tf.Variable]]  # (gradient, variable); the gradient of a gather is an IndexedSlices


def numbers_of(gradient: Any) -> list[tf.Tensor]:
    """Returns the tensors of a gradient: of a sparse one, its rows and their indices."""
    sparse = isinstance(gradient, tf.IndexedSlices)
    return [gradient.values, gradient.indices] if sparse else [gradient]


def originals_of(combined: Pairs, pairs: Pairs) -> dict[str, str]:
    """Returns {name of a tensor of the gradients of all: name of that of one which it stands for}."""
    names: dict[str, str] = {}
    for (of_all, _), (one, _) in zip(combined, pairs, strict=True):
        tensors = zip(numbers_of(of_all), numbers_of(one), strict=True)
        names |= {ours.name: theirs.name for ours, theirs in tensors}
    return names


class Combined(NamedTuple):
    """What a training step applies and returns.

    Attributes:
      pairs: (gradient, variable) over the mini-batch of all workers.
      values: the loss and the metrics over the mini-batch of all workers.
      before: what must run before the update.
      place: placeholders that say which part of the mini-batch a worker has; None for all of it.
      originals: {name of a sum over all workers: name of the tensor of one that it stands for}.
    """

    pairs: Pairs
    values: list[tf.Tensor]
    before: list[Any]
    place: "Place | None" = None
    originals: Mapping[str, str] = {}


class Place(NamedTuple):
    """Placeholders that say which part of a mini-batch a worker has.

    Attributes:
      rows: int64: its number of examples.
      first_row: int64: the examples of the mini-batch before its own.
      share: float32: the fraction of the mini-batch that counts as its own.
      votes: float32 (topics,): what it wishes to decide, see `Workers.decides`.
    """

    rows: tf.Tensor
    first_row: tf.Tensor
    share: tf.Tensor
    votes: tf.Tensor


class Workers:
    """A single process, which trains alone.

    Attributes:
      size: the number of workers.
      index: the place of this one among them; the worker 0 is the chief, which alone writes files.
      target: what the session connects to.
      steps_per_run: how many steps each run must have; None for any number.
      repeats: whether steps that are made again from the same variables give the same bits.
      is_remote: whether that is a server elsewhere, to which all that is fed travels.
      shares: whether all workers have the same variables, on parameter servers, to which the chief alone
        gives values, and not each its own copy.
      why_no_loops: why steps cannot be run in a loop of the graph, or None.
    """

    size = 1
    index = 0
    target = ""
    steps_per_run: int | None = None
    repeats = True
    is_remote = False
    shares = False
    why_no_loops: str | None = None

    @property
    def is_chief(self) -> bool:
        return self.index == 0

    @property
    def gives_values(self) -> bool:
        """Whether this worker gives values to variables; of shared ones the chief does it for all."""
        return self.is_chief or not self.shares

    def configure(self, config: Any) -> Any:
        """Returns the configuration of the session."""
        return config

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """Returns a block for the ops that a trainer adds: where they and their variables live."""
        return contextlib.nullcontext()

    def check_settings(self, check: checks.Checker, trained: Sequence[tf.Variable], accumulate: int) -> None:
        """Raises `ValueError` if these variables cannot be trained so by these workers."""

    def combine(self, pairs: Pairs, values: list[tf.Tensor], updates: list[Any]) -> Combined:
        """Adds to the graph what makes gradients and values of one worker those of all.

        Args:
          pairs: (gradient, variable) of this worker's examples.
          values: the loss and the metrics of this worker's examples, each a mean over them.
          updates: UPDATE_OPS of the graph.
        """
        return Combined(pairs, values, [*values, *updates])

    def end_step(self, update: tf.Operation) -> tf.Operation:
        """Returns the op that makes a step of this worker, where `update` applies what `combine` returned."""
        return update

    def initialized(self, variables: Sequence[tf.Variable]) -> list[tf.Variable]:
        """Returns those of the variables to which this worker gives initial values."""
        return list(variables)

    def add_ops(self, variables: Sequence[tf.Variable]) -> None:
        """Adds to the graph what else `start` and `agree` run."""

    def start(self, session: Any, initializer: tf.Operation, facts: Mapping[str, Any]) -> None:
        """Gives initial values, and makes sure that all workers have the same ones, and the same graph.

        Args:
          session: open.
          initializer: gives their values to the variables that `initialized` returned.
          facts: {what must be equal on all workers: JSON}.
        """
        session.run(initializer)

    def agree(self, function: str, facts: Mapping[str, Any]) -> None:
        """Raises `ValueError` where the facts of the workers differ, and names what differs."""

    def execution(self, execution: str, reason: str | None) -> tuple[str, str | None]:
        """Returns which execution all workers take, and why, if this one could take the one given."""
        return execution, reason

    def steps(
        self,
        make: Callable[[Examples], Any],
        make_short: Callable[[Examples], Any],
        examples: Examples,
        plan: batches.Plan,
    ) -> tuple[Any, Any]:
        """Returns what runs this worker's part of mini-batches, and that of a shorter last one.

        Args:
          make: function examples -> `Steps`.
          make_short: the same for a shorter last mini-batch.
          examples: of the fit.
          plan: which examples the mini-batches of all workers have.
        """
        steps = make(examples)
        return steps, steps if make_short is make else make_short(examples)

    def slices(self, plan: batches.Plan) -> list[slice]:
        """Returns those of the mini-batches of a validation that this worker evaluates."""
        return plan.slices()

    def total(self, means: Means) -> Means:
        """Returns the means over what all workers have evaluated."""
        return means

    def decides(self, topic: str, wish: bool) -> bool:
        """Returns whether all are to do something now: whether any worker wished it.

        What depends on a clock, or on one process, must not be done by one worker alone: the others would
        wait for it. Wishes travel with the next run of steps. In a single process a wish is a decision.
        """
        return wish

    def any_wishes(self, wish: bool) -> bool:
        """Returns whether any worker wishes something, once all have said so, as at the end of an epoch."""
        return wish

    def take_leave(self) -> None:
        """Waits until all have received what the last run sent: a worker may end after this."""

    def end_steps(self, while_waiting: Callable[[], None]) -> None:
        """Called when this worker makes no more steps in a fit, before what follows the last one.

        Args:
          while_waiting: function to call now and then; it raises where the training is interrupted.
        """
        self.take_leave()

    def close(self, session: Any) -> None:
        """Closes the session of the trainer."""
        session.close()

    def on_error(self, error: Exception) -> None:
        """Raises what an error in a fit means for a worker of several; else does nothing."""

    def on_op_error(self, error: Exception) -> None:
        """Raises what an op's error in a step means for a worker of several; else does nothing."""


ALONE = Workers()


class Several(abc.ABC):
    """What a trainer takes as its `cluster`: makes the `Workers` of one trainer."""

    @abc.abstractmethod
    def for_trainer(self) -> Workers:
        """Returns the workers of a new trainer, in the process of one of them."""


def workers_of(check: checks.Checker, cluster: Any) -> Workers:
    """Returns the workers of a trainer: of a `gk.Cluster`, or this process alone."""
    check_cluster(check, cluster)
    return ALONE if cluster is None else cluster.for_trainer()


def check_cluster(check: checks.Checker, cluster: Any) -> None:
    """Raises `TypeError` unless it is a `gk.Cluster` or None."""
    rule = "cluster must be a gk.Cluster, as gk.cluster_from_env() returns, or None"
    check.require_type(cluster is None or isinstance(cluster, Several), rule, cluster=cluster)
