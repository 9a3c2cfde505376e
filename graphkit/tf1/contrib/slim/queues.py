"""Queue runners in a block."""

import contextlib
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

__all__ = ["QueueRunners"]


@contextlib.contextmanager
def QueueRunners(session: Any) -> Iterator[None]:
    """Starts the graph's queue runners, and stops them at the end of the block."""
    coordinator = tf.compat.v1.train.Coordinator()
    threads = tf.compat.v1.train.start_queue_runners(session, coordinator)
    try:
        yield
    finally:
        coordinator.request_stop()
        coordinator.join(threads, stop_grace_period_secs=120)
