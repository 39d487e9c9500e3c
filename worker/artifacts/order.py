"""What a maker needs to know of an artifact: told by rows, readable without them, and sent to a process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.database.queries.artifacts import job_of
from shared.database.queries.jobs import done_chunks
from shared.database.tables import Artifact, Job
from shared.queries.requests import RequestType
from shared.results.stored import PartRef


@dataclass(frozen=True, slots=True)
class Order:
    """One attempt at an artifact: what is wanted, and the parts that it is made of."""

    artifact_id: UUID
    token: int
    job_id: UUID
    kind: str
    request: Mapping[str, Any]
    model_id: str
    model_version: int
    request_type: RequestType
    provenance: Mapping[str, Any]
    parts: tuple[PartRef, ...]

    @property
    def samples(self) -> int:
        """How many samples the parts hold."""
        return sum(part.num_samples for part in self.parts)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A file that lies in the storage, or why there is none, and whether another attempt may help.

    `trace` is for the log alone.
    """

    key: str = ""
    bytes: int = 0
    sha256: str = ""
    media_type: str = ""
    file_name: str = ""
    error: str | None = None
    again: bool = False
    trace: str | None = None


async def order_of(session: AsyncSession, artifact: Artifact) -> Order:
    """The order of an artifact that was taken. Raises DatabaseUnavailable."""
    job = (await session.scalars(job_of(artifact.id))).one()
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
