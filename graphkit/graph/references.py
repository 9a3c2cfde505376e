"""Reference variables in a copy of some ops: resource variables stand in for them.

Programs that turn the behavior of TensorFlow 2 off make reference variables. No function can capture one, and
nobody orders their reads and writes: a read hands on the memory itself, which a later write may change.
"""

import re
from collections.abc import Collection, Iterable
from typing import Any

import tensorflow as tf

VARIABLES = ("VariableV2", "Variable")
# What hands a reference on, mostly into a branch or a loop of TensorFlow 1; without "Ref" it takes handles.
PASSING = ("RefSwitch", "RefMerge", "RefEnter", "RefExit", "RefIdentity", "RefNextIteration")
CHANGED_NAMES = {
    "Assign": "AssignVariableOp",
    "AssignAdd": "AssignAddVariableOp",
    "AssignSub": "AssignSubVariableOp",
    "CountUpTo": "ResourceCountUpTo",
    "IsVariableInitialized": "VarIsInitializedOp",
    "StridedSliceAssign": "ResourceStridedSliceAssign",
}
SAME_NAMES = ("Apply", "SparseApply", "Scatter")  # ResourceApplyAdam, ResourceScatterAdd, ...
ASSIGNS = ("Assign", "AssignAdd", "AssignSub")


def is_reference(tensor: tf.Tensor) -> bool:
    return tensor.dtype != tensor.dtype.base_dtype


def takes_reference(op: tf.Operation, tensor: tf.Tensor) -> bool:
    """Whether the op takes the tensor as a reference, and not its value."""
    return is_reference(tensor) and any(t is tensor for t in reference_inputs(op))


def reference_inputs(op: tf.Operation) -> list[tf.Tensor]:
    """Returns the inputs that the op takes as references, not as values."""
    arguments = op.op_def.input_arg
    if len(arguments) == 1 and arguments[0].is_ref:  # also a list of references, as of RefMerge
        return list(op.inputs)
    # All other ops take their references first, one in each argument.
    return [t for t, argument in zip(op.inputs, arguments, strict=False) if argument.is_ref]


def counterpart(op: tf.Operation) -> str | None:
    """Returns the type of the op that does the same with a handle, or None."""
    if op.type in PASSING:
        return op.type.removeprefix("Ref")
    if op.type in CHANGED_NAMES:
        return CHANGED_NAMES[op.type]
    return f"Resource{op.type}" if op.type.startswith(SAME_NAMES) else None


def type_in_copy(op: tf.Operation) -> str:
    """Returns the type that an op has in a copy where resource variables stand in for references."""
    if op.type in VARIABLES:
        return "VarHandleOp"
    return (counterpart(op) if reference_inputs(op) else None) or op.type


def obstacle(ops: Iterable[tf.Operation], wanted: Iterable[tf.Tensor]) -> str | None:
    """Returns why no resource variables can stand in for the reference variables of the ops, or None.

    Args:
      ops: what is copied.
      wanted: tensors that are fetched from the copy.
    """
    for op in ops:
        if op.type in VARIABLES:
            continue
        made = any(map(is_reference, op.outputs))
        if (made or reference_inputs(op)) and counterpart(op) is None:
            return f"no op does with a resource variable what {op.type} does with a reference ({op.name})"
    for tensor in wanted:
        if is_reference(tensor) and tensor.op.type in (*VARIABLES, *PASSING):
            return f"{tensor.name} is a reference variable itself; give its read_value()"
    return None


def use_handles(definition: Any, ops: Collection[tf.Operation], wanted: Iterable[tf.Tensor]) -> bool:
    """Turns the nodes that use references into nodes that use handles; returns whether there were any.

    The outputs of reference variables become handles, which must be given when the definition is imported.

    Args:
      definition: a `GraphDef` of the ops without the reference variables, changed in place.
      ops: its ops.
      wanted: tensors that are fetched from the copy.
    """
    known = {op.name: op for op in ops}
    written = {tensor.op for tensor in wanted if is_reference(tensor)}
    written |= {t.op for op in ops for t in op.inputs if is_reference(t) and not takes_reference(op, t)}
    changed = False
    for node in list(definition.node):
        op = known.get(node.name)
        if op is None or not any(map(is_reference, (*op.inputs, *op.outputs))):
            continue
        changed = True
        if counterpart(op) is not None:
            use_handle(definition, node, op, is_read=op in written)
        elif op.type == "Identity":
            read(node, op.inputs[0], [name for name in node.input if name[0] == "^"])
        else:
            read_values(definition, node, op, [name for name in node.input if name[0] != "^"])
    return changed


def use_handle(definition: Any, node: Any, op: tf.Operation, is_read: bool) -> None:
    """Makes the node of an op that takes references its counterpart, which takes handles."""
    given = reference_inputs(op)
    data = [name for name in node.input if name[0] != "^"]
    controls = [name for name in node.input if name[0] == "^"]
    handles = [handle_of(tensor) for tensor in given]
    if op.type == "RefMerge":
        # Each waits in its own branch, since one of the branches does not run.
        for place, (name, waits) in enumerate(handles):
            added = definition.node.add(name=f"{op.name}/handle_{place}", op="Identity", input=[name, *waits])
            added.attr["T"].type = tf.resource.as_datatype_enum
            handles[place] = added.name, []
    waits = [name for _, names in handles for name in names]
    node.input[:] = [*(name for name, _ in handles), *data[len(given) :], *controls, *waits]
    node.op = str(counterpart(op))
    if op.type in PASSING:
        node.attr["T"].type = tf.resource.as_datatype_enum
        return
    if op.type in ASSIGNS or re.match(r"Scatter(?!Nd)", op.type):  # their attribute has another name
        node.attr.pop("T")
        node.attr.pop("use_locking", None)
        node.attr["dtype"].type = given[0].dtype.base_dtype.as_datatype_enum
    elif op.type == "IsVariableInitialized":
        node.attr.pop("dtype")
    read_values(definition, node, op, data[len(given) :])
    if is_read and any(map(is_reference, op.outputs)):
        # Who takes the output takes the value after the write: a read has the name of the op.
        write = definition.node.add()
        write.CopyFrom(node)
        write.name = f"{op.name}/write"
        read(node, given[0], [f"^{write.name}"])


def read_values(definition: Any, node: Any, op: tf.Operation, names: Iterable[str]) -> None:
    """Puts reads in the place of those inputs of a node that take the value of a reference."""
    names = list(names)
    values = {t.name: t for t in op.inputs if is_reference(t) and t.op.type in (*VARIABLES, *PASSING)}
    controls = [name for name in node.input if name[0] == "^"]
    for place, name in enumerate(node.input):
        tensor = values.get(name if ":" in name else f"{name}:0")
        if name in names and tensor is not None:
            added = definition.node.add(name=f"{op.name}/read_{place}")
            read(added, tensor, controls)
            node.input[place] = added.name


def read(node: Any, reference: tf.Tensor, controls: Iterable[str]) -> None:
    """Makes the node a read of the variable that a reference leads to."""
    handle, waits = handle_of(reference)
    node.op = "ReadVariableOp"
    node.ClearField("attr")
    node.attr["dtype"].type = reference.dtype.base_dtype.as_datatype_enum
    node.input[:] = [handle, *controls, *waits]


def handle_of(reference: tf.Tensor) -> tuple[str, list[str]]:
    """Returns (the input that is the handle, control inputs) in the place of a reference."""
    waits = []
    while reference.op.type not in (*VARIABLES, *PASSING):  # the output of a write: its first input
        waits.append(f"^{reference.op.name}")
        reference = reference.op.inputs[0]
    return reference.name, waits


class StandIns:
    """A resource variable in the current graph for each reference variable.

    Args:
      ops: what is copied, the reference variables among it.

    Attributes:
      handles: {name of the output of a reference variable: handle that takes its place}.
    """

    def __init__(self, ops: Iterable[tf.Operation]) -> None:
        ops = list(ops)
        self.variables = [op for op in ops if op.type in VARIABLES]
        self.handles = {op.outputs[0].name: stand_in(op) for op in self.variables}
        changing = [op for op in ops if op.type != "IsVariableInitialized"]
        self.changed = {tensor.name for op in changing for tensor in reference_inputs(op)}

    def load(self) -> list[tf.Operation]:
        """Returns ops that give the resource variables the values of the reference variables."""
        # Copies, since the value of a reference is the memory that the next write changes.
        values = [(op.outputs[0].name, tf.raw_ops.DeepCopy(x=op.outputs[0])) for op in self.variables]
        assign = tf.raw_ops.AssignVariableOp
        return [assign(resource=self.handles[name], value=value) for name, value in values]

    def store(self, values: list[tf.Tensor]) -> list[tf.Tensor]:
        """Returns the tensors, which wait until the reference variables have the new values."""
        assigned = []
        with tf.control_dependencies(values):
            for tensor in (op.outputs[0] for op in self.variables):
                if tensor.name in self.changed:
                    handle, dtype = self.handles[tensor.name], tensor.dtype.base_dtype
                    value = tf.raw_ops.ReadVariableOp(resource=handle, dtype=dtype)
                    assigned.append(tf.raw_ops.Assign(ref=tensor, value=value, validate_shape=False))
        with tf.control_dependencies(assigned):
            return [tf.identity(value) for value in values] if assigned else values


def stand_in(op: tf.Operation) -> tf.Tensor:
    """Returns the handle of a new resource variable, on the device of a reference variable."""
    shape, dtype = tf.TensorShape(op.get_attr("shape")), op.outputs[0].dtype.base_dtype
    with tf.device(op.device):
        return tf.raw_ops.VarHandleOp(
            dtype=dtype, shape=shape, shared_name=f"graphkit/{op.name}", name="stand_in"
        )
