"""What a query is checked against: the rules of one model, and the limits of this server."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from shared.queries.requests import RequestType
from shared.queries.spec import Modality, SamplingStrategy
from shared.queries.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one query may ask for. Counts are 32-bit integers, and a seed is a 63-bit one."""

    samples: int = 1_000_000  # GENEQUEUE_MAX_SAMPLES
    inputs: int = 1_000_000  # GENEQUEUE_MAX_INPUTS
    total_count: int = 2_000_000_000
    seed: int = 2**63 - 1
    text: int = 500  # characters of a free text
    shortest_life: timedelta = timedelta(hours=1)  # of a result
    longest_life: timedelta = timedelta(days=365)
    pairs: int = 16  # of client metadata
    key: int = 64  # characters of a key of client metadata
    faults: int = 1_000  # listed; a query with more is not read to its end


@dataclass(frozen=True)
class ModelRules:
    """What one model accepts, asked in one way. `num_genes` is the length of a count vector."""

    model_id: str
    modality: Modality
    sampling_strategies: tuple[SamplingStrategy, ...]
    default_total_count: int
    vocabulary: Vocabulary
    limits: Limits = field(default_factory=Limits)
    request_type: RequestType = RequestType.BASELINE
    num_genes: int = 0
    versions: tuple[int, ...] = ()  # that a query may pin, the newest first; empty where that is not checked

    @property
    def public_id(self) -> str:
        """The id that a query is sent to."""
        return self.model_id + self.request_type.suffix

    def sibling(self, request_type: RequestType) -> str:
        """The id of the same model, asked in another way."""
        return self.model_id + request_type.suffix
