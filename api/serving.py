"""An API process as callers see it come and go: it says when it serves, and ends without an error for them.

Knows uvicorn and its connections; nothing of routes, rows or settings.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import uvicorn
from fastapi import FastAPI

# Longer than proxies and clients keep a connection for its next request, so that they close it, not we:
# a request may be on its way to a server that closes.
_KEEP_ALIVE_SECONDS = 75
_LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Place:
    """Where to listen: an inherited listening socket by its file descriptor, else a host and a port."""

    host: str = "127.0.0.1"
    port: int = 8000
    descriptor: int | None = None

    def sockets(self) -> list[socket.socket] | None:
        """What uvicorn is given; None where it listens by itself. Raises OSError if it is no socket."""
        return None if self.descriptor is None else [socket.socket(fileno=self.descriptor)]


@dataclass(frozen=True, slots=True)
class Farewell:
    """How a process ends, step by step.

    For `notice` it still takes connections, while readiness says no: a balancer looks elsewhere. Then it
    takes none; those that are open may still ask: one that has asked before for `linger`, one that is new for
    `first`, since its request is on its way. What is being answered gets `grace`.
    """

    notice: timedelta = timedelta(0)
    linger: timedelta = timedelta(seconds=5)
    first: timedelta = timedelta(seconds=10)
    grace: timedelta = timedelta(seconds=30)


class Server(uvicorn.Server):
    """A uvicorn that announces itself on `ready_descriptor`, and ends as its `farewell` says."""

    def __init__(
        self,
        app: FastAPI,
        place: Place,
        farewell: Farewell,
        leave: Callable[[], None],
        ready_descriptor: int | None = None,
    ) -> None:
        """`leave` has the app end its waits and say that it is not ready."""
        config = uvicorn.Config(
            app,
            place.host,
            place.port,
            log_config=None,
            access_log=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=round(farewell.grace.total_seconds()),
        )
        super().__init__(config)
        self._farewell, self._leave, self._ready_descriptor = farewell, leave, ready_descriptor

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the app, listen, then say so: one newline, as s6 and its like read it."""
        await super().startup(sockets)
        _hold_for_good()
        if self._ready_descriptor is not None:
            os.write(self._ready_descriptor, b"\n")
            os.close(self._ready_descriptor)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let nobody wait, stop accepting, answer what open connections ask, then end as uvicorn does."""
        self._leave()
        self._close_behind_every_answer()
        await asyncio.sleep(self._farewell.notice.total_seconds())
        for server in self.servers:
            server.close()
        await self._let_open_connections_ask()
        await super().shutdown(sockets)

    def _close_behind_every_answer(self) -> None:
        """From now on answers say `Connection: close`, those under way too if they have not begun."""
        self.server_state.default_headers = [*self.server_state.default_headers, (b"connection", b"close")]
        for connection in self.server_state.connections:
            if not _is_idle(connection):
                connection.shutdown()

    async def _let_open_connections_ask(self) -> None:
        """Wait while some connection is open and asks nothing, as long as the farewell allows."""
        began, farewell = time.monotonic(), self._farewell
        while (waited := timedelta(seconds=time.monotonic() - began)) < max(farewell.first, farewell.linger):
            await asyncio.sleep(_LOOK_SECONDS)
            connections = self.server_state.connections
            coming = waited < farewell.first and any(map(_is_new, connections))
            if not coming and not (waited < farewell.linger and any(map(_is_idle, connections))):
                return


def _hold_for_good() -> None:
    """What an open app has stays to the end; a search for garbage in it stops every answer for 0.2 s."""
    gc.collect()
    gc.freeze()


def _is_new(connection: object) -> bool:
    """Whether no request has come yet: who connects is about to ask."""
    return getattr(connection, "cycle", None) is None


def _is_idle(connection: object) -> bool:
    """Whether no request of a connection is being answered: it is new, or between two requests."""
    cycle = getattr(connection, "cycle", None)
    return cycle is None or cycle.response_complete
