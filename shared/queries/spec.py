"""A checked query: frozen records that every later step trusts. Knows nothing of JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from shared.jobs.lanes import Lane
from shared.queries.requests import RequestType

# A sample of one's own: how often each gene of the model was counted, int32 [G].
Counts = NDArray[np.int32]


class SamplingStrategy(StrEnum):
    """What a sample's counts are."""

    MEAN_ESTIMATION = "mean estimation"  # the expected counts given the latents
    SAMPLE_GENERATION = "sample generation"  # a draw, with measurement error


class Modality(StrEnum):
    """What a model's samples are."""

    BULK = "bulk"
    SINGLE_CELL = "single-cell"


class Coverage(StrEnum):
    """How well a model knows a value that a query asks for."""

    EXACT = "exact"  # the model saw this value in training
    ANCESTOR = "ancestor"  # placed at the nearest known ancestor of the term
    UNKNOWN = "unknown"  # accepted, without any effect
    NOT_INFORMATIVE = "not informative"  # the model learnt nothing from this field; echoed only


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a model's vocabulary places one metadata value.

    `terms` are entries of the model's vocabulary: none for not informative, and for unknown only where the
    vocabulary tells the value from an unset one. A cell line's ancestors are its tissue and disease, which
    are then placed in their own fields too. `distance` is the number of steps up to the nearest term.
    """

    coverage: Coverage
    terms: tuple[str, ...] = ()
    distance: int = 0

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Self:
        """Read what `asdict` made, as it is kept in rows."""
        return cls(Coverage(entry["coverage"]), tuple(entry["terms"]), entry["distance"])


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One condition: normalised metadata (only what was set), where it is placed, and how many samples.

    `counts` is the sample that the input brings along, where the request type takes one; `custom_id` is its
    owner's name for it, "" where there is none.
    """

    metadata: Mapping[str, str]
    placements: Mapping[str, Placement]
    num_samples: int
    counts: Counts | None = field(default=None, compare=False)
    custom_id: str = ""


@dataclass(frozen=True, slots=True)
class QuerySpec:
    """A whole query for one model, by its public id.

    `total_count` is the library size of a sample, in counts; with reference counts it holds only where
    `fixed_total_count`, and elsewhere a sample is as large as its reference. `conditioning` names the latents
    that are taken from the reference. `seed`, `priority`, `deadline` and `expires_in` are None where the
    caller left them open, and `model_version` where the newest will do. No `webhook_events` mean all.
    `notes` are sentences about what was accepted and has no effect.
    """

    model_id: str
    sampling_strategy: SamplingStrategy
    inputs: tuple[InputSpec, ...]
    total_count: int
    deterministic_latents: bool = False
    seed: int | None = None
    source: str | None = None
    model_version: int | None = None
    request_type: RequestType = RequestType.BASELINE
    conditioning: tuple[str, ...] = ()
    fixed_total_count: bool = False
    priority: Lane | None = None
    deadline: datetime | None = None
    expires_in: timedelta | None = None
    client_metadata: Mapping[str, str] = field(default_factory=dict)
    webhook_url: str | None = None
    webhook_events: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def num_samples(self) -> int:
        """The number of samples over all inputs."""
        return sum(item.num_samples for item in self.inputs)
