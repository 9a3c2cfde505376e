"""A cluster: the addresses of its workers, and this process's server among them."""

import logging
import os
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from graphkit import checks
from graphkit.cluster import (
    addresses,
    local_training,
    parameter_servers,
    placement,
    synchronous_servers,
    together,
)
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

    With parameter servers (`ps`), for graphs larger than the memory of one machine, there is one copy of the
    variables, which lives on them: build the graph in `with tf.compat.v1.device(cluster.device()):`. Each
    worker then applies the gradients of its part of each mini-batch as soon as it has them, to variables that
    the others change meanwhile; with `synchronous`, the gradients of all workers are summed for each step, as
    above. A process whose job is "ps" runs the same program up to its trainer, and serves from there until it
    is ended by a signal, such as SIGTERM.

    TensorFlow's servers listen on all interfaces of a machine, without authentication or encryption: use them
    in a private network only.

    Args:
      workers: the address "host:port" of each worker, the chief first; the same list in every process.
      index: the place of this process in the list of its job.
      timeout: seconds to wait for other processes: to come, and in each run of steps.
      local_steps: 1 sums the gradients in each step. With K > 1 each worker makes K steps by itself, with its
        part of each mini-batch, before weights and slots are averaged (local SGD): a K-th of the messages,
        but other mathematics, which one process with the same `batch_size` does not repeat.
      ps: the address of each parameter server; none by default.
      job: "worker", or "ps" for a parameter server.
      synchronous: whether the workers make each step together, where there are parameter servers.

    Attributes:
      workers, index, timeout, local_steps, ps, job, synchronous: as given.
      is_chief: whether this process is worker 0.

    Raises:
      TypeError: an argument has another type than is listed.
      ValueError: an address that is not host:port or comes twice, a job that is not listed or has no address,
        or an index that is not of the list.

    Source: S. U. Stich, "Local SGD converges fast and communicates little", ICLR 2019 (local_steps).

    Example:
      >>> cluster = gk.Cluster(workers=["10.0.0.1:2222", "10.0.0.2:2222"], index=0)
      >>> cluster.is_chief
      True
    """

    def __init__(
        self,
        workers: Sequence[str],
        index: int,
        *,
        timeout: float = 300.0,
        local_steps: int = 1,
        ps: Sequence[str] = (),
        job: str = "worker",
        synchronous: bool = False,
    ) -> None:
        check = checks.Checker("Cluster")
        self.workers = addresses.check_addresses(check, "workers", workers)
        check.require(self.workers, "workers must have at least one address", workers=workers)
        self.ps = addresses.check_addresses(check, "ps", ps)
        twice = sorted({*self.workers} & {*self.ps})
        check.require(not twice, "workers and ps must have different addresses", twice=twice)
        self.job = check.choice("job", job, addresses.JOBS)
        check.require(self.ps or job != "ps", 'the job "ps" needs the addresses of parameter servers', ps=ps)
        self.index = check.integer("index", index, minimum=0)
        of_job, name = (self.ps, "parameter servers") if job == "ps" else (self.workers, "workers")
        rule = f"index must be the place of this process among the {len(of_job)} {name}, from 0"
        check.require(self.index < len(of_job), rule, index=index)
        self.timeout = check.number("timeout", timeout, above=0)
        self.local_steps = check.integer("local_steps", local_steps)
        rule = "local_steps must be 1 with parameter servers: the workers have no variables of their own"
        check.require(not self.ps or self.local_steps == 1, rule, local_steps=local_steps)
        rule = "synchronous must be a bool, and is for parameter servers: without them steps always are"
        check.require_type(isinstance(synchronous, bool), rule, synchronous=synchronous)
        check.require(self.ps or not synchronous, rule, synchronous=synchronous, ps=ps)
        self.synchronous = synchronous
        self.placement = placement.Placement(self.ps)

    @property
    def is_chief(self) -> bool:
        return self.job == "worker" and self.index == 0

    @property
    def size(self) -> int:
        """The number of workers."""
        return len(self.workers)

    def __repr__(self) -> str:
        servers = f", ps={list(self.ps)}, job={self.job!r}" if self.ps else ""
        return f"Cluster(workers={list(self.workers)}, index={self.index}{servers})"

    def device(self) -> Callable[[tf.Operation], str]:
        """Returns what `tf.compat.v1.device` takes, so that variables live on parameter servers.

        Variables that are made in the block are spread over the servers, each new one to the server that has
        the fewest bytes (`tf.compat.v1.train.replica_device_setter`); all else runs on this worker. Without
        parameter servers it changes nothing.

        Example:
          >>> cluster = gk.Cluster(["10.0.0.1:2222"], index=0, ps=["10.0.0.3:2222", "10.0.0.4:2222"])
          >>> with tf.compat.v1.device(cluster.device()):
          ...     logits = gk.dense(gk.feature_input(4), 3, name="logits")
          >>> sorted((v.op.name, v.device) for v in tf.compat.v1.trainable_variables())
          [('logits/bias', '/job:ps/task:1'), ('logits/kernel', '/job:ps/task:0')]
        """
        return self.placement.function(self.index if self.job == "worker" else 0)

    def partitioner(self, axis: int = 0) -> Callable[..., list[int]] | None:
        """Returns what `tf.compat.v1.variable_scope` takes, to spread parts of variables over all servers.

        So a table can be larger than the memory of one machine. A variable with fewer entries than servers
        along the axis has as many parts, one without the axis is left as it is. Without parameter servers it
        is None, which changes nothing. Parts are saved as slices of one entry of a checkpoint.

        Args:
          axis: the one that is divided, from 0.

        Raises:
          TypeError: the axis is not an integer.
          ValueError: the axis is negative.

        Example:
          >>> cluster = gk.Cluster(["10.0.0.1:2222"], index=0, ps=["10.0.0.3:2222", "10.0.0.4:2222"])
          >>> tokens = gk.token_input(8)
          >>> with tf.compat.v1.device(cluster.device()):
          ...     with tf.compat.v1.variable_scope("words", partitioner=cluster.partitioner()):
          ...         vectors = gk.embedding(tokens, 1001, 16)
          >>> [(v.shape.as_list(), v.device) for v in tf.compat.v1.trainable_variables()]
          [([501, 16], '/job:ps/task:0'), ([500, 16], '/job:ps/task:1')]
        """
        axis = checks.Checker("partitioner").integer("axis", axis, minimum=0)
        return placement.partitioner(len(self.ps), axis) if self.ps else None

    def for_trainer(self) -> Workers:
        """Returns the workers of a new trainer in this process; never returns in a parameter server."""
        if self.job == "ps":
            config = tf.compat.v1.ConfigProto(device_count={"GPU": 0})  # workers compute, and need the memory
            self.serve(config)
            parameter_servers.wait_for_end(self.index, self.ps[self.index])
        if self.ps:
            kind = synchronous_servers.Synchronous if self.synchronous else parameter_servers.Asynchronous
            return kind(self)
        if self.size == 1:
            return Workers()
        return (local_training.LocalSteps if self.local_steps > 1 else together.Together)(self)

    def configure(self, config: Any) -> Any:
        """Returns a session's configuration for this cluster."""
        made = tf.compat.v1.ConfigProto()
        made.CopyFrom(config)
        # A session sees the devices of this worker and of parameter servers, and so opens without the others.
        made.device_filters.append(f"/job:worker/task:{self.index}")
        made.operation_timeout_in_ms = int(1000 * self.timeout)
        if self.ps:
            made.device_filters.append("/job:ps")
            return made
        made.experimental.collective_group_leader = "/job:worker/replica:0/task:0"
        # The variables of a session are not those of another session of the same server.
        made.isolate_session_state = True
        return made

    def serve(self, config: Any) -> str:
        """Starts the server of this process, if it has none yet; returns the target of sessions."""
        check = checks.Checker("Trainer")
        description = (self.workers, self.ps, self.job, self.index)
        if servers:
            rule = "this process is a worker of another cluster already; a process has one server"
            check.require(servers[0][0] == description, rule, was=servers[0][0], now=description)
            return servers[0][1].target
        jobs = {"worker": list(self.workers), **({"ps": list(self.ps)} if self.ps else {})}
        name, address = f"{self.job} {self.index}", jobs[self.job][self.index]
        addresses.check_free(check, name, address)
        spec = tf.compat.v1.train.ClusterSpec(jobs)
        try:
            server = tf.compat.v1.train.Server(spec, job_name=self.job, task_index=self.index, config=config)
        except tf.errors.OpError as error:
            rule = f"{name} cannot start its server ({error.message})"
            raise OSError(check.message(rule, address=address)) from None
        servers.append((description, server))
        return server.target


def cluster_from_env(
    *, timeout: float = 300.0, local_steps: int = 1, synchronous: bool = False
) -> Cluster | None:
    """Returns the cluster that the environment variable TF_CONFIG describes, or None where it is not set.

    So one program trains alone, or with others where a launcher such as `scripts/launch.py` has set it.

    Args:
      timeout: see `Cluster`.
      local_steps: see `Cluster`.
      synchronous: see `Cluster`; ignored where TF_CONFIG has no parameter servers.

    Returns:
      A `Cluster`, or None.

    Raises:
      ValueError: TF_CONFIG is not `{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker",
        "index": 0}}`; a task "chief" counts as worker 0, and "ps" in the cluster lists parameter servers.
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
    ps = addresses.check_addresses(check, "TF_CONFIG's ps", found["ps"])
    check.require(workers, "TF_CONFIG must have a worker", TF_CONFIG=text)
    job, index = found["job"], found["index"]
    count = len(ps if job == "ps" else workers)
    rule = f"TF_CONFIG says that this is {job} {index}, but has {count} of them, counted from 0"
    check.require(index < count, rule, TF_CONFIG=text)
    settings: dict[str, Any] = {"timeout": timeout, "local_steps": local_steps}
    return Cluster(workers, index, ps=ps, job=job, synchronous=bool(ps) and synchronous, **settings)
