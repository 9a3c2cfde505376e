"""A session on the server of another process, which may be on another machine."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import tensorflow as tf

from graphkit import checks
from graphkit.running import addresses, growth, workers

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
        return config

    def start(self, session: Any, initializer: tf.Operation, facts: Mapping[str, Any]) -> None:
        try:
            session.run(initializer)
        except (tf.errors.NotFoundError, tf.errors.InvalidArgumentError) as error:
            if not any(text in error.message for text in OTHER_VERSION):
                raise
            lines = [
                line for line in error.message.splitlines() if line not in ("", "Graph execution error:")
            ]
            rule = f"the server {self.target} cannot run the graph; is its TensorFlow the {tf.__version__} "
            text = checks.Checker("Trainer").message(f"{rule}of this program? ({lines[0][:200]})")
            raise checks.GraphkitError(text) from error


class RemoteSession(growth.Session):
    """A session on a server, of which the errors say that the server was lost, and how to go on."""

    def __init__(self, target: str, graph: tf.Graph, config: Any) -> None:
        super().__init__(target, graph, config)
        self.address = target.removeprefix(PROTOCOL)
        self.seconds = config.operation_timeout_in_ms / 1000

    def run(self, *arguments: Any, **options: Any) -> Any:
        with self.explained():
            return super().run(*arguments, **options)

    def make_callable(self, *arguments: Any, **options: Any) -> Callable[..., Any]:
        call = super().make_callable(*arguments, **options)

        def explained(*values: Any) -> Any:
            with self.explained():
                return call(*values)

        return explained

    def close(self) -> None:
        with contextlib.suppress(*LOST):  # the session has ended with its server
            super().close()

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """In a block, turns an error of the connection into a `GraphkitError`."""
        try:
            yield
        except LOST as error:
            rule = (
                f"the server grpc://{self.address} was lost: {self.why_lost(error)}. Its variables are lost "
            )
            rule += "too: a new trainer goes on from the last checkpoint with resume=True"
            raise checks.GraphkitError(checks.Checker("Trainer").message(rule)) from error

    def why_lost(self, error: tf.errors.OpError) -> str:
        """Returns what is found at the address of the server."""
        reason = addresses.why_not_reached(self.address)
        if reason is None and isinstance(error, tf.errors.DeadlineExceededError):
            reason = (
                f"a run took longer than {self.seconds:g} s, see operation_timeout_in_ms of session_config"
            )
        return reason or "it was started again, and has lost the session"


def open_session(target: str, graph: tf.Graph, config: Any, remote: bool) -> tf.compat.v1.Session:
    """Returns an open session; `remote` says whether the target is a server elsewhere."""
    return (RemoteSession if remote else growth.Session)(target, graph, config)


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
        session = RemoteSession(target, tf.Graph(), config)
        try:
            session.list_devices()
        except (tf.errors.OpError, checks.GraphkitError):
            reason = f"something listens there, but did not answer as a server within {FIRST_SECONDS:g} s"
        session.close()
    if reason is not None:
        rule = f"no tf.compat.v1.train.Server answers at the target ({reason})"
        raise ConnectionError(check.message(rule, target=target))
