"""Sums and exchanges over all workers, as ops of a graph: TensorFlow's own collectives.

Every worker must run the same collectives in the same order, each as often as the others: one that runs
alone waits for the others. A group and an instance key tell them apart. The same key serves all iterations of
a loop, since TensorFlow adds the iteration to it.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

GROUP = 1  # the key of the group of all workers
BLOCK = 1 << 12  # integers that a worker sends at a time in an exchange
KEYS = 1 << 16  # instance keys of a trainer; no two trainers of a process may share one
trainers = itertools.count(1)
MESSAGE = 1 << 20  # bytes of a message to aim at, see `pieces`
MOST_PIECES = 8
LARGE = 1 << 20  # bytes from which on a gradient travels alone, see `sums`

# What CollectiveReduce sums without loss; other numbers are summed as float64.
SUMMED = (tf.float16, tf.bfloat16, tf.float32, tf.float64)
SENT = (tf.bool, *SUMMED[:1], *SUMMED[2:], tf.int32, tf.int64)  # what a broadcast takes


def new_keys() -> Iterator[int]:
    """Yields the instance keys of a new trainer, which are those of the same trainer on the other workers."""
    number = next(trainers)
    return iter(range(number * KEYS, (number + 1) * KEYS))


def all_reduce(tensor: tf.Tensor, size: int, keys: Iterator[int], group: int = GROUP) -> tf.Tensor:
    """Returns the sum of a tensor over all workers, to the same bits on each of them."""
    total = tf.raw_ops.CollectiveReduce(
        input=tensor,
        group_size=size,
        group_key=group,
        instance_key=next(keys),
        merge_op="Add",
        final_op="Id",
        subdiv_offsets=[0] * pieces(tensor, size),
        communication_hint="ring",
        # A limit in the op would keep a sleeping thread for each op that ran: 320 steps left 400 of them. The
        # session's own limit, `operation_timeout_in_ms`, ends a wait too.
        timeout_seconds=0.0,
    )
    return tf.ensure_shape(total, tensor.shape)


def pieces(tensor: tf.Tensor, size: int) -> int:
    """Returns into how many pieces a worker cuts each part of a tensor that it sends.

    While one is on its way, the next is copied and the last one added. For 13 MB and two workers, 8 pieces
    took 32 ms where 1 took 50 and 64 took 51: each message has its own cost, too.
    """
    count = tensor.shape.num_elements()
    if count is None:
        return 1
    return min(max(count * tensor.dtype.size // (size * MESSAGE), 1), MOST_PIECES)


def sums(
    tensors: Sequence[tf.Tensor],
    weight: tf.Tensor,
    votes: tf.Tensor,
    add: Callable[[tf.Tensor], tf.Tensor],
) -> tuple[list[tf.Tensor], tf.Tensor]:
    """Returns the sums over all workers of weight * tensor, for each of the tensors, and of the votes.

    A large tensor travels as soon as it is there, while gradients of earlier layers are being computed, and
    is not copied into a vector. All others of one dtype travel as one vector: for the gradients of a small
    network that takes 7 ms where one for each takes 11.

    Args:
      tensors: of any shapes, which are equal on all workers.
      weight: float32 scalar tensor.
      votes: float32 vector, which is not weighted.
      add: function tensor -> sum over all workers.
    """
    by_dtype: dict[tf.DType, list[int]] = {tf.float32: []}
    results: dict[int, tf.Tensor] = {len(tensors): votes}
    for place, tensor in enumerate(tensors):
        dtype = tensor.dtype.base_dtype
        if dtype in SUMMED and (tensor.shape.num_elements() or 0) * dtype.size >= LARGE:
            results[place] = add(tensor * tf.cast(weight, dtype))
        else:
            by_dtype.setdefault(dtype if dtype in SUMMED else tf.float64, []).append(place)
    for dtype in sorted(by_dtype, key=lambda dtype: dtype.name):
        places = by_dtype[dtype]
        parts = [tf.cast(tensors[place], dtype) for place in places]
        weighted = [tf.reshape(part, [-1]) * tf.cast(weight, dtype) for part in parts]
        if dtype == tf.float32:
            places, parts, weighted = [*places, len(tensors)], [*parts, votes], [*weighted, votes]
        total = add(tf.concat(weighted, 0))
        results |= zip(places, unpacked(total, parts), strict=True)
    return [results[place] for place in range(len(tensors))], results[len(tensors)]


def unpacked(vector: tf.Tensor, parts: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Returns the pieces of a vector that was made of the parts, in their shapes."""
    known = [part.shape.num_elements() for part in parts]
    lengths = [tf.size(part) if n is None else n for n, part in zip(known, parts, strict=True)]
    pieces = tf.split(vector, lengths if None not in known else tf.stack(lengths), num=len(parts))
    shapes = [part.shape if part.shape.is_fully_defined() else tf.shape(part) for part in parts]
    reshaped = [tf.reshape(piece, shape) for piece, shape in zip(pieces, shapes, strict=True)]
    return [tf.ensure_shape(piece, part.shape) for piece, part in zip(reshaped, parts, strict=True)]


class Exchange:
    """Gives every worker the texts of all workers.

    Args:
      size: number of workers.
      keys: instance keys.
    """

    def __init__(self, size: int, keys: Iterator[int]) -> None:
        self.size = size
        self.sent = tf.compat.v1.placeholder(tf.int32, (BLOCK,), name="sent")
        self.received = tf.raw_ops.CollectiveGather(
            input=self.sent,
            group_size=size,
            group_key=GROUP,
            instance_key=next(keys),
            shape=[BLOCK * size],
            communication_hint="ring",
            timeout_seconds=0.0,
        )

    def run(self, session: Any, text: str) -> list[str]:
        """Returns the texts of all workers, in their order."""
        content = text.encode()
        room = 4 * (BLOCK - 1)
        # The first integer of each block is the length of the worker's text.
        blocks: list[np.ndarray] = []
        lengths = np.full(self.size, len(content))
        for start in itertools.count(0, room):
            if start and start >= lengths.max():
                break
            padded = content[start : start + room].ljust(room, b"\0")
            sent = np.concatenate([[len(content)], np.frombuffer(padded, np.int32)]).astype(np.int32)
            rows = session.run(self.received, {self.sent: sent}).reshape(self.size, BLOCK)
            lengths = rows[:, 0]
            blocks.append(np.ascontiguousarray(rows[:, 1:]))
        texts = [b"".join(block[worker].tobytes() for block in blocks) for worker in range(self.size)]
        return [content[:length].decode() for content, length in zip(texts, lengths, strict=True)]


def broadcast(variables: Sequence[tf.Variable], size: int, keys: Iterator[int], sends: bool) -> tf.Operation:
    """Returns the op that gives the variables of all workers the values of the chief.

    Args:
      variables: those of dtypes that can be sent, see `SENT`.
      size: number of workers.
      keys: instance keys.
      sends: whether this worker is the chief.
    """
    done = []
    for variable in variables:
        attributes: dict[str, Any] = {"group_size": size, "group_key": GROUP, "instance_key": next(keys)}
        attributes |= {"shape": variable.shape, "communication_hint": "ring"}
        if sends:
            done.append(tf.raw_ops.CollectiveBcastSend(input=variable.read_value(), **attributes))
        else:
            value = tf.raw_ops.CollectiveBcastRecv(T=variable.dtype.base_dtype, **attributes)
            done.append(variable.assign(value, read_value=False))
    return tf.group(*done)
