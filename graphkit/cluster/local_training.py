"""Local SGD: workers that train by themselves for some steps, and then average their weights."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.cluster import collectives, together
from graphkit.graph import fingerprint
from graphkit.nn import inputs
from graphkit.running import workers
from graphkit.running.feeds import Examples
from graphkit.running.training_step import is_float


class LocalSteps(together.Together):
    """A worker that makes some steps of its own before the weights of all workers are averaged.

    Each run of steps is one such stretch, shorter at the end of an epoch. So its end is where all workers
    agree, and where checkpoints are written. With XLA, the steps of a run are one program.

    Args:
      cluster: the `Cluster`.
    """

    # Steps that are made again one by one would be averaged at other places.
    repeats = False

    def __init__(self, cluster: Any) -> None:
        super().__init__(cluster)
        self.steps_per_run = cluster.local_steps

    def combine(self, pairs: workers.Pairs, values: list[tf.Tensor], updates: list[Any]) -> workers.Combined:
        with tf.compat.v1.name_scope(fingerprint.AMONG_WORKERS):
            self.exchange = collectives.Exchange(self.size, self.keys)
            # No step needs them; they are not fed where they are not needed.
            unused = tf.compat.v1.placeholder_with_default(np.float32(1 / self.size), (), "share")
        self.place = workers.Place(inputs.rows_input(), inputs.first_row_input(), unused, unused)
        return workers.Combined(pairs, values, [*values, *updates], self.place)

    def add_ops(self, variables: Sequence[tf.Variable]) -> None:
        super().add_ops(variables)
        floats = [variable for variable in variables if is_float(variable)]
        with tf.compat.v1.name_scope(fingerprint.AMONG_WORKERS):
            equal = tf.constant(1 / self.size, tf.float32)
            values = [variable.read_value() for variable in floats]
            means, _ = collectives.sums(values, equal, tf.zeros([1]), self.add)
            assigned = [v.assign(mean, read_value=False) for v, mean in zip(floats, means, strict=True)]
            self.average = tf.group(*assigned)

    def execution(self, execution: str, reason: str | None) -> tuple[str, str | None]:
        execution, reason = super().execution(execution, reason)
        rule = f"local_steps needs steps that run in a loop, and these are fed one by one ({reason})"
        checks.Checker("fit").require(execution != "feed", rule, execution=execution)
        return execution, reason

    def part_steps(
        self, make: Callable[[Examples], Any], examples: Examples, batch_size: int
    ) -> together.PartSteps:
        return AveragedSteps(self, make, examples, batch_size)


class AveragedSteps(together.PartSteps):
    """Runs a worker's part of mini-batches, after which the weights of all workers are averaged."""

    def run(self, prepared: Any, rates: Sequence[float]) -> list[np.ndarray]:
        worker: Any = self.together
        values = self.steps.run(prepared, rates)
        worker.safely(lambda: worker.session.run(worker.average))
        sent = [
            worker.votes.tolist(),
            *((self.share * value.astype(np.float64)).tolist() for value in values),
        ]
        received = [json.loads(text) for text in worker.texts_of_all(json.dumps(sent))]
        votes, *totals = [np.sum(of_all, axis=0) for of_all in zip(*received, strict=True)]
        worker.count(votes)
        return totals
