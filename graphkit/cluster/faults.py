"""What it means that a collective failed: which worker was lost, and how to go on."""

import logging
import re
import time
from typing import NoReturn

import tensorflow as tf

from graphkit import checks
from graphkit.cluster import programs
from graphkit.running import addresses

logger = logging.getLogger("graphkit")

ENDING_SECONDS = 2.0  # for which a process that has lost its connections may still answer
SAYS_NOTHING = ("", "Graph execution error:")  # lines of TensorFlow's messages
LOST = (
    tf.errors.UnavailableError,
    tf.errors.DeadlineExceededError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
)


class WorkerLostError(checks.GraphkitError, SystemExit):
    """Raised when another worker of the cluster ended, does not come or does not answer.

    TensorFlow's collectives cannot be repaired in a living process: all workers must be started again, and
    resume from the last checkpoint. A program that does not catch this error ends with exit code 75, by which
    `scripts/launch.py` and other launchers know that starting it again makes sense.

    Attributes:
      code: 75, the exit code of the process.

    Example:
      >>> issubclass(gk.WorkerLostError, gk.GraphkitError), gk.WorkerLostError("worker 1 was lost").code
      (True, 75)
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.code = programs.LOST

    def __str__(self) -> str:
        return str(self.args[0])


def lose(text: str, cause: BaseException | None = None) -> NoReturn:
    """Logs and raises the error: a process that it ends shows no other message."""
    logger.error("%s", text)
    raise WorkerLostError(text) from cause


def is_loss(error: Exception) -> bool:
    """Whether an error of a session means that another worker was lost."""
    return isinstance(error, LOST) or "ollective" in str(error)


def described(error: Exception, others: dict[str, str], timeout: float) -> str:
    """Returns which of the other workers were lost, and how that was noticed.

    Args:
      error: of the session.
      others: {name: address} of the other workers.
      timeout: seconds after which a worker that is silent counts as lost.
    """
    message = str(getattr(error, "message", error))
    is_silent = isinstance(error, tf.errors.DeadlineExceededError)
    reasons = why_not_reached(others, 0 if is_silent else ENDING_SECONDS)
    if not any(reasons.values()):
        reasons |= {name: "its connection broke" for name in named(message) if name in others}
    lost = [f"{name} ({others[name]}, {reason})" for name, reason in reasons.items() if reason]
    if lost:
        return f"{', '.join(lost)} was lost"
    names = ", ".join(f"{name} ({address})" for name, address in others.items())
    if is_silent:
        return f"no answer from {names} for {timeout:g} s"
    first = next((line for line in message.splitlines() if line.strip() not in SAYS_NOTHING), "")
    return f"the connection to {names} broke ({first[:200]})"


def why_not_reached(others: dict[str, str], seconds: float) -> dict[str, str | None]:
    """Returns why each of the others is not reached, or None; one that ends may still answer for a moment."""
    end = time.monotonic() + seconds
    while True:
        reasons = {name: addresses.why_not_reached(address) for name, address in others.items()}
        if any(reasons.values()) or time.monotonic() >= end:
            return reasons
        time.sleep(0.05)


def named(message: str) -> list[str]:
    """Returns the processes, such as "ps 0", that an error of TensorFlow says it could not reach."""
    found = re.findall(r"remote target /job:(\w+)/replica:0/task:(\d+)", message)
    return [f"{job} {number}" for job, number in found]
