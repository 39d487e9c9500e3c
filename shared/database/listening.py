"""Hearing of commits: what a transaction notified a channel of arrives when it is committed."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import psycopg
import structlog
from psycopg import sql
from sqlalchemy import make_url

log = structlog.get_logger()

_AGAIN = timedelta(seconds=1)


async def listen(url: str, channel: str, heard: asyncio.Event) -> None:
    """Set an event at each notification, for ever. While Postgres is away, nothing is heard."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(
                plain, autocommit=True, connect_timeout=5
            ) as own:
                await own.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                async for _ in own.notifies():
                    heard.set()
        except psycopg.Error as error:
            log.warning("notifications.lost", channel=channel, error=str(error))
        await asyncio.sleep(_AGAIN.total_seconds())
