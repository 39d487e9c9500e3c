"""Saving a job whole in one statement: its row, its conditions, its chunks, its first event, who is told.

One trip to the server in place of four, and one statement that is built and compiled once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import (
    CTE,
    ColumnElement,
    Insert,
    Interval,
    Select,
    TableClause,
    bindparam,
    func,
    insert,
    inspect,
    literal,
    literal_column,
    select,
)
from sqlalchemy import column as sql_column
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as insert_or_not
from sqlalchemy.sql.selectable import TableValuedAlias

from shared.database.queries.events import RETOLD, event, told
from shared.database.tables import Chunk, Job, JobInput, Table
from shared.jobs.events import EventKind
from shared.queries.requests import RequestType

_OF_JOB = (
    *("id", "workspace_id", "model_id", "model_version", "weights_digest", "request_type"),
    *("sampling_strategy", "total_count", "deterministic_latents", "conditioning", "fixed_total_count"),
    *("input_digests", "seed", "source", "request_id", "lane", "client_metadata", "parent_id"),
    *("samples_total", "chunks_total", "chunks_open", "warnings", "coverage"),
    *("webhook_endpoint_id", "webhook_events"),
    *("sheets", "custom_ids", "rejected", "query_digest", "model_digests", "reproduces_id"),
)
# What a job has where nothing else is said.
_UNSAID: Mapping[str, Any] = {
    "request_type": str(RequestType.BASELINE),
    "conditioning": [],
    "fixed_total_count": False,
    "input_digests": [],
    "source": None,
    "request_id": None,
    "client_metadata": {},
    "parent_id": None,
    "warnings": [],
    "coverage": [],
    "deadline": None,
    "cancel_after": None,
    "webhook_endpoint_id": None,
    "webhook_events": [],
    "sheets": [],
    "custom_ids": False,
    "rejected": None,
    "query_digest": None,
    "model_digests": {},
    "reproduces_id": None,
}
# What the clock of the database turns into times.
_APART = ("deadline", "cancel_after", "kept_for")
_OF_INPUT = ("position", "first_sample", "num_samples", "conditions", "placements", "custom_id")
_OF_CHUNK = ("position", "first_sample", "num_samples")
# What a chunk repeats of its job.
_SHARED = ("workspace_id", "lane", "model_id", "model_version")


def save_whole(
    values: Mapping[str, Any], inputs: Iterable[Mapping[str, Any]], chunks: Sequence[Mapping[str, Any]]
) -> tuple[Select[Any], dict[str, Any]]:
    """A statement and its parameters; it returns the job's id, or nothing where it was saved before.

    `values` are the job's columns, with `kept_for` and `cancel_after`, which count from now by the clock of
    the database; the earlier of `deadline` and `cancel_after` holds. Rows are keyed by attribute.
    """
    said = {**_UNSAID, **values}
    apart = {name: said.pop(name) for name in _APART}
    return _WHOLE, {**apart, "job": [said], "inputs": _sent(inputs), "chunks": list(chunks)}


def save_inputs(job_id: object, inputs: Iterable[Mapping[str, Any]]) -> Insert:
    """More conditions of a job; those that it has already stay as they are."""
    rows = _recordset(JobInput, bindparam("inputs", _sent(inputs), JSONB), _OF_INPUT)
    chosen = select(literal(job_id, JobInput.job_id.type), *rows.c)
    statement = insert_or_not(_table(JobInput)).from_select(["job_id", *_names(JobInput, _OF_INPUT)], chosen)
    return statement.on_conflict_do_nothing(index_elements=["job_id", "position"])


def _sent(inputs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    names = dict(zip(_OF_INPUT, _names(JobInput, _OF_INPUT), strict=True))
    return [{name: row.get(attribute) for attribute, name in names.items()} for row in inputs]


def _table(kind: type[Table]) -> TableClause:
    return cast(TableClause, inspect(kind).local_table)


def _names(kind: type[Table], attributes: Iterable[str]) -> list[str]:
    """Of columns, which may be called otherwise than their attributes."""
    return [str(inspect(kind).columns[attribute].name) for attribute in attributes]


def _recordset(kind: type[Table], sent: ColumnElement[Any], attributes: Sequence[str]) -> TableValuedAlias:
    """Rows that travel as one JSON parameter, whatever their number; Postgres takes them apart."""
    columns = [inspect(kind).columns[attribute] for attribute in attributes]
    typed = [sql_column(column.name, column.type) for column in columns]
    rows = func.jsonb_to_recordset(sent).table_valued(*typed)
    return rows.render_derived(name=f"sent_{kind.__tablename__}", with_types=True)


def _job() -> CTE:
    """The job's row; none where it was saved before."""
    row = _recordset(Job, bindparam("job", type_=JSONB), _OF_JOB)
    deadline = bindparam("deadline", type_=inspect(Job).columns["deadline"].type)
    # LEAST passes over what is null: a job without a deadline has none.
    ends = func.least(deadline, func.now() + bindparam("cancel_after", type_=Interval))
    expires = func.now() + bindparam("kept_for", type_=Interval)
    names = [*_names(Job, _OF_JOB), "events", "deadline", "expires_at"]
    # Not column by column: psycopg keeps what it made of a statement up to 4 kB only.
    chosen = select(literal_column(f"{row.name}.*"), literal(1), ends, expires).select_from(row)
    statement = insert_or_not(_table(Job)).from_select(names, chosen)
    return (
        statement.on_conflict_do_nothing(index_elements=["id"])
        .returning(*RETOLD, Job.lane, Job.model_version)
        .cte("job")
    )


def _rows(
    job: CTE, kind: type[Table], parameter: str, attributes: Sequence[str], of_job: Sequence[str] = ()
) -> CTE:
    """Rows of a table that belong to the job; `of_job` is what they repeat of it."""
    rows = _recordset(kind, bindparam(parameter, type_=JSONB), attributes)
    chosen = select(job.c.id, *(job.c[name] for name in of_job), *rows.c).join_from(job, rows, literal(True))
    names = ["job_id", *_names(kind, (*of_job, *attributes))]
    return insert(_table(kind)).from_select(names, chosen).cte(f"saved_{parameter}")


def _whole() -> Select[Any]:
    job = _job()
    inputs = _rows(job, JobInput, "inputs", _OF_INPUT)
    chunks = _rows(job, Chunk, "chunks", _OF_CHUNK, _SHARED)
    number, data = literal(1), literal({}, JSONB)
    first = event(job, number, EventKind.QUEUED, data)
    return select(job.c.id, told(job, number, EventKind.QUEUED)).add_cte(inputs, chunks, first)


_WHOLE = _whole()
