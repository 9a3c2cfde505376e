"""Splits, seeded shuffling and mini-batches. An order is a pure function of (seed, epoch)."""

import dataclasses
import math
import mmap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from graphkit import checks
from graphkit.data import array_checks, columns

__all__ = ["epoch_order", "minibatches", "split_indices"]

LARGE_FILE = 1 << 28  # bytes; what was read of smaller mapped files may stay in memory
ALIGNMENT = 64  # bytes; what is aligned less, TensorFlow copies when it is fed


def epoch_order(num_examples: int, seed: int, epoch: int) -> np.ndarray:
    """Returns the order in which an epoch visits the examples: a permutation set by (seed, epoch).

    Args:
      num_examples: number of examples.
      seed: a non-negative integer.
      epoch: number of the epoch, counted from 0.

    Returns:
      int64 (num_examples,), each of 0 .. num_examples - 1 once.

    Raises:
      TypeError: an argument is not an integer.
      ValueError: an argument is negative.

    Example:
      >>> sorted(gk.epoch_order(4, seed=7, epoch=0).tolist())
      [0, 1, 2, 3]
      >>> (gk.epoch_order(99, 7, 3) == gk.epoch_order(99, 7, 3)).all()
      np.True_
    """
    check = checks.Checker("epoch_order")
    num_examples = check.integer("num_examples", num_examples, minimum=0)
    seed = check.integer("seed", seed, minimum=0, maximum=None)
    epoch = check.integer("epoch", epoch, minimum=0, maximum=None)
    return np.random.default_rng([seed, epoch]).permutation(num_examples)


def minibatches(
    arrays: Sequence[Any],
    batch_size: int,
    *,
    seed: int = 0,
    epoch: int = 0,
    shuffle: bool = True,
    drop_remainder: bool = False,
) -> Iterator[tuple[np.ndarray, ...]]:
    """Yields the mini-batches of one epoch; the last one may be shorter, unless it is dropped.

    Args:
      arrays: a sequence of arrays, or of what else `fit` takes for a placeholder: lists, columns of tables,
        files that are read batch by batch. The first axis is the example; all have one length.
      batch_size: examples in a mini-batch.
      seed: sets the order, together with `epoch`.
      epoch: number of the epoch, counted from 0.
      shuffle: False visits the examples in the order of the data.
      drop_remainder: True leaves out a last mini-batch of fewer than `batch_size` examples.

    Returns:
      An iterator of tuples of arrays (batch_size, ...), one array for each of `arrays`.

    Raises:
      TypeError: arrays are not a sequence of arrays, or a number is not an integer.
      ValueError: no arrays, arrays of unequal lengths or without examples, or a batch size below 1.

    Example:
      >>> labels = np.arange(5)
      >>> [batch.tolist() for batch, in gk.minibatches([labels], 2, shuffle=False)]
      [[0, 1], [2, 3], [4]]
    """
    check = checks.Checker("minibatches")
    batch_size = check.integer("batch_size", batch_size)
    rule = "arrays must be a sequence of arrays, such as [images, labels]"
    is_one = hasattr(arrays, "dtype") or hasattr(arrays, "iloc") or isinstance(arrays, (str, Mapping))
    check.require_type(not is_one, rule, arrays=type(arrays))
    examples = [columns.as_examples(check, "each of arrays", array) for array in arrays]
    for array in examples:
        check.require_type(check.unmasked("each of arrays", array).ndim, rule, arrays=type(arrays))
    lengths = [len(array) for array in examples]
    rule = "arrays must be one or more arrays with the same number of examples"
    check.require(len(set(lengths)) == 1 and lengths[0] > 0, rule, lengths=lengths)
    plan = Plan(lengths[0], batch_size, shuffle, drop_remainder, seed)
    return (tuple(array[indices] for array in examples) for indices in plan.epoch(epoch))


@dataclasses.dataclass(frozen=True)
class Plan:
    """Which examples each mini-batch takes, in every epoch.

    It follows from its fields alone, so that equal plans make equal mini-batches: a checkpoint holds the
    plan of the epoch under way, and a resumed run compares it with its own.

    Attributes:
      examples: number of examples in the data.
      batch_size: examples in a mini-batch; the last one of an epoch may be shorter.
      shuffle: False visits the examples in the order of the data.
      drop_remainder: True leaves out a last mini-batch of fewer than batch_size examples.
      seed: sets the order, together with the number of the epoch.
    """

    examples: int
    batch_size: int
    shuffle: bool = True
    drop_remainder: bool = False
    seed: int = 0

    def __len__(self) -> int:
        """Returns the number of mini-batches in an epoch."""
        whole, rest = divmod(self.examples, self.batch_size)
        return whole + (rest > 0 and not self.drop_remainder)

    @property
    def full_size(self) -> int:
        """Examples in each mini-batch but a shorter last one."""
        return min(self.batch_size, self.examples)

    @property
    def short_size(self) -> int:
        """Examples in a shorter last mini-batch; 0 where all have `full_size`."""
        return self.examples_per_epoch % self.full_size

    @property
    def examples_per_epoch(self) -> int:
        """Examples that an epoch visits."""
        return min(self.examples, len(self) * self.batch_size)

    def slices(self) -> list[slice]:
        """Returns for each mini-batch its place in the order of an epoch."""
        last, size = self.examples_per_epoch, self.batch_size
        return [slice(start, min(start + size, last)) for start in range(0, last, size)]

    def order(self, epoch: int) -> np.ndarray:
        """Returns the order in which an epoch, counted from 0, visits the examples."""
        if self.shuffle:
            return epoch_order(self.examples, self.seed, epoch)
        return np.arange(self.examples)

    def epoch(self, epoch: int) -> list[np.ndarray]:
        """Returns for each mini-batch of an epoch, counted from 0, the indices of its examples."""
        order = self.order(epoch)
        return [order[part] for part in self.slices()]

    # What follows is asked of the plan of a stream, too, which learns how long an epoch is when it ends.

    @property
    def record(self) -> "Plan":
        """The plan as a checkpoint holds it."""
        return self

    def length(self, epoch: int = 0) -> int | None:
        """Returns the number of mini-batches in an epoch, or None if that is not known."""
        return len(self)

    def ends(self, epoch: int, batch: int) -> bool:
        """Whether an epoch ends after so many mini-batches."""
        return batch == len(self)

    def is_full(self, indices: np.ndarray) -> bool:
        """Whether a mini-batch has the size that all but the last one have."""
        return len(indices) == self.full_size

    def after(self, epoch: int, batch: int) -> Iterable[np.ndarray]:
        """Returns the mini-batches of an epoch without the first ones."""
        return self.epoch(epoch)[batch:]

    def indices(self, epoch: int, batch: int) -> np.ndarray:
        """Returns the indices of the examples of one mini-batch."""
        return self.epoch(epoch)[batch]


def aligned_empty(shape: Sequence[int], dtype: DTypeLike) -> np.ndarray:
    """Returns an array whose memory TensorFlow can take as it is, without a copy."""
    dtype = np.dtype(dtype)
    count = math.prod(shape) * dtype.itemsize
    memory = np.empty(count + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + count].view(dtype).reshape(shape)


def is_aligned(array: np.ndarray, dtype: DTypeLike) -> bool:
    """Whether TensorFlow can take the array's memory as it is, as an array of the dtype."""
    return array.dtype == dtype and array.flags.c_contiguous and array.ctypes.data % ALIGNMENT == 0


def aligned(array: np.ndarray, dtype: DTypeLike) -> np.ndarray:
    """Returns the array, or a copy, in a dtype and memory that TensorFlow takes without a copy."""
    if is_aligned(array, dtype):
        return array
    copy = aligned_empty(array.shape, dtype)
    copy[...] = array
    return copy


def mapping_of(array: np.ndarray) -> mmap.mmap | None:
    """Returns the `mmap` of a file that the array shows; None if it, or changes to it, are in memory."""
    base: Any = array
    shared = False
    while isinstance(base, np.ndarray):
        shared |= isinstance(base, np.memmap) and base.mode != "c"
        base = base.base
    return base if shared and isinstance(base, mmap.mmap) else None


def release(array: np.ndarray) -> None:
    """Frees the memory of what was read of a large mapped file; it is read again when needed."""
    mapping = mapping_of(array)
    if mapping is not None and len(mapping) > LARGE_FILE and hasattr(mapping, "madvise"):
        mapping.madvise(mmap.MADV_DONTNEED)


def take(array: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Returns the examples at the indices, in memory that TensorFlow takes without a copy."""
    taken = aligned_empty((len(indices), *array.shape[1:]), array.dtype)
    return np.take(array, indices, axis=0, out=taken, mode="clip")


def split_indices(
    num_examples: int, fraction: float, seed: int, labels: ArrayLike | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Splits examples at random in two: `fraction` of them, and the rest.

    Args:
      num_examples: number of examples.
      fraction: size of the second part, from 0 to below 1; its number of examples is rounded.
      seed: a non-negative integer.
      labels: integers (num_examples,); when given, each class is split separately (stratified).

    Returns:
      (rest, part): two int64 arrays of indices, which together hold each example once.

    Raises:
      TypeError: labels are not integers.
      ValueError: fraction is outside [0, 1), or labels have another length.

    Example:
      >>> rest, part = gk.split_indices(60_000, 1 / 12, seed=0)
      >>> len(rest), len(part)
      (55000, 5000)
    """
    check = checks.Checker("split_indices")
    fraction = check.number("fraction", fraction, at_least=0, below=1)
    order = epoch_order(num_examples, seed, 0)
    if labels is None:
        count = round(num_examples * fraction)
        return order[count:], order[:count]
    array = array_checks.as_array(check, "labels", labels)
    check.require(
        array.shape == (num_examples,), "labels must have one label for each example", shape=array.shape
    )
    integers = array.dtype.kind in "ui" or len(array) == 0
    check.require_type(integers, "labels must be integers", dtype=str(array.dtype))
    in_part = np.zeros(num_examples, bool)
    for label in np.unique(array):
        members = order[array[order] == label]
        in_part[members[: round(len(members) * fraction)]] = True
    return order[~in_part[order]], order[in_part[order]]
