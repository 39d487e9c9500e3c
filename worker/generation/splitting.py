"""What becomes of a chunk that took workers down with it: cut in halves until the guilty input is alone.

That input fails after its last attempt; its neighbours, in chunks of their own, are delivered.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy.orm import Session

from shared.database.queries import ending, leases, recovery
from shared.database.queries import jobs as job_statements
from shared.database.tables import Chunk
from shared.jobs.chunks import ChunkPlan
from shared.storage.port import Storage
from worker.generation.ending import Ended, end_chunk

_DEATHS_BEFORE_SPLIT = 2


class Fate(StrEnum):
    """What was done with a chunk whose owner stopped answering."""

    QUEUED = "queued"  # tried again as it is
    SPLIT = "split"  # tried again in halves
    FAILED = "failed"  # it was one input, and its last attempt


def tries_before_split(max_attempts: int) -> int:
    """After so many attempts a chunk is not simply tried again."""
    return min(_DEATHS_BEFORE_SPLIT, max_attempts)


def settle(session: Session, storage: Storage, chunk: Chunk, max_attempts: int) -> Fate:
    """Split, queue again or fail a locked chunk whose lease ran out.

    Raises DatabaseUnavailable, StorageUnavailable.
    """
    lease = chunk.id, chunk.token or 0
    statement = job_statements.inputs_of_chunks([chunk.id])
    inputs = session.scalars(statement).all()
    boundary = inputs[len(inputs) // 2].first_sample
    if len(inputs) > 1 and _split(session, chunk, boundary, tries_before_split(max_attempts) - 1):
        return Fate.SPLIT
    if len(inputs) > 1 or chunk.attempts < max_attempts:
        session.execute(leases.try_again(*lease, recovery.STOPPED_ANSWERING))
        return Fate.QUEUED
    error = (
        f"It was tried {chunk.attempts} times, and each time the worker that computed it stopped answering."
    )
    session.execute(leases.fail_chunk(*lease, error))
    session.execute(ending.fail_inputs(chunk.job_id, [each.position for each in inputs], error))
    end_chunk(session, storage, Ended(chunk.job_id, lease[1], 0, chunk.num_samples, error))
    return Fate.FAILED


def _split(session: Session, chunk: Chunk, boundary: int, attempts: int) -> bool:
    """Two chunks of one, cut at a sample of the job; each may be tried again before it is cut again.

    False: the job is over, and nothing was done; once queued, what is left of it is cancelled.
    """
    total = session.scalars(recovery.one_chunk_more(chunk.job_id)).one_or_none()
    if total is None:
        return False
    first = boundary - chunk.first_sample
    session.execute(recovery.shorten(chunk.id, chunk.token or 0, first, attempts))
    rest = ChunkPlan(total - 1, boundary, chunk.num_samples - first)
    session.execute(recovery.add_chunk(chunk, rest, attempts))
    return True
