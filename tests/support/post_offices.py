"""A post office that serves a database from a thread, as the upkeep worker's does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from shared.database.engines import async_engine
from shared.links import LinkSigner
from shared.webhooks.destinations import Rules
from shared.webhooks.sealing import Seal
from tests.support.api import SECRET
from worker.webhooks.delivering import Courier
from worker.webhooks.payload import Links
from worker.webhooks.post_office import PostOffice
from worker.webhooks.sending import Sender


@contextmanager
def post_office(database_url: str, base_url: str, secret: str = SECRET) -> Iterator[None]:
    """Deliveries are made in the block, to receivers on this machine, for the API of these."""
    loop = asyncio.new_event_loop()
    links = Links(base_url, LinkSigner(secret.encode(), timedelta(hours=1)))

    async def work() -> None:
        database = async_engine(database_url)
        sender = Sender(Rules.read(["127.0.0.0/8"]))
        courier = Courier(database, sender, Seal(secret.encode()), links)
        with suppress(asyncio.CancelledError):
            await PostOffice(database, database_url, courier).run()
        await database.dispose()

    task = loop.create_task(work())
    thread = threading.Thread(target=loop.run_until_complete, args=(task,), name="post office")
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()
