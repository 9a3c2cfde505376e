"""One of the workers of graphkit that train together, in a process of its own."""

import contextlib
import resource
import time
from pathlib import Path

import tensorflow as tf
from contenders import machine, networks

import graphkit as gk
from graphkit.cluster import addresses, collectives, together

WAIT_SECONDS = 60.0  # for the others to come, and in a run of steps
TIMED_SUMS = 20  # in one run
ROUNDS = 8  # runs, of which the fastest counts


class Meter(gk.Callback):
    """Takes what an epoch costs this process and the machine."""

    def __init__(self):
        self.starts, self.ends = [], []

    def on_epoch_start(self, trainer):
        self.starts.append(reading())

    def on_epoch_end(self, trainer, metrics):
        self.ends.append(reading())

    def epochs(self):
        """Returns for each epoch but the first {quantity: what it took}."""
        pairs = zip(self.starts[1:], self.ends[1:], strict=True)
        return [{name: end[name] - start[name] for name in start} for start, end in pairs]


def reading():
    """Returns the clock, the processor time of this process, and what the loopback device has sent."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    found = {"seconds": time.perf_counter(), "cpu": used.ru_utime + used.ru_stime}
    return found | dict(zip(("bytes", "packets"), loopback(), strict=True))


def loopback():
    """Returns the bytes and packets that the loopback device has sent since it exists."""
    for line in Path("/proc/net/dev").read_text().splitlines():
        name, _, numbers = line.partition(":")
        if name.strip() == "lo":
            sent = numbers.split()[8:10]  # after eight numbers of what was received
            return int(sent[0]), int(sent[1])
    raise OSError("/proc/net/dev lists no loopback device")


def train(folder, sums):
    """Trains a problem together with the other workers.

    Args:
      folder: of the problem.
      sums: whether gradients are summed over the workers; else each multiplies its own instead, so that all
        but the collective is as it was.

    Returns:
      {"epochs": see `Meter.epochs`, "loss": of the last epoch, "weights": number of weights}.
    """
    if not sums:
        together.Together.add = lambda worker, tensor: tensor * tf.cast(worker.size, tensor.dtype)
    problem, meter = networks.Problem.load(folder), Meter()
    config = machine.run_config(problem)
    with tf.Graph().as_default():
        network = gk.runs.build_network(config)
        with gk.runs.make_trainer(
            config, network, cluster=gk.cluster_from_env(timeout=WAIT_SECONDS)
        ) as trainer:
            history = trainer.fit(
                {network.inputs: problem.examples, network.labels: problem.labels},
                feed={network.keep_prob: config.keep_prob},
                epochs=problem.epochs,
                batch_size=config.batch_size,
                callbacks=[meter],
                execution="resident",  # the fastest one that workers share with a process that trains alone
                progress=False,
            )
            weights = sum(v.shape.num_elements() for v in tf.compat.v1.trainable_variables())
    return {"epochs": meter.epochs(), "loss": float(history["loss"][-1]), "weights": weights}


def time_sums(numbers):
    """Returns {"seconds": of a sum over all workers of as many float32, for each of the numbers}."""
    cluster = gk.cluster_from_env(timeout=WAIT_SECONDS)
    config = cluster.configure(tf.compat.v1.ConfigProto())
    target = cluster.serve(config)
    others = addresses.numbered("worker", cluster.workers, without=[cluster.index])
    if missing := addresses.wait_for(others, cluster.timeout, print):
        raise TimeoutError(missing)
    keys = collectives.new_keys()
    with tf.Graph().as_default():
        runs = [repeated_sum(count, cluster.size, keys) for count in numbers]
        with tf.compat.v1.Session(target, config=config) as session:
            session.run(tf.compat.v1.global_variables_initializer())
            times = [seconds_of(session, run) / TIMED_SUMS for run in runs]
            # Who has begun this sum has received all before it. One that has ended it may be gone.
            with contextlib.suppress(tf.errors.OpError):
                session.run(runs[0])
            return {"seconds": times}


def repeated_sum(count, size, keys):
    """Returns a tensor whose evaluation sums a vector over all workers TIMED_SUMS times."""
    vector = tf.compat.v1.get_variable(f"vector{count}", (count,), initializer=tf.zeros_initializer())

    def body(number, total):
        return number + 1, collectives.all_reduce(total + 1, size, keys)

    start = (0, vector.read_value())
    _, total = tf.while_loop(lambda number, _: number < TIMED_SUMS, body, start, parallel_iterations=1)
    return total[0]


def seconds_of(session, run):
    times = []
    for _ in range(1 + ROUNDS):
        started = time.perf_counter()
        session.run(run)
        times.append(time.perf_counter() - started)
    return min(times[1:])
