"""One of the two graphs that are compared: a copy of it, with a session, whose values can be read and set."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.checkpoints import contents, restoring
from graphkit.graph import copies, lines, walk
from graphkit.nn import inputs as graph_inputs
from graphkit.running import session as sessions
from graphkit.train import building
from graphkit.train.trainer import Trainer

APPLIES = re.compile(r"(Resource)?(Sparse)?Apply[A-Z]\w*")
UNREADABLE = (tf.resource, tf.variant, tf.string)
WRITES = "AssignVariableOp AssignAddVariableOp AssignSubVariableOp Assign AssignAdd AssignSub".split()


class Given:
    """What is compared of a graph.

    Attributes:
      graph: the graph.
      outputs: its tensors, in order.
      update: the op of one training step, or None.
      trainer: the `Trainer`, or None.
    """

    def __init__(self, check: checks.Checker, name: str, value: Any) -> None:
        rule = (
            f"{name} must be a tensor of a graph, (loss, training op), a Trainer, or have graph and outputs"
        )
        self.trainer = value if isinstance(value, Trainer) else None
        self.update = None
        if self.trainer is not None:
            outputs, self.update = [self.trainer.training_step.loss], self.trainer.training_step.update
        elif isinstance(value, tuple) and len(value) == 2:
            outputs, self.update = [value[0]], value[1]
            self.update = getattr(self.update, "op", self.update)
            check.require_type(isinstance(self.update, tf.Operation), rule, **{name: value})
        elif walk.is_graph_tensor(value):
            outputs = [value]
        else:
            check.require_type(hasattr(value, "graph") and hasattr(value, "outputs"), rule, **{name: value})
            outputs = value.outputs
            outputs = list(outputs.values()) if isinstance(outputs, Mapping) else outputs
            outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
        computed = [t for t in outputs if walk.is_graph_tensor(t) and not isinstance(t, tf.Variable)]
        check.require_type(outputs and len(computed) == len(outputs), rule, **{name: value})
        readable = all(tensor.dtype.base_dtype not in UNREADABLE for tensor in outputs)
        check.require_type(readable, "outputs must hold numbers", **{name: [t.dtype.name for t in outputs]})
        graphs = {tensor.graph for tensor in outputs}
        check.require(len(graphs) == 1, f"the outputs of {name} must be of one graph", count=len(graphs))
        inside = walk.inside_control_flow(walk.as_made(walk.ancestors(outputs)))
        hidden = [tensor.name for tensor in outputs if tensor.op in inside]
        check.require(
            not hidden, f"the outputs of {name} must not be inside a loop or a branch", outputs=hidden
        )
        self.outputs: list[tf.Tensor] = outputs
        self.graph: tf.Graph = outputs[0].graph


class Side:
    """A copy of a graph, so that nothing is added to the one that was given, and a session on it.

    Args:
      name: "old" or "new".
      given: what is compared.
      seed: of random initial values that have no seed of their own.
    """

    def __init__(self, name: str, given: Given, seed: int) -> None:
        self.name, self.original, self.given = name, given.graph, given
        with self.original.as_default():
            found = building.all_variables(self.original)
        wanted = [*given.outputs, *([given.update] if given.update is not None else [])]
        needed = walk.ancestors(wanted)
        kept = {walk.handle_op(variable): variable for variable in found}
        lost = sorted(op.name for op in needed if op.type in walk.VARIABLES and op not in kept)
        rule = f"a variable of the {name} graph is in no collection, so that it cannot be given a value"
        checks.Checker("compare").require(not lost, rule, variables=lost)
        # Moving averages that no op updates are compared as well.
        all_of_graph = given.update is not None
        self.variables = {v.op.name: v for op, v in kept.items() if all_of_graph or op in needed}
        tables = [op for op in self.original.get_collection(tf.compat.v1.GraphKeys.TABLE_INITIALIZERS)]
        ops = walk.ancestors([*wanted, *(v.initializer for v in self.variables.values()), *tables])
        definition = copies.definition_of(walk.as_made(ops), rewrite=seeding(seed), keep_devices=False)
        self.graph = tf.Graph()
        with self.graph.as_default():
            copies.paste(definition, {}, [])
        self.outputs = [self.tensor(tensor.name) for tensor in given.outputs]
        self.update = None if given.update is None else self.graph.get_operation_by_name(given.update.name)
        self.tables = [self.graph.get_operation_by_name(op.name) for op in tables]
        self.reads: dict[str, tf.Tensor] = {}
        with self.graph.as_default():
            for name_, variable in self.variables.items():
                handle = self.handle(name_)
                dtype = variable.dtype.base_dtype
                is_resource = handle.dtype == tf.resource
                self.reads[name_] = (
                    tf.raw_ops.ReadVariableOp(resource=handle, dtype=dtype) if is_resource else handle
                )
        self.forward = walk.ancestors(self.outputs)
        self.feed: dict[str, Any] = {}
        self.values: dict[str, np.ndarray] = {}
        config = tf.compat.v1.ConfigProto(allow_soft_placement=True)
        # Its rewrites lose tensors that are fetched: of max(x, 0.2 * x) they make a leaky relu.
        config.graph_options.rewrite_options.disable_meta_optimizer = True
        self.session = tf.compat.v1.Session(graph=self.graph, config=config)

    def close(self) -> None:
        self.session.close()

    def tensor(self, name: str) -> tf.Tensor:
        return self.graph.get_tensor_by_name(name)

    def handle(self, variable: str) -> tf.Tensor:
        """Returns the copy of a variable's handle, or of its reference."""
        return self.tensor(walk.handle_op(self.variables[variable]).outputs[0].name)

    def used(self) -> list[str]:
        """Returns the names of the variables that the outputs depend on, in the order of their making."""
        handles = {op.name for op in self.forward if op.type in walk.VARIABLES}
        return [name for name, v in self.variables.items() if walk.handle_op(v).name in handles]

    def moving(self) -> list[str]:
        """Returns the names of further variables of the model, such as moving averages; not of optimizers."""
        entries = {name: restoring.describe(name, v).own for name, v in self.variables.items()}
        others = contents.training_names(entries) | set(self.used())
        return [n for n, v in self.variables.items() if n not in others and v.dtype.base_dtype.is_floating]

    def unfed(self) -> list[tf.Tensor]:
        """Returns what needs a value: placeholders without a default, and what a pipeline would bring."""
        wanted = [*self.outputs, *([self.update] if self.update is not None else [])]

        def sources(op: tf.Operation) -> list[tf.Operation]:
            return [t.op for t in op.inputs if t.name not in self.feed] + list(op.control_inputs)

        ops = walk.as_made(walk.ancestors(wanted, sources))
        brings = [op for op in ops if (walk.is_fed(op) and not self.is_own(op)) or walk.DATA.match(op.type)]
        compared = {tensor.name for tensor in self.outputs}
        values = [t for op in brings for t in op.outputs if t.consumers() or t.name in compared]
        return [tensor for tensor in values if tensor.name not in self.feed]

    def placeholders(self) -> list[tf.Tensor]:
        """Returns the copies of the placeholders that the outputs or the update depend on, but graphkit's."""
        wanted = [*self.outputs, *([self.update] if self.update is not None else [])]
        ops = walk.as_made(walk.ancestors(wanted))
        return [op.outputs[0] for op in ops if op.type in walk.PLACEHOLDERS and not self.is_own(op)]

    def is_own(self, op: tf.Operation) -> bool:
        """Whether a placeholder is fed by graphkit: training flag, seed, step, learning rate."""
        return op.name.startswith("graphkit/")

    def settings(self) -> dict[str, Any]:
        """Returns {name: value} of graphkit's own placeholders in a training step."""
        flags = self.original.get_collection(graph_inputs.TRAINING)
        return {tensor.name: True for tensor in flags if self.holds(tensor.name)}

    def holds(self, name: str) -> bool:
        try:
            self.tensor(name)
        except (KeyError, ValueError):
            return False
        return True

    def reset(self, weights: Mapping[str, Any]) -> None:
        """Gives all variables their initial values, and some of them others."""
        initializers = [self.graph.get_operation_by_name(v.initializer.name) for v in self.variables.values()]
        try:
            self.session.run([*initializers, *self.tables], self.feed)
        except tf.errors.FailedPreconditionError:  # an initial value reads another variable
            for initializer in [*initializers, *self.tables]:
                self.session.run(initializer, self.feed)
        for name, value in weights.items():
            initializer = self.variables[name].initializer
            fed = {initializer.inputs[1].name: value}
            self.session.run(self.graph.get_operation_by_name(initializer.name), fed)

    def read(self, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Returns the values of variables."""
        return {n: as_array(v) for n, v in self.session.run({n: self.reads[n] for n in names}).items()}

    def run(self, fetches: Any, **more: Any) -> Any:
        return self.session.run(fetches, {**self.feed, **more})

    def readable(self, ops: Iterable[tf.Operation]) -> list[tf.Tensor]:
        """Returns the tensors of ops whose values can be fetched, in the order in which they were made."""
        ops = walk.as_made(ops)
        hidden = walk.inside_control_flow(ops)
        tensors = [tensor for op in ops if op not in hidden for tensor in op.outputs]
        return [tensor for tensor in tensors if tensor.dtype.base_dtype not in UNREADABLE]

    def line(self, op: tf.Operation) -> str:
        """Returns the line of the user's program that made the op which this one is a copy of."""
        try:
            original = self.original.get_operation_by_name(op.name)
        except (KeyError, ValueError):
            return lines.UNKNOWN
        return lines.user_line(original.traceback) or lines.UNKNOWN


def seeding(seed: int) -> copies.Rewrite:
    """Returns a function that gives random ops without a seed one that follows from their names."""

    def rewrite(op: tf.Operation, node: Any) -> None:
        if sessions.is_seedless(op):
            sessions.set_seed(op, node, seed + 1)

    return rewrite


def as_array(value: Any) -> np.ndarray:
    """Returns a value as an array that NumPy can compute with: bfloat16 becomes float32."""
    array = np.asarray(value)
    return array.astype(np.float32) if array.dtype.kind == "V" or array.dtype.name == "bfloat16" else array
