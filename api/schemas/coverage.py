"""How it is shown how well a model knows the values of a query."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, TypeAdapter

from shared.queries.spec import Coverage


class TermBody(BaseModel):
    """A term of the model's vocabulary."""

    id: str = Field(examples=["UBERON:0002107"])
    label: str = Field(examples=["liver"])


class CoveredValueBody(BaseModel):
    """One value of one metadata field, however many inputs carry it."""

    field: str = Field(examples=["tissue_ontology_id"])
    value: str = Field(examples=["UBERON:0001115"])
    label: str = Field(examples=["left lobe of liver"])
    coverage: Coverage
    terms: list[TermBody] = Field(description="What it stands on; nothing where it changes nothing.")
    distance: int = Field(description="Steps up to the terms.", examples=[2])
    inputs: int = Field(description="How many inputs carry the value.")
    path: str = Field(
        description="Where it stands first.", examples=["inputs[0].metadata.tissue_ontology_id"]
    )


class LeftOut(BaseModel):
    """Ends a list that would be too long."""

    left_out: int = Field(description="How many more values there are.")


CoverageList = list[CoveredValueBody | LeftOut]
_LIST: TypeAdapter[CoverageList] = TypeAdapter(CoverageList)


def coverage_list(kept: list[dict[str, Any]]) -> CoverageList:
    """The list as shown, from the list as kept with a job."""
    return _LIST.validate_python(kept)
