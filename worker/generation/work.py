"""A claimed chunk with everything that computing it needs: frozen values, no rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from shared.jobs.chunks import Run
from shared.queries.requests import RequestType
from shared.queries.spec import SamplingStrategy


@dataclass(frozen=True, slots=True)
class Condition:
    """One input of a job: its metadata as the user wrote it, and the vocabulary terms it stands on."""

    input_index: int
    metadata: Mapping[str, str]
    terms: Mapping[str, tuple[str, ...]]
    coverage: str


@dataclass(frozen=True, slots=True)
class StoredSpecimens:
    """An object in the storage with the counts of consecutive inputs, and its SHA-256 in hex."""

    key: str
    first_input: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Work:
    """A chunk that this worker owns under a fencing token.

    A run's `input_index` counts within `conditions`. Where the inputs bring counts along, they lie in
    `specimens`, in order, and `total_count` holds only where `fixed_total_count`: elsewhere a sample is as
    large as its specimen. `conditioning` names the latents that come from the specimens.
    """

    chunk_id: int
    token: int
    job_id: UUID
    position: int
    attempt: int
    model_id: str
    model_version: int
    num_samples: int
    sampling_strategy: SamplingStrategy
    total_count: int
    deterministic_latents: bool
    seed: int
    conditions: tuple[Condition, ...]
    runs: tuple[Run, ...]
    request_type: RequestType = RequestType.BASELINE
    conditioning: tuple[str, ...] = ()
    fixed_total_count: bool = False
    specimens: tuple[StoredSpecimens, ...] = ()
    request_id: str | None = None
    waited: timedelta = timedelta()  # from queued to claimed, by the database's clock

    @property
    def ids(self) -> dict[str, object]:
        """What every log line about this chunk carries."""
        return {
            "job": str(self.job_id),
            "request_id": self.request_id,
            "chunk": self.position,
            "attempt": self.attempt,
            "model": self.model_id,
            "version": self.model_version,
        }

    @property
    def lease(self) -> tuple[int, int]:
        """Chunk id and token: what proves ownership."""
        return self.chunk_id, self.token
