"""An API process on a listening socket that it is handed: `python -m tests.system.chaos.serve DESK LINGER`.

Several processes accept from one socket, which whoever made it keeps open: a connection that none of them
has taken yet waits in its queue and is never refused. A process that is to end stops accepting, lingers
until what it has accepted was read, and then ends as uvicorn does.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from pathlib import Path

import uvicorn

_DOWNLOADS_SECONDS = 20


class LingeringServer(uvicorn.Server):
    """A uvicorn that does not hang up on connections whose request is still on its way."""

    linger = 0.5

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting; linger; end."""
        for server in self.servers:
            server.close()
        await asyncio.sleep(self.linger)
        await super().shutdown(sockets)


class Desk:
    """Hands the listening socket to every process that comes to `where`."""

    def __init__(self, where: Path, listener: socket.socket) -> None:
        self._desk = socket.socket(socket.AF_UNIX)
        self._desk.bind(str(where))
        self._desk.listen()
        self._thread = threading.Thread(target=self._hand_out, args=(listener,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hand out no more."""
        self._desk.shutdown(socket.SHUT_RDWR)
        self._desk.close()
        self._thread.join()

    def _hand_out(self, listener: socket.socket) -> None:
        while True:
            try:
                visitor, _ = self._desk.accept()
            except OSError:
                return
            with visitor:
                socket.send_fds(visitor, [b"!"], [listener.fileno()])


def received(where: str) -> socket.socket:
    """The listening socket that is handed out at `where`."""
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.connect(where)
        _, (descriptor,), _, _ = socket.recv_fds(visitor, 1, 1)
    return socket.socket(fileno=descriptor)


def main(where: str, linger: str) -> None:
    """Serve until SIGTERM."""
    config = uvicorn.Config(
        "api.main:create_app",
        factory=True,
        access_log=False,
        timeout_graceful_shutdown=_DOWNLOADS_SECONDS,
    )
    server = LingeringServer(config)
    server.linger = float(linger)
    server.run(sockets=[received(where)])


if __name__ == "__main__":
    main(*sys.argv[1:])
