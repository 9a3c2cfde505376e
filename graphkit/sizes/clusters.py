"""The time of a training step of several workers that sum their gradients over a network."""

from graphkit import checks

__all__ = ["cluster_step_seconds"]


def cluster_step_seconds(
    compute_seconds: float,
    gradient_bytes: float,
    *,
    workers: int,
    bandwidth: float,
    latency: float,
) -> float:
    """Returns the seconds of a step of several workers, whose gradients are summed along a ring.

    Each worker sends and receives 2 (workers - 1) messages of 1 / workers of the gradients, one after the
    other. This is an upper bound: `gk.Cluster` sends large gradients while others are being computed.

    Args:
      compute_seconds: what the slowest worker takes to compute the gradients of its part of the mini-batch,
        and the update.
      gradient_bytes: of all gradients: 4 for each weight in float32.
      workers: number of workers.
      bandwidth: bytes per second that a worker can send while it receives as many; 10 Gbit/s are 1.25e9.
      latency: seconds that a message without content takes, with the program's own work for it.

    Returns:
      A float.

    Raises:
      TypeError: an argument is not a number.
      ValueError: a number is negative, the bandwidth is 0, or there is no worker.

    Formula, for W workers:
      compute_seconds + 2 (W - 1) / W * gradient_bytes / bandwidth + 2 (W - 1) * latency

    Source: P. Patarasuk, X. Yuan, "Bandwidth optimal all-reduce algorithms for clusters of workstations",
      Journal of Parallel and Distributed Computing 69 (2009).

    Example:
      >>> size = 4 * 3_274_634  # of the gradients of gk.convnet
      >>> seconds = gk.sizes.cluster_step_seconds(0.03, size, workers=8, bandwidth=1.25e9, latency=2e-4)
      >>> round(seconds, 4)
      0.0511
    """
    check = checks.Checker("cluster_step_seconds")
    compute_seconds = check.number("compute_seconds", compute_seconds, at_least=0)
    gradient_bytes = check.number("gradient_bytes", gradient_bytes, at_least=0)
    workers = check.integer("workers", workers, minimum=1)
    bandwidth = check.number("bandwidth", bandwidth, above=0)
    latency = check.number("latency", latency, at_least=0)
    sent = 2 * (workers - 1) / workers * gradient_bytes
    return compute_seconds + sent / bandwidth + 2 * (workers - 1) * latency
