"""Workers whose variables live on parameter servers, and asynchronous training with them."""

import contextlib
import itertools
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.cluster import addresses, faults, together
from graphkit.cluster.board import Board
from graphkit.data import batches
from graphkit.graph import fingerprint
from graphkit.nn import inputs
from graphkit.running import workers
from graphkit.running.feeds import Examples
from graphkit.running.metrics import Means

logger = logging.getLogger("graphkit")
PAUSE = 0.1  # seconds between two looks at what another worker has written
STOP = together.TOPICS.index("stop now")
# Of the trainers of the process: those that follow each other must not share what the servers hold for them.
numbers = itertools.count(1)


def wait_for_end(index: int, address: str) -> NoReturn:
    """Serves as a parameter server until a signal ends the process."""
    logger.info("ps %d (%s) serves until a signal ends it", index, address)
    # `server.join()` would do the same, but Python would handle no signal meanwhile, such as Ctrl-C.
    threading.Event().wait()
    raise SystemExit(0)


class OnServers(together.Together):
    """A worker whose variables live on parameter servers.

    The chief gives them their initial values, and those of checkpoints; the others wait for it. Each step is
    a `session.run` of the graph's own ops: a loop would be one function, which runs in one process and cannot
    read variables of another.

    Args:
      cluster: the `Cluster`.
    """

    shares = True
    repeats = False
    why_no_loops = "the variables are on parameter servers, which a loop cannot read"
    doubt = ""

    def __init__(self, cluster: Any) -> None:
        super().__init__(cluster)
        # The processes that this one cannot do without.
        self.others = addresses.numbered("ps", cluster.ps)
        self.number = next(numbers)
        self.lost = False  # whether a server was
        self.step_number = np.zeros((), np.int64)  # fed, from which random numbers of a step follow

    def configure(self, config: Any) -> Any:
        self.config = super().configure(config)
        return self.config

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        return tf.compat.v1.device(self.cluster.device())

    def check_settings(self, check: checks.Checker, trained: Sequence[tf.Variable], accumulate: int) -> None:
        elsewhere = [variable.op.name for variable in trained if not on_server(variable)]
        rule = "trained variables must live on the parameter servers: build the graph in the block "
        rule += "`with tf.compat.v1.device(cluster.device()):`"
        check.require(not elsewhere, rule, elsewhere=elsewhere)

    def initialized(self, variables: Sequence[tf.Variable]) -> list[tf.Variable]:
        return [v for v in variables if self.is_chief or not on_server(v)]

    def make_place(self) -> workers.Place:
        self.step_input = inputs.step_input()
        self.place = super().make_place()
        return self.place

    def start(self, session: Any, initializer: tf.Operation, facts: Mapping[str, Any]) -> None:
        self.session = session
        self.await_others(addresses.numbered("ps", self.cluster.ps))
        self.try_session()
        text = "%s; nor can steps be repeated, to find the first value that is not finite"
        logger.warning(text, self.doubt)
        self.safely(lambda: self.begin(initializer, facts))

    def try_session(self) -> None:
        """Opens a session that is not used, in a thread.

        A session that is opened while a server is away waits for it without end, also when it is closed, and
        no timeout of TensorFlow ends that. The one that is used is opened when this one has been.
        """
        with tf.Graph().as_default() as graph:
            nothing = tf.no_op()
        session = tf.compat.v1.Session(self.target, graph=graph, config=self.config)
        failed: list[Exception] = []

        def run() -> None:
            try:
                session.run(nothing)
                session.close()
            except tf.errors.OpError as error:
                failed.append(error)

        if not in_thread(run, self.cluster.timeout):
            failed.append(tf.errors.DeadlineExceededError(None, None, "the session was not opened"))
        for error in failed:
            self.on_op_error(error)

    def begin(self, initializer: tf.Operation, facts: Mapping[str, Any]) -> None:
        """Gives initial values, once the servers are there."""
        raise NotImplementedError

    def digest(self) -> str:
        return ""  # all workers have the same variables

    def execution(self, execution: str, reason: str | None) -> tuple[str, str | None]:
        self.function = "fit"
        return execution, reason

    def part_steps(
        self, make: Callable[[Examples], Any], examples: Examples, batch_size: int
    ) -> together.PartSteps:
        constants = {**examples.constants, self.step_input: self.step_number}
        numbered = Examples(examples.sources, constants, examples.given)
        return NumberedSteps(self, make, numbered, batch_size)

    # Errors.

    def take_leave(self) -> None:
        pass  # what a worker has sent is on the servers

    def close(self, session: Any) -> None:
        """Closes a session, but does not wait where a server is away: TensorFlow would, without end."""
        if self.lost:
            in_thread(session.close, PAUSE)
        else:
            in_thread(session.close, self.cluster.timeout)

    def on_op_error(self, error: Exception) -> None:
        self.lost = self.lost or faults.is_loss(error)
        super().on_op_error(error)

    def on_error(self, error: Exception) -> None:
        found = error if isinstance(error, tf.errors.OpError) else error.__cause__
        if isinstance(error, faults.WorkerLostError):
            return
        if isinstance(found, tf.errors.OpError) and faults.is_loss(found):
            self.on_op_error(found)


class NumberedSteps(together.PartSteps):
    """Runs this worker's part of mini-batches, with random numbers by its own count of steps.

    The global step, which a trainer takes elsewhere, is counted by all workers together.
    """

    def __init__(self, workers: OnServers, *rest: Any) -> None:
        super().__init__(workers, *rest)
        self.number = workers.step_number

    def prepare(self, selections: Sequence[Any], seeds: Sequence[tuple | None]) -> Any:
        assert seeds[0] is not None
        _, step, _ = seeds[0]
        return step, super().prepare(selections, seeds)

    def run(self, prepared: Any, rates: Sequence[float]) -> list[np.ndarray]:
        step, prepared = prepared
        self.number[...] = step
        return super().run(prepared, rates)


class Asynchronous(OnServers):
    """A worker that applies its gradients at once, to variables that the others change meanwhile.

    It does not wait for other workers, and goes on when one is lost; it needs the parameter servers alone.
    What the chief decides about the training reaches the others by a variable that each step reads, and by
    the `Board`.
    """

    doubt = "the workers change the variables on the parameter servers in any order: two runs of one seed "
    doubt += "may differ, and so may a resumed run from one that was not interrupted"

    def check_settings(self, check: checks.Checker, trained: Sequence[tf.Variable], accumulate: int) -> None:
        super().check_settings(check, trained, accumulate)
        rule = "accumulate must be 1 where workers are asynchronous, since they would add to one sum"
        check.require(accumulate == 1, f"{rule}; synchronous=True of the cluster can", accumulate=accumulate)

    def combine(self, pairs: workers.Pairs, values: list[tf.Tensor], updates: list[Any]) -> workers.Combined:
        with tf.compat.v1.name_scope(fingerprint.AMONG_WORKERS):
            place = self.make_place()
        with tf.compat.v1.name_scope(fingerprint.AMONG_WORKERS), tf.compat.v1.device("/job:ps/task:0"):
            self.chief_decides = tf.compat.v1.Variable(
                np.zeros(self.votes.shape, np.float32),
                trainable=False,
                collections=[],
                name=f"decisions_{self.number}",
                use_resource=True,
            )
            self.decide = self.chief_decides.assign(place.votes, read_value=False)
            self.board = Board(self.size, self.number)
            decided = self.chief_decides.read_value()
        with tf.compat.v1.name_scope(fingerprint.AMONG_WORKERS):
            # Of a last mini-batch with less examples than workers some have none, and their part counts 0.
            weighted = [(scaled(gradient, place.share * self.size), variable) for gradient, variable in pairs]
        originals = workers.originals_of(weighted, pairs)
        return workers.Combined(weighted, [*values, decided], [*values, *updates], place, originals)

    def add_ops(self, variables: Sequence[tf.Variable]) -> None:
        pass

    def begin(self, initializer: tf.Operation, facts: Mapping[str, Any]) -> None:
        self.agreed = 0
        self.facts: list[dict[str, str]] = []  # of the chief, for workers that come later
        self.left = False
        if not self.is_chief:
            self.session.run(initializer)
            self.board.write(self.session, self.index, {"agreed": 0})
        else:
            if self.board.read(self.session, 0) is not None:
                text = "the parameter servers hold an earlier run, whose variables the chief replaces"
                logger.warning("%s", text)
            if self.number > 1:
                self.wait_until(lambda: self.all_have("agreed"), "the others to make this trainer")
            self.session.run([initializer, self.chief_decides.initializer])
        self.agree("Trainer", {"seed": facts["seed"], "graph": facts["graph"], "TensorFlow": tf.__version__})

    def agree(self, function: str, facts: Mapping[str, Any]) -> None:
        """Waits for the chief to have come here, too, and compares with its facts, but for the position.

        A worker that is started again alone begins with other steps than the others.
        """
        mine = {n: json.dumps(v, sort_keys=True) for n, v in facts.items() if n != "position"}
        self.agreed += 1
        self.left = False
        if self.is_chief:
            self.set_stop(False)
            self.facts.append(mine)
            self.safely(
                lambda: self.board.write(self.session, 0, {"agreed": self.agreed, "facts": self.facts})
            )
            return
        self.safely(lambda: self.wait_until(self.chief_agreed, "worker 0, the chief"))
        self.decided[:] = 0
        of_chief = self.of_chief["facts"][self.agreed - 1]
        for name in {**of_chief, **mine}:
            pair = [of_chief.get(name, "not given"), mine.get(name, "not given")]
            if pair[0] != pair[1]:
                raise ValueError(together.difference(function, name, pair, [0, self.index]))

    def chief_agreed(self) -> bool:
        found = self.board.read(self.session, 0) or {}
        self.of_chief = found
        return found.get("agreed", 0) >= self.agreed

    def all_have(self, name: str) -> bool:
        """Whether all other workers that can be reached have written something of this name."""
        return not [i for i in self.alive() if name not in (self.board.read(self.session, i) or {})]

    def alive(self) -> list[int]:
        """Returns the numbers of the other workers that can be reached."""
        others = {i: address for i, address in enumerate(self.cluster.workers) if i != self.index}
        return [i for i, address in others.items() if addresses.why_not_reached(address) is None]

    def wait_until(self, ready: Callable[[], bool], what: str) -> None:
        """Calls a function until it returns True; raises `WorkerLostError` if it does not for too long."""
        timeout = self.cluster.timeout
        end, told = time.monotonic() + timeout, False
        while not ready():
            if time.monotonic() >= end:
                text = f"worker {self.index} has waited {timeout:g} s for {what}"
                faults.lose(checks.Checker(self.function).message(text))
            if not told:
                logger.info("waiting up to %g s for %s", timeout, what)
                told = True
            time.sleep(PAUSE)

    # In training.

    def slices(self, plan: batches.Plan) -> list[slice]:
        return plan.slices()

    def total(self, means: Means) -> Means:
        return means

    def decides(self, topic: str, wish: bool) -> bool:
        return wish or (topic == together.TOPICS[STOP] and bool(self.decided[STOP]))

    def any_wishes(self, wish: bool) -> bool:
        """Returns whether this worker is to stop: a wish of its own, or one of the chief, which stops all."""
        if self.is_chief:
            if wish:
                self.set_stop(True)
            return wish
        return wish or bool(self.session.run(self.chief_decides)[STOP])

    def set_stop(self, stops: bool) -> None:
        """Tells all workers whether the chief stops."""
        decisions = np.zeros_like(self.votes)
        decisions[STOP] = stops
        assert self.place is not None
        feed = {self.place.votes: decisions}
        self.safely(lambda: self.session.run(self.decide, feed))

    def end_steps(self, while_waiting: Callable[[], None]) -> None:
        """Waits, in the chief, until the others have made their last steps, too, or are lost.

        So the last checkpoint holds the steps of all. A worker that is alive and makes no step for the time
        that the cluster waits is named, and left behind.
        """
        if self.left:
            return
        self.left = True
        if not self.is_chief:
            self.board.write(self.session, self.index, {"agreed": self.agreed, "left": self.agreed})
            return
        last, seen, told = None, time.monotonic(), False
        while late := self.late():
            while_waiting()
            counted = self.progress()
            if counted != last:
                last, seen = counted, time.monotonic()
            names = ", ".join(f"worker {i} ({self.cluster.workers[i]})" for i in late)
            if time.monotonic() - seen > self.cluster.timeout:
                logger.warning("no step of %s for %g s: not waited for", names, self.cluster.timeout)
                return
            if not told:
                logger.info("waiting for the last steps of %s", names)
                told = True
            time.sleep(PAUSE)

    def late(self) -> list[int]:
        """Returns the numbers of the workers that still make steps of this fit."""
        boards = {i: self.board.read(self.session, i) or {} for i in self.alive()}
        return [i for i, b in boards.items() if "agreed" in b and b.get("left", 0) < self.agreed]

    def progress(self) -> int:
        return int(self.session.run(tf.compat.v1.train.get_global_step(self.session.graph)))


def in_thread(function: Callable[[], Any], seconds: float) -> bool:
    """Calls a function in a thread, which does not keep the process from ending; returns whether it ended."""
    thread = threading.Thread(target=function, daemon=True)
    try:
        thread.start()
    except RuntimeError:  # the process ends, and Python starts no thread any more
        return False
    thread.join(seconds)
    return not thread.is_alive()


def on_server(variable: tf.Variable) -> bool:
    """Whether a variable lives on a parameter server."""
    return tf.DeviceSpec.from_string(variable.device).job == "ps"


def scaled(gradient: Any, share: tf.Tensor) -> Any:
    """Returns a gradient, weighted by the fraction of the mini-batch that it is of."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient * tf.cast(share, gradient.dtype)
    values = gradient.values * tf.cast(share, gradient.values.dtype)
    return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)
