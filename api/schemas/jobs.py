"""How a model query is shown: the short status that the public clients poll, and the full state."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from api.schemas.coverage import CoverageList, coverage_list
from shared.database.tables import Job
from shared.jobs.states import JobState


class Accepted(BaseModel):
    """A query was saved and will be answered."""

    modelQueryId: UUID  # noqa: N815 - the clients' spelling


class Waiting(BaseModel):
    """Not ended yet."""

    status: Literal["queued", "running"]


class Ready(BaseModel):
    """The result can be fetched, without a key, until the link expires."""

    status: Literal["ready"] = "ready"
    downloadUrl: str  # noqa: N815 - the clients' spelling


class Failed(BaseModel):
    """Ended without a result that can be read: failed, cancelled or expired."""

    status: Literal["failed"] = "failed"
    message: str


class Progress(BaseModel):
    """How far a job is, in samples."""

    samples_done: int
    samples_total: int
    percent: float = Field(examples=[62.5])


class JobBody(BaseModel):
    """Everything public about a model query."""

    id: UUID
    model_id: str
    model_version: int
    status: JobState
    progress: Progress
    waiting_for: str | None = Field(description="Why it makes no progress, where that is known.")
    error: str | None = Field(description="Why it has no result, once it ended without one.")
    warnings: list[str] = Field(
        description="Metadata values that the model could not place exactly as asked.",
        examples=[
            [
                "inputs[0].metadata.tissue_ontology_id: UBERON:0001115 (left lobe of liver) is placed at its "
                "nearest known ancestor UBERON:0002107 (liver), 2 steps up."
            ]
        ],
    )
    coverage: CoverageList = Field(
        description="How well the model knows each value of the query, the least known first."
    )
    request_type: str = Field(examples=["baseline"])
    sampling_strategy: str
    total_count: int
    deterministic_latents: bool
    conditioning: list[str] = Field(description="The latents that are taken from the reference counts.")
    fixed_total_count: bool = Field(
        description="Whether total_count holds for samples with reference counts."
    )
    seed: int = Field(description="Sent with the same query, it gives the same result.")
    source: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime = Field(description="When the result is deleted.")
    links: dict[str, str]

    @classmethod
    def of(cls, job: Job, waiting_for: str | None, error: str | None, links: dict[str, str]) -> JobBody:
        """What is public of a job's row."""
        return cls(
            id=job.id,
            model_id=job.model_id,
            model_version=job.model_version,
            status=JobState(job.state),
            progress=Progress(
                samples_done=job.samples_done,
                samples_total=job.samples_total,
                percent=round(100 * job.samples_done / job.samples_total, 1),
            ),
            waiting_for=waiting_for,
            error=error,
            warnings=job.warnings,
            coverage=coverage_list(job.coverage),
            request_type=job.request_type,
            sampling_strategy=job.sampling_strategy,
            total_count=job.total_count,
            deterministic_latents=job.deterministic_latents,
            conditioning=job.conditioning,
            fixed_total_count=job.fixed_total_count,
            seed=job.seed,
            source=job.source,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            expires_at=job.expires_at,
            links=links,
        )
