"""Whether a pooled connection still has somebody at its other end, without asking each time.

A server that ends hangs up, and that lies unread in the socket; what a firewall forgot leaves no such trace.
"""

from __future__ import annotations

import select
import time
from datetime import timedelta

from psycopg import Error
from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

# No firewall forgets a line sooner.
_TRUSTED = timedelta(seconds=30)
_RESTS_SINCE = "rests_since"


def ask_where_in_doubt(engine: Engine) -> None:
    """Before a connection is used again, ask the server whether it is there, if there is any doubt.

    Where it is not, that connection and all that are as old are made anew; the caller does not notice.
    """

    def rests(_: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
        entry.info[_RESTS_SINCE] = time.monotonic()

    def taken(connection: DBAPIConnection, entry: ConnectionPoolEntry, _: PoolProxiedConnection) -> None:
        if not _in_doubt(entry):
            return
        try:
            engine.dialect.do_ping(connection)
        except Error as error:
            raise InvalidatePoolError from error

    event.listen(engine, "checkin", rests)
    event.listen(engine, "checkout", taken)


def _in_doubt(entry: ConnectionPoolEntry) -> bool:
    """Whether it rested for long, or something came that nobody asked for. A new one is in no doubt."""
    if _RESTS_SINCE not in entry.info:
        return False
    rested = time.monotonic() - entry.info[_RESTS_SINCE]
    return rested > _TRUSTED.total_seconds() or _has_said_something(entry)


def _has_said_something(entry: ConnectionPoolEntry) -> bool:
    assert entry.driver_connection is not None
    unread = select.poll()
    unread.register(entry.driver_connection.pgconn.socket, select.POLLIN)
    return bool(unread.poll(0))
