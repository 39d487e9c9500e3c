"""Statements about jobs as their owners see them: saving one, reading one, its inputs and its parts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import Executable, Insert, Select, bindparam, func, insert, inspect, select
from sqlalchemy import column as sql_column
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.sql.dml import ReturningInsert

from shared.database.tables import Chunk, Event, Job, JobInput, Table
from shared.jobs.chunks import ChunkPlan
from shared.jobs.events import EventKind
from shared.jobs.states import ChunkState


def save_job(values: dict[str, Any]) -> ReturningInsert[UUID]:
    """A new job row, its first event number 1; gives its id, or nothing where the row is there already."""
    statement = upsert(Job).values(events=1, **values)
    return statement.on_conflict_do_nothing(index_elements=["id"]).returning(Job.id)


def save_inputs(rows: Iterable[dict[str, Any]]) -> Insert:
    """The job's conditions, one row each, of one job or of several."""
    return _insert_all(JobInput, rows)


def save_chunks(job: Mapping[str, Any], plans: Iterable[ChunkPlan]) -> Insert:
    """The chunks of a job, given its columns; all queued."""
    common = {
        "job_id": job["id"],
        "workspace_id": job["workspace_id"],
        "lane": job["lane"],
        "model_id": job["model_id"],
        "model_version": job["model_version"],
    }
    rows = ({**common, **asdict(plan)} for plan in plans)
    return _insert_all(Chunk, rows)


def save_event(job_id: UUID, number: int, kind: EventKind, data: dict[str, Any] | None = None) -> Insert:
    """One event; `number` is what the job's own counter said."""
    return insert(Event).values(job_id=job_id, number=number, kind=kind, data=data or {})


def job_of_workspace(job_id: UUID, workspace_id: int) -> Select[Job]:
    """A job, if it belongs to the workspace."""
    return select(Job).where(Job.id == job_id, Job.workspace_id == workspace_id)


def job_by_id(job_id: UUID) -> Select[Job]:
    """A job, whoever owns it: for signed links and workers."""
    return select(Job).where(Job.id == job_id)


def inputs_of_job(job_id: UUID) -> Select[JobInput]:
    """The conditions of a job, in order."""
    return select(JobInput).where(JobInput.job_id == job_id).order_by(JobInput.position)


def inputs_of_chunks(chunk_ids: Collection[int]) -> Select[JobInput, int]:
    """The conditions whose samples overlap the runs of these chunks, in order, each with its chunk's id."""
    overlap = (JobInput.first_sample < Chunk.first_sample + Chunk.num_samples) & (
        JobInput.first_sample + JobInput.num_samples > Chunk.first_sample
    )
    return (
        select(JobInput, Chunk.id)
        .join_from(Chunk, JobInput, (JobInput.job_id == Chunk.job_id) & overlap)
        .where(Chunk.id.in_(chunk_ids))
        .order_by(Chunk.id, JobInput.position)
    )


def done_chunks(job_id: UUID, from_sample: int = 0) -> Select[Chunk]:
    """The finished chunks of a job from a sample on, in the order of their samples."""
    return (
        select(Chunk)
        .where(Chunk.job_id == job_id, Chunk.state == ChunkState.DONE, Chunk.first_sample >= from_sample)
        .order_by(Chunk.first_sample)
    )


def events_of_job(job_id: UUID, after: int = 0) -> Select[Event]:
    """What happened to a job after an event number, in order."""
    return select(Event).where(Event.job_id == job_id, Event.number > after).order_by(Event.number)


def event_numbers(job_ids: Collection[UUID]) -> Select[UUID, int, str]:
    """Of these jobs: id, number of the newest event, state."""
    return select(Job.id, Job.events, Job.state).where(Job.id.in_(job_ids))


def ping() -> Executable:
    """The cheapest statement there is: does the server answer?"""
    return select(1)


def _insert_all(table: type[Table], rows: Iterable[dict[str, Any]]) -> Insert:
    """All rows in one JSON parameter: compiled once whatever their number; Postgres takes them apart.

    Keys are names of the table's attributes, the same in every row.
    """
    values = list(rows)
    columns = {name: inspect(table).columns[name] for name in values[0]}
    sent = [{str(column.name): row[name] for name, column in columns.items()} for row in values]
    recordset = func.jsonb_to_recordset(bindparam("rows", sent, JSONB))
    read = recordset.table_valued(
        *(sql_column(column.name, column.type) for column in columns.values())
    ).render_derived(with_types=True)
    return insert(table).from_select(list(columns.values()), select(*read.c))
