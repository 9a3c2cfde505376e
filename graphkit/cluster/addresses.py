"""The addresses of workers: read from TF_CONFIG, checked, tried and waited for."""

import json
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from graphkit import checks
from graphkit.running.addresses import TRY_SECONDS, is_address, split, why_not_reached

PAUSE = 0.1  # seconds between two rounds of attempts
JOBS = ("worker", "ps")


def read_config(check: checks.Checker, text: str) -> dict[str, Any]:
    """Returns {"workers": addresses, "ps": addresses, "job": name, "index": number} of a TF_CONFIG.

    A task "chief" counts as worker 0, as in `tf.distribute`.
    """
    rule = 'TF_CONFIG must be {"cluster": {"worker": ["host:port", ...]}, '
    rule += '"task": {"type": "worker", "index": 0}}'
    try:
        config = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(check.message(f"{rule}; it is not JSON ({error})", TF_CONFIG=text)) from None
    parts = [config.get(name) if isinstance(config, dict) else None for name in ("cluster", "task")]
    cluster, task = [part if isinstance(part, dict) else {} for part in parts]
    check.require(cluster and {"type", "index"} <= task.keys(), rule, TF_CONFIG=config)
    unknown = sorted(set(cluster) - {"chief", *JOBS})
    check.require(not unknown, "TF_CONFIG may name the jobs chief, worker and ps", jobs=unknown)
    chief, workers = list(cluster.get("chief", ())), list(cluster.get("worker", ()))
    job, index = task["type"], task["index"]
    check.require(job in ("chief", *JOBS), "the task's type must be chief, worker or ps", type=job)
    check.require(job != "chief" or chief, "the task is chief, but the cluster has none", cluster=cluster)
    if isinstance(index, str) and index.isdecimal():
        index = int(index)  # schedulers hand on what they have as text
    index = check.integer("the task's index", index, minimum=0)
    index += len(chief) if job == "worker" else 0
    return {
        "workers": [*chief, *workers],
        "ps": list(cluster.get("ps", ())),
        "job": "ps" if job == "ps" else "worker",
        "index": index,
    }


def check_addresses(check: checks.Checker, name: str, addresses: Any) -> tuple[str, ...]:
    """Returns "host:port" addresses, all different."""
    rule = f'{name} must be a list of "host:port"'
    check.require_type(isinstance(addresses, (list, tuple)), rule, **{name: addresses})
    for place, address in enumerate(addresses):
        check.require_type(isinstance(address, str), rule, **{f"{name}[{place}]": address})
        check.require(
            is_address(address), f"{rule}, with a port from 1 to 65535", **{f"{name}[{place}]": address}
        )
    twice = sorted({address for address in addresses if list(addresses).count(address) > 1})
    check.require(not twice, f"{name} must have different addresses", twice=twice)
    return tuple(addresses)


def check_free(check: checks.Checker, name: str, address: str) -> None:
    """Raises `OSError` if the port of an address is taken on this machine."""
    _, port = split(address)
    with socket.socket(socket.AF_INET6 if socket.has_ipv6 else socket.AF_INET) as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            free.bind(("", port))
        except OSError as error:
            rule = (
                f"{name} cannot listen on its port ({(error.strerror or '').lower()}): end the process that "
            )
            raise OSError(check.message(f"{rule}does, or take another port", address=address)) from None


def wait_for(missing: Mapping[str, str], timeout: float, say: Callable[[str], None]) -> str | None:
    """Waits until something answers at all addresses; returns the names of those where nothing did, or None.

    Args:
      missing: {name of a worker: its address}.
      timeout: seconds to wait.
      say: function (text), called once if some do not answer at once.
    """
    end, told = time.monotonic() + timeout, False
    while True:
        reasons = {name: why_not_reached(a, min(TRY_SECONDS, timeout)) for name, a in missing.items()}
        missing = {name: address for name, address in missing.items() if reasons[name]}
        if not missing:
            return None
        text = ", ".join(f"{name} ({address}, {reasons[name]})" for name, address in missing.items())
        if time.monotonic() >= end:
            return text
        if not told:
            say(f"waiting up to {timeout:g} s for {text}")
            told = True
        time.sleep(PAUSE)


def numbered(job: str, addresses: Sequence[str], without: Iterable[int] = ()) -> dict[str, str]:
    """Returns {"worker 0": address, ...}."""
    left_out = set(without)
    return {f"{job} {i}": address for i, address in enumerate(addresses) if i not in left_out}
