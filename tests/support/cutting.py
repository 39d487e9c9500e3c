"""A relay before the API that cuts its answers after so many bytes, in good order or by a reset."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from cli.machine.ports import LOCALHOST

_RESET = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class CuttingRelay:
    """Hands on `most` bytes of each answer, or all where that is None; `carried` counts those of the last.

    Where `times` is said, so many connections are cut, and those that come later are not.
    """

    target: tuple[str, int]
    most: int | None = None
    times: int | None = None
    reset: bool = False
    carried: int = 0
    listener: socket.socket = field(default_factory=lambda: socket.create_server((LOCALHOST, 0)))

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{LOCALHOST}:{self.listener.getsockname()[1]}"

    def serve(self) -> None:
        """Carry each connection, until the listener is closed."""
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self.target)
            except OSError:
                near.close()
                continue
            threading.Thread(target=self._carry, args=(near, far, self._room()), daemon=True).start()

    def _room(self) -> int | None:
        """How many bytes the next connection hands on."""
        if self.times is None:
            return self.most
        self.times -= 1
        return self.most if self.times >= 0 else None

    def _carry(self, near: socket.socket, far: socket.socket, most: int | None) -> None:
        self.carried = 0
        with near, far, selectors.DefaultSelector() as ready:
            for end in (near, far):
                ready.register(end, selectors.EVENT_READ)
            while most is None or self.carried < most:
                for key, _ in ready.select():
                    try:
                        piece = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
                        if not piece:
                            return
                        if key.fileobj is near:
                            far.sendall(piece)
                            continue
                        piece = piece if most is None else piece[: most - self.carried]
                        self.carried += len(piece)
                        near.sendall(piece)
                    except OSError:
                        return
            if self.reset:
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


@contextmanager
def cutting(url: str) -> Iterator[CuttingRelay]:
    """A relay to the server at a URL."""
    where = urlsplit(url)
    relay = CuttingRelay((where.hostname or LOCALHOST, where.port or 80))
    thread = threading.Thread(target=relay.serve, daemon=True)
    thread.start()
    try:
        yield relay
    finally:
        relay.listener.shutdown(socket.SHUT_RDWR)
        relay.listener.close()
        thread.join()
