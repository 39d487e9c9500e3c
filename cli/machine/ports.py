"""TCP ports of this machine: is one free, and which one does a folder's server use."""

from __future__ import annotations

import errno
import random
import socket
from itertools import islice
from pathlib import Path

from shared.errors import SetupError

LOCALHOST = "127.0.0.1"
_BACKLOG = 2048  # connections that may wait until a process takes them
# Below the range that Linux and macOS hand to outgoing connections, so that a server that
# was restarted finds its port free.
_RANGE = range(20_000, 32_000)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket for others to inherit: while it is open, a connection that nobody takes yet waits.

    Raises SetupError, with the remedy, if nothing can listen there.
    """
    try:
        return _bound(host, port, backlog=_BACKLOG)
    except socket.gaierror as error:
        raise SetupError(
            f"The host {host!r} is unknown. Choose another with --host, e.g. 127.0.0.1."
        ) from error
    except OSError as error:
        raise SetupError(_why_not(host, port, error)) from error


def remembered_port(file: Path) -> int:
    """The port written in `file`; a free one is chosen, and remembered there, if it is new or taken."""
    if file.exists():
        port = int(file.read_text())
        if is_free(LOCALHOST, port):
            return port
    (port,) = free_ports(1, seed=str(file.resolve()))
    file.write_text(f"{port}\n")
    return port


def free_ports(count: int, seed: str | None = None) -> list[int]:
    """Different free ports of this machine; different seeds look in different places first."""
    candidates = random.Random(seed).sample(_RANGE, k=count + 200)
    found = list(islice((port for port in candidates if is_free(LOCALHOST, port)), count))
    if len(found) < count:
        raise SetupError(f"No free port was found between {_RANGE.start} and {_RANGE.stop} on {LOCALHOST}.")
    return found


def is_free(host: str, port: int) -> bool:
    """Whether something could listen there now."""
    try:
        _bound(host, port).close()
    except OSError:
        return False
    return True


def _bound(host: str, port: int, *, backlog: int | None = None) -> socket.socket:
    """A socket of that address; with a backlog, a listening one."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    made = socket.socket(family, kind, protocol)
    try:
        # As servers do: a closed connection that lingers is no obstacle.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        if backlog is not None:
            made.listen(backlog)
    except OSError:
        made.close()
        raise
    return made


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is taken. Stop what uses it, or choose another with --port."
    if error.errno == errno.EACCES:
        return f"Port {port} may be used by root only. Choose one above 1023 with --port."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"This machine has no address {host}. Choose another with --host, e.g. 127.0.0.1."
    return f"Nothing can listen on {host}:{port}: {error.strerror}. Choose another with --port."
