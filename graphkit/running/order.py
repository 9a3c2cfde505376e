"""The order of reads and writes of variables in a step: all reads come before the writes.

TensorFlow orders them only where the program does. UPDATE_OPS that assign a variable which the loss reads
run before or after that read as threads happen to, and XLA takes yet another order.
"""

from collections.abc import Iterable

import tensorflow as tf

from graphkit.graph import walk

READS = ("ReadVariableOp", "ResourceGather", "ResourceGatherNd", "VariableShape", "VarIsInitializedOp")
READ_ONLY = "_read_only_resource_inputs"  # attribute of calls of functions: their inputs that they only read

Waits = dict[tf.Operation, list[tf.Operation]]


def missing_waits(ops: Iterable[tf.Operation]) -> Waits:
    """Returns {op that writes a variable: ops that must run before it, and nothing makes it wait for}.

    These are all ops that read the variable and do not wait for the write themselves, and earlier writes. So
    the loss, the metrics, the gradients and all UPDATE_OPS see the values from before the step.

    Args:
      ops: all ops of a step.
    """
    ordered = walk.as_made(ops)
    places = {op: place for place, op in enumerate(ordered)}
    users = {op: users_of(op, places) for op in ordered if op.type == "VarHandleOp"}
    written = {op: pair for op, pair in users.items() if pair[1]}
    before = reached(ordered, {op for reads, writes in written.values() for op in (*reads, *writes)})
    waits: Waits = {}
    for reads, writes in written.values():
        for place, write in enumerate(writes):
            for first in (*reads, *writes[:place]):
                is_ordered = first in before[write] or write in before[first]
                if not is_ordered and can_wait(write, first, waits):
                    waits.setdefault(write, []).append(first)
    return waits


def description(waits: Waits) -> str | None:
    """Returns "read and write" of a variable that wait for neither, or None."""
    pairs = ((first.name, write.name) for write, firsts in waits.items() for first in firsts)
    return " and ".join(min(pairs, default=())) or None


def users_of(handle: tf.Operation, places: dict[tf.Operation, int]) -> tuple[list, list]:
    """Returns (ops that only read a variable, ops that write it) of those with places, in their order."""
    reads: list[tf.Operation] = []
    writes: list[tf.Operation] = []
    found = {op for op in handle.outputs[0].consumers() if op in places}
    for op in sorted(found, key=places.__getitem__):
        # The branches and loops of TensorFlow 1 are left alone: a wait must not lead into them.
        if op.type not in ("Switch", "Enter"):
            (reads if only_reads(op, handle) else writes).append(op)
    return reads, writes


def only_reads(op: tf.Operation, handle: tf.Operation) -> bool:
    if op.type in READS:
        return True
    attributes = op.node_def.attr
    places = set(attributes[READ_ONLY].list.i) if READ_ONLY in attributes else set()
    return all(place in places for place, tensor in enumerate(op.inputs) if tensor.op is handle)


def reached(ordered: list[tf.Operation], wanted: set[tf.Operation]) -> dict[tf.Operation, set[tf.Operation]]:
    """Returns for each wanted op those of them that it waits for, directly or through others."""
    bits = {op: 1 << place for place, op in enumerate(op for op in ordered if op in wanted)}
    masks: dict[tf.Operation, int] = {}  # a set of wanted ops as the bits of an integer: one pass is enough
    for op in ordered:
        mask = 0
        for source in walk.sources(op):
            mask |= masks.get(source, 0) | bits.get(source, 0)
        masks[op] = mask
    return {op: {other for other, bit in bits.items() if masks[op] & bit} for op in wanted}


def can_wait(write: tf.Operation, first: tf.Operation, waits: Waits) -> bool:
    """Whether the write can wait for the op, also after it was made to wait for others."""
    return write not in walk.ancestors([first], lambda op: (*walk.sources(op), *waits.get(op, ())))
