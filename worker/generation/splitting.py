"""What becomes of a chunk that took workers down with it: cut in halves until the guilty input is alone.

That input fails after its last attempt; its neighbours, in chunks of their own, are delivered.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from sqlalchemy.orm import Session

from shared.database.queries import ending, leases, recovery
from shared.database.queries.submitting import save_inputs
from shared.database.tables import Chunk
from shared.errors import InputDamaged
from shared.jobs.chunks import ChunkPlan
from shared.sheets.sheet import SheetRow
from shared.storage.port import Storage
from worker.generation.conditions import columns_of
from worker.generation.ending import Ended, end_chunks, missing
from worker.generation.sheets import conditions_of

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
    try:
        inputs = conditions_of(session, storage, chunk)
    except InputDamaged:
        inputs = []  # who computes it will say so
    if len(inputs) > 1 and _split(
        session, chunk, inputs[len(inputs) // 2].first_sample, tries_before_split(max_attempts) - 1
    ):
        return Fate.SPLIT
    if len(inputs) > 1 or chunk.attempts < max_attempts:
        session.execute(leases.try_again(chunk.id, chunk.token or 0, recovery.STOPPED_ANSWERING))
        return Fate.QUEUED
    _fail(session, storage, chunk, inputs)
    return Fate.FAILED


def _fail(session: Session, storage: Storage, chunk: Chunk, inputs: Sequence[SheetRow]) -> None:
    """End a chunk of one input, or of inputs that cannot be read, for good."""
    error = (
        f"It was tried {chunk.attempts} times, and each time the worker that computed it stopped answering."
    )
    session.execute(leases.fail_chunk(chunk.id, chunk.token or 0, error))
    if inputs:
        session.execute(save_inputs(chunk.job_id, map(columns_of, inputs)))
        session.execute(ending.fail_inputs(chunk.job_id, [each.position for each in inputs], error))
    else:
        session.execute(ending.warn(chunk.job_id, missing(chunk.first_sample, chunk.num_samples, error)))
    end_chunks(session, storage, [Ended(chunk.job_id, chunk.token or 0, 0, chunk.num_samples, error)])


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
