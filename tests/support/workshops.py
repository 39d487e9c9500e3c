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
    database_url: str, storage_url: str, bench: Bench | None = None, lease: timedelta = LEASE
) -> AbstractContextManager[None]:
    """Artifacts are made in the block, at a bench that may be another."""

    def opened() -> Workshop:
        return Workshop(
            database=async_engine(database_url),
            database_url=database_url,
            storage=open_storage(storage_url),
            bench=bench or Bench(Place(storage_url, Credentials())),
            aside=Bench(Place(storage_url, Credentials())),
            owner="workshop",
            lease=lease,
        )

    return posted(opened, "artifacts")
