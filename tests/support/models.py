"""Small models with random weights, in the format of the real ones: real ids, made-up biology.

Equal arguments give equal bytes. Who needs a model with a meaning uses the starter models.
"""

from __future__ import annotations

from pathlib import Path

import torch

from shared.catalog import Catalog, Gene, Model, open_model
from shared.queries.vocabulary import FieldVocabulary, Term, Vocabulary
from worker.inference.checkpoint import ModelSheet, save_checkpoint
from worker.inference.network import Architecture, ExpressionNetwork

BULK, SINGLE_CELL = "gem-1-bulk", "gem-1-sc"
LIVER, HEART, LUNG = "UBERON:0002107", "UBERON:0000948", "UBERON:0002048"
B_CELL, DEXAMETHASONE = "CL:0000236", "CHEBI:41879"

_TERMS = {
    "tissue_ontology_id": {
        "UBERON:0000062": Term("organ"),
        "UBERON:0002530": Term("gland", ("UBERON:0000062",)),
        "UBERON:0002365": Term("exocrine gland", ("UBERON:0002530",)),
        LIVER: Term("liver", ("UBERON:0002365",), rows=40),
        "UBERON:0015228": Term("circulatory organ", ("UBERON:0000062",)),
        HEART: Term("heart", ("UBERON:0015228",), rows=40),
        "UBERON:0000171": Term("respiration organ", ("UBERON:0000062",)),
        LUNG: Term("lung", ("UBERON:0000171",), rows=40),
    },
    "cell_type_ontology_id": {
        "CL:0000738": Term("leukocyte"),
        "CL:0000542": Term("lymphocyte", ("CL:0000738",)),
        "CL:0000945": Term("lymphocyte of B lineage", ("CL:0000542",)),
        B_CELL: Term("B cell", ("CL:0000945",), rows=40),
    },
    "sex": {"female": Term("female", rows=60), "male": Term("male", rows=60)},
    "sample_type": {
        "primary cells": Term("primary cells", rows=60),
        "primary tissue": Term("primary tissue", rows=60),
    },
    "perturbation_ontology_id": {DEXAMETHASONE: Term("dexamethasone", rows=10)},
    "perturbation_type": {"compound": Term("compound", rows=10), "control": Term("control", rows=10)},
}
SMALL = Architecture(embedding=16, hidden=16, rank=16, biological=12, technical=4, perturbation=8)


def tiny_catalog(directory: Path, genes: int = 200, samples_per_chunk: int = 8) -> Catalog:
    """A catalog of both baseline models, below `directory`."""
    for model_id in (BULK, SINGLE_CELL):
        tiny_model(directory, genes, model_id, samples_per_chunk)
    return Catalog.open(directory)


def tiny_model(
    directory: Path,
    genes: int = 200,
    model_id: str = BULK,
    samples_per_chunk: int = 8,
    sizes: Architecture = SMALL,
    seed: int = 20,
) -> Model:
    """Write a model to `directory / model_id` and read it back; `seed` makes its weights."""
    fields = {name: FieldVocabulary(name, terms) for name, terms in _TERMS.items()}
    network = ExpressionNetwork(Vocabulary(fields), genes, sizes)
    _randomise(network, seed)
    names = [Gene(f"ENSG{i + 1:011d}", f"GENE{i + 1}", "protein_coding", 1000 + i) for i in range(genes)]
    save_checkpoint(
        directory / model_id, network, names, _sheet(model_id, samples_per_chunk), {}, "Random weights.\n"
    )
    return open_model(directory / model_id)


def _sheet(model_id: str, samples_per_chunk: int) -> ModelSheet:
    bulk = "bulk" in model_id
    return ModelSheet(
        model_id=model_id,
        version=1,
        modality="bulk" if bulk else "single-cell",
        title=f"Tiny {model_id}",
        description="Random weights, for tests.",
        sampling_strategies=("mean estimation", "sample generation") if bulk else ("mean estimation",),
        default_total_count=10_000_000 if bulk else 10_000,
        samples_per_chunk=samples_per_chunk,
        example_query={
            "sampling_strategy": "mean estimation",
            "inputs": [
                {
                    "metadata": {"tissue_ontology_id": LIVER} if bulk else {"cell_type_ontology_id": B_CELL},
                    "num_samples": 2,
                }
            ],
        },
        licence="CC0-1.0",
    )


def _randomise(network: ExpressionNetwork, seed: int) -> None:
    """Give every parameter a value, so that each term, latent and gene matters; rates span some 6 decades."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            fan_in = parameter.shape[-1] if parameter.dim() == 2 else 1
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / fan_in**0.5)
        for effects in network.gene_effects.values():
            effects.copy_(torch.randn(effects.shape, generator=generator))
        network.output.bias.mul_(2.5)
        network.gene_log_variance.mul_(0.3).sub_(2.0)
        network.loadings.copy_(0.1 * torch.randn(network.loadings.shape, generator=generator))
