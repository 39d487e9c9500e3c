"""How models and genes are shown."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from shared.catalog import Model

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
    version: int
    modality: str = Field(examples=["bulk"])
    num_genes: int
    default_total_count: int
    sampling_strategies: list[str]
    licence: str

    @classmethod
    def of(cls, model: Model) -> ModelSummary:
        """What the list says of a model."""
        return cls(**_summary(model))


class ModelDetail(ModelSummary):
    """One model, with what identifies its weights and what it can be told."""

    latent_sizes: dict[str, int]
    samples_per_chunk: int
    sha256: dict[str, str] = Field(description="Digests of the files that the model was read from.")
    fields: dict[str, int] = Field(description="How many terms the model learnt of each metadata field.")
    links: dict[str, str]

    @classmethod
    def of(cls, model: Model) -> ModelDetail:
        """All that is public about a model."""
        manifest, route = model.manifest, f"/api/models/{model.model_id}"
        return cls(
            **_summary(model),
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


def _summary(model: Model) -> dict[str, Any]:
    manifest = model.manifest
    return {
        "model_id": manifest.model_id,
        "title": manifest.title,
        "description": manifest.description,
        "origin": ORIGIN,
        "version": manifest.version,
        "modality": str(manifest.modality),
        "num_genes": len(model.genes),
        "default_total_count": manifest.default_total_count,
        "sampling_strategies": [str(strategy) for strategy in manifest.sampling_strategies],
        "licence": manifest.licence,
    }
