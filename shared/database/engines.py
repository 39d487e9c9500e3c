"""Engines and sessions for Postgres: an async one for the API, a sync one for workers and commands.

Make an engine after the fork, in the process that uses it. Only the session doors here commit.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from shared.database.bounded import SILENCE, BoundedConnection
from shared.database.lines import ask_where_in_doubt
from shared.errors import DatabaseUnavailable, SetupError

# A lock held longer than this is a bug; no statement of ours waits for minutes.
# Nor does a transaction of ours rest between two for long: a process that is frozen must let go of its locks.
_SESSION = (
    "-c lock_timeout=10s -c statement_timeout=60s -c idle_in_transaction_session_timeout=60s -c timezone=UTC"
)
# How long a request waits for a connection of the pool, and for the making of one.
_TURN, _GREETING = timedelta(seconds=3), timedelta(seconds=3)
# So long it takes, at most, until a transaction of an asyncio process has found out that Postgres is frozen.
SLOWEST_REFUSAL = _TURN + SILENCE + _GREETING


def async_engine(url: str, pool_size: int = 20) -> AsyncEngine:
    """An engine for an asyncio process. Raises SetupError if the URL is not one of Postgres.

    It opens `pool_size` connections at most, as they are needed, and keeps them.
    """
    options = _options(pool_size)
    options["connect_args"] |= {
        "connect_timeout": int(_GREETING.total_seconds()),
        "async_creator_fn": BoundedConnection.connect,
    }
    engine = create_async_engine(_psycopg(url), pool_timeout=_TURN.total_seconds(), **options)
    ask_where_in_doubt(engine.sync_engine)
    return engine


def sync_engine(url: str, pool_size: int = 8) -> Engine:
    """The same for threads and commands."""
    engine = create_engine(_psycopg(url), **_options(pool_size))
    ask_where_in_doubt(engine)
    return engine


def statement_by_statement(engine: AsyncEngine) -> AsyncEngine:
    """The same connections, for look-ups: each statement is a transaction of its own, also in a session.

    That is one trip to the server in place of three, and shows the same: in a transaction of ours, too, each
    statement sees what was committed before it.
    """
    return engine.execution_options(isolation_level="AUTOCOMMIT")


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """One transaction: commits at the end, rolls back when the body raises.

    Raises DatabaseUnavailable when Postgres does not answer.
    """
    try:
        with Session(engine, expire_on_commit=False) as session, session.begin():
            yield session
    except (OperationalError, InterfaceError, PoolExhausted) as error:
        raise DatabaseUnavailable(f"Postgres does not answer: {error}") from error


@asynccontextmanager
async def async_transaction(engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
    """One transaction of an asyncio process: commits at the end, rolls back when the body raises.

    A connection is taken from the pool at the first statement. Raises DatabaseUnavailable.
    """
    with _unavailable_where_lost():
        async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
            yield session


@asynccontextmanager
async def async_reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection for a plain look-up: rows, no objects, and half of what a session costs.

    What it changes is kept only on an engine of `statement_by_statement`. Raises DatabaseUnavailable.
    """
    with _unavailable_where_lost():
        async with engine.connect() as connection:
            yield connection


@contextmanager
def _unavailable_where_lost() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolExhausted) as error:
        raise DatabaseUnavailable("The database does not answer now. Try again in a few seconds.") from error


def _psycopg(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise SetupError(
            "GENEQUEUE_DATABASE_URL is not a URL. Write it as postgresql://user:password@host:5432/name."
        ) from None
    if parsed.get_backend_name() not in {"postgresql", "postgres"}:
        raise SetupError(
            f"GENEQUEUE_DATABASE_URL names {parsed.get_backend_name()!r}. GeneQueue runs on Postgres only: "
            "write it as postgresql://user:password@host:5432/name."
        )
    return parsed.set(drivername="postgresql+psycopg")


def _options(pool_size: int) -> dict[str, Any]:
    # Server-side prepared statements break behind transaction poolers such as PgBouncer.
    arguments = {"connect_timeout": 5, "options": _SESSION, "prepare_threshold": None}
    return {
        "pool_size": pool_size,
        "max_overflow": 0,  # making one costs Postgres more than a job does
        "json_serializer": orjson.dumps,
        "connect_args": arguments,
    }
