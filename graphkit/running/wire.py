"""What a session on another machine is sent in one message: gRPC takes less than 2 GiB.

TensorFlow ends the process, without an error, where a message is larger; so nothing that large is sent.
"""

from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.running.feeds import Examples, Source

LIMIT = (1 << 31) - (1 << 24)  # bytes of arrays in one message; the rest is for all else
PIECE = 1 << 26  # bytes of arrays that are sent at a time where they can be cut
RULE = "less than 2 GiB can be sent to the machine of the session at a time"


def row_bytes(source: Source, dtype: tf.DType | None = None) -> int:
    """Returns the bytes of an example, as a placeholder takes it."""
    dtype = dtype or source.placeholder.dtype
    numbers = int(np.prod(source.array.shape[1:]))
    return max(1, numbers * (source.array.dtype.itemsize if dtype == tf.string else dtype.size))


def check_batch(check: checks.Checker, remote: bool, examples: Examples, batch_size: int) -> None:
    """Raises `ValueError` if a mini-batch, and what is fed with it, cannot be sent."""
    if not remote:
        return
    rows = min(batch_size, len(examples))
    sizes = {source.placeholder.name: rows * row_bytes(source) for source in examples.sources}
    sizes |= {placeholder.name: np.asarray(value).nbytes for placeholder, value in examples.constants.items()}
    largest = max(sizes, key=lambda name: sizes[name])
    rule = f"{RULE}, and a mini-batch has {sum(sizes.values()):,} bytes, most of them of {largest}"
    check.require(sum(sizes.values()) < LIMIT, f"{rule}; take a smaller batch_size", batch_size=batch_size)


def most_steps(examples: Examples, batch_size: int) -> int:
    """Returns how many mini-batches can be sent together."""
    return max(1, PIECE // (batch_size * sum(map(row_bytes, examples.sources))))


def check_variables(check: checks.Checker, remote: bool, variables: Iterable[tf.Variable]) -> None:
    """Raises `ValueError` if the values of all variables, which checkpoints hold, cannot be sent."""
    if not remote:
        return
    sizes = {v.name: (v.shape.num_elements() or 0) * v.dtype.base_dtype.size for v in variables}
    rule = (
        f"{RULE}, and the variables together, with those of the optimizer, have {sum(sizes.values()):,} bytes"
    )
    largest = max(sizes, key=lambda name: sizes[name], default=None)
    check.require(sum(sizes.values()) < LIMIT, rule, largest=largest)
