"""The vocabulary of a training set: closed upwards, counted, and careful about what acts alike."""

from __future__ import annotations

import pandas as pd
import pytest

from shared.ontology.terms import Ontologies
from shared.queries.vocabulary import Vocabulary
from worker.training.samples import LABEL_FIELDS
from worker.training.vocabulary import vocabulary_of

HEART, MYOCARDIUM, DEXAMETHASONE, GLUCOCORTICOID = (
    "UBERON:0000948",
    "UBERON:0002349",
    "CHEBI:41879",
    "CHEBI:24261",
)


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    empty = dict.fromkeys(LABEL_FIELDS, "")
    rows = [
        empty | {"tissue_ontology_id": MYOCARDIUM, "study": "HPA"},
        empty | {"tissue_ontology_id": MYOCARDIUM, "disease_ontology_id": "MONDO:0005109|MONDO:0018076"},
        empty | {"perturbation_ontology_id": DEXAMETHASONE, "perturbation_type": "compound"},
    ]
    return vocabulary_of(pd.DataFrame(rows), Ontologies.open())


def test_every_parent_is_a_term_itself(vocabulary: Vocabulary) -> None:
    for field in vocabulary.fields.values():
        for term, entry in field.terms.items():
            assert set(entry.parents) <= field.terms.keys(), term


def test_part_of_counts_as_an_ancestor_and_only_labels_count_as_rows(vocabulary: Vocabulary) -> None:
    tissues = vocabulary.field("tissue_ontology_id")
    assert HEART in tissues.closure([MYOCARDIUM])
    assert (tissues.terms[MYOCARDIUM].rows, tissues.terms[HEART].rows) == (2, 0)


def test_a_sample_with_two_diseases_counts_for_both(vocabulary: Vocabulary) -> None:
    diseases = vocabulary.field("disease_ontology_id").terms
    assert (diseases["MONDO:0005109"].rows, diseases["MONDO:0018076"].rows) == (1, 1)


def test_a_perturbation_is_known_only_with_what_acts_like_it(vocabulary: Vocabulary) -> None:
    terms = vocabulary.field("perturbation_ontology_id").terms
    assert terms.keys() == {DEXAMETHASONE, GLUCOCORTICOID}
    assert terms[GLUCOCORTICOID].label == "glucocorticoid"


def test_an_untrained_type_of_perturbation_is_told_from_an_unset_one(vocabulary: Vocabulary) -> None:
    assert vocabulary.field("perturbation_type").terms["crispr"].rows == 0


def test_fields_without_data_are_absent(vocabulary: Vocabulary) -> None:
    assert not vocabulary.field("age_years").informative
    assert not vocabulary.field("platform").informative
