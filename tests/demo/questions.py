"""What the demo asks: the documentation's queries, as a user of the public client writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LIVER, HEART, PANCREAS = "UBERON:0002107", "UBERON:0000948", "UBERON:0001264"
B_CELL, HEPATOCYTE, CARDIOMYOCYTE, T_CELL = "CL:0000236", "CL:0000182", "CL:0000746", "CL:0000084"
NAMES = {
    LIVER: "liver",
    HEART: "heart",
    PANCREAS: "pancreas",
    B_CELL: "B cell",
    HEPATOCYTE: "hepatocyte",
    CARDIOMYOCYTE: "cardiomyocyte",
    T_CELL: "T cell",
}


@dataclass(frozen=True, slots=True)
class Question:
    """One query for one model; no query means the model's own example."""

    name: str
    title: str
    model_id: str
    query: Mapping[str, Any] | None = None


def _input(num_samples: int, **metadata: str) -> dict[str, Any]:
    return {"metadata": metadata, "num_samples": num_samples}


QUESTIONS = (
    Question("example-bulk", "The example query", "gem-1-bulk"),
    Question(
        "tissues",
        "Liver, heart and pancreas, eight samples each",
        "gem-1-bulk",
        {
            "sampling_strategy": "sample generation",
            "seed": 7,
            "inputs": [
                _input(8, tissue_ontology_id=tissue, sample_type="primary tissue")
                for tissue in (LIVER, HEART, PANCREAS)
            ],
        },
    ),
    Question(
        "sexes",
        "A male and a female liver, four samples each",
        "gem-1-bulk",
        {
            "sampling_strategy": "mean estimation",
            "seed": 7,
            "inputs": [_input(4, tissue_ontology_id=LIVER, sex=sex) for sex in ("male", "female")],
        },
    ),
    Question("example-sc", "The single-cell example", "gem-1-sc"),
    Question(
        "cells",
        "B cells, hepatocytes and cardiomyocytes, fifty single cells each",
        "gem-1-sc",
        {
            "sampling_strategy": "mean estimation",
            "seed": 7,
            "inputs": [
                _input(50, cell_type_ontology_id=cell) for cell in (B_CELL, HEPATOCYTE, CARDIOMYOCYTE)
            ],
        },
    ),
)
MARKERS = (
    "ALB",
    "APOA1",
    "MYH7",
    "TNNT2",
    "INS",
    "PRSS1",
    "MS4A1",
    "CD79A",
    "XIST",
    "RPS4Y1",
    "ACTB",
    "GAPDH",
)
