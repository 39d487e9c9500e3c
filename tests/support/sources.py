"""Samples and predictions to make artifacts of, in parts; a small result whose every count is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from shared.queries.requests import RequestType
from shared.results.forms import FORMS, Predictions
from shared.results.header import ResultHeader
from shared.results.part import CUSTOM_ID, LATENT_GROUPS, Samples, part_table
from worker.artifacts.source import Source

GENES = tuple(f"ENSG{number:011d}" for number in range(60))
SYMBOLS = tuple(f"GENE{number}" if number else "" for number in range(60))
HEADER = ResultHeader(GENES, "gem-1-bulk", 3)
PROVENANCE = {"id": "a query", "model_id": "gem-1-bulk", "seed": 7}
CLASSES = {"sex": ("female", "male"), "tissue_ontology_id": ("", "UBERON:0002107", "UBERON:0000948")}


def samples(rows: int, first: int = 0, depth: float = 20.0, *, custom_ids: bool = True) -> pa.Table:
    """A part: inputs of ten samples each, male and female in turn; input n has the id `c<n>`."""
    random = np.random.default_rng(first)
    places = np.arange(first, first + rows)
    inputs = places // 10
    condition_of = inputs - inputs[0]
    metadata = [
        {"sex": ("male", "female")[index % 2], "tissue_ontology_id": "UBERON:0002107", "modality": "bulk"}
        | ({CUSTOM_ID: f"c{index}"} if custom_ids else {})
        for index in range(inputs[0], inputs[-1] + 1)
    ]
    # The first ten genes are higher in every second input.
    rates = np.full((rows, len(GENES)), depth)
    rates[inputs % 2 == 1, :10] *= 4
    return part_table(
        Samples(
            input_index=inputs,
            sample_index=places % 10,
            condition_of=condition_of,
            metadata=metadata,
            counts=random.poisson(rates).astype(np.int32),
            latents={group: random.normal(size=(rows, 4)).astype(np.float32) for group in LATENT_GROUPS},
        )
    )


def predictions(rows: int, first: int = 0) -> pa.Table:
    """A part of specimens of two sexes and three tissues."""
    random = np.random.default_rng(first)
    return FORMS[RequestType.PREDICT_METADATA].table(
        Predictions(
            input_index=np.arange(first, first + rows),
            probabilities={
                name: random.dirichlet(np.ones(len(values)), rows).astype(np.float32)
                for name, values in CLASSES.items()
            },
            classes=CLASSES,
            modality="bulk",
            latents={group: random.normal(size=(rows, 4)).astype(np.float32) for group in LATENT_GROUPS},
            counts=random.poisson(20, (rows, len(GENES))).astype(np.int32),
        )
    )


def source_of(parts: Sequence[pa.Table], request_type: RequestType = RequestType.BASELINE) -> Source:
    """A source that goes through these parts, as often as it is asked."""
    header = replace(HEADER, request_type=request_type)
    return Source(header, SYMBOLS, PROVENANCE, lambda: iter(parts))
