"""Threads beside the rounds and the broker: webhooks are sent in one, artifacts made in another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Protocol

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

log = structlog.get_logger()

_AGAIN = timedelta(seconds=1)


class Office(Protocol):
    """Something that works until it is cancelled."""

    @property
    def database(self) -> AsyncEngine:
        """Made for the loop in which it works, and let go of with it."""

    async def run(self) -> None:
        """Until it is cancelled."""


@contextmanager
def posted(opened: Callable[[], Office], name: str = "webhooks") -> Iterator[None]:
    """An office works in the block, in an event loop of its own; what is under way at its end is done later,
    by anybody.
    """
    loop = asyncio.new_event_loop()
    task = loop.create_task(_serve(opened, name))
    thread = threading.Thread(target=_run, args=(loop, task), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()


def _run(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
    with suppress(asyncio.CancelledError):
        loop.run_until_complete(task)


async def _serve(opened: Callable[[], Office], name: str) -> None:
    """An office, and another one should it ever fail as a whole."""
    while True:
        office = opened()
        try:
            await office.run()
        except Exception as error:  # the thread's edge: what fails once must not end it
            log.error(f"{name}.interrupted", exc_info=error)
        finally:
            await office.database.dispose()
        await asyncio.sleep(_AGAIN.total_seconds())
