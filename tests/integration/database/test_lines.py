"""Pooled connections whose other end went away while they rested."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
import pytest
from sqlalchemy import Engine, Executable, Integer, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database.engines import (
    async_engine,
    async_reading,
    async_transaction,
    statement_by_statement,
    sync_engine,
    transaction,
)
from shared.database.queries.keys import ensure_workspace
from shared.database.tables import Workspace

_OWN = select(func.pg_backend_pid(type_=Integer))
_LINES = 3


def hang_up(database_url: str, backends: set[int]) -> None:
    """Has Postgres end these backends, as it ends all of them when it is started again."""
    plain = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as other:
        for backend in backends:
            other.execute("SELECT pg_terminate_backend(%s, 60000)", [backend])


async def fail_after(engine: AsyncEngine, statement: Executable) -> None:
    async with async_transaction(engine) as session:
        await session.execute(statement)
        raise RuntimeError


def at_once(engine: Engine) -> set[int]:
    """The backends of some transactions that are open at the same time."""
    together = Barrier(_LINES)

    def own(_: int) -> int:
        with transaction(engine) as session:
            together.wait(60)
            return session.scalars(_OWN).one()

    with ThreadPoolExecutor(_LINES) as pool:
        return set(pool.map(own, range(_LINES)))


def test_lines_that_the_server_closed_while_they_rested_are_made_anew_and_nobody_notices(
    database_url: str,
) -> None:
    engine = sync_engine(database_url)
    before = at_once(engine)
    hang_up(database_url, before)
    after = at_once(engine)
    engine.dispose()
    assert len(before) == len(after) == _LINES
    assert not before & after


def test_so_they_are_in_an_asyncio_process(database_url: str) -> None:
    async def own(engine: AsyncEngine) -> set[int]:
        async with async_transaction(engine) as one, async_reading(engine) as other:
            return {(await one.scalars(_OWN)).one(), (await other.execute(_OWN)).scalar_one()}

    async def both() -> tuple[set[int], set[int]]:
        engine = async_engine(database_url)
        before = await own(engine)
        await asyncio.to_thread(hang_up, database_url, before)
        after = await own(engine)
        await engine.dispose()
        return before, after

    before, after = asyncio.run(both())
    assert len(before) == len(after) == 2
    assert not before & after


def test_a_connection_on_which_statements_stood_alone_has_transactions_again(database_url: str) -> None:
    """One connection: what stands alone is kept at once, what fails in a transaction is undone."""

    async def names() -> list[str]:
        engine = async_engine(database_url, pool_size=1)
        async with async_reading(statement_by_statement(engine)) as connection:
            await connection.execute(ensure_workspace("kept"))
        with pytest.raises(RuntimeError):
            await fail_after(engine, ensure_workspace("undone"))
        async with async_transaction(engine) as session:
            found = (await session.scalars(select(Workspace.name))).all()
        await engine.dispose()
        return list(found)

    found = asyncio.run(names())
    assert "kept" in found
    assert "undone" not in found
