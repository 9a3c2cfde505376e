"""Where two graphs begin to differ: the first ops with equal inputs and different values."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from graphkit.comparison.alignment import TRANSPARENT, Alignment, shared
from graphkit.comparison.sides import Side
from graphkit.graph import walk

COMMUTATIVE = {"Add", "Mul", "Maximum", "Minimum", "AddN", "SquaredDifference"}
FAMILIES = {
    "AddV2": "Add",
    "BiasAdd": "Add",
    "BiasAddV1": "Add",
    "Div": "RealDiv",
    "BatchMatMul": "MatMul",
    "BatchMatMulV2": "MatMul",
    "BatchMatMulV3": "MatMul",
    "FusedBatchNorm": "FusedBatchNormV3",
    "FusedBatchNormV2": "FusedBatchNormV3",
    "StatelessWhile": "While",
    "StatelessIf": "If",
    "Select": "SelectV2",
    "Gather": "GatherV2",
    "ResourceGather": "GatherV2",
}
DEEPEST = 400
SHORT = 4  # ops that an activation or a scaling is made of


class Place(NamedTuple):
    """Where two graphs differ.

    Attributes:
      kind: "op" (equal inputs, one type of op), "operands" (one type of op, which takes other tensors),
        "extra" (one side has ops in between that the other lacks), or "parts" (other ops).
      old: the tensor of the old graph.
      new: the tensor of the new graph.
      path: ops that only one side has, from the inputs to the outputs.
      side: that side.
    """

    kind: str
    old: tf.Tensor
    new: tf.Tensor
    path: tuple[tf.Operation, ...] = ()
    side: Side | None = None
    base: tf.Tensor | None = None


def family(op: tf.Operation) -> str:
    return FAMILIES.get(op.type, op.type)


def strip(tensor: tf.Tensor) -> tf.Tensor:
    """Returns the tensor behind ops that hand their input on."""
    while tensor.op.type in TRANSPARENT:
        place = tensor.value_index if tensor.op.type == "IdentityN" else 0
        tensor = tensor.op.inputs[place]
    return tensor


def locate(both: Alignment, old: tf.Tensor, new: tf.Tensor) -> Place:
    """Returns the first place at which two tensors, which differ, come to differ."""
    first = first_pair(both, old, new)
    return descend(both, *(first or (old, new)), DEEPEST)


def first_pair(both: Alignment, old: tf.Tensor, new: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor] | None:
    """Returns the earliest tensors that differ, of one type of op, one shape, and the same leaves."""
    olds = [t for t in both.cone(both.old, old) if t.op.type not in TRANSPARENT]
    news = both.cone(both.new, new)
    # Ops that share an input, or of which one takes what the other takes after further ops, go first: in an
    # unrolled network ops of one type and shape are in every step.
    for is_pair in (near, counterparts):
        for first in olds:
            for second in news:
                alike = family(first.op) == family(second.op) and comparable(both, first, second)
                if alike and is_pair(both, first.op, second.op):
                    return first, second
    return None


def near(both: Alignment, old: tf.Operation, new: tf.Operation) -> bool:
    """Whether two counterparts share an input, or one takes what follows from what the other takes."""
    if not counterparts(both, old, new):
        return False
    pairs = slots(both, old, new)
    wrong = differing(both, pairs)
    if any(pair not in wrong and both.is_data(both.old, pair[0]) for pair in pairs):
        return True
    found = [follows(both, strip(a), strip(b)) for a, b in wrong if both.is_data(both.old, a)]
    return bool(found) and all(place is not None and len(place.path) <= SHORT for place in found)


def follows(both: Alignment, old: tf.Tensor, new: tf.Tensor) -> Place | None:
    """Returns the ops by which one of two tensors follows from the other, or None."""
    return extra(both, both.old, old, new) or extra(both, both.new, new, old)


def counterparts(both: Alignment, old: tf.Operation, new: tf.Operation) -> bool:
    """Whether inputs of two ops that differ are both constant, or both not."""
    wrong = differing(both, slots(both, old, new))
    return all(both.is_data(both.old, a) == both.is_data(both.new, b) for a, b in wrong)


def comparable(both: Alignment, first: tf.Tensor, second: tf.Tensor) -> bool:
    """Whether two tensors may stand for each other: made of the same leaves, and equally many numbers."""
    leaves = shared(both.leaves[both.old][first.op]), shared(both.leaves[both.new][second.op])
    sizes = both.old.values[first.name].shape, both.new.values[second.name].shape
    return bool(leaves[0]) and leaves[0] == leaves[1] and sorted(sizes[0]) == sorted(sizes[1])


def descend(both: Alignment, old: tf.Tensor, new: tf.Tensor, depth: int) -> Place:
    old, new = strip(old), strip(new)
    place = follows(both, old, new)
    if place is not None:
        return place
    if family(old.op) == family(new.op):
        wrong = differing(both, slots(both, old.op, new.op))
        if len(data_inputs(old.op)) != len(data_inputs(new.op)):
            return Place("operands", old, new)
        if not wrong:
            return Place("op", old, new)
        for first, second in wrong:
            known = both.is_data(both.old, first), both.is_data(both.new, second)
            if not all(known):
                continue
            if both.matched(both.old, first) and both.matched(both.new, second):
                return Place("operands", old, new)
            place = follows(both, strip(first), strip(second))
            if place is not None:
                # What matters is the op that takes the tensor: "Relu before MatMul".
                return place._replace(old=old, new=new)
            if not (both.matched(both.old, first) or both.matched(both.new, second)) and depth > 0:
                return descend(both, first, second, depth - 1)
        is_constant = all(
            not both.is_data(s, t) for w in wrong for s, t in zip((both.old, both.new), w, strict=True)
        )
        return Place("op" if is_constant else "operands", old, new)
    inner_pair = part_pair(both, old, new)
    if inner_pair is not None and depth > 0:
        return descend(both, *inner_pair, depth - 1)
    return Place("parts", old, new)


def part_pair(both: Alignment, old: tf.Tensor, new: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor] | None:
    """Returns the earliest tensors in two different compositions that stand for each other, or None."""
    olds = [t for t in both.cone(both.old, old) if t.name != old.name and t.op.type not in TRANSPARENT]
    news = [t for t in both.cone(both.new, new) if t.name != new.name and t.op.type not in TRANSPARENT]
    for first in olds:
        for second in reversed(news):
            if comparable(both, first, second) and both.leaves[both.old][first.op]:
                return first, second
    return None


def data_inputs(op: tf.Operation) -> list[tf.Tensor]:
    return [tensor for tensor in op.inputs if tensor.dtype.base_dtype not in (tf.resource, tf.variant)]


def slots(both: Alignment, old: tf.Operation, new: tf.Operation) -> list[tuple[tf.Tensor, tf.Tensor]]:
    """Returns the inputs of two ops of one type, those that agree side by side where their order is free."""
    firsts, seconds = data_inputs(old), data_inputs(new)
    if family(old) not in COMMUTATIVE:
        return list(zip(firsts, seconds, strict=False))
    pairs, left = [], list(seconds)
    for first in list(firsts):
        second = next((s for s in left if both.aligned(first, s)), None)
        if second is not None:
            pairs.append((first, second))
            left.remove(second)
            firsts.remove(first)
    # A constant goes with a constant.
    firsts.sort(key=lambda t: both.is_data(both.old, t))
    left.sort(key=lambda t: both.is_data(both.new, t))
    return pairs + list(zip(firsts, left, strict=False))


def differing(
    both: Alignment, pairs: Sequence[tuple[tf.Tensor, tf.Tensor]]
) -> list[tuple[tf.Tensor, tf.Tensor]]:
    return [
        (a, b)
        for a, b in pairs
        if not both.aligned(a, b) and (a.name in both.old.values or b.name in both.new.values)
    ]


def extra(both: Alignment, side: Side, tensor: tf.Tensor, target: tf.Tensor) -> Place | None:
    """Returns the ops that this side has between a tensor equal to the target and its own tensor, or None."""
    other = both.other(side)
    if not (both.is_data(side, tensor) and both.is_data(other, target)) or not both.matched(other, target):
        return None

    def equal(candidate: tf.Tensor) -> bool:
        pair = (candidate, target) if side is both.old else (target, candidate)
        return both.is_data(side, candidate) and both.aligned(*pair)

    if equal(tensor):
        return None
    waiting: list[tuple[tf.Tensor, tuple[tf.Operation, ...]]] = [(tensor, ())]
    seen = {tensor.name}
    while waiting:
        current, path = waiting.pop(0)
        for source in current.op.inputs:
            if source.name in seen:
                continue
            seen.add(source.name)
            longer = (current.op, *path)
            if equal(source):
                old, new = (tensor, target) if side is both.old else (target, tensor)
                return Place("extra", old, new, visible(longer), side, source)
            if both.is_data(side, source) and not both.matched(side, source):
                waiting.append((source, longer))
    return None


def visible(path: Sequence[tf.Operation]) -> tuple[tf.Operation, ...]:
    shown = tuple(op for op in path if op.type not in (*TRANSPARENT, "Reshape", "ExpandDims", "Squeeze"))
    return shown or tuple(path)


def users(side: Side, tensor: tf.Tensor) -> list[tf.Operation]:
    return [op for op in walk.as_made(side.forward) if any(t is tensor for t in op.inputs)]
