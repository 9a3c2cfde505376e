"""The order of reads and writes of variables and tables in a step: all reads come before the writes.

TensorFlow orders them only where the program does. UPDATE_OPS that assign a variable which the loss reads
run before or after that read as threads happen to, and XLA takes yet another order.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit.graph import walk

READS = (
    *("ReadVariableOp", "ResourceGather", "ResourceGatherNd", "VariableShape", "VarIsInitializedOp"),
    *("LookupTableFindV2", "LookupTableSizeV2", "LookupTableExportV2"),
)
READ_ONLY = "_read_only_resource_inputs"  # attribute of calls of functions: their inputs that they only read
FLOW = ("Switch", "RefSwitch", "Enter", "RefEnter")  # lead into branches and loops of TensorFlow 1
# They add rows, or replace them, in several threads: where an index repeats, the bits follow from which is
# first. The smallest or largest of some rows does not.
SCATTERS = tuple(
    f"{kind}{name}"
    for kind, names in {
        "ResourceScatter": "Add Sub Mul Div Update NdAdd NdSub NdUpdate",
        "Scatter": "Add Sub Mul Div Update NdAdd NdSub NdUpdate",
    }.items()
    for name in names.split()
)
UNIQUE = ("Unique", "UniqueV2")

Waits = dict[tf.Operation, list[tf.Operation]]


class Order:
    """What the ops of a step must wait for, so that it gives one result.

    Args:
      ops: all ops of a step.
      library: {name: FunctionDef} of the functions that they call.

    Attributes:
      waits: {op that writes a variable: ops that must run before it, and nothing makes it wait for}. These
        are all ops that read the variable and do not wait for the write themselves, and earlier writes. So
        the loss, the metrics, the gradients and all UPDATE_OPS see the values from before the step.
      left: (op, op that writes) of a variable that cannot be made to wait for each other, or None.
      scatter: name of an op that writes rows of a variable, of which some may be the same, or None.
    """

    def __init__(self, ops: Iterable[tf.Operation], library: Mapping[str, Any]) -> None:
        ordered = walk.as_made(ops)
        places = {op: place for place, op in enumerate(ordered)}
        users = [users_of(op, places) for op in ordered if op.type in walk.HOLDS_STATE]
        written = [pair for pair in users if pair[1]]
        before = reached(
            walk.running_order(ordered), {op for reads, writes in written for op in (*reads, *writes)}
        )
        self.waits: Waits = {}
        self.left: tuple[tf.Operation, tf.Operation] | None = None
        self.scatter = next(filter(None, (racing_rows(op, library) for op in ordered)), None)
        # No wait may lead into a branch or a loop of TensorFlow 1. Two ops inside are left alone, since they
        # may be in the two branches of a condition.
        has_flow = written and any(op.type in FLOW for op in ordered)
        hidden = walk.inside_control_flow(ordered) if has_flow else set()
        for reads, writes in written:
            for place, write in enumerate(writes):
                for first in (*reads, *writes[:place]):
                    inside = (first in hidden) + (write in hidden)
                    if first in before[write] or write in before[first] or inside == 2:
                        continue
                    if not inside and can_wait(write, first, self.waits):
                        self.waits.setdefault(write, []).append(first)
                    else:
                        self.left = self.left or (first, write)

    def description(self, *, copied: bool) -> str | None:
        """Returns "read and write" of a variable that wait for neither, or None.

        Args:
          copied: whether the step is a copy, in which `waits` are kept.
        """
        pairs = [] if copied else [(first, write) for write, firsts in self.waits.items() for first in firsts]
        pairs += [] if self.left is None else [self.left]
        return " and ".join(min(((first.name, write.name) for first, write in pairs), default=())) or None


def users_of(handle: tf.Operation, places: Mapping[tf.Operation, int]) -> tuple[list, list]:
    """Returns (ops that only read a variable, ops that write it) of those with places, in their order."""
    reads: list[tf.Operation] = []
    writes: list[tf.Operation] = []
    waiting, found = [handle.outputs[0]], dict[tf.Operation, tf.Tensor]()
    while waiting:
        tensor = waiting.pop()
        for op in tensor.consumers():
            if op in places and op not in found:
                found[op] = tensor
                if op.type in FLOW:
                    waiting.extend(op.outputs)
    for op in sorted(found, key=places.__getitem__):
        if op.type not in FLOW:
            (reads if only_reads(op, found[op]) else writes).append(op)
    return reads, writes


def only_reads(op: tf.Operation, variable: tf.Tensor) -> bool:
    """Whether an op that takes a variable, or its handle, does not write it."""
    if op.type in READS:
        return True
    at = [place for place, tensor in enumerate(op.inputs) if tensor is variable]
    if variable.dtype != tf.resource:
        arguments = op.op_def.input_arg  # one for each input, since no op takes a list of references
        return not any(place < len(arguments) and arguments[place].is_ref for place in at)
    attributes = op.node_def.attr
    only_read = set(attributes[READ_ONLY].list.i) if READ_ONLY in attributes else set()
    return only_read.issuperset(at)


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


def racing_rows(op: tf.Operation, library: Mapping[str, Any]) -> str | None:
    """Returns the name of an op that writes rows of a variable at indices that may repeat, or None."""
    if op.type in SCATTERS and not differ(op.inputs[1]):
        return op.name
    for nodes in walk.bodies_called(op.node_def, library):
        kinds = {node.name: node.op for node in nodes}
        for node in nodes:
            source = node.input[1].split(":")[0] if node.op in SCATTERS else None
            if source in kinds and kinds[source] not in UNIQUE:
                return walk.place(op, node)
            given = None if source is None else argument(op, source, library)
            if given is not None and not differ(given):
                return walk.place(op, node)
    return None


def argument(op: tf.Operation, name: str, library: Mapping[str, Any]) -> tf.Tensor | None:
    """Returns the tensor that is an argument of this name of a function that the op itself calls, or None."""
    for called in walk.names_called(op.node_def, library):
        names = [given.name for given in library[called].signature.input_arg]
        if name in names:  # the first inputs of a condition are not arguments
            return op.inputs[len(op.inputs) - len(names) + names.index(name)]
    return None


def differ(indices: tf.Tensor) -> bool:
    """Whether no index repeats: those of an optimizer that sums the rows of a gradient first."""
    known = tf.get_static_value(indices)
    if known is not None:
        rows = known.reshape(-1, known.shape[-1]) if known.ndim > 1 else known.reshape(-1, 1)
        return len(np.unique(rows, axis=0)) == len(rows)
    source = walk.origin(indices)
    return source.op.type in UNIQUE and source.value_index == 0
