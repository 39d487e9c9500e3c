"""A claimed chunk with everything that computing it needs: frozen values, no rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from shared.jobs.chunks import Run
from shared.queries.spec import SamplingStrategy


@dataclass(frozen=True, slots=True)
class Condition:
    """One input of a job: its metadata as the user wrote it, and the vocabulary terms it stands on."""

    input_index: int
    metadata: Mapping[str, str]
    terms: Mapping[str, tuple[str, ...]]
    coverage: str


@dataclass(frozen=True, slots=True)
class Work:
    """A chunk that this worker owns under a fencing token.

    A run's `input_index` counts within `conditions`.
    """

    chunk_id: int
    token: int
    job_id: UUID
    position: int
    attempt: int
    model_id: str
    num_samples: int
    sampling_strategy: SamplingStrategy
    total_count: int
    deterministic_latents: bool
    seed: int
    conditions: tuple[Condition, ...]
    runs: tuple[Run, ...]

    @property
    def lease(self) -> tuple[int, int]:
        """Chunk id and token: what proves ownership."""
        return self.chunk_id, self.token
