"""How a model query is shown: the short status that the public clients poll, and the full state."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.coverage import CoverageList, coverage_list
from shared.database.tables import Job
from shared.jobs.lanes import Lane
from shared.jobs.states import JobState


class Accepted(BaseModel):
    """A query was saved and will be answered."""

    modelQueryId: UUID  # noqa: N815 - the clients' spelling
    rejected_rows: int | None = Field(default=None, description="Bad rows of a large query: left out.")
    report: str | None = Field(default=None, description="All that is wrong with them, as NDJSON.")


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

    @classmethod
    def of(cls, job: Job) -> Self:
        """As the job's row counts."""
        return cls(
            samples_done=job.samples_done,
            samples_total=job.samples_total,
            percent=round(100 * job.samples_done / job.samples_total, 1),
        )


class AheadBody(BaseModel):
    """What came before a query that waits, and is not done: of everybody, without names."""

    model_config = ConfigDict(from_attributes=True)

    jobs: int
    samples: int


class FailureBody(BaseModel):
    """An input that has no samples, though others have."""

    model_config = ConfigDict(from_attributes=True)

    path: str = Field(examples=["inputs[3]"])
    reason: str


class ReproductionBody(BaseModel):
    """How a query compares with the one that it runs again."""

    model_config = ConfigDict(from_attributes=True)

    query: UUID
    state: Literal["running", "same", "different", "unknown"]
    parts: int = Field(description="Parts that were compared.")
    different_parts: int
    note: str | None = Field(description="What else to know, such as another device.")


class StandingBody(BaseModel):
    """How a query stands, beyond its row."""

    model_config = ConfigDict(from_attributes=True)

    waiting_for: str | None
    ahead: AheadBody | None
    ends_at: datetime | None
    failures: list[FailureBody]
    reproduces: ReproductionBody | None


class Summary(BaseModel):
    """A model query in a list."""

    id: UUID
    model_id: str
    model_version: int
    status: JobState
    progress: Progress
    samples_failed: int
    rejected_rows: int
    priority: Lane
    client_metadata: dict[str, str]
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime
    links: dict[str, str]

    @classmethod
    def of(cls, job: Job, links: dict[str, str]) -> Self:
        """The short form of a job's row."""
        return cls(
            id=job.id,
            model_id=job.model_id,
            model_version=job.model_version,
            status=JobState(job.state),
            progress=Progress.of(job),
            samples_failed=job.samples_failed,
            rejected_rows=_rejected_rows(job),
            priority=Lane(job.lane),
            client_metadata=job.client_metadata,
            created_at=job.created_at,
            finished_at=job.finished_at,
            expires_at=job.expires_at,
            links=links,
        )


class SummaryPage(BaseModel):
    """Some of a workspace's queries, the newest first."""

    model_queries: list[Summary]
    next_cursor: str | None = Field(description="Send it as `cursor` for those before; null at the end.")


class JobBody(BaseModel):
    """Everything public about a model query."""

    id: UUID
    model_id: str
    model_version: int
    status: JobState
    progress: Progress
    samples_failed: int = Field(description="Samples of inputs that failed; the others are delivered.")
    rejected_rows: int = Field(description="Bad rows of a large query, which were left out from the start.")
    failures: list[FailureBody] = Field(description="The inputs that failed; the first hundred.")
    waiting_for: str | None = Field(description="Why it makes no progress, where that is known.")
    ahead: AheadBody | None = Field(description="What is ahead of it, while it is queued.")
    ends_at: datetime | None = Field(description="An estimate from measured rates, where there are any.")
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
    priority: Lane
    deadline: datetime | None = Field(description="What is not done by then is not begun any more.")
    client_metadata: dict[str, str] = Field(description="As it was sent.")
    parent_id: UUID | None = Field(description="The query whose failed inputs this one tries again.")
    reproduces: ReproductionBody | None = Field(description="The query that this one runs again.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime = Field(description="When the result is deleted.")
    links: dict[str, str]

    @classmethod
    def of(cls, job: Job, standing: object, error: str | None, links: dict[str, str]) -> Self:
        """What is public of a job's row, and how it stands: an object with the fields of StandingBody."""
        return cls(
            id=job.id,
            model_id=job.model_id,
            model_version=job.model_version,
            status=JobState(job.state),
            progress=Progress.of(job),
            samples_failed=job.samples_failed,
            rejected_rows=_rejected_rows(job),
            **dict(StandingBody.model_validate(standing)),
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
            priority=Lane(job.lane),
            deadline=job.deadline,
            client_metadata=job.client_metadata,
            parent_id=job.parent_id,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            expires_at=job.expires_at,
            links=links,
        )


def _rejected_rows(job: Job) -> int:
    """How many rows were left out when the query was taken in."""
    return int((job.rejected or {}).get("rows", 0))
