"""A database of the test's own, and a post office that serves it from a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from shared.database.engines import async_engine, sync_engine
from shared.links import LinkSigner
from shared.webhooks.destinations import Rules
from shared.webhooks.sealing import Seal
from worker.webhooks.delivering import Courier
from worker.webhooks.payload import Links
from worker.webhooks.post_office import PostOffice
from worker.webhooks.sending import Sender

SEAL = Seal(b"a secret of the tests")
LOOPBACK = Rules.read(["127.0.0.0/8"])
LINKS = Links("http://genequeue.test", LinkSigner(b"a secret of the tests", timedelta(hours=1)))
Serving = Callable[..., AbstractContextManager[None]]


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = sync_engine(database_url)
    yield made
    made.dispose()


@pytest.fixture
def seal() -> Seal:
    return SEAL


@pytest.fixture
def serving(database_url: str) -> Serving:
    @contextmanager
    def serve(sender: Sender | None = None) -> Iterator[None]:
        """Deliveries are made in the block."""
        loop = asyncio.new_event_loop()

        async def work() -> None:
            database = async_engine(database_url)
            courier = Courier(database, sender or Sender(LOOPBACK), SEAL, LINKS)
            with suppress(asyncio.CancelledError):
                await PostOffice(database, database_url, courier).run()
            await database.dispose()

        task = loop.create_task(work())
        thread = threading.Thread(target=loop.run_until_complete, args=(task,))
        thread.start()
        try:
            yield
        finally:
            loop.call_soon_threadsafe(task.cancel)
            thread.join()
            loop.close()

    return serve
