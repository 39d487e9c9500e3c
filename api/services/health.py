"""Whether this process can serve: each thing that it depends on is asked, with a time limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial

import anyio.to_thread
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.catalog import MANIFEST, Catalog
from shared.database.engines import async_transaction
from shared.database.queries.jobs import ping
from shared.errors import CheckpointMissing, GeneQueueError
from shared.storage.port import Storage

log = structlog.get_logger()

OK = "ok"
ENDING = "It was told to stop, and takes no new callers."
_PATIENCE_SECONDS = 4.0


async def check_all(engine: AsyncEngine, storage: Storage, catalog: Catalog) -> dict[str, str]:
    """The name of each dependency, and "ok" or what is wrong with it.

    Anybody may read it: where things are, and what they say themselves, stays in the log.
    """
    in_thread = partial(anyio.to_thread.run_sync, abandon_on_cancel=True)
    verdicts = await asyncio.gather(
        _verdict("catalog", in_thread(_check_catalog, catalog), "The models cannot be read now."),
        _verdict("database", _check_database(engine), "The database does not answer now."),
        _verdict("storage", in_thread(storage.check), "The storage does not answer now."),
    )
    return dict(zip(("catalog", "database", "storage"), verdicts, strict=True))


async def _verdict(name: str, check: Awaitable[None], sentence: str) -> str:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await check
    except TimeoutError:
        log.warning("health.no_answer", dependency=name, error=f"after {_PATIENCE_SECONDS} s")
    except CheckpointMissing as error:  # it names a model, and no place
        return str(error)
    except GeneQueueError as error:
        log.warning("health.no_answer", dependency=name, error=str(error))
    else:
        return OK
    return f"{sentence} The log of this process says more."


async def _check_database(engine: AsyncEngine) -> None:
    async with async_transaction(engine) as session:
        await session.execute(ping())


def _check_catalog(catalog: Catalog) -> None:
    for model in catalog.models.values():
        # The files of an added model can be fetched again.
        if model.added_at is None and not (model.directory / MANIFEST).is_file():
            raise CheckpointMissing(f"The directory of {model.model_id} is gone.")
