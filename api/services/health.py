"""Whether this process can serve: each thing that it depends on is asked, with a time limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial

import anyio.to_thread
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.catalog import MANIFEST, Catalog
from shared.database.engines import async_transaction
from shared.database.queries.jobs import ping
from shared.errors import CheckpointMissing, DatabaseUnavailable, GeneQueueError, StorageUnavailable
from shared.storage.port import Storage

OK = "ok"
ENDING = "It was told to stop, and takes no new callers."
_PATIENCE_SECONDS = 4.0


async def check_all(engine: AsyncEngine, storage: Storage, catalog: Catalog) -> dict[str, str]:
    """The name of each dependency, and "ok" or what is wrong with it."""
    in_thread = partial(anyio.to_thread.run_sync, abandon_on_cancel=True)
    verdicts = await asyncio.gather(
        _verdict(in_thread(_check_catalog, catalog), CheckpointMissing("The models do not answer.")),
        _verdict(_check_database(engine), DatabaseUnavailable("The database does not answer.")),
        _verdict(in_thread(storage.check), StorageUnavailable("The storage does not answer.")),
    )
    return dict(zip(("catalog", "database", "storage"), verdicts, strict=True))


async def _verdict(check: Awaitable[None], when_late: GeneQueueError) -> str:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await check
    except TimeoutError:
        return str(when_late)
    except GeneQueueError as error:
        return str(error)
    return OK


async def _check_database(engine: AsyncEngine) -> None:
    async with async_transaction(engine) as session:
        await session.execute(ping())


def _check_catalog(catalog: Catalog) -> None:
    for model in catalog.models.values():
        # The files of an added model can be fetched again.
        if model.added_at is None and not (model.directory / MANIFEST).is_file():
            raise CheckpointMissing(f"The directory of {model.model_id} is gone.")
