"""What stands above the samples in every form of a result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.queries.requests import RequestType


@dataclass(frozen=True, slots=True)
class ResultHeader:
    """The genes, in the order of every count vector, and the model that answered, by its public id."""

    gene_order: Sequence[str]
    model_id: str
    model_version: int
    request_type: RequestType = RequestType.BASELINE
