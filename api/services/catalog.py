"""The catalog while the API runs: read again in the background, and where something is not found."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.concurrency import run_in_threadpool

from shared.catalog import Catalog, Offer
from shared.database.engines import async_transaction
from shared.database.queries.models import all_models, newest_revision
from shared.errors import ModelNotFound, Unavailable
from shared.queries.options import pinned_version
from shared.shelf import Shelf

log = structlog.get_logger()

EVERY = timedelta(seconds=2)


class LiveCatalog:
    """The shelf of this process, and the rows that it follows."""

    def __init__(self, engine: AsyncEngine, shelf: Shelf) -> None:
        self._engine, self._shelf = engine, shelf
        self._looking = asyncio.Lock()

    @property
    def current(self) -> Catalog:
        """The snapshot of now; keep it for as long as one answer takes."""
        return self._shelf.catalog

    async def offer(self, public_id: str, version: int | None = None) -> Offer:
        """What can be asked under that id, also if it was added a moment ago.

        Raises ModelNotFound, ModelUnusable, DatabaseUnavailable.
        """
        try:
            return self.current.offer(public_id, version)
        except ModelNotFound:
            await self.look()
            return self.current.offer(public_id, version)

    async def pinned(self, offer: Offer, query: object) -> Offer:
        """The version that a query names, or the newest; one that is not there is left to the query's check.

        Raises ModelUnusable and DatabaseUnavailable.
        """
        try:
            return await self.offer(offer.public_id, pinned_version(query))
        except ModelNotFound:
            return offer

    async def held(self, public_id: str, version: int) -> Offer | None:
        """What a job stands on, whether or not it can still be asked; None if it is gone."""
        if (public_id, version) not in self.current.held:
            await self.look()
        return self.current.held.get((public_id, version))

    async def look(self) -> None:
        """Read the rows if they changed. Raises DatabaseUnavailable and StorageUnavailable."""
        async with self._looking:
            async with async_transaction(self._engine) as session:
                if self._shelf.is_current((await session.scalars(newest_revision())).one()):
                    return
                rows = (await session.scalars(all_models())).all()
            await run_in_threadpool(self._shelf.take, rows)

    async def follow(self) -> None:
        """Look again and again, until cancelled; a server that is away is asked again."""
        while True:
            await asyncio.sleep(EVERY.total_seconds())
            try:
                await self.look_if_possible()
            except Exception as error:
                log.error("catalog.not_read", exc_info=error)

    async def look_if_possible(self) -> None:
        """Look; where a server is away, what was known before holds on."""
        try:
            await self.look()
        except Unavailable as error:
            log.warning("catalog.not_read", error=str(error))
