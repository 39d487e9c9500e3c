"""What the sources have in common: terms that exist, lengths, symbols, and what is held out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from shared.ontology.terms import Ontologies
from worker.training.dataset import held_out
from worker.training.samples import LABEL_FIELDS, SampleKind, counts_per_million, labelled
from worker.training.sources import airway, macrophage
from worker.training.sources.genes import by_symbol, counts_from_tpm
from worker.training.terms import published_terms

GENES = pd.DataFrame(
    {
        "symbol": ["A", "A", "B"],
        "length": [500, 1500, 3000],
        "biotype": ["lncRNA", "protein_coding", "protein_coding"],
    },
    index=["ENSG1", "ENSG2", "ENSG3"],
)


@pytest.mark.parametrize(
    ("kind", "number"), [("tissue", 50), ("cell_type", 81), ("cancer", 33), ("gtex", 4), ("gtex_judges", 25)]
)
def test_every_published_name_has_a_current_term(kind: str, number: int) -> None:
    ontologies = Ontologies.open()
    terms = published_terms(kind)
    assert len(terms) == number
    for name, ids in terms.items():
        for term in ids if isinstance(ids, list) else [ids]:
            found = ontologies.get(term)
            assert found is not None, name
            assert not found.obsolete, name


def test_no_two_cell_types_share_a_term() -> None:
    terms = list(published_terms("cell_type").values())
    assert len(set(terms)) == len(terms)


def test_a_long_gene_collects_more_reads_than_a_short_one_of_the_same_tpm() -> None:
    counts = counts_from_tpm(pd.DataFrame({"s": [10.0, 10.0]}, index=["ENSG2", "ENSG3"]), GENES)
    np.testing.assert_allclose(counts["s"], [1e6 / 3, 2e6 / 3])


def test_a_protein_coding_gene_wins_a_shared_symbol() -> None:
    assert by_symbol(GENES) == {"A": "ENSG2", "B": "ENSG3"}


def test_a_gene_that_was_not_measured_stays_so() -> None:
    cpm = counts_per_million(pd.DataFrame({"s": [1.0, np.nan, 3.0]}))["s"]
    assert cpm[0] == 250_000
    assert np.isnan(cpm[1])


def test_unset_labels_are_empty_strings() -> None:
    labels = labelled(pd.DataFrame({"s": [1.0], "t": [2.0]}), "x", SampleKind.COUNTS, sex=["male", ""]).labels
    assert labels.loc["s", "sex"] == "male"
    assert set(labels[[name for name in LABEL_FIELDS if name != "sex"]].to_numpy().ravel()) == {""}


@pytest.mark.parametrize(
    ("donor", "perturbation", "expected"),
    [
        ("N061011", airway.DEXAMETHASONE, True),
        ("N61311", airway.DEXAMETHASONE, False),
        ("diku_1", f"{macrophage.IFNG}|{macrophage.SALMONELLA}", True),
        ("diku_1", macrophage.IFNG, False),
        ("qaqx_1", "", True),
    ],
)
def test_donors_and_the_combination_are_held_out(donor: str, perturbation: str, expected: bool) -> None:
    labels = pd.DataFrame({"donor": [donor], "perturbation_ontology_id": [perturbation]})
    assert held_out(labels).tolist() == [expected]
