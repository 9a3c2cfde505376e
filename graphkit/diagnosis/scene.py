"""Single steps of a trainer, computed in a replica of the loss and its gradients before they are made."""

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit.diagnosis import replay_file
from graphkit.diagnosis.replica import Case, CasePart, Replica, define
from graphkit.diagnosis.report import PostMortem
from graphkit.graph import walk
from graphkit.running import keyed, order
from graphkit.running.steps import AUGMENTATION
from graphkit.running.training_step import Part

UNFETCHED = (tf.resource, tf.variant)  # dtypes of what no session returns: handles and lists of tensors


class Scene:
    """Looks at single steps of a fit before they are made.

    Args:
      trainer: the `Trainer`, whose variables are those before the step.
    """

    def __init__(self, trainer: Any) -> None:
        self.trainer, self.step = trainer, trainer.training_step
        ops = ops_of(trainer)
        random = keyed.RandomOps(ops)
        self.keys = keyed.Keys(random.library)
        # Of one update nothing is copied that writes a variable.
        waits = order.Order(ops, random.library).waits if self.step.updates else {}
        definition = define(ops, random, self.keys if trainer.runner.keyed else None, waits)
        parts = list(map(case_part, self.step.parts))
        self.case = Case(definition, parts, {}, {}, trainer.compute_dtype)
        self.inputs = {f"{node.name}:0" for node in definition.node if node.op in walk.PLACEHOLDERS}
        self.reads = self.reading_tensors(ops)
        self.replica = Replica(self.case, trainer.config)
        hidden = walk.inside_control_flow(ops)
        volatile = [op for op in self.volatile_ops(trainer) if op not in hidden]
        outputs = [tensor for op in volatile for tensor in op.outputs]
        self.volatile = [tensor.name for tensor in outputs if tensor.dtype not in UNFETCHED]

    @staticmethod
    def volatile_ops(trainer: Any) -> list[tf.Operation]:
        """Returns the ops whose values do not follow from their inputs."""
        ops = ops_of(trainer)
        library = walk.library_of(ops)
        python = [op for op in ops if any(n.op in walk.PYTHON for n in walk.nodes_of(op, library))]
        return python + ([] if trainer.runner.keyed else list(keyed.RandomOps(ops).drawing))

    def reading_tensors(self, ops: list[tf.Operation]) -> dict[str, Any]:
        """Returns {name of a variable's op: tensor that reads it} of what the loss depends on."""
        known = {walk.handle_op(v).name: v for v in self.step.variables}
        found = {op.name: reading(op, known) for op in ops if op.type in walk.VARIABLES}
        return {name: tensor for name, tensor in found.items() if tensor is not None}

    def look(self, indices: np.ndarray, step: int, rate: Any) -> dict[str, Any]:
        """Returns loss, gradient norm and names of gradients that are not finite of a step.

        Args:
          indices: of the examples of its mini-batch.
          step: its number.
          rate: its learning rate, or None.
        """
        read = self.trainer.session.run(self.reads)
        # The value of a reference variable is its memory, which the step is going to change.
        variables = {name: np.array(value) for name, value in read.items()}
        fed = self.fed(indices, step, rate)
        self.replica.load(variables)
        found, more = self.replica.run(fed, self.volatile)
        fed.update(zip(self.volatile, more, strict=True))
        self.case = self.case._replace(variables=variables, fed=fed)
        return found

    def fed(self, indices: np.ndarray, step: int, rate: Any) -> dict[str, Any]:
        """Returns {name of a tensor: value} of all that the step was fed."""
        given: dict[str, Any] = {self.step.training_input.name: np.bool_(True)}
        if self.step.rate_input is not None and rate is not None:
            given[self.step.rate_input.name] = np.array(rate, np.float32)
        examples, seed = self.trainer.examples, self.trainer.seed
        given |= {placeholder.name: value for placeholder, value in examples.constants.items()}
        row_seed = (seed, step, AUGMENTATION)
        given |= {s.placeholder.name: s.rows(indices, row_seed) for s in examples.sources}
        counted = self.trainer.session.run(self.step.global_step)
        given |= self.keys.values(given[self.step.seed_input.name], counted)
        given[self.step.step_input.name] = np.int64(counted)
        return {name: given[name] for name in self.inputs & given.keys()}

    def why_finite(self) -> str:
        """Returns a sentence on why the step was finite here, but not in the training."""
        by_xla = '; XLA rounds differently, see execution="chunks"' if self.trainer.runner.compiled else ""
        return f"the step was finite when it was run alone{by_xla}"

    def first_op(self, what: str, found: dict[str, Any], indices: np.ndarray) -> dict[str, Any]:
        """Returns the fields of a report on the first op that is not finite; empty if none is found."""
        if "reason" in found:
            return {}
        first = self.replica.first_op(self.case.fed, what, found, indices)
        wrong = [name for name, value in self.case.variables.items() if not all_finite(value)]
        return {**first, "variables": tuple(wrong)}

    def write(self, report: PostMortem) -> PostMortem:
        """Completes the report of the step, and writes a replay file where there is a logdir."""
        case = self.case
        trained = {name for part in case.parts for name in part.gradients}
        weights = [case.variables[name] for name in trained if name in case.variables]
        report = dataclasses.replace(report, largest_weight=max(map(largest, weights), default=0.0))
        if self.trainer.logdir is None or not self.trainer.workers.is_chief:
            return report
        path = str(self.trainer.logdir / f"notfinite-{report.step}.npz")
        report = dataclasses.replace(report, file=path)
        try:
            replay_file.save(path, case, report)
        except OSError as error:
            reason = f"{report.reason or ''} (no replay file: {error})".strip()
            report = dataclasses.replace(report, file=None, reason=reason)
        return report

    def __enter__(self) -> "Scene":
        return self

    def __exit__(self, *exception: object) -> None:
        self.replica.close()


def ops_of(trainer: Any) -> list[tf.Operation]:
    """Returns the ops that loss and gradients depend on, in the order in which they were made."""
    parts = trainer.training_step.parts
    gradients = [gradient for part in parts for gradient, _ in part.gradients]
    indices = [gradient.indices for gradient in gradients if is_sparse(gradient)]
    losses = [part.loss for part in parts]
    return walk.as_made(walk.ancestors([*losses, *map(dense, gradients), *indices]))


def case_part(part: Part) -> CasePart:
    """Returns what an update computes, by names."""
    gradients = {walk.handle_op(v).name: dense(gradient).name for gradient, v in part.gradients}
    indices = {walk.handle_op(v).name: g.indices.name for g, v in part.gradients if is_sparse(g)}
    return CasePart(part.name, part.loss.name, gradients, indices)


def dense(gradient: Any) -> tf.Tensor:
    """Returns the numbers of a gradient: of a sparse one, those of its rows."""
    return gradient.values if is_sparse(gradient) else gradient


def is_sparse(gradient: Any) -> bool:
    return isinstance(gradient, tf.IndexedSlices)


def reading(op: tf.Operation, known: dict[str, tf.Variable]) -> Any:
    """Returns a tensor (or variable) whose value is that of the variable with this op, or None."""
    if op.type != "VarHandleOp":
        return op.outputs[0]
    plain = (
        consumer.outputs[0]
        for consumer in op.outputs[0].consumers()
        if consumer.type == "ReadVariableOp" and not consumer.control_inputs
    )
    return known.get(op.name, next(plain, None))


def all_finite(value: np.ndarray) -> bool:
    return value.dtype.kind not in "fV" or bool(np.isfinite(value.astype(np.float64)).all())


def largest(value: np.ndarray) -> float:
    """Returns the largest finite magnitude in the array."""
    magnitudes = np.abs(value.astype(np.float64))
    return float(np.max(magnitudes, where=np.isfinite(magnitudes), initial=0.0))
