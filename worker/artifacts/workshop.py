"""Takes artifacts that are asked for, has each made in a process of its own, and settles it.

A loop in a thread of its own. They are made one after the other; beside a large one, for as long as it takes,
small ones are in a second process. What a process does not finish, another attempt does, three in all.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database.engines import async_transaction
from shared.database.listening import listen
from shared.database.queries import artifacts as statements
from shared.database.tables import Artifact
from shared.errors import Unavailable
from shared.storage.port import Storage
from worker.artifacts.bench import Bench
from worker.artifacts.child import Progress
from worker.artifacts.order import Order, Outcome
from worker.artifacts.wanted import order_of

log = structlog.get_logger()

LEASE, _RENEW_EVERY = timedelta(seconds=20), timedelta(seconds=3)
# A notification may be lost, and nobody notifies of a lease that ended.
LOOK_EVERY = timedelta(seconds=1)
_PATIENCE = timedelta(milliseconds=200)
MAX_ATTEMPTS = 3
_SMALL = 2_000  # samples: seconds of work, in any form
_HOPELESS = "It could not be made: the process that made it ended each time, as for want of memory."


class _Lost(Exception):
    """Nobody waits for it any more, or somebody else makes it."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """Who makes artifacts, and what it is plugged into; `aside` is where small ones pass a large one by."""

    database: AsyncEngine
    database_url: str
    storage: Storage
    bench: Bench
    aside: Bench
    owner: str
    lease: timedelta = LEASE
    _large_in_hand: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Work until it is cancelled; what is in hand then is given back."""
        changed = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(listen(self.database_url, statements.CHANNEL, changed))
                tasks.create_task(self._make_small_ones_aside())
                while True:
                    changed.clear()
                    while artifact := await self._take():
                        if artifact.total > _SMALL:
                            self._large_in_hand.set()
                        await self._attend_to(artifact, self.bench)
                        self._large_in_hand.clear()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(changed.wait(), LOOK_EVERY.total_seconds())
        finally:
            self.bench.end()
            self.aside.end()

    async def _make_small_ones_aside(self) -> None:
        """While a large one is made, and no longer: a second process takes memory."""
        while await self._large_in_hand.wait():
            while self._large_in_hand.is_set():
                if artifact := await self._take(_SMALL):
                    await self._attend_to(artifact, self.aside)
                else:
                    await asyncio.sleep(LOOK_EVERY.total_seconds())
            self.aside.end()

    async def _take(self, largest: int | None = None) -> Artifact | None:
        try:
            async with async_transaction(self.database) as session:
                for hopeless in await session.scalars(statements.end_hopeless(MAX_ATTEMPTS, _HOPELESS)):
                    log.error("artifact.given_up", artifact=str(hopeless))
                statement = statements.take(self.owner, self.lease, MAX_ATTEMPTS, largest)
                return (await session.scalars(statement)).one_or_none()
        except Unavailable as error:
            log.warning("artifacts.not_taken", error=str(error))
            return None

    async def _attend_to(self, artifact: Artifact, bench: Bench) -> None:
        """One attempt; whatever goes wrong with it, the next artifact has its turn."""
        began = time.monotonic()
        try:
            async with async_transaction(self.database) as session:
                order = await order_of(session, artifact)
            if order is None:
                log.info("artifact.gone", **_named(artifact))
                return
            outcome = await self._made(order, bench)
            await self._settle(artifact, order, outcome)
            seconds = round(time.monotonic() - began, 3)
            log.info("artifact.attempted", **_named(artifact), seconds=seconds, error=outcome.error)
            if outcome.trace:
                log.error("artifact.not_made", **_named(artifact), trace=outcome.trace)
        except asyncio.CancelledError:
            bench.end()
            await self._give_back(artifact)
            raise
        except _Lost:
            bench.end()
            log.info("artifact.lease_lost", **_named(artifact))
        except Unavailable as error:
            bench.end()
            log.warning("artifact.interrupted", **_named(artifact), error=str(error))

    async def _made(self, order: Order, bench: Bench) -> Outcome:
        """What comes of it, while the lease is renewed. Raises _Lost and DatabaseUnavailable."""
        await asyncio.to_thread(bench.order, order)
        done, renewed = 0, time.monotonic()
        while True:
            said = await asyncio.to_thread(bench.hear, _PATIENCE)
            if isinstance(said, Outcome):
                return said
            if isinstance(said, Progress):
                done = said.done
            if time.monotonic() - renewed > _RENEW_EVERY.total_seconds():
                await self._renew(order, done)
                renewed = time.monotonic()

    async def _renew(self, order: Order, done: int) -> None:
        statement = statements.renew(order.artifact_id, order.token, self.lease, done)
        async with async_transaction(self.database) as session:
            if (await session.scalars(statement)).one_or_none() is None:
                raise _Lost

    async def _settle(self, artifact: Artifact, order: Order, outcome: Outcome) -> None:
        held = order.artifact_id, order.token
        async with async_transaction(self.database) as session:
            if outcome.error is None:
                made = statements.Made(
                    outcome.key, outcome.bytes, outcome.sha256, outcome.media_type, outcome.file_name
                )
                ours = (await session.scalars(statements.finish(*held, made))).one_or_none()
            elif outcome.again and artifact.attempts < MAX_ATTEMPTS:
                ours = (await session.scalars(statements.try_again(*held, outcome.error))).one_or_none()
            else:
                ours = (await session.scalars(statements.fail(*held, outcome.error))).one_or_none()
        if ours is None and outcome.key:
            # Its key holds our token: nobody else ever points at it.
            await asyncio.to_thread(self.storage.delete, [outcome.key])
            raise _Lost

    async def _give_back(self, artifact: Artifact) -> None:
        assert artifact.token is not None
        try:
            async with async_transaction(self.database) as session:
                await session.execute(statements.give_back(artifact.id, artifact.token))
        except Unavailable as error:
            log.warning("artifact.not_given_back", **_named(artifact), error=str(error))


def _named(artifact: Artifact) -> dict[str, object]:
    return {
        "artifact": str(artifact.id),
        "job": str(artifact.job_id),
        "kind": artifact.kind,
        "attempt": artifact.attempts,
    }
