"""Random numbers of two graphs: those of one are given to the other, so that only real differences remain."""

import re
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from graphkit.comparison.sides import Side, as_array
from graphkit.graph import walk

RANDOM = re.compile(r"(Stateless)?(Random|TruncatedNormal|ParameterizedTruncated|Multinomial)\w*")
DRAWS = 10  # to estimate which fraction a mask keeps
SURE = 5.0  # standard deviations


class Mask(NamedTuple):
    """A random tensor, just before it meets what depends on the examples or the variables.

    Attributes:
      tensor: its copy in the side's graph.
      user: the op that combines it with the data.
      value: what was drawn.
      kept: the fraction of it that is not zero, over several draws.
      spread: the standard deviation over several draws.
      numbers: how many there are in these draws.
    """

    tensor: tf.Tensor
    user: tf.Operation
    value: np.ndarray
    kept: float
    spread: float
    numbers: int

    @property
    def two_valued(self) -> bool:
        return self.value.dtype == bool or len(np.unique(self.value)) <= 2


def data_ops(side: Side) -> set[tf.Operation]:
    """Returns the forward ops whose values depend on examples or variables; sizes do not."""
    ops = [op for op in walk.as_made(side.forward) if op.type not in walk.SIZES]
    fed = [op for op in ops if op.type in walk.PLACEHOLDERS and op.outputs[0].shape.rank != 0]
    return walk.descendants([*fed, *(op for op in ops if op.type in walk.VARIABLES)], ops)


def find(side: Side) -> list[Mask]:
    """Returns the masks of a side, in the order in which they are used."""
    ordered = walk.as_made(side.forward)
    random = walk.descendants([op for op in ordered if RANDOM.fullmatch(op.type)], ordered)
    data = data_ops(side)
    found: dict[str, tf.Operation] = {}
    readable = {tensor.name for tensor in side.readable(ordered)}
    for op in ordered:
        for tensor in op.inputs if op in data else ():
            if tensor.op in random and tensor.op not in data and tensor.name in readable:
                found.setdefault(tensor.name, op)
    tensors = [side.tensor(name) for name in found]
    draws = [[as_array(v) for v in side.run(tensors)] for _ in range(DRAWS if tensors else 0)]
    masks = []
    for place, (tensor, user) in enumerate(zip(tensors, found.values(), strict=True)):
        values = [draw[place] for draw in draws]
        flat = np.concatenate([np.ravel(v) for v in values]).astype(np.float64)
        kept = float(np.mean(flat != 0))
        masks.append(Mask(tensor, user, values[0], kept, float(flat.std()), flat.size))
    return masks


def share(old: Side, new: Side) -> tuple[list[tuple[Mask, Mask]], list[tuple[Side, Mask]]]:
    """Feeds the masks of the old graph to both; returns (the pairs, masks without a partner)."""
    olds, news = find(old), find(new)
    pairs = list(zip(olds, news, strict=False))
    for first, second in pairs:
        old.feed[first.tensor.name] = first.value
        value = first.value
        if first.value.shape != second.value.shape:
            new.feed[second.tensor.name] = second.value
            continue
        if first.two_valued and second.two_valued and np.any(second.value):
            scale = second.value[second.value != 0].flat[0]
            value = np.where(first.value != 0, scale, np.zeros_like(scale))
        new.feed[second.tensor.name] = value.astype(second.value.dtype)
    alone = [(old, mask) for mask in olds[len(pairs) :]] + [(new, mask) for mask in news[len(pairs) :]]
    for side, mask in alone:
        side.feed[mask.tensor.name] = mask.value
    return pairs, alone


def difference(first: Mask, second: Mask) -> str | None:
    """Returns how two masks differ, or None where they are drawn alike."""
    if first.value.shape != second.value.shape:
        shapes = f"{first.value.shape} in old and {second.value.shape} in new"
        return f"the random mask has shape {shapes}: another noise_shape of dropout"
    count = min(first.numbers, second.numbers)
    if first.two_valued and second.two_valued:
        if abs(first.kept - second.kept) <= SURE * np.sqrt(0.5 / count):
            return None
        text = f"dropout keeps about {first.kept:.2f} of the units in old and {second.kept:.2f} in new"
        inverse = abs(first.kept + second.kept - 1) < 2 * SURE * np.sqrt(0.5 / count)
        return text + (": keep_prob against rate" if inverse else ": another keep_prob")
    if abs(first.spread - second.spread) > SURE * max(first.spread, second.spread) / np.sqrt(count):
        return (
            f"the noise has a standard deviation of {first.spread:.3g} in old and {second.spread:.3g} in new"
        )
    return None
