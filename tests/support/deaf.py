"""A relay before a Postgres that hangs up at a commit: before it is handed on, or before its answer is."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from cli.machine.ports import LOCALHOST

_SAVES_A_JOB, _COMMIT = b"INSERT INTO jobs", b"COMMIT"


@dataclass(slots=True)
class DeafRelay:
    """Once armed it hangs up at the next commit that saves a job; where it `dies`, for good."""

    target: int
    lets_through: bool
    armed: bool = False
    dies: bool = False
    dead: bool = False
    listener: socket.socket = field(default_factory=lambda: socket.create_server((LOCALHOST, 0)))

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.listener.getsockname()[1])

    def serve(self) -> None:
        """Carry each connection, until the listener is closed."""
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            if self.dead:
                near.close()
                continue
            try:
                far = socket.create_connection((LOCALHOST, self.target))
            except OSError:
                near.close()
                continue
            threading.Thread(target=self._carry, args=(near, far), daemon=True).start()

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):  # Either end may hang up at any time.
            self._hand_on(near, far)

    def _hand_on(self, near: socket.socket, far: socket.socket) -> None:
        saves = False
        with near, far, selectors.DefaultSelector() as ready:
            ready.register(near, selectors.EVENT_READ, far)
            ready.register(far, selectors.EVENT_READ, near)
            while True:
                for key, _ in ready.select():
                    assert isinstance(key.fileobj, socket.socket)
                    piece = key.fileobj.recv(1 << 16)
                    if not piece or self.dead:
                        return
                    saves = saves or (key.fileobj is near and _SAVES_A_JOB in piece)
                    if self.armed and saves and key.fileobj is near and _COMMIT in piece:
                        self.armed, self.dead = False, self.dies
                        if self.lets_through:
                            far.sendall(piece)
                            far.recv(1 << 16)
                        return
                    key.data.sendall(piece)


@contextmanager
def deaf_to_commits(target: int, *, lets_through: bool) -> Iterator[DeafRelay]:
    """A relay to a port; `lets_through` says whether the commit at which it hangs up is made."""
    relay = DeafRelay(target, lets_through)
    thread = threading.Thread(target=relay.serve, daemon=True)
    thread.start()
    try:
        yield relay
    finally:
        relay.listener.shutdown(socket.SHUT_RDWR)
        relay.listener.close()
        thread.join()
