"""What a biologist would look at first, asked through the service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from genequeue.client import Client
from tests.support.machine import Machine

TISSUES = {
    "liver": "UBERON:0002107",
    "heart": "UBERON:0000948",
    "pancreas": "UBERON:0001264",
    "lung": "UBERON:0002048",
    "kidney": "UBERON:0002113",
    "cerebral cortex": "UBERON:0000956",
    "skeletal muscle": "UBERON:0001134",
    "testis": "UBERON:0000473",
}
CELLS = {
    "B cell": "CL:0000236",
    "hepatocyte": "CL:0000182",
    "cardiomyocyte": "CL:0000746",
    "fibroblast": "CL:0000057",
    "astrocyte": "CL:0000127",
    "T cell": "CL:0000084",
}


def cpm(machine: Machine, model_id: str, conditions: Mapping[str, dict[str, str]]) -> pd.DataFrame:
    """Mean counts per million of five samples of each condition, conditions by gene symbols."""
    client = Client(machine.url, machine.key)
    query: dict[str, Any] = {
        "sampling_strategy": "mean estimation",
        "seed": 3,
        "inputs": [{"metadata": metadata, "num_samples": 5} for metadata in conditions.values()],
    }
    job_id = client.post(f"/api/models/{model_id}/predict", query)["modelQueryId"]
    *_, last = client.query(job_id).watch()
    assert last["status"] == "ready", last
    result = client.get(f"/api/model-queries/{job_id}/result", format="json")
    symbols = [gene["symbol"] for gene in client.get(f"/api/models/{model_id}/genes")["genes"]]
    counts = np.array([row["counts"] for row in result["outputs"]], float)
    counts *= 1e6 / counts.sum(axis=1, keepdims=True)
    return pd.DataFrame(counts.reshape(len(conditions), 5, -1).mean(axis=1), list(conditions), symbols)


@pytest.fixture(scope="module")
def tissues(machine: Machine) -> pd.DataFrame:
    return cpm(machine, "gem-1-bulk", {name: {"tissue_ontology_id": term} for name, term in TISSUES.items()})


@pytest.mark.parametrize(("gene", "tissue"), [("ALB", "liver"), ("MYH7", "heart"), ("INS", "pancreas")])
def test_a_tissue_makes_its_marker(tissues: pd.DataFrame, gene: str, tissue: str) -> None:
    # The heart's slow myosin is that of slow skeletal muscle too.
    others = tissues.drop(index=[tissue, "skeletal muscle"])
    assert tissues.loc[tissue, gene] > 10 * others[gene].mean()


@pytest.mark.parametrize("model_id", ["gem-1-bulk", "gem-1-sc"])
def test_b_cells_make_cd20(machine: Machine, model_id: str) -> None:
    cells = cpm(machine, model_id, {name: {"cell_type_ontology_id": term} for name, term in CELLS.items()})
    assert cells.loc["B cell", "MS4A1"] > 10 * cells.drop(index="B cell")["MS4A1"].mean()


def test_sex_shows_on_the_sex_chromosomes(machine: Machine) -> None:
    sexes = {
        f"{sex} {tissue}": {"sex": sex, "tissue_ontology_id": TISSUES[tissue]}
        for sex in ("male", "female")
        for tissue in ("liver", "lung")
    }
    answer = cpm(machine, "gem-1-bulk", sexes)
    for tissue in ("liver", "lung"):
        male, female = answer.loc[f"male {tissue}"], answer.loc[f"female {tissue}"]
        assert female["XIST"] > 10 * male["XIST"]
        assert male["RPS4Y1"] > 10 * female["RPS4Y1"]
    assert answer.loc["male liver", "ALB"] == pytest.approx(answer.loc["female liver", "ALB"], rel=0.5)
