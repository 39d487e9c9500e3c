"""The parts of a result as files: what is there already, also while the job runs; and its manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from api.services.results import require_ready
from shared.database.queries.files import artifact_made, part_at
from shared.database.queries.jobs import done_chunks
from shared.database.tables import Artifact, Chunk, Job
from shared.errors import ResultDamaged, StoredFileNotFound
from shared.jobs.states import JobState
from shared.storage.port import Storage

# A job in these states has parts to show; of the others it is said why not.
_SHOWN = frozenset({JobState.QUEUED, JobState.RUNNING, JobState.CANCELLED, JobState.READY})
_LARGEST_POSITION = 2**31 - 1


async def parts_so_far(session: AsyncSession, job: Job) -> Sequence[Chunk]:
    """The chunks that are done, in the order of their samples. Raises ResultNotReady and ResultGone."""
    if job.state not in _SHOWN:
        require_ready(job)
    chunks = (await session.scalars(done_chunks(job.id))).all()
    return [chunk for chunk in chunks if chunk.samples_stored != 0]


async def part_behind_link(session: AsyncSession, job: Job, position: int) -> Chunk:
    """The chunk whose part somebody holds a link to. Raises StoredFileNotFound and ResultGone."""
    if job.state not in _SHOWN:
        require_ready(job)
    found = None
    if 0 <= position <= _LARGEST_POSITION:
        found = (await session.scalars(part_at(job.id, position))).one_or_none()
    if found is None:
        raise StoredFileNotFound(f"Query {job.id} has no part {position}, or not yet.")
    return found


async def artifact_behind_link(session: AsyncSession, artifact_id: UUID) -> Artifact:
    """The file that somebody holds a link to. Raises StoredFileNotFound."""
    found = (await session.scalars(artifact_made(artifact_id))).one_or_none()
    if found is None:
        raise StoredFileNotFound("This file is not there any more. Ask for the result of the query again.")
    return found


def read_manifest(storage: Storage, job: Job) -> bytes:
    """The manifest of a ready job, if it is what was stored. For a thread.

    Raises ResultNotReady, ResultGone, ResultDamaged, StorageUnavailable.
    """
    require_ready(job)
    try:
        data = storage.get(job.manifest_key or "")
    except KeyError:
        raise ResultDamaged(_damaged(job, "is missing")) from None
    if job.manifest_sha256 not in {None, hashlib.sha256(data).hexdigest()}:
        raise ResultDamaged(_damaged(job, "was changed"))
    return data


def _damaged(job: Job, how: str) -> str:
    return f"The manifest of query {job.id} {how}. Submit the query again with seed {job.seed}."
