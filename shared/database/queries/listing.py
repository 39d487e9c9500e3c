"""Statements that list the jobs of a workspace, the newest first, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, select, tuple_
from sqlalchemy.orm import defer

from shared.database.tables import Job
from shared.jobs.states import JobState


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: nothing that is saved later comes behind it."""

    created_at: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs are wanted; what is empty is not asked for. `metadata` are pairs that a job must have."""

    states: tuple[JobState, ...] = ()
    model_id: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


def jobs_of_workspace(workspace_id: int, wanted: JobFilter, behind: Place | None, limit: int) -> Select[Job]:
    """The newest jobs that are wanted, or those behind a place; without what can be large of them."""
    large = (Job.sheets, Job.input_digests, Job.coverage, Job.warnings)
    statement = select(Job).where(Job.workspace_id == workspace_id)
    statement = statement.options(*(defer(column, raiseload=True) for column in large))
    if behind is not None:
        statement = statement.where(tuple_(Job.created_at, Job.id) < (behind.created_at, behind.id))
    if wanted.states:
        statement = statement.where(Job.state.in_(wanted.states))
    if wanted.model_id is not None:
        statement = statement.where(Job.model_id == wanted.model_id)
    if wanted.created_after is not None:
        statement = statement.where(Job.created_at > wanted.created_after)
    if wanted.created_before is not None:
        statement = statement.where(Job.created_at < wanted.created_before)
    if wanted.metadata:
        statement = statement.where(Job.client_metadata.contains(dict(wanted.metadata)))
    return statement.order_by(Job.created_at.desc(), Job.id.desc()).limit(limit)
