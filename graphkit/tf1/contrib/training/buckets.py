"""Mini-batches of examples that belong together, such as sentences of similar lengths."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

v1 = tf.compat.v1
ENDED = tf.errors.OutOfRangeError, tf.errors.CancelledError

__all__ = ["bucket", "bucket_by_sequence_length"]


def listed(tensors: Any) -> list[Any]:
    """Returns the tensors of a list, or of {name: tensor} in the order of the names."""
    values = [tensors[key] for key in sorted(tensors)] if isinstance(tensors, Mapping) else list(tensors)
    return [tf.convert_to_tensor(value) for value in values]


def in_form_of(tensors: Any, values: list[Any]) -> Any:
    if isinstance(tensors, Mapping):
        return dict(zip(sorted(tensors), values, strict=True))
    return values if len(values) > 1 else values[0]


def bucket(
    tensors: Any,
    which_bucket: Any,
    batch_size: Any,
    num_buckets: int,
    num_threads: int = 1,
    capacity: int = 32,
    bucket_capacities: Sequence[int] | None = None,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    keep_input: Any = True,
    shared_name: str | None = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns (number of a bucket, a mini-batch of it); queue runners put examples into the buckets.

    Sparse tensors are not offered.
    """
    sizes = list(batch_size) if isinstance(batch_size, (list, tuple)) else [batch_size] * num_buckets
    capacities = [capacity] * num_buckets if bucket_capacities is None else list(bucket_capacities)
    if len(sizes) != num_buckets:
        raise ValueError("If batch_size is a list it must have num_buckets elements")
    if len(capacities) != num_buckets:
        raise ValueError(f"The list bucket_capacities ({capacities}) must have {num_buckets} elements.")
    values = listed(tensors)
    with v1.name_scope(name, "bucket", values):
        which = tf.convert_to_tensor(which_bucket, tf.int32)
        types = [value.dtype for value in values]
        shapes = [value.shape for value in values] if shapes is None else [tf.TensorShape(s) for s in shapes]
        kind = tf.queue.PaddingFIFOQueue if dynamic_pad else tf.queue.FIFOQueue
        names = [None if shared_name is None else f"{shared_name}_{number}" for number in range(num_buckets)]
        queues = [kind(most, types, shapes, shared_name=n) for most, n in zip(capacities, names, strict=True)]
        same = not allow_smaller_final_batch and not isinstance(batch_size, (list, tuple))
        rows = tf.TensorShape([tf.get_static_value(batch_size) if same else None])
        # Not dynamic_pad's affair: lengths of different buckets differ in any case.
        top = tf.queue.PaddingFIFOQueue(
            capacity,
            [tf.int32, *types],
            [tf.TensorShape([]), *(rows.concatenate(shape) for shape in shapes)],
            shared_name=shared_name,
        )

        def enqueue() -> tf.Operation:
            return tf.group(
                *(
                    v1.cond(tf.equal(which, number), lambda queue=queue: queue.enqueue(values), tf.no_op)
                    for number, queue in enumerate(queues)
                )
            )

        add = enqueue() if keep_input is True else v1.cond(keep_input, enqueue, tf.no_op)
        moves = []
        for number, (queue, size) in enumerate(zip(queues, sizes, strict=True)):
            batch = queue.dequeue_up_to(size) if allow_smaller_final_batch else queue.dequeue_many(size)
            moves.append(top.enqueue([number, *(batch if isinstance(batch, list) else [batch])]))
        run_queues(queues[0], moves, [top])
        run_queues(top, [add] * num_threads, queues)
        v1.summary.scalar(f"bucket/fraction_of_{capacity}_full", tf.cast(top.size(), tf.float32) / capacity)
        number, *dequeued = top.dequeue()
    return number, in_form_of(tensors, dequeued)


def run_queues(queue: Any, enqueues: list[Any], closed: list[Any]) -> None:
    """Adds a queue runner, at whose end the queues `closed` are closed."""
    close = tf.group(*(other.close() for other in closed))
    cancel = tf.group(*(other.close(cancel_pending_enqueues=True) for other in closed))
    v1.train.add_queue_runner(
        v1.train.QueueRunner(queue, enqueues, close, cancel, queue_closed_exception_types=ENDED)
    )


def bucket_by_sequence_length(
    input_length: Any,
    tensors: Any,
    batch_size: Any,
    bucket_boundaries: Sequence[int],
    num_threads: int = 1,
    capacity: int = 32,
    bucket_capacities: Sequence[int] | None = None,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    keep_input: Any = True,
    shared_name: str | None = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns (lengths, a mini-batch) of examples whose lengths are between the same two boundaries."""
    if not isinstance(bucket_boundaries, (list, tuple)):
        raise TypeError(f"bucket_boundaries must be a list or tuple, but received: {bucket_boundaries}")
    if not bucket_boundaries:
        raise ValueError("bucket_boundaries must not be empty")
    for smaller, larger in itertools.pairwise(bucket_boundaries):
        if not isinstance(smaller, int) or not isinstance(larger, int):
            raise TypeError(f"bucket boundaries must be integers, but saw: {smaller} and {larger}")
        if smaller >= larger:
            raise ValueError(
                f"Buckets must contain sequential increasing lengths, but saw: {smaller} before {larger}"
            )
    with v1.name_scope(name, "bucket_by_sequence_length"):
        length = tf.cast(tf.convert_to_tensor(input_length), tf.int32)
        which = tf.reduce_sum(tf.cast(length >= tf.constant(bucket_boundaries), tf.int32))
        _, (lengths, *values) = bucket(
            [length, *listed(tensors)],
            which,
            batch_size,
            len(bucket_boundaries) + 1,
            num_threads,
            capacity,
            bucket_capacities,
            None if shapes is None else [[], *shapes],
            dynamic_pad,
            allow_smaller_final_batch,
            keep_input,
            shared_name,
        )
    return lengths, in_form_of(tensors, values)
