"""Ops that one of two graphs has and the other lacks, and what they are for."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from graphkit.comparison import alignment, locating, relations, wording
from graphkit.comparison.alignment import Alignment
from graphkit.comparison.locating import Place
from graphkit.graph import walk

ADDS = {"Add", "AddV2", "AddN", "BiasAdd"}
PADS = {"Pad", "PadV2", "MirrorPad"}
SCALES = {"Mul", "RealDiv", "Sub"}
ORDERING = ("StridedSlice", "ReverseV2", "GatherV2", "ConcatV2", "Transpose")  # may change the order alone


def of_extra(both: Alignment, place: Place) -> str:
    """Returns which ops one side has that the other lacks."""
    more = Extra(both, place)
    constants = more.idle_constant()
    if constants:
        return constants
    before = f" before {more.taker.type}" if more.taker is not None else ""
    chain = wording.chain(both, more.side, place.path, more.base)
    text = f"{more.side.name} has {chain}{before}, which {more.other.name} lacks"
    hint = next(filter(None, (rule(more) for rule in RULES)), None)
    return f"{hint}: {text}" if hint else text


class Extra:
    """The ops that lead from a tensor which both graphs have to one that only one of them has.

    Args:
      both: the graphs.
      place: of the kind "extra".

    Attributes:
      side: which has the ops.
      other: which lacks them.
      base: the tensor that both have.
      path: the ops.
      taker: the op that takes what they compute, where the other side's takes the base; None for an output.
      counterpart: what the other side computes there.
      types: of the ops.
      operands: what the ops take of the data, but the base and each other's outputs.
      variables: those of the operands that depend on variables alone.
    """

    def __init__(self, both: Alignment, place: Place) -> None:
        assert place.side is not None and place.base is not None
        self.both, self.path, self.side, self.base = both, place.path, place.side, place.base
        self.other = both.other(self.side)
        own, self.counterpart = (place.old, place.new) if self.side is both.old else (place.new, place.old)
        self.taker = None if own.op in self.path else own.op
        self.types = {op.type for op in self.path}
        inputs = [tensor for op in self.path for tensor in op.inputs if both.is_data(self.side, tensor)]
        self.operands = [t for t in inputs if t.op not in self.path and not wording.is_behind(t, self.base)]
        self.variables = [t for t in self.operands if wording.of_variables(both, self.side, t)]

    @property
    def value(self) -> np.ndarray:
        """What both graphs have."""
        return self.side.values[self.base.name]

    @property
    def result(self) -> np.ndarray:
        """What the ops make of it."""
        return self.side.values[self.path[-1].outputs[0].name]

    def leaves(self, tensor: tf.Tensor) -> alignment.Leaves:
        return self.both.leaves[self.side].get(tensor.op, frozenset())

    def is_labels(self, tensor: tf.Tensor) -> bool:
        """Whether a tensor depends on the input alone that meets the variables last."""
        met: list[str] = []
        for op in walk.running_order(walk.as_made(self.side.forward)):
            found = self.both.leaves[self.side].get(op, frozenset())
            if any("variable" in leaf for leaf in found):
                met += sorted(leaf for leaf in found if leaf.startswith("input") and leaf not in met)
        return len(met) > 1 and self.leaves(tensor) == {met[-1]}

    def idle_constant(self) -> str | None:
        """Returns the constants of an op that does nothing on the other side, as times 1, or None."""
        first = self.path[0]

        def is_base(tensor: tf.Tensor) -> bool:
            pair = (self.base, tensor) if self.side is self.both.old else (tensor, self.base)
            return self.both.is_data(self.other, tensor) and self.both.aligned(*pair)

        for op in walk.as_made(self.other.forward):
            alike = locating.family(op) == locating.family(first) and len(op.inputs) == len(first.inputs) == 2
            if not alike or not is_base(op.outputs[0]) or not any(map(is_base, op.inputs)):
                continue
            mine = [self.side.values[t.name] for t in first.inputs if not self.both.is_data(self.side, t)]
            theirs = [self.other.values[t.name] for t in op.inputs if not self.both.is_data(self.other, t)]
            if len(mine) == len(theirs) == 1:
                values = {self.side: wording.constant(mine[0]), self.other: wording.constant(theirs[0])}
                both = f"{values[self.both.old]} in old and {values[self.both.new]} in new"
                return f"{first.type}: the constant is {both}"
        return None


def random_numbers(more: Extra) -> str | None:
    leaves = {leaf for tensor in more.operands for leaf in more.leaves(tensor)}
    for kind, text in (("mask", "a dropout"), ("noise", "random noise")):
        if f"{more.side.name} {kind}" in leaves:
            return f"{text} is missing in {more.other.name}"
    return None


def regularizer(more: Extra) -> str | None:
    if more.result.size == 1 and more.variables and more.types & ADDS:
        names = sorted({leaf for tensor in more.variables for leaf in more.leaves(tensor)})
        return f"a regularization term of {wording.listed(names)} is missing in {more.other.name}"
    return None


def applied_twice(more: Extra) -> str | None:
    if more.taker is None:
        return None
    if "Softmax" in more.types and "SoftmaxCrossEntropy" in more.taker.type:
        return f"softmax is applied twice in {more.side.name}, since {more.taker.type} applies it itself"
    return None


def padding(more: Extra) -> str | None:
    if more.taker is None or not more.types & PADS:
        return None
    own, theirs = (
        op.node_def.attr["padding"].s.decode() or "none" for op in (more.taker, more.counterpart.op)
    )
    return f"explicit padding and {own} in {more.side.name} against padding {theirs} in {more.other.name}"


def bias(more: Extra) -> str | None:
    if not (more.variables and more.types & ADDS and len(more.path) == 1):
        return None
    is_bias = all(more.side.values[tensor.name].ndim <= 1 for tensor in more.variables)
    return f"a {'bias' if is_bias else 'variable that is added'} is missing in {more.other.name}"


def moving_average(more: Extra) -> str | None:
    names = {more.side.handle(name).op.name: name for name in more.side.variables}
    handles = [op.name for op in walk.ancestors([more.base]) if op.type in walk.VARIABLES]
    is_variable = len(handles) == len(more.leaves(more.base)) == 1
    if is_variable and not more.side.variables[names[handles[0]]].trainable:
        text = f"since {more.other.name} takes a moving average"
        return f"the training flag of a batch norm differs, {text}"
    return None


def dilation(more: Extra) -> str | None:
    if "SpaceToBatchND" in more.types:
        return f"a dilation (by SpaceToBatchND) is missing in {more.other.name}"
    return None


def label_smoothing(more: Extra) -> str | None:
    is_arithmetic = more.types & {"Mul", "RealDiv", "Add", "AddV2"} and not more.operands
    if is_arithmetic and more.base.dtype.base_dtype.is_floating and more.is_labels(more.base):
        return f"label smoothing in {more.side.name} alone"
    return None


def data_type(more: Extra) -> str | None:
    return "another data type" if more.types == {"Cast"} else None


def scaled_inputs(more: Extra) -> str | None:
    if more.base.op.type in walk.PLACEHOLDERS and more.types & SCALES and not more.operands:
        return "the inputs are scaled or shifted in another manner"
    return None


def class_weights(more: Extra) -> str | None:
    if more.types == {"Mul"} and any(map(more.is_labels, more.operands)):
        return f"weights of the classes or examples in {more.side.name} alone"
    return None


def order(more: Extra) -> str | None:
    following = [op.type for op in locating.users(more.other, more.counterpart)]
    if more.taker is not None and len(more.path) == 1 and more.path[0].type in following:
        return f"the order of {more.path[0].type} and {more.taker.type} differs"
    return None


def activation(more: Extra) -> str | None:
    function = relations.function_of(more.value, more.result)
    if function and function.startswith(relations.ACTIVATIONS):
        return f"an activation ({function}) is missing in {more.other.name}"
    return None


def reshape(more: Extra) -> str | None:
    taken = [t for t in more.counterpart.op.inputs if more.both.is_data(more.other, t)]
    layouts = [alignment.layout(more.value, more.other.values[t.name]) for t in taken]
    if more.path[-1].type == "Reshape" and any(axes is not None for axes in layouts):
        return f"a reshape in {more.side.name} where {more.other.name} has a Transpose"
    return None


def other_function(more: Extra) -> str | None:
    if len(more.path) > 1 or more.path[0].type in ORDERING:
        return relations.function_of(more.value, more.result)
    return None


# The first that holds is named; the last ones are the most general.
RULES: tuple[Callable[[Extra], str | None], ...] = (
    *(random_numbers, regularizer, applied_twice, padding, bias, moving_average, dilation, label_smoothing),
    *(data_type, scaled_inputs, class_weights, order, activation, reshape, other_function),
)
