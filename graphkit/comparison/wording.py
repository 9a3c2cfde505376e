"""Ops, numbers and places in words."""

import os
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit.comparison.alignment import TRANSPARENT, Alignment
from graphkit.comparison.sides import Side
from graphkit.graph import walk

SHOWN = 6  # numbers of a constant
ATTRIBUTES = {
    "T": "data type",
    "ksize": "window (ksize)",
    "dilations": "dilation",
    "is_training": "training flag (is_training)",
}
UNIMPORTANT = (
    "Tidx Tshape Tperm Tpaddings Index N U Tlabels Tindices Tparams Taxis use_cudnn_on_gpu "
    "exponential_avg_factor output_shapes shape dtype container shared_name parallel_iterations "
    "Tin Tout Tcond output_types "
    "grad_a grad_b explicit_paddings begin_mask_ Tsplits Tlen num_original_outputs lower_using_switch_merge"
).split()


def attributes(op: tf.Operation) -> dict[str, Any]:
    """Returns {name: value} of what matters of an op's attributes."""
    found = {name: plain(op.get_attr(name)) for name in walk.attributes(op) if name not in UNIMPORTANT}
    if op.node_def.attr["padding"].s == b"EXPLICIT":
        found["padding"] = plain(op.get_attr("explicit_paddings"))
    return found


def has_functions(op: tf.Operation) -> bool:
    return bool(walk.called_functions(op.node_def))


def plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, tf.DType):
        return value.name
    return float(f"{value:.6g}") if isinstance(value, float) else value


def constant(value: np.ndarray) -> str:
    """Returns a constant, cut short if it is long."""
    if value.size > 1 and np.all(value == value.flat[0]):
        return f"{constant(value.ravel()[:1].reshape(()))} everywhere"
    if value.size > SHOWN:
        return f"an array {value.shape}"
    if value.dtype.kind == "f":
        return str([float(f"{v:.6g}") for v in value.ravel()]) if value.size != 1 else f"{value.item():.6g}"
    return str(value.tolist())


def operand(both: Alignment, side: Side, tensor: tf.Tensor) -> str:
    """Returns what an input of an op is: a number, a variable, an input, or the op that makes it."""
    if not both.is_data(side, tensor) and tensor.name in side.values:
        return constant(side.values[tensor.name])
    leaves = sorted(both.leaves[side].get(tensor.op, ()))
    if len(leaves) == 1 and tensor.op.type in ("ReadVariableOp", "Placeholder", *walk.VARIABLES, "Identity"):
        return leaves[0].removeprefix("old ").removeprefix("new ")
    return f"{tensor.op.type} {tensor.op.name}"


def described(both: Alignment, side: Side, op: tf.Operation, known: Collection[str] = ()) -> str:
    """Returns an op with its other inputs, such as "Mul (0.5)" or "BiasAdd (variable dense/bias)".

    Args:
      both: the graphs.
      side: the side of the op.
      op: the op.
      known: names of the inputs that need no mention.
    """
    shown = [
        operand(both, side, t)
        for t in op.inputs
        if t.name not in known and (both.is_data(side, t) or t.name in side.values)
    ]
    text = f"{op.type} ({listed(shown)})" if shown else op.type
    return f"{text} to {op.outputs[0].dtype.name}" if op.type == "Cast" else text


def listed(names: Sequence[str], most: int = 4) -> str:
    """Returns the names with commas; of many, the first and how many more there are."""
    more = len(names) - most
    return ", ".join(names) if more < 2 else f"{', '.join(names[:most])} and {more} more"


def of_variables(both: Alignment, side: Side, tensor: tf.Tensor) -> bool:
    """Whether a tensor depends on variables alone."""
    leaves = both.leaves[side].get(tensor.op, frozenset())
    return bool(leaves) and all("variable" in leaf.split(" ")[:2] for leaf in leaves)


def chain(both: Alignment, side: Side, path: Sequence[tf.Operation], base: tf.Tensor) -> str:
    """Returns the ops that lead from a tensor to another."""
    known = {base.name, *(tensor.name for op in path for tensor in op.outputs)}
    known |= {t.name for op in path for t in op.inputs if t is base or is_behind(t, base)}
    return ", ".join(described(both, side, op, known) for op in path)


def is_behind(first: tf.Tensor, second: tf.Tensor) -> bool:
    """Whether two tensors of one side are one behind ops that hand it on."""
    while first.op.type in (*TRANSPARENT, "Reshape", "ExpandDims", "Squeeze"):
        first = first.op.inputs[0]
    return first.name == second.name


def where(side: Side, op: tf.Operation) -> str:
    return f"{op.name} ({short(side.line(op))})"


def short(line: str) -> str:
    """Returns "file:line" without the folders."""
    return os.path.basename(line) if ":" in line else line
