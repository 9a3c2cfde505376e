"""Synchronous training with parameter servers: in each step, one part of each sum from each worker."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.cluster import addresses, collectives, parameter_servers
from graphkit.graph import fingerprint
from graphkit.running import workers

logger = logging.getLogger("graphkit")
NEVER_LATE = np.iinfo(np.int64).max  # local step of gradients: none can be of an earlier step, see `Sums`


class Synchronous(parameter_servers.OnServers):
    """A worker that sends its gradients to sums on the servers; the chief applies these once all have come.

    `tf.compat.v1.train.SyncReplicasOptimizer` takes as many gradients as there are workers, whoever sent
    them: its tokens are in one queue, from which a fast worker takes two. Here each worker has a queue of its
    own, so that each step has exactly one part from each, and is that of one process, up to rounding. All
    happens inside the `session.run` of the step: there are no threads to start and to end.
    """

    doubt = "the workers' gradients are added in any order: two runs of one seed may differ by rounding"

    def __init__(self, cluster: Any) -> None:
        super().__init__(cluster)
        self.others |= addresses.numbered("worker", cluster.workers, without=[cluster.index])

    def combine(self, pairs: workers.Pairs, values: list[tf.Tensor], updates: list[Any]) -> workers.Combined:
        self.sums = Sums(self.size, self.index, self.number)
        with tf.compat.v1.name_scope(fingerprint.AMONG_WORKERS):
            place = self.make_place()
            gradients = [gradient for gradient, _ in pairs]
            weighted = [parameter_servers.scaled(gradient, place.share) for gradient in gradients]
            tensors = [tensor for gradient in weighted for tensor in workers.numbers_of(gradient)]
            # The chief may change a variable as soon as all have sent its gradient: nobody may read it after.
            with tf.control_dependencies([*tensors, *values, *updates]):
                sent = [
                    self.sums.send_gradient(gradient, variable)
                    for gradient, (_, variable) in zip(weighted, pairs, strict=True)
                ]
                of_all, ballot = collectives.sums(values, place.share, place.votes, self.sums.add)
            combined = pairs
            if self.is_chief:
                combined = [(take(), variable) for take, (_, variable) in zip(sent, pairs, strict=True)]
            self.exchange = Exchange(self.size, self.index, self.number)
        originals = workers.originals_of(combined, pairs) if self.is_chief else {}
        return workers.Combined(combined, [*of_all, ballot], [*values, *updates], place, originals)

    def end_step(self, update: tf.Operation) -> tf.Operation:
        with tf.compat.v1.name_scope(fingerprint.AMONG_WORKERS):
            return self.sums.end_step(update)

    def add_ops(self, variables: Sequence[tf.Variable]) -> None:
        pass

    def begin(self, initializer: tf.Operation, facts: Mapping[str, Any]) -> None:
        if self.is_chief and self.session.run(self.sums.used):
            rule = "the parameter servers hold sums of an earlier run: start them again, too"
            raise checks.GraphkitError(checks.Checker(self.function).message(rule, ps=list(self.cluster.ps)))
        self.await_others(addresses.numbered("worker", self.cluster.workers, without=[self.index]))
        self.texts_of_all("here")  # nobody uses the variables of an earlier trainer any more
        if self.is_chief:
            self.session.run(self.sums.use)
        self.session.run(initializer)
        self.agree("Trainer", {**facts, "TensorFlow": tf.__version__})


class Sums:
    """Sums over the parts of all workers, on parameter servers.

    Each worker sends one part of each sum in a step, and then waits for its token, which the chief sends when
    it has applied the sums. So no part is ever of an earlier step.

    Args:
      size: number of workers.
      index: of this one; 0 is the chief.
      number: of the trainer in its process.
    """

    def __init__(self, size: int, index: int, number: int) -> None:
        self.size, self.index, self.name = size, index, f"graphkit/{number}"
        self.made = 0
        self.sent: list[tf.Operation] = []
        self.tokens: list[tuple[list[Any], tf.Tensor]] = []
        with tf.compat.v1.device("/job:ps/task:0"):
            used = tf.compat.v1.FIFOQueue(1, [tf.bool], [()], shared_name=f"{self.name}/used")
            self.used = used.size() > 0
            self.use = used.enqueue(True)

    def shared_name(self, kind: str) -> str:
        """Returns a name that all workers give to the same thing: they make all of them in one order."""
        self.made += 1
        return f"{self.name}/{kind}_{self.made}"

    def send_gradient(self, gradient: Any, variable: tf.Variable) -> Callable[[], Any]:
        """Adds the op that sends a gradient; returns the function that adds the op that takes the sum."""
        sparse = isinstance(gradient, tf.IndexedSlices)
        kind = tf.compat.v1.SparseConditionalAccumulator if sparse else tf.compat.v1.ConditionalAccumulator
        with tf.compat.v1.device(variable.device):
            dtype, name = variable.dtype.base_dtype, self.shared_name("gradient")
            total = kind(dtype, variable.shape, shared_name=name, reduction_type="SUM")
        if not sparse:
            self.sent.append(total.apply_grad(gradient, local_step=NEVER_LATE))
            return lambda: total.take_grad(self.size)
        rows = tf.IndexedSlices(gradient.values, tf.cast(gradient.indices, tf.int64), gradient.dense_shape)
        self.sent.append(total.apply_indexed_slices_grad(rows, local_step=NEVER_LATE))

        def take() -> tf.IndexedSlices:
            found = total.take_indexed_slices_grad(self.size)
            indices = tf.cast(found.indices, gradient.indices.dtype)
            return tf.IndexedSlices(found.values, indices, gradient.dense_shape)

        return take

    def add(self, vector: tf.Tensor) -> tf.Tensor:
        """Returns the sum of a vector over all workers, which all but the chief have after its update."""
        dtype, name = vector.dtype, self.shared_name("vector")
        with tf.compat.v1.device("/job:ps/task:0"):
            total = tf.compat.v1.ConditionalAccumulator(
                dtype, vector.shape, shared_name=name, reduction_type="SUM"
            )
            queues = [
                tf.compat.v1.FIFOQueue(1, [dtype], shared_name=f"{name}_for_worker_{i}")
                for i in range(self.size)
            ]
        self.sent.append(total.apply_grad(vector, local_step=NEVER_LATE))
        if self.index:
            with tf.control_dependencies(self.sent):
                found = queues[self.index].dequeue()
        else:
            found = total.take_grad(self.size)
            self.tokens.append((queues[1:], found))
        return tf.ensure_shape(found, vector.shape)

    def end_step(self, update: tf.Operation) -> tf.Operation:
        """Returns what ends a step: the chief's update, and then a token for each of the others."""
        if self.index:
            return tf.group(*self.sent)
        with tf.control_dependencies([update]):
            sent = [queue.enqueue(total) for queues, total in self.tokens for queue in queues]
        return tf.group(update, *self.sent, *sent)


class Exchange:
    """Gives every worker the texts of all workers, through queues on the first parameter server.

    Args:
      size: number of workers.
      index: of this one; 0 is the chief, which collects the texts.
      number: of the trainer in its process.
    """

    def __init__(self, size: int, index: int, number: int) -> None:
        self.size, self.index = size, index
        self.text = tf.compat.v1.placeholder(tf.string, (), "exchanged")
        name = f"graphkit/{number}/exchange"
        with tf.compat.v1.device("/job:ps/task:0"):
            collected = tf.compat.v1.FIFOQueue(size, [tf.string], [()], shared_name=f"{name}_collected")
            returned = [
                tf.compat.v1.FIFOQueue(1, [tf.string], [()], shared_name=f"{name}_for_worker_{i}")
                for i in range(size)
            ]
        self.send = collected.enqueue(self.text)
        self.collect = collected.dequeue()
        self.give_back = tf.group(*[queue.enqueue(self.text) for queue in returned[1:]])
        self.take = returned[index].dequeue()

    def run(self, session: Any, text: str) -> list[str]:
        """Returns the texts of all workers, in their order."""
        if self.index:
            session.run(self.send, {self.text: json.dumps([self.index, text])})
            return json.loads(session.run(self.take))
        found = {0: text}
        while len(found) < self.size:
            worker, other = json.loads(session.run(self.collect))
            found[worker] = other
        texts = [found[worker] for worker in range(self.size)]
        session.run(self.give_back, {self.text: json.dumps(texts)})
        return texts
