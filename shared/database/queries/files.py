"""Statements about stored files that somebody holds a link to."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Select, select

from shared.database.tables import Artifact, Chunk
from shared.jobs.artifacts import ArtifactState
from shared.jobs.states import ChunkState


def part_at(job_id: UUID, position: int) -> Select[Chunk]:
    """The finished chunk of a job at a position, if its part holds samples."""
    return select(Chunk).where(
        Chunk.job_id == job_id,
        Chunk.position == position,
        Chunk.state == ChunkState.DONE,
        Chunk.samples_stored.is_distinct_from(0),
    )


def artifact_made(artifact_id: UUID) -> Select[Artifact]:
    """An artifact that is there to be fetched."""
    return select(Artifact).where(Artifact.id == artifact_id, Artifact.state == ArtifactState.READY)
