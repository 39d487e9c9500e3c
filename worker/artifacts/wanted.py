"""What is wanted of an artifact, as rows tell it: they become an order, which is read without them."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from shared.database.queries.artifacts import job_of
from shared.database.queries.jobs import done_chunks
from shared.database.tables import Artifact, Job
from shared.queries.requests import RequestType
from shared.results.stored import PartRef
from worker.artifacts.order import Order


async def order_of(session: AsyncSession, artifact: Artifact) -> Order | None:
    """The order of an artifact that was taken; None if its result was deleted since.

    Raises DatabaseUnavailable.
    """
    job = (await session.scalars(job_of(artifact.id))).one_or_none()
    if job is None:
        return None
    chunks = (await session.scalars(done_chunks(job.id))).all()
    wanted = artifact.request.get("parts")  # of a result that was not whole when it was asked for
    assert artifact.token is not None
    return Order(
        artifact_id=artifact.id,
        token=artifact.token,
        job_id=job.id,
        kind=artifact.kind,
        request=artifact.request,
        model_id=job.model_id,
        model_version=job.model_version,
        request_type=RequestType(job.request_type),
        provenance=_provenance(job),
        parts=tuple(
            PartRef.of(chunk)
            for chunk in chunks
            if chunk.samples_stored != 0 and (wanted is None or chunk.position in wanted)
        ),
    )


def _provenance(job: Job) -> dict[str, Any]:
    return {
        "id": str(job.id),
        "model_id": job.model_id,
        "model_version": job.model_version,
        "weights_sha256": job.weights_digest,
        "request_type": job.request_type,
        "sampling_strategy": job.sampling_strategy,
        "total_count": job.total_count,
        "deterministic_latents": job.deterministic_latents,
        "seed": job.seed,
        "manifest_sha256": job.manifest_sha256 or "",
        "submitted_at": job.created_at.isoformat(),
    }
