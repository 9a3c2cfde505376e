"""Why a training became not finite: noticed at little cost, then found by running its steps again.

While a trainer fits, a `Recorder` keeps a snapshot of the variables in memory, now and then a newer one.
Steps follow from their numbers alone, so those since the snapshot can be run again: first in runs as before,
up to a stretch that ends with something not finite, then one by one, each looked at in a `replay.Replica`.
"""

import dataclasses
import itertools
import math
import time
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.data import batches
from graphkit.diagnosis import replica as replays
from graphkit.graph import walk
from graphkit.nn import counter_random
from graphkit.running import loops, steps
from graphkit.running import session as sessions

__all__ = ["NotFiniteError"]

INTERVAL = 10.0  # seconds between snapshots
SHARE = 50  # times what a snapshot takes must lie between two of them
STRETCH = 16  # steps that are run again before the variables are looked at
KEPT = 5  # gradient norms of steps before the one that is not finite
PYTHON = ("PyFunc", "PyFuncStateless", "EagerPyFunc")


class NotFiniteError(checks.GraphkitError):
    """A training was ended since its loss, a gradient or a variable is not finite.

    Attributes:
      report: the `PostMortem`: which step, which op, made at which line, and what the cause may be.

    Example:
      >>> x = gk.feature_input(1)
      >>> loss = tf.reduce_mean(tf.math.log(gk.dense(x, 1, use_bias=False, kernel_initializer=gk.zeros())))
      >>> with gk.Trainer(loss) as trainer:
      ...     try:
      ...         trainer.fit({x: np.ones((3, 1))}, progress=False)
      ...     except gk.NotFiniteError as error:
      ...         print(error.report.op, error.report.step)
      Log 0
    """

    def __init__(self, text, report):
        super().__init__(text, report)
        self.report = report

    def __str__(self):
        return self.args[0]


class Noticed(Exception):
    """Leaves the training when something that is not finite is noticed, before the search for its cause."""

    def __init__(self, what, position, loss=math.nan, rate=None):
        super().__init__(what)
        self.what, self.position, self.loss, self.rate = what, position, loss, rate


class Position(NamedTuple):
    """Where a training stands: steps made, epochs finished, mini-batches of the epoch under way made."""

    step: int
    epoch: int
    batch: int


class Planned(NamedTuple):
    """A step as it was made."""

    position: Position
    runner: object  # `steps.FeedSteps` or `steps.FusedSteps`
    indices: np.ndarray


class Examiner:
    """What is looked at in a graph to find out why its training became not finite.

    It is made before the graph is finalized, to which it adds one op that tells for each variable whether
    it is finite.

    Args:
      loss: the loss.
      pairs: the (gradient, variable) of it, before they are clipped.
      variables: all that a step may change.
      rate_input: the learning rate's placeholder, or None.
      training_input: the flag that is True in training.
      seed_input: the seed of all masks.
      global_step: the variable that counts the steps.
      scaled: whether gradients may overflow, since the optimizer then leaves out the step.
    """

    def __init__(
        self, loss, pairs, variables, rate_input, training_input, seed_input, global_step, scaled=False
    ):
        self.loss = loss
        self.gradients = {walk.handle_op(variable).name: dense(gradient) for gradient, variable in pairs}
        self.variables = variables
        self.inputs = rate_input, training_input, seed_input
        self.global_step = global_step
        self.scaled = scaled
        floats = [variable for variable in variables if replays.is_float(variable)]
        self.names = np.array([variable.name for variable in floats])
        with tf.compat.v1.name_scope("graphkit/finite/"):
            self.flags = tf.stack([replays.is_finite(variable) for variable in floats])
        needed = walk.ancestors([loss, *self.gradients.values()])
        self.ops = [op for op in loss.graph.get_operations() if op in needed]

    def reads(self):
        """Returns {name of a variable's op: tensor to read it by} of what the loss depends on."""
        known = {walk.handle_op(v).name: v for v in self.variables}
        found = {op.name: reading(op, known) for op in self.ops if op.type in walk.VARIABLES}
        return {name: tensor for name, tensor in found.items() if tensor is not None}

    def volatile(self, keyed):
        """Returns the ops whose values do not follow from their inputs."""
        return [op for op in self.ops if op.type in PYTHON or (loops.is_random(op) and not keyed)]

    def define(self, keyed):
        """Returns (definition of the ops, {placeholder of a key: name of the random op that draws from it}).

        Args:
          keyed: whether random numbers are drawn from keys, as in the loops.
        """
        definition = replays.define(self.ops)
        if not keyed or not any(map(loops.is_random, self.ops)):
            return definition, {}
        rate_input, training_input, seed_input = self.inputs
        step = loops.Step(
            self.ops, self.loss.op, [self.loss], rate_input, training_input, {}, seed_input, self.global_step
        )
        drawn = {node.name: node for node in step.definition.node}
        for node in definition.node:
            if node.name in step.random.values():
                line = node.attr[replays.LINE].s
                node.CopyFrom(drawn[node.name])
                node.attr[replays.LINE].s = line
        definition.node.extend(n for name, n in drawn.items() if name.startswith(tuple(step.random)))
        definition.library.CopyFrom(walk.needed_functions(definition.node, step.definition.library))
        return definition, step.random


def dense(gradient):
    """Returns the numbers of a gradient: of a sparse one, those of its rows."""
    return gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient


def reading(op, known):
    """Returns a tensor (or variable) whose value is that of the variable with this op, or None."""
    if op.type != "VarHandleOp":
        return op.outputs[0]
    plain = (
        consumer.outputs[0]
        for consumer in op.outputs[0].consumers()
        if consumer.type == "ReadVariableOp" and not consumer.control_inputs
    )
    return known.get(op.name, next(plain, None))


class Recorder:
    """Keeps what is needed to run the steps of a fit again, and does so when something is not finite.

    Args:
      trainer: the `Trainer`.
      examiner: of its graph.
      runners: what runs whole mini-batches, and short ones.
      sources: what is sliced, see `feeds.check_data`.
      constants: {placeholder: value} of what is fed unchanged.
      bounds: (start, stop) of each mini-batch of an epoch.
      searches: False keeps no snapshot, and names no more than the step.
    """

    def __init__(self, trainer, examiner, runners, sources, constants, bounds, searches=True):
        self.trainer, self.examiner, self.runners = trainer, examiner, runners
        self.sources, self.constants, self.bounds = sources, constants, bounds
        self.order = trainer.order
        self.searches = searches
        self.sound = None  # which variables were finite at the start
        self.start, self.values, self.rates = None, None, []
        self.due = math.inf
        self.checked = None  # step after which all variables were finite
        self.update = None  # step whose update made variables not finite, when it is run again
        if searches:
            self.take()

    def took(self, rates):
        """Takes in the learning rates of a run of steps."""
        if self.searches:
            self.rates += rates

    def refresh(self):
        """Takes a new snapshot, if the one there is has become old."""
        if time.monotonic() >= self.due:
            self.take()

    def take(self):
        """Takes a snapshot of the variables, which must be finite where they were so at the start."""
        started = time.monotonic()
        values = self.trainer.session.run(self.examiner.variables)
        pairs = list(zip(self.examiner.variables, values, strict=True))
        finite = [np.isfinite(value).all() for variable, value in pairs if replays.is_float(variable)]
        self.require_finite(np.array(finite))
        self.start = position_of(self.trainer)
        # The value of a ref variable may be the memory that the next step writes to.
        self.values = [value if hasattr(v, "handle") else np.array(value) for v, value in pairs]
        self.rates = []
        self.due = time.monotonic() + max(INTERVAL, SHARE * (time.monotonic() - started))

    def check(self):
        """Raises `Noticed` if a variable is not finite that was so at the start."""
        if self.searches and self.checked != self.trainer.step:
            self.require_finite(self.trainer.session.run(self.examiner.flags))

    def require_finite(self, flags):
        if self.sound is None:
            self.sound = flags
        if (self.sound & ~flags).any():
            step, epoch, batch = position_of(self.trainer)
            epoch, batch = (epoch, batch) if batch else (epoch - 1, len(self.bounds))
            last = Position(step - 1, epoch, batch - 1)
            raise Noticed("variable", last, rate=self.rates[-1] if self.rates else None)
        self.checked = self.trainer.step

    def examine(self, noticed):
        """Returns the `NotFiniteError` for what was noticed.

        If the step was found, the variables are left as they were before it.
        """
        report = self.plain(noticed)
        if self.searches:
            report = self.search(noticed, report)
        received = {"loss": report.loss, "learning_rate": report.learning_rate}
        text = checks.message("fit", report.headline, **received)
        return NotFiniteError("\n  ".join([text, *report.lines()]), report)

    def plain(self, noticed):
        """Returns a report that tells no more than what was noticed."""
        return self.report_at(noticed.what, noticed.position, loss=noticed.loss, learning_rate=noticed.rate)

    def report_at(self, what, position, **fields):
        start, stop = self.bounds[position.batch]
        indices = self.epoch_order(position.epoch)[start:stop]
        place = {"step": position.step, "epoch": position.epoch + 1, "batch": position.batch}
        return replays.PostMortem(what, **place, indices=tuple(map(int, indices)), **fields)

    def search(self, noticed, report):
        """Returns the report of the first step that is not finite, or the one given with a reason why not."""
        last = noticed.position.step
        keyed = isinstance(self.runners[0], steps.FusedSteps)
        try:
            self.restore()
            stretch = self.bad_stretch(last)
            if stretch is None:
                return dataclasses.replace(report, reason=self.why_nothing(keyed))
            self.restore()
            first = max(self.start.step, stretch.start - KEPT)
            self.advance(self.start.step, first)
            with Scene(self, keyed) as scene:
                return self.walk(scene, first, min(stretch.stop, last)) or report
        except tf.errors.OpError as error:
            reason = f"the steps could not be run again ({error.message.splitlines()[0][:200]})"
            return dataclasses.replace(report, reason=reason)

    def restore(self):
        """Gives the variables their values of the snapshot: copies, since they may take over what is fed."""
        values = map(np.array, self.values)
        pairs = list(zip(self.examiner.variables, values, strict=True))
        sessions.assign(self.trainer.session, pairs)

    def bad_stretch(self, last):
        """Runs the steps up to the last again; returns the range of a few that made something not finite."""
        for first in range(self.start.step, last + 1, STRETCH):
            stop = min(first + STRETCH, last + 1)
            losses = self.advance(first, stop)
            if not np.isfinite(losses).all() or self.broken().size:
                return range(first, stop)
        return None

    def broken(self):
        """Returns the names of the variables that were finite at the start and are not."""
        flags = self.trainer.session.run(self.examiner.flags)
        return self.examiner.names[self.sound & ~flags]

    def walk(self, scene, first, last):
        """Makes steps one by one; returns the report of the first that is not finite, or None."""
        norms = []
        for planned in self.plan(first, last + 1):
            found = scene.look(planned)
            bad_gradient = found["gradients"] and not self.examiner.scaled
            what = "loss" if not math.isfinite(found["loss"]) else "gradient" if bad_gradient else None
            if what is None:
                loss = self.run([planned])[0]
                if not math.isfinite(loss):
                    what, found["loss"], found["reason"] = "loss", loss, scene.why_finite()
            found["norms"] = tuple(norms[-KEPT:])
            if what is not None:
                return scene.report(what, planned, found, self.update)
            broken = self.broken()
            if broken.size and self.update is None:
                self.update = planned.position.step
            norms.append((planned.position.step, found["norm"]))
        if self.update is None:
            return None
        found["variables"] = tuple(broken.tolist())
        return scene.report("variable", planned, found, self.update)

    def advance(self, first, stop):
        """Makes the steps from the first to before stop in runs, as they were made; returns their losses."""
        losses = []
        alike = itertools.groupby(self.plan(first, stop), lambda p: (p.position.epoch, len(p.indices)))
        for _, group in alike:
            waiting = list(group)
            while waiting:
                count = waiting[0].runner.next_count(len(waiting))
                losses.extend(self.run(waiting[:count]))
                waiting = waiting[count:]
        return np.array(losses)

    def run(self, group):
        """Makes planned steps that one run can take; returns their losses."""
        runner = group[0].runner
        selections = [planned.indices for planned in group]
        rates = [self.rate(planned.position.step) for planned in group if self.rates]
        seeds = [self.augmentation_seed(planned) for planned in group]
        return runner.run(runner.prepare(selections, rates, seeds))[0]

    def rate(self, step):
        """Returns the learning rate that the step was given, or None."""
        return self.rates[step - self.start.step] if self.rates else None

    def augmentation_seed(self, planned):
        return (self.trainer.seed, planned.position.step, steps.AUGMENTATION)

    def plan(self, first, stop):
        """Yields the steps from the first to before stop, as they follow from the snapshot's position."""
        step, epoch, batch = self.start
        while step < stop:
            order = self.epoch_order(epoch) if step + len(self.bounds) - batch > first else None
            for number in range(max(batch, batch + first - step), len(self.bounds)):
                position = Position(step + number - batch, epoch, number)
                if position.step >= stop:
                    return
                indices = order[slice(*self.bounds[number])]
                short = len(indices) != self.order[1]
                yield Planned(position, self.runners[short], indices)
            step, epoch, batch = step + len(self.bounds) - batch, epoch + 1, 0

    def epoch_order(self, epoch):
        """Returns the order in which an epoch visits the examples."""
        examples, _, shuffle, _ = self.order
        return batches.visiting_order(examples, self.trainer.seed, epoch, shuffle)

    def why_nothing(self, keyed):
        """Returns why the steps came out finite when they were run again."""
        reason = f"all was finite when the steps from {self.start.step} on were run again"
        volatile = self.examiner.volatile(keyed)
        if volatile:
            return f"{reason}, since what {volatile[0].name} gives cannot be had again"
        return f"{reason}; a callback may have changed variables, or data may have changed"


def position_of(trainer):
    return Position(trainer.step, trainer.epoch, trainer.batch)


class Scene:
    """Looks at single steps before they are made, in a replica of the loss and its gradients.

    Args:
      recorder: the `Recorder`, whose trainer stands before the step.
      keyed: whether random numbers are drawn from keys.
    """

    def __init__(self, recorder, keyed):
        self.recorder, self.trainer, self.examiner = recorder, recorder.trainer, recorder.examiner
        self.definition, self.keys = self.examiner.define(keyed)
        gradients = {name: tensor.name for name, tensor in self.examiner.gradients.items()}
        self.case = replays.Case(
            self.definition, self.examiner.loss.name, gradients, {}, {}, self.trainer.precision
        )
        self.inputs = {f"{node.name}:0" for node in self.definition.node if node.op in walk.PLACEHOLDERS}
        self.reads = self.examiner.reads()
        self.replica = replays.Replica(self.case, self.trainer.config)
        hidden = {op.name for op in replays.inside_control_flow(self.examiner.ops)}
        self.volatile = [
            tensor.name
            for op in self.examiner.volatile(keyed)
            for tensor in op.outputs
            if op.name not in hidden
        ]

    def look(self, planned):
        """Returns what came out of the step's loss and gradients."""
        read = self.trainer.session.run(self.reads)
        variables = {name: np.array(value) for name, value in read.items()}  # of a ref variable, its memory
        fed = self.fed(planned)
        self.replica.load(variables)
        found, more = self.replica.run(fed, self.volatile)
        fed.update(zip(self.volatile, more, strict=True))
        self.case = self.case._replace(variables=variables, fed=fed)
        return found

    def fed(self, planned):
        """Returns {name of a tensor: value} of all that the step was fed."""
        recorder, rate = self.recorder, self.recorder.rate(planned.position.step)
        rate_input, training_input, seed_input = self.examiner.inputs
        given = {training_input.name: np.bool_(True), seed_input.name: np.int64(self.trainer.seed)}
        if rate_input is not None and rate is not None:
            given[rate_input.name] = np.float32(rate)
        given |= {placeholder.name: value for placeholder, value in recorder.constants.items()}
        seed = recorder.augmentation_seed(planned)
        given |= {s.placeholder.name: s.rows(planned.indices, seed) for s in recorder.sources}
        step = self.trainer.session.run(self.examiner.global_step)
        given |= draw(self.keys, given[seed_input.name], step)
        return {name: given[name] for name in self.inputs & given.keys()}

    def why_finite(self):
        """Returns why the step was finite here, if it was not so in the training."""
        compiled = getattr(self.recorder.runners[0], "fixed", False)
        by_xla = '; XLA rounds otherwise, see execution="chunks"' if compiled else ""
        return f"the step was finite when it was run by itself{by_xla}"

    def report(self, what, planned, found, update):
        """Returns the report of the step, of which a replay file is written where there is a logdir."""
        recorder, case = self.recorder, self.case
        if what != "variable" and "reason" not in found:
            found |= self.replica.first_op(case.fed, what, found["gradients"], planned.indices)
            wrong = [name for name, value in case.variables.items() if not all_finite(value)]
            found["variables"] = tuple(wrong)
            update = -1 if wrong and update is None else update
        weights = [case.variables[name] for name in case.gradients if name in case.variables]
        report = recorder.report_at(
            what,
            planned.position,
            learning_rate=recorder.rate(planned.position.step),
            update=update,
            largest_weight=max(map(largest, weights), default=0.0),
            **found,
        )
        if self.trainer.logdir is None:
            return report
        path = str(self.trainer.logdir / f"notfinite-{report.step}.npz")
        report = dataclasses.replace(report, file=path)
        try:
            replays.save(path, case, report)
        except OSError as error:
            reason = f"{report.reason or ''} (no replay file: {error})".strip()
            report = dataclasses.replace(report, file=None, reason=reason)
        return report

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.replica.close()


def draw(keys, seed, step):
    """Returns {name of a tensor: value} of the keys that random ops draw from, as `loops.Step.keys` does."""
    if not keys:
        return {}
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        made = {
            name: counter_random.mask_key(tf.constant(seed), tf.constant(step), op)
            for name, op in keys.items()
        }
        drawn = session.run(made)
    given = {}
    for name, key in drawn.items():
        given[f"{name}:0"] = key
        given[f"{name}_vector:0"] = key.reshape(1)
        given[f"{name}_counter:0"] = np.zeros(2, np.uint64)
        given[f"{name}_algorithm:0"] = np.int32(loops.PHILOX)
    return given


def all_finite(value):
    return value.dtype.kind not in "fV" or bool(np.isfinite(value.astype(np.float64)).all())


def largest(value):
    """Returns the largest finite magnitude in the array."""
    magnitudes = np.abs(value.astype(np.float64))
    return float(np.max(magnitudes, where=np.isfinite(magnitudes), initial=0.0))
