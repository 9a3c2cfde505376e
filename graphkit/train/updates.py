"""Several updates in one step, each from the variables as the earlier ones left them.

The gradients of all losses are made of the graph's own forward pass. The first update takes them as they are;
each later one takes a copy of what computes its loss and gradients, in which all that reads a variable waits
for the update before. So a step is one sub-graph, which every execution runs as it runs any other.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from graphkit import checks
from graphkit.graph import copies, walk
from graphkit.running import loops
from graphkit.running.training_step import UPDATES, Part
from graphkit.running.workers import Pairs, numbers_of
from graphkit.train import optimizers

EARLIER = "^graphkit_earlier"  # stands for the update before in the definition of a copy
DRAWS = 1 << 40  # between the numbers that the masks of two updates of a step follow from: above all steps


class Turn(NamedTuple):
    """An update of a step, before it is made.

    Attributes:
      name: of its loss.
      optimizer: a `tf.compat.v1.train.Optimizer`.
      loss: the graph's own tensor.
      pairs: (gradient, variable), in the graph's own tensors.
    """

    name: str | None
    optimizer: Any
    loss: tf.Tensor
    pairs: Pairs


class Made(NamedTuple):
    """The updates of a step.

    Attributes:
      update: the op that makes all of them, and counts the step.
      total: the sum of the losses.
      losses: each loss as its update computes it, the mean over several updates.
      parts: what each update computes, in their order.
    """

    update: tf.Operation
    total: tf.Tensor
    losses: list[tf.Tensor]
    parts: list[Part]


def in_turn(
    check: checks.Checker,
    turns: Sequence[Turn],
    metrics: Sequence[tf.Tensor],
    updates: Sequence[Any],
    *,
    clip: optimizers.Clip,
    global_step: tf.Variable,
    step_input: tf.Tensor,
) -> Made:
    """Adds updates to the graph that are made one after the other.

    Args:
      check: of the function that was called.
      turns: the updates, in their order.
      metrics: tensors that are computed before the first update.
      updates: UPDATE_OPS of the graph; each runs once, with the first update whose loss reads what it writes.
      clip: function pairs -> pairs with clipped gradients.
      global_step: counts the steps.
      step_input: the number that masks follow from.
    """
    runs_at = places_of(updates, turns)
    parts: list[Part] = []
    update = None
    for place, turn in enumerate(turns):
        own = [op for op, at in zip(updates, runs_at, strict=True) if at == place]
        others = [op for op, at in zip(updates, runs_at, strict=True) if at != place]
        loss, pairs = turn.loss, turn.pairs
        before = [*metrics, *own]
        if update is not None:
            with tf.compat.v1.name_scope(UPDATES), tf.control_dependencies([update]):
                earlier = tf.constant(0, name="earlier")
            number = step_input + tf.constant(place * DRAWS, step_input.dtype)
            loss, pairs, own = copied(check, turn, own, others, earlier, {step_input.name: number})
            before = [earlier, *own]
        last = place == len(turns) - 1
        update = optimizers.apply(
            turn.optimizer,
            pairs,
            clip=clip,
            accumulate=1,
            global_step=global_step if last else None,
            before=[loss, *before],
        )
        parts.append(Part(turn.name, loss, pairs))
    names = dict.fromkeys(part.name for part in parts)
    with tf.compat.v1.name_scope(UPDATES):
        losses = [mean([part.loss for part in parts if part.name == name]) for name in names]
        return Made(update, tf.add_n(losses), losses, parts)


def mean(losses: Sequence[tf.Tensor]) -> tf.Tensor:
    return losses[0] if len(losses) == 1 else tf.add_n(losses) / len(losses)


def places_of(updates: Sequence[Any], turns: Sequence[Turn]) -> list[int]:
    """Returns for each of UPDATE_OPS the first turn whose loss reads a variable that it writes, or else 0."""
    read = [walk.ancestors([turn.loss]) for turn in turns]
    places = []
    for update in updates:
        op = update if isinstance(update, tf.Operation) else update.op
        written = [tensor.op for tensor in op.inputs if tensor.op.type in walk.HOLDS_STATE]
        readers = (place for place, ops in enumerate(read) if any(one in ops for one in written))
        places.append(next(readers, 0))
    return places


def copied(
    check: checks.Checker,
    turn: Turn,
    own: Sequence[Any],
    others: Sequence[Any],
    earlier: tf.Tensor,
    given: dict[str, tf.Tensor],
) -> tuple[tf.Tensor, Pairs, list[Any]]:
    """Copies the loss, the gradients and the UPDATE_OPS of a turn; returns the copies.

    Args:
      check: of the function that was called.
      turn: the update.
      own: its UPDATE_OPS.
      others: those of other updates, which have run or will.
      earlier: a tensor that waits for the update before.
      given: {name of a tensor of the graph: what takes its place}.
    """
    left_out = {item if isinstance(item, tf.Operation) else item.op for item in others}
    parts = [numbers_of(gradient) for gradient, _ in turn.pairs]
    wanted = [turn.loss, *(tensor for numbers in parts for tensor in numbers), *own]

    def sources(op: tf.Operation) -> Iterable[tf.Operation]:
        return () if op in left_out or op.type in walk.PLACEHOLDERS else walk.sources(op)

    ops = walk.as_made(walk.ancestors(wanted, sources))
    check_copiable(check, turn.name, ops)
    handles = {op for op in ops if loops.is_handle(op)}
    outside = [op for op in ops if op in left_out or op in loops.outer_ops([op])]
    scope, place = f"{UPDATES}{turn.name}", earlier.op.name  # the place differs in each turn

    def rewrite(op: tf.Operation, node: Any) -> None:
        if op.type.removeprefix("Ref") == "Enter":  # a loop of TensorFlow 1 is known by its name
            node.attr["frame_name"].s = f"{place}/{op.get_attr('frame_name').decode()}".encode()

    definition = copies.definition_of(ops, without=outside, rewrite=rewrite)
    reading = {op.name for op in ops if any(tensor.op in handles for tensor in op.inputs)}
    for node in definition.node:
        if node.name in reading:
            node.input.append(EARLIER)
    values = {tensor.name: tensor for op in outside for tensor in op.outputs} | given | {EARLIER: earlier}
    inside = {node.name for node in definition.node}
    names = list(dict.fromkeys(item.name for item in wanted if operation(item).name in inside))
    made = dict(zip(names, copies.paste(definition, values, names, scope), strict=True))
    copy = {item.name: made.get(item.name, item) for item in wanted}

    def gradient_of(gradient: Any) -> Any:
        if not isinstance(gradient, tf.IndexedSlices):
            return copy[gradient.name]
        rows, indices = copy[gradient.values.name], copy[gradient.indices.name]
        return tf.IndexedSlices(rows, indices, gradient.dense_shape)

    pairs = [(gradient_of(gradient), variable) for gradient, variable in turn.pairs]
    return copy[turn.loss.name], pairs, [copy[item.name] for item in own]


def operation(item: Any) -> tf.Operation:
    return item if isinstance(item, tf.Operation) else item.op


def check_copiable(check: checks.Checker, name: str | None, ops: Sequence[tf.Operation]) -> None:
    """Raises `ValueError` for ops of which a copy would take another mini-batch."""
    library = walk.library_of(ops)
    for op in ops:
        for node in walk.nodes_of(op, library):
            takes = node.op == "IteratorGetNext" or "Queue" in node.op or node.op.startswith("Reader")
            rule = "must take its examples from placeholders: a queue gives each update others"
            check.require(not takes, f"the loss {name!r} {rule}", op=walk.place(op, node))
