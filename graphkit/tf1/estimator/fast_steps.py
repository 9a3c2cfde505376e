"""Many training steps of an estimator in one run, where no hook looks at the steps between.

The steps are those of the program's train_op, which graphkit's loop copies; it takes its mini-batches from
the same iterator. The steps at which a summary, a log line, a checkpoint or the end is due are made one by
one, with all hooks, so each of them comes at the step at which it would without the loop. Masks of
graphkit's dropout follow from the seed and the global step in both. Other ops that draw random numbers would
draw others in a copy: their graph keeps to single steps, and so does a graph with Python functions or queues,
one whose train_op adds something else than 1 to the global step, and a training with hooks of the program.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit.graph import references, walk
from graphkit.nn import inputs, scopes
from graphkit.running import keyed, loops, order, training_step

v1 = tf.compat.v1
FEWEST, MOST = 8, 500  # steps in a run: fewer are not worth it; checkpoints by the clock wait for no more
SHORT = 50  # steps of a training that are made before a loop is


class StartIterator(tf.compat.v1.train.SessionRunHook):
    """Starts the iterator of a dataset that an input function returned."""

    def __init__(self, initializer: tf.Operation) -> None:
        self.initializer = initializer

    def after_create_session(self, session: Any, coord: Any) -> None:
        session.run(self.initializer)


class LogLoss(tf.compat.v1.train.SessionRunHook):
    """Logs loss and step as LoggingTensorHook does, but by the global step, not by the number of runs."""

    def __init__(self, loss: tf.Tensor, step: Any, every: int) -> None:
        self.fetches, self.timer = {"loss": loss, "step": step}, v1.train.SecondOrStepTimer(every_steps=every)

    def before_run(self, run_context: Any) -> Any:
        return v1.train.SessionRunArgs(self.fetches)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        loss, step = run_values.results["loss"], int(run_values.results["step"])
        if self.timer.should_trigger_for_step(step):
            seconds, _ = self.timer.update_last_triggered_step(step)
            rest = "" if seconds is None else f" ({seconds:.3f} sec)"
            v1.logging.info("loss = %s, step = %s%s", loss, step, rest)


class FastSteps:
    """A loop over the steps of a spec, and when to leave it.

    Args:
      loop: the loop.
      step: the global step.
      config: the `RunConfig`.
      steps, max_steps: where the training ends, see `Estimator.train`.
    """

    def __init__(
        self, loop: loops.Loop, step: Any, config: Any, steps: int | None, max_steps: int | None
    ) -> None:
        self.loop, self.step, self.steps, self.max_steps = loop, step, steps, max_steps
        self.looks = [every for every in (config.save_summary_steps, config.log_step_count_steps) if every]
        self.saves = config.save_checkpoints_steps
        self.start: int | None = None

    @classmethod
    def of(
        cls, spec: Any, hooks: Sequence[Any], config: Any, steps: int | None, max_steps: int | None
    ) -> "FastSteps | None":
        """Adds the loop to the graph; returns None where there is to be none, and logs why."""
        reason: str | None = "a hook may look at each step"
        hooks = [*hooks, *spec.training_hooks, *spec.training_chief_hooks]
        if steps is not None and steps < SHORT:
            reason = "they are few"
        elif all(type(hook) is StartIterator for hook in hooks):
            train_op = spec.train_op if isinstance(spec.train_op, tf.Operation) else spec.train_op.op
            step = step_of(spec.loss, train_op)
            ops = step.needed_ops()
            random = keyed.RandomOps(ops)
            reason = obstacle(ops, random, step)
        if reason:
            v1.logging.info("Training makes single steps: %s.", reason)
            return None
        copied = loops.StepCopy(ops, step, {}, random, order.Order(ops, random.library).waits)
        with v1.name_scope("graphkit/loops/"):
            return cls(loops.make_loop(copied), step.global_step, config, steps, max_steps)

    def run(self, monitored: Any, loss: Any) -> Any:
        """Makes the steps up to the one before the next that somebody looks at; returns the last loss."""

        def steps(step_context: Any) -> Any:
            now = int(step_context.session.run(self.step))
            count = self.ahead(now)
            if count < FEWEST:
                return None
            feed = {self.loop.count: count, self.loop.order: np.zeros((count, 1), np.int32)}
            feed[self.loop.rates] = np.zeros(count, np.float32)
            return step_context.session.run(self.loop.values[0], feed)

        losses = monitored.run_step_fn(steps)
        if losses is None:
            return loss
        if np.isnan(losses).any():
            v1.logging.error("Model diverged with loss = NaN.")
            raise v1.train.NanLossDuringTrainingError
        return losses[-1]

    def ahead(self, now: int) -> int:
        """Returns how many steps come before the next one that is due."""
        if self.start is None:
            self.start = now - 1
        done = now - self.start
        # The first step has a summary and a log line, and so have those that come `every` steps later.
        # TensorFlow's summary hook looks at the step before, too.
        due = [done + 1 + left(done + 1 - offset, every) for every in self.looks for offset in (0, 1)]
        due += [done + 1 + left(done + 1, self.saves)] if self.saves else []
        due += [end for end in (self.steps, self.max_steps and self.max_steps - self.start) if end]
        return min([*due, done + 1 + MOST]) - done - 1


def left(number: int, every: int) -> int:
    """Returns how far it is to the next multiple."""
    return -number % every


def number_steps() -> None:
    """Lets the masks of the graph's dropout follow from the global step, as those of a trainer do."""
    inputs.graph_scalar(inputs.STEP, lambda graph: tf.cast(scopes.global_step(), tf.int64), "step")


def step_of(loss: tf.Tensor, train_op: tf.Operation) -> training_step.TrainingStep:
    return training_step.TrainingStep(
        update=train_op,
        loss=loss,
        values=[loss],
        evaluated=[],
        gradients=[],
        variables=[],
        finite=loss,
        rate_input=None,
        training_input=inputs.training_input(),
        seed_input=inputs.seed_input(),
        step_input=inputs.step_input(),
        global_step=scopes.global_step(),
    )


def obstacle(ops: set[tf.Operation], random: keyed.RandomOps, step: training_step.TrainingStep) -> str | None:
    """Returns why the step is not copied into a loop, or None."""
    if random.first is not None:
        return f"{random.first} draws random numbers"
    if walk.needed_placeholders([step.update, step.loss]):
        return "the graph has placeholders"
    add = counting_op(ops, step.global_step)
    if add is None:
        return "train_op does not add 1 to the global step"
    masks = step.step_input.op
    if masks in ops and masks not in walk.ancestors([add]):
        return "the global step does not wait for the masks that follow from it"
    others = [op for op in ops if op.type != "IteratorGetNext"]
    return loops.obstacle(others, random) or references.obstacle(ops, step.values)


def counting_op(ops: set[tf.Operation], counter: Any) -> tf.Operation | None:
    """Returns the op that adds 1 to the counter, if nothing else writes it."""
    handle = walk.handle_op(counter)
    users = [op for op in ops if any(tensor.op is handle for tensor in op.inputs)]
    writers = [op for op in users if op.type not in ("ReadVariableOp", "VarIsInitializedOp")]
    adds = [op for op in writers if op.type == "AssignAddVariableOp"]
    is_one = len(writers) == 1 and adds == writers and tf.get_static_value(adds[0].inputs[1]) == 1
    return adds[0] if is_one else None
