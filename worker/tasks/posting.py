"""The thread in which webhooks are sent: an event loop of its own, beside the rounds and the broker."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

import structlog

from worker.webhooks.post_office import PostOffice

log = structlog.get_logger()

_AGAIN = timedelta(seconds=1)


@contextmanager
def posted(opened: Callable[[], PostOffice]) -> Iterator[None]:
    """Webhooks are sent in the block; what is under way at its end is sent again later, by anybody."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(_serve(opened))
    thread = threading.Thread(target=_run, args=(loop, task), name="webhooks", daemon=True)
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


async def _serve(opened: Callable[[], PostOffice]) -> None:
    """A post office, and another one should it ever fail as a whole."""
    while True:
        office = opened()
        try:
            await office.run()
        except Exception as error:  # the thread's edge: what fails once must not end it
            log.error("webhooks.interrupted", exc_info=error)
        finally:
            await office.database.dispose()
        await asyncio.sleep(_AGAIN.total_seconds())
