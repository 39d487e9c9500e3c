"""How metadata fields and their values are shown."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import BaseModel, Field

from shared.queries.listing import FieldListing, Hit
from shared.queries.spec import Coverage


class FieldBody(BaseModel):
    """One metadata field of a model."""

    name: str = Field(examples=["tissue_ontology_id"])
    kind: str = Field(examples=["ontology"])
    group: str = Field(description="The latent that the field is a condition of.", examples=["biological"])
    informative: bool = Field(description="Whether the model learnt anything from it.")
    values: list[str] = Field(description="All values there are, where that is a short list.")
    ontologies: list[str] = Field(description="Whose ids it takes.", examples=[["UBERON"]])
    known: int = Field(description="How many values the model was trained on.")

    @classmethod
    def of(cls, field: FieldListing) -> FieldBody:
        """What is public of a field."""
        return cls(**asdict(field))


class VocabularyBody(BaseModel):
    """The metadata fields of a model."""

    model_id: str
    fields: list[FieldBody]


class ValueBody(BaseModel):
    """One value of a field."""

    id: str = Field(examples=["UBERON:0002107"])
    label: str = Field(examples=["liver"])
    coverage: Coverage = Field(description="How well the model knows it.")
    rows: int = Field(description="How many training samples carry it.")

    @classmethod
    def of(cls, hit: Hit) -> ValueBody:
        """What is public of a value."""
        return cls(**asdict(hit))


class FieldValues(BaseModel):
    """Values of one field, best first."""

    model_id: str
    field: str
    values: list[ValueBody]
