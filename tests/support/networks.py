"""Small vocabularies, networks and model sheets, for tests of the rooms with torch."""

from __future__ import annotations

import torch

from shared.queries.vocabulary import FieldVocabulary, Term, Vocabulary
from worker.inference.checkpoint import ModelSheet
from worker.inference.network import Architecture, ExpressionNetwork

SMALL = Architecture(embedding=8, hidden=12, rank=6, biological=5, technical=3, perturbation=2)
LIVER, LUNG, ORGAN = "UBERON:0002107", "UBERON:0002048", "UBERON:0000062"
COMPOUND, INFECTION = "CHEBI:41879", "NCBITaxon:90371"


def small_vocabulary() -> Vocabulary:
    """Two tissues below one organ, the sexes, sample types, a study, two perturbations of two types."""
    fields = {
        "tissue_ontology_id": {
            ORGAN: Term("organ"),
            LIVER: Term("liver", (ORGAN,), 3),
            LUNG: Term("lung", (ORGAN,), 2),
        },
        "sex": {"female": Term("female", (), 2), "male": Term("male", (), 2)},
        "sample_type": {
            "cell line": Term("cell line", (), 1),
            "primary tissue": Term("primary tissue", (), 4),
        },
        "study": {"HPA": Term("HPA", (), 3), "PRJEB18997": Term("PRJEB18997", (), 1)},
        "perturbation_ontology_id": {
            COMPOUND: Term("dexamethasone", (), 1),
            INFECTION: Term("Salmonella", (), 1),
        },
        "perturbation_type": {name: Term(name) for name in ("compound", "crispr", "infection")},
    }
    return Vocabulary({name: FieldVocabulary(name, terms) for name, terms in fields.items()})


def small_network(genes: int = 20, seed: int = 0, vocabulary: Vocabulary | None = None) -> ExpressionNetwork:
    """A network in which every parameter is away from zero."""
    torch.manual_seed(seed)
    network = ExpressionNetwork(vocabulary or small_vocabulary(), genes, SMALL)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name not in ("ceiling", "latent_log_scale"):
                parameter.add_(0.3 * torch.randn_like(parameter))
    return network.requires_grad_(False).eval()


def small_sheet(model_id: str = "gem-1-bulk") -> ModelSheet:
    """A sheet of a bulk model."""
    return ModelSheet(
        model_id=model_id,
        version=1,
        modality="bulk",
        title="A small model",
        description="For tests.",
        sampling_strategies=("mean estimation", "sample generation"),
        default_total_count=10_000_000,
        samples_per_chunk=500,
        example_query={"sampling_strategy": "mean estimation", "inputs": []},
        licence="CC-BY-SA-4.0",
    )
