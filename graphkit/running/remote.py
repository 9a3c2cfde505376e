"""A session on the server of another process, which may be on another machine."""

from typing import Any

import tensorflow as tf

from graphkit import checks
from graphkit.running import addresses, workers

PROTOCOL = "grpc://"
FIRST_SECONDS = 10.0  # for the first answer of a server
SECONDS = 120.0  # for a run, unless the session_config says otherwise
LOST = (tf.errors.UnavailableError, tf.errors.DeadlineExceededError, tf.errors.AbortedError)
# What a server says of a graph that it cannot read.
OTHER_VERSION = ("Op type not registered", "NodeDef mentions attr", "GraphDef", "Attr", "signature")


class Remote(workers.Workers):
    """A single process that trains, whose session is on a server.

    Args:
      target: "grpc://host:port", where a server answers.
    """

    is_remote = True

    def __init__(self, target: str) -> None:
        self.target = target

    def configure(self, config: Any) -> Any:
        # Another session of the server has variables of its own, also where they have the same names.
        config.isolate_session_state = True
        # TensorFlow tries again for ever where a server is gone.
        config.operation_timeout_in_ms = config.operation_timeout_in_ms or int(1000 * SECONDS)
        self.seconds = config.operation_timeout_in_ms / 1000
        return config

    def initialize(self, session: Any, initializer: tf.Operation) -> None:
        check = checks.Checker("Trainer")
        try:
            session.run(initializer)
        except LOST as error:
            raise checks.GraphkitError(check.message(self.described(error))) from error
        except (tf.errors.NotFoundError, tf.errors.InvalidArgumentError) as error:
            if not any(text in error.message for text in OTHER_VERSION):
                raise
            raise checks.GraphkitError(check.message(self.refused(error))) from error

    def refused(self, error: tf.errors.OpError) -> str:
        """Returns what it means that the server cannot read the graph."""
        first = str(error.message).strip().splitlines()[0][:200]
        return (
            f"the server {self.target} cannot run the graph; is its TensorFlow the {tf.__version__} of this "
            f"program? ({first})"
        )

    def described(self, error: Exception) -> str:
        """Returns why the server was lost, and how to go on."""
        address = self.target.removeprefix(PROTOCOL)
        reason = addresses.why_not_reached(address)
        if reason is None and isinstance(error, tf.errors.DeadlineExceededError):
            reason = (
                f"a run took longer than {self.seconds:g} s, see operation_timeout_in_ms of session_config"
            )
        reason = reason or "it was started again, and has lost the session"
        return (
            f"the server {self.target} was lost: {reason}. Its variables are lost too: a new trainer goes on "
            "from the last checkpoint with resume=True"
        )

    def on_op_error(self, error: Exception) -> None:
        if isinstance(error, LOST):
            text = checks.Checker("fit").message(self.described(error))
            raise checks.GraphkitError(text) from error


def workers_of(
    check: checks.Checker, cluster: Any, target: Any, device: str, compute_dtype: str
) -> workers.Workers:
    """Returns the workers of a trainer: a cluster, or this process, with its session here or on a server."""
    if target is None:
        return workers.workers_of(check, cluster)
    check.require(cluster is None, "a trainer takes a cluster or a target, not both", target=target)
    rule = 'target must be "grpc://host:port", with a port from 1 to 65535, or None'
    check.require_type(isinstance(target, str), rule, target=target)
    address = target.removeprefix(PROTOCOL)
    check.require(target.startswith(PROTOCOL) and addresses.is_address(address), rule, target=target)
    rule = (
        "with a target the devices are those of its server; place ops with tf.device where the graph is built"
    )
    check.require(device == "auto", rule, device=device)
    rule = "with a target compute_dtype must be float32, since only this machine's processor is known"
    check.require(compute_dtype == "float32", rule, compute_dtype=compute_dtype)
    find(check, target, address)
    return Remote(target)


def find(check: checks.Checker, target: str, address: str) -> None:
    """Raises `ConnectionError` unless a server of TensorFlow answers at the target."""
    reason = addresses.why_not_reached(address)
    if reason is None:
        # Without a graph: this asks for no more than the server's devices.
        config = tf.compat.v1.ConfigProto(operation_timeout_in_ms=int(1000 * FIRST_SECONDS))
        session = tf.compat.v1.Session(target, graph=tf.Graph(), config=config)
        try:
            session.list_devices()
        except tf.errors.OpError:
            reason = f"something listens there, but did not answer as a server within {FIRST_SECONDS:g} s"
        close(session)
    if reason is not None:
        rule = f"no tf.compat.v1.train.Server answers at the target ({reason})"
        raise ConnectionError(check.message(rule, target=target))


def close(session: Any) -> None:
    """Closes a session, also one whose server is lost."""
    try:
        session.close()
    except tf.errors.OpError:  # it ends with the server
        return
