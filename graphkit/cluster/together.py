"""One worker of several, as a trainer sees it: its part of each mini-batch, sums, decisions, agreement."""

import json
import logging
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.cluster import addresses, collectives, faults
from graphkit.data import batches
from graphkit.graph import fingerprint, walk
from graphkit.nn import inputs
from graphkit.running import order, workers
from graphkit.running.execution import EXECUTIONS
from graphkit.running.feeds import Examples
from graphkit.running.metrics import Means
from graphkit.running.training_step import is_float

logger = logging.getLogger("graphkit")
TOPICS = ("SIGINT", "SIGTERM", "stop now", "checkpoint", "snapshot")
SHOWN = 60  # characters of a fact in a message


class Together(workers.Workers):
    """The worker that this process is, for one trainer.

    Args:
      cluster: the `Cluster`.

    Attributes:
      votes: what this worker wishes, by topic, and the number of steps that its next run would have. It is
        fed with each run of steps, in which the votes of all are added.
      decided: the votes of all, as the last run has added them.
    """

    def __init__(self, cluster: Any) -> None:
        self.cluster = cluster
        self.index, self.size = cluster.index, cluster.size
        self.votes = np.zeros(len(TOPICS) + 1, np.float32)
        self.decided = np.zeros(len(TOPICS) + 1, np.float32)
        self.place: workers.Place | None = None
        self.session: Any = None
        self.exchange: Any = None  # gives every worker the texts of all
        self.keys = collectives.new_keys()
        self.others = addresses.numbered("worker", cluster.workers, without=[cluster.index])
        self.function = "Trainer"  # that runs

    def configure(self, config: Any) -> Any:
        config = self.cluster.configure(config)
        self.target = self.cluster.serve(config)
        return config

    # What the graph needs.

    def combine(self, pairs: workers.Pairs, values: list[tf.Tensor], updates: list[Any]) -> workers.Combined:
        with tf.compat.v1.name_scope(fingerprint.AMONG_WORKERS):
            self.place = place = self.make_place()
            moved = moved_averages([*values, *updates], [variable for _, variable in pairs])
            with tf.control_dependencies([*values, *updates]):
                averages = [variable.read_value() for variable in moved]
            gradients = [part for pair in pairs for part in dense_parts(*pair)]
            local = [*gradients, *values, *averages]
            summed, ballot = collectives.sums(local, place.share, place.votes, self.add)
            totals = iter(summed)
            combined = [(whole(gradient, totals), variable) for gradient, variable in pairs]
            of_all = [next(totals) for _ in values]
            assigned = [variable.assign(next(totals), read_value=False) for variable in moved]
            self.exchange = collectives.Exchange(self.size, self.keys)
        before = [*values, *updates, *of_all, *assigned]
        originals = workers.originals_of(combined, pairs)
        return workers.Combined(combined, [*of_all, ballot], before, place, originals)

    def make_place(self) -> workers.Place:
        """Returns the placeholders that say which part of a mini-batch this worker has."""
        share = tf.compat.v1.placeholder_with_default(np.float32(1 / self.size), (), "share")
        votes = tf.compat.v1.placeholder(tf.float32, self.votes.shape, "votes")
        return workers.Place(inputs.rows_input(), inputs.first_row_input(), share, votes)

    def add(self, vector: tf.Tensor) -> tf.Tensor:
        return collectives.all_reduce(vector, self.size, self.keys)

    def add_ops(self, variables: Sequence[tf.Variable]) -> None:
        self.variables = list(variables)
        sent = [v for v in variables if v.dtype.base_dtype in collectives.SENT]
        with tf.compat.v1.name_scope(fingerprint.AMONG_WORKERS):
            self.take_initial = collectives.broadcast(sent, self.size, self.keys, sends=self.is_chief)

    # Before the first step.

    def start(self, session: Any, initializer: tf.Operation, facts: Mapping[str, Any]) -> None:
        super().start(session, initializer, facts)
        self.session = session
        self.await_others(self.others)
        self.agree(
            "Trainer", {**facts, "TensorFlow": tf.__version__, "local_steps": self.cluster.local_steps}
        )
        if len(set(self.texts_of_all(self.digest()))) > 1:
            logger.info("the workers have other initial values; all take those of worker 0")
            self.safely(lambda: session.run(self.take_initial))
            self.agree("Trainer", {"initial values": self.digest()})

    def await_others(self, others: Mapping[str, str]) -> None:
        """Waits until other processes answer; raises `WorkerLostError` if some do not come."""
        timeout = self.cluster.timeout
        missing = addresses.wait_for(others, timeout, logger.info)
        if missing is not None:
            rule = f"{missing} did not come within {timeout:g} s: start the same program there"
            faults.lose(checks.Checker(self.function).message(rule))

    def agree(self, function: str, facts: Mapping[str, Any]) -> None:
        if function == "fit":
            facts = {**facts, "variables": self.digest()}
        mine = {name: json.dumps(value, sort_keys=True) for name, value in facts.items()}
        of_all = [json.loads(text) for text in self.texts_of_all(json.dumps(mine))]
        for name in {**of_all[0], **mine}:
            values = [found.get(name, "not given") for found in of_all]
            if len(set(values)) > 1:
                raise ValueError(difference(function, name, values))

    def digest(self) -> str:
        """Returns a checksum of the values of all variables."""
        sums = 0
        for value in self.session.run(self.variables):
            content = value.tobytes() if value.dtype != object else repr(value.tolist()).encode()
            sums = zlib.crc32(content, sums)
        return f"{sums:08x}"

    def texts_of_all(self, text: str) -> list[str]:
        """Returns a text of each worker."""
        return self.safely(lambda: self.exchange.run(self.session, text))

    def safely(self, run: Callable[[], Any]) -> Any:
        """Returns what a function returns; raises `WorkerLostError` if another worker was lost."""
        try:
            return run()
        except tf.errors.OpError as error:
            self.on_op_error(error)
            raise

    # In training.

    def execution(self, execution: str, reason: str | None) -> tuple[str, str | None]:
        self.function = "fit"
        of_all = self.texts_of_all(execution)
        slowest = min(of_all, key=EXECUTIONS.index)
        if slowest != execution:
            return slowest, f'worker {of_all.index(slowest)} takes "{slowest}"'
        return execution, None if execution in ("chunks", "resident") else reason

    def rows(self, count: int) -> range:
        """Returns the places of this worker's examples in a mini-batch of some examples."""
        whole, rest = divmod(count, self.size)
        start = self.index * whole + min(self.index, rest)
        return range(start, start + whole + (self.index < rest))

    def steps(
        self,
        make: Callable[[Examples], Any],
        make_short: Callable[[Examples], Any],
        examples: Examples,
        plan: batches.Plan,
    ) -> tuple[Any, Any]:
        check = checks.Checker("fit")
        rule = f"batch_size is that of all workers together, and must be at least their number, {self.size}"
        check.require(plan.full_size >= self.size, rule, batch_size=plan.full_size)
        full = self.part_steps(make, examples, plan.full_size)
        return full, self.part_steps(make_short, examples, plan.short_size) if plan.short_size else full

    def part_steps(self, make: Callable[[Examples], Any], examples: Examples, batch_size: int) -> "PartSteps":
        return PartSteps(self, make, examples, batch_size)

    def slices(self, plan: batches.Plan) -> list[slice]:
        return plan.slices()[self.index :: self.size]

    def total(self, means: Means) -> Means:
        of_all = [json.loads(text) for text in self.texts_of_all(json.dumps([means.examples, means.state()]))]
        counted = [(examples, totals) for examples, totals in of_all if examples]
        # In the order of the workers, so that all have the same bits.
        summed = [
            sum(np.array(total) for total in place) for place in zip(*(t for _, t in counted), strict=True)
        ]
        return Means(means.metrics, summed, sum(examples for examples, _ in counted))

    def decides(self, topic: str, wish: bool) -> bool:
        place = TOPICS.index(topic)
        decided = bool(self.decided[place])
        self.votes[place] = wish and not decided
        return decided

    def count(self, votes: np.ndarray) -> None:
        """Takes in the votes of all workers."""
        self.decided = np.array(votes)

    def any_wishes(self, wish: bool) -> bool:
        return any(map(json.loads, self.texts_of_all(json.dumps(bool(wish)))))

    def take_leave(self) -> None:
        try:
            self.exchange.run(self.session, "")
        except tf.errors.OpError as error:
            # Who has begun this exchange has received all before it. One that has ended it may be gone.
            logger.debug("the others have ended (%s)", error)

    def on_op_error(self, error: Exception) -> None:
        if not faults.is_loss(error):
            raise error
        found = faults.described(error, self.others, self.cluster.timeout)
        rule = f"worker {self.index} cannot go on: {found}. Start all workers again; with resume=True (a "
        rule += "script's --resume) they go on from the last checkpoint"
        faults.lose(checks.Checker(self.function).message(rule), error)


class PartSteps:
    """Runs this worker's part of mini-batches.

    Args:
      together: the worker.
      make: function examples -> the `Steps` that run the part.
      examples: of the fit.
      batch_size: examples in a mini-batch of all workers.
    """

    def __init__(
        self, together: Together, make: Callable[[Examples], Any], examples: Examples, batch_size: int
    ) -> None:
        self.together = together
        part, place = together.rows(batch_size), cast(workers.Place, together.place)
        # A mini-batch may have fewer examples than there are workers. One without any takes the first, which
        # does not count as its own: the mean over no examples is not a number.
        self.part = slice(part.start, part.stop) if part else slice(0, 1)
        self.share = len(part) / batch_size
        own = {
            place.rows: np.int64(max(1, len(part))),
            place.first_row: np.int64(self.part.start),
            place.share: np.float32(self.share),
            place.votes: together.votes,
        }
        self.steps = make(Examples(examples.sources, {**examples.constants, **own}, examples.given))
        self.prefetches, self.copied = self.steps.prefetches, self.steps.copied

    def compile(self, batch_size: int) -> str | None:
        return self.steps.compile(self.part.stop - self.part.start)

    def next_count(self, left: int) -> int:
        return self.steps.next_count(left)

    def prepare(self, selections: Sequence[Any], seeds: Sequence[tuple | None]) -> Any:
        return self.steps.prepare([selection[self.part] for selection in selections], seeds)

    def run(self, prepared: Any, rates: Sequence[float]) -> list[np.ndarray]:
        together = self.together
        together.votes[-1] = self.steps.measured
        *values, votes = self.steps.run(prepared, rates)
        together.count(votes[-1])
        self.steps.measured = max(1, int(together.decided[-1] / together.size))
        return values


def moved_averages(
    fetches: Sequence[tf.Tensor | tf.Operation], trained: Sequence[tf.Variable]
) -> list[tf.Variable]:
    """Returns the variables of floats, other than the trained ones, that the fetches write.

    Such as the moving averages of `gk.batch_norm`: each worker moves them by its own examples.
    """
    written = {
        walk.origin(tensor).op
        for op in walk.ancestors(fetches)
        for tensor in op.inputs
        if order.takes_variable(op, tensor) and not order.only_reads(op, tensor)
    }
    left_out = {walk.handle_op(variable) for variable in trained}
    known = {walk.handle_op(v): v for v in tf.compat.v1.global_variables() if is_float(v)}
    return [v for op, v in known.items() if op in written and op not in left_out]


def dense_parts(gradient: Any, variable: tf.Variable) -> list[tf.Tensor]:
    """Returns the gradient as tensors to sum: of a sparse one, its rows, and how often each is used."""
    if not isinstance(gradient, tf.IndexedSlices):
        return [tf.ensure_shape(gradient, variable.shape)]
    rows = tf.shape(variable)[0]
    summed = tf.math.unsorted_segment_sum(gradient.values, gradient.indices, rows)
    used = tf.math.unsorted_segment_sum(tf.ones_like(gradient.indices, tf.float32), gradient.indices, rows)
    return [tf.ensure_shape(summed, variable.shape), tf.ensure_shape(used, variable.shape[:1])]


def whole(gradient: Any, totals: Any) -> Any:
    """Returns the gradient of all workers; that of a gather keeps the rows that any of them used."""
    total = next(totals)
    if not isinstance(gradient, tf.IndexedSlices):
        return total
    rows = tf.cast(tf.where(next(totals) > 0)[:, 0], gradient.indices.dtype)
    return tf.IndexedSlices(tf.gather(total, rows), rows, gradient.dense_shape)


def difference(function: str, name: str, values: Sequence[str], of: Sequence[int] | None = None) -> str:
    """Returns a message on what the workers (all, or those of the numbers given) do not agree on."""
    texts = [text if len(text) <= SHOWN else f"{text[:SHOWN]}…" for text in values]
    if name == "graph":
        texts = graph_texts(values)
    numbers = range(len(values)) if of is None else of
    stated = ", ".join(f"worker {n}: {text}" for n, text in zip(numbers, texts, strict=True))
    rule = f"all workers must have the same {name}, since they run one program ({stated})"
    if name in ("position", "variables"):
        rule += "; do all see the same logdir, as on a shared file system?"
    return checks.Checker(function).message(rule)


def graph_texts(values: Sequence[str]) -> list[str]:
    """Returns for each worker the scopes in which its graph is not that of worker 0."""
    graphs = [json.loads(text) if text.startswith("{") else {} for text in values]
    texts = []
    for found in graphs:
        scopes = [s for s in {**graphs[0], **found} if graphs[0].get(s) != found.get(s)]
        texts.append(f"differs in {', '.join(scopes[:5])}" if scopes else "as worker 0")
    return texts
