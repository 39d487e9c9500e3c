"""Waiting for jobs: one poller for all that a process watches, so nobody who waits holds a connection.

Whoever is told gets the row with it, and need not read it again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database.engines import async_transaction
from shared.database.queries.jobs import changed_jobs, job_of_workspace
from shared.database.tables import Job
from shared.errors import DatabaseUnavailable
from shared.jobs.states import FINAL_JOB_STATES

log = structlog.get_logger()

_FIRST_PAUSE = timedelta(milliseconds=10)
_A_WAITER = timedelta(milliseconds=2)  # by which each lengthens the pause: they are told together
_LOOKING = 0.2  # the share of time that looking may take


@dataclass(slots=True, eq=False)
class _Waiter:
    job_id: UUID
    seen: int | None
    job: Job | None = None
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, job: Job) -> None:
        """Wake it, if that is news to it."""
        if job.state in FINAL_JOB_STATES or self.seen not in {None, job.events}:
            self.job = job
            self.woken.set()


@dataclass(slots=True)
class JobWatch:
    """Looks every `every` at the jobs that somebody waits for, in one statement; it only reads.

    Once `closed`, because the process is to end, nobody waits here any more.
    """

    engine: AsyncEngine
    every: timedelta = timedelta(seconds=0.2)
    _pause: timedelta = field(default=_FIRST_PAUSE, init=False)
    closed: bool = field(default=False, init=False)
    _waiters: set[_Waiter] = field(default_factory=set, init=False)
    _wanted: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    async def changed(self, job_id: UUID, seen: int | None, patience: timedelta) -> Job | None:
        """The job's row once it is over, or has another event than number `seen`.

        None where that does not happen within `patience`; and, at once, where this watch is closed.
        """
        if self.closed:
            return None
        waiter = _Waiter(job_id, seen)
        self._waiters.add(waiter)
        self._pause = _FIRST_PAUSE
        self._wanted.set()
        try:
            async with asyncio.timeout(patience.total_seconds()):
                await waiter.woken.wait()
                return waiter.job
        except TimeoutError:
            return None
        finally:
            self._waiters.discard(waiter)

    async def for_change(
        self, job_id: UUID, workspace_id: int, seen: int | None, patience: timedelta
    ) -> Job | None:
        """Wait as `changed` does, for an event after number `seen`, or after now where that is None.

        Does not wait for a job of another workspace. Raises DatabaseUnavailable.
        """
        async with async_transaction(self.engine) as session:
            job = (await session.scalars(job_of_workspace(job_id, workspace_id))).one_or_none()
        if job is None or job.state in FINAL_JOB_STATES or seen not in {None, job.events}:
            return job
        return await self.changed(job_id, job.events, patience)

    def close(self) -> None:
        """Let go who waits: whoever still wants to can wait at another process."""
        self.closed = True
        for waiter in self._waiters:
            waiter.woken.set()

    async def follow(self) -> None:
        """The poller. It sleeps while nobody waits, and outlives a database that is away."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            if not self._waiters:
                continue
            began = time.monotonic()
            try:
                await self._look(list(self._waiters))
            except DatabaseUnavailable as error:
                log.warning("watch.missed", error=str(error), cause=repr(error.__cause__))
            except Exception as error:
                log.error("watch.missed", exc_info=error)
            await self._rest(time.monotonic() - began)

    async def _rest(self, looked: float) -> None:
        """Pause, a little longer each time that nobody new waits; who waits for a short job is told soon.

        Longer, too, where many wait, or where the last look took long: there is much else to do.
        """
        least = max(_FIRST_PAUSE, len(self._waiters) * _A_WAITER, timedelta(seconds=looked / _LOOKING))
        pause = min(least, self.every).total_seconds()
        await asyncio.sleep(pause)
        with suppress(TimeoutError):
            async with asyncio.timeout(max(self._pause.total_seconds() - pause, 0)):
                await self._wanted.wait()
        self._pause = min(1.5 * self._pause, self.every)
        self._wanted.set()

    async def _look(self, waiters: Sequence[_Waiter]) -> None:
        statement, known = changed_jobs([(waiter.job_id, waiter.seen) for waiter in waiters])
        async with async_transaction(self.engine) as session:
            changed = {job.id: job for job in await session.scalars(statement, known)}
        for waiter in waiters:
            if job := changed.get(waiter.job_id):
                waiter.tell(job)
