"""How models and genes are shown."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from shared.catalog import Offer

ADDED = "A model that was added to this server by those who run it."
ORIGIN = (
    "A starter model of GeneQueue, trained on public data. "
    "It is not the hosted service's model of the same id and does not give the same counts."
)


class ModelSummary(BaseModel):
    """One model, as the list shows it. Values are flat: the R client makes a data frame of them."""

    model_id: str = Field(examples=["gem-1-bulk"])
    title: str
    description: str
    origin: str = Field(examples=[ORIGIN])
    base_model_id: str = Field(description="The same model, whichever way it is asked.")
    request_type: str = Field(examples=["baseline"])
    version: int = Field(description="The newest, which answers unless a query pins another.")
    versions: list[int] = Field(description="What `model_version` of a query may say, the newest first.")
    added_at: datetime | None = Field(description="Null for a starter model.")
    modality: str = Field(examples=["bulk"])
    num_genes: int
    default_total_count: int
    sampling_strategies: list[str]
    licence: str

    @classmethod
    def of(cls, offer: Offer, versions: list[int]) -> ModelSummary:
        """What the list says of a model, asked in one way."""
        return cls(**_summary(offer, versions))


class ModelDetail(ModelSummary):
    """One model, with what identifies its weights and what it can be told."""

    latent_sizes: dict[str, int]
    samples_per_chunk: int
    sha256: dict[str, str] = Field(description="Digests of the files that the model was read from.")
    fields: dict[str, int] = Field(description="How many terms the model learnt of each metadata field.")
    links: dict[str, str]

    @classmethod
    def of(cls, offer: Offer, versions: list[int]) -> ModelDetail:
        """All that is public about a model, asked in one way."""
        model, manifest, route = offer.model, offer.model.manifest, f"/api/models/{offer.public_id}"
        return cls(
            **_summary(offer, versions),
            latent_sizes=dict(manifest.latent_sizes),
            samples_per_chunk=manifest.samples_per_chunk,
            sha256=dict(manifest.digests),
            fields={name: len(field.terms) for name, field in model.vocabulary.fields.items()},
            links={
                "self": route,
                "example_query": f"{route}/example-query",
                "vocabulary": f"{route}/vocabulary",
                "genes": f"{route}/genes",
                "predict": f"{route}/predict",
            },
        )


class ModelList(BaseModel):
    """Every model of this server. Clients allow no other key beside `models`."""

    models: list[ModelSummary]


class ExampleQuery(BaseModel):
    """A query that this server accepts as it stands."""

    example_query: dict[str, Any] = Field(
        examples=[
            {
                "sampling_strategy": "mean estimation",
                "inputs": [
                    {"metadata": {"tissue_ontology_id": "UBERON:0002107", "sex": "male"}, "num_samples": 2}
                ],
            }
        ]
    )


class GeneBody(BaseModel):
    """One gene; its position in the list is its position in every count vector."""

    ensembl_id: str = Field(examples=["ENSG00000163631"])
    symbol: str = Field(examples=["ALB"])
    biotype: str = Field(examples=["protein_coding"])
    length: int = Field(description="In base pairs.")


class GeneList(BaseModel):
    """The genes of a model, in ascending order of their Ensembl ids."""

    model_id: str
    genes: list[GeneBody]


def _summary(offer: Offer, versions: list[int]) -> dict[str, Any]:
    model, manifest = offer.model, offer.model.manifest
    return {
        "model_id": offer.public_id,
        "title": offer.title,
        "description": manifest.description,
        "origin": ORIGIN if model.added_at is None else ADDED,
        "base_model_id": model.model_id,
        "request_type": str(offer.request_type),
        "version": model.version,
        "versions": versions,
        "added_at": model.added_at,
        "modality": str(manifest.modality),
        "num_genes": len(model.genes),
        "default_total_count": manifest.default_total_count,
        "sampling_strategies": [str(strategy) for strategy in manifest.sampling_strategies],
        "licence": manifest.licence,
    }
