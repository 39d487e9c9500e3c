"""Takes what is due and has it delivered, a few of each endpoint at once: a loop in a thread of its own."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database.engines import async_transaction
from shared.database.listening import listen
from shared.database.queries import deliveries as statements
from shared.database.queries.events import CHANNEL
from shared.database.tables import WebhookDelivery
from shared.errors import Unavailable
from worker.webhooks.delivering import Courier

log = structlog.get_logger()

AT_ONCE = 64
# Longer than an attempt takes: somebody else sends what a dead process had taken.
LEASE = timedelta(seconds=30)
# A notification may be lost, and nobody notifies of a time that has come.
LOOK_EVERY = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class PostOffice:
    """What is due goes to the courier, `at_once` at most."""

    database: AsyncEngine
    database_url: str
    courier: Courier
    at_once: int = AT_ONCE

    async def run(self) -> None:
        """Work until it is cancelled; what is under way then is tried again later."""
        changed = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(listen(self.database_url, CHANNEL, changed))
            under_way: set[asyncio.Task[None]] = set()
            while True:
                changed.clear()
                for delivery in await self._take(self.at_once - len(under_way)):
                    task = tasks.create_task(self._deliver(delivery))
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
                    task.add_done_callback(lambda _: changed.set())  # its endpoint has room for the next
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), LOOK_EVERY.total_seconds())

    async def _take(self, room: int) -> list[WebhookDelivery]:
        if room <= 0:
            return []
        try:
            async with async_transaction(self.database) as session:
                due = (await session.scalars(statements.due(room))).all()
                return list(await session.scalars(statements.take(due, LEASE))) if due else []
        except Unavailable as error:
            log.warning("webhooks.not_taken", error=str(error))
            return []

    async def _deliver(self, delivery: WebhookDelivery) -> None:
        try:
            await self.courier.deliver(delivery)
        except Exception as error:  # the task's edge: one delivery must not end the others
            log.error("webhook.not_settled", delivery=str(delivery.id), exc_info=error)
