"""A query for the failed inputs of another: rows and stored counts back into a spec. Saves nothing itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from api.services.reproduce import Original, input_of, read_original, stored_input
from shared.database.queries.jobs import inputs_of_job
from shared.database.tables import Job, JobInput
from shared.errors import NothingToRetry
from shared.jobs.lanes import Lane
from shared.jobs.states import FINAL_JOB_STATES, JobState
from shared.queries.requests import RequestType
from shared.queries.spec import Counts, QuerySpec, SamplingStrategy
from shared.results.specimens import INPUTS_AT_ONCE, decode_specimens, specimens_key
from shared.storage.port import Storage


@dataclass(frozen=True, slots=True)
class Failed:
    """A job and those of its inputs that have no samples, or not all of them.

    `whole` is a large job, whose inputs are no rows, where all of it failed.
    """

    job: Job
    inputs: tuple[JobInput, ...]
    whole: Original | None = None


async def failed_of(session: AsyncSession, job: Job) -> Failed:
    """The failed inputs of a job that is over; all of a job that failed as a whole.

    Raises NothingToRetry where there are none, and DatabaseUnavailable.
    """
    if job.state not in FINAL_JOB_STATES:
        raise NothingToRetry(
            f"Query {job.id} is {job.state}; what fails of it can be tried again at its end."
        )
    inputs = (await session.scalars(inputs_of_job(job.id))).all()
    failed = tuple(row for row in inputs if row.error is not None)
    if job.state == JobState.FAILED and not failed:
        if job.sheets and job.deleted_at is None:
            return Failed(job, (), await read_original(session, job))
        failed = tuple(inputs)
    if not failed:
        raise NothingToRetry(f"No input of query {job.id} failed, or its inputs were deleted.")
    return Failed(job, failed)


def spec_of(failed: Failed, storage: Storage, num_genes: int) -> QuerySpec:
    """The failed inputs as a query with the options, seed and model version of their job.

    Blocks: for a thread. Raises InputDamaged and StorageUnavailable.
    """
    job = failed.job
    counts: Sequence[Counts | None] = [None] * len(failed.inputs)
    if job.input_digests:
        counts = _counts(failed, storage, num_genes)
    return QuerySpec(
        model_id=job.model_id,
        sampling_strategy=SamplingStrategy(job.sampling_strategy),
        inputs=tuple(
            replace(input_of(row), counts=own) for row, own in zip(failed.inputs, counts, strict=True)
        ),
        total_count=job.total_count,
        deterministic_latents=job.deterministic_latents,
        seed=job.seed,
        source=job.source,
        model_version=job.model_version,
        request_type=RequestType(job.request_type),
        conditioning=tuple(job.conditioning),
        fixed_total_count=job.fixed_total_count,
        priority=Lane(job.lane),
        client_metadata=job.client_metadata,
    )


def inherited(job: Job) -> dict[str, Any]:
    """The columns of a query for the failed inputs of a job, beyond what is asked: whose child it is, and
    whom the job's own query named as its webhook.
    """
    return {
        "parent_id": job.id,
        "webhook_endpoint_id": job.webhook_endpoint_id,
        "webhook_events": job.webhook_events,
    }


def _counts(failed: Failed, storage: Storage, num_genes: int) -> Sequence[Counts]:
    """The counts [G] that each failed input brought along, read an object at a time."""
    found = []
    for number, rows in groupby(failed.inputs, lambda row: row.position // INPUTS_AT_ONCE):
        first = number * INPUTS_AT_ONCE
        stored = stored_input(storage, specimens_key(failed.job.id, first), failed.job.input_digests[number])
        counts = decode_specimens(stored, num_genes)
        found += [counts[row.position - first] for row in rows]
    return found
