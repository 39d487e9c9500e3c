"""Following a job while it runs: its parts in order, each as soon as it is stored. Asks rows, not workers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from api.services.results import PartRef, why_ended
from shared.database.engines import async_transaction
from shared.database.queries.jobs import done_chunks, job_by_id
from shared.database.tables import Chunk, Job
from shared.errors import JobFailed, JobNotFound, ResultLate
from shared.jobs.states import FINAL_JOB_STATES, JobState

_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.25


@dataclass(frozen=True, slots=True)
class Following:
    """A job to follow, and how long to wait for each of its parts."""

    engine: AsyncEngine
    job_id: UUID
    chunks_total: int
    patience: timedelta


class CallerGone(Exception):
    """Whoever waited went away; there is nobody to tell."""


async def finished_parts(following: Following, gone: Callable[[], Awaitable[bool]]) -> AsyncIterator[PartRef]:
    """The parts in order, as they are stored. `gone` says whether the caller went away.

    Raises JobFailed, ResultLate, CallerGone, JobNotFound, DatabaseUnavailable.
    """
    position = 0
    while position < following.chunks_total:
        for chunk in await _next_chunks(following, position, gone):
            yield PartRef.of(chunk)
            position += 1


async def _next_chunks(
    following: Following, position: int, gone: Callable[[], Awaitable[bool]]
) -> list[Chunk]:
    """The finished chunks from a position on, without a gap; waits for the first of them."""
    deadline = time.monotonic() + following.patience.total_seconds()
    pause = _FIRST_PAUSE
    while True:
        job, chunks = await _look(following, position)
        if chunks:
            return chunks
        if job.state in FINAL_JOB_STATES:
            raise JobFailed(f"Query {job.id} has no result: {why_ended(job)}")
        if time.monotonic() > deadline:
            raise ResultLate(_late(job, following.patience))
        if await gone():
            raise CallerGone
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)


async def _look(following: Following, position: int) -> tuple[Job, list[Chunk]]:
    async with async_transaction(following.engine) as session:
        # The state first: a job that is ready then has all its chunks when they are read.
        job = (await session.scalars(job_by_id(following.job_id))).one_or_none()
        chunks = (await session.scalars(done_chunks(following.job_id, position - 1))).all()
    if job is None:
        raise JobNotFound(f"Query {following.job_id} was deleted while it was followed.")
    if job.state in FINAL_JOB_STATES - {JobState.READY}:
        return job, []
    return job, [chunk for offset, chunk in enumerate(chunks) if chunk.position == position + offset]


def _late(job: Job, patience: timedelta) -> str:
    return (
        f"Query {job.id} is still {job.state} after {patience.total_seconds():.0f} s and goes on: "
        f"follow it at /api/model-queries/{job.id} and fetch /api/model-queries/{job.id}/result when it is "
        "ready."
    )
