"""From a checked query to its rows: the job, its conditions, its chunks, its first event.

Preparing is pure and may run in a thread; saving is part of the caller's transaction.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from api.services.understand import Understood
from shared.catalog import VOCABULARY, Model
from shared.database.queries.submitting import save_inputs, save_whole
from shared.jobs.chunks import ChunkPlan, first_samples, plan_chunks
from shared.jobs.lanes import Lane
from shared.queries.requests import RequestType
from shared.queries.spec import InputSpec, QuerySpec
from shared.results.specimens import INPUTS_AT_ONCE, encode_specimens, specimens_key
from shared.sheets.taking_in import TakenIn
from shared.storage.port import Storage

SEEDS = 1 << 63
_ROWS_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class SubmitPolicy:
    """How jobs are cut and kept, where the query does not say it itself.

    `samples_per_chunk` None means what the model's manifest says. A query of more than `interactive_samples`
    is bulk. `cancel_after` counts from the submit.
    """

    result_lifetime: timedelta
    samples_per_chunk: int | None = None
    interactive_samples: int = 2_000
    cancel_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class PreparedJob:
    """A job as rows, not yet saved. `values` are the columns of the job itself.

    `objects` are what goes into the storage, by key: the counts that the inputs bring along. `webhook_url` is
    no column: it becomes an endpoint's row.
    """

    id: UUID
    model_id: str
    values: Mapping[str, Any]
    inputs: tuple[InputSpec, ...]
    chunks: tuple[ChunkPlan, ...]
    objects: Mapping[str, bytes]
    webhook_url: str | None = None


def prepare_job(
    understood: Understood, model: Model, workspace_id: int, policy: SubmitPolicy, job_id: UUID | None = None
) -> PreparedJob:
    """The rows of a query. An open seed is drawn here and kept, so that every result can be repeated.

    The inputs of one that was taken in lie in the storage already, under the id that the job then has.
    """
    job_id, spec, samples = job_id or uuid4(), understood.spec, understood.extent.samples
    objects = dict(_objects(job_id, spec.inputs))
    chunks = tuple(plan_chunks(samples, chunk_size(spec, model, policy.samples_per_chunk)))
    values = {
        "id": job_id,
        "workspace_id": workspace_id,
        "model_id": spec.model_id,
        "model_version": model.manifest.version,
        "weights_digest": model.manifest.weights_digest,
        "model_digests": _model_digests(model),
        "request_type": str(spec.request_type),
        "sampling_strategy": str(spec.sampling_strategy),
        "total_count": spec.total_count,
        "deterministic_latents": spec.deterministic_latents,
        "conditioning": list(spec.conditioning),
        "fixed_total_count": spec.fixed_total_count,
        "input_digests": [sha256(data).hexdigest() for data in objects.values()],
        "seed": secrets.randbelow(SEEDS) if spec.seed is None else spec.seed,
        "source": spec.source,
        "request_id": structlog.contextvars.get_contextvars().get("request_id"),
        "lane": str(lane_of(spec, samples, policy.interactive_samples)),
        "deadline": spec.deadline,
        "cancel_after": policy.cancel_after,
        "client_metadata": dict(spec.client_metadata),
        "samples_total": samples,
        "chunks_total": len(chunks),
        "chunks_open": len(chunks),
        "webhook_events": list(spec.webhook_events),
        "warnings": understood.warnings,
        "coverage": understood.coverage.to_json(),
        "kept_for": spec.expires_in or policy.result_lifetime,
        "custom_ids": understood.extent.named,
        **(_kept_elsewhere(understood.taken_in) if understood.taken_in else {}),
    }
    return PreparedJob(job_id, spec.model_id, values, spec.inputs, chunks, objects, spec.webhook_url)


def _model_digests(model: Model) -> dict[str, str]:
    return {"vocabulary": model.manifest.digests[VOCABULARY], "genes_csv": model.genes_csv_digest}


def _kept_elsewhere(taken_in: TakenIn) -> dict[str, Any]:
    """The columns that say where the inputs of a large query are, and what of it was left out."""
    return {
        "sheets": [sheet.to_json() for sheet in taken_in.writer.sheets],
        "input_digests": taken_in.writer.input_digests,
        "rejected": taken_in.rejected.to_json() if taken_in.rejected else None,
    }


def lane_of(spec: QuerySpec, samples: int, interactive_samples: int) -> Lane:
    """The lane that a query asks for, or the one that fits its size."""
    return spec.priority or (Lane.INTERACTIVE if samples <= interactive_samples else Lane.BULK)


def chunk_size(spec: QuerySpec, model: Model, asked: int | None) -> int:
    """Samples of a chunk, as asked or as the manifest says; of predictions at most an object's inputs."""
    size = asked or model.manifest.samples_per_chunk
    return min(size, INPUTS_AT_ONCE) if spec.request_type is RequestType.PREDICT_METADATA else size


def store_objects(storage: Storage, job: PreparedJob) -> None:
    """Store what the rows will point at; before they are committed, so that no worker looks for it in vain.

    Blocks: for a thread. Raises StorageUnavailable. What a submit that fails leaves behind is swept later.
    """
    for key, data in job.objects.items():
        storage.put(key, data)


def _objects(job_id: UUID, inputs: Sequence[InputSpec]) -> Iterator[tuple[str, bytes]]:
    """The counts of the inputs, by key; nothing where they bring none along."""
    counts = [item.counts for item in inputs if item.counts is not None]
    for first in range(0, len(counts), INPUTS_AT_ONCE):
        yield specimens_key(job_id, first), encode_specimens(first, counts[first : first + INPUTS_AT_ONCE])


async def save_prepared(session: AsyncSession, job: PreparedJob) -> bool:
    """Save a job whole: nobody sees it before the transaction commits. False where it was saved before.

    Raises DatabaseUnavailable.
    """
    structlog.contextvars.bind_contextvars(job=str(job.id))
    # The rest of a large query follows in the same transaction, so that the event loop gets its turn between.
    first, *others = _batches(job) if job.inputs else [[]]
    statement, values = save_whole(job.values, first, [asdict(plan) for plan in job.chunks])
    if await session.scalar(statement, values) is None:
        return False
    for rows in others:
        await session.execute(save_inputs(job.id, rows))
    return True


def _batches(job: PreparedJob) -> Iterator[list[dict[str, Any]]]:
    """The rows of the conditions, some thousand at once, so that the event loop gets its turn between."""
    starts = first_samples([item.num_samples for item in job.inputs])
    for begin in range(0, len(job.inputs), _ROWS_AT_ONCE):
        inputs = job.inputs[begin : begin + _ROWS_AT_ONCE]
        yield [
            {
                "position": position,
                "first_sample": starts[position],
                "num_samples": item.num_samples,
                "conditions": dict(item.metadata),
                "placements": {name: asdict(place) for name, place in item.placements.items()},
                "custom_id": item.custom_id or None,
            }
            for position, item in enumerate(inputs, begin)
        ]
