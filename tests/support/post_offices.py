"""A post office that serves a database from a thread, as the upkeep worker's does."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

from shared.database.engines import async_engine
from shared.links import LinkSigner
from shared.webhooks.destinations import Rules
from shared.webhooks.sealing import Seal
from tests.support.api import SECRET
from worker.tasks.posting import posted
from worker.webhooks.delivering import Courier
from worker.webhooks.payload import Links
from worker.webhooks.post_office import PostOffice
from worker.webhooks.sending import TOTAL, Sender
from worker.webhooks.settling import Settler


def post_office(
    database_url: str,
    base_url: str,
    secret: str = SECRET,
    total: timedelta = TOTAL,
    **options: Any,
) -> AbstractContextManager[None]:
    """Deliveries are made in the block, to receivers on this machine, for the API of these.

    An attempt takes `total` at most; the options are the office's own.
    """

    def opened() -> PostOffice:
        database = async_engine(database_url)
        links = Links(base_url, LinkSigner(secret.encode(), timedelta(hours=1)))
        sender, seal = Sender(Rules.read(["127.0.0.0/8"]), total=total), Seal(secret.encode())
        courier = Courier(database, sender, seal, links, Settler(database))
        return PostOffice(database, database_url, courier, **options)

    return posted(opened)
