"""Statements about chunks on lease: renewed, completed, failed or let go by whoever holds the fencing token.

Locks are taken chunks first, in the order of their ids, then the job, everywhere.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, tuple_, update
from sqlalchemy.sql.dml import ReturningUpdate

from shared.database.tables import Chunk
from shared.jobs.states import ChunkState

QUEUED_AGAIN: Mapping[str, Any] = {
    "state": ChunkState.QUEUED,
    "owner": None,
    "lease_expires_at": None,
    "queued_at": func.now(),
}


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part that lies in the storage: its key, size, SHA-256, and the kind of device that computed it."""

    key: str
    bytes: int
    sha256: str
    device: str


def renew(held: Collection[tuple[int, int]], duration: timedelta) -> ReturningUpdate[int]:
    """Extend the leases of `(chunk id, token)` pairs; returns the ids that are still ours."""
    return _end_at(held, func.now() + duration)


def abandon(held: Collection[tuple[int, int]]) -> ReturningUpdate[int]:
    """End leases of `(chunk id, token)` pairs as a death would: upkeep decides what becomes of the chunks."""
    return _end_at(held, func.now())


def complete_chunk(
    chunk_id: int, token: int, part: StoredPart, failed: int = 0
) -> ReturningUpdate[UUID, int]:
    """Record a stored part, without its `failed` samples; no row comes back when the lease is lost."""
    return (
        update(Chunk)
        .where(Chunk.id == chunk_id, Chunk.token == token, Chunk.state == ChunkState.RUNNING)
        .values(
            state=ChunkState.DONE,
            samples_stored=Chunk.num_samples - failed,
            part_key=part.key,
            part_bytes=part.bytes,
            part_sha256=part.sha256,
            device=part.device,
            finished_at=func.clock_timestamp(),
            owner=None,
            lease_expires_at=None,
            error=None,
        )
        .returning(Chunk.job_id, Chunk.num_samples)
    )


def fail_chunk(chunk_id: int, token: int, error: str) -> ReturningUpdate[UUID, int]:
    """None of its samples will ever be made; no row comes back when the lease is lost."""
    return (
        update(Chunk)
        .where(Chunk.id == chunk_id, Chunk.token == token, Chunk.state == ChunkState.RUNNING)
        .values(
            state=ChunkState.FAILED,
            error=error,
            finished_at=func.clock_timestamp(),
            owner=None,
            lease_expires_at=None,
        )
        .returning(Chunk.job_id, Chunk.num_samples)
    )


def give_back(chunk_id: int, token: int) -> ReturningUpdate[int]:
    """Return a chunk that was not begun: as if it had never been claimed."""
    return (
        update(Chunk)
        .where(Chunk.id == chunk_id, Chunk.token == token, Chunk.state == ChunkState.RUNNING)
        .values(attempts=Chunk.attempts - 1, **QUEUED_AGAIN)
        .returning(Chunk.id)
    )


def try_again(chunk_id: int, token: int, error: str) -> ReturningUpdate[int]:
    """An attempt went wrong: back to the queue."""
    return (
        update(Chunk)
        .where(Chunk.id == chunk_id, Chunk.token == token, Chunk.state == ChunkState.RUNNING)
        .values(error=error, **QUEUED_AGAIN)
        .returning(Chunk.id)
    )


def part_is_named(chunk_id: int, key: str) -> Select[int]:
    """The chunk, if its row points at this part."""
    return select(Chunk.id).where(Chunk.id == chunk_id, Chunk.part_key == key)


def _end_at(held: Collection[tuple[int, int]], end: ColumnElement[datetime]) -> ReturningUpdate[int]:
    """Move the end of leases, those that are still ours."""
    ours = (tuple_(Chunk.id, Chunk.token).in_(held), Chunk.state == ChunkState.RUNNING)
    # In the order of their ids: nobody else who locks several chunks waits for us in a circle.
    locked = select(Chunk.id).where(*ours).order_by(Chunk.id).with_for_update()
    return update(Chunk).where(Chunk.id.in_(locked), *ours).values(lease_expires_at=end).returning(Chunk.id)
