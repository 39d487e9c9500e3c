"""Takes what is due and has it delivered, a few of each endpoint at once: a loop in a thread of its own."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Collection
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
from worker.webhooks.delivering import Courier, Told

log = structlog.get_logger()

# So many are sent at once; what takes longer than a moment moves aside, and others are sent beside it.
AT_ONCE, ASIDE = 64, 192
_MOMENT = timedelta(seconds=2)
# Longer than an attempt takes: somebody else sends what a dead process had taken.
LEASE = timedelta(seconds=30)
# A notification may be lost, and nobody notifies of a time that has come.
LOOK_EVERY = timedelta(seconds=1)
# Between two looks: what becomes due or free meanwhile is taken together.
_BREATH = timedelta(milliseconds=20)
# What is under way when the process is told to end has so long to be answered and written down.
LAST = timedelta(seconds=3)


@dataclass(frozen=True, slots=True)
class _Sent:
    """Since when something is sent (monotonic clock), of whom; whether its endpoint failed the last time."""

    began: float
    workspace: int
    to_failing: bool


@dataclass(frozen=True, slots=True)
class _Taken:
    """What begins to be sent."""

    delivery: WebhookDelivery
    told: Told
    to_failing: bool


@dataclass(frozen=True, slots=True)
class PostOffice:
    """What is due goes to the courier: `at_once` at most, and `aside` that are slow to answer.

    What is taken is nobody else's for `lease`, longer than an attempt may take; what is under way at the end
    has `last` to be answered.
    """

    database: AsyncEngine
    database_url: str
    courier: Courier
    at_once: int = AT_ONCE
    aside: int = ASIDE
    lease: timedelta = LEASE
    last: timedelta = LAST

    async def run(self) -> None:
        """Work until it is cancelled; what is not answered a moment later is tried again later."""
        changed = asyncio.Event()
        under_way: dict[asyncio.Task[None], _Sent] = {}
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(listen(self.database_url, CHANNEL, changed))
            try:
                while True:
                    changed.clear()
                    await self._begin(tasks, under_way, changed)
                    await asyncio.sleep(_BREATH.total_seconds())
                    with suppress(TimeoutError):
                        await asyncio.wait_for(changed.wait(), LOOK_EVERY.total_seconds())
            except asyncio.CancelledError:
                if under_way:
                    await asyncio.wait(under_way, timeout=self.last.total_seconds())
                raise

    async def _begin(
        self, tasks: asyncio.TaskGroup, under_way: dict[asyncio.Task[None], _Sent], changed: asyncio.Event
    ) -> None:
        """Take what is due and there is room for, and have it delivered."""

        def ended(task: asyncio.Task[None]) -> None:
            del under_way[task]
            changed.set()  # its endpoint has room for the next

        for taken in await self._take(*self._room(under_way.values())):
            task = tasks.create_task(self._deliver(taken.delivery, taken.told))
            workspace = taken.delivery.workspace_id
            under_way[task] = _Sent(time.monotonic(), workspace, taken.to_failing)
            task.add_done_callback(ended)

    def _room(self, under_way: Collection[_Sent]) -> tuple[int, int, list[int]]:
        """How many may be sent beside these; how many of them to endpoints that failed the last time; and
        the workspaces of which enough is slow.

        Failing endpoints never have more than half of all places, and what one workspace has aside is an
        eighth: endpoints that hang leave the others room.
        """
        late = time.monotonic() - _MOMENT.total_seconds()
        slow = Counter(sent.workspace for sent in under_way if sent.began <= late)
        all_places = self.at_once + self.aside
        room = min(self.at_once - len(under_way) + slow.total(), all_places - len(under_way))
        of_failing = max(0, all_places // 2 - sum(sent.to_failing for sent in under_way))
        return room, of_failing, [one for one, count in slow.items() if count >= all_places // 8]

    async def _take(self, room: int, of_failing: int, without: Collection[int]) -> list[_Taken]:
        if room <= 0:
            return []
        try:
            async with async_transaction(self.database) as session:
                found = (await session.execute(statements.due(room, of_failing, without))).all()
                if not found:
                    return []
                failing = {row.id: row.failing for row in found}
                if lost := [row.id for row in found if row.lost]:
                    await session.execute(statements.note_lost(lost, self.lease))
                taken = {one.id: one for one in await session.scalars(statements.take(failing, self.lease))}
                about = await session.execute(statements.what_is_told(taken))
                return [
                    _Taken(taken[key], Told(endpoint, secret, job, event), failing[key])
                    for key, endpoint, secret, job, event in about
                ]
        except Unavailable as error:
            log.warning("webhooks.not_taken", error=str(error))
            return []

    async def _deliver(self, delivery: WebhookDelivery, told: Told) -> None:
        try:
            await self.courier.deliver(delivery, told)
        except Unavailable as error:
            log.warning("webhook.not_settled", delivery=str(delivery.id), error=str(error))
        except Exception as error:  # the task's edge: one delivery must not end the others
            log.error("webhook.not_settled", delivery=str(delivery.id), exc_info=error)
