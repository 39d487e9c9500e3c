"""Statements about how busy the service is, and how fast it was of late. Of all workspaces, without names."""

from __future__ import annotations

from sqlalchemy import Double, Select, cast, func, select

from shared.database.tables import Chunk, Job
from shared.jobs.states import ChunkState, JobState

# A job of one sample may end within the clock's tick.
_SHORTEST_SECONDS = 0.001


def recent_rates(model_id: str, sampling_strategy: str, limit: int) -> Select[float]:
    """Samples per second of the last jobs that became ready, of a public id and a strategy."""
    seconds = func.greatest(func.extract("epoch", Job.finished_at - Job.started_at), _SHORTEST_SECONDS)
    return (
        select(cast(Job.samples_total / seconds, Double))
        .where(
            Job.model_id == model_id,
            Job.sampling_strategy == sampling_strategy,
            Job.state == JobState.READY,
            Job.started_at.is_not(None),
        )
        .order_by(Job.finished_at.desc())
        .limit(limit)
    )


def samples_waiting() -> Select[int]:
    """How many samples of all jobs no worker has begun."""
    return select(func.coalesce(func.sum(Chunk.num_samples), 0)).where(Chunk.state == ChunkState.QUEUED)
