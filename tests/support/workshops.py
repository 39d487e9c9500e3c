"""A workshop that makes artifacts of a database from a thread, as the upkeep worker's does."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import timedelta

from shared.database.engines import async_engine
from shared.storage.objects import Credentials, open_storage
from worker.artifacts.bench import Bench
from worker.artifacts.child import Place
from worker.artifacts.workshop import LEASE, Workshop
from worker.tasks.posting import posted


def workshop(
    database_url: str, storage_url: str, owner: str = "workshop", lease: timedelta = LEASE
) -> AbstractContextManager[None]:
    """Artifacts are made in the block."""

    def opened() -> Workshop:
        return Workshop(
            database=async_engine(database_url),
            database_url=database_url,
            storage=open_storage(storage_url),
            bench=Bench(Place(storage_url, Credentials())),
            owner=owner,
            lease=lease,
        )

    return posted(opened, "artifacts")
