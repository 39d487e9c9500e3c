"""From a checked query to its rows: the job, its conditions, its chunks, its first event.

Preparing is pure and may run in a thread; saving is part of the caller's transaction.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from shared.catalog import Model
from shared.database.queries.jobs import save_chunks, save_event, save_inputs, save_job
from shared.jobs.chunks import ChunkPlan, first_samples, plan_chunks
from shared.jobs.events import EventKind
from shared.queries.spec import InputSpec, QuerySpec

SEEDS = 1 << 63
_ROWS_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class SubmitPolicy:
    """How jobs are cut, and how long results are kept.

    `samples_per_chunk` None means what the model's manifest says.
    """

    result_lifetime: timedelta
    samples_per_chunk: int | None = None


@dataclass(frozen=True, slots=True)
class PreparedJob:
    """A job as rows, not yet saved. `values` are the columns of the job itself."""

    id: UUID
    model_id: str
    values: Mapping[str, Any]
    inputs: tuple[InputSpec, ...]
    chunks: tuple[ChunkPlan, ...]


def prepare_job(
    spec: QuerySpec, model: Model, workspace_id: int, warnings: list[str], policy: SubmitPolicy
) -> PreparedJob:
    """The rows of a query. An open seed is drawn here and kept, so that every result can be repeated."""
    job_id = uuid4()
    chunks = tuple(
        plan_chunks(spec.num_samples, policy.samples_per_chunk or model.manifest.samples_per_chunk)
    )
    values = {
        "id": job_id,
        "workspace_id": workspace_id,
        "model_id": model.model_id,
        "model_version": model.manifest.version,
        "weights_digest": model.manifest.weights_digest,
        "sampling_strategy": str(spec.sampling_strategy),
        "total_count": spec.total_count,
        "deterministic_latents": spec.deterministic_latents,
        "seed": secrets.randbelow(SEEDS) if spec.seed is None else spec.seed,
        "source": spec.source,
        "samples_total": spec.num_samples,
        "chunks_total": len(chunks),
        "chunks_open": len(chunks),
        "warnings": warnings,
        "expires_at": func.now() + policy.result_lifetime,
    }
    return PreparedJob(job_id, model.model_id, values, spec.inputs, chunks)


async def save_prepared(session: AsyncSession, job: PreparedJob) -> None:
    """Save a job whole: nobody sees it before the transaction commits. Raises DatabaseUnavailable."""
    await session.execute(save_job(dict(job.values)))
    for rows in _batches(job):
        await session.execute(save_inputs(rows))
    await session.execute(save_chunks(job.id, job.model_id, job.chunks))
    await session.execute(save_event(job.id, 1, EventKind.QUEUED))


def _batches(job: PreparedJob) -> Iterator[list[dict[str, Any]]]:
    """The rows of the conditions, some thousand at once, so that the event loop gets its turn between."""
    starts = first_samples([item.num_samples for item in job.inputs])
    for begin in range(0, len(job.inputs), _ROWS_AT_ONCE):
        inputs = job.inputs[begin : begin + _ROWS_AT_ONCE]
        yield [
            {
                "job_id": job.id,
                "position": position,
                "first_sample": starts[position],
                "num_samples": item.num_samples,
                "conditions": dict(item.metadata),
                "placements": {name: asdict(place) for name, place in item.placements.items()},
            }
            for position, item in enumerate(inputs, begin)
        ]
