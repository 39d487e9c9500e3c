"""What checking a query says, when it says that it is valid."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from api.schemas.coverage import CoverageList


class EstimateBody(BaseModel):
    """What the query will cost. Sizes are within a factor of 1.5 or so, times as good as the recent jobs."""

    rows: int
    chunks: int = Field(description="Pieces of work, each of which becomes a stored part.")
    stored_bytes: int = Field(description="Of the stored Parquet parts.")
    json_bytes: int = Field(description="Of the result as JSON, not compressed.")
    samples_ahead: int = Field(description="Samples of all models that wait for a worker now.")
    seconds: float | None = Field(description="Computing it, once its turn has come; null if not known.")
    seconds_note: str = Field(description="Where the seconds come from, or why there are none.")


class ValidBody(BaseModel):
    """A query that would be accepted. Nothing was saved, and nothing runs."""

    valid: Literal[True] = True
    model_id: str = Field(examples=["gem-1-bulk"])
    model_version: int
    inputs: int
    samples: int
    total_count: int | None = Field(
        description="Library size of every sample; null where each takes that of its own counts."
    )
    coverage: CoverageList = Field(
        description="How well the model knows each value of the query, the least known first."
    )
    warnings: list[str]
    estimate: EstimateBody
