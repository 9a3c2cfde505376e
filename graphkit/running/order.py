"""The order of reads and writes of variables and tables in a step: all reads come before the writes.

TensorFlow orders them only where the program does. UPDATE_OPS that assign a variable which the loss reads
run before or after that read as threads happen to, and XLA takes yet another order.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from graphkit.graph import references, walk

READS = (
    "ReadVariableOp ResourceGather ResourceGatherNd VariableShape VarIsInitializedOp IsVariableInitialized "
    "LookupTableFindV2 LookupTableSizeV2 LookupTableExportV2"
).split()
READ_ONLY = "_read_only_resource_inputs"  # attribute of calls of functions: their inputs that they only read
ENTRANCES = ("Switch", "Enter")  # lead into a branch or a loop of TensorFlow 1
PASSING = (*ENTRANCES, "Merge", "Exit", "NextIteration", "Identity")  # hand on a variable that they are given

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


class Use(NamedTuple):
    """A use of a variable by an op, or by a branch or a loop of TensorFlow 1 that the variable leads into.

    Attributes:
      start: the op that must wait if the use is to begin later.
      ends: the ops to wait for if something is to begin after the use.
      writes: whether it may change the variable.
    """

    start: tf.Operation
    ends: tuple[tf.Operation, ...]
    writes: bool


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
        step = StepOps(ops)
        self.waits: Waits = {}
        self.left: tuple[tf.Operation, tf.Operation] | None = None
        self.scatter = next(filter(None, (racing_rows(op, library) for op in step.ordered)), None)
        used = [step.uses_of(op) for op in step.ordered if op.type in walk.HOLDS_STATE]
        used = [uses for uses in used if any(use.writes for use in uses)]
        self.before = reached(
            step.ordered, {op for uses in used for use in uses for op in (use.start, *use.ends)}
        )
        for uses in used:
            reads, writes = ([use for use in uses if use.writes == flag] for flag in (False, True))
            for place, write in enumerate(writes):
                for first in (*reads, *writes[:place]):
                    self.let_wait(write, first)

    def let_wait(self, write: "Use", first: "Use") -> None:
        """Makes a write wait for the ends of an earlier use, where neither waits for the other yet."""
        # Uses with one end are inside one condition or loop of TensorFlow 1, maybe in its two branches.
        if set(first.ends) & set(write.ends) or any(end in self.before[first.start] for end in write.ends):
            return
        for end in first.ends:
            if end in self.before[write.start] or end in self.waits.get(write.start, ()):
                continue
            if can_wait(write.start, end, self.waits):
                self.waits.setdefault(write.start, []).append(end)
            else:
                self.left = self.left or (end, write.start)

    def description(self, *, copied: bool) -> str | None:
        """Returns "read and write" of a variable that wait for neither, or None.

        Args:
          copied: whether the step is a copy, in which `waits` are kept.
        """
        pairs = [] if copied else [(first, write) for write, firsts in self.waits.items() for first in firsts]
        pairs += [] if self.left is None else [self.left]
        return " and ".join(min(((first.name, write.name) for first, write in pairs), default=())) or None


def written(fetches: Iterable[tf.Tensor], variables: Iterable[tf.Variable]) -> list[tf.Variable]:
    """Returns those of the variables that computing the fetches may change."""
    step = StepOps(walk.ancestors(fetches))
    handles = ((walk.handle_op(variable), variable) for variable in variables)
    used = ((step.uses_of(op), variable) for op, variable in handles if op in step.places)
    return [variable for uses, variable in used if any(use.writes for use in uses)]


class StepOps:
    """The ops of a step in their order, and how each variable is used.

    Args:
      ops: all ops of a step.
    """

    def __init__(self, ops: Iterable[tf.Operation]) -> None:
        self.ordered = walk.as_made(ops)
        self.places = {op: place for place, op in enumerate(self.ordered)}
        entered = any(plain_type(op) in ENTRANCES for op in self.ordered)
        self.inside = walk.inside_control_flow(self.ordered) if entered else set()
        self.followers = walk.consumers(self.ordered) if entered else {}

    def uses_of(self, variable: tf.Operation) -> list[Use]:
        """Returns the uses of a variable, in the order in which they were made."""
        uses = [self.use(op, tensor) for op, tensor in self.users(variable.outputs[0])]
        return sorted(uses, key=lambda use: self.places[use.start])

    def use(self, op: tf.Operation, tensor: tf.Tensor) -> Use:
        """Returns how an op uses the variable that it takes as a tensor."""
        if not (takes_variable(op, tensor) and plain_type(op) in ENTRANCES):
            return Use(op, (op,), not only_reads(op, tensor))
        # An op outside must not wait for one inside, which may not run at all, nor one inside for others.
        users = [user for output in op.outputs for user in self.users(output, enter=True)]
        writes = not all(only_reads(user, taken) for user, taken in users)
        return Use(op, self.nearest_outside([user for user, _ in users]), writes)

    def users(self, variable: tf.Tensor, enter: bool = False) -> list[tuple[tf.Operation, tf.Tensor]]:
        """Returns (op, tensor by which it takes the variable): each op that uses it.

        Args:
          variable: a handle or a reference.
          enter: whether to follow it into branches and loops, which are else one op.
        """
        waiting, seen, found = [variable], {variable.name}, []
        while waiting:
            tensor = waiting.pop()
            # A value of the output of a write is that after it, see `references.use_handles`.
            after_write = tensor.op.type not in walk.HOLDS_STATE and plain_type(tensor.op) not in PASSING
            for op in tensor.consumers():
                taken = takes_variable(op, tensor)
                if op not in self.places or (after_write and not taken):
                    continue
                kind = plain_type(op)
                passed = taken and kind in PASSING and (enter or kind not in ENTRANCES)
                if not passed:
                    found.append((op, tensor))
                written = taken and kind not in PASSING
                handed_on = [t for t in op.outputs if passed or (written and references.is_reference(t))]
                waiting += [t for t in handed_on if t.name not in seen]
                seen |= {t.name for t in handed_on}
        return list({op: (op, tensor) for op, tensor in found}.values())

    def nearest_outside(self, ops: list[tf.Operation]) -> tuple[tf.Operation, ...]:
        """Returns the first ops outside of branches and loops that wait for ops inside."""
        waiting, seen = list(ops), set(ops)
        for op in waiting:
            following = self.followers.get(op, []) if op in self.inside else []
            waiting += [other for other in following if other not in seen]
            seen |= set(following)
        return tuple(op for op in waiting if op not in self.inside)


def plain_type(op: tf.Operation) -> str:
    """Returns the type of an op; of one that hands a reference on, that of the same op for values."""
    return op.type.removeprefix("Ref")


def takes_variable(op: tf.Operation, tensor: tf.Tensor) -> bool:
    """Whether an op takes the variable itself, and not its value."""
    return tensor.dtype == tf.resource or references.takes_reference(op, tensor)


def only_reads(op: tf.Operation, tensor: tf.Tensor) -> bool:
    if op.type in READS or not takes_variable(op, tensor):
        return True
    attributes = op.node_def.attr
    places = set(attributes[READ_ONLY].list.i) if READ_ONLY in attributes else set()
    handle = tensor.dtype == tf.resource
    return handle and all(place in places for place, taken in enumerate(op.inputs) if taken is tensor)


def reached(ordered: list[tf.Operation], wanted: set[tf.Operation]) -> dict[tf.Operation, set[tf.Operation]]:
    """Returns for each wanted op those of them that it waits for, directly or through others."""
    bits = {op: 1 << place for place, op in enumerate(op for op in ordered if op in wanted)}
    masks: dict[tf.Operation, int] = {}  # a set of wanted ops as the bits of an integer: one pass is enough
    for op in walk.running_order(ordered):
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
