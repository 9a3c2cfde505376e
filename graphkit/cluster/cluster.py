"""A cluster: the addresses of its workers, and this process's server among them."""

import logging
import os
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from graphkit import checks
from graphkit.cluster import addresses, local_training, together
from graphkit.running.workers import Several, Workers

__all__ = ["Cluster", "cluster_from_env"]

logger = logging.getLogger("graphkit")
# TensorFlow cannot stop a server, so a process has one for all its trainers: (description, server).
servers: list[tuple[Any, Any]] = []


class Cluster(Several):
    """Several processes that train one graph together; each runs the same program.

    A trainer that is given a cluster trains synchronously, with TensorFlow's own servers (gRPC) and
    collectives: each worker computes the gradients of its part of each mini-batch, the gradients are summed
    over all workers, and every worker applies the same sum to its own copy of the variables. `batch_size` is
    that of all workers together, so the result is that of one process, up to rounding. Worker 0 is the chief:
    it alone writes checkpoints, history and progress; all workers read them, from one folder that all see.

    TensorFlow's servers listen on all interfaces of a machine, without authentication or encryption: use them
    in a private network only.

    Args:
      workers: the address "host:port" of each worker, the chief first; the same list in every process.
      index: the place of this process in the list.
      timeout: seconds to wait for other workers: to come, and in each run of steps.
      local_steps: 1 sums the gradients in each step. With K > 1 each worker makes K steps by itself, with its
        part of each mini-batch, before weights and slots are averaged (local SGD): a K-th of the messages,
        but other mathematics, which one process with the same `batch_size` does not repeat.

    Attributes:
      workers, index, timeout, local_steps: as given.
      is_chief: whether this process is worker 0.

    Raises:
      TypeError: an argument has another type than is listed.
      ValueError: an address that is not host:port or comes twice, or an index that is not of the list.

    Source: S. U. Stich, "Local SGD converges fast and communicates little", ICLR 2019 (local_steps).

    Example:
      >>> cluster = gk.Cluster(workers=["10.0.0.1:2222", "10.0.0.2:2222"], index=0)
      >>> cluster.is_chief
      True
    """

    def __init__(
        self, workers: Sequence[str], index: int, *, timeout: float = 300.0, local_steps: int = 1
    ) -> None:
        check = checks.Checker("Cluster")
        self.workers = addresses.check_addresses(check, "workers", workers)
        check.require(self.workers, "workers must have at least one address", workers=workers)
        self.index = check.integer("index", index, minimum=0)
        rule = f"index must be the place of this process among the {len(self.workers)} workers, from 0"
        check.require(self.index < len(self.workers), rule, index=index)
        self.timeout = check.number("timeout", timeout, above=0)
        self.local_steps = check.integer("local_steps", local_steps)

    @property
    def is_chief(self) -> bool:
        return self.index == 0

    @property
    def size(self) -> int:
        """The number of workers."""
        return len(self.workers)

    def __repr__(self) -> str:
        return f"Cluster(workers={list(self.workers)}, index={self.index})"

    def for_trainer(self) -> Workers:
        """Returns the workers of a new trainer in this process."""
        if self.size == 1:
            return Workers()
        return (local_training.LocalSteps if self.local_steps > 1 else together.Together)(self)

    def configure(self, config: Any) -> Any:
        """Returns a session's configuration for this cluster."""
        ours = f"/job:worker/task:{self.index}"
        made = tf.compat.v1.ConfigProto()
        made.CopyFrom(config)
        made.experimental.collective_group_leader = "/job:worker/replica:0/task:0"
        # A session sees the devices of this worker alone, and so opens without the others; its variables are
        # not those of another session of the same server.
        made.device_filters.append(ours)
        made.isolate_session_state = True
        made.operation_timeout_in_ms = int(1000 * self.timeout)
        return made

    def serve(self, config: Any) -> str:
        """Starts the server of this process, if it has none yet; returns the target of sessions."""
        check = checks.Checker("Trainer")
        description = (self.workers, self.index)
        if servers:
            rule = "this process is a worker of another cluster already; a process has one server"
            check.require(servers[0][0] == description, rule, was=servers[0][0], now=description)
            return servers[0][1].target
        name, address = f"worker {self.index}", self.workers[self.index]
        addresses.check_free(check, name, address)
        spec = tf.compat.v1.train.ClusterSpec({"worker": list(self.workers)})
        try:
            server = tf.compat.v1.train.Server(spec, job_name="worker", task_index=self.index, config=config)
        except tf.errors.OpError as error:
            rule = f"{name} cannot start its server ({error.message})"
            raise OSError(check.message(rule, address=address)) from None
        servers.append((description, server))
        return server.target


def cluster_from_env(*, timeout: float = 300.0, local_steps: int = 1) -> Cluster | None:
    """Returns the cluster that the environment variable TF_CONFIG describes, or None where it is not set.

    So one program trains alone, or with others where a launcher such as `scripts/launch.py` has set it.

    Args:
      timeout: see `Cluster`.
      local_steps: see `Cluster`.

    Returns:
      A `Cluster`, or None.

    Raises:
      ValueError: TF_CONFIG is not `{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker",
        "index": 0}}`; a task "chief" counts as worker 0.
      TypeError: the index is not an integer.

    Example:
      >>> gk.cluster_from_env() is None
      True
    """
    text = os.environ.get("TF_CONFIG", "").strip()
    if not text:
        return None
    check = checks.Checker("cluster_from_env")
    found = addresses.read_config(check, text)
    workers = addresses.check_addresses(check, "TF_CONFIG's workers", found["workers"])
    count = len(workers)
    check.require(count, "TF_CONFIG must have a worker", TF_CONFIG=text)
    rule = f"TF_CONFIG says that this is worker {found['index']}, but has workers 0 to {count - 1}"
    check.require(found["index"] < count, rule, TF_CONFIG=text)
    return Cluster(workers, found["index"], timeout=timeout, local_steps=local_steps)
