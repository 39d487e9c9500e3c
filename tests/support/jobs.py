"""Builders of rows: a workspace, a job with its inputs and chunks, as a submit would have saved them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import Engine, select

from shared.database.engines import transaction
from shared.database.queries import jobs as statements
from shared.database.queries.keys import ensure_workspace
from shared.database.tables import Chunk, Event, Job
from shared.jobs.chunks import first_samples, plan_chunks
from shared.jobs.events import EventKind

LIVER = {"tissue_ontology_id": {"coverage": "exact", "terms": ["UBERON:0002107"], "distance": 0}}


def save_job(
    engine: Engine,
    sizes: Sequence[int] = (4,),
    *,
    per_chunk: int = 2,
    model_id: str = "gem-1-bulk",
    workspace: str = "default",
    seed: int = 7,
) -> UUID:
    """A queued job of inputs with these numbers of samples, all of liver."""
    job_id = uuid4()
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
            "samples_total": sum(sizes),
            "chunks_total": len(plans),
            "chunks_open": len(plans),
            "expires_at": datetime.now(UTC) + timedelta(days=1),
        }
        session.execute(statements.save_job(values))
        rows = [
            {
                "job_id": job_id,
                "position": position,
                "first_sample": first,
                "num_samples": size,
                "conditions": {"tissue_ontology_id": "UBERON:0002107"},
                "placements": LIVER,
            }
            for position, (first, size) in enumerate(zip(first_samples(sizes), sizes, strict=True))
        ]
        session.execute(statements.save_inputs(rows))
        session.execute(statements.save_chunks(job_id, model_id, plans))
        session.execute(statements.save_event(job_id, 1, EventKind.QUEUED))
    return job_id


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
        return list(session.scalars(statements.events_of_job(job_id)))
