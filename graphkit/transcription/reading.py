"""Reading a training step as the trainer's loops run it: a copy with keyed masks, and reads before writes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.graph import lines, walk
from graphkit.running import keyed, loops, order
from graphkit.train.trainer import Trainer

LOSSES = ("SparseSoftmaxCrossEntropyWithLogits", "SoftmaxCrossEntropyWithLogits")


class Inputs(NamedTuple):
    """The placeholders of a step, in the copy.

    Attributes:
      fed: names of the tensors that a step is given, such as "images:0".
      defaults: {name of a tensor: the value that it has unless it is given}.
      training, seed, step, rate: names of the scalars that the trainer feeds; rate is None where the
        optimizer brings its own.
      keys: {name of the tensor that is the key of a random op: the name that it follows from}.
    """

    fed: list[str]
    defaults: dict[str, np.ndarray]
    training: str
    seed: str
    step: str
    rate: str | None
    keys: dict[str, str]


class Reading(NamedTuple):
    """A training step, to be written.

    Attributes:
      graph: the copy: ops with the names that they have in the trainer's graph.
      values: {name of a metric: name of its tensor}, the loss first.
      outputs: names of the tensors that `predict` returns.
      gradients: {name of a tensor: name of the variable that it is the gradient of}.
      update: name of the op that makes the step.
      counter: name of the global step.
      inputs: the placeholders.
      uniform: {name of a call of a function that draws uniform numbers}.
      original: the trainer's graph, for the lines that made the ops.
    """

    graph: tf.Graph
    values: dict[str, str]
    outputs: list[str]
    gradients: dict[str, str]
    update: str
    counter: str
    inputs: Inputs
    uniform: set[str]
    original: tf.Graph

    def line(self, name: str) -> str:
        """Returns "file:line" of the user's line that made the op of this name."""
        try:
            op = self.original.get_operation_by_name(name)
        except KeyError:
            return lines.UNKNOWN
        return lines.user_line(op.traceback) or lines.UNKNOWN


def read(check: checks.Checker, trainer: Trainer, outputs: Sequence[tf.Tensor]) -> Reading:
    """Returns the copy of a trainer's step.

    Raises:
      ValueError: several workers or devices train the graph, or an op draws random numbers without a key.
    """
    step = trainer.training_step
    one = step.place is None and not step.split
    check.require(one, "a graph that several workers or devices train cannot be written")
    check.require(not step.updates, "a step that updates several losses in turn cannot be written")
    ops = walk.as_made(step.needed_ops(outputs))
    random = keyed.RandomOps(ops)
    drawing = random.without_key()
    rule = f"the random numbers of {drawing} follow from the state of a kernel"
    check.require(drawing is None, f"{rule}, so that NumPy cannot draw them")
    for op, nodes in random.drawing.items():
        for node in nodes:
            rule = f"{walk.place(op, node)} draws random numbers by {node.op}, which is not written in NumPy"
            check.require(node.op == "RandomUniform" or node.op in keyed.STATELESS, rule)
    with tf.Graph().as_default():  # for what a copy of a step makes next to it
        copied = loops.StepCopy(ops, step, {}, random, order.Order(ops, random.library).waits)
    definition = copied.definition
    definition.node.extend(outer_nodes(ops, copied.constants, known={node.name for node in definition.node}))
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(definition, name="")
    drawn = copied.keys.uniform
    uniform = {node.name for node in definition.node if node.attr["f"].func.name in drawn}
    return Reading(
        graph=graph,
        values={name: metric.tensor.name for name, metric in trainer.metrics.items()},
        outputs=[tensor.name for tensor in outputs],
        gradients=dict(gradient_names(step.gradients)),
        update=step.update.name,
        counter=walk.handle_op(step.global_step).name,
        inputs=read_inputs(trainer, ops, copied),
        uniform=uniform,
        original=trainer.graph,
    )


def outer_nodes(ops: Iterable[tf.Operation], constants: Mapping[str, Any], known: set[str]) -> Iterable[Any]:
    """Yields the nodes of what a loop would take from outside: placeholders, variables, tables."""
    for op in loops.outer_ops(ops):
        node = tf.compat.v1.NodeDef()
        node.name, tensor = op.name, op.outputs[0]
        if op.name in known:
            continue
        if tensor.name in constants:
            node.op = "Const"
            node.attr["dtype"].type = tensor.dtype.as_datatype_enum
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(constants[tensor.name]))
        elif op.type in walk.VARIABLES:
            shape = op.get_attr("shape")
            dtype = op.get_attr("dtype")
            node.op = "VarHandleOp"
            node.attr["shape"].shape.CopyFrom(tf.TensorShape(shape).as_proto())
            node.attr["dtype"].type = dtype.as_datatype_enum
            node.attr["shared_name"].s = op.name.encode()
        elif op.type in walk.PLACEHOLDERS:
            node.op = "Placeholder"
            node.attr["dtype"].type = tensor.dtype.as_datatype_enum
            node.attr["shape"].shape.CopyFrom(tensor.shape.as_proto())
        else:
            node.CopyFrom(op.node_def)
        yield node


def gradient_names(pairs: Iterable[tuple[Any, tf.Variable]]) -> Iterable[tuple[str, str]]:
    for gradient, variable in pairs:
        name = walk.handle_op(variable).name
        if isinstance(gradient, tf.IndexedSlices):
            yield gradient.values.name, name
            yield gradient.indices.name, f"{name} rows"
        else:
            yield gradient.name, name


def read_inputs(trainer: Trainer, ops: Sequence[tf.Operation], copied: loops.StepCopy) -> Inputs:
    step = trainer.training_step
    own = [step.training_input, step.seed_input, step.step_input, step.rate_input]
    names = {tensor.name for tensor in own if tensor is not None} | set(copied.constants)
    placeholders = [op.outputs[0] for op in ops if op.type in walk.PLACEHOLDERS]
    placeholders = [tensor for tensor in placeholders if tensor.name not in names]
    fed = [tensor.name for tensor in placeholders if walk.is_fed(tensor.op)]
    optional = [tensor for tensor in placeholders if not walk.is_fed(tensor.op)]
    defaults = trainer.session.run([tensor.op.inputs[0] for tensor in optional])
    return Inputs(
        fed=fed,
        defaults={tensor.name: value for tensor, value in zip(optional, defaults, strict=True)},
        training=step.training_input.name,
        seed=step.seed_input.name,
        step=step.step_input.name,
        rate=None if step.rate_input is None else step.rate_input.name,
        keys={f"{key}{part}:0": name for key, name in copied.keys.ops.items() for part in ("", "_vector")},
    )


def find_outputs(trainer: Trainer) -> list[tf.Tensor]:
    """Returns the tensors that the loss compares with labels: logits, or predictions.

    They are what a softmax cross entropy takes, or else the first tensor that is computed from variables and
    meets examples (the labels) from which it was not computed.
    """
    ops = walk.running_order(walk.as_made(walk.ancestors([trainer.training_step.loss])))
    found = [logits_of(op) for op in ops if op.type in LOSSES]
    if found:
        return list({tensor.name: tensor for tensor in found}.values())
    examples = walk.inputs_of_examples(ops)
    variables = [op for op in ops if op.type in walk.VARIABLES]
    learned = walk.descendants(variables, ops) if variables else set()
    for op in ops:
        sides = [tensor for tensor in op.inputs if tensor.op in examples]
        if len(sides) == 2:
            (made,), (given,) = (
                [t for t in sides if (t.op in learned) == flag] or [None] for flag in (True, False)
            )
            if made is not None and given is not None and not examples[made.op] & examples[given.op]:
                return [made]
    return []


def logits_of(op: tf.Operation) -> tf.Tensor:
    """Returns the logits that a cross entropy takes, as the program made them."""
    # TensorFlow makes a matrix of the logits before it compares them with one-hot labels.
    made = ("Identity", "StopGradient", "Reshape") if op.type == LOSSES[1] else ("Identity", "StopGradient")
    return walk.origin(op.inputs[0], made)
