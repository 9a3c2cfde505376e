"""A single training step in a separate graph, to find the first op that was not finite.

The ops that loss and gradients depend on are copied into a new graph with its own session, since many ops
are added: they say for each output whether it is finite. The fit that
failed and `gk.replay` both use it.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from graphkit.graph import copies, lines, walk
from graphkit.running import keyed
from graphkit.running.training_step import UPDATES, is_finite, is_float, summed_rows

LINE = "_graphkit_line"  # attribute of a node: "file:line" of the user who made it
GRADIENT = re.compile(r"(?:^|/)gradients(?:_\d+)?/(.*)")  # the names that tf.gradients gives
COPY = re.compile(rf"{UPDATES}[^/]+/")  # scope of what a later update of a step computes
BODIES = ("While", "StatelessWhile", "If", "StatelessIf", "Case", "StatelessCase")  # ops with ops inside


class CasePart(NamedTuple):
    """What an update of a step computes, by names in its graph.

    Attributes:
      name: of its loss among several; None of the only one.
      loss: name of the loss.
      gradients: {name of a variable: name of its gradient, or of the rows of a sparse one}.
      indices: {name of a variable with a sparse gradient: name of the indices of its rows}.
    """

    name: str | None
    loss: str
    gradients: dict[str, str]
    indices: dict[str, str]


class Case(NamedTuple):
    """A single step: its ops, and the values of everything that they start from.

    Attributes:
      definition: `GraphDef` of the ops that losses and gradients depend on, also through earlier updates.
      parts: what each update computes, in their order.
      variables: {name of the op that is a variable: its value before the step}.
      fed: {name of a tensor: its value}.
      compute_dtype: see `Trainer`.
    """

    definition: Any
    parts: Sequence[CasePart]
    variables: dict[str, Any]
    fed: dict[str, Any]
    compute_dtype: str = "float32"


class Computed(NamedTuple):
    """A `CasePart` in the graph of a replica: its loss and gradients, and what is measured of them."""

    name: str | None
    loss: tf.Tensor
    gradients: dict[str, tf.Tensor]
    norm: tf.Tensor
    finite: dict[str, tf.Tensor]


class Replica:
    """The ops of a case in a separate graph and session.

    Args:
      case: the `Case`; its variables and what is fed are set before each run.
      config: `ConfigProto` of the session.
    """

    def __init__(self, case: Case, config: Any) -> None:
        v1 = tf.compat.v1
        self.graph = tf.Graph()
        with self.graph.as_default():
            tf.import_graph_def(case.definition, name="")
            self.ops = self.graph.get_operations()
            self.parts = [computed(part) for part in case.parts]
            self.values: dict[str, tf.Tensor] = {}
            assigns = []
            for op in self.ops:
                if op.type in walk.VARIABLES:
                    value = v1.placeholder(op.get_attr("dtype"), name="graphkit_value")
                    self.values[op.name] = value
                    assigns.append(assign(op, value))
            self.assign = tf.group(*assigns)
        self.session = v1.Session(graph=self.graph, config=config)
        self.flags: dict[str, tf.Tensor] | None = None
        self.variables: dict[tf.Tensor, Any] = {}

    def load(self, variables: Mapping[str, Any]) -> None:
        """Sets the values that the variables have at the start of each run."""
        self.variables = {self.values[name]: value for name, value in variables.items()}

    def compute(self, fetches: Any, fed: Mapping[str, Any]) -> Any:
        """Returns the values of the fetches; the earlier of several updates change the variables."""
        self.session.run(self.assign, self.variables)
        return self.session.run(fetches, fed)

    def run(self, fed: Mapping[str, Any], extra: Sequence[str] = ()) -> tuple[dict[str, Any], list]:
        """Returns the fields of `PostMortem` on loss and gradients, and the values of extra tensors.

        Of several updates they are those of the first one that is not finite, or else the sums of all.
        """
        fetches = [(part.loss, part.norm, part.finite) for part in self.parts]
        found, more = self.compute([fetches, list(extra)], fed)
        for part, (loss, norm, finite) in zip(self.parts, found, strict=True):
            wrong = tuple(name for name, flag in finite.items() if not flag)
            if wrong or not np.isfinite(loss) or len(self.parts) == 1:
                fields = {"loss": float(loss), "norm": float(norm), "gradients": wrong}
                return {**fields, "part": part.name}, more
        losses, norms = ([row[place] for row in found] for place in (0, 1))
        fields = {"loss": float(sum(losses)), "norm": float(np.linalg.norm(norms)), "gradients": ()}
        return {**fields, "part": None}, more

    def first_op(
        self, fed: Mapping[str, Any], what: str, found: Mapping[str, Any], indices: Any = ()
    ) -> dict[str, Any]:
        """Returns the fields of `PostMortem` on the first op that is not finite; empty if none is found.

        Args:
          fed: {name of a tensor: value}.
          what: "loss" or "gradient".
          found: what `run` returned.
          indices: the examples of the mini-batch.
        """
        if self.flags is None:
            hidden = walk.inside_control_flow(self.ops)
            with self.graph.as_default():
                self.flags = {
                    tensor.name: is_finite(tensor)
                    for op in self.ops
                    for tensor in op.outputs
                    if op not in hidden and is_float(tensor)
                }
        flags = self.compute(self.flags, fed)
        wrong = {name for name, flag in flags.items() if not flag}
        parts = [part for part in self.parts if found["part"] in (None, part.name)]
        targets = [part.loss for part in parts]
        if what != "loss":
            targets = [part.gradients[n] for part in parts for n in found["gradients"] if n in part.gradients]
        path = path_to(targets, wrong, set(flags), {op: place for place, op in enumerate(self.ops)})
        return self.describe(path, fed, wrong, indices) if path else {}

    def describe(
        self, path: Sequence[tf.Operation], fed: Mapping[str, Any], wrong: Collection[str], indices: Any
    ) -> dict[str, Any]:
        op = path[0]
        forward = forward_op(op)
        outputs = [tensor for tensor in op.outputs if tensor.name in wrong]
        return {
            "op": op.name,
            "op_type": op.type,
            "line": line_of(forward or op),
            "forward": forward and (forward.name, forward.type),
            "path": tuple(op.name for op in path),
            "ranges": self.ranges(op, fed),
            "examples": self.rows(outputs, fed, indices),
        }

    def ranges(self, op: tf.Operation, fed: Mapping[str, Any]) -> tuple:
        """Returns (lowest, highest, nearest to 0) of each floating-point input of the op."""
        inputs = [tensor for tensor in op.inputs if tensor.name in (self.flags or ())]
        with self.graph.as_default():
            measured = [
                (tf.reduce_min(t), tf.reduce_max(t), tf.reduce_min(tf.abs(t)))
                for t in (tf.cast(tensor, tf.float64) for tensor in inputs)
            ]
        return tuple(tuple(float(number) for number in row) for row in self.compute(measured, fed))

    def rows(self, outputs: Sequence[tf.Tensor], fed: Mapping[str, Any], indices: Any) -> tuple[int, ...]:
        """Returns the examples whose rows are not finite, where the first axis may be the example."""
        per_example = [t for t in outputs if t.shape.rank and t.shape.as_list()[0] is None]
        if not per_example:
            return ()
        value = self.compute(per_example[0], fed)
        if len(value) != len(indices):
            return ()
        finite = np.isfinite(value.astype(np.float64)).reshape(len(value), -1).all(axis=1)
        return tuple(int(index) for index in np.asarray(indices)[~finite])

    def close(self) -> None:
        self.session.close()


def computed(part: CasePart) -> Computed:
    """Returns the losses and gradients of a part in the current graph, with what is measured of them."""
    tensor = tf.compat.v1.get_default_graph().get_tensor_by_name
    gradients = {name: tensor(text) for name, text in part.gradients.items()}
    squares = [squared_sum(gradient, part.indices.get(name)) for name, gradient in gradients.items()]
    norm = tf.sqrt(tf.add_n(squares)) if squares else tf.constant(0.0, tf.float64)
    finite = {name: is_finite(gradient) for name, gradient in gradients.items()}
    return Computed(part.name, tensor(part.loss), gradients, norm, finite)


def assign(op: tf.Operation, value: tf.Tensor) -> tf.Operation:
    """Returns the op that assigns a value to the variable that the op is."""
    if op.type == "VarHandleOp":
        return tf.raw_ops.AssignVariableOp(resource=op.outputs[0], value=value)
    return tf.raw_ops.Assign(ref=op.outputs[0], value=value, validate_shape=False)


def squared_sum(gradient: tf.Tensor, indices: str | None) -> tf.Tensor:
    """Returns the sum of the squares of a gradient; of a sparse one, rows of the same index are summed."""
    gradient = tf.cast(gradient, tf.float64)
    if indices is not None:
        gradient = summed_rows(gradient, gradient.graph.get_tensor_by_name(indices))
    return tf.reduce_sum(tf.square(gradient))


def path_to(
    targets: Iterable[tf.Tensor],
    wrong: Collection[str],
    seen: Collection[str],
    places: Mapping[tf.Operation, int],
) -> list[tf.Operation]:
    """Returns the ops from the first one that is not finite to one of the targets.

    Goes back from the targets through all that is not finite, so that an infinity that leads to nothing,
    such as that of a mask, does not count as the cause.

    Args:
      targets: tensors that are not finite.
      wrong: names of all tensors that are not finite.
      seen: names of all tensors that were checked.
      places: {op: its place in the graph}.
    """
    after: dict[tf.Operation, Any] = {tensor.op: None for tensor in targets if tensor.name in wrong}
    waiting, origins = list(after), []
    for op in waiting:
        sources = [tensor.op for tensor in op.inputs if tensor.name in wrong] or behind(op, wrong, seen)
        if not sources:
            origins.append(op)
        for source in sources:
            if source not in after:
                after[source] = op
                waiting.append(source)
    if not origins:
        return []
    path = [min(origins, key=lambda op: (op.type == "Const", places[op]))]
    while after[path[-1]] is not None:
        path.append(after[path[-1]])
    return path


def behind(op: tf.Operation, wrong: Collection[str], seen: Collection[str]) -> list[tf.Operation]:
    """Returns the nearest ops with outputs that are not finite, through inputs that could not be checked.

    These inputs are lists of tensors (the loop that makes a list counts as not finite), and outputs inside
    the loops and branches of TensorFlow 1.
    """
    found, passed, waiting = [], {op}, [op]
    while waiting:
        for tensor in waiting.pop().inputs:
            source, is_list = tensor.op, tensor.dtype == tf.variant
            if tensor.name in wrong or (is_list and source.type in BODIES):
                found.append(source)
            elif (is_list or is_float(tensor)) and tensor.name not in seen and source not in passed:
                passed.add(source)
                waiting.append(source)
    return found


def forward_op(op: tf.Operation) -> tf.Operation | None:
    """Returns the op that this one is part of the gradient of, or None."""
    match = GRADIENT.search(op.name)
    if match is None:
        return None
    parts = match.group(1).split("_grad/")
    copy = COPY.match(op.name)
    scope = copy.group() if copy else ""
    names = [scope + "_grad/".join(parts[:count]) for count in range(len(parts) - 1, 0, -1)]
    found = (operation(op.graph, name) for name in names)
    return next(filter(None, found), None)


def operation(graph: tf.Graph, name: str) -> tf.Operation | None:
    try:
        return graph.get_operation_by_name(name)
    except KeyError:
        return None


def line_of(op: tf.Operation) -> str | None:
    """Returns "file:line" that made the op of a replica, or None."""
    try:
        return op.get_attr(LINE).decode()
    except ValueError:
        return None


def define(
    ops: Sequence[tf.Operation],
    random: keyed.RandomOps | None = None,
    keys: keyed.Keys | None = None,
    waits: Mapping[tf.Operation, Sequence[tf.Operation]] | None = None,
) -> Any:
    """Returns the GraphDef of the ops, which keeps the line that made each.

    Args:
      ops: what loss and gradients depend on.
      random: those of the ops that draw random numbers.
      keys: what they draw from, or None.
      waits: {op that writes a variable: ops that it must wait for}.
    """

    def rewrite(op: tf.Operation, node: Any) -> None:
        if keys is not None and random is not None and op in random:
            keys.rewrite(node)
        node.input.extend(f"^{first.name}" for first in (waits or {}).get(op, ()))
        line = lines.user_line(original_of(op).traceback)
        if line is not None:
            node.attr[LINE].s = line.encode()

    definition = copies.definition_of(ops, rewrite=rewrite)
    if keys is not None:
        keys.complete(definition)
    return definition


def original_of(op: tf.Operation) -> tf.Operation:
    """Returns the op itself, or that of the graph of which a later update of a step has a copy."""
    copy = COPY.match(op.name)
    return (copy and operation(op.graph, op.name[copy.end() :])) or op
