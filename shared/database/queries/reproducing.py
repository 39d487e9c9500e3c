"""Statements about a job that runs again: how it was cut, and what came of it."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Select, select

from shared.database.tables import Chunk


def cuts_of(job_id: UUID) -> Select[int, int, int]:
    """Position, first sample and number of samples of a job's chunks, as they were in the end."""
    return (
        select(Chunk.position, Chunk.first_sample, Chunk.num_samples)
        .where(Chunk.job_id == job_id)
        .order_by(Chunk.position)
    )


def outcomes_of(job_id: UUID) -> Select[int, int, str | None, str | None, str | None]:
    """Of a job's chunks in order: first sample, number of samples, and the part's key, SHA-256 and device."""
    return (
        select(Chunk.first_sample, Chunk.num_samples, Chunk.part_key, Chunk.part_sha256, Chunk.device)
        .where(Chunk.job_id == job_id)
        .order_by(Chunk.first_sample)
    )
