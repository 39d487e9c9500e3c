"""The two starter models: what each is called, knows, and shows as its example. No weights, no data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.queries.spec import Modality, SamplingStrategy
from shared.queries.vocabulary import Vocabulary
from worker.inference.checkpoint import ModelSheet
from worker.training.dataset import Dataset
from worker.training.sources.protein_atlas import CELL_TYPES
from worker.training.vocabulary import restricted, without_private_studies

LICENCE = "CC-BY-SA-4.0"  # the Human Protein Atlas's, which the weights inherit
VERSION = 2
NOT_THE_HOSTED_MODEL = (
    "One of GeneQueue's starter models, trained on small public data sets. "
    "It shares its id and its interface with a hosted model, and neither weights nor accuracy."
)
SINGLE_CELL_FIELDS = ("cell_type_ontology_id", "tissue_ontology_id", "sex")
# Cells of a type differ more than bulk samples of a tissue. No single cells are in the training data, so this
# factor on the spread of the latents is a choice, not a measurement.
SINGLE_CELL_SPREAD = 2.0


@dataclass(frozen=True, slots=True)
class StarterModel:
    """One of the starter models: its sheet, and by how much its priors are wider than in training.

    Its encoder is fitted to samples of about `reads`.
    """

    sheet: ModelSheet
    spread: float
    reads: float

    def vocabulary(self, trained: Vocabulary) -> Vocabulary:
        """What of a trained vocabulary the model may claim to know."""
        public = without_private_studies(trained)
        if self.sheet.modality == Modality.BULK:
            return public
        return restricted(public, lambda name, _: name in SINGLE_CELL_FIELDS)

    def genes(self, data: Dataset) -> NDArray[np.int64]:
        """Positions of the model's genes: all, or those that the single-cell data measured, and XIST."""
        if self.sheet.modality == Modality.BULK:
            return np.arange(data.table.n_vars)
        single_cell = (data.labels["source"] == CELL_TYPES).to_numpy()
        measured = data.measured[single_cell].any(axis=0) | (data.genes["symbol"] == "XIST").to_numpy()
        return np.flatnonzero(measured)


def _input(num_samples: int, **metadata: str) -> dict[str, Any]:
    return {"metadata": metadata, "num_samples": num_samples}


def _example(inputs: list[dict[str, Any]]) -> Mapping[str, Any]:
    return {
        "sampling_strategy": SamplingStrategy.MEAN_ESTIMATION.value,
        "inputs": inputs,
        "seed": 1,
    }


BULK = StarterModel(
    ModelSheet(
        model_id="gem-1-bulk",
        version=VERSION,
        modality=Modality.BULK.value,
        title="GeneQueue starter model, bulk RNA-seq",
        description=f"Bulk RNA-seq: tissues, cells, cancers, sex, some perturbations. {NOT_THE_HOSTED_MODEL}",
        sampling_strategies=(
            SamplingStrategy.MEAN_ESTIMATION.value,
            SamplingStrategy.SAMPLE_GENERATION.value,
        ),
        default_total_count=10_000_000,
        samples_per_chunk=500,
        example_query=_example(
            [
                _input(5, tissue_ontology_id="UBERON:0002107", sex="female", sample_type="primary tissue"),
                _input(5, tissue_ontology_id="UBERON:0000948", sex="male", sample_type="primary tissue"),
            ],
        ),
        licence=LICENCE,
    ),
    spread=1.0,
    reads=2e7,
)
SINGLE_CELL = StarterModel(
    ModelSheet(
        model_id="gem-1-sc",
        version=VERSION,
        modality=Modality.SINGLE_CELL.value,
        title="GeneQueue starter model, single cells",
        description=f"Human single cells: 81 cell types, tissues on average, sex. {NOT_THE_HOSTED_MODEL}",
        sampling_strategies=(SamplingStrategy.MEAN_ESTIMATION.value,),
        default_total_count=10_000,
        samples_per_chunk=2_000,
        example_query=_example(
            [
                _input(5, cell_type_ontology_id="CL:0000236", sex="female"),
                _input(5, cell_type_ontology_id="CL:0000084", sex="male"),
            ],
        ),
        licence=LICENCE,
    ),
    spread=SINGLE_CELL_SPREAD,
    reads=1e4,
)
STARTER_MODELS = (BULK, SINGLE_CELL)
