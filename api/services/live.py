"""Following a job while it runs: its parts in order, each as soon as it is stored. Asks rows, not workers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from api.services.results import why_ended
from shared.database.engines import async_transaction
from shared.database.queries.jobs import done_chunks, job_by_id
from shared.database.tables import Chunk
from shared.errors import DatabaseUnavailable, JobFailed, JobNotFound, ResultLate
from shared.jobs.states import FINAL_JOB_STATES, JobState
from shared.results.stored import PartRef

log = structlog.get_logger()

_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.25


@dataclass(frozen=True, slots=True)
class Following:
    """A job to follow, and how long to wait for each of its parts."""

    engine: AsyncEngine
    job_id: UUID
    samples_total: int
    patience: timedelta


class CallerGone(Exception):
    """Whoever waited went away; there is nobody to tell."""


async def finished_parts(following: Following, gone: Callable[[], Awaitable[bool]]) -> AsyncIterator[PartRef]:
    """The parts in order, as they are stored. `gone` says whether the caller went away.

    Raises JobFailed, ResultLate, CallerGone, JobNotFound.
    """
    sample = 0
    while sample < following.samples_total:
        for chunk in await _next_chunks(following, sample, gone):
            if chunk.samples_stored not in {None, chunk.num_samples}:
                raise JobFailed(_incomplete(following.job_id))
            yield PartRef.of(chunk)
            sample += chunk.num_samples


async def _next_chunks(following: Following, sample: int, gone: Callable[[], Awaitable[bool]]) -> list[Chunk]:
    """The finished chunks from a sample on, without a gap; waits for the first of them."""
    deadline = time.monotonic() + following.patience.total_seconds()
    pause = _FIRST_PAUSE
    while True:
        if chunks := await _look_if_possible(following, sample):
            return chunks
        if time.monotonic() > deadline:
            raise ResultLate(_late(following))
        if await gone():
            raise CallerGone
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)


async def _look_if_possible(following: Following, sample: int) -> list[Chunk]:
    """What is there; nothing while the database is away: the job goes on, and so does its follower."""
    try:
        return await _look(following, sample)
    except DatabaseUnavailable as error:
        log.warning("live.missed", error=str(error))
        return []


async def _look(following: Following, sample: int) -> list[Chunk]:
    async with async_transaction(following.engine) as session:
        # The state first: a job that is ready then has all its chunks when they are read.
        job = (await session.scalars(job_by_id(following.job_id))).one_or_none()
        chunks = (await session.scalars(done_chunks(following.job_id, sample))).all()
    if job is None:
        raise JobNotFound(f"Query {following.job_id} was deleted while it was followed.")
    if job.state in FINAL_JOB_STATES - {JobState.READY}:
        raise JobFailed(f"Query {job.id} has no result: {why_ended(job)}")
    found = list(_without_a_gap(chunks, sample))
    if job.state == JobState.READY and not found:
        raise JobFailed(_incomplete(job.id))
    return found


def _without_a_gap(chunks: Sequence[Chunk], sample: int) -> Iterator[Chunk]:
    for chunk in chunks:
        if chunk.first_sample != sample:
            return
        yield chunk
        sample += chunk.num_samples


def _incomplete(job_id: UUID) -> str:
    return (
        f"Inputs of query {job_id} failed, and this stream holds all samples or none. What was generated "
        f"is at /api/model-queries/{job_id}/result, and the reasons are at /api/model-queries/{job_id}."
    )


def _late(following: Following) -> str:
    job_id = following.job_id
    return (
        f"Query {job_id} is not done after {following.patience.total_seconds():.0f} s and goes on: "
        f"follow it at /api/model-queries/{job_id} and fetch /api/model-queries/{job_id}/result when it is "
        "ready."
    )
