"""What a maker needs to know of an artifact, and what came of it. Sent between processes; knows no rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

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
