"""The committed bulk model knows what it does not: an untrained compound does nothing, and is warned of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from api.services.understand import Understood, understand
from shared.catalog import Model, open_model
from shared.ontology.terms import Ontologies
from shared.queries.spec import Coverage
from worker.inference.checkpoint import load_network

AIRWAY_MUSCLE, CYCLOHEXIMIDE, DEXAMETHASONE = "CL:0019019", "CHEBI:27641", "CHEBI:41879"
FIELD = "perturbation_ontology_id"


@pytest.fixture(scope="module")
def bulk() -> Model:
    return open_model(Path(__file__).parents[3] / "models" / "gem-1-bulk")


@pytest.fixture(scope="module")
def airway(bulk: Model) -> Understood:
    """Airway muscle cells: as they are, with cycloheximide, with dexamethasone."""
    cells: dict[str, Any] = {"cell_type_ontology_id": AIRWAY_MUSCLE}
    compounds = [{FIELD: name, "perturbation_type": "compound"} for name in (CYCLOHEXIMIDE, DEXAMETHASONE)]
    query = {
        "sampling_strategy": "mean estimation",
        "inputs": [{"metadata": cells | more, "num_samples": 1} for more in ({}, *compounds)],
    }
    return understand(query, bulk.rules, Ontologies.open())


def test_cycloheximide_does_nothing_to_airway_cells_and_dexamethasone_does(
    bulk: Model, airway: Understood
) -> None:
    network = load_network(bulk, torch.device("cpu"))
    asked = [
        {field: place.terms for field, place in item.placements.items() if place.terms}
        for item in airway.spec.inputs
    ]
    with torch.no_grad():
        condition = network.condition(network.tokens(asked))
        log_rate = network.decode(condition.latent_mean) + condition.gene_effect
    plain, cycloheximide, dexamethasone = torch.softmax(log_rate, 1).numpy() * 1e6
    np.testing.assert_allclose(cycloheximide, plain, rtol=1e-4)
    fkbp5 = [gene.symbol for gene in bulk.genes].index("FKBP5")
    assert dexamethasone[fkbp5] > 2 * plain[fkbp5]


def test_cycloheximide_is_covered_as_unknown_and_warned_of(airway: Understood) -> None:
    covered = {value.value: value.coverage for value in airway.coverage.values}
    assert covered[CYCLOHEXIMIDE] is Coverage.UNKNOWN
    assert covered[DEXAMETHASONE] is Coverage.EXACT
    assert len(airway.warnings) == 1
    assert "CHEBI:27641 (cycloheximide), so this perturbation has no effect" in airway.warnings[0]
