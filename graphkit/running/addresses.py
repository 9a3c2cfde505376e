"""Addresses "host:port": their form, and whether something answers there."""

import re
import socket

ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/]+):(\d{1,5})")
TRY_SECONDS = 2.0  # for one attempt to connect


def is_address(text: str) -> bool:
    """Whether a text is host:port, with a port from 1 to 65535."""
    match = ADDRESS.fullmatch(text)
    return match is not None and 0 < int(match[2]) < 1 << 16


def split(address: str) -> tuple[str, int]:
    """Returns the host and the port of an address."""
    host, port = address.rsplit(":", 1)
    return host.strip("[]"), int(port)


def why_not_reached(address: str, seconds: float = TRY_SECONDS) -> str | None:
    """Returns why nothing answers at an address, or None if something does."""
    host, port = split(address)
    try:
        socket.create_connection((host, port), timeout=max(seconds, 0.01)).close()
    except socket.gaierror:
        return f"the host {host!r} is not known"
    except TimeoutError:
        return "no answer"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return None
