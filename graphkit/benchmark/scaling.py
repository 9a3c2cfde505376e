"""How training scales with the workers of one machine: `graphkit benchmark --workers 1 2 3`.

All numbers of workers train the same problem with the same mini-batches, in turn (1 2 3 1 2 3 ...), in
processes that talk through 127.0.0.1. Each training is made once more with a multiplication in place of each
sum over the workers, in the same loop: the difference is the time of the collective. The workers share one
machine's cores and memory, so that the seconds are not those of several machines; bytes and sums are.
"""

import collections
import statistics

from graphkit import checks, sizes
from graphkit.benchmark import processes
from graphkit.cluster import programs

COLUMNS = (
    f"{'workers':>8}{'us/step':>10}{'examples/s':>12}{'ratio':>8}{'bytes':>14}{'packets':>9}{'CPU us':>10}"
    f"{'collective':>12}{'predicted':>11}{'loss':>10}"
)


def measure(counts, folder, *, rounds, timeout, batch_size, examples):
    """Returns {number of workers: its row}.

    Args:
      counts: numbers of workers; a single process is always measured, as all others are compared with it.
      folder: of the `networks.Problem`.
      rounds: how many times each is trained.
      timeout: seconds of a training.
      batch_size: examples in a mini-batch of all workers.
      examples: number of examples that are trained on.
    """
    reports: dict[tuple, list] = collections.defaultdict(list)
    for _ in range(rounds):
        for count in sorted({1, *counts}):
            reports[count, True].append(run(count, "train", {"folder": folder, "sums": True}, timeout))
            if count > 1:
                reports[count, False].append(run(count, "train", {"folder": folder, "sums": False}, timeout))
                numbers = [1, reports[1, True][0][0]["weights"]]
                reports[count, "sums"].append(run(count, "time_sums", {"numbers": numbers}, timeout))
    steps = -(-examples // batch_size)
    rows = {count: row(count, reports, steps) for count in sorted({1, *counts})}
    return {n: row | {"examples_per_second": 1e6 * examples / (row["us"] * steps)} for n, row in rows.items()}


def run(count, function, options, timeout):
    """Returns the reports of workers that each call a function of `worker`."""
    job = {"module": "worker", "function": function, "options": options}
    try:
        return processes.run_together(job, environments(count), timeout=timeout)
    except processes.FailedError as error:
        raise checks.GraphkitError(f"{count} workers: {error}") from None


def environments(count):
    """Returns for each worker the environment variables that make it one; a single process has none."""
    if count == 1:
        return [{"TF_CONFIG": ""}]
    addresses = [f"127.0.0.1:{port}" for port in programs.free_ports(count)]
    cluster = {"worker": addresses}
    return [{"TF_CONFIG": programs.task_config(cluster, "worker", index)} for index in range(count)]


def epochs(rounds):
    """Returns the timed epochs of all rounds: {quantity: what it took}, the processor time of all workers.

    The epoch takes as long as the worker that takes longest: without sums they do not wait for each other.
    """
    found = []
    for reports in rounds:
        for of_all in zip(*(report["epochs"] for report in reports), strict=True):
            longest = max(of_all, key=lambda epoch: epoch["seconds"])
            found.append(longest | {"cpu": sum(epoch["cpu"] for epoch in of_all)})
    return found


def step_us(found, steps):
    """Returns the microseconds of a step in the fastest epoch, which other programs disturb least."""
    return 1e6 * min(epoch["seconds"] for epoch in found) / steps


def row(count, reports, steps):
    """Returns what a number of workers takes for a step: the fastest time, medians of all else."""
    alone, timed = epochs(reports[1, True]), epochs(reports[count, True])
    us = step_us(timed, steps)
    found = {
        "us": us,
        "ratio": us / step_us(alone, steps),
        "cpu_us": 1e6 * statistics.median(epoch["cpu"] for epoch in timed) / steps,
        "loss": reports[count, True][0][0]["loss"],
    }
    if count == 1:
        return found | {"bytes": 0.0, "packets": 0.0, "collective": 0.0}
    for name in ("bytes", "packets"):
        # A process that trains alone sends nothing: what passes meanwhile is of other programs.
        idle = statistics.median(epoch[name] / epoch["seconds"] for epoch in alone)
        found[name] = statistics.median(epoch[name] - idle * epoch["seconds"] for epoch in timed) / steps
    without = step_us(epochs(reports[count, False]), steps)
    found |= {"collective": max(0.0, 1 - without / us), "without_us": without}
    return found | prediction(count, reports, without)


def prediction(count, reports, without_us):
    """Returns latency and bandwidth of sums over the workers, and the time of a step that they predict."""
    weights = reports[1, True][0][0]["weights"]
    short, long = (
        min(max(report["seconds"][place] for report in of_all) for of_all in reports[count, "sums"])
        for place in (0, 1)
    )
    latency = short / (2 * (count - 1))
    bandwidth = 2 * (count - 1) / count * 4 * weights / max(long - short, 1e-9)
    seconds = sizes.cluster_step_seconds(
        without_us / 1e6, 4 * weights, workers=count, bandwidth=bandwidth, latency=latency
    )
    return {"latency": latency, "bandwidth": bandwidth, "predicted_us": 1e6 * seconds}


def show(model, rows):
    """Prints the table of one model."""
    print(f"\n{model}\n{COLUMNS}")
    for count, row in rows.items():
        predicted = f"{row['predicted_us']:>11,.0f}" if "predicted_us" in row else f"{'':11}"
        print(
            f"{count:>8}{row['us']:>10,.0f}{row['examples_per_second']:>12,.0f}{row['ratio']:>8.3f}"
            f"{row['bytes']:>14,.0f}{row['packets']:>9,.0f}{row['cpu_us']:>10,.0f}{row['collective']:>12.1%}"
            f"{predicted}{row['loss']:>10.4f}"
        )
    for count, row in rows.items():
        if count > 1:
            print(
                f"{count} workers: a sum of one number takes {2e6 * (count - 1) * row['latency']:,.0f} us, "
                f"so a message {1e6 * row['latency']:,.0f} us; a sum of all gradients goes at "
                f"{row['bandwidth'] / 1e9:.2f} GB/s"
            )
