"""The states of a job and of a chunk, and the one table of legal moves: guarded UPDATEs are built from it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from shared.errors import IllegalTransition

S = TypeVar("S", bound=StrEnum)


class JobState(StrEnum):
    """Where a job is."""

    QUEUED = "queued"  # saved; no chunk was claimed yet
    RUNNING = "running"  # at least one chunk was claimed
    READY = "ready"  # every chunk is done and the manifest is written
    FAILED = "failed"  # ended without a result; the reason is in `error`
    CANCELLED = "cancelled"  # ended at the user's wish
    EXPIRED = "expired"  # its result was deleted after its time


class ChunkState(StrEnum):
    """Where a chunk is."""

    QUEUED = "queued"  # waits to be claimed
    RUNNING = "running"  # leased by a worker
    DONE = "done"  # its part is stored
    FAILED = "failed"  # ran out of attempts
    CANCELLED = "cancelled"  # its job ended before it ran


JOB_MOVES: Mapping[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED}),
    JobState.RUNNING: frozenset({JobState.READY, JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED}),
    JobState.READY: frozenset({JobState.EXPIRED}),
    JobState.FAILED: frozenset({JobState.EXPIRED}),
    JobState.CANCELLED: frozenset({JobState.EXPIRED}),
    JobState.EXPIRED: frozenset(),
}
CHUNK_MOVES: Mapping[ChunkState, frozenset[ChunkState]] = {
    ChunkState.QUEUED: frozenset({ChunkState.RUNNING, ChunkState.FAILED, ChunkState.CANCELLED}),
    # Back to queued: the lease ran out, or the worker gave it back.
    ChunkState.RUNNING: frozenset(
        {ChunkState.DONE, ChunkState.QUEUED, ChunkState.FAILED, ChunkState.CANCELLED}
    ),
    ChunkState.DONE: frozenset(),
    ChunkState.FAILED: frozenset(),
    ChunkState.CANCELLED: frozenset(),
}
FINAL_JOB_STATES = frozenset({JobState.READY, JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED})


def job_states_before(target: JobState) -> tuple[JobState, ...]:
    """The states that a job may leave for `target`."""
    return _before(JOB_MOVES, target)


def chunk_states_before(target: ChunkState) -> tuple[ChunkState, ...]:
    """The states that a chunk may leave for `target`."""
    return _before(CHUNK_MOVES, target)


def _before(moves: Mapping[S, frozenset[S]], target: S) -> tuple[S, ...]:
    sources = tuple(state for state, targets in moves.items() if target in targets)
    if not sources:
        raise IllegalTransition(f"No state may move to {target!r}.")
    return sources
