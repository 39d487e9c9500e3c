"""Statements about chunks on lease: renewed, completed, failed or let go by whoever holds the fencing token.

Locks are taken chunks first, in the order of their ids, then the job, everywhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Interval,
    Select,
    Text,
    and_,
    bindparam,
    column,
    func,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.dml import ReturningUpdate

from shared.database.queries.recordsets import Sending, recordset
from shared.database.tables import Chunk
from shared.jobs.states import ChunkState

QUEUED_AGAIN: Mapping[str, Any] = {
    "state": ChunkState.QUEUED,
    "owner": None,
    "lease_expires_at": None,
    "queued_at": func.now(),
}
# A lease that has so much of its time left is not renewed: small chunks end before it is due.
_YOUNG = 0.9


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part that lies in the storage: its key, size, SHA-256, and the kind of device that computed it."""

    key: str
    bytes: int
    sha256: str
    device: str


def renew(held: Collection[tuple[int, int]], duration: timedelta) -> Sending:
    """Extend the leases of `(chunk id, token)` pairs, no young ones; returns the ids that are still ours.

    What is locked just now is passed over: it is being completed, or ended, and the next time will tell.
    """
    rows = [{"id": chunk_id, "token": token} for chunk_id, token in held]
    return _RENEWING, {"held": rows, "duration": duration, "young": _YOUNG * duration}


def abandon(held: Collection[tuple[int, int]]) -> ReturningUpdate[int]:
    """End leases of `(chunk id, token)` pairs as a death would: upkeep decides what becomes of the chunks."""
    ours = (tuple_(Chunk.id, Chunk.token).in_(held), Chunk.state == ChunkState.RUNNING)
    # In the order of their ids: nobody else who locks several chunks waits for us in a circle.
    locked = select(Chunk.id).where(*ours).order_by(Chunk.id).with_for_update()
    return (
        update(Chunk)
        .where(Chunk.id.in_(locked), *ours)
        .values(lease_expires_at=func.now())
        .returning(Chunk.id)
    )


def complete_chunks(parts: Iterable[tuple[tuple[int, int], StoredPart, int]]) -> Sending:
    """Record stored parts: of each its `(chunk id, token)`, and how many of its samples are not in it.

    The ids of the chunks come back, without those whose lease is lost.
    """
    rows = [
        {"id": chunk_id, "token": token, "failed": failed, **asdict(part)}
        for (chunk_id, token), part, failed in parts
    ]
    return _COMPLETING, {"parts": rows}


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


def _completing() -> Select[int]:
    """Built once: building it takes longer than Postgres takes to run it."""
    part = recordset(
        bindparam("parts", type_=JSONB),
        *(column(name, BigInteger) for name in ("id", "token", "failed", "bytes")),
        *(column(name, Text) for name in ("key", "sha256", "device")),
    )
    ours = (Chunk.id == part.c.id, Chunk.token == part.c.token, Chunk.state == ChunkState.RUNNING)
    # In the order of their ids, as everywhere.
    locked = select(part).join(Chunk, and_(*ours)).order_by(Chunk.id).with_for_update(of=Chunk).cte("locked")
    done = (
        update(Chunk)
        .where(Chunk.id == locked.c.id, Chunk.token == locked.c.token, Chunk.state == ChunkState.RUNNING)
        .values(
            state=ChunkState.DONE,
            samples_stored=Chunk.num_samples - locked.c.failed,
            part_key=locked.c.key,
            part_bytes=locked.c.bytes,
            part_sha256=locked.c.sha256,
            device=locked.c.device,
            finished_at=func.clock_timestamp(),
            owner=None,
            lease_expires_at=None,
            error=None,
        )
        .returning(Chunk.id)
        .cte("done")
    )
    return select(done.c.id)


def _renewing() -> Select[Any]:
    """Built once, as the other."""
    pair = recordset(bindparam("held", type_=JSONB), column("id", BigInteger), column("token", BigInteger))
    duration = bindparam("duration", type_=Interval)
    ours = (Chunk.id == pair.c.id, Chunk.token == pair.c.token, Chunk.state == ChunkState.RUNNING)
    old = Chunk.lease_expires_at < func.now() + bindparam("young", type_=Interval)
    free = select(pair).join(Chunk, and_(*ours, old)).with_for_update(of=Chunk, skip_locked=True).cte("free")
    renewed = (
        update(Chunk)
        .where(Chunk.id == free.c.id, Chunk.token == free.c.token, Chunk.state == ChunkState.RUNNING)
        .values(lease_expires_at=func.now() + duration)
        .returning(Chunk.id)
        .cte("renewed")
    )
    return select(Chunk.id).join(pair, and_(*ours)).add_cte(renewed)


_COMPLETING, _RENEWING = _completing(), _renewing()
