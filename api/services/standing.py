"""How a job stands, beyond its row: why it waits, who is ahead, when it should end, what of it failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from sqlalchemy.ext.asyncio import AsyncSession

from api.services.comparison import Reproduction
from api.services.estimate import RECENT_JOBS
from api.services.status import why_it_waits
from shared.database.queries.diagnosis import clock
from shared.database.queries.load import recent_rates
from shared.database.queries.standing import ahead_of, failed_inputs
from shared.database.tables import Job
from shared.jobs.states import FINAL_JOB_STATES, JobState

FAILURES_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Ahead:
    """What came before a job that waits, and is not done: of all workspaces, without names."""

    jobs: int
    samples: int


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that has no samples, by its path in the query, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How a job stands; `failures` are the first hundred, `ends_at` None where nothing was measured."""

    waiting_for: str | None = None
    ahead: Ahead | None = None
    ends_at: datetime | None = None
    failures: tuple[Failure, ...] = ()
    reproduces: Reproduction | None = None


async def standing_of(session: AsyncSession, job: Job) -> Standing:
    """How a job stands now. Raises DatabaseUnavailable."""
    failures = await _failures(session, job)
    if job.state in FINAL_JOB_STATES:
        return Standing(failures=failures)
    ahead = None
    if job.state == JobState.QUEUED:
        ahead = Ahead(*(await session.execute(ahead_of(job))).one())
    waiting_for = await why_it_waits(session, job)
    return Standing(waiting_for, ahead, await _ends_at(session, job, ahead), failures)


async def _failures(session: AsyncSession, job: Job) -> tuple[Failure, ...]:
    """Inputs that failed, and the first rows that were left out when the query was taken in; by position."""
    lost = [(row["input_index"], row["message"]) for row in (job.rejected or {}).get("first", ())]
    if job.samples_failed or job.state == JobState.FAILED:
        rows = await session.execute(failed_inputs(job.id, FAILURES_SHOWN))
        lost += [(position, reason or "") for position, reason in rows]
    first = sorted(lost)[:FAILURES_SHOWN]
    return tuple(Failure(f"inputs[{position}]", reason) for position, reason in first)


async def _ends_at(session: AsyncSession, job: Job, ahead: Ahead | None) -> datetime | None:
    """When a job should end: at its own rate once it has one, otherwise at that of the last jobs like it."""
    now = (await session.scalars(clock())).one()
    open_samples = job.samples_total - job.samples_done - job.samples_failed
    if job.started_at is not None and job.samples_done:
        return now + (now - job.started_at) * (open_samples / job.samples_done)
    statement = recent_rates(job.model_id, job.sampling_strategy, RECENT_JOBS)
    rates = (await session.scalars(statement)).all()
    if not rates:
        return None
    waits = ahead.samples if ahead else 0
    return now + timedelta(seconds=(waits + open_samples) / median(rates))
