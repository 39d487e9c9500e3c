"""A stored result: its parts in order, each checked against the digest under which it was stored.

What is not whole raises; nobody gets a shorter result than was asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from uuid import UUID

import pyarrow as pa
from sqlalchemy.ext.asyncio import AsyncSession

from api.services.catalog import LiveCatalog
from shared.database.queries.jobs import done_chunks
from shared.database.tables import Chunk, Job
from shared.errors import ResultDamaged, ResultGone, ResultNotReady
from shared.jobs import endings
from shared.jobs.states import FINAL_JOB_STATES, JobState
from shared.results.header import ResultHeader
from shared.results.part import decode_part
from shared.storage.port import Storage


@dataclass(frozen=True, slots=True)
class PartRef:
    """Where one part lies, how many samples it holds, and its SHA-256 in hex."""

    key: str
    num_samples: int
    sha256: str

    @classmethod
    def of(cls, chunk: Chunk) -> PartRef:
        """The part of a chunk that is done."""
        stored = chunk.num_samples if chunk.samples_stored is None else chunk.samples_stored
        return cls(chunk.part_key or "", stored, chunk.part_sha256 or "")


@dataclass(frozen=True, slots=True)
class StoredResult:
    """Everything that reading a result needs, without a row or a session."""

    job_id: UUID
    header: ResultHeader
    parts: tuple[PartRef, ...]


async def stored_result(
    session: AsyncSession, job: Job, models: LiveCatalog, *, partial: bool = False
) -> StoredResult:
    """The result of a ready job or, where `partial`, what was finished of a cancelled one.

    Raises ResultNotReady, ResultGone, ResultDamaged, DatabaseUnavailable.
    """
    if not (partial and has_part_of_result(job)):
        require_ready(job)
    chunks = (await session.scalars(done_chunks(job.id))).all()
    parts = tuple(PartRef.of(chunk) for chunk in chunks if chunk.samples_stored != 0)
    if sum(part.num_samples for part in parts) != job.samples_done:
        raise ResultDamaged(
            f"The result of query {job.id} lacks parts; submit it again with seed {job.seed}."
        )
    return StoredResult(job.id, await header_of(job, models), parts)


def require_ready(job: Job) -> None:
    """Raises ResultNotReady for a job without a result, and ResultGone once it was deleted, saying why."""
    if job.state == JobState.READY:
        return
    if job.state == JobState.EXPIRED:
        raise ResultGone(f"The result of query {job.id} is gone: {why_ended(job)}")
    if has_part_of_result(job):
        raise ResultNotReady(
            f"Query {job.id} was cancelled when {job.samples_done} of {job.samples_total} samples were done. "
            "Add ?partial=true to fetch those."
        )
    if job.state in FINAL_JOB_STATES:
        raise ResultNotReady(f"Query {job.id} has no result: {why_ended(job)}")
    raise ResultNotReady(
        f"Query {job.id} is {job.state}: {job.samples_done} of {job.samples_total} samples are done. "
        f"Ask again when GET /api/model-queries/{job.id}/status says ready."
    )


def has_part_of_result(job: Job) -> bool:
    """Whether a cancelled job has samples that can be read. They are sent to nobody who does not ask so."""
    return job.state == JobState.CANCELLED and job.samples_done > 0


def why_ended(job: Job) -> str:
    """One sentence about a job that ended without a result that can be read."""
    return endings.why_ended(job.state, job.error, deleted=job.deleted_at is not None) or ""


async def header_of(job: Job, models: LiveCatalog) -> ResultHeader:
    """What stands above the samples. The genes are those of the very version that answered, removed or not.

    Raises ResultNotReady where this server never had it: a starter that was replaced in the models folder.
    """
    offer = await models.held(job.model_id, job.model_version)
    if offer is None or offer.model.manifest.weights_digest != job.weights_digest:
        raise ResultNotReady(
            f"Query {job.id} was answered by version {job.model_version} of {job.model_id}, which this "
            f"server does not hold any more. Submit the query again with seed {job.seed}."
        )
    return ResultHeader(offer.model.gene_order, job.model_id, job.model_version, offer.request_type)


def open_parts(storage: Storage, parts: Sequence[PartRef]) -> Iterator[pa.Table]:
    """The parts, one at a time; the first is read at once, so that its damage is known before any answer.

    Blocks: for a thread. Raises ResultDamaged and StorageUnavailable.
    """
    first = read_part(storage, parts[0])
    return chain([first], (read_part(storage, part) for part in parts[1:]))


def read_part(storage: Storage, part: PartRef) -> pa.Table:
    """One part, if it is what was stored. Raises ResultDamaged and StorageUnavailable."""
    try:
        data = storage.get(part.key)
    except KeyError:
        raise ResultDamaged(f"The stored part {part.key} is missing. Submit the query again.") from None
    if hashlib.sha256(data).hexdigest() != part.sha256:
        raise ResultDamaged(f"The stored part {part.key} was changed. Submit the query again.")
    table = decode_part(data)
    if table.num_rows != part.num_samples:
        raise ResultDamaged(f"The stored part {part.key} has another number of samples than it should.")
    return table
