"""Several devices in one process: each computes loss and gradients of its rows of a mini-batch.

The ops of a step are copied once for each device. In the copy, placeholders of examples become the device's
rows; the variables are those of the graph, and stay where they are. The sums over the devices, each weighted
by its fraction of the rows, take the place of loss, metrics and gradients, and are applied once.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import tensorflow as tf

from graphkit import checks
from graphkit.graph import copies, fingerprint, references, walk
from graphkit.nn import inputs
from graphkit.running import keyed, loops, order
from graphkit.running.feeds import Examples
from graphkit.running.training_step import is_float
from graphkit.running.workers import Pairs, numbers_of, originals_of

logger = logging.getLogger("graphkit")
Target: TypeAlias = tf.Tensor | tf.Operation


class Split(NamedTuple):
    """A training step, of which several devices each compute a part.

    Attributes:
      pairs: (gradient, variable) over the rows of all devices.
      values: the loss and the metrics over the rows of all devices.
      updates: what takes the place of UPDATE_OPS.
      rows: the placeholders of examples, each split among the devices; empty for one device.
      originals: {name of a tensor or op of these: name of that of the graph which it stands for}.
      replaced: what the copies stand for, of which the graph's own is not run.
    """

    pairs: Pairs
    values: list[tf.Tensor]
    updates: list[Any]
    rows: Sequence[tf.Tensor] = ()
    originals: Mapping[str, str] = {}
    replaced: Sequence[Target] = ()


class Part(NamedTuple):
    """The part of a mini-batch that a device computes.

    Attributes:
      device: its name.
      given: {name of a tensor of the graph: what takes its place}.
      share: float64 scalar: the fraction of the mini-batch's rows; 0 where there are fewer than devices.
    """

    device: str
    given: dict[str, tf.Tensor]
    share: tf.Tensor


def over(
    check: checks.Checker,
    devices: Sequence[str],
    pairs: Pairs,
    values: Sequence[tf.Tensor],
    updates: Sequence[Any],
) -> Split:
    """Adds to the graph what computes a step on several devices; one device changes nothing.

    UPDATE_OPS run once, with the averages over the devices of the floats that they take; that is how
    `gk.batch_norm` moves its averages. Where they take anything else that follows from the examples, such as
    labels, all of them are run on the complete mini-batch.

    Args:
      check: of the function that was called.
      devices: their names.
      pairs: (gradient, variable) of the complete mini-batch.
      values: the loss and the metrics of the complete mini-batch.
      updates: UPDATE_OPS of the graph.
    """
    if len(devices) < 2:
        return Split(pairs, list(values), list(updates))
    parts_of_pairs = [numbers_of(gradient) for gradient, _ in pairs]
    targets = [*values, *(tensor for parts in parts_of_pairs for tensor in parts)]
    step_ops = needed(targets)
    rows = [p for p in walk.needed_placeholders([*targets, *updates]) if loops.holds_examples(p)]
    check_splittable(check, step_ops, targets, rows)
    moved = Moved(updates, rows)
    if moved.obstacle:
        text = "UPDATE_OPS are run on the complete mini-batch, by one device: %s"
        logger.info(text, moved.obstacle)
    with tf.compat.v1.name_scope(fingerprint.AMONG_WORKERS):
        parts = parts_of(devices, rows)
        wanted = [*targets, *moved.averaged]
        columns = zip(*(pasted(part, wanted, rows) for part in parts), strict=True)
        copied = [list(column) for column in columns]
        shares = [part.share for part in parts]
        combined = iter(copied)
        summed = [weighted_sum(next(combined), shares, value) for value in values]
        gradients = [joined(combined, shares, gradient) for gradient, _ in pairs]
        averages = [weighted_sum(next(combined), shares, tensor) for tensor in moved.averaged]
        moves = moved.pasted(averages)
    originals = dict(zip((t.op.name for t in summed), (t.op.name for t in values), strict=True))
    originals |= dict(zip(map(name_of, moves), map(name_of, updates), strict=True))
    new_pairs = [(gradient, variable) for gradient, (_, variable) in zip(gradients, pairs, strict=True)]
    originals |= originals_of(new_pairs, pairs)
    return Split(new_pairs, summed, moves, tuple(rows), originals, [*targets, *updates])


def check_examples(rows: Sequence[tf.Tensor], examples: Examples) -> None:
    """Raises `ValueError` unless the placeholders that are split hold the examples."""
    given = {source.placeholder.name for source in examples.sources}
    names = {placeholder.name for placeholder in rows}
    rule = (
        'device="all" gives each device its rows of every placeholder whose first axis is None: all of them '
        "must be given in data, and no others"
    )
    checks.Checker("fit").require(
        not names or names == given, rule, data=sorted(given), placeholders=sorted(names)
    )


def check_splittable(
    check: checks.Checker, ops: Collection[tf.Operation], targets: Sequence[tf.Tensor], rows: Sequence[Any]
) -> None:
    """Raises `ValueError` for a step that cannot be computed by rows."""
    check.require(rows, 'device="all" needs a placeholder of examples, whose first axis is None', loss=None)
    reason = loops.obstacle(ops, keyed.RandomOps(ops))
    written = next((op.name for op in ops if any(changes_state(op, tensor) for tensor in op.inputs)), None)
    if written:
        reason = f"the loss waits for an op that changes a variable ({written}); put it into UPDATE_OPS"
    check.require(not reason, f'device="all" cannot copy the step to each device: {reason}')


def changes_state(op: tf.Operation, tensor: tf.Tensor) -> bool:
    """Whether an op changes a variable or a table that it takes as this tensor."""
    if order.only_reads(op, tensor) or order.plain_type(op) in order.PASSING:
        return False
    while tensor.op.type not in walk.HOLDS_STATE and order.plain_type(tensor.op) in order.PASSING:
        tensor = tensor.op.inputs[0]
    return tensor.op.type in walk.HOLDS_STATE or references.takes_reference(op, tensor)


def needed(targets: Iterable[Target]) -> list[tf.Operation]:
    """Returns the ops that compute the targets, but for those of defaults of placeholders."""
    found = walk.ancestors(targets, lambda op: () if op.type in walk.PLACEHOLDERS else walk.sources(op))
    return walk.as_made(found)


def parts_of(devices: Sequence[str], rows: Sequence[tf.Tensor]) -> list[Part]:
    """Returns the part of each device: as many rows as the others, or one more.

    A mini-batch may have fewer rows than there are devices. One without any takes the first row, which does
    not count: the mean over no rows is not a number.
    """
    graph = rows[0].graph
    own_rows, own_first = (graph.get_collection(key) for key in (inputs.ROWS, inputs.FIRST_ROW))
    total = tf.shape(rows[0], out_type=tf.int64)[0]
    each, rest = total // len(devices), total % len(devices)
    parts = []
    for place, device in enumerate(devices):
        count = each + tf.cast(place < rest, tf.int64)
        start = tf.where(count > 0, each * place + tf.minimum(rest, place), 0)
        stop = start + tf.maximum(count, 1)
        given = {p.name: tf.ensure_shape(p[start:stop], p.shape) for p in rows}
        # Masks of dropout are those of the rows' places in the mini-batch, see `nn.dropout`.
        given |= {scalar.name: stop - start for scalar in own_rows}
        given |= {scalar.name: scalar + start for scalar in own_first}
        parts.append(Part(device, given, tf.cast(count, tf.float64) / tf.cast(total, tf.float64)))
    return parts


def pasted(part: Part, wanted: Sequence[tf.Tensor], rows: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Copies what computes the wanted tensors to the device of a part; returns the copies."""
    ops = needed(wanted)
    # What follows from no examples is drawn once, as one device draws it; each copy would draw its own.
    follows = walk.descendants([p.op for p in rows], ops)
    name = part.device.strip("/").replace(":", "_").lower()
    loops_of_v1 = walk.inside_control_flow(ops)
    drawn = [op for op in ops if keyed.is_random(op) and op not in follows and op not in loops_of_v1]
    outside = [*loops.outer_ops(ops), *drawn]

    def place(op: tf.Operation, node: Any) -> None:
        # What takes a variable is where the variable is; only the values travel.
        if not any(order.takes_variable(op, tensor) for tensor in op.inputs):
            node.device = part.device
        if order.plain_type(op) == "Enter":  # a loop of TensorFlow 1 is known by its name
            node.attr["frame_name"].s = f"{name}/{op.get_attr('frame_name').decode()}".encode()

    definition = copies.definition_of(ops, without=outside, rewrite=place)
    given = {tensor.name: tensor for op in outside for tensor in op.outputs} | part.given
    inside = {node.name for node in definition.node}
    names = [tensor.name for tensor in wanted if tensor.op.name in inside]
    copied = dict(zip(names, copies.paste(definition, given, names, name), strict=True))
    return [copied[t.name] if t.name in copied else given[t.name] for t in wanted]


def weighted_sum(parts: Sequence[tf.Tensor], shares: Sequence[tf.Tensor], original: tf.Tensor) -> tf.Tensor:
    """Returns the sum over the devices of share * part, in the order of the devices: it has the same bits."""
    total = tf.add_n(weighted(parts, shares))
    return tf.ensure_shape(total, original.shape)


def weighted(parts: Sequence[tf.Tensor], shares: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Returns share * part, each on the device of the part; counts and flags become float64."""
    products = []
    for part, share in zip(parts, shares, strict=True):
        with tf.device(part.op.device):
            number = part if is_float(part) else tf.cast(part, tf.float64)
            products.append(number * tf.cast(share, number.dtype))
    return products


def joined(copied: Any, shares: Sequence[tf.Tensor], original: Any) -> Any:
    """Returns the gradient of all devices; of a gather, the rows of one device after those of the other."""
    if not isinstance(original, tf.IndexedSlices):
        return weighted_sum(next(copied), shares, original)
    values, indices = next(copied), next(copied)
    rows = tf.concat(weighted(values, shares), 0)
    return tf.IndexedSlices(rows, tf.concat(indices, 0), original.dense_shape)


def name_of(update: Target) -> str:
    return update.name if isinstance(update, tf.Operation) else update.op.name


class Moved:
    """UPDATE_OPS that take averages over the devices.

    Args:
      updates: UPDATE_OPS of the graph.
      rows: the placeholders of examples.

    Attributes:
      averaged: floats that the ops which change a variable take, and that follow from the examples.
      obstacle: why the ops are run on the complete mini-batch, or None.
    """

    def __init__(self, updates: Sequence[Any], rows: Sequence[tf.Tensor]) -> None:
        self.updates = list(updates)
        ops = needed(self.updates)
        follows = walk.descendants([p.op for p in rows], ops)
        self.ops = changing(ops, self.updates)
        inner = set(self.ops)
        taken = {t.name: t for op in self.ops for t in op.inputs if t.op not in inner}
        self.taken = list(taken.values())
        self.averaged = [t for t in self.taken if t.op in follows]
        self.obstacle = self.why_not(ops, inner)
        if self.obstacle:
            self.averaged = []

    def why_not(self, ops: Sequence[tf.Operation], inner: set[tf.Operation]) -> str | None:
        """Returns why the ops cannot take averages, or None."""
        hidden = walk.inside_control_flow(ops)
        for op in self.ops:
            if op in hidden:
                return f"{op.name} is inside control flow of TensorFlow 1"
            if any(first not in inner for first in op.control_inputs):
                return f"{op.name} waits for {op.control_inputs[0].name}"
        for tensor in self.averaged:
            if not is_float(tensor) or not tensor.shape.is_fully_defined():
                return f"{tensor.name} cannot be averaged over devices"
        before = {op for op in needed(self.averaged) if op in inner}
        return f"{min(op.name for op in before)} comes before another" if before else None

    def pasted(self, averages: Sequence[tf.Tensor]) -> list[Any]:
        """Copies the ops into the graph, where they take the averages; returns them."""
        if self.obstacle or not self.ops:
            return self.updates
        definition = copies.definition_of(self.ops)
        given = {tensor.name: tensor for tensor in self.taken}
        given |= {old.name: new for old, new in zip(self.averaged, averages, strict=True)}
        return copies.paste(definition, given, [update.name for update in self.updates], "updates")


def changing(ops: Sequence[tf.Operation], updates: Sequence[Any]) -> list[tf.Operation]:
    """Returns the ops that change a variable, those that wait for one, and the updates themselves."""
    found = {update if isinstance(update, tf.Operation) else update.op for update in updates}
    for op in walk.running_order(ops):
        behind: Callable[[tf.Operation], bool] = found.__contains__
        if any(changes_state(op, t) for t in op.inputs) or any(map(behind, walk.sources(op))):
            found.add(op)
    return [op for op in ops if op in found]
