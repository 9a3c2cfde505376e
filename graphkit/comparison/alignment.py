"""Which tensors of two graphs hold the same values, whatever ops computed them."""

import itertools
from collections.abc import Iterable, Iterator

import numpy as np
import tensorflow as tf

from graphkit.comparison import masks
from graphkit.comparison.sides import Side, as_array
from graphkit.graph import walk

TOLERANCE = 2e-5  # of the largest number of a float32 tensor: what another order of sums changes
HALF_TOLERANCE = 1e-2
FEW = 100.0  # times the lower quartile of sizes
INVARIANTS = 2e-3  # of the sums by which partners are looked up
TRANSPARENT = ("Identity", "IdentityN", "EnsureShape", "CheckNumerics", "Snapshot", "PreventGradient")
NO_VALUES = (*walk.SIZES, "OnesLike", "ZerosLike")  # take no values of their inputs
MOST_ROUNDS = 8  # through the ops of loops
Leaves = frozenset[str]


class Alignment:
    """Tensors of two sides, and which of them agree.

    Args:
      old: the old side, fed and with its weights.
      new: the new side, likewise.
      pairs: {name of a variable of the new graph: the old graph's name}.
      inputs: {key: (name of the old placeholder, name of the new one)}.
      mask_pairs: of `masks.share`.
      unpaired: likewise, masks that only one side has.
    """

    def __init__(
        self,
        old: Side,
        new: Side,
        pairs: dict[str, str],
        inputs: dict[str, tuple[str, str]],
        mask_pairs: list[tuple[masks.Mask, masks.Mask]],
        unpaired: list[tuple[Side, masks.Mask]],
    ) -> None:
        self.old, self.new, self.pairs, self.mask_pairs = old, new, pairs, mask_pairs
        names: dict[Side, dict[str, str]] = {old: {}, new: {}}
        for mine, theirs in pairs.items():
            names[old][old.handle(theirs).op.name] = names[new][new.handle(mine).op.name] = (
                f"variable {theirs}"
            )
        for key, both in inputs.items():
            for side, name in zip((old, new), both, strict=True):
                if name:
                    names[side][side.tensor(name).op.name] = f"input {key}"
        for number, both_masks in enumerate(mask_pairs):
            for side, mask in zip((old, new), both_masks, strict=True):
                names[side][mask.tensor.op.name] = f"mask {number}"
        for side, mask in unpaired:
            kind = "mask" if mask.two_valued else "noise"
            names[side][mask.tensor.op.name] = f"{side.name} {kind}"
        self.leaves = {side: leaves_of(side, names[side]) for side in (old, new)}
        self.same: dict[tuple[str, str], bool] = {}
        self.index: dict[Side, dict[int, tuple[list[str], np.ndarray]]] = {}
        self.partner: dict[tuple[Side, str], str | None] = {}
        for side in (old, new):
            read_values(side)
            self.index[side] = self.indexed(side)
        self.examples = next(
            (
                len(side.feed[b[0]])
                for b in inputs.values()
                for side in (old,)
                if b[0] and np.ndim(old.feed[b[0]])
            ),
            0,
        )

    def other(self, side: Side) -> Side:
        return self.new if side is self.old else self.old

    def is_data(self, side: Side, tensor: tf.Tensor) -> bool:
        """Whether a tensor's values depend on inputs, variables or masks, and are known."""
        return bool(self.leaves[side].get(tensor.op)) and tensor.name in side.values

    def indexed(self, side: Side) -> dict[int, tuple[list[str], np.ndarray]]:
        groups: dict[int, list[str]] = {}
        for name, value in side.values.items():
            if self.is_data(side, side.tensor(name)) and value.size:
                groups.setdefault(value.size, []).append(name)
        return {
            n: (names, np.stack([invariants(side.values[m]) for m in names])) for n, names in groups.items()
        }

    def partners(self, side: Side, tensor: tf.Tensor) -> Iterator[tf.Tensor]:
        """Yields the tensors of the other side that have the values of one, up to the order of axes."""
        other, value = self.other(side), side.values[tensor.name]
        names, table = self.index[other].get(value.size, ([], np.zeros((0, 4))))
        near = np.abs(table - invariants(value)) <= INVARIANTS * np.maximum(1e-30, np.abs(table)) + 1e-6
        for place in np.flatnonzero(near[:, 2:].all(axis=1)):
            if same_values(value, other.values[names[place]]):
                yield other.tensor(names[place])

    def matched(self, side: Side, tensor: tf.Tensor) -> bool:
        """Whether some tensor of the other side has the values of this one."""
        key = (side, tensor.name)
        if key not in self.partner:
            found = next(self.partners(side, tensor), None) if self.is_data(side, tensor) else None
            self.partner[key] = None if found is None else found.name
        return self.partner[key] is not None

    def aligned(self, first: tf.Tensor, second: tf.Tensor) -> bool:
        """Whether a tensor of the old side and one of the new side have the same values."""
        key = (first.name, second.name)
        if key not in self.same:
            a, b = self.old.values.get(first.name), self.new.values.get(second.name)
            self.same[key] = a is not None and b is not None and same_values(a, b)
        return self.same[key]

    def cone(self, side: Side, tensor: tf.Tensor) -> list[tf.Tensor]:
        """Returns the tensors without a partner that one depends on, itself included, as they were made.

        The search goes back through tensors without a partner alone, since what is behind agreement does not
        matter.
        """
        if not self.is_data(side, tensor) or self.matched(side, tensor):
            return []
        seen, waiting = {tensor.name: tensor}, [tensor]
        while waiting:
            for source in waiting.pop().op.inputs:
                unknown = source.name not in seen and self.is_data(side, source)
                if unknown and not self.matched(side, source):
                    seen[source.name] = source
                    waiting.append(source)
        order = {
            op.name: place
            for place, op in enumerate(walk.running_order(walk.as_made({t.op for t in seen.values()})))
        }
        return sorted(seen.values(), key=lambda t: order[t.op.name])


def read_values(side: Side) -> None:
    """Fetches all forward tensors of a side that can be read."""
    tensors = side.readable(side.forward)
    values = side.run({tensor.name: tensor for tensor in tensors})
    side.values = {name: as_array(value) for name, value in values.items()}


def leaves_of(side: Side, names: dict[str, str]) -> dict[tf.Operation, Leaves]:
    """Returns {op: names of the inputs, variables and masks that its values depend on}."""
    variables = {side.handle(name).op.name: name for name in side.variables}
    ops = walk.running_order(walk.as_made(side.forward))
    found: dict[tf.Operation, Leaves] = {}
    # A loop of TensorFlow 1 hands values back to its start, so once through its ops is not enough.
    rounds = 1 + sum(op.type in walk.HANDS_BACK for op in ops)
    for _ in range(min(rounds, MOST_ROUNDS)):
        for op in ops:
            own = names.get(op.name)
            if own is None and op.name in variables:
                own = f"{side.name} variable {variables[op.name]}"
            is_scalar_setting = op.type in walk.PLACEHOLDERS and op.outputs[0].shape.rank == 0
            if own is not None and not is_scalar_setting:
                found[op] = frozenset([own])
            elif op.type not in NO_VALUES:
                found[op] = frozenset().union(*(found.get(tensor.op, frozenset()) for tensor in op.inputs))
    return found


def shared(leaves: Iterable[str]) -> Leaves:
    """Returns the leaves that both graphs have."""
    return frozenset(leaf for leaf in leaves if not leaf.startswith(("old ", "new ")))


def invariants(value: np.ndarray) -> np.ndarray:
    """Returns numbers that do not depend on the order of the elements."""
    flat = np.ravel(value).astype(np.float64) if value.size else np.zeros(1)
    scale = np.abs(flat)
    return np.array([flat.mean(), flat.std(), scale.mean(), scale.max()])


def tolerance(first: np.ndarray, second: np.ndarray) -> float:
    """Returns which fraction of the largest number may differ by rounding, in the coarser dtype of both."""
    return HALF_TOLERANCE if first.dtype == second.dtype == np.float16 else TOLERANCE


def close(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two arrays of one shape agree up to rounding."""
    if first.dtype.kind not in "fc" and second.dtype.kind not in "fc":
        return bool(np.array_equal(first, second))
    a, b = first.astype(np.float64), second.astype(np.float64)
    largest = max(np.max(np.abs(a), initial=0), np.max(np.abs(b), initial=0))
    if not np.isfinite(largest):
        return bool(np.array_equal(a, b, equal_nan=True))
    size = np.maximum(np.abs(a), np.abs(b))
    allowed = tolerance(first, second) * (size + min(largest, typical(size)))
    return bool(np.all(np.abs(a - b) <= allowed))


def typical(sizes: np.ndarray) -> float:
    """Returns a size that few numbers exceed, of numbers that are spread as usual.

    What sums lose to rounding follows from the sizes of their terms. But where -1e9 masks some numbers, the
    others are small, and known to their own precision.
    """
    present = sizes[sizes > 0]
    return FEW * float(np.quantile(present, 0.25)) if present.size else 0.0


def same_values(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two arrays agree up to rounding, sizes of 1 and the order of axes."""
    return as_they_are(first, second) or layout(first, second) is not None


def as_they_are(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two arrays agree up to rounding and sizes of 1."""
    same = first.shape == second.shape or squeezed(first.shape) == squeezed(second.shape)
    return same and close(first.ravel(), second.ravel())


def squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def layout(first: np.ndarray, second: np.ndarray) -> tuple[int, ...] | None:
    """Returns the order of axes in which the first array is the second, other than their own, or None."""
    if not 2 <= first.ndim == second.ndim <= 5 or sorted(first.shape) != sorted(second.shape):
        return None
    for axes in itertools.permutations(range(first.ndim)):
        fits = tuple(first.shape[axis] for axis in axes) == second.shape
        if fits and axes != tuple(range(first.ndim)) and close(np.transpose(first, axes), second):
            return axes
    return None
