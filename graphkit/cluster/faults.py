"""What it means that a collective failed: which worker was lost, and how to go on."""

import logging
from typing import NoReturn

import tensorflow as tf

from graphkit import checks
from graphkit.running import addresses

logger = logging.getLogger("graphkit")

EXIT_CODE = 75  # EX_TEMPFAIL of sysexits.h: the same command may succeed when it is started again
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
        self.code = EXIT_CODE

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
    reasons = {name: addresses.why_not_reached(address) for name, address in others.items()}
    lost = [f"{name} ({others[name]}, {reason})" for name, reason in reasons.items() if reason]
    if lost:
        return f"{', '.join(lost)} was lost"
    names = ", ".join(f"{name} ({address})" for name, address in others.items())
    if isinstance(error, tf.errors.DeadlineExceededError):
        return f"no answer from {names} for {timeout:g} s"
    first = str(getattr(error, "message", error)).strip().splitlines()[0][:200]
    return f"the connection to {names} broke ({first})"
