"""A job that is to run again as it was: the same conditions, cut alike, under its seed and model version."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from api.services.submit import PreparedJob
from shared.database.queries.jobs import inputs_of_job
from shared.database.queries.reproducing import cuts_of
from shared.database.tables import Job, JobInput
from shared.errors import InputDamaged, NotReproducible
from shared.jobs.chunks import ChunkPlan
from shared.jobs.states import FINAL_JOB_STATES, JobState
from shared.queries.spec import InputSpec, Placement
from shared.results.specimens import INPUTS_AT_ONCE, specimens_key
from shared.sheets.sheet import SheetRef, sheet_key
from shared.storage.port import Storage

_SAME = (
    *("workspace_id", "model_id", "model_version", "weights_digest", "model_digests", "request_type"),
    *("sampling_strategy", "total_count", "deterministic_latents", "conditioning", "fixed_total_count"),
    *("input_digests", "custom_ids", "rejected", "query_digest", "seed", "source", "lane"),
    *("client_metadata", "samples_total", "warnings", "coverage"),
)


@dataclass(frozen=True, slots=True)
class Original:
    """A job that is to run again: its conditions, as far as they are rows, and how it was cut."""

    job: Job
    inputs: tuple[JobInput, ...]
    cuts: tuple[ChunkPlan, ...]


async def original_of(session: AsyncSession, job: Job) -> Original:
    """A job that has a result, or had one, and whose conditions are still there.

    Raises NotReproducible, with the reason, and DatabaseUnavailable.
    """
    _require_result(job)
    in_storage = bool(job.sheets or job.input_digests)
    if job.deleted_at is not None or (in_storage and job.state == JobState.EXPIRED):
        raise NotReproducible(
            f"The inputs of query {job.id} were deleted with its result, so it cannot be run again. Submit "
            f"them as a new query with seed {job.seed}."
        )
    return await read_original(session, job)


async def read_original(session: AsyncSession, job: Job) -> Original:
    """A job, whatever became of it. Raises DatabaseUnavailable."""
    inputs = [] if job.sheets else (await session.scalars(inputs_of_job(job.id))).all()
    cuts = await session.execute(cuts_of(job.id))
    return Original(job, tuple(inputs), tuple(ChunkPlan(*cut) for cut in cuts))


def prepare_again(original: Original, storage: Storage, kept_for: timedelta) -> PreparedJob:
    """A job of the same rows under a new id; what its inputs have in the storage is copied.

    Blocks: for a thread. Raises InputDamaged and StorageUnavailable.
    """
    job, job_id = original.job, uuid4()
    values: dict[str, Any] = {name: getattr(job, name) for name in _SAME} | {
        "id": job_id,
        "request_id": structlog.contextvars.get_contextvars().get("request_id"),
        "chunks_total": len(original.cuts),
        "chunks_open": len(original.cuts),
        "kept_for": kept_for,
        "sheets": list(_copied_sheets(job, job_id, storage)),
    }
    _copy_counts(job, job_id, storage)
    inputs = tuple(map(input_of, original.inputs))
    return PreparedJob(job_id, job.model_id, values, inputs, original.cuts, objects={})


def input_of(row: JobInput) -> InputSpec:
    """A condition as it was understood when it was sent, without the counts that it may have brought."""
    placements = {name: Placement.from_json(entry) for name, entry in row.placements.items()}
    return InputSpec(row.conditions, placements, row.num_samples, custom_id=row.custom_id or "")


def stored_input(storage: Storage, key: str, digest: str) -> bytes:
    """An object that a query's inputs lie in, if it is what was stored. Raises InputDamaged."""
    try:
        data = storage.get(key)
    except KeyError:
        raise InputDamaged(f"The stored inputs {key} are missing. Submit the query again.") from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise InputDamaged(f"The stored inputs {key} were changed. Submit the query again.")
    return data


def _require_result(job: Job) -> None:
    if job.state not in FINAL_JOB_STATES:
        raise NotReproducible(f"Query {job.id} is {job.state}; it can be reproduced once it is ready.")
    if job.state in {JobState.FAILED, JobState.CANCELLED}:
        raise NotReproducible(
            f"Query {job.id} ended as {job.state}, so there is no whole result to compare with. Submit it "
            f"again with seed {job.seed}."
        )


def _copied_sheets(job: Job, job_id: UUID, storage: Storage) -> Iterator[Mapping[str, Any]]:
    for number, sheet in enumerate(map(SheetRef.from_json, job.sheets)):
        key = sheet_key(job_id, number)
        storage.put(key, stored_input(storage, sheet.key, sheet.sha256))
        yield replace(sheet, key=key).to_json()


def _copy_counts(job: Job, job_id: UUID, storage: Storage) -> None:
    for number, digest in enumerate(job.input_digests):
        if digest:  # where a whole object of rows was left out there is none
            first = number * INPUTS_AT_ONCE
            data = stored_input(storage, specimens_key(job.id, first), digest)
            storage.put(specimens_key(job_id, first), data)
