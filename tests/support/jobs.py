"""Builders of rows: a workspace, a job with its inputs and chunks, as a submit would have saved them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, select

from shared.database.engines import transaction
from shared.database.queries import jobs as statements
from shared.database.queries.events import events_of_job
from shared.database.queries.keys import ensure_workspace
from shared.database.queries.submitting import save_whole
from shared.database.tables import Chunk, Event, Job
from shared.jobs.chunks import first_samples, plan_chunks
from shared.jobs.lanes import Lane
from shared.queries.requests import RequestType
from shared.queries.spec import Coverage, Placement
from shared.results.specimens import INPUTS_AT_ONCE, encode_specimens, specimens_key
from shared.sheets.sheet import SheetRef, SheetRow, encode_sheet, sheet_key
from shared.storage.objects import ObjectStorage
from worker.generation.conditions import columns_of

LIVER = {"tissue_ontology_id": Placement(Coverage.EXACT, ("UBERON:0002107",))}


def save_job(
    engine: Engine,
    sizes: Sequence[int] = (4,),
    *,
    per_chunk: int = 2,
    model_id: str = "gem-1-bulk",
    workspace: str = "default",
    seed: int = 7,
    job_id: UUID | None = None,
    rows: Sequence[SheetRow] | None = None,
    sheets: ObjectStorage | None = None,
    **columns: Any,
) -> UUID:
    """A queued job of inputs with these numbers of samples, all of liver; `columns` are more of the job's.

    `rows` stand in for `sizes`; where `sheets`, the conditions lie there, three in each object.
    """
    job_id = job_id or uuid4()
    rows = conditions(sizes) if rows is None else rows
    sizes = [row.num_samples for row in rows]
    plans = list(plan_chunks(sum(sizes), per_chunk))
    with transaction(engine) as session:
        workspace_id = session.scalars(ensure_workspace(workspace)).one()
        values = {
            "id": job_id,
            "workspace_id": workspace_id,
            "model_id": model_id,
            "model_version": 1,
            "weights_digest": "0" * 64,
            "sampling_strategy": "mean estimation",
            "total_count": 1000,
            "deterministic_latents": False,
            "seed": seed,
            "lane": str(Lane.INTERACTIVE),
            "samples_total": sum(sizes),
            "chunks_total": len(plans),
            "chunks_open": len(plans),
            "kept_for": timedelta(days=1),
            "custom_ids": any(row.custom_id for row in rows),
            "sheets": store_sheets(sheets, job_id, rows) if sheets else [],
            **columns,
        }
        inputs = [] if sheets else map(columns_of, rows)
        statement, parameters = save_whole(values, inputs, [asdict(plan) for plan in plans])
        assert session.scalar(statement, parameters) == job_id
    return job_id


def conditions(sizes: Sequence[int]) -> list[SheetRow]:
    """Inputs with these numbers of samples, all of liver."""
    metadata = {"tissue_ontology_id": "UBERON:0002107"}
    return [
        SheetRow(position, first, size, metadata, LIVER)
        for position, (first, size) in enumerate(zip(first_samples(sizes), sizes, strict=True))
    ]


def store_sheets(storage: ObjectStorage, job_id: UUID, rows: Sequence[SheetRow]) -> list[dict[str, Any]]:
    """Store conditions, three in each sheet; returns where they lie."""
    stored = []
    for number, first in enumerate(range(0, len(rows), 3)):
        some, key = rows[first : first + 3], sheet_key(job_id, number)
        data, samples = encode_sheet(some), sum(row.num_samples for row in some)
        storage.put(key, data)
        digest = hashlib.sha256(data).hexdigest()
        stored.append(SheetRef(key, some[0].first_sample, samples, len(some), digest).to_json())
    return stored


def save_specimens_job(
    engine: Engine,
    storage: ObjectStorage,
    counts: NDArray[np.int32],
    request_type: RequestType,
    *,
    num_samples: int = 1,
    per_chunk: int = 2,
    **columns: Any,
) -> UUID:
    """A queued job of inputs that bring counts [N, G] along, each asking for `num_samples`."""
    job_id, digests = uuid4(), []
    for first in range(0, len(counts), INPUTS_AT_ONCE):
        data = encode_specimens(first, list(counts[first : first + INPUTS_AT_ONCE]))
        storage.put(specimens_key(job_id, first), data)
        digests.append(hashlib.sha256(data).hexdigest())
    return save_job(
        engine,
        [num_samples] * len(counts),
        per_chunk=per_chunk,
        model_id=f"gem-1-bulk{request_type.suffix}",
        job_id=job_id,
        request_type=str(request_type),
        input_digests=digests,
        **columns,
    )


def read_job(engine: Engine, job_id: UUID) -> Job:
    """The job's row."""
    with transaction(engine) as session:
        return session.scalars(statements.job_by_id(job_id)).one()


def read_chunks(engine: Engine, job_id: UUID) -> list[Chunk]:
    """The job's chunks, in order."""
    with transaction(engine) as session:
        rows = session.scalars(select(Chunk).where(Chunk.job_id == job_id).order_by(Chunk.position))
        return list(rows)


def read_events(engine: Engine, job_id: UUID) -> list[Event]:
    """What happened to the job, in order."""
    with transaction(engine) as session:
        return list(session.scalars(events_of_job(job_id)))
