"""Files made of results, as they cross the wire; and what two groups of samples are compared by."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shared.database.tables import Artifact
from shared.jobs.artifacts import ArtifactKind, ArtifactState

_WAIT = re.compile(r"wait\s*=\s*(\d{1,4})")
USUAL_WAIT, LONGEST_WAIT = timedelta(seconds=20), timedelta(seconds=25)  # clients hang up after 30


def patience(prefer: str) -> timedelta:
    """How long a Prefer header has its caller wait (RFC 7240): `wait=N`, `respond-async`, or the usual."""
    if found := _WAIT.search(prefer):
        return min(timedelta(seconds=int(found[1])), LONGEST_WAIT)
    return timedelta() if "respond-async" in prefer.lower() else USUAL_WAIT


class ArtifactProgress(BaseModel):
    """How far the making is, in samples."""

    done: int
    total: int
    percent: float


class ArtifactBody(BaseModel):
    """A file that is made of a result."""

    id: UUID
    kind: ArtifactKind
    form: str | None = Field(examples=["h5ad"])
    state: ArtifactState
    progress: ArtifactProgress
    bytes: int | None
    sha256: str | None
    media_type: str | None
    file_name: str | None
    error: str | None = Field(description="Why it could not be made.")
    created_at: datetime
    finished_at: datetime | None
    links: dict[str, str] = Field(description="`download` once it is there; it needs no key.")

    @classmethod
    def of(cls, artifact: Artifact, links: dict[str, str]) -> Self:
        """As its row says."""
        percent = round(100 * min(artifact.done / (artifact.total or 1), 1), 1)
        failed = artifact.state == ArtifactState.FAILED
        return cls(
            id=artifact.id,
            kind=ArtifactKind(artifact.kind),
            form=artifact.request.get("form"),
            state=ArtifactState(artifact.state),
            progress=ArtifactProgress(done=artifact.done, total=artifact.total, percent=percent),
            bytes=artifact.bytes,
            sha256=artifact.sha256,
            media_type=artifact.media_type,
            file_name=artifact.file_name,
            error=artifact.error if failed else None,
            created_at=artifact.created_at,
            finished_at=artifact.finished_at,
            links=links,
        )


class ArtifactUnderWay(BaseModel):
    """It is not made yet: ask again."""

    artifact: ArtifactBody


class ArtifactList(BaseModel):
    """The files made of one result, the oldest first."""

    artifacts: list[ArtifactBody]


Name = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=128)]
Value = Annotated[str, StringConstraints(strict=True, max_length=1_000)]
Position = Annotated[int, Field(strict=True, ge=0, lt=1 << 31)]


class GroupBody(BaseModel):
    """Some samples of a result: all that is said must hold of them."""

    model_config = ConfigDict(extra="forbid")

    inputs: str | list[Position | Name] | None = Field(
        default=None, description='Positions and ranges, or ids of inputs: "0-9,42".'
    )
    custom_ids: list[Name] | None = Field(default=None, description="Ids that the query gave its inputs.")
    metadata: dict[str, Value | list[Value]] | None = Field(
        default=None, description="A value, or several of which one must hold, for each field."
    )


class CompareBody(BaseModel):
    """Two groups of the samples of one result, that have no sample in common."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "a": {"metadata": {"perturbation_type": "compound"}},
                    "b": {"metadata": {"perturbation_type": ""}},
                }
            ]
        },
    )

    a: GroupBody
    b: GroupBody
