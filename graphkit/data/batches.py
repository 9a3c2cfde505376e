"""Splits, seeded shuffling and mini-batches. An order is a pure function of (seed, epoch)."""

import math
import mmap

import numpy as np

from graphkit import checks

__all__ = ["epoch_order", "minibatches", "split_indices"]

LARGE_FILE = 1 << 28  # bytes; what was read of smaller mapped files may stay in memory
ALIGNMENT = 64  # bytes; what is aligned less, TensorFlow copies when it is fed


def epoch_order(num_examples, seed, epoch):
    """Returns the order in which an epoch visits the examples: a permutation set by (seed, epoch).

    Args:
      num_examples: how many examples there are.
      seed: a non-negative integer.
      epoch: number of the epoch, counted from 0.

    Returns:
      int64 (num_examples,), each of 0 .. num_examples - 1 once.

    Raises:
      ValueError: a negative argument.

    Example:
      >>> sorted(gk.epoch_order(4, seed=7, epoch=0).tolist())
      [0, 1, 2, 3]
      >>> (gk.epoch_order(99, 7, 3) == gk.epoch_order(99, 7, 3)).all()
      np.True_
    """
    function = "epoch_order"
    num_examples = checks.integer(function, "num_examples", num_examples, minimum=0)
    seed = checks.integer(function, "seed", seed, minimum=0, maximum=None)
    epoch = checks.integer(function, "epoch", epoch, minimum=0, maximum=None)
    return np.random.default_rng([seed, epoch]).permutation(num_examples)


def minibatches(arrays, batch_size, seed=0, epoch=0, shuffle=True, drop_remainder=False):
    """Yields the mini-batches of one epoch, the last one short unless it is dropped.

    Args:
      arrays: a sequence of arrays whose first axis is the example, all of one length.
      batch_size: examples in a mini-batch.
      seed: sets the order, together with `epoch`.
      epoch: number of the epoch, counted from 0.
      shuffle: False visits the examples as they stand.
      drop_remainder: True leaves out a last mini-batch of fewer than `batch_size` examples.

    Returns:
      An iterator of tuples of arrays (batch_size, ...), one array for each of `arrays`.

    Raises:
      ValueError: no arrays, unequal lengths, no examples, or a batch size below one.

    Example:
      >>> labels = np.arange(5)
      >>> [batch.tolist() for batch, in gk.minibatches([labels], 2, shuffle=False)]
      [[0, 1], [2, 3], [4]]
    """
    function = "minibatches"
    batch_size = checks.integer(function, "batch_size", batch_size)
    if hasattr(arrays, "dtype"):
        raise TypeError(checks.message(function, "arrays must be a sequence of arrays", arrays=type(arrays)))
    arrays = tuple(checks.array(function, "each of arrays", array) for array in arrays)
    lengths = [len(array) for array in arrays]
    rule = "arrays must be one or more arrays with the same number of examples"
    checks.require(len(set(lengths)) == 1 and lengths[0] > 0, function, rule, lengths=lengths)
    order = visiting_order(lengths[0], seed, epoch, shuffle)
    bounds = batch_bounds(lengths[0], batch_size, drop_remainder)
    return (tuple(array[order[start:stop]] for array in arrays) for start, stop in bounds)


def visiting_order(num_examples, seed, epoch, shuffle):
    """Returns the order in which an epoch visits the examples, as they stand if they are not shuffled."""
    return epoch_order(num_examples, seed, epoch) if shuffle else np.arange(num_examples)


def batch_bounds(num_examples, batch_size, drop_remainder=False):
    """Returns the (start, stop) of each mini-batch of an epoch."""
    last = num_examples - num_examples % batch_size if drop_remainder else num_examples
    return [(start, min(start + batch_size, last)) for start in range(0, last, batch_size)]


def aligned_empty(shape, dtype):
    """Returns an array whose memory TensorFlow can take as it is, without a copy."""
    dtype = np.dtype(dtype)
    count = math.prod(shape) * dtype.itemsize
    memory = np.empty(count + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + count].view(dtype).reshape(shape)


def is_aligned(array, dtype):
    """Tells whether TensorFlow can take the array's memory as it is, as an array of the dtype."""
    return array.dtype == dtype and array.flags.c_contiguous and array.ctypes.data % ALIGNMENT == 0


def aligned(array, dtype):
    """Returns the array as one of the dtype that TensorFlow can take as it is; a copy if it must be."""
    if is_aligned(array, dtype):
        return array
    copy = aligned_empty(array.shape, dtype)
    copy[...] = array
    return copy


def mapping_of(array):
    """Returns the `mmap` of a file that the array shows, or None where it or its changes are in memory."""
    base, shared = array, False
    while isinstance(base, np.ndarray):
        shared |= isinstance(base, np.memmap) and base.mode != "c"
        base = base.base
    return base if shared and isinstance(base, mmap.mmap) else None


def release(array):
    """Gives back the memory of what was read of a large mapped file; it is read again when needed."""
    mapping = mapping_of(array)
    if mapping is not None and len(mapping) > LARGE_FILE and hasattr(mapping, "madvise"):
        mapping.madvise(mmap.MADV_DONTNEED)


def take(array, indices):
    """Returns the examples at the indices, in memory that TensorFlow can take as it is."""
    taken = aligned_empty((len(indices), *array.shape[1:]), array.dtype)
    return np.take(array, indices, axis=0, out=taken, mode="clip")


def split_indices(num_examples, fraction, seed, labels=None):
    """Parts examples at random in two: `fraction` of them, and the rest.

    Args:
      num_examples: how many examples there are.
      fraction: share of the second part, from 0 to below 1; its size is rounded to the nearest.
      seed: a non-negative integer.
      labels: integers (num_examples,); when given, each class is parted by itself (stratified).

    Returns:
      (rest, part): two int64 arrays of indices, which together hold each example once.

    Raises:
      TypeError: labels that are no integers.
      ValueError: a fraction outside [0, 1), or labels of another length.

    Example:
      >>> rest, part = gk.split_indices(60_000, 1 / 12, seed=0)
      >>> len(rest), len(part)
      (55000, 5000)
    """
    function = "split_indices"
    fraction = checks.number(function, "fraction", fraction, at_least=0, below=1)
    order = epoch_order(num_examples, seed, 0)
    if labels is None:
        count = round(num_examples * fraction)
        return order[count:], order[:count]
    labels = np.asarray(labels) if isinstance(labels, (tuple, list)) else labels
    checks.array(function, "labels", labels)
    rule = "labels must have one label for each example"
    checks.require(labels.shape == (num_examples,), function, rule, shape=labels.shape)
    if labels.dtype.kind not in "ui" and len(labels):
        raise TypeError(checks.message(function, "labels must be integers", dtype=str(labels.dtype)))
    in_part = np.zeros(num_examples, bool)
    for label in np.unique(labels):
        members = order[labels[order] == label]
        in_part[members[: round(len(members) * fraction)]] = True
    return order[~in_part[order]], order[in_part[order]]
