"""A connection that gives up when Postgres says nothing for too long.

A server that is gone closes its sockets; one that is frozen keeps them, and would be waited for without end.
"""

from __future__ import annotations

import asyncio
import os
import socket
from datetime import timedelta
from typing import Any, TypeVar

from psycopg import AsyncConnection
from psycopg.abc import PQGen
from psycopg.rows import TupleRow

T = TypeVar("T")

# Longer than a lock is waited for, so that a lock has its own error.
SILENCE = timedelta(seconds=11)


class BoundedConnection(AsyncConnection[TupleRow]):
    """Waits `SILENCE` at most for each answer of the server, then hangs up: that raises OperationalError."""

    async def wait(self, gen: PQGen[T], *arguments: Any, **options: Any) -> T:
        """What the server answers."""
        late = asyncio.get_running_loop().call_later(SILENCE.total_seconds(), self._hang_up)
        try:
            return await super().wait(gen, *arguments, **options)
        finally:
            late.cancel()

    def _hang_up(self) -> None:
        # The descriptor stays libpq's own: it reads the end of the stream, and says so as of any lost server.
        with socket.socket(fileno=os.dup(self.pgconn.socket)) as line:
            line.shutdown(socket.SHUT_RDWR)
